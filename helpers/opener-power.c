/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <cap-ng.h>
#include <linux/capability.h>

#include "common/capabilities.h"
#include "common/peer.h"
#include "common/userfile.h"
#include "config.h"
#include "helpers/opener-power.h"
#include "helpers/opener-refusal.h"

#define RELOAD "run: systemctl daemon-reload && systemctl reload doorward"

/* Power. */

int opener_power_read(OpenerPower *ret) {
        Capabilities capabilities;
        OpenerPower power = {};
        int n;

        if (getresuid(&power.uids[0], &power.uids[1], &power.uids[2]) < 0 ||
            getresgid(&power.gids[0], &power.gids[1], &power.gids[2]) < 0)
                return -errno;

        n = getgroups(OPENER_GROUPS_MAX, power.gids + 3);
        if (n < 0)
                return errno == EINVAL ? -E2BIG : -errno;
        power.n_gids = 3 + (size_t)n;

        n = capabilities_read(&capabilities);
        if (n < 0)
                return n;
        power.capabilities = capabilities.held | capabilities.bounding;

        *ret = power;
        return 0;
}

static bool power_has_gid(const OpenerPower *power, gid_t gid) {
        for (size_t i = 0; i < power->n_gids; i++)
                if (power->gids[i] == gid)
                        return true;

        return false;
}

/* Judgement. */

typedef struct Judge {
        const OpenerPower *power;
        const Definition *definition;
        const char *passwd, *group;
        const char *user; /* whom the definition wants it to run as */
        uid_t broker;
        gid_t own_gid;
        bool is_user;
        OpenerReply *reply;
} Judge;

#define too_much(judge, ...) \
        ((void)opener_refuse((judge)->reply, OPENER_GROUP_MISSING, EPERM, __VA_ARGS__), -EPERM)
#define too_little(judge, ...) opener_refuse((judge)->reply, OPENER_GROUP_MISSING, 0, __VA_ARGS__)

static int not_found(Judge *judge, const char *what, const char *name, int r) {
        return r == -ENOENT ? too_little(judge, "%s %s does not exist here", what, name)
                            : too_little(judge, "%s %s cannot be looked up: %s", what, name,
                                         strerror(-r));
}

/* The process is one user and nobody else: the definition's or, where that one could not be set
 * because it does not exist, the one that all openers are by themselves. */
static int judge_identity(Judge *judge) {
        const char *const names[] = {judge->user, OPENER_USER};
        const uid_t *uids = judge->power->uids;
        uid_t uid;

        if (uids[0] != uids[1] || uids[0] != uids[2])
                return too_much(judge, "it has more than one uid");
        if (uids[0] == 0 || uids[0] == judge->broker)
                return too_much(judge, "it runs as %s", uids[0] == 0 ? "root" : BROKER_USER);

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (userfile_get_user(judge->passwd, names[i], &uid, &judge->own_gid) == 0 &&
                    uid == uids[0]) {
                        judge->is_user = i == 0;
                        return 0;
                }

        return too_much(judge, "it runs as uid %u, and not as user %s", (unsigned)uids[0],
                        judge->user);
}

static bool definition_has_group(const Judge *judge, gid_t wanted) {
        gid_t gid;

        for (char **group = judge->definition->groups; group && *group; group++)
                if (userfile_get_gid(judge->group, *group, &gid) == 0 && gid == wanted)
                        return true;

        return false;
}

static int judge_excess(Judge *judge) {
        uint64_t excess = judge->power->capabilities & ~definition_powers(judge->definition);

        for (unsigned cap = 0; cap < 64; cap++)
                if (excess & (UINT64_C(1) << cap))
                        return too_much(judge, "it has capability %u (%s)", cap,
                                        capng_capability_to_name(cap) ?: "unknown");

        for (size_t i = 0; i < judge->power->n_gids; i++) {
                gid_t gid = judge->power->gids[i];

                if (gid != judge->own_gid && !definition_has_group(judge, gid))
                        return too_much(judge, "it is in group %u", (unsigned)gid);
        }

        return 0;
}

/* One that becomes others: its own group is what keeps it, once it has, from being looked into by
 * whom it became; and of what it needs for that nothing works without all. */
static int judge_client(Judge *judge) {
        if (judge->definition->connect_as != CONNECT_AS_CLIENT)
                return 0;

        for (size_t i = 0; i < 3; i++)
                if (judge->power->gids[i] != judge->own_gid)
                        return too_much(judge, "its group is %u, and not its user's own",
                                        (unsigned)judge->power->gids[i]);
        if (!(judge->power->capabilities & (UINT64_C(1) << CAP_SETUID)))
                return too_little(judge, "this cannot become the user who asks yet; " RELOAD);
        return 0;
}

static int judge_user(Judge *judge) {
        uid_t uid;
        int r;

        if (judge->is_user)
                return 0;

        r = userfile_get_uid(judge->passwd, judge->user, &uid);
        return r < 0 ? not_found(judge, "user", judge->user, r)
                     : too_little(judge, "this does not run as user %s yet; " RELOAD, judge->user);
}

static int judge_peer(Judge *judge, uid_t *ret) {
        const Definition *definition = judge->definition;
        uid_t uid = 0;
        int r = 0;

        if (definition->peer_any)
                uid = PEER_UID_INVALID;
        else if (definition->peer_user)
                r = userfile_get_uid(judge->passwd, definition->peer_user, &uid);
        if (r < 0)
                return not_found(judge, "user", definition->peer_user, r);

        *ret = uid;
        return 0;
}

static int judge_groups(Judge *judge) {
        gid_t gid;
        int r;

        for (char **group = judge->definition->groups; group && *group; group++) {
                r = userfile_get_gid(judge->group, *group, &gid);
                if (r < 0)
                        return not_found(judge, "group", *group, r);
                if (!power_has_gid(judge->power, gid))
                        return too_little(judge, "this is not in group %s yet; " RELOAD, *group);
        }

        return 0;
}

int opener_power_judge(const OpenerPower *power, const Definition *definition, uid_t broker,
                       const char *passwd, const char *group, uid_t *ret_peer, OpenerReply *reply) {
        Judge judge = {
                .power = power,
                .definition = definition,
                .passwd = passwd,
                .group = group,
                .user = definition->connect_as == CONNECT_AS_USER ? definition->connect_user
                                                                  : OPENER_USER,
                .broker = broker,
                .reply = reply,
        };
        int r;

        /* Too much comes first: that is the end of this process. */
        r = judge_identity(&judge);
        if (r == 0)
                r = judge_excess(&judge);
        if (r == 0)
                r = judge_client(&judge);
        if (r == 0)
                r = judge_user(&judge);
        if (r == 0)
                r = judge_groups(&judge);
        if (r == 0)
                r = judge_peer(&judge, ret_peer);

        return r;
}
