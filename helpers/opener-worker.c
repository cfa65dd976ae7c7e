/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "common/socket.h"
#include "helpers/opener-device.h"
#include "helpers/opener-identity.h"
#include "helpers/opener-place.h"
#include "helpers/opener-refusal.h"
#include "helpers/opener-request.h"
#include "helpers/opener-worker.h"

/* The highest number that the kernel gives an error. */
#define ERRNO_MAX 4095

/* Of messages about what a worker brought. */
#define WHAT "what was opened"

/* What it is to do; a copy of the opener's own. */
typedef struct Job {
        const OpenerRequest *request;
        const Definition *definition;
        const OpenerPathRules *rules;
        uid_t uid;
        uint64_t deadline;
        int channel;
} Job;

/* In the worker. */

/* The kernel ends it then, whatever is done to it: SIGKILL is not held up by SIGSTOP. */
static int arrange_end(uint64_t at) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
        struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at / 1000000),
                                               .tv_nsec = (long)(at % 1000000) * 1000}};
        timer_t timer;

        if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
            timer_settime(timer, TIMER_ABSTIME, &spec, NULL) < 0)
                return -errno;
        return 0;
}

/* The listener, the broker's connections, what others are being given: none of it is the client's.
 */
static int close_others(int a, int b) {
        unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

        if ((low > 0 && close_range(0, low - 1, 0) < 0) ||
            (high > low + 1 && close_range(low + 1, high - 1, 0) < 0) ||
            close_range(high + 1, ~0U, 0) < 0)
                return -errno;
        return 0;
}

/* All were held back since before the fork, so that its user, who may signal it from the moment on
 * that it is them, finds it undumpable. From here on it ends by any signal: systemd, which ends
 * what an opener leaves behind, need not wait. (PR_SET_PDEATHSIG would not do: the opener may not
 * signal a user.) */
