/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * All of it in one program: the four ways to open, errors by their classes, every fact that there
 * is, the use of the descriptor, the end of a lease, and references.
 *
 *         integrated URI             shows what there is
 *         integrated URI TEXT        writes TEXT as well, and shows what comes back
 *         integrated URI TEXT wait   waits until somebody takes the first connection back, too
 *
 * URI names an endpoint and says nothing of access: this program wants each once.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <doorward.h>

#define N_CONNS 4
/* For what comes back. */
#define ANSWER_MS 2000

/* The kinds of open. Each connection is its own: with a lease, and a process of the service. */
static doorward_conn *open_one(const char *uri, int i) {
        /* Nothing is listed, so this program is asked for nothing; an agent of the desktop may be.
         */
        static const doorward_auth nothing = {NULL, 0, NULL, NULL};

        switch (i) {
        case 0:
                return doorward_open(uri);
        case 1:
                return doorward_open_read_only(uri);
        case 2:
                return doorward_open_auth(uri, &nothing, 0);
        default:
                return doorward_open_auth(uri, NULL, DOORWARD_RO | DOORWARD_NO_INTERACTION);
        }
}

/* Errors. */

static void complain(const char *what) {
        const doorward_error *error = doorward_get_last_error();

        fprintf(stderr, "%s: %s\n", what, error ? error->message : "no error");
        if (error && error->hint)
                fprintf(stderr, "%s\n", error->hint);
}

/* Called for every error of every thread, as long as it is set. */
static void on_error(void *userdata, const doorward_error *error) {
        ++*(int *)userdata;
        printf("error: %s of %s\n", doorward_error_code_to_string(error->code),
               doorward_error_domain_to_string(error->domain));
}

/* Mistakes, made so that it is seen what comes of them. NULL as the function would not have it
 * printed: the library is silent, as it was before. */
static void make_mistakes(doorward_conn *conn) {
        doorward_error copy = {0}, *saved;
        int n = 0;

        doorward_set_error_func(&n, on_error);
        (void)doorward_get_version(conn, NULL);
        (void)doorward_open("doorward:///no-such-endpoint");
        (void)doorward_open("doorward:///docker?nonsense=1");
        (void)doorward_open_auth("docker", NULL, ~0U);
        (void)doorward_close(NULL);
        doorward_set_error_func(NULL, NULL);
        (void)doorward_open("doorward:///no-such-endpoint");
        printf("errors shown: %d\n", n);

        /* The last one is the thread's, until the next call. */
        saved = doorward_save_last_error();
        printf("copied: %d\n", doorward_copy_last_error(&copy));
        printf("last: %d, %d\n", doorward_get_last_error_code(), doorward_get_last_error_domain());
        doorward_reset_last_error();
        printf("reset: %s\n", doorward_get_last_error_message());
        if (saved)
                printf("saved: %s %s\n", doorward_error_code_to_string(saved->code),
                       saved->endpoint ? saved->endpoint : "-");
        doorward_error_free(saved);
        doorward_error_clear(&copy);
}

/* Facts: of a connection, */

static const char *or_none(const char *text) {
        return text ? text : "-";
}

static int show_grant(doorward_conn *conn) {
        doorward_grant_info *info = doorward_get_grant_info(conn);
        doorward_security_model *model = doorward_get_security_model(conn);

        if (info && model) {
                printf("  access: %s, %s, lease %s, kept %d, expires %d, logout %d\n", info->access,
                       info->mode, info->lease_id ? "yes" : "no", info->kept, info->expires != 0,
                       info->ends_at_logout);
                printf("  action: %s, %s, request %s\n", or_none(info->action_id),
                       or_none(info->how), info->request_id ? "yes" : "no");
                printf("  security: %s, as %s, read-only by %s, %s, label '%s'\n",
                       model->authorizer, or_none(model->connect_as), or_none(model->read_only),
                       model->mode, model->label);
        }

        doorward_security_model_free(model);
        doorward_grant_info_free(info);
        return info && model ? 0 : -1;
}

static int show_connection(doorward_conn *conn, int i) {
        char *uri = doorward_get_uri(conn);
        unsigned long version = 0, library = 0;

        if (!uri)
                return -1;
        printf("connection %d: %s\n", i, uri);
        free(uri);

        if (doorward_get_version(conn, &version) < 0 ||
            doorward_get_lib_version(conn, &library) < 0)
                return -1;
        printf("  type: %s, descriptor: %d\n", or_none(doorward_get_type(conn)),
               doorward_get_fd(conn) > 2);
        printf("  broker: %lu, library: %lu, %lu\n", version, library, doorward_version());
        printf("  alive: %d, secure: %d, encrypted: %d, ended: %s\n", doorward_is_alive(conn),
               doorward_is_secure(conn), doorward_is_encrypted(conn),
               doorward_close_reason_to_string(doorward_get_close_reason(conn)));
        return show_grant(conn);
}

/* of the machine, and of the broker. */

static int show_machine(doorward_conn *conn) {
        doorward_host_info *info = doorward_get_host_info(conn);
        char *name = doorward_get_hostname(conn);
        unsigned i;

        if (info && name) {
                printf("host: %s, %s, %s\n", name, or_none(info->os_name), or_none(info->kernel));
                printf("  machine: %s, %s\n", or_none(info->machine_id),
                       or_none(info->architecture));
                printf("  processors: %u, memory: %llu bytes, %llu free, %llu available\n",
                       info->cpus, info->memory_total, info->memory_free, info->memory_available);
                for (i = 0; i < info->n_nodes; i++)
                        printf("  node %u: %u processors, %llu bytes, %llu free\n",
                               info->nodes[i].id, info->nodes[i].cpus, info->nodes[i].memory_total,
                               info->nodes[i].memory_free);
        }

        free(name);
        doorward_host_info_free(info);
        return info && name ? 0 : -1;
}

