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
        uint64_t now;
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

static void record_other(Fixture *f, uid_t uid, Access access, const char *instance,
                         OpenerStatus status) {
        OpenerRequest request = {.id = 1, .access = access};
        OpenerReply reply = {.status = status, .error = status == OPENER_OK ? 0 : ENOENT};

        (void)snprintf(request.instance, sizeof(request.instance), "%s", instance);
        (void)snprintf(reply.detail, sizeof(reply.detail), "%s",
                       status == OPENER_OK ? "" : "/dev/a does not exist");
        opener_record_put(&f->record, &request, uid, &reply, f->now);
}

/* At this moment. */
static void record_now(Fixture *f, OpenerStatus status) {
        record_other(f, 1000, ACCESS_FULL, "a", status);
}

/* When nothing of before counts any more. */
static void record_one(Fixture *f, OpenerStatus status) {
        f->now += 2 * OPENER_RECORD_USEC;
        record_now(f, status);
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

/* The next entry says this, and of how many it is (0: it does not say). */
static void assert_entry(const Fixture *f, const char *message, unsigned count) {
        char buf[JOURNAL_ENTRY_SIZE], text[256];

        (void)snprintf(text, sizeof(text), "MESSAGE=%s\n", message);
        assert_non_null(strstr(read_entry(f, buf), text));
        (void)snprintf(text, sizeof(text), "\nDOORWARD_COUNT=%u\n", count);
        if (count > 0)
                assert_non_null(strstr(buf, text));
        else
                assert_null(strstr(buf, "DOORWARD_COUNT="));
}

static void assert_no_entry(const Fixture *f) {
        char buf[JOURNAL_ENTRY_SIZE];

        assert_string_equal(read_entry(f, buf), "");
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

#define OPENED "Opened test@a at full for uid 1000"
#define REFUSED "Did not open test@a at full for uid 1000"
#define WHY "/dev/a does not exist (path)"

/* The first is written at once, the others when the second is over. */
static void test_count(void **state) {
        char buf[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;

        record_one(f, OPENER_OK);
        assert_entry(f, OPENED ".", 0);
        assert_true(opener_record_get_deadline(&f->record) == UINT64_MAX);
        for (unsigned i = 0; i < 811; i++) {
                f->now += OPENER_RECORD_USEC / 1000;
                record_now(f, OPENER_OK);
        }
        assert_no_entry(f);
        assert_int_equal(opener_record_get_deadline(&f->record),
                         f->now + OPENER_RECORD_USEC / 1000 * (1000 - 811));

        opener_record_flush(&f->record, opener_record_get_deadline(&f->record) - 1);
        assert_no_entry(f);
        opener_record_flush(&f->record, opener_record_get_deadline(&f->record));
        assert_non_null(strstr(read_entry(f, buf), "MESSAGE=" OPENED ", 811 times.\n"));
        assert_non_null(strstr(buf, "\nDOORWARD_COUNT=811\n"));
        assert_non_null(strstr(buf, "\nDOORWARD_OPENER_UID=1000\n"));
        assert_non_null(strstr(buf, "\nDOORWARD_OPENER_STATUS=ok\n"));
        assert_true(opener_record_get_deadline(&f->record) == UINT64_MAX);
        assert_no_entry(f);

        /* Then it begins anew; and what was not written in time comes before what is. */
        f->now += OPENER_RECORD_USEC;
        record_now(f, OPENER_OK);
        record_now(f, OPENER_OK);
        assert_entry(f, OPENED ".", 0);
        record_one(f, OPENER_OK);
        assert_entry(f, OPENED ".", 0);
        assert_entry(f, OPENED ".", 0);
        assert_no_entry(f);
}

/* What was counted is written before a refusal of the same, and the other way round. */
static void test_order(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 3; i++)
                record_now(f, OPENER_OK);
        assert_entry(f, OPENED ".", 0);
        record_now(f, OPENER_PATH);
        assert_entry(f, OPENED ", 2 times.", 2);
        assert_entry(f, REFUSED ": " WHY, 0);

        /* Whoever takes turns has no more entries by that. */
        for (unsigned i = 0; i < 100; i++) {
                record_now(f, OPENER_OK);
                record_now(f, OPENER_PATH);
        }
        assert_no_entry(f);
        f->now += OPENER_RECORD_USEC;
        record_now(f, OPENER_TIMEOUT);
        assert_entry(f, OPENED ", 100 times.", 100);
        assert_entry(f, REFUSED ", 100 times: " WHY, 100);
        assert_entry(f, REFUSED ": /dev/a does not exist (timeout)", 0);
        assert_no_entry(f);
}

/* A refusal for another reason is another one. */
static void test_reasons(void **state) {
        OpenerRequest request = {.access = ACCESS_FULL, .instance = "a"};
        OpenerReply reply = {.status = OPENER_TYPE, .detail = "one"};
        Fixture *f = *state;

        opener_record_put(&f->record, &request, 1000, &reply, f->now);
        assert_entry(f, REFUSED ": one (type)", 0);
        opener_record_put(&f->record, &request, 1000, &reply, f->now);
        (void)snprintf(reply.detail, sizeof(reply.detail), "two");
        opener_record_put(&f->record, &request, 1000, &reply, f->now);
        assert_entry(f, REFUSED ": one (type)", 0);
        assert_entry(f, REFUSED ": two (type)", 0);
        reply.error = EACCES;
        opener_record_put(&f->record, &request, 1000, &reply, f->now);
        assert_entry(f, REFUSED ": two (type)", 0);
        assert_no_entry(f);
}

static void test_never_mixed(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 3; i++) {
                record_other(f, 1000, ACCESS_FULL, "a", OPENER_OK);
                record_other(f, 1001, ACCESS_FULL, "a", OPENER_OK);
                record_other(f, PEER_UID_INVALID, ACCESS_FULL, "a", OPENER_REFUSED_CLIENT);
                record_other(f, 1000, ACCESS_READ_ONLY, "a", OPENER_OK);
                record_other(f, 1000, ACCESS_FULL, "b", OPENER_OK);
                record_other(f, 1000, ACCESS_FULL, "", OPENER_OK);
        }

        for (unsigned i = 0; i < 2; i++) {
                const char *times = i > 0 ? ", 2 times" : "";
                unsigned count = i > 0 ? 2 : 0;
                char text[128];

#define ASSERT_NEXT(...)                                         \
        do {                                                     \
                (void)snprintf(text, sizeof(text), __VA_ARGS__); \
                assert_entry(f, text, count);                    \
        } while (false)
                ASSERT_NEXT("Opened test@a at full for uid 1000%s.", times);
                ASSERT_NEXT("Opened test@a at full for uid 1001%s.", times);
                ASSERT_NEXT("Did not open test@a at full for nobody%s: /dev/a does not exist "
                            "(refused-client)",
                            times);
                ASSERT_NEXT("Opened test@a at read-only for uid 1000%s.", times);
                ASSERT_NEXT("Opened test@b at full for uid 1000%s.", times);
                ASSERT_NEXT("Opened test at full for uid 1000%s.", times);
                assert_no_entry(f);
                opener_record_flush(&f->record, UINT64_MAX);
        }
        assert_no_entry(f);
}

/* When the table is full the oldest makes room, and is not lost. */
static void test_full_table(void **state) {
        char text[128];
        Fixture *f = *state;

        for (uid_t uid = 0; uid < OPENER_RECORD_KINDS_MAX; uid++) {
                record_other(f, uid, ACCESS_FULL, "a", OPENER_OK);
                record_other(f, uid, ACCESS_FULL, "a", OPENER_OK);
                record_other(f, uid, ACCESS_FULL, "a", OPENER_OK);
                (void)snprintf(text, sizeof(text), "Opened test@a at full for uid %u.",
                               (unsigned)uid);
                assert_entry(f, text, 0);
        }
        assert_no_entry(f);
        for (uid_t uid = 100; uid < 102; uid++) {
                record_other(f, uid, ACCESS_FULL, "a", OPENER_OK);
                (void)snprintf(text, sizeof(text), "Opened test@a at full for uid %u, 2 times.",
                               (unsigned)uid - 100);
                assert_entry(f, text, 2);
                (void)snprintf(text, sizeof(text), "Opened test@a at full for uid %u.",
                               (unsigned)uid);
                assert_entry(f, text, 0);
        }
        assert_int_equal(f->record.n_kinds, OPENER_RECORD_KINDS_MAX);
        assert_no_entry(f);

        /* The others have lost nothing by that. */
        for (uid_t uid = 2; uid < OPENER_RECORD_KINDS_MAX; uid++)
                f->record.kinds[uid - 2].end_at = uid;
        for (uid_t uid = 2; uid < OPENER_RECORD_KINDS_MAX; uid++) {
                assert_int_equal(f->record.kinds[0].uid, uid);
                opener_record_flush(&f->record, uid);
                (void)snprintf(text, sizeof(text), "Opened test@a at full for uid %u, 2 times.",
                               (unsigned)uid);
                assert_entry(f, text, 2);
        }
        opener_record_flush(&f->record, UINT64_MAX);
        assert_int_equal(f->record.n_kinds, 0);
        assert_no_entry(f);
}

/* Ever other instances do not fill the journal either. */
static void test_many_instances(void **state) {
        char text[128], instance[8];
        Fixture *f = *state;

        for (unsigned i = 0; i < 1000; i++) {
                (void)snprintf(instance, sizeof(instance), "%u", i);
                record_other(f, 1000, ACCESS_FULL, instance, OPENER_OK);
                if (i <= OPENER_RECORD_KINDS_PER_UID_MAX) {
                        (void)snprintf(text, sizeof(text), "Opened test@%u at full for uid 1000.",
                                       i);
                        assert_entry(f, text, 0);
                }
        }
        assert_no_entry(f);

        /* Those that were there are still told from others, and nobody else is concerned. */
        record_other(f, 1000, ACCESS_FULL, "0", OPENER_OK);
        record_other(f, 1001, ACCESS_FULL, "1", OPENER_OK);
        assert_entry(f, "Opened test@1 at full for uid 1001.", 0);
        record_other(f, 1000, ACCESS_FULL, "1000", OPENER_PATH);
        assert_entry(f, "Opened test@0 at full for uid 1000.", 0);
        assert_entry(f, "Opened test@* at full for uid 1000, 983 times.", 983);
        assert_entry(f, "Did not open test@1000 at full for uid 1000: " WHY, 0);

        /* A single one is no collection. */
        record_other(f, 1000, ACCESS_FULL, "1001", OPENER_OK);
        opener_record_flush(&f->record, UINT64_MAX);
        assert_entry(f, "Opened test@1001 at full for uid 1000.", 0);
        assert_no_entry(f);
}

/* A journal that stands still is not waited for once for each. */
static void test_stopped_at_the_end(void **state) {
        char buf[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;
        double began;

        for (uid_t uid = 0; uid < 8; uid++)
                for (unsigned i = 0; i < 4; i++) {
                        record_other(f, uid, ACCESS_FULL, "a", OPENER_OK);
                        if (i == 0)
                                (void)read_entry(f, buf);
                }
        fill(f);
        began = now();
        opener_record_flush(&f->record, UINT64_MAX);
        assert_true(now() - began > 0.9);
        assert_true(now() - began < 5);
        assert_int_equal(f->record.lost, 24);

        assert_no_entry(f);
        record_one(f, OPENER_OK);
        assert_non_null(strstr(read_entry(f, buf), "\nDOORWARD_OPENER_LOST=24\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_entry, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restarted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_count, setup, teardown),
                cmocka_unit_test_setup_teardown(test_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
                cmocka_unit_test_setup_teardown(test_never_mixed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full_table, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_instances, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stopped_at_the_end, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
