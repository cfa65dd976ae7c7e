/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "tests/support/fds.h"
#include "tests/support/printed.h"

#define CALL(parameters) \
        "{\"method\":\"org.doorward.Broker.Monitor\",\"more\":true,\"parameters\":{" parameters "}}"

#define EVENT(event, outcome, lease)                                                  \
        "{\"time\":1590942493500000,\"event\":\"" event "\",\"endpoint\":\"docker\"," \
        "\"access\":\"full\",\"uid\":0,\"pid\":4711,\"outcome\":\"" outcome "\","     \
        "\"lease\":" lease ",\"request\":\"5f0c31b2a7d94e66\"}"
#define LEASE "\"0b1f5c7d9e2a4f3886d1c4a7b9e0f213\""
#define MORE(event) "{\"continues\":true,\"parameters\":{\"event\":" event ",\"requestId\":\"r\"}}"

#define GRANTED EVENT("granted", "implicit", LEASE)
#define REFUSED EVENT("refused", "PermissionDenied", "null")
#define OVER EVENT("ended", "revoked", LEASE)

typedef struct Stream {
        const char *call;
        const char *replies[8];
        int ignored; /* a signal that is sent once they were, and changes nothing; 0: none */
        int signal;  /* one that ends it; 0: none, the broker hangs up */
        pthread_t reader;
        int close_fd; /* closed once they were sent; 0: none */
} Stream;

static void script(FakeBroker *b) {
        const Stream *stream = b->data;

        fake_accept(b);
        fake_expect(b, stream->call);
        for (size_t i = 0; i < ELEMENTSOF(stream->replies) && stream->replies[i]; i++)
                fake_send(b, stream->replies[i]);

        if (stream->ignored > 0) {
                fake_expect_silence(b, 100);
                (void)pthread_kill(stream->reader, stream->ignored);
        }
        if (stream->signal > 0) {
                fake_expect_silence(b, 100);
                (void)pthread_kill(stream->reader, stream->signal);
                fake_expect_hang_up(b);
        } else if (stream->close_fd > 0) {
                fake_expect_silence(b, 100);
                close_fd(stream->close_fd);
                fake_expect_hang_up(b);
        }
}

static void run(Printed *printed, unsigned given, JsonMode json, const Stream *stream) {
        Options options = {.given = given, .json = json, .fd = -EBADF};
        unsigned n_fds = fds_count();

        printed_run(printed, command_monitor, &options, NULL, script, stream);
        assert_int_equal(fds_count(), n_fds);
}

#define COLUMNS "root         4711    docker           full      "

/* Lines as they come, until ^C, which is no failure. */
static void test_stream(void **state) {
        Stream stream = {
                .call = CALL(""),
                .replies = {MORE(GRANTED), MORE(REFUSED), MORE(OVER)},
                .signal = SIGINT,
                .reader = pthread_self(),
        };
        Printed p;

        run(&p, 0, JSON_OFF, &stream);
        assert_int_equal(p.status, 0);
        assert_string_equal(
                p.out,
                "TIME                EVENT   USER         PID     ENDPOINT         ACCESS    "
                "OUTCOME          LEASE\n"
                "2020-05-31 16:28:13 granted " COLUMNS
                "implicit         0b1f5c7d9e2a4f3886d1c4a7b9e0f213\n"
                "2020-05-31 16:28:13 refused " COLUMNS "PermissionDenied -\n"
                "2020-05-31 16:28:13 ended   " COLUMNS
                "revoked          0b1f5c7d9e2a4f3886d1c4a7b9e0f213\n");
        assert_string_equal(p.err, "");
}

static void test_json(void **state) {
        Stream stream = {
                .call = CALL("\"all\":true"),
                .replies = {MORE(GRANTED), MORE(OVER)},
                .signal = SIGTERM,
                .reader = pthread_self(),
        };
        Printed p;

        run(&p, OPTION_ALL | OPTION_JSON, JSON_SHORT, &stream);
        assert_int_equal(p.status, 0);
        assert_string_equal(p.out, GRANTED "\n" OVER "\n");
}

