/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <syslog.h>

#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/cgroup.h"
#include "broker/lease.h"
#include "broker/method.h"
#include "broker/monitor.h"
#include "broker/session.h"
#include "broker/state-content.h"
#include "common/socket.h"

/* How long a client may take to read its last reply before it is dropped. */
#define CLOSE_USEC (5 * UINT64_C(1000000))
/* How often one that is over is asked whether the client has taken what it was sent. */
#define LINGER_USEC UINT64_C(1000000)

static void session_arm(Session *session);
static void session_finish_call(Session *session);
static void session_forget_call(Session *session);
static void session_leave_process(Session *session);

static const char *const state_names[_SESSION_STATE_MAX] = {
        [SESSION_WAITING] = "waiting",
        [SESSION_BUSY] = "busy",
        [SESSION_LEASED] = "leased",
        [SESSION_CLOSING] = "closing",
};

const char *session_state_to_string(SessionState state) {
        return state_names[state];
}

/* Nothing is left to be said. */
static bool session_has_said_all(const Session *session) {
        return session->state == SESSION_CLOSING && varlink_output_is_empty(&session->output);
}

/* Nothing is left but to free it. */
static bool session_is_over(const Session *session) {
        return session_has_said_all(session) && !session->delivery.user;
}

/* The one place where the state changes. */
static void session_set_state(Session *session, SessionState state) {
        static const bool allowed[_SESSION_STATE_MAX][_SESSION_STATE_MAX] = {
                [SESSION_WAITING] = {[SESSION_BUSY] = true, [SESSION_CLOSING] = true},
                [SESSION_BUSY] = {[SESSION_WAITING] = true,
                                  [SESSION_LEASED] = true,
                                  [SESSION_CLOSING] = true},
                [SESSION_LEASED] = {[SESSION_CLOSING] = true},
        };

        assert(allowed[session->state][state]);
        session->state = state;

        switch (state) {
        case SESSION_WAITING:
                (void)session_set_timeout(session, session->broker->settings->request_timeout_usec);
                break;
        case SESSION_CLOSING:
                if (!session_has_said_all(session))
                        (void)session_set_timeout(session, CLOSE_USEC);
                break;
        case SESSION_LEASED:
                /* There can be thousands, which need no more than this. */
                deadline_lift(&session->deadline);
                varlink_input_deinit(&session->input);
                break;
        case SESSION_BUSY:
        case _SESSION_STATE_MAX:
                deadline_lift(&session->deadline);
                break;
        }

        session_arm(session);
}

static void hex_random(char *ret, size_t size) {
        static const char digits[] = "0123456789abcdef";
        uint8_t bytes[16];
        size_t n = (size - 1) / 2;

        assert(n <= sizeof(bytes));
        if (getrandom(bytes, n, 0) != (ssize_t)n)
                abort(); /* cannot fail once the system has booted; without it nothing is safe */
        for (size_t i = 0; i < n; i++) {
                ret[2 * i] = digits[bytes[i] >> 4];
                ret[2 * i + 1] = digits[bytes[i] & 15];
        }
        ret[2 * n] = 0;
}

/* Delivery. A descriptor that the client does not read is on the way for as long as the client
 * holds its end, whatever becomes of ours, and the kernel counts those on the way against the
 * broker's user: without end, nobody would get one any more. So a user has only so many, and what
 * was sent is kept in view until it was taken. The kernel tells how much waits there, and wakes
 * nobody about it.
 */

static void session_forget_delivery(Session *session) {
        if (!session->delivery.user)
                return;

        broker_remove_undelivered(session->broker, session);
        user_charge_deinit(&session->delivery);
}

void session_expect_delivery(Session *session) {
        session_forget_delivery(session);
        /* How many there may be was checked before. */
        (void)!user_charge(session->user, USER_UNDELIVERED, UINT_MAX, &session->delivery);
        session->delivery_time = broker_now(session->broker);
        broker_add_undelivered(session->broker, session);
}

