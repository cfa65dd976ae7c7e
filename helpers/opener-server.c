/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/peer.h"
#include "common/socket.h"
#include "helpers/opener-refusal.h"
#include "helpers/opener-server.h"

/* What is waited for, beside the connections and the workers. */
enum {
        FD_LISTENER,
        FD_END,
        _FD_CONNECTIONS,
        _FD_WORKERS = _FD_CONNECTIONS + OPENER_CONNECTIONS_MAX,
        _FD_MAX = _FD_WORKERS + OPENER_TASKS_MAX,
};

/* Stays for at least this long from now on. */
static void server_stay(OpenerServer *server, uint64_t usec) {
        if (server->end_at < server->now + usec)
                server->end_at = server->now + usec;
}

/* Connections. */

static bool slot_is_waited_for(const OpenerSlot *slot) {
        return slot->active && !slot->answered;
}

static size_t server_count_tasks(const OpenerServer *server, size_t connection) {
        size_t n = 0;

        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                n += slot_is_waited_for(&server->slots[i]) &&
                     server->slots[i].connection == connection;
        return n;
}

static void slot_clear(OpenerSlot *slot) {
        opener_task_deinit(&slot->task);
        opener_worker_deinit(&slot->worker);
        slot->active = slot->answered = false;
}

/* Nobody waits for it any more. What a worker took of the user's places it has to its end. */
static void slot_answered(OpenerSlot *slot) {
        if (slot->worker.fd >= 0)
                slot->answered = true;
        else
                slot_clear(slot);
}

/* Whatever it was that waited for it has nobody to answer any more. */
static void server_drop(OpenerServer *server, size_t connection) {
        OpenerConnection *c = &server->connections[connection];

        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                if (slot_is_waited_for(&server->slots[i]) &&
                    server->slots[i].connection == connection)
                        slot_answered(&server->slots[i]);

        c->fd = close_fd(c->fd);
        c->drained = false;
}

/* Nothing more comes. If that is our own doing, what is under way is still answered. */
static void server_drain(OpenerServer *server, size_t connection) {
        if (!server->leaving || server_count_tasks(server, connection) == 0)
                server_drop(server, connection);
        else
                server->connections[connection].drained = true;
}

static void server_leave(OpenerServer *server) {
        server->leaving = true;

        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++)
                if (server->connections[i].fd >= 0)
                        (void)shutdown(server->connections[i].fd, SHUT_RD);
}

static OpenerConnection *server_find_free(OpenerServer *server) {
        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++)
                if (server->connections[i].fd < 0)
                        return &server->connections[i];

        return NULL;
}

static void server_accept(OpenerServer *server) {
        OpenerConnection *connection = server_find_free(server);
        _cleanup_close_ int fd = -EBADF;
        struct ucred credentials;

        fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || !connection)
                return;
        if (peer_get_credentials(fd, &credentials) != 0 || credentials.uid != server->broker)
                return;

        *connection = (OpenerConnection){.fd = TAKE_FD(fd), .pid = credentials.pid};
}

/* Answers. */

/* Sends the reply, takes the descriptor and records what came of it. */
static void server_answer_consume_fd(OpenerServer *server, size_t connection,
                                     const OpenerRequest *request, uid_t uid, OpenerReply *reply,
                                     int passed) {
        int fd = server->connections[connection].fd, r;

        reply->id = request->id;
        r = opener_request_answer(fd, reply, passed);
        close_fd(passed);
        if (r < 0) {
                (void)opener_refuse(reply, OPENER_OPEN, -r, "the broker takes no answer");
                server_drop(server, connection);
        }

        opener_record_put(server->record, request, uid, reply, server->now);
}

/* Requests. */

static OpenerSlot *server_admit(OpenerServer *server, uid_t uid, OpenerReply *reply) {
        OpenerSlot *free_slot = NULL;
        size_t n = 0;

        for (size_t i = 0; i < OPENER_TASKS_MAX; i++) {
                n += server->slots[i].active && server->slots[i].uid == uid;
                if (!server->slots[i].active)
                        free_slot = &server->slots[i];
        }

        if (n < OPENER_TASKS_PER_UID_MAX && free_slot)
                return free_slot;

        (void)opener_refuse(reply, OPENER_LIMIT, 0, "too many requests %s wait for the backend",
                            free_slot ? "of this user" : "in all");
        return NULL;
}

static int server_begin(OpenerServer *server, OpenerSlot *slot, const OpenerRequest *request,
                        uid_t uid, int *ret_fd, OpenerReply *reply) {
        int r;

        if (server->lack)
                *reply = *server->lack;
        r = server->lack ? (int)reply->status
                         : opener_definition_refresh(server->definition, reply);
        if (r != 0) {
                /* This process is of no more use. */
                server->useless = true;
                server_leave(server);
                return r;
        }

        /* Policy was asked about, and the lease is made of, what the broker has read. */
        if (!streq(request->definition, server->definition->definition->hash))
                return opener_refuse(reply, OPENER_STALE, 0,
                                     "the broker has not read the definition as it is");

        server_stay(server, server->idle_usec);
        if (server->definition->definition->connect_as == CONNECT_AS_CLIENT) {
                slot->task.request = *request;
                return opener_worker_start(&slot->worker, request, server->definition->definition,
                                           &server->path, uid, server->now + server->patience_usec,
                                           reply);
        }
        return opener_request_begin(&slot->task, request, server->definition->definition,
                                    &server->path, server->now + server->patience_usec, ret_fd,
                                    reply);
}

