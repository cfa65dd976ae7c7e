/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/stat.h>

#include "config.h"

#include "cli/absent.h"
#include "common/userfile.h"
#include "policy/strv.h"

#define SHUT ", so the endpoint cannot be opened"

static int add_groups(char ***list, const char *key, char *const *groups, const char *so) {
        gid_t gid;
        int r = 0;

        for (; groups && *groups && r == 0; groups++)
                if (userfile_get_gid(USERFILE_GROUP, *groups, &gid) == -ENOENT)
                        r = strv_push_consume(list, strv_format("%s: the group %s does not exist "
                                                                "here (" USERFILE_GROUP ")%s",
                                                                key, *groups, so));
        return r;
}

static int add_user(char ***list, const char *key, const char *user) {
        uid_t uid;

        if (!user || userfile_get_uid(USERFILE_PASSWD, user, &uid) != -ENOENT)
                return 0;
        return strv_push_consume(list, strv_format("%s: the user %s does not exist here "
                                                   "(" USERFILE_PASSWD ")" SHUT,
                                                   key, user));
}

static int find_needed(const Definition *definition, char ***list) {
        int r;

        r = add_groups(list, "Groups=", definition->groups, SHUT);
        if (r == 0 && definition->connect_as == CONNECT_AS_USER)
                r = add_user(list, "ConnectAs=", definition->connect_user);
        if (r == 0 && !definition->peer_any)
                r = add_user(list, "PeerUser=", definition->peer_user);
        return r;
}

int absent_find(const Definition *definition, char ***ret_needed, char ***ret_exempt) {
        _cleanup_(strv_freep) char **needed = NULL, **exempt = NULL;
        int r;

        r = find_needed(definition, &needed);
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX && r == 0; access++)
                r = add_groups(&exempt, "AuthenticateExempt=", definition->targets[access].exempt,
                               ", so it exempts nobody");
        if (r < 0)
                return r;

        *ret_needed = TAKE_PTR(needed);
        *ret_exempt = TAKE_PTR(exempt);
        return 0;
}

/* What only an instance or the kernel could tell is taken for absent. */
static bool is_there(const Target *target) {
        struct stat st;

        for (char **path = target->paths; path && *path; path++)
                if (**path == '/' && stat(*path, &st) == 0)
                        return true;
        return false;
}

bool absent_is_usual(const Definition *definition) {
        static const char folder[] = PACKAGE_DIR "/endpoints.d/";

        if (strv_length(definition->files) == 0 ||
            strncmp(definition->files[0], folder, strlen(folder)) != 0)
                return false;
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                if (is_there(&definition->targets[access]))
                        return false;
        return true;
}
