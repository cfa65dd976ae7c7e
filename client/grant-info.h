#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Grant info: what was granted, as the program is told it
 *
 * It is one block of memory, the texts behind the members: so it is freed as a whole, by whatever
 * version of the library, and a member that is appended needs no care anywhere.
 */

#include "client/doorward.h"
#include "common/macros.h"

/* NULL: no memory. To be freed with doorward_grant_info_free(). */
doorward_grant_info *grant_info_new(const doorward_conn *conn) _must_check_;
