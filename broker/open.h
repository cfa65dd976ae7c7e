#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Open: the method that it is all about
 *
 * In this order, each step only after the one before: rate, definition and instance, access, the
 * peer's namespaces, polkit without a prompt, polkit with one (if that would help and is allowed),
 * the lease's place, the opener, the record, the reply. The peer is found alive before policy is
 * asked, before the opener is, and before anything is handed over. A failure at any step undoes
 * what came before it, and is itself the one record.
 *
 * Between two steps the definitions can be read anew. A request under way belongs to the definition
 * that it began with: if that has changed, it is refused.
 */

#include "common/interface.h"

typedef struct Session Session;

/* Its parameters, in the order of the interface. */
enum {
        OPEN_PARAMETER_ENDPOINT,
        OPEN_PARAMETER_ACCESS,
        OPEN_PARAMETER_USER,
        OPEN_PARAMETER_INTERACTIVE,
        OPEN_PARAMETER_LEASE,
        OPEN_PARAMETER_HOLD,
        OPEN_PARAMETER_DETACHED,
        OPEN_PARAMETER_TIMEOUT,
};

/* Whether it is a time that a client may ask for, or none. */
bool open_timeout_is_valid(const FieldValue *timeout);

void open_endpoint(Session *session, const FieldValue *values);
