/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/admission.h"
#include "broker/broker.h"
#include "policy/timespan.h"

/* How many prompts a user is shown at a time. */
#define PROMPTS_PER_USER 1
/* What one by PAM costs, in requests, where the burst allows it. */
#define PROMPT_TOKENS 5U

int admission_take_token(Session *session, Refusal *ret_refusal) {
        uint64_t wait_ms;

        if (user_take_token(session->user, broker_now(session->broker), &wait_ms) == 0)
                return 0;

        refusal_init_limit(ret_refusal, "RequestRate", wait_ms);
        return ADMISSION_E_REFUSED;
}

void admission_count_failure(Session *session) {
        const Settings *settings = session->broker->settings;

        user_add_failure(session->user, broker_now(session->broker), settings->failures_max,
                         settings->penalty_usec);
}

unsigned admission_descriptors_per_user(const Broker *broker) {
        return broker->settings->descriptors_per_user ?: broker->descriptors_max / 8;
}

int admission_take_descriptor(const Broker *broker, User *user, UserCharge *charge,
                              Refusal *ret_refusal) {
        unsigned mine = admission_descriptors_per_user(broker), all = broker->descriptors_max;

        if (user->table->used[USER_DESCRIPTORS] >= all)
                refusal_init_limit(ret_refusal, "LimitNOFILE", 0);
        else if (user_charge(user, USER_DESCRIPTORS, mine, charge) != 0)
                refusal_init_limit(ret_refusal, "DescriptorsPerUser", 0);
        else
                return 0;

        return ADMISSION_E_REFUSED;
}

/* A filter is a process: of these there are fewer than of descriptors, and systemd has a limit. */
static int take_filter(const Broker *broker, User *user, UserCharge *charge, Refusal *ret_refusal) {
        const Settings *settings = broker->settings;

        if (user->table->used[USER_FILTERS] >= settings->filters_max)
                refusal_init_limit(ret_refusal, "FiltersMax", 0);
        else if (user_charge(user, USER_FILTERS, settings->filters_per_user, charge) != 0)
                refusal_init_limit(ret_refusal, "FiltersPerUser", 0);
        else
                return 0;

        return ADMISSION_E_REFUSED;
}

int admission_take_holding(const Broker *broker, User *user, bool filtered, LeaseHolding *holding,
                           Refusal *ret_refusal) {
        int r;

        r = admission_take_descriptor(broker, user, &holding->descriptor, ret_refusal);
        if (r == 0 && filtered)
                r = take_filter(broker, user, &holding->filter, ret_refusal);
        return r;
}

int admission_check_delivery(Session *session, Refusal *ret_refusal) {
        unsigned max = session->broker->settings->undelivered_per_user;

        /* On one connection they come one after the other. Of those of the user most have been
         * taken long ago, and who was sent one just now may not have had the time. */
        if (session_has_delivered(session) &&
            (session->user->used[USER_UNDELIVERED] < max ||
             broker_count_undelivered(session->broker, session->user) < max))
                return 0;

        refusal_init_limit(ret_refusal, "UndeliveredPerUser", 0);
        refusal_set_hint(ret_refusal, "Connections that you were sent before wait to be read: a "
                                      "program of yours asks for more than it takes.");
        return ADMISSION_E_REFUSED;
}

/* One that can be written as it stands, or who says which there are. */
static void hint_at_instances(Refusal *refusal, const Definition *definition) {
        char **each = definition->instances;

        while (each && *each && strpbrk(*each, "*?["))
                each++;
        if (each && *each)
                refusal_set_hint(refusal,
                                 "%s@ is a template. Write '%s@%s' in place of '%s'; 'doorward "
                                 "list' shows which else there may be.",
                                 definition->name, definition->name, *each, refusal->endpoint);
        else
                refusal_set_hint(refusal,
                                 "%s@ is a template: write %s@ and, behind that, one of those that "
                                 "'doorward list' shows. An administrator says which there may be, "
                                 "by Instance= in its definition.",
                                 definition->name, definition->name);
}

static void refuse_unknown(Refusal *refusal, const Catalogue *catalogue, const Name *name) {
        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                const Definition *definition = catalogue->definitions[i];

                if (!definition->template || name->instance[0] ||
                    !streq(definition->name, name->endpoint))
                        continue;
                refusal_set_cause(refusal, "a template, and no instance was named");
                hint_at_instances(refusal, definition);
                return;
        }

        refusal_set_cause(refusal, "no such definition");
        refusal_set_hint(refusal, "'doorward list' shows which endpoints there are. An "
                                  "administrator makes a new definition take effect with: "
                                  "systemctl daemon-reload && systemctl reload doorward");
}

