/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/lookup.h"
#include "cli/report.h"
#include "policy/catalogue.h"
#include "policy/settings.h"

/* Not a name that an endpoint can have. */
#define SETTINGS_WORD "doorward.conf"

static void text_print(const char *text, bool first) {
        size_t n = strlen(text);

        if (!first)
                (void)putchar('\n');
        (void)fwrite(text, 1, n, stdout);
        if (n > 0 && text[n - 1] != '\n')
                (void)putchar('\n');
}

static int definition_show(const Options *options, const char *word, bool first) {
        _cleanup_(definition_freep) Definition *definition = NULL;
        int status;

        status = lookup_installed(options, word, &definition);
        if (status < 0)
                text_print(definition->text, first);

        return status;
}

static int settings_show(const Options *options, bool first) {
        _cleanup_(strv_freep) char **folders = NULL;
        _cleanup_(settings_freep) Settings *settings = NULL;
        int r;

        r = settings_folders("", &folders);
        if (r == 0)
                r = settings_load(folders, &settings);
        if (r < 0)
                return report_errno(options, r, "Cannot read %s", SETTINGS_WORD);

        text_print(settings->text ? settings->text : "", first);
        return -1;
}

static int all_show(const Options *options) {
        _cleanup_(strv_freep) char **folders = NULL;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;
        int r;

        r = definition_folders("", &folders);
        if (r == 0)
                r = catalogue_load(folders, NULL, &catalogue);
        if (r < 0)
                return report_errno(options, r, "Cannot read the definitions");

        for (size_t i = 0; i < catalogue->n_definitions; i++)
                text_print(catalogue->definitions[i]->text, i == 0);
        return EXIT_STATUS_OK;
}

int command_cat_config(const Options *options, char **arguments, size_t n) {
        int status = -1;

        output_begin_text(options->output);
        if (n == 0)
                return all_show(options);

        for (size_t i = 0; i < n && status < 0; i++)
                status = streq(arguments[i], SETTINGS_WORD)
                                 ? settings_show(options, i == 0)
                                 : definition_show(options, arguments[i], i == 0);

        return status < 0 ? EXIT_STATUS_OK : status;
}
