/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a message of the filter protocol, either way
 *
 * What is taken is written as it was read, byte for byte, and keeps what the protocol promises;
 * what is refused leaves the caller's structure alone.
 */

#include "common/filter-profile.h"
#include "common/filter-protocol.h"
#include "tests/fuzz/fuzz.h"

static void check_request(const uint8_t *data, size_t size) {
        uint8_t buf[FILTER_MESSAGE_SIZE];
        FilterRequest request, before;
        Name name;
        int r;

        memset(&request, 0xaa, sizeof(request));
        memcpy(&before, &request, sizeof(request));
        if (filter_request_decode(data, size, &request) < 0) {
                PROMISE(memcmp(&request, &before, sizeof(request)) == 0);
                return;
        }

        PROMISE(strlen(request.filter) > 0 && strlen(request.filter) <= FILTER_WORD_MAX);
        PROMISE(strlen(request.profile) > 0 && strlen(request.profile) <= FILTER_WORD_MAX);
        PROMISE(name_parse(request.endpoint, &name) == 0);
        r = filter_profile_find(request.filter, request.profile);
        PROMISE(r == -EINVAL || (r > 0 && r < _FILTER_PROFILE_MAX));

        PROMISE(filter_request_encode(&request, buf) == size);
        PROMISE(memcmp(buf, data, size) == 0);
}

static void check_reply(const uint8_t *data, size_t size) {
        uint8_t buf[FILTER_MESSAGE_SIZE];
        FilterReply reply, before;

        memset(&reply, 0xaa, sizeof(reply));
        memcpy(&before, &reply, sizeof(reply));
        if (filter_reply_decode(data, size, &reply) < 0) {
                PROMISE(memcmp(&reply, &before, sizeof(reply)) == 0);
                return;
        }

        PROMISE(reply.ok == (reply.error == 0) && reply.error >= 0);
        PROMISE(!reply.ok || !reply.text[0]);
        PROMISE(strlen(reply.text) <= FILTER_TEXT_MAX);
        for (const char *c = reply.text; *c; c++)
                PROMISE(*c >= ' ' && *c <= '~');

        PROMISE(filter_reply_encode(&reply, buf) == size);
        PROMISE(memcmp(buf, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_request(data, size);
        check_reply(data, size);
        return 0;
}
