#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Refusal: why a request is not granted
 *
 * One object from which both the error that the client gets and the record are made, so that the
 * two tell the same. cause says what happened, for the administrator who reads the record; hint
 * says what to do, for whoever asked.
 */

#include <jansson.h>

#include "common/filter-protocol.h"
#include "common/interface.h"
#include "common/name.h"
#include "common/opener-protocol.h"
#include "common/pam-protocol.h"
#include "common/terms.h"

/* In place of an error, for the record of a request whose client did not wait for the answer. */
#define REFUSAL_ABANDONED 0

typedef struct Refusal {
        int error;                     /* an ErrorId */
        char endpoint[NAME_TEXT_SIZE]; /* "" if none was named, or not by the alphabet */
        Access access;
        const char *action; /* polkit's; borrowed from whoever refuses */
        int error_number;
        const char *mechanism; /* of InteractiveAuthenticationRequired: how one could be asked */
        const char *limit;
        const char *lease;      /* of LeaseNotFound; borrowed likewise */
        const char *live_lease; /* somebody's, that it is about: for the record alone; borrowed */
        uint64_t retry_ms;
        const char *asked; /* whom the caller wanted to be; borrowed; NULL if nobody else */
        uid_t identity;    /* as whom it was judged, if PAM proved that; else PEER_UID_INVALID */
        char cause[256];
        char hint[384];
} Refusal;

void refusal_init(Refusal *refusal, int error);
void refusal_set_cause(Refusal *refusal, const char *format, ...) _printf_(2, 3);
void refusal_set_hint(Refusal *refusal, const char *format, ...) _printf_(2, 3);

/* By a limit of doorward.conf(5), which is named as it is there. retry_ms may be 0. */
void refusal_init_limit(Refusal *refusal, const char *limit, uint64_t retry_ms);

/* By an opener that said other than ok: name is the endpoint's. */
void refusal_init_opener(Refusal *refusal, const OpenerReply *reply, const Name *name);

/* By what came of reaching an opener at all; error is a positive errno. */
void refusal_init_unreachable(Refusal *refusal, int error, const Name *name);

/* By a filter that could not be reached (error is a positive errno), or that said other than ok. */
void refusal_init_filter(Refusal *refusal, int error, const FilterReply *reply, const Name *name);

/* Because polkit could not be asked even which actions there are. */
void refusal_init_no_policy(Refusal *refusal, const char *cause);

/* By what came of asking PAM's helper at all; error is a positive errno. By its verdict. */
void refusal_init_helper(Refusal *refusal, int error);
void refusal_init_verdict(Refusal *refusal, const PamReply *verdict);

/* Because nobody may be asked by PAM, by the caller's wish. */
void refusal_init_unasked(Refusal *refusal);

/* The parameters of the error, as the interface has them; NULL: no memory. */
json_t *refusal_to_json(const Refusal *refusal, const char *request_id);

/* The error's name without its interface, for the record. */
const char *refusal_error_name(const Refusal *refusal);
