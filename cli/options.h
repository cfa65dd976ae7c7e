#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options: how the command line is read
 *
 * One table has every option, with the commands that take it: an option that a command does not
 * take is an error, not ignored, so that nobody believes in a --json that never was. (One that only
 * wants less, like --quiet, is taken by all: it goes into scripts.) Options may stand before the
 * command and after it, and between its arguments, up to "--".
 */

#include "cli/output.h"
#include "client/log-settings.h"
#include "common/macros.h"

/* Bits of Command.options and Options.given. */
enum {
        OPTION_READ_ONLY = 1 << 0,
        OPTION_JSON = 1 << 1,
        OPTION_NO_LEGEND = 1 << 2,
        OPTION_NO_PAGER = 1 << 3,
        OPTION_NO_ASK_PASSWORD = 1 << 4,
        OPTION_QUIET = 1 << 5,
        OPTION_NO_CHECK = 1 << 6,
        OPTION_INSTALL = 1 << 7,
        OPTION_REMOVE = 1 << 8,
        OPTION_FD = 1 << 9,
        OPTION_TAP = 1 << 10, /* --use-vnet and --br */
        OPTION_HELP = 1 << 11,
        OPTION_VERSION = 1 << 12,
        OPTION_USER = 1 << 13,
        OPTION_ALL = 1 << 14,
        OPTION_OF_USER = 1 << 15, /* --user= of commands for which it is a filter */
        OPTION_ENDPOINT = 1 << 16,
        OPTION_BLOCK = 1 << 17,
        OPTION_DEBUG = 1 << 18,
        OPTION_LOCAL_ONLY = 1 << 19,
        OPTION_NO_ALIASES = 1 << 20,
        OPTION_AT = 1 << 21,
        OPTION_SINCE = 1 << 22,
        OPTION_UNTIL = 1 << 23,
        OPTION_CHECK = 1 << 24,
        OPTION_NOW = 1 << 25,
};

typedef struct Command Command;

typedef struct Options {
        const Command *command;
        unsigned given; /* OPTION_* */
        JsonMode json;
        int fd;                /* --fd; -EBADF if not given */
        const char *user;      /* --user; NULL if not given, "" if it is to be asked */
        const char *bridge;    /* --br; NULL if not given */
        const char *endpoint;  /* --endpoint; NULL if not given */
        const char *at;        /* --at; NULL if not given */
        uint64_t since, until; /* --since and --until, in µs of CLOCK_REALTIME; 0 if not given */
        int64_t block;         /* --block, in seconds; 0 if not given, */
        bool lets_in;          /* or if it was 0: who was kept out is let in again */
        LogLevel debug;        /* from which level on; if --debug is given */
        Output *output;
        char **words; /* what follows "--", if the command wants that; ended by NULL */
        bool dashed;  /* else: "--" stands right before the last argument */
} Options;

struct Command {
        const char *name;
        const char *synopsis; /* of its arguments, for the usage line */
        const char *summary;  /* one line */
        const char *text;     /* a paragraph for --help */
        unsigned options;     /* beside --help and --version */
        int min, max;         /* how many arguments; max may be -1 */
        bool words;           /* "-- CMD" must follow */
        int (*run)(const Options *options, char **arguments, size_t n);
};

static inline bool options_has(const Options *options, unsigned option) {
        return options->given & option;
}

/* Reads argv against the commands (ended by a NULL name); preset is the command of a program name
 * that stands for one, or NULL. Returns -1 with options and arguments filled, or else the exit
 * status: usage was wrong (and that was said), or was asked for (and printed). */
int options_parse(int argc, char **argv, const Command *commands, const Command *preset,
                  Options *options, char ***ret_arguments, size_t *ret_n) _must_check_;

/* Says what is wrong with the command line, in one sentence, and where to read on; returns the exit
 * status. */
int options_usage_error(const Options *options, const char *format, ...) _printf_(2, 3);
