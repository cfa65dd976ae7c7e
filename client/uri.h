#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * URI: how a connection is named
 *
 *   doorward:///ENDPOINT[?access=full|read-only]
 *   doorward://USER@/ENDPOINT[?...]     authenticating as USER; as whom is asked if there is none
 *   ENDPOINT
 *
 * Pure and strict: text in, structure out, no look at the environment or the disk. A guess that is
 * wrong opens the wrong door, so nothing is guessed: a slash too few, an unknown parameter, a
 * parameter twice, an escape, a fragment are errors, with a hint where it is plain what was meant.
 * Schemes that later versions serve are known here, so that they are refused as what they are and
 * not as misspellings.
 */

#include "client/error.h"
#include "common/name.h"
#include "common/terms.h"

/* Longer ones are refused unread. */
#define URI_MAX 4096U
/* What a user can be called is useradd(8)'s to say, and what nobody would need to escape here:
 * [A-Za-z_][A-Za-z0-9_.-]*. The PAM helper takes none that is longer. */
#define URI_USER_MAX 256U
/* "doorward://", a user and "@", "/", a name and "?access=read-only". */
#define URI_TEXT_SIZE (11 + URI_USER_MAX + 2 + NAME_TEXT_SIZE + 17)

typedef struct Uri {
        bool has_user;
        char user[URI_USER_MAX + 1];   /* "": as whom is to be asked */
        char endpoint[NAME_TEXT_SIZE]; /* as name_parse() takes it */
        int access;                    /* an Access, or 0 if the URI does not say */
} Uri;

/* Whether a user can be called so in a URI; "" is nobody's name. */
bool uri_is_valid_user(const char *user);

/* 0, or -EINVAL (DOORWARD_ERR_BAD_URI) or -EOPNOTSUPP (DOORWARD_ERR_UNSUPPORTED). text is neither
 * NULL nor empty: what that means is not for the parser to say. */
int uri_parse(const char *text, Uri *ret, doorward_error *error) _must_check_;

/* The canonical form, which says the access if the structure does; returns buf. */
const char *uri_to_string(const Uri *uri, char buf[URI_TEXT_SIZE]);
