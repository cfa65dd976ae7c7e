/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * scripted-agent: what test-agent.c has in doorward-agent's place. What it does says the last part
 * of the path in --socket=. Without a word of the library within some seconds it ends.
 */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "common/agent-protocol.h"
#include "common/socket.h"

#define FD 3
#define PATIENCE_MS 10000

static char **arguments;

static void nap(int ms) {
        (void)poll(NULL, 0, ms);
}

static void say_fd(const AgentMessage *message, int fd) {
        uint8_t buf[AGENT_MESSAGE_SIZE];

        (void)socket_send(FD, buf, agent_message_encode(message, buf), fd);
}

static void say(const AgentMessage *message) {
        say_fd(message, -EBADF);
}

static void say_ready(void) {
        say(&(AgentMessage){.type = AGENT_READY});
}

static void say_bytes(const void *data, size_t n) {
        (void)socket_send(FD, data, n, -EBADF);
}

/* False: it hung up. */
static bool hear(AgentAnswer *ret) {
        struct pollfd p = {.fd = FD, .events = POLLIN};
        uint8_t buf[AGENT_ANSWER_SIZE];
        SocketAncillary ancillary;
        ssize_t n;

        if (poll(&p, 1, PATIENCE_MS) != 1)
                exit(EXIT_FAILURE);
        n = socket_receive(FD, buf, sizeof(buf), 0, &ancillary);
        return n > 0 && agent_answer_decode(buf, (size_t)n, ret) == 0;
}

static void wait_for_hang_up(void) {
        AgentAnswer answer;

        while (hear(&answer))
                ;
}

static void tell(const char *text) {
        AgentMessage message = {.type = AGENT_END, .code = 12};

        agent_message_set_text(&message, text);
        agent_message_set_hint(&message, "so it was");
        say(&message);
}

static void choose(size_t n) {
        AgentMessage message = {
                .type = AGENT_CHOOSE,
                .text = "To open it.",
                .n_names = n,
                .names = {"carol", "dave", "erin"},
        };
        AgentAnswer answer;
        char text[32];

        say_ready();
        say(&message);
        if (!hear(&answer))
                return;
        (void)snprintf(text, sizeof(text), answer.cancelled ? "cancelled" : "chose %d",
                       answer.index);
        tell(text);
        wait_for_hang_up();
}

static void ask_three(void) {
        AgentMessage message = {
                .type = AGENT_CHOOSE, .n_names = 3, .names = {"carol", "dave", "erin"}};

        say_ready();
        say(&message);
        nap(100);
}

static void script_dies_asking(void) {
        ask_three();
}

static void script_withdraws(void) {
        struct pollfd p = {.fd = FD, .events = POLLIN};

        ask_three();
        say(&(AgentMessage){.type = AGENT_END});
        tell(poll(&p, 1, 100) == 0 ? "unanswered" : "answered");
        wait_for_hang_up();
}

static void script_ready(void) {
        say_ready();
        wait_for_hang_up();
}

static void script_slow(void) {
        nap(150);
        script_ready();
}

static void script_dead(void) {}

static void script_silent(void) {
        wait_for_hang_up();
}

static void script_dies(void) {
        say_ready();
        nap(50);
}

static void script_stubborn(void) {
        say_ready();
        nap(6000);
}

/* Talks all the while that it should end. */
static void script_talkative(void) {
        say_ready();
        wait_for_hang_up();
        for (int i = 0; i < 20; i++) {
                say_ready();
                say_fd(&(AgentMessage){.type = AGENT_CONVERSATION, .whose = AGENT_WHOSE_ROOT}, FD);
                nap(5);
        }
}

static void script_unavailable(void) {
        say(&(AgentMessage){.type = AGENT_UNAVAILABLE, .text = "no\nbus", .hint = "try dbus"});
        wait_for_hang_up();
}

static void script_arguments(void) {
        char text[1024] = "";

        for (char **a = arguments; *a; a++) {
                strncat(text, *a, sizeof(text) - strlen(text) - 1);
                strncat(text, " ", sizeof(text) - strlen(text) - 1);
        }
        say(&(AgentMessage){.type = AGENT_READY});
        tell(text);
        wait_for_hang_up();
}

static void script_environment(void) {
        char text[64];

        say_ready();
        (void)snprintf(text, sizeof(text), "LC_TIME %s, LD_BIND_NOW %s", getenv("LC_TIME") ?: "-",
                       getenv("LD_BIND_NOW") ?: "-");
        tell(text);
        wait_for_hang_up();
}

static void script_one(void) {
        choose(1);
}

static void script_three(void) {
        choose(3);
}

static void converse(AgentWhose whose) {
        AgentMessage message = {.type = AGENT_CONVERSATION, .whose = whose};
        int ends[2];

        say_ready();
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return;
        (void)socket_send(ends[0], "hello", 5, -EBADF);
        say_fd(&message, ends[1]);
        wait_for_hang_up();
}