int admission_take_prompt(Session *session, UserSlot slot, bool by_pam, UserCharge *charge,
                          Refusal *ret_refusal) {
        uint64_t now = broker_now(session->broker), penalty_ms, wait_ms;
        unsigned burst = session->broker->settings->request_burst;

        penalty_ms = user_penalty_ms(session->user, now);
        if (penalty_ms > 0) {
                refusal_init_limit(ret_refusal, "AuthenticationFailuresMax", penalty_ms);
                refusal_set_hint(ret_refusal,
                                 "Too many passwords were wrong: nobody is asked for one for "
                                 "another %u seconds.",
                                 (unsigned)((penalty_ms + 999) / 1000));
        } else if (user_charge(session->user, slot, PROMPTS_PER_USER, charge) != 0) {
                refusal_init_limit(ret_refusal, "prompts", 0);
                refusal_set_hint(ret_refusal, "You are being asked for a password already: answer "
                                              "that first.");
        } else if (by_pam &&
                   user_take_tokens(session->user, burst < PROMPT_TOKENS ? 1 : PROMPT_TOKENS, now,
                                    &wait_ms) != 0) {
                user_charge_deinit(charge);
                refusal_init_limit(ret_refusal, "RequestRate", wait_ms);
        } else
                return 0;

        return ADMISSION_E_REFUSED;
}

int admission_find(const Broker *broker, const char *text, Name *ret_name,
                   const Definition **ret_definition, Refusal *ret_refusal) {
        const Definition *definition;
        Name name;

        refusal_init(ret_refusal, ERROR_ENDPOINT_NOT_FOUND);

        if (name_parse(text, &name) < 0) {
                refusal_set_cause(ret_refusal, "not a name that an endpoint can have");
                refusal_set_hint(ret_refusal,
                                 "An endpoint is named like docker or serial@ttyUSB0, not by a "
                                 "path; 'doorward list' shows which there are.");
                return ADMISSION_E_REFUSED;
        }

        (void)name_to_string(&name, ret_refusal->endpoint);
        definition = catalogue_find(broker->catalogue, &name);
        if (!definition) {
                refuse_unknown(ret_refusal, broker->catalogue, &name);
                return ADMISSION_E_REFUSED;
        }

        if (!definition->problem && !definition_has_instance(definition, name.instance)) {
                refusal_set_cause(ret_refusal, "not an instance that %s@ allows", definition->name);
                hint_at_instances(ret_refusal, definition);
                return ADMISSION_E_REFUSED;
        }

        *ret_name = name;
        *ret_definition = definition;
        return 0;
}

int admission_check_block(Broker *broker, uid_t uid, const Name *name, Refusal *ret_refusal) {
        char text[NAME_TEXT_SIZE], left[TIMESPAN_TEXT_SIZE];
        uint64_t now = broker_now_boottime(broker), seconds;
        const Block *block, *widest;

        block = block_table_find(&broker->blocks, uid, name_to_string(name, text), now);
        widest = block_table_find_widest(&broker->blocks, uid, text, now);
        if (!block || !widest)
                return 0;

        seconds = (block->until - now + USEC_PER_SEC - 1) / USEC_PER_SEC;
        refusal_init(ret_refusal, ERROR_PERMISSION_DENIED);
        (void)name_to_string(name, ret_refusal->endpoint);
        refusal_set_cause(ret_refusal, "it was revoked, and the user is kept out for another %u s",
                          (unsigned)seconds);
        /* As wide as the block is: who is kept out of all is not let in by the name of one. */
        refusal_set_hint(ret_refusal,
                         "Access was taken back, and is not given again for another %s. "
                         "An administrator gives it back with: doorward revoke --block=0 "
                         "--user=%u%s%s",
                         timespan_to_string(seconds * USEC_PER_SEC, left), (unsigned)uid,
                         widest->endpoint[0] ? " --endpoint=" : "", widest->endpoint);
        return ADMISSION_E_REFUSED;
}

/* One of both it has. */
static void hint_at_other(Refusal *refusal, const Definition *definition, const Name *name,
                          Access access) {
        const char *full = access == ACCESS_FULL ? "" : ":ro", *other = *full ? "" : ":ro";
        char text[NAME_TEXT_SIZE];

        (void)name_to_string(name, text);
        refusal_set_hint(refusal,
                         "%s%s has no %s form. Write '%s%s' in place of '%s%s' for %s access.",
                         definition->name, definition->template ? "@" : "",
                         access_to_string(access), text, other, text, full,
                         access_to_string(access == ACCESS_FULL ? ACCESS_READ_ONLY : ACCESS_FULL));
}

int admission_check_access(const Definition *definition, const Name *name, Access access,
                           Refusal *ret_refusal) {
        if (!definition->problem && definition->targets[access].provided)
                return 0;

        if (definition->problem) {
                refusal_init(ret_refusal, ERROR_ENDPOINT_UNAVAILABLE);
                refusal_set_cause(ret_refusal, "the definition is wrong: %s", definition->problem);
                refusal_set_hint(ret_refusal,
                                 "An administrator mends it; 'doorward verify %s' "
                                 "says what is wrong.",
                                 definition->name);
        } else {
                refusal_init(ret_refusal, ERROR_ACCESS_UNSUPPORTED);
                ret_refusal->access = access;
                refusal_set_cause(ret_refusal, "the definition does not provide it");
                hint_at_other(ret_refusal, definition, name, access);
        }

        (void)name_to_string(name, ret_refusal->endpoint);
        return ADMISSION_E_REFUSED;
}

