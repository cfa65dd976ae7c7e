/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config.h"
#include "policy/polkit-actions.h"

#define ACTION_PREFIX "org.doorward."
#define OWNER_ANNOTATION "org.freedesktop.policykit.owner"

/* 0 would be a quarter of a second. */
#define ACCURACY_USEC 1000

struct PolkitAction {
        PolkitAction *next; /* PolkitActions::actions */
        AuthorityAction action;
        char id[];
};

struct PolkitWaiter {
        PolkitActions *actions;
        PolkitWaiter *next; /* PolkitActions::waiters */
        sd_event_source *timer;
        AuthorityActionsFunc func;
        void *userdata;
        bool served_by_this_load;
};

static void actions_begin(PolkitActions *actions);

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* What polkit says. */

static void actions_clear(PolkitActions *actions) {
        while (actions->actions) {
                PolkitAction *action = actions->actions;

                actions->actions = action->next;
                free(action);
        }
}

/* Whether one of the identities that the annotation names, separated by spaces, is us. */
static bool annotation_names(const char *annotation, const char *owner) {
        size_t n = strlen(owner);

        for (const char *p = annotation; p && *p; p += strcspn(p, " ")) {
                p += strspn(p, " ");
                if (strcspn(p, " ") == n && strncmp(p, owner, n) == 0)
                        return true;
        }

        return false;
}

static const char *implicit_to_string(uint32_t implicit) {
        static const char *const names[] = {
                "no", "auth_self", "auth_admin", "auth_self_keep", "auth_admin_keep", "yes",
        };

        return implicit < ELEMENTSOF(names) ? names[implicit] : "unknown";
}

static int actions_add(PolkitActions *actions, const char *id, const AuthorityAction *action) {
        PolkitAction *added = calloc(1, sizeof(*added) + strlen(id) + 1);

        if (!added)
                return -ENOMEM;

        memcpy(added->id, id, strlen(id));
        added->action = *action;
        added->next = actions->actions;
        actions->actions = added;
        return 0;
}

static int read_annotations(sd_bus_message *reply, const char *owner, bool *ret_owned) {
        const char *key, *value;
        bool owned = false;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "{ss}", &key, &value)) > 0)
                if (streq(key, OWNER_ANNOTATION) && annotation_names(value, owner))
                        owned = true;
        if (r < 0)
                return r;

        *ret_owned = owned;
        return sd_bus_message_exit_container(reply);
}

/* More than 0 if there was one. Description, message, vendor and icon are polkit's own affair. */
static int actions_read_one(PolkitActions *actions, sd_bus_message *reply) {
        AuthorityAction action = {.registered = true};
        uint32_t any, inactive, active;
        const char *id;
        int r;

        r = sd_bus_message_enter_container(reply, 'r', "ssssssuuua{ss}");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(reply, "ssssssuuu", &id, NULL, NULL, NULL, NULL, NULL, &any,
                                &inactive, &active);
        if (r >= 0)
                r = read_annotations(reply, actions->owner, &action.owned);
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r < 0)
                return r;
        if (strncmp(id, ACTION_PREFIX, strlen(ACTION_PREFIX)) != 0)
                return 1;

        action.default_any = implicit_to_string(any);
        action.default_inactive = implicit_to_string(inactive);
        action.default_active = implicit_to_string(active);
        r = actions_add(actions, id, &action);
        return r < 0 ? r : 1;
}

static int actions_read(PolkitActions *actions, sd_bus_message *reply) {
        int r;

        actions_clear(actions);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssssuuua{ss})");
        while (r > 0)
                r = actions_read_one(actions, reply);
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* Those who wait. */

static PolkitWaiter *waiter_free(PolkitWaiter *waiter) {
        sd_event_source_disable_unref(waiter->timer);
        free(waiter);
        return NULL;
}
DEFINE_CLEANUP(PolkitWaiter *, waiter_free);

static void waiter_remove(PolkitWaiter *waiter) {
        PolkitWaiter **p = &waiter->actions->waiters;

        while (*p != waiter)
                p = &(*p)->next;
        *p = waiter->next;
}

static int on_waiter_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        PolkitWaiter *waiter = userdata;
        AuthorityActionsFunc func = waiter->func;
        void *data = waiter->userdata;

        waiter_remove(waiter);
        waiter_free(waiter);
        func(-ETIMEDOUT, data);
        return 0;
}

/* Tells those who waited for this reading. They may ask, wait again or forget others meanwhile: who
 * waits by then waits for the next. */
static void waiters_notify(PolkitActions *actions, int error) {
        PolkitWaiter **p = &actions->waiters, *waiter;

        actions->telling = true;
        while ((waiter = *p)) {
                if (!waiter->served_by_this_load) {
                        p = &waiter->next;
                        continue;
                }

                waiter_remove(waiter);
                actions->told = error == 0;
                waiter->func(error, waiter->userdata);
                actions->told = false;
                waiter_free(waiter);
                p = &actions->waiters;
        }
        actions->telling = false;
        actions_begin(actions);
}

static void waiters_are_served(PolkitActions *actions) {
        for (PolkitWaiter *waiter = actions->waiters; waiter; waiter = waiter->next)
                waiter->served_by_this_load = true;
}

/* Reading. */

/* polkit tells of every action of the system: hundreds of kilobytes, of which a few stay. They are
 * free once the reply is. */
static int on_trim(sd_event_source *source, void *userdata) {
        (void)malloc_trim(0);
        return 0;
}

