/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/exit-status.h"
#include "cli/front.h"
#include "cli/grant.h"
#include "cli/pty-relay.h"
#include "cli/report.h"

/* A pty in the place of a terminal line. The lease is this process's, as is what was opened: once
 * it ends, the pty hangs up. */
typedef struct FrontPty {
        Front front;
        doorward_conn *conn;
        Source lease;
        PtyRelay *relay; /* NULL once it has hung up */
        bool over;       /* the lease */
        bool told;       /* that what is written is dropped */
} FrontPty;

static bool is_for(Kind kind) {
        return kind == KIND_DEVICE;
}

static int pty_open(const FrontSpec *spec, Front **ret, int *ret_status) {
        _cleanup_error_ doorward_error error = {};
        FrontPty *front;
        int r;

        front = calloc(1, sizeof(*front));
        if (!front) {
                *ret_status = report_errno(spec->options, -ENOMEM, "Cannot make a terminal line");
                return -ENOMEM;
        }

        r = grant_open(spec->options, spec->argument, &front->conn, &error);
        if (r < 0) {
                *ret_status = report_error(spec->options, &error);
                free(front);
                return r;
        }

        *ret = &front->front;
        return 0;
}

static void on_lease(Source *source, uint32_t events _unused_) {
        FrontPty *front = source->userdata;

        front->over = !grant_watch(front->front.spec.options, front->conn);
}

static int pty_make(FrontPty *front) {
        const FrontSpec *spec = &front->front.spec;
        const PtyRelaySpec relay = {
                .loop = spec->loop,
                .device = grant_take_fd(front->conn),
                .reads_only = spec->argument->access == ACCESS_READ_ONLY,
                .keeps_line = spec->definition && spec->definition->keeps_line,
        };
        int control = conn_get_control_fd(front->conn), r;

        r = pty_relay_new_consume(&relay, &front->relay);
        if (r == 0)
                r = copy_string(pty_relay_get_path(front->relay), &front->front.path);
        if (r == 0 && control >= 0)
                r = loop_add(spec->loop, &front->lease, control, EPOLLIN, on_lease, front);
        return r;
}

static int pty_show(Front *base) {
        const FrontSpec *spec = &base->spec;
        int r = pty_make((FrontPty *)base);

        if (r == -ENOTTY)
                return report_problem(spec->options, DOORWARD_ERR_UNSUPPORTED, REPORT_HINT_EXEC,
                                      "%s is no terminal line, and nothing can stand in its place.",
                                      spec->argument->uri.endpoint);
        return r < 0 ? report_errno(spec->options, r, "Cannot make a terminal line for %s",
                                    spec->argument->uri.endpoint)
                     : -1;
}

static void tell_of_dropped(FrontPty *front) {
        const FrontSpec *spec = &front->front.spec;

        if (!pty_relay_has_dropped(front->relay) || front->told)
                return;

        front->told = true;
        report_note(spec->options,
                    "%s was opened for reading only: what is written to it is dropped.",
                    spec->argument->uri.endpoint);
}

static int pty_process(Front *base) {
        FrontPty *front = (FrontPty *)base;
        int r = pty_relay_process(front->relay);

        tell_of_dropped(front);
        if (r == 0 && !front->over)
                return -1;

        source_remove(&front->lease);
        front->relay = pty_relay_free(front->relay);
        if (front->over)
                return EXIT_STATUS_FAILURE;
        return r == -EIO ? report_problem(base->spec.options, DOORWARD_ERR_ENDPOINT_DOWN,
                                          "Is the device still there?", "%s has hung up.",
                                          base->spec.argument->uri.endpoint)
                         : report_errno(base->spec.options, r, "%s",
                                        base->spec.argument->uri.endpoint);
}

static int64_t pty_get_deadline(const Front *base) {
        return pty_relay_get_deadline(((const FrontPty *)base)->relay);
}

static bool pty_is_settled(const Front *base) {
        return pty_relay_is_settled(((const FrontPty *)base)->relay);
}

static void pty_free(Front *base) {
        FrontPty *front = (FrontPty *)base;

        source_remove(&front->lease);
        (void)pty_relay_free(front->relay);
        (void)conn_unref(front->conn);
        free(front);
}

const FrontType front_type_pty = {
        .is_for = is_for,
        .open = pty_open,
        .show = pty_show,
        .process = pty_process,
        .get_deadline = pty_get_deadline,
        .is_settled = pty_is_settled,
        .free = pty_free,
};
