/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/opener-definition.h"
#include "helpers/opener-refusal.h"

int opener_definition_init(OpenerDefinition *current, const char *root, uid_t owner,
                           const char *name, const char *hash) {
        *current = (OpenerDefinition){.name = name, .hash = hash, .owner = owner};

        return definition_folders(root, &current->folders);
}

void opener_definition_deinit(OpenerDefinition *current) {
        definition_free(current->definition);
        strv_free(current->folders);
        *current = (OpenerDefinition){};
}

int opener_definition_refresh(OpenerDefinition *current, OpenerReply *reply) {
        _cleanup_(definition_freep) Definition *found = NULL;
        int r;

        if (current->definition &&
            definition_is_current(current->definition, current->folders, current->owner))
                return 0;

        r = definition_load_for_opener(current->folders, current->owner, current->name, &found);
        if (r == -ENOENT)
                return opener_refuse(reply, OPENER_STALE, 0, "the definition is gone");
        if (r < 0)
                return opener_refuse(reply, OPENER_STALE, -r, "the definition cannot be read: %s",
                                     strerror(-r));
        if (found->problem)
                return opener_refuse(reply, OPENER_STALE, 0, "%s", found->problem);
        if (!streq(found->hash, current->hash))
                return opener_refuse(reply, OPENER_STALE, 0, "the definition was changed");

        definition_free(current->definition);
        current->definition = TAKE_PTR(found);
        return 0;
}
