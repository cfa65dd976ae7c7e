/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>

#include "common/userfile.h"
#include "config.h"
#include "helpers/dropin.h"
#include "helpers/generate.h"
#include "policy/catalogue.h"
#include "policy/strv.h"

#define WANTS "doorward-openers.target.wants"

typedef struct Generator {
        char *passwd, *group;
        int directory_fd;
        generate_log_func log;
        void *userdata;
} Generator;

static void generator_deinit(Generator *generator) {
        free(generator->passwd);
        free(generator->group);
        close_fd(generator->directory_fd);
}

/* Opens a folder below another and makes it if it is not there. */
static int open_folder(int directory_fd, const char *name, int *ret) {
        int fd;

        if (mkdirat(directory_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret = fd;
        return 0;
}

static int write_all(int fd, const char *text) {
        for (size_t n = strlen(text); n > 0;) {
                ssize_t written = write(fd, text, n);

                if (written < 0 && errno != EINTR)
                        return -errno;
                if (written > 0) {
                        text += written;
                        n -= (size_t)written;
                }
        }

        return 0;
}

static int write_dropin(Generator *generator, const Definition *definition, const char *text) {
        _cleanup_close_ int folder_fd = -EBADF, fd = -EBADF;
        _cleanup_free_ char *folder = NULL;
        int r;

        folder = strv_format("doorward-opener@%s.service.d", definition->name);
        if (!folder)
                return -ENOMEM;
        r = open_folder(generator->directory_fd, folder, &folder_fd);
        if (r < 0)
                return r;

        fd = openat(folder_fd, OPENER_DROPIN, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                    0644);
        if (fd < 0)
                return -errno;
        return write_all(fd, text);
}

static int link_socket(Generator *generator, const Definition *definition) {
        _cleanup_close_ int folder_fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r;

        name = strv_format("doorward-opener@%s.socket", definition->name);
        if (!name)
                return -ENOMEM;
        r = open_folder(generator->directory_fd, WANTS, &folder_fd);
        if (r < 0)
                return r;

        if (unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT)
                return -errno;
        if (symlinkat(SYSTEM_UNIT_DIR "/doorward-opener@.socket", folder_fd, name) < 0)
                return -errno;
        return 0;
}

static void log_all(Generator *generator, int priority, char *const *messages) {
        for (; messages && *messages; messages++)
                generator->log(priority, *messages, generator->userdata);
}

static int generate_one(Generator *generator, const Definition *definition) {
        _cleanup_(strv_freep) char **notes = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        log_all(generator, LOG_WARNING, definition->warnings);
        if (definition->problem) {
                generator->log(LOG_WARNING, definition->problem, generator->userdata);
                return 0;
        }

        r = dropin_format(definition, generator->passwd, generator->group, &notes, &text);
        if (r < 0)
                return r;
        log_all(generator, LOG_INFO, notes);

        /* The drop-in first: a socket without it would start an opener without its powers. */
        r = write_dropin(generator, definition, text);
        return r < 0 ? r : link_socket(generator, definition);
}

static int generate_all(Generator *generator, const Catalogue *catalogue) {
        log_all(generator, LOG_WARNING, catalogue->warnings);

        for (size_t i = 0; i < catalogue->n_definitions; i++) {
                int r = generate_one(generator, catalogue->definitions[i]);

                if (r < 0)
                        return r;
        }

        return 0;
}

int generate_units(const char *root, uid_t owner, const char *directory, generate_log_func log,
                   void *userdata) {
        _cleanup_(generator_deinit) Generator generator = {
                .passwd = strv_format("%s" USERFILE_PASSWD, root),
                .group = strv_format("%s" USERFILE_GROUP, root),
                .directory_fd = -EBADF,
                .log = log,
                .userdata = userdata,
        };
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        if (!generator.passwd || !generator.group)
                return -ENOMEM;
        generator.directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (generator.directory_fd < 0)
                return -errno;

        r = definition_folders(root, &folders);
        if (r < 0)
                return r;
        r = catalogue_load_trusting(folders, owner, NULL, &catalogue);
        if (r < 0)
                return r;

        return generate_all(&generator, catalogue);
}
