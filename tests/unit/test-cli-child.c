/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/child.h"
#include "cli/exit-status.h"

/* What hangs is killed by this. */
#define DEADLINE_S 20

/* What happens in a parent_main() at a moment that nobody could hit from outside. */
static struct {
        int before_fork;    /* it gets this signal, */
        bool before_stop;   /* it is continued before it stops by itself, */
        bool after_stop;    /* or right after it has told itself to, */
        bool alarm;         /* the alarm goes off that somebody had set before, */
        bool stopped_again; /* it is continued, and the terminal stops the job again: before it has
                             */
        bool read_in_turn;  /* read either, or heard of the command */
} at;

pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_raise(int number);
int __wrap_raise(int number);

pid_t __wrap_fork(void) {
        if (at.before_fork != 0)
                (void)kill(getpid(), at.before_fork);
        at.before_fork = 0;
        return __real_fork();
}

static void continue_once(bool *when) {
        if (*when)
                (void)kill(getpid(), SIGCONT);
        *when = false;
}

int __wrap_raise(int number) {
        bool stops = number == SIGTSTP || number == SIGTTIN || number == SIGSTOP;
        int r;

        if (stops)
                continue_once(&at.before_stop);
        r = __real_raise(number);
        if (stops)
                continue_once(&at.after_stop);
        return r;
}

/* What the command writes goes here, from the start each time. */
static int output_fd = -EBADF;

static const char *output(void) {
        static char text[4096];
        ssize_t n = pread(output_fd, text, sizeof(text) - 1, 0);

        assert_true(n >= 0);
        text[n] = 0;
        return text;
}

static void stop_again(Child *child) {
        int status;

        (void)kill(getpid(), SIGCONT);
        (void)kill(getpid(), SIGTSTP);
        if (at.read_in_turn && child_dispatch(child, &status) != 0)
                _exit(96);
        (void)kill(child->pid, SIGTSTP);
        if (waitid(P_PID, (id_t)child->pid, &(siginfo_t){}, WSTOPPED | WNOWAIT) < 0)
                _exit(95);
}

/* In a process of its own: what `doorward exec` does between two lines of its man page. */
static _noreturn_ void parent_main(const ChildSpec *spec) {
        Child child = CHILD_NULL;
        bool exec_failed;
        int status, r;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(output_fd, STDOUT_FILENO) < 0)
                _exit(99);
        if (at.alarm)
                (void)setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 100000}, NULL);

        r = child_start(&child, spec, &exec_failed);
        if (r < 0)
                _exit(exec_failed ? (r == -ENOENT ? EXIT_STATUS_NOT_FOUND : EXIT_STATUS_CANNOT_RUN)
                                  : 98);
        if (at.stopped_again)
                stop_again(&child);

        for (;;) {
                struct pollfd p = {.fd = child_get_fd(&child), .events = POLLIN};

                if (poll(&p, 1, -1) < 0)
                        continue;
                r = child_dispatch(&child, &status);
                if (r < 0)
                        _exit(97);
                if (r > 0)
                        _exit(exit_status_of_process(status));
        }
}

static pid_t parent_start(const ChildSpec *spec) {
        pid_t pid;

        assert_int_equal(ftruncate(output_fd, 0), 0);
        assert_int_equal(lseek(output_fd, 0, SEEK_SET), 0);
        pid = __real_fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                /* A job of its own, as a shell would have it. */
                (void)setpgid(0, 0);
                parent_main(spec);
        }
        (void)setpgid(pid, pid);
        return pid;
}

