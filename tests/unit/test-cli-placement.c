/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/placement.h"

#define MAX 6

static size_t parse(const char *const *texts, Argument *arguments) {
        size_t n = 0;

        for (; texts[n]; n++)
                assert_int_equal(argument_parse(texts[n], ACCESS_FULL, true, &arguments[n]), 0);

        return n;
}

static void assert_planned(const char *const *texts, const int *expected, size_t n_listen,
                           const char *names) {
        _cleanup_free_ char *made = NULL;
        Argument arguments[MAX] = {};
        int numbers[MAX], conflict;
        size_t n = parse(texts, arguments), listen;

        assert_int_equal(placement_plan(arguments, n, numbers, &listen, &conflict), 0);
        assert_int_equal(listen, n_listen);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(numbers[i], expected[i]);

        assert_int_equal(placement_names(arguments, n, &made), 0);
        assert_string_equal(made, names);
}

static void assert_conflict(const char *const *texts, int expected) {
        Argument arguments[MAX] = {};
        int numbers[MAX], conflict = -1;
        size_t n = parse(texts, arguments), listen = 99;

        assert_int_equal(placement_plan(arguments, n, numbers, &listen, &conflict),
                         PLACEMENT_E_CONFLICT);
        assert_int_equal(conflict, expected);
        assert_int_equal(listen, 99);
}

static void test_plan(void **state) {
        assert_planned((const char *const[]){"docker", NULL}, (const int[]){3}, 1, "docker");
        assert_planned((const char *const[]){"docker=0", NULL}, (const int[]){0}, 0, "");
        assert_planned((const char *const[]){"a", "b:ro", "c@d", NULL}, (const int[]){3, 4, 5}, 3,
                       "a:b:c@d");
        assert_planned((const char *const[]){"a=1", "b", "c=9", "d", NULL},
                       (const int[]){1, 3, 9, 4}, 2, "b:d");
        assert_planned((const char *const[]){"a", "a", NULL}, (const int[]){3, 4}, 2, "a:a");
}

static void test_conflicts(void **state) {
        assert_conflict((const char *const[]){"a=5", "b=5", NULL}, 5);
        assert_conflict((const char *const[]){"a", "b=3", NULL}, 3);
        assert_conflict((const char *const[]){"a=4", "b", "c", NULL}, 4);
        assert_conflict((const char *const[]){"a=0", "b", "c=0", NULL}, 0);
}

/* Good until the next call. */
static const char *const *spell(const int *numbers, size_t n) {
        static char texts[MAX][12];
        static const char *values[MAX];

        for (size_t i = 0; i < n; i++) {
                (void)snprintf(texts[i], sizeof(texts[i]), "%d", numbers[i]);
                values[i] = texts[i];
        }
        return values;
}

static void assert_word(const char *const *texts, const char *word, const char *expected) {
        _cleanup_free_ char *made = NULL;
        Argument arguments[MAX] = {};
        int numbers[MAX], conflict;
        size_t n = parse(texts, arguments), listen;

        assert_int_equal(placement_plan(arguments, n, numbers, &listen, &conflict), 0);
        assert_int_equal(placement_substitute(word, arguments, spell(numbers, n), n, &made), 0);
        assert_string_equal(made, expected);
}

static void assert_ambiguous(const char *const *texts, const char *word) {
        Argument arguments[MAX] = {};
        int numbers[MAX], conflict;
        size_t n = parse(texts, arguments), listen;
        char *made = NULL;

        assert_int_equal(placement_plan(arguments, n, numbers, &listen, &conflict), 0);
        assert_int_equal(placement_substitute(word, arguments, spell(numbers, n), n, &made),
                         PLACEMENT_E_AMBIGUOUS);
        assert_null(made);
}

static void test_one(void **state) {
        static const char *const one[] = {"serial@ttyS0:ro=7", NULL};

        assert_word(one, "{}", "7");
        assert_word(one, "fd::{}", "fd::7");
        assert_word(one, "{}{}-{}", "77-7");
        assert_word(one, "{serial@ttyS0:ro}", "7");
        assert_word(one, "a{serial@ttyS0:ro}b", "a7b");
        assert_word(one, "", "");
        assert_word(one, "plain", "plain");
}

