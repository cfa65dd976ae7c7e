/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/field.h"
#include "cli/grant.h"
#include "cli/level.h"
#include "cli/observed.h"
#include "cli/report.h"
#include "cli/rule.h"
#include "cli/text.h"
#include "cli/user.h"
#include "client/wire.h"
#include "policy/timespan.h"

#define LABEL_WIDTH 10
#define ACTION_ENDPOINT_PREFIX "org.doorward.endpoint."

typedef struct Explanation {
        Argument argument;
        char name[NAME_TEXT_SIZE];
        char *user; /* the caller's name; NULL if the uid has none */
        int64_t uid;
        int64_t pid;
        const char *session;
        ChallengeDefaults defaults;
        const char *action;
        bool shared;
        bool registered;
        int decision;
        Level level;
        const char *connect_as;
        const char *problem;
        const char *hint;
        const char *request_id;
        Observed observed;
} Explanation;

static int explanation_read(const json_t *parameters, Explanation *e) {
        json_t *level, *observation = NULL;
        const WireField fields[] = {
                {"uid", WIRE_INT, false, &e->uid},
                {"pid", WIRE_INT, false, &e->pid},
                {"session", WIRE_STRING, true, &e->session},
                {"action", WIRE_STRING, false, &e->action},
                {"shared", WIRE_BOOL, false, &e->shared},
                {"registered", WIRE_BOOL, false, &e->registered},
                {"decision", WIRE_ENUM, false, &e->decision, decision_from_wire},
                {"level", WIRE_OBJECT, false, &level},
                {"connectAs", WIRE_STRING, false, &e->connect_as},
                {"problem", WIRE_STRING, true, &e->problem},
                {"hint", WIRE_STRING, false, &e->hint},
                {"observation", WIRE_OBJECT, true, &observation},
                {"requestId", WIRE_STRING, false, &e->request_id},
                {},
        };
        int r;

        r = wire_read(parameters, fields);
        if (r == 0)
                r = challenge_read_defaults(parameters, &e->defaults);
        if (r == 0)
                r = observed_read(observation, &e->observed);
        return r < 0 ? r : level_read(level, &e->level);
}

static const char *session_text(const char *session_class) {
        if (streq(session_class, "active"))
                return "active: of a local session that is in front";
        if (streq(session_class, "inactive"))
                return "inactive: of a local session that is not in front";
        return "any: of no local session (ssh, a service, cron)";
}

static const char *challenge_text(Whose whose) {
        switch (whose) {
        case WHOSE_OWN:
                return "after a password: your own, unless a rule says otherwise";
        case WHOSE_ADMIN:
                return "after a password: an administrator's, unless a rule says otherwise";
        case WHOSE_UNKNOWN:
        default:
                return "after a password";
        }
}

static const char *answer_text(const Explanation *e) {
        if (e->level.provided && e->level.decision == 0)
                return "no, since policy gave none";

        switch ((Decision)e->decision) {
        case DECISION_AUTHORIZED:
                return "yes";
        case DECISION_CHALLENGE:
                /* Which one polkit does not say until it asks: a rule may want the other. */
                return challenge_text(challenge_whose(challenge_default_here(&e->defaults)));
        case DECISION_UNSUPPORTED:
                return "the endpoint does not provide this access";
        case DECISION_DENIED:
        case _DECISION_MAX:
        default:
                return "no";
        }
}

/* What polkit would answer by this default. */
static Decision default_decision(const char *word) {
        return streq(word, "yes")                             ? DECISION_AUTHORIZED
               : strncmp(word, "auth_", strlen("auth_")) == 0 ? DECISION_CHALLENGE
                                                              : DECISION_DENIED;
}

/* Whether the answer is polkit's: what is known of the action came from there, and so did it. */
static bool policy_has_answered(const Explanation *e) {
        return e->defaults.any && e->level.decision > 0 && e->decision != DECISION_UNSUPPORTED;
}

/* Whence polkit has its answer, as far as one can tell from outside. */
static const char *origin_text(const Explanation *e) {
        const char *word = challenge_default_here(&e->defaults);

        if (e->uid == 0)
                return "polkit allows root everything";
        if (word && default_decision(word) == (Decision)e->decision)
                return "the action's default for such a session says so, or a rule that says the "
                       "same";
        return "a rule says so (or the memory of a password that was given lately): the action's "
               "default for such a session is another";
}

static void you_print(const Explanation *e) {
        field_printf_at(LABEL_WIDTH, "You", "%s (uid %" PRId64 "), process %" PRId64 "%s%s",
                        e->user ? e->user : "a user without a name", e->uid, e->pid,
                        e->session ? ", session " : "", e->session ? e->session : "");
        field_print_at(LABEL_WIDTH, "Session", session_text(e->defaults.session_class));
}

