/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "client/failure.h"
#include "client/log.h"
#include "client/wire.h"
#include "common/terms.h"

/* The kernel's numbers are below this. */
#define ERRNO_MAX 4095

typedef struct Class {
        doorward_error_domain domain;
        doorward_error_code code;
        int errnum;
} Class;

/* clang-format off */
static const Class classes[_ERROR_MAX] = {
        [ERROR_ENDPOINT_NOT_FOUND] = {
                DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_NO_ENDPOINT, ENOENT},
        [ERROR_ACCESS_UNSUPPORTED] = {
                DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ACCESS_UNSUPPORTED, EOPNOTSUPP},
        [ERROR_PERMISSION_DENIED] = {
                DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_DENIED, EACCES},
        [ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED] = {
                DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_AUTH_NEEDED, EACCES},
        [ERROR_AUTHENTICATION_FAILED] = {
                DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_FAILED, EACCES},
        [ERROR_AUTHENTICATION_CANCELLED] = {
                DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED},
        [ERROR_AUTHENTICATION_UNAVAILABLE] = {
                DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, EACCES},
        [ERROR_POLICY_UNAVAILABLE] = {
                DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_POLICY_UNAVAILABLE, EAGAIN},
        [ERROR_ENDPOINT_UNAVAILABLE] = {
                DOORWARD_DOMAIN_ENDPOINT, DOORWARD_ERR_ENDPOINT_DOWN, 0},
        [ERROR_LIMIT_EXCEEDED] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LIMIT, EDQUOT},
        [ERROR_LEASE_NOT_FOUND] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_NO_LEASE, ENOENT},
        [ERROR_TIMED_OUT] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_TIMEOUT, ETIMEDOUT},
        [ERROR_IDENTITY_PROOF_REQUIRED] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL, EPROTO},
        [ERROR_METHOD_NOT_FOUND] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP},
        [ERROR_METHOD_NOT_IMPLEMENTED] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP},
        [ERROR_INVALID_PARAMETER] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_INVALID_ARG, EINVAL},
        [ERROR_INTERFACE_NOT_FOUND] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP},
        [ERROR_EXPECTED_MORE] = {
                DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL, EPROTO},
};
/* clang-format on */

/* What happened, around what it happened to: "full access to docker", or the name alone. */
typedef struct Sentence {
        const char *before;
        const char *after;
        bool name_only;
} Sentence;

static const Sentence sentences[_ERROR_MAX] = {
        [ERROR_ENDPOINT_NOT_FOUND] = {"There is no endpoint called ", ".", true},
        [ERROR_ACCESS_UNSUPPORTED] = {"There is no ", ", or not in the way that was asked for."},
        [ERROR_PERMISSION_DENIED] = {"Policy does not allow you ", "."},
        [ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED] = {"Policy wants a password for ",
                                                       ", and nobody could be asked for it."},
        [ERROR_AUTHENTICATION_FAILED] = {"Authentication for ", " failed."},
        [ERROR_AUTHENTICATION_CANCELLED] = {"Authentication for ", " was cancelled."},
        [ERROR_AUTHENTICATION_UNAVAILABLE] = {"There is no way to authenticate for ", " here."},
        [ERROR_POLICY_UNAVAILABLE] = {"Policy could not be asked about ", "."},
        [ERROR_TIMED_OUT] = {"Time ran out before there was an answer about ", "."},
};

/* Everything that an error of the interface can say. */
typedef struct Failure {
        const char *endpoint;
        const char *action;
        const char *hint;
        const char *request_id;
        const char *reason;
        const char *limit;
        const char *lease;
        const char *method;
        const char *parameter;
        const char *interface;
        int64_t errnum;
        int64_t retry_after;
        int access;
} Failure;

static int failure_read_members(const json_t *parameters, Failure *failure) {
        const WireField fields[] = {
                {"endpoint", WIRE_STRING, true, &failure->endpoint},
                {"action", WIRE_STRING, true, &failure->action},
                {"hint", WIRE_STRING, true, &failure->hint},
                {"requestId", WIRE_STRING, true, &failure->request_id},
                {"reason", WIRE_STRING, true, &failure->reason},
                {"limit", WIRE_STRING, true, &failure->limit},
                {"lease", WIRE_STRING, true, &failure->lease},
                {"method", WIRE_STRING, true, &failure->method},
                {"parameter", WIRE_STRING, true, &failure->parameter},
                {"interface", WIRE_STRING, true, &failure->interface},
                {"errno", WIRE_INT, true, &failure->errnum},
                {"retryAfter", WIRE_INT, true, &failure->retry_after},
                {"access", WIRE_ENUM, true, &failure->access, access_from_wire},
                {},
        };
        int r;

        r = wire_read(parameters, fields);
        if (r < 0)
                return r;

        return failure->errnum < 0 || failure->errnum > ERRNO_MAX || failure->retry_after < 0
                       ? -EBADMSG
                       : 0;
}

