/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/remote.h"
#include "client/channel.h"
#include "client/conn.h"
#include "client/log.h"
#include "client/remote-ask.h"
#include "client/remote-error.h"
#include "client/remote-link.h"
#include "client/remote-program.h"
#include "client/remote-prompt.h"
#include "common/utf8.h"

/* For each answer of the far side. */
#ifndef REMOTE_TIMEOUT_MS
#define REMOTE_TIMEOUT_MS WIRE_TIMEOUT_MS
#endif

typedef enum RemoteState {
        REMOTE_START = 1,
        REMOTE_CALL,
        REMOTE_ASK,
        REMOTE_OVER,
} RemoteState;

typedef struct Remote {
        const OpeningSpec *spec;
        RemoteState state;
        RemoteLink link;
        RemotePrompts prompts;
        int64_t deadline;
        char origin[REMOTE_ORIGIN_SIZE];
} Remote;

/* The beginning. */

static int fail_unsupported(const OpeningSpec *spec, const char *what, doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP,
                  "%s is on another machine: it cannot be %s.", spec->uri->endpoint, what);
        error_set_hint(error, "What leads there has to stay, and each connection has its own.");
        return -EOPNOTSUPP;
}

static int remote_new(const OpeningSpec *spec, void **ret, doorward_error *error) {
        Remote *remote;

        if (spec->detached || spec->hold)
                return fail_unsupported(spec, spec->hold ? "held" : "detached", error);

        remote = malloc(sizeof(*remote));
        if (!remote)
                return error_no_memory(error);

        *remote = (Remote){
                .spec = spec,
                .state = REMOTE_START,
                .link = REMOTE_LINK_NULL,
                .deadline = spec->deadline,
        };
        remote_origin(spec->uri, remote->origin);
        remote->prompts.auth = spec->auth;
        remote->prompts.origin = remote->origin;
        *ret = remote;
        return 0;
}

static json_t *open_parameters(const OpeningSpec *spec) {
        return json_pack("{s:s, s:s, s:b}", "endpoint", spec->uri->endpoint, "access",
                         access_to_wire((Access)spec->uri->access), "interactive", !!spec->auth);
}

/* 1, or -errno and the error. */
static int remote_start(Remote *remote, doorward_error *error) {
        const OpeningSpec *spec = remote->spec;
        int control, data, r;

        r = remote_program_launch(spec->uri, spec->auth && !spec->uri->no_tty, &control, &data,
                                  error);
        if (r < 0)
                return r;

        log_debug(LOG_CATEGORY_REMOTE, "Started what leads to %s", remote->origin);
        remote_link_init_consume_fds(&remote->link, control, data);
        remote->state = REMOTE_CALL;
        r = remote_link_call(&remote->link, RELAY_PREFIX "Open", open_parameters(spec));
        return r < 0 ? error_system(error, r, "The far side cannot be asked") : 1;
}

/* The end. */

/* The reply that says connected. */
static int connected_read(const json_t *parameters, GrantTerms *ret) {
        GrantTerms terms;
        int kind;
        const WireField fields[] = {{"kind", WIRE_ENUM, false, &kind, kind_from_wire}, {}};

        if (wire_read(parameters, fields) < 0 || kind == KIND_SEQPACKET || kind == KIND_TAP)
                return -EBADMSG;
        if (grant_terms_read(parameters, &terms) < 0 || terms.access == 0 || terms.mode == 0 ||
            terms.expires < 0)
                return -EBADMSG;

        *ret = terms;
        return 0;
}

static void text_clean(char *text) {
        if (text)
                utf8_clean(text, ERROR_TEXT_MAX);
}

/* Texts of the far side's are kept as they can be shown. */
static int conn_set_far_terms(doorward_conn *conn, const GrantTerms *terms) {
        int r;

        r = conn_set_terms(conn, terms);
        text_clean(conn->lease.id);
        text_clean(conn->request_id);
        text_clean(conn->action);
        text_clean(conn->connect_as);
        return r;
}

