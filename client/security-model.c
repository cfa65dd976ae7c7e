/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "client/conn.h"
#include "client/security-model.h"
#include "common/utf8.h"

/* A page, which is the most that the kernel has of one. */
#define LABEL_SIZE 4096U

typedef struct SecurityModel {
        doorward_security_model model;
        char texts[];
} SecurityModel;

/* Of whoever made the socket at the other end; "" where there is no module of the kernel that has
 * labels, and of what is no socket. Some have a NUL at the end and some do not. */
static void peer_label(int fd, char label[LABEL_SIZE + 1]) {
        socklen_t n = LABEL_SIZE;

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &n) < 0)
                n = 0;

        label[n] = 0;
        label[strcspn(label, "\n")] = 0;
        utf8_clean(label, LABEL_SIZE);
}

static const char *read_only_means(const doorward_conn *conn) {
        if (conn->uri.access != ACCESS_READ_ONLY)
                return "none";

        return conn->means ? means_to_string((Means)conn->means) : NULL;
}

doorward_security_model *security_model_new(const doorward_conn *conn) {
        const char *connect_as = conn->connect_as ?: "";
        size_t n_connect_as = strlen(connect_as) + 1, n_label;
        char label[LABEL_SIZE + 1];
        SecurityModel *block;

        /* Of another machine's there is none: the socket is ours at both ends. */
        peer_label(conn->lease.remote ? -EBADF : __atomic_load_n(&conn->fd, __ATOMIC_ACQUIRE),
                   label);
        n_label = strlen(label) + 1;

        block = calloc(1, sizeof(*block) + n_connect_as + n_label);
        if (!block)
                return NULL;

        memcpy(block->texts, connect_as, n_connect_as);
        memcpy(block->texts + n_connect_as, label, n_label);
        block->model = (doorward_security_model){
                .authorizer = conn->pam ? "polkit+pam" : "polkit",
                .connect_as = conn->connect_as ? block->texts : NULL,
                .read_only = read_only_means(conn),
                .mode = lease_mode_to_string(conn->mode),
                .label = block->texts + n_connect_as,
        };
        return &block->model;
}

DOORWARD_EXPORT void doorward_security_model_free(doorward_security_model *model) {
        free(model);
}
