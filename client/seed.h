#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Seed: of jansson's hash tables
 *
 * Left to itself jansson reads it from /dev/urandom when the first object is made, through a
 * descriptor without close-on-exec: a thread of the program that executes another at that moment
 * hands it on. So it is given one, which the kernel is asked for without a descriptor. One that the
 * program has set is not changed.
 */

/* Before the first object. */
void seed_set(void);
