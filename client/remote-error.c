/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/remote-error.h"
#include "client/wire.h"
#include "common/relay-interface.h"

/* The kernel's numbers are below this. */
#define ERRNO_MAX 4095
/* What ssh exits with for what goes wrong on the way; and a shell, for a command that it cannot
 * run, or find. */
enum {
        STATUS_SSH = 255,
        STATUS_CANNOT_RUN = 126,
        STATUS_NOT_FOUND = 127,
};

/* Without the colon: "user@host". */
static const char *side_name(const Uri *uri, char buf[REMOTE_ORIGIN_SIZE]) {
        remote_origin(uri, buf);
        buf[strlen(buf) - strlen(": ")] = 0;
        return buf;
}

static int class_from_word(const char *word) {
        for (int i = 1; !streq(doorward_error_code_to_string(i), "unknown"); i++)
                if (streq(doorward_error_code_to_string(i), word))
                        return i;

        return DOORWARD_ERR_PROTOCOL;
}

static int domain_from_word(const char *word) {
        for (int i = 1; !streq(doorward_error_domain_to_string(i), "unknown"); i++)
                if (streq(doorward_error_domain_to_string(i), word))
                        return i;

        return DOORWARD_DOMAIN_BROKER;
}

static int read_failed(const Uri *uri, const json_t *parameters, doorward_error *error) {
        const char *class, *domain, *message, *hint = NULL, *endpoint = NULL, *action = NULL;
        const char *request_id = NULL;
        int64_t number;
        const WireField fields[] = {
                {"class", WIRE_STRING, false, &class},
                {"domain", WIRE_STRING, false, &domain},
                {"errno", WIRE_INT, false, &number},
                {"message", WIRE_STRING, false, &message},
                {"hint", WIRE_STRING, true, &hint},
                {"endpoint", WIRE_STRING, true, &endpoint},
                {"action", WIRE_STRING, true, &action},
                {"requestId", WIRE_STRING, true, &request_id},
                {},
        };
        char origin[REMOTE_ORIGIN_SIZE];

        if (wire_read(parameters, fields) < 0 || number < 0 || number > ERRNO_MAX)
                return remote_fail_protocol(uri, "what was refused, and why, cannot be read",
                                            error);

        remote_origin(uri, origin);
        error_set(error, (doorward_error_domain)domain_from_word(domain),
                  (doorward_error_code)class_from_word(class), (int)number, "%s%s", origin,
                  message);
        if (hint)
                error_set_hint(error, "%s%s", origin, hint);
        error_set_endpoint(error, endpoint);
        error_set_action(error, action);
        error_set_request(error, request_id);
        return -EREMOTEIO;
}

/* A relay of another version, or no relay. */
static int fail_unsupported(const Uri *uri, const char *name, doorward_error *error) {
        char side[REMOTE_ORIGIN_SIZE];

        error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP,
                  "doorward on %s does not do what this version wants of it: %s.",
                  side_name(uri, side), name);
        error_set_hint(error, "It is of another version: upgrade the older one of both.");
        return -EREMOTEIO;
}

int remote_fail_refused(const Uri *uri, const VarlinkReply *reply, doorward_error *error) {
        const char *name = strrchr(reply->error, '.');

        if (relay_find_error(reply->error) == RELAY_FAILED)
                return read_failed(uri, reply->parameters, error);

        return fail_unsupported(uri, name ? name + 1 : reply->error, error);
}

int remote_fail_protocol(const Uri *uri, const char *what, doorward_error *error) {
        char origin[REMOTE_ORIGIN_SIZE];

        remote_origin(uri, origin);
        error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_PROTOCOL, EPROTO, "%s%s.", origin,
                  what);
        return -EBADMSG;
}

int remote_fail_garbage(const Uri *uri, const char *quote, doorward_error *error) {
        char side[REMOTE_ORIGIN_SIZE];

        (void)side_name(uri, side);
        error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_PROTOCOL, EPROTO,
                  "What came from %s is no answer of doorward's%s%s%s", side,
                  quote[0] ? ": \"" : "", quote, quote[0] ? "\"" : ".");
        error_set_hint(error,
                       "Does the login shell of %s print something on standard output also when "
                       "nobody is at a terminal? It must not.",
                       side);
        return -EBADMSG;
}

int remote_fail_late(const Uri *uri, doorward_error *error) {
        char side[REMOTE_ORIGIN_SIZE];

        error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
                  "There was no answer from %s in time.", side_name(uri, side));
        return -ETIMEDOUT;
}

/* What ssh said is worth more than its status. */
static void set_end(const char *side, const char *program, const TransportMessage *end,
                    doorward_error *error) {
        char how[64];

        if (end->text[0]) {
                error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_NO_BROKER, ECONNABORTED,
                          "%s could not be reached: %s", side, end->text);
                return;
        }

        if (end->how == TRANSPORT_KILLED)
                (void)snprintf(how, sizeof(how), "was killed by signal %u", end->number);
        else
                (void)snprintf(how, sizeof(how), "ended with status %u", end->number);
        error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_NO_BROKER, ECONNABORTED,
                  "%s could not be reached: %s %s.", side, program, how);
}

/* What is not known is why doorward's own could not be. */
static void set_not_run(const char *side, const TransportMessage *end, doorward_error *error) {
        const char *why = end->number > 0 && end->number <= ERRNO_MAX
                                  ? strerrordesc_np((int)end->number)
                                  : NULL;

        error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_NO_BROKER,
                  end->number <= ERRNO_MAX ? (int)end->number : 0,
                  "%s could not be reached: %s cannot be executed%s%s.", side, end->text,
                  why ? ": " : "", why ?: "");
        error_set_hint(error, "Is it installed, and may everybody execute it?");
}

static void set_end_hint(const Uri *uri, const char *side, const TransportMessage *end,
                         doorward_error *error) {
        char port[sizeof("-p 65535 ")] = "";

        if (end->how != TRANSPORT_EXITED)
                return;

        if (uri->port > 0)
                (void)snprintf(port, sizeof(port), "-p %u ", uri->port);
        if (uri->transport == URI_EXT)
                error_set_hint(error,
                               "It is run with the argument relay, and is to lead to 'doorward "
                               "relay' by its standard input and output: doorward-remote(7) has "
                               "an example.");
        else if (end->number == STATUS_NOT_FOUND || end->number == STATUS_CANNOT_RUN)
                error_set_hint(error,
                               "doorward has to be installed there, too. If it is not in the PATH "
                               "of who logs in, ?command=/path/to/doorward says where it is.");
        else if (end->number == STATUS_SSH)
                error_set_hint(error, "See whether 'ssh %s%s true' works.", port, side);
}

int remote_fail_ended(const Uri *uri, const TransportMessage *end, doorward_error *error) {
        const char *program = uri->transport == URI_SSH ? "ssh" : uri->command;
        char side[REMOTE_ORIGIN_SIZE];

        (void)side_name(uri, side);
        if (!end) {
                error_set(error, DOORWARD_DOMAIN_TRANSPORT, DOORWARD_ERR_NO_BROKER, ECONNABORTED,
                          "What led to %s has ended without a word.", side);
                return -ECONNABORTED;
        }
        if (end->how == TRANSPORT_NOT_RUN) {
                set_not_run(side, end, error);
                return -ECONNABORTED;
        }

        set_end(side, program, end, error);
        set_end_hint(uri, side, end, error);
        return -ECONNABORTED;
}
