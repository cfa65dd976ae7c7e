/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/pidfd.h>

#include "config.h"

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/info.h"
#include "broker/session.h"

/* That nobody counts by user. */
#define UNCOUNTED (-1)

typedef struct Limit {
        const char *name; /* as in doorward.conf(5); the service's own is LimitNOFILE */
        json_int_t max;
        json_int_t used; /* by the user who asks, or UNCOUNTED */
} Limit;

static int limits_to_json(const Limit *limits, size_t n, json_t *maxima, json_t *uses) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                r = json_object_set_new(maxima, limits[i].name, json_integer(limits[i].max));
                if (r == 0 && limits[i].used != UNCOUNTED)
                        r = json_object_set_new(uses, limits[i].name, json_integer(limits[i].used));
        }

        return r;
}

/* Fills both; -1 for want of memory. */
static int put_limits(Session *session, json_t *maxima, json_t *uses) {
        const Settings *settings = session->broker->settings;
        const unsigned *used = session->user->used;
        unsigned burst = settings->request_burst;
        unsigned tokens = user_count_tokens(session->user, broker_now(session->broker));
        const Limit limits[] = {
                {"ConnectionsMax", settings->connections_max, UNCOUNTED},
                {"ConnectionsPerUser", settings->connections_per_user, used[USER_CONNECTIONS]},
                {"DescriptorsPerLease", settings->descriptors_per_lease, UNCOUNTED},
                {"DescriptorsPerUser", admission_descriptors_per_user(session->broker),
                 used[USER_DESCRIPTORS]},
                {"FiltersMax", settings->filters_max, UNCOUNTED},
                {"FiltersPerUser", settings->filters_per_user, used[USER_FILTERS]},
                {"KeptLeasesMax", settings->kept_leases_max, used[USER_KEPT]},
                {"LeasesMax", settings->leases_max, UNCOUNTED},
                {"LeasesPerUser", settings->leases_per_user, used[USER_LEASES]},
                {"LimitNOFILE", session->broker->descriptors_max, UNCOUNTED},
                {"PolicyChecksMax", settings->policy_checks_max, UNCOUNTED},
                {"PolicyChecksPerUser", settings->policy_checks_per_user, UNCOUNTED},
                {"RequestBurst", burst, tokens < burst ? burst - tokens : 0},
                {"RequestRate", settings->request_rate, UNCOUNTED},
                {"UndeliveredPerUser", settings->undelivered_per_user, used[USER_UNDELIVERED]},
        };

        return limits_to_json(limits, ELEMENTSOF(limits), maxima, uses);
}

static void append_string(json_t *array, const char *text) {
        (void)json_array_append_new(array, json_string(text));
}

static void append_strings(json_t *array, char *const *strv) {
        for (; strv && *strv; strv++)
                append_string(array, *strv);
}

/* What is observed is not to be forgotten. */
static void append_observation(json_t *array, const Broker *broker, const Definition *definition) {
        ObservationState state = observer_get_state(broker->observer, definition);
        _cleanup_free_ char *text = NULL;

        if (state != OBSERVATION_NONE)
                text = observation_describe(definition, state);
        if (text)
                append_string(array, text);
}

/* The settings' own, and those of every definition. */
static json_t *warnings_to_json(const Broker *broker) {
        json_t *array = json_array();

        append_strings(array, broker->settings->warnings);
        append_strings(array, broker->catalogue->warnings);
        for (size_t i = 0; i < broker->catalogue->n_definitions; i++) {
                append_strings(array, broker->catalogue->definitions[i]->warnings);
                append_observation(array, broker, broker->catalogue->definitions[i]);
        }
        if (broker->descriptors_warning)
                append_string(array, broker->descriptors_warning);

        return array;
}

static bool kernel_has_pidfd(void) {
        _cleanup_close_ int fd = pidfd_open(getpid(), 0);

        return fd >= 0;
}

static json_t *features_to_json(const Broker *broker) {
        json_t *array = json_array();

        if (kernel_has_pidfd())
                append_string(array, "pidfd");
        if (broker->kernel_has_peerpidfd)
                append_string(array, "peerpidfd");
        if (broker->settings->kept_leases_max > 0 && getenv("NOTIFY_SOCKET"))
                append_string(array, "fdstore");
        return array;
}

static json_t *policy_features_to_json(const Broker *broker) {
        json_t *array = json_array();

        if (authority_keeps(broker->authority))
                append_string(array, "temporary-authorization");
        return array;
}

/* An agent can always be there; the conversation is with a helper, that may not be installed. */
static json_t *mechanisms_to_json(const Broker *broker) {
        json_t *array = json_array();

        append_string(array, "agent");
        if (conversations_are_served(&broker->conversations))
                append_string(array, "conversation");
        return array;
}

void get_broker_info(Session *session, const FieldValue *values) {
        Broker *broker = session->broker;
        const char *version = authority_version(broker->authority);
        json_t *limits = json_object(), *use = json_object(), *reply;

        if (put_limits(session, limits, use) < 0) {
                json_decref(limits);
                json_decref(use);
                session_close(session);
                return;
        }

        reply = json_pack("{s:s, s:i, s:b, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "version", VERSION,
                          "protocol", INTERFACE_PROTOCOL, "identityProof",
                          !broker->kernel_has_peerpidfd || broker->settings->proof_always, "polkit",
                          version, "features", features_to_json(broker), "polkitFeatures",
                          policy_features_to_json(broker), "mechanisms", mechanisms_to_json(broker),
                          "limits", limits, "use", use, "warnings", warnings_to_json(broker));
        session_reply_consume(session, reply, -EBADF, false);
}
