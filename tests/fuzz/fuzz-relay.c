/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as what another machine says
 *
 * The first byte says whether somebody can be asked, at once or later, and what of a connection is
 * looked at. The rest is split by 0xff: what is said on standard error, and then the streams of the
 * first program that leads there, of the second, and so on.
 *
 * Whatever it is, an open comes to an end without anybody waiting. What a person or a program is
 * shown is one line, as long as may be, that no terminal obeys, with that machine's name before it;
 * of the stream no byte behind the last message is lost or taken; and no descriptor is left.
 */

#include <fcntl.h>
#include <sys/socket.h>

#include "client/channel.h"
#include "client/conn.h"
#include "client/remote-program.h"
#include "client/remote.h"
#include "tests/fuzz/fuzz.h"

#define ORIGIN "far: "
#define SEPARATOR 0xff
/* Of one stream, to be in the socket's buffer as a whole. */
#define STREAM_MAX 65536U
/* Each prompt and each line is a step, and more of them are not taken. */
#define STEPS_MAX 1000U

enum {
        CAN_ASK = 1 << 0,
        LATER = 1 << 1,
        CANCEL = 1 << 2,
        LONG_ANSWER = 1 << 3,
        NO_END = 1 << 4,
};

/* The far side. Whenever the library starts what leads there, the next stream is its. */
static struct {
        unsigned flags;
        const uint8_t *lines, *stream, *rest;
        size_t n_lines, n_stream, n_rest;
        int theirs[2];
        unsigned n_told;
} far;

int __wrap_remote_program_launch(const Uri *uri, bool may_ask, int *ret_control, int *ret_data,
                                 doorward_error *error);

/* Up to the next separator, of what is left. */
static size_t next_part(const uint8_t **ret) {
        const uint8_t *end = far.n_rest > 0 ? memchr(far.rest, SEPARATOR, far.n_rest) : NULL;
        size_t n = end ? (size_t)(end - far.rest) : far.n_rest;

        *ret = far.rest;
        far.rest += n + (end ? 1 : 0);
        far.n_rest -= n + (end ? 1 : 0);
        return n;
}

static void far_close(void) {
        far.theirs[0] = close_fd(far.theirs[0]);
        far.theirs[1] = close_fd(far.theirs[1]);
}

static void send_message(int fd, TransportMessage *message, const uint8_t *data, size_t size) {
        char text[TRANSPORT_TEXT_MAX + 1];
        uint8_t buf[TRANSPORT_MESSAGE_SIZE];
        size_t n;

        (void)snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)data);
        transport_message_set_text(message, text);
        n = transport_message_encode(message, buf);
        PROMISE(send(fd, buf, n, MSG_DONTWAIT) == (ssize_t)n);
}

/* As doorward-transport passes them on. */
static void send_lines(int fd) {
        const uint8_t *line = far.lines;
        size_t left = far.n_lines;

        for (unsigned i = 0; i < TRANSPORT_LINES_MAX && left > 0; i++) {
                const uint8_t *end = memchr(line, '\n', left);
                size_t n = end ? (size_t)(end - line) : left;
                TransportMessage message = {.type = TRANSPORT_LINE};

                send_message(fd, &message, line, n < TRANSPORT_TEXT_MAX ? n : TRANSPORT_TEXT_MAX);
                line += n + (end ? 1 : 0);
                left -= n + (end ? 1 : 0);
        }
}

int __wrap_remote_program_launch(const Uri *uri, bool may_ask, int *ret_control, int *ret_data,
                                 doorward_error *error) {
        TransportMessage end = {.type = TRANSPORT_ENDED, .how = TRANSPORT_EXITED};
        int control[2], data[2];
        size_t n;

        (void)uri;
        (void)may_ask;
        (void)error;
        far_close();
        PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
        PROMISE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) == 0);
        far.theirs[0] = control[1];
        far.theirs[1] = data[1];

        send_lines(control[1]);
        if (!(far.flags & NO_END))
                send_message(control[1], &end, far.lines, far.n_lines);
        n = next_part(&far.stream);
        far.n_stream = n < STREAM_MAX ? n : STREAM_MAX;
        PROMISE(send(data[1], far.stream, far.n_stream, MSG_DONTWAIT) == (ssize_t)far.n_stream);
        PROMISE(shutdown(control[1], SHUT_WR) == 0 && shutdown(data[1], SHUT_WR) == 0);

        *ret_control = control[0];
        *ret_data = data[0];
        return 0;
}

