/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint, says what was granted, opens a second descriptor under the same lease, and
 * waits until the lease ends.
 *
 *         ex6 doorward:///libvirt
 *         ex6 --hold doorward:///libvirt
 *
 * With --hold nothing is opened at first, and the second descriptor is the only one.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <doorward.h>

static int complain(void) {
        const doorward_error *error = doorward_get_last_error();

        fprintf(stderr, "%s\n", error->message);
        if (error->hint)
                fprintf(stderr, "%s\n", error->hint);
        return EXIT_FAILURE;
}

static const char *or_none(const char *text) {
        return text ? text : "-";
}

static int print_grant(doorward_conn *conn) {
        doorward_grant_info *info;

        info = doorward_get_grant_info(conn);
        if (!info)
                return -1;

        printf("access: %s\n", info->access);
        printf("mode: %s\n", info->mode);
        printf("kept: %d\n", info->kept);
        printf("expires: %lld\n", info->expires);
        printf("lease: %s\n", or_none(info->lease_id));
        printf("request: %s\n", or_none(info->request_id));
        printf("action: %s\n", or_none(info->action_id));
        printf("how: %s\n", or_none(info->how));
        printf("connect-as: %s\n", or_none(info->connect_as));
        printf("ends-at-logout: %d\n", info->ends_at_logout);
        doorward_grant_info_free(info);
        return 0;
}

/* Called by doorward_process(), once. The reference is main()'s, which has no use for it any more.
 */
static void closed(doorward_conn *conn, int reason, void *userdata) {
        printf("%s ended: %s\n", (const char *)userdata, doorward_close_reason_to_string(reason));
        doorward_close(conn);
}

static void forget(void *userdata) {
        free(userdata);
}

/* Hands over a text of the heap, to show how it is freed. */
static int set_callback(doorward_conn *conn) {
        char *uri;

        uri = doorward_get_uri(conn);
        if (uri && doorward_set_close_callback(conn, closed, uri, forget) == 0)
                return 0;

        free(uri);
        return -1;
}

/* Returns 0 once the lease has ended and the callback has closed the connection. */
static int wait_for_the_end(doorward_conn *conn) {
        struct pollfd p;
        int r;

        p.fd = doorward_get_event_fd(conn);
        p.events = POLLIN;
        if (p.fd < 0)
                return -1;

        do {
                if (poll(&p, 1, -1) < 0 && errno != EINTR) {
                        perror("poll");
                        exit(EXIT_FAILURE);
                }
                r = doorward_process(conn);
        } while (r == 0);

        return r < 0 ? -1 : 0;
}

int main(int argc, char *argv[]) {
        int hold = argc > 1 && strcmp(argv[1], "--hold") == 0, fd;
        doorward_conn *conn;

        /* Each line is there for whoever reads it as soon as it is written. */
        setvbuf(stdout, NULL, _IOLBF, 0);

        conn = doorward_open_auth(argc > 1 + hold ? argv[1 + hold] : NULL, NULL,
                                  hold ? DOORWARD_HOLD : 0);
        if (!conn || print_grant(conn) < 0 || set_callback(conn) < 0)
                return complain();

        fd = doorward_open_another(conn);
        if (fd < 0)
                return complain();
        printf("another: %d, alive: %d\n", fd, doorward_is_alive(conn));

        if (wait_for_the_end(conn) < 0)
                return complain();

        close(fd);
        return EXIT_SUCCESS;
}