/* What is not ours stays as it is: awk and shells have braces of their own. */
static void test_others(void **state) {
        static const char *const one[] = {"docker", NULL};

        assert_word(one, "{", "{");
        assert_word(one, "}", "}");
        assert_word(one, "{{}", "{3");
        assert_word(one, "{}}", "3}");
        assert_word(one, "{{}}", "{3}");
        assert_word(one, "{ }", "{ }");
        assert_word(one, "{print $1}", "{print $1}");
        assert_word(one, "${HOME}", "${HOME}");
        assert_word(one, "{docker", "{docker");
        assert_word(one, "{docke}", "{docke}");
        assert_word(one, "{docker:ro}", "{docker:ro}");
        assert_word(one, "{docker=3}", "{docker=3}");
        assert_word(one, "{{.Names}} {docker}", "{{.Names}} 3");
}

static void test_several(void **state) {
        static const char *const two[] = {"docker", "docker:ro=0", NULL};
        static const char *const same[] = {"docker", "docker", NULL};

        assert_word(two, "{docker} {docker:ro}", "3 0");
        assert_word(two, "{print}", "{print}");
        assert_ambiguous(two, "{}");
        assert_ambiguous(two, "{docker}{}");
        assert_ambiguous(same, "{docker}");
}

/* Makes n files that can be told apart by their inodes, and their descriptors. */
static void files_make(int *fds, ino_t *inodes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct stat st;

                fds[i] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
                assert_true(fds[i] >= 0);
                assert_int_equal(fstat(fds[i], &st), 0);
                inodes[i] = st.st_ino;
        }
}

/* In a child, whose descriptors nobody else needs. Returns 0, or the line at which it is wrong. */
static int applied_check(const int *sources, const ino_t *inodes, const int *numbers, size_t n) {
        int spare = open("/dev/null", O_RDWR | O_CLOEXEC);
        struct stat st, null_stat;

        if (spare < 0 || fstat(spare, &null_stat) < 0)
                return __LINE__;
        if (placement_apply(sources, numbers, n, &spare) != 0)
                return __LINE__;

        for (size_t i = 0; i < n; i++) {
                if (fstat(numbers[i], &st) < 0 || st.st_ino != inodes[i])
                        return __LINE__;
                if (fcntl(numbers[i], F_GETFD) != 0)
                        return __LINE__;
                if (spare == numbers[i])
                        return __LINE__;
        }
        if (fstat(spare, &st) < 0 || st.st_ino != null_stat.st_ino)
                return __LINE__;
        return fcntl(spare, F_GETFD) == FD_CLOEXEC ? 0 : __LINE__;
}

static void assert_applied(const int *sources, const ino_t *inodes, const int *numbers, size_t n) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(applied_check(sources, inodes, numbers, n) ? 1 : 0);

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_apply(void **state) {
        ino_t inodes[3];
        int fds[3];

        files_make(fds, inodes, 3);

        assert_applied(fds, inodes, (const int[]){3, 4, 5}, 3);
        assert_applied(fds, inodes, (const int[]){100, 50, 0}, 3);
        /* Each stands where another is to go, in a circle; and one where it is. */
        assert_applied(fds, inodes, (const int[]){fds[1], fds[2], fds[0]}, 3);
        assert_applied(fds, inodes, (const int[]){fds[0], fds[2], fds[1]}, 3);
        /* What is spare takes the lowest number, which somebody wants. */
        assert_applied(fds, inodes, (const int[]){fds[2] + 1, fds[2] + 2, 1}, 3);
        assert_applied(fds, inodes, (const int[]){9}, 1);
        assert_applied(fds, inodes, (const int[]){9}, 0);

        for (size_t i = 0; i < 3; i++)
                close_fd(fds[i]);
}

static void test_apply_beyond_limit(void **state) {
        int spare = open("/dev/null", O_RDWR | O_CLOEXEC), source;

        source = fcntl(spare, F_DUPFD_CLOEXEC, 3);
        assert_true(source >= 0);
        assert_int_equal(placement_apply(&source, &(int){1 << 30}, 1, &spare), -EBADF);
        close_fd(source);
        close_fd(spare);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plan),
                cmocka_unit_test(test_conflicts),
                cmocka_unit_test(test_one),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_several),
                cmocka_unit_test(test_apply),
                cmocka_unit_test(test_apply_beyond_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
