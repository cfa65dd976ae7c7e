/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <cap-ng.h>
#include <ctype.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/userfile.h"
#include "helpers/dropin.h"
#include "helpers/opener-server.h"
#include "policy/strv.h"

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.:=@+-"

typedef struct Dropin {
        const Definition *definition;
        const char *passwd, *group;
        char **notes;
        FILE *stream;
} Dropin;

/* At most every character is two, and there are the quotes and the NUL. */
int dropin_quote(const char *word, char **ret) {
        bool quoted = word[strspn(word, PLAIN "%")];
        size_t size = strlen(word) * 2 + 3, n = 0;
        char *text;

        if (!*word)
                return -EINVAL;
        for (const char *c = word; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        return -EINVAL;

        text = malloc(size);
        if (!text)
                return -ENOMEM;

        if (quoted)
                text[n++] = '"';
        for (const char *c = word; *c; c++) {
                if (*c == '%')
                        text[n++] = '%';
                else if (*c == '"' || *c == '\\')
                        text[n++] = '\\';
                text[n++] = *c;
        }
        if (quoted)
                text[n++] = '"';
        text[n] = '\0';

        *ret = text;
        return 0;
}

static const Target *provided(const Definition *definition, Access access) {
        const Target *target = &definition->targets[access];

        return target->provided ? target : NULL;
}

static bool is_below(const char *path, const char *folder) {
        size_t n = strlen(folder);

        return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* Whether one of the paths that are opened is of this sort. */
static bool any_path(const Definition *definition,
                     bool (*match)(const Target *target, Access access, const char *path)) {
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++) {
                const Target *target = provided(definition, access);

                for (char **path = target ? target->paths : NULL; path && *path; path++)
                        if (match(target, access, *path))
                                return true;
        }

        return false;
}

static bool has_capability(const Definition *definition, int capability) {
        return definition->capabilities & (UINT64_C(1) << capability);
}

static bool is_device(const Target *target, Access access, const char *path) {
        return target->kind == KIND_DEVICE;
}

static bool is_tap(const Target *target, Access access, const char *path) {
        return target->kind == KIND_TAP;
}

static bool is_in_dev(const Target *target, Access access, const char *path) {
        return is_below(path, "/dev");
}

static bool is_in_proc(const Target *target, Access access, const char *path) {
        return is_below(path, "/proc");
}

static bool is_kernel_log(const Target *target, Access access, const char *path) {
        return streq(path, "/dev/kmsg") || streq(path, "/proc/kmsg");
}

static bool is_module(const Target *target, Access access, const char *path) {
        return is_below(path, "/usr/lib/modules") || is_below(path, "/lib/modules");
}

static bool is_in_home(const Target *target, Access access, const char *path) {
        return is_below(path, "/home") || is_below(path, "/root") || is_below(path, "/run/user");
}

static bool is_in_tmp(const Target *target, Access access, const char *path) {
        return is_below(path, "/tmp") || is_below(path, "/var/tmp");
}

static bool is_abstract(const Target *target, Access access, const char *path) {
        return path[0] == '@';
}

/* A mount that is read-only hinders writing to regular files, and to nothing else. */
static bool is_written(const Target *target, Access access, const char *path) {
        return access == ACCESS_FULL && target->kind == KIND_FILE;
}

static bool is_tunable(const Target *target, Access access, const char *path) {
        return (is_written(target, access, path) &&
                (is_below(path, "/proc") || is_below(path, "/sys"))) ||
               streq(path, "/proc/kallsyms") || streq(path, "/proc/kcore");
}

static bool is_cgroup(const Target *target, Access access, const char *path) {
        return is_written(target, access, path) && is_below(path, "/sys/fs/cgroup");
}

/* The driver of a device is looked up in /proc/devices. */
static bool needs_proc(const Definition *definition) {
        return any_path(definition, is_device) || any_path(definition, is_in_proc);
}

static bool needs_devices(const Definition *definition) {
        return any_path(definition, is_in_dev) || has_capability(definition, CAP_MKNOD) ||
               has_capability(definition, CAP_SYS_RAWIO);
}

static bool needs_kernel_log(const Definition *definition) {
        return any_path(definition, is_kernel_log) || has_capability(definition, CAP_SYSLOG);
}

static bool needs_modules(const Definition *definition) {
        return any_path(definition, is_module) || has_capability(definition, CAP_SYS_MODULE);
}

static bool needs_clock(const Definition *definition) {
        return has_capability(definition, CAP_SYS_TIME) ||
               has_capability(definition, CAP_WAKE_ALARM);
}

static bool needs_tunables(const Definition *definition) {
        return any_path(definition, is_tunable);
}

static bool needs_cgroups(const Definition *definition) {
        return any_path(definition, is_cgroup);
}

static bool needs_home(const Definition *definition) {
        return any_path(definition, is_in_home);
}

static bool needs_tmp(const Definition *definition) {
        return any_path(definition, is_in_tmp);
}

static bool needs_network(const Definition *definition) {
        return any_path(definition, is_abstract) || any_path(definition, is_tap);
}

/* The lines of the sandbox that a definition can be at odds with. */
static const struct Relaxation {
        const char *line;
        bool (*is_needed)(const Definition *definition);
} relaxations[] = {
        {"PrivateDevices=no", needs_devices},
        {"PrivateNetwork=no", needs_network},
        {"PrivateTmp=no", needs_tmp},
        {"ProcSubset=all", needs_proc},
        {"ProtectClock=no", needs_clock},
        {"ProtectControlGroups=no", needs_cgroups},
        {"ProtectHome=read-only", needs_home},
        {"ProtectKernelLogs=no", needs_kernel_log},
        {"ProtectKernelModules=no", needs_modules},
        {"ProtectKernelTunables=no", needs_tunables},
};

static int note(Dropin *dropin, const char *what, const char *name, int r) {
        if (r == -ENOMEM)
                return r;
        return strv_push_consume(
                &dropin->notes,
                strv_format("endpoint %s: %s %s is left out: %s", dropin->definition->name, what,
                            name, r == -ENOENT ? "it does not exist here" : strerrordesc_np(-r)));
}

/* Whether the user of ConnectAs= is there and can be one: 1, or 0 after a note. */
static int find_user(Dropin *dropin) {
        const char *user = dropin->definition->connect_user;
        uid_t uid;
        int r;

        if (dropin->definition->connect_as != CONNECT_AS_USER)
                return 1;

        r = userfile_get_uid(dropin->passwd, user, &uid);
        if (r == 0 && uid == 0)
                r = -EPERM;
        if (r == 0)
                return 1;
        return note(dropin, "user", user, r);
}

static int put_groups(Dropin *dropin) {
        const char *separator = "SupplementaryGroups=";

        for (char **group = dropin->definition->groups; group && *group; group++) {
                gid_t gid;
                int r;

                r = userfile_get_gid(dropin->group, *group, &gid);
                if (r < 0) {
                        r = note(dropin, "group", *group, r);
                        if (r < 0)
                                return r;
                        continue;
                }
                fprintf(dropin->stream, "%s%s", separator, *group);
                separator = " ";
        }

        if (*separator == ' ')
                fputc('\n', dropin->stream);
        return 0;
}

/* In systemd's spelling: CAP_SYSLOG. */
static void put_capability_names(FILE *stream, uint64_t capabilities) {
        const char *separator = "";

        for (unsigned i = 0; i < 64; i++) {
                const char *name;

                if (!(capabilities & (UINT64_C(1) << i)))
                        continue;
                name = capng_capability_to_name(i);
                fprintf(stream, "%sCAP_", separator);
                for (; name && *name; name++)
                        fputc(toupper((unsigned char)*name), stream);
                separator = " ";
        }
        fputc('\n', stream);
}

static void put_capabilities(Dropin *dropin) {
        uint64_t capabilities = definition_powers(dropin->definition);

        if (capabilities == 0)
                return;

        fputs("CapabilityBoundingSet=", dropin->stream);
        put_capability_names(dropin->stream, capabilities);
        fputs("AmbientCapabilities=", dropin->stream);
        put_capability_names(dropin->stream, capabilities);
}

/* A key, the quoted path, and something behind it. */
static int put_path(Dropin *dropin, const char *key, const char *path, const char *suffix) {
        _cleanup_free_ char *quoted = NULL;
        int r = dropin_quote(path, &quoted);

        if (r == 0)
                fprintf(dropin->stream, "%s=%s%s\n", key, quoted, suffix);
        return r;
}

/* A node that is known by its path is allowed by it, which is narrower than by its driver. A
 * template's is only known by its driver. */
static bool is_fixed_node(const Definition *definition, const char *path) {
        return !definition->template && is_below(path, "/dev");
}

static int put_node(Dropin *dropin, const char *path, const char *permissions) {
        _cleanup_free_ char *expanded = NULL;
        int r = definition_expand(path, "", &expanded);

        return r < 0 ? r : put_path(dropin, "DeviceAllow", expanded, permissions);
}

/* One level's devices. Sets *ret_classes if the drivers' are needed. */
static int put_nodes(Dropin *dropin, Access access, bool *ret_classes) {
        const Definition *d = dropin->definition;
        const Target *target = provided(d, access), *full = provided(d, ACCESS_FULL);

        if (target && target->kind == KIND_TAP)
                return put_node(dropin, target->paths[0], " rw");
        if (!target || target->kind != KIND_DEVICE)
                return 0;

        for (char **path = target->paths; *path; path++) {
                int r = 0;

                if (!is_fixed_node(d, *path))
                        *ret_classes = true;
                else if (access == ACCESS_FULL)
                        r = put_node(dropin, *path, " rw");
                else if (!full || full->kind != KIND_DEVICE || !strv_contains(full->paths, *path))
                        r = put_node(dropin, *path, " r");
                if (r < 0)
                        return r;
        }

        return 0;
}

static void put_classes(Dropin *dropin) {
        const Target *full = provided(dropin->definition, ACCESS_FULL);
        bool writes = full && full->kind == KIND_DEVICE;

        for (const DeviceClass *device = dropin->definition->devices; device && device->driver;
             device++)
                fprintf(dropin->stream, "DeviceAllow=%s-%s %s\n",
                        S_ISBLK(device->type) ? "block" : "char", device->driver,
                        writes ? "rw" : "r");
}

static int put_devices(Dropin *dropin) {
        bool classes = false;

        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++) {
                int r = put_nodes(dropin, access, &classes);

                if (r < 0)
                        return r;
        }

        if (classes)
                put_classes(dropin);
        return 0;
}

