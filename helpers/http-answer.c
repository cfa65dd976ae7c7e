/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <strings.h>
#include <sys/types.h>

#include "common/hex.h"
#include "helpers/http-answer.h"

/* How much of extensions, trailers and the like there may be in a row. */
#define OVERHEAD_MAX 4096

static int status_parse(const char *start, unsigned *ret) {
        const char *digits = start + strlen("HTTP/1.1 ");

        if (strncmp(start, "HTTP/1.1 ", strlen("HTTP/1.1 ")) != 0 ||
            strspn(digits, "0123456789") != 3 || (digits[3] && digits[3] != ' '))
                return -EBADMSG;

        *ret = (unsigned)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0');
        if (*ret < 100)
                return -EBADMSG;
        return *ret < 200 ? -EPROTONOSUPPORT : 0;
}

static int length_parse(const char *text, uint64_t *ret) {
        size_t n = strspn(text, "0123456789");

        if (n == 0 || n > 18 || text[n])
                return -EBADMSG;
        *ret = strtoull(text, NULL, 10);
        return 0;
}

/* A body has one frame, or the answer could be read in two ways. */
static int frame_parse(const HttpHead *head, HttpBody *ret) {
        const char *encoding, *length;
        size_t n_encodings = http_head_find(head, "Transfer-Encoding", &encoding);
        size_t n_lengths = http_head_find(head, "Content-Length", &length);

        if (n_encodings + n_lengths > 1 || (encoding && strcasecmp(encoding, "chunked") != 0))
                return -EBADMSG;

        *ret = (HttpBody){.frame = HTTP_FRAME_CLOSE, .state = HTTP_BODY_DATA};
        if (encoding)
                *ret = (HttpBody){.frame = HTTP_FRAME_CHUNKED, .state = HTTP_BODY_SIZE};
        if (length) {
                ret->frame = HTTP_FRAME_LENGTH;
                if (length_parse(length, &ret->left) < 0)
                        return -EBADMSG;
                ret->state = ret->left > 0 ? HTTP_BODY_DATA : HTTP_BODY_DONE;
        }
        return 0;
}

static int check_fields(const HttpHead *head, HttpAnswer *answer) {
        const char *value;

        if (http_head_find(head, "Content-Encoding", &value) > 1 ||
            (value && strcasecmp(value, "identity") != 0))
                return -EPROTONOSUPPORT;
        if (http_head_find(head, "Upgrade", &value) > 0)
                return -EPROTONOSUPPORT;
        if (http_head_find(head, "Content-Type", &answer->content_type) > 1)
                return -EBADMSG;
        if (http_head_find(head, "Connection", &value) > 0)
                answer->closes = strcasecmp(value, "keep-alive") != 0;
        return 0;
}

int http_answer_parse(char *data, size_t size, bool to_head, HttpAnswer *ret) {
        int r;

        *ret = (HttpAnswer){};
        if (http_head_parse(data, size, &ret->head) < 0)
                return -EBADMSG;
        r = status_parse(ret->head.start, &ret->status);
        if (r == 0)
                r = check_fields(&ret->head, ret);
        if (r == 0)
                r = frame_parse(&ret->head, &ret->body);
        if (r < 0)
                return r;

        if (to_head || ret->status == 204 || ret->status == 304)
                ret->body = (HttpBody){.frame = HTTP_FRAME_NONE, .state = HTTP_BODY_DONE};
        return 0;
}

bool http_body_is_done(const HttpBody *body) {
        return body->state == HTTP_BODY_DONE;
}

static int body_take_size(HttpBody *body, char c) {
        int digit = hex_value(c);

        if (digit >= 0) {
                if (body->left >> 56)
                        return -EBADMSG;
                body->left = body->left << 4 | (unsigned)digit;
                body->any = true;
                return 0;
        }
        if (!body->any || (c != '\r' && c != ';'))
                return -EBADMSG;
        body->any = false;
        body->state = c == '\r' ? HTTP_BODY_SIZE_LF : HTTP_BODY_EXTENSION;
        return 0;
}

/* One byte that is not the body's own. */
static int body_take_frame(HttpBody *body, char c) {
        switch (body->state) {
        case HTTP_BODY_SIZE:
                return body_take_size(body, c);
        case HTTP_BODY_EXTENSION:
                if (c == '\r')
                        body->state = HTTP_BODY_SIZE_LF;
                return c == '\n' ? -EBADMSG : 0;
        case HTTP_BODY_SIZE_LF:
                body->state = body->left > 0 ? HTTP_BODY_DATA : HTTP_BODY_TRAILER;
                return c == '\n' ? 0 : -EBADMSG;
        case HTTP_BODY_DATA_CR:
                body->state = HTTP_BODY_DATA_LF;
                return c == '\r' ? 0 : -EBADMSG;
        case HTTP_BODY_DATA_LF:
                body->state = HTTP_BODY_SIZE;
                return c == '\n' ? 0 : -EBADMSG;
        case HTTP_BODY_TRAILER:
                body->state = c == '\r' ? HTTP_BODY_END_LF : HTTP_BODY_TRAILER_LINE;
                return c == '\n' ? -EBADMSG : 0;
        case HTTP_BODY_TRAILER_LINE:
                if (c == '\r')
                        body->state = HTTP_BODY_TRAILER_LF;
                return c == '\n' ? -EBADMSG : 0;
        case HTTP_BODY_TRAILER_LF:
                body->state = HTTP_BODY_TRAILER;
                return c == '\n' ? 0 : -EBADMSG;
        case HTTP_BODY_END_LF:
                body->state = HTTP_BODY_DONE;
                return c == '\n' ? 0 : -EBADMSG;
        case HTTP_BODY_DATA:
        case HTTP_BODY_DONE:
        default:
                return -EBADMSG;
        }
}

static size_t body_take_data(HttpBody *body, size_t size) {
        body->overhead = 0;
        if (body->frame == HTTP_FRAME_CLOSE)
                return size;

        if (size > body->left)
                size = (size_t)body->left;
        body->left -= size;
        if (body->left == 0)
                body->state = body->frame == HTTP_FRAME_LENGTH ? HTTP_BODY_DONE : HTTP_BODY_DATA_CR;
        return size;
}

ssize_t http_body_take(HttpBody *body, const char *data, size_t size, const char **ret_piece,
                       size_t *ret_n) {
        size_t i = 0;

        *ret_piece = NULL;
        *ret_n = 0;
        while (i < size && body->state != HTTP_BODY_DONE) {
                if (body->state == HTTP_BODY_DATA) {
                        *ret_piece = data + i;
                        *ret_n = body_take_data(body, size - i);
                        return (ssize_t)(i + *ret_n);
                }
                if (++body->overhead > OVERHEAD_MAX || body_take_frame(body, data[i++]) < 0)
                        return -EBADMSG;
        }
        return (ssize_t)i;
}

int http_body_hang_up(HttpBody *body) {
        if (body->frame == HTTP_FRAME_CLOSE)
                body->state = HTTP_BODY_DONE;
        return http_body_is_done(body) ? 0 : -ECONNRESET;
}
