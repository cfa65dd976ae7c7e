#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Remote program: what leads to another machine, and how it is started
 *
 * With doorward+ssh it is the user's own ssh, so that their keys, agent, configuration and shared
 * connections are used:
 *
 *   ssh [-p PORT] [-l USER] [-i KEYFILE] [-o BatchMode=yes] -T -e none -- HOST 'COMMAND relay'
 *
 * and with doorward+ext any program, with one argument:
 *
 *   COMMAND relay
 *
 * doorward-transport runs it (helpers/transport.c). Nothing of that is secret, and nothing of it is
 * read by a shell on this side; on the other it is one fixed command.
 */

#include "client/error.h"
#include "client/uri.h"

/* Unit tests are built with a program of their own. */
#ifndef TRANSPORT_PROGRAM
#define TRANSPORT_PROGRAM HELPER_DIR "/doorward-transport"
#endif

/* "user@host: ", which stands before whatever the far side says. */
#define REMOTE_ORIGIN_SIZE (URI_USER_MAX + 1 + URI_HOST_MAX + sizeof(": "))

void remote_origin(const Uri *uri, char buf[REMOTE_ORIGIN_SIZE]);

/* Starts it. may_ask: on the terminal, if ssh has to. Both descriptors are above 2; how it ends is
 * told over the first. -errno and the error. */
int remote_program_launch(const Uri *uri, bool may_ask, int *ret_control, int *ret_data,
                          doorward_error *error) _must_check_;