static bool action_is_generic(const Explanation *e) {
        return strncmp(e->action, ACTION_ENDPOINT_PREFIX, strlen(ACTION_ENDPOINT_PREFIX)) != 0;
}

static void because_print(const Explanation *e) {
        bool answered = policy_has_answered(e);
        /* That nobody may be asked for a password is so because we only explain. */
        const char *problem = e->decision == DECISION_CHALLENGE ? NULL : e->problem;

        if (problem || answered)
                field_printf_at(LABEL_WIDTH, "Because", "%s%s%s", problem ? problem : "",
                                problem && answered ? "; " : "", answered ? origin_text(e) : "");
}

static bool is_stepped_up(const Explanation *e) {
        return e->level.step_up && e->uid != 0 && !e->observed.admitted &&
               (e->decision == DECISION_AUTHORIZED || e->decision == DECISION_CHALLENGE);
}

/* What comes of the answer, and what does not. */
static void observed_print(const Explanation *e) {
        _cleanup_free_ char *text = e->observed.group ? observed_describe(&e->observed) : NULL;

        if (!text || !e->level.provided)
                return;
        if (e->observed.admitted)
                field_printf_at(LABEL_WIDTH, "But",
                                "you are granted it whatever the answer is, and asked for nothing: "
                                "the endpoint is %s, which you have. Then it is as above",
                                text);
        else
                field_printf_at(LABEL_WIDTH, "Observed",
                                "the endpoint is %s; for you it is as above", text);
}

static void policy_print(const Explanation *e) {
        if (action_is_generic(e))
                field_printf_at(LABEL_WIDTH, "Action",
                                "%s (generic: the endpoint has none of its own, which 'doorward "
                                "policy --install %s' would make)",
                                e->action, e->argument.name.endpoint);
        else
                field_printf_at(LABEL_WIDTH, "Action", "%s%s", e->action,
                                e->shared ? " (of all instances of the template)" : "");
        if (e->defaults.any && e->defaults.inactive && e->defaults.active)
                field_printf_at(LABEL_WIDTH, "Defaults", "any %s, inactive %s, active %s",
                                e->defaults.any, e->defaults.inactive, e->defaults.active);
        field_print_at(LABEL_WIDTH, "Answer", answer_text(e));
        because_print(e);
        if (is_stepped_up(e))
                field_print_at(LABEL_WIDTH, "Besides",
                               "your own password is asked for in addition, whatever polkit "
                               "says: the definition wants that, unless you are exempt, or "
                               "gave it lately");
        observed_print(e);
        if (e->decision != DECISION_AUTHORIZED && *e->hint)
                field_print_at(LABEL_WIDTH, "Hint", e->hint);
}

static void level_print(const Explanation *e) {
        const char *means = level_means_text(&e->level), *lease = level_lease_text(&e->level);
        char span[TIMESPAN_TEXT_SIZE];

        if (!e->level.provided)
                return;
        if (e->level.kind > 0)
                field_print_at(LABEL_WIDTH, "Kind", kind_to_string((Kind)e->level.kind));
        if (e->argument.access == ACCESS_READ_ONLY && means)
                field_print_at(LABEL_WIDTH, "Read-only", means);
        if (lease)
                field_print_at(LABEL_WIDTH, "Lease", lease);
        if (e->level.max_sec > 0)
                field_printf_at(
                        LABEL_WIDTH, "Ends", "after %s at the latest",
                        timespan_to_string((uint64_t)e->level.max_sec * USEC_PER_SEC, span));
        field_printf_at(LABEL_WIDTH, "Backend", "sees %s",
                        streq(e->connect_as, "service")  ? "the user doorward-opener"
                        : streq(e->connect_as, "client") ? "you"
                                                         : e->connect_as);
}

/* The rule that would turn the answer round. False if none would. */
static bool rule_spec(const Explanation *e, RuleSpec *ret) {
        if (e->uid == 0 || !e->user || !e->level.provided || !policy_has_answered(e))
                return false;

        *ret = (RuleSpec){
                .action = e->action,
                .endpoint = action_is_generic(e) ? e->argument.name.endpoint : NULL,
                .instance = *e->argument.name.instance ? e->argument.name.instance : NULL,
                .user = e->user,
                .result = e->decision == DECISION_AUTHORIZED ? "NO" : "YES",
        };
        return true;
}

