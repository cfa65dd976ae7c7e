/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "broker/audit.h"
#include "broker/record.h"
#include "common/audit-protocol.h"
#include "common/journal.h"
#include "common/socket.h"

/* Where nobody listens, how often that is tried. */
#define RETRY_USEC (5 * UINT64_C(1000000))

struct Audit {
        char *path;
        int fd;
        uint64_t retry_at;
        uint32_t lost;
};

int audit_new(const char *path, Audit **ret) {
        _cleanup_(audit_freep) Audit *audit = calloc(1, sizeof(*audit));

        if (!audit)
                return -ENOMEM;

        audit->fd = -EBADF;
        audit->path = strdup(path);
        if (!audit->path)
                return -ENOMEM;

        *ret = TAKE_PTR(audit);
        return 0;
}

Audit *audit_free(Audit *audit) {
        if (!audit)
                return NULL;

        close_fd(audit->fd);
        free(audit->path);
        free(audit);
        return NULL;
}

/* What the event is. */

typedef struct Entry {
        const void *data;
        size_t size;
} Entry;

static void entry_get(const Entry *entry, const char *name, char *buf, size_t size) {
        if (journal_entry_get(entry->data, entry->size, name, buf, size) < 0)
                buf[0] = 0;
}

static uint32_t entry_get_number(const Entry *entry, const char *name) {
        char buf[16], *end;
        unsigned long value;

        entry_get(entry, name, buf, sizeof(buf));
        if (buf[0] < '0' || buf[0] > '9')
                return AUDIT_PROTOCOL_UNSET;
        value = strtoul(buf, &end, 10);
        return *end || value > UINT32_MAX ? AUDIT_PROTOCOL_UNSET : (uint32_t)value;
}

/* 0: it is none that the audit log is told of. */
static AuditType entry_get_type(const Entry *entry) {
        char id[40];

        entry_get(entry, "MESSAGE_ID", id, sizeof(id));
        return streq(id, RECORD_ID_GRANTED)   ? AUDIT_TYPE_GRANT
               : streq(id, RECORD_ID_REFUSED) ? AUDIT_TYPE_REFUSAL
               : streq(id, RECORD_ID_ENDED)   ? AUDIT_TYPE_END
                                              : 0;
}

static uint32_t read_number(int dir, const char *name) {
        _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        char buf[16], *end;
        unsigned long value;
        ssize_t n;

        n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
        if (n <= 0)
                return AUDIT_PROTOCOL_UNSET;
        buf[n] = 0;
        value = strtoul(buf, &end, 10);
        return *end || value > UINT32_MAX ? AUDIT_PROTOCOL_UNSET : (uint32_t)value;
}

/* Who logged in to have this process, by the kernel's audit. It is looked at now and not when it
 * asked: whose process that is not any more, nothing is said of. */
static void read_login(AuditEvent *event) {
        _cleanup_close_ int dir = -EBADF;
        char path[32];
        struct stat st;

        (void)snprintf(path, sizeof(path), "/proc/%u", (unsigned)event->pid);
        dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0 || st.st_uid != event->uid)
                return;

        event->login = read_number(dir, "loginuid");
        event->session = read_number(dir, "sessionid");
}

static AuditEvent entry_to_event(const Entry *entry, AuditType type) {
        AuditEvent event = {
                .type = type,
                .login = AUDIT_PROTOCOL_UNSET,
                .session = AUDIT_PROTOCOL_UNSET,
        };
        char access[16];

        entry_get(entry, "DOORWARD_ACCESS", access, sizeof(access));
        if (access_from_string(access) > 0)
                event.access = (Access)access_from_string(access);
        event.uid = entry_get_number(entry, "DOORWARD_SUBJECT_UID");
        event.identity = entry_get_number(entry, "DOORWARD_IDENTITY_UID");
        event.pid = entry_get_number(entry, "DOORWARD_SUBJECT_PID");
        entry_get(entry, "DOORWARD_ENDPOINT", event.endpoint, sizeof(event.endpoint));
        entry_get(entry, type == AUDIT_TYPE_END ? "DOORWARD_REASON" : "DOORWARD_ERROR",
                  event.reason, sizeof(event.reason));
        entry_get(entry, "DOORWARD_LEASE", event.lease, sizeof(event.lease));
        entry_get(entry, "DOORWARD_REQUEST", event.request, sizeof(event.request));
        if (type != AUDIT_TYPE_END)
                read_login(&event);

        return event;
}

/* Where it goes. */

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A socket that systemd listens on takes a connection at once, whether the helper runs or not. */
static int audit_connect(Audit *audit) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        int n;

        n = socket_address(audit->path, &address);
        if (n < 0)
                return n;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, (socklen_t)n) < 0)
                return -errno;

        audit->fd = TAKE_FD(fd);
        return 0;
}

/* The helper ends when it has been idle for a while: a second try has a new connection. */
static int audit_send(Audit *audit, const uint8_t *data, size_t size) {
        int r = -ENOTCONN;

        for (unsigned i = 0; i < 2; i++) {
                ssize_t n;

                r = audit->fd >= 0 ? 0 : audit_connect(audit);
                if (r < 0)
                        return r;

                n = socket_send(audit->fd, data, size, -EBADF);
                if (n >= 0 || n == -EAGAIN)
                        return n < 0 ? (int)n : 0;
                r = (int)n;
                audit->fd = close_fd(audit->fd);
        }

        return r;
}

void audit_put(Audit *audit, const void *data, size_t size) {
        const Entry entry = {data, size};
        AuditType type = audit ? entry_get_type(&entry) : 0;
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        AuditEvent event;
        uint64_t now;
        int r = -ENOTCONN;

        if (type == 0)
                return;

        /* Where there is no audit, nothing is read for it. */
        now = now_usec();
        if (now >= audit->retry_at) {
                event = entry_to_event(&entry, type);
                event.lost = audit->lost;
                r = audit_send(audit, buf, audit_event_encode(&event, buf));
                if (r < 0 && audit->fd < 0)
                        audit->retry_at = now + RETRY_USEC;
        }

        if (r == 0)
                audit->lost = 0;
        else if (audit->lost < UINT32_MAX)
                audit->lost++;
}