bool session_has_delivered(Session *session) {
        int waiting = 0;

        if (session->delivery.user && varlink_output_is_empty(&session->output) &&
            (ioctl(session->fd, SIOCOUTQ, &waiting) < 0 || waiting == 0)) {
                session_forget_delivery(session);
                if (session_is_over(session))
                        broker_wake_session(session->broker, session);
        }
        return !session->delivery.user;
}

/* It is over but for that. */
static void session_linger(Session *session) {
        session_leave_process(session);
        (void)sd_event_source_set_enabled(session->io, SD_EVENT_OFF);
        (void)session_set_timeout(session, LINGER_USEC);
}

/* The event sources that fit the state. */
static void session_arm(Session *session) {
        uint32_t events = EPOLLRDHUP;

        if (session_has_said_all(session)) {
                if (!session_has_delivered(session))
                        session_linger(session);
                else
                        broker_wake_session(session->broker, session);
                return;
        }

        if (session->state != SESSION_CLOSING && !varlink_input_is_full(&session->input))
                events |= EPOLLIN;
        if (!varlink_output_is_empty(&session->output))
                events |= EPOLLOUT;
        (void)sd_event_source_set_io_events(session->io, events);
}

int session_set_timeout(Session *session, uint64_t usec) {
        return deadline_set_relative(&session->deadline, usec);
}

void session_set_operation(Session *session, Operation *operation) {
        assert(session->state == SESSION_BUSY && !session->operation);
        session->operation = operation;
}

static void session_drop_operation(Session *session) {
        Operation *operation = TAKE_PTR(session->operation);

        if (operation)
                operation->free(operation);
}

void session_close(Session *session) {
        if (session->state == SESSION_CLOSING)
                return;

        session_drop_operation(session);
        if (session->lease)
                lease_end(session->lease, peer_is_alive(&session->peer) ? END_CLIENT : END_PEER);
        /* A session that had a lease is charged to nobody any more, and waits for nobody. */
        if (!session->connection.user)
                varlink_output_deinit(&session->output);
        session_set_state(session, SESSION_CLOSING);
}

/* The client is not there any more: nothing is left to be said. */
static void session_hang_up(Session *session) {
        varlink_output_deinit(&session->output);
        session_close(session);
        session_arm(session);
}

/* Output. */

static void session_flush(Session *session) {
        const char *data;
        size_t size;
        ssize_t n;
        int fd;

        while (varlink_output_peek(&session->output, &data, &size, &fd)) {
                n = socket_send(session->fd, data, size, fd);
                if (n == -EAGAIN)
                        break;
                if (n < 0) {
                        session_hang_up(session);
                        return;
                }
                varlink_output_advance(&session->output, (size_t)n);
        }
}

static void session_send_consume(Session *session, json_t *object, int fd) {
        if (varlink_output_push_consume(&session->output, object, fd) < 0)
                session_hang_up(session);
        else
                session_flush(session);
}

/* Whether the call is one of our own interface, whose replies are all numbered. */
static bool session_call_is_ours(const Session *session) {
        return strncmp(session->call.method, INTERFACE_PREFIX, strlen(INTERFACE_PREFIX)) == 0;
}

void session_reply_consume(Session *session, json_t *parameters, int fd, bool continues) {
        assert(session->state == SESSION_BUSY || session->state == SESSION_LEASED);

        /* No memory. */
        if (!parameters) {
                close_fd(fd);
                session_hang_up(session);
                return;
        }

        session_trace(session, "Answered%s%s", fd >= 0 ? ", with a descriptor" : "",
                      continues ? "; more may follow" : "");
        if (session_call_is_ours(session))
                (void)json_object_set_new(parameters, "requestId", json_string(session->request));
        session_send_consume(session, varlink_reply_new(parameters, continues), fd);
        if (!continues)
                session_finish_call(session);
        else if (session->state != SESSION_CLOSING)
                session_arm(session);
        if (session->state == SESSION_LEASED)
                session_forget_call(session);
}

