/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any text as a definition: what is said of it, and the unit that comes of it
 *
 * The first byte says whether it is a template, the rest is the file. Whatever the text is, the
 * answer has to keep the promises that openers, broker and generator rely on.
 */

#include <linux/capability.h>
#include <net/if.h>

#include "helpers/dropin.h"
#include "policy/action.h"
#include "policy/definition.h"
#include "policy/inifile.h"
#include "policy/strv.h"
#include "tests/fuzz/fuzz.h"

/* A plain path, whoever the instance is. */
static void check_path(const Definition *d, const char *path) {
        static const char *const instances[] = {"x", "...", "-", "a.b_C"};

        for (size_t i = 0; i < (d->template ? ELEMENTSOF(instances) : 1); i++) {
                _cleanup_free_ char *expanded = NULL;

                PROMISE(definition_expand(path, d->template ? instances[i] : "", &expanded) == 0);
                PROMISE(expanded[0] == '/' || expanded[0] == '@');
                if (expanded[0] == '@')
                        continue;
                PROMISE(!strstr(expanded, "//"));
                PROMISE(!strstr(expanded, "/./") && !strstr(expanded, "/../"));
                PROMISE(expanded[strlen(expanded) - 1] != '/');
                PROMISE(inifile_is_plain_text(expanded, strlen(expanded)));
        }
}

/* A name that the kernel takes, whatever number it puts into it, and nothing that a shell would. */
static void check_tap(const Definition *d, const Target *target) {
        const char *names[] = {target->tap, target->bridge ?: "br0"};
        bool makes = d->capabilities & (UINT64_C(1) << CAP_NET_ADMIN);

        PROMISE(makes || (!target->bridge && !strstr(target->tap, "%d")));
        PROMISE(!d->template == !definition_find_instance(target->tap));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                PROMISE(*names[i] && strlen(names[i]) < IFNAMSIZ);
                PROMISE(!strpbrk(names[i], "/: \t\n;&|$'\"`\\*?<>()"));
        }
}

static void check_target(const Definition *d, Access access) {
        const Target *target = &d->targets[access];

        if (!target->provided)
                return;

        PROMISE(!d->problem);
        PROMISE(target->paths && target->paths[0]);
        PROMISE(target->kind > 0 && target->kind <= KIND_TAP);
        PROMISE(target->mode > 0 && target->mode < _LEASE_MODE_MAX);
        PROMISE(target->mode == LEASE_MODE_REVOCABLE || target->max_usec == 0);
        PROMISE(target->kind != KIND_DEVICE || d->devices);
        PROMISE((access == ACCESS_READ_ONLY) == (target->means > 0));
        PROMISE(target->kind <= KIND_SEQPACKET || target->mode != LEASE_MODE_REVOCABLE);
        if (target->kind == KIND_TAP)
                check_tap(d, target);
        else
                for (char **path = target->paths; *path; path++)
                        check_path(d, *path);
}

static void check_definition(const Definition *d) {
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                check_target(d, access);
        PROMISE(d->problem || d->targets[ACCESS_READ_ONLY].provided ||
                d->targets[ACCESS_FULL].provided);
        PROMISE(d->problem || d->connect_as != CONNECT_AS_CLIENT || d->capabilities == 0);
        PROMISE(d->problem || !d->template == !d->instances);
        PROMISE(d->problem || d->peer_any == !d->peer_user);
        PROMISE(!definition_has_instance(d, ".."));
        PROMISE(!definition_has_instance(d, "a/b"));
}

/* Of each line of a drop-in, one of these: nothing that a file says can begin another. */
static void check_line(const char *line, size_t n) {
        static const char *const beginnings[] = {
                "#",
                "[Unit]",
                "[Service]",
                "SourcePath=/f/",
                "Environment=DOORWARD_DEFINITION=",
                "User=",
                "SupplementaryGroups=",
                "CapabilityBoundingSet=CAP_",
                "AmbientCapabilities=CAP_",
                "DeviceAllow=",
                "ReadWritePaths=",
                "PrivateDevices=no",
                "PrivateNetwork=no",
                "PrivateTmp=no",
                "ProcSubset=all",
                "ProtectClock=no",
                "ProtectControlGroups=no",
                "ProtectHome=read-only",
                "ProtectKernelLogs=no",
                "ProtectKernelModules=no",
                "ProtectKernelTunables=no",
        };

        /* No continuation, no specifier. */
        PROMISE(n == 0 || line[n - 1] != '\\');
        for (size_t i = 0; i < n; i++)
                if (line[i] == '%')
                        PROMISE(line[++i] == '%');
        PROMISE(inifile_is_plain_text(line, n));
        if (n == 0)
                return;
        for (size_t i = 0; i < ELEMENTSOF(beginnings); i++)
                if (n >= strlen(beginnings[i]) &&
                    memcmp(line, beginnings[i], strlen(beginnings[i])) == 0)
                        return;
        PROMISE(!"a line of the drop-in is of no known sort");
}

static void check_dropin(const Definition *d) {
        _cleanup_(strv_freep) char **notes = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = dropin_format(d, "/etc/passwd", "/etc/group", &notes, &text);
        PROMISE((r == 0) == !d->problem);
        for (const char *line = text; line && *line;) {
                size_t n = strcspn(line, "\n");

                check_line(line, n);
                line += n;
                line += *line == '\n';
        }
}

static void check_actions(const Definition *d) {
        _cleanup_free_ char *text = NULL;
        unsigned n_actions = 0, n_tags = 0;
        int r;

        r = action_print(d, action_defaults(d, ACCESS_READ_ONLY), action_defaults(d, ACCESS_FULL),
                         &text);
        PROMISE((r == 0) == !d->problem);
        if (r < 0)
                return;

        for (const char *c = text; (c = strstr(c, "<action ")); c++)
                n_actions++;
        for (const char *c = text; (c = strchr(c, '<')); c++)
                n_tags++;
        /* Each action has 16 tags, and there are 6 around them all. */
        PROMISE(n_tags == 6 + 16 * n_actions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(definition_freep) Definition *d = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL;
        const char *name;

        if (size == 0)
                return 0;
        name = data[0] & 1 ? "n@" : "n";
        text = strndup((const char *)data + 1, size - 1);
        PROMISE(text);

        PROMISE(definition_parse(name, "/f/n.conf", text, &d) == 0);
        check_definition(d);
        check_dropin(d);
        check_actions(d);

        PROMISE(definition_parse(name, "/f/n.conf", text, &again) == 0);
        PROMISE(streq(d->hash, again->hash));
        PROMISE(!d->problem == !again->problem);
        return 0;
}
