#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Security model: what stands between this connection and more
 *
 * Who decided about it, as whom the service sees it, what keeps a read-only one from writing, what
 * can end it. It is of the grant, but for the label, which the kernel knows. One block of memory,
 * as grant-info.h has it.
 */

#include "client/doorward.h"
#include "common/macros.h"

/* NULL: no memory. To be freed with doorward_security_model_free(). */
doorward_security_model *security_model_new(const doorward_conn *conn) _must_check_;
