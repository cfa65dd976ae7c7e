/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "common/pump.h"
#include "common/socket.h"
#include "helpers/transport-lines.h"
#include "helpers/transport-program.h"
#include "helpers/transport-session.h"

/* For a program that has closed its streams to end, too. */
#define PATIENCE_MS 3000
/* Once the library has hung up: for what the host program had written to get through. */
#define GRACE_MS 1000
/* pipe(7) */
#define PIPE_CAPACITY 65536U

typedef struct Session {
        int control;
        int epoll_fd;
        int timer_fd; /* once the library has hung up */
        TransportProgram program;
        Lines lines;
        unsigned n_lines[2]; /* that were passed on: for people, and news */
        bool late;           /* it has waited long enough, or there is nothing to wait for */
        bool told;           /* how it has ended */
} Session;

/* Telling. The library may be slow, and nobody here waits for it: what does not fit is lost, and if
 * that is the last, it sees the end all the same. */

static void session_tell(Session *session, const TransportMessage *message) {
        uint8_t buf[TRANSPORT_MESSAGE_SIZE];
        size_t n = transport_message_encode(message, buf);

        (void)send(session->control, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_line(const char *line, void *userdata) {
        TransportMessage message = {.type = TRANSPORT_LINE};
        Session *session = userdata;
        unsigned *n = &session->n_lines[transport_line_is_news(line)];

        if (*n >= TRANSPORT_LINES_MAX)
                return;

        ++*n;
        transport_message_set_text(&message, line);
        session_tell(session, &message);
}

static void tell_end(Session *session) {
        int status = session->program.status;
        TransportMessage message = {
                .type = TRANSPORT_ENDED,
                .how = WIFSIGNALED(status) ? TRANSPORT_KILLED : TRANSPORT_EXITED,
                .number = (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
        };

        if (session->told)
                return;

        lines_end(&session->lines, tell_line, session);
        lines_join(&session->lines, message.text);
        session_tell(session, &message);
        session->told = true;
}

static void tell_not_run(Session *session, int error, const char *program) {
        TransportMessage message = {
                .type = TRANSPORT_ENDED,
                .how = TRANSPORT_NOT_RUN,
                .number = (uint32_t)-error,
        };

        transport_message_set_text(&message, program);
        session_tell(session, &message);
}

/* Watching. */

static int session_add(Session *session, int fd) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        return epoll_ctl(session->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void session_forget(Session *session, int fd) {
        (void)epoll_ctl(session->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* What there is at the moment, and no more than a pipe holds: all that a program has said by its
 * end. Who goes on as fast as it is read would otherwise be all that is heard. */
static void hear_errors(Session *session) {
        char buf[4096];
        ssize_t n = 1;

        for (size_t i = 0; i < PIPE_CAPACITY / sizeof(buf) && n > 0; i++) {
                do
                        n = read(session->program.errors, buf, sizeof(buf));
                while (n < 0 && errno == EINTR);
                if (n > 0)
                        lines_add(&session->lines, buf, (size_t)n, tell_line, session);
        }

        if (n == 0)
                session_forget(session, session->program.errors);
}

/* It is told at once; what it has said before is still on its way. */
static void hear_end(Session *session) {
        if (!transport_program_has_ended(&session->program))
                return;

        session_forget(session, session->program.pidfd);
        hear_errors(session);
        tell_end(session);
}

/* What was written before may be on its way yet: it gets through, and the end behind it, if that
 * does not take long. */
static int hear_hang_up(Session *session) {
        const struct itimerspec grace = {.it_value = {.tv_sec = GRACE_MS / 1000}};

        session_forget(session, session->control);
        session->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        if (session->timer_fd < 0 || timerfd_settime(session->timer_fd, 0, &grace, NULL) < 0)
                return -errno;

        return session_add(session, session->timer_fd);
}

static PumpWatch session_watch(void *userdata) {
        Session *session = userdata;
        struct epoll_event events[3];
        int n;

        n = epoll_wait(session->epoll_fd, events, ELEMENTSOF(events), 0);
        for (int i = 0; i < n && !session->late; i++)
                if (events[i].data.fd == session->control)
                        session->late = hear_hang_up(session) < 0;
                else if (events[i].data.fd == session->timer_fd)
                        session->late = true;
                else if (events[i].data.fd == session->program.errors)
                        hear_errors(session);
                else
                        hear_end(session);

        return session->late ? PUMP_WATCH_END : PUMP_WATCH_ON;
}

static int session_init(Session *session) {
        TransportProgram *program = &session->program;
        int r;

        session->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (session->epoll_fd < 0 || fcntl(program->errors, F_SETFL, O_RDONLY | O_NONBLOCK) < 0)
                return -errno;

        r = session_add(session, session->control);
        if (r == 0)
                r = session_add(session, program->errors);
        if (r == 0)
                r = session_add(session, program->pidfd);
        return r;
}

static void session_pump(Session *session, int data) {
        const PumpSpec spec = {
                .input = session->program.output,
                .output = TAKE_FD(session->program.input),
                .endpoint = data,
                .watch_fd = session->epoll_fd,
                .watch = session_watch,
                .userdata = session,
        };
        PumpSide side;

        /* Whatever fails, it is the end. */
        if (pump_run(&spec, &side) < 0)
                session->late = true;
}

static void session_deinit(Session *session) {
        transport_program_deinit(&session->program);
        close_fd(session->epoll_fd);
        close_fd(session->timer_fd);
        close_fd(session->control);
}

void transport_session_run_consume_fds(char *const *arguments, int control, int data) {
        _cleanup_(session_deinit) Session session = {
                .control = control,
                .epoll_fd = -EBADF,
                .timer_fd = -EBADF,
                .program = TRANSPORT_PROGRAM_NULL,
        };
        _cleanup_close_ int owned = data;
        int r;

        r = transport_program_start(arguments, &session.program);
        if (r == 0)
                r = session_init(&session);
        if (r < 0) {
                tell_not_run(&session, r, arguments[0]);
                return;
        }

        session_pump(&session, owned);
        /* Nobody is to wait for more. */
        (void)shutdown(owned, SHUT_RDWR);
        transport_program_stop(&session.program, session.late            ? 0
                                                 : session.timer_fd >= 0 ? GRACE_MS
                                                                         : PATIENCE_MS);
        hear_errors(&session);
        tell_end(&session);
}
