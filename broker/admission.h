#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Admission: what is asked of a request before policy is
 *
 * The order matters: what costs the broker least comes first, and nobody reaches polkit who could
 * not get anything.
 */

#include "broker/lease.h"
#include "broker/refusal.h"
#include "broker/session.h"
#include "policy/definition.h"

enum {
        _ADMISSION_E_SUCCESS,
        ADMISSION_E_REFUSED, /* the refusal says why */
};

/* One of the user's requests, of which there are so many a second. */
int admission_take_token(Session *session, Refusal *ret_refusal) _must_check_;

/* Takes the place of a prompt that somebody is shown, of which a user has one: of Open's if slot is
 * USER_PROMPTS, of an agent's if it is USER_AGENT_CALLS. Whoever failed too often gets none for a
 * while. One by_pam costs as much as some requests: systemd starts a process of root's for it. */
int admission_take_prompt(Session *session, UserSlot slot, bool by_pam, UserCharge *charge,
                          Refusal *ret_refusal) _must_check_;

/* A conversation with PAM had begun, and ended without that anybody was proven. How it ended does
 * not matter: whoever has answered and knows enough can hang up before PAM says so. */
void admission_count_failure(Session *session);

/* How many descriptors the broker holds for a user at most. */
unsigned admission_descriptors_per_user(const Broker *broker);

/* The place of a descriptor that the broker is going to hold, of the user's and of all. */
int admission_take_descriptor(const Broker *broker, User *user, UserCharge *charge,
                              Refusal *ret_refusal) _must_check_;

/* The places of a descriptor that a revocable lease is going to hold, and of its filter. */
int admission_take_holding(const Broker *broker, User *user, bool filtered, LeaseHolding *holding,
                           Refusal *ret_refusal) _must_check_;

/* Whether the client may be sent a descriptor: whoever leaves many unread gets no more. */
int admission_check_delivery(Session *session, Refusal *ret_refusal) _must_check_;

/* The endpoint of a name as the client wrote it. The definition is borrowed from the catalogue, and
 * good until the event loop runs. */
int admission_find(const Broker *broker, const char *text, Name *ret_name,
                   const Definition **ret_definition, Refusal *ret_refusal) _must_check_;

/* Whether the user is kept out of it, after a revocation. */
int admission_check_block(Broker *broker, uid_t uid, const Name *name,
                          Refusal *ret_refusal) _must_check_;

/* Whether the definition provides this access, and can be used at all. */
int admission_check_access(const Definition *definition, const Name *name, Access access,
                           Refusal *ret_refusal) _must_check_;

/* Whether it can be had by this user, who may want to be another one: not where ConnectAs=client
 * has the service see who asks. */
int admission_check_client(const Definition *definition, const Name *name, Access access, uid_t uid,
                           bool wants_identity, Refusal *ret_refusal) _must_check_;

/* Whether policy is asked about this peer at all: root of a namespace that is not ours is not root,
 * and whoever comes out of a user namespace may get less. Reads the start time on the way. The peer
 * was alive when all that was read. */
int admission_check_peer(const Session *session, Access access, uint64_t *ret_start_time,
                         Refusal *ret_refusal) _must_check_;