static int wait_for(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int run_spec(const ChildSpec *spec) {
        return wait_for(parent_start(spec));
}

#define WORDS(...) ((char **)(const char *const[]){__VA_ARGS__, NULL})

static int run_shell(const char *script) {
        ChildSpec spec = {.words = WORDS("sh", "-c", script)};

        return run_spec(&spec);
}

static void test_status(void **state) {
        assert_int_equal(run_shell("exit 0"), 0);
        assert_int_equal(run_shell("exit 1"), 1);
        assert_int_equal(run_shell("exit 255"), 255);
        assert_int_equal(run_shell("kill -TERM $$"), 143);
        assert_int_equal(run_shell("kill -KILL $$"), 137);
}

static void test_cannot_run(void **state) {
        ChildSpec missing = {.words = WORDS("doorward-no-such-command")};
        ChildSpec folder = {.words = WORDS("/")};
        ChildSpec no_program = {.words = WORDS("/etc/passwd")};
        ChildSpec empty = {.words = WORDS("")};

        assert_int_equal(run_spec(&missing), 127);
        assert_int_equal(run_spec(&folder), 126);
        assert_int_equal(run_spec(&no_program), 126);
        assert_int_equal(run_spec(&empty), 127);
}

static void test_descriptors(void **state) {
        int fds[2] = {memfd_create("a", MFD_CLOEXEC), memfd_create("b", MFD_CLOEXEC)};
        ChildSpec spec = {
                .words = WORDS("sh", "-c",
                               "echo a >&3; echo b >&7; "
                               "echo $LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID - $$)); "
                               "ls /proc/self/fd | sort -n | tr '\\n' ' '"),
                .sources = fds,
                .numbers = (int[]){3, 7},
                .n_fds = 2,
                .n_listen = 1,
                .names = "first",
        };
        char buf[8] = {};

        assert_int_equal(run_spec(&spec), 0);
        /* Nothing but what was meant for it; ls itself has the folder open, as 4. */
        assert_string_equal(output(), "1 first 0\n0 1 2 3 4 7 ");
        assert_int_equal(pread(fds[0], buf, sizeof(buf), 0), 2);
        assert_string_equal(buf, "a\n");
        assert_int_equal(pread(fds[1], buf, sizeof(buf), 0), 2);
        assert_string_equal(buf, "b\n");
        close_fd(fds[0]);
        close_fd(fds[1]);
}

/* What we were handed ourselves is not the command's. */
static void test_listen_environment(void **state) {
        assert_int_equal(setenv("LISTEN_FDS", "3", 1), 0);
        assert_int_equal(setenv("LISTEN_PID", "1", 1), 0);
        assert_int_equal(setenv("LISTEN_FDNAMES", "x:y:z", 1), 0);
        assert_int_equal(run_shell("echo [$LISTEN_FDS$LISTEN_PID$LISTEN_FDNAMES]"), 0);
        assert_string_equal(output(), "[]\n");
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("LISTEN_FDNAMES");
}

static void read_masks(char *buf, size_t size) {
        FILE *f = fopen("/proc/self/status", "re");
        char line[256];

        assert_non_null(f);
        buf[0] = 0;
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, "SigBlk:", 7) == 0 || strncmp(line, "SigIgn:", 7) == 0)
                        strncat(buf, line, size - strlen(buf) - 1);
        (void)fclose(f);
}

/* The mask and the dispositions are those that we were started with: under nohup, SIGHUP stays
 * ignored. */
static void test_signals_are_inherited(void **state) {
        struct sigaction ignore = {.sa_handler = SIG_IGN}, action[3];
        static const int ignored[] = {SIGHUP, SIGCHLD, SIGPIPE};
        char expected[512];
        sigset_t set, mask;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGUSR1);
        (void)sigaddset(&set, SIGALRM);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, &mask), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(sigaction(ignored[i], &ignore, &action[i]), 0);
        read_masks(expected, sizeof(expected));

        {
                ChildSpec spec = {
                        .words = WORDS("grep", "-E", "SigBlk|SigIgn", "/proc/self/status")};
                pid_t pid = parent_start(&spec);

                /* SIGCHLD is ignored here, too, but a status is still to be had. */
                for (int i = 0; i < 2; i++)
                        assert_int_equal(sigaction(ignored[i], &action[i], NULL), 0);
                assert_int_equal(wait_for(pid), 0);
        }
        assert_string_equal(output(), expected);
        assert_int_equal(sigprocmask(SIG_SETMASK, &mask, NULL), 0);
}

/* Waits until the command has said something. */
static void wait_for_output(const char *expected) {
        for (int i = 0; i < 2000; i++) {
                if (streq(output(), expected))
                        return;
                (void)usleep(2000);
        }
        assert_string_equal(output(), expected);
}

static void test_forwards(void **state) {
        static const struct {
                int number;
                const char *name;
        } signals[] = {
                {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"},   {SIGTERM, "TERM"},
                {SIGUSR1, "USR1"}, {SIGUSR2, "USR2"}, {SIGWINCH, "WINCH"}, {SIGCONT, "CONT"},
                {SIGALRM, "ALRM"}, {SIGXCPU, "XCPU"},
        };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                char script[256];
                ChildSpec spec = {.words = WORDS("bash", "-c", script)};
                pid_t pid;

                (void)snprintf(script, sizeof(script),
                               "trap 'echo got %s; exit 7' %s; echo ready; "
                               "while :; do sleep 0.01; done",
                               signals[i].name, signals[i].name);
                pid = parent_start(&spec);
                wait_for_output("ready\n");
                assert_int_equal(kill(pid, signals[i].number), 0);
                assert_int_equal(wait_for(pid), 7);
                assert_true(strstr(output(), "got") != NULL);
        }
}

static void test_default_death(void **state) {
        ChildSpec spec = {.words = WORDS("sh", "-c", "echo ready; exec sleep 60")};
        pid_t pid = parent_start(&spec);

        wait_for_output("ready\n");
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(wait_for(pid), 143);
}

