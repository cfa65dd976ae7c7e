#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Naming: what a program says that it wants to open, and the URI that this comes to
 *
 * Nothing means the default: DOORWARD_DEFAULT_URI of the environment, or client.conf's. A word can
 * be an alias, which goes before an endpoint of the same name: who gave the name can see that, and
 * doorward:///WORD is the endpoint in any case. What an alias stands for is no alias again.
 *
 * client.conf is read only where it can matter: what has a colon is no alias.
 */

#include "client/uri.h"

enum {
        NAMING_NO_ALIASES = 1 << 0,
        NAMING_LOCAL_ONLY = 1 << 1, /* what leads to another machine, or may, is refused */
};

enum {
        _NAMING_E_SUCCESS,
        NAMING_E_NONE, /* nothing was said, and there is no default; no error is set */
};

/* text may be NULL or "". 0, NAMING_E_NONE, or -errno and the error. */
int naming_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) _must_check_;
