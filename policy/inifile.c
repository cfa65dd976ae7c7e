/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <ini.h>
#include <sha256.h>
#include <stdio.h>

#include "policy/inifile-scan.h"
#include "policy/inifile.h"
#include "policy/strv.h"
#include "policy/trusted.h"

#define SUFFIX ".conf"

/* The first problem is the one that is told. Takes the text; NULL: no memory. */
static int inifile_problem_consume(Inifile *ini, char *text) {
        if (!text)
                return -ENOMEM;

        if (ini->problem)
                free(text);
        else
                ini->problem = text;
        return 0;
}

static int push_part_consume(Inifile *ini, char *path, char *text) {
        _cleanup_free_ char *owned_path = path, *owned_text = text;
        InifilePart *grown;

        if (!path || !text)
                return -ENOMEM;

        grown = reallocarray(ini->parts, ini->n_parts + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;

        ini->parts = grown;
        ini->parts[ini->n_parts++] = (InifilePart){
                .path = TAKE_PTR(owned_path),
                .text = TAKE_PTR(owned_text),
        };
        return 0;
}

/* A file that was read. A NUL in it would hide what follows from everything that takes a string, so
 * such a text is not kept at all. */
static int add_text_consume(Inifile *ini, const char *path, char *text, size_t size) {
        if (strlen(text) != size) {
                free(text);
                return inifile_problem_consume(ini, strv_format("%s holds a NUL character", path));
        }

        return push_part_consume(ini, strdup(path), text);
}

/* What became of a file. All but the first stand for those of its name in later folders. */
typedef enum Presence {
        PRESENCE_ABSENT,
        PRESENCE_MASKED,
        PRESENCE_REFUSED,
        PRESENCE_READ,
} Presence;

static int add_file(Inifile *ini, int folder_fd, const char *name, const char *path, uid_t owner,
                    Presence *ret) {
        _cleanup_free_ char *reason = NULL;
        char *text;
        size_t size;
        int r;

        r = trusted_read_file(folder_fd, name, path, owner, INIFILE_SIZE_MAX, &text, &size,
                              &reason);
        switch (r) {
        case -ENOENT:
                *ret = PRESENCE_ABSENT;
                return 0;
        case TRUSTED_E_MASKED:
                *ret = PRESENCE_MASKED;
                return 0;
        case TRUSTED_E_REFUSED:
                *ret = PRESENCE_REFUSED;
                return inifile_problem_consume(ini, TAKE_PTR(reason));
        case 0:
                *ret = PRESENCE_READ;
                return add_text_consume(ini, path, text, size);
        default:
                return r;
        }
}

/* A folder as it stands in the order of precedence. */
typedef struct Folder {
        const char *path;
        int fd; /* -EBADF if it is not there or cannot be read */
        char *dropins_path;
        int dropins_fd;
        char **dropins;
} Folder;

typedef struct Folders {
        Folder *folders;
        size_t n_folders;
} Folders;

static void folders_deinit(Folders *folders) {
        for (size_t i = 0; i < folders->n_folders; i++) {
                Folder *f = &folders->folders[i];

                close_fd(f->fd);
                close_fd(f->dropins_fd);
                free(f->dropins_path);
                strv_free(f->dropins);
        }
        free(folders->folders);
        *folders = (Folders){};
}

static bool has_suffix(const char *name) {
        size_t n = strlen(name);

        return n > strlen(SUFFIX) && streq(name + n - strlen(SUFFIX), SUFFIX);
}

/* The names of the drop-ins of one folder. */
static int list_dropins(Inifile *ini, Folder *folder) {
        DIR *dir;
        int r = 0, fd = fcntl(folder->dropins_fd, F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                close_fd(fd);
                return r;
        }

        while (r == 0) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        r = -errno;
                        break;
                }
                if (entry->d_name[0] == '.' || !has_suffix(entry->d_name))
                        continue;
                /* The name goes into the text, where it must not look like more than a name. */
                if (inifile_is_plain_text(entry->d_name, strlen(entry->d_name)))
                        r = strv_push(&folder->dropins, entry->d_name);
                else
                        r = inifile_problem_consume(
                                ini, strv_format("%s has a file with a control character in its "
                                                 "name",
                                                 folder->dropins_path));
        }

        (void)closedir(dir);
        return r;
}