static char state_of(pid_t pid) {
        char path[64], line[256];
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (!f)
                return 'X';
        assert_non_null(fgets(line, sizeof(line), f));
        (void)fclose(f);
        return strrchr(line, ')')[2];
}

static void wait_for_state(pid_t pid, bool stopped) {
        for (int i = 0; i < 2000 && (state_of(pid) == 'T') != stopped; i++)
                (void)usleep(2000);
        assert_int_equal(state_of(pid) == 'T', stopped);
}

/* Once it has said its number. */
static pid_t wait_for_command(void) {
        pid_t command = 0;

        for (int i = 0; i < 2000 && command == 0; i++) {
                command = (pid_t)atoi(output());
                (void)usleep(2000);
        }
        assert_true(command > 0);
        return command;
}

static const ChildSpec sleeper = {.words = WORDS("sh", "-c", "echo $$; exec sleep 60")};

static void wait_for_stop(pid_t pid, int number) {
        int status;

        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(WSTOPSIG(status), number);
}

static void check_stop(int number, bool to_the_parent) {
        pid_t pid = parent_start(&sleeper), command = wait_for_command();

        /* We stop as it stops, by the same signal, and a shell sees that. */
        assert_int_equal(kill(to_the_parent ? pid : command, number), 0);
        wait_for_stop(pid, number == SIGSTOP ? SIGTSTP : number);
        wait_for_state(command, true);

        /* Only we are told to go on. */
        assert_int_equal(kill(pid, SIGCONT), 0);
        wait_for_state(pid, false);
        wait_for_state(command, false);

        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(wait_for(pid), 143);
}

static void test_stops(void **state) {
        check_stop(SIGSTOP, false);
        check_stop(SIGTSTP, false);
        check_stop(SIGTTIN, false);
        check_stop(SIGTTOU, false);
        check_stop(SIGTSTP, true);
}

/* Who is faster than our own stop has continued both, and both can be stopped again. */
static void check_continued(int number, bool *when) {
        pid_t pid, command;

        *when = true;
        pid = parent_start(&sleeper);
        *when = false;
        command = wait_for_command();
        assert_int_equal(kill(command, number), 0);
        for (int i = 0; i < 50; i++) {
                (void)usleep(2000);
                assert_int_not_equal(state_of(pid), 'T');
        }
        wait_for_state(command, false);

        assert_int_equal(kill(command, number), 0);
        wait_for_stop(pid, number == SIGSTOP ? SIGTSTP : number);
        assert_int_equal(kill(pid, SIGCONT), 0);
        wait_for_state(command, false);
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(wait_for(pid), 143);
}

static void test_continued_meanwhile(void **state) {
        static const int numbers[] = {SIGSTOP, SIGTSTP, SIGTTIN};

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                check_continued(numbers[i], &at.before_stop);
                check_continued(numbers[i], &at.after_stop);
        }
}

/* ^Z right after fg: what was last counts. */
static void test_stopped_again(void **state) {
        for (int i = 0; i < 2; i++) {
                pid_t pid;

                at.stopped_again = true;
                at.read_in_turn = i == 1;
                pid = parent_start(&sleeper);
                at.stopped_again = at.read_in_turn = false;
                wait_for_stop(pid, SIGTSTP);
                assert_int_equal(kill(pid, SIGCONT), 0);
                wait_for_state(wait_for_command(), false);
                assert_int_equal(kill(pid, SIGTERM), 0);
                assert_int_equal(wait_for(pid), 143);
        }
}

static pid_t parent_start_with(int before_fork, const ChildSpec *spec) {
        pid_t pid;

        at.before_fork = before_fork;
        pid = parent_start(spec);
        at.before_fork = 0;
        return pid;
}

/* What came before there was a command is for the command, also from the terminal or our own
 * group. */
static void test_before_the_command(void **state) {
        const int numbers[] = {SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGALRM, SIGRTMIN + 3};
        ChildSpec quick = {.words = WORDS("sh", "-c", "exit 7")};
        ChildSpec missing = {.words = WORDS("doorward-no-such-command")};
        pid_t pid;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                assert_int_equal(wait_for(parent_start_with(numbers[i], &sleeper)),
                                 128 + numbers[i]);
        assert_int_equal(wait_for(parent_start_with(SIGWINCH, &quick)), 7);
        assert_int_equal(wait_for(parent_start_with(SIGCONT, &quick)), 7);

        pid = parent_start_with(SIGTSTP, &quick);
        wait_for_stop(pid, SIGTSTP);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(wait_for(pid), 7);

        pid = parent_start_with(SIGTSTP, &missing);
        wait_for_stop(pid, SIGTSTP);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(wait_for(pid), 127);

        pid = parent_start_with(SIGTSTP, &quick);
        wait_for_stop(pid, SIGTSTP);
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(wait_for(pid), 143);
}

