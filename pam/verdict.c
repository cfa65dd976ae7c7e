/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <security/pam_appl.h>
#include <stdarg.h>
#include <stdio.h>

#include "pam/verdict.h"

void verdict_prove(PamReply *verdict, const Identity *identity) {
        *verdict =
                (PamReply){.type = PAM_REPLY_VERDICT, .code = VERDICT_PROVEN, .uid = identity->uid};
        memcpy(verdict->name, identity->name, sizeof(verdict->name));
}

void verdict_refuse(PamReply *verdict, VerdictCode code, const char *format, ...) {
        va_list args;

        *verdict = (PamReply){.type = PAM_REPLY_VERDICT, .code = code, .uid = PAM_PROTOCOL_NO_UID};
        va_start(args, format);
        (void)vsnprintf(verdict->detail, sizeof(verdict->detail), format, args);
        va_end(args);
}

VerdictCode verdict_of_authenticate(int result) {
        switch (result) {
        case PAM_AUTH_ERR:
        case PAM_USER_UNKNOWN:
        case PAM_MAXTRIES:
        case PAM_PERM_DENIED:
                return VERDICT_FAILED;
        case PAM_ACCT_EXPIRED:
                return VERDICT_ACCOUNT;
        case PAM_NEW_AUTHTOK_REQD:
        case PAM_AUTHTOK_EXPIRED:
                return VERDICT_PASSWORD_EXPIRED;
        default:
                return VERDICT_UNAVAILABLE;
        }
}

VerdictCode verdict_of_account(int result) {
        VerdictCode code = verdict_of_authenticate(result);

        /* Nobody tried a password here: pam_deny(8) calls it so. */
        return code == VERDICT_FAILED ? VERDICT_ACCOUNT : code;
}
