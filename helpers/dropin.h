#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drop-in: what one definition changes in its opener's unit
 *
 * doorward-opener@.service can do nothing at all. For each definition the generator adds the user,
 * groups, devices and capabilities that it names, and takes back exactly those lines of the sandbox
 * that would keep its paths from being opened: nothing else, and nothing for a level that it does
 * not provide.
 *
 * A user or group that does not exist here would keep the unit from starting, and the client from
 * hearing why. So it is left out and noted, and the opener says it to whoever asks. Without its
 * user an opener gets no powers whatever: they were not meant for another one.
 */

#include "common/macros.h"
#include "policy/definition.h"

/* The text of the drop-in for a definition without a problem, and what there is to be noted (an
 * empty list is NULL). passwd and group are the paths of those files. Both are the caller's.
 * -ENOMEM, -EINVAL. */
int dropin_format(const Definition *definition, const char *passwd, const char *group,
                  char ***ret_notes, char **ret) _must_check_;

/* A word as a unit file has it: specifiers off, quoted if need be. The caller's. -EINVAL for one
 * that no unit file can hold, with a control character or empty; -ENOMEM. */
int dropin_quote(const char *word, char **ret) _must_check_;
