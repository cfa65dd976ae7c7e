/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a message of the PAM protocol, either way
 *
 * What is taken is written as it was read, byte for byte, and keeps what the protocol promises;
 * what is refused leaves the caller's structure alone.
 */

#include "common/pam-protocol.h"
#include "tests/fuzz/fuzz.h"

static bool is_printable(const char *text) {
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        return false;
        return true;
}

static void check_request(const uint8_t *data, size_t size) {
        uint8_t buf[PAM_REQUEST_SIZE];
        PamRequest request, before;

        memset(&request, 0xaa, sizeof(request));
        memcpy(&before, &request, sizeof(request));
        if (pam_request_decode(data, size, &request) < 0) {
                PROMISE(memcmp(&request, &before, sizeof(request)) == 0);
                return;
        }

        PROMISE(request.use > 0 && request.use < _PAM_USE_MAX);
        PROMISE((request.use == PAM_USE_AGENT) == (request.uid != PAM_PROTOCOL_NO_UID));
        PROMISE((request.use == PAM_USE_AGENT) == (request.cookie[0] != 0));
        PROMISE(request.use == PAM_USE_IDENTITY || !request.user[0]);
        PROMISE(strlen(request.user) <= PAM_PROTOCOL_USER_MAX);
        PROMISE(strlen(request.cookie) <= PAM_PROTOCOL_COOKIE_MAX);
        PROMISE(is_printable(request.cookie));

        PROMISE(pam_request_encode(&request, buf) == size);
        PROMISE(memcmp(buf, data, size) == 0);
}

static void check_reply(const uint8_t *data, size_t size) {
        uint8_t buf[PAM_REPLY_SIZE];
        PamReply reply, before;

        memset(&reply, 0xaa, sizeof(reply));
        memcpy(&before, &reply, sizeof(reply));
        if (pam_reply_decode(data, size, &reply) < 0) {
                PROMISE(memcmp(&reply, &before, sizeof(reply)) == 0);
                return;
        }

        PROMISE(reply.type == PAM_REPLY_BEGUN || reply.type == PAM_REPLY_VERDICT);
        if (reply.type == PAM_REPLY_VERDICT)
                PROMISE(!streq(verdict_code_to_string(reply.code), "invalid"));
        else
                PROMISE(reply.code == 0);
        PROMISE((reply.code == VERDICT_PROVEN) == (reply.uid != PAM_PROTOCOL_NO_UID));
        PROMISE((reply.code == VERDICT_PROVEN) == (reply.name[0] != 0));
        PROMISE(strlen(reply.name) <= PAM_PROTOCOL_USER_MAX);
        PROMISE(strlen(reply.detail) <= PAM_PROTOCOL_DETAIL_MAX);
        PROMISE(is_printable(reply.detail));

        PROMISE(pam_reply_encode(&reply, buf) == size);
        PROMISE(memcmp(buf, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_request(data, size);
        check_reply(data, size);
        return 0;
}