void session_refuse(Session *session, const Refusal *refusal) {
        json_t *parameters = refusal_to_json(refusal, session->request);

        assert(session->state == SESSION_BUSY);

        session_trace(session, "Refused: %s%s%s", interface_error_name((ErrorId)refusal->error),
                      refusal->cause[0] ? ", " : "", refusal->cause);
        if (parameters && refusal->error == ERROR_IDENTITY_PROOF_REQUIRED)
                (void)json_object_set_new(parameters, "nonce", json_string(session->nonce));
        session_send_consume(
                session,
                varlink_error_new(interface_error_name((ErrorId)refusal->error), parameters),
                -EBADF);
        session_finish_call(session);
}

void session_refuse_service(Session *session, ErrorId error, const char *value) {
        static const char *const members[_ERROR_MAX] = {
                [ERROR_METHOD_NOT_FOUND] = "method",
                [ERROR_METHOD_NOT_IMPLEMENTED] = "method",
                [ERROR_INVALID_PARAMETER] = "parameter",
                [ERROR_INTERFACE_NOT_FOUND] = "interface",
        };
        json_t *parameters = members[error] ? json_pack("{s:s}", members[error], value) : NULL;

        session_send_consume(session, varlink_error_new(interface_error_name(error), parameters),
                             -EBADF);
        session_finish_call(session);
}

void session_look_up(Session *session) {
        _cleanup_free_ char *path = NULL;
        char text[CGROUP_FILE_SIZE];

        if (session->looked_up)
                return;
        session->looked_up = true;

        /* What was read of a number is of our peer only if that still has it. */
        if (peer_get_cgroup(&session->peer, text, sizeof(text)) == 0 &&
            peer_is_alive(&session->peer) && cgroup_parse_path(text, &path) == 0 &&
            cgroup_find_unit(path, session->broker->cgroup_root, &session->unit) == 0)
                (void)cgroup_find_session(session->unit, &session->login_session);
}

void session_get_record_fields(Session *session, RecordFields *ret) {
        session_look_up(session);
        *ret = (RecordFields){
                .subject_uid = session->peer.uid,
                .identity_uid = session->peer.uid,
                .subject_pid = session->peer.pid,
                .unit = session->unit,
                .session = session->login_session,
                .request = session->request,
        };
}

void session_record_refusal(Session *session, const Refusal *refusal) {
        JournalEntry entry;
        RecordFields fields;

        session_get_record_fields(session, &fields);
        fields.endpoint = refusal->endpoint;
        fields.access = refusal->access;
        fields.action = refusal->action;
        fields.asked = refusal->asked;
        if (refusal->identity != PEER_UID_INVALID)
                fields.identity_uid = refusal->identity;
        fields.error = refusal_error_name(refusal);
        fields.cause = refusal->cause[0] ? refusal->cause : NULL;
        fields.decision = refusal->error == ERROR_PERMISSION_DENIED ? DECISION_DENIED : 0;
        if (refusal->error == ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED ||
            refusal->error == ERROR_AUTHENTICATION_FAILED ||
            refusal->error == ERROR_AUTHENTICATION_CANCELLED)
                fields.decision = DECISION_CHALLENGE;
        if (refusal->error == ERROR_ACCESS_UNSUPPORTED)
                fields.decision = DECISION_UNSUPPORTED;

        /* Whoever runs into a limit could otherwise fill the journal at their leisure. */
        if (refusal->error == ERROR_LIMIT_EXCEEDED &&
            !user_limit_is_recorded(session->user, broker_now(session->broker), &fields.suppressed))
                return;

        fields.lease = refusal->live_lease;
        record_format_refusal(&entry, &fields);
        record_put(session->broker->record, &entry);

        /* Who watches themselves guess is not told that they guessed right. */
        fields.lease = NULL;
        monitor_tell(session->broker, "refused", fields.error, &fields);
}

