/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "cli/suggestion.h"
#include "cli/text.h"
#include "cli/user.h"
#include "policy/action.h"
#include "policy/instant.h"
#include "policy/strv.h"

/* As many of a use's units are told. */
#define UNITS_MAX 4U

/* systemd gives these to units with DynamicUser=, for as long as each runs. */
#define DYNAMIC_UID_MIN 61184U
#define DYNAMIC_UID_MAX 65519U

static const char *const policy_words[_SUGGESTION_POLICY_MAX] = {
        [SUGGESTION_AUTHORIZED] = "authorized",
        [SUGGESTION_CHALLENGE] = "challenge",
        [SUGGESTION_DENIED] = "denied",
        [SUGGESTION_UNAVAILABLE] = "unavailable",
};

/* Records. */

static bool is_printable(const char *text) {
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        return false;
        return true;
}

static bool parse_uid(const char *text, uid_t *ret) {
        uint64_t value = 0;

        if (!*text || strlen(text) > 10)
                return false;
        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return false;
                value = value * 10 + (uint64_t)(*text - '0');
        }
        if (value >= UINT32_MAX)
                return false;

        *ret = (uid_t)value;
        return true;
}

/* An action of doorward's for this: that of the endpoint, or the generic one. */
static bool is_action(const char *text, const Name *name, Access access) {
        char action[ACTION_TEXT_SIZE];

        return streq(text, action_endpoint_id(name->endpoint, access, action)) ||
               streq(text, action_generic_id(access));
}

/* What the use is of, and how polkit answered; false if it is none that was observed. */
static bool record_read(const SuggestionRecord *record, SuggestionUse *ret,
                        SuggestionPolicy *ret_policy) {
        int access = record->access ? access_from_string(record->access) : -EINVAL;
        SuggestionPolicy policy = 0;

        if (access < 0 || !record->endpoint || !record->action || !record->how || !record->policy ||
            !record->uid || !streq(record->how, how_to_string(HOW_OBSERVED)))
                return false;
        while (policy < _SUGGESTION_POLICY_MAX && !streq(policy_words[policy], record->policy))
                policy++;
        if (policy == _SUGGESTION_POLICY_MAX || name_parse(record->endpoint, &ret->name) < 0 ||
            !parse_uid(record->uid, &ret->uid) ||
            !is_action(record->action, &ret->name, (Access)access))
                return false;

        ret->access = (Access)access;
        *ret_policy = policy;
        return true;
}

static bool is_wanted(const Suggestion *suggestion, const Name *name, uint64_t time) {
        char text[NAME_TEXT_SIZE];

        if (time < suggestion->since || time > suggestion->until)
                return false;
        return !suggestion->only || streq(suggestion->only, name->endpoint) ||
               streq(suggestion->only, name_to_string(name, text));
}

static void use_deinit(SuggestionUse *use) {
        free(use->action);
        free(use->user);
        strv_free(use->units);
}

void suggestion_deinit(Suggestion *suggestion) {
        for (size_t i = 0; i < suggestion->n_uses; i++)
                use_deinit(&suggestion->uses[i]);
        free(suggestion->uses);
        suggestion->uses = NULL;
        suggestion->n_uses = 0;
}

static int compare_names(const Name *a, const Name *b) {
        int r = strcmp(a->endpoint, b->endpoint);

        return r != 0 ? r : strcmp(a->instance, b->instance);
}

/* Of what they are: two with 0 stand in one rule. */
static int compare_things(const SuggestionUse *a, const SuggestionUse *b) {
        int r = compare_names(&a->name, &b->name);

        if (r == 0)
                r = (int)a->access - (int)b->access;
        return r != 0 ? r : strcmp(a->action, b->action);
}

static int compare(const void *x, const void *y) {
        const SuggestionUse *a = x, *b = y;
        int r = compare_things(a, b);

        if (r == 0)
                r = strcmp(a->user ?: "", b->user ?: "");
        return r != 0 ? r : a->uid < b->uid ? -1 : a->uid > b->uid;
}

