/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <syslog.h>

#include "broker/broker.h"
#include "broker/observer.h"
#include "broker/session.h"
#include "common/userfile.h"
#include "policy/instant.h"
#include "policy/strv.h"
#include "policy/timespan.h"

#define DAY_USEC (24 * 3600 * USEC_PER_SEC)
/* ObserveUntil= has passed by then, and not merely nearly. */
#define MARGIN_USEC USEC_PER_SEC

/* What is known of one definition that wants to be observed. */
typedef struct Observed {
        char hash[DEFINITION_HASH_SIZE];
        char name[NAME_ENDPOINT_MAX + 2]; /* with the @ of a template */
        gid_t gid;
        ObservationState state; /* as it was last looked at */
        ObservationState said;  /* as it was last said */
        unsigned n_granted;     /* since then, */
        unsigned n_refused;     /* and those to which polkit did not say yes */
} Observed;

struct Observer {
        Broker *broker;
        char *group_file;
        Deadline next; /* something is to be said */
        Observed *observed;
        size_t n_observed;
};

static Observed *observer_find(Observer *observer, const Definition *definition) {
        for (size_t i = 0; i < observer->n_observed; i++)
                if (streq(observer->observed[i].hash, definition->hash))
                        return &observer->observed[i];
        return NULL;
}

/* A group that was missing is looked for again when the definitions are read, and not before; and a
 * clock that is set back does not begin anything anew. */
static ObservationState observed_look(Observed *observed, const Definition *definition) {
        if (observed->state == OBSERVATION_ACTIVE || observed->state == OBSERVATION_TOO_FAR)
                observed->state = observation_state(definition, instant_now());
        return observed->state;
}

ObservationState observer_get_state(Observer *observer, const Definition *definition) {
        Observed *observed = observer_find(observer, definition);

        return observed ? observed_look(observed, definition) : OBSERVATION_NONE;
}

bool observer_admits(Observer *observer, const Definition *definition, const Session *session) {
        const Observed *observed = observer_find(observer, definition);
        bool member = false;

        if (observer_get_state(observer, definition) != OBSERVATION_ACTIVE ||
            session->peer.uid == 0)
                return false;

        return peer_has_group(&session->peer, session->fd, observed->gid, &member) == 0 && member;
}

void observer_count(Observer *observer, const Definition *definition, Decision policy) {
        Observed *observed = observer_find(observer, definition);

        if (!observed)
                return;
        observed->n_granted++;
        observed->n_refused += policy != DECISION_AUTHORIZED;
}

json_t *observer_to_json(Observer *observer, const Definition *definition, const Session *session) {
        ObservationState state = observer_get_state(observer, definition);

        if (state == OBSERVATION_NONE)
                return NULL;
        return json_pack("{s:s, s:I, s:b, s:b}", "group", definition->observe_group, "until",
                         (json_int_t)definition->observe_until, "active",
                         state == OBSERVATION_ACTIVE, "admitted",
                         observer_admits(observer, definition, session));
}

/* What is said. */

static void observed_say(Observer *observer, Observed *observed, const Definition *definition) {
        _cleanup_free_ char *text = observation_describe(definition, observed->state);
        char until[INSTANT_TEXT_SIZE];
        const RecordObservation observation = {
                .endpoint = observed->name,
                .group = definition->observe_group,
                .until = instant_to_string(definition->observe_until, until),
                .text = text,
                .n_granted = observed->n_granted,
                .n_refused = observed->n_refused,
        };
        JournalEntry entry;

        /* It is said again the next day. */
        if (!text)
                return;

        record_format_observation(&entry, &observation);
        record_put(observer->broker->record, &entry);
        observed->said = observed->state;
        observed->n_granted = observed->n_refused = 0;
}

/* The definition of the catalogue that was read last, or NULL. */
static const Definition *observed_definition(const Observer *observer, const Observed *observed) {
        const Catalogue *catalogue = observer->broker->catalogue;

        for (size_t i = 0; i < catalogue->n_definitions; i++)
                if (streq(catalogue->definitions[i]->hash, observed->hash))
                        return catalogue->definitions[i];
        return NULL;
}