int admission_check_client(const Definition *definition, const Name *name, Access access, uid_t uid,
                           bool wants_identity, Refusal *ret_refusal) {
        if (definition->connect_as != CONNECT_AS_CLIENT || (uid != 0 && !wants_identity))
                return 0;

        refusal_init(ret_refusal, ERROR_ACCESS_UNSUPPORTED);
        (void)name_to_string(name, ret_refusal->endpoint);
        ret_refusal->access = access;
        if (uid == 0) {
                refusal_set_cause(ret_refusal, "the service sees who asks, and never root");
                refusal_set_hint(ret_refusal,
                                 "%s is opened as the user who asks, and never as root: reach it "
                                 "without doorward, or as a user (runuser -u USER).",
                                 definition->name);
        } else {
                refusal_set_cause(ret_refusal, "the service sees who asks, and nobody else");
                refusal_set_hint(ret_refusal,
                                 "%s is opened as the user who asks: to be another one, become "
                                 "that user first (su - USER).",
                                 definition->name);
        }
        return ADMISSION_E_REFUSED;
}

static int refuse_namespace(Refusal *refusal, const char *cause, const char *hint) {
        refusal_init(refusal, ERROR_PERMISSION_DENIED);
        refusal_set_cause(refusal, "%s", cause);
        refusal_set_hint(refusal, "%s", hint);
        return ADMISSION_E_REFUSED;
}

/* What is read of the peer's number. */
typedef struct Findings {
        bool foreign_user;
        bool foreign_pid;
        uint64_t start_time;
} Findings;

static int check_namespaces(const Session *session, const Findings *findings, Access access,
                            Refusal *ret_refusal) {
        ForeignNamespace allowed = session->broker->settings->allow_foreign_user_namespace;

        if (session->peer.uid == 0 && (findings->foreign_user || findings->foreign_pid))
                return refuse_namespace(ret_refusal, "root of another namespace",
                                        "Root of a container is not root here: connect as a user "
                                        "of the host.");

        if (!findings->foreign_user || allowed == FOREIGN_NAMESPACE_YES ||
            (allowed == FOREIGN_NAMESPACE_READ_ONLY && access == ACCESS_READ_ONLY))
                return 0;

        return refuse_namespace(ret_refusal, "out of a user namespace",
                                "From inside a user namespace (a rootless container, a sandbox) "
                                "this is not given, unless an administrator sets "
                                "AllowForeignUserNamespace= in doorward.conf.");
}

static int read_findings(const Peer *peer, Process *process, Findings *ret) {
        Findings findings = {};
        int r;

        /* Of a pid namespace it only matters whether root is in one; and status is long. */
        r = peer->uid == 0 ? peer_get_foreign_pid(peer, &findings.foreign_pid) : 0;
        if (r == 0)
                r = peer_get_foreign_user(peer, &findings.foreign_user);
        if (r == 0)
                r = process_get_start_time(process, peer, &findings.start_time);
        if (r != 0)
                return r;

        /* What was read of a number is of our peer only if that still has it. */
        if (findings.start_time == 0 || !peer_is_alive(peer))
                return PEER_E_GONE;

        *ret = findings;
        return 0;
}

int admission_check_peer(const Session *session, Access access, uint64_t *ret_start_time,
                         Refusal *ret_refusal) {
        Findings findings;
        int r;

        r = read_findings(&session->peer, session->process, &findings);
        if (r == 0)
                r = check_namespaces(session, &findings, access, ret_refusal);
        else {
                refusal_init(ret_refusal, ERROR_POLICY_UNAVAILABLE);
                if (r == PEER_E_GONE)
                        refusal_set_cause(ret_refusal, "the client's process has ended");
                else if (r != PEER_E_HIDDEN) {
                        refusal_set_cause(ret_refusal,
                                          "the client's process cannot be looked at: %s",
                                          r < 0 ? strerror(-r) : "no reason is known");
                        refusal_set_hint(ret_refusal, "Try again later.");
                } else {
                        refusal_set_cause(ret_refusal, "/proc does not show the client's process");
                        refusal_set_hint(ret_refusal,
                                         "/proc is mounted with hidepid=, so that doorward cannot "
                                         "tell who asks: an administrator mounts it without, or "
                                         "with gid= of a group that the user doorward is in.");
                }
                r = ADMISSION_E_REFUSED;
        }

        if (r == 0)
                *ret_start_time = findings.start_time;
        return r;
}
