/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/socket.h>

#include "client/remote-link.h"
#include "common/terms.h"
#include "common/utf8.h"

#define CONTINUE_HEAD "{\"method\":\"org.doorward.Relay.Continue\",\"parameters\":{"
#define CONTINUE_TAIL "},\"upgrade\":true}"
/* Each byte of an answer may become \u00XX. */
#define CONTINUE_SIZE \
        (sizeof(CONTINUE_HEAD "\"answers\":[\"\"]" CONTINUE_TAIL) + 6 * CONVERSATION_ANSWER_MAX)

_Static_assert(CONTINUE_SIZE <= RELAY_REQUEST_MAX, "the relay takes the longest answer");

void remote_link_init_consume_fds(RemoteLink *link, int control, int data) {
        *link = (RemoteLink){.control = control, .data = data};
        varlink_input_init(&link->input, VARLINK_REPLY_MAX);
}

void remote_link_deinit(RemoteLink *link, bool is_copy) {
        if (link->control >= 0 && !is_copy)
                (void)shutdown(link->control, SHUT_RDWR);
        link->control = close_fd(link->control);
        link->data = close_fd(link->data);
        varlink_input_deinit(&link->input);
}

/* Receiving. */

static ssize_t receive(int fd, void *buf, size_t size, int flags) {
        ssize_t n;

        do
                n = recv(fd, buf, size, flags | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : n;
}

/* As much as there is of the message: it is looked at before it is taken. Descriptors that somebody
 * may have sent with it are dropped by the kernel: there is no room for them. */
static int link_read(RemoteLink *link) {
        const char *nul;
        size_t size;
        ssize_t n;
        char *buf;
        int r;

        r = varlink_input_space(&link->input, &buf, &size);
        if (r < 0)
                return r;

        n = receive(link->data, buf, size, MSG_PEEK);
        if (n == -ECONNRESET || n == 0)
                return -EPIPE;
        if (n < 0)
                return (int)n;

        nul = memchr(buf, 0, (size_t)n);
        n = receive(link->data, buf, nul ? (size_t)(nul - buf) + 1 : (size_t)n, 0);
        if (n <= 0)
                return n < 0 ? (int)n : -EPIPE;

        return varlink_input_commit_consume_fds(&link->input, (size_t)n, NULL, 0);
}

/* What cannot be the beginning of an object need not be waited for. */
static bool is_garbage(const RemoteLink *link) {
        return link->input.end > link->input.start && link->input.buf[link->input.start] != '{';
}

int remote_link_receive(RemoteLink *link, VarlinkIncoming *ret) {
        int r;

        for (;;) {
                if (is_garbage(link))
                        return -EBADMSG;
                r = varlink_input_next(&link->input, ret);
                if (r != 0)
                        return r;

                r = link_read(link);
                if (r < 0)
                        return r == -EAGAIN ? 0 : r;
        }
}

void remote_link_quote(const RemoteLink *link, char *buf, size_t size) {
        size_t n = link->input.end - link->input.start;

        (void)snprintf(buf, size, "%.*s", (int)(n < size ? n : size - 1),
                       n > 0 ? link->input.buf + link->input.start : "");
        utf8_clean(buf, size - 1);
}

/* A line that is no news, whatever it looks like, changes nothing. Without memory it is not known
 * why, but that is not to be missed. */
static void link_take_news(RemoteLink *link, const char *line) {
        json_t *object, *ended;
        int reason, r;

        r = varlink_parse(line, strlen(line), &object);
        if (r == -ENOMEM && strstr(line, "\"ended\""))
                link->reason = DOORWARD_CLOSE_OTHER;
        if (r < 0)
                return;

        ended = json_object_get(object, "ended");
        if (json_is_null(ended))
                link->reason = DOORWARD_CLOSE_BROKER;
        else if (json_is_string(ended)) {
                reason = end_reason_from_wire(json_string_value(ended));
                link->reason = reason > 0 ? reason : DOORWARD_CLOSE_OTHER;
        }
        json_decref(object);
}

/* As remote_link_hear(), of any line. */
static int link_hear(RemoteLink *link, TransportMessage *ret) {
        uint8_t buf[TRANSPORT_MESSAGE_SIZE + 1];
        TransportMessage message;
        ssize_t n;

        if (link->ended)
                return 0;

        n = receive(link->control, buf, sizeof(buf), 0);
        if (n == -EAGAIN)
                return 0;
        if (n <= 0 || transport_message_decode(buf, (size_t)n, &message) < 0) {
                link->ended = true;
                return 0;
        }
        if (message.type == TRANSPORT_ENDED) {
                link->ended = true;
                link->end = message;
                return 0;
        }

        *ret = message;
        return 1;
}

int remote_link_hear(RemoteLink *link, TransportMessage *ret) {
        int r;

        while ((r = link_hear(link, ret)) > 0 && transport_line_is_news(ret->text))
                link_take_news(link, ret->text);

        return r;
}

void remote_link_wait(const RemoteLink *link, Wait *wait) {
        if (!link->silent)
                wait_add_fd(wait, link->data, POLLIN);
        if (!link->ended)
                wait_add_fd(wait, link->control, POLLIN);
}

/* Sending. There is room: it is the only message that is on its way. */

static int link_send(RemoteLink *link, const char *data, size_t n) {
        ssize_t k;

        do
                k = send(link->data, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (k < 0 && errno == EINTR);

        if (k < 0)
                return errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
        return (size_t)k == n ? 0 : -EPROTO;
}

int remote_link_call(RemoteLink *link, const char *method, json_t *parameters) {
        _cleanup_(varlink_output_deinit) VarlinkOutput output = {};
        const char *data;
        json_t *call;
        size_t n;
        int fd, r;

        if (!parameters)
                return -ENOMEM;

        call = varlink_call_new(method, parameters, false);
        if (call && json_object_set_new(call, "upgrade", json_true()) < 0) {
                json_decref(call);
                call = NULL;
        }
        r = varlink_output_push_consume(&output, call, -EBADF);
        if (r < 0)
                return r;

        (void)varlink_output_peek(&output, &data, &n, &fd);
        return link_send(link, data, n);
}

/* A string of JSON, without a library that would make copies. */
static char *put_string(char *end, const char *text) {
        *end++ = '"';
        for (; *text; text++)
                if (*text == '"' || *text == '\\') {
                        *end++ = '\\';
                        *end++ = *text;
                } else if ((unsigned char)*text < 0x20)
                        end += sprintf(end, "\\u%04x", (unsigned)*text);
                else
                        *end++ = *text;
        *end++ = '"';
        return end;
}

int remote_link_continue(RemoteLink *link, const Answer *answer) {
        char buf[CONTINUE_SIZE], *end;
        int r;

        if (answer && !utf8_is_valid(answer->text))
                return -EILSEQ;

        end = stpcpy(buf, CONTINUE_HEAD);
        if (answer && answer->cancelled)
                end = stpcpy(end, "\"cancel\":true");
        else if (answer) {
                end = stpcpy(end, "\"answers\":[");
                end = put_string(end, answer->text);
                end = stpcpy(end, "]");
        }
        end = stpcpy(end, CONTINUE_TAIL);

        r = link_send(link, buf, (size_t)(end - buf) + 1);
        explicit_bzero(buf, sizeof(buf));
        return r;
}