static int on_actions(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        PolkitActions *actions = userdata;
        PolkitVerdict verdict;
        int r = -EHOSTUNREACH;

        verdict = polkit_link_judge(actions->link, reply);
        if (verdict == POLKIT_NO_LINK)
                return 1;

        actions->loading = sd_bus_slot_unref(actions->loading);
        if (verdict == POLKIT_ANSWER)
                r = actions_read(actions, reply);

        /* That something had changed was forgotten when this reading began: if it failed, what was
         * known before must not be taken for what is. */
        actions->known = r >= 0;
        (void)sd_event_source_set_enabled(actions->trim, SD_EVENT_ONESHOT);
        waiters_notify(actions, r < 0 ? r : 0);
        return 1;
}

static bool folder_changed(const PolkitActions *actions, struct timespec *ret) {
        struct stat st = {};

        (void)stat(POLKIT_ACTION_DIR, &st);
        *ret = st.st_mtim;
        return st.st_mtim.tv_sec != actions->mtime.tv_sec ||
               st.st_mtim.tv_nsec != actions->mtime.tv_nsec;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        PolkitActions *actions = userdata;

        actions->timer = sd_event_source_disable_unref(actions->timer);
        actions_begin(actions);
        return 0;
}

static int actions_ask(PolkitActions *actions) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = polkit_link_new_call(actions->link, "EnumerateActions", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "");
        if (r >= 0)
                r = polkit_link_send(actions->link, call, &actions->loading, on_actions, actions);
        return r;
}

/* Begins a reading, unless one is under way (who waits then gets the next) or it is too soon. What
 * cannot be begun is tried again by the timer, for as long as somebody waits. */
static void actions_begin(PolkitActions *actions) {
        uint64_t now = now_usec(), next = actions->time + POLKIT_ACTIONS_INTERVAL_MS * 1000;
        struct timespec mtime;
        bool changed = folder_changed(actions, &mtime);

        if (!actions->waiters || actions->loading || actions->timer || actions->telling)
                return;
        if (actions->link->state != POLKIT_LINK_UP) {
                if (polkit_link_up(actions->link) >= 0)
                        return;
        } else if (actions->time == 0 || changed || now >= next) {
                actions->changed = false;
                actions->mtime = mtime;
                actions->time = now;
                waiters_are_served(actions);
                if (actions_ask(actions) >= 0)
                        return;
                actions->known = false;
        }

        if (next <= now)
                next = now + POLKIT_ACTIONS_INTERVAL_MS * 1000;
        (void)sd_event_add_time(actions->link->event, &actions->timer, CLOCK_MONOTONIC, next,
                                ACCURACY_USEC, on_timer, actions);
}

int polkit_actions_load(PolkitActions *actions, uint64_t usec, AuthorityActionsFunc func,
                        void *userdata) {
        _cleanup_(waiter_freep) PolkitWaiter *waiter = calloc(1, sizeof(*waiter));
        int r;

        if (!waiter)
                return -ENOMEM;

        r = sd_event_add_time_relative(actions->link->event, &waiter->timer, CLOCK_MONOTONIC, usec,
                                       ACCURACY_USEC, on_waiter_timer, waiter);
        if (r < 0)
                return r;

        waiter->actions = actions;
        waiter->func = func;
        waiter->userdata = userdata;
        waiter->next = actions->waiters;
        actions->waiters = TAKE_PTR(waiter);
        actions_begin(actions);
        return 0;
}

int polkit_actions_find(const PolkitActions *actions, const char *id, AuthorityAction *ret) {
        struct timespec mtime;

        if (!actions->known || folder_changed(actions, &mtime))
                return -EAGAIN;

        for (const PolkitAction *action = actions->actions; action; action = action->next)
                if (streq(action->id, id)) {
                        *ret = action->action;
                        return 0;
                }

        /* What we know may be old. Where that says that the action exists, asking it tells. Who
         * waited for a reading that began after they asked takes it as it is: else whoever has
         * polkit say all the time that something changed would keep them waiting. */
        if (actions->changed && !actions->told)
                return -EAGAIN;

        *ret = (AuthorityAction){};
        return 0;
}

void polkit_actions_forget(PolkitActions *actions, void *userdata) {
        PolkitWaiter **p = &actions->waiters, *waiter;

        while ((waiter = *p)) {
                if (waiter->userdata != userdata) {
                        p = &waiter->next;
                        continue;
                }

                *p = waiter->next;
                waiter_free(waiter);
        }
}

void polkit_actions_on_up(PolkitActions *actions) {
        actions_begin(actions);
}

/* Nobody says any more that they changed. */
void polkit_actions_on_down(PolkitActions *actions) {
        actions->loading = sd_bus_slot_unref(actions->loading);
        actions->known = false;
        waiters_are_served(actions);
        waiters_notify(actions, -EHOSTUNREACH);
}

void polkit_actions_on_changed(PolkitActions *actions) {
        actions->changed = true;
}

int polkit_actions_init(PolkitActions *actions, PolkitLink *link, const char *owner) {
        int r;

        *actions = (PolkitActions){.link = link};
        if (asprintf(&actions->owner, "unix-user:%s", owner) < 0) {
                actions->owner = NULL;
                return -ENOMEM;
        }

        r = sd_event_add_defer(link->event, &actions->trim, on_trim, actions);
        return r < 0 ? r : sd_event_source_set_enabled(actions->trim, SD_EVENT_OFF);
}

void polkit_actions_deinit(PolkitActions *actions) {
        assert(!actions->waiters);

        sd_event_source_disable_unref(actions->timer);
        sd_event_source_disable_unref(actions->trim);
        sd_bus_slot_unref(actions->loading);
        actions_clear(actions);
        free(actions->owner);
}
