/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/open-internal.h"
#include "common/userfile.h"

/* How many checks of a user's account there can be at a time: each is a process. */
#define ACCOUNTS_PER_USER 2

static const Target *open_target(const Open *open) {
        return &open_definition(open)->targets[open->access];
}

/* The client gets its end of the conversation. It may hang up at once: open is gone then. */
static void on_begun(int fd, void *userdata) {
        Open *open = userdata;

        session_reply_consume(open->session,
                              json_pack("{s:s, s:i}", "state", "conversation", "conversation", 0),
                              fd, true);
}

/* What comes of any of them. True if PAM has proven somebody; else open is gone. */
static bool open_hear(Open *open, bool begun, int error, const PamReply *verdict) {
        Refusal refusal;

        open->conversation = NULL;
        user_charge_deinit(&open->prompt);

        if (error == 0 && verdict->code == VERDICT_PROVEN)
                return true;
        if (begun)
                admission_count_failure(open->session);

        if (error != 0)
                refusal_init_helper(&refusal, error);
        else
                refusal_init_verdict(&refusal, verdict);
        open_refuse(open, &refusal);
        return false;
}

/* PAM has proven somebody else than who was to be proven: never, unless the helper is broken. */
static void refuse_other(Open *open, const PamReply *verdict) {
        Refusal refusal;

        refusal_init_verdict(&refusal, verdict);
        refusal_set_cause(&refusal, "PAM proved user %u", (unsigned)verdict->uid);
        open_refuse(open, &refusal);
}

static void open_converse(Open *open, PamUse use, uint64_t usec, ConversationDoneFunc done) {
        Session *session = open->session;
        PamRequest request = {.use = use, .uid = PAM_PROTOCOL_NO_UID};
        Refusal refusal;
        int r;

        if (use == PAM_USE_IDENTITY)
                memcpy(request.user, open->user_name, sizeof(request.user));
        if (peer_get_terminal(&session->peer, &request.tty) != 0)
                request.tty = PAM_PROTOCOL_NO_TTY;

        r = conversation_begin(&session->broker->conversations, &request, session->fd, usec,
                               on_begun, done, open, &open->conversation);
        if (r == 0) {
                session_look_up(session);
                return;
        }

        user_charge_deinit(&open->prompt);
        refusal_init_helper(&refusal, -r);
        open_refuse(open, &refusal);
}

/* Has PAM ask the client something, if that may be. */
static void open_prompt(Open *open, PamUse use, ConversationDoneFunc done) {
        Session *session = open->session;
        Refusal refusal;

        /* Without more there is but one reply, and no room for a conversation. */
        if (!open->may_prompt || !session->call.more) {
                refusal_init_unasked(&refusal);
                open_refuse(open, &refusal);
        } else if (open_take_prompt(open, true))
                open_converse(open, use, session->broker->settings->interactive_timeout_usec, done);
}

/* Another identity. */

static void on_identity(bool begun, int error, const PamReply *verdict, void *userdata) {
        Open *open = userdata;
        struct ucred credentials = {.pid = open->session->peer.pid};

        if (!open_hear(open, begun, error, verdict))
                return;

        /* The helper refuses root, and so does this: polkit would say yes by itself. Nor is it for
         * the helper to say who it is, if the caller has. */
        credentials.uid = verdict->uid;
        if (verdict->uid == 0 || !peer_is_servable(&credentials) ||
            (open->user_name[0] && !streq(verdict->name, open->user_name))) {
                refuse_other(open, verdict);
                return;
        }

        open->identity = verdict->uid;
        (void)copy_text(open->user_name, sizeof(open->user_name), verdict->name);
        open_advance(open);
}

bool open_identify(Open *open) {
        if (!open->wants_identity)
                return true;

        open_prompt(open, PAM_USE_IDENTITY, on_identity);
        return false;
}

/* The account. */

static void on_account(bool begun, int error, const PamReply *verdict, void *userdata) {
        Open *open = userdata;

        if (!open_hear(open, begun, error, verdict))
                return;
        if (verdict->uid == open->session->peer.uid)
                open_advance(open);
        else
                refuse_other(open, verdict);
}

bool open_check_account(Open *open) {
        const Settings *settings = open->session->broker->settings;
        Refusal refusal;

        /* Whoever proved to be somebody by PAM had that account looked at in the same breath. The
         * group that lets somebody in while the endpoint is observed asks PAM nothing. */
        if (!open_target(open)->account || open->wants_identity || open->observed)
                return true;

        if (user_charge(open->session->user, USER_ACCOUNTS, ACCOUNTS_PER_USER, &open->prompt) == 0)
                open_converse(open, PAM_USE_ACCOUNT, settings->policy_timeout_usec, on_account);
        else {
                refusal_init_limit(&refusal, "accounts", 0);
                refusal_set_hint(&refusal,
                                 "PAM is being asked about your account already: try again "
                                 "in a moment.");
                open_refuse(open, &refusal);
        }
        return false;
}

/* Step-up. */

/* The key points into open and its session. */
static void get_stepup_key(const Open *open, StepupKey *ret) {
        Session *session = open->session;

        session_look_up(session);
        *ret = (StepupKey){
                .uid = session->peer.uid,
                .session = session->login_session,
                .name = &open->name,
                .access = open->access,
                .definition = open->definition,
        };
        /* What was read of a number is of our peer only if that still has it. */
        if (peer_get_terminal(&session->peer, &ret->tty) != 0 || !peer_is_alive(&session->peer))
                ret->session = NULL;
}

static void on_stepped_up(bool begun, int error, const PamReply *verdict, void *userdata) {
        Open *open = userdata;
        Session *session = open->session;
        const Definition *definition = open_definition(open);
        StepupKey key;

        if (!open_hear(open, begun, error, verdict))
                return;
        if (verdict->uid != session->peer.uid) {
                refuse_other(open, verdict);
                return;
        }

        /* Whether it can be remembered decides nothing about this request. */
        open->stepped_up = true;
        if (definition) {
                get_stepup_key(open, &key);
                stepup_table_add(&session->broker->stepups, &key,
                                 broker_now_boottime(session->broker),
                                 definition->targets[open->access].keep_usec);
        }
        open_advance(open);
}

/* By the groups that the process has, and what /etc/group calls them. */
static bool is_exempt(const Open *open) {
        const Session *session = open->session;
        bool member = false;
        gid_t gid;

        for (char **group = open_target(open)->exempt; group && *group && !member; group++)
                if (userfile_get_gid(USERFILE_GROUP, *group, &gid) < 0 ||
                    peer_has_group(&session->peer, session->fd, gid, &member) < 0)
                        member = false;

        return member;
}

static bool is_remembered(const Open *open) {
        Broker *broker = open->session->broker;
        StepupKey key;

        if (open_target(open)->keep_usec == 0)
                return false;

        get_stepup_key(open, &key);
        return stepup_table_has(&broker->stepups, &key, broker_now_boottime(broker));
}

bool open_step_up(Open *open) {
        if (!open_target(open)->step_up || open->session->peer.uid == 0 || open->observed ||
            is_exempt(open))
                return true;

        open->remembered = is_remembered(open);
        if (open->remembered)
                return true;

        open_prompt(open, PAM_USE_STEP_UP, on_stepped_up);
        return false;
}
