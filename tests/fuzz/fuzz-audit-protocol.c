/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a message of the audit protocol
 *
 * What is taken is written as it was read, byte for byte, and has nothing in it that could be taken
 * for another field of the log; what is refused leaves the caller's structure alone.
 */

#include <string.h>

#include "common/audit-protocol.h"
#include "tests/fuzz/fuzz.h"

static bool is_one_word(const char *text) {
        return !strpbrk(text, " \t\n='\"");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t buf[AUDIT_PROTOCOL_SIZE];
        AuditEvent event, before;

        memset(&event, 0xaa, sizeof(event));
        memcpy(&before, &event, sizeof(event));
        if (audit_event_decode(data, size, &event) < 0) {
                PROMISE(memcmp(&event, &before, sizeof(event)) == 0);
                return 0;
        }

        PROMISE(event.type > 0 && event.type < _AUDIT_TYPE_MAX);
        PROMISE(event.access < _ACCESS_MAX);
        PROMISE(is_one_word(event.endpoint) && is_one_word(event.reason));
        PROMISE(is_one_word(event.lease) && is_one_word(event.request));

        PROMISE(audit_event_encode(&event, buf) == size);
        PROMISE(memcmp(buf, data, size) == 0);
        return 0;
}
