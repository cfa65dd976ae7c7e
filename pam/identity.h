#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Identity: who may be authenticated
 *
 * Whom polkit wants authenticated is polkit's choice, and who proves to be themselves anyway needs
 * no permission. But as whom else somebody may authenticate is decided here, before a password is
 * asked for: ordinary users who can log in. A system user has no password that a person knows, or
 * one that was never meant for this; and as root nobody gets anything here, whatever is configured.
 *
 * This is the one process of doorward that asks NSS: whom PAM authenticates, a directory server may
 * know and no file of this machine.
 */

#include <pwd.h>
#include <sys/types.h>

#include "common/macros.h"
#include "common/pam-protocol.h"

#define IDENTITY_LEAST_DEFAULT 1000U
#define IDENTITY_LOGIN_DEFS "/etc/login.defs"

enum {
        _IDENTITY_E_SUCCESS,
        IDENTITY_E_UNKNOWN,
        IDENTITY_E_REFUSED,
};

typedef struct Identity {
        uid_t uid;
        bool logs_in; /* has a valid shell */
        char name[PAM_PROTOCOL_USER_MAX + 1];
} Identity;

typedef struct IdentityRules {
        /* getpwnam_r(3) and getpwuid_r(3). */
        int (*by_name)(const char *name, struct passwd *entry, char *buf, size_t size,
                       struct passwd **ret);
        int (*by_uid)(uid_t uid, struct passwd *entry, char *buf, size_t size, struct passwd **ret);
        uid_t least;             /* a uid below is a system user's */
        char *const *shells;     /* those that are valid */
        char *const *exceptions; /* Identities= of doorward.conf(5) */
} IdentityRules;

/* UID_MIN of a login.defs(5); where that says nothing, the default. */
uid_t identity_read_least(const char *path);
/* What getusershell(3) lists. -ENOMEM. */
int identity_list_shells(char ***ret) _must_check_;

/* Who that is: IDENTITY_E_UNKNOWN, or -errno where users cannot be looked up. */
int identity_find_uid(const IdentityRules *rules, uid_t uid, Identity *ret) _must_check_;
int identity_find_name(const IdentityRules *rules, const char *name, Identity *ret) _must_check_;

/* The same if somebody else may authenticate as them; IDENTITY_E_REFUSED and why not: static. */
int identity_choose(const IdentityRules *rules, const char *name, Identity *ret,
                    const char **ret_reason) _must_check_;
