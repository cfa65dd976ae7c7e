/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "client/channel.h"
#include "client/tty.h"

/* As long as the kernel's longest line. */
#define CHUNK_SIZE 4096U

/* In the order in which they are sent again. */
static const struct {
        int number;
        bool asks_again; /* who comes back from it asks anew */
        bool let_in;     /* also where the program blocks it */
} signals[TTY_SIGNALS] = {
        {SIGALRM, false, false}, {SIGHUP, false, true},  {SIGINT, false, true},
        {SIGPIPE, false, false}, {SIGQUIT, false, true}, {SIGTERM, false, true},
        {SIGCONT, true, true},   {SIGTSTP, true, false}, {SIGTTIN, true, false},
        {SIGTTOU, true, false},
};

/* What a handler can reach. A handler outlives its prompt where somebody else puts it back later,
 * as system() does in another thread: so it can find the program's own at any time. */
static volatile sig_atomic_t arrived[TTY_SIGNALS];
static struct sigaction saved[TTY_SIGNALS];
static pid_t owner;         /* of the prompt: a child that was forked meanwhile has none */
static int wake_fd = -1;    /* atomic */
static unsigned n_handlers; /* that run at this moment, in any thread; atomic */

static bool is_stop(int number) {
        return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* A stop is undone by SIGCONT and the other way round, as for the kernel. */
static void note_arrival(int number) {
        for (size_t i = 0; i < TTY_SIGNALS; i++) {
                if (signals[i].number == number)
                        arrived[i] = 1;
                else if ((number == SIGCONT && is_stop(signals[i].number)) ||
                         (is_stop(number) && signals[i].number == SIGCONT))
                        arrived[i] = 0;
        }
}

/* It is for the program alone, which gets it when our handler has returned: there is no prompt any
 * more, or it is another process's. */
static void pass_on(int number) {
        for (size_t i = 0; i < TTY_SIGNALS; i++)
                if (signals[i].number == number)
                        (void)sigaction(number, &saved[i], NULL);

        (void)raise(number);
}

static void on_signal(int number) {
        static const uint64_t one = 1;
        int saved_errno = errno, fd;

        (void)__atomic_add_fetch(&n_handlers, 1, __ATOMIC_SEQ_CST);
        fd = __atomic_load_n(&wake_fd, __ATOMIC_SEQ_CST);
        if (fd >= 0 && getpid() == owner) {
                note_arrival(number);
                (void)!write(fd, &one, sizeof(one));
        } else
                pass_on(number);
        (void)__atomic_sub_fetch(&n_handlers, 1, __ATOMIC_SEQ_CST);

        errno = saved_errno;
}

static bool has_arrived(int number) {
        for (size_t i = 0; i < TTY_SIGNALS; i++)
                if (signals[i].number == number)
                        return arrived[i];

        return false;
}

/* Another than this, if it is one. */
static bool another_has_arrived(int number) {
        for (size_t i = 0; i < TTY_SIGNALS; i++)
                if (arrived[i] && signals[i].number != number)
                        return true;

        return false;
}

static int tty_check(const Tty *tty) {
        pid_t group = tcgetpgrp(tty->fd);

        return group < 0 ? TTY_E_NONE : group != getpgrp() ? TTY_E_BACKGROUND : 0;
}

int tty_check_watch(const AuthWatch *watch) {
        struct pollfd p = {.fd = watch ? watch->fd : -EBADF, .events = watch ? watch->events : 0};

        if (!watch)
                return 0;
        if (poll(&p, 1, 0) > 0)
                return TTY_E_HUNG_UP;
        return channel_deadline_left(watch->deadline) == 0 ? TTY_E_LATE : 0;
}

int tty_open(Tty *tty, const AuthWatch *watch) {
        int fd, r;

        r = tty_check_watch(watch);
        if (r != 0)
                return r;

        /* Output that is stopped is not to stop us. */
        fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : TTY_E_NONE;

        fd = channel_move_fd_consume(fd);
        if (fd < 0)
                return fd;

        tty->fd = fd;
        tty->watch = watch;
        return tty_check(tty);
}

void tty_close(Tty *tty) {
        tty->fd = close_fd(tty->fd);
}

/* Until there is something to read, or room to write: 0 then. */
static int tty_wait(const Tty *tty, short events) {
        const AuthWatch *watch = tty->watch;
        struct pollfd polls[] = {
                {.fd = tty->wake, .events = POLLIN},
                {.fd = watch ? watch->fd : -EBADF, .events = watch ? watch->events : 0},
                {.fd = tty->fd, .events = events},
        };
        int r;

        do
                r = poll(polls, ELEMENTSOF(polls),
                         watch ? channel_deadline_left(watch->deadline) : -1);
        while (r < 0 && errno == EINTR);

        return r < 0              ? -errno
               : r == 0           ? TTY_E_LATE
               : polls[0].revents ? TTY_E_SIGNAL
               : polls[1].revents ? TTY_E_HUNG_UP
                                  : 0;
}

/* How much; 0 if there is no room now, or -errno. */
static ssize_t tty_write_now(const Tty *tty, const char *text) {
        ssize_t k;

        do
                k = write(tty->fd, text, strlen(text));
        while (k < 0 && errno == EINTR && !another_has_arrived(0));

        return k >= 0 ? k : errno == EAGAIN ? 0 : -errno;
}

void tty_write(const Tty *tty, const char *text) {
        ssize_t k;
        int r = 0;

        while (r == 0 && *text) {
                k = tty_write_now(tty, text);
                if (k < 0)
                        return;
                text += k;
                if (k == 0)
                        r = tty_wait(tty, POLLOUT);
        }
}

/* What is ignored stays so; and what is ours already is no way of the program's. */
static void handler_install(size_t i) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK}, now;

        /* Other threads are not to notice. But what asks for the terminal from the background would
         * do so for ever. */
        if (signals[i].number != SIGTTIN && signals[i].number != SIGTTOU)
                action.sa_flags |= SA_RESTART;
        (void)sigfillset(&action.sa_mask);
        (void)sigaction(signals[i].number, NULL, &now);
        if (now.sa_handler == SIG_IGN)
                return;
        if (now.sa_handler != on_signal)
                saved[i] = now;

        (void)sigaction(signals[i].number, &action, NULL);
}

