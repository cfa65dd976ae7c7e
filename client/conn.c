/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "client/channel.h"
#include "client/conn.h"
#include "common/interface.h"

/* /dev/net/tun. */
#define TUN_MAJOR 10
#define TUN_MINOR 200

/* What an Open answers. Borrowed from the reply. */
typedef struct OpenReply {
        const char *state;
        int access;
        int mode;
        const char *lease;
        bool kept;
        int64_t expires;
        const char *reason;
        const char *request_id;
} OpenReply;

static int socket_find_kind(int fd) {
        socklen_t n = sizeof(int);
        int type;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
                return -errno;

        return type == SOCK_STREAM      ? KIND_STREAM
               : type == SOCK_SEQPACKET ? KIND_SEQPACKET
                                        : -EMEDIUMTYPE;
}

int conn_find_kind(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;

        switch (st.st_mode & S_IFMT) {
        case S_IFSOCK:
                return socket_find_kind(fd);
        case S_IFCHR:
                return st.st_rdev == makedev(TUN_MAJOR, TUN_MINOR) ? KIND_TAP : KIND_DEVICE;
        case S_IFBLK:
                return KIND_DEVICE;
        case S_IFIFO:
                return KIND_FIFO;
        case S_IFREG:
                return KIND_FILE;
        default:
                return -EMEDIUMTYPE;
        }
}

/* A socket is read-only by what the service behind it does; anything else by how it was opened. */
static bool fd_is_read_only(int fd) {
        return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

static int reply_read(const WireReply *reply, OpenReply *ret) {
        OpenReply open = {};
        const WireField fields[] = {
                {"state", WIRE_STRING, false, &open.state},
                {"access", WIRE_ENUM, true, &open.access, access_from_wire},
                {"mode", WIRE_ENUM, true, &open.mode, lease_mode_from_wire},
                {"lease", WIRE_STRING, true, &open.lease},
                {"kept", WIRE_BOOL, true, &open.kept},
                {"expires", WIRE_INT, true, &open.expires},
                {"reason", WIRE_STRING, true, &open.reason},
                {"requestId", WIRE_STRING, false, &open.request_id},
                {},
        };
        int r;

        r = wire_read(reply->parameters, fields);
        if (r == 0)
                *ret = open;
        return r;
}

/* What a grant must be to be believed: what was asked for, with a descriptor, and leased only if
 * the call goes on. A lease without a call that carries it would not end with us; so a detached
 * call, which has but one reply, cannot be given one. */
static const char *grant_problem(const WireReply *reply, const OpenReply *open, const Uri *uri) {
        bool leased = open->mode != LEASE_MODE_NONE;

        if (reply->connection < 0)
                return "granted a connection and did not send it";
        if (open->access != uri->access)
                return "granted another access than was asked for";
        if (open->mode == 0 || open->expires < 0)
                return "did not say what it granted";
        if (leased && (!reply->continues || !open->lease))
                return "granted a lease that has no end";

        return NULL;
}

static const char *fd_problem(int fd, int access) {
        int kind = conn_find_kind(fd);

        if (kind < 0)
                return "sent a descriptor of something that is no endpoint";
        if (access == ACCESS_READ_ONLY && kind != KIND_STREAM && kind != KIND_SEQPACKET &&
            !fd_is_read_only(fd))
                return "sent a descriptor that can be written to as a read-only one";

        return NULL;
}

static int fail_protocol(doorward_error *error, const Wire *wire, const char *what) {
        return wire_error_protocol(error, "The broker at %s %s.", wire_get_path(wire), what);
}

/* Makes the connection of a grant. The wire is taken if it is needed for the lease. */
static int conn_new(Wire **wire, WireReply *reply, const OpenReply *open, const Uri *uri,
                    doorward_conn **ret, doorward_error *error) {
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;

        conn = malloc(sizeof(*conn));
        if (!conn)
                return error_no_memory(error);

        *conn = (doorward_conn){
                .n_ref = 1,
                .pid = getpid(),
                .fd = TAKE_FD(reply->connection),
                .socket = strdup(wire_get_path(*wire)),
                .uri = *uri,
                .mode = (LeaseMode)open->mode,
                .secure = wire_is_secure(*wire),
                .kept = open->kept,
                .expires = open->expires,
                .lease = open->lease ? strdup(open->lease) : NULL,
                .request_id = strdup(open->request_id),
        };
        conn->kind = (Kind)conn_find_kind(conn->fd);
        if (!conn->socket || !conn->request_id || (open->lease && !conn->lease))
                return error_no_memory(error);

        if (reply->continues)
                conn->wire = TAKE_PTR(*wire);
        *ret = TAKE_PTR(conn);
        return 0;
}

static int take_grant(Wire **wire, WireReply *reply, const OpenReply *open, const Uri *uri,
                      doorward_conn **ret, doorward_error *error) {
        const char *problem = grant_problem(reply, open, uri);

        if (!problem)
                problem = fd_problem(reply->connection, uri->access);
        if (problem)
                return fail_protocol(error, *wire, problem);

        return conn_new(wire, reply, open, uri, ret, error);
}

/* The first reply is the only one that this version waits for: it has nobody to hold a conversation
 * with. */
static int take_reply(Wire **wire, WireReply *reply, const Uri *uri, doorward_conn **ret,
                      doorward_error *error) {
        OpenReply open;

        if (reply_read(reply, &open) < 0)
                return fail_protocol(error, *wire, "sent a reply that cannot be read");
        if (streq(open.state, "granted") && reply->conversation < 0)
                return take_grant(wire, reply, &open, uri, ret, error);

        if (streq(open.state, "conversation")) {
                error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, EACCES,
                          "%s asks for a password in a way that this version cannot answer.",
                          uri->endpoint);
                error_set_hint(error, "The endpoint's definition wants step-up authentication, "
                                      "which a later version of the library provides.");
        } else if (streq(open.state, "ended")) {
                error_set(error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LEASE_ENDED, ECONNABORTED,
                          "Access to %s ended before it began: %s.", uri->endpoint,
                          open.reason ?: "no reason given");
        } else
                return fail_protocol(error, *wire, "sent a reply that cannot be read");

        error_set_request(error, open.request_id);
        return -EREMOTEIO;
}

