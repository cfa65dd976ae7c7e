/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/filter-protocol.h"
#include "common/bytes.h"

/* What a reply begins with. */
enum {
        REPLY_OK = 1,
        REPLY_ERROR,
};

static bool word_is_valid(const char *word) {
        return word[0] && word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

size_t filter_request_encode(const FilterRequest *request, uint8_t buf[FILTER_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = FILTER_MESSAGE_SIZE};

        bytes_put_u32(&writer, FILTER_PROTOCOL_VERSION);
        bytes_put_str(&writer, request->filter);
        bytes_put_str(&writer, request->profile);
        bytes_put_str(&writer, request->endpoint);

        return bytes_put_whole(&writer);
}

int filter_request_decode(const uint8_t *buf, size_t size, FilterRequest *ret) {
        BytesReader reader = {.data = buf, .size = size};
        FilterRequest request = {};
        uint32_t version;
        Name name;

        version = bytes_get_u32(&reader);
        bytes_get_str(&reader, request.filter, sizeof(request.filter));
        bytes_get_str(&reader, request.profile, sizeof(request.profile));
        bytes_get_str(&reader, request.endpoint, sizeof(request.endpoint));

        if (bytes_get_end(&reader) < 0 || version != FILTER_PROTOCOL_VERSION)
                return -EBADMSG;
        if (!word_is_valid(request.filter) || !word_is_valid(request.profile))
                return -EBADMSG;
        if (name_parse(request.endpoint, &name) < 0)
                return -EBADMSG;

        *ret = request;
        return 0;
}

size_t filter_reply_encode(const FilterReply *reply, uint8_t buf[FILTER_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = FILTER_MESSAGE_SIZE};

        bytes_put_u32(&writer, FILTER_PROTOCOL_VERSION);
        bytes_put_u8(&writer, reply->ok ? REPLY_OK : REPLY_ERROR);
        if (!reply->ok) {
                bytes_put_u32(&writer, (uint32_t)reply->error);
                bytes_put_printable(&writer, reply->text, FILTER_TEXT_MAX);
        }

        return bytes_put_whole(&writer);
}

int filter_reply_decode(const uint8_t *buf, size_t size, FilterReply *ret) {
        BytesReader reader = {.data = buf, .size = size};
        uint32_t version, type, error = 0;
        FilterReply reply = {};

        version = bytes_get_u32(&reader);
        type = bytes_get_u8(&reader);
        if (type == REPLY_ERROR) {
                error = bytes_get_u32(&reader);
                bytes_get_printable(&reader, reply.text, sizeof(reply.text));
        }

        if (bytes_get_end(&reader) < 0 || version != FILTER_PROTOCOL_VERSION)
                return -EBADMSG;
        if (type != REPLY_OK && type != REPLY_ERROR)
                return -EBADMSG;
        if (type == REPLY_ERROR && (error == 0 || error > INT32_MAX))
                return -EBADMSG;

        reply.ok = type == REPLY_OK;
        reply.error = (int)error;
        *ret = reply;
        return 0;
}
