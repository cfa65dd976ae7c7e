/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/challenge.h"
#include "client/wire.h"
#include "common/name.h"
#include "common/terms.h"

struct ChallengeFinder {
        Wire *wire;    /* NULL until it is needed */
        json_t *known; /* a Whose by the action */
        bool failed;   /* it would fail again: a limit, say */
};

int challenge_read_defaults(const json_t *parameters, ChallengeDefaults *ret) {
        ChallengeDefaults defaults = {};
        const WireField fields[] = {
                {"sessionClass", WIRE_STRING, false, &defaults.session_class},
                {"defaultAny", WIRE_STRING, true, &defaults.any},
                {"defaultInactive", WIRE_STRING, true, &defaults.inactive},
                {"defaultActive", WIRE_STRING, true, &defaults.active},
                {},
        };
        int r;

        r = wire_read(parameters, fields);
        if (r == 0)
                *ret = defaults;
        return r;
}

const char *challenge_default_here(const ChallengeDefaults *defaults) {
        if (streq(defaults->session_class, "active"))
                return defaults->active;
        if (streq(defaults->session_class, "inactive"))
                return defaults->inactive;
        return defaults->any;
}

Whose challenge_whose(const char *word) {
        if (word && strncmp(word, "auth_self", strlen("auth_self")) == 0)
                return WHOSE_OWN;
        if (word && strncmp(word, "auth_admin", strlen("auth_admin")) == 0)
                return WHOSE_ADMIN;
        return WHOSE_UNKNOWN;
}

ChallengeFinder *challenge_finder_new(void) {
        ChallengeFinder *finder = calloc(1, sizeof(*finder));

        if (!finder)
                return NULL;

        finder->known = json_object();
        return finder->known ? finder : challenge_finder_free(finder);
}

ChallengeFinder *challenge_finder_free(ChallengeFinder *finder) {
        if (!finder)
                return NULL;

        wire_free(finder->wire);
        json_decref(finder->known);
        free(finder);
        return NULL;
}

/* "serial@ttyS0" of "serial@" and "ttyS*". False if there is no telling. */
static bool name_compose(const char *name, const json_t *instances, char ret[NAME_TEXT_SIZE]) {
        const char *pattern = json_string_value(json_array_get(instances, 0)) ?: "";
        size_t n = strlen(name), k = strlen(pattern);
        Name parsed;

        if (n + k >= NAME_TEXT_SIZE)
                return false;

        memcpy(ret, name, n);
        memcpy(ret + n, pattern, k + 1);
        for (char *c = ret; *c; c++)
                if (*c == '*' || *c == '?')
                        *c = '0';

        return name_parse(ret, &parsed) == 0;
}

static int explain(ChallengeFinder *finder, const char *name, int access, Whose *ret) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        _cleanup_error_ doorward_error error = {};
        ChallengeDefaults defaults;
        json_t *parameters;
        int r = 0;

        if (!finder->wire)
                r = wire_open(NULL, WIRE_TIMEOUT_MS, &finder->wire, &error);
        if (r < 0) {
                finder->failed = true;
                return r;
        }

        parameters =
                json_pack("{s:s, s:s}", "endpoint", name, "access", access_to_wire((Access)access));
        r = wire_call(finder->wire, METHOD_EXPLAIN, parameters, WIRE_TIMEOUT_MS, &reply, &error);
        if (r == 0)
                r = challenge_read_defaults(reply.parameters, &defaults);
        if (r == 0)
                *ret = challenge_whose(challenge_default_here(&defaults));

        /* A refusal is about this endpoint, unless it is about how much is asked. */
        finder->failed = r < 0 && (r != -EREMOTEIO || error.code == DOORWARD_ERR_LIMIT);
        return r;
}

Whose challenge_find(ChallengeFinder *finder, const char *name, const json_t *instances, int access,
                     const char *action) {
        json_t *known = action ? json_object_get(finder->known, action) : NULL;
        Whose whose = WHOSE_UNKNOWN;
        char text[NAME_TEXT_SIZE];

        if (known)
                return (Whose)json_integer_value(known);
        if (finder->failed || !name_compose(name, instances, text))
                return WHOSE_UNKNOWN;

        /* What is not remembered is asked for again. */
        if (explain(finder, text, access, &whose) == 0 && action)
                (void)json_object_set_new(finder->known, action, json_integer(whose));
        return whose;
}
