/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <security/pam_appl.h>

#include "pam/authentication.h"
#include "pam/verdict.h"

static int set_items(const Authentication *a, pam_handle_t *pam) {
        int r;

        r = pam_set_item(pam, PAM_FAIL_DELAY, (const void *)dialogue_delay);
        if (r == PAM_SUCCESS && a->caller)
                r = pam_set_item(pam, PAM_RUSER, a->caller);
        if (r == PAM_SUCCESS && a->terminal)
                r = pam_set_item(pam, PAM_TTY, a->terminal);
        return r;
}

/* The same user under the same name, and the name still the same user's. */
static bool is_unchanged(const Authentication *a, pam_handle_t *pam) {
        const void *user = NULL;
        Identity now;

        return pam_get_item(pam, PAM_USER, &user) == PAM_SUCCESS && user &&
               streq(user, a->identity->name) && identity_find_name(a->rules, user, &now) == 0 &&
               now.uid == a->identity->uid && streq(now.name, a->identity->name);
}

static int run(const Authentication *a, pam_handle_t *pam, PamReply *verdict) {
        int r;

        r = set_items(a, pam);
        if (r != PAM_SUCCESS) {
                verdict_refuse(verdict, VERDICT_UNAVAILABLE, "PAM cannot begin: %s",
                               pam_strerror(pam, r));
                return r;
        }

        if (!a->account_only)
                r = pam_authenticate(pam, PAM_DISALLOW_NULL_AUTHTOK);
        if (r != PAM_SUCCESS) {
                verdict_refuse(verdict, verdict_of_authenticate(r), "PAM, of who it is: %s",
                               pam_strerror(pam, r));
                return r;
        }

        r = pam_acct_mgmt(pam, PAM_DISALLOW_NULL_AUTHTOK);
        if (r != PAM_SUCCESS) {
                verdict_refuse(verdict, verdict_of_account(r), "PAM, of the account: %s",
                               pam_strerror(pam, r));
                return r;
        }

        if (a->must_answer && !a->dialogue->answered) {
                verdict_refuse(verdict, VERDICT_UNAVAILABLE,
                               "PAM asked nothing: the service %s trusts everybody, or root",
                               a->service);
                return PAM_SUCCESS;
        }

        if (!is_unchanged(a, pam)) {
                verdict_refuse(verdict, VERDICT_CHANGED,
                               "PAM ended with another user than it began with");
                return PAM_SUCCESS;
        }

        verdict_prove(verdict, a->identity);
        return PAM_SUCCESS;
}

void authentication_run(const Authentication *a, PamReply *verdict) {
        struct pam_conv conversation = {.conv = dialogue_converse, .appdata_ptr = a->dialogue};
        pam_handle_t *pam = NULL;
        int r;

        r = pam_start_confdir(a->service, a->identity->name, &conversation, a->confdir, &pam);
        if (r != PAM_SUCCESS) {
                verdict_refuse(verdict, VERDICT_UNAVAILABLE,
                               "PAM has no service %s that it can use", a->service);
                return;
        }

        r = run(a, pam, verdict);
        (void)pam_end(pam, r);

        /* Whoever did not answer has proven nothing, even to a module that did not mind. */
        if (a->dialogue->over)
                verdict_refuse(verdict, VERDICT_CANCELLED, "%s", a->dialogue->over);
}