/* A file of a template is any of its folder's: the folder before the first part with %i. */
static int expand_writable(const Definition *definition, const char *path, char **ret) {
        _cleanup_free_ char *prefix = NULL;
        const char *instance = definition_find_instance(path);

        if (!definition->template || !instance)
                return definition_expand(path, "", ret);

        prefix = strndup(path, (size_t)(instance - path));
        if (!prefix)
                return -ENOMEM;
        *strrchr(prefix, '/') = '\0';
        return definition_expand(prefix, "", ret);
}

/* The kernel's own file systems are not made read-only by ProtectSystem=. A file that is not there
 * must not keep the unit from starting: hence the hyphen. */
static int put_writable(Dropin *dropin) {
        const Definition *d = dropin->definition;
        const Target *full = provided(d, ACCESS_FULL);

        if (!full || full->kind != KIND_FILE)
                return 0;

        for (char **path = full->paths; *path; path++) {
                _cleanup_free_ char *expanded = NULL, *marked = NULL;
                int r;

                if (is_below(*path, "/dev") || is_below(*path, "/proc") || is_below(*path, "/sys"))
                        continue;
                r = expand_writable(d, *path, &expanded);
                if (r < 0)
                        return r;
                marked = strv_format("-%s", expanded);
                if (!marked)
                        return -ENOMEM;
                r = put_path(dropin, "ReadWritePaths", marked, "");
                if (r < 0)
                        return r;
        }

        return 0;
}

