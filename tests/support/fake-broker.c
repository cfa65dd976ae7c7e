/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cmocka.h needs what stands before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/conversation-protocol.h"
#include "common/socket.h"
#include "tests/support/fake-broker.h"

#define FDS_MAX 32U

void fake_fail(FakeBroker *broker, const char *format, ...) {
        va_list args;

        if (broker->failure[0])
                return;

        va_start(args, format);
        (void)vsnprintf(broker->failure, sizeof(broker->failure), format, args);
        va_end(args);
}

static void *run(void *userdata) {
        FakeBroker *broker = userdata;

        broker->script(broker);
        broker->fd = close_fd(broker->fd);
        return NULL;
}

FakeBroker *fake_broker_listen(FakeScript script, const void *data) {
        FakeBroker *broker = calloc(1, sizeof(*broker));
        struct sockaddr_un address;
        int n;

        assert_non_null(broker);
        broker->fd = -EBADF;
        broker->script = script;
        broker->data = data;

        (void)snprintf(broker->folder, sizeof(broker->folder), "/tmp/doorward-test-XXXXXX");
        assert_non_null(mkdtemp(broker->folder));
        (void)snprintf(broker->path, sizeof(broker->path), "%s/broker", broker->folder);

        n = socket_address(broker->path, &address);
        assert_true(n > 0);
        broker->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(broker->listener >= 0);
        assert_int_equal(bind(broker->listener, (struct sockaddr *)&address, (socklen_t)n), 0);
        /* As the socket unit has it: what is sent before the library asks for it is named, too. */
        assert_int_equal(socket_set_passcred(broker->listener), 0);
        assert_int_equal(listen(broker->listener, 16), 0);
        assert_int_equal(setenv("DOORWARD_SOCKET", broker->path, 1), 0);

        return broker;
}

void fake_broker_go(FakeBroker *broker) {
        if (broker->script)
                assert_int_equal(pthread_create(&broker->thread, NULL, run, broker), 0);
}

FakeBroker *fake_broker_start(FakeScript script, const void *data) {
        FakeBroker *broker = fake_broker_listen(script, data);

        fake_broker_go(broker);
        return broker;
}

bool fake_broker_is_stopping(FakeBroker *broker) {
        return __atomic_load_n(&broker->stopping, __ATOMIC_ACQUIRE);
}

void fake_broker_stop(FakeBroker *broker) {
        char failure[sizeof(broker->failure)];

        __atomic_store_n(&broker->stopping, true, __ATOMIC_RELEASE);
        if (broker->script)
                assert_int_equal(pthread_join(broker->thread, NULL), 0);
        memcpy(failure, broker->failure, sizeof(failure));

        (void)unsetenv("DOORWARD_SOCKET");
        (void)unlink(broker->path);
        (void)rmdir(broker->folder);
        close_fd(broker->listener);
        free(broker);

        if (failure[0])
                fail_msg("the broker's side: %s", failure);
}

static bool readable(int fd, int timeout_ms) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r;

        do
                r = poll(&p, 1, timeout_ms);
        while (r < 0 && errno == EINTR);

        return r > 0;
}

bool fake_try_accept(FakeBroker *broker, int timeout_ms) {
        int low;

        if (broker->failure[0] || !readable(broker->listener, timeout_ms))
                return false;

        close_fd(broker->fd);
        broker->n = 0;
        low = accept4(broker->listener, NULL, NULL, SOCK_CLOEXEC);
        /* The low numbers are left to the other side. */
        broker->fd = fcntl(low, F_DUPFD_CLOEXEC, 100);
        if (broker->fd < 0)
                fake_fail(broker, "accept: %s", strerror(errno));
        close_fd(low);
        return broker->fd >= 0;
}

void fake_accept(FakeBroker *broker) {
        if (!fake_try_accept(broker, FAKE_TIMEOUT_MS))
                fake_fail(broker, "nobody came");
}

/* Reads until a NUL is there; NULL after a failure, else the message, to be freed. */
static char *read_message(FakeBroker *broker) {
        char *nul, *text;
        ssize_t n;

        while (!(nul = memchr(broker->buf, 0, broker->n))) {
                if (!readable(broker->fd, FAKE_TIMEOUT_MS)) {
                        fake_fail(broker, "no call came");
                        return NULL;
                }
                n = read(broker->fd, broker->buf + broker->n, sizeof(broker->buf) - broker->n);
                if (n <= 0) {
                        fake_fail(broker, "the client hung up, a call was expected");
                        return NULL;
                }
                broker->n += (size_t)n;
        }

        text = strdup(broker->buf);
        broker->n -= (size_t)(nul - broker->buf) + 1;
        memmove(broker->buf, nul + 1, broker->n);
        return text;
}

