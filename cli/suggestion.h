#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Suggestion: rules that allow what was used while endpoints were observed, and no more
 *
 * Made of records of grants, one at a time; what it says does not depend on their order. A rule is
 * about one action and one endpoint (and instance), and names the users who had it so and would not
 * have had it from polkit. Who cannot be named, as polkit knows users by their names, stands in a
 * comment, as does whom polkit allows it by itself. Of what a record has nothing gets into the file
 * that could be anything but a name: it is read by polkit as a program.
 */

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/macros.h"
#include "common/name.h"
#include "common/terms.h"

/* What polkit said. */
typedef enum SuggestionPolicy {
        SUGGESTION_AUTHORIZED,
        SUGGESTION_CHALLENGE,
        SUGGESTION_DENIED,
        SUGGESTION_UNAVAILABLE,
        _SUGGESTION_POLICY_MAX,
} SuggestionPolicy;

/* A record's fields, as they stand there; NULL is one that it does not have. */
typedef struct SuggestionRecord {
        const char *endpoint, *access, *action, *how, *policy, *uid, *unit;
        uint64_t time; /* µs of CLOCK_REALTIME */
} SuggestionRecord;

/* Somebody's use of one thing. */
typedef struct SuggestionUse {
        Name name;
        Access access;
        char *action;
        uid_t uid;
        char *user; /* as a rule has it; NULL: there is no such name */
        unsigned n, policy[_SUGGESTION_POLICY_MAX];
        uint64_t first, last;
        char **units; /* some of them */
} SuggestionUse;

/* The name of a uid that a rule can have, the caller's, or NULL: 0 or -errno. */
typedef int (*SuggestionNameFunc)(uid_t uid, char **ret);

typedef struct Suggestion {
        uint64_t since, until; /* the period: what is outside of it is left out */
        const char *only;      /* of this endpoint, or instance; NULL: of all */
        SuggestionNameFunc find_name;
        SuggestionUse *uses;
        size_t n_uses;
} Suggestion;

void suggestion_deinit(Suggestion *suggestion);

/* Takes a record, or leaves it out: if it is of no grant that was observed, or is not what doorward
 * writes. -ENOMEM. */
int suggestion_add(Suggestion *suggestion, const SuggestionRecord *record) _must_check_;

/* Once all are taken: in the order in which they are printed. */
void suggestion_sort(Suggestion *suggestion);

/* Whether a rule has this use: somebody with a name, to whom polkit did not always say yes. */
bool suggestion_use_needs_rule(const SuggestionUse *use);

/* A whole file for polkit. */
void suggestion_print(const Suggestion *suggestion, FILE *f);

/* An array with an object for each use; NULL: no memory. */
json_t *suggestion_to_json(const Suggestion *suggestion);

/* The name of a user as a SuggestionNameFunc gives it. No number that belongs to nobody for long
 * (systemd's DynamicUser=) has one, nor any name with more than printable ASCII. */
int suggestion_find_name(uid_t uid, char **ret);
