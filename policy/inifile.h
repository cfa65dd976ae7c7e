#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Inifile: a configuration and its drop-ins, read once and read one way
 *
 * NAME.conf is taken from the first folder that has it; drop-ins NAME.conf.d/(anything).conf of all
 * folders are merged over it in the order of their names, and of two with one name the one of the
 * earlier folder counts. An empty file or a link to /dev/null masks: the whole configuration, or
 * the drop-ins of its name in later folders. Only what root alone can write is read (trusted.h).
 *
 * The syntax is systemd's: sections, Key=value, comments on lines of their own. Values go through
 * inih; what inih would cut, join or take for a comment is refused before it gets there, and what
 * it says is compared with what the check before it saw. So no line ever means something else to
 * one program than to another, or than it does to a person.
 *
 * The text is kept as it was read. Its SHA-256 is what ties a generated unit to the definition it
 * was generated from.
 */

#include <sys/types.h>

#include "common/macros.h"

/* Of one file. */
#define INIFILE_SIZE_MAX 65536U
/* Drop-ins of one configuration. */
#define INIFILE_FILES_MAX 64U
/* What inih's line buffer of 200 bytes takes, by its header. */
#define INIFILE_LINE_MAX 197U
/* Of a section's or key's name; inih has room for 49. */
#define INIFILE_NAME_MAX 48U
/* SHA-256 in hexadecimal, and its NUL. */
#define INIFILE_HASH_SIZE 65

typedef struct InifilePart {
        char *path;
        char *text;
} InifilePart;

typedef struct Inifile {
        bool found; /* there is a NAME.conf, and it is not masked */
        InifilePart *parts;
        size_t n_parts;
        char *text;    /* all of it, each file under "# /its/path" */
        char *problem; /* why it must not be used; NULL if it may */
} Inifile;

/* One Key=value. Borrowed, for the time of the call. */
typedef struct IniLine {
        const char *file;
        unsigned number;
        const char *section;
        const char *key;
        const char *value; /* without white space around it; may be "" */
} IniLine;

/* 0, or -errno to end the parse with it. */
typedef int (*inifile_handler)(const IniLine *line, void *userdata);

/* name is without ".conf". owner: see trusted.h. That nothing was found is no failure. -ENOMEM and
 * such; what is wrong with the files themselves is a problem, and 0. */
int inifile_load(char *const *folders, const char *name, uid_t owner, Inifile **ret) _must_check_;

/* Of one text that is already there; path is what it is called. */
int inifile_new(const char *path, const char *text, size_t size, Inifile **ret) _must_check_;

Inifile *inifile_free(Inifile *ini);

/* The SHA-256 of the text. */
void inifile_hash(const Inifile *ini, char ret[INIFILE_HASH_SIZE]);

/* Calls the handler for each assignment, in order. Of a file with a line that cannot be read
 * without doubt nothing is handed over, and it makes a problem. */
int inifile_parse(Inifile *ini, inifile_handler handler, void *userdata) _must_check_;

/* Whether the text is UTF-8 without control characters. */
bool inifile_is_plain_text(const char *text, size_t size);

DEFINE_CLEANUP(Inifile *, inifile_free);