/* What the far side has is there; here is a socket. */
static int remote_connect(Remote *remote, const json_t *parameters, doorward_conn **ret,
                          doorward_error *error) {
        const OpeningSpec *spec = remote->spec;
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;
        GrantTerms terms;

        if (connected_read(parameters, &terms) < 0)
                return remote_fail_protocol(spec->uri, "what was opened cannot be read", error);
        if (terms.access != spec->uri->access)
                return remote_fail_protocol(spec->uri,
                                            "another access was granted than was asked for", error);

        conn = malloc(sizeof(*conn));
        if (!conn)
                return error_no_memory(error);
        *conn = (doorward_conn){
                .n_ref = 1,
                .pid = getpid(),
                .fd = -EBADF,
                .uri = *spec->uri,
                .kind = KIND_STREAM,
                .lease = LEASE_NULL,
                .another = ANOTHER_NULL,
                /* A program may lead anywhere, and in any way. */
                .encrypted = spec->uri->transport == URI_SSH,
        };
        if (conn_set_far_terms(conn, &terms) < 0 ||
            lease_take_remote(&conn->lease, &remote->link) < 0)
                return error_no_memory(error);

        conn->fd = TAKE_FD(conn->lease.remote->data);
        *ret = TAKE_PTR(conn);
        return 0;
}

/* Replies. */

/* Whoever was asked may have taken all of the time. */
static void remote_go_on(Remote *remote) {
        int64_t deadline = channel_deadline(REMOTE_TIMEOUT_MS);

        if (remote->deadline < deadline)
                remote->deadline = deadline;
        remote->state = REMOTE_CALL;
}

static int remote_continue(Remote *remote, doorward_error *error) {
        RemotePrompts *prompts = &remote->prompts;
        bool cancelled = prompts->answer.cancelled;
        int r;

        r = remote_link_continue(&remote->link, prompts->has_answer ? &prompts->answer : NULL);
        remote_prompts_clear(prompts);
        if (cancelled)
                return auth_fail_cancelled(error);
        if (r == -EILSEQ)
                return auth_fail_program(error, "gave a result that is not UTF-8, and cannot be "
                                                "carried to another machine");
        if (r < 0)
                return error_system(error, r, "The far side cannot be answered");

        remote_go_on(remote);
        return 0;
}

static int remote_prompt(Remote *remote, doorward_error *error) {
        int r;

        r = remote_prompts_ask(&remote->prompts, remote->link.data, error);
        if (r == AUTH_E_LATER) {
                remote->state = REMOTE_ASK;
                return 0;
        }
        /* It is gone, and that is what is heard next. */
        if (r == -EPIPE) {
                remote_prompts_clear(&remote->prompts);
                remote_go_on(remote);
                return 0;
        }
        if (r == -EBADMSG && error->code == DOORWARD_ERR_OK)
                return remote_fail_protocol(remote->spec->uri, "what is asked cannot be read",
                                            error);

        return r < 0 ? r : remote_continue(remote, error);
}

/* 1: there is the connection; 0: more is to come; -errno and the error. */
static int remote_reply(Remote *remote, const VarlinkReply *reply, doorward_conn **ret,
                        doorward_error *error) {
        const Uri *uri = remote->spec->uri;
        const char *state;
        const WireField fields[] = {{"state", WIRE_STRING, false, &state}, {}};
        int r;

        if (reply->error)
                return remote_fail_refused(uri, reply, error);
        if (reply->continues || wire_read(reply->parameters, fields) < 0)
                return remote_fail_protocol(uri, "what was answered cannot be read", error);

        log_debug(LOG_CATEGORY_REMOTE, "The far side says: %s",
                  streq(state, "connected") || streq(state, "prompt") ? state : "something else");
        if (streq(state, "connected")) {
                r = remote_connect(remote, reply->parameters, ret, error);
                return r < 0 ? r : 1;
        }
        if (!streq(state, "prompt") ||
            remote_prompts_take(&remote->prompts, json_object_get(reply->parameters, "prompts")) <
                    0)
                return remote_fail_protocol(uri, "what was answered cannot be read", error);

        return remote_prompt(remote, error);
}

