/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "broker/refusal.h"
#include "common/peer.h"

#define HINT_RELOAD                                                                       \
        "An administrator makes the change take effect with: systemctl daemon-reload && " \
        "systemctl reload doorward"

void refusal_init(Refusal *refusal, int error) {
        *refusal = (Refusal){.error = error, .identity = PEER_UID_INVALID, .mechanism = "agent"};
}

_printf_(3, 0) static void format_text(char *buf, size_t size, const char *format, va_list args);

/* Writes as much as fits, and no part of a character: half of one is no text for JSON. */
static void format_text(char *buf, size_t size, const char *format, va_list args) {
        int n = vsnprintf(buf, size, format, args);
        size_t end = size - 1;

        if (n < 0 || (size_t)n < size)
                return;

        while (end > 0 && (buf[end - 1] & 0xc0) == 0x80)
                end--;
        if (end > 0 && (buf[end - 1] & 0x80))
                end--;
        buf[end] = 0;
}

void refusal_set_cause(Refusal *refusal, const char *format, ...) {
        va_list args;

        va_start(args, format);
        format_text(refusal->cause, sizeof(refusal->cause), format, args);
        va_end(args);
}

void refusal_set_hint(Refusal *refusal, const char *format, ...) {
        va_list args;

        va_start(args, format);
        format_text(refusal->hint, sizeof(refusal->hint), format, args);
        va_end(args);
}

void refusal_init_limit(Refusal *refusal, const char *limit, uint64_t retry_ms) {
        refusal_init(refusal, ERROR_LIMIT_EXCEEDED);
        refusal->limit = limit;
        refusal->retry_ms = retry_ms;
        refusal_set_cause(refusal, "%s reached", limit);
        refusal_set_hint(refusal, "Try again later; an administrator can raise %s= in %s.", limit,
                         streq(limit, "LimitNOFILE") ? "doorward.service" : "doorward.conf");
}

static ErrorId opener_error(OpenerStatus status) {
        switch (status) {
        case OPENER_REFUSED_CLIENT:
                return ERROR_PERMISSION_DENIED;
        case OPENER_NO_ACCESS:
                return ERROR_ACCESS_UNSUPPORTED;
        case OPENER_INSTANCE:
                return ERROR_ENDPOINT_NOT_FOUND;
        case OPENER_OK:
        case OPENER_STALE:
        case OPENER_GROUP_MISSING:
        case OPENER_PATH:
        case OPENER_PEER_USER:
        case OPENER_TYPE:
        case OPENER_OPEN:
        case OPENER_TIMEOUT:
        case OPENER_LIMIT:
        case OPENER_DISTURBED:
        case _OPENER_STATUS_MAX:
                break;
        }

        return ERROR_ENDPOINT_UNAVAILABLE;
}

