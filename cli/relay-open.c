/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <stdio.h>

#include "cli/relay-open.h"
#include "client/open.h"
#include "common/conversation-protocol.h"

/* As in relay_methods. */
enum { OPEN_ENDPOINT, OPEN_ACCESS, OPEN_USER, OPEN_INTERACTIVE };
enum { CONTINUE_ANSWERS, CONTINUE_CANCEL };

typedef struct RelayOpen {
        RelayLink *link;
        unsigned n_prompts;
        int failure; /* of the link: nobody is there any more who could be told */
} RelayOpen;

/* Prompts. */

static RelayPrompt prompt_of_credential(int type) {
        switch (type) {
        case DOORWARD_CRED_AUTHNAME:
                return RELAY_PROMPT_NAME;
        case DOORWARD_CRED_ECHOPROMPT:
                return RELAY_PROMPT_ECHO_ON;
        case DOORWARD_CRED_INFO:
                return RELAY_PROMPT_INFO;
        case DOORWARD_CRED_ERROR_MSG:
                return RELAY_PROMPT_ERROR;
        case DOORWARD_CRED_EXTERNAL:
                return RELAY_PROMPT_EXTERNAL;
        default:
                return RELAY_PROMPT_ECHO_OFF;
        }
}

/* "alice, bob" as the library has it. */
static json_t *choices_new(const char *names) {
        json_t *array = json_array();

        for (const char *name = names; array && name && name[0];) {
                size_t n = strcspn(name, ",");

                if (json_array_append_new(array, json_stringn(name, n)) < 0) {
                        json_decref(array);
                        return NULL;
                }
                name += n;
                name += strspn(name, ", ");
        }

        return array;
}

static json_t *prompt_new(const doorward_credential *cred, RelayPrompt kind) {
        /* Of what else asks, it says who, and that stands in the text. */
        json_t *choices = choices_new(kind == RELAY_PROMPT_NAME ? cred->challenge : NULL);

        return json_pack("{s:s, s:[{s:s, s:s, s:o}]}", "state", "prompt", "prompts", "kind",
                         relay_prompt_to_wire(kind), "text", cred->prompt, "choices", choices);
}

static int prompt_send(RelayOpen *open, const doorward_credential *cred, RelayPrompt kind) {
        return relay_link_reply(open->link, prompt_new(cred, kind), false);
}

/* 1: it is the answer, which was put into the credential; 0: whoever was asked said no;
 * -EINVAL: it is none. */
static int answer_take(const RelayCall *call, RelayPrompt kind, doorward_credential *cred) {
        const FieldValue *answers = &call->values[CONTINUE_ANSWERS];
        size_t n = json_array_size(answers->array);
        json_t *answer = json_array_get(answers->array, 0);

        if (call->values[CONTINUE_CANCEL].boolean)
                return 0;
        if (n != (relay_prompt_wants_answer(kind) ? 1 : 0))
                return -EINVAL;
        if (n == 0)
                return 1;
        if (json_string_length(answer) != strlen(json_string_value(answer)) ||
            json_string_length(answer) > CONVERSATION_ANSWER_MAX)
                return -EINVAL;

        cred->result = strdup(json_string_value(answer));
        if (!cred->result)
                return -ENOMEM;
        cred->resultlen = (unsigned)json_string_length(answer);
        return 1;
}

/* As answer_take(), of the next call that is one: what else is called has to wait. */
static int answer_receive(RelayLink *link, RelayPrompt kind, doorward_credential *cred) {
        for (;;) {
                _cleanup_(relay_call_deinit) RelayCall call = {};
                int r;

                r = relay_link_receive(link, &call);
                if (r <= 0)
                        return r < 0 ? r : -EPIPE;

                if (call.method != RELAY_CONTINUE)
                        r = relay_link_refuse(link, RELAY_OUT_OF_TURN);
                else if (!call.upgrade)
                        r = relay_link_refuse(link, RELAY_EXPECTED_UPGRADE);
                else {
                        r = answer_take(&call, kind, cred);
                        if (r != -EINVAL)
                                return r;
                        r = relay_link_fail_service(link, ERROR_INVALID_PARAMETER, "parameter",
                                                    "answers");
                }
                if (r < 0)
                        return r;
        }
}

static int relay_open_ask(doorward_credential *cred, unsigned n, void *userdata) {
        RelayOpen *open = userdata;
        RelayPrompt kind = prompt_of_credential(cred->type);
        int r;

        (void)n;
        if (open->failure < 0 || ++open->n_prompts > RELAY_PROMPTS_MAX)
                return -1;

        r = prompt_send(open, cred, kind);
        if (r == 0)
                r = answer_receive(open->link, kind, cred);
        if (r < 0)
                open->failure = r;

        return r > 0 ? 0 : -1;
}

/* The open. */

