#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Cgroup: of which unit a process is, by the path of its control group
 *
 * sd_pid_get_unit(3) and sd_pid_get_session(3) know this too, and read four files for the two, each
 * with an ioctl(2) a line: more system calls than all the rest of a request. One reading of
 * /proc/PID/cgroup tells both. The path is systemd's documented layout: slices, then the unit; and
 * a login session is the unit session-ID.scope.
 *
 * For records, and for whether a password that was right counts for a while: a process cannot leave
 * its session's scope, nor enter another's, without root. Nobody is let in by it alone.
 */

#include <sys/types.h>

#include "common/macros.h"

/* What is longer has too many hierarchies to be systemd's. */
#define CGROUP_FILE_SIZE 4096U

/* Of a text of /proc/PID/cgroup, the path in systemd's hierarchy. -ENODATA if there is none. */
int cgroup_parse_path(const char *text, char **ret) _must_check_;

/* The path below which PID 1 manages its units: "", but for a container that sees its host's; and
 * where it cannot be told. -ENOMEM. */
int cgroup_get_root(char **ret) _must_check_;

/* The system unit of that path. -ENODATA if it is of none. */
int cgroup_find_unit(const char *path, const char *root, char **ret) _must_check_;

/* The user whose service manager the unit is. -ENODATA if it is none. */
int cgroup_find_manager(const char *unit, uid_t *ret);

/* The login session that the unit is. -ENODATA if it is none. */
int cgroup_find_session(const char *unit, char **ret);
