/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint with full access and says what it got.
 *
 *         ex1 doorward:///docker
 */

#include <stdio.h>
#include <stdlib.h>

#include <doorward.h>

int main(int argc, char *argv[]) {
        doorward_conn *conn;
        char *uri;

        /* Without an argument the URI is NULL: the error then lists the endpoints. */
        conn = doorward_open(argc > 1 ? argv[1] : NULL);
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
