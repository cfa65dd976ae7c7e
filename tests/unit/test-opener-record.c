/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-record.h"

/* A journal of our own. */
typedef struct Fixture {
        char path[64];
        int journal;
        OpenerRecord record;
} Fixture;

static void begin_journal(Fixture *f) {
        struct sockaddr_un address;
        int n = socket_address(f->path, &address);

        f->journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(f->journal >= 0 && n > 0);
        assert_int_equal(bind(f->journal, (struct sockaddr *)&address, (socklen_t)n), 0);
}

static void end_journal(Fixture *f) {
        f->journal = close_fd(f->journal);
        assert_int_equal(unlink(f->path), 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "/tmp/test-opener-record-%d", (int)getpid());
        begin_journal(f);
        f->record = (OpenerRecord)OPENER_RECORD_NULL;
        f->record.endpoint = "test";
        f->record.path = f->path;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        opener_record_deinit(&f->record);
        end_journal(f);
        free(f);
        return 0;
}

/* Entries of others, as many as there is room for. */
static void fill(const Fixture *f) {
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(journal_open(f->path, &fd), 0);
        while (journal_send(fd, "X=1\n", 4) == 0)
                ;
}

static void record_one(Fixture *f, OpenerStatus status) {
        OpenerRequest request = {.id = 1, .access = ACCESS_FULL, .instance = "a"};
        OpenerReply reply = {.status = status, .error = status == OPENER_OK ? 0 : ENOENT};

        opener_record_send(&f->record, &request, 1000, &reply);
}

/* The next entry that is the opener's; "" if there is none. */
static const char *read_entry(const Fixture *f, char buf[JOURNAL_ENTRY_SIZE]) {
        ssize_t n;

        do {
                n = recv(f->journal, buf, JOURNAL_ENTRY_SIZE - 1, MSG_DONTWAIT);
                buf[n > 0 ? n : 0] = 0;
        } while (n > 0 && streq(buf, "X=1\n"));
        return buf;
}

static double now(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void test_entry(void **state) {
        char buf[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;

        record_one(f, OPENER_OK);
        assert_non_null(
                strstr(read_entry(f, buf), "MESSAGE=Opened test@a at full for uid 1000.\n"));
        assert_non_null(strstr(buf, "\nMESSAGE_ID=" OPENER_RECORD_ID "\n"));
        assert_non_null(strstr(buf, "\nDOORWARD_OPENER_UID=1000\n"));
        assert_non_null(strstr(buf, "\nDOORWARD_OPENER_STATUS=ok\n"));
        assert_null(strstr(buf, "ERRNO="));

        record_one(f, OPENER_PATH);
        assert_non_null(strstr(read_entry(f, buf), "MESSAGE=Did not open test@a at full"));
        assert_non_null(strstr(buf, "\nERRNO=2\n"));
        assert_int_equal(f->record.lost, 0);
}

/* Somebody keeps the queue full, and the journal takes a while to read it. */
static void test_full_queue(void **state) {
        const struct timespec moment = {.tv_nsec = 300 * 1000000};
        char buf[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;
        pid_t pid;

        fill(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)nanosleep(&moment, NULL);
                for (int i = 0; i < 3; i++)
                        (void)recv(f->journal, buf, sizeof(buf), 0);
                _exit(0);
        }

        record_one(f, OPENER_OK);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(f->record.lost, 0);
        assert_non_null(strstr(read_entry(f, buf), "DOORWARD_OPENER_STATUS=ok"));
}

/* It stands still: a second and no more, and what was lost is counted. */
static void test_stopped(void **state) {
        char buf[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;
        double began = now();

        fill(f);
        record_one(f, OPENER_OK);
        assert_true(now() - began > 0.9);
        assert_true(now() - began < 5);
        assert_int_equal(f->record.lost, 1);

        assert_string_equal(read_entry(f, buf), "");
        record_one(f, OPENER_OK);
        assert_non_null(strstr(read_entry(f, buf), "\nDOORWARD_OPENER_LOST=1\n"));
        assert_int_equal(f->record.lost, 0);
}

static void test_restarted(void **state) {
        char buf[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;

        record_one(f, OPENER_OK);
        end_journal(f);
        record_one(f, OPENER_OK);
        assert_int_equal(f->record.lost, 1);

        begin_journal(f);
        record_one(f, OPENER_OK);
        assert_non_null(strstr(read_entry(f, buf), "\nDOORWARD_OPENER_LOST=1\n"));

        /* Anew between two entries, when nobody noticed. */
        end_journal(f);
        begin_journal(f);
        record_one(f, OPENER_OK);
        assert_non_null(strstr(read_entry(f, buf), "DOORWARD_OPENER_STATUS=ok"));
        assert_int_equal(f->record.lost, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_entry, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restarted, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
