#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Export: how exported functions begin and fail
 *
 * A program can hand them anything, call them in a child, and cancel the thread that is in one.
 */

#include "client/conn.h"

/* Leaves DOORWARD_ERR_INVALID_CONN to the thread; hint may be NULL. */
void export_raise_conn(int errnum, const char *message, const char *hint);

/* Sets DOORWARD_ERR_INVALID_ARG; returns -EINVAL. */
int export_fail_argument(doorward_error *error, const char *format, ...) _printf_(2, 3);

/* That there is one; that it is this process's; that it has a lease. False with the thread's error.
 */
bool export_check_given(const doorward_conn *conn) _must_check_;
bool export_check(const doorward_conn *conn) _must_check_;
bool export_check_lease(const doorward_conn *conn) _must_check_;

/* What is to be opened, as conn_open() has it. */
typedef struct ExportOpen {
        Access access;
        const doorward_auth *auth;
        unsigned flags;
} ExportOpen;

/* Reads what a program says of an open. -EINVAL and the error (INVALID_ARG). */
int export_check_open(const doorward_auth *auth, unsigned flags, ExportOpen *ret,
                      doorward_error *error) _must_check_;

/* Nothing in between is a point at which the thread is cancelled: it would leave locks, descriptors
 * and processes behind. Returns what the other is to be given. */
int export_hold_cancel(void);
void export_release_cancel(int before);
