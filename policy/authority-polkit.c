/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include <polkit/polkit.h>

#include "config.h"

#include "policy/authority-polkit.h"

#ifdef NDEBUG
#error "The assertions in here are part of the defence: build without -DNDEBUG (b_ndebug=false)"
#endif

#define ACTION_PREFIX "org.doorward."
#define OWNER_ANNOTATION "org.freedesktop.policykit.owner"

typedef struct PolkitAuthorityState AuthorityPolkit;
typedef struct ActionEntry ActionEntry;
typedef struct ActionWaiter ActionWaiter;

/* What GLib is given with an asynchronous call of ours, and gives back in any case: a call that was
 * cancelled may have succeeded all the same. authority is NULL when nobody waits for it any more.
 */
typedef struct Attempt {
        AuthorityPolkit *authority;
        GCancellable *cancellable;
} Attempt;

/* Where the connection to polkit stands. */
typedef enum Link {
        LINK_DOWN,       /* the next question brings it up */
        LINK_CONNECTING, /* first the bus, then polkit's proxy */
        LINK_UP,
} Link;

struct AuthorityCheck {
        AuthorityPolkit *authority; /* NULL once it is cancelled: nobody waits for the answer */
        AuthorityCheck *next;       /* AuthorityPolkit::checks */
        PolkitSubject *subject;
        PolkitDetails *details;
        char *action;
        bool interactive;
        bool started; /* sent to polkit, rather than waiting for the link */
        bool doomed;  /* the link that it waits for has failed */
        GCancellable *cancellable;
        guint cancel_timer; /* while a cancelled one is left to end by itself */
        AuthorityAnswerFunc func;
        void *userdata;
};

struct ActionEntry {
        ActionEntry *next; /* AuthorityPolkit::actions */
        AuthorityAction action;
        char id[];
};

struct ActionWaiter {
        AuthorityPolkit *authority;
        ActionWaiter *next; /* AuthorityPolkit::waiters */
        guint timer;
        AuthorityActionsFunc func;
        void *userdata;
        bool served_by_this_load;
};

struct PolkitAuthorityState {
        Authority authority;
        Link link;
        GDBusConnection *bus;
        PolkitAuthority *polkit;
        Attempt *connecting; /* while LINK_CONNECTING */
        gulong closed_handler, changed_handler, owner_handler;
        AuthorityCheck *checks;
        AuthorityChangedFunc changed_func; /* who is told, or NULL */
        void *changed_userdata;
        char *owner; /* "unix-user:doorward" */
        char version[64];

        ActionEntry *actions;
        ActionWaiter *waiters;
        bool actions_known;   /* they were read, and no reading failed since */
        bool actions_changed; /* polkit said so since the last reading began */
        bool actions_told;    /* who waited for a reading looks at what was read, now */
        Attempt *actions_loading;
        struct timespec actions_mtime; /* of the folder when that reading began */
        gint64 actions_time;           /* when it began; monotonic, µs */
        guint actions_timer;           /* until the next one may begin */
};

static void link_up(AuthorityPolkit *a);
static void tell_changed(const AuthorityPolkit *a);
static void actions_load(AuthorityPolkit *a);
static void waiters_notify(AuthorityPolkit *a, int error);

static AuthorityPolkit *authority_from(Authority *authority) {
        return (AuthorityPolkit *)((char *)authority - offsetof(AuthorityPolkit, authority));
}

/* Attempts. Out of memory ends the process here, as it does in all of GLib. */

static Attempt *attempt_new(AuthorityPolkit *a) {
        Attempt *attempt = g_new0(Attempt, 1);

        attempt->authority = a;
        attempt->cancellable = g_cancellable_new();
        return attempt;
}

/* Nobody waits for it any more. It is freed when GLib gives it back. */
static Attempt *attempt_abandon(Attempt *attempt) {
        if (attempt) {
                attempt->authority = NULL;
                g_cancellable_cancel(attempt->cancellable);
        }

        return NULL;
}

/* Whose attempt this was, or NULL; it is freed. */
static AuthorityPolkit *attempt_finish(Attempt *attempt) {
        AuthorityPolkit *a = attempt->authority;

        g_object_unref(attempt->cancellable);
        g_free(attempt);
        return a;
}

/* Checks. */

static void check_free(AuthorityCheck *check) {
        if (check->cancel_timer)
                g_source_remove(check->cancel_timer);
        g_clear_object(&check->subject);
        g_clear_object(&check->details);
        g_clear_object(&check->cancellable);
        free(check->action);
        free(check);
}
DEFINE_CLEANUP(AuthorityCheck *, check_free);