static void script_root(void) {
        converse(AGENT_WHOSE_ROOT);
}

static void script_ours(void) {
        converse(AGENT_WHOSE_OURS);
}

/* Then there is the reason, and then nobody. */
static void script_end(void) {
        say_ready();
        tell("Authentication as carol failed.");
        nap(50);
}

static void script_end_17(void) {
        say_ready();
        say(&(AgentMessage){.type = AGENT_END, .code = 17, .text = "Wait 3 s."});
        wait_for_hang_up();
}

static void script_end_255(void) {
        say_ready();
        say(&(AgentMessage){.type = AGENT_END, .code = 255, .text = "Of a later version."});
        wait_for_hang_up();
}

/* Lies. */

static void script_garbage(void) {
        say_bytes("garbage", 7);
        wait_for_hang_up();
}

static void script_later_version(void) {
        say_bytes("\2\0\0\0\1", 5);
        wait_for_hang_up();
}

static void script_empty(void) {
        say_bytes("", 0);
        wait_for_hang_up();
}

static void script_long(void) {
        static uint8_t data[AGENT_MESSAGE_SIZE + 1] = {1, 0, 0, 0, 1};

        say_bytes(data, sizeof(data));
        wait_for_hang_up();
}

static void script_ready_with_fd(void) {
        say_fd(&(AgentMessage){.type = AGENT_READY}, FD);
        wait_for_hang_up();
}

static void script_choose_first(void) {
        say(&(AgentMessage){.type = AGENT_CHOOSE, .n_names = 1, .names = {"carol"}});
        wait_for_hang_up();
}

static void script_ready_twice(void) {
        say_ready();
        script_ready();
}

static void script_unavailable_later(void) {
        say_ready();
        script_unavailable();
}

static void script_conversation_without_fd(void) {
        say_ready();
        say(&(AgentMessage){.type = AGENT_CONVERSATION, .whose = AGENT_WHOSE_ROOT});
        wait_for_hang_up();
}

static void script_end_with_fd(void) {
        say_ready();
        say_fd(&(AgentMessage){.type = AGENT_END, .code = 12, .text = "no"}, FD);
        wait_for_hang_up();
}

static void script_two_fds(void) {
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(2 * sizeof(int))];
        } control = {};
        uint8_t buf[AGENT_MESSAGE_SIZE];
        struct iovec iov = {
                .iov_base = buf,
                .iov_len = agent_message_encode(
                        &(AgentMessage){.type = AGENT_CONVERSATION, .whose = AGENT_WHOSE_OURS},
                        buf),
        };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.data,
                .msg_controllen = sizeof(control.data),
        };
        int fds[] = {FD, FD};

        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(fds));
        memcpy(CMSG_DATA(&control.align), fds, sizeof(fds));
        say_ready();
        (void)sendmsg(FD, &msg, MSG_NOSIGNAL);
        wait_for_hang_up();
}

/* Of root alone: somebody else speaks in its place. */
static void script_stranger(void) {
        if (setresuid(65533, 65533, 65533) < 0)
                return;
        script_ready();
}

static const struct {
        const char *name;
        void (*run)(void);
} scripts[] = {
        {"arguments", script_arguments},
        {"choose-first", script_choose_first},
        {"conversation-without-fd", script_conversation_without_fd},
        {"dead", script_dead},
        {"dies", script_dies},
        {"dies-asking", script_dies_asking},
        {"empty", script_empty},
        {"end", script_end},
        {"end-17", script_end_17},
        {"end-255", script_end_255},
        {"end-with-fd", script_end_with_fd},
        {"environment", script_environment},
        {"garbage", script_garbage},
        {"later-version", script_later_version},
        {"long", script_long},
        {"one", script_one},
        {"ours", script_ours},
        {"ready", script_ready},
        {"ready-twice", script_ready_twice},
        {"ready-with-fd", script_ready_with_fd},
        {"root", script_root},
        {"silent", script_silent},
        {"slow", script_slow},
        {"stranger", script_stranger},
        {"stubborn", script_stubborn},
        {"talkative", script_talkative},
        {"three", script_three},
        {"two-fds", script_two_fds},
        {"unavailable", script_unavailable},
        {"unavailable-later", script_unavailable_later},
        {"withdraws", script_withdraws},
};

int main(int argc, char **argv) {
        const char *name = argc == 5 ? strrchr(argv[4], '/') : NULL;

        arguments = argv;
        for (size_t i = 0; name && i < ELEMENTSOF(scripts); i++)
                if (streq(scripts[i].name, name + 1)) {
                        scripts[i].run();
                        return EXIT_SUCCESS;
                }

        return EXIT_FAILURE;
}
