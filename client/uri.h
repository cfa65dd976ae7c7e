#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * URI: how a connection is named
 *
 *   doorward:///ENDPOINT                        of this machine
 *   doorward://USER@/ENDPOINT                   authenticating as USER; who that is, is asked if
 *                                               nobody is named
 *   doorward+unix:///ENDPOINT?socket=PATH       of another broker on this machine; USER@ as above
 *   doorward+ssh://[USER@]HOST[:PORT]/ENDPOINT  of another machine, through ssh
 *                 [?command=PATH&keyfile=PATH&no_tty=1]
 *   doorward+ext:///ENDPOINT?command=PATH       of wherever a program leads
 *   ENDPOINT                                    short for the first
 *
 * Each but the last may say access=full or access=read-only besides. Users, hosts, endpoints and
 * values can have bytes written as %XX; what comes of it is held to the same rules.
 *
 * Pure and strict: text in, structure out, no look at the environment or the disk. A guess that is
 * wrong opens the wrong door, so nothing is guessed: a slash too few, an unknown parameter, one of
 * another transport, a parameter twice, a fragment are errors, with a hint where it is plain what
 * was meant.
 *
 * What is taken can be handed to ssh and to exec(3) as it is: no user and no host begins with a
 * hyphen, or holds white space, controls, or anything that a shell or ssh itself would replace.
 */

#include "client/error.h"
#include "client/escape.h"
#include "common/name.h"
#include "common/terms.h"

/* Longer ones are refused unread. */
#define URI_MAX 4096U
/* What a user can be called is useradd(8)'s to say, and the site's directory's:
 * [A-Za-z_][A-Za-z0-9_.@\+-]*, and neither @ nor \ at the end. The PAM helper takes none that is
 * longer. */
#define URI_USER_MAX 256U
#define URI_HOST_MAX 253U   /* DNS has none that is longer */
#define URI_SOCKET_MAX 107U /* nor unix(7) */
#define URI_COMMAND_MAX 255U
#define URI_KEYFILE_MAX 255U
/* The longest canonical form: each part at its longest, and escaped. */
#define URI_TEXT_SIZE                                                                       \
        (sizeof("doorward+unix://@[]:65535/?access=read-only&command=&keyfile=&no_tty=1") + \
         ESCAPE_SIZE(URI_USER_MAX) + URI_HOST_MAX + NAME_TEXT_SIZE + URI_COMMAND_MAX +      \
         ESCAPE_SIZE(URI_KEYFILE_MAX))

typedef enum UriTransport {
        URI_LOCAL = 0,
        URI_UNIX,
        URI_SSH,
        URI_EXT,
        _URI_TRANSPORT_MAX,
} UriTransport;

typedef struct Uri {
        UriTransport transport;
        bool has_user;
        bool no_tty;                       /* ssh is to ask nobody */
        uint16_t port;                     /* 0: ssh knows */
        int access;                        /* an Access, or 0 if the URI does not say */
        char user[URI_USER_MAX + 1];       /* "": as whom is to be asked; never so with ssh */
        char endpoint[NAME_TEXT_SIZE];     /* as name_parse() takes it */
        char host[URI_HOST_MAX + 1];       /* a name or an address, without brackets */
        char socket[URI_SOCKET_MAX + 1];   /* the broker's, an absolute path */
        char command[URI_COMMAND_MAX + 1]; /* an absolute path of [A-Za-z0-9/._+-]; "": ssh's */
        char keyfile[URI_KEYFILE_MAX + 1]; /* an absolute path that ssh replaces nothing in */
} Uri;

/* Whether it leads away from this machine, or may. */
static inline bool uri_is_remote(const Uri *uri) {
        return uri->transport == URI_SSH || uri->transport == URI_EXT;
}

/* "doorward+ssh". Static. */
const char *uri_scheme(UriTransport transport);

/* Whether a user can be called so in a URI; "" is nobody's name. */
bool uri_is_valid_user(const char *user);

/* 0, or -EINVAL (DOORWARD_ERR_BAD_URI), or -ENOMEM. text is neither NULL nor empty: what that means
 * is not for the parser to say. */
int uri_parse(const char *text, Uri *ret, doorward_error *error) _must_check_;

/* The canonical form, which says the access if the structure does, and can be parsed again; returns
 * buf. */
const char *uri_to_string(const Uri *uri, char buf[URI_TEXT_SIZE]);
