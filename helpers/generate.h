#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Generate: the units of all definitions
 *
 * For each definition that can be used: NAME is linked into doorward-openers.target.wants/ as
 * doorward-opener@NAME.socket, and its drop-in goes to doorward-opener@NAME.service.d/. A
 * template's NAME is without its @. A definition with a problem gets neither, so that nothing
 * listens for it.
 *
 * This runs while the system comes up. What is wrong with one definition is logged and costs the
 * others nothing; only a folder that cannot be written is a failure.
 */

#include <sys/types.h>

#include "common/macros.h"

/* priority: LOG_WARNING for what is wrong with a definition, LOG_INFO for what is merely not there.
 */
typedef void (*generate_log_func)(int priority, const char *message, void *userdata);

/* Reads the definitions, /etc/passwd and /etc/group below root ("" is the running system) and
 * writes to directory. owner: see trusted.h. -errno. */
int generate_units(const char *root, uid_t owner, const char *directory, generate_log_func log,
                   void *userdata) _must_check_;
