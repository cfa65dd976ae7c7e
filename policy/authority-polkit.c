/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <stdio.h>

#include "policy/authority-polkit.h"
#include "policy/polkit-actions.h"

#ifdef NDEBUG
#error "The assertions in here are part of the defence: build without -DNDEBUG (b_ndebug=false)"
#endif

/* polkit's flags of a question. */
#define POLKIT_FLAG_INTERACTIVE 1U

/* "doorward-" and a number of 64 bits. */
#define CANCELLATION_ID_SIZE 32

/* 0 would be a quarter of a second. */
#define ACCURACY_USEC 1000

typedef struct AuthorityPolkit AuthorityPolkit;

struct AuthorityCheck {
        AuthorityPolkit *authority;
        AuthorityCheck *next; /* AuthorityPolkit::checks, or ::withdrawn */
        sd_bus_message *call; /* until it is sent; NULL if there was no bus to make it of */
        sd_bus_slot *slot;    /* while polkit has it */
        bool interactive;
        bool doomed; /* it will not be answered */
        char cancellation_id[CANCELLATION_ID_SIZE];
        sd_event_source *timer;   /* while a withdrawn one is left to end by itself */
        AuthorityAnswerFunc func; /* NULL once it is withdrawn */
        void *userdata;
};

struct AuthorityPolkit {
        Authority authority;
        PolkitLink link;
        PolkitActions actions;
        AuthorityCheck *checks;
        AuthorityCheck *withdrawn; /* nobody waits for their answers any more */
        uint64_t last_id;
        AuthorityChangedFunc changed_func; /* who is told, or NULL */
        void *changed_userdata;
        char version[80];
};

static AuthorityPolkit *authority_from(Authority *authority) {
        return (AuthorityPolkit *)((char *)authority - offsetof(AuthorityPolkit, authority));
}

/* Checks. */

static void check_free(AuthorityCheck *check) {
        sd_event_source_disable_unref(check->timer);
        sd_bus_slot_unref(check->slot);
        sd_bus_message_unref(check->call);
        free(check);
}
DEFINE_CLEANUP(AuthorityCheck *, check_free);

static void check_unlink(AuthorityCheck *check, AuthorityCheck **list) {
        while (*list != check)
                list = &(*list)->next;
        *list = check->next;
        check->next = NULL;
}

static void check_answer(AuthorityCheck *check, const AuthorityAnswer *answer) {
        AuthorityAnswerFunc func = check->func;
        void *userdata = check->userdata;

        check_unlink(check, &check->authority->checks);
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

static AuthorityFailure failure_from_error(const sd_bus_error *error) {
        if (sd_bus_error_has_name(error, POLKIT_NAME ".Error.NotAuthorized"))
                return AUTHORITY_NOT_PERMITTED;
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
            sd_bus_error_has_name(error, "org.freedesktop.DBus.Error.TimedOut"))
                return AUTHORITY_TIMED_OUT;
        return AUTHORITY_UNAVAILABLE;
}

/* The next member of a dictionary of texts: 1, or 0 behind the last. Each answer has what was asked
 * with in it, and to have "{ss}" taken apart for each costs as much again as to read it. */
static int read_pair(sd_bus_message *message, const char **ret_key, const char **ret_value) {
        int r;

        r = sd_bus_message_enter_container(message, 'e', "ss");
        if (r <= 0)
                return r;

        r = sd_bus_message_read_basic(message, 's', ret_key);
        if (r > 0)
                r = sd_bus_message_read_basic(message, 's', ret_value);
        if (r > 0)
                r = sd_bus_message_exit_container(message);
        else if (r == 0)
                r = -EBADMSG;
        return r < 0 ? r : 1;
}

/* The details of the answer: what the yes rests on, or would leave behind. */
static int read_details(sd_bus_message *reply, AuthorityAnswer *answer) {
        const char *key, *value;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{ss}");
        if (r < 0)
                return r;

        while ((r = read_pair(reply, &key, &value)) > 0)
                if (streq(key, "polkit.dismissed"))
                        answer->dismissed = true;
                else if (streq(key, "polkit.temporary_authorization_id") ||
                         streq(key, "polkit.retains_authorization_after_challenge"))
                        answer->temporary = true;

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_answer(sd_bus_message *reply, AuthorityAnswer *ret) {
        AuthorityAnswer answer = {.decision = DECISION_DENIED};
        int authorized, challenge, r;

        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r >= 0)
                r = read_details(reply, &answer);
        if (r < 0)
                return r;

        if (authorized)
                answer.decision = DECISION_AUTHORIZED;
        else if (challenge)
                answer.decision = DECISION_CHALLENGE;
        *ret = answer;
        return 0;
}

