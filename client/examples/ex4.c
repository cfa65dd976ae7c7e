/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint with a callback of its own, which reads a name and a password from the standard
 * input, a line each: for a program that drives this one.
 *
 *         ex4 doorward://@/libvirt
 *
 * A terminal would show what is typed: for people there is doorward_auth_default.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doorward.h>

/* As many bytes as an answer can have, the end of the line, and a NUL. */
#define LINE_SIZE (511 + 2)

/* What this program can be asked for. It is asked for nothing else. */
static const int types[] = {
        DOORWARD_CRED_AUTHNAME,
        DOORWARD_CRED_PASSPHRASE,
};

/* Not memset(3), which a compiler leaves out where nobody reads what it wrote. */
static void erase(void *data, size_t size) {
        volatile char *c = data;

        while (size-- > 0)
                *c++ = 0;
}

/* Reads a line without its end. -1 if there is none, or only a part of one. */
static int read_line(char line[LINE_SIZE]) {
        size_t n;

        if (!fgets(line, LINE_SIZE, stdin))
                return -1;

        n = strlen(line);
        if (n == 0 || line[n - 1] != '\n')
                return -1;

        line[n - 1] = '\0';
        return 0;
}

static int collect_one(doorward_credential *cred) {
        char line[LINE_SIZE];
        size_t n;
        int r;

        /* The names to choose from, if it is to be one of several. */
        if (cred->challenge)
                fprintf(stderr, "(%s) ", cred->challenge);
        fprintf(stderr, "%s", cred->prompt);

        r = read_line(line);
        if (r == 0) {
                n = strlen(line);
                /* The library erases it and frees it. */
                cred->result = malloc(n + 1);
                if (cred->result) {
                        memcpy(cred->result, line, n + 1);
                        cred->resultlen = (unsigned)n;
                } else
                        r = -1;
        }

        /* This copy is ours to erase. */
        erase(line, sizeof(line));
        return r;
}

static int collect(doorward_credential *cred, unsigned ncred, void *cbdata) {
        unsigned i;

        (void)cbdata;
        for (i = 0; i < ncred; i++) {
                switch (cred[i].type) {
                case DOORWARD_CRED_AUTHNAME:
                case DOORWARD_CRED_PASSPHRASE:
                        if (collect_one(&cred[i]) < 0)
                                return -1;
                        break;
                default:
                        return -1;
                }
        }

        return 0;
}

int main(int argc, char *argv[]) {
        doorward_auth auth = {types, sizeof(types) / sizeof(types[0]), collect, NULL};
        doorward_conn *conn;

        /* Without a buffer of stdio's, in which the password would stay. */
        setvbuf(stdin, NULL, _IONBF, 0);

        conn = doorward_open_auth(argc > 1 ? argv[1] : NULL, &auth, 0);
        if (!conn) {
                const doorward_error *error = doorward_get_last_error();

                switch (error->code) {
                case DOORWARD_ERR_AUTH_FAILED:
                        fprintf(stderr, "That was not the right password.\n");
                        break;
                case DOORWARD_ERR_AUTH_CANCELLED:
                        fprintf(stderr, "No name or password came.\n");
                        break;
                default:
                        fprintf(stderr, "%s\n", error->message);
                        if (error->hint)
                                fprintf(stderr, "%s\n", error->hint);
                }
                return EXIT_FAILURE;
        }

        printf("a %s, descriptor %d\n", doorward_get_type(conn), doorward_get_fd(conn));
        doorward_close(conn);
        return EXIT_SUCCESS;
}
