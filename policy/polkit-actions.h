#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Polkit actions: which of them exist
 *
 * They are read from polkit, not from its folder, since polkit's opinion counts: anew when the
 * folder changed or polkit says that something did; the latter at most every
 * POLKIT_ACTIONS_INTERVAL_MS, because any local user can make polkit say so as often as they like.
 */

#include <time.h>

#include "policy/authority.h"
#include "policy/polkit-link.h"

#define POLKIT_ACTIONS_INTERVAL_MS UINT64_C(250)

typedef struct PolkitAction PolkitAction;
typedef struct PolkitWaiter PolkitWaiter;

typedef struct PolkitActions {
        PolkitLink *link;
        char *owner; /* whom they must name, so that we may ask: "unix-user:doorward" */
        PolkitAction *actions;
        PolkitWaiter *waiters;
        bool known;   /* they were read, and no reading failed since */
        bool changed; /* polkit said so since the last reading began */
        bool told;    /* who waited for a reading looks at what was read, now */
        bool telling; /* as long as they do, none begins: it would be taken for the one before */
        sd_bus_slot *loading;
        struct timespec mtime;  /* of the folder when that reading began */
        uint64_t time;          /* when it began; monotonic, µs */
        sd_event_source *timer; /* until the next one may begin */
        sd_event_source *trim;
} PolkitActions;

/* owner is the user whom actions must name. -ENOMEM. */
int polkit_actions_init(PolkitActions *actions, PolkitLink *link, const char *owner) _must_check_;
void polkit_actions_deinit(PolkitActions *actions);

/* As in authority.h. */
int polkit_actions_find(const PolkitActions *actions, const char *id,
                        AuthorityAction *ret) _must_check_;
int polkit_actions_load(PolkitActions *actions, uint64_t usec, AuthorityActionsFunc func,
                        void *userdata) _must_check_;
void polkit_actions_forget(PolkitActions *actions, void *userdata);

/* The link is up, or down; or polkit says that something changed. */
void polkit_actions_on_up(PolkitActions *actions);
void polkit_actions_on_down(PolkitActions *actions);
void polkit_actions_on_changed(PolkitActions *actions);
