/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the rest of a program does while it is asked: other threads, other processes, and the
 * program's own handlers. What is typed, and what the person does, is in test-terminal.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/channel.h"
#include "client/terminal.h"
#include "client/tty.h"
#include "tests/support/pty.h"

static Pty pty;

static int setup(void **state) {
        pty_init(&pty);
        return 0;
}

static int teardown(void **state) {
        pty_deinit(&pty);
        return 0;
}

/* In the job. */

static void nap(void) {
        (void)usleep(1000);
}

static bool echo_is_on(void) {
        _cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        struct termios modes;

        return tcgetattr(fd, &modes) == 0 && (modes.c_lflag & ECHO);
}

static void wait_for_echo(bool on) {
        for (int i = 0; i < PTY_TIMEOUT_MS && echo_is_on() != on; i++)
                nap();
}

static void ask_watched(PtyOutcome *outcome, const AuthWatch *watch) {
        _cleanup_error_ doorward_error error = {};
        Prompt prompt = {.kind = PROMPT_ECHO_OFF, .number = 1, .text = "Password: "};
        Answer answer = {};

        outcome->r = auth_ask_prompt(doorward_auth_default, NULL, &prompt, watch, &answer, &error);
        outcome->code = error.code;
        (void)snprintf(outcome->text, sizeof(outcome->text), "%s",
                       outcome->r == 0 ? answer.text : error.message ?: "(no error)");
}

static void job_ask(PtyOutcome *outcome, void *userdata) {
        (void)userdata;
        ask_watched(outcome, NULL);
}

static void *ask_in_thread(void *userdata) {
        job_ask(userdata, NULL);
        return NULL;
}

/* A thread that has the terminal when this returns. */
static pthread_t start_asking(PtyOutcome *outcome) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, ask_in_thread, outcome) != 0)
                _exit(1);
        wait_for_echo(false);
        return thread;
}

/* The person. */

static void start(PtyJob job, void *userdata) {
        pty_start(&pty, PTY_FOREGROUND, job, userdata);
        pty_go(&pty);
}

static void expect_prompt(void) {
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_forget(&pty);
}

/* And until the job has seen as much. */
static void expect_prompt_of_thread(void) {
        expect_prompt();
        (void)usleep(200000);
}

static PtyOutcome finish(int r, const char *text) {
        PtyOutcome outcome;

        pty_finish(&pty, &outcome);
        if (outcome.r != r || !strstr(outcome.text, text))
                fail_msg("%d: %s", outcome.r, outcome.text);
        return outcome;
}

/* A child that was forked in the middle of a prompt. */

static void job_fork(PtyOutcome *outcome, void *userdata) {
        pthread_t thread = start_asking(outcome);
        pid_t child = fork();
        int status = 0;

        (void)userdata;
        if (child == 0) {
                for (int i = 0; i < PTY_TIMEOUT_MS; i++)
                        nap();
                _exit(0);
        }

        (void)kill(child, SIGTERM);
        for (int i = 0; i < 1000 && waitpid(child, &status, WNOHANG) == 0; i++)
                nap();
        (void)kill(child, SIGKILL);
        (void)pthread_join(thread, NULL);
        outcome->number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Its signals are its own, and nothing of them reaches the prompt. */
static void test_child(void **state) {
        start(job_fork, NULL);
        expect_prompt_of_thread();
        /* Whatever the child's signal does is done. */
        (void)usleep(200000);
        pty_type(&pty, "geheim\n");
        assert_int_equal(finish(0, "geheim").number, SIGTERM);
        assert_string_equal(pty.output, "\r\n");
}

/* What system() does to SIGINT in another thread, which is done after the prompt is. */

static void job_system(PtyOutcome *outcome, void *userdata) {
        struct sigaction ignore = {.sa_handler = SIG_IGN}, before, after;
        const bool *again = userdata;
        pthread_t thread = start_asking(outcome);

        (void)sigaction(SIGINT, &ignore, &before);
        (void)pthread_join(thread, NULL);
        (void)sigaction(SIGINT, NULL, &after);
        /* Also one that begins in the middle of it leaves no trace. */
        if (*again)
                job_ask(outcome, NULL);
        (void)sigaction(SIGINT, &before, NULL);
        if (*again)
                job_ask(outcome, NULL);
        else if (after.sa_handler == SIG_IGN)
                (void)raise(SIGINT);
}

static void test_system(void **state) {
        const bool again = false;

        start(job_system, (void *)&again);
        expect_prompt_of_thread();
        pty_type(&pty, "geheim\n");
        pty_finish_killed(&pty, SIGINT);
}

static void test_system_and_again(void **state) {
        const bool again = true;

        start(job_system, (void *)&again);
        expect_prompt_of_thread();
        pty_type(&pty, "geheim\n");
        expect_prompt();
        pty_type(&pty, "geheim\n");
        expect_prompt();
        pty_type(&pty, "gehe\x03");
        pty_finish_killed(&pty, SIGINT);
}

/* Another process prompts on the same terminal, and ends first: what we found was its way. */
static void test_found_without_echo(void **state) {
        struct termios before = pty.modes, modes = pty.modes;

        modes.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
        pty_set_modes(&pty, &modes);
        start(job_ask, NULL);
        expect_prompt();
        pty_set_modes(&pty, &before);
        pty_type(&pty, "geheim\n");
        (void)finish(0, "geheim");
}

/* Takes the terminal away from its parent, once that prompts. */
static pid_t fork_thief(void) {
        pid_t child = fork();

        if (child != 0)
                return child;

        wait_for_echo(false);
        (void)signal(SIGTTOU, SIG_IGN);
        (void)setpgid(0, 0);
        (void)tcsetpgrp(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC), getpgrp());
        for (int i = 0; i < PTY_TIMEOUT_MS; i++)
                nap();
        _exit(0);
}

