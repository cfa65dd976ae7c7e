/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A record that writes to a journal of the test's own, which reads when the test does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker/record.h"
#include "common/socket.h"
#include "tests/support/fds.h"

#define QUEUE_MAX 4
#define LONG_TIME (60 * UINT64_C(1000000))

typedef struct Fixture {
        char folder[32];
        char path[48];
        sd_event *event;
        Record *record;
        int journal_fd;
        int n_fds;
} Fixture;

/* What was told to who waits for an entry. */
typedef struct Waiting {
        RecordWaiter *waiter;
        unsigned n_calls;
        int error;
} Waiting;

/* The journal. */

static void journal_start(Fixture *f) {
        struct sockaddr_un address;
        int n = socket_address(f->path, &address);

        f->journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(f->journal_fd >= 0 && n > 0);
        (void)unlink(f->path);
        assert_int_equal(bind(f->journal_fd, (struct sockaddr *)&address, (socklen_t)n), 0);
}

static void journal_stop(Fixture *f) {
        f->journal_fd = close_fd(f->journal_fd);
}

/* Until its queue takes no more. One sender alone does not get that far where
 * net.unix.max_dgram_qlen is large: its own buffer is full before. */
static unsigned journal_fill(const Fixture *f) {
        struct sockaddr_un address;
        int n = socket_address(f->path, &address);
        unsigned sent, all = 0;

        do {
                _cleanup_close_ int fd =
                        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

                assert_true(fd >= 0);
                sent = 0;
                while (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, (socklen_t)n) == 1)
                        sent++;
                assert_int_equal(errno, EAGAIN);
                all += sent;
        } while (sent > 0);

        return all;
}

/* The next entry, or "". */
static const char *journal_read(const Fixture *f) {
        static char entry[JOURNAL_ENTRY_SIZE + 1];
        ssize_t n = recv(f->journal_fd, entry, sizeof(entry) - 1, 0);

        entry[n > 0 ? n : 0] = 0;
        return entry;
}

/* Reads so many of what journal_fill() wrote. */
static void journal_read_filling(const Fixture *f, unsigned n) {
        while (n-- > 0)
                assert_string_equal(journal_read(f), "x");
}

#define assert_entry(f, name) assert_string_equal(journal_read(f), "MESSAGE=" name "\n")
#define assert_no_entry(f) assert_string_equal(journal_read(f), "")

/* The record. */

static void run(Fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static void run_until_told(Fixture *f, const Waiting *waiting) {
        while (waiting->n_calls == 0)
                assert_true(sd_event_run(f->event, LONG_TIME / 12) > 0);
}

/* An entry that says this alone. */
static void put(Fixture *f, const char *name) {
        JournalEntry entry;

        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE", name);
        record_put(f->record, &entry);
}

static void on_recorded(int error, void *userdata) {
        Waiting *waiting = userdata;

        waiting->waiter = NULL;
        waiting->n_calls++;
        waiting->error = error;
}

static int put_and_wait(Fixture *f, const char *name, uint64_t usec, Waiting *waiting) {
        JournalEntry entry;

        *waiting = (Waiting){.error = 77};
        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE", name);
        return record_put_and_wait(f->record, &entry, usec, on_recorded, waiting, &waiting->waiter);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        f->n_fds = fds_count();
        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test-record-XXXXXX");
        if (!mkdtemp(f->folder))
                return -1;
        (void)snprintf(f->path, sizeof(f->path), "%s/journal", f->folder);
        journal_start(f);
        if (sd_event_new(&f->event) < 0)
                return -1;
        *state = f;
        return record_new(f->event, f->path, QUEUE_MAX, &f->record);
}

static int teardown(void **state) {
        Fixture *f = *state;
        int n;

        record_free(f->record);
        sd_event_unref(f->event);
        close_fd(f->journal_fd);
        (void)unlink(f->path);
        (void)rmdir(f->folder);
        n = fds_count() - f->n_fds;
        free(f);
        return n == 0 ? 0 : -1;
}

/* Tests. */

static void test_at_once(void **state) {
        Fixture *f = *state;
        Waiting w;

        put(f, "a");
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w), 1);
        assert_entry(f, "a");
        assert_entry(f, "b");
        run(f);
        assert_null(w.waiter);
        assert_int_equal(w.n_calls, 0);
        assert_no_entry(f);
}

/* What came first is first in the journal, though there was room again when the last came. */
static void test_order(void **state) {
        Fixture *f = *state;
        unsigned filling = journal_fill(f);
        Waiting w;

        put(f, "a");
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w), 0);
        run(f);
        assert_int_equal(w.n_calls, 0);

        journal_read_filling(f, filling);
        put(f, "c");
        assert_no_entry(f);
        assert_int_equal(w.n_calls, 0);

        run(f);
        assert_int_equal(w.n_calls, 1);
        assert_int_equal(w.error, 0);
        assert_entry(f, "a");
        assert_entry(f, "b");
        assert_entry(f, "c");
        put(f, "d");
        assert_entry(f, "d");
        assert_no_entry(f);
}