static void rule_explain(const Explanation *e, const RuleSpec *spec) {
        size_t width = text_columns();
        _cleanup_free_ char *path = rule_path(&e->argument.name, e->argument.access, e->user);

        (void)printf("\n%s, an administrator would write %s:\n\n",
                     e->decision == DECISION_AUTHORIZED ? "To refuse it" : "To allow it",
                     path ? path : RULE_FOLDER);
        rule_print(stdout, spec);

        (void)putchar('\n');
        text_print_wrapped(stdout,
                           "For the members of a group, subject.isInGroup(\"GROUP\") stands in "
                           "place of the comparison with subject.user. AUTH_ADMIN and AUTH_SELF in "
                           "place of YES or NO would ask for a password, an administrator's or "
                           "one's own. Rules are asked in the order of their files' names, and the "
                           "first that answers decides. They count from the next request on; "
                           "nothing need be restarted.",
                           0, width);
        if (spec->instance) {
                (void)putchar('\n');
                text_print_wrapped(stdout,
                                   "Without the line with action.lookup(\"instance\") the rule "
                                   "holds for every instance of the template.",
                                   0, width);
        }
}

/* What an alias, or the default, came to. */
static void uri_print(const Explanation *e) {
        const Uri *uri = &e->argument.uri;
        char buf[URI_TEXT_SIZE];

        if (uri->transport != URI_LOCAL || !streq(e->argument.word, uri->endpoint))
                field_print_at(LABEL_WIDTH, "URI", uri_to_string(uri, buf));
}

static void explanation_print(const Explanation *e) {
        RuleSpec spec;

        field_print_at(LABEL_WIDTH, "Endpoint", e->name);
        uri_print(e);
        field_print_at(LABEL_WIDTH, "Access", access_to_string(e->argument.access));
        you_print(e);
        policy_print(e);
        level_print(e);

        if (rule_spec(e, &spec))
                rule_explain(e, &spec);
        else if (!e->user)
                (void)printf("\npolkit knows users by their names, and this uid has none here: it "
                             "refuses whatever a\nrule says.\n");
}

/* The broker's words, and the rule. Takes nothing. */
static json_t *explanation_to_json(const Explanation *e, const json_t *parameters) {
        json_t *object = json_copy((json_t *)parameters);
        _cleanup_free_ char *path = NULL;
        char *text = NULL;
        RuleSpec spec;
        size_t size;
        FILE *f;
        int r = 0;

        if (!object || !rule_spec(e, &spec))
                return object;

        path = rule_path(&e->argument.name, e->argument.access, e->user);
        f = open_memstream(&text, &size);
        if (f) {
                rule_print(f, &spec);
                r = fclose(f);
        }
        if (!path || !f || r != 0 ||
            json_object_set_new(object, "rule",
                                json_pack("{s:s, s:s}", "path", path, "text", text)) < 0) {
                json_decref(object);
                object = NULL;
        }

        free(text);
        return object;
}

static int explanation_show(const Options *options, const Explanation *e,
                            const json_t *parameters) {
        int r;

        if (options->json != JSON_OFF) {
                r = output_json_consume(explanation_to_json(e, parameters), options->json);
                return r < 0 ? report_errno(options, r, "Cannot print") : EXIT_STATUS_OK;
        }

        output_begin_text(options->output);
        explanation_print(e);
        return EXIT_STATUS_OK;
}

/* The command of another machine can, and the one of wherever a program leads. */
static int fail_remote(const Options *options, const Explanation *e) {
        return report_problem(options, DOORWARD_ERR_UNSUPPORTED,
                              "Run 'doorward explain' on the machine that it is on.",
                              "What policy says of %s cannot be explained from here.", e->name);
}

static int explanation_get(const Explanation *e, WireReply *ret, doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        json_t *parameters;
        int r;

        r = wire_open(e->argument.uri.transport == URI_UNIX ? e->argument.uri.socket : NULL,
                      WIRE_TIMEOUT_MS, &wire, error);
        if (r < 0)
                return r;

        parameters = json_pack("{s:s, s:s}", "endpoint", e->name, "access",
                               access_to_wire(e->argument.access));
        return wire_call(wire, METHOD_EXPLAIN, parameters, WIRE_TIMEOUT_MS, ret, error);
}

int command_explain(const Options *options, char **arguments, size_t n) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        _cleanup_error_ doorward_error error = {};
        Explanation e = {};
        int r, status;

        status = grant_read_argument(options, n > 0 ? arguments[0] : NULL, false, &e.argument);
        if (status >= 0)
                return status;
        (void)name_to_string(&e.argument.name, e.name);
        if (uri_is_remote(&e.argument.uri))
                return fail_remote(options, &e);

        r = explanation_get(&e, &reply, &error);
        if (r == 0 &&
            (explanation_read(reply.parameters, &e) < 0 || user_find_name(e.uid, &e.user) < 0))
                r = wire_error_protocol(&error, "The broker's answer cannot be read.");
        if (r < 0)
                return report_error(options, &error);

        status = explanation_show(options, &e, reply.parameters);
        free(e.user);
        return status;
}
