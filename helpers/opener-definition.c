/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "helpers/opener-definition.h"
#include "helpers/opener-refusal.h"

int opener_definition_init(OpenerDefinition *current, const char *root, uid_t owner,
                           const char *name, const char *hash) {
        *current = (OpenerDefinition){.name = name, .hash = hash, .owner = owner};

        return definition_folders(root, &current->folders);
}

void opener_definition_deinit(OpenerDefinition *current) {
        stamps_deinit(&current->stamps);
        definition_free(current->definition);
        strv_free(current->folders);
        *current = (OpenerDefinition){};
}

static int read_again(OpenerDefinition *current, Definition **ret) {
        char template[NAME_ENDPOINT_MAX + 2];
        const char *const names[] = {current->name, template, NULL};
        int r;

        (void)snprintf(template, sizeof(template), "%s@", current->name);

        /* The stamps first: what changes in between is seen the next time. */
        stamps_deinit(&current->stamps);
        r = stamps_take(current->folders, names, &current->stamps);
        return r < 0 ? r
                     : definition_load_for_opener(current->folders, current->owner, current->name,
                                                  ret);
}

int opener_definition_refresh(OpenerDefinition *current, OpenerReply *reply) {
        _cleanup_(definition_freep) Definition *found = NULL;
        int r;

        if (current->definition && stamps_are_current(&current->stamps))
                return 0;

        r = read_again(current, &found);
        if (r == -ENOENT)
                r = opener_refuse(reply, OPENER_STALE, 0, "the definition is gone");
        else if (r < 0)
                r = opener_refuse(reply, OPENER_STALE, -r, "the definition cannot be read: %s",
                                  strerror(-r));
        else if (found->problem)
                r = opener_refuse(reply, OPENER_STALE, 0, "%s", found->problem);
        else if (!streq(found->hash, current->hash))
                r = opener_refuse(reply, OPENER_STALE, 0, "the definition was changed");
        if (r != 0) {
                stamps_deinit(&current->stamps);
                return r;
        }

        definition_free(current->definition);
        current->definition = TAKE_PTR(found);
        return 0;
}
