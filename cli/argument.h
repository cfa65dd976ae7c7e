#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Argument: an endpoint as it is written on the command line
 *
 *   docker              full access
 *   docker:ro           read-only access
 *   serial@ttyUSB0=0    the descriptor is to be number 0 of the command that is run
 *   box                 an alias
 *   doorward:///docker  a URI, to its end: its access stands in it, and no number can follow
 *
 * A name can hold neither ':' nor '=', so there is nothing to quote. What an alias or a URI comes
 * to, and whether it is one, cli/grant.h finds out. Links called
 * doorward-stdio-NAME and doorward-stdio-ro-NAME stand for "doorward stdio NAME" and
 * "doorward stdio NAME:ro", doorward-fdpass-NAME for "doorward fdpass NAME": some programs call a
 * helper by its path and let nobody add arguments. In the same way a unit's name is all that
 * doorward-listen@.service has, whose instances are called NAME and ro-NAME, perhaps as
 * systemd-escape(1) writes that: doorward-listen-NAME stands for "doorward listen NAME".
 */

#include "client/uri.h"

enum {
        _ARGUMENT_E_SUCCESS,
        ARGUMENT_E_NAME,     /* not the name of an endpoint, nor one that an alias could have */
        ARGUMENT_E_TEMPLATE, /* "serial@": an instance is missing */
        ARGUMENT_E_ACCESS,   /* something else than "ro" after the colon */
        ARGUMENT_E_FD,       /* no number after the equals sign, or none that can be one here */
};

typedef struct Argument {
        char key[NAME_TEXT_SIZE + sizeof(":ro")]; /* as written, without "=FD"; "": it is a URI */
        const char *text;                         /* a URI, of the caller's; NULL: it is a word */
        char word[NAME_TEXT_SIZE];                /* without ":ro"; "": what the default is */
        Access access;
        int fd;    /* -EBADF: none was asked for */
        Uri uri;   /* what it came to, with its access; empty before that */
        Name name; /* of its endpoint; before that, the word's if it is one */
} Argument;

/* Parses a URI, or ENDPOINT[:ro], and =FD if that is allowed here; access is what counts without
 * ":ro". ARGUMENT_E_*. */
int argument_parse(const char *text, Access access, bool fd_allowed, Argument *ret) _must_check_;

/* The argument that is meant where there is none. */
void argument_default(Access access, Argument *ret);

/* One sentence, without the text itself, for ARGUMENT_E_*. Static. */
const char *argument_problem(int error);

/* The command and endpoint that a program name stands for: "stdio" and "serial:ro" of
 * "/usr/bin/doorward-stdio-ro-serial". 0 and both, the command static; -ENOENT if it stands for
 * none, ARGUMENT_E_* if for an impossible one. */
int argument_from_program(const char *program, const char **ret_command,
                          Argument *ret) _must_check_;
