#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Faster: somebody who removes a file between its opening and its flock(2)
 */

#include "common/macros.h"

/* The next that is locked is removed right before; it is false again then. */
extern bool faster_removes;
