/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/inquiry.h"
#include "broker/list.h"

typedef struct List {
        Operation operation;
        Session *session;
        bool decisions;
        size_t index;  /* of the definition that is the next to be told */
        Name name;     /* whose level is asked about */
        Access access; /* and which */
        Inquiry *inquiry;
        json_t *levels[_ACCESS_MAX];
        sd_event_source *next; /* the next definition, from the loop; see session_add_sources() */
} List;

static void list_drop_levels(List *list) {
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++) {
                json_decref(list->levels[access]);
                list->levels[access] = NULL;
        }
        list->access = ACCESS_READ_ONLY;
}

static void operation_free(Operation *operation) {
        List *list = (List *)operation;

        inquiry_cancel(list->inquiry);
        list_drop_levels(list);
        sd_event_source_disable_unref(list->next);
        free(list);
}

/* The definition that is told now, or NULL at the end. Definitions can have been read anew since
 * the last one: what is listed then is in part the old and in part the new. */
static const Definition *list_definition(const List *list) {
        const Catalogue *catalogue = list->session->broker->catalogue;

        return list->index < catalogue->n_definitions ? catalogue->definitions[list->index] : NULL;
}

static json_t *strv_to_json(char *const *strv) {
        json_t *array = json_array();

        for (; strv && *strv; strv++)
                (void)json_array_append_new(array, json_string(*strv));
        return array;
}

static json_t *endpoint_to_json(const List *list, const Definition *definition, json_t *read_only,
                                json_t *full) {
        char name[NAME_TEXT_SIZE];
        json_t *endpoint, *observation;

        (void)snprintf(name, sizeof(name), "%s%s", definition->name,
                       definition->template ? "@" : "");
        endpoint =
                json_pack("{s:s, s:s, s:o, s:o, s:s, s:o, s:o}", "name", name, "description",
                          definition->description ? definition->description : "", "documentation",
                          strv_to_json(definition->documentation), "instances",
                          strv_to_json(definition->instances), "connectAs",
                          definition_connect_as(definition), "readOnly", read_only, "full", full);
        if (endpoint && definition->problem)
                (void)json_object_set_new(endpoint, "problem", json_string(definition->problem));

        observation = observer_to_json(list->session->broker->observer, definition, list->session);
        if (endpoint && observation)
                (void)json_object_set_new(endpoint, "observation", observation);
        else
                json_decref(observation);

        return endpoint ? json_pack("{s:o}", "endpoint", endpoint) : NULL;
}

/* Tells one endpoint; the list is gone after the last one. */
static void list_tell(List *list, const Definition *definition) {
        bool last = list->index + 1 >= list->session->broker->catalogue->n_definitions ||
                    !list->session->call.more;
        json_t *endpoint =
                endpoint_to_json(list, definition, TAKE_PTR(list->levels[ACCESS_READ_ONLY]),
                                 TAKE_PTR(list->levels[ACCESS_FULL]));

        list->index++;
        list->access = ACCESS_READ_ONLY;
        if (!last)
                (void)sd_event_source_set_enabled(list->next, SD_EVENT_ONESHOT);
        session_reply_consume(list->session, endpoint, -EBADF, !last);
}

static void list_end(List *list) {
        session_reply_consume(list->session, json_object(), -EBADF, false);
}

static int on_next(sd_event_source *source, uint64_t usec, void *userdata);

static void on_inquired(const Question *question, Decision decision, const Refusal *refusal,
                        void *userdata) {
        List *list = userdata;
        const Definition *definition = list_definition(list);

        list->inquiry = NULL;
        if (!definition) {
                list_end(list);
                return;
        }

        if (streq(definition->name, list->name.endpoint)) {
                list->levels[list->access] = inquiry_level_to_json(
                        definition, list->access, inquiry_told_decision(decision, refusal),
                        question ? question->action : NULL);
                list->access++;
        } else
                /* Another one stands here now, about which nothing was asked yet. */
                list_drop_levels(list);
        (void)on_next(NULL, 0, list);
}

/* Asks about the next level, or tells the endpoint when there is none. */
static int on_next(sd_event_source *source, uint64_t usec, void *userdata) {
        List *list = userdata;
        const Definition *definition = list_definition(list);

        if (!definition) {
                list_end(list);
                return 0;
        }

        for (; list->access < _ACCESS_MAX; list->access++) {
                if (list->decisions) {
                        list->name = (Name){};
                        memcpy(list->name.endpoint, definition->name, strlen(definition->name));
                        if (inquiry_new(list->session, definition, &list->name, list->access,
                                        on_inquired, list, &list->inquiry) < 0)
                                session_close(list->session);
                        return 0;
                }

                list->levels[list->access] =
                        inquiry_level_to_json(definition, list->access, 0, NULL);
        }

        list_tell(list, definition);
        return 0;
}

void list_endpoints(Session *session, const FieldValue *values) {
        Refusal refusal;
        List *list;

        if (values[0].boolean && admission_take_token(session, &refusal) != 0) {
                session_refuse(session, &refusal);
                return;
        }
        if (session->broker->catalogue->n_definitions == 0) {
                session_reply_consume(session, json_object(), -EBADF, false);
                return;
        }

        list = calloc(1, sizeof(*list));
        if (!list || sd_event_add_time(session->broker->event, &list->next, CLOCK_MONOTONIC, 0, 1,
                                       on_next, list) < 0) {
                free(list);
                session_close(session);
                return;
        }

        list->operation.free = operation_free;
        list->session = session;
        list->decisions = values[0].boolean;
        list->access = ACCESS_READ_ONLY;
        session_set_operation(session, &list->operation);
}