static void check_unlink(AuthorityCheck *check) {
        AuthorityCheck **p = &check->authority->checks;

        while (*p != check)
                p = &(*p)->next;
        *p = check->next;
        check->authority = NULL;
}

static void check_answer(AuthorityCheck *check, const AuthorityAnswer *answer) {
        AuthorityAnswerFunc func = check->func;
        void *userdata = check->userdata;

        check_unlink(check);
        check_free(check);
        func(answer, userdata);
}

static void check_fail(AuthorityCheck *check, AuthorityFailure failure, const char *text) {
        AuthorityAnswer answer = {
                .failure = failure,
                .decision = DECISION_DENIED,
                .text = text,
        };

        check_answer(check, &answer);
}

static AuthorityFailure failure_from_error(const GError *error) {
        if (g_error_matches(error, POLKIT_ERROR, POLKIT_ERROR_NOT_AUTHORIZED))
                return AUTHORITY_NOT_PERMITTED;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
            g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT) ||
            g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT))
                return AUTHORITY_TIMED_OUT;
        return AUTHORITY_UNAVAILABLE;
}

static void on_checked(GObject *source, GAsyncResult *res, gpointer userdata) {
        AuthorityCheck *check = userdata;
        AuthorityAnswer answer = {.decision = DECISION_DENIED};
        PolkitAuthorizationResult *result;
        GError *error = NULL;

        result = polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), res, &error);

        if (!check->authority) {
                check_free(check);
        } else if (!result) {
                check_fail(check, failure_from_error(error), error->message);
        } else {
                if (polkit_authorization_result_get_is_authorized(result))
                        answer.decision = DECISION_AUTHORIZED;
                else if (polkit_authorization_result_get_is_challenge(result))
                        answer.decision = DECISION_CHALLENGE;
                answer.dismissed = polkit_authorization_result_get_dismissed(result);
                answer.temporary =
                        polkit_authorization_result_get_temporary_authorization_id(result) ||
                        polkit_authorization_result_get_retains_authorization(result);
                check_answer(check, &answer);
        }

        g_clear_object(&result);
        g_clear_error(&error);
}

static void check_start(AuthorityCheck *check) {
        check->started = true;
        polkit_authority_check_authorization(
                check->authority->polkit, check->subject, check->action, check->details,
                check->interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                                   : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
                check->cancellable, on_checked, check);
}

static PolkitSubject *subject_new(const AuthorityQuestion *question) {
        /* polkit trusts an owner of the action about the uid, and says yes to 0 by itself. These
         * lines are the last before it is asked: pid 1 is whoever listens for a service that is
         * started by socket activation, and uid 0 is root's own or nobody's. */
        assert(question->pid > 1);
        assert(question->uid <= (uid_t)INT32_MAX);
        assert(question->uid != 0 || question->peer_uid == 0);
        assert(question->start_time != 0);

#ifdef HAVE_POLKIT_UNIX_PROCESS_NEW_PIDFD
        return polkit_unix_process_new_pidfd(question->pidfd, (gint)question->uid,
                                             question->start_time);
#else
        return polkit_unix_process_new_for_owner((gint)question->pid, question->start_time,
                                                 (gint)question->uid);
#endif
}

static int polkit_ask(Authority *authority, const AuthorityQuestion *question,
                      AuthorityAnswerFunc func, void *userdata, AuthorityCheck **ret) {
        AuthorityPolkit *a = authority_from(authority);
        _cleanup_(check_freep) AuthorityCheck *check = calloc(1, sizeof(*check));

        if (!check)
                return -ENOMEM;
        check->action = strdup(question->action);
        if (!check->action)
                return -ENOMEM;

        check->subject = subject_new(question);
        check->details = polkit_details_new();
        for (size_t i = 0; i < AUTHORITY_DETAILS_MAX && question->details[i].key; i++)
                polkit_details_insert(check->details, question->details[i].key,
                                      question->details[i].value);
        check->cancellable = g_cancellable_new();
        check->interactive = question->interactive;
        check->func = func;
        check->userdata = userdata;

        check->authority = a;
        check->next = a->checks;
        a->checks = check;

        if (a->link == LINK_UP)
                check_start(check);
        else
                link_up(a);

        *ret = TAKE_PTR(check);
        return 0;
}

static gboolean on_cancel_timer(gpointer userdata) {
        AuthorityCheck *check = userdata;

        check->cancel_timer = 0;
        g_cancellable_cancel(check->cancellable);
        return G_SOURCE_REMOVE;
}

/* on_checked() still comes, and frees it. libpolkit tells polkit, which takes a prompt away. But
 * most often whoever asked goes together with its agent, and that ends polkit's question by itself:
 * polkit 122 does not survive every meeting of the two. */
