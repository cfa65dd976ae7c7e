/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/socket.h"
#include "tests/support/dialogue-client.h"

/* Exit statuses: all was as expected, or what was not. */
enum {
        CLIENT_CONTENT = 0,
        CLIENT_NO_PROMPT = 10,
        CLIENT_NOT_BY_HELPER,
        CLIENT_OTHER_PROMPT,
        CLIENT_CANNOT_SEND,
        CLIENT_NO_END,
};

static bool wait_for(int fd, short events) {
        struct pollfd p = {.fd = fd, .events = events};

        return poll(&p, 1, 10000) > 0;
}

/* Each question is of the process that made the sockets: the parent of this one. */
static bool is_by_helper(int fd, const SocketAncillary *ancillary) {
        socklen_t n = sizeof(struct ucred);
        struct ucred maker = {};

        return ancillary->has_credentials &&
               getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &n) == 0 && maker.pid == getppid() &&
               ancillary->credentials.pid == maker.pid && ancillary->credentials.uid == maker.uid;
}

/* What is said of whose password it is: no script has it but one that is about that. */
static bool is_whose(const Prompt *prompt) {
        return prompt->kind == PROMPT_INFO && strncmp(prompt->text, "Authenticating as ", 18) == 0;
}

static int read_prompt(int fd, Prompt *ret) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;

        if (!wait_for(fd, POLLIN))
                return CLIENT_NO_PROMPT;
        n = socket_receive(fd, buf, sizeof(buf), 0, &ancillary);
        if (n <= 0 || prompt_decode(buf, (size_t)n, ret) < 0)
                return CLIENT_NO_PROMPT;
        return is_by_helper(fd, &ancillary) ? CLIENT_CONTENT : CLIENT_NOT_BY_HELPER;
}

static int send_bytes(int fd, const void *data, size_t size, int pass_fd) {
        return socket_send(fd, data, size, pass_fd) == (ssize_t)size ? CLIENT_CONTENT
                                                                     : CLIENT_CANNOT_SEND;
}

static int send_answer(int fd, const Answer *answer, int pass_fd) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];

        return send_bytes(fd, buf, answer_encode(answer, buf), pass_fd);
}

static int send_by_child(int fd, const Answer *answer) {
        int status = -1;
        pid_t pid = fork();

        if (pid == 0)
                _exit(send_answer(fd, answer, -EBADF));
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return CLIENT_CANNOT_SEND;
        return WIFEXITED(status) ? WEXITSTATUS(status) : CLIENT_CANNOT_SEND;
}

static int send_too_long(int fd, uint32_t number) {
        uint8_t buf[7 + CONVERSATION_ANSWER_MAX + 1] = {1, (uint8_t)number, 0, 0, 0, 0, 2};

        memset(buf + 7, 'x', sizeof(buf) - 7);
        return send_bytes(fd, buf, sizeof(buf), -EBADF);
}

static int wait_for_end(int fd) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Prompt prompt;
        ssize_t n = 0;

        do
                if (!wait_for(fd, POLLIN))
                        return CLIENT_NO_END;
        while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 &&
               prompt_decode(buf, (size_t)n, &prompt) == 0 && is_whose(&prompt));

        return n <= 0 ? CLIENT_CONTENT : CLIENT_NO_END;
}

#define CANARY_SIZE 96U
/* What is freed loses its first bytes, so it is looked for by its last. */
#define CANARY_SKIP 64U
#define CANARY_TAIL (CANARY_SIZE - CANARY_SKIP)

/* Nothing of it stands in memory until this made it. */
static char canary_byte(size_t i) {
        static volatile uint32_t seed = 0x6d2b79f5;
        uint32_t x = seed ^ (uint32_t)(i * 0x9e3779b9U);

        x = (x ^ x >> 15) * 0x85ebca6bU;
        x = (x ^ x >> 13) * 0xc2b2ae35U;
        return (char)('!' + (x ^ x >> 16) % 90);
}

static int send_canary(int fd, uint32_t number) {
        Answer answer = {.number = number};

        for (size_t i = 0; i < CANARY_SIZE; i++)
                answer.text[i] = canary_byte(i);
        return send_answer(fd, &answer, -EBADF);
}