/* Says what is still so, or has come to be otherwise, and when there will be something to say. */
static void observer_say(Observer *observer) {
        uint64_t now = instant_now(), next = UINT64_MAX;

        for (size_t i = 0; i < observer->n_observed; i++) {
                Observed *observed = &observer->observed[i];
                const Definition *definition = observed_definition(observer, observed);
                uint64_t left = DAY_USEC;

                if (!definition)
                        continue;
                if (observed_look(observed, definition) == OBSERVATION_ACTIVE ||
                    observed->state != observed->said)
                        observed_say(observer, observed, definition);
                if (observed->state != OBSERVATION_ACTIVE && observed->state != OBSERVATION_TOO_FAR)
                        continue;
                if (definition->observe_until > now && definition->observe_until - now < left)
                        left = definition->observe_until - now + MARGIN_USEC;
                next = left < next ? left : next;
        }

        if (next != UINT64_MAX)
                (void)deadline_set_relative(&observer->next, next);
}

static void on_next(void *userdata) {
        Observer *observer = userdata;

        observer_say(observer);
        broker_rest(observer->broker);
}

bool observer_has_news(const Observer *observer) {
        for (size_t i = 0; i < observer->n_observed; i++)
                if (observer->observed[i].n_granted > 0)
                        return true;
        return false;
}

void observer_flush(Observer *observer) {
        for (size_t i = 0; i < observer->n_observed; i++) {
                Observed *observed = &observer->observed[i];
                const Definition *definition = observed_definition(observer, observed);

                if (definition && observed->n_granted > 0)
                        observed_say(observer, observed, definition);
        }
}

/* Coming and going. */

static void observer_clear(Observer *observer) {
        deadline_lift(&observer->next);
        free(observer->observed);
        observer->observed = NULL;
        observer->n_observed = 0;
}

static int observer_add(Observer *observer, const Definition *definition) {
        Observed *grown, observed = {.gid = (gid_t)-1};
        int r;

        r = observation_find(definition, observer->group_file, instant_now(), &observed.gid,
                             &observed.state);
        if (r < 0 || observed.state == OBSERVATION_NONE)
                return r;

        grown = reallocarray(observer->observed, observer->n_observed + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        observer->observed = grown;

        memcpy(observed.hash, definition->hash, sizeof(observed.hash));
        (void)snprintf(observed.name, sizeof(observed.name), "%s%s", definition->name,
                       definition->template ? "@" : "");
        observer->observed[observer->n_observed++] = observed;
        return 0;
}

/* What is over stays so, and counts go on. */
static void observer_take_over(Observer *observer, const Observed *before, size_t n) {
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < observer->n_observed; j++) {
                        Observed *observed = &observer->observed[j];

                        if (!streq(observed->hash, before[i].hash))
                                continue;
                        observed->n_granted = before[i].n_granted;
                        observed->n_refused = before[i].n_refused;
                        if (before[i].state == OBSERVATION_OVER)
                                observed->state = OBSERVATION_OVER;
                }
}

int observer_load(Observer *observer) {
        const Catalogue *catalogue = observer->broker->catalogue;
        _cleanup_free_ Observed *before = TAKE_PTR(observer->observed);
        size_t n_before = observer->n_observed;

        observer_clear(observer);
        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                int r = observer_add(observer, catalogue->definitions[i]);

                if (r < 0) {
                        observer_clear(observer);
                        return r;
                }
        }

        observer_take_over(observer, before, n_before);
        observer_say(observer);
        return 0;
}

int observer_new(Broker *broker, Observer **ret) {
        _cleanup_(observer_freep) Observer *observer = calloc(1, sizeof(*observer));

        if (!observer)
                return -ENOMEM;

        observer->broker = broker;
        deadline_init(&observer->next, &broker->clock, on_next, observer);
        observer->group_file = strv_format("%s" USERFILE_GROUP, broker->root);
        if (!observer->group_file)
                return -ENOMEM;

        *ret = TAKE_PTR(observer);
        return 0;
}

Observer *observer_free(Observer *observer) {
        if (!observer)
                return NULL;

        observer_clear(observer);
        free(observer->group_file);
        free(observer);
        return NULL;
}
