/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/check-queue.h"
#include "tests/support/fake-authority.h"

#define MINUTE (60 * UINT64_C(1000000))

typedef struct Fixture {
        sd_event *event;
        FakeAuthority fake;
        CheckQueue *queue;
} Fixture;

typedef struct Asked {
        unsigned answers;
        AuthorityAnswer last;
} Asked;

static const CheckLimits limits = {.in_flight = 8, .per_uid = 3, .interactive = 2};

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f || sd_event_new(&f->event) < 0)
                return -1;
        fake_authority_init(&f->fake, f->event);
        *state = f;
        return check_queue_new(f->event, &f->fake.authority, &limits, &f->queue);
}

static int teardown(void **state) {
        Fixture *f = *state;

        check_queue_free(f->queue);
        fake_authority_deinit(&f->fake);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static void run(Fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static void on_answer(const AuthorityAnswer *answer, void *userdata) {
        Asked *asked = userdata;

        asked->answers++;
        asked->last = *answer;
}

static CheckRequest *submit(Fixture *f, uid_t uid, bool interactive, uint64_t usec, Asked *asked) {
        CheckRequest *request = NULL;
        AuthorityQuestion question = {
                .uid = uid,
                .peer_uid = uid,
                .pid = 4242,
                .start_time = 1,
                .action = "org.doorward.full",
                .details = {{"endpoint", "docker"}},
                .interactive = interactive,
        };

        assert_int_equal(check_queue_submit(f->queue, &question, usec, on_answer, asked, &request),
                         0);
        return request;
}

static void answer_all(Fixture *f, Decision decision) {
        AuthorityAnswer answer = {.decision = decision};

        do {
                while (f->fake.n_checks > 0)
                        fake_authority_answer(&f->fake, 0, &answer);
                run(f);
        } while (f->fake.n_checks > 0);
}

static void test_answers_come_back(void **state) {
        Fixture *f = *state;
        Asked asked = {};

        submit(f, 1000, false, MINUTE, &asked);
        assert_int_equal(f->fake.n_checks, 1);
        run(f);
        assert_string_equal(f->fake.checks[0]->action, "org.doorward.full");
        assert_string_equal(f->fake.checks[0]->details, "endpoint=docker ");

        answer_all(f, DECISION_CHALLENGE);
        assert_int_equal(asked.answers, 1);
        assert_int_equal(asked.last.decision, DECISION_CHALLENGE);
}

static void test_alone_one_uid_has_half_the_places(void **state) {
        Asked asked[20] = {};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                submit(f, 1000, false, MINUTE, &asked[i]);
        run(f);
        assert_int_equal(f->fake.n_checks, 4);
        answer_all(f, DECISION_AUTHORIZED);
        assert_int_equal(f->fake.n_in_flight_max, 4);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                assert_int_equal(asked[i].answers, 1);
}

static void test_one_uid_leaves_places(void **state) {
        AuthorityAnswer yes = {.decision = DECISION_AUTHORIZED};
        Asked flood[64] = {}, honest = {};
        Fixture *f = *state;
        unsigned served = 0;

        for (size_t i = 0; i < ELEMENTSOF(flood); i++)
                submit(f, 1000, false, MINUTE, &flood[i]);
        run(f);
        assert_int_equal(f->fake.n_checks, 4);

        /* Four are under way; the other finds a place, and is next. */
        submit(f, 2000, false, MINUTE, &honest);
        assert_int_equal(f->fake.n_checks, 5);
        while (honest.answers == 0) {
                fake_authority_answer(&f->fake, 0, &yes);
                run(f);
                served++;
        }
        assert_int_equal(served, 5);
        answer_all(f, DECISION_AUTHORIZED);
}

static void test_lanes_take_turns(void **state) {
        AuthorityAnswer yes = {.decision = DECISION_AUTHORIZED};
        Asked asked[3][10] = {};
        Fixture *f = *state;

        for (size_t i = 0; i < 10; i++)
                for (uid_t uid = 0; uid < 3; uid++)
                        submit(f, 1000 + uid, false, MINUTE, &asked[uid][i]);
        run(f);

        /* Three each of two, and two of the third. */
        assert_int_equal(f->fake.n_checks, 8);
        for (unsigned served = 0; served < 15; served++) {
                unsigned in_flight[3] = {};

                for (size_t i = 0; i < f->fake.n_checks; i++)
                        in_flight[f->fake.checks[i]->uid - 1000]++;
                for (uid_t uid = 0; uid < 3; uid++)
                        assert_in_range(in_flight[uid], 2, 3);
                fake_authority_answer(&f->fake, 0, &yes);
                run(f);
        }
        answer_all(f, DECISION_AUTHORIZED);
}

static void test_time_runs_in_the_queue_too(void **state) {
        Asked hung[8] = {}, behind = {};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(hung); i++)
                submit(f, 1000 + (uid_t)(i / 4), false, MINUTE, &hung[i]);
        submit(f, 2000, false, 1000, &behind);
        for (unsigned i = 0; i < 100 && behind.answers == 0; i++)
                (void)sd_event_run(f->event, 10000);

        assert_int_equal(behind.answers, 1);
        assert_int_equal(behind.last.failure, AUTHORITY_TIMED_OUT);
        assert_int_equal(behind.last.decision, DECISION_DENIED);
        assert_int_equal(f->fake.n_asked, 8);
        answer_all(f, DECISION_AUTHORIZED);
}

static void test_time_out_withdraws(void **state) {
        Asked asked = {};
        Fixture *f = *state;

        submit(f, 1000, false, 1000, &asked);
        for (unsigned i = 0; i < 100 && asked.answers == 0; i++)
                (void)sd_event_run(f->event, 10000);

        assert_int_equal(asked.last.failure, AUTHORITY_TIMED_OUT);
        assert_int_equal(f->fake.n_cancelled, 1);
        assert_int_equal(f->fake.n_checks, 0);
}

static void test_cancel(void **state) {
        CheckRequest *requests[8];
        Asked asked[8] = {};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                requests[i] = submit(f, 1000, false, MINUTE, &asked[i]);
        run(f);

        assert_null(check_request_cancel(requests[7])); /* the last that waits */
        check_request_cancel(requests[4]);              /* the first that waits */
        check_request_cancel(requests[0]);              /* one in flight: its place is free */
        run(f);
        assert_int_equal(f->fake.n_cancelled, 1);
        assert_int_equal(f->fake.n_checks, 4);
        answer_all(f, DECISION_AUTHORIZED);

        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                assert_int_equal(asked[i].answers, i != 0 && i != 4 && i != 7);
        assert_null(check_request_cancel(NULL));
}

static void test_prompts_take_no_place(void **state) {
        Asked prompts[2] = {}, third = {}, plain[4] = {};
        AuthorityQuestion question = {
                .uid = 1, .peer_uid = 1, .pid = 2, .action = "a", .interactive = true};
        CheckRequest *request;
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(prompts); i++)
                submit(f, 1000, true, MINUTE, &prompts[i]);
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                submit(f, 1000, false, MINUTE, &plain[i]);
        run(f);
        assert_int_equal(f->fake.n_checks, 6);
        assert_int_equal(
                check_queue_submit(f->queue, &question, MINUTE, on_answer, &third, &request),
                -EBUSY);
        answer_all(f, DECISION_AUTHORIZED);
        assert_int_equal(third.answers, 0);
}

static void test_an_authority_that_cannot_be_asked(void **state) {
        Asked asked[2] = {};
        Fixture *f = *state;

        f->fake.ask_error = -ENOMEM;
        submit(f, 1000, false, MINUTE, &asked[0]);
        submit(f, 1000, true, MINUTE, &asked[1]);
        for (unsigned i = 0; i < 10; i++)
                (void)sd_event_run(f->event, 1000);

        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                assert_int_equal(asked[i].answers, 1);
                assert_int_equal(asked[i].last.failure, AUTHORITY_UNAVAILABLE);
                assert_int_equal(asked[i].last.decision, DECISION_DENIED);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_answers_come_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_alone_one_uid_has_half_the_places, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_one_uid_leaves_places, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lanes_take_turns, setup, teardown),
                cmocka_unit_test_setup_teardown(test_time_runs_in_the_queue_too, setup, teardown),
                cmocka_unit_test_setup_teardown(test_time_out_withdraws, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
                cmocka_unit_test_setup_teardown(test_prompts_take_no_place, setup, teardown),
                cmocka_unit_test_setup_teardown(test_an_authority_that_cannot_be_asked, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