static void server_finish_consume_fd(OpenerServer *server, size_t connection,
                                     const OpenerRequest *request, uid_t uid, OpenerReply *reply,
                                     int fd) {
        const Definition *definition = server->definition->definition;

        if (reply->status == OPENER_OK && definition->connect_as == CONNECT_AS_USER)
                server_stay(server, server->linger_usec);

        server_answer_consume_fd(server, connection, request, uid, reply, fd);
}

static void server_request_consume_fd(OpenerServer *server, size_t connection,
                                      const OpenerRequest *request, int client) {
        uid_t uid = PEER_UID_INVALID;
        OpenerSlot *slot = NULL;
        OpenerReply reply = {};
        const char *reason;
        int fd = -EBADF, r;

        r = caller_judge(&server->caller, client, &uid, &reason);
        close_fd(client);
        if (r != 0)
                r = opener_refuse(&reply, OPENER_REFUSED_CLIENT, r < 0 ? -r : 0, "%s", reason);
        else
                slot = server_admit(server, uid, &reply);
        if (slot)
                r = server_begin(server, slot, request, uid, &fd, &reply);

        if (slot && r == 0) {
                slot->active = true;
                slot->connection = connection;
                slot->uid = uid;
                return;
        }

        if (slot)
                slot_clear(slot);
        server_finish_consume_fd(server, connection, request, uid, &reply, fd);
}

static bool server_has_id(const OpenerServer *server, size_t connection, uint32_t id) {
        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                if (slot_is_waited_for(&server->slots[i]) &&
                    server->slots[i].connection == connection &&
                    server->slots[i].task.request.id == id)
                        return true;

        return false;
}

static void server_receive(OpenerServer *server, size_t connection) {
        OpenerConnection *c = &server->connections[connection];
        _cleanup_close_ int client = -EBADF;
        uint8_t buf[OPENER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        OpenerRequest request;
        ssize_t n;

        n = socket_receive(c->fd, buf, sizeof(buf), 1, &ancillary);
        if (n == -EAGAIN)
                return;
        if (n >= 0 && ancillary.n_fds > 0)
                client = ancillary.fds[0];

        if (n == 0)
                server_drain(server, connection);
        else if (n < 0 || client < 0 || !ancillary.has_credentials ||
                 ancillary.credentials.pid != c->pid ||
                 ancillary.credentials.uid != server->broker ||
                 opener_request_decode(buf, (size_t)n, &request) < 0 ||
                 server_has_id(server, connection, request.id))
                server_drop(server, connection);
        else
                server_request_consume_fd(server, connection, &request, TAKE_FD(client));
}

/* What comes of one that waited, unless it goes on waiting. */
static void server_end_slot_consume_fd(OpenerServer *server, OpenerSlot *slot, OpenerReply *reply,
                                       int fd) {
        OpenerRequest request = slot->task.request;
        size_t connection = slot->connection;

        slot_answered(slot);
        server_finish_consume_fd(server, connection, &request, slot->uid, reply, fd);

        if (server->connections[connection].drained && server_count_tasks(server, connection) == 0)
                server_drop(server, connection);
}

static void server_retry(OpenerServer *server, OpenerSlot *slot) {
        OpenerReply reply = {};
        int fd = -EBADF;

        if (opener_request_retry(&slot->task, &server->path, server->now, &fd, &reply) != 0)
                server_end_slot_consume_fd(server, slot, &reply, fd);
}

/* A worker has something to say, has ended, or is late. */
static void server_hear_worker(OpenerServer *server, OpenerSlot *slot, short revents) {
        OpenerReply reply = {};
        int fd = -EBADF, r = 0;

        if (!slot->answered && revents)
                r = opener_worker_receive(&slot->worker, server->definition->definition,
                                          &server->path, &fd, &reply);
        if (!slot->answered && r == 0 && server->now >= slot->worker.deadline)
                r = opener_worker_expire(&slot->worker, &reply);
        if (r != 0)
                server_end_slot_consume_fd(server, slot, &reply, fd);
        if (slot->answered && (revents & (POLLHUP | POLLERR)))
                slot_clear(slot);
}

/* The loop. */

static bool server_has_tasks(const OpenerServer *server) {
        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                if (slot_is_waited_for(&server->slots[i]))
                        return true;

        return false;
}

/* When one of them is to be looked at, if nothing happens. */
static uint64_t server_get_task_deadline(const OpenerServer *server) {
        uint64_t until = UINT64_MAX;

        for (size_t i = 0; i < OPENER_TASKS_MAX; i++) {
                const OpenerSlot *slot = &server->slots[i];
                uint64_t at = slot->worker.fd >= 0 ? slot->worker.deadline : server->retry_at;

                if (slot_is_waited_for(slot) && until > at)
                        until = at;
        }

        return until;
}

static bool server_has_connections(const OpenerServer *server) {
        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++)
                if (server->connections[i].fd >= 0)
                        return true;

        return false;
}

