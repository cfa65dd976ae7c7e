/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

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

/* Asks and reports: a job. */
typedef struct Question {
        int type;
        const char *prompt;
        const char *challenge;
        const char *defresult;
        int blocked;    /* a signal that the program blocks, */
        int ignored;    /* ignores, */
        int caught;     /* or has a handler for */
        int hang_up_ms; /* after which the watched descriptor hangs up */
        int time_out_ms;
        bool by_callback;
} Question;

static const Question password = {.type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: "};

static volatile sig_atomic_t n_caught;

static void on_signal(int number) {
        (void)number;
        n_caught++;
}

static void prepare(const Question *question) {
        struct sigaction action = {.sa_handler = on_signal};
        sigset_t set;

        (void)sigemptyset(&set);
        if (question->caught)
                (void)sigaction(question->caught, &action, NULL);
        if (question->ignored)
                (void)signal(question->ignored, SIG_IGN);
        if (question->blocked)
                (void)sigaddset(&set, question->blocked);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The program's way with signals. */
typedef struct Ways {
        struct sigaction actions[NSIG];
        sigset_t mask;
} Ways;

static void ways_get(Ways *ways) {
        (void)sigprocmask(SIG_SETMASK, NULL, &ways->mask);
        for (int i = 1; i < NSIG; i++)
                if (sigaction(i, NULL, &ways->actions[i]) < 0)
                        ways->actions[i].sa_handler = SIG_DFL;
}

static bool ways_are_same(const Ways *a, const Ways *b) {
        /* There is one more, which the C library sets. */
        const int flags = SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_ONSTACK;

        for (int i = 1; i < NSIG; i++)
                if (a->actions[i].sa_handler != b->actions[i].sa_handler ||
                    ((a->actions[i].sa_flags ^ b->actions[i].sa_flags) & flags) ||
                    sigismember(&a->mask, i) != sigismember(&b->mask, i))
                        return false;

        return true;
}

static void *hang_up(void *userdata) {
        int *end = userdata;

        (void)usleep(100000);
        *end = close_fd(*end);
        return NULL;
}

static void job_ask(PtyOutcome *outcome, void *userdata) {
        const Question *question = userdata;
        _cleanup_error_ doorward_error error = {};
        doorward_credential cred = {
                .type = question->type,
                .prompt = question->prompt,
                .challenge = question->challenge,
                .defresult = question->defresult,
        };
        int ends[2] = {-EBADF, -EBADF};
        AuthWatch watch = {.fd = -EBADF, .deadline = CHANNEL_NO_DEADLINE};
        pthread_t thread;
        static Ways before, after;
        sigset_t pending;

        prepare(question);
        ways_get(&before);
        if (question->time_out_ms)
                watch.deadline = channel_deadline(question->time_out_ms);
        if (question->hang_up_ms &&
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
                watch.fd = ends[0];
                (void)pthread_create(&thread, NULL, hang_up, &ends[1]);
        }

        if (question->by_callback)
                outcome->r = doorward_auth_default->cb(&cred, 1, doorward_auth_default->cbdata);
        else
                outcome->r = terminal_ask(&cred, &watch, &error);
        outcome->code = error.code;
        if (outcome->r == 0)
                (void)snprintf(outcome->text, sizeof(outcome->text), "%s", cred.result ?: "(none)");
        else
                (void)snprintf(outcome->text, sizeof(outcome->text), "%s %s",
                               error.message ?: "(no error)", error.hint ?: "(no hint)");
        if (cred.result && cred.resultlen != strlen(cred.result))
                outcome->r = -ERANGE;
        ways_get(&after);
        if (!ways_are_same(&before, &after))
                outcome->r = -ENOTRECOVERABLE;

        (void)sigpending(&pending);
        outcome->number = n_caught;
        if (question->blocked && sigismember(&pending, question->blocked))
                outcome->number = 100;
        if (question->hang_up_ms)
                (void)pthread_join(thread, NULL);
        close_fd(ends[0]);
        free(cred.result);
}

static void ask(PtyPlace place, const Question *question) {
        pty_start(&pty, place, job_ask, (void *)question);
        pty_go(&pty);
}

static void check_answer(const char *text) {
        PtyOutcome outcome;

        pty_finish(&pty, &outcome);
        if (outcome.r != 0)
                fail_msg("%d: %s", outcome.r, outcome.text);
        assert_string_equal(outcome.text, text);
}

static void check_error(int r, int code, const char *text) {
        PtyOutcome outcome;

        pty_finish(&pty, &outcome);
        assert_int_equal(outcome.r, r);
        assert_int_equal(outcome.code, code);
        if (!strstr(outcome.text, text))
                fail_msg("%s", outcome.text);
}

/* What is typed. */

static void test_password(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
        assert_string_equal(pty.output, "Password: \r\n");
}

static void test_password_corrected(void **state) {
        ask(PTY_FOREGROUND, &(Question){.type = DOORWARD_CRED_NOECHOPROMPT, .prompt = "PIN: "});
        pty_expect(&pty, "PIN: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "wrong\x15"
                       "1235\x7f"
                       "4\r");
        check_answer("1234");
        assert_string_equal(pty.output, "PIN: \r\n");
}

static void test_shown(void **state) {
        ask(PTY_FOREGROUND, &(Question){.type = DOORWARD_CRED_ECHOPROMPT,
                                        .prompt = "Code: ",
                                        .challenge = "Your number is 7."});
        pty_expect(&pty, "Code: ");
        pty_type(&pty, "4711\n");
        check_answer("4711");
        assert_string_equal(pty.output, "Your number is 7.\r\nCode: 4711\r\n");
}

static void test_empty(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "\n");
        check_answer("");
}

static void test_name(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){.type = DOORWARD_CRED_AUTHNAME, .prompt = "Authenticate as: "});
        pty_expect(&pty, "Authenticate as: ");
        pty_type(&pty, "bob\n");
        check_answer("bob");
}

