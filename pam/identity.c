/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "common/peer.h"
#include "pam/identity.h"
#include "policy/strv.h"

/* An entry at its longest. */
#define ENTRY_SIZE 65536U

/* As login(1) reads it: octal and hexadecimal, too. */
static bool parse_uid(const char *text, uid_t *ret) {
        unsigned long value;
        char *end;

        errno = 0;
        value = strtoul(text, &end, 0);
        if (errno != 0 || *text < '0' || *text > '9' || *end || value > PEER_UID_MAX)
                return false;

        *ret = (uid_t)value;
        return true;
}

uid_t identity_read_least(const char *path) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        uid_t least = IDENTITY_LEAST_DEFAULT;
        char line[256], value[32];

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, " UID_MIN %31s", value) == 1)
                        (void)parse_uid(value, &least);

        return least;
}

int identity_list_shells(char ***ret) {
        _cleanup_(strv_freep) char **shells = NULL;
        const char *shell;
        int r = 0;

        setusershell();
        while (r == 0 && (shell = getusershell()))
                r = strv_push(&shells, shell);
        endusershell();

        if (r == 0)
                *ret = TAKE_PTR(shells);
        return r;
}

/* A name that no user of a sane system has is not even looked up. */
static bool is_name(const char *name) {
        for (const char *c = name; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == ':' || *c == '/')
                        return false;
        return name[0] && name[0] != '-';
}

static bool can_log_in(const IdentityRules *rules, const char *shell) {
        const char *base = strrchr(shell, '/');

        /* passwd(5): none is this one. */
        if (!*shell)
                shell = "/bin/sh";
        /* Some systems list them as valid. */
        if (base && (streq(base, "/nologin") || streq(base, "/false")))
                return false;
        return strv_contains(rules->shells, shell);
}

/* NULL, or why nobody else authenticates as them. */
static const char *find_objection(const IdentityRules *rules, const char *name,
                                  const Identity *identity) {
        if (!streq(identity->name, name))
                return "this is another name of a user";
        if (identity->uid == 0)
                return "nobody is root here";
        if (identity->uid > PEER_UID_MAX || identity->uid == PEER_UID_OVERFLOW)
                return "this is nobody";
        if (strv_contains(rules->exceptions, name))
                return NULL;
        if (identity->uid < rules->least)
                return "this is a system user";
        return identity->logs_in ? NULL : "this user has no valid login shell";
}

static int take_entry(const IdentityRules *rules, int r, const struct passwd *found,
                      Identity *ret) {
        if (!found)
                return r == 0 || r == ENOENT || r == ESRCH ? IDENTITY_E_UNKNOWN : -r;
        if (!found->pw_name[0] || strlen(found->pw_name) > PAM_PROTOCOL_USER_MAX)
                return IDENTITY_E_UNKNOWN;

        *ret = (Identity){.uid = found->pw_uid, .logs_in = can_log_in(rules, found->pw_shell)};
        memcpy(ret->name, found->pw_name, strlen(found->pw_name) + 1);
        return 0;
}

int identity_find_uid(const IdentityRules *rules, uid_t uid, Identity *ret) {
        _cleanup_free_ char *buf = malloc(ENTRY_SIZE);
        struct passwd entry, *found = NULL;
        int r;

        if (!buf)
                return -ENOMEM;

        r = rules->by_uid(uid, &entry, buf, ENTRY_SIZE, &found);
        return take_entry(rules, r, found, ret);
}

int identity_find_name(const IdentityRules *rules, const char *name, Identity *ret) {
        _cleanup_free_ char *buf = malloc(ENTRY_SIZE);
        struct passwd entry, *found = NULL;
        int r;

        if (!buf)
                return -ENOMEM;

        r = rules->by_name(name, &entry, buf, ENTRY_SIZE, &found);
        return take_entry(rules, r, found, ret);
}

int identity_choose(const IdentityRules *rules, const char *name, Identity *ret,
                    const char **ret_reason) {
        Identity identity;
        int r;

        r = is_name(name) ? identity_find_name(rules, name, &identity) : IDENTITY_E_UNKNOWN;
        if (r < 0)
                return r;

        *ret_reason = r == 0 ? find_objection(rules, name, &identity) : "there is no such user";
        if (*ret_reason)
                return IDENTITY_E_REFUSED;

        *ret = identity;
        return 0;
}
