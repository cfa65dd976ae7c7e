#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lookup: the definition that a word on the command line means
 *
 * "docker" is docker.conf, "serial@" is serial@.conf, and so are "serial", if there is no
 * serial.conf, and "serial@ttyUSB0". A word with a slash is a file, which is parsed by itself, as
 * the definition that its name says: that is for trying one out before it is put in place.
 */

#include "cli/options.h"
#include "policy/definition.h"

/* Loads what is installed. -1 and *ret, or the exit status: what went wrong was said. */
int lookup_installed(const Options *options, const char *word, Definition **ret) _must_check_;

/* Parses a file. As above. */
int lookup_file(const Options *options, const char *path, Definition **ret) _must_check_;

/* The endpoint's name that a word means, "serial" for all of the above; false if it means none. */
bool lookup_name(const char *word, char ret[NAME_ENDPOINT_MAX + 1]);