static void opener_hint(Refusal *refusal, OpenerStatus status, const Name *name) {
        char whole[NAME_TEXT_SIZE];

        /* Nothing stands there: no matter of the definition, most often. */
        if (status == OPENER_PATH && refusal->error_number == ENOENT)
                status = OPENER_OPEN;

        switch (status) {
        case OPENER_STALE:
                refusal_set_hint(refusal,
                                 "The definition of %s was changed; 'doorward verify %s' says "
                                 "whether it is right. " HINT_RELOAD,
                                 name->endpoint, name->endpoint);
                break;
        case OPENER_OPEN:
                refusal_set_hint(refusal,
                                 "It was allowed, and could not be opened: an administrator "
                                 "sees to it that the service, or the device, behind %s is there "
                                 "and in order.",
                                 name_to_string(name, whole));
                break;
        case OPENER_TIMEOUT:
                refusal_set_hint(refusal,
                                 "The service behind %s runs and takes no connections at present; "
                                 "try again later.",
                                 name_to_string(name, whole));
                break;
        case OPENER_LIMIT:
                refusal_set_hint(refusal,
                                 "Too many of your requests to %s are under way; try "
                                 "again later.",
                                 name_to_string(name, whole));
                break;
        case OPENER_DISTURBED:
                refusal_set_hint(refusal,
                                 "A process opens %s as you, and so can be ended or stopped by "
                                 "others of yours; this one was. Try again.",
                                 name_to_string(name, whole));
                break;
        case OPENER_INSTANCE:
                refusal_set_hint(refusal,
                                 "'doorward list' shows which instances of %s@ there may be; an "
                                 "administrator says that, by Instance= in its definition.",
                                 name->endpoint);
                break;
        case OPENER_REFUSED_CLIENT:
                refusal_set_hint(refusal,
                                 "The helper that opens %s does not take this process "
                                 "for a client.",
                                 name->endpoint);
                break;
        case OPENER_GROUP_MISSING:
                refusal_set_hint(refusal,
                                 "An administrator adds it, or names another in the definition of "
                                 "%s. " HINT_RELOAD,
                                 name->endpoint);
                break;
        case OPENER_OK:
        case OPENER_NO_ACCESS:
        case OPENER_PATH:
        case OPENER_PEER_USER:
        case OPENER_TYPE:
        case _OPENER_STATUS_MAX:
                refusal_set_hint(refusal,
                                 "An administrator sees to it that the definition and what is "
                                 "there fit each other: 'doorward cat-config %s' shows the first, "
                                 "doorward.endpoint(5) says what is opened.",
                                 name->endpoint);
                break;
        }
}

void refusal_init_opener(Refusal *refusal, const OpenerReply *reply, const Name *name) {
        refusal_init(refusal, opener_error(reply->status));
        refusal->error_number = reply->error;
        refusal_set_cause(refusal, "%s: %s", opener_status_to_string(reply->status),
                          reply->detail[0] ? reply->detail : "no reason given");
        opener_hint(refusal, reply->status, name);
}

void refusal_init_unreachable(Refusal *refusal, int error, const Name *name) {
        refusal_init(refusal, ERROR_ENDPOINT_UNAVAILABLE);
        refusal->error_number = error;

        if (error == ENOENT || error == ECONNREFUSED) {
                refusal_set_cause(refusal, "no opener listens for %s", name->endpoint);
                refusal_set_hint(refusal, "Was the definition of %s added? " HINT_RELOAD,
                                 name->endpoint);
        } else if (error == ECONNRESET) {
                refusal_set_cause(refusal, "the opener of %s ended in mid-request", name->endpoint);
                refusal_set_hint(refusal,
                                 "Try again. Why it ended is for an administrator to see: "
                                 "'systemctl status doorward-opener@%s'.",
                                 name->endpoint);
        } else if (error == ETIMEDOUT) {
                refusal_set_cause(refusal, "the opener of %s did not answer in time",
                                  name->endpoint);
                refusal_set_hint(refusal, "Try again later.");
        } else {
                refusal_set_cause(refusal, "the opener of %s cannot be reached: %s", name->endpoint,
                                  strerror(error));
                refusal_set_hint(refusal,
                                 "An administrator makes it anew with: systemctl restart "
                                 "doorward-opener@%s.socket",
                                 name->endpoint);
        }
}

/* What an administrator does about a filter that did not answer, or not with a grant. */
static const char *filter_remedy(int error) {
        switch (error) {
        case ENOENT:
        case ECONNREFUSED:
                return "lets it be started with: systemctl start doorward-filter.socket";
        case ESRCH:
                return "makes its user with: systemd-sysusers";
        case 0:
        case ECONNRESET:
        case ETIMEDOUT:
        case EPROTO:
                return "sees why with: journalctl --unit=doorward-filter.service";
        default:
                return "sees why in the record of this request.";
        }
}