/* As much goes as there is room for, and the rest later. */
static void test_little_by_little(void **state) {
        Fixture *f = *state;
        unsigned filling = journal_fill(f);

        put(f, "a");
        put(f, "b");
        run(f);
        journal_read_filling(f, 1);
        run(f);
        journal_read_filling(f, filling - 1);
        assert_entry(f, "a");
        assert_no_entry(f);
        run(f);
        assert_entry(f, "b");
        assert_no_entry(f);
}

/* Who waited too long is told so, and what the entry says did not happen: it is never written. */
static void test_timeout(void **state) {
        Fixture *f = *state;
        unsigned filling = journal_fill(f);
        Waiting w, patient;

        put(f, "a");
        assert_int_equal(put_and_wait(f, "b", 20000, &w), 0);
        assert_int_equal(put_and_wait(f, "c", LONG_TIME, &patient), 0);
        put(f, "d");
        run_until_told(f, &w);
        assert_int_equal(w.error, -ETIMEDOUT);

        journal_read_filling(f, filling);
        run(f);
        assert_int_equal(w.n_calls, 1);
        assert_int_equal(patient.n_calls, 1);
        assert_int_equal(patient.error, 0);
        assert_entry(f, "a");
        assert_entry(f, "c");
        assert_entry(f, "d");
        assert_no_entry(f);
}

/* Who does not wait any more hears nothing, and the entry is not written. */
static void test_cancel(void **state) {
        Fixture *f = *state;
        unsigned filling = journal_fill(f);
        Waiting w[3];

        assert_int_equal(put_and_wait(f, "a", LONG_TIME, &w[0]), 0);
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w[1]), 0);
        assert_int_equal(put_and_wait(f, "c", LONG_TIME, &w[2]), 0);
        assert_null(record_waiter_cancel(w[0].waiter));
        assert_null(record_waiter_cancel(w[2].waiter));
        assert_null(record_waiter_cancel(NULL));

        journal_read_filling(f, filling);
        run(f);
        assert_entry(f, "b");
        assert_no_entry(f);
        assert_int_equal(w[0].n_calls, 0);
        assert_int_equal(w[1].n_calls, 1);
        assert_int_equal(w[2].n_calls, 0);

        /* The only one that is queued: there is nothing to wait for then. */
        filling = journal_fill(f);
        assert_int_equal(put_and_wait(f, "d", LONG_TIME, &w[0]), 0);
        assert_null(record_waiter_cancel(w[0].waiter));
        journal_read_filling(f, filling);
        run(f);
        put(f, "e");
        assert_entry(f, "e");
        assert_no_entry(f);
}

static void assert_dropped(Fixture *f, unsigned n) {
        const char *entry = journal_read(f);
        char text[64];

        (void)snprintf(text, sizeof(text), "MESSAGE=%u records of refusals or ends were lost", n);
        assert_non_null(strstr(entry, "MESSAGE_ID=" RECORD_ID_DROPPED "\n"));
        assert_non_null(strstr(entry, "PRIORITY=4\n"));
        if (!strstr(entry, text))
                fail_msg("no \"%s\" in the entry:\n%s", text, entry);
}

/* A full queue loses the oldest that nobody waits for, and the journal is told how many, once. */
static void test_overflow(void **state) {
        Fixture *f = *state;
        unsigned filling = journal_fill(f);
        Waiting w, late;

        put(f, "a");
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w), 0);
        put(f, "c");
        put(f, "d");
        put(f, "e");
        put(f, "f");
        assert_int_equal(put_and_wait(f, "g", LONG_TIME, &late), 0);

        journal_read_filling(f, filling);
        run(f);
        assert_int_equal(w.n_calls, 1);
        assert_int_equal(w.error, 0);
        assert_int_equal(late.n_calls, 1);
        assert_int_equal(late.error, 0);
        assert_entry(f, "b");
        assert_entry(f, "e");
        assert_entry(f, "f");
        assert_entry(f, "g");
        assert_dropped(f, 3);
        assert_no_entry(f);

        filling = journal_fill(f);
        put(f, "h");
        journal_read_filling(f, filling);
        run(f);
        assert_entry(f, "h");
        assert_no_entry(f);
}

/* In a queue of entries that somebody waits for nothing gives way: what is new is lost. */
static void test_all_wait(void **state) {
        Fixture *f = *state;
        unsigned filling = journal_fill(f);
        Waiting w[QUEUE_MAX], over;

        for (size_t i = 0; i < ELEMENTSOF(w); i++)
                assert_int_equal(put_and_wait(f, "wait", LONG_TIME, &w[i]), 0);
        put(f, "new");

        journal_read_filling(f, filling);
        run(f);
        for (size_t i = 0; i < ELEMENTSOF(w); i++) {
                assert_int_equal(w[i].n_calls, 1);
                assert_int_equal(w[i].error, 0);
                assert_entry(f, "wait");
        }
        assert_dropped(f, 1);
        assert_no_entry(f);

        /* Nor does somebody who would wait get a place. */
        filling = journal_fill(f);
        for (size_t i = 0; i < ELEMENTSOF(w); i++)
                assert_int_equal(put_and_wait(f, "wait", LONG_TIME, &w[i]), 0);
        assert_int_equal(put_and_wait(f, "new", LONG_TIME, &over), -ENOBUFS);
        assert_null(over.waiter);
        journal_read_filling(f, filling);
        run(f);
        for (size_t i = 0; i < ELEMENTSOF(w); i++)
                assert_entry(f, "wait");
        assert_int_equal(over.n_calls, 0);
}

