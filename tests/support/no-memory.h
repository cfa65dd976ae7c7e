#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * No memory: has every allocation of the library fail, one after the other
 *
 * That is malloc(3) and its like as our own objects call them, and through jansson; of the thread
 * that asks for it alone. Each is tried twice: once it fails alone, and once all that follow fail,
 * too.
 */

#include "client/doorward.h"
#include "common/macros.h"

/* Before anything is allocated: jansson's allocations are the library's, too. */
void no_memory_init(void);

/* How many more of this thread succeed before one does not; negative: all do. */
long no_memory_get_countdown(void);
void no_memory_set_countdown(long n);

/* Whether one was refused in this attempt. */
bool no_memory_has_struck(void);

/* What is tried: true if it came to its end as if nothing had been. It may set the countdown for
 * what is not to fail. */
typedef bool (*NoMemoryAttempt)(void);

/* Tries it until nothing is left that could fail; at_least is after how many allocations that has
 * to be: else it would be the test that has stopped working. How many they were, alone. */
long no_memory_sweep(NoMemoryAttempt attempt, long at_least);

/* Whether an error says so, and nothing else. */
bool no_memory_is(const doorward_error *error);

/* The thread's last error must say so, and nothing else; from here on there is memory. */
void no_memory_check_error(void);

/* What an attempt has come to, as it says it: if it was not done, that error is looked at. */
bool no_memory_conclude(bool done);
/* Closes what was opened; all of its memory must have been there. */
bool no_memory_conclude_open(doorward_conn *conn);

/* A result of the program's own, for which there is memory. */
void no_memory_give(doorward_credential *cred, const char *text);
