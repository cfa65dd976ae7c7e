/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/front.h"
#include "cli/grant.h"
#include "cli/private-folder.h"
#include "cli/private-socket.h"
#include "cli/reception.h"
#include "cli/report.h"

/* A private socket. It has the name of the service's own, in a folder of its own, since some
 * programs are told the folder and know the name. */
typedef struct FrontSocket {
        Front front;
        doorward_conn *conn; /* the lease, until there is somebody to keep it */
        PrivateFolder folder;
        int pin; /* of what was made in it */
        Reception *reception;
} FrontSocket;

static bool is_for(Kind kind) {
        return kind == KIND_STREAM;
}

static int socket_open(const FrontSpec *spec, Front **ret, int *ret_status) {
        _cleanup_error_ doorward_error error = {};
        FrontSocket *front;
        int r;

        front = calloc(1, sizeof(*front));
        if (!front) {
                *ret_status = report_errno(spec->options, -ENOMEM, "Cannot make a private socket");
                return -ENOMEM;
        }

        front->folder = (PrivateFolder)PRIVATE_FOLDER_NULL;
        front->pin = -EBADF;
        r = grant_hold(spec->options, spec->argument, &front->conn, &error);
        if (r < 0) {
                *ret_status = report_error(spec->options, &error);
                free(front);
                return r;
        }

        *ret = &front->front;
        return 0;
}

/* The name of the service's socket, the caller's. -ENOMEM. */
static int socket_name(const FrontSpec *spec, char **ret) {
        const Argument *argument = spec->argument;
        char **paths = spec->definition ? spec->definition->targets[argument->access].paths : NULL;
        const char *base = paths && paths[0][0] == '/' ? strrchr(paths[0], '/') + 1 : "socket";

        return definition_expand(base, argument->name.instance, ret);
}

static int socket_make(FrontSocket *front, int *ret_listener) {
        _cleanup_free_ char *name = NULL, *path = NULL;
        int r, fd;

        r = socket_name(&front->front.spec, &name);
        if (r == 0)
                r = private_folder_init_new(&front->folder);
        if (r < 0)
                return r;
        if (asprintf(&path, "%s/%s", front->folder.path, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }

        fd = private_socket_new(path, &front->pin);
        if (fd < 0)
                return fd;

        front->front.path = TAKE_PTR(path);
        *ret_listener = fd;
        return 0;
}

static int socket_show(Front *base) {
        FrontSocket *front = (FrontSocket *)base;
        const FrontSpec *spec = &base->spec;
        const ReceptionSpec reception = {
                .options = spec->options,
                .argument = spec->argument,
                .loop = spec->loop,
                /* The terminal is the command's from now on. */
                .auth = options_has(spec->options, OPTION_NO_ASK_PASSWORD) ? NULL
                                                                           : &grant_auth_desktop,
        };
        int listener = -EBADF, r;

        r = socket_make(front, &listener);
        if (r == 0)
                r = reception_new_consume(&reception, listener, TAKE_PTR(front->conn),
                                          &front->reception);
        return r < 0 ? report_errno(spec->options, r, "Cannot make a private socket for %s",
                                    spec->argument->uri.endpoint)
                     : -1;
}

static int socket_process(Front *base) {
        FrontSocket *front = (FrontSocket *)base;
        int status = reception_process(front->reception);

        /* Nobody listens to it any more, so it is not to be heard again and again. */
        if (status >= 0)
                front->reception = reception_free(front->reception);
        return status;
}

static int64_t socket_get_deadline(const Front *base) {
        return reception_get_deadline(((const FrontSocket *)base)->reception);
}

static bool socket_is_settled(const Front *base) {
        return reception_is_settled(((const FrontSocket *)base)->reception);
}

static void socket_free(Front *base) {
        FrontSocket *front = (FrontSocket *)base;

        /* First it goes, then whoever listens there: nobody is to find it dead. */
        private_socket_remove_consume_pin(base->path, front->pin);
        private_folder_deinit(&front->folder);
        (void)reception_free(front->reception);
        if (front->conn)
                (void)conn_unref(front->conn);
        free(front);
}

const FrontType front_type_socket = {
        .is_for = is_for,
        .open = socket_open,
        .show = socket_show,
        .process = socket_process,
        .get_deadline = socket_get_deadline,
        .is_settled = socket_is_settled,
        .free = socket_free,
};
