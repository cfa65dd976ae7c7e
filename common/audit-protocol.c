/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/audit-protocol.h"
#include "common/bytes.h"

static bool is_endpoint(const char *text) {
        Name name;

        return !text[0] || name_parse(text, &name) == 0;
}

/* The errors of an interface, and the words of ours. */
static bool is_word(const char *text) {
        for (; *text; text++)
                if (!(*text >= 'a' && *text <= 'z') && !(*text >= 'A' && *text <= 'Z') &&
                    *text != '-')
                        return false;
        return true;
}

static bool is_hexadecimal(const char *text) {
        return !text[strspn(text, "0123456789abcdef")];
}

size_t audit_event_encode(const AuditEvent *event, uint8_t buf[AUDIT_PROTOCOL_SIZE]) {
        BytesWriter writer = {.data = buf, .size = AUDIT_PROTOCOL_SIZE};

        bytes_put_u32(&writer, AUDIT_PROTOCOL_VERSION);
        bytes_put_u8(&writer, (uint8_t)event->type);
        bytes_put_u8(&writer, (uint8_t)event->access);
        bytes_put_u32(&writer, event->uid);
        bytes_put_u32(&writer, event->identity);
        bytes_put_u32(&writer, event->pid);
        bytes_put_u32(&writer, event->login);
        bytes_put_u32(&writer, event->session);
        bytes_put_str(&writer, is_endpoint(event->endpoint) ? event->endpoint : "");
        bytes_put_str(&writer, is_word(event->reason) ? event->reason : "");
        bytes_put_str(&writer, is_hexadecimal(event->lease) ? event->lease : "");
        bytes_put_str(&writer, is_hexadecimal(event->request) ? event->request : "");
        bytes_put_u32(&writer, event->lost);

        return bytes_put_whole(&writer);
}

int audit_event_decode(const uint8_t *buf, size_t size, AuditEvent *ret) {
        BytesReader reader = {.data = buf, .size = size};
        uint32_t version, type, access;
        AuditEvent event = {};

        version = bytes_get_u32(&reader);
        type = bytes_get_u8(&reader);
        access = bytes_get_u8(&reader);
        event.uid = bytes_get_u32(&reader);
        event.identity = bytes_get_u32(&reader);
        event.pid = bytes_get_u32(&reader);
        event.login = bytes_get_u32(&reader);
        event.session = bytes_get_u32(&reader);
        bytes_get_str(&reader, event.endpoint, sizeof(event.endpoint));
        bytes_get_str(&reader, event.reason, sizeof(event.reason));
        bytes_get_str(&reader, event.lease, sizeof(event.lease));
        bytes_get_str(&reader, event.request, sizeof(event.request));
        event.lost = bytes_get_u32(&reader);

        if (bytes_get_end(&reader) < 0 || version != AUDIT_PROTOCOL_VERSION)
                return -EBADMSG;
        if (type == 0 || type >= _AUDIT_TYPE_MAX || access >= _ACCESS_MAX)
                return -EBADMSG;
        if (!is_endpoint(event.endpoint) || !is_word(event.reason) ||
            !is_hexadecimal(event.lease) || !is_hexadecimal(event.request))
                return -EBADMSG;

        event.type = (AuditType)type;
        event.access = (Access)access;
        *ret = event;
        return 0;
}