void session_refuse_recorded(Session *session, const Refusal *refusal) {
        session_record_refusal(session, refusal);
        session_refuse(session, refusal);
}

/* Leases. */

void session_set_lease(Session *session, Lease *lease) {
        assert(session->state == SESSION_BUSY && !session->lease);

        session->lease = lease;
        user_charge_deinit(&session->connection);
        session_drop_operation(session);
        session_set_state(session, SESSION_LEASED);
}

void session_end_lease(Session *session, EndReason reason) {
        session->lease = NULL;
        session_trace(session, "The lease ends: %s", end_reason_to_string(reason));

        /* Who went away is not told that it did. */
        if (reason == END_CLIENT || reason == END_PEER)
                return;

        /* Before something is sent after it, which waits on its own. */
        (void)session_has_delivered(session);
        session_send_consume(session,
                             varlink_reply_new(json_pack("{s:s, s:s, s:s}", "state", "ended",
                                                         "reason", end_reason_to_wire(reason),
                                                         "requestId", session->request),
                                               false),
                             -EBADF);
        session_close(session);
}

/* Input. */

/* Whether the caller is proven to be the process that is pinned, now or before. */
static bool session_is_proven(Session *session, const char *proof) {
        if (session->peer.proven)
                return true;

        /* The message came from the pinned pid, which was checked; that this process is alive
         * after it means that the number was its own. A nonce serves once. */
        if (proof && session->nonce[0] && streq(proof, session->nonce) &&
            session->sender_uid == session->peer.uid && peer_is_alive(&session->peer))
                session->peer.proven = true;

        hex_random(session->nonce, sizeof(session->nonce));
        return session->peer.proven;
}

static const char *call_proof(const VarlinkCall *call) {
        return json_string_value(json_object_get(call->parameters, "proof"));
}

static void session_dispatch(Session *session) {
        FieldValue values[INTERFACE_FIELDS_MAX];
        const char *parameter;
        Refusal refusal;
        int id;

        id = interface_find_method(session->call.method);
        if (id < 0) {
                session_refuse_service(session, ERROR_METHOD_NOT_FOUND, session->call.method);
                return;
        }

        if (interface_read_parameters(&interface_methods[id], session->call.parameters, values,
                                      &parameter) < 0) {
                session_refuse_service(session, ERROR_INVALID_PARAMETER, parameter);
                return;
        }

        if (method_needs_proof((MethodId)id) &&
            !session_is_proven(session, call_proof(&session->call))) {
                refusal_init(&refusal, ERROR_IDENTITY_PROOF_REQUIRED);
                refusal_set_hint(&refusal, "Send the same call again with the nonce as proof.");
                session_refuse(session, &refusal);
                return;
        }

        method_call(session, (MethodId)id, values);
}

/* Takes the next message that is there, if any: one a turn of the loop, since others wait for
 * theirs; and not before the client took what it was told, else whoever only asks could make the
 * broker hold answers without end. */
static void session_process_input(Session *session) {
        int r;

        if (session->state != SESSION_WAITING || !varlink_output_is_empty(&session->output))
                return;

        r = varlink_input_next(&session->input, &session->message);
        if (r == 0)
                return;
        if (r < 0 || varlink_call_parse(session->message.object, &session->call) < 0 ||
            session->call.oneway || session->call.upgrade) {
                session_close(session);
                return;
        }

        hex_random(session->request, sizeof(session->request));
        session_trace(session, "uid %u, pid %d calls %s", session->peer.uid, session->peer.pid,
                      session->call.method);
        session_set_state(session, SESSION_BUSY);
        session_dispatch(session);
}

static void session_forget_call(Session *session) {
        varlink_incoming_deinit(&session->message);
        session->call = (VarlinkCall){};
}

