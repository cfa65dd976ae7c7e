/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "policy/catalogue.h"
#include "policy/definition-internal.h"
#include "policy/strv.h"
#include "policy/trusted.h"

#define SUFFIX ".conf"
/* A warning that says that an earlier definition is still in force begins so. */
#define KEPT "not in force: "

/* "docker" of "docker.conf", if that is what the file is called: 0; else -EINVAL. */
static int parse_file_name(const char *file, char name[NAME_ENDPOINT_MAX + 2]) {
        size_t n = strlen(file), n_endpoint;
        char endpoint[NAME_ENDPOINT_MAX + 2];

        if (n <= strlen(SUFFIX) || !streq(file + n - strlen(SUFFIX), SUFFIX))
                return -EINVAL;
        n -= strlen(SUFFIX);
        if (n >= sizeof(endpoint))
                return -EINVAL;

        memcpy(name, file, n);
        name[n] = '\0';
        n_endpoint = name[n - 1] == '@' ? n - 1 : n;
        memcpy(endpoint, name, n_endpoint);
        endpoint[n_endpoint] = '\0';
        return name_is_valid_endpoint(endpoint) ? 0 : -EINVAL;
}

static bool is_meant_as_definition(const char *file) {
        size_t n = strlen(file);

        return file[0] != '.' && n > strlen(SUFFIX) && streq(file + n - strlen(SUFFIX), SUFFIX);
}

static int take_file(Catalogue *catalogue, const char *folder, const char *file, char ***names) {
        char name[NAME_ENDPOINT_MAX + 2];

        if (parse_file_name(file, name) == 0)
                return strv_contains(*names, name) ? 0 : strv_push(names, name);
        if (!is_meant_as_definition(file) || !inifile_is_plain_text(file, strlen(file)))
                return 0;

        return strv_push_consume(&catalogue->warnings,
                                 strv_format("%s/%s is ignored: an endpoint's file is called "
                                             "NAME.conf or NAME@.conf, where NAME is "
                                             "[a-z0-9][a-z0-9-]{0,47} and does not begin with ro-",
                                             folder, file));
}

static int list_entries(Catalogue *catalogue, const char *folder, DIR *dir, char ***names) {
        for (;;) {
                const struct dirent *entry;
                int r;

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                r = take_file(catalogue, folder, entry->d_name, names);
                if (r < 0)
                        return r;
        }
}

/* Adds the names of the definitions of one folder, also of one that is refused: they are then
 * loaded with that for a problem. */
static int list_folder(Catalogue *catalogue, const char *folder, uid_t owner, char ***names) {
        _cleanup_free_ char *reason = NULL;
        int fd = -EBADF, r;
        DIR *dir;

        r = trusted_open_folder(folder, owner, &fd, &reason);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (r == TRUSTED_E_REFUSED) {
                r = strv_push_consume(&catalogue->warnings, TAKE_PTR(reason));
                if (r < 0 || fd < 0) {
                        close_fd(fd);
                        return r;
                }
        }

        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                close_fd(fd);
                return r;
        }

        r = list_entries(catalogue, folder, dir, names);
        (void)closedir(dir);
        return r;
}

