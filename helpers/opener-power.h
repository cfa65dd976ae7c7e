#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Power: what this process can do, held against what its definition says
 *
 * systemd starts an opener with a user, groups and capabilities that the generator took from the
 * definition. Whatever an administrator, a drop-in or a line of /etc/group added to that is power
 * that nobody who read the definition knows of, so an opener with too much refuses to run. One with
 * too little runs, and says to each request what is missing; most often a package that is not
 * installed would have brought the group.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "policy/definition.h"

#define OPENER_GROUPS_MAX 64

/* What a process holds. */
typedef struct OpenerPower {
        uid_t uids[3]; /* real, effective, saved */
        gid_t gids[3 + OPENER_GROUPS_MAX];
        size_t n_gids;
        uint64_t capabilities; /* in any of the five sets */
} OpenerPower;

/* -errno; -E2BIG for more groups than any definition needs. */
int opener_power_read(OpenerPower *ret) _must_check_;

/* Whether it is what the definition says: 0, and whose listener PeerUser= wants (PEER_UID_INVALID:
 * anybody's; root's if it says nothing). OPENER_GROUP_MISSING and the reply that every request
 * gets, if it is too little. -EPERM if it is too much; the reply's detail says what. broker is the
 * broker's uid, passwd and group are the paths of those files. */
int opener_power_judge(const OpenerPower *power, const Definition *definition, uid_t broker,
                       const char *passwd, const char *group, uid_t *ret_peer,
                       OpenerReply *reply) _must_check_;
