/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "client/conn.h"
#include "client/log.h"
#include "client/naming.h"
#include "client/open.h"

/* /dev/net/tun. */
#define TUN_MAJOR 10
#define TUN_MINOR 200

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
static const char *grant_problem(const WireReply *reply, const GrantTerms *terms,
                                 const OpeningSpec *spec) {
        bool leased = terms->mode != LEASE_MODE_NONE;

        if (spec->hold && reply->connection >= 0)
                return "opened a connection that was not to be opened yet";
        if (!spec->hold && reply->connection < 0)
                return "granted a connection and did not send it";
        if (terms->access != spec->uri->access)
                return "granted another access than was asked for";
        if (terms->mode == 0 || terms->expires < 0)
                return "did not say what it granted";
        if (spec->detached && (leased || reply->continues))
                return "granted a lease that nobody asked for";
        if (spec->hold && !leased)
                return "granted nothing that can be held";
        if (leased && (!reply->continues || !terms->lease))
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

int conn_set_terms(doorward_conn *conn, const GrantTerms *terms) {
        int r;

        conn->mode = (LeaseMode)terms->mode;
        conn->kept = terms->kept;
        conn->ends_at_logout = terms->logout;
        conn->expires = terms->expires;
        conn->how = terms->how;
        conn->means = terms->means;
        conn->pam = terms->pam;

        r = copy_string(terms->lease, &conn->lease.id);
        if (r == 0)
                r = copy_string(terms->request_id, &conn->request_id);
        if (r == 0)
                r = copy_string(terms->action, &conn->action);
        if (r == 0)
                r = copy_string(terms->connect_as, &conn->connect_as);
        return r;
}

/* The wire is needed for the lease. A grant without a descriptor can be read together with the end,
 * which polling would then not show. */
static void conn_take_lease(doorward_conn *conn, OpeningGrant *grant) {
        _cleanup_error_ doorward_error error = {};

        if (!grant->reply.continues)
                return;

        conn->lease.wire = TAKE_PTR(grant->wire);
        if (wire_has_input(conn->lease.wire))
                (void)!lease_process(&conn->lease, &error);
}

static void conn_log(const doorward_conn *conn) {
        /* The buffer is one only where a line is written, as in open_log(). */
        log_info(LOG_CATEGORY_CONN, "Opened %s: %s, descriptor %d, lease %s (%s%s), request %s%s",
                 uri_to_string(&conn->uri, (char[URI_TEXT_SIZE]){}),
                 conn->kind ? kind_to_string(conn->kind) : "held", conn->fd,
                 conn->lease.id ?: "none", lease_mode_to_string(conn->mode),
                 conn->kept ? ", kept" : "", conn->request_id ?: "unknown",
                 conn->secure ? "" : "; the broker is not the system's");
}

int conn_new_granted(OpeningGrant *grant, const OpeningSpec *spec, doorward_conn **ret,
                     doorward_error *error) {
        _cleanup_(conn_unrefp) doorward_conn *conn = NULL;
        const GrantTerms *terms = &grant->read.terms;
        int kind = 0;
        const char *problem;

        problem = grant_problem(&grant->reply, terms, spec);
        if (!problem && !spec->hold) {
                kind = conn_find_kind(grant->reply.connection);
                problem = conn_fd_problem(grant->reply.connection, kind, spec->uri->access);
        }
        if (problem)
                return wire_error_protocol(error, "The broker at %s %s.",
                                           wire_get_path(grant->wire), problem);

        conn = malloc(sizeof(*conn));
        if (!conn)
                return error_no_memory(error);

        *conn = (doorward_conn){
                .n_ref = 1,
                .pid = getpid(),
                .fd = TAKE_FD(grant->reply.connection),
                .uri = *spec->uri,
                .kind = (Kind)kind,
                .lease = LEASE_NULL,
                .another = ANOTHER_NULL,
                .held = spec->hold,
                .secure = wire_is_secure(grant->wire),
        };
        if (copy_string(wire_get_path(grant->wire), &conn->socket) < 0 ||
            conn_set_terms(conn, terms) < 0)
                return error_no_memory(error);

        conn_take_lease(conn, grant);
        conn_log(conn);
        *ret = TAKE_PTR(conn);
        return 0;
}

static int fail_contradiction(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "The URI asks for full access, and the call for read-only access.");
        error_set_hint(error, "Leave access=full out of the URI, or do not ask for read-only "
                              "access.");
        return -EINVAL;
}

int conn_set_access(Uri *uri, Access access, doorward_error *error) {
        if (access == ACCESS_READ_ONLY && uri->access == ACCESS_FULL)
                return fail_contradiction(error);

        if (uri->access == 0)
                uri->access = (int)access;
        return 0;
}

int conn_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) {
        Listing listing;
        int r;

        r = open_resolve(text, flags, ret, error);
        if (r != NAMING_E_NONE)
                return r;

        listing_init(&listing);
        r = listing_block(&listing, error);
        listing_deinit(&listing, false);
        return r;
}

int conn_open(const char *uri, Access access, const doorward_auth *auth, unsigned flags,
              doorward_conn **ret, doorward_error *error) {
        doorward_opening open;
        int r;

        r = open_init(&open, uri, access, auth, flags, error);
        if (r == 0)
                r = open_block(&open, ret, error);
        open_deinit(&open, false);
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

int conn_fail_remote(const doorward_conn *conn, const char *what, doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP,
                  "%s is on another machine, and %s.", conn->uri.endpoint, what);
        error_set_hint(error, "Each connection has its own way there: open another, or ask on that "
                              "machine.");
        return -EOPNOTSUPP;
}

int conn_get_control_fd(const doorward_conn *conn) {
        return lease_get_fd(&conn->lease);
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
