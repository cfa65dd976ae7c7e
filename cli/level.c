/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/level.h"
#include "policy/timespan.h"

int level_read(const json_t *object, Level *ret) {
        Level level = {};
        const WireField fields[] = {
                {"provided", WIRE_BOOL, false, &level.provided},
                {"decision", WIRE_ENUM, true, &level.decision, decision_from_wire},
                {"action", WIRE_STRING, true, &level.action},
                {"kind", WIRE_ENUM, true, &level.kind, kind_from_wire},
                {"mode", WIRE_ENUM, true, &level.mode, lease_mode_from_wire},
                {"means", WIRE_ENUM, true, &level.means, means_from_wire},
                {"deviceControls", WIRE_BOOL, true, &level.device_controls},
                {"maxSec", WIRE_INT, true, &level.max_sec},
                {"stepUp", WIRE_BOOL, true, &level.step_up},
                {},
        };
        int r;

        r = wire_read(object, fields);
        if (r < 0)
                return r;
        if (level.max_sec < 0 || (uint64_t)level.max_sec > UINT64_MAX / USEC_PER_SEC)
                return -EBADMSG;

        *ret = level;
        return 0;
}

static const char *password_answer(const Level *level, Whose whose) {
        switch (whose) {
        case WHOSE_OWN:
                return level->step_up ? "password:own+own" : "password:own";
        case WHOSE_ADMIN:
                return level->step_up ? "password:admin+own" : "password:admin";
        case WHOSE_UNKNOWN:
        default:
                return level->step_up ? "password+own" : "password";
        }
}

const char *level_answer(const Level *level, Whose whose) {
        if (!level->provided)
                return "n/a";

        switch ((Decision)level->decision) {
        case DECISION_AUTHORIZED:
                return level->step_up ? "password:own" : "yes";
        case DECISION_CHALLENGE:
                return password_answer(level, whose);
        case DECISION_DENIED:
                return "no";
        case DECISION_UNSUPPORTED:
                return "n/a";
        case _DECISION_MAX:
        default:
                return "?";
        }
}

const char *level_lease_text(const Level *level) {
        switch ((LeaseMode)level->mode) {
        case LEASE_MODE_REVOCABLE:
                if (level->means == MEANS_FILTER)
                        return "revocable: the broker can hang up on both sides at any time; "
                               "closing the descriptor does, too";
                return "revocable: the broker can hang up on both sides at any time; closing the "
                       "descriptor alone does not, the end of the program does";
        case LEASE_MODE_TRACKED:
                return "tracked: when it ends is recorded, but what was handed over cannot be "
                       "taken back";
        case LEASE_MODE_NONE:
                return "none: nothing is held or recorded once it is handed over";
        case _LEASE_MODE_MAX:
        default:
                return NULL;
        }
}

const char *level_means_text(const Level *level) {
        switch ((Means)level->means) {
        case MEANS_SOCKET:
                return "by a socket of its own, on which the service itself refuses changes";
        case MEANS_OPEN_FLAGS:
                return level->device_controls
                               ? "nothing can be written, but device controls work: a serial "
                                 "line's speed, say, can be changed"
                               : "it is opened for reading only";
        case MEANS_FILTER:
                return "by a filter in the data path, which passes on only what changes nothing";
        case _MEANS_MAX:
        default:
                return NULL;
        }
}
