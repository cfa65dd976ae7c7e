/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/pam-protocol.h"
#include "common/bytes.h"

static const char *const verdict_names[_VERDICT_MAX] = {
        [VERDICT_PROVEN] = "proven",
        [VERDICT_FAILED] = "failed",
        [VERDICT_CANCELLED] = "cancelled",
        [VERDICT_CLIENT] = "client",
        [VERDICT_USER] = "user",
        [VERDICT_ACCOUNT] = "account",
        [VERDICT_PASSWORD_EXPIRED] = "password-expired",
        [VERDICT_CHANGED] = "changed",
        [VERDICT_UNAVAILABLE] = "unavailable",
        [VERDICT_POLKIT] = "polkit",
};

const char *verdict_code_to_string(VerdictCode code) {
        return code > 0 && code < _VERDICT_MAX ? verdict_names[code] : "invalid";
}

size_t pam_request_encode(const PamRequest *request, uint8_t buf[PAM_REQUEST_SIZE]) {
        BytesWriter writer = {.data = buf, .size = PAM_REQUEST_SIZE};

        bytes_put_u32(&writer, PAM_PROTOCOL_VERSION);
        bytes_put_u8(&writer, (uint8_t)request->use);
        bytes_put_u32(&writer, request->tty);
        bytes_put_u32(&writer, request->uid);
        bytes_put_str(&writer, request->user);
        bytes_put_str(&writer, request->cookie);

        return bytes_put_whole(&writer);
}

/* What belongs to one use is not in another. */
static bool request_is_whole(const PamRequest *request) {
        bool agent = request->use == PAM_USE_AGENT;

        return (request->uid != PAM_PROTOCOL_NO_UID) == agent &&
               (request->cookie[0] != 0) == agent &&
               (request->use == PAM_USE_IDENTITY || !request->user[0]);
}

int pam_request_decode(const uint8_t *buf, size_t size, PamRequest *ret) {
        BytesReader reader = {.data = buf, .size = size};
        PamRequest request = {};
        uint32_t version, use;

        version = bytes_get_u32(&reader);
        use = bytes_get_u8(&reader);
        request.tty = bytes_get_u32(&reader);
        request.uid = bytes_get_u32(&reader);
        bytes_get_str(&reader, request.user, sizeof(request.user));
        bytes_get_printable(&reader, request.cookie, sizeof(request.cookie));

        if (bytes_get_end(&reader) < 0 || version != PAM_PROTOCOL_VERSION)
                return -EBADMSG;
        if (use == 0 || use >= _PAM_USE_MAX)
                return -EBADMSG;
        request.use = (PamUse)use;
        if (!request_is_whole(&request))
                return -EBADMSG;

        *ret = request;
        return 0;
}

size_t pam_reply_encode(const PamReply *reply, uint8_t buf[PAM_REPLY_SIZE]) {
        BytesWriter writer = {.data = buf, .size = PAM_REPLY_SIZE};

        bytes_put_u8(&writer, (uint8_t)reply->type);
        if (reply->type == PAM_REPLY_VERDICT) {
                bytes_put_u8(&writer, (uint8_t)reply->code);
                bytes_put_u32(&writer, reply->uid);
                bytes_put_str(&writer, reply->name);
                bytes_put_printable(&writer, reply->detail, PAM_PROTOCOL_DETAIL_MAX);
        }

        return bytes_put_whole(&writer);
}

static bool verdict_is_whole(const PamReply *reply) {
        bool proven = reply->code == VERDICT_PROVEN;

        return (reply->uid != PAM_PROTOCOL_NO_UID) == proven && (reply->name[0] != 0) == proven;
}

int pam_reply_decode(const uint8_t *buf, size_t size, PamReply *ret) {
        BytesReader reader = {.data = buf, .size = size};
        PamReply reply = {.uid = PAM_PROTOCOL_NO_UID};
        uint32_t type, code = 0;

        type = bytes_get_u8(&reader);
        if (type == PAM_REPLY_VERDICT) {
                code = bytes_get_u8(&reader);
                reply.uid = bytes_get_u32(&reader);
                bytes_get_str(&reader, reply.name, sizeof(reply.name));
                bytes_get_printable(&reader, reply.detail, sizeof(reply.detail));
        }

        if (bytes_get_end(&reader) < 0)
                return -EBADMSG;
        if (type != PAM_REPLY_BEGUN && type != PAM_REPLY_VERDICT)
                return -EBADMSG;
        reply.type = (PamReplyType)type;
        if (type == PAM_REPLY_VERDICT) {
                if (code == 0 || code >= _VERDICT_MAX)
                        return -EBADMSG;
                reply.code = (VerdictCode)code;
                if (!verdict_is_whole(&reply))
                        return -EBADMSG;
        }

        *ret = reply;
        return 0;
}
