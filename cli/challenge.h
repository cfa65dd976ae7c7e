#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Challenge: whose password would be asked for
 *
 * polkit does not say before it asks. What can be told are the defaults of the action: auth_self
 * wants one's own, auth_admin an administrator's. A rule may want the other, and nobody who only
 * looks can know.
 */

#include <jansson.h>

#include "common/macros.h"

typedef enum Whose {
        WHOSE_UNKNOWN = 0,
        WHOSE_OWN,
        WHOSE_ADMIN,
} Whose;

/* What Explain says of an action. Borrowed from the reply; a default that is not known is NULL. */
typedef struct ChallengeDefaults {
        const char *session_class;
        const char *any;
        const char *inactive;
        const char *active;
} ChallengeDefaults;

/* -EBADMSG. */
int challenge_read_defaults(const json_t *parameters, ChallengeDefaults *ret) _must_check_;

/* The default that holds for the caller's session, or NULL. */
const char *challenge_default_here(const ChallengeDefaults *defaults);

/* By a default; NULL is allowed. */
Whose challenge_whose(const char *word);

/* Finds it out for many endpoints, asking the broker once for each action. */
typedef struct ChallengeFinder ChallengeFinder;

/* NULL: no memory. */
ChallengeFinder *challenge_finder_new(void);
ChallengeFinder *challenge_finder_free(ChallengeFinder *finder);
DEFINE_CLEANUP(ChallengeFinder *, challenge_finder_free);

/* Of the endpoint of this name, or an instance of this template, of which any that its patterns
 * allow will do. What cannot be found out, for whatever reason, is not known. */
Whose challenge_find(ChallengeFinder *finder, const char *name, const json_t *instances, int access,
                     const char *action);
