/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "cli/environment.h"
#include "policy/strv.h"

int environment_load_definition(const Name *name, Definition **ret) {
        _cleanup_(strv_freep) char **folders = NULL;
        char file[NAME_ENDPOINT_MAX + 2];
        int r;

        (void)snprintf(file, sizeof(file), "%s%s", name->endpoint, name->instance[0] ? "@" : "");
        *ret = NULL;
        r = definition_folders("", &folders);
        if (r == 0)
                r = definition_load(folders, file, ret);
        return r == -ENOMEM ? r : 0;
}

static void value_write(FILE *f, const char *value, const char *path) {
        const char *slash = strrchr(path, '/');

        for (; *value; value++) {
                if (*value != '%') {
                        (void)fputc(*value, f);
                        continue;
                }

                /* The parser lets nothing else through. */
                value++;
                if (*value == 's')
                        (void)fputs(path, f);
                else if (*value == 'd')
                        (void)fprintf(f, "%.*s", (int)(slash - path), path);
                else
                        (void)fputc('%', f);
        }
}

static int variable_expand(const char *variable, const char *path, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;

        value_write(f, variable, path);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }

        *ret = text;
        return 0;
}

/* In the place of one of the same name, or at the end. */
static int variable_put_consume(char ***environment, char *variable) {
        size_t n = strcspn(variable, "=") + 1;

        for (char **other = *environment; other && *other; other++)
                if (strncmp(*other, variable, n) == 0) {
                        free(*other);
                        *other = variable;
                        return 0;
                }

        return strv_push_consume(environment, variable);
}

int environment_add(char ***environment, const Definition *definition, const char *path) {
        char *variable;
        int r = 0;

        if (!definition || definition->problem)
                return 0;

        for (char **v = definition->environment; v && *v && r == 0; v++) {
                r = variable_expand(*v, path, &variable);
                if (r == 0)
                        r = variable_put_consume(environment, variable);
        }

        return r;
}
