#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Remote: an endpoint of another machine
 *
 * One of the ways of client/way.h: doorward+ssh and doorward+ext. A program that leads there
 * is started, the relay at the far end is asked to open, its prompts become those of this program,
 * and what comes of it is a connection whose descriptor is a socket: the bytes pass through the
 * program that leads there.
 *
 *   START    nothing has been done yet
 *   CALL     the far side is to answer; what ssh says meanwhile is told
 *   ASK      a prompt was left open
 *   OVER
 *
 * For how long the far side may take is the deadline of the open, and anew after each prompt: while
 * a person is asked, time does not count.
 */

#include "client/way.h"

extern const Way way_remote;
