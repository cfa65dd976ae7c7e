/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/transport-protocol.h"
#include "common/bytes.h"
#include "common/utf8.h"

void transport_message_set_text(TransportMessage *message, const char *text) {
        (void)memccpy(message->text, text, 0, sizeof(message->text));
        message->text[TRANSPORT_TEXT_MAX] = 0;
        utf8_clean(message->text, TRANSPORT_TEXT_MAX);
}

size_t transport_message_encode(const TransportMessage *message,
                                uint8_t buf[TRANSPORT_MESSAGE_SIZE]) {
        BytesWriter writer = {.data = buf, .size = TRANSPORT_MESSAGE_SIZE};
        TransportMessage clean = {};

        transport_message_set_text(&clean, message->text);
        bytes_put_u32(&writer, TRANSPORT_PROTOCOL_VERSION);
        bytes_put_u8(&writer, (uint8_t)message->type);
        if (message->type == TRANSPORT_ENDED) {
                bytes_put_u8(&writer, (uint8_t)message->how);
                bytes_put_u32(&writer, message->number);
        }
        bytes_put_str(&writer, clean.text);

        return bytes_put_whole(&writer);
}

int transport_message_decode(const uint8_t *buf, size_t size, TransportMessage *ret) {
        BytesReader reader = {.data = buf, .size = size};
        TransportMessage message = {};
        uint32_t version, type, how = 0;

        version = bytes_get_u32(&reader);
        type = bytes_get_u8(&reader);
        if (type == TRANSPORT_ENDED) {
                how = bytes_get_u8(&reader);
                message.number = bytes_get_u32(&reader);
        }
        bytes_get_str(&reader, message.text, sizeof(message.text));
        utf8_clean(message.text, TRANSPORT_TEXT_MAX);

        if (bytes_get_end(&reader) < 0 || version != TRANSPORT_PROTOCOL_VERSION || type == 0 ||
            type >= _TRANSPORT_MESSAGE_MAX || how >= _TRANSPORT_END_MAX ||
            (type == TRANSPORT_ENDED && how == 0))
                return -EBADMSG;

        message.type = (TransportMessageType)type;
        message.how = (TransportEnd)how;
        *ret = message;
        return 0;
}
