/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include <glib-unix.h>

#include "common/socket.h"
#include "helpers/agent-link.h"

struct AgentLink {
        int fd;
        guint watch;
        const AgentLinkEvents *events;
        void *userdata;
};

static int check_maker(int fd, pid_t process) {
        struct ucred maker = {.uid = (uid_t)-1};
        int domain = -1, type = -1;
        socklen_t n = sizeof(int);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
                return -errno;
        if (domain != AF_UNIX || type != SOCK_SEQPACKET)
                return -EPROTOTYPE;

        n = sizeof(maker);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &n) < 0)
                return -errno;

        return maker.pid == process && maker.uid == geteuid() ? 0 : -EPERM;
}

/* No child of ours gets it, and nothing waits on it. */
static int prepare(int fd) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;

        return socket_set_passcred(fd);
}

/* 0, or -errno if this was the last of it: -EAGAIN if nothing is there. */
static int link_receive(AgentLink *link, AgentAnswer *ret) {
        uint8_t buf[AGENT_ANSWER_SIZE];
        SocketAncillary ancillary;
        ssize_t n;

        n = socket_receive(link->fd, buf, sizeof(buf), 0, &ancillary);
        if (n <= 0)
                return n < 0 ? (int)n : -ECONNRESET;
        if (!ancillary.has_credentials || ancillary.credentials.uid != getuid())
                return -EPERM;

        return agent_answer_decode(buf, (size_t)n, ret);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata) {
        AgentLink *link = userdata;
        AgentAnswer answer;
        int r;

        r = link_receive(link, &answer);
        if (r == -EAGAIN)
                return G_SOURCE_CONTINUE;
        if (r < 0) {
                link->watch = 0;
                link->events->gone(link->userdata);
                return G_SOURCE_REMOVE;
        }

        link->events->answer(&answer, link->userdata);
        return G_SOURCE_CONTINUE;
}

int agent_link_new_consume_fd(int fd, pid_t process, const AgentLinkEvents *events, void *userdata,
                              AgentLink **ret) {
        _cleanup_close_ int taken = fd;
        AgentLink *link;
        int r;

        r = check_maker(fd, process);
        if (r == 0)
                r = prepare(fd);
        if (r < 0)
                return r;

        link = g_new(AgentLink, 1);
        *link = (AgentLink){.fd = TAKE_FD(taken), .events = events, .userdata = userdata};
        link->watch = g_unix_fd_add(link->fd, G_IO_IN, on_readable, link);
        *ret = link;
        return 0;
}

AgentLink *agent_link_free(AgentLink *link) {
        if (!link)
                return NULL;

        if (link->watch)
                (void)g_source_remove(link->watch);
        close_fd(link->fd);
        g_free(link);
        return NULL;
}

int agent_link_send(AgentLink *link, const AgentMessage *message, int fd) {
        uint8_t buf[AGENT_MESSAGE_SIZE];
        size_t n = agent_message_encode(message, buf);
        ssize_t r;

        r = socket_send(link->fd, buf, n, fd);
        return r < 0 ? (int)r : 0;
}
