/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "common/peer.h"
#include "pam/authentication.h"
#include "pam/polkit.h"
#include "pam/request.h"
#include "pam/requester.h"
#include "pam/terminal.h"
#include "pam/verdict.h"

#define SERVICE "doorward"
#define SERVICE_POLKIT "polkit-1"

/* 0, or a VerdictCode of a verdict that is filled in. */
static int find_client(const RequestRules *rules, int client, struct ucred *ret,
                       PamReply *verdict) {
        struct ucred credentials;
        const char *reason;
        uid_t uid;

        if (caller_judge(&rules->caller, client, &uid, &reason) != 0) {
                verdict_refuse(verdict, VERDICT_CLIENT, "%s", reason);
                return VERDICT_CLIENT;
        }
        /* It said so a moment ago, and cannot say anything else. */
        if (peer_get_credentials(client, &credentials) != 0) {
                verdict_refuse(verdict, VERDICT_CLIENT, "the connection does not say who made it");
                return VERDICT_CLIENT;
        }

        *ret = credentials;
        return 0;
}

static int refuse_lookup(int r, PamReply *verdict) {
        if (r < 0)
                verdict_refuse(verdict, VERDICT_UNAVAILABLE, "users cannot be looked up: %s",
                               strerror(-r));
        else
                verdict_refuse(verdict, VERDICT_USER, "there is no user with this uid");
        return (int)verdict->code;
}

static int find_named(const RequestRules *rules, const char *name, Identity *ret,
                      PamReply *verdict) {
        const char *reason;
        int r;

        r = identity_choose(&rules->identity, name, ret, &reason);
        if (r < 0)
                return refuse_lookup(r, verdict);
        if (r > 0)
                verdict_refuse(verdict, VERDICT_USER, "%s", reason);
        return r > 0 ? VERDICT_USER : 0;
}

/* Whom this is about, as far as that can be said before anybody was asked. */
static int find_identity(const RequestRules *rules, const PamRequest *request, uid_t client,
                         Identity *ret, PamReply *verdict) {
        uid_t uid = request->use == PAM_USE_AGENT ? (uid_t)request->uid : client;
        int r;

        if (request->use == PAM_USE_IDENTITY)
                return request->user[0] ? find_named(rules, request->user, ret, verdict) : 0;

        r = identity_find_uid(&rules->identity, uid, ret);
        if (r != 0)
                return refuse_lookup(r, verdict);
        if (request->use == PAM_USE_STEP_UP && uid == 0) {
                verdict_refuse(verdict, VERDICT_USER, "root is not asked");
                return VERDICT_USER;
        }

        return 0;
}

/* Whoever has subordinate uids (/etc/subuid) can be thousands of users whom nobody knows, each with
 * its own number of attempts. */
static int find_caller(const RequestRules *rules, uid_t uid, Identity *ret, PamReply *verdict) {
        int r = identity_find_uid(&rules->identity, uid, ret);

        return r == 0 ? 0 : refuse_lookup(r, verdict);
}

static int begin(const RequestRules *rules, const Asker *asker, Dialogue *dialogue) {
        const PamReply begun = {.type = PAM_REPLY_BEGUN};
        _cleanup_close_ int theirs = -EBADF;
        int r;

        r = dialogue_begin(dialogue, rules->patience_usec, &theirs);
        if (r < 0)
                return r;

        return requester_send(asker, &begun, theirs);
}

static int ask_name(const RequestRules *rules, Dialogue *dialogue, Identity *ret,
                    PamReply *verdict) {
        char name[CONVERSATION_ANSWER_MAX + 1];
        int r;

        r = dialogue_ask_name(dialogue, name);
        if (r == 0)
                return find_named(rules, name, ret, verdict);

        verdict_refuse(verdict, VERDICT_CANCELLED, "%s", dialogue->over ?: strerror(-r));
        return VERDICT_CANCELLED;
}

/* PAM asks for a password and does not say whose; polkit's agent does, and ours has shown that. */
static void tell_whose(PamUse use, const Identity *identity, Dialogue *dialogue) {
        char text[CONVERSATION_TEXT_MAX];

        if (use != PAM_USE_IDENTITY && use != PAM_USE_STEP_UP)
                return;

        (void)snprintf(text, sizeof(text), "Authenticating as %s%s",
                       use == PAM_USE_STEP_UP ? "yourself, " : "", identity->name);
        dialogue_tell(dialogue, text);
}

static void authenticate(const RequestRules *rules, const PamRequest *request,
                         const Identity *client, const Identity *identity, Dialogue *dialogue,
                         PamReply *verdict) {
        bool agent = request->use == PAM_USE_AGENT;
        Authentication authentication = {
                .service = agent ? SERVICE_POLKIT : SERVICE,
                .confdir = rules->confdir,
                .rules = &rules->identity,
                .identity = identity,
                .caller = client->name,
                .dialogue = dialogue,
                .account_only = request->use == PAM_USE_ACCOUNT,
                /* Another identity wants a proof that was given; a module that trusts root, as this
                 * process is, would give everybody one. */
                .must_answer = request->use == PAM_USE_IDENTITY,
        };
        char terminal[TERMINAL_NAME_SIZE];
        int r;

        if (terminal_get_name(request->tty, terminal) &&
            terminal_can_be_of(terminal, request->tty, client->uid))
                authentication.terminal = terminal;

        tell_whose(request->use, identity, dialogue);
        authentication_run(&authentication, verdict);
        if (!agent || verdict->code != VERDICT_PROVEN)
                return;

        r = polkit_respond(rules->bus, POLKIT_PATIENCE_USEC, client->uid, request->cookie,
                           identity->uid);
        if (r < 0)
                verdict_refuse(verdict, VERDICT_POLKIT, "polkit did not take it: %s", strerror(-r));
}

int request_serve_consume_fd(const RequestRules *rules, const Asker *asker,
                             const PamRequest *request, int client_fd, PamReply *verdict) {
        _cleanup_(dialogue_deinit) Dialogue dialogue = DIALOGUE_NULL;
        struct ucred client;
        Identity identity = {.uid = PEER_UID_INVALID}, caller;
        int r;

        /* It is not held any longer: it is the client's to hang up, and the broker's. */
        r = find_client(rules, client_fd, &client, verdict);
        close_fd(client_fd);
        if (r == 0)
                r = find_caller(rules, client.uid, &caller, verdict);
        if (r == 0)
                r = find_identity(rules, request, client.uid, &identity, verdict);
        if (r > 0)
                return 0;

        if (request->use != PAM_USE_ACCOUNT) {
                /* An agent is another process than the one that it asks for. */
                dialogue.pid = request->use == PAM_USE_AGENT ? 0 : client.pid;
                dialogue.uid = client.uid;
                r = begin(rules, asker, &dialogue);
                if (r < 0)
                        return r;
        }

        if (request->use == PAM_USE_IDENTITY && !request->user[0]) {
                r = ask_name(rules, &dialogue, &identity, verdict);
                if (r > 0)
                        return 0;
        }

        authenticate(rules, request, &caller, &identity, &dialogue, verdict);
        return 0;
}