static void session_finish_call(Session *session) {
        session_drop_operation(session);
        session_forget_call(session);

        if (session->state != SESSION_BUSY)
                return;

        session_set_state(session, SESSION_WAITING);
        if (varlink_input_is_partial(&session->input))
                broker_wake_session(session->broker, session);
}

/* Records that somebody else wrote. This can be done as often as anybody likes, so it costs a
 * request, and beyond those there is one entry a second. */
static void session_record_sender(Session *session, const SocketAncillary *ancillary) {
        uint64_t now = broker_now(session->broker), wait_ms;
        RecordFields fields;
        JournalEntry entry;
        unsigned suppressed = 0;
        bool known = ancillary->has_credentials;

        if (user_take_token(session->user, now, &wait_ms) != 0 &&
            !user_limit_is_recorded(session->user, now, &suppressed))
                return;

        session_get_record_fields(session, &fields);
        fields.request = NULL;
        fields.suppressed = suppressed;
        record_format_sender(&entry, &fields, known ? ancillary->credentials.pid : 0,
                             known ? ancillary->credentials.uid : 0);
        record_put(session->broker->record, &entry);
}

/* Somebody else wrote on this connection: a child that inherited it, or whoever it was passed to.
 */
static void session_refuse_sender(Session *session, const SocketAncillary *ancillary) {
        session_record_sender(session, ancillary);
        session_close(session);
}

static void session_read(Session *session) {
        SocketAncillary ancillary;
        size_t size;
        ssize_t n;
        char *buf;

        if (varlink_input_space(&session->input, &buf, &size) < 0) {
                session_hang_up(session);
                return;
        }

        /* Nothing takes descriptors here: what is sent is dropped by the kernel, and an error. */
        n = socket_receive(session->fd, buf, size, 0, &ancillary);
        if (n == -EAGAIN)
                return;
        if (n <= 0) {
                session_hang_up(session);
                return;
        }
        if (!ancillary.has_credentials || !peer_is_sender(&session->peer, &ancillary.credentials)) {
                session_refuse_sender(session, &ancillary);
                return;
        }

        /* The client that was granted a lease has nothing more to say but that it hangs up. */
        if (session->state == SESSION_LEASED) {
                session_close(session);
                return;
        }

        session->sender_uid = ancillary.credentials.uid;
        if (varlink_input_commit_consume_fds(&session->input, (size_t)n, NULL, 0) < 0) {
                session_hang_up(session);
                return;
        }

        session_process_input(session);
        session_arm(session);
}

/* Events. */

/* The last thing that is done about an event: whoever was called by it has returned, and a session
 * that is over can go. */
static void session_settle(Session *session) {
        if (session_is_over(session))
                session_free(session);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Session *session = userdata;

        /* What came before the end is read before it, unless nobody waits for it any more. */
        if ((events & EPOLLIN) && session->state != SESSION_CLOSING)
                session_read(session);
        else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                session_hang_up(session);

        if (events & EPOLLOUT) {
                session_flush(session);
                if (session->state == SESSION_BUSY && varlink_output_is_empty(&session->output) &&
                    session->operation && session->operation->resume)
                        session->operation->resume(session->operation);
                session_process_input(session);
                session_arm(session);
        }

        session_settle(session);
        return 0;
}

void session_end_process(Process *process) {
        /* Whoever else holds one of its connections is somebody else. */
        process->n_ref++;
        while (process->sessions) {
                Session *session = process->sessions;

                session_hang_up(session);
                session_settle(session);
        }
        process_unref(process);
}

static void on_deadline(void *userdata) {
        Session *session = userdata;

        if (session_has_said_all(session))
                session_arm(session);
        else if (session->state == SESSION_BUSY && session->operation && session->operation->expire)
                session->operation->expire(session->operation);
        else
                session_hang_up(session);

        session_settle(session);
}

void session_run(Session *session) {
        session_process_input(session);
        session_settle(session);
}

/* Coming and going. */

