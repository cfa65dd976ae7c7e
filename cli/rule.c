/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/rule.h"
#include "cli/text.h"

#define FILE_NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static void comparison_print(FILE *f, const char *left, const char *right) {
        (void)fprintf(f, " &&\n        %s == ", left);
        text_print_quoted(f, right);
}

void rule_print(FILE *f, const RuleSpec *spec) {
        (void)fputs("polkit.addRule(function(action, subject) {\n"
                    "    if (action.id == ",
                    f);
        text_print_quoted(f, spec->action);
        if (spec->endpoint)
                comparison_print(f, "action.lookup(\"endpoint\")", spec->endpoint);
        if (spec->instance)
                comparison_print(f, "action.lookup(\"instance\")", spec->instance);
        comparison_print(f, "subject.user", spec->user);
        (void)fprintf(f,
                      ")\n"
                      "        return polkit.Result.%s;\n"
                      "});\n",
                      spec->result);
}

char *rule_path(const Name *name, Access access, const char *user) {
        _cleanup_free_ char *safe = strdup(user);
        char endpoint[NAME_TEXT_SIZE], *path;

        if (!safe)
                return NULL;
        for (char *p = safe + strspn(safe, FILE_NAME_CHARACTERS); *p;
             p += strspn(p, FILE_NAME_CHARACTERS))
                *p = '_';

        if (asprintf(&path, RULE_FOLDER "/10-doorward-%s-%s-%s.rules",
                     name_to_string(name, endpoint), access_to_string(access), safe) < 0)
                return NULL;
        return path;
}
