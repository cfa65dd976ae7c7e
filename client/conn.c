/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "client/channel.h"
#include "client/conn.h"
#include "client/log.h"
#include "client/naming.h"
#include "client/opening.h"

/* /dev/net/tun. */
#define TUN_MAJOR 10
#define TUN_MINOR 200

/* For all the names together that are to help whoever gave none. */
#ifndef LIST_TIMEOUT_MS
#define LIST_TIMEOUT_MS WIRE_TIMEOUT_MS
#endif

static int file_find_kind(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;

        switch (st.st_mode & S_IFMT) {
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

/* Sockets are what is opened often: they are asked first, and nothing else. */
int conn_find_kind(int fd) {
        socklen_t n = sizeof(int);
        int type;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
                return errno == ENOTSOCK ? file_find_kind(fd) : -errno;

        return type == SOCK_STREAM      ? KIND_STREAM
               : type == SOCK_SEQPACKET ? KIND_SEQPACKET
                                        : -EMEDIUMTYPE;
}

/* A socket is read-only by what the service behind it does; anything else by how it was opened. */
static bool fd_is_read_only(int fd) {
        return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

/* What a grant must be to be believed: what was asked for, with a descriptor unless none was, and
 * leased only if the call goes on, and if that is what was asked for: a lease without a call that
 * carries it would not end with us. */
static const char *grant_problem(const WireReply *reply, const OpeningReply *open,
                                 const OpeningSpec *spec) {
        bool leased = open->mode != LEASE_MODE_NONE;

        if (spec->hold && reply->connection >= 0)
                return "opened a connection that was not to be opened yet";
        if (!spec->hold && reply->connection < 0)
                return "granted a connection and did not send it";
        if (open->access != spec->uri->access)
                return "granted another access than was asked for";
        if (open->mode == 0 || open->expires < 0)
                return "did not say what it granted";
        if (spec->detached && (leased || reply->continues))
                return "granted a lease that nobody asked for";
        if (spec->hold && !leased)
                return "granted nothing that can be held";
        if (leased && (!reply->continues || !open->lease))
                return "granted a lease that has no end";

        return NULL;
}

const char *conn_fd_problem(int fd, int kind, int access) {
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

static bool text_copy(char **ret, const char *text) {
        *ret = text ? strdup(text) : NULL;
        return *ret || !text;
}

static bool conn_copy_texts(doorward_conn *conn, const char *socket, const OpeningReply *open) {
        return text_copy(&conn->socket, socket) && text_copy(&conn->lease.id, open->lease) &&
               text_copy(&conn->request_id, open->request_id) &&
               text_copy(&conn->action, open->action) &&
               text_copy(&conn->connect_as, open->connect_as);
}

/* Makes the connection of a grant. The wire is taken if it is needed for the lease. */
static int conn_new(Wire **wire, WireReply *reply, const OpeningReply *open,
                    const OpeningSpec *spec, Kind kind, doorward_conn **ret,
                    doorward_error *error) {
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;

        conn = malloc(sizeof(*conn));
        if (!conn)
                return error_no_memory(error);

        *conn = (doorward_conn){
                .n_ref = 1,
                .pid = getpid(),
                .fd = TAKE_FD(reply->connection),
                .uri = *spec->uri,
                .kind = kind,
                .mode = (LeaseMode)open->mode,
                .lease = LEASE_NULL,
                .another = ANOTHER_NULL,
                .held = spec->hold,
                .secure = wire_is_secure(*wire),
                .kept = open->kept,
                .ends_at_logout = open->logout,
                .expires = open->expires,
                .how = open->how,
                .means = open->means,
                .pam = open->pam,
        };
        if (!conn_copy_texts(conn, wire_get_path(*wire), open))
                return error_no_memory(error);

        if (reply->continues)
                conn->lease.wire = TAKE_PTR(*wire);
        /* A grant without a descriptor can be read together with the end, which polling would then
         * not show. */
        if (conn->lease.wire && wire_has_input(conn->lease.wire) &&
            lease_process(&conn->lease, error) < 0)
                doorward_error_clear(error);
        *ret = TAKE_PTR(conn);
        return 0;
}

static void conn_log(const doorward_conn *conn) {
        char buf[URI_TEXT_SIZE];

        log_info(LOG_CATEGORY_CONN, "Opened %s: %s, descriptor %d, lease %s (%s%s), request %s%s",
                 uri_to_string(&conn->uri, buf), conn->kind ? kind_to_string(conn->kind) : "held",
                 conn->fd, conn->lease.id ?: "none", lease_mode_to_string(conn->mode),
                 conn->kept ? ", kept" : "", conn->request_id ?: "unknown",
                 conn->secure ? "" : "; the broker is not the system's");
}

static void conn_log_wish(const OpeningSpec *spec, bool may_fall_back) {
        char buf[URI_TEXT_SIZE];

        log_debug(LOG_CATEGORY_URI, "Opening %s%s%s%s; %s", uri_to_string(spec->uri, buf),
                  spec->detached ? ", detached" : "", spec->hold ? ", to hold" : "",
                  may_fall_back ? ", or else read-only" : "",
                  spec->auth ? "people may be asked" : "nobody is asked");
}

static int conn_ask(const OpeningSpec *spec, doorward_conn **ret, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        _cleanup_(wire_freep) Wire *wire = NULL;
        const char *problem;
        OpeningReply open;
        int kind = 0, r;

        r = opening_run(spec, &wire, &reply, &open, error);
        if (r < 0)
                return r;

        problem = grant_problem(&reply, &open, spec);
        if (!problem && !spec->hold) {
                kind = conn_find_kind(reply.connection);
                problem = conn_fd_problem(reply.connection, kind, spec->uri->access);
        }
        if (problem)
                return fail_protocol(error, wire, problem);

        r = conn_new(&wire, &reply, &open, spec, (Kind)kind, ret, error);
        if (r == 0)
                conn_log(*ret);
        return r;
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
        int64_t deadline = channel_deadline(LIST_TIMEOUT_MS);
        _cleanup_(wire_freep) Wire *wire = NULL;
        int r;

        r = wire_open(NULL, LIST_TIMEOUT_MS, &wire, error);
        if (r == 0)
                r = wire_call_more(wire, METHOD_LIST_ENDPOINTS, json_object(),
                                   channel_deadline_left(deadline), error);
        if (r < 0)
                return r;

        for (;;) {
                _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
                const char *name;
                json_t *endpoint = NULL;
                const WireField outer[] = {{"endpoint", WIRE_OBJECT, true, &endpoint}, {}};
                const WireField inner[] = {{"name", WIRE_STRING, false, &name}, {}};

                r = wire_next(wire, channel_deadline_left(deadline), &reply, error);
                if (r == -EAGAIN)
                        return wire_expire(wire, error);
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

/* Whether it was for want of permission that it was refused. */
static bool is_refusal(const doorward_error *error) {
        switch (error->code) {
        case DOORWARD_ERR_ACCESS_UNSUPPORTED:
        case DOORWARD_ERR_DENIED:
        case DOORWARD_ERR_AUTH_NEEDED:
        case DOORWARD_ERR_AUTH_FAILED:
        case DOORWARD_ERR_AUTH_CANCELLED:
        case DOORWARD_ERR_AUTH_UNAVAILABLE:
                return true;
        default:
                return false;
        }
}

/* Read-only in place of full access, which was refused; where both are, it is the first refusal
 * that people want to know of, unless it was that there is no full access at all. Who has dismissed
 * a prompt is not asked again. */
static int conn_fall_back(const OpeningSpec *full, doorward_conn **ret, doorward_error *error) {
        bool cancelled = error->code == DOORWARD_ERR_AUTH_CANCELLED;
        _cleanup_error_ doorward_error again = {};
        OpeningSpec spec = *full;
        Uri uri = *full->uri;
        int r;

        if (uri.has_user && cancelled)
                return -ECANCELED;

        log_info(LOG_CATEGORY_CONN, "Full access to %s was refused (%s): read-only is asked for",
                 uri.endpoint, doorward_error_code_to_string(error->code));
        uri.access = ACCESS_READ_ONLY;
        spec.uri = &uri;
        if (cancelled)
                spec.auth = NULL;

        r = conn_ask(&spec, ret, &again);
        if (r == 0)
                doorward_error_clear(error);
        else if (error->code == DOORWARD_ERR_ACCESS_UNSUPPORTED)
                error_replace(error, &again);
        return r;
}

static int fail_contradiction(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "The URI asks for full access, and the call for read-only access.");
        error_set_hint(error, "Leave access=full out of the URI, or do not ask for read-only "
                              "access.");
        return -EINVAL;
}

static int fail_remote(doorward_error *error, const Uri *uri) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP,
                  "%s cannot be opened: this version does not support %s.", uri->endpoint,
                  uri_scheme(uri->transport));
        error_set_hint(error, "Endpoints of this machine are written doorward:///ENDPOINT.");
        return -EOPNOTSUPP;
}

int conn_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) {
        unsigned naming_flags = 0;
        int r;

        if (flags & CONN_NO_ALIASES)
                naming_flags |= NAMING_NO_ALIASES;
        if (flags & CONN_LOCAL_ONLY)
                naming_flags |= NAMING_LOCAL_ONLY;

        r = naming_resolve(text, naming_flags, ret, error);
        return r == NAMING_E_NONE ? fail_unnamed(error) : r;
}

int conn_set_access(Uri *uri, Access access, doorward_error *error) {
        if (access == ACCESS_READ_ONLY && uri->access == ACCESS_FULL)
                return fail_contradiction(error);

        if (uri->access == 0)
                uri->access = (int)access;
        return 0;
}

int conn_open(const char *text, Access access, const doorward_auth *auth, unsigned flags,
              doorward_conn **ret, doorward_error *error) {
        OpeningSpec spec = {
                .auth = auth,
                .detached = flags & CONN_DETACHED,
                .hold = flags & CONN_HOLD,
                .deadline = channel_deadline(auth ? WIRE_TIMEOUT_INTERACTIVE_MS : WIRE_TIMEOUT_MS),
        };
        bool may_fall_back;
        Uri uri;
        int r;

        r = conn_resolve(text, flags, &uri, error);
        if (r < 0)
                return r;

        /* What the URI says is what is wanted. */
        may_fall_back = (flags & CONN_FALL_BACK) && uri.access == 0 && access == ACCESS_FULL;
        r = conn_set_access(&uri, access, error);
        if (r < 0)
                return r;
        if (uri_is_remote(&uri))
                return fail_remote(error, &uri);

        spec.uri = &uri;
        conn_log_wish(&spec, flags & CONN_FALL_BACK);

        r = uri.has_user && !auth ? fail_unasked(error, &uri) : conn_ask(&spec, ret, error);
        if (r < 0 && may_fall_back && (auth || !uri.has_user) && is_refusal(error))
                r = conn_fall_back(&spec, ret, error);
        if (r < 0)
                error_set_endpoint(error, uri.endpoint);
        return r;
}

/* A child holds copies, which say nothing about what the parent wants. */
static void conn_free(doorward_conn *conn) {
        bool is_copy = conn->pid != getpid();

        another_deinit(&conn->another, is_copy);
        lease_deinit(&conn->lease, is_copy);
        close_fd(conn->fd);
        free(conn->socket);
        free(conn->request_id);
        free(conn->action);
        free(conn->connect_as);
        free(conn);
}

bool conn_unref(doorward_conn *conn) {
        if (__atomic_sub_fetch(&conn->n_ref, 1, __ATOMIC_ACQ_REL) > 0)
                return false;

        conn_free(conn);
        return true;
}

int conn_get_control_fd(const doorward_conn *conn) {
        return conn->lease.wire ? wire_get_fd(conn->lease.wire) : -EBADF;
}

int conn_process(doorward_conn *conn, int *ret, doorward_error *error) {
        int r, end;

        r = lease_process(&conn->lease, error);
        if (r > 0) {
                end = lease_get_end(&conn->lease);
                *ret = end < _END_MAX ? end : 0;
        }

        return r;
}

/* That nothing can be read or written any more. FIFOs are hung up on whenever there is no writer,
 * and errors of devices can be of the moment. */
static bool fd_is_hung_up(int fd, Kind kind) {
        struct pollfd p = {.fd = fd};

        return kind != KIND_FIFO && poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

int conn_is_alive(doorward_conn *conn, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        int fd;

        if (conn_has_lease(conn))
                return lease_process(&conn->lease, &why) == 0;

        fd = __atomic_load_n(&conn->fd, __ATOMIC_ACQUIRE);
        if (fd < 0) {
                error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_CONN, EBADF,
                          "The connection has no lease, and its descriptor was taken out of it "
                          "before.");
                return -EBADF;
        }

        return !fd_is_hung_up(fd, conn->kind);
}
