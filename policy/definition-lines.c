/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "common/nearest.h"
#include "policy/definition-internal.h"
#include "policy/strv.h"

static const char *const section_names[_SECTION_MAX + 1] = {
        [SECTION_ENDPOINT] = "Endpoint", [SECTION_READ_ONLY] = "ReadOnly", [SECTION_FULL] = "Full",
        [SECTION_CONNECT] = "Connect",   [SECTION_CLIENT] = "Client",
};

/* "FILE:LINE: " and what is said of it. The caller's, or NULL without memory. */
_printf_(2, 0) static char *format_remark(const IniLine *line, const char *format, va_list args) {
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                return NULL;
        }
        return strv_format("%s:%u: %s", line->file, line->number, text);
}

int builder_refuse(DefinitionBuilder *builder, const char *format, ...) {
        va_list args;
        char *text;

        va_start(args, format);
        text = format_remark(builder->line, format, args);
        va_end(args);
        return definition_refuse_consume(builder->definition, text);
}

int builder_warn(DefinitionBuilder *builder, const char *format, ...) {
        va_list args;
        char *text;

        va_start(args, format);
        text = format_remark(builder->line, format, args);
        va_end(args);
        return definition_warn_consume(builder->definition, text);
}

static int find_section(const char *name) {
        for (int i = 0; i < _SECTION_MAX; i++)
                if (streq(section_names[i], name))
                        return i;
        return -EINVAL;
}

static bool is_extension(const char *name) {
        return strncmp(name, "X-", 2) == 0;
}

/* The keys that there are: in one section, or (-1) in any. The vector is the caller's, the names
 * are not. */
static const char **list_keys(int section) {
        const char **names = calloc(definition_n_keys + 1, sizeof(*names));
        size_t n = 0;

        for (size_t i = 0; names && i < definition_n_keys; i++)
                if (section < 0 || definition_keys[i].sections & (1U << section))
                        names[n++] = definition_keys[i].name;
        return names;
}

/* "[Connect]", or "[ReadOnly] or [Full]". The caller's. */
static char *format_sections(unsigned sections) {
        unsigned first = (unsigned)__builtin_ctz(sections), rest = sections & (sections - 1);

        if (rest == 0)
                return strv_format("[%s]", section_names[first]);
        return strv_format("[%s] or [%s]", section_names[first],
                           section_names[__builtin_ctz(rest)]);
}

/* Once for each time that it begins, not for each of its lines. */
static int warn_of_section(DefinitionBuilder *builder) {
        const char *section = builder->line->section, *near;

        if (streq(builder->unknown, section))
                return 0;
        (void)copy_text(builder->unknown, sizeof(builder->unknown), section);

        near = nearest_find(section, section_names);
        if (near)
                return builder_warn(builder, "unknown section [%s] is ignored, did you mean [%s]?",
                                    section, near);
        return builder_warn(builder, "unknown section [%s] is ignored", section);
}

/* A key that exists, in a section where it has no meaning. */
static int warn_of_place(DefinitionBuilder *builder, const DefinitionKey *key) {
        _cleanup_free_ char *sections = format_sections(key->sections);

        if (!sections)
                return -ENOMEM;
        if (key->strict)
                return builder_refuse(
                        builder,
                        "%s= has no effect in [%s], and without it the endpoint would "
                        "be less strict than it is meant to be: it belongs in %s",
                        key->name, builder->line->section, sections);
        return builder_warn(builder, "%s= is ignored in [%s]: it belongs in %s", key->name,
                            builder->line->section, sections);
}

static int warn_of_key(DefinitionBuilder *builder) {
        const char *name = builder->line->key, *near;
        _cleanup_free_ const char **here = list_keys((int)builder->section);
        _cleanup_free_ const char **all = list_keys(-1);

        if (!here || !all)
                return -ENOMEM;

        for (size_t i = 0; i < definition_n_keys; i++)
                if (streq(definition_keys[i].name, name))
                        return warn_of_place(builder, &definition_keys[i]);

        near = nearest_find(name, here);
        if (!near)
                near = nearest_find(name, all);
        if (near)
                return builder_warn(builder, "unknown key %s= is ignored, did you mean %s=?", name,
                                    near);
        return builder_warn(builder, "unknown key %s= is ignored", name);
}

/* Of a key that holds one value, the last one counts; twice in one file is hardly meant. */
static int check_repetition(DefinitionBuilder *builder, size_t key) {
        uint32_t bit = UINT32_C(1) << key;

        if (definition_keys[key].list || !(builder->seen[builder->section] & bit)) {
                builder->seen[builder->section] |= bit;
                return 0;
        }

        return builder_warn(builder, "%s= is given again in this file, and this one counts",
                            definition_keys[key].name);
}

static const DefinitionKey *find_strict(const char *name) {
        for (size_t i = 0; i < definition_n_keys; i++)
                if (definition_keys[i].strict && streq(definition_keys[i].name, name))
                        return &definition_keys[i];
        return NULL;
}

int builder_take_line(const IniLine *line, void *userdata) {
        DefinitionBuilder *builder = userdata;
        int section = find_section(line->section);

        builder->line = line;
        if (builder->file != line->file) {
                builder->file = line->file;
                builder->unknown[0] = '\0';
                memset(builder->seen, 0, sizeof(builder->seen));
        }

        if (is_extension(line->section) || is_extension(line->key))
                return 0;
        if (section < 0)
                return find_strict(line->key) ? warn_of_place(builder, find_strict(line->key))
                                              : warn_of_section(builder);

        builder->section = (Section)section;
        for (size_t i = 0; i < definition_n_keys; i++)
                if (streq(definition_keys[i].name, line->key) &&
                    definition_keys[i].sections & (1U << section)) {
                        int r = check_repetition(builder, i);

                        return r < 0 ? r : definition_keys[i].take(builder, line->value);
                }

        return warn_of_key(builder);
}
