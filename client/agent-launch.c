/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/auxv.h>

#include "client/agent-launch.h"
#include "client/channel.h"
#include "client/launch.h"
#include "common/agent-protocol.h"
#include "common/peer.h"
#include "common/socket.h"

extern char **environ;

static int read_own_start_time(uint64_t *ret) {
        _cleanup_close_ int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        char buf[1024];
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buf, sizeof(buf) - 1);
        if (n < 0)
                return -errno;

        buf[n] = 0;
        return peer_parse_start_time(buf, ret);
}

/* Both above the standard streams. */
static int make_pair(int *ret_ours, int *ret_theirs) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int ends[2], r;

        r = socket_pair(SOCK_NONBLOCK, ends);
        if (r < 0)
                return r;
        ours = channel_move_fd_consume(ends[0]);
        theirs = channel_move_fd_consume(ends[1]);
        if (ours < 0 || theirs < 0)
                return ours < 0 ? ours : theirs;

        *ret_ours = TAKE_FD(ours);
        *ret_theirs = TAKE_FD(theirs);
        return 0;
}

/* The agent stands in another folder. */
static int make_socket_argument(const char *socket, char **ret) {
        _cleanup_free_ char *absolute = NULL;

        if (socket[0] != '/') {
                absolute = realpath(socket, NULL);
                if (!absolute)
                        return -errno;
                socket = absolute;
        }

        return asprintf(ret, "--socket=%s", socket) < 0 ? -ENOMEM : 0;
}

/* The language of its messages, and where the bus is. What else there is could make it another
 * program: LD_PRELOAD, and what GLib heeds. */
static bool is_passed_on(const char *variable) {
        static const char *const prefixes[] = {
                "DBUS_SYSTEM_BUS_ADDRESS=", "LANG=", "LANGUAGE=", "LC_", "PATH="};

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;

        return false;
}

/* The strings are borrowed. What a program was given before it gained privileges is not passed on
 * at all. */
static char **environment_new(void) {
        char **environment;
        size_t n = 0;

        while (environ && environ[n])
                n++;
        environment = malloc((n + 1) * sizeof(*environment));
        if (!environment)
                return NULL;

        n = 0;
        for (char **variable = environ; variable && *variable && !getauxval(AT_SECURE); variable++)
                if (is_passed_on(*variable))
                        environment[n++] = *variable;
        environment[n] = NULL;
        return environment;
}

static int execute_consume_fd(char *socket, uint64_t start_time, char **environment, int fd) {
        const AgentMessage last_words = {
                .type = AGENT_UNAVAILABLE,
                .text = AGENT_PROGRAM " cannot be executed",
                .hint = "Is doorward installed completely, and may everybody execute that?",
        };
        char name[] = "doorward-agent", number[] = "--fd=3", process[32], start[48];
        uint8_t buf[AGENT_MESSAGE_SIZE];
        LaunchSpec spec = {
                .program = AGENT_PROGRAM,
                .arguments = (char *[]){name, number, process, start, socket, NULL},
                .environment = environment,
                .last_words = buf,
                .n_last_words = agent_message_encode(&last_words, buf),
        };

        (void)snprintf(process, sizeof(process), "--process=%d", (int)getpid());
        (void)snprintf(start, sizeof(start), "--start-time=%" PRIu64, start_time);
        return launch_consume_fd(&spec, fd);
}

int agent_launch(const char *socket, int *ret_fd) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        _cleanup_free_ char **environment = environment_new();
        _cleanup_free_ char *argument = NULL;
        uint64_t start_time;
        int r;

        if (!environment)
                return -ENOMEM;

        r = make_socket_argument(socket, &argument);
        if (r == 0)
                r = read_own_start_time(&start_time);
        if (r == 0)
                r = make_pair(&ours, &theirs);
        if (r == 0)
                r = execute_consume_fd(argument, start_time, environment, TAKE_FD(theirs));
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(ours);
        return 0;
}
