/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "helpers/opener-definition.h"
#include "helpers/opener-refusal.h"

/* On the way to the folders of definitions, all told: the usual are fourteen. */
#define FOLDERS_MAX 64

/* A folder on the way to those that hold definitions, after the ones that hold it. */
typedef struct OpenerFolder {
        char *path;
        size_t parent; /* its number; the root is its own */
        bool ends;     /* it holds definitions */
} OpenerFolder;

static size_t find_folder(const OpenerDefinition *current, const char *path, size_t n) {
        size_t i = 0;

        while (i < current->n_on_the_way && (strlen(current->on_the_way[i].path) != n ||
                                             memcmp(current->on_the_way[i].path, path, n) != 0))
                i++;
        return i;
}

/* Adds what is not there yet of the first n characters of path. */
static int add_folder(OpenerDefinition *current, const char *path, size_t n, size_t *parent) {
        size_t i = find_folder(current, path, n);

        if (i == current->n_on_the_way) {
                OpenerFolder *grown = reallocarray(current->on_the_way, i + 1, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                current->on_the_way = grown;
                grown[i] = (OpenerFolder){.path = strndup(path, n), .parent = *parent};
                if (!grown[i].path)
                        return -ENOMEM;
                current->n_on_the_way++;
        }

        *parent = i;
        return 0;
}

static int add_folders(OpenerDefinition *current, const char *path) {
        size_t parent = 0;
        int r;

        r = add_folder(current, "/", 1, &parent);
        for (const char *end = path + strcspn(path + 1, "/") + 1; r == 0;
             end += strcspn(end + 1, "/") + 1) {
                r = add_folder(current, path, (size_t)(end - path), &parent);
                if (r == 0 && !*end) {
                        current->on_the_way[parent].ends = true;
                        break;
                }
        }

        return r;
}

int opener_definition_init(OpenerDefinition *current, const char *root, uid_t owner,
                           const char *name, const char *hash) {
        int r;

        *current = (OpenerDefinition){.name = name, .hash = hash, .owner = owner};

        r = definition_folders(root, &current->folders);
        for (char **folder = current->folders; r == 0 && *folder; folder++)
                r = add_folders(current, *folder);
        return r;
}

void opener_definition_deinit(OpenerDefinition *current) {
        definition_free(current->definition);
        strv_free(current->folders);
        for (size_t i = 0; i < current->n_on_the_way; i++)
                free(current->on_the_way[i].path);
        free(current->on_the_way);
        *current = (OpenerDefinition){};
}

/* Unchanged. */

typedef enum Finding {
        FINDING_ABSENT,
        FINDING_PRESENT,
        FINDING_DOUBTFUL, /* what only definition_load() can judge */
} Finding;

static Finding find(const char *path, struct stat *ret) {
        if (lstat(path, ret) == 0)
                return FINDING_PRESENT;
        return errno == ENOENT ? FINDING_ABSENT : FINDING_DOUBTFUL;
}

static bool is_owned(const OpenerDefinition *current, const struct stat *st) {
        return st->st_uid == 0 || st->st_uid == current->owner;
}

/* A real folder, whose it should be. */
static Finding judge_folder(const OpenerDefinition *current, const OpenerFolder *folder) {
        mode_t readable = S_IROTH | S_IXOTH;
        struct stat st;
        Finding finding;

        finding = find(folder->path, &st);
        if (finding != FINDING_PRESENT)
                return finding;
        if (!S_ISDIR(st.st_mode) || !is_owned(current, &st))
                return FINDING_DOUBTFUL;
        if ((st.st_mode & (S_IWGRP | S_IWOTH)) && (folder->ends || !(st.st_mode & S_ISVTX)))
                return FINDING_DOUBTFUL;
        if (folder->ends && (st.st_mode & readable) != readable)
                return FINDING_DOUBTFUL;

        return FINDING_PRESENT;
}

/* A file that counts, and holds these bytes and no more. */
static bool file_holds(const OpenerDefinition *current, const char *path, const char *bytes) {
        _cleanup_close_ int fd = -EBADF;
        size_t size = strlen(bytes);
        char buf[4096];
        struct stat st;

        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return false;
        if (!S_ISREG(st.st_mode) || !is_owned(current, &st) || (st.st_mode & (S_IWGRP | S_IWOTH)) ||
            !(st.st_mode & S_IROTH))
                return false;

        return size < sizeof(buf) && read(fd, buf, size + 1) == (ssize_t)size &&
               memcmp(buf, bytes, size) == 0;
}

static Finding find_file(const OpenerDefinition *current, const char *folder, const char *suffix,
                         char path[PATH_MAX]) {
        struct stat st;

        if (snprintf(path, PATH_MAX, "%s/%s%s", folder, current->name, suffix) >= PATH_MAX)
                return FINDING_DOUBTFUL;
        return find(path, &st);
}

/* The text of a definition of one file is a line that names it, and what it holds. */
static bool is_same_file(const OpenerDefinition *current, const char *path) {
        const Definition *definition = current->definition;
        const char *end = strchr(definition->text, '\n');

        return end && streq(path, definition->files[0]) && file_holds(current, path, end + 1);
}

/* Looks into one folder. *found is whether an earlier one had the file, or this one has. */
static bool folder_is_unchanged(const OpenerDefinition *current, const char *folder, bool *found) {
        bool template = current->definition->template;
        char path[PATH_MAX];
        Finding finding;

        /* A template answers only where there is no endpoint of the plain name. */
        if (find_file(current, folder, ".conf.d", path) != FINDING_ABSENT ||
            (template && (find_file(current, folder, "@.conf.d", path) != FINDING_ABSENT ||
                          find_file(current, folder, ".conf", path) != FINDING_ABSENT)))
                return false;
        if (*found)
                return true;

        finding = find_file(current, folder, template ? "@.conf" : ".conf", path);
        if (finding != FINDING_PRESENT)
                return finding == FINDING_ABSENT;
        *found = true;
        return is_same_file(current, path);
}

bool opener_definition_is_unchanged(const OpenerDefinition *current) {
        const Definition *definition = current->definition;
        Finding findings[FOLDERS_MAX];
        bool found = false;

        if (!definition || !definition->files || !definition->files[0] || definition->files[1] ||
            current->n_on_the_way > FOLDERS_MAX)
                return false;

        for (size_t i = 0; i < current->n_on_the_way; i++) {
                const OpenerFolder *folder = &current->on_the_way[i];

                findings[i] = i > 0 && findings[folder->parent] == FINDING_ABSENT
                                      ? FINDING_ABSENT
                                      : judge_folder(current, folder);
                if (findings[i] == FINDING_DOUBTFUL)
                        return false;
                if (findings[i] == FINDING_PRESENT && folder->ends &&
                    !folder_is_unchanged(current, folder->path, &found))
                        return false;
        }

        return found;
}

/* Refresh. */

int opener_definition_refresh(OpenerDefinition *current, OpenerReply *reply) {
        _cleanup_(definition_freep) Definition *found = NULL;
        int r;

        if (opener_definition_is_unchanged(current))
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
