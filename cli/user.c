/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "cli/user.h"

/* (uid_t)-1 is nobody: setuid(2) and its like mean "leave it" by it. */
#define UID_LAST (UINT32_MAX - 1)

int user_find_name(int64_t uid, char **ret) {
        struct passwd *entry;
        char *name;

        if (uid < 0 || uid > UID_LAST)
                return -EBADMSG;

        entry = getpwuid((uid_t)uid);
        if (!entry) {
                *ret = NULL;
                return 0;
        }

        name = strdup(entry->pw_name);
        if (!name)
                return -ENOMEM;

        *ret = name;
        return 0;
}

const char *user_to_string(int64_t uid, char buf[USER_TEXT_SIZE]) {
        _cleanup_free_ char *name = NULL;

        if (user_find_name(uid, &name) == 0 && name && strlen(name) < USER_TEXT_SIZE)
                (void)snprintf(buf, USER_TEXT_SIZE, "%s", name);
        else
                (void)snprintf(buf, USER_TEXT_SIZE, "%" PRId64, uid);
        return buf;
}

static int number_parse(const char *text, uid_t *ret) {
        uint64_t value = 0;

        for (const char *c = text; *c; c++) {
                if (*c < '0' || *c > '9')
                        return -EINVAL;
                value = value * 10 + (uint64_t)(*c - '0');
                if (value > UID_LAST)
                        return -ERANGE;
        }

        *ret = (uid_t)value;
        return 0;
}

int user_find_uid(const char *text, uid_t *ret) {
        struct passwd *entry;
        int r;

        if (!*text)
                return -ENOENT;

        /* All digits are a number, also where somebody should be called so. */
        r = number_parse(text, ret);
        if (r != -EINVAL)
                return r < 0 ? -ENOENT : 0;

        entry = getpwnam(text);
        if (!entry)
                return -ENOENT;

        *ret = entry->pw_uid;
        return 0;
}
