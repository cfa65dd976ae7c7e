#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Client conf: short names for URIs, and the one that is meant if none is given
 *
 *   # $XDG_CONFIG_HOME/doorward/client.conf, /etc/doorward/client.conf
 *   uri_aliases = [
 *           "box=doorward+ssh://alice@box.example.com/docker",
 *           "other=doorward+unix:///docker?socket=/run/other/broker",
 *   ]
 *   uri_default = "box"
 *
 * The user's file goes before the system's: its uri_default counts if it has one ("" is one, and
 * means that there is no default), and its aliases are looked through first. A file that is not
 * there, or that may not be read, has nothing to say. One that cannot be understood is an error for
 * whoever needs it: what a name in it leads to is not to be guessed.
 *
 * An alias can lead to another machine, and to a program that is run to get there. So the user's
 * file must belong to them or to root and be writable by nobody else, and a program that has gained
 * privileges does not look at it at all: whose environment names it is not who it acts for.
 */

#include "client/error.h"

#define CLIENT_CONF_NAME_MAX 64U
/* A file is no longer, and has no more aliases. */
#define CLIENT_CONF_SIZE_MAX 65536U
#define CLIENT_CONF_ALIASES_MAX 256U

typedef struct ClientConfEntry {
        char *name;  /* of an alias */
        char *uri;   /* as it stands there: what it is, its user sees */
        char *where; /* "FILE:LINE" */
} ClientConfEntry;

typedef struct ClientConf {
        ClientConfEntry preset;   /* uri_default; uri is NULL if there is no such line */
        ClientConfEntry *aliases; /* the first of a name counts */
        size_t n_aliases;
} ClientConf;

/* Whether an alias can be called so: [a-zA-Z0-9_-], and not too long. */
bool client_conf_is_name(const char *text);

/* Adds what a file says to what those before it said. path is for errors. -EINVAL
 * (DOORWARD_ERR_BAD_URI, with the line) or -ENOMEM; *conf then has what came before the mistake,
 * and is to be deinitialised in any case. */
int client_conf_parse(ClientConf *conf, const char *path, const char *text,
                      doorward_error *error) _must_check_;

/* Adds a file; owner is whose it must be, unless it is root's, or (uid_t)-1 for anybody's. What is
 * not there or may not be read is nothing. */
int client_conf_read(ClientConf *conf, const char *path, uid_t owner,
                     doorward_error *error) _must_check_;

/* Reads both files. */
int client_conf_load(ClientConf *conf, doorward_error *error) _must_check_;

/* NULL if there is none. */
const ClientConfEntry *client_conf_find(const ClientConf *conf, const char *name);

/* One that is called nearly so, or NULL. */
const char *client_conf_find_nearest(const ClientConf *conf, const char *name);

void client_conf_deinit(ClientConf *conf);