/* Whoever has put something else in its place meanwhile wants that. */
static void handler_remove(size_t i) {
        struct sigaction now;

        (void)sigaction(signals[i].number, NULL, &now);
        if (now.sa_handler == on_signal)
                (void)sigaction(signals[i].number, &saved[i], NULL);
}

static void signals_take(Tty *tty) {
        sigset_t let_in;

        (void)sigemptyset(&let_in);
        for (size_t i = 0; i < TTY_SIGNALS; i++)
                arrived[i] = 0;
        owner = getpid();
        __atomic_store_n(&wake_fd, tty->wake, __ATOMIC_SEQ_CST);

        for (size_t i = 0; i < TTY_SIGNALS; i++) {
                handler_install(i);
                if (signals[i].let_in)
                        (void)sigaddset(&let_in, signals[i].number);
        }

        (void)pthread_sigmask(SIG_UNBLOCK, &let_in, &tty->mask);
}

static void signals_give_back(const Tty *tty) {
        /* The mask first: what the program blocks is not to meet its handlers in between. */
        (void)pthread_sigmask(SIG_SETMASK, &tty->mask, NULL);
        for (size_t i = 0; i < TTY_SIGNALS; i++)
                handler_remove(i);

        /* A handler that still runs has to be done with the descriptor. */
        __atomic_store_n(&wake_fd, -1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&n_handlers, __ATOMIC_SEQ_CST) > 0)
                (void)sched_yield();
}

static int signals_judge(Tty *tty) {
        int r = 0;

        for (size_t i = 0; i < TTY_SIGNALS; i++) {
                tty->caught[i] = arrived[i];
                if (!tty->caught[i])
                        continue;

                if (!signals[i].asks_again)
                        r = TTY_E_INTERRUPTED;
                else if (r == 0 && (is_stop(signals[i].number) || !tty->complete))
                        r = TTY_E_CONTINUED;
        }

        return r;
}

/* To this thread, which is then not a step further before it is stopped; but where the program
 * blocks it, to the process, in which somebody waits for it. */
void tty_send_again(Tty *tty) {
        for (size_t i = 0; i < TTY_SIGNALS; i++) {
                if (!tty->caught[i])
                        continue;

                tty->caught[i] = false;
                if (sigismember(&tty->mask, signals[i].number) == 1)
                        (void)kill(getpid(), signals[i].number);
                else
                        (void)raise(signals[i].number);
        }
}

/* Without waiting for the output: the terminal can stand still. */
static int modes_set(const Tty *tty, const struct termios *modes) {
        while (tcsetattr(tty->fd, TCSANOW, modes) < 0)
                if (errno != EINTR || has_arrived(SIGTTOU))
                        return -errno;

        return 0;
}

static bool modes_are_ours(const Tty *tty) {
        struct termios modes;

        return tcgetattr(tty->fd, &modes) == 0 && modes.c_iflag == tty->modes.c_iflag &&
               modes.c_oflag == tty->modes.c_oflag && modes.c_lflag == tty->modes.c_lflag;
}

