/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "tests/support/fake-authority.h"

static FakeAuthority *fake_from(Authority *authority) {
        return (FakeAuthority *)authority;
}

static void fake_remove(FakeAuthority *fake, size_t index) {
        fake->n_checks--;
        memmove(fake->checks + index, fake->checks + index + 1,
                (fake->n_checks - index) * sizeof(fake->checks[0]));
}

void fake_authority_answer(FakeAuthority *fake, size_t index, const AuthorityAnswer *answer) {
        AuthorityCheck *check = fake->checks[index];
        AuthorityAnswerFunc func = check->func;
        void *userdata = check->userdata;

        fake_remove(fake, index);
        free(check);
        func(answer, userdata);
}

static int on_defer(sd_event_source *source, void *userdata) {
        FakeAuthority *fake = userdata;

        while (fake->automatic && fake->n_checks > 0)
                fake_authority_answer(fake, 0, &fake->answer);

        if (fake->waiter) {
                AuthorityActionsFunc func = fake->waiter;

                fake->waiter = NULL;
                fake->actions_known = fake->load_error == 0;
                func(fake->load_error, fake->waiter_userdata);
        }

        return 0;
}

static int fake_ask(Authority *authority, const AuthorityQuestion *question,
                    AuthorityAnswerFunc func, void *userdata, AuthorityCheck **ret) {
        FakeAuthority *fake = fake_from(authority);
        AuthorityCheck *check;
        char *end;

        fake->n_asked++;
        if (fake->ask_error < 0)
                return fake->ask_error;

        check = calloc(1, sizeof(*check));
        assert(check && fake->n_checks < FAKE_CHECKS_MAX);
        *check = (AuthorityCheck){
                .fake = fake,
                .uid = question->uid,
                .pid = question->pid,
                .interactive = question->interactive,
                .func = func,
                .userdata = userdata,
        };
        (void)copy_text(check->action, sizeof(check->action), question->action);
        /* By hand: what policy costs is measured with this in its place. */
        end = check->details;
        for (size_t i = 0; i < AUTHORITY_DETAILS_MAX && question->details[i].key; i++) {
                const AuthorityDetail *detail = &question->details[i];

                assert((size_t)(end - check->details) + strlen(detail->key) +
                               strlen(detail->value) + sizeof("= ") <=
                       sizeof(check->details));
                end = stpcpy(stpcpy(end, detail->key), "=");
                end = stpcpy(stpcpy(end, detail->value), " ");
        }

        fake->checks[fake->n_checks++] = check;
        if (fake->n_checks > fake->n_in_flight_max)
                fake->n_in_flight_max = fake->n_checks;
        if (fake->automatic)
                (void)sd_event_source_set_enabled(fake->defer, SD_EVENT_ONESHOT);
        *ret = check;
        return 0;
}

static void fake_cancel(AuthorityCheck *check) {
        FakeAuthority *fake = check->fake;
        size_t i = 0;

        while (fake->checks[i] != check)
                i++;
        fake_remove(fake, i);
        fake->n_cancelled++;
        free(check);
}

static int fake_find_action(Authority *authority, const char *id, AuthorityAction *ret) {
        FakeAuthority *fake = fake_from(authority);
        bool own = strstr(id, ".endpoint.") != NULL;

        if (!fake->actions_known)
                return -EAGAIN;

        *ret = (AuthorityAction){};
        if (!own || fake->own_actions)
                *ret = (AuthorityAction){
                        .registered = true,
                        .owned = fake->owned,
                        .default_any = "no",
                        .default_inactive = "auth_admin",
                        .default_active = "yes",
                };
        return 0;
}

static int fake_load_actions(Authority *authority, uint64_t usec, AuthorityActionsFunc func,
                             void *userdata) {
        FakeAuthority *fake = fake_from(authority);

        fake->waiter = func;
        fake->waiter_userdata = userdata;
        return sd_event_source_set_enabled(fake->defer, SD_EVENT_ONESHOT);
}

static void fake_forget(Authority *authority, void *userdata) {
        FakeAuthority *fake = fake_from(authority);

        if (fake->waiter_userdata == userdata)
                fake->waiter = NULL;
}

static void fake_watch(Authority *authority, AuthorityChangedFunc func, void *userdata) {
        FakeAuthority *fake = fake_from(authority);

        fake->changed = func;
        fake->changed_userdata = userdata;
}

static const char *fake_version(Authority *authority) {
        return "fake 1";
}

static bool fake_keeps(Authority *authority) {
        return true;
}

static Authority *fake_free(Authority *authority) {
        return NULL;
}

static const AuthorityOperations fake_operations = {
        .ask = fake_ask,
        .cancel = fake_cancel,
        .find_action = fake_find_action,
        .load_actions = fake_load_actions,
        .forget = fake_forget,
        .watch = fake_watch,
        .version = fake_version,
        .keeps = fake_keeps,
        .free = fake_free,
};

void fake_authority_init(FakeAuthority *fake, sd_event *event) {
        int r;

        *fake = (FakeAuthority){
                .authority.operations = &fake_operations,
                .event = sd_event_ref(event),
                .answer = {.decision = DECISION_AUTHORIZED},
                .actions_known = true,
                .own_actions = true,
                .owned = true,
        };
        r = sd_event_add_defer(event, &fake->defer, on_defer, fake);
        assert(r >= 0);
        r = sd_event_source_set_enabled(fake->defer, SD_EVENT_OFF);
        assert(r >= 0);
}

void fake_authority_deinit(FakeAuthority *fake) {
        assert(fake->n_checks == 0);
        sd_event_source_disable_unref(fake->defer);
        sd_event_unref(fake->event);
}