static SuggestionUse *suggestion_find(Suggestion *suggestion, const SuggestionUse *like,
                                      const char *action) {
        for (size_t i = 0; i < suggestion->n_uses; i++) {
                SuggestionUse *use = &suggestion->uses[i];

                if (use->uid == like->uid && use->access == like->access &&
                    compare_names(&use->name, &like->name) == 0 && streq(use->action, action))
                        return use;
        }

        return NULL;
}

static int suggestion_append(Suggestion *suggestion, const SuggestionUse *like, const char *action,
                             SuggestionUse **ret) {
        SuggestionUse use = {.name = like->name, .access = like->access, .uid = like->uid}, *grown;
        int r = 0;

        grown = reallocarray(suggestion->uses, suggestion->n_uses + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        suggestion->uses = grown;

        use.action = strdup(action);
        if (!use.action)
                r = -ENOMEM;
        if (r == 0)
                r = suggestion->find_name(use.uid, &use.user);
        if (r < 0) {
                use_deinit(&use);
                return r;
        }

        use.first = UINT64_MAX;
        suggestion->uses[suggestion->n_uses] = use;
        *ret = &suggestion->uses[suggestion->n_uses++];
        return 0;
}

/* Those that come first by their names, so that it does not matter which were seen first. */
static int use_add_unit(SuggestionUse *use, const char *unit) {
        _cleanup_free_ char *held = NULL;
        char **last = NULL;

        if (!unit || !is_printable(unit) || strv_contains(use->units, unit))
                return 0;
        if (strv_length(use->units) < UNITS_MAX)
                return strv_push(&use->units, unit);

        for (char **each = use->units; *each; each++)
                if (!last || strcmp(*each, *last) > 0)
                        last = each;
        if (strcmp(unit, *last) > 0)
                return 0;
        held = strdup(unit);
        if (!held)
                return -ENOMEM;
        free(*last);
        *last = TAKE_PTR(held);
        return 0;
}

int suggestion_add(Suggestion *suggestion, const SuggestionRecord *record) {
        SuggestionUse like = {}, *use;
        SuggestionPolicy policy;
        int r = 0;

        if (!record_read(record, &like, &policy) ||
            !is_wanted(suggestion, &like.name, record->time))
                return 0;

        use = suggestion_find(suggestion, &like, record->action);
        if (!use)
                r = suggestion_append(suggestion, &like, record->action, &use);
        if (r == 0)
                r = use_add_unit(use, record->unit);
        if (r < 0)
                return r;

        use->n++;
        use->policy[policy]++;
        if (record->time < use->first)
                use->first = record->time;
        if (record->time > use->last)
                use->last = record->time;
        return 0;
}

static int compare_texts(const void *x, const void *y) {
        return strcmp(*(char *const *)x, *(char *const *)y);
}

void suggestion_sort(Suggestion *suggestion) {
        for (size_t i = 0; i < suggestion->n_uses; i++) {
                SuggestionUse *use = &suggestion->uses[i];

                if (use->units)
                        qsort(use->units, strv_length(use->units), sizeof(*use->units),
                              compare_texts);
        }
        if (suggestion->n_uses > 0)
                qsort(suggestion->uses, suggestion->n_uses, sizeof(*suggestion->uses), compare);
}

/* Printing. */

static bool use_was_always_allowed(const SuggestionUse *use) {
        return use->policy[SUGGESTION_AUTHORIZED] == use->n;
}

bool suggestion_use_needs_rule(const SuggestionUse *use) {
        return use->user && !use_was_always_allowed(use);
}

/* "12 times, last 2027-03-31T18:00:00Z; polkit: 11 challenge, 1 denied; in ci.service" */
static void use_print_evidence(const SuggestionUse *use, FILE *f) {
        const char *separator = "; polkit: ";
        char last[INSTANT_TEXT_SIZE];

        (void)fprintf(f, "%u time%s, last %s", use->n, use->n == 1 ? "" : "s",
                      instant_to_string(use->last, last));
        for (size_t i = 0; i < _SUGGESTION_POLICY_MAX; i++)
                if (use->policy[i] > 0) {
                        (void)fprintf(f, "%s%u %s", separator, use->policy[i], policy_words[i]);
                        separator = ", ";
                }
        separator = "; in ";
        for (char **unit = use->units; unit && *unit; unit++) {
                (void)fprintf(f, "%s%s", separator, *unit);
                separator = ", ";
        }
        if (strv_length(use->units) == UNITS_MAX)
                (void)fputs(" ...", f);
        (void)fputc('\n', f);
}

static void lookup_print(const char *detail, const char *value, FILE *f) {
        (void)fprintf(f, " ||\n        action.lookup(\"%s\") !== ", detail);
        text_print_quoted(f, value);
}

/* The uses from first on that are of the same thing. */
static size_t count_alike(const Suggestion *suggestion, size_t first) {
        size_t n = 1;

        while (first + n < suggestion->n_uses &&
               compare_things(&suggestion->uses[first], &suggestion->uses[first + n]) == 0)
                n++;
        return n;
}

static void rule_print_cases(const SuggestionUse *uses, size_t n, FILE *f) {
        for (size_t i = 0; i < n; i++) {
                if (!suggestion_use_needs_rule(&uses[i]))
                        continue;
                (void)fputs("    case ", f);
                text_print_quoted(f, uses[i].user);
                (void)fputs(": // ", f);
                use_print_evidence(&uses[i], f);
        }
}

static void thing_print_rule(const SuggestionUse *uses, size_t n, FILE *f) {
        char name[NAME_TEXT_SIZE];

        (void)fprintf(f,
                      "\n// %s, %s access\npolkit.addRule(function(action, subject) {\n"
                      "    if (action.id !== ",
                      name_to_string(&uses->name, name), access_to_string(uses->access));
        text_print_quoted(f, uses->action);
        lookup_print("endpoint", uses->name.endpoint, f);
        if (uses->name.instance[0])
                lookup_print("instance", uses->name.instance, f);
        else
                /* A template of this name shares the action. */
                (void)fputs(" ||\n        action.lookup(\"instance\")", f);
        /* What was observed was had as oneself, not by another's password. */
        (void)fputs(" ||\n        action.lookup(\"user\")", f);
        (void)fputs(")\n        return polkit.Result.NOT_HANDLED;\n    switch (subject.user) {\n",
                    f);
        rule_print_cases(uses, n, f);
        (void)fputs("        return polkit.Result.YES;\n"
                    "    }\n"
                    "    return polkit.Result.NOT_HANDLED;\n"
                    "});\n",
                    f);
}

/* A list in a comment of those for whom there is no rule. */
static void print_list(const Suggestion *suggestion, bool always_allowed, const char *heading,
                       FILE *f) {
        char name[NAME_TEXT_SIZE];

        for (size_t i = 0; i < suggestion->n_uses; i++) {
                const SuggestionUse *use = &suggestion->uses[i];

                if (suggestion_use_needs_rule(use) || use_was_always_allowed(use) != always_allowed)
                        continue;
                if (heading)
                        (void)fprintf(f, "\n%s", heading);
                heading = NULL;
                (void)fprintf(f, "//   %s, %s access: uid %" PRIu32,
                              name_to_string(&use->name, name), access_to_string(use->access),
                              (uint32_t)use->uid);
                if (use->user)
                        (void)fprintf(f, " (%s)", use->user);
                (void)fputs(", ", f);
                use_print_evidence(use, f);
        }
}

static void print_heading(const Suggestion *suggestion, FILE *f) {
        char since[INSTANT_TEXT_SIZE], until[INSTANT_TEXT_SIZE];

        (void)fprintf(
                f,
                "// Suggested by 'doorward policy suggest', of what the record has up to\n"
                "// %s%s%s:\n"
                "// who was granted what while it was observed (Mode=observe), and polkit did\n"
                "// not always say yes.\n"
                "//\n"
                "// Read it before you install it: whoever is named here is then let in\n"
                "// without a password. What nobody should have, take out; a group is better\n"
                "// than many names (subject.isInGroup(\"GROUP\")). Then copy it to\n"
                "//\n"
                "//     /etc/polkit-1/rules.d/60-doorward.rules\n"
                "//\n"
                "// which polkit reads by itself. Rules in files whose names sort before that\n"
                "// go first: a NO there stays one. When it is there, take Mode=observe out of\n"
                "// the definitions: doorward.endpoint(5), OBSERVING.\n",
                instant_to_string(suggestion->until, until), suggestion->since > 0 ? ", from " : "",
                suggestion->since > 0 ? instant_to_string(suggestion->since, since) : "");
}

void suggestion_print(const Suggestion *suggestion, FILE *f) {
        size_t n_rules = 0;

        print_heading(suggestion, f);
        for (size_t i = 0, n; i < suggestion->n_uses; i += n) {
                size_t n_cases = 0;

                n = count_alike(suggestion, i);
                for (size_t j = i; j < i + n; j++)
                        n_cases += suggestion_use_needs_rule(&suggestion->uses[j]);
                if (n_cases > 0)
                        thing_print_rule(&suggestion->uses[i], n, f);
                n_rules += n_cases > 0;
        }

        if (n_rules == 0)
                (void)fputs("\n// There is nothing that a rule would have to allow.\n", f);
        print_list(
                suggestion, false,
                "// No rule can name these: polkit knows users by their names, and these\n"
                "// numbers have none that lasts (DynamicUser=, a container, a user who is gone).\n"
                "// Give the service a user of its own, with User=.\n",
                f);
        print_list(suggestion, true,
                   "// polkit allows these by itself, and needs no rule for it:\n", f);
}

/* JSON. */

static json_t *use_to_json(const SuggestionUse *use) {
        json_t *policy = json_object(), *units = json_array();
        char name[NAME_TEXT_SIZE];

        for (size_t i = 0; i < _SUGGESTION_POLICY_MAX; i++)
                (void)json_object_set_new(policy, policy_words[i],
                                          json_integer((json_int_t)use->policy[i]));
        for (char **unit = use->units; unit && *unit; unit++)
                (void)json_array_append_new(units, json_string(*unit));

        return json_pack("{s:s, s:s, s:s, s:I, s:s?, s:i, s:o, s:o, s:I, s:I, s:b}", "endpoint",
                         name_to_string(&use->name, name), "access", access_to_string(use->access),
                         "action", use->action, "uid", (json_int_t)use->uid, "user", use->user,
                         "grants", (int)use->n, "policy", policy, "units", units, "first",
                         (json_int_t)use->first, "last", (json_int_t)use->last, "rule",
                         suggestion_use_needs_rule(use));
}

json_t *suggestion_to_json(const Suggestion *suggestion) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < suggestion->n_uses; i++)
                if (json_array_append_new(array, use_to_json(&suggestion->uses[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }

        return array;
}

int suggestion_find_name(uid_t uid, char **ret) {
        _cleanup_free_ char *name = NULL;
        uid_t back;
        int r;

        *ret = NULL;
        if (uid >= DYNAMIC_UID_MIN && uid <= DYNAMIC_UID_MAX)
                return 0;
        r = user_find_name((int64_t)uid, &name);
        if (r < 0 || !name)
                return r;

        /* A name that is shared, or is all digits, is another user's to polkit. */
        if (*name && is_printable(name) && user_find_uid(name, &back) == 0 && back == uid)
                *ret = TAKE_PTR(name);
        return 0;
}
