/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/wire-fixture.h"

#define ERROR(name, parameters) \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{" parameters "}}"

/* Descriptors. */

typedef struct Descriptors {
        const char *json;
        size_t n;
        const char *message; /* NULL: it is as it should be */
        MethodId method;
} Descriptors;

#define NO_FIT "do not fit"
#define UNWANTED "nobody wanted"

static const Descriptors descriptor_cases[] = {
        {"{}", 0, NULL, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0}}", 1, NULL, METHOD_OPEN},
        {"{\"parameters\":{\"conversation\":0}}", 1, NULL, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0,\"conversation\":1}}", 2, NULL, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":1,\"conversation\":0}}", 2, NULL, METHOD_OPEN},
        {"{\"parameters\":{\"conversation\":0}}", 1, NULL, METHOD_AGENT_RESPOND},
        {"{\"parameters\":{\"connection\":null}}", 0, NULL, METHOD_OPEN},

        /* A name without a descriptor. */
        {"{\"parameters\":{\"connection\":0}}", 0, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":1}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":-1}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":-9}}", 0, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":4294967296}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":9223372036854775807}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0,\"conversation\":0}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0,\"conversation\":1}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":\"0\"}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":true}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0.0}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":[0]}}", 1, NO_FIT, METHOD_OPEN},

        /* A descriptor without a name. */
        {"{}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0}}", 2, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":null}}", 1, NO_FIT, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":3}}", 4, NO_FIT, METHOD_OPEN},
        {ERROR("PermissionDenied", ""), 1, NO_FIT, METHOD_OPEN},
        {ERROR("IdentityProofRequired", "\"nonce\":\"n\""), 1, NO_FIT, METHOD_OPEN},

        /* More than anybody would send, and some where none can be meant. */
        {"{\"parameters\":{\"connection\":0}}", 5, UNWANTED, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0}}", 20, UNWANTED, METHOD_OPEN},
        {"{\"parameters\":{\"connection\":0}}", 1, UNWANTED, METHOD_GET_BROKER_INFO},
        {"{}", 1, UNWANTED, METHOD_GET_BROKER_INFO},
        {"{}", 20, UNWANTED, METHOD_GET_BROKER_INFO},
};

static void script_descriptors(FakeBroker *b) {
        const Descriptors *d = b->data;
        int fds[20];

        fake_accept(b);
        fake_expect(b, NULL);
        for (size_t i = 0; i < d->n; i++)
                fds[i] = open_above("/dev/zero");
        if (d->n > 0)
                fake_send_fds(b, d->json, fds, d->n);
        else
                fake_send(b, d->json);
        fake_expect_hang_up(b);
}

static void check_fd(int fd) {
        assert_true(fd > 2);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void test_descriptors(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(descriptor_cases); i++) {
                const Descriptors *d = &descriptor_cases[i];
                size_t n = 0;
                Fixture f;
                int r;

                fixture_start(&f, script_descriptors, d);
                r = d->method == METHOD_OPEN ? fixture_call_open(&f) : fixture_call(&f, d->method);
                if (d->message) {
                        if (r != -EBADMSG || !strstr(f.error.message, d->message))
                                fail_msg("%s with %zu: %d, %s", d->json, d->n, r,
                                         f.error.message ?: "no error");
                        assert_int_equal(f.error.code, DOORWARD_ERR_PROTOCOL);
                        fixture_check_dead(&f);
                } else {
                        assert_int_equal(r, 0);
                        if (f.reply.connection >= 0 && ++n)
                                check_fd(f.reply.connection);
                        if (f.reply.conversation >= 0 && ++n)
                                check_fd(f.reply.conversation);
                        assert_int_equal(n, d->n);
                        f.wire = wire_free(f.wire);
                }
                fixture_stop(&f);
        }
}

static void script_two_grants(FakeBroker *b) {
        int first, second;

        fake_accept(b);
        fake_expect(b, NULL);
        first = open_above("/dev/zero");
        second = open_above("/dev/full");
        fake_send_fds(b, "{\"parameters\":{\"connection\":0},\"continues\":true}", &first, 1);
        fake_send_fds(b, "{\"parameters\":{\"connection\":0},\"continues\":true}", &second, 1);
        fake_send(b, "{\"parameters\":{\"state\":\"ended\"}}");
        fake_expect_hang_up(b);
}

/* Each reply has its own, also when both are there before the first is looked at. */
static void test_descriptors_stay_apart(void **state) {
        struct stat got, expected;
        Fixture f;

        fixture_start(&f, script_two_grants, NULL);
        assert_int_equal(wire_call_more(f.wire, METHOD_OPEN, fixture_open_parameters(),
                                        WIRE_TIMEOUT_MS, &f.error),
                         0);
        (void)usleep(50000);

        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 1);
        assert_int_equal(fstat(f.reply.connection, &got), 0);
        assert_int_equal(stat("/dev/zero", &expected), 0);
        assert_int_equal(got.st_rdev, expected.st_rdev);

        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 1);
        assert_int_equal(fstat(f.reply.connection, &got), 0);
        assert_int_equal(stat("/dev/full", &expected), 0);
        assert_int_equal(got.st_rdev, expected.st_rdev);

        assert_int_equal(fixture_next(&f, WIRE_TIMEOUT_MS), 1);
        assert_int_equal(f.reply.connection, -EBADF);
        assert_false(f.reply.continues);
        f.wire = wire_free(f.wire);
        fixture_stop(&f);
}

/* A program that runs with its standard input closed does not get the broker for one. */
static void test_standard_streams_stay_free(void **state) {
        int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
        Fixture f;

        assert_true(saved >= 0);
        fixture_start_broker(&f, script_descriptors, &descriptor_cases[1]);
        (void)close(STDIN_FILENO);

        assert_int_equal(wire_open(NULL, WIRE_TIMEOUT_MS, &f.wire, &f.error), 0);
        assert_true(wire_get_fd(f.wire) > 2);
        assert_int_equal(fixture_call_open(&f), 0);
        assert_true(f.reply.connection > 2);
        f.wire = wire_free(f.wire);

        assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        fixture_stop(&f);
        close_fd(saved);
}

/* No room for what the broker sends is this process's trouble, not the broker's. */
static void test_no_room_for_descriptor(void **state) {
        struct rlimit before, tight;
        Fixture f;
        int r;

        fixture_start(&f, script_descriptors, &descriptor_cases[1]);
        assert_int_equal(wire_call_more(f.wire, METHOD_OPEN, fixture_open_parameters(),
                                        WIRE_TIMEOUT_MS, &f.error),
                         0);
        fixture_poll(&f);

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        tight = before;
        tight.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        r = fixture_next(&f, WIRE_TIMEOUT_MS);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

        assert_int_equal(r, -EMFILE);
        assert_int_equal(f.error.code, DOORWARD_ERR_SYSTEM);
        assert_int_equal(f.error.errnum, EMFILE);
        fixture_check_dead(&f);
        fixture_stop(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_descriptors_stay_apart),
                cmocka_unit_test(test_standard_streams_stay_free),
                cmocka_unit_test(test_no_room_for_descriptor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
