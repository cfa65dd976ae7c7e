/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fnmatch.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config.h"
#include "policy/action.h"
#include "policy/definition-internal.h"
#include "policy/folders.h"
#include "policy/strv.h"

_Static_assert(DEFINITION_HASH_SIZE == INIFILE_HASH_SIZE, "the hash is the file's");
_Static_assert(DEFINITION_FOLDERS_MAX == FOLDERS_MAX, "the folders are the same as ever");

int definition_folders(const char *root, char ***ret) {
        return folders_list(root, "/endpoints.d", ret);
}

/* Whoever forgets to ask for the problem finds nothing to open. */
static void provide_nothing(Definition *definition) {
        for (size_t i = 0; i < _ACCESS_MAX; i++)
                definition->targets[i].provided = false;
}

int definition_refuse_consume(Definition *definition, char *text) {
        if (!text)
                return -ENOMEM;

        if (definition->problem)
                free(text);
        else
                definition->problem = text;
        provide_nothing(definition);
        return 0;
}

int definition_warn_consume(Definition *definition, char *text) {
        if (text && strv_length(definition->warnings) >= DEFINITION_WARNINGS_MAX) {
                free(text);
                return 0;
        }

        return strv_push_consume(&definition->warnings, text);
}

Definition *definition_free(Definition *definition) {
        if (!definition)
                return NULL;

        free(definition->name);
        free(definition->description);
        strv_free(definition->documentation);
        strv_free(definition->instances);
        for (DeviceClass *device = definition->devices; device && device->driver; device++)
                free(device->driver);
        free(definition->devices);
        for (size_t i = 0; i < _ACCESS_MAX; i++) {
                strv_free(definition->targets[i].paths);
                strv_free(definition->targets[i].exempt);
                free(definition->targets[i].tap);
                free(definition->targets[i].bridge);
        }
        strv_free(definition->groups);
        free(definition->connect_user);
        free(definition->peer_user);
        strv_free(definition->environment);
        free(definition->observe_group);
        free(definition->text);
        strv_free(definition->files);
        strv_free(definition->warnings);
        free(definition->problem);
        free(definition);
        return NULL;
}

/* An empty definition of a file's name: "docker", or "serial@" for a template. */
static int definition_new(const char *name, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        size_t n = strlen(name);
        bool template = n > 0 && name[n - 1] == '@';

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->name = strndup(name, template ? n - 1 : n);
        if (!d->name)
                return -ENOMEM;
        if (!name_is_valid_endpoint(d->name))
                return -EINVAL;

        d->template = template;
        d->connect_as = CONNECT_AS_SERVICE;
        *ret = TAKE_PTR(d);
        return 0;
}

/* Takes over what the files are, and what is wrong with them. */
static int take_files(Definition *d, Inifile *ini) {
        for (size_t i = 0; i < ini->n_parts; i++) {
                int r = strv_push(&d->files, ini->parts[i].path);

                if (r < 0)
                        return r;
        }

        inifile_hash(ini, d->hash);
        d->text = TAKE_PTR(ini->text);
        return ini->problem ? definition_refuse_consume(d, TAKE_PTR(ini->problem)) : 0;
}

/* What a file says is not even looked at if it may not be used: it is somebody else's. */
static int definition_build(const char *name, Inifile *ini, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        DefinitionBuilder builder = {};
        int r;

        r = definition_new(name, &d);
        if (r < 0)
                return r;
        builder.definition = d;

        if (!ini->problem) {
                r = inifile_parse(ini, builder_take_line, &builder);
                if (r < 0)
                        return r;
        }
        r = take_files(d, ini);
        if (r < 0)
                return r;
        if (!d->problem) {
                r = builder_finish(&builder);
                if (r < 0)
                        return r;
        }
        /* After a problem the checks go on, and must not bring anything back. */
        if (d->problem)
                provide_nothing(d);

        *ret = TAKE_PTR(d);
        return 0;
}

/* A site's own file under the name of one that was shipped: the shipped actions stay installed, and
 * what they allow without a password was meant for what the shipped file opens. */