static json_t *connected_new(const doorward_conn *conn) {
        json_t *reply;

        reply = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}",
                          "state", "connected", "access", access_to_wire((Access)conn->uri.access),
                          "kind", kind_to_wire(conn->kind), "mode", lease_mode_to_wire(conn->mode),
                          "kept", conn->kept, "logout", conn->ends_at_logout, "pam", conn->pam,
                          "lease", conn->lease.id, "requestId", conn->request_id, "action",
                          conn->action, "how", conn->how > 0 ? how_to_wire((How)conn->how) : NULL,
                          "connectAs", conn->connect_as, "means",
                          conn->means > 0 ? means_to_wire((Means)conn->means) : NULL);
        if (reply && conn->expires > 0 &&
            json_object_set_new(reply, "expires", json_integer(conn->expires)) < 0) {
                json_decref(reply);
                return NULL;
        }

        return reply;
}

static int fail_protocol(RelayLink *link, const char *what) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_PROTOCOL, EPROTO, "%s", what);
        return relay_link_fail(link, &error);
}

static int fail_name(RelayLink *link, const char *what, const char *name) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "That cannot be the name of %s: %s.", what, name);
        return relay_link_fail(link, &error);
}

/* What a stream of bytes would lose. */
static int fail_kind(RelayLink *link, const doorward_conn *conn) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_UNSUPPORTED, EMEDIUMTYPE,
                  "%s keeps the boundaries of messages, and what carries it to another machine "
                  "does not.",
                  conn->uri.endpoint);
        error_set_hint(&error, "Use it on the machine itself.");
        error_set_endpoint(&error, conn->uri.endpoint);
        error_set_request(&error, conn->request_id);
        return relay_link_fail(link, &error);
}

static int answer_opened(RelayLink *link, doorward_conn *conn) {
        int r;

        if (conn->kind == KIND_TAP || conn->kind == KIND_SEQPACKET)
                return fail_kind(link, conn);
        /* It was not to be sent before the answer, and where it would belong is not known. */
        if (relay_link_has_more(link))
                return fail_protocol(link, "Something was sent before the endpoint was open.");

        r = relay_link_reply(link, connected_new(conn), false);
        return r < 0 ? r : 1;
}

/* Whoever wanted it may have gone: then nobody is to be asked any more, and nothing opened. What it
 * has sent before counts as little. */
static bool near_is_gone(const RelayLink *link) {
        struct pollfd p = {.fd = link->input, .events = POLLRDHUP};

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

/* -EPIPE, with no error set, if it has. */
static int relay_open_wait(const RelayLink *link, doorward_opening *opening,
                           doorward_error *error) {
        while (open_process(opening) > 0) {
                Wait wait;
                int r;

                wait_init(&wait);
                open_wait(opening, &wait);
                wait_add_fd(&wait, link->input, POLLRDHUP);
                r = wait_block(&wait);
                if (r < 0)
                        return error_system(error, r, "Waiting failed");
                if (near_is_gone(link))
                        return -EPIPE;
        }

        return 0;
}

static int relay_open_run(const RelayLink *link, const char *uri, Access access,
                          const doorward_auth *auth, doorward_conn **ret, doorward_error *error) {
        doorward_opening opening;
        int r;

        r = open_init(&opening, uri, access, auth, 0, error);
        if (r == 0)
                r = relay_open_wait(link, &opening, error);
        if (r == 0)
                r = open_take(&opening, ret, error);
        open_deinit(&opening, false);
        return r;
}

/* Of names that were looked at. */
static void uri_write(const char *endpoint, const char *user, char buf[URI_TEXT_SIZE]) {
        Uri uri = {.has_user = user != NULL};

        (void)snprintf(uri.endpoint, sizeof(uri.endpoint), "%s", endpoint);
        (void)snprintf(uri.user, sizeof(uri.user), "%s", user ?: "");
        (void)uri_to_string(&uri, buf);
}

int relay_open(RelayLink *link, const RelayCall *call, doorward_conn **ret) {
        static const int types[] = {
                DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
                DOORWARD_CRED_EXTERNAL, DOORWARD_CRED_INFO,       DOORWARD_CRED_ERROR_MSG,
        };
        RelayOpen open = {.link = link};
        const doorward_auth auth = {
                .credtype = types,
                .ncredtype = ELEMENTSOF(types),
                .cb = relay_open_ask,
                .cbdata = &open,
        };
        const char *user = call->values[OPEN_USER].string;
        const char *endpoint = call->values[OPEN_ENDPOINT].string;
        _cleanup_error_ doorward_error error = {};
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;
        char uri[URI_TEXT_SIZE];
        Name name;
        int r;

        if (!call->upgrade)
                return relay_link_refuse(link, RELAY_EXPECTED_UPGRADE);
        if (name_parse(endpoint, &name) < 0)
                return fail_name(link, "an endpoint", endpoint);
        if (user && user[0] && !uri_is_valid_user(user))
                return fail_name(link, "a user", user);

        uri_write(endpoint, user, uri);
        r = relay_open_run(link, uri, (Access)call->values[OPEN_ACCESS].access,
                           call->values[OPEN_INTERACTIVE].boolean ? &auth : NULL, &conn, &error);
        if (open.failure < 0 || (r == -EPIPE && error.code == DOORWARD_ERR_OK))
                return open.failure < 0 ? open.failure : r;
        if (r < 0)
                return relay_link_fail(link, &error);

        r = answer_opened(link, conn);
        if (r > 0)
                *ret = TAKE_PTR(conn);
        return r;
}
