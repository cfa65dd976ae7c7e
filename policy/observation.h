#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Observation: Mode=observe, for a move away from a group
 *
 * For a time that the definition names, whoever has a certain group is granted the endpoint
 * whatever polkit says, as the group lets them in without doorward anyway; polkit is asked all the
 * same, and the record has what it said. Everybody else is judged by polkit as ever.
 *
 * Here is what can be said of that without a process at hand: whether it is so at this moment. It
 * is only if nothing speaks against it: the time has not come, it is not too far off to be what
 * somebody meant (or the clock is wrong), and the group is one that /etc/group has.
 */

#include <sys/types.h>

#include "policy/definition.h"

/* ObserveUntil= is not farther away than that. */
#define OBSERVATION_DAYS_MAX 90U
#define OBSERVATION_USEC_MAX (UINT64_C(90) * 24 * 3600 * 1000000)

typedef enum ObservationState {
        OBSERVATION_NONE = 1, /* polkit decides, and nothing else was said */
        OBSERVATION_ACTIVE,
        OBSERVATION_OVER,
        OBSERVATION_TOO_FAR,
        OBSERVATION_NO_GROUP,
        OBSERVATION_BAD_GROUP, /* root's, or that of whoever has none here */
} ObservationState;

/* The state by the clock, and the group's number, which is written if it is known: group_file is
 * /etc/group. -errno if that cannot be read. */
int observation_find(const Definition *definition, const char *group_file, uint64_t now,
                     gid_t *ret_gid, ObservationState *ret) _must_check_;

/* The state by the clock alone, of one whose group is known to be good. */
ObservationState observation_state(const Definition *definition, uint64_t now);

/* A sentence without its full stop, the caller's: "docker is observed until ...". NULL without
 * memory. Not for OBSERVATION_NONE. */
char *observation_describe(const Definition *definition, ObservationState state) _must_check_;
