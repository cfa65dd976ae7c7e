/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <syslog.h>
#include <systemd/sd-event.h>

#include "broker/broker.h"
#include "broker/lease.h"
#include "broker/observer.h"
#include "broker/session.h"
#include "common/userfile.h"
#include "policy/instant.h"
#include "policy/stamps.h"
#include "policy/strv.h"
#include "policy/timespan.h"

#define DAY_USEC (24 * 3600 * USEC_PER_SEC)
/* What is known of one definition that wants to be observed. */
typedef struct Observed {
        char hash[DEFINITION_HASH_SIZE];
        char name[NAME_ENDPOINT_MAX + 2]; /* with the @ of a template */
        gid_t gid;                        /* of the group, and */
        ObservationState state;           /* the state, as they were last looked at */
        uint64_t group_version;           /* Observer::group_version at that moment */
        ObservationState said;            /* as it was last said */
        unsigned n_granted;               /* since then, */
        unsigned n_refused;               /* and those to which polkit did not say yes */
} Observed;

struct Observer {
        Broker *broker;
        char *group_file;
        Stamps group_stamps;
        uint64_t group_version; /* a number for what is in it */
        Deadline next;          /* something is to be said */
        sd_event_source *over;  /* the next ObserveUntil=, by the clock that can be set */
        Observed *observed;
        size_t n_observed;
};

static Observed *observer_find(Observer *observer, const Definition *definition) {
        for (size_t i = 0; i < observer->n_observed; i++)
                if (streq(observer->observed[i].hash, definition->hash))
                        return &observer->observed[i];
        return NULL;
}

/* Whether the group file is what it was: it can be long, and anybody can have it looked at. */
static void observer_look_at_groups(Observer *observer) {
        if (stamps_are_current(&observer->group_stamps))
                return;

        stamps_deinit(&observer->group_stamps);
        (void)!stamps_take_file(observer->group_file, &observer->group_stamps);
        observer->group_version++;
}

/* A group file that cannot be read has no group; and a clock that is set back does not begin
 * anything anew. */
static ObservationState observer_look(Observer *observer, Observed *observed,
                                      const Definition *definition) {
        uint64_t now = instant_now();

        if (observed->state == OBSERVATION_OVER)
                return OBSERVATION_OVER;

        observer_look_at_groups(observer);
        if (observed->group_version != observer->group_version) {
                observed->group_version = observer->group_version;
                if (observation_find(definition, observer->group_file, now, &observed->gid,
                                     &observed->state) < 0) {
                        observed->state = OBSERVATION_NO_GROUP;
                        observed->group_version = 0; /* and is tried again */
                }
        }
        if (now >= definition->observe_until || observed->state == OBSERVATION_ACTIVE ||
            observed->state == OBSERVATION_TOO_FAR)
                observed->state = observation_state(definition, now);
        return observed->state;
}

ObservationState observer_get_state(Observer *observer, const Definition *definition) {
        Observed *observed = observer_find(observer, definition);

        return observed ? observer_look(observer, observed, definition) : OBSERVATION_NONE;
}

bool observer_admits(Observer *observer, const Definition *definition, const Session *session) {
        Observed *observed = observer_find(observer, definition);
        bool member = false;

        if (!observed || session->peer.uid == 0 ||
            observer_look(observer, observed, definition) != OBSERVATION_ACTIVE)
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

/* Says what is still so, or has come to be otherwise, and tells when there will be something to say
 * again; never is UINT64_MAX. */
static void observer_say(Observer *observer, uint64_t *ret_next, uint64_t *ret_over) {
        uint64_t next = UINT64_MAX, over = UINT64_MAX;

        for (size_t i = 0; i < observer->n_observed; i++) {
                Observed *observed = &observer->observed[i];
                const Definition *definition = observed_definition(observer, observed);

                if (!definition)
                        continue;
                if (observer_look(observer, observed, definition) == OBSERVATION_ACTIVE ||
                    observed->state != observed->said)
                        observed_say(observer, observed, definition);
                if (observed->state == OBSERVATION_OVER)
                        continue;
                next = DAY_USEC;
                if (definition->observe_until < over)
                        over = definition->observe_until;
        }

        *ret_next = next;
        *ret_over = over;
}

/* What was granted because it was observed ends with that. Each lease has a timer of its own, too,
 * which runs on when the clock is set back; but it does not notice one that is set forward. */
static void lease_end_if_not_observed(Lease *lease, ObservationState state) {
        if (state == OBSERVATION_OVER)
                lease_end(lease, END_EXPIRED);
        else if (state != OBSERVATION_ACTIVE)
                lease_end(lease, END_POLICY);
}

/* By the states as they have just been looked at: there can be thousands of leases. What has no
 * definition any more is ended by who reads those. */
static void observer_end_leases(Observer *observer) {
        Lease *lease = observer->broker->leases;

        while (lease) {
                const Definition *definition =
                        catalogue_find(observer->broker->catalogue, &lease->name);
                const Observed *observed = definition ? observer_find(observer, definition) : NULL;
                Lease *next = lease->next;

                if (lease->how == HOW_OBSERVED && observed && lease_is_handed_over(lease))
                        lease_end_if_not_observed(lease, observed->state);
                lease = next;
        }
}

void observer_check_lease(Observer *observer, Lease *lease) {
        const Definition *definition = catalogue_find(observer->broker->catalogue, &lease->name);

        if (lease->how == HOW_OBSERVED && definition)
                lease_end_if_not_observed(lease, observer_get_state(observer, definition));
}

static void observer_work(Observer *observer) {
        uint64_t next, over;

        observer_say(observer, &next, &over);
        if (next != UINT64_MAX)
                (void)deadline_set_relative(&observer->next, next);
        if (over != UINT64_MAX) {
                (void)sd_event_source_set_time(observer->over, over);
                (void)sd_event_source_set_enabled(observer->over, SD_EVENT_ONESHOT);
        }
        observer_end_leases(observer);
}

static void on_next(void *userdata) {
        Observer *observer = userdata;

        observer_work(observer);
        broker_rest(observer->broker);
}

static int on_over(sd_event_source *source, uint64_t usec, void *userdata) {
        on_next(userdata);
        return 0;
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
        (void)sd_event_source_set_enabled(observer->over, SD_EVENT_OFF);
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
        observer_work(observer);
        return 0;
}

int observer_new(Broker *broker, Observer **ret) {
        _cleanup_(observer_freep) Observer *observer = calloc(1, sizeof(*observer));
        int r;

        if (!observer)
                return -ENOMEM;

        observer->broker = broker;
        deadline_init(&observer->next, &broker->clock, on_next, observer);
        observer->group_file = strv_format("%s" USERFILE_GROUP, broker->root);
        if (!observer->group_file)
                return -ENOMEM;

        r = sd_event_add_time(broker->event, &observer->over, CLOCK_REALTIME, UINT64_MAX,
                              USEC_PER_SEC, on_over, observer);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(observer);
        return 0;
}

Observer *observer_free(Observer *observer) {
        if (!observer)
                return NULL;

        observer_clear(observer);
        sd_event_source_disable_unref(observer->over);
        stamps_deinit(&observer->group_stamps);
        free(observer->group_file);
        free(observer);
        return NULL;
}
