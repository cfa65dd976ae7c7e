/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-audit: writes what the broker decides into the kernel's audit log
 *
 * The log takes entries from who has CAP_AUDIT_WRITE, and the broker is to have no capability. So
 * this process has that one, and nothing else: no file, no network, a user of its own. It believes
 * what the broker says, whose record this is, but not how: an entry is made of numbers and of words
 * of a known alphabet, and says that doorward wrote it.
 *
 * What is promised, and when:
 *   1. from its exec on: no other process of this uid can look into this one;
 *   2. before the first connection: it is not root, and has no other capability.
 */

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <libaudit.h>

#include "common/activation.h"
#include "common/capabilities.h"
#include "common/complain.h"
#include "config.h"
#include "helpers/audit-entry.h"
#include "helpers/audit-server.h"

typedef struct Log {
        int fd;
        bool failed; /* the last entry could not be written, and that was said */
} Log;

static void log_write(const AuditEvent *event, void *userdata) {
        char text[AUDIT_ENTRY_SIZE];
        Log *log = userdata;
        int r;

        audit_entry_format(event, text);
        errno = 0;
        if (log->fd < 0)
                log->fd = audit_open();
        r = log->fd < 0 ? -1
                        : audit_log_user_message(log->fd, audit_entry_get_type(event), text, NULL,
                                                 NULL, NULL, audit_entry_is_success(event));
        if (r <= 0 && !log->failed)
                complain("The audit log cannot be written to: %s. Nothing is written there until "
                         "it can; the journal has it all.",
                         strerror(errno));
        log->failed = r <= 0;
}

/* What this process holds that it should not, or lacks; NULL if it is as it should be. */
static const char *find_fault(void) {
        const uint64_t wanted = UINT64_C(1) << CAP_AUDIT_WRITE;
        Capabilities capabilities;

        if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0)
                return "it runs as root";
        if (capabilities_read(&capabilities) < 0)
                return "its capabilities cannot be read";
        if (!(capabilities.effective & wanted))
                return "it lacks CAP_AUDIT_WRITE";
        if ((capabilities.held | capabilities.bounding) & ~wanted)
                return "it has more capabilities than CAP_AUDIT_WRITE, or could get them";
        return NULL;
}

static int serve(int listener) {
        _cleanup_(audit_server_deinit) AuditServer server;
        _cleanup_close_ int end = -EBADF;
        Log log = {.fd = -EBADF};
        const char *fault;
        int r;

        audit_server_init(&server);
        fault = find_fault();
        if (fault) {
                complain("This process does not run as doorward-audit.service has it: %s.", fault);
                return -EPERM;
        }
        r = complain_find_broker(&server.broker);
        if (r < 0)
                return r;
        r = activation_get_end(&end);
        if (r < 0)
                return r;

        server.listener = listener;
        server.end = end;
        server.func = log_write;
        server.userdata = &log;
        r = audit_server_run(&server);
        close_fd(log.fd);
        return r;
}

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), r;

        if (undumpable < 0) {
                complain("This process cannot be hidden from others of its user: %m");
                return EXIT_FAILURE;
        }

        r = activation_take_listener(AUDIT_SOCKET);
        if (r < 0) {
                complain("The socket " AUDIT_SOCKET
                         " was not passed on: %s. Start doorward-audit.socket instead.",
                         strerror(-r));
                return EXIT_FAILURE;
        }

        if (serve(ACTIVATION_FD) == 0)
                return EXIT_SUCCESS;

        activation_turn_away(ACTIVATION_FD);
        return EXIT_FAILURE;
}
