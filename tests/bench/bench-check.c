/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-check ACTION IN-FLIGHT SECONDS PID...
 *
 * The yardstick of everything that asks polkit: CheckAuthorization through libpolkit-gobject,
 * asynchronously, so many in flight, about each of these processes in turn, with the details that
 * the broker sends. Run it as the owner of the action, who may ask about others' processes. Nothing
 * else is done here: no connection, no record, and nothing is opened.
 */

#include <stdio.h>
#include <sys/stat.h>

#include <polkit/polkit.h>

#include "tests/bench/bench.h"

#define SAMPLES_MAX 1000000U
#define SUBJECTS_MAX 64U

typedef struct Subject {
        gint pid;
        gint uid;
        guint64 start_time;
} Subject;

typedef struct Checks {
        GMainLoop *loop;
        PolkitAuthority *authority;
        const char *action;
        Subject subjects[SUBJECTS_MAX];
        size_t n_subjects, next;
        unsigned in_flight;
        uint64_t start, end; /* of what counts */
        uint32_t *samples;
        size_t n_samples;
        bool failed;
} Checks;

typedef struct Check {
        Checks *checks;
        uint64_t began;
} Check;

static void check_begin(Checks *checks);

static void check_finish(Check *check) {
        Checks *checks = check->checks;
        uint64_t now = bench_now_ns();

        if (check->began >= checks->start && checks->n_samples < SAMPLES_MAX)
                checks->samples[checks->n_samples++] = (uint32_t)(now - check->began);
        free(check);

        checks->in_flight--;
        if (now < checks->end && !checks->failed)
                check_begin(checks);
        else if (checks->in_flight == 0)
                g_main_loop_quit(checks->loop);
}

static void on_checked(GObject *source, GAsyncResult *result, gpointer userdata) {
        Check *check = userdata;
        PolkitAuthorizationResult *answer;
        GError *error = NULL;

        answer = polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), result,
                                                             &error);
        if (!answer || !polkit_authorization_result_get_is_authorized(answer)) {
                fprintf(stderr, "polkit does not authorize %s: %s\n", check->checks->action,
                        error ? error->message : "it says no");
                check->checks->failed = true;
        }

        g_clear_object(&answer);
        g_clear_error(&error);
        check_finish(check);
}

static void check_begin(Checks *checks) {
        const Subject *subject = &checks->subjects[checks->next++ % checks->n_subjects];
        Check *check = g_new0(Check, 1);
        PolkitSubject *process;
        PolkitDetails *details;

        *check = (Check){.checks = checks, .began = bench_now_ns()};
        checks->in_flight++;

        process =
                polkit_unix_process_new_for_owner(subject->pid, subject->start_time, subject->uid);
        /* As question_ask() in the broker has it for the definition that ./measure writes. */
        details = polkit_details_new();
        polkit_details_insert(details, "endpoint", "bench");
        polkit_details_insert(details, "access", "full");
        polkit_details_insert(details, "kind", "stream");
        polkit_details_insert(details, "connect-as", "service");
        polkit_details_insert(details, "polkit.message",
                              "Authentication is required for full access to bench: What the "
                              "benchmarks open");
        polkit_authority_check_authorization(checks->authority, process, checks->action, details,
                                             POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE, NULL,
                                             on_checked, check);
        g_object_unref(details);
        g_object_unref(process);
}

static int subject_init(Subject *subject, const char *text) {
        _cleanup_free_ char *path = NULL;
        PolkitSubject *process;
        struct stat st;

        if (asprintf(&path, "/proc/%s", text) < 0)
                return -ENOMEM;
        if (stat(path, &st) < 0)
                return -errno;

        /* The start time is read once, here; the uid is given, as the broker gives it. */
        subject->pid = (gint)strtol(text, NULL, 10);
        subject->uid = (gint)st.st_uid;
        process = polkit_unix_process_new_for_owner(subject->pid, 0, subject->uid);
        subject->start_time = polkit_unix_process_get_start_time(POLKIT_UNIX_PROCESS(process));
        g_object_unref(process);
        return 0;
}

static int run(Checks *checks, unsigned in_flight, double seconds) {
        GError *error = NULL;

        checks->authority = polkit_authority_get_sync(NULL, &error);
        if (!checks->authority) {
                fprintf(stderr, "polkit: %s\n", error->message);
                return -EHOSTUNREACH;
        }

        checks->samples = g_new(uint32_t, SAMPLES_MAX);
        checks->loop = g_main_loop_new(NULL, FALSE);
        checks->start = bench_now_ns() + BENCH_WARM_UP_NS;
        checks->end = checks->start + (uint64_t)(seconds * 1e9);
        for (unsigned i = 0; i < in_flight; i++)
                check_begin(checks);
        g_main_loop_run(checks->loop);
        if (checks->failed)
                return -EREMOTEIO;

        bench_print("all", in_flight, seconds, checks->samples, checks->n_samples);
        return 0;
}

int main(int argc, char **argv) {
        Checks checks = {};
        int r;

        if (argc < 5 || (size_t)argc - 4 > SUBJECTS_MAX) {
                fputs("Usage: bench-check ACTION IN-FLIGHT SECONDS PID...\n", stderr);
                return EXIT_FAILURE;
        }

        checks.action = argv[1];
        for (int i = 4; i < argc; i++) {
                r = subject_init(&checks.subjects[checks.n_subjects++], argv[i]);
                if (r < 0) {
                        fprintf(stderr, "Process %s: %s\n", argv[i], strerror(-r));
                        return EXIT_FAILURE;
                }
        }

        return run(&checks, (unsigned)strtoul(argv[2], NULL, 10), atof(argv[3])) < 0 ? EXIT_FAILURE
                                                                                     : EXIT_SUCCESS;
}
