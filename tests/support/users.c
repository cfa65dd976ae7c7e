/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/users.h"
#include "common/macros.h"

#define ME 0xffff0000U

static const struct {
        const char *asked; /* NULL: the name */
        const char *name;
        uid_t uid;
        const char *shell;
} users[] = {
        {NULL, "root", 0, "/bin/sh"},
        {NULL, "toor", 0, "/bin/sh"},
        {NULL, "alice", 1001, "/bin/bash"},
        {NULL, "bob", 1002, "/bin/bash"},
        {NULL, "least", 1000, "/bin/bash"},
        {NULL, "daemon", 1, "/bin/sh"},
        {NULL, "system", 999, "/bin/sh"},
        {NULL, "nobody", 65534, "/bin/sh"},
        {NULL, "huge", 0x80000000U, "/bin/sh"},
        {NULL, "none", (uid_t)-1, "/bin/sh"},
        {NULL, "nologin", 1003, "/usr/sbin/nologin"},
        {NULL, "false", 1004, "/bin/false"},
        {NULL, "listed", 1005, "/opt/nologin"},
        {NULL, "strange", 1006, "/opt/shell"},
        {NULL, "empty", 1007, ""},
        {NULL, "relative", 1008, "bash"},
        {"ALICE", "alice", 1001, "/bin/bash"},
        {NULL, "carol@example.org", 1009, "/bin/bash"},
        {NULL, "me", ME, "/bin/sh"},
};

static int fill(size_t i, struct passwd *entry, char *buf, size_t size, struct passwd **ret) {
        size_t name = strlen(users[i].name) + 1, shell = strlen(users[i].shell) + 1;

        if (name + shell > size)
                return ERANGE;

        /* In the caller's buffer, as they would be. */
        memcpy(buf, users[i].name, name);
        memcpy(buf + name, users[i].shell, shell);
        *entry = (struct passwd){.pw_name = buf,
                                 .pw_uid = users[i].uid == ME ? getuid() : users[i].uid,
                                 .pw_shell = buf + name};
        *ret = entry;
        return 0;
}

int users_by_name(const char *name, struct passwd *entry, char *buf, size_t size,
                  struct passwd **ret) {
        *ret = NULL;
        if (streq(name, "broken"))
                return EIO;
        for (size_t i = 0; i < ELEMENTSOF(users); i++)
                if (streq(users[i].asked ?: users[i].name, name))
                        return fill(i, entry, buf, size, ret);
        return streq(name, "missing") ? ENOENT : 0;
}

int users_by_uid(uid_t uid, struct passwd *entry, char *buf, size_t size, struct passwd **ret) {
        *ret = NULL;
        if (uid == USERS_BROKEN_UID)
                return EIO;
        for (size_t i = 0; i < ELEMENTSOF(users); i++)
                if ((users[i].uid == ME ? getuid() : users[i].uid) == uid)
                        return fill(i, entry, buf, size, ret);
        return 0;
}

static char *const shells[] = {(char *)"/bin/sh", (char *)"/bin/bash", (char *)"/opt/nologin",
                               NULL};

const IdentityRules users_rules = {
        .by_name = users_by_name,
        .by_uid = users_by_uid,
        .least = 1000,
        .shells = shells,
};
