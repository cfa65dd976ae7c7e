/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/terms.h"

typedef struct Term {
        const char *string;
        const char *wire;
} Term;

#define SAME(word) \
        { word, word }

static const Term access_terms[_ACCESS_MAX] = {
        [ACCESS_READ_ONLY] = {"read-only", "read_only"},
        [ACCESS_FULL] = SAME("full"),
};

static const Term kind_terms[_KIND_MAX] = {
        [KIND_STREAM] = SAME("stream"), [KIND_SEQPACKET] = SAME("seqpacket"),
        [KIND_DEVICE] = SAME("device"), [KIND_FIFO] = SAME("fifo"),
        [KIND_FILE] = SAME("file"),     [KIND_TAP] = SAME("tap"),
};

static const Term lease_mode_terms[_LEASE_MODE_MAX] = {
        [LEASE_MODE_REVOCABLE] = SAME("revocable"),
        [LEASE_MODE_TRACKED] = SAME("tracked"),
        [LEASE_MODE_NONE] = SAME("none"),
};

static const Term decision_terms[_DECISION_MAX] = {
        [DECISION_AUTHORIZED] = SAME("authorized"),
        [DECISION_CHALLENGE] = SAME("challenge"),
        [DECISION_DENIED] = SAME("denied"),
        [DECISION_UNSUPPORTED] = SAME("unsupported"),
};

static const Term how_terms[_HOW_MAX] = {
        [HOW_IMPLICIT] = SAME("implicit"),
        [HOW_CHALLENGED] = SAME("challenged"),
        [HOW_OBSERVED] = SAME("observed"),
};

static const Term means_terms[_MEANS_MAX] = {
        [MEANS_SOCKET] = SAME("socket"),
        [MEANS_OPEN_FLAGS] = {"open-flags", "open_flags"},
        [MEANS_FILTER] = SAME("filter"),
};

static const Term end_reason_terms[_END_MAX] = {
        [END_CLIENT] = SAME("client"),   [END_PEER] = SAME("peer"),
        [END_BACKEND] = SAME("backend"), [END_EXPIRED] = SAME("expired"),
        [END_REVOKED] = SAME("revoked"), [END_LOGOUT] = SAME("logout"),
        [END_POLICY] = SAME("policy"),   [END_DEFINITION] = SAME("definition"),
        [END_RESTART] = SAME("restart"), [END_SHUTDOWN] = SAME("shutdown"),
};

static const Term *term_at(const Term *table, size_t n, int value) {
        static const Term invalid = SAME("invalid");

        return value > 0 && (size_t)value < n ? &table[value] : &invalid;
}

static int term_find(const Term *table, size_t n, const char *text, bool wire) {
        for (size_t i = 1; i < n; i++)
                if (streq(text, wire ? table[i].wire : table[i].string))
                        return (int)i;

        return -EINVAL;
}

#define DEFINE_TO(prefix, type)                                                                 \
        const char *prefix##_to_string(type value) {                                            \
                return term_at(prefix##_terms, ELEMENTSOF(prefix##_terms), (int)value)->string; \
        }                                                                                       \
        const char *prefix##_to_wire(type value) {                                              \
                return term_at(prefix##_terms, ELEMENTSOF(prefix##_terms), (int)value)->wire;   \
        }

#define DEFINE_FROM_STRING(prefix)                                                         \
        int prefix##_from_string(const char *text) {                                       \
                return term_find(prefix##_terms, ELEMENTSOF(prefix##_terms), text, false); \
        }

#define DEFINE_FROM_WIRE(prefix)                                                          \
        int prefix##_from_wire(const char *text) {                                        \
                return term_find(prefix##_terms, ELEMENTSOF(prefix##_terms), text, true); \
        }

DEFINE_TO(access, Access)
DEFINE_TO(kind, Kind)
DEFINE_TO(lease_mode, LeaseMode)
DEFINE_TO(decision, Decision)
DEFINE_TO(how, How)
DEFINE_TO(means, Means)
DEFINE_TO(end_reason, EndReason)

DEFINE_FROM_STRING(access)
DEFINE_FROM_STRING(kind)
DEFINE_FROM_STRING(lease_mode)
DEFINE_FROM_STRING(means)

DEFINE_FROM_WIRE(access)
DEFINE_FROM_WIRE(kind)
DEFINE_FROM_WIRE(lease_mode)
DEFINE_FROM_WIRE(decision)
DEFINE_FROM_WIRE(how)
DEFINE_FROM_WIRE(means)
DEFINE_FROM_WIRE(end_reason)
