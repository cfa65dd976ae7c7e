/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/journal.h"
#include "common/socket.h"

static void test_fields(void **state) {
        static const char expected[] = "MESSAGE=hello\nPRIORITY=6\nEMPTY=\nEQUALS=a=b=c\n"
                                       "NONE=0\nALL=18446744073709551615\n";
        JournalEntry entry;

        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE", "hello");
        journal_entry_putf(&entry, "PRIORITY", "%d", 6);
        journal_entry_put(&entry, "EMPTY", "");
        journal_entry_put(&entry, "EQUALS", "a=b=c");
        journal_entry_put_number(&entry, "NONE", 0);
        journal_entry_put_number(&entry, "ALL", UINT64_MAX);
        assert_false(entry.failed);
        assert_int_equal(entry.size, strlen(expected));
        assert_memory_equal(entry.data, expected, entry.size);

        journal_entry_init(&entry);
        assert_int_equal(entry.size, 0);
}

/* A value with a new line cannot make a field of its own. */
static void test_new_lines(void **state) {
        JournalEntry entry;

        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE", "a\nPRIORITY=0");
        assert_false(entry.failed);
        assert_int_equal(entry.size, 7 + 1 + 8 + 12 + 1);
        assert_memory_equal(entry.data, "MESSAGE\n\14\0\0\0\0\0\0\0a\nPRIORITY=0\n", entry.size);

        journal_entry_init(&entry);
        journal_entry_putf(&entry, "X", "%s", "\n");
        assert_int_equal(entry.size, 1 + 1 + 8 + 1 + 1);
        assert_memory_equal(entry.data, "X\n\1\0\0\0\0\0\0\0\n\n", entry.size);
}

