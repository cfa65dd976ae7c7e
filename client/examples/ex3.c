/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint with full access, and asks on the terminal for the password that policy may
 * want.
 *
 *         ex3 doorward:///libvirt
 *         ex3 doorward://bob@/docker
 */

#include <stdio.h>
#include <stdlib.h>

#include <doorward.h>

#define ATTEMPTS 3

/* One call is one attempt: whoever mistypes is to have another. */
static doorward_conn *open_patiently(const char *uri) {
        doorward_conn *conn;
        int i;

        for (i = 0; i < ATTEMPTS; i++) {
                conn = doorward_open_auth(uri, doorward_auth_default, 0);
                if (conn || doorward_get_last_error_code() != DOORWARD_ERR_AUTH_FAILED)
                        return conn;
                fprintf(stderr, "%s\n", doorward_get_last_error_message());
        }

        return NULL;
}

int main(int argc, char *argv[]) {
        doorward_conn *conn;
        char *uri;

        conn = open_patiently(argc > 1 ? argv[1] : NULL);
        if (!conn) {
                const doorward_error *error = doorward_get_last_error();

                fprintf(stderr, "%s\n", error->message);
                if (error->hint)
                        fprintf(stderr, "%s\n", error->hint);
                return EXIT_FAILURE;
        }

        uri = doorward_get_uri(conn);
        printf("%s: a %s, descriptor %d\n", uri ? uri : "?", doorward_get_type(conn),
               doorward_get_fd(conn));

        free(uri);
        doorward_close(conn);
        return EXIT_SUCCESS;
}
