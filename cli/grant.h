#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Grant: an endpoint that a command opened, and what becomes of it
 *
 * The lease lives as long as this process keeps the connection on which it asked. So whoever opens
 * stays, unless there is no lease.
 */

#include "cli/argument.h"
#include "cli/options.h"
#include "client/conn.h"

/* Reads what is written on the command line, or what the default is (text NULL), and finds out what
 * it comes to: through aliases, with the access and as whom --user= says. -1 and *ret, or the exit
 * status: what is wrong was said. */
int grant_read_argument(const Options *options, const char *text, bool fd_allowed,
                        Argument *ret) _must_check_;

/* The second half of it, without a word. 0 or -errno and an error. */
int grant_resolve(const Options *options, Argument *argument, doorward_error *error) _must_check_;

/* Opens what was resolved, as whom --user= says. Passwords are asked for if there is a terminal,
 * and nobody said
 * --no-ask-password; who mistypes has three attempts. 0 and *ret, or -errno and an error. */
int grant_open(const Options *options, const Argument *argument, doorward_conn **ret,
               doorward_error *error) _must_check_;

/* The same, for a lease under which descriptors are opened one by one (CONN_HOLD). */
int grant_hold(const Options *options, const Argument *argument, doorward_conn **ret,
               doorward_error *error) _must_check_;

/* How people are asked by who has nobody at a terminal to ask: by the authentication agent of the
 * user's desktop, if there is one. */
extern const doorward_auth grant_auth_desktop;

/* By what people can be asked here, later: on the terminal, or so; NULL with --no-ask-password. */
const doorward_auth *grant_get_auth(const Options *options);

/* The descriptor, which is the caller's from now on: the connection keeps the lease only. */
int grant_take_fd(doorward_conn *conn);

/* Has a look at the control connection. False once the lease has ended; where that would surprise
 * (a service that hangs up does not), it was said. */
bool grant_watch(const Options *options, doorward_conn *conn);

/* The sentence about it, without the name: "was revoked". Static. NULL: not worth a word. */
const char *grant_end_text(int reason);
