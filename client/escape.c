/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/escape.h"
#include "common/hex.h"

static bool is_plain(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c && strchr("-._~/+", c));
}

const char *escape_encode(const char *text, size_t max, char *buf) {
        static const char digits[] = "0123456789ABCDEF";
        char *to = buf;

        for (size_t i = 0; i < max && text[i]; i++) {
                unsigned char c = (unsigned char)text[i];

                if (is_plain(text[i])) {
                        *to++ = text[i];
                        continue;
                }
                *to++ = '%';
                *to++ = digits[c >> 4];
                *to++ = digits[c & 15];
        }

        *to = 0;
        return buf;
}

int escape_decode(char *text) {
        char *to = text;

        while (*text) {
                int high, low;

                if (*text != '%') {
                        *to++ = *text++;
                        continue;
                }

                high = hex_value(text[1]);
                low = high < 0 ? -1 : hex_value(text[2]);
                if (low < 0 || (high == 0 && low == 0))
                        return -EINVAL;
                *to++ = (char)(high << 4 | low);
                text += 3;
        }

        *to = 0;
        return 0;
}
