/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/capability.h>
#include <net/if.h>

#include "policy/boolean.h"
#include "policy/definition-internal.h"
#include "policy/strv.h"

/* What every tap is opened by, whatever it is called. */
#define TUN_NODE "/dev/net/tun"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* Less than the kernel takes: such names are written into the command lines of other tools. */
static const char *find_name_fault(const char *name, const char *characters) {
        if (strlen(name) >= IFNAMSIZ)
                return "the name of an interface has 15 characters at most";
        if (streq(name, ".") || streq(name, "..") || name[0] == '-')
                return "no interface is called that";
        if (name[strspn(name, characters)])
                return "the name of an interface is of [A-Za-z0-9._-] here";
        return NULL;
}

/* The kernel finds a free number by reading the names that there are: with other digits right
 * behind it, it would take them for a part of it, and find no second one. */
static bool continues_number(const char *rest) {
        return (*rest >= '0' && *rest <= '9') || strncmp(rest, "%i", 2) == 0;
}

static const char *find_pattern_fault(const char *name, bool template) {
        unsigned numbers = 0, instances = 0;

        for (const char *c = strchr(name, '%'); c; c = strchr(c + 2, '%')) {
                if (c[1] != 'd' && c[1] != 'i')
                        return "% is followed by neither d (a number that the kernel finds) nor i "
                               "(the instance)";
                if (c[1] == 'd' && continues_number(c + 2))
                        return "%d, a number, is not followed at once by a digit, nor by %i, which "
                               "can begin with one";
                numbers += c[1] == 'd';
                instances += c[1] == 'i';
        }

        if (numbers > 1 || instances > 1)
                return "there is room for one number and one instance in it";
        if (template && instances == 0)
                return "in a template it has to hold %i, the instance";
        if (!template && instances > 0)
                return "%i has a meaning only in a template, NAME@.conf";
        return find_name_fault(name, NAME_CHARACTERS "%");
}

int builder_take_tap(DefinitionBuilder *builder, const char *value) {
        Level *level = &builder->levels[ACCESS_FULL];
        Target *target = &builder->definition->targets[ACCESS_FULL];
        const char *fault =
                *value ? find_pattern_fault(value, builder->definition->template) : NULL;
        int r;

        if (fault)
                return builder_refuse(builder, "Tap= cannot be %s: %s", value, fault);
        if (*value && level->connect_kind && level->connect_kind != KIND_TAP)
                return builder_refuse(builder, "Tap= stands beside another way in: one access has "
                                               "one kind of socket, or a file, or a tap");

        r = definition_replace(&target->tap, value);
        if (r < 0)
                return r;
        builder_clear_level(builder);
        if (!*value)
                return 0;

        level->connect_kind = KIND_TAP;
        return strv_push(&target->paths, TUN_NODE);
}

int builder_take_bridge(DefinitionBuilder *builder, const char *value) {
        const char *fault = *value ? find_name_fault(value, NAME_CHARACTERS) : NULL;

        if (fault)
                return builder_refuse(builder, "Bridge= cannot be %s: %s", value, fault);
        return definition_replace(&builder->definition->targets[ACCESS_FULL].bridge, value);
}

int builder_take_vnet_header(DefinitionBuilder *builder, const char *value) {
        int yes = *value ? boolean_parse(value) : 1;

        if (yes < 0)
                return builder_refuse(builder, "VNetHeader= is yes or no, not %s", value);

        builder->levels[ACCESS_FULL].no_header = !yes;
        return 0;
}

int builder_finish_tap(DefinitionBuilder *builder) {
        Definition *d = builder->definition;
        Target *target = &d->targets[ACCESS_FULL];
        bool makes = d->capabilities & (UINT64_C(1) << CAP_NET_ADMIN);

        target->vnet_header = !builder->levels[ACCESS_FULL].no_header;
        if (d->connect_as == CONNECT_AS_CLIENT)
                return DEFINITION_REFUSE(d, "[Full] Tap= is opened by the opener itself: "
                                            "ConnectAs=client has nothing to connect to");
        if (!makes && strstr(target->tap, "%d"))
                return DEFINITION_REFUSE(d, "[Full] Tap= with %%d makes an interface, which needs "
                                            "[Connect] Capabilities=CAP_NET_ADMIN; without it "
                                            "Tap= names one that is there");
        if (!makes && target->bridge)
                return DEFINITION_REFUSE(d, "[Full] Bridge= changes a bridge, which needs "
                                            "[Connect] Capabilities=CAP_NET_ADMIN; without it the "
                                            "interface of Tap= is put into one beforehand");
        return 0;
}