/* What is shown. */

static void check_shown(const char *text, size_t max) {
        PROMISE(strlen(text) <= max);
        for (const char *c = text; *c; c++)
                PROMISE((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_if_shown(const char *text) {
        if (text)
                check_shown(text, ERROR_TEXT_MAX);
}

static void check_error(const doorward_error *error) {
        PROMISE(error->code > DOORWARD_ERR_OK);
        PROMISE(!streq(doorward_error_code_to_string(error->code), "unknown"));
        PROMISE(error->errnum >= 0 && error->errnum <= 4095);
        PROMISE(error->message);
        check_if_shown(error->message);
        check_if_shown(error->hint);
        check_if_shown(error->endpoint);
        check_if_shown(error->action_id);
        check_if_shown(error->request_id);
}

static void give(doorward_credential *cred) {
        const char *choice = cred->type == DOORWARD_CRED_AUTHNAME ? cred->challenge : NULL;
        size_t n = far.flags & LONG_ANSWER ? CONVERSATION_ANSWER_MAX : 3;

        n = choice ? strcspn(choice, ",") : n;
        cred->result = calloc(1, n + 1);
        PROMISE(cred->result);
        if (choice)
                memcpy(cred->result, choice, n);
        else
                memset(cred->result, '\\', n);
        cred->resultlen = (unsigned)n;
}

static int collect(doorward_credential *cred, unsigned n, void *userdata) {
        (void)userdata;
        PROMISE(n == 1);
        far.n_told++;
        PROMISE(strncmp(cred->prompt, ORIGIN, strlen(ORIGIN)) == 0);
        check_shown(cred->prompt, strlen(ORIGIN) + CONVERSATION_TEXT_MAX);
        if (cred->challenge)
                check_shown(cred->challenge,
                            RELAY_CHOICES_MAX * (CONVERSATION_ANSWER_MAX + strlen(", ")));

        if (cred->type == DOORWARD_CRED_INFO || cred->type == DOORWARD_CRED_ERROR_MSG ||
            cred->type == DOORWARD_CRED_EXTERNAL)
                return 0;
        if (far.flags & LATER)
                return DOORWARD_AUTH_LATER;
        if (far.flags & CANCEL)
                return -1;

        give(cred);
        return 0;
}

/* The open. */

static void answer(void *attempt) {
        doorward_credential cred = {.type = DOORWARD_CRED_PASSPHRASE};
        doorward_error error = {};

        if (!(far.flags & CANCEL))
                give(&cred);
        /* What is no name to choose from is said to be none, and the question stays. */
        if (way_remote.answer(attempt, far.flags & CANCEL ? NULL : &cred, &error) < 0) {
                check_error(&error);
                doorward_error_clear(&error);
                PROMISE(way_remote.answer(attempt, NULL, &error) == 0);
        }
        free(cred.result);
}

static doorward_conn *far_open(const Uri *uri) {
        static const int types[] = {
                DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
                DOORWARD_CRED_EXTERNAL, DOORWARD_CRED_INFO,       DOORWARD_CRED_ERROR_MSG,
        };
        static const doorward_auth auth = {types, ELEMENTSOF(types), collect, NULL};
        const OpeningSpec spec = {
                .uri = uri,
                .auth = far.flags & CAN_ASK ? &auth : NULL,
                .deadline = channel_deadline(WIRE_TIMEOUT_MS),
        };
        doorward_error error = {};
        doorward_conn *conn = NULL;
        unsigned n = 0;
        void *attempt;
        int r;

        PROMISE(way_remote.new(&spec, &attempt, &error) == 0);
        while ((r = way_remote.process(attempt, &conn, &error)) == WAY_E_WAIT) {
                PROMISE(++n < STEPS_MAX);
                if (way_remote.is_asking(attempt))
                        answer(attempt);
        }
        PROMISE((r == 0) == (conn != NULL));
        PROMISE(far.n_told <= RELAY_PROMPTS_MAX + TRANSPORT_LINES_MAX);
        if (r < 0)
                check_error(&error);
        doorward_error_clear(&error);
        way_remote.free(attempt, false);
        return conn;
}

/* What comes out is what stands behind a NUL of what went in. */
static void check_stream(const doorward_conn *conn) {
        static uint8_t buf[STREAM_MAX];
        ssize_t n = recv(conn->fd, buf, sizeof(buf), MSG_DONTWAIT);
        size_t taken;

        PROMISE(n >= 0 && (size_t)n < far.n_stream);
        taken = far.n_stream - (size_t)n;
        PROMISE(far.stream[taken - 1] == 0);
        PROMISE(memcmp(far.stream + taken, buf, (size_t)n) == 0);
}

static void check_conn(doorward_conn *conn) {
        doorward_grant_info *grant = doorward_get_grant_info(conn);
        doorward_host_info *info;
        doorward_limits *limits;
        unsigned long version = 7;
        char *capabilities;
        int reason;

        PROMISE(grant && grant->access && grant->mode);
        check_if_shown(grant->lease_id);
        check_if_shown(grant->request_id);
        check_if_shown(grant->action_id);
        PROMISE(grant->expires >= 0);
        doorward_grant_info_free(grant);

        (void)doorward_process(conn);
        reason = doorward_get_close_reason(conn);
        PROMISE(reason == 0 || !streq(doorward_close_reason_to_string(reason), "unknown"));

        info = doorward_get_host_info(conn);
        if (info) {
                check_if_shown(info->hostname);
                check_if_shown(info->os_name);
                check_if_shown(info->machine_id);
                PROMISE((info->n_nodes > 0) == (info->nodes != NULL));
                doorward_host_info_free(info);
        } else
                check_error(doorward_get_last_error());

        limits = doorward_get_limits(conn);
        for (unsigned i = 0; limits && i < limits->n_limits; i++) {
                check_shown(limits->limits[i].name, STREAM_MAX);
                PROMISE(limits->limits[i].max >= 0 && limits->limits[i].used >= -1);
        }
        if (!limits)
                check_error(doorward_get_last_error());
        doorward_limits_free(limits);

        capabilities = doorward_get_capabilities(conn);
        if (capabilities)
                check_shown(capabilities, SIZE_MAX);
        else
                check_error(doorward_get_last_error());
        free(capabilities);

        if (doorward_get_lib_version(conn, &version) < 0) {
                PROMISE(version == 7);
                check_error(doorward_get_last_error());
        } else
                PROMISE(version < 1000000000);
}

/* The lowest number that is free: the same afterwards if nothing leaked. */
static int free_number(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        PROMISE(fd >= 0);
        close_fd(fd);
        return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const Uri uri = {
                .transport = URI_EXT,
                .access = ACCESS_FULL,
                .endpoint = "docker",
                .command = "/far",
        };
        int before = free_number();
        doorward_conn *conn;

        if (size < 1)
                return 0;

        memset(&far, 0, sizeof(far));
        far.theirs[0] = far.theirs[1] = -EBADF;
        far.flags = data[0];
        far.rest = data + 1;
        far.n_rest = size - 1;
        far.n_lines = next_part(&far.lines);

        conn = far_open(&uri);
        if (conn) {
                check_stream(conn);
                check_conn(conn);
                PROMISE(doorward_close(conn) == 0);
        }
        doorward_reset_last_error();
        far_close();
        PROMISE(free_number() == before);
        return 0;
}
