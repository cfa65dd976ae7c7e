/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The same program: what C++ and C both understand. */
#include "tests/unit/test-header.c"