static int push_definition_consume(Catalogue *catalogue, Definition *definition) {
        _cleanup_(definition_freep) Definition *owned = definition;
        Definition **grown;

        grown = reallocarray(catalogue->definitions, catalogue->n_definitions + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;

        catalogue->definitions = grown;
        catalogue->definitions[catalogue->n_definitions++] = TAKE_PTR(owned);
        return 0;
}

/* By name, and the endpoint before the template that is called as it is. */
static int compare(const void *a, const void *b) {
        const Definition *x = *(Definition *const *)a, *y = *(Definition *const *)b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (int)x->template - (int)y->template;
}

/* Both would be served by one opener, and their actions would have the same ids. */
static int refuse_clashes(Catalogue *catalogue) {
        for (size_t i = 1; i < catalogue->n_definitions; i++) {
                const Definition *first = catalogue->definitions[i - 1];
                Definition *second = catalogue->definitions[i];
                int r;

                if (!streq(first->name, second->name))
                        continue;
                r = definition_refuse_consume(
                        second, strv_format("%s@.conf and %s.conf would share their opener and "
                                            "their actions: give one of them another name",
                                            second->name, first->name));
                if (r < 0)
                        return r;
        }

        return 0;
}

static Definition **find_earlier(const Catalogue *earlier, const Definition *definition) {
        for (size_t i = 0; i < earlier->n_definitions; i++) {
                Definition **candidate = &earlier->definitions[i];

                if (*candidate && compare(candidate, &definition) == 0)
                        return candidate;
        }

        return NULL;
}

static bool is_clash(const Catalogue *catalogue, size_t i) {
        return i > 0 && streq(catalogue->definitions[i]->name, catalogue->definitions[i - 1]->name);
}

/* Says in an earlier definition why the newer one does not replace it. Once: of what was said so
 * before only the last is of interest. */
static int note_problem(Definition *earlier, const char *problem) {
        char **to = earlier->warnings;

        for (char **from = earlier->warnings; from && *from; from++)
                if (strncmp(*from, KEPT, strlen(KEPT)) == 0)
                        free(*from);
                else
                        *to++ = *from;
        if (to)
                *to = NULL;

        return strv_push_consume(&earlier->warnings, strv_format(KEPT "%s", problem));
}

/* Puts back what was good before and is wrong now. Everything that can fail is done before the
 * first one is moved. */
static int keep_earlier(Catalogue *catalogue, Catalogue *earlier) {
        size_t n = 0;

        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                const Definition *d = catalogue->definitions[i];
                Definition **kept = d->problem ? find_earlier(earlier, d) : NULL;
                int r;

                if (!kept || (*kept)->problem || is_clash(catalogue, i))
                        continue;
                r = note_problem(*kept, d->problem);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                Definition **d = &catalogue->definitions[i];
                Definition **kept = (*d)->problem ? find_earlier(earlier, *d) : NULL;

                if (!kept || (*kept)->problem || is_clash(catalogue, i))
                        continue;
                definition_free(*d);
                *d = TAKE_PTR(*kept);
        }

        for (size_t i = 0; i < earlier->n_definitions; i++)
                if (earlier->definitions[i])
                        earlier->definitions[n++] = earlier->definitions[i];
        earlier->n_definitions = n;
        return 0;
}

static int load_all(Catalogue *catalogue, char *const *folders, uid_t owner, char *const *names) {
        for (; names && *names; names++) {
                Definition *definition;
                int r;

                r = definition_load_trusting(folders, owner, *names, &definition);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                r = push_definition_consume(catalogue, definition);
                if (r < 0)
                        return r;
        }

        if (catalogue->n_definitions > 0)
                qsort(catalogue->definitions, catalogue->n_definitions,
                      sizeof(*catalogue->definitions), compare);
        return 0;
}

int catalogue_load_trusting(char *const *folders, uid_t owner, Catalogue *earlier,
                            Catalogue **ret) {
        _cleanup_(catalogue_freep) Catalogue *catalogue = calloc(1, sizeof(*catalogue));
        _cleanup_(strv_freep) char **names = NULL;
        int r = catalogue ? 0 : -ENOMEM;

        for (char *const *folder = folders; r == 0 && *folder; folder++)
                r = list_folder(catalogue, *folder, owner, &names);
        if (r == 0)
                r = load_all(catalogue, folders, owner, names);
        if (r == 0)
                r = refuse_clashes(catalogue);
        if (r == 0 && earlier)
                r = keep_earlier(catalogue, earlier);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(catalogue);
        return 0;
}

int catalogue_load(char *const *folders, Catalogue *earlier, Catalogue **ret) {
        return catalogue_load_trusting(folders, 0, earlier, ret);
}

Catalogue *catalogue_free(Catalogue *catalogue) {
        if (!catalogue)
                return NULL;

        for (size_t i = 0; i < catalogue->n_definitions; i++)
                definition_free(catalogue->definitions[i]);
        free(catalogue->definitions);
        strv_free(catalogue->warnings);
        free(catalogue);
        return NULL;
}

const Definition *catalogue_find(const Catalogue *catalogue, const Name *name) {
        bool template = name->instance[0] != '\0';

        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                const Definition *d = catalogue->definitions[i];

                if (d->template == template && streq(d->name, name->endpoint))
                        return d;
        }

        return NULL;
}

bool catalogue_has(const Catalogue *catalogue, const Name *name) {
        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                const Definition *d = catalogue->definitions[i];

                if (!streq(d->name, name->endpoint))
                        continue;
                if (!name->instance[0] ||
                    (d->template && (d->problem || definition_has_instance(d, name->instance))))
                        return true;
        }

        return false;
}