void fake_expect(FakeBroker *broker, const char *json) {
        _cleanup_free_ char *text = NULL;
        json_t *expected, *got;

        if (broker->failure[0])
                return;

        text = read_message(broker);
        if (!text || !json)
                return;

        expected = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
        got = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!expected || !got || !json_equal(expected, got))
                fake_fail(broker, "expected %s, got %s", json, text);
        json_decref(expected);
        json_decref(got);
}

bool fake_try_read(FakeBroker *broker) {
        struct pollfd p = {.fd = broker->fd, .events = POLLIN};

        while (!memchr(broker->buf, 0, broker->n)) {
                ssize_t n = -1;

                if (poll(&p, 1, FAKE_TIMEOUT_MS) > 0)
                        n = read(broker->fd, broker->buf + broker->n,
                                 sizeof(broker->buf) - broker->n);
                if (n <= 0)
                        return false;
                broker->n += (size_t)n;
        }

        free(read_message(broker));
        return true;
}

static void send_all(FakeBroker *broker, const char *data, size_t n) {
        while (n > 0 && !broker->failure[0]) {
                ssize_t k = send(broker->fd, data, n, MSG_NOSIGNAL);

                /* A client that has seen enough hangs up. */
                if (k < 0)
                        return;
                data += k;
                n -= (size_t)k;
        }
}

void fake_send_bytes(FakeBroker *broker, const void *data, size_t n) {
        send_all(broker, data, n);
}

void fake_send(FakeBroker *broker, const char *json) {
        send_all(broker, json, strlen(json) + 1);
}

void fake_send_fds(FakeBroker *broker, const char *json, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control = {};
        struct iovec iov = {.iov_base = (void *)json, .iov_len = strlen(json) + 1};
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.data,
                .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
        };

        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));

        /* A client that has seen enough hangs up. */
        if (!broker->failure[0] && sendmsg(broker->fd, &msg, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
            errno != ECONNRESET)
                fake_fail(broker, "sendmsg: %s", strerror(errno));
        for (size_t i = 0; i < n_fds; i++)
                close_fd(fds[i]);
}

int fake_send_socket(FakeBroker *broker, const char *json) {
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
                fake_fail(broker, "socketpair: %s", strerror(errno));
                return -EBADF;
        }

        fake_send_fds(broker, json, &ends[0], 1);
        return ends[1];
}

int fake_begin_conversation(FakeBroker *broker, const char *json, const char *text) {
        Prompt prompt = {.kind = PROMPT_ECHO_OFF, .number = 1};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        int ends[2];
        size_t n;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
            socket_set_passcred(ends[0]) < 0 || socket_set_passcred(ends[1]) < 0)
                fake_fail(broker, "socketpair: %s", strerror(errno));

        prompt_set_text(&prompt, text);
        n = prompt_encode(&prompt, buf);
        if (send(ends[0], buf, n, MSG_NOSIGNAL) < 0)
                fake_fail(broker, "send: %s", strerror(errno));

        fake_send_fds(broker, json, &ends[1], 1);
        return ends[0];
}

void fake_end_conversation_consume_fd(FakeBroker *broker, int fd, const char *text) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        Answer answer = {};
        ssize_t n;

        n = recv(fd, buf, sizeof(buf), 0);
        if (n <= 0 || answer_decode(buf, (size_t)n, &answer) < 0)
                fake_fail(broker, "there is no answer");
        else if (answer.cancelled != !text || !streq(answer.text, text ?: ""))
                fake_fail(broker, "the answer is \"%s\"", answer.text);
        close_fd(fd);
}

void fake_close(FakeBroker *broker) {
        broker->fd = close_fd(broker->fd);
}

int fake_put_aside(FakeBroker *broker) {
        return TAKE_FD(broker->fd);
}

void fake_take_up_consume_fd(FakeBroker *broker, int fd) {
        fake_close(broker);
        broker->fd = fd;
        broker->n = 0;
}

void fake_expect_hang_up(FakeBroker *broker) {
        char c;
        ssize_t n;

        if (broker->failure[0])
                return;
        if (!readable(broker->fd, FAKE_TIMEOUT_MS)) {
                fake_fail(broker, "the client did not hang up");
                return;
        }

        /* Hanging up on what was not read is a reset. */
        n = broker->n > 0 ? 1 : read(broker->fd, &c, 1);
        if (n > 0)
                fake_fail(broker, "the client said more instead of hanging up");
}

void fake_expect_silence(FakeBroker *broker, int timeout_ms) {
        if (!broker->failure[0] && readable(broker->fd, timeout_ms))
                fake_fail(broker, "the client spoke or hung up, and was to wait");
}
