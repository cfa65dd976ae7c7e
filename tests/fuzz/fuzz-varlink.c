/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a stream of messages, however they arrive
 *
 * The first byte seeds the sizes of the pieces in which the rest is fed, and which of them bring a
 * descriptor. The messages that come out must be those that come out when all is fed at once, every
 * descriptor must be found again or closed, and what is read must survive being written.
 */

#include "client/failure.h"
#include "client/wire.h"
#include "common/varlink.h"
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>

#define MESSAGES_MAX 256U

/* What a stream gave: its messages as text, and how it ended. */
typedef struct Outcome {
        char *messages[MESSAGES_MAX];
        size_t n;
        size_t n_fds;
        int result;
} Outcome;

static void outcome_deinit(Outcome *outcome) {
        for (size_t i = 0; i < outcome->n; i++)
                free(outcome->messages[i]);
}

/* The lowest number that is free: the same afterwards if nothing leaked. */
static int free_number(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        PROMISE(fd >= 0);
        close_fd(fd);
        return fd;
}

static void check_text(const char *text) {
        if (!text)
                return;

        PROMISE(strlen(text) <= ERROR_TEXT_MAX);
        for (const char *c = text; *c; c++)
                PROMISE((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_failure(const VarlinkReply *reply) {
        doorward_error error = {};
        int r;

        r = failure_read(reply, reply->parameters, &error);
        PROMISE(r == 0 || r == -EBADMSG);
        PROMISE((r == 0) == (error.code != DOORWARD_ERR_OK));
        PROMISE((r == 0) == (error.message != NULL));
        PROMISE(error.errnum >= 0 && error.errnum <= 4095);
        check_text(error.message);
        check_text(error.hint);
        check_text(error.endpoint);
        check_text(error.action_id);
        check_text(error.request_id);
        doorward_error_clear(&error);
}

static void check_message(const json_t *object) {
        VarlinkReply reply;
        VarlinkCall call;

        if (varlink_call_parse(object, &call) == 0)
                PROMISE(call.method && (!call.parameters || json_is_object(call.parameters)));
        if (varlink_reply_parse(object, &reply) == 0) {
                PROMISE(!reply.parameters || json_is_object(reply.parameters));
                if (reply.error)
                        check_failure(&reply);
        }
}

/* Written and read again it is the same. */
static void check_round_trip(json_t *object) {
        VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
        VarlinkOutput output = {};
        VarlinkInput input;
        const char *data;
        size_t n, space;
        char *buf;
        int fd;

        varlink_input_init(&input, 16 * VARLINK_REPLY_MAX);
        PROMISE(varlink_output_push_consume(&output, json_incref(object), -EBADF) == 0);
        while (varlink_output_peek(&output, &data, &n, &fd)) {
                PROMISE(varlink_input_space(&input, &buf, &space) == 0);
                n = n < space ? n : space;
                memcpy(buf, data, n);
                PROMISE(varlink_input_commit_consume_fds(&input, n, NULL, 0) == 0);
                varlink_output_advance(&output, n);
        }
        PROMISE(varlink_input_next(&input, &incoming) == 1);
        PROMISE(json_equal(object, incoming.object));
        varlink_incoming_deinit(&incoming);
        varlink_input_deinit(&input);
        varlink_output_deinit(&output);
}

static int take_all(VarlinkInput *input, Outcome *outcome) {
        VarlinkIncoming incoming;
        int r;

        while ((r = varlink_input_next(input, &incoming)) == 1) {
                PROMISE(json_is_object(incoming.object));
                check_message(incoming.object);
                check_round_trip(incoming.object);
                if (outcome->n < MESSAGES_MAX)
                        outcome->messages[outcome->n++] =
                                json_dumps(incoming.object, JSON_SORT_KEYS);
                outcome->n_fds += incoming.n_fds;
                varlink_incoming_deinit(&incoming);
        }

        return r;
}

/* seed 0: in pieces as large as there is space for, and without descriptors. */
static void run(const uint8_t *data, size_t size, unsigned seed, Outcome *outcome) {
        size_t sent_fds = 0;
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REQUEST_MAX);
        while (size > 0 && outcome->result == 0) {
                size_t space, n;
                char *buf;
                int fd = -EBADF;

                PROMISE(varlink_input_space(&input, &buf, &space) == 0);
                PROMISE(space > 0);
                n = size < space ? size : space;
                if (seed > 0) {
                        seed = seed * 1103515245U + 12345U;
                        n = (seed >> 16) % 17 + 1 < n ? (seed >> 16) % 17 + 1 : n;
                        if ((seed >> 24) % 4 == 0)
                                fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                }

                memcpy(buf, data, n);
                data += n;
                size -= n;
                outcome->result = varlink_input_commit_consume_fds(&input, n, &fd, fd >= 0 ? 1 : 0);
                sent_fds += fd >= 0;
                PROMISE(input.n_fds <= VARLINK_FDS_MAX);
                if (outcome->result == 0)
                        outcome->result = take_all(&input, outcome);
        }

        PROMISE(outcome->n_fds <= sent_fds);
        varlink_input_deinit(&input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Outcome pieces = {}, whole = {};
        int before = free_number();

        if (size < 1)
                return 0;

        run(data + 1, size - 1, data[0] + 1U, &pieces);
        run(data + 1, size - 1, 0, &whole);

        /* Too many descriptors end a stream early; nothing else makes a difference. */
        PROMISE(pieces.n <= whole.n);
        for (size_t i = 0; i < pieces.n; i++)
                PROMISE(streq(pieces.messages[i], whole.messages[i]));
        if (pieces.result == 0)
                PROMISE(whole.result == 0 && pieces.n == whole.n);

        outcome_deinit(&pieces);
        outcome_deinit(&whole);
        PROMISE(free_number() == before);
        return 0;
}