/* Who started it with a signal ignored wants it to go on. */
static void test_ignored_signal(void **state) {
        Stream stream = {
                .call = CALL(""),
                .replies = {MORE(GRANTED)},
                .ignored = SIGINT,
                .signal = SIGTERM,
                .reader = pthread_self(),
        };
        struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
        Printed p;

        assert_int_equal(sigaction(SIGINT, &ignore, &before), 0);
        run(&p, OPTION_NO_LEGEND, JSON_OFF, &stream);
        assert_int_equal(p.status, 0);
        assert_ptr_equal(strstr(p.out, "2020-05-31"), p.out);
        assert_int_equal(sigaction(SIGINT, &before, NULL), 0);
}

/* The mask is as it was, and no signal is left over to end what comes next. */
static void test_signals_afterwards(void **state) {
        Stream stream = {.call = CALL(""), .signal = SIGINT, .reader = pthread_self()};
        sigset_t mask;
        Printed p;

        run(&p, 0, JSON_OFF, &stream);
        assert_int_equal(p.status, 0);
        assert_string_equal(p.out, "");
        assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
        assert_false(sigismember(&mask, SIGINT));
        assert_false(sigismember(&mask, SIGTERM));
}

static void test_broker_gone(void **state) {
        Stream stream = {.call = CALL(""), .replies = {MORE(GRANTED)}};
        Printed p;

        run(&p, OPTION_NO_LEGEND, JSON_OFF, &stream);
        assert_int_equal(p.status, 86);
        assert_non_null(strstr(p.out, "granted"));
        assert_non_null(strstr(p.err, "doorward: The broker has hung up"));
        assert_non_null(strstr(p.err, "Hint: "));

        /* The last reply that there will be. */
        stream.replies[0] = "{\"parameters\":{\"event\":" GRANTED ",\"requestId\":\"r\"}}";
        run(&p, OPTION_JSON, JSON_SHORT, &stream);
        assert_int_equal(p.status, 86);
        assert_ptr_equal(strstr(p.out, GRANTED "\n{\"error\":{"), p.out);
        assert_string_equal(p.err, "");
}

static void test_refused(void **state) {
        Stream stream = {
                .call = CALL("\"all\":true"),
                .replies = {"{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{"
                            "\"action\":\"org.doorward.manage-leases\",\"hint\":\"Ask nicely.\","
                            "\"requestId\":\"r\"}}"},
        };
        Printed p;

        run(&p, OPTION_ALL, JSON_OFF, &stream);
        assert_int_equal(p.status, 90);
        assert_string_equal(p.out, "");
        assert_non_null(strstr(p.err, "what others have open.\nHint: Ask nicely.\n"));
}

static void test_unreadable(void **state) {
        static const char *const replies[] = {
                MORE("{}"),
                MORE("7"),
                "{\"parameters\":{\"requestId\":\"r\"}}",
                "{\"parameters\":7}",
        };

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                Stream stream = {.call = CALL(""), .replies = {replies[i]}};
                Printed p;

                run(&p, 0, JSON_OFF, &stream);
                assert_int_equal(p.status, 87);
                assert_string_equal(p.out, "");
        }
}

/* Whoever read what it printed has gone: it ends, also if nothing more happens. */
static void test_reader_gone(void **state) {
        int ends[2], saved;
        Stream stream = {.call = CALL("")};
        Options options = {.fd = -EBADF};
        FakeBroker *broker;

        for (int i = 0; i < 2; i++) {
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                stream.replies[0] = i > 0 ? MORE(GRANTED) : NULL;
                if (i > 0)
                        close_fd(ends[0]);
                else
                        stream.close_fd = ends[0];

                (void)fflush(stdout);
                broker = fake_broker_start(script, &stream);
                saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
                assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
                close_fd(ends[1]);
                (void)signal(SIGPIPE, SIG_DFL);
                assert_int_equal(command_monitor(&options, NULL, 0), 0);
                assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
                close_fd(saved);
                assert_int_equal(ferror(stdout), 0);
                fake_broker_stop(broker);
                stream.close_fd = 0;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stream),         cmocka_unit_test(test_json),
                cmocka_unit_test(test_ignored_signal), cmocka_unit_test(test_signals_afterwards),
                cmocka_unit_test(test_broker_gone),    cmocka_unit_test(test_refused),
                cmocka_unit_test(test_unreadable),     cmocka_unit_test(test_reader_gone),
        };

        if (setenv("TZ", "UTC0", 1) < 0)
                return 1;
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