static int open_dropins(Inifile *ini, Folder *folder, const char *name, uid_t owner) {
        _cleanup_free_ char *subfolder = strv_format("%s" SUFFIX ".d", name), *reason = NULL;
        int r;

        folder->dropins_path = strv_format("%s/%s", folder->path, subfolder ? subfolder : "");
        if (!subfolder || !folder->dropins_path)
                return -ENOMEM;

        r = trusted_open_subfolder(folder->fd, subfolder, folder->dropins_path, owner,
                                   &folder->dropins_fd, &reason);
        if (r == -ENOENT)
                return 0;
        if (r == TRUSTED_E_REFUSED)
                return inifile_problem_consume(ini, TAKE_PTR(reason));
        if (r < 0)
                return r;

        return list_dropins(ini, folder);
}

/* A folder that somebody else can write spoils every configuration, not only those that it has a
 * file of: a mask or a stricter drop-in may have been taken out of it just as well. */
static int open_folder(Inifile *ini, Folder *folder, const char *name, uid_t owner) {
        _cleanup_free_ char *reason = NULL;
        int r;

        r = trusted_open_folder(folder->path, owner, &folder->fd, &reason);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (r == TRUSTED_E_REFUSED) {
                r = inifile_problem_consume(ini, TAKE_PTR(reason));
                if (r < 0 || folder->fd < 0)
                        return r;
        }

        return open_dropins(ini, folder, name, owner);
}

