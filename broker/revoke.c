/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <syslog.h>

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/keep.h"
#include "broker/lease.h"
#include "broker/permission.h"
#include "broker/revoke.h"
#include "broker/session.h"

/* In the order of the interface. */
enum {
        REVOKE_LEASE,
        REVOKE_UID,
        REVOKE_ENDPOINT,
        REVOKE_BLOCK,
};

/* Whose, and of what. */
typedef struct Revocation {
        Operation operation;
        Session *session;
        char lease[RECORD_LEASE_SIZE]; /* "" if it is not one by its id */
        bool has_uid;
        uid_t uid;
        char endpoint[NAME_TEXT_SIZE]; /* "": of any */
        uint64_t block_usec;           /* 0: nobody is kept out */
        bool lets_in;                  /* who was kept out, and nothing ends */
        bool permitted;                /* to deal with others' */
        Permission *permission;
} Revocation;

static void operation_free(Operation *operation) {
        Revocation *revocation = (Revocation *)operation;

        permission_cancel(revocation->permission);
        free(revocation);
}

static bool revocation_fits(const Revocation *revocation, const Lease *lease) {
        char name[NAME_TEXT_SIZE];

        if (!lease_is_handed_over(lease))
                return false;
        if (revocation->lease[0])
                return streq(lease->id, revocation->lease);
        /* A template is all of its instances. */
        return (!revocation->has_uid || lease_is_of(lease, revocation->uid)) &&
               (!revocation->endpoint[0] || streq(lease->name.endpoint, revocation->endpoint) ||
                streq(name_to_string(&lease->name, name), revocation->endpoint));
}

static void refuse_missing(Revocation *revocation) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_LEASE_NOT_FOUND);
        refusal.lease = revocation->lease;
        refusal_set_cause(&refusal, "no such lease");
        refusal_set_hint(&refusal,
                         "'doorward leases' shows those of yours. It may have ended, or be "
                         "another user's; an administrator sees all of them with: "
                         "doorward leases --all");
        session_refuse(revocation->session, &refusal);
}

static int block(Revocation *revocation, uid_t uid, const char *endpoint) {
        Broker *broker = revocation->session->broker;
        uid_t by = revocation->session->peer.uid;
        uint64_t now = broker_now_boottime(broker);
        bool was_out = block_table_find(&broker->blocks, uid, endpoint, now);
        int r;

        r = block_table_add(&broker->blocks, uid, endpoint, now, now + revocation->block_usec,
                            !revocation->permitted, revocation->session->user->uid);
        if (r == 0 && (revocation->permitted || !was_out))
                record_log(broker->record, LOG_NOTICE, RECORD_ID_BLOCKED,
                           "User %u keeps user %u out of %s for %u s.", (unsigned)by, (unsigned)uid,
                           endpoint[0] ? endpoint : "all endpoints",
                           (unsigned)(revocation->block_usec / 1000000));
        return r;
}

/* Of whoever had the lease, in either name; who may not deal with others keeps out only themselves.
 */
static int block_holder(Revocation *revocation, const Lease *lease) {
        uid_t own = revocation->session->peer.uid;
        char name[NAME_TEXT_SIZE];
        int r;

        (void)name_to_string(&lease->name, name);
        if (!revocation->permitted)
                return block(revocation, own, name);

        r = block(revocation, lease->uid, name);
        if (r == 0 && lease->identity != lease->uid)
                r = block(revocation, lease->identity, name);
        return r;
}

static int block_all(Revocation *revocation) {
        int r = 0;

        if (revocation->has_uid)
                r = block(revocation, revocation->uid, revocation->endpoint);
        for (const Lease *lease = revocation->session->broker->leases; lease && r == 0;
             lease = lease->next)
                if (revocation_fits(revocation, lease))
                        r = block_holder(revocation, lease);
        return r;
}

static void refuse_full(Revocation *revocation) {
        Refusal refusal;

        refusal_init_limit(&refusal, "blocks", 0);
        refusal_set_hint(&refusal, "Too many are kept out already. Nothing was ended: revoke "
                                   "without keeping anybody out, and change the rule.");
        session_refuse(revocation->session, &refusal);
}

/* Whom somebody else keeps out, or out of more, is not let in by this; that is not to be believed.
 */
static void refuse_still_out(Revocation *revocation) {
        Refusal refusal;

        refusal_init(&refusal, ERROR_PERMISSION_DENIED);
        (void)copy_text(refusal.endpoint, sizeof(refusal.endpoint), revocation->endpoint);
        refusal_set_cause(&refusal, "the user is kept out still");
        refusal_set_hint(&refusal,
                         "%s An administrator ends all that keeps that user out with: doorward "
                         "revoke --block=0 --user=%u",
                         revocation->permitted ? "It is not this endpoint alone."
                                               : "It was not you who took access back.",
                         (unsigned)revocation->uid);
        session_refuse(revocation->session, &refusal);
}

/* Nothing is ended. */
static void revocation_let_in(Revocation *revocation) {
        Broker *broker = revocation->session->broker;

        block_table_remove(&broker->blocks, revocation->uid, revocation->endpoint,
                           !revocation->permitted);
        keep_blocks(broker);
        if (block_table_find_any(&broker->blocks, revocation->uid, revocation->endpoint,
                                 broker_now_boottime(broker)))
                refuse_still_out(revocation);
        else
                session_reply_consume(revocation->session,
                                      json_pack("{s:i, s:i}", "ended", 0, "irrevocable", 0), -EBADF,
                                      false);
}

