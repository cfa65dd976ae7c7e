/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cli/event.h"
#include "common/terms.h"

static json_t *event_new(void) {
        return json_pack("{s:I, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s}", "time",
                         (json_int_t)1590942493500000, "event", "granted", "endpoint", "docker",
                         "access", "full", "uid", 0, "pid", 4711, "outcome", "implicit", "lease",
                         "0b1f5c7d9e2a4f3886d1c4a7b9e0f213", "request", "5f0c31b2a7d94e66");
}

static void test_read(void **state) {
        json_t *object = event_new();
        Event event;

        assert_int_equal(event_read(object, &event), 0);
        assert_int_equal(event.time, 1590942493500000);
        assert_string_equal(event.event, "granted");
        assert_string_equal(event.endpoint, "docker");
        assert_int_equal(event.access, ACCESS_FULL);
        assert_int_equal(event.uid, 0);
        assert_int_equal(event.pid, 4711);
        assert_string_equal(event.outcome, "implicit");
        assert_string_equal(event.lease, "0b1f5c7d9e2a4f3886d1c4a7b9e0f213");
        assert_string_equal(event.request, "5f0c31b2a7d94e66");

        assert_int_equal(json_object_set_new(object, "lease", json_null()), 0);
        assert_int_equal(event_read(object, &event), 0);
        assert_null(event.lease);
        json_decref(object);
}

static void test_unreadable(void **state) {
        static const char *const needed[] = {
                "time", "event", "endpoint", "uid", "pid", "outcome", "request",
        };

        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                json_t *object = event_new();
                Event event;

                assert_int_equal(json_object_del(object, needed[i]), 0);
                assert_int_equal(event_read(object, &event), -EBADMSG);
                json_decref(object);
        }
}

static void assert_printed(const Event *event, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        if (event)
                event_print(event, f);
        else
                event_print_headings(f);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, expected);
}

static void test_line(void **state) {
        Event event = {
                .time = 1590942493500000,
                .event = "granted",
                .endpoint = "docker",
                .access = ACCESS_FULL,
                .uid = 0,
                .pid = 4711,
                .outcome = "implicit",
                .lease = "0b1f5c7d9e2a4f3886d1c4a7b9e0f213",
        };

        assert_printed(NULL, "TIME                EVENT   USER         PID     ENDPOINT         "
                             "ACCESS    OUTCOME          LEASE\n");
        assert_printed(&event, "2020-05-31 16:28:13 granted root         4711    docker           "
                               "full      implicit         0b1f5c7d9e2a4f3886d1c4a7b9e0f213\n");

        /* What is longer than its column is whole, and ends before the next. */
        event.event = "refused";
        event.endpoint = "serial@a-line-of-a-long-name";
        event.access = ACCESS_READ_ONLY;
        event.uid = 4123456789;
        event.outcome = "InteractiveAuthenticationRequired";
        event.lease = NULL;
        assert_printed(&event,
                       "2020-05-31 16:28:13 refused 4123456789   4711    "
                       "serial@a-line-of-a-long-name read-only InteractiveAuthenticationRequired "
                       "-\n");

        /* A terminal obeys none of it. */
        event.endpoint = "";
        event.outcome = "a\n\033[2J";
        event.lease = "\033c";
        assert_printed(&event, "2020-05-31 16:28:13 refused 4123456789   4711    -                "
                               "read-only a ?[2J           ?c\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_unreadable),
                cmocka_unit_test(test_line),
        };

        if (setenv("TZ", "UTC0", 1) < 0)
                return 1;
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
