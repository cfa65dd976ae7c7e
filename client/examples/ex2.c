/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint for reading only and copies what it reads to the standard output.
 *
 *         ex2 doorward:///kmsg
 *
 * A device, a FIFO or a file is read until its end. On a socket nothing comes before something is
 * asked, so this only says what it is.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <doorward.h>

/* What to do about an error is decided by its class, never by its text. */
static int complain(void) {
        const doorward_error *error = doorward_get_last_error();

        fprintf(stderr, "%s\n", error->message);
        if (error->code == DOORWARD_ERR_ACCESS_UNSUPPORTED)
                fprintf(stderr, "It would have to be opened with full access.\n");
        else if (error->hint)
                fprintf(stderr, "%s\n", error->hint);
        if (error->request_id)
                fprintf(stderr, "The journal has it as DOORWARD_REQUEST=%s\n", error->request_id);

        return EXIT_FAILURE;
}

static int copy(int fd) {
        char buf[8192];
        ssize_t n;

        while ((n = read(fd, buf, sizeof(buf))) > 0)
                fwrite(buf, 1, (size_t)n, stdout);
        if (n < 0)
                perror("read");

        return n < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        doorward_conn *conn;
        const char *type;
        int r = EXIT_SUCCESS;

        conn = doorward_open_read_only(argc > 1 ? argv[1] : NULL);
        if (!conn)
                return complain();

        type = doorward_get_type(conn);
        if (strcmp(type, "stream") == 0 || strcmp(type, "seqpacket") == 0)
                printf("a %s socket, descriptor %d\n", type, doorward_get_fd(conn));
        else
                r = copy(doorward_get_fd(conn));

        doorward_close(conn);
        return r;
}