static void session_leave_process(Session *session) {
        Process *process = TAKE_PTR(session->process);

        if (!process)
                return;

        if (session->previous_of_process)
                session->previous_of_process->next_of_process = session->next_of_process;
        else
                process->sessions = session->next_of_process;
        if (session->next_of_process)
                session->next_of_process->previous_of_process = session->previous_of_process;

        session->peer.pidfd = -EBADF; /* it is the process's */
        process_unref(process);
}

Session *session_free(Session *session) {
        if (!session)
                return NULL;

        assert(!session->lease && !session->operation);

        sd_event_source_disable_unref(session->io);
        deadline_lift(&session->deadline);
        broker_remove_session(session->broker, session);
        varlink_incoming_deinit(&session->message);
        varlink_input_deinit(&session->input);
        varlink_output_deinit(&session->output);
        user_charge_deinit(&session->connection);
        user_charge_deinit(&session->descriptor);
        session_forget_delivery(session);
        user_unref(session->user);
        session_leave_process(session);
        peer_deinit(&session->peer);
        free(session->unit);
        free(session->login_session);
        /* An opener that is slow can still hold the copy that it was passed. */
        (void)shutdown(session->fd, SHUT_RDWR);
        close_fd(session->fd);
        free(session);
        return NULL;
}

static int session_add_sources(Session *session) {
        int r;

        r = sd_event_add_io(session->broker->event, &session->io, session->fd, EPOLLIN | EPOLLRDHUP,
                            on_io, session);
        if (r >= 0)
                r = session_set_timeout(session, session->broker->settings->request_timeout_usec);
        return r;
}

/* Refuses a connection on which no call was made yet: the error is there to be read by whoever
 * makes one. */
static void refuse_connection(Broker *broker, int fd, const Refusal *refusal) {
        char request[RECORD_REQUEST_SIZE];
        VarlinkOutput output = {};
        const char *data;
        size_t size;
        json_t *object;
        int none;

        hex_random(request, sizeof(request));
        object = varlink_error_new(interface_error_name((ErrorId)refusal->error),
                                   refusal_to_json(refusal, request));
        if (varlink_output_push_consume(&output, object, -EBADF) >= 0 &&
            varlink_output_peek(&output, &data, &size, &none))
                (void)socket_send(fd, data, size, -EBADF);
        varlink_output_deinit(&output);
}

static int session_charge(Session *session, Refusal *refusal) {
        Broker *broker = session->broker;
        int r;

        if (broker->n_sessions - broker->n_leases > broker->settings->connections_max) {
                refusal_init_limit(refusal, "ConnectionsMax", 0);
                return USER_E_QUOTA;
        }

        r = broker_ref_user(broker, session->peer.uid, &session->user);
        if (r < 0)
                return r;

        r = user_charge(session->user, USER_CONNECTIONS, broker->settings->connections_per_user,
                        &session->connection);
        if (r == USER_E_QUOTA) {
                refusal_init_limit(refusal, "ConnectionsPerUser", 0);
                return r;
        }

        return admission_take_descriptor(broker, session->user, &session->descriptor, refusal);
}

/* The process that its connections share. Who has ended meanwhile is not served. */
static int session_join_process(Session *session, Refusal *refusal) {
        bool restores = session->state == SESSION_LEASED;
        Process *process;
        bool is_new;
        int r;

        r = process_table_ref(&session->broker->processes, &session->peer, &process, &is_new);
        if (r != 0)
                return r;

        session->process = process;
        session->next_of_process = process->sessions;
        if (process->sessions)
                process->sessions->previous_of_process = session;
        process->sessions = session;
        /* What was allowed is not refused now. */
        if (is_new && restores)
                return user_charge(session->user, USER_DESCRIPTORS, UINT_MAX, &process->charge);
        return is_new ? admission_take_descriptor(session->broker, session->user, &process->charge,
                                                  refusal)
                      : 0;
}

