#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trust: whether it is the broker that we talk to
 *
 * A program that believes a false broker can be given a connection to anything. Two things are
 * known of a unix socket that its path cannot lie about: who called listen(2) on it (SO_PEERCRED of
 * our end), and who sent each message (SCM_CREDENTIALS). systemd, which is root, makes the broker's
 * socket and gives the inode to the broker's user; so the one must be root, and the other the
 * inode's owner.
 *
 * In a user namespace ids that are not mapped are shown as the overflow uid. Where root is not
 * mapped, that is what root looks like, and so does every other stranger: what passes then is not
 * secure, and says so. The judgement is on plain numbers, so that it is tested without namespaces.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct TrustEvidence {
        uid_t owner;     /* of the socket's inode */
        uid_t listener;  /* SO_PEERCRED */
        uid_t own;       /* our effective uid */
        uid_t root;      /* trust_find_root()'s */
        bool is_default; /* the system's own path: nobody's own instance */
} TrustEvidence;

/* As what uid the machine's root appears here, to somebody whose uid is own: the overflow uid if no
 * line of our user namespace's map has it. */
uid_t trust_find_root(uid_t own);

/* The same of the text of a map; NULL if there is none. */
uid_t trust_root_uid(const char *uid_map, uid_t own);

/* 0 and whether it is certain, or -EPERM. */
int trust_judge(const TrustEvidence *evidence, bool *ret_secure) _must_check_;
