#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tap: a network interface whose other end is a descriptor
 *
 * Everybody may open /dev/net/tun, and has nothing by that. An interface comes of it with
 * TUNSETIFF, which is the privileged call and is made here, once, with the name of the definition:
 * who gets the descriptor cannot make it again.
 *
 * An opener with CAP_NET_ADMIN makes a new interface each time, which is gone when the last copy of
 * the descriptor is closed. It never takes one that is there: it could take any. One without that
 * capability attaches itself to an interface that an administrator has made for its user, which is
 * what the kernel lets such a user do.
 *
 * A new one stays down, unless it is put into a bridge. An interface that is up and in none would
 * have this machine listen to router advertisements of whoever holds the other end.
 */

#include <net/if.h>

#include "common/macros.h"
#include "common/opener-protocol.h"
#include "policy/definition.h"

/* What the interface is to be called; %d stays in it. -ENAMETOOLONG, or -EINVAL for what the
 * definition itself could not call one. */
int opener_tap_name(const char *pattern, const char *instance, char ret[IFNAMSIZ]) _must_check_;

/* Makes an interface of an open /dev/net/tun, or attaches it to one; reply's detail is then its
 * name. 0, or a refusal: OPENER_OPEN, OPENER_INSTANCE. Closing fd undoes all of it. */
int opener_tap_attach(int fd, const Definition *definition, const Target *target,
                      const char *instance, OpenerReply *reply) _must_check_;