static int modes_take(Tty *tty) {
        const tcflag_t echo = ECHO | ECHOE | ECHOK;
        struct termios *modes = &tty->modes;
        int r;

        if (tcgetattr(tty->fd, &tty->before) < 0)
                return -errno;

        *modes = tty->before;
        modes->c_iflag |= ICRNL;
        modes->c_iflag &= ~(tcflag_t)(INLCR | IGNCR);
        modes->c_oflag |= OPOST | ONLCR;
        modes->c_lflag |= ICANON | ISIG;
        if (tty->hidden)
                modes->c_lflag &= ~(tcflag_t)(echo | ECHONL);
        else
                modes->c_lflag |= echo;

        r = modes_set(tty, modes);
        /* It says yes to what it did but a part of. */
        if (r == 0 && !modes_are_ours(tty)) {
                (void)modes_set(tty, &tty->before);
                r = -ENOTTY;
        }
        if (r < 0)
                return r;

        tty->has_modes = true;
        if (tty->hidden)
                (void)tcflush(tty->fd, TCIFLUSH);
        return 0;
}

/* Also from the background: whoever has the terminal now and has not touched it wants what we
 * found. Modes that are not ours are somebody else's, who prompts, too, perhaps, and has found
 * ours. */
static void modes_restore(const Tty *tty) {
        sigset_t stop, before;

        if (!modes_are_ours(tty))
                return;

        (void)sigemptyset(&stop);
        (void)sigaddset(&stop, SIGTTOU);
        (void)pthread_sigmask(SIG_BLOCK, &stop, &before);
        (void)modes_set(tty, &tty->before);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* What was typed of a secret and not read is nobody else's. */
static void modes_give_back(const Tty *tty) {
        bool in_front = tty_check(tty) == 0;

        if (in_front && tty->hidden && !tty->complete)
                (void)tcflush(tty->fd, TCIFLUSH);
        modes_restore(tty);
        if (!in_front)
                return;

        /* Enter was not shown, or not pressed. */
        if (tty->hidden || !tty->complete)
                (void)tty_write_now(tty, "\n");
}

int tty_begin(Tty *tty, bool hidden) {
        int fd, r;

        tty->hidden = hidden;
        tty->complete = tty->has_modes = false;
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
                return -errno;
        fd = channel_move_fd_consume(fd);
        if (fd < 0)
                return fd;

        tty->wake = fd;
        signals_take(tty);
        r = modes_take(tty);
        return r < 0 ? (tty_end(tty) ?: r) : 0;
}

int tty_end(Tty *tty) {
        if (tty->has_modes)
                modes_give_back(tty);
        signals_give_back(tty);
        tty->wake = close_fd(tty->wake);

        return signals_judge(tty);
}

/* The program was continued, and nobody has touched the terminal. */
static bool tty_is_undisturbed(const Tty *tty) {
        uint64_t n;

        /* First, so that what comes after the look is not lost. */
        (void)!read(tty->wake, &n, sizeof(n));
        return has_arrived(SIGCONT) && !another_has_arrived(SIGCONT) && tty_check(tty) == 0 &&
               modes_are_ours(tty);
}

/* Adds what was read to the line; true once that is over. */
static bool line_add(char line[TTY_LINE_MAX + 1], size_t *n, const char *chunk, size_t size,
                     int *problem) {
        const char *end = memchr(chunk, '\n', size);
        size_t k = end ? (size_t)(end - chunk) : size;

        if (memchr(chunk, 0, k))
                *problem = TTY_E_NUL;
        if (k > TTY_LINE_MAX - *n)
                *problem = TTY_E_LONG;
        if (*problem == 0) {
                memcpy(line + *n, chunk, k);
                *n += k;
                line[*n] = 0;
        }

        return end;
}

int tty_read_line(Tty *tty, char line[TTY_LINE_MAX + 1]) {
        char chunk[CHUNK_SIZE];
        int problem = 0, r = 0;
        size_t n = 0;
        ssize_t k;

        memset(line, 0, TTY_LINE_MAX + 1);
        while (r == 0 && !tty->complete) {
                r = tty_wait(tty, POLLIN);
                if (r == TTY_E_SIGNAL && tty_is_undisturbed(tty)) {
                        r = 0;
                        continue;
                }
                if (r != 0)
                        break;

                k = read(tty->fd, chunk, sizeof(chunk));
                if (k > 0)
                        tty->complete = line_add(line, &n, chunk, (size_t)k, &problem);
                else if (k == 0 || (errno != EINTR && errno != EAGAIN))
                        r = TTY_E_END;
        }

        explicit_bzero(chunk, sizeof(chunk));
        if (r == 0)
                r = problem;
        if (r != 0)
                explicit_bzero(line, TTY_LINE_MAX + 1);
        return r;
}