void refusal_init_filter(Refusal *refusal, int error, const FilterReply *reply, const Name *name) {
        refusal_init(refusal, ERROR_ENDPOINT_UNAVAILABLE);
        refusal->error_number = error ?: reply->error;

        if (error == 0)
                refusal_set_cause(refusal, "the filter of %s refuses: %s", name->endpoint,
                                  reply->text[0] ? reply->text : strerror(reply->error));
        else if (error == ENOENT || error == ECONNREFUSED)
                refusal_set_cause(refusal, "no filter listens for %s", name->endpoint);
        else if (error == ESRCH)
                refusal_set_cause(refusal, "the user of filters does not exist");
        else if (error == ECONNRESET)
                refusal_set_cause(refusal, "the filter of %s ended before it began",
                                  name->endpoint);
        else if (error == ETIMEDOUT)
                refusal_set_cause(refusal, "the filter of %s did not answer in time",
                                  name->endpoint);
        else
                refusal_set_cause(refusal, "the filter of %s cannot be asked: %s", name->endpoint,
                                  strerror(error));

        refusal_set_hint(refusal,
                         "%s is read-only by a filter, and without it nothing is given. An "
                         "administrator %s",
                         name->endpoint, filter_remedy(error));
}

void refusal_init_no_policy(Refusal *refusal, const char *cause) {
        refusal_init(refusal, ERROR_POLICY_UNAVAILABLE);
        refusal_set_cause(refusal, "%s", cause);
        refusal_set_hint(refusal, "polkit is not there, and nothing is granted without it. An "
                                  "administrator starts it with: systemctl restart polkit");
}

void refusal_init_helper(Refusal *refusal, int error) {
        if (error == ETIMEDOUT) {
                refusal_init(refusal, ERROR_AUTHENTICATION_CANCELLED);
                refusal_set_cause(refusal, "PAM's question was not answered in time");
                refusal_set_hint(refusal, "Try again, and answer sooner.");
                return;
        }

        refusal_init(refusal, ERROR_AUTHENTICATION_UNAVAILABLE);
        refusal->error_number = error;
        if (error == EUSERS) {
                refusal_set_cause(refusal, "ConversationsMax= reached");
                refusal_set_hint(refusal, "Too many are being asked for a password at present: try "
                                          "again later.");
        } else if (error == ECONNRESET) {
                refusal_set_cause(refusal, "the PAM helper ended without a verdict");
                refusal_set_hint(refusal, "PAM failed, or the unit that runs it: an administrator "
                                          "sees how by \"journalctl -u 'doorward-pam@*'\".");
        } else {
                refusal_set_cause(refusal, "the PAM helper cannot be asked: %s", strerror(error));
                refusal_set_hint(refusal, "An administrator lets passwords be asked for with: "
                                          "systemctl start doorward-pam.socket");
        }
}

static ErrorId verdict_error(VerdictCode code) {
        switch (code) {
        case VERDICT_FAILED:
        case VERDICT_POLKIT: /* a cookie of one's own making is not to tell what was right */
                return ERROR_AUTHENTICATION_FAILED;
        case VERDICT_CANCELLED:
                return ERROR_AUTHENTICATION_CANCELLED;
        case VERDICT_CLIENT:
        case VERDICT_USER:
        case VERDICT_ACCOUNT:
        case VERDICT_PASSWORD_EXPIRED:
                return ERROR_PERMISSION_DENIED;
        case VERDICT_PROVEN: /* of somebody whom nobody asked about */
        case VERDICT_CHANGED:
        case VERDICT_UNAVAILABLE:
        case _VERDICT_MAX:
                break;
        }

        return ERROR_AUTHENTICATION_UNAVAILABLE;
}

