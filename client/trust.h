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

#define TRUST_UID_MAP_SIZE 16384U

typedef struct TrustEvidence {
        uid_t owner;         /* of the socket's inode */
        uid_t listener;      /* SO_PEERCRED */
        uid_t own;           /* our effective uid */
        bool is_default;     /* the system's own path: nobody's own instance */
        const char *uid_map; /* the text of /proc/self/uid_map; NULL if there is none */
} TrustEvidence;

/* The map of our user namespace; false if there is none to read. */
bool trust_read_uid_map(char buf[TRUST_UID_MAP_SIZE]);

/* As what uid the machine's root appears here, to somebody whose uid is own: the overflow uid if no
 * line of the map has it. uid_map is NULL if there is none. */
uid_t trust_root_uid(const char *uid_map, uid_t own);

/* 0 and whether it is certain, or -EPERM. */
int trust_judge(const TrustEvidence *evidence, bool *ret_secure) _must_check_;