/* Whom we serve: 0, or what they are told. */
static int session_identify(Session *session, Refusal *refusal) {
        int r;

        r = peer_init(&session->peer, session->fd, !session->broker->settings->proof_always);
        if (r == PEER_E_REFUSED) {
                refusal_init(refusal, ERROR_PERMISSION_DENIED);
                refusal_set_hint(refusal, "doorward serves processes that have a user id of their "
                                          "own on this system, and yours has none.");
        }

        return r;
}

static Session *session_new(Broker *broker) {
        Session *session = calloc(1, sizeof(*session));

        if (!session)
                return NULL;

        session->broker = broker;
        session->fd = -EBADF;
        session->peer = (Peer)PEER_NULL;
        session->sender_uid = PEER_UID_INVALID;
        deadline_init(&session->deadline, &broker->clock, on_deadline, session);
        varlink_input_init(&session->input, VARLINK_REQUEST_MAX);
        broker_add_session(broker, session);
        return session;
}

/* Of the process that has the connection it must be known again that it is the one that had the
 * lease. The kernel says so, or its start time does. */
static int session_restore_peer(Session *session, const StateLease *from, int fd) {
        uint64_t start_time;
        Refusal refusal;
        int r;

        r = peer_init(&session->peer, fd, !session->broker->settings->proof_always);
        if (r != 0)
                return r;
        if (session->peer.uid != from->uid || session->peer.pid != from->pid)
                return PEER_E_REFUSED;

        r = broker_ref_user(session->broker, session->peer.uid, &session->user);
        if (r == 0)
                r = session_join_process(session, &refusal);
        if (r == 0)
                r = process_get_start_time(session->process, &session->peer, &start_time);
        if (r != 0)
                return r;

        return start_time == from->start_time && peer_is_alive(&session->peer) ? 0 : PEER_E_GONE;
}

static int session_restore_strings(Session *session, const StateLease *from) {
        int r;

        memcpy(session->request, from->request, sizeof(session->request));
        session->looked_up = true;
        r = copy_string(from->unit[0] ? from->unit : NULL, &session->unit);
        return r < 0 ? r
                     : copy_string(from->login_session[0] ? from->login_session : NULL,
                                   &session->login_session);
}

int session_restore(Broker *broker, const StateLease *from, int *fd, Session **ret) {
        Session *session = session_new(broker);
        int r;

        if (!session)
                return -ENOMEM;

        session->state = SESSION_LEASED;
        r = session_restore_peer(session, from, *fd);
        if (r == 0)
                r = session_restore_strings(session, from);
        if (r == 0)
                r = user_charge(session->user, USER_DESCRIPTORS, UINT_MAX, &session->descriptor);
        if (r == 0 && (r = sd_event_add_io(broker->event, &session->io, *fd, EPOLLIN | EPOLLRDHUP,
                                           on_io, session)) >= 0) {
                session->fd = TAKE_FD(*fd);
                *ret = session;
                return 0;
        }

        session_free(session);
        return r;
}

Session *session_leave(Session *session) {
        /* First: as long as systemd has a copy the kernel would go on watching this one. */
        session->io = sd_event_source_disable_unref(session->io);
        session->fd = close_fd(session->fd);
        return session_free(session);
}

void session_accept_consume_fd(Broker *broker, int fd) {
        Session *session = session_new(broker);
        Refusal refusal = {};
        int r;

        if (!session) {
                close_fd(fd);
                return;
        }

        session->fd = fd;
        r = session_identify(session, &refusal);
        if (r == 0)
                r = session_charge(session, &refusal);
        if (r == 0)
                r = session_join_process(session, &refusal);
        if (r == 0)
                r = session_add_sources(session);
        if (r == 0) {
                /* The library calls as soon as it is connected. */
                session_read(session);
                session_settle(session);
                return;
        }

        if (refusal.error)
                refuse_connection(broker, fd, &refusal);
        session_free(session);
}