static void check_take_reply(AuthorityCheck *check, sd_bus_message *reply) {
        AuthorityAnswer answer;
        int r;

        r = read_answer(reply, &answer);
        if (r < 0)
                check_fail(check, AUTHORITY_UNAVAILABLE, strerror(-r));
        else
                check_answer(check, &answer);
}

static void check_forget(AuthorityCheck *check) {
        check_unlink(check, &check->authority->withdrawn);
        check_free(check);
}

static int on_checked(sd_bus_message *reply, void *userdata, sd_bus_error *unused) {
        AuthorityCheck *check = userdata;
        PolkitVerdict verdict = polkit_link_judge(&check->authority->link, reply);
        const sd_bus_error *error;

        if (verdict != POLKIT_NO_LINK && !check->func) {
                check_forget(check);
                return 1;
        }

        switch (verdict) {
        case POLKIT_ANSWER:
                check_take_reply(check, reply);
                break;
        case POLKIT_FAILURE:
                error = sd_bus_message_get_error(reply);
                check_fail(check, failure_from_error(error), error->message ?: error->name);
                break;
        case POLKIT_FORGERY:
                check_fail(check, AUTHORITY_UNAVAILABLE, "somebody else answered");
                break;
        case POLKIT_NO_LINK: /* the check is gone */
                break;
        }

        return 1;
}

static int check_start(AuthorityCheck *check) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = TAKE_PTR(check->call);
        PolkitLink *link = &check->authority->link;
        int r;

        r = polkit_link_send(link, call, &check->slot, on_checked, check);
        /* What the bus does not take any more is answered when the loop says that it has gone. */
        return r < 0 && sd_bus_is_open(link->bus) > 0 ? r : 0;
}

/* Those who are told can ask anew, and withdraw others. */
static void fail_doomed(AuthorityPolkit *a, const char *text) {
        AuthorityCheck *check;

        do {
                for (check = a->checks; check && !check->doomed; check = check->next)
                        ;
                if (check)
                        check_fail(check, AUTHORITY_UNAVAILABLE, text);
        } while (check);
}

/* Questions. */

/* polkit trusts an owner of the action about the uid, and says yes to 0 by itself. These lines are
 * the last before it is asked: pid 1 is whoever listens for a service that is started by socket
 * activation, and uid 0 is root's own or nobody's. */
static int append_subject(sd_bus_message *call, const AuthorityQuestion *question,
                          bool with_pidfd) {
        int r;

        assert(question->pid > 1);
        assert(question->uid <= (uid_t)INT32_MAX);
        assert(question->uid != 0 || question->peer_uid == 0);
        assert(question->start_time != 0);

        r = sd_bus_message_open_container(call, 'r', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "unix-process");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(call, "{sv}{sv}{sv}", "pid", "u", (uint32_t)question->pid,
                                          "start-time", "t", question->start_time, "uid", "i",
                                          (int32_t)question->uid);
        if (r >= 0 && with_pidfd)
                r = sd_bus_message_append(call, "{sv}", "pidfd", "h", question->pidfd);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int append_pair(sd_bus_message *message, const char *key, const char *value) {
        int r;

        r = sd_bus_message_open_container(message, 'e', "ss");
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', key);
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', value);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_details(sd_bus_message *call, const AuthorityQuestion *question) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < AUTHORITY_DETAILS_MAX && question->details[i].key; i++)
                r = append_pair(call, question->details[i].key, question->details[i].value);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int check_make_call(AuthorityCheck *check, const AuthorityQuestion *question) {
        PolkitLink *link = &check->authority->link;
        bool with_pidfd = question->pidfd >= 0 && !link->is_old;
        int r;

        r = polkit_link_new_call(link, "CheckAuthorization", &check->call);
        if (r >= 0)
                r = append_subject(check->call, question, with_pidfd);
        if (r >= 0)
                r = sd_bus_message_append(check->call, "s", question->action);
        if (r >= 0)
                r = append_details(check->call, question);
        if (r >= 0)
                r = sd_bus_message_append(check->call, "us",
                                          question->interactive ? POLKIT_FLAG_INTERACTIVE : 0U,
                                          check->cancellation_id);
        return r;
}

static int polkit_ask(Authority *authority, const AuthorityQuestion *question,
                      AuthorityAnswerFunc func, void *userdata, AuthorityCheck **ret) {
        AuthorityPolkit *a = authority_from(authority);
        _cleanup_(check_freep) AuthorityCheck *check = calloc(1, sizeof(*check));
        int r;

        if (!check)
                return -ENOMEM;

        check->authority = a;
        check->interactive = question->interactive;
        check->func = func;
        check->userdata = userdata;
        (void)snprintf(check->cancellation_id, sizeof(check->cancellation_id), "doorward-%llu",
                       (unsigned long long)++a->last_id);

        r = polkit_link_up(&a->link);
        if (r >= 0 && a->link.bus)
                r = check_make_call(check, question);
        if (r >= 0 && a->link.state == POLKIT_LINK_UP)
                r = check_start(check);
        if (r < 0)
                return r;

        check->next = a->checks;
        a->checks = check;
        *ret = TAKE_PTR(check);
        return 0;
}

/* Withdrawn questions. */

static void check_tell_cancelled(AuthorityCheck *check) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        PolkitLink *link = &check->authority->link;

        if (polkit_link_new_call(link, "CancelCheckAuthorization", &call) >= 0 &&
            sd_bus_message_append(call, "s", check->cancellation_id) >= 0)
                polkit_link_tell(link, call);
}

static int on_cancel_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        AuthorityCheck *check = userdata;

        check_tell_cancelled(check);
        check_forget(check);
        return 0;
}

