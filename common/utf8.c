/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/utf8.h"

/* A line or paragraph separator, or what turns the direction in which the rest is shown. */
static bool is_format_control(uint32_t value) {
        return (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
}

/* How many bytes the UTF-8 character at text has, and which it is; 0 if it is none. */
static size_t character_read(const unsigned char *text, uint32_t *ret) {
        size_t n = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
        uint32_t value = n == 1 ? text[0] : text[0] & (0x7fU >> n);
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

        if ((text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                value = value << 6 | (text[i] & 0x3f);
        }

        /* Too long a form, a surrogate, no character. */
        if (value < least[n - 1] || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
                return 0;

        *ret = value;
        return n;
}

/* The same; 0 also if it is a control character: C0, C1, a format control. */
static size_t character_length(const unsigned char *text) {
        uint32_t value;
        size_t n = character_read(text, &value);

        return n == 0 || value < 0x20 || (value >= 0x7f && value < 0xa0) || is_format_control(value)
                       ? 0
                       : n;
}

bool utf8_is_valid(const char *text) {
        const unsigned char *c = (const unsigned char *)text;
        uint32_t value;

        while (*c) {
                size_t n = character_read(c, &value);

                if (n == 0)
                        return false;
                c += n;
        }

        return true;
}

void utf8_clean(char *text, size_t max) {
        unsigned char *c = (unsigned char *)text;

        while (*c) {
                size_t n = character_length(c), used = (size_t)(c - (unsigned char *)text);

                if (used + (n ?: 1) > max) {
                        *c = 0;
                        break;
                }
                if (n == 0) {
                        *c = *c == '\n' || *c == '\t' ? ' ' : '?';
                        n = 1;
                }
                c += n;
        }
}