/* One that was set before we were what we are now is the command's: it has none of its own. */
static void test_alarm(void **state) {
        pid_t pid;

        at.alarm = true;
        pid = parent_start(&sleeper);
        at.alarm = false;
        assert_int_equal(wait_for(pid), 128 + SIGALRM);
}

static void test_who_is_forwarded(void **state) {
        enum { COMMAND = 100, OWN_GROUP = 90, OTHER = 5000 };
        static const struct {
                ChildSignal received;
                bool leader, forwarded;
        } table[] = {
                /* From somebody outside. */
                {{SIGTERM, SI_USER, OTHER, OTHER}, false, true},
                {{SIGTERM, SI_QUEUE, OTHER, OTHER}, false, true},
                {{SIGTERM, SI_TKILL, OTHER, OTHER}, true, true},
                /* From somebody who has ended, or is outside of this pid namespace. */
                {{SIGTERM, SI_USER, OTHER, -1}, false, true},
                {{SIGTERM, SI_USER, 0, -1}, false, true},
                /* From the command, or out of our own group: kill 0 in a script. */
                {{SIGTERM, SI_USER, COMMAND, OTHER}, false, false},
                {{SIGTERM, SI_USER, OTHER, OWN_GROUP}, false, false},
                /* From the terminal. */
                {{SIGINT, SI_KERNEL, 0, -1}, false, false},
                {{SIGINT, SI_KERNEL, 0, -1}, true, false},
                {{SIGTSTP, SI_KERNEL, 0, -1}, true, false},
                {{SIGWINCH, SI_KERNEL, 0, -1}, true, false},
                /* That it is gone, only the leader of the session is told. */
                {{SIGHUP, SI_KERNEL, 0, -1}, false, false},
                {{SIGHUP, SI_KERNEL, 0, -1}, true, true},
                {{SIGCONT, SI_KERNEL, 0, -1}, true, true},
                /* From the kernel, and for us alone. */
                {{SIGALRM, SI_KERNEL, 0, -1}, false, true},
                {{SIGXCPU, SI_KERNEL, 0, -1}, true, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_int_equal(
                        child_forwards(&table[i].received, COMMAND, OWN_GROUP, table[i].leader),
                        table[i].forwarded);
}

/* Each ^C is one, not two: a terminal of the test's own, whose foreground group is the job. */
static void test_terminal(void **state) {
        ChildSpec spec = {
                .words = WORDS("bash", "-c",
                               "trap 'echo int' INT; trap 'exit 5' TERM; echo ready; "
                               "while :; do sleep 0.01; done"),
        };
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        pid_t session;

        assert_true(master >= 0);
        assert_int_equal(grantpt(master), 0);
        assert_int_equal(unlockpt(master), 0);

        session = fork();
        assert_true(session >= 0);
        if (session == 0) {
                pid_t job;
                int tty, status;

                (void)setsid();
                tty = open(ptsname(master), O_RDWR | O_CLOEXEC);
                job = parent_start(&spec);
                (void)signal(SIGTTOU, SIG_IGN);
                if (tty < 0 || tcsetpgrp(tty, job) < 0)
                        _exit(90);
                if (waitpid(job, &status, 0) != job || !WIFEXITED(status))
                        _exit(91);
                _exit(WEXITSTATUS(status));
        }

        wait_for_output("ready\n");
        assert_int_equal(write(master, "\003", 1), 1);
        wait_for_output("ready\nint\n");
        assert_int_equal(write(master, "\003", 1), 1);
        wait_for_output("ready\nint\nint\n");
        /* Time enough for one that should not come. */
        (void)usleep(100000);
        assert_string_equal(output(), "ready\nint\nint\n");

        /* Hanging up: the group gets it from the session's leader, who ends. */
        assert_int_equal(kill(session, 0), 0);
        assert_int_equal(kill(session, SIGKILL), 0);
        assert_int_equal(waitpid(session, NULL, 0), session);
        close_fd(master);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_cannot_run),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_listen_environment),
                cmocka_unit_test(test_signals_are_inherited),
                cmocka_unit_test(test_forwards),
                cmocka_unit_test(test_default_death),
                cmocka_unit_test(test_stops),
                cmocka_unit_test(test_continued_meanwhile),
                cmocka_unit_test(test_stopped_again),
                cmocka_unit_test(test_before_the_command),
                cmocka_unit_test(test_alarm),
                cmocka_unit_test(test_who_is_forwarded),
                cmocka_unit_test(test_terminal),
        };

        (void)alarm(DEADLINE_S);
        /* What we were started with besides is nobody's business here; nor is it that nohup(1)
         * started us, say: a shell cannot trap what it was told to ignore. */
        (void)close_range(3, ~0U, 0);
        (void)signal(SIGHUP, SIG_DFL);
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGQUIT, SIG_DFL);
        output_fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
        return output_fd < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