static const char *verdict_hint(VerdictCode code) {
        switch (code) {
        case VERDICT_FAILED:
                return "Try again, with the right password: the prompt says whose.";
        case VERDICT_CANCELLED:
                return "Nothing was answered, and so nothing given. Try again to be asked again.";
        case VERDICT_CLIENT:
                return "The helper that asks for passwords does not take this process for a "
                       "client.";
        case VERDICT_USER:
                return "Ask as yourself, or as an ordinary user: root and system users are not "
                       "authenticated, but for those that Identities= in doorward.conf names.";
        case VERDICT_ACCOUNT:
                return "The account may not be used at present: it has expired or is locked, or "
                       "what "
                       "PAM was told of times and places says so. An administrator knows.";
        case VERDICT_PASSWORD_EXPIRED:
                return "The password has expired: change it with passwd(1), then try again.";
        case VERDICT_POLKIT:
                return "polkit does not wait for this answer any more: try again.";
        case VERDICT_PROVEN:
        case VERDICT_CHANGED:
        case VERDICT_UNAVAILABLE:
        case _VERDICT_MAX:
                break;
        }

        return "PAM could not tell who it is: an administrator finds out why from the journal, and "
               "the PAM service doorward.";
}

void refusal_init_verdict(Refusal *refusal, const PamReply *verdict) {
        refusal_init(refusal, verdict_error(verdict->code));
        refusal_set_cause(refusal, "PAM: %s%s%s", verdict_code_to_string(verdict->code),
                          verdict->detail[0] ? ", " : "", verdict->detail);
        refusal_set_hint(refusal, "%s", verdict_hint(verdict->code));
}

void refusal_init_unasked(Refusal *refusal) {
        refusal_init(refusal, ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED);
        refusal->mechanism = "conversation";
        refusal_set_cause(refusal, "a password is needed and nobody may be asked");
        refusal_set_hint(refusal,
                         "The definition, or the wish to be another user, wants a password "
                         "beside policy: run the command on a terminal, without "
                         "--no-ask-password.");
}

/* A string, or null where there is none. */
static json_t *optional(const char *text) {
        return text && text[0] ? json_string(text) : json_null();
}

json_t *refusal_to_json(const Refusal *refusal, const char *request_id) {
        json_t *hint = optional(refusal->hint);

        switch (refusal->error) {
        case ERROR_ENDPOINT_NOT_FOUND:
                return json_pack("{s:s, s:o, s:s}", "endpoint", refusal->endpoint, "hint", hint,
                                 "requestId", request_id);
        case ERROR_ACCESS_UNSUPPORTED:
                return json_pack("{s:s, s:s, s:o, s:s}", "endpoint", refusal->endpoint, "access",
                                 access_to_wire(refusal->access), "hint", hint, "requestId",
                                 request_id);
        case ERROR_PERMISSION_DENIED:
        case ERROR_AUTHENTICATION_FAILED:
        case ERROR_AUTHENTICATION_CANCELLED:
                return json_pack("{s:o, s:o, s:s}", "action", optional(refusal->action), "hint",
                                 hint, "requestId", request_id);
        case ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED:
                return json_pack("{s:o, s:[s], s:o, s:s}", "action", optional(refusal->action),
                                 "mechanisms", refusal->mechanism, "hint", hint, "requestId",
                                 request_id);
        case ERROR_ENDPOINT_UNAVAILABLE:
                return json_pack("{s:s, s:i, s:o, s:o, s:s}", "endpoint", refusal->endpoint,
                                 "errno", refusal->error_number, "reason", optional(refusal->cause),
                                 "hint", hint, "requestId", request_id);
        case ERROR_LIMIT_EXCEEDED:
                return json_pack("{s:s, s:o, s:o, s:s}", "limit", refusal->limit, "retryAfter",
                                 refusal->retry_ms > 0 ? json_integer((json_int_t)refusal->retry_ms)
                                                       : json_null(),
                                 "hint", hint, "requestId", request_id);
        case ERROR_LEASE_NOT_FOUND:
                return json_pack("{s:s, s:o, s:s}", "lease", refusal->lease, "hint", hint,
                                 "requestId", request_id);
        default:
                return json_pack("{s:o, s:s}", "hint", hint, "requestId", request_id);
        }
}

const char *refusal_error_name(const Refusal *refusal) {
        const char *name;

        if (refusal->error == REFUSAL_ABANDONED)
                return "Abandoned";

        name = interface_error_name((ErrorId)refusal->error);
        return strrchr(name, '.') + 1;
}