static int folders_init(Folders *folders, Inifile *ini, char *const *paths, const char *name,
                        uid_t owner) {
        size_t n = strv_length(paths);

        folders->folders = calloc(n > 0 ? n : 1, sizeof(*folders->folders));
        if (!folders->folders)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                Folder *folder = &folders->folders[i];
                int r;

                *folder = (Folder){.path = paths[i], .fd = -EBADF, .dropins_fd = -EBADF};
                folders->n_folders++;
                r = open_folder(ini, folder, name, owner);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_main(Inifile *ini, const Folders *folders, const char *name, uid_t owner) {
        _cleanup_free_ char *file = strv_format("%s" SUFFIX, name);

        if (!file)
                return -ENOMEM;

        for (size_t i = 0; i < folders->n_folders; i++) {
                const Folder *folder = &folders->folders[i];
                _cleanup_free_ char *path = strv_format("%s/%s", folder->path, file);
                Presence presence;
                int r;

                if (!path)
                        return -ENOMEM;
                if (folder->fd < 0)
                        continue;
                r = add_file(ini, folder->fd, file, path, owner, &presence);
                if (r < 0)
                        return r;
                if (presence != PRESENCE_ABSENT) {
                        ini->found = presence != PRESENCE_MASKED;
                        return 0;
                }
        }

        return 0;
}

/* Of each name the first folder's counts. */
static int add_dropin(Inifile *ini, const Folders *folders, const char *file, uid_t owner) {
        for (size_t i = 0; i < folders->n_folders; i++) {
                const Folder *folder = &folders->folders[i];
                _cleanup_free_ char *path = NULL;
                Presence presence;
                int r;

                if (folder->dropins_fd < 0)
                        continue;
                path = strv_format("%s/%s", folder->dropins_path, file);
                if (!path)
                        return -ENOMEM;
                r = add_file(ini, folder->dropins_fd, file, path, owner, &presence);
                if (r < 0 || presence != PRESENCE_ABSENT)
                        return r;
        }

        return 0;
}

static int add_dropins(Inifile *ini, const Folders *folders, const char *name, uid_t owner) {
        _cleanup_(strv_freep) char **files = NULL;
        int r = 0;

        for (size_t i = 0; i < folders->n_folders; i++)
                for (char **file = folders->folders[i].dropins; file && *file; file++)
                        if (!strv_contains(files, *file)) {
                                r = strv_push(&files, *file);
                                if (r < 0)
                                        return r;
                        }

        if (strv_length(files) > INIFILE_FILES_MAX)
                return inifile_problem_consume(
                        ini, strv_format("%s has more than %u drop-ins", name, INIFILE_FILES_MAX));

        strv_sort(files);
        for (char **file = files; file && *file && r == 0; file++)
                r = add_dropin(ini, folders, *file, owner);
        return r;
}

/* Puts the parts together. */
static int join(Inifile *ini) {
        size_t size = 1;
        char *end;

        for (size_t i = 0; i < ini->n_parts; i++)
                size += strlen("\n# \n\n") + strlen(ini->parts[i].path) +
                        strlen(ini->parts[i].text);
        end = ini->text = malloc(size);
        if (!end)
                return -ENOMEM;

        *end = '\0';
        for (size_t i = 0; i < ini->n_parts; i++) {
                const char *text = ini->parts[i].text;

                end = stpcpy(end, i > 0 ? "\n# " : "# ");
                end = stpcpy(end, ini->parts[i].path);
                end = stpcpy(stpcpy(end, "\n"), text);
                if (!*text || end[-1] != '\n')
                        end = stpcpy(end, "\n");
        }

        return 0;
}

void inifile_hash(const Inifile *ini, char ret[INIFILE_HASH_SIZE]) {
        SHA256Data((const uint8_t *)ini->text, strlen(ini->text), ret);
}

int inifile_load(char *const *folders, const char *name, uid_t owner, Inifile **ret) {
        _cleanup_(inifile_freep) Inifile *ini = calloc(1, sizeof(*ini));
        _cleanup_(folders_deinit) Folders opened = {};
        int r;

        if (!ini)
                return -ENOMEM;

        r = folders_init(&opened, ini, folders, name, owner);
        if (r < 0)
                return r;
        r = add_main(ini, &opened, name, owner);
        if (r < 0)
                return r;
        r = add_dropins(ini, &opened, name, owner);
        if (r < 0)
                return r;
        r = join(ini);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(ini);
        return 0;
}

int inifile_new(const char *path, const char *text, size_t size, Inifile **ret) {
        _cleanup_(inifile_freep) Inifile *ini = calloc(1, sizeof(*ini));
        char *copy = malloc(size + 1);
        int r;

        if (!ini || !copy) {
                free(copy);
                return -ENOMEM;
        }
        memcpy(copy, text, size);
        copy[size] = '\0';

        ini->found = true;
        r = add_text_consume(ini, path, copy, size);
        if (r < 0)
                return r;
        r = join(ini);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(ini);
        return 0;
}

Inifile *inifile_free(Inifile *ini) {
        if (!ini)
                return NULL;

        for (size_t i = 0; i < ini->n_parts; i++) {
                free(ini->parts[i].path);
                free(ini->parts[i].text);
        }
        free(ini->parts);
        free(ini->text);
        free(ini->problem);
        free(ini);
        return NULL;
}

/* One run of inih over one file. */
typedef struct Run {
        const char *path;
        const Scan *scan;
        size_t next; /* the entry that inih has to come to next */
        inifile_handler handler;
        void *userdata;
        bool differs;
        int error;
} Run;

static bool is_slice(const char *text, const char *slice, size_t size) {
        return strlen(text) == size && memcmp(text, slice, size) == 0;
}

static int on_assignment(void *userdata, const char *section, const char *key, const char *value) {
        Run *run = userdata;
        IniLine line = {.file = run->path, .section = section, .key = key, .value = value};
        const ScanEntry *entry;

        if (run->error < 0)
                return 0;
        if (run->differs || run->next >= run->scan->n_entries) {
                run->differs = true;
                return 0;
        }

        entry = &run->scan->entries[run->next];
        run->differs = !is_slice(section, entry->section, entry->section_size) ||
                       !is_slice(key, entry->key, entry->key_size) ||
                       !is_slice(value, entry->value, entry->value_size);
        if (run->differs)
                return 0;

        line.number = entry->number;
        run->next++;
        run->error = run->handler(&line, run->userdata);
        return run->error == 0;
}

static int parse_part(Inifile *ini, const InifilePart *part, inifile_handler handler,
                      void *userdata) {
        _cleanup_(scan_deinit) Scan scan = {};
        Run run = {.path = part->path, .scan = &scan, .handler = handler, .userdata = userdata};
        int r;

        r = scan_init(&scan, part->text, strlen(part->text));
        if (r == SCAN_E_REFUSED)
                return inifile_problem_consume(ini, strv_format("%s:%u: the line %s", part->path,
                                                                scan.number, scan.reason));
        if (r < 0)
                return r;

        r = ini_parse_string(part->text, on_assignment, &run);
        if (run.error < 0)
                return run.error;
        if (r != 0 || run.differs || run.next != scan.n_entries)
                return inifile_problem_consume(
                        ini, strv_format("%s: cannot be read without doubt", part->path));
        return 0;
}

int inifile_parse(Inifile *ini, inifile_handler handler, void *userdata) {
        for (size_t i = 0; i < ini->n_parts; i++) {
                int r = parse_part(ini, &ini->parts[i], handler, userdata);

                if (r < 0)
                        return r;
        }

        return 0;
}