/* An entry that is too long is lost, by itself. */
static void test_too_long(void **state) {
        char text[JOURNAL_ENTRY_SIZE];
        Fixture *f = *state;
        Waiting w;

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        assert_int_equal(put_and_wait(f, text, LONG_TIME, &w), -EMSGSIZE);
        assert_no_entry(f);
        put(f, text);
        put(f, "a");
        run(f);
        assert_entry(f, "a");
}

/* There is no journal when the broker starts. */
static void test_absent(void **state) {
        Fixture *f = *state;
        Waiting w, impatient;

        f->record = record_free(f->record);
        journal_stop(f);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(record_new(f->event, f->path, QUEUE_MAX, &f->record), 0);

        put(f, "a");
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w), 0);
        assert_int_equal(put_and_wait(f, "c", 20000, &impatient), 0);
        run_until_told(f, &impatient);
        assert_int_equal(impatient.error, -ETIMEDOUT);
        assert_int_equal(w.n_calls, 0);

        journal_start(f);
        run_until_told(f, &w);
        assert_int_equal(w.error, 0);
        assert_entry(f, "a");
        assert_entry(f, "b");
        assert_no_entry(f);
}

/* It goes away, with and without a queue, and comes back. */
static void test_away_and_back(void **state) {
        Fixture *f = *state;
        Waiting w;

        put(f, "a");
        assert_entry(f, "a");
        journal_stop(f);
        put(f, "b");
        assert_int_equal(put_and_wait(f, "c", LONG_TIME, &w), 0);
        run(f);
        assert_int_equal(w.n_calls, 0);
        journal_start(f);
        run_until_told(f, &w);
        assert_entry(f, "b");
        assert_entry(f, "c");

        /* What its queue had is lost, as is what journald had read and not written. */
        (void)journal_fill(f);
        assert_int_equal(put_and_wait(f, "d", LONG_TIME, &w), 0);
        run(f);
        journal_stop(f);
        run(f);
        assert_int_equal(w.n_calls, 0);
        journal_start(f);
        run_until_told(f, &w);
        assert_int_equal(w.error, 0);
        assert_entry(f, "d");
        assert_no_entry(f);
}

/* It was restarted between two entries: the second is for the new one, at once. */
static void test_restarted(void **state) {
        Fixture *f = *state;
        Waiting w;

        put(f, "a");
        assert_entry(f, "a");
        journal_stop(f);
        journal_start(f);
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w), 1);
        assert_entry(f, "b");
        put(f, "c");
        assert_entry(f, "c");
        assert_no_entry(f);
}

/* Nobody is called by a record that ends. */
static void test_end(void **state) {
        Fixture *f = *state;
        Waiting w;

        (void)journal_fill(f);
        put(f, "a");
        assert_int_equal(put_and_wait(f, "b", LONG_TIME, &w), 0);
        f->record = record_free(f->record);
        run(f);
        assert_int_equal(w.n_calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* None are wanted; then they are; and while a record waits none overtakes it. */
static void test_trace(void **state) {
        Fixture *f = *state;
        const char *entry;
        unsigned n;

        record_trace(f->record, "17", "nobody %s", "reads this");
        assert_no_entry(f);

        record_set_trace(f->record, true);
        assert_true(record_has_trace(f->record));
        record_trace(f->record, "17", "step\n%d", 1);
        entry = journal_read(f);
        assert_non_null(strstr(entry, "PRIORITY=7\n"));
        assert_non_null(strstr(entry, "MESSAGE=step 1\n"));
        assert_non_null(strstr(entry, "DOORWARD_REQUEST=17\n"));
        assert_null(strstr(entry, "MESSAGE_ID="));

        n = journal_fill(f);
        put(f, "a");
        journal_read_filling(f, n);
        record_trace(f->record, "17", "step %d", 2);
        run(f);
        assert_entry(f, "a");
        assert_no_entry(f);

        /* A full journal is not waited for, nor is the line kept. */
        n = journal_fill(f);
        record_trace(f->record, "17", "step %d", 3);
        assert_false(record_is_pending(f->record));
        journal_read_filling(f, n);
        run(f);
        assert_no_entry(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_at_once),       TEST(test_order),     TEST(test_little_by_little),
                TEST(test_timeout),       TEST(test_cancel),    TEST(test_overflow),
                TEST(test_all_wait),      TEST(test_too_long),  TEST(test_absent),
                TEST(test_away_and_back), TEST(test_restarted), TEST(test_end),
                TEST(test_trace),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
