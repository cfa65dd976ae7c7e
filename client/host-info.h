#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Host info: what the machine is, as the program is told it
 *
 * It is read from files that anybody can read, so nobody is asked: neither the broker, for which it
 * would be one more thing to answer, nor a service. What cannot be found out is not known (NULL or
 * 0), and the rest is told: in a sandbox there may be no /sys. It is one block of memory, as
 * grant-info.h has it.
 */

#include <jansson.h>

#include "client/doorward.h"
#include "common/macros.h"

/* Of this machine; root stands before the names of files, "" but for tests. NULL: no memory. To be
 * freed with doorward_host_info_free(). */
doorward_host_info *host_info_new(const char *root) _must_check_;

/* Of another machine, by what that says of itself: each text is made fit to be shown, and a number
 * that cannot be is not known. -EBADMSG: it is not such an object; -ENOMEM. */
int host_info_from_json(const json_t *object, doorward_host_info **ret) _must_check_;

/* The same as an object, without what is not known. NULL: no memory. */
json_t *host_info_to_json(const doorward_host_info *info) _must_check_;
