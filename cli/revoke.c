/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/lease-id.h"
#include "cli/lease.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/user.h"
#include "policy/timespan.h"

typedef struct Revocation {
        const Options *options;
        Wire *wire;
        json_t *own; /* lists of leases, once an ID has to be looked for in them */
        json_t *all;
        bool of_user;
        uid_t uid;
        int64_t ended;
        int64_t irrevocable; /* of those */
} Revocation;

static void revocation_deinit(Revocation *revocation) {
        wire_free(revocation->wire);
        json_decref(revocation->own);
        json_decref(revocation->all);
}

/* What is written wrong is found before anything is ended. -1, or the exit status. */
static int revocation_read(Revocation *revocation, char **ids, size_t n) {
        const Options *options = revocation->options;

        if (n > 0 && (options->user || options->endpoint))
                return options_usage_error(options, "An ID is of one lease: it does not go with "
                                                    "--user= or --endpoint=.");
        if (n == 0 && !options->user && !options->endpoint)
                return options_usage_error(options, "What is to be ended is missing: an ID, as "
                                                    "'doorward leases' shows it, --user= or "
                                                    "--endpoint=.");

        if (options->lets_in && !options->user)
                return options_usage_error(options, "--block=0 lets somebody in again: --user= "
                                                    "says whom.");

        for (size_t i = 0; i < n; i++)
                if (!lease_id_is_prefix(ids[i]))
                        return options_usage_error(
                                options,
                                "'%s' is not the ID of a lease: that is of 0-9 and a-f, and its "
                                "first %u digits are enough.",
                                ids[i], LEASE_ID_SHOWN_MIN);

        if (options->user) {
                if (user_find_uid(options->user, &revocation->uid) < 0)
                        return options_usage_error(options, "There is no user '%s'.",
                                                   options->user);
                revocation->of_user = true;
        }

        return -1;
}

/* -1 and *ret, LEASE_ID_E_NONE is 0 and no *ret, or the exit status: what went wrong was said. */
static int id_find_in(Revocation *revocation, const json_t *leases, const char *prefix,
                      const char **ret) {
        _cleanup_free_ char *candidates = NULL;

        if (lease_id_find(leases, prefix, ret) != LEASE_ID_E_AMBIGUOUS)
                return -1;

        candidates = lease_id_candidates(leases, prefix);
        return report_problem(revocation->options, DOORWARD_ERR_INVALID_ARG,
                              "Write more of its digits.",
                              "More than one lease has an ID that begins with %s: %s.", prefix,
                              candidates ?: "?");
}

static int id_unknown(const Revocation *revocation, const char *prefix, const char *hint) {
        return report_problem(revocation->options, DOORWARD_ERR_NO_LEASE, hint,
                              "There is no lease whose ID begins with %s, or it is not yours.",
                              prefix);
}

/* The whole ID of the one that is meant: of the caller's own, or else of everybody's, as far as
 * policy shows them. -1 and *ret, borrowed, or the exit status. */
static int id_find(Revocation *revocation, const char *prefix, const char **ret) {
        _cleanup_error_ doorward_error error = {};
        const char *found = NULL;
        int r = 0, status;

        if (lease_id_is_valid(prefix)) {
                *ret = prefix;
                return -1;
        }

        if (!revocation->own)
                r = lease_list(revocation->wire, false, &revocation->own, &error);
        if (r < 0)
                return report_error(revocation->options, &error);
        status = id_find_in(revocation, revocation->own, prefix, &found);

        if (status < 0 && !found) {
                if (!revocation->all)
                        r = lease_list(revocation->wire, true, &revocation->all, &error);
                if (r < 0)
                        return r == -EREMOTEIO ? id_unknown(revocation, prefix, error.hint)
                                               : report_error(revocation->options, &error);
                status = id_find_in(revocation, revocation->all, prefix, &found);
        }
        if (status < 0 && !found)
                status = id_unknown(revocation, prefix,
                                    "'doorward leases --all' lists those that there are.");
        if (status < 0)
                *ret = found;

        return status;
}

/* NULL: no memory. */
static json_t *parameters_new(const Revocation *revocation, const char *id) {
        const Options *options = revocation->options;
        json_t *parameters = json_object();
        int r = 0;

        if (id)
                r |= json_object_set_new(parameters, "lease", json_string(id));
        if (revocation->of_user)
                r |= json_object_set_new(parameters, "uid", json_integer(revocation->uid));
        if (options->endpoint)
                r |= json_object_set_new(parameters, "endpoint", json_string(options->endpoint));
        if (options->block > 0 || options->lets_in)
                r |= json_object_set_new(parameters, "block", json_integer(options->block));

        if (r < 0) {
                json_decref(parameters);
                return NULL;
        }
        return parameters;
}

/* Policy has not been asked: somebody else keeps that user out, or of more. */
static void explain_still_out(const Revocation *revocation, doorward_error *error) {
        _cleanup_free_ char *name = NULL;
        char user[USER_TEXT_SIZE];
        doorward_error by = {};

        name = text_escape(user_to_string(revocation->uid, user));
        error_set(&by, (doorward_error_domain)error->domain, DOORWARD_ERR_DENIED, error->errnum,
                  "%s is kept out still.", name ?: "?");
        if (error->hint)
                error_set_hint(&by, "%s", error->hint);
        error_replace(error, &by);
}