static json_t *open_parameters(const Uri *uri, unsigned flags) {
        json_t *parameters = json_pack("{s:s, s:s}", "endpoint", uri->endpoint, "access",
                                       access_to_wire((Access)uri->access));
        int r = 0;

        if (parameters && (flags & CONN_ALLOW_INTERACTION))
                r = json_object_set_new(parameters, "allowInteractiveAuthentication", json_true());
        if (parameters && r == 0 && (flags & CONN_DETACHED))
                r = json_object_set_new(parameters, "detached", json_true());
        if (r < 0) {
                json_decref(parameters);
                return NULL;
        }

        return parameters;
}

/* The only reply that is waited for. */
static int wire_ask(Wire *wire, json_t *parameters, unsigned flags, int64_t deadline,
                    WireReply *ret, doorward_error *error) {
        int left = channel_deadline_left(deadline);
        int r;

        if (flags & CONN_DETACHED)
                return wire_call(wire, METHOD_OPEN, parameters, left, ret, error);

        /* No time at all would mean not to wait, which is another thing than to wait in vain. */
        r = wire_call_more(wire, METHOD_OPEN, parameters, left, error);
        if (r == 0)
                r = wire_next(wire, channel_deadline_left(deadline) ?: 1, ret, error);
        return r;
}

static int conn_ask(const Uri *uri, unsigned flags, doorward_conn **ret, doorward_error *error) {
        bool interactive = flags & CONN_ALLOW_INTERACTION;
        int64_t deadline =
                channel_deadline(interactive ? WIRE_TIMEOUT_INTERACTIVE_MS : WIRE_TIMEOUT_MS);
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        json_t *parameters = open_parameters(uri, flags);
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, error);
        if (r < 0) {
                json_decref(parameters);
                return r;
        }

        r = wire_ask(wire, parameters, flags, deadline, &reply, error);
        return r < 0 ? r : take_reply(&wire, &reply, uri, ret, error);
}

/* Appends ", NAME", or says once that there are more than there is room for. */
static void list_append(char *buf, size_t size, const char *name) {
        static const char more[] = " and more";
        size_t n = strlen(buf), length = strnlen(name, NAME_TEXT_SIZE);

        if (n > 0 && n + 2 + length + sizeof(more) > size) {
                if (!streq(buf + n - strlen(more), more))
                        memcpy(buf + n, more, sizeof(more));
                return;
        }

        (void)snprintf(buf + n, size - n, "%s%.*s", n > 0 ? ", " : "", (int)length, name);
}

