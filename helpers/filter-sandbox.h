#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sandbox: what is left to the filter once it begins to read what others have written
 *
 * Waiting, reading, writing and ending, with the descriptors that it has. A dozen system calls do
 * not need libseccomp: the list is all that there is to it, and that library would be the largest
 * thing in this process.
 */

#include "common/macros.h"

/* From then on any other system call ends the process. 0, or -errno. */
int filter_sandbox_enter(void) _must_check_;