static void polkit_cancel(AuthorityCheck *check) {
        bool started = check->started;

        check_unlink(check);
        if (!started)
                check_free(check);
        else if (check->interactive)
                check->cancel_timer =
                        g_timeout_add(AUTHORITY_CANCEL_DELAY_MS, on_cancel_timer, check);
        else
                g_cancellable_cancel(check->cancellable);
}

/* The link. */

static void link_down(AuthorityPolkit *a) {
        if (a->closed_handler)
                g_signal_handler_disconnect(a->bus, a->closed_handler);
        if (a->changed_handler)
                g_signal_handler_disconnect(a->polkit, a->changed_handler);
        if (a->owner_handler)
                g_signal_handler_disconnect(a->polkit, a->owner_handler);
        a->closed_handler = a->changed_handler = a->owner_handler = 0;

        a->connecting = attempt_abandon(a->connecting);
        a->actions_loading = attempt_abandon(a->actions_loading);
        g_clear_object(&a->polkit);
        g_clear_object(&a->bus);
        a->link = LINK_DOWN;
        a->actions_known = false; /* nobody says any more that they changed */

        for (ActionWaiter *waiter = a->waiters; waiter; waiter = waiter->next)
                waiter->served_by_this_load = true;
}

static void tell_changed(const AuthorityPolkit *a) {
        if (a->changed_func)
                a->changed_func(a->changed_userdata);
}

/* Answers everything that waits for the link, and nothing that comes meanwhile: that brings the
 * next one up. */
static void link_fail(AuthorityPolkit *a, const char *text) {
        AuthorityCheck *check;

        link_down(a);
        for (check = a->checks; check; check = check->next)
                check->doomed = !check->started;
        do {
                for (check = a->checks; check && !check->doomed; check = check->next)
                        ;
                if (check)
                        check_fail(check, AUTHORITY_UNAVAILABLE, text);
        } while (check);
        waiters_notify(a, -EHOSTUNREACH);
        tell_changed(a); /* and nobody would hear of it while there is no link */
}

static void on_closed(GDBusConnection *bus, gboolean remote, GError *error, gpointer userdata) {
        /* What was sent fails by itself, each check on its own. */
        link_fail(userdata, "The system bus hung up");
}

static void on_changed(gpointer source, gpointer userdata) {
        AuthorityPolkit *a = userdata;

        a->actions_changed = true;
        tell_changed(a);
}

static void on_owner(GObject *source, GParamSpec *spec, gpointer userdata) {
        on_changed(source, userdata);
}

static void on_polkit(GObject *source, GAsyncResult *res, gpointer userdata) {
        GError *error = NULL;
        PolkitAuthority *polkit = polkit_authority_get_finish(res, &error);
        AuthorityPolkit *a = attempt_finish(userdata);

        if (!a || !polkit) {
                if (a) {
                        a->connecting = NULL;
                        link_fail(a, error->message);
                }
                g_clear_object(&polkit);
                g_clear_error(&error);
                return;
        }

        a->connecting = NULL;
        a->polkit = polkit;
        a->link = LINK_UP;
        a->changed_handler = g_signal_connect(polkit, "changed", G_CALLBACK(on_changed), a);
        a->owner_handler = g_signal_connect(polkit, "notify::owner", G_CALLBACK(on_owner), a);
        on_changed(polkit, a);

        for (AuthorityCheck *check = a->checks; check; check = check->next)
                if (!check->started)
                        check_start(check);
        if (a->waiters)
                actions_load(a);
}

static void on_bus(GObject *source, GAsyncResult *res, gpointer userdata) {
        GError *error = NULL;
        GDBusConnection *bus = g_bus_get_finish(res, &error);
        AuthorityPolkit *a = attempt_finish(userdata);

        if (!a || !bus || g_dbus_connection_is_closed(bus)) {
                if (a) {
                        a->connecting = NULL;
                        link_fail(a, error ? error->message : "The system bus hung up");
                }
                g_clear_object(&bus);
                g_clear_error(&error);
                return;
        }

        /* GLib would end the process when the bus goes away. */
        g_dbus_connection_set_exit_on_close(bus, FALSE);
        a->bus = bus;
        a->closed_handler = g_signal_connect(bus, "closed", G_CALLBACK(on_closed), a);
        a->connecting = attempt_new(a);
        polkit_authority_get_async(a->connecting->cancellable, on_polkit, a->connecting);
}