static void job_lose(PtyOutcome *outcome, void *userdata) {
        const AuthWatch watch = {.fd = -EBADF, .deadline = channel_deadline(500)};
        pid_t child = fork_thief();

        (void)userdata;
        ask_watched(outcome, &watch);
        outcome->number = echo_is_on();
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
}

static void test_lost_to_another_group(void **state) {
        start(job_lose, NULL);
        assert_int_equal(finish(-ETIMEDOUT, "in time").number, 1);
}

/* Another thread is asked, and nobody answers. */

static void job_wait_for_thread(PtyOutcome *outcome, void *userdata) {
        PtyOutcome first = {};
        pthread_t thread = start_asking(&first);
        const AuthWatch watch = {.fd = -EBADF, .deadline = channel_deadline(300)};

        (void)userdata;
        ask_watched(outcome, &watch);
        /* The other is still being asked. */
        outcome->number = echo_is_on() ? 0 : outcome->r;
        (void)pthread_join(thread, NULL);
        outcome->r = first.r;
        (void)snprintf(outcome->text, sizeof(outcome->text), "%s", first.text);
}

static void test_deadline_behind_another(void **state) {
        start(job_wait_for_thread, NULL);
        expect_prompt();
        (void)usleep(800000);
        pty_type(&pty, "geheim\n");
        assert_int_equal(finish(0, "geheim").number, -ETIMEDOUT);
        assert_string_equal(pty.output, "\r\n");
}

/* Output that was stopped: ^S. */

static void job_stopped(PtyOutcome *outcome, void *userdata) {
        const AuthWatch watch = {.fd = -EBADF, .deadline = channel_deadline(300)};
        _cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        doorward_credential cred = {.type = DOORWARD_CRED_INFO, .prompt = "Something is so."};

        (void)userdata;
        (void)tcflow(fd, TCOOFF);
        ask_watched(outcome, &watch);
        outcome->number = doorward_auth_default->cb(&cred, 1, NULL);
        (void)tcflow(fd, TCOON);
}

static void test_stopped_output(void **state) {
        start(job_stopped, NULL);
        assert_int_equal(finish(-ETIMEDOUT, "in time").number, 0);
        assert_string_equal(pty.output, "");
}

static void job_stopped_for_a_while(PtyOutcome *outcome, void *userdata) {
        _cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        pthread_t thread;

        (void)userdata;
        (void)tcflow(fd, TCOOFF);
        thread = start_asking(outcome);
        (void)usleep(100000);
        (void)tcflow(fd, TCOON);
        (void)pthread_join(thread, NULL);
}

static void test_stopped_output_goes_on(void **state) {
        start(job_stopped_for_a_while, NULL);
        expect_prompt();
        pty_type(&pty, "geheim\n");
        (void)finish(0, "geheim");
}

static void job_cancel(PtyOutcome *outcome, void *userdata) {
        pthread_t thread = start_asking(outcome);

        (void)userdata;
        (void)pthread_cancel(thread);
        (void)pthread_join(thread, NULL);
}

static void test_cancelled_thread(void **state) {
        start(job_cancel, NULL);
        expect_prompt_of_thread();
        pty_type(&pty, "geheim\n");
        (void)finish(0, "geheim");
}

/* The program's own handlers run when the prompt is over. */

static volatile sig_atomic_t n_copies;
static sigjmp_buf jump;

/* What was typed of an answer, in the whole stack of the thread that asks. */
static void look_for_answer(int number) {
        static const char answer[] = "secret789";
        static char block[65536];
        _cleanup_close_ int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        const size_t n = sizeof(answer) - 1;
        char here;
        ssize_t k;

        (void)number;
        k = pread(memory, block, sizeof(block), (off_t)(uintptr_t)&here - 49152);
        for (ssize_t i = 0; i + (ssize_t)n <= k; i++)
                n_copies += memcmp(block + i, answer, n) == 0;
        if (k <= 49152)
                n_copies = -1;
}

static void job_look(PtyOutcome *outcome, void *userdata) {
        /* Enough of it above the handler. */
        char room[16384];

        (void)userdata;
        memset(room, 1, sizeof(room));
        (void)signal(SIGQUIT, look_for_answer);
        job_ask(outcome, NULL);
        outcome->number = room[1] + n_copies - 1;
}

static void test_handler_sees_no_answer(void **state) {
        start(job_look, NULL);
        expect_prompt();
        /* The first ^D has it read, and the line goes on. */
        pty_type(&pty, "secret789\x04");
        (void)usleep(100000);
        pty_type(&pty, "\x1c");
        assert_int_equal(finish(-ECANCELED, "a signal came").number, 0);
}

static void jump_away(int number) {
        siglongjmp(jump, number);
}

static void job_jump(PtyOutcome *outcome, void *userdata) {
        (void)userdata;
        (void)signal(SIGINT, jump_away);
        /* It comes back here, and is asked once more. */
        (void)sigsetjmp(jump, 1);
        job_ask(outcome, NULL);
}

static void test_handler_jumps_away(void **state) {
        start(job_jump, NULL);
        expect_prompt();
        pty_type(&pty, "gehe\x03");
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        (void)finish(0, "geheim");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_child),
                TEST(test_system),
                TEST(test_system_and_again),
                TEST(test_found_without_echo),
                TEST(test_lost_to_another_group),
                TEST(test_deadline_behind_another),
                TEST(test_stopped_output),
                TEST(test_stopped_output_goes_on),
                TEST(test_cancelled_thread),
                TEST(test_handler_sees_no_answer),
                TEST(test_handler_jumps_away),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
