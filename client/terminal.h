#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Terminal: the callback of doorward_auth_default
 *
 * It asks on /dev/tty, whatever the standard streams are: a program can be in the middle of a
 * pipeline. Who uses it through the public callback learns no more than -1; the library itself
 * calls it here, and learns why, and can end a prompt that nobody waits for any more.
 */

#include "client/auth.h"

/* Whether the callback is this one. */
bool terminal_is_callback(const doorward_auth *auth);

/* Whether somebody can be asked: 0, or -ENOSYS (AUTH_UNAVAILABLE), or another -errno. */
int terminal_check(doorward_error *error) _must_check_;

/* Collects or shows one credential; watch may be NULL. 0, or -errno as auth_ask_prompt() has it. */
int terminal_ask(doorward_credential *cred, const AuthWatch *watch,
                 doorward_error *error) _must_check_;