/* What ssh says before there is an answer may be what somebody waits to read: that a key is to be
 * touched. */
static int remote_hear(Remote *remote, doorward_error *error) {
        TransportMessage line;
        int r = 0;

        while (r == 0 && remote_link_hear(&remote->link, &line) > 0) {
                Prompt prompt = {.kind = PROMPT_INFO};

                if (!remote->spec->auth)
                        continue;
                prompt_set_text(&prompt, line.text);
                r = auth_ask_prompt(remote->spec->auth, remote->origin, &prompt, NULL,
                                    &remote->prompts.answer, error);
        }

        return r < 0 ? r : 0;
}

/* 1: something was done; 0: there is nothing to be done; -errno and the error. */
static int remote_call(Remote *remote, doorward_conn **ret, doorward_error *error) {
        _cleanup_(varlink_incoming_deinit) VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
        VarlinkReply reply;
        int r;

        r = remote_hear(remote, error);
        if (r == 0)
                r = remote_take(&remote->link, remote->spec->uri, &incoming, &reply, error);
        if (r > 0) {
                r = remote_reply(remote, &reply, ret, error);
                return r < 0 ? r : 1;
        }
        if (r < 0)
                return r;

        return channel_deadline_left(remote->deadline) == 0
                       ? remote_fail_late(remote->spec->uri, error)
                       : 0;
}

/* Whoever asked may have gone. */
static int remote_wait_for_answer(Remote *remote, doorward_error *error) {
        struct pollfd p = {.fd = remote->link.data};
        int r;

        if (remote->prompts.answered) {
                r = remote_continue(remote, error);
                return r < 0 ? r : 1;
        }
        if (poll(&p, 1, 0) <= 0)
                return 0;

        remote_prompts_clear(&remote->prompts);
        remote_go_on(remote);
        return 1;
}

static int remote_process(void *attempt, doorward_conn **ret, doorward_error *error) {
        Remote *remote = attempt;
        doorward_conn *conn = NULL;
        int r = 1;

        if (remote->state == REMOTE_START)
                r = remote_start(remote, error);
        while (r > 0 && !conn)
                r = remote->state == REMOTE_ASK ? remote_wait_for_answer(remote, error)
                                                : remote_call(remote, &conn, error);
        if (r == 0)
                return WAY_E_WAIT;

        remote->state = REMOTE_OVER;
        if (r > 0)
                *ret = conn;
        return r < 0 ? r : 0;
}

static void remote_wait(const void *attempt, Wait *wait) {
        const Remote *remote = attempt;

        switch (remote->state) {
        case REMOTE_START:
        case REMOTE_OVER:
                wait_add_deadline(wait, 0);
                break;
        case REMOTE_CALL:
                remote_link_wait(&remote->link, wait);
                wait_add_deadline(wait, remote->deadline);
                break;
        case REMOTE_ASK:
                wait_add_fd(wait, remote->link.data, 0);
                if (remote->prompts.answered)
                        wait_add_deadline(wait, 0);
                break;
        }
}

static bool remote_is_asking(const void *attempt) {
        const Remote *remote = attempt;

        return remote->state == REMOTE_ASK && remote->prompts.asking;
}

static int remote_answer(void *attempt, const doorward_credential *cred, doorward_error *error) {
        Remote *remote = attempt;

        return remote_prompts_answer(&remote->prompts, cred, error);
}

static void remote_free(void *attempt, bool is_copy) {
        Remote *remote = attempt;

        remote_link_deinit(&remote->link, is_copy);
        remote_prompts_deinit(&remote->prompts);
        free(remote);
}

const Way way_remote = {
        .new = remote_new,
        .process = remote_process,
        .wait = remote_wait,
        .is_asking = remote_is_asking,
        .answer = remote_answer,
        .free = remote_free,
};