static void link_up(AuthorityPolkit *a) {
        if (a->link != LINK_DOWN)
                return;

        a->link = LINK_CONNECTING;
        a->connecting = attempt_new(a);
        g_bus_get(G_BUS_TYPE_SYSTEM, a->connecting->cancellable, on_bus, a->connecting);
}

/* Actions. */

static void actions_clear(AuthorityPolkit *a) {
        while (a->actions) {
                ActionEntry *entry = a->actions;

                a->actions = entry->next;
                free(entry);
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

static const char *implicit_to_string(PolkitImplicitAuthorization implicit) {
        return polkit_implicit_authorization_to_string(implicit);
}

static int actions_add(AuthorityPolkit *a, PolkitActionDescription *description) {
        const char *id = polkit_action_description_get_action_id(description);
        ActionEntry *entry;

        if (!g_str_has_prefix(id, ACTION_PREFIX))
                return 0;

        entry = calloc(1, sizeof(*entry) + strlen(id) + 1);
        if (!entry)
                return -ENOMEM;

        memcpy(entry->id, id, strlen(id));
        entry->action = (AuthorityAction){
                .registered = true,
                .owned = annotation_names(
                        polkit_action_description_get_annotation(description, OWNER_ANNOTATION),
                        a->owner),
                .default_any =
                        implicit_to_string(polkit_action_description_get_implicit_any(description)),
                .default_inactive = implicit_to_string(
                        polkit_action_description_get_implicit_inactive(description)),
                .default_active = implicit_to_string(
                        polkit_action_description_get_implicit_active(description)),
        };
        entry->next = a->actions;
        a->actions = entry;
        return 0;
}

static void waiter_remove(ActionWaiter *waiter) {
        ActionWaiter **p = &waiter->authority->waiters;

        while (*p != waiter)
                p = &(*p)->next;
        *p = waiter->next;
        if (waiter->timer)
                g_source_remove(waiter->timer);
}

static gboolean on_waiter_timer(gpointer userdata) {
        ActionWaiter *waiter = userdata;

        waiter->timer = 0;
        waiter_remove(waiter);
        waiter->func(-ETIMEDOUT, waiter->userdata);
        free(waiter);
        return G_SOURCE_REMOVE;
}

/* Tells those who waited for this reading. They may ask, wait again or forget others meanwhile. */
static void waiters_notify(AuthorityPolkit *a, int error) {
        ActionWaiter **p = &a->waiters, *waiter;

        while ((waiter = *p)) {
                if (!waiter->served_by_this_load) {
                        p = &waiter->next;
                        continue;
                }

                waiter_remove(waiter);
                a->actions_told = error == 0;
                waiter->func(error, waiter->userdata);
                a->actions_told = false;
                free(waiter);
                p = &a->waiters;
        }
}

/* polkit tells of every action of the system: hundreds of kilobytes, of which a few stay. They are
 * free once the callback below has returned. */
static void give_back_memory(gpointer userdata) {
        (void)malloc_trim(0);
}

static void on_actions(GObject *source, GAsyncResult *res, gpointer userdata) {
        GError *error = NULL;
        GList *list =
                polkit_authority_enumerate_actions_finish(POLKIT_AUTHORITY(source), res, &error);
        AuthorityPolkit *a = attempt_finish(userdata);
        int r = 0;

        if (a && error)
                r = -EHOSTUNREACH;
        else if (a) {
                actions_clear(a);
                for (GList *l = list; l && r >= 0; l = l->next)
                        r = actions_add(a, l->data);
        }

        /* That something had changed was forgotten when this reading began: if it failed, what was
         * known before must not be taken for what is. */
        if (a)
                a->actions_known = r >= 0;

        g_list_free_full(list, g_object_unref);
        g_clear_error(&error);
        g_idle_add_once(give_back_memory, NULL);
        if (!a)
                return;

        a->actions_loading = NULL;
        waiters_notify(a, r);
        if (a->waiters)
                actions_load(a);
}

static bool folder_changed(const AuthorityPolkit *a, struct timespec *ret) {
        struct stat st = {};

        (void)stat(POLKIT_ACTION_DIR, &st);
        *ret = st.st_mtim;
        return st.st_mtim.tv_sec != a->actions_mtime.tv_sec ||
               st.st_mtim.tv_nsec != a->actions_mtime.tv_nsec;
}

static gboolean on_actions_timer(gpointer userdata) {
        AuthorityPolkit *a = userdata;

        a->actions_timer = 0;
        actions_load(a);
        return G_SOURCE_REMOVE;
}

/* Begins a reading, unless one is under way (who waits then gets the next) or it is too soon. */
static void actions_load(AuthorityPolkit *a) {
        gint64 passed = (g_get_monotonic_time() - a->actions_time) / 1000;
        struct timespec mtime;
        bool changed = folder_changed(a, &mtime);

        if (a->actions_loading || a->actions_timer)
                return;
        if (a->link != LINK_UP) {
                link_up(a);
                return;
        }
        if (a->actions_time && !changed && passed < AUTHORITY_ACTIONS_INTERVAL_MS) {
                a->actions_timer = g_timeout_add((guint)(AUTHORITY_ACTIONS_INTERVAL_MS - passed),
                                                 on_actions_timer, a);
                return;
        }

        a->actions_loading = attempt_new(a);
        a->actions_changed = false;
        a->actions_mtime = mtime;
        a->actions_time = g_get_monotonic_time();
        for (ActionWaiter *waiter = a->waiters; waiter; waiter = waiter->next)
                waiter->served_by_this_load = true;
        polkit_authority_enumerate_actions(a->polkit, a->actions_loading->cancellable, on_actions,
                                           a->actions_loading);
}

static int polkit_find_action(Authority *authority, const char *id, AuthorityAction *ret) {
        AuthorityPolkit *a = authority_from(authority);
        struct timespec mtime;

        if (!a->actions_known || folder_changed(a, &mtime))
                return -EAGAIN;

        for (const ActionEntry *entry = a->actions; entry; entry = entry->next)
                if (streq(entry->id, id)) {
                        *ret = entry->action;
                        return 0;
                }

        /* What we know may be old. Where that says that the action exists, asking it tells. Who
         * waited for a reading that began after they asked takes it as it is: else whoever has
         * polkit say all the time that something changed would keep them waiting. */
        if (a->actions_changed && !a->actions_told)
                return -EAGAIN;

        *ret = (AuthorityAction){};
        return 0;
}

static int polkit_load_actions(Authority *authority, uint64_t usec, AuthorityActionsFunc func,
                               void *userdata) {
        AuthorityPolkit *a = authority_from(authority);
        ActionWaiter *waiter = calloc(1, sizeof(*waiter));

        if (!waiter)
                return -ENOMEM;

        waiter->authority = a;
        waiter->func = func;
        waiter->userdata = userdata;
        waiter->timer = g_timeout_add((guint)(usec / 1000), on_waiter_timer, waiter);
        waiter->next = a->waiters;
        a->waiters = waiter;
        actions_load(a);
        return 0;
}

static void polkit_forget(Authority *authority, void *userdata) {
        AuthorityPolkit *a = authority_from(authority);
        ActionWaiter **p = &a->waiters, *waiter;

        while ((waiter = *p)) {
                if (waiter->userdata != userdata) {
                        p = &waiter->next;
                        continue;
                }

                waiter_remove(waiter);
                free(waiter);
        }
}

static void polkit_watch(Authority *authority, AuthorityChangedFunc func, void *userdata) {
        AuthorityPolkit *a = authority_from(authority);

        a->changed_func = func;
        a->changed_userdata = userdata;
}

static const char *polkit_version(Authority *authority) {
        AuthorityPolkit *a = authority_from(authority);

        if (a->link != LINK_UP)
                return NULL;

        (void)snprintf(a->version, sizeof(a->version), "polkit %s",
                       polkit_authority_get_backend_version(a->polkit));
        return a->version;
}

static bool polkit_keeps(Authority *authority) {
        AuthorityPolkit *a = authority_from(authority);

        return a->link == LINK_UP && (polkit_authority_get_backend_features(a->polkit) &
                                      POLKIT_AUTHORITY_FEATURES_TEMPORARY_AUTHORIZATION);
}

static Authority *polkit_free(Authority *authority) {
        AuthorityPolkit *a = authority_from(authority);

        assert(!a->checks && !a->waiters);

        link_down(a);
        if (a->actions_timer)
                g_source_remove(a->actions_timer);
        actions_clear(a);
        free(a->owner);
        free(a);
        return NULL;
}

static const AuthorityOperations polkit_operations = {
        .ask = polkit_ask,
        .cancel = polkit_cancel,
        .find_action = polkit_find_action,
        .load_actions = polkit_load_actions,
        .forget = polkit_forget,
        .watch = polkit_watch,
        .version = polkit_version,
        .keeps = polkit_keeps,
        .free = polkit_free,
};

int authority_polkit_new(const char *owner, Authority **ret) {
        AuthorityPolkit *a = calloc(1, sizeof(*a));

        if (!a || asprintf(&a->owner, "unix-user:%s", owner) < 0) {
                free(a);
                return -ENOMEM;
        }

        a->authority.operations = &polkit_operations;
        *ret = &a->authority;
        return 0;
}