static const Question choice = {
        .type = DOORWARD_CRED_AUTHNAME,
        .prompt = "Authenticate as: ",
        .challenge = "alice, bob",
        .defresult = "alice",
};

static void test_choice(void **state) {
        ask(PTY_FOREGROUND, &choice);
        pty_expect(&pty, "One of: alice, bob\r\nAuthenticate as [alice]: ");
        pty_forget(&pty);
        pty_type(&pty, "ali\n");
        pty_expect(&pty, "none of them.\r\nOne of: alice, bob\r\nAuthenticate as [alice]: ");
        pty_forget(&pty);
        pty_type(&pty, "alice, bob\n");
        pty_expect(&pty, "none of them.\r\nOne of: alice, bob\r\nAuthenticate as [alice]: ");
        pty_type(&pty, "bob\n");
        check_answer("bob");
}

static void test_default(void **state) {
        ask(PTY_FOREGROUND, &choice);
        pty_expect(&pty, "[alice]: ");
        pty_type(&pty, "\n");
        check_answer("alice");
}

/* Whoever typed ahead did not know that it was to be a password. */
static void test_typed_ahead(void **state) {
        pty_start(&pty, PTY_FOREGROUND, job_ask, (void *)&password);
        pty_type(&pty, "ls -l\nhalf");
        pty_expect(&pty, "half");
        pty_go(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

/* A name can be. */
static void test_name_typed_ahead(void **state) {
        pty_start(&pty, PTY_FOREGROUND, job_ask, (void *)&choice);
        pty_type(&pty, "bob\n");
        pty_expect(&pty, "bob");
        pty_go(&pty);
        check_answer("bob");
}

static void type_long(size_t n) {
        char line[8192];

        memset(line, 'a', n);
        line[n] = '\n';
        pty_type_bytes(&pty, line, n + 1);
}

static void test_long(void **state) {
        static const size_t sizes[] = {TTY_LINE_MAX + 1, 4094, 4095, 4096, 8000};
        char longest[TTY_LINE_MAX + 1];

        ask(PTY_FOREGROUND, &password);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                pty_expect(&pty, "Password: ");
                pty_expect_echo(&pty, false);
                pty_forget(&pty);
                type_long(sizes[i]);
                pty_expect(&pty, "\r\nThat is too long.\r\nPassword: ");
        }

        pty_expect_echo(&pty, false);
        type_long(TTY_LINE_MAX);
        memset(longest, 'a', TTY_LINE_MAX);
        longest[TTY_LINE_MAX] = 0;
        check_answer(longest);
        assert_null(strstr(pty.output, "aa"));
}

static void test_nul(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_forget(&pty);
        pty_type_bytes(&pty, "gehe\0im\n", 8);
        pty_expect(&pty, "holds a NUL.\r\nPassword: ");
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

/* A program that draws its own screen has a terminal without lines. */
static void test_raw(void **state) {
        struct termios modes = pty.modes;

        cfmakeraw(&modes);
        pty_set_modes(&pty, &modes);
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "gehex\x7fim\r");
        check_answer("geheim");
}

static void test_by_callback(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){
                    .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .by_callback = true});
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

/* The end of it. */

