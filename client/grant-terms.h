#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Grant terms: what a broker, or another machine's relay, says of that which it has granted
 */

#include "client/wire.h"

/* Borrowed from the reply. Numbers that were not said are 0, texts NULL. */
typedef struct GrantTerms {
        int access;
        int mode;
        const char *lease;
        bool kept;
        int64_t expires; /* µs of CLOCK_REALTIME */
        const char *action;
        int how;
        const char *connect_as;
        bool logout;
        int means;
        bool pam;
        const char *request_id;
} GrantTerms;

/* Which of them there have to be, and what they must be to be believed, the caller sees. -EBADMSG
 * if one cannot be read. */
int grant_terms_read(const json_t *parameters, GrantTerms *ret) _must_check_;