static unsigned count_in(const char *data, size_t size) {
        const char *end = data + size;
        unsigned n = 0;

        while ((data = memchr(data, canary_byte(CANARY_SKIP), (size_t)(end - data)))) {
                size_t i = 1;

                while (i < CANARY_TAIL && data + i < end && data[i] == canary_byte(CANARY_SKIP + i))
                        i++;
                n += i == CANARY_TAIL;
                data++;
        }

        return n;
}

/* As the kernel reads it, so that no sanitizer minds what is looked at. */
static unsigned count_in_mapping(int memory, unsigned long from, unsigned long to) {
        static char chunk[65536 + CANARY_TAIL - 1];
        unsigned n = 0;

        for (; from < to; from += 65536) {
                size_t size = to - from < sizeof(chunk) ? to - from : sizeof(chunk);
                ssize_t got = pread(memory, chunk, size, (off_t)from);

                if (got > 0)
                        n += count_in(chunk, (size_t)got);
        }

        explicit_bzero(chunk, sizeof(chunk));
        return n;
}

unsigned client_count_canaries(void) {
        FILE *maps = fopen("/proc/self/maps", "re");
        int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        unsigned long from, to;
        char line[512], mode[8];
        unsigned n = 0;

        assert_non_null(maps);
        assert_true(memory >= 0);
        while (fgets(line, sizeof(line), maps))
                if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' &&
                    to - from < 1UL << 32)
                        n += count_in_mapping(memory, from, to);

        close_fd(memory);
        (void)fclose(maps);
        return n;
}

static int act(int *fd, const ClientStep *step, uint32_t number) {
        Answer answer = {.number = number};

        if (step->text)
                (void)snprintf(answer.text, sizeof(answer.text), "%s", step->text);

        switch (step->action) {
        case CLIENT_ANSWER:
                return send_answer(*fd, &answer, -EBADF);
        case CLIENT_READ:
                return CLIENT_CONTENT;
        case CLIENT_CANCEL:
                answer.cancelled = true;
                return send_answer(*fd, &answer, -EBADF);
        case CLIENT_HANG_UP:
                *fd = close_fd(*fd);
                return CLIENT_CONTENT;
        case CLIENT_WAIT:
                return wait_for_end(*fd);
        case CLIENT_WRONG_NUMBER:
                answer.number++;
                return send_answer(*fd, &answer, -EBADF);
        case CLIENT_CHILD:
                return send_by_child(*fd, &answer);
        case CLIENT_BYTES:
                return send_bytes(*fd, step->text, strlen(step->text), -EBADF);
        case CLIENT_TOO_LONG:
                return send_too_long(*fd, number);
        case CLIENT_DESCRIPTOR:
                return send_answer(*fd, &answer, STDIN_FILENO);
        case CLIENT_CANARY:
                return send_canary(*fd, number);
        }

        return CLIENT_OTHER_PROMPT;
}

int client_follow_consume_fd(int fd, const ClientStep *script) {
        int r = CLIENT_CONTENT;
        uint32_t number = 0;

        for (const ClientStep *step = script; step->action && r == CLIENT_CONTENT; step++) {
                Prompt prompt = {};

                do
                        r = read_prompt(fd, &prompt);
                while (r == CLIENT_CONTENT && is_whose(&prompt) && !step->whose);
                if (r == CLIENT_CONTENT &&
                    (prompt.kind != step->kind ||
                     prompt.number != (prompt_wants_answer(prompt.kind) ? ++number : 0) ||
                     (step->prompt && !streq(prompt.text, step->prompt))))
                        r = CLIENT_OTHER_PROMPT;
                if (r == CLIENT_CONTENT)
                        r = act(&fd, step, prompt.number);
        }

        /* Nothing is shown but what the script has. */
        if (r == CLIENT_CONTENT && fd >= 0)
                r = wait_for_end(fd);
        close_fd(fd);
        return r;
}

pid_t client_start_consume_fd(int fd, const ClientStep *script) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                /* It has its own end only, or would not see the other one hang up. */
                if (fd > 3)
                        (void)close_range(3, (unsigned)fd - 1, 0);
                (void)close_range((unsigned)fd + 1, ~0U, 0);
                _exit(client_follow_consume_fd(fd, script));
        }

        assert_true(pid > 0);
        close_fd(fd);
        return pid;
}

void client_finish(pid_t pid) {
        int status = -1;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), CLIENT_CONTENT);
}
