/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The environment is looked at once in a process, so each case has a process of its own, with its
 * standard error in a file.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/log.h"
#include "tests/support/fds.h"

#define N_THREADS 8
#define N_LINES 200
#define OK 77

static char folder[] = "/tmp/doorward-log-XXXXXX";
static char file[64], shown[64], outputs[128];

static int setup(void **state) {
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(file, sizeof(file), "%s/file", folder);
        (void)snprintf(shown, sizeof(shown), "%s/shown", folder);
        (void)snprintf(outputs, sizeof(outputs), "1:file:%s", file);
        return 0;
}

static int clean(void **state) {
        (void)unlink(file);
        (void)unlink(shown);
        return 0;
}

static int teardown(void **state) {
        (void)clean(state);
        return rmdir(folder);
}

static void set(const char *name, const char *value) {
        if (value)
                (void)setenv(name, value, 1);
        else
                (void)unsetenv(name);
}

/* Runs it in a process with these variables; it must come to its end. */
static void run(void (*child)(void), const char *debug, const char *filters, const char *where) {
        int status, fd;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                fd = open(shown, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
                if (dup2(fd, STDERR_FILENO) < 0)
                        _exit(1);
                close_fd(fd);
                set("DOORWARD_DEBUG", debug);
                set("DOORWARD_LOG_FILTERS", filters);
                set("DOORWARD_LOG_OUTPUTS", where);
                child();
                _exit(OK);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), OK);
}

/* In a process of run()'s. */
static void check(bool ok) {
        if (!ok)
                _exit(2);
}

/* What a file holds; "" if there is none. */
static char *content(const char *path) {
        static char buf[1 << 20];
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

        assert_true(n >= 0);
        buf[n] = 0;
        return buf;
}

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (; (text = strstr(text, what)); text += strlen(what))
                n++;
        return n;
}

static void assert_line(const char *path, const char *rest) {
        char pattern[512], *text = content(path);
        regex_t regex;

        (void)snprintf(pattern, sizeof(pattern),
                       "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z "
                       "doorward\\[[0-9]+/[0-9]+\\] %s$",
                       rest);
        assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
        if (regexec(&regex, text, 0, NULL, 0) != 0)
                fail_msg("no line is \"%s\" in: %s", rest, text);
        regfree(&regex);
}

static void log_each(void) {
        log_debug(LOG_CATEGORY_URI, "first %d", 1);
        log_info(LOG_CATEGORY_WIRE, "second");
        log_warning(LOG_CATEGORY_LEASE, "third");
        log_error(LOG_CATEGORY_CONN, "fourth");
}

static void log_silently(void) {
        check(log_threshold == LOG_LEVEL_DEBUG);
        log_each();
        /* From now on it is one comparison. */
        check(log_threshold == LOG_LEVEL_NONE);
}

static void test_silent(void **state) {
        run(log_silently, NULL, NULL, NULL);
        assert_string_equal(content(shown), "");
}

static void test_lines(void **state) {
        run(log_each, "debug", NULL, NULL);
        assert_line(shown, "debug uri: first 1");
        assert_line(shown, "info wire: second");
        assert_line(shown, "warning lease: third");
        assert_line(shown, "error conn: fourth");
        assert_int_equal(count(content(shown), "\n"), 4);
}

static void test_levels(void **state) {
        run(log_each, "3", NULL, NULL);
        assert_int_equal(count(content(shown), "\n"), 2);
        assert_line(shown, "warning lease: third");
}

static void test_filters(void **state) {
        run(log_each, "4", "1:uri", NULL);
        assert_int_equal(count(content(shown), "\n"), 2);
        assert_line(shown, "debug uri: first 1");
        assert_line(shown, "error conn: fourth");
}

static void test_outputs(void **state) {
        char where[256];
        struct stat st;

        (void)snprintf(where, sizeof(where), "%s 4:stderr", outputs);
        run(log_each, "1", NULL, where);
        assert_int_equal(count(content(shown), "\n"), 1);
        assert_line(shown, "error conn: fourth");
        assert_int_equal(count(content(file), "\n"), 4);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        /* It is gone on with, not begun anew. */
        run(log_each, "1", NULL, where);
        assert_int_equal(count(content(file), "\n"), 8);
}

static void log_forced(void) {
        log_force(LOG_LEVEL_WARNING);
        log_each();
}

static void test_forced(void **state) {
        run(log_forced, "1", "2:wire", outputs);
        assert_int_equal(count(content(shown), "\n"), 3);
        assert_line(shown, "info wire: second");
        assert_string_equal(content(file), "");
}

static void log_hostile(void) {
        char text[4096];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        log_error(LOG_CATEGORY_URI, "a\nb\x1b[31mc\x80 \xe2\x80\xae %s", text);
}

static void test_escaped(void **state) {
        run(log_hostile, "1", NULL, NULL);
        assert_line(shown, "error uri: a b\\?\\[31mc\\? \\?{3} x+");
        assert_int_equal(count(content(shown), "\n"), 1);
        assert_true(strlen(content(shown)) < 2200);
}