static int take_signals(void) {
        sigset_t none;

        (void)sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int become(const Job *job) {
        int r;

        /* The parent's table is forgotten, and its descriptor closed with the others. It is not
         * fclose(3)d: that may seek, and the place that it would move is the parent's, too. */
        *job->rules->mounts = (OpenerMounts){};
        r = arrange_end(job->deadline + OPENER_WORKER_END_USEC);
        if (r == 0)
                r = close_others(job->channel, job->rules->root_fd);
        if (r == 0)
                r = opener_identity_take(job->uid);
        return r == 0 ? take_signals() : r;
}

static int open_patiently(const Job *job, int *ret_fd, OpenerReply *reply) {
        _cleanup_(opener_task_deinit) OpenerTask task = OPENER_TASK_NULL;
        int r;

        r = opener_request_begin(&task, job->request, job->definition, job->rules, job->deadline,
                                 ret_fd, reply);
        while (r == 0) {
                (void)poll(NULL, 0, (int)(OPENER_RETRY_USEC / 1000));
                r = opener_request_retry(&task, job->rules, opener_request_now(), ret_fd, reply);
        }

        return r;
}

_Noreturn static void work(const Job *job) {
        OpenerReply reply = {};
        int r, fd = -EBADF;

        r = become(job);
        if (r < 0)
                (void)opener_refuse(&reply, OPENER_OPEN, -r, "no process can become user %u: %s",
                                    (unsigned)job->uid, strerror(-r));
        else
                (void)open_patiently(job, &fd, &reply);

        reply.id = job->request->id;
        _exit(opener_request_answer(job->channel, &reply, fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* In the opener. */

/* Whose child is out of reach of signals, until it takes them: its pid, or -errno. */
static pid_t fork_shielded(const Job *job) {
        sigset_t all, before;
        pid_t pid;

        (void)sigfillset(&all);
        if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                work(job);
        if (pid < 0)
                pid = -errno;

        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return pid;
}

void opener_worker_deinit(OpenerWorker *worker) {
        close_fd(worker->fd);
        *worker = (OpenerWorker)OPENER_WORKER_NULL;
}

int opener_worker_start(OpenerWorker *worker, const OpenerRequest *request,
                        const Definition *definition, const OpenerPathRules *rules, uid_t uid,
                        uint64_t deadline, OpenerReply *reply) {
        Job job = {request, definition, rules, uid, deadline, -EBADF};
        const Target *target;
        int r, pair[2];
        pid_t pid;

        r = opener_request_find(request, definition, &target, reply);
        if (r != 0)
                return r;
        if (uid == 0)
                return opener_refuse(reply, OPENER_REFUSED_CLIENT, 0,
                                     "nothing is opened as root: ConnectAs=client is for users");

        r = socket_pair(0, pair);
        if (r < 0)
                return opener_refuse(reply, OPENER_OPEN, -r, "no process can be started: %s",
                                     strerror(-r));
        job.channel = pair[1];
        pid = fork_shielded(&job);
        close_fd(pair[1]);
        if (pid < 0) {
                close_fd(pair[0]);
                return opener_refuse(reply, OPENER_LIMIT, -pid, "no process can be started: %s",
                                     strerror(-pid));
        }

        *worker = (OpenerWorker){
                .fd = pair[0],
                .pid = pid,
                .uid = uid,
                .access = request->access,
                .kind = target->kind,
                .deadline = deadline + OPENER_WORKER_GRACE_USEC,
        };
        return 0;
}

/* Whether it is a socket of this kind, and connected. */
static bool is_connection(Kind kind, int fd) {
        struct sockaddr_un address;
        socklen_t n = sizeof(address);

        return socket_option_is(fd, SO_DOMAIN, AF_UNIX) &&
               socket_option_is(fd, SO_TYPE,
                                kind == KIND_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM) &&
               getpeername(fd, (struct sockaddr *)&address, &n) == 0;
}

/* Whether it was opened for that, and no more. */
static bool has_access(Access access, int fd) {
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && !(flags & O_PATH) &&
               (flags & O_ACCMODE) == (access == ACCESS_FULL ? O_RDWR : O_RDONLY);
}

static int refuse_kind(const OpenerWorker *worker, OpenerReply *reply) {
        return opener_refuse(reply, OPENER_TYPE, 0,
                             "%s by the process of user %u is no %s as it was asked for", WHAT,
                             (unsigned)worker->uid, kind_to_string(worker->kind));
}

static int verify_connection(const OpenerWorker *worker, const OpenerPathRules *rules, int fd,
                             OpenerReply *reply) {
        return is_connection(worker->kind, fd) ? opener_place_check_peer(WHAT, fd, rules, reply)
                                               : refuse_kind(worker, reply);
}

static int verify_file(const OpenerWorker *worker, const Definition *definition,
                       const OpenerPathRules *rules, int fd, OpenerReply *reply) {
        const char *reason;
        struct stat st;
        int r;

        /* Before it is asked anything: others wait. */
        r = opener_mounts_check(rules->mounts, fd, &reason);
        if (r != 0)
                return opener_refuse(reply, OPENER_TYPE, r < 0 ? -r : 0, "%s %s", WHAT, reason);
        if (fstat(fd, &st) < 0)
                return opener_refuse(reply, OPENER_OPEN, errno, "%s cannot be looked at: %s", WHAT,
                                     strerror(errno));

        if (!opener_place_fits(worker->kind, st.st_mode) || !has_access(worker->access, fd))
                return refuse_kind(worker, reply);

        return worker->kind == KIND_DEVICE
                       ? opener_device_check(definition->devices, WHAT, &st, reply)
                       : 0;
}

/* What it brought, by the definition's own words: 0 or a refusal. */
static int worker_verify(const OpenerWorker *worker, const Definition *definition,
                         const OpenerPathRules *rules, int fd, OpenerReply *reply) {
        return worker->kind == KIND_STREAM || worker->kind == KIND_SEQPACKET
                       ? verify_connection(worker, rules, fd, reply)
                       : verify_file(worker, definition, rules, fd, reply);
}

static int refuse_disturbed(const OpenerWorker *worker, int error, const char *what,
                            OpenerReply *reply) {
        return opener_refuse(reply, OPENER_DISTURBED, error,
                             "the process that opens it as user %u %s", (unsigned)worker->uid,
                             what);
}

/* What one can come to; all else is the opener's own to say. Its text is printable and short by the
 * decoder. */
static bool is_verdict(const OpenerReply *said) {
        switch (said->status) {
        case OPENER_OK:
        case OPENER_PATH:
        case OPENER_PEER_USER:
        case OPENER_TYPE:
        case OPENER_OPEN:
        case OPENER_TIMEOUT:
                return said->error <= ERRNO_MAX;
        default:
                return false;
        }
}

int opener_worker_receive(OpenerWorker *worker, const Definition *definition,
                          const OpenerPathRules *rules, int *ret_fd, OpenerReply *reply) {
        uint8_t buf[OPENER_MESSAGE_SIZE];
        _cleanup_close_ int fd = -EBADF;
        SocketAncillary ancillary;
        OpenerReply said;
        ssize_t n;
        int r;

        n = socket_receive_now(worker->fd, buf, sizeof(buf), 1, &ancillary);
        if (n == -EAGAIN)
                return 0;
        if (n == 0 || n == -ECONNRESET)
                return refuse_disturbed(worker, ECONNABORTED, "was ended", reply);
        if (n > 0 && ancillary.n_fds > 0)
                fd = ancillary.fds[0];

        /* Only what has become the client has anything to hand over. */
        if (n < 0 || !ancillary.has_credentials || ancillary.credentials.pid != worker->pid ||
            opener_reply_decode(buf, (size_t)n, &said) < 0 || !is_verdict(&said) ||
            (said.status == OPENER_OK) != (fd >= 0) ||
            (fd >= 0 && ancillary.credentials.uid != worker->uid))
                return refuse_disturbed(worker, EPROTO, "does not speak as it should", reply);

        if (said.status != OPENER_OK) {
                *reply = said;
                return (int)said.status;
        }
        r = worker_verify(worker, definition, rules, fd, reply);
        if (r != 0)
                return r;

        *reply = (OpenerReply){.status = OPENER_OK};
        *ret_fd = TAKE_FD(fd);
        return OPENER_OK;
}

int opener_worker_expire(const OpenerWorker *worker, OpenerReply *reply) {
        return refuse_disturbed(worker, ETIMEDOUT, "stands still", reply);
}
