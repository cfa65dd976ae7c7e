/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "cli/exit-status.h"
#include "cli/lookup.h"
#include "cli/report.h"
#include "common/textfile.h"
#include "policy/inifile.h"

bool lookup_name(const char *word, char ret[NAME_ENDPOINT_MAX + 1]) {
        size_t n = strcspn(word, "@");
        char name[NAME_ENDPOINT_MAX + 1] = {};

        if (n >= sizeof(name))
                return false;
        memcpy(name, word, n);
        if (!name_is_valid_endpoint(name) ||
            (word[n] == '@' && word[n + 1] && !name_is_valid_instance(word + n + 1)))
                return false;

        memcpy(ret, name, sizeof(name));
        return true;
}

/* Tries "docker" and then "docker@", or the template alone where the word has an @. */
static int load(char *const *folders, const char *word, const char *name, Definition **ret) {
        char template[NAME_ENDPOINT_MAX + 2];
        int r = -ENOENT;

        if (!strchr(word, '@'))
                r = definition_load(folders, name, ret);
        if (r == -ENOENT) {
                (void)snprintf(template, sizeof(template), "%s@", name);
                r = definition_load(folders, template, ret);
        }

        return r;
}

int lookup_installed(const Options *options, const char *word, Definition **ret) {
        _cleanup_(strv_freep) char **folders = NULL;
        char name[NAME_ENDPOINT_MAX + 1];
        int r;

        if (!lookup_name(word, name))
                return options_usage_error(
                        options,
                        "'%s' is not the name of an endpoint: those are of a-z, 0-9 and "
                        "'-', and do not begin with '-' or 'ro-'.",
                        word);

        r = definition_folders("", &folders);
        if (r == 0)
                r = load(folders, word, name, ret);
        if (r == -ENOENT)
                return report_problem(options, DOORWARD_ERR_NO_ENDPOINT,
                                      "Definitions are files NAME.conf of doorward/endpoints.d in "
                                      "/etc, /run, /usr/local/lib or /usr/lib; an empty one hides "
                                      "those of the later folders.",
                                      "There is no definition of %s.", word);
        if (r < 0)
                return report_errno(options, r, "Cannot read the definition of %s", word);

        return -1;
}

/* Whether the folder is called as those of drop-ins are: what is in it is part of a definition. */
static bool is_drop_in(const char *path, const char *base) {
        static const char folder[] = ".conf.d/";
        size_t n = strlen(folder);

        return base >= path + n && strncmp(base - n, folder, n) == 0;
}

/* "serial@" of "some/where/serial@.conf". */
static bool name_of_file(const char *path, char ret[NAME_ENDPOINT_MAX + 2]) {
        char name[NAME_ENDPOINT_MAX + 2] = {}, plain[NAME_ENDPOINT_MAX + 1];
        const char *base = strrchr(path, '/') + 1;
        size_t n = strlen(base);

        if (is_drop_in(path, base))
                return false;
        if (n <= strlen(".conf") || !streq(base + n - strlen(".conf"), ".conf"))
                return false;
        n -= strlen(".conf");
        if (n > NAME_ENDPOINT_MAX + 1)
                return false;

        memcpy(name, base, n);
        if (!lookup_name(name, plain) || strchrnul(name, '@') < name + n - 1)
                return false;

        memcpy(ret, name, sizeof(name));
        return true;
}

int lookup_file(const Options *options, const char *path, Definition **ret) {
        static const char hint[] =
                "A definition's file is called NAME.conf, or NAME@.conf if it "
                "is a template, and NAME is of a-z, 0-9 and '-', does not begin "
                "with '-' or 'ro-', and has 48 characters at most. A drop-in "
                "cannot be tried by itself: 'doorward verify NAME' reads it with "
                "what it changes.";
        /* As long as one may be that is in place. */
        char name[NAME_ENDPOINT_MAX + 2], text[INIFILE_SIZE_MAX + 2];
        int r;

        if (!name_of_file(path, name))
                return report_problem(options, DOORWARD_ERR_INVALID_ARG, hint,
                                      "%s cannot be the definition of an endpoint.", path);

        r = textfile_read(path, text, sizeof(text));
        if (r == 0)
                r = definition_parse(name, path, text, ret);
        if (r == -EBADMSG) {
                (void)report_problem(options, DOORWARD_ERR_ENDPOINT_DOWN,
                                     "A definition is a text; is this one of another program?",
                                     "%s holds a NUL character.", path);
                return EXIT_STATUS_DEFINITION;
        }
        if (r < 0)
                return report_errno(options, r, "Cannot read %s", path);

        return -1;
}