static bool is_leased(const Revocation *revocation) {
        for (const Lease *lease = revocation->session->broker->leases; lease; lease = lease->next)
                if (revocation_fits(revocation, lease))
                        return true;
        return false;
}

/* An endpoint that is written wrong must not look like one of which nobody has anything. One that
 * is gone may still be held, or somebody kept out of it. */
static bool refuse_unknown(Revocation *revocation) {
        Broker *broker = revocation->session->broker;
        Refusal refusal;
        Name name;

        if (!revocation->endpoint[0] || name_parse(revocation->endpoint, &name) < 0 ||
            catalogue_has(broker->catalogue, &name) || is_leased(revocation) ||
            (revocation->lets_in &&
             block_table_find_any(&broker->blocks, revocation->uid, revocation->endpoint,
                                  broker_now_boottime(broker))))
                return false;

        refusal_init(&refusal, ERROR_ENDPOINT_NOT_FOUND);
        (void)copy_text(refusal.endpoint, sizeof(refusal.endpoint), revocation->endpoint);
        refusal_set_cause(&refusal, "no such definition");
        refusal_set_hint(&refusal, "Nothing was ended, and nobody is kept out. 'doorward list' "
                                   "shows which endpoints there are.");
        session_refuse(revocation->session, &refusal);
        return true;
}

static void revocation_carry_out(Revocation *revocation) {
        Session *session = revocation->session;
        Lease *lease = session->broker->leases;
        int ended = 0, irrevocable = 0, r;

        if (refuse_unknown(revocation))
                return;
        if (revocation->lets_in) {
                revocation_let_in(revocation);
                return;
        }

        r = revocation->block_usec > 0 ? block_all(revocation) : 0;
        if (r > 0) {
                refuse_full(revocation);
                return;
        }
        if (r < 0) {
                session_close(session);
                return;
        }

        if (revocation->block_usec > 0)
                keep_blocks(session->broker);

        while (lease) {
                Lease *next = lease->next;

                if (revocation_fits(revocation, lease)) {
                        ended++;
                        irrevocable += lease_is_irrevocable(lease);
                        lease_revoke(lease, session->peer.uid);
                }
                lease = next;
        }

        if (ended == 0 && revocation->lease[0])
                refuse_missing(revocation);
        else
                session_reply_consume(
                        session,
                        json_pack("{s:i, s:i}", "ended", ended, "irrevocable", irrevocable), -EBADF,
                        false);
}

static void on_permission(const Refusal *refusal, void *userdata) {
        Revocation *revocation = userdata;

        revocation->permission = NULL;
        revocation->permitted = !refusal;
        if (refusal)
                session_refuse_recorded(revocation->session, refusal);
        else
                revocation_carry_out(revocation);
}

/* Whether it is about the caller and nobody else. */
static bool revocation_is_of_own(const Revocation *revocation) {
        const Session *session = revocation->session;
        const Lease *lease;

        if (!revocation->lease[0])
                return revocation->has_uid && revocation->uid == session->peer.uid;

        /* One that does not exist nobody has. */
        lease = broker_find_lease(session->broker, revocation->lease);
        return !lease || lease_is_of(lease, session->peer.uid);
}

static const char *read_values(Revocation *revocation, const FieldValue *values) {
        const FieldValue *lease = &values[REVOKE_LEASE], *uid = &values[REVOKE_UID];
        const FieldValue *endpoint = &values[REVOKE_ENDPOINT], *block_sec = &values[REVOKE_BLOCK];
        Name name;

        if (lease->present &&
            (strlen(lease->string) != RECORD_LEASE_SIZE - 1 || uid->present || endpoint->present))
                return "lease";
        if (!lease->present && !uid->present && !endpoint->present)
                return "lease";
        if (uid->present && (uid->integer < 0 || uid->integer > PEER_UID_MAX))
                return "uid";
        if (endpoint->present && name_parse(endpoint->string, &name) < 0)
                return "endpoint";
        if (block_sec->present &&
            (block_sec->integer < (uid->present ? 0 : 1) || block_sec->integer > BLOCK_SEC_MAX))
                return "block";

        if (lease->present)
                memcpy(revocation->lease, lease->string, sizeof(revocation->lease));
        if (endpoint->present)
                (void)name_to_string(&name, revocation->endpoint);
        revocation->has_uid = uid->present;
        revocation->uid = (uid_t)uid->integer;
        if (block_sec->present)
                revocation->block_usec = (uint64_t)block_sec->integer * 1000000;
        revocation->lets_in = block_sec->present && block_sec->integer == 0;
        return NULL;
}

void revoke_leases(Session *session, const FieldValue *values) {
        Revocation *revocation = calloc(1, sizeof(*revocation));
        const char *bad;
        Refusal refusal;
        int r = 1;

        if (!revocation) {
                session_close(session);
                return;
        }

        revocation->operation.free = operation_free;
        revocation->session = session;
        bad = read_values(revocation, values);
        if (bad) {
                free(revocation);
                session_refuse_service(session, ERROR_INVALID_PARAMETER, bad);
                return;
        }

        session_set_operation(session, &revocation->operation);
        if (revocation_is_of_own(revocation)) {
                if (admission_take_token(session, &refusal) != 0) {
                        session_refuse(session, &refusal);
                        return;
                }
        } else {
                r = permission_ask(session, on_permission, revocation, &revocation->permission);
                revocation->permitted = r > 0;
        }
        if (r < 0)
                session_close(session);
        else if (r > 0)
                revocation_carry_out(revocation);
}
