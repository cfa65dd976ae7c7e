/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/exit-status.h"
#include "cli/grant.h"
#include "cli/private-folder.h"
#include "cli/private-socket.h"
#include "cli/reception.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/socket-lock.h"
#include "client/channel.h"
#include "common/activation.h"
#include "common/socket.h"

/* One that systemd starts when somebody connects ends when nothing is left to be kept: there is no
 * lease, and nobody is connected. */
#define LISTEN_IDLE_MS 60000

typedef struct Listen {
        const Options *options;
        Argument argument;
        bool activated; /* systemd listens, and a unit is what we are */
        char *path;     /* of the socket, if we are to make it, */
        SocketLock lock;
        int pin; /* and once we have */
        doorward_conn *conn;
        int listener;
        int signal_fd;
        bool over; /* we were told to end */
        Loop loop;
        Source signal_source;
        Reception *reception;
} Listen;

static void listen_deinit(Listen *listen) {
        private_socket_remove_consume_pin(listen->path, listen->pin);
        socket_lock_release(&listen->lock);
        (void)reception_free(listen->reception);
        close_fd(listen->listener);
        if (listen->conn)
                (void)conn_unref(listen->conn);
        source_remove(&listen->signal_source);
        close_fd(listen->signal_fd);
        loop_deinit(&listen->loop);
        free(listen->path);
}

/* Where. */

static int fail_held(const Listen *listen, pid_t holder) {
        char hint[80] = "Name another path with --at=.";
        char who[32] = "";

        if (holder > 0) {
                (void)snprintf(who, sizeof(who), ", process %d", (int)holder);
                (void)snprintf(hint, sizeof(hint),
                               "Name another path with --at=, or end that one: kill %d",
                               (int)holder);
        }
        return report_problem(listen->options, DOORWARD_ERR_SYSTEM, hint,
                              "Cannot listen at %s: another 'doorward listen' does%s.",
                              listen->path, who);
}

static int fail_lock(const Listen *listen) {
        return report_problem(listen->options, DOORWARD_ERR_SYSTEM,
                              "Name another path with --at=, or remove that if nobody needs it.",
                              "Cannot listen at %s: .%s.lock beside it is not what a 'doorward "
                              "listen' leaves there.",
                              listen->path, strrchr(listen->path, '/') + 1);
}

static int fail_place(const Listen *listen, int error) {
        const char *path = listen->path ?: "";
        const char *what = error == -EADDRINUSE ? "somebody listens there already"
                           : error == -EEXIST   ? "there is something else"
                           : error == -ENOTDIR  ? "its folder is none"
                           : error == -EPERM    ? "others could take it away there"
                                                : strerror(-error);

        return report_problem(listen->options, DOORWARD_ERR_SYSTEM,
                              "Name a path with --at= in a folder of yours, or of root's, that "
                              "nobody else can write.",
                              "Cannot listen at %s: %s.", path, what);
}

