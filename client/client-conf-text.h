#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Client conf text: the words of client.conf
 *
 *   # to the end of the line
 *   KEY = "TEXT"
 *   KEY = [ "TEXT", "TEXT" ]
 *
 * as in libvirt's file of the same purpose. A list may go over several lines and end with a comma;
 * a text may not, and has no escapes: there is no URI with a quote in it.
 */

#include "client/error.h"

typedef enum ClientConfKey {
        CLIENT_CONF_KEY_ALIASES = 1,
        CLIENT_CONF_KEY_DEFAULT,
        _CLIENT_CONF_KEY_MAX,
} ClientConfKey;

typedef struct ClientConfText {
        const char *path;
        const char *next; /* what is not read yet */
        unsigned line;
        bool in_list; /* a text of the list was read */
        doorward_error *error;
} ClientConfText;

const char *client_conf_key_name(ClientConfKey key);

/* Sets DOORWARD_ERR_BAD_URI, with file and line; returns -EINVAL. why completes a sentence. */
int client_conf_text_fail(const ClientConfText *text, const char *format, ...) _printf_(2, 3);

/* All of them: -EINVAL or -ENOMEM, and the error. */

/* The key of the next line that has one, and its equals sign; 0: there is none. */
int client_conf_text_key(ClientConfText *text) _must_check_;
/* A text by itself, which is the caller's. */
int client_conf_text_string(ClientConfText *text, char **ret) _must_check_;
/* The bracket of a list, and then one text after the other: 1, or 0 behind the last. */
int client_conf_text_begin_list(ClientConfText *text) _must_check_;
int client_conf_text_next(ClientConfText *text, char **ret) _must_check_;
/* That the line has nothing more to say. */
int client_conf_text_end(ClientConfText *text) _must_check_;