static void test_end(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "\x04");
        check_error(-ECANCELED, DOORWARD_ERR_AUTH_CANCELLED, "end of input");
}

/* The first ^D after some letters ends nothing yet. */
static void test_end_in_the_line(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe\x04im\n");
        check_answer("geheim");
}

static void test_end_twice_in_the_line(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\x04\x04");
        check_error(-ECANCELED, DOORWARD_ERR_AUTH_CANCELLED, "end of input");
}

static void test_end_by_callback(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){
                    .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .by_callback = true});
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "\x04");
        check_error(-1, 0, "");
}

static void test_late(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){
                    .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .time_out_ms = 100});
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "gehe");
        check_error(-ETIMEDOUT, DOORWARD_ERR_TIMEOUT, "in time");
}

static void test_hung_up(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){
                    .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .hang_up_ms = 100});
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "gehe");
        check_error(-EPIPE, 0, "no error");
}

/* Signals. */

static void check_killed(const char *typed, int signal_number) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, typed);
        if (!strpbrk(typed, "\x03\x1c"))
                assert_int_equal(kill(pty.job, signal_number), 0);
        pty_finish_killed(&pty, signal_number);
}

static void test_interrupt(void **state) {
        check_killed("gehe\x03", SIGINT);
}

typedef struct Asker {
        PtyOutcome *outcome;
        void *userdata;
} Asker;

static void *ask_in_thread(void *userdata) {
        Asker *asker = userdata;

        job_ask(asker->outcome, asker->userdata);
        return NULL;
}

static void job_ask_in_thread(PtyOutcome *outcome, void *userdata) {
        Asker asker = {outcome, userdata};
        pthread_t thread;

        if (pthread_create(&thread, NULL, ask_in_thread, &asker) == 0)
                (void)pthread_join(thread, NULL);
}

