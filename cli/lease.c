/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/lease.h"
#include "cli/lease-id.h"

/* The broker has no more of them. */
#define LEASES_MAX 10000U

#define TEXT_UNREADABLE "The broker's list of leases cannot be read."

int lease_read(const json_t *object, Lease *ret) {
        Lease lease = {};
        const WireField fields[] = {
                {"id", WIRE_STRING, false, &lease.id},
                {"uid", WIRE_INT, false, &lease.uid},
                {"pid", WIRE_INT, false, &lease.pid},
                {"command", WIRE_STRING, false, &lease.command},
                {"unit", WIRE_STRING, true, &lease.unit},
                {"session", WIRE_STRING, true, &lease.session},
                {"endpoint", WIRE_STRING, false, &lease.endpoint},
                {"access", WIRE_ENUM, false, &lease.access, access_from_wire},
                {"mode", WIRE_ENUM, false, &lease.mode, lease_mode_from_wire},
                {"since", WIRE_INT, false, &lease.since},
                {"expires", WIRE_INT, true, &lease.expires},
                {"descriptors", WIRE_INT, false, &lease.descriptors},
                {"kept", WIRE_BOOL, false, &lease.kept},
                {"connectAs", WIRE_STRING, true, &lease.connect_as},
                {},
        };
        int r;

        r = wire_read(object, fields);
        if (r < 0)
                return r;
        /* Of an ID the beginning is shown, and it is sent back: it had better be one. */
        if (!lease_id_is_valid(lease.id))
                return -EBADMSG;

        *ret = lease;
        return 0;
}

/* Takes what one reply says into the list. */
static int list_append(json_t *list, const json_t *parameters, doorward_error *error) {
        json_t *object = NULL;
        const WireField fields[] = {{"lease", WIRE_OBJECT, true, &object}, {}};
        Lease lease;

        if (json_array_size(list) >= LEASES_MAX || wire_read(parameters, fields) < 0)
                return wire_error_protocol(error, TEXT_UNREADABLE);
        /* A reply without one says that there are none, or no more. */
        if (!object)
                return 0;
        if (lease_read(object, &lease) < 0)
                return wire_error_protocol(error, TEXT_UNREADABLE);

        return json_array_append(list, object) < 0 ? error_no_memory(error) : 0;
}

typedef struct Begun {
        json_t *object;
        int64_t since;
        size_t place; /* as the broker told it */
} Begun;

static int begun_compare(const void *x, const void *y) {
        const Begun *a = x, *b = y;

        if (a->since != b->since)
                return a->since < b->since ? -1 : 1;
        return a->place < b->place ? -1 : 1;
}

/* The broker has them in the order that is easiest for it. */
static int list_sort(const json_t *list, json_t **ret) {
        _cleanup_free_ Begun *begun = calloc(json_array_size(list) + 1, sizeof(*begun));
        json_t *sorted = json_array(), *object;
        size_t i;
        int r = begun && sorted ? 0 : -ENOMEM;

        json_array_foreach(list, i, object) {
                Lease lease = {};

                if (r == 0)
                        r = lease_read(object, &lease);
                if (r == 0)
                        begun[i] = (Begun){object, lease.since, i};
        }
        if (r == 0)
                qsort(begun, json_array_size(list), sizeof(*begun), begun_compare);
        for (i = 0; i < json_array_size(list) && r == 0; i++)
                r = json_array_append(sorted, begun[i].object) < 0 ? -ENOMEM : 0;

        if (r < 0)
                json_decref(sorted);
        else
                *ret = sorted;
        return r;
}

int lease_list(Wire *wire, bool all, json_t **ret, doorward_error *error) {
        json_t *list, *parameters, *sorted = NULL;
        int r;

        list = json_array();
        if (!list)
                return error_no_memory(error);

        parameters = all ? json_pack("{s:b}", "all", 1) : json_object();
        r = wire_call_more(wire, METHOD_LIST_LEASES, parameters, WIRE_TIMEOUT_MS, error);
        while (r == 0) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;

                r = wire_next(wire, WIRE_TIMEOUT_MS, &reply, error);
                if (r <= 0)
                        break;
                r = list_append(list, reply.parameters, error);
        }

        if (r == 0 && list_sort(list, &sorted) < 0)
                r = error_no_memory(error);
        json_decref(list);

        if (r < 0)
                lease_explain_error(error);
        else
                *ret = sorted;
        return r;
}

static const char *error_sentence(const doorward_error *error) {
        switch (error->code) {
        case DOORWARD_ERR_DENIED:
                return "Policy does not allow you to see or end what others have open.";
        case DOORWARD_ERR_AUTH_NEEDED:
                return "Policy wants a password before it lets you see or end what others have "
                       "open, and nobody is asked for it here.";
        case DOORWARD_ERR_POLICY_UNAVAILABLE:
                return "Policy could not be asked whether you may see or end what others have "
                       "open.";
        case DOORWARD_ERR_NO_LEASE:
                return "There is no such lease, or it is not yours.";
        default:
                return NULL;
        }
}

void lease_explain_error(doorward_error *error) {
        const char *sentence = error_sentence(error);
        doorward_error by = {};

        if (!sentence || (error->action_id && !streq(error->action_id, LEASE_ACTION)))
                return;

        error_set(&by, (doorward_error_domain)error->domain, (doorward_error_code)error->code,
                  error->errnum, "%s", sentence);
        if (error->hint)
                error_set_hint(&by, "%s", error->hint);
        error_replace(error, &by);
}
