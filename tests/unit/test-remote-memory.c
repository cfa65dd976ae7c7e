/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every call that goes to another machine, with every allocation of it failing in turn. What cannot
 * be done is the error of a lack of memory; nothing is lost (the leak checker looks), and of what
 * leads there neither a descriptor nor a process is left. The calls that go to the broker are in
 * test-call-memory.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/error.h"
#include "tests/support/fds.h"
#include "tests/support/getters.h"
#include "tests/support/no-memory.h"

#define PATIENCE_MS 10000

/* The far side says all that it will say at once: the library takes it message by message. What
 * that is it finds in the environment, since to read a call would take it longer. */
#define SCRIPT                                                                               \
        "#!/bin/sh\n"                                                                        \
        "say() { printf '%s\\000' \"{\\\"parameters\\\":$1}\"; }\n"                          \
        "prompt() {\n"                                                                       \
        "    say '{\"state\":\"prompt\",\"prompts\":[{\"kind\":\"'$1'\",\"text\":\"Say: \"," \
        "\"choices\":['$2']}]}'\n"                                                           \
        "}\n"                                                                                \
        "connected() {\n"                                                                    \
        "    say '{\"state\":\"connected\",\"access\":\"full\",\"kind\":\"stream\",'\\\n"    \
        "'\"mode\":\"revocable\",\"lease\":\"l\",\"action\":\"a.b\",\"how\":\"implicit\",'"  \
        "\\\n'\"connectAs\":\"client\",\"requestId\":\"r\"}'\n"                              \
        "}\n"                                                                                \
        "case $FAR in\n"                                                                     \
        "info)\n"                                                                            \
        "    say '{\"info\":{\"hostname\":\"far\",\"osName\":\"Debian\",\"kernel\":\"6\","   \
        "\"architecture\":\"x86_64\",\"cpus\":2,\"memoryTotal\":4096}}' ;;\n"                \
        "broker)\n"                                                                          \
        "    say '{\"info\":{\"version\":\"1.2.3\",\"limits\":{\"LeasesMax\":7},'\\\n"       \
        "'\"use\":{\"LeasesMax\":1}}}' ;;\n"                                                 \
        "capabilities)\n"                                                                    \
        "    say '{\"capabilities\":{\"host\":{},\"library\":{\"version\":\"1\"},'\\\n"      \
        "'\"broker\":{},\"kernel\":{},\"policy\":{},\"authentication\":{},'\\\n"             \
        "'\"endpoints\":[{\"name\":\"docker\"}]}}' ;;\n"                                     \
        "version)\n"                                                                         \
        "    say '{\"version\":\"1.2.3\"}' ;;\n"                                             \
        "refused)\n"                                                                         \
        "    printf '%s\\000' '{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":"     \
        "{\"class\":\"denied\",\"domain\":\"policy\",\"errno\":13,\"message\":\"No.\","      \
        "\"hint\":\"Ask.\",\"endpoint\":\"docker\",\"action\":\"a.b\",'\\\n"                 \
        "'\"requestId\":\"r\"}}' ;;\n"                                                       \
        "ask)\n"                                                                             \
        "    echo 'Touch the key.' >&2\n"                                                    \
        "    prompt name '\"bob\",\"eve\"'\n"                                                \
        "    prompt echo_off\n"                                                              \
        "    connected ;;\n"                                                                 \
        "end)\n"                                                                             \
        "    connected\n"                                                                    \
        "    echo '{\"ended\":\"revoked\"}' >&2 ;;\n"                                        \
        "open)\n"                                                                            \
        "    connected ;;\n"                                                                 \
        "esac\n"                                                                             \
        "while read -r x; do :; done\n"

static char folder[] = "/tmp/doorward-test-XXXXXX";
static char command[sizeof(folder) + sizeof("/far")];
/* Who leads there, or is there: each has the command in its arguments. */
static bool is_of_far(const char *pid) {
        char path[64], arguments[1024];
        ssize_t n;
        int fd;

        if (!isdigit((unsigned char)pid[0]))
                return false;
        (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        n = read(fd, arguments, sizeof(arguments));
        close_fd(fd);
        return n > 0 && memmem(arguments, (size_t)n, command, strlen(command));
}

static unsigned count_processes(void) {
        DIR *dir = opendir("/proc");
        struct dirent *entry;
        unsigned n = 0;

        assert_non_null(dir);
        while ((entry = readdir(dir)))
                n += is_of_far(entry->d_name);
        (void)closedir(dir);
        return n;
}

static void check_none_left(void) {
        for (int i = 0; count_processes() > 0; i++) {
                assert_true(i < PATIENCE_MS / 20);
                (void)poll(NULL, 0, 20);
        }
        /* The host program has no child, and never had one. */
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}

static void say(const char *what) {
        assert_int_equal(setenv("FAR", what, true), 0);
}

/* Where that is said. */
static const char *far_uri(const char *what) {
        static char uri[128];

        say(what);
        (void)snprintf(uri, sizeof(uri), "doorward+ext:///docker?command=%s", command);
        return uri;
}

/* Attempts. */

static unsigned n_asked;

static int collect(doorward_credential *cred, unsigned n, void *userdata) {
        n_asked++;
        if (cred->type == DOORWARD_CRED_INFO)
                return 0;
        if (userdata)
                return DOORWARD_AUTH_LATER;

        no_memory_give(cred, cred->type == DOORWARD_CRED_AUTHNAME ? "eve" : "secret");
        return 0;
}

static const int types[] = {
        DOORWARD_CRED_AUTHNAME,
        DOORWARD_CRED_PASSPHRASE,
        DOORWARD_CRED_INFO,
};

static bool try_open_auth(void) {
        static const doorward_auth auth = {types, ELEMENTSOF(types), collect, NULL};
        bool done;

        n_asked = 0;
        done = no_memory_conclude_open(doorward_open_auth(far_uri("ask"), &auth, 0));
        if (done)
                assert_true(n_asked >= 2);
        return done;
}

static bool answer_question(doorward_opening *opening, unsigned n) {
        doorward_credential cred = {};
        int r;

        no_memory_give(&cred, n == 0 ? "eve" : "secret");
        r = doorward_open_answer(opening, &cred, 1);
        assert_null(cred.result);
        return no_memory_conclude(r >= 0);
}

/* Step by step, as a loop does it; the questions are answered between two of them. */
static bool finish_opening(doorward_opening *opening) {
        unsigned n_answered = 0;

        while (doorward_open_process(opening) > 0) {
                struct pollfd p = {.fd = doorward_open_get_event_fd(opening)};

                p.events = (short)doorward_open_get_events(opening);
                if (p.fd < 0 || p.events < 0)
                        return no_memory_conclude(false);
                if (doorward_open_is_asking(opening) > 0) {
                        if (!answer_question(opening, n_answered++))
                                return false;
                } else
                        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        }

        return no_memory_conclude_open(doorward_open_finish(opening));
}

static bool try_open_start(void) {
        static int later;
        static const doorward_auth auth = {types, ELEMENTSOF(types), collect, &later};
        doorward_opening *opening = doorward_open_start(far_uri("ask"), &auth, 0);
        bool done = opening ? finish_opening(opening) : no_memory_conclude(false);

        doorward_open_free(opening);
        return done;
}

/* A refusal stays one, though it may have to be told in fewer words. */
static bool try_refused(void) {
        const doorward_error *error;

        assert_null(doorward_open(far_uri("refused")));
        error = doorward_get_last_error();
        if (error->code != DOORWARD_ERR_DENIED)
                return no_memory_conclude(false);

        if (!no_memory_has_struck())
                assert_string_equal(error->message, "far: No.");
        return true;
}

/* That the lease there has ended is heard without memory, if not why. */
static bool try_end(void) {
        doorward_conn *conn = doorward_open(far_uri("end"));
        struct pollfd p = {.events = POLLIN};

        if (!conn)
                return no_memory_conclude(false);

        p.fd = doorward_get_event_fd(conn);
        do
                assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        while (doorward_process(conn) == 0);
        assert_int_equal(doorward_get_close_reason(conn),
                         no_memory_has_struck() ? DOORWARD_CLOSE_OTHER : DOORWARD_CLOSE_REVOKED);
        assert_int_equal(doorward_close(conn), 0);
        return true;
}

static bool try_get_host_info(void) {
        doorward_host_info *info = doorward_get_host_info(getters_conn);
        bool done = no_memory_conclude(info);

        if (done)
                assert_string_equal(info->hostname, "far");
        doorward_host_info_free(info);
        return done;
}

static bool try_get_lib_version(void) {
        unsigned long version = 7;
        bool done = no_memory_conclude(doorward_get_lib_version(getters_conn, &version) == 0);

        assert_int_equal(version, done ? 1002003 : 7);
        return done;
}

static bool try_get_limits(void) {
        doorward_limits *limits = doorward_get_limits(getters_conn);
        bool done = no_memory_conclude(limits);

        doorward_limits_free(limits);
        return done;
}

/* Tests. */

static void test_opens(void **state) {
        unsigned n = fds_count();

        no_memory_sweep(try_open_auth, 30);
        no_memory_sweep(try_open_start, 30);
        no_memory_sweep(try_refused, 15);
        no_memory_sweep(try_end, 15);
        assert_int_equal(fds_count(), n);
        check_none_left();
}

static void test_calls(void **state) {
        unsigned n = fds_count();

        getters_conn = doorward_open(far_uri("open"));
        assert_non_null(getters_conn);
        assert_int_not_equal(count_processes(), 0);
        say("info");
        no_memory_sweep(try_get_host_info, 10);
        say("version");
        no_memory_sweep(try_get_lib_version, 10);
        say("broker");
        no_memory_sweep(getters_try_version, 10);
        no_memory_sweep(try_get_limits, 10);
        say("capabilities");
        no_memory_sweep(getters_try_capabilities, 30);
        no_memory_sweep(getters_try_uri, 1);
        no_memory_sweep(getters_try_grant_info, 1);
        assert_int_equal(doorward_is_alive(getters_conn), 1);
        assert_int_equal(doorward_close(getters_conn), 0);
        assert_int_equal(fds_count(), n);
        check_none_left();
}

static int setup(void **state) {
        FILE *file;

        assert_non_null(mkdtemp(folder));
        (void)snprintf(command, sizeof(command), "%s/far", folder);
        file = fopen(command, "we");
        assert_non_null(file);
        assert_true(fputs(SCRIPT, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(command, 0755), 0);
        return 0;
}

static int teardown(void **state) {
        assert_int_equal(unlink(command), 0);
        assert_int_equal(rmdir(folder), 0);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opens),
                cmocka_unit_test(test_calls),
        };

        /* Orphans are not ours, even where whoever started this takes in some. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        no_memory_init();
        return cmocka_run_group_tests(tests, setup, teardown);
}
