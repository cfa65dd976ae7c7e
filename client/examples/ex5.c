/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shares one connection among threads, each with a reference of its own: whoever is last ends it.
 *
 *         ex5 doorward:///libvirt
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorward.h>

#define THREADS 4

static void *work(void *argument) {
        doorward_conn *conn = argument;

        printf("a thread uses descriptor %d\n", doorward_get_fd(conn));

        /* 1: others still use it; 0: this was the last reference. */
        if (doorward_close(conn) == 0)
                printf("the connection is closed\n");

        return NULL;
}

int main(int argc, char *argv[]) {
        pthread_t threads[THREADS];
        doorward_conn *conn;
        int n = 0;

        conn = doorward_open_read_only(argc > 1 ? argv[1] : NULL);
        if (!conn) {
                fprintf(stderr, "%s\n", doorward_get_last_error_message());
                return EXIT_FAILURE;
        }

        while (n < THREADS) {
                /* The reference is taken here and not in the thread, which may begin too late. */
                doorward_ref(conn);
                if (pthread_create(&threads[n], NULL, work, conn) != 0) {
                        doorward_close(conn);
                        break;
                }
                n++;
        }

        if (doorward_close(conn) == 0)
                printf("the connection is closed\n");

        for (int i = 0; i < n; i++)
                pthread_join(threads[i], NULL);

        return EXIT_SUCCESS;
}
