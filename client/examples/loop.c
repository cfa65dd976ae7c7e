/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define _DEFAULT_SOURCE

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"

static void complain(struct program *program) {
        const doorward_error *error = doorward_get_last_error();

        fprintf(stderr, "%s\n", error->message);
        if (error->hint)
                fprintf(stderr, "%s\n", error->hint);
        program->status = EXIT_FAILURE;
}

/* Called by doorward_open_process(). It may not wait, so the answer comes later. */
static int ask(doorward_credential *cred, unsigned ncred, void *cbdata) {
        struct program *program = cbdata;

        (void)ncred;
        if (cred->type == DOORWARD_CRED_INFO || cred->type == DOORWARD_CRED_ERROR_MSG) {
                printf("text: %s\n", cred->prompt);
                return 0;
        }

        printf("prompt: %s\n", cred->prompt);
        program->asking = 1;
        return DOORWARD_AUTH_LATER;
}

static const int types[] = {
        DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
        DOORWARD_CRED_INFO,     DOORWARD_CRED_ERROR_MSG,
};

int program_start(struct program *program, const char *uri) {
        /* Read until doorward_open_free(). There is one program. */
        static doorward_auth auth = {types, sizeof(types) / sizeof(types[0]), ask, NULL};

        /* Each line is there for whoever reads it as soon as it is written. */
        setvbuf(stdout, NULL, _IOLBF, 0);

        auth.cbdata = program;
        program->opening = doorward_open_start(uri, &auth, 0);
        if (!program->opening)
                complain(program);
        return program->opening ? 0 : -1;
}

int program_get_fd(struct program *program) {
        return program->opening ? doorward_open_get_event_fd(program->opening)
                                : doorward_get_event_fd(program->conn);
}

int program_get_events(struct program *program) {
        return program->opening ? doorward_open_get_events(program->opening)
                                : doorward_get_events(program->conn);
}

long long program_get_timeout(struct program *program) {
        long long usec = LLONG_MAX;

        if (program->opening)
                doorward_open_get_timeout(program->opening, &usec);
        else
                doorward_get_timeout(program->conn, &usec);
        return usec;
}

/* Called by doorward_process(), once. */
static void on_close(doorward_conn *conn, int reason, void *userdata) {
        (void)conn;
        (void)userdata;
        printf("ended: %s\n", doorward_close_reason_to_string(reason));
}

static int take_connection(struct program *program) {
        char *uri;

        if (program->forget)
                program->forget(program);
        program->conn = doorward_open_finish(program->opening);
        doorward_open_free(program->opening);
        program->opening = NULL;
        if (!program->conn) {
                complain(program);
                return 0;
        }

        uri = doorward_get_uri(program->conn);
        printf("opened: %s\n", uri ? uri : "?");
        free(uri);
        if (doorward_set_close_callback(program->conn, on_close, NULL, NULL) < 0) {
                complain(program);
                return 0;
        }

        return 1;
}

int program_process(struct program *program) {
        if (program->opening) {
                if (doorward_open_process(program->opening) == 0)
                        return take_connection(program);
                if (program->asking && !doorward_open_is_asking(program->opening)) {
                        printf("withdrawn\n");
                        program->asking = 0;
                }
                return 1;
        }

        /* 1: the lease has ended. */
        return doorward_process(program->conn) == 0;
}

static void answer(struct program *program, const char *line) {
        doorward_credential cred = {0, NULL, NULL, NULL, NULL, 0};
        int r;

        /* The library erases and frees it. */
        if (line)
                cred.result = strdup(line);
        r = doorward_open_answer(program->opening, &cred, line ? 1 : 0);
        if (r < 0)
                printf("again: %s\n", doorward_get_last_error_message());
        else
                program->asking = 0;
}

int program_hear(struct program *program) {
        char line[600];
        ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
        int r = 1;

        if (n <= 0) {
                program->deaf = 1;
                if (program->asking)
                        answer(program, NULL);
                return 1;
        }

        line[n] = 0;
        line[strcspn(line, "\n")] = 0;
        if (program->asking)
                answer(program, line);
        else
                r = strcmp(line, "quit") != 0;
        explicit_bzero(line, sizeof(line));
        return r;
}

int program_end(struct program *program) {
        if (program->forget)
                program->forget(program);
        /* At any time: an open that goes on is given up, and a lease ends. */
        doorward_open_free(program->opening);
        if (program->conn)
                doorward_close(program->conn);
        return program->status;
}
