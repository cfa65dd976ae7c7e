#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Definition, from within: how one is made
 *
 * In three steps. definition-lines.c takes the lines one by one and knows which there can be;
 * definition-keys.c judges the value of each by itself and puts it into the DefinitionBuilder;
 * definition-check.c fills in defaults once all lines are known and judges what they say together.
 * definition.c drives them. Every judgement against a definition goes through
 * definition_refuse_consume(), and the first one stays: a definition with a problem provides
 * nothing.
 */

#include "policy/definition.h"
#include "policy/inifile.h"

typedef enum Section {
        SECTION_ENDPOINT,
        SECTION_READ_ONLY,
        SECTION_FULL,
        SECTION_CONNECT,
        SECTION_CLIENT,
        _SECTION_MAX,
} Section;

#define DEFINITION_KEYS_MAX 32U
#define DEFINITION_WARNINGS_MAX 32U
/* AuthenticateKeepSec= at most: a day. */
#define DEFINITION_KEEP_USEC_LIMIT (UINT64_C(24) * 3600 * 1000000)
/* MaxSec= at most: a year. */
#define DEFINITION_MAX_USEC_LIMIT (UINT64_C(365) * 24 * 3600 * 1000000)

/* What a level's section says beside what Target has room for. */
typedef struct Level {
        Kind connect_kind;   /* of the key that gave the paths, KIND_FILE for OpenFile=; 0: none */
        Kind type;           /* Type=; 0 if not given */
        bool open_flags;     /* ReadOnlyMeans=open-flags */
        const char *filter;  /* Filter=; NULL if not given, else */
        const char *profile; /* which of it; both as common/filter-profile.h has them */
        bool no_header;      /* VNetHeader=no */
} Level;

typedef struct DefinitionBuilder {
        Definition *definition;
        Level levels[_ACCESS_MAX];
        bool peer_given; /* PeerUser= stands in a file */

        /* Of the line at hand: */
        const IniLine *line;
        Section section;

        /* Of the file at hand: */
        const char *file;
        uint32_t seen[_SECTION_MAX];        /* the keys that it has given, as bits */
        char unknown[INIFILE_NAME_MAX + 1]; /* the last section that there is not */
} DefinitionBuilder;

typedef struct DefinitionKey {
        const char *name;
        unsigned sections; /* bits of Section */
        bool list;         /* given several times, it adds up */
        bool strict;       /* makes an endpoint stricter: in a wrong section it is a problem */
        int (*take)(DefinitionBuilder *builder, const char *value);
} DefinitionKey;

/* Every key there is. */
extern const DefinitionKey definition_keys[];
extern const size_t definition_n_keys;

/* An inifile_handler; userdata is the builder. */
int builder_take_line(const IniLine *line, void *userdata);

/* Each puts the line's place before what is said. */
int builder_refuse(DefinitionBuilder *builder, const char *format, ...) _printf_(2, 3);
int builder_warn(DefinitionBuilder *builder, const char *format, ...) _printf_(2, 3);

/* Gives the definition a problem, unless it has one. -ENOMEM. */
int definition_refuse_consume(Definition *definition, char *text) _must_check_;
/* Adds a warning, up to a number nobody reads to the end of. -ENOMEM. */
int definition_warn_consume(Definition *definition, char *text) _must_check_;

/* The level whose section the line at hand stands in. */
static inline Access builder_access(const DefinitionBuilder *builder) {
        return builder->section == SECTION_READ_ONLY ? ACCESS_READ_ONLY : ACCESS_FULL;
}

/* Puts a copy in place of what was there, NULL for an empty one. -ENOMEM. */
int definition_replace(char **field, const char *value) _must_check_;

/* There is no way in any more at that level, whatever key gave it. */
void builder_clear_level(DefinitionBuilder *builder);

/* Refuses the definition as a whole, by its file. */
#define DEFINITION_REFUSE(definition, format, ...) \
        definition_refuse_consume(                 \
                definition, strv_format("%s: " format, (definition)->files[0], ##__VA_ARGS__))

/* Network taps: definition-tap.c. The keys, and then what they say together with the others. */
int builder_take_tap(DefinitionBuilder *builder, const char *value);
int builder_take_bridge(DefinitionBuilder *builder, const char *value);
int builder_take_vnet_header(DefinitionBuilder *builder, const char *value);
int builder_finish_tap(DefinitionBuilder *builder) _must_check_;

/* Once every line was taken. */
int builder_finish(DefinitionBuilder *builder) _must_check_;