/* What was put is found, and nothing that a value says. */
static void test_get(void **state) {
        JournalEntry entry;
        char buf[16];

        journal_entry_init(&entry);
        journal_entry_put(&entry, "A", "first");
        journal_entry_put(&entry, "TEXT", "x\nB=no\n\nC=no\n");
        journal_entry_put(&entry, "EMPTY", "");
        journal_entry_put(&entry, "B", "a=b");
        journal_entry_put(&entry, "A", "second");
        journal_entry_put(&entry, "LONG", "0123456789abcdef");

        assert_int_equal(journal_entry_get(entry.data, entry.size, "A", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "first");
        assert_int_equal(journal_entry_get(entry.data, entry.size, "B", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "a=b");
        assert_int_equal(journal_entry_get(entry.data, entry.size, "EMPTY", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "");
        assert_int_equal(journal_entry_get(entry.data, entry.size, "TEXT", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "x\nB=no\n\nC=no\n");
        assert_int_equal(journal_entry_get(entry.data, entry.size, "C", buf, sizeof(buf)), -ENOENT);
        assert_int_equal(journal_entry_get(entry.data, entry.size, "LONG", buf, sizeof(buf)),
                         -ENOBUFS);
        assert_int_equal(journal_entry_get(entry.data, entry.size, "LON", buf, sizeof(buf)),
                         -ENOENT);

        /* Cut anywhere it is not read beyond. */
        for (size_t i = 0; i < entry.size; i++) {
                _cleanup_free_ char *copy = malloc(i > 0 ? i : 1);

                assert_non_null(copy);
                memcpy(copy, entry.data, i);
                assert_int_equal(journal_entry_get(copy, i, "NONE", buf, sizeof(buf)), -ENOENT);
        }
        assert_int_equal(journal_entry_get("X\n\377\377\377\377\377\377\377\377A=1\n", 14, "A", buf,
                                           sizeof(buf)),
                         -ENOENT);
}

/* What does not fit is refused whole, and stays refused. */
static void test_too_long(void **state) {
        char value[JOURNAL_ENTRY_SIZE + 1];
        JournalEntry entry;

        memset(value, 'x', sizeof(value));

        /* "A=" and a new line beside it. */
        value[JOURNAL_ENTRY_SIZE - 3] = 0;
        journal_entry_init(&entry);
        journal_entry_put(&entry, "A", value);
        assert_false(entry.failed);
        assert_int_equal(entry.size, JOURNAL_ENTRY_SIZE);
        journal_entry_put(&entry, "B", "");
        assert_true(entry.failed);

        value[JOURNAL_ENTRY_SIZE - 3] = 'x';
        value[JOURNAL_ENTRY_SIZE - 2] = 0;
        journal_entry_init(&entry);
        journal_entry_put(&entry, "A", value);
        assert_true(entry.failed);
        journal_entry_put(&entry, "B", "b");
        assert_true(entry.failed);

        /* With a new line in it: two of them, and eight bytes for how long it is. */
        value[0] = '\n';
        value[JOURNAL_ENTRY_SIZE - 2] = 'x';
        for (size_t n = JOURNAL_ENTRY_SIZE - 12; n < JOURNAL_ENTRY_SIZE - 3; n++) {
                char last = value[n];

                value[n] = 0;
                journal_entry_init(&entry);
                journal_entry_put(&entry, "A", value);
                assert_int_equal(entry.failed, n > JOURNAL_ENTRY_SIZE - 11);
                assert_int_equal(entry.size, entry.failed ? 0 : n + 11);
                value[n] = last;
        }
        value[0] = 'x';

        journal_entry_init(&entry);
        assert_false(entry.failed);
        value[1024] = 0;
        journal_entry_putf(&entry, "A", "%s", value);
        assert_true(entry.failed);
        value[1023] = 0;
        journal_entry_init(&entry);
        journal_entry_putf(&entry, "A", "%s", value);
        assert_false(entry.failed);
}

typedef struct Listener {
        char folder[64];
        char path[80];
        int fd;
} Listener;

static Listener listen_here(void) {
        Listener l = {.folder = "/tmp/doorward-test-XXXXXX"};
        struct sockaddr_un address;
        int n;

        assert_non_null(mkdtemp(l.folder));
        (void)snprintf(l.path, sizeof(l.path), "%s/socket", l.folder);
        n = socket_address(l.path, &address);
        l.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(l.fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        return l;
}

static void listener_close(Listener *l) {
        close_fd(l->fd);
        (void)unlink(l->path);
        (void)rmdir(l->folder);
}

static void test_send(void **state) {
        Listener l = listen_here();
        char buf[JOURNAL_ENTRY_SIZE];
        JournalEntry entry;
        int fd = -EBADF;

        assert_int_equal(journal_open(l.path, &fd), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);

        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE", "one");
        assert_int_equal(journal_send(fd, entry.data, entry.size), 0);
        assert_int_equal(recv(l.fd, buf, sizeof(buf), 0), 12);
        assert_memory_equal(buf, "MESSAGE=one\n", 12);
        close_fd(fd);
        listener_close(&l);
}

/* A journal that does not read is not waited for, and takes entries again once it does. */
static void test_full(void **state) {
        Listener l = listen_here();
        int fd = -EBADF, r = 0, n = 0;
        char buf[64];

        assert_int_equal(journal_open(l.path, &fd), 0);
        while (r == 0 && n < 100000) {
                r = journal_send(fd, "A=b\n", 4);
                n += r == 0;
        }
        assert_int_equal(r, -EAGAIN);
        assert_true(n > 0);

        assert_int_equal(recv(l.fd, buf, sizeof(buf), 0), 4);
        assert_int_equal(journal_send(fd, "A=b\n", 4), 0);
        close_fd(fd);
        listener_close(&l);
}

static void test_gone(void **state) {
        Listener l = listen_here();
        int fd = -EBADF, other = 77;

        assert_int_equal(journal_open("/proc/nonexistent/socket", &other), -ENOENT);
        assert_int_equal(journal_open("", &other), -ENAMETOOLONG);
        assert_int_equal(journal_open(l.folder, &other), -ECONNREFUSED);
        assert_int_equal(other, 77);

        assert_int_equal(journal_open(l.path, &fd), 0);
        l.fd = close_fd(l.fd);
        assert_int_equal(journal_send(fd, "A=b\n", 4), -ECONNREFUSED);
        assert_int_equal(journal_open(l.path, &other), -ECONNREFUSED);
        close_fd(fd);
        listener_close(&l);
}

static void test_huge(void **state) {
        Listener l = listen_here();
        size_t n = 16 * 1024 * 1024;
        _cleanup_free_ char *data = calloc(1, n);
        int fd = -EBADF;

        assert_non_null(data);
        assert_int_equal(journal_open(l.path, &fd), 0);
        assert_int_equal(journal_send(fd, data, n), -EMSGSIZE);
        close_fd(fd);
        listener_close(&l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields),   cmocka_unit_test(test_new_lines),
                cmocka_unit_test(test_too_long), cmocka_unit_test(test_send),
                cmocka_unit_test(test_full),     cmocka_unit_test(test_gone),
                cmocka_unit_test(test_huge),     cmocka_unit_test(test_get),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
