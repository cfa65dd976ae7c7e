#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Manager: systemd, which is asked to take up definitions as they are now
 *
 * It runs the generator, which makes openers of them, has a broker that runs read them, and starts
 * the sockets of openers that are new. A broker that does not run, since it was idle, has nothing
 * to read again: the next one reads them as it starts.
 */

#include "common/macros.h"

/* As long as systemd itself waits for its generators, and then for a broker to read. */
#define MANAGER_PATIENCE_USEC (UINT64_C(180) * 1000000)

/* The same, typed. */
#define MANAGER_BY_HAND "systemctl daemon-reload && systemctl reload doorward"

/* Returns once all of that is done. address is the system bus's. 0, or -errno: of which -EACCES and
 * -EPERM are that this user may not, and -ENOEXEC that a job of systemd's has failed. *ret_problem
 * is then what was said about it, or NULL. */
int manager_take_up(const char *address, uint64_t patience_usec, char **ret_problem) _must_check_;