/* What the error leaves out and the request said. The broker was sent it, so its types are right.
 */
static void failure_add_request(Failure *failure, const json_t *request) {
        const char *access = json_string_value(json_object_get(request, "access"));

        if (!failure->endpoint)
                failure->endpoint = json_string_value(json_object_get(request, "endpoint"));
        if (failure->access == 0 && access)
                failure->access = access_from_wire(access);
}

static void set_sentence(doorward_error *error, ErrorId id, const Failure *failure) {
        const Sentence *sentence = &sentences[id];
        const char *name = failure->endpoint ?: "what was asked for", *access = "", *to = "";

        if (!sentence->name_only && failure->endpoint && failure->access > 0) {
                access = access_to_string((Access)failure->access);
                to = " access to ";
        }

        error_set(error, classes[id].domain, classes[id].code, classes[id].errnum, "%s%s%s%s%s",
                  sentence->before, access, to, name, sentence->after);
}

static void set_unavailable(doorward_error *error, const Failure *failure) {
        const Class *class = &classes[ERROR_ENDPOINT_UNAVAILABLE];
        const char *reason = failure->reason;

        if (!reason && failure->errnum > 0)
                reason = strerrordesc_np((int)failure->errnum);

        error_set(error, class->domain, class->code, (int)failure->errnum,
                  "%s could not be opened%s%s.", failure->endpoint ?: "The endpoint",
                  reason ? ": " : "", reason ?: "");
}

static void set_limit(doorward_error *error, const Failure *failure) {
        const Class *class = &classes[ERROR_LIMIT_EXCEEDED];
        char retry[64] = "";

        if (failure->retry_after > 0)
                (void)snprintf(retry, sizeof(retry), "; try again in %" PRId64 " %s",
                               failure->retry_after < 2000 ? failure->retry_after
                                                           : (failure->retry_after + 999) / 1000,
                               failure->retry_after < 2000 ? "ms" : "s");

        error_set(error, class->domain, class->code, class->errnum,
                  "A limit of the broker, %s, is reached%s.",
                  failure->limit ?: "which it did not name", retry);
}

/* The rest: what only a broker or a library of another version, or a mistake of ours, leads to. */
static void set_other(doorward_error *error, ErrorId id, const Failure *failure) {
        const Class *class = &classes[id];
        const char *what = failure->method      ? failure->method
                           : failure->parameter ? failure->parameter
                           : failure->interface ? failure->interface
                                                : failure->lease;

        error_set(error, class->domain, class->code, class->errnum, "The broker answered %s%s%s%s.",
                  strrchr(interface_error_name(id), '.') + 1, what ? " (" : "", what ?: "",
                  what ? ")" : "");
}

static void set_known(doorward_error *error, ErrorId id, const Failure *failure) {
        if (sentences[id].before)
                set_sentence(error, id, failure);
        else if (id == ERROR_ENDPOINT_UNAVAILABLE)
                set_unavailable(error, failure);
        else if (id == ERROR_LIMIT_EXCEEDED)
                set_limit(error, failure);
        else
                set_other(error, id, failure);

        if (classes[id].code == DOORWARD_ERR_UNSUPPORTED)
                error_set_hint(error, "The broker that runs is older than what this program needs; "
                                      "an administrator can restart it after an upgrade.");
}

int failure_read(const VarlinkReply *reply, const json_t *request, doorward_error *error) {
        Failure failure = {};
        int r, id;

        id = interface_find_error(reply->error);
        r = failure_read_members(reply->parameters, &failure);
        if (r < 0)
                return r;

        failure_add_request(&failure, request);
        log_debug(LOG_CATEGORY_ERROR, "The broker answered %s, request %s", reply->error,
                  failure.request_id ?: "unknown");

        if (id > 0)
                set_known(error, (ErrorId)id, &failure);
        else {
                error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL, EPROTO,
                          "The broker refused with an error that this version does not know: %s.",
                          reply->error);
                error_set_hint(error,
                               "The broker is newer than this program, which an administrator "
                               "upgrades.");
        }

        if (failure.hint)
                error_set_hint(error, "%s", failure.hint);
        error_set_endpoint(error, failure.endpoint);
        error_set_action(error, failure.action);
        error_set_request(error, failure.request_id);
        return 0;
}
