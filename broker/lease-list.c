/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/lease-list.h"
#include "broker/broker.h"
#include "broker/lease.h"
#include "broker/permission.h"
#include "broker/session.h"

/* Told in one turn of the loop. */
#define TURN_MAX 32U

typedef struct LeaseId {
        char text[RECORD_LEASE_SIZE];
} LeaseId;

typedef struct LeaseList {
        Operation operation;
        Session *session;
        bool all;
        Permission *permission;
        LeaseId *ids; /* of those that there were; some will have ended */
        size_t n_ids, next;
        sd_event_source *turn;
} LeaseList;

static void operation_free(Operation *operation) {
        LeaseList *list = (LeaseList *)operation;

        permission_cancel(list->permission);
        sd_event_source_disable_unref(list->turn);
        free(list->ids);
        free(list);
}

static json_t *lease_to_json(const Lease *lease) {
        const Session *holder = lease->session;
        char name[NAME_TEXT_SIZE], command[PEER_COMMAND_SIZE];
        json_t *object;

        if (peer_get_command(&holder->peer, command, sizeof(command)) != 0)
                command[0] = 0;

        object = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:b}", "id", lease->id,
                           "uid", (json_int_t)lease->uid, "pid", (json_int_t)holder->peer.pid,
                           "command", command, "endpoint", name_to_string(&lease->name, name),
                           "access", access_to_wire(lease->access), "mode",
                           lease_mode_to_wire(lease->mode), "since", (json_int_t)lease->since,
                           "descriptors", (json_int_t)lease->n_fds, "kept", lease->kept != NULL);
        if (object && holder->unit)
                (void)json_object_set_new(object, "unit", json_string(holder->unit));
        if (object && holder->login_session)
                (void)json_object_set_new(object, "session", json_string(holder->login_session));
        if (object && lease->expires > 0)
                (void)json_object_set_new(object, "expires",
                                          json_integer((json_int_t)lease->expires));
        if (object && lease_connect_as(lease))
                (void)json_object_set_new(object, "connectAs",
                                          json_string(lease_connect_as(lease)));
        return object ? json_pack("{s:o}", "lease", object) : NULL;
}

/* The next one that still lives, or NULL. */
static const Lease *list_next(LeaseList *list) {
        const Lease *lease = NULL;

        while (!lease && list->next < list->n_ids)
                lease = broker_find_lease(list->session->broker, list->ids[list->next++].text);
        return lease;
}

static void list_tell(LeaseList *list) {
        Session *session = list->session;
        bool more = session->call.more;

        for (unsigned i = 0; i < TURN_MAX; i++) {
                const Lease *lease = list_next(list);

                if (!lease || !more) {
                        session_reply_consume(session, lease ? lease_to_json(lease) : json_object(),
                                              -EBADF, false);
                        return;
                }
                session_reply_consume(session, lease_to_json(lease), -EBADF, true);
                if (session->state != SESSION_BUSY)
                        return;
        }

        /* What was not read is waited for; see list_resume(). */
        if (varlink_output_is_empty(&session->output))
                (void)sd_event_source_set_enabled(list->turn, SD_EVENT_ONESHOT);
}

static int on_turn(sd_event_source *source, uint64_t usec, void *userdata) {
        list_tell(userdata);
        return 0;
}

static void list_resume(Operation *operation) {
        LeaseList *list = (LeaseList *)operation;

        if (list->ids)
                (void)sd_event_source_set_enabled(list->turn, SD_EVENT_ONESHOT);
}

static void list_begin(LeaseList *list) {
        Broker *broker = list->session->broker;
        uid_t uid = list->session->peer.uid;

        list->ids = calloc(broker->n_leases + 1, sizeof(*list->ids));
        if (!list->ids) {
                session_close(list->session);
                return;
        }

        for (const Lease *lease = broker->leases; lease; lease = lease->next)
                if (lease_is_handed_over(lease) && (list->all || lease_is_of(lease, uid)))
                        memcpy(list->ids[list->n_ids++].text, lease->id, sizeof(lease->id));
        (void)sd_event_source_set_enabled(list->turn, SD_EVENT_ONESHOT);
}

static void on_permission(const Refusal *refusal, void *userdata) {
        LeaseList *list = userdata;

        list->permission = NULL;
        if (refusal)
                session_refuse(list->session, refusal);
        else
                list_begin(list);
}

void lease_list(Session *session, const FieldValue *values) {
        LeaseList *list = calloc(1, sizeof(*list));
        int r = 1;

        if (!list || sd_event_add_time(session->broker->event, &list->turn, CLOCK_MONOTONIC, 0, 1,
                                       on_turn, list) < 0) {
                free(list);
                session_close(session);
                return;
        }

        (void)sd_event_source_set_enabled(list->turn, SD_EVENT_OFF);
        list->operation = (Operation){.free = operation_free, .resume = list_resume};
        list->session = session;
        list->all = values[0].boolean;
        session_set_operation(session, &list->operation);

        if (list->all)
                r = permission_ask(session, on_permission, list, &list->permission);
        if (r < 0)
                session_close(session);
        else if (r > 0)
                list_begin(list);
}