/* The endpoints by name. -errno and an error of why they cannot be listed. */
static int list_endpoints(char *buf, size_t size, doorward_error *error) {
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_open(NULL, WIRE_TIMEOUT_MS, &wire, error);
        if (r == 0)
                r = wire_call_more(wire, METHOD_LIST_ENDPOINTS, json_object(), WIRE_TIMEOUT_MS,
                                   error);
        if (r < 0)
                return r;

        for (;;) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
                const char *name;
                json_t *endpoint = NULL;
                const WireField outer[] = {{"endpoint", WIRE_OBJECT, true, &endpoint}, {}};
                const WireField inner[] = {{"name", WIRE_STRING, false, &name}, {}};

                r = wire_next(wire, WIRE_TIMEOUT_MS, &reply, error);
                if (r <= 0)
                        return r;
                if (wire_read(reply.parameters, outer) < 0 ||
                    (endpoint && wire_read(endpoint, inner) < 0))
                        return fail_protocol(error, wire, "sent a reply that cannot be read");
                /* A reply without one says that there are none. */
                if (endpoint)
                        list_append(buf, size, name);
        }
}

/* Nothing was named. Nothing is guessed either, but whoever reads the error can choose. */
static int fail_unnamed(doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        char names[ERROR_TEXT_MAX - 128] = "";
        int r;

        r = list_endpoints(names, sizeof(names), &why);

        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "No endpoint was named, and there is no default.");
        if (r < 0)
                error_set_hint(error,
                               "Name one, as in doorward:///ENDPOINT. Which there are is "
                               "not known: %s",
                               why.message);
        else if (!names[0])
                error_set_hint(error, "No endpoint is defined on this machine.");
        else
                error_set_hint(error, "Name one of these: %s.", names);
        return -EINVAL;
}

/* To be somebody else is to prove it, and nobody can be asked to. */
static int fail_unasked(doorward_error *error, const Uri *uri) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_NEEDED, EACCES,
                  "To open %s as %s a password is needed, and nobody may be asked for it.",
                  uri->endpoint, uri->user[0] ? uri->user : "another user");
        error_set_hint(error, "Leave the user out of the URI, or open it in a way that may ask for "
                              "a password.");
        return -EACCES;
}

int conn_open(const char *text, Access access, unsigned flags, doorward_conn **ret,
              doorward_error *error) {
        Uri uri;
        int r;

        if (!text || !text[0])
                return fail_unnamed(error);

        r = uri_parse(text, &uri, error);
        if (r < 0)
                return r;

        if (access == ACCESS_READ_ONLY && uri.access == ACCESS_FULL) {
                error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                          "The URI asks for full access, and the call for read-only access.");
                error_set_hint(error, "Leave access=full out of the URI, or do not ask for "
                                      "read-only access.");
                return -EINVAL;
        }
        if (uri.access == 0)
                uri.access = (int)access;

        r = uri.has_user ? fail_unasked(error, &uri) : conn_ask(&uri, flags, ret, error);
        if (r < 0)
                error_set_endpoint(error, uri.endpoint);
        return r;
}

/* A child holds copies, which say nothing about what the parent wants. */
static void conn_free(doorward_conn *conn) {
        if (conn->pid == getpid())
                conn->wire = wire_free(conn->wire);
        else
                conn->wire = wire_free_copy(conn->wire);

        close_fd(conn->fd);
        free(conn->socket);
        free(conn->lease);
        free(conn->request_id);
        free(conn);
}

bool conn_unref(doorward_conn *conn) {
        if (__atomic_sub_fetch(&conn->n_ref, 1, __ATOMIC_ACQ_REL) > 0)
                return false;

        conn_free(conn);
        return true;
}

int conn_get_control_fd(const doorward_conn *conn) {
        return conn->wire ? wire_get_fd(conn->wire) : -EBADF;
}

int conn_process(doorward_conn *conn, int *ret, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        OpenReply open;
        int r;

        if (!conn->wire)
                return 0;

        r = wire_next(conn->wire, 0, &reply, error);
        if (r == -EAGAIN)
                return 0;
        if (r < 0)
                return r;
        if (r == 0 || reply_read(&reply, &open) < 0 || !streq(open.state, "ended"))
                return fail_protocol(error, conn->wire,
                                     "said something else than that the lease has ended");

        r = open.reason ? end_reason_from_wire(open.reason) : 0;
        *ret = r > 0 ? r : 0;
        return 1;
}