static void *log_many(void *userdata) {
        for (int i = 0; i < N_LINES; i++)
                log_debug(LOG_CATEGORY_WIRE, "line %d", i);
        return NULL;
}

static void log_in_threads(void) {
        pthread_t threads[N_THREADS];

        for (int i = 0; i < N_THREADS; i++)
                check(pthread_create(&threads[i], NULL, log_many, NULL) == 0);
        for (int i = 0; i < N_THREADS; i++)
                check(pthread_join(threads[i], NULL) == 0);
}

/* No two lines are mixed, and none is lost. */
static void test_threads(void **state) {
        run(log_in_threads, "1", NULL, outputs);
        assert_int_equal(count(content(file), "\n"), N_THREADS * N_LINES);
        assert_int_equal(count(content(file), "] debug wire: line 199\n"), N_THREADS);
        assert_int_equal(count(content(file), "\n2"), N_THREADS * N_LINES - 1);
}

/* Whoever is first, and however many there are: it is said once. */
static void test_reported_once(void **state) {
        run(log_in_threads, "verbose", "1:wire 2:nothing", "1:nowhere 1:file:/proc/no/such/file");
        assert_int_equal(count(content(shown), "libdoorward: "), 4);
        assert_int_equal(count(content(shown), "\n"), 4);
        assert_int_equal(count(content(shown), "\"verbose\" is left out; levels are 1 to 4"), 1);
        assert_int_equal(count(content(shown), "\"2:nothing\" is left out; filters are"), 1);
        assert_int_equal(count(content(shown), "\"1:nowhere\" is left out; outputs are"), 1);
        assert_int_equal(count(content(shown), "/proc/no/such/file cannot be written to: No such"),
                         1);
}

/* What others may have put there. */
static void test_refused_files(void **state) {
        assert_int_equal(symlink(shown, file), 0);
        run(log_each, "1", NULL, outputs);
        assert_int_equal(count(content(shown), "it is a link"), 1);
        assert_int_equal(count(content(shown), "\n"), 1);
        (void)clean(state);

        assert_int_equal(mkfifo(file, 0600), 0);
        run(log_each, "1", NULL, outputs);
        assert_int_equal(count(content(shown), "cannot be written to"), 1);
        (void)clean(state);

        run(log_each, "1", NULL, "1:file:/dev/null");
        assert_int_equal(count(content(shown), "it is no regular file"), 1);
}

static void log_with_errno(void) {
        int n = fds_count();

        errno = ENOTTY;
        log_each();
        check(errno == ENOTTY);
        check(fds_count() == n);
}

static void test_leaves_nothing(void **state) {
        run(log_with_errno, "1", NULL, outputs);
        run(log_with_errno, "1", NULL, "1:file:/proc/no/such/file 1:journald");
        run(log_with_errno, NULL, NULL, NULL);
}

static bool mask_is_empty(void) {
        sigset_t mask, pending;

        return pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigpending(&pending) == 0 &&
               sigisemptyset(&mask) && sigisemptyset(&pending);
}

/* Whoever would read it is gone. */
static void close_reader(void) {
        int ends[2];

        check(pipe2(ends, O_CLOEXEC) == 0);
        check(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
        close_fd(ends[0]);
        close_fd(ends[1]);
}

/* SIGPIPE would end us. */
static void log_to_nobody(void) {
        close_reader();
        check(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
        log_each();
        check(mask_is_empty());
}

/* One that the program has blocked and not yet seen is still there. */
static void log_beside_a_signal(void) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGPIPE);
        close_reader();
        check(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGPIPE) == 0);
        log_each();
        check(sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1);
}

static void log_to_a_full_file(void) {
        const struct rlimit none = {.rlim_max = RLIM_INFINITY};

        check(setrlimit(RLIMIT_FSIZE, &none) == 0 && signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
        log_each();
        check(mask_is_empty());
}

static void test_signals(void **state) {
        run(log_to_nobody, "1", NULL, NULL);
        run(log_beside_a_signal, "1", NULL, NULL);
        run(log_to_a_full_file, "1", NULL, outputs);
        assert_string_equal(content(file), "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_silent, clean),
                cmocka_unit_test_teardown(test_lines, clean),
                cmocka_unit_test_teardown(test_levels, clean),
                cmocka_unit_test_teardown(test_filters, clean),
                cmocka_unit_test_teardown(test_outputs, clean),
                cmocka_unit_test_teardown(test_forced, clean),
                cmocka_unit_test_teardown(test_escaped, clean),
                cmocka_unit_test_teardown(test_threads, clean),
                cmocka_unit_test_teardown(test_reported_once, clean),
                cmocka_unit_test_teardown(test_refused_files, clean),
                cmocka_unit_test_teardown(test_leaves_nothing, clean),
                cmocka_unit_test_teardown(test_signals, clean),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