static int show_broker(doorward_conn *conn) {
        doorward_limits *limits = doorward_get_limits(conn);
        char *capabilities = doorward_get_capabilities(conn);
        unsigned i;

        for (i = 0; limits && i < limits->n_limits; i++)
                if (limits->limits[i].used >= 0)
                        printf("limit: %s, %lld of %lld\n", limits->limits[i].name,
                               limits->limits[i].used, limits->limits[i].max);
        if (capabilities)
                printf("capabilities: %s\n", capabilities);

        free(capabilities);
        doorward_limits_free(limits);
        return limits && capabilities ? 0 : -1;
}

/* The descriptor is the service's own: what is written goes there. */

static int talk(doorward_conn *conn, const char *text) {
        size_t wanted = strlen(text), n = 0;
        struct pollfd p;
        char buf[4096];
        ssize_t k;

        p.fd = doorward_get_fd(conn);
        p.events = POLLIN;
        if (p.fd < 0 || write(p.fd, text, wanted) != (ssize_t)wanted)
                return -1;

        while (n < sizeof(buf) - 1 && (n < wanted || memcmp(buf + n - wanted, text, wanted) != 0)) {
                if (poll(&p, 1, ANSWER_MS) <= 0)
                        break;
                k = read(p.fd, buf + n, sizeof(buf) - 1 - n);
                if (k <= 0)
                        break;
                n += (size_t)k;
        }

        buf[n] = '\0';
        printf("answer: %s\n", buf);
        return 0;
}

/* The end. */

static void on_close(doorward_conn *conn, int reason, void *userdata) {
        (void)conn;
        printf("%s: %s\n", (const char *)userdata, doorward_close_reason_to_string(reason));
}

static void on_free(void *userdata) {
        free(userdata);
}

static int watch(doorward_conn *conn) {
        static const char text[] = "taken back";
        char *copy = malloc(sizeof(text));

        if (!copy)
                return -1;
        memcpy(copy, text, sizeof(text));
        if (doorward_set_close_callback(conn, on_close, copy, on_free) == 0)
                return 0;

        free(copy);
        return -1;
}

static int wait_for_the_end(doorward_conn *conn) {
        doorward_grant_info *info = doorward_get_grant_info(conn);
        struct pollfd p;
        int r = 0;

        p.fd = doorward_get_event_fd(conn);
        p.events = POLLIN;
        printf("waiting: %s\n", info ? or_none(info->lease_id) : "-");
        doorward_grant_info_free(info);

        while (p.fd >= 0 && r == 0) {
                if (poll(&p, 1, -1) < 0 && errno != EINTR)
                        return -1;
                r = doorward_process(conn);
        }

        printf("alive: %d\n", doorward_is_alive(conn));
        return r == 1 ? 0 : -1;
}

/* References: one more of each, and all given back, the last opened first. */
static void close_all(doorward_conn *conns[N_CONNS]) {
        int i, first, second;

        for (i = N_CONNS - 1; i >= 0; i--) {
                if (!conns[i])
                        continue;
                (void)doorward_ref(conns[i]);
                first = doorward_close(conns[i]);
                second = doorward_close(conns[i]);
                printf("closed %d: %d, %d\n", i, first, second);
        }
}

static int open_all(const char *uri, doorward_conn *conns[N_CONNS]) {
        int i, failed = 0;

        for (i = 0; i < N_CONNS; i++) {
                conns[i] = open_one(uri, i);
                if (!conns[i]) {
                        printf("open %d: %s\n", i,
                               doorward_error_code_to_string(doorward_get_last_error_code()));
                        complain("open");
                        failed = -1;
                }
        }

        return failed;
}

static int run(doorward_conn *conns[N_CONNS], const char *text, int wait) {
        int i;

        make_mistakes(conns[0]);
        for (i = 0; i < N_CONNS; i++)
                if (show_connection(conns[i], i) < 0)
                        return -1;
        if (show_machine(conns[0]) < 0 || show_broker(conns[0]) < 0)
                return -1;
        if (text && talk(conns[0], text) < 0)
                return -1;
        if (watch(conns[0]) < 0)
                return -1;

        return wait ? wait_for_the_end(conns[0]) : 0;
}

int main(int argc, char *argv[]) {
        doorward_conn *conns[N_CONNS] = {NULL, NULL, NULL, NULL};
        int r;

        if (argc < 2) {
                fprintf(stderr, "usage: integrated URI [TEXT [wait]]\n");
                return EXIT_FAILURE;
        }

        /* Each line is there for whoever reads it as soon as it is written. */
        setvbuf(stdout, NULL, _IOLBF, 0);
        /* A service that has hung up is an error of write(2), and not the end of the program. */
        signal(SIGPIPE, SIG_IGN);

        r = open_all(argv[1], conns);
        if (r == 0) {
                r = run(conns, argc > 2 ? argv[2] : NULL, argc > 3 && strcmp(argv[3], "wait") == 0);
                if (r < 0)
                        complain("integrated");
        }
        close_all(conns);

        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