static int server_get_timeout(const OpenerServer *server) {
        uint64_t now = opener_request_now();
        uint64_t until =
                server_has_tasks(server) ? server_get_task_deadline(server) : server->end_at;
        uint64_t record_at = opener_record_get_deadline(server->record);

        if (until > record_at)
                until = record_at;
        if (until <= now)
                return 0;
        return (int)((until - now + 999) / 1000);
}

static int server_wait(OpenerServer *server, struct pollfd fds[_FD_MAX]) {
        bool accepts = !server->leaving && server_find_free(server);

        fds[FD_LISTENER] = (struct pollfd){.fd = accepts ? server->listener : -1, .events = POLLIN};
        fds[FD_END] = (struct pollfd){.fd = server->leaving ? -1 : server->end, .events = POLLIN};
        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++) {
                const OpenerConnection *c = &server->connections[i];

                fds[_FD_CONNECTIONS + i] =
                        (struct pollfd){.fd = c->drained ? -1 : c->fd, .events = POLLIN};
        }

        for (size_t i = 0; i < OPENER_TASKS_MAX; i++) {
                const OpenerSlot *slot = &server->slots[i];

                /* Of one that has answered the end is waited for, which is told unasked. */
                fds[_FD_WORKERS + i] = (struct pollfd){.fd = slot->active ? slot->worker.fd : -1,
                                                       .events = slot->answered ? 0 : POLLIN};
        }

        if (poll(fds, _FD_MAX, server_get_timeout(server)) < 0) {
                if (errno != EINTR)
                        return -errno;
                for (size_t i = 0; i < _FD_MAX; i++)
                        fds[i].revents = 0;
        }

        server->now = opener_request_now();
        return 0;
}

static void server_retry_all(OpenerServer *server) {
        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                if (server->slots[i].active && server->slots[i].worker.fd < 0)
                        server_retry(server, &server->slots[i]);

        server->retry_at = server->now + OPENER_RETRY_USEC;
}

static int server_turn(OpenerServer *server) {
        struct pollfd fds[_FD_MAX];
        const struct pollfd *connections = fds + _FD_CONNECTIONS;
        int r;

        r = server_wait(server, fds);
        if (r < 0)
                return r;

        /* Before the connections, by which slots come to be others'. */
        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                if (server->slots[i].active && server->slots[i].worker.fd >= 0)
                        server_hear_worker(server, &server->slots[i], fds[_FD_WORKERS + i].revents);

        if (fds[FD_LISTENER].revents)
                server_accept(server);
        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++)
                if (connections[i].revents && server->connections[i].fd == connections[i].fd)
                        server_receive(server, i);

        if (server->now >= server->retry_at)
                server_retry_all(server);
        opener_record_flush(server->record, server->now);

        if (fds[FD_END].revents ||
            (!server->leaving && !server_has_tasks(server) && server->now >= server->end_at))
                server_leave(server);
        return 0;
}

void opener_server_init(OpenerServer *server) {
        *server = (OpenerServer){
                .listener = -EBADF,
                .end = -EBADF,
                .broker = PEER_UID_INVALID,
                .caller = {.own = PEER_UID_INVALID, .broker = PEER_UID_INVALID},
                .path = {.root_fd = -EBADF, .peer = PEER_UID_INVALID},
                .patience_usec = OPENER_PATIENCE_USEC,
                .idle_usec = OPENER_IDLE_USEC,
                .linger_usec = OPENER_LINGER_USEC,
        };

        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++)
                server->connections[i].fd = -EBADF;
        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                server->slots[i] =
                        (OpenerSlot){.task = OPENER_TASK_NULL, .worker = OPENER_WORKER_NULL};
}

void opener_server_deinit(OpenerServer *server) {
        for (size_t i = 0; i < OPENER_CONNECTIONS_MAX; i++)
                server_drop(server, i);
        for (size_t i = 0; i < OPENER_TASKS_MAX; i++)
                slot_clear(&server->slots[i]);
}

int opener_server_run(OpenerServer *server) {
        int r = 0;

        /* Nobody waits for workers: they say themselves what came of it. */
        (void)signal(SIGCHLD, SIG_IGN);

        server->now = opener_request_now();
        server_stay(server, server->idle_usec);

        while (r == 0 && (!server->leaving || server_has_connections(server)))
                r = server_turn(server);

        opener_record_flush(server->record, UINT64_MAX);
        return r;
}
