#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Authentication: one transaction with PAM, and what came of it
 *
 * pam_authenticate(3) says who somebody is, and nothing of whether their account is locked, has
 * expired or may be used at this hour: that is pam_acct_mgmt(3), which is always asked, too. A
 * module may put another user in the place of the one who was asked for. After it all the name and
 * its uid are compared with those at the beginning: what was decided before was about these.
 *
 * Nothing is established: no credentials, no session.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/pam-protocol.h"
#include "pam/dialogue.h"
#include "pam/identity.h"

typedef struct Authentication {
        const char *service;
        const char *confdir; /* NULL: where PAM has its services */
        const IdentityRules *rules;
        const Identity *identity;
        const char *caller;   /* on whose behalf */
        const char *terminal; /* where; NULL if that is not known */
        Dialogue *dialogue;
        bool account_only;
        bool must_answer; /* a proof to which the client has said nothing is none */
} Authentication;

/* Fills in the verdict. */
void authentication_run(const Authentication *authentication, PamReply *verdict);
