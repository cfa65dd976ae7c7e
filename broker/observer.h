#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Observer: which endpoints are observed, and who is granted them because of that
 *
 * Membership is what the kernel says that the peer's process had when it connected, and a group is
 * the number that /etc/group has for its name at that moment. Only who is judged as themselves is
 * admitted, and not root, whom polkit allows everything: another identity did not come by the
 * group.
 *
 * That an endpoint is observed is not to be forgotten: it is said when the definitions are read,
 * each day, and when it is over, with the number of grants that polkit would not have made. Two
 * timers do that, which are set only while something is observed; until one goes off a broker that
 * has somebody to tell of does not end for want of work. What is over stays so while the broker
 * runs, whatever becomes of the clock; and what was granted ends by the clock, also if that is set
 * forward.
 */

#include <jansson.h>

#include "common/terms.h"
#include "policy/definition.h"
#include "policy/observation.h"

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct Observer Observer;
typedef struct Session Session;

int observer_new(Broker *broker, Observer **ret) _must_check_;
Observer *observer_free(Observer *observer);

/* Takes the definitions of the broker's catalogue, and says what is observed. On failure nothing is
 * any more. -errno. */
int observer_load(Observer *observer) _must_check_;

/* Of a definition of the catalogue, at this moment. */
ObservationState observer_get_state(Observer *observer, const Definition *definition);

/* Whether the peer has the group, and what it asks for is observed at this moment. */
bool observer_admits(Observer *observer, const Definition *definition, const Session *session);

/* Ends a lease that is handed over and rests on an observation that is no longer there. */
void observer_check_lease(Observer *observer, Lease *lease);

/* Somebody was granted it so, and this is what polkit said; 0: nothing. */
void observer_count(Observer *observer, const Definition *definition, Decision policy);

/* Whether somebody was, and that was not said yet; and says it, for the end of the program. */
bool observer_has_news(const Observer *observer);
void observer_flush(Observer *observer);

/* What is observed, as the interface has it; NULL if the definition does not want that. */
json_t *observer_to_json(Observer *observer, const Definition *definition, const Session *session);

DEFINE_CLEANUP(Observer *, observer_free);