static int warn_of_actions(Definition *d) {
        _cleanup_free_ char *shipped = NULL;
        const char *main_file = d->files ? d->files[0] : "";
        bool lenient = false;
        size_t n, n_shipped;

        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++) {
                const ActionDefaults *defaults = d->targets[access].provided
                                                         ? action_shipped_defaults(d->name, access)
                                                         : NULL;

                lenient = lenient || (defaults && streq(defaults->active, "yes"));
        }
        if (!lenient)
                return 0;

        shipped =
                strv_format(PACKAGE_DIR "/endpoints.d/%s%s.conf", d->name, d->template ? "@" : "");
        if (!shipped)
                return -ENOMEM;
        n = strlen(main_file);
        n_shipped = strlen(shipped);
        if (n >= n_shipped && streq(main_file + n - n_shipped, shipped))
                return 0;

        return definition_warn_consume(
                d, strv_format("%s: polkit's actions for the endpoint %s that doorward came with "
                               "hold for this file too, and ask active users for no password: see "
                               "that a rule of yours decides, or give it another name",
                               main_file, d->name));
}

int definition_load_trusting(char *const *folders, uid_t owner, const char *name,
                             Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(inifile_freep) Inifile *ini = NULL;
        int r;

        /* The name becomes part of paths, so it is judged before it does. */
        r = definition_new(name, &d);
        if (r < 0)
                return r;
        r = inifile_load(folders, name, owner, &ini);
        if (r < 0)
                return r;
        if (!ini->found)
                return -ENOENT;

        d = definition_free(d);
        r = definition_build(name, ini, &d);
        if (r < 0)
                return r;
        r = warn_of_actions(d);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

int definition_load(char *const *folders, const char *name, Definition **ret) {
        return definition_load_trusting(folders, 0, name, ret);
}

int definition_load_for_opener(char *const *folders, uid_t owner, const char *name,
                               Definition **ret) {
        char template[NAME_ENDPOINT_MAX + 2];
        int r;

        if (!name_is_valid_endpoint(name))
                return -EINVAL;

        r = definition_load_trusting(folders, owner, name, ret);
        if (r != -ENOENT)
                return r;
        (void)snprintf(template, sizeof(template), "%s@", name);
        return definition_load_trusting(folders, owner, template, ret);
}

int definition_parse(const char *name, const char *path, const char *text, Definition **ret) {
        _cleanup_(inifile_freep) Inifile *ini = NULL;
        int r;

        r = inifile_new(path, text, strlen(text), &ini);
        if (r < 0)
                return r;

        return definition_build(name, ini, ret);
}

/* Tools that are given the name of an interface take one that begins so for an option. */
static bool begins_tap_with_hyphen(const Definition *definition, const char *instance) {
        const char *tap = definition->targets[ACCESS_FULL].tap;

        return instance[0] == '-' && tap && strncmp(tap, "%i", 2) == 0;
}

bool definition_has_instance(const Definition *definition, const char *instance) {
        if (!definition->template)
                return !*instance;
        if (!name_is_valid_instance(instance) || begins_tap_with_hyphen(definition, instance))
                return false;

        for (char **pattern = definition->instances; pattern && *pattern; pattern++)
                if (fnmatch(*pattern, instance, FNM_NOESCAPE | FNM_PERIOD) == 0)
                        return true;
        return false;
}

const char *definition_connect_as(const Definition *definition) {
        switch (definition->connect_as) {
        case CONNECT_AS_CLIENT:
                return "client";
        case CONNECT_AS_USER:
                return definition->connect_user;
        case CONNECT_AS_SERVICE:
                break;
        }

        return "service";
}

uint64_t definition_powers(const Definition *definition) {
        return definition->connect_as == CONNECT_AS_CLIENT
                       ? definition->capabilities | (UINT64_C(1) << CAP_SETUID)
                       : definition->capabilities;
}

const char *definition_find_instance(const char *path) {
        const char *c = strchr(path, '%');

        while (c && c[1] != 'i')
                c = c[1] ? strchr(c + 2, '%') : NULL;
        return c;
}

int definition_expand(const char *path, const char *instance, char **ret) {
        size_t size = 1, n = 0, n_instance = strlen(instance);
        char *expanded;

        if (n_instance > 0 && !name_is_valid_instance(instance))
                return -EINVAL;

        for (const char *c = path; *c; c++)
                size += c[0] == '%' && c[1] == 'i' ? n_instance : 1;
        expanded = malloc(size);
        if (!expanded)
                return -ENOMEM;

        for (const char *c = path; *c; c++) {
                if (*c != '%') {
                        expanded[n++] = *c;
                        continue;
                }
                c++;
                if (*c == '%') {
                        expanded[n++] = '%';
                } else if (*c == 'i' && n_instance > 0) {
                        memcpy(expanded + n, instance, n_instance);
                        n += n_instance;
                } else {
                        free(expanded);
                        return -EINVAL;
                }
        }

        expanded[n] = '\0';
        *ret = expanded;
        return 0;
}