/* The kernel gives it to the main thread, which waits for the other. */
static void test_interrupt_of_another_thread(void **state) {
        pty_start(&pty, PTY_FOREGROUND, job_ask_in_thread, (void *)&password);
        pty_go(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe\x03");
        pty_finish_killed(&pty, SIGINT);
}

static void test_stop_of_another_thread(void **state) {
        pty_start(&pty, PTY_FOREGROUND, job_ask_in_thread, (void *)&password);
        pty_go(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe\x1a");
        pty_expect_stop(&pty, SIGTSTP);
        pty_check_modes(&pty);
        pty_forget(&pty);
        pty_foreground(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

static void test_quit(void **state) {
        check_killed("gehe\x1c", SIGQUIT);
}

static void test_terminate(void **state) {
        check_killed("gehe", SIGTERM);
}

static void test_hang_up(void **state) {
        check_killed("gehe", SIGHUP);
}

static void test_alarm(void **state) {
        check_killed("gehe", SIGALRM);
}

static void test_pipe(void **state) {
        check_killed("gehe", SIGPIPE);
}

static void check_interrupted(const Question *question, int number) {
        PtyOutcome outcome;

        ask(PTY_FOREGROUND, question);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe\x03");
        pty_finish(&pty, &outcome);
        assert_int_equal(outcome.r, -ECANCELED);
        assert_int_equal(outcome.code, DOORWARD_ERR_AUTH_CANCELLED);
        assert_int_equal(outcome.number, number);
}

static void test_interrupt_handled(void **state) {
        check_interrupted(
                &(Question){
                        .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .caught = SIGINT},
                1);
}

/* A program that reads its signals from a descriptor blocks them, and finds it there. */
static void test_interrupt_blocked(void **state) {
        check_interrupted(&(Question){.type = DOORWARD_CRED_PASSPHRASE,
                                      .prompt = "Password: ",
                                      .blocked = SIGINT},
                          100);
}

/* A stop that is blocked stops nobody, and time goes on. */
static void check_blocked_stop(int number) {
        PtyOutcome outcome;

        ask(PTY_FOREGROUND, &(Question){.type = DOORWARD_CRED_PASSPHRASE,
                                        .prompt = "Password: ",
                                        .blocked = number,
                                        .time_out_ms = 500});
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe");
        assert_int_equal(kill(pty.job, number), 0);
        pty_finish(&pty, &outcome);
        assert_int_equal(outcome.r, -ETIMEDOUT);
        assert_int_equal(outcome.number, 100);
        assert_string_equal(pty.output, "Password: \r\n");
        pty_deinit(&pty);
        pty_init(&pty);
}

static void test_stop_blocked(void **state) {
        check_blocked_stop(SIGTSTP);
        check_blocked_stop(SIGCONT);
}

static void test_interrupt_ignored(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){
                    .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .ignored = SIGINT});
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        /* The terminal drops what stood in the line, as it does for ^C. */
        pty_type(&pty, "gehe\x03");
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

/* Signals that are no concern of ours interrupt nothing. */
static void test_another_signal(void **state) {
        ask(PTY_FOREGROUND,
            &(Question){
                    .type = DOORWARD_CRED_PASSPHRASE, .prompt = "Password: ", .caught = SIGUSR1});
        pty_expect(&pty, "Password: ");
        pty_type(&pty, "gehe");
        assert_int_equal(kill(pty.job, SIGUSR1), 0);
        (void)usleep(50000);
        pty_type(&pty, "im\n");
        check_answer("geheim");
}

static void stop_and(void (*then)(Pty *)) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe\x1a");
        pty_expect_stop(&pty, SIGTSTP);
        pty_check_modes(&pty);
        pty_check_nothing_typed(&pty);
        pty_forget(&pty);
        then(&pty);
}

static void test_stop(void **state) {
        stop_and(pty_foreground);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);

        /* And once more. */
        pty_forget(&pty);
        pty_type(&pty, "gehe\x1a");
        pty_expect_stop(&pty, SIGTSTP);
        pty_check_modes(&pty);
        pty_foreground(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

static void test_stop_and_background(void **state) {
        stop_and(pty_background);
        check_error(-ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE, "fg");
}

/* One that nobody can catch; the shell then sets the terminal as it likes it. */
static void test_hard_stop(void **state) {
        ask(PTY_FOREGROUND, &password);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        assert_int_equal(kill(pty.job, SIGSTOP), 0);
        pty_expect_stop(&pty, SIGSTOP);
        pty_set_modes(&pty, &pty.modes);
        pty_forget(&pty);
        pty_foreground(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "geheim\n");
        check_answer("geheim");
}

/* Whoever was continued and had not been stopped has lost nothing. */
static void test_continue(void **state) {
        Question question = password;
        PtyOutcome outcome;

        question.caught = SIGCONT;
        ask(PTY_FOREGROUND, &question);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        pty_type(&pty, "gehe");
        assert_int_equal(kill(pty.job, SIGCONT), 0);
        (void)usleep(50000);
        pty_type(&pty, "im\n");
        pty_finish(&pty, &outcome);
        assert_int_equal(outcome.r, 0);
        assert_string_equal(outcome.text, "geheim");
        /* The program's own handler runs all the same. */
        assert_int_equal(outcome.number, 1);
        assert_string_equal(pty.output, "Password: \r\n");
}

/* Where nobody can be asked. */

static void test_background(void **state) {
        ask(PTY_BACKGROUND, &password);
        check_error(-ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE, "fg");
        assert_string_equal(pty.output, "");
}

static void test_no_terminal(void **state) {
        ask(PTY_ELSEWHERE, &password);
        check_error(-ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE, "ssh -t");
        assert_string_equal(pty.output, "");
}

static void job_check(PtyOutcome *outcome, void *userdata) {
        _cleanup_error_ doorward_error error = {};

        outcome->r = auth_check(doorward_auth_default, &error);
        outcome->code = error.code;
        (void)snprintf(outcome->text, sizeof(outcome->text), "%s", error.hint ?: "");
}

static void check_check(PtyPlace place, int r, int code, const char *text) {
        pty_start(&pty, place, job_check, NULL);
        pty_go(&pty);
        check_error(r, code, text);
        pty_deinit(&pty);
        pty_init(&pty);
}

static void test_check(void **state) {
        check_check(PTY_FOREGROUND, 0, 0, "");
        check_check(PTY_BACKGROUND, -ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE, "fg");
        check_check(PTY_ELSEWHERE, -ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE, "ssh -t");
}

/* Texts. */

static void check_told(PtyPlace place, int type, const char *output) {
        Question question = {.type = type, .prompt = "Something is so."};

        ask(place, &question);
        check_answer("(none)");
        assert_string_equal(pty.output, output);
        pty_deinit(&pty);
        pty_init(&pty);
}

static void test_texts(void **state) {
        check_told(PTY_FOREGROUND, DOORWARD_CRED_INFO, "Something is so.\r\n");
        check_told(PTY_FOREGROUND, DOORWARD_CRED_ERROR_MSG, "Something is so.\r\n");
        check_told(PTY_FOREGROUND, DOORWARD_CRED_EXTERNAL, "Something is so.\r\n");
        /* Where they would not be seen, or would stop the program, they are dropped. */
        check_told(PTY_BACKGROUND, DOORWARD_CRED_INFO, "");
        check_told(PTY_ELSEWHERE, DOORWARD_CRED_ERROR_MSG, "");
}

/* Nothing of a password stays in memory, whatever way it went. What is looked for is nowhere as it
 * is, but where the library put it: here it is written with another bit in each letter. */

static const char canary[] = "[b\x7fosv6Py c5M";
static volatile char canary_mask = 1;
#define CANARY_SIZE (sizeof(canary) - 1)

static void canary_type(const char *more) {
        for (size_t i = 0; i < CANARY_SIZE; i++)
                pty_type_bytes(&pty, &(char){(char)(canary[i] ^ canary_mask)}, 1);
        pty_type(&pty, more);
}

static unsigned canary_count_in(const char *data, size_t size) {
        const char *end = data + size, *c = data;
        unsigned n = 0;

        while ((c = memchr(c, canary[0] ^ canary_mask, (size_t)(end - c)))) {
                size_t i = 1;

                while (c + i < end && i < CANARY_SIZE && c[i] == (char)(canary[i] ^ canary_mask))
                        i++;
                n += i == CANARY_SIZE;
                c++;
        }

        return n;
}

/* Of the whole process; read through the kernel, since a sanitizer has places where nobody may
 * look. */
static unsigned canary_count(void) {
        static char block[65536];
        FILE *maps = fopen("/proc/self/maps", "re");
        int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        unsigned long from, to;
        char line[512], mode[5];
        unsigned n = 0;

        assert_non_null(maps);
        assert_true(memory >= 0);
        while (fgets(line, sizeof(line), maps)) {
                if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[1] != 'w' ||
                    to - from > 1UL << 28)
                        continue;
                for (; from < to; from += sizeof(block) - CANARY_SIZE) {
                        ssize_t k = pread(memory, block, sizeof(block), (off_t)from);

                        if (k > 0)
                                n += canary_count_in(block, (size_t)k);
                        explicit_bzero(block, sizeof(block));
                }
        }

        (void)fclose(maps);
        close_fd(memory);
        return n;
}

static void job_leak(PtyOutcome *outcome, void *userdata) {
        _cleanup_error_ doorward_error error = {};
        Prompt prompt = {.kind = PROMPT_ECHO_OFF, .text = "Password: "};
        Answer answer = {};
        unsigned before;

        outcome->r = auth_ask_prompt(doorward_auth_default, NULL, &prompt, NULL, &answer, &error);
        before = canary_count();
        answer_erase(&answer);
        outcome->number = (int)canary_count();
        /* It is found where it is known to be. */
        outcome->code = (int)before;
}

static void check_leak(const char *more, int r, int n_before) {
        PtyOutcome outcome;

        pty_start(&pty, PTY_FOREGROUND, job_leak, NULL);
        pty_go(&pty);
        pty_expect(&pty, "Password: ");
        pty_expect_echo(&pty, false);
        canary_type(more);
        pty_finish(&pty, &outcome);
        assert_int_equal(outcome.r, r);
        assert_int_equal(outcome.code, n_before);
        assert_int_equal(outcome.number, 0);
        pty_deinit(&pty);
        pty_init(&pty);
}

static void test_memory(void **state) {
        check_leak("\n", 0, 1);
        check_leak("\x04\x04", -ECANCELED, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_password),
                TEST(test_password_corrected),
                TEST(test_shown),
                TEST(test_empty),
                TEST(test_name),
                TEST(test_choice),
                TEST(test_default),
                TEST(test_typed_ahead),
                TEST(test_name_typed_ahead),
                TEST(test_long),
                TEST(test_nul),
                TEST(test_raw),
                TEST(test_by_callback),
                TEST(test_end),
                TEST(test_end_in_the_line),
                TEST(test_end_twice_in_the_line),
                TEST(test_end_by_callback),
                TEST(test_late),
                TEST(test_hung_up),
                TEST(test_interrupt),
                TEST(test_interrupt_of_another_thread),
                TEST(test_stop_of_another_thread),
                TEST(test_quit),
                TEST(test_terminate),
                TEST(test_hang_up),
                TEST(test_alarm),
                TEST(test_pipe),
                TEST(test_interrupt_handled),
                TEST(test_interrupt_blocked),
                TEST(test_interrupt_ignored),
                TEST(test_stop_blocked),
                TEST(test_another_signal),
                TEST(test_stop),
                TEST(test_stop_and_background),
                TEST(test_hard_stop),
                TEST(test_continue),
                TEST(test_background),
                TEST(test_no_terminal),
                TEST(test_check),
                TEST(test_texts),
                TEST(test_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