/* To become the client, once and for good, in a process for each request: the two calls that take a
 * uid and give up capabilities, which nobody else's opener has. A place is another's as soon as its
 * process has closed its descriptors; until that counts no longer, there is one more. */
static void put_workers(Dropin *dropin) {
        if (dropin->definition->connect_as == CONNECT_AS_CLIENT)
                fprintf(dropin->stream,
                        "TasksMax=%u\nSystemCallFilter=setresuid setresuid32 capset\n",
                        1U + 2 * OPENER_TASKS_MAX);
}

static int put_powers(Dropin *dropin) {
        const Definition *d = dropin->definition;
        int r;

        if (d->connect_as == CONNECT_AS_USER)
                fprintf(dropin->stream, "User=%s\n", d->connect_user);
        r = put_groups(dropin);
        if (r < 0)
                return r;
        put_capabilities(dropin);
        put_workers(dropin);
        r = put_devices(dropin);
        if (r < 0)
                return r;
        r = put_writable(dropin);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(relaxations); i++)
                if (relaxations[i].is_needed(d))
                        fprintf(dropin->stream, "%s\n", relaxations[i].line);
        return 0;
}

/* SourcePath= takes the rest of the line as it is, except for specifiers. */
static int put_head(Dropin *dropin) {
        const Definition *d = dropin->definition;

        fprintf(dropin->stream, "# Written by doorward-generator, from the definition of %s%s.\n",
                d->name, d->template ? "@" : "");
        if (d->files && d->files[0][strspn(d->files[0], PLAIN)] == '\0')
                fprintf(dropin->stream, "\n[Unit]\nSourcePath=%s\n", d->files[0]);
        fprintf(dropin->stream, "\n[Service]\nEnvironment=DOORWARD_DEFINITION=%s\n", d->hash);
        return 0;
}

static int put_all(Dropin *dropin) {
        int r;

        if (dropin->definition->problem)
                return -EINVAL;

        r = put_head(dropin);
        if (r == 0)
                r = find_user(dropin);
        if (r > 0)
                r = put_powers(dropin);
        return r;
}

int dropin_format(const Definition *definition, const char *passwd, const char *group,
                  char ***ret_notes, char **ret) {
        Dropin dropin = {.definition = definition, .passwd = passwd, .group = group};
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        dropin.stream = open_memstream(&text, &size);
        if (!dropin.stream)
                return -ENOMEM;

        r = put_all(&dropin);
        if (ferror(dropin.stream))
                r = -ENOMEM;
        if (fclose(dropin.stream) != 0)
                r = -ENOMEM;
        if (r < 0) {
                strv_free(dropin.notes);
                return r;
        }

        *ret_notes = dropin.notes;
        *ret = TAKE_PTR(text);
        return 0;
}