/* One call, by an ID or by what the options say. */
static int revocation_call(Revocation *revocation, const char *id, WireReply *ret,
                           doorward_error *error) {
        int64_t ended, irrevocable;
        const WireField fields[] = {
                {"ended", WIRE_INT, false, &ended},
                {"irrevocable", WIRE_INT, false, &irrevocable},
                {},
        };
        int r;

        r = wire_call(revocation->wire, METHOD_REVOKE, parameters_new(revocation, id),
                      WIRE_TIMEOUT_MS, ret, error);
        if (r < 0) {
                if (revocation->options->lets_in && error->code == DOORWARD_ERR_DENIED &&
                    !error->action_id)
                        explain_still_out(revocation, error);
                else
                        lease_explain_error(error);
                return r;
        }
        if (wire_read(ret->parameters, fields) < 0 || irrevocable < 0 || ended < irrevocable)
                return wire_error_protocol(error, "The broker's answer cannot be read.");

        revocation->ended += ended;
        revocation->irrevocable += irrevocable;
        return 0;
}

/* The same, and with --json what it came to. *ret_status is the exit status; false if there is no
 * broker to say more to. */
static bool revoke_one(Revocation *revocation, const char *id, int *ret_status) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        const Options *options = revocation->options;
        _cleanup_error_ doorward_error error = {};
        int r;

        r = revocation_call(revocation, id, &reply, &error);
        if (r < 0) {
                *ret_status = report_error(options, &error);
                return r == -EREMOTEIO;
        }

        *ret_status = EXIT_STATUS_OK;
        if (options->json != JSON_OFF) {
                r = output_json_consume(json_incref(reply.parameters), options->json);
                if (r < 0)
                        *ret_status = report_errno(options, r, "Cannot print");
        }
        return true;
}

/* All are found before the first is ended. That one has ended meanwhile keeps none of the others.
 * Returns the status of the first that could not be ended. */
static int revoke_ids(Revocation *revocation, char **ids, size_t n) {
        _cleanup_free_ const char **found = calloc(n, sizeof(char *));
        int first = EXIT_STATUS_OK;

        if (!found)
                return report_errno(revocation->options, -ENOMEM, "Cannot look for leases");

        for (size_t i = 0; i < n; i++) {
                int status = id_find(revocation, ids[i], &found[i]);

                if (status >= 0)
                        return status;
        }

        for (size_t i = 0; i < n; i++) {
                int status;
                bool more = revoke_one(revocation, found[i], &status);

                if (first == EXIT_STATUS_OK)
                        first = status;
                if (!more)
                        break;
        }

        return first;
}

/* Whom --block= keeps out of what, as far as it is known here. */
static void block_print(const Revocation *revocation) {
        const Options *options = revocation->options;
        char user[USER_TEXT_SIZE], span[TIMESPAN_TEXT_SIZE];
        _cleanup_free_ char *name = text_escape(user_to_string(revocation->uid, user));
        bool one = revocation->ended == 1, none = revocation->ended == 0;
        const char *where = options->endpoint ?: one ? "the same endpoint" : "the same endpoints";

        if (options->lets_in) {
                (void)printf("%s is let in to %s again.\n", name ?: "?",
                             options->endpoint ?: "all endpoints");
                return;
        }

        (void)timespan_to_string((uint64_t)options->block * USEC_PER_SEC, span);
        if (!revocation->of_user && none)
                (void)printf("Nobody had one, so nobody is kept out: --user= says who is to be.\n");
        else if (!revocation->of_user)
                (void)printf("Whoever had %s is not let in to %s again for %s.\n",
                             one ? "it" : "them", where, span);
        else if (options->endpoint)
                (void)printf("%s is not let in to %s%s for %s.\n", name ?: "?", options->endpoint,
                             none ? "" : " again", span);
        else
                (void)printf("%s is not let in for %s.\n", name ?: "?", span);
}

static void revocation_print(const Revocation *revocation) {
        const Options *options = revocation->options;
        int64_t ended = revocation->ended, irrevocable = revocation->irrevocable;

        if (options->lets_in) {
                block_print(revocation);
                return;
        }

        if (ended == 0)
                (void)printf("No lease to end.\n");
        else
                (void)printf("Ended %" PRId64 " lease%s.\n", ended, ended == 1 ? "" : "s");

        if (irrevocable > 0 && ended == 1)
                (void)printf("It had handed over what the kernel cannot recall, which goes on "
                             "until its holder closes it.\n");
        else if (irrevocable > 0)
                (void)printf("%" PRId64 " of them had handed over what the kernel cannot recall, "
                             "which goes on until its holder closes it.\n",
                             irrevocable);
        if (options->block > 0)
                block_print(revocation);
}

int command_revoke(const Options *options, char **arguments, size_t n) {
        _cleanup_(revocation_deinit) Revocation revocation = {.options = options};
        _cleanup_error_ doorward_error error = {};
        int status;

        status = revocation_read(&revocation, arguments, n);
        if (status >= 0)
                return status;
        if (wire_open(NULL, WIRE_TIMEOUT_MS, &revocation.wire, &error) < 0)
                return report_error(options, &error);

        if (n > 0)
                status = revoke_ids(&revocation, arguments, n);
        else
                (void)revoke_one(&revocation, NULL, &status);

        /* Of several IDs some may have been ended: what became of the others was said. */
        if ((status == EXIT_STATUS_OK || revocation.ended > 0) && options->json == JSON_OFF &&
            !options_has(options, OPTION_QUIET))
                revocation_print(&revocation);
        return status;
}
