/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/opener-protocol.h"
#include "common/bytes.h"

static const char *const status_names[_OPENER_STATUS_MAX] = {
        [OPENER_OK] = "ok",
        [OPENER_REFUSED_CLIENT] = "refused-client",
        [OPENER_NO_ACCESS] = "no-access",
        [OPENER_INSTANCE] = "instance",
        [OPENER_STALE] = "stale",
        [OPENER_GROUP_MISSING] = "group-missing",
        [OPENER_PATH] = "path",
        [OPENER_PEER_USER] = "peer-user",
        [OPENER_TYPE] = "type",
        [OPENER_OPEN] = "open",
        [OPENER_TIMEOUT] = "timeout",
        [OPENER_LIMIT] = "limit",
        [OPENER_DISTURBED] = "disturbed",
};

const char *opener_status_to_string(OpenerStatus status) {
        return status > 0 && status < _OPENER_STATUS_MAX ? status_names[status] : "invalid";
}

size_t opener_request_encode(const OpenerRequest *request, uint8_t buf[OPENER_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = OPENER_MESSAGE_SIZE};

        bytes_put_u32(&writer, OPENER_PROTOCOL_VERSION);
        bytes_put_u32(&writer, request->id);
        bytes_put_u8(&writer, (uint8_t)request->access);
        bytes_put_str(&writer, request->instance);
        bytes_put_str(&writer, request->definition);

        return bytes_put_whole(&writer);
}

int opener_request_decode(const uint8_t *buf, size_t size, OpenerRequest *ret) {
        BytesReader reader = {.data = buf, .size = size};
        OpenerRequest request = {};
        uint32_t version, access;

        version = bytes_get_u32(&reader);
        request.id = bytes_get_u32(&reader);
        access = bytes_get_u8(&reader);
        bytes_get_str(&reader, request.instance, sizeof(request.instance));
        bytes_get_str(&reader, request.definition, sizeof(request.definition));

        if (bytes_get_end(&reader) < 0 || version != OPENER_PROTOCOL_VERSION)
                return -EBADMSG;
        if (access == 0 || access >= _ACCESS_MAX)
                return -EBADMSG;
        if (request.instance[0] && !name_is_valid_instance(request.instance))
                return -EBADMSG;
        if (strspn(request.definition, "0123456789abcdef") != OPENER_DEFINITION_SIZE - 1)
                return -EBADMSG;

        request.access = (Access)access;
        *ret = request;
        return 0;
}

size_t opener_reply_encode(const OpenerReply *reply, uint8_t buf[OPENER_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = OPENER_MESSAGE_SIZE};

        bytes_put_u32(&writer, OPENER_PROTOCOL_VERSION);
        bytes_put_u32(&writer, reply->id);
        bytes_put_u8(&writer, (uint8_t)reply->status);
        bytes_put_u32(&writer, (uint32_t)reply->error);
        bytes_put_printable(&writer, reply->detail, OPENER_DETAIL_MAX);

        return bytes_put_whole(&writer);
}

int opener_reply_decode(const uint8_t *buf, size_t size, OpenerReply *ret) {
        BytesReader reader = {.data = buf, .size = size};
        OpenerReply reply = {};
        uint32_t version, status, error;

        version = bytes_get_u32(&reader);
        reply.id = bytes_get_u32(&reader);
        status = bytes_get_u8(&reader);
        error = bytes_get_u32(&reader);
        bytes_get_printable(&reader, reply.detail, sizeof(reply.detail));

        if (bytes_get_end(&reader) < 0 || version != OPENER_PROTOCOL_VERSION)
                return -EBADMSG;
        if (status == 0 || status >= _OPENER_STATUS_MAX || error > INT32_MAX)
                return -EBADMSG;

        reply.status = (OpenerStatus)status;
        reply.error = (int)error;
        *ret = reply;
        return 0;
}
