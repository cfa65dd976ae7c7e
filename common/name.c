/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/name.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

bool name_is_valid_endpoint(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= NAME_ENDPOINT_MAX && strspn(text, LOWER DIGITS "-") == n &&
               text[0] != '-' && strncmp(text, "ro-", 3) != 0;
}

bool name_is_valid_instance(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= NAME_INSTANCE_MAX && strspn(text, LOWER UPPER DIGITS "._-") == n &&
               !streq(text, ".") && !streq(text, "..");
}

int name_parse(const char *text, Name *ret) {
        const char *at = strchr(text, '@');
        size_t n = at ? (size_t)(at - text) : strlen(text);
        Name name = {};

        if (n >= sizeof(name.endpoint))
                return -EINVAL;
        memcpy(name.endpoint, text, n);
        if (!name_is_valid_endpoint(name.endpoint))
                return -EINVAL;

        if (at) {
                if (!name_is_valid_instance(at + 1))
                        return -EINVAL;
                memcpy(name.instance, at + 1, strlen(at + 1) + 1);
        }

        *ret = name;
        return 0;
}

const char *name_to_string(const Name *name, char buf[NAME_TEXT_SIZE]) {
        char *end = stpcpy(buf, name->endpoint);

        if (name->instance[0]) {
                *end++ = '@';
                (void)stpcpy(end, name->instance);
        }

        return buf;
}
