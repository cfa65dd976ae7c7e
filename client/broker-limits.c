/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/broker-limits.h"
#include "client/query.h"
#include "common/utf8.h"

static bool are_counts(const json_t *object) {
        const char *name;
        json_t *count;

        json_object_foreach((json_t *)object, name, count) {
                if (json_integer_value(count) < 0)
                        return false;
        }

        return true;
}

typedef struct Limits {
        doorward_limits limits;
        doorward_limit members[];
} Limits;

/* The names stand behind the members. */
static Limits *limits_new(const json_t *maxima, const json_t *uses) {
        size_t n = json_object_size(maxima), size = sizeof(Limits) + n * sizeof(doorward_limit);
        const char *name;
        json_t *max;
        Limits *block;
        char *end;

        json_object_foreach((json_t *)maxima, name, max)
                size += strlen(name) + 1;
        block = calloc(1, size);
        if (!block)
                return NULL;

        block->limits.limits = block->members;
        end = (char *)(block->members + n);
        json_object_foreach((json_t *)maxima, name, max) {
                const json_t *use = json_object_get(uses, name);
                size_t length = strlen(name);

                memcpy(end, name, length + 1);
                utf8_clean(end, length);
                block->members[block->limits.n_limits++] = (doorward_limit){
                        .name = end,
                        .max = json_integer_value(max),
                        .used = use ? json_integer_value(use) : -1,
                };
                end += length + 1;
        }

        return block;
}

int broker_limits_get(const doorward_conn *conn, doorward_limits **ret, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        json_t *maxima, *uses = NULL;
        const WireField fields[] = {
                {"limits", WIRE_INTS, false, &maxima}, {"use", WIRE_INTS, true, &uses}, {}};
        Limits *block;
        int r;

        r = query_broker_info(conn, &reply, error);
        if (r < 0)
                return r;
        if (wire_read(reply.parameters, fields) < 0 || !are_counts(maxima) || !are_counts(uses))
                return query_fail(conn, "did not say what its limits are", error);

        block = limits_new(maxima, uses);
        if (!block)
                return error_no_memory(error);

        *ret = &block->limits;
        return 0;
}

DOORWARD_EXPORT void doorward_limits_free(doorward_limits *limits) {
        free(limits);
}
