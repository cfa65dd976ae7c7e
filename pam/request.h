#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Request: what the broker asks for, from beginning to end
 *
 * Of the broker's word counts what it could choose anyway: what is to be proven, and which of
 * polkit's questions that answers. For whom says the client's own connection (common/caller.h):
 * whoever is asked for the password, whose terminal it is about, and whose agent polkit is told of.
 */

#include "common/asker.h"
#include "common/caller.h"
#include "common/macros.h"
#include "common/pam-protocol.h"
#include "pam/identity.h"

/* What it depends on beside the request. */
typedef struct RequestRules {
        CallerRules caller;
        IdentityRules identity;
        const char *confdir;    /* of PAM's services; NULL: where PAM has them */
        const char *bus;        /* on which polkit is */
        uint64_t patience_usec; /* of the whole dialogue */
} RequestRules;

/* Fills in the verdict, which is then to be sent. -errno if there is nobody to send it to. */
int request_serve_consume_fd(const RequestRules *rules, const Asker *asker,
                             const PamRequest *request, int client, PamReply *verdict) _must_check_;