/* Whoever could rename what stands in the folder could have programs talk to them instead. */
static int folder_check(const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *folder = strndup(path, (size_t)(slash > path ? slash - path : 1));
        struct stat st;

        if (!folder)
                return -ENOMEM;
        if (stat(folder, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        return (st.st_uid == geteuid() || st.st_uid == 0) && !(st.st_mode & 0022) ? 0 : -EPERM;
}

/* $XDG_RUNTIME_DIR/doorward/docker, or ro-docker. */
static int default_path(const Listen *listen, char **ret) {
        PrivateFolder folder;
        char name[NAME_TEXT_SIZE];
        int r;

        r = private_folder_init(&folder);
        if (r == 0 && asprintf(ret, "%s/%s%s", folder.path,
                               listen->argument.access == ACCESS_READ_ONLY ? "ro-" : "",
                               name_to_string(&listen->argument.name, name)) < 0)
                r = -ENOMEM;
        private_folder_deinit(&folder);
        return r;
}

static int listen_find_place(Listen *listen) {
        int r;

        if (listen->options->at) {
                r = copy_string(listen->options->at, &listen->path);
                return r < 0 ? report_errno(listen->options, r, "Cannot listen") : -1;
        }

        r = default_path(listen, &listen->path);
        return r < 0 ? report_problem(listen->options, DOORWARD_ERR_SYSTEM,
                                      "Name a path with --at=.",
                                      "$XDG_RUNTIME_DIR/doorward cannot be used for a private "
                                      "socket: %s.",
                                      r == -ENXIO ? "$XDG_RUNTIME_DIR is not a folder of yours "
                                                    "that only you can enter"
                                                  : strerror(-r))
                     : -1;
}

static int listen_make_socket(Listen *listen) {
        pid_t holder = 0;
        int status, r;

        status = listen_find_place(listen);
        if (status >= 0)
                return status;

        r = folder_check(listen->path);
        if (r < 0)
                return fail_place(listen, r);

        r = socket_lock_take(&listen->lock, listen->path, &holder);
        if (r == SOCKET_LOCK_E_HELD)
                return fail_held(listen, holder);
        if (r == -EEXIST)
                return fail_lock(listen);
        if (r == 0)
                r = private_socket_remove_dead(listen->path);
        if (r == 0)
                r = listen->listener = private_socket_new(listen->path, &listen->pin);
        return r < 0 ? fail_place(listen, r) : -1;
}

/* What systemd has made, and passed. */
static int listen_take_socket(Listen *listen) {
        if (!socket_option_is(ACTIVATION_FD, SO_DOMAIN, AF_UNIX) ||
            !socket_option_is(ACTIVATION_FD, SO_TYPE, SOCK_STREAM) ||
            !socket_option_is(ACTIVATION_FD, SO_ACCEPTCONN, 1))
                return report_problem(listen->options, DOORWARD_ERR_UNSUPPORTED,
                                      "The unit's socket is one of ListenStream=, with a path.",
                                      "What was passed is not a listening unix stream socket.");

        listen->listener = ACTIVATION_FD;
        return -1;
}

/* The end. */

static void on_signal(Source *source, uint32_t events _unused_) {
        Listen *listen = source->userdata;

        listen->over = true;
}

/* They do not end us any more: what was made is removed first. Who was started with one of them
 * ignored (nohup) is not ended by it at all. */
static int listen_take_signals(Listen *listen) {
        sigset_t mask;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)sigemptyset(&mask);
        signals_add_ending(&mask);
        signals_leave_ignored(&mask);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;

        listen->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return listen->signal_fd < 0 ? -errno
                                     : loop_add(&listen->loop, &listen->signal_source,
                                                listen->signal_fd, EPOLLIN, on_signal, listen);
}

static int listen_wait(Listen *listen) {
        int64_t idle_until = CHANNEL_NO_DEADLINE;

        while (!listen->over) {
                int64_t deadline;
                int status, r;

                status = reception_process(listen->reception);
                if (status >= 0)
                        return status;

                if (!listen->activated || !reception_is_idle(listen->reception))
                        idle_until = CHANNEL_NO_DEADLINE;
                else if (idle_until == CHANNEL_NO_DEADLINE)
                        idle_until = channel_deadline(LISTEN_IDLE_MS);
                else if (channel_deadline_left(idle_until) == 0)
                        return EXIT_STATUS_OK;

                deadline = reception_get_deadline(listen->reception);
                r = loop_turn(&listen->loop, idle_until < deadline ? idle_until : deadline);
                if (r < 0)
                        return report_errno(listen->options, r, "Cannot wait");
        }

        return EXIT_STATUS_OK;
}

/* What the definition of this machine says; of another broker's endpoint it is found when it is
 * opened. -1, or the exit status. */
static int listen_check_kind(const Listen *listen) {
        _cleanup_(definition_freep) Definition *definition = NULL;
        const Target *target;
        int r;

        if (uri_is_remote(&listen->argument.uri))
                return -1;
        r = environment_load_definition(&listen->argument.name, &definition);
        if (r < 0)
                return report_errno(listen->options, r, "Cannot read a definition");

        target = definition ? &definition->targets[listen->argument.access] : NULL;
        if (!target || !target->provided || target->kind == KIND_STREAM)
                return -1;
        return report_problem(
                listen->options, DOORWARD_ERR_UNSUPPORTED,
                "'doorward exec' hands over the descriptor itself, and 'doorward run' "
                "has a pty in the place of a terminal line.",
                "%s is of kind %s, and no socket can stand in its place.",
                listen->argument.uri.endpoint, kind_to_string(target->kind));
}

/* Somebody at a terminal learns at once whether there will be anything behind the socket. In a unit
 * it is the first who connects who has it asked for. */
static int listen_hold(Listen *listen) {
        _cleanup_error_ doorward_error error = {};
        int status, r;

        status = listen_check_kind(listen);
        if (status >= 0 || listen->activated)
                return status;

        r = grant_hold(listen->options, &listen->argument, &listen->conn, &error);
        return r < 0 ? report_error(listen->options, &error) : -1;
}

static int listen_begin(Listen *listen) {
        const ReceptionSpec spec = {
                .options = listen->options,
                .argument = &listen->argument,
                .loop = &listen->loop,
                .auth = listen->activated ? &grant_auth_desktop : grant_get_auth(listen->options),
                .ends_when_kept_out = true,
        };
        int status, r;

        loop_raise_limit();
        r = loop_init(&listen->loop);
        if (r == 0)
                r = listen_take_signals(listen);
        if (r < 0)
                return report_errno(listen->options, r, "Cannot wait");

        status = listen->activated ? listen_take_socket(listen) : listen_make_socket(listen);
        if (status >= 0)
                return status;

        r = reception_new_consume(&spec, TAKE_FD(listen->listener), TAKE_PTR(listen->conn),
                                  &listen->reception);
        if (r < 0)
                return report_errno(listen->options, r, "Cannot listen");

        /* For a script that waits until it is there. */
        if (listen->path && (printf("%s\n", listen->path) < 0 || fflush(stdout) != 0))
                return report_errno(listen->options, -errno, "Cannot say where it is");
        return -1;
}

int command_listen(const Options *options, char **arguments, size_t n) {
        _cleanup_(listen_deinit) Listen listen = {
                .options = options,
                .activated = activation_has_socket(),
                .lock = SOCKET_LOCK_NULL,
                .pin = -EBADF,
                .listener = -EBADF,
                .signal_fd = -EBADF,
                .loop = LOOP_NULL,
        };
        int status;

        status = grant_read_argument(options, n > 0 ? arguments[0] : NULL, false, &listen.argument);
        if (status < 0)
                status = listen_hold(&listen);
        if (status < 0)
                status = listen_begin(&listen);
        if (status < 0)
                status = listen_wait(&listen);

        return status;
}