/* polkit is told, which takes a prompt away. But most often whoever asked goes together with its
 * agent, and that ends polkit's question by itself: polkit 122 does not survive every meeting of
 * the two. */
static void polkit_cancel(AuthorityCheck *check) {
        AuthorityPolkit *a = check->authority;

        check_unlink(check, &a->checks);
        if (check->slot && check->interactive &&
            sd_event_add_time_relative(a->link.event, &check->timer, CLOCK_MONOTONIC,
                                       AUTHORITY_CANCEL_DELAY_MS * 1000, ACCURACY_USEC,
                                       on_cancel_timer, check) >= 0) {
                check->func = NULL;
                check->next = a->withdrawn;
                a->withdrawn = check;
                return;
        }

        if (check->slot)
                check_tell_cancelled(check);
        check_free(check);
}

/* The link. */

static void tell_changed(const AuthorityPolkit *a) {
        if (a->changed_func)
                a->changed_func(a->changed_userdata);
}

static void on_changed(void *userdata) {
        AuthorityPolkit *a = userdata;

        polkit_actions_on_changed(&a->actions);
        tell_changed(a);
}

static void on_up(void *userdata) {
        AuthorityPolkit *a = userdata;

        on_changed(a);
        for (AuthorityCheck *check = a->checks; check; check = check->next)
                check->doomed = check->call && check_start(check) < 0;
        polkit_actions_on_up(&a->actions);
        fail_doomed(a, "The question could not be sent");
}

/* Answers everything that waited, and nothing that comes meanwhile: that brings the next link up.
 */
static void on_down(const char *text, void *userdata) {
        AuthorityPolkit *a = userdata;

        while (a->withdrawn)
                check_forget(a->withdrawn);
        for (AuthorityCheck *check = a->checks; check; check = check->next) {
                check->slot = sd_bus_slot_unref(check->slot);
                check->doomed = true;
        }

        polkit_actions_on_down(&a->actions);
        fail_doomed(a, text);
        tell_changed(a); /* and nobody would hear of it while there is no link */
}

/* The operations. */

static int polkit_find_action(Authority *authority, const char *id, AuthorityAction *ret) {
        return polkit_actions_find(&authority_from(authority)->actions, id, ret);
}

static int polkit_load_actions(Authority *authority, uint64_t usec, AuthorityActionsFunc func,
                               void *userdata) {
        return polkit_actions_load(&authority_from(authority)->actions, usec, func, userdata);
}

static void polkit_forget(Authority *authority, void *userdata) {
        polkit_actions_forget(&authority_from(authority)->actions, userdata);
}

static void polkit_watch(Authority *authority, AuthorityChangedFunc func, void *userdata) {
        AuthorityPolkit *a = authority_from(authority);

        a->changed_func = func;
        a->changed_userdata = userdata;
}

static const char *polkit_version(Authority *authority) {
        AuthorityPolkit *a = authority_from(authority);

        if (a->link.state != POLKIT_LINK_UP)
                return NULL;

        (void)snprintf(a->version, sizeof(a->version), "polkit %s", a->link.version);
        return a->version;
}

static bool polkit_keeps(Authority *authority) {
        const PolkitLink *link = &authority_from(authority)->link;

        return link->state == POLKIT_LINK_UP && link->keeps;
}

static Authority *polkit_free(Authority *authority) {
        AuthorityPolkit *a = authority_from(authority);

        assert(!a->checks);

        while (a->withdrawn)
                check_forget(a->withdrawn);
        polkit_actions_deinit(&a->actions);
        polkit_link_deinit(&a->link);
        free(a);
        return NULL;
}

int authority_polkit_new(sd_event *event, const char *owner, Authority **ret) {
        static const AuthorityOperations operations = {
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
        static const PolkitLinkFuncs funcs = {.up = on_up, .down = on_down, .changed = on_changed};
        _cleanup_(authority_freep) Authority *authority = NULL;
        AuthorityPolkit *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;

        a->authority.operations = &operations;
        authority = &a->authority;
        polkit_link_init(&a->link, event, &funcs, a);
        r = polkit_actions_init(&a->actions, &a->link, owner);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(authority);
        return 0;
}
