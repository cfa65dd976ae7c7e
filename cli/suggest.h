#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Suggest: `doorward policy suggest`, rules of what the journal has of a period
 *
 * Reads the broker's records of grants (of no other program's entries, whatever they say) and
 * prints what cli/suggestion.h makes of them. It installs nothing: rules are read by somebody
 * first.
 */

#include "cli/options.h"

/* Of a record that says that something was granted: broker/record.h has it, too. */
#define SUGGEST_MESSAGE_ID "1a30fb61defb4b3a9306772b585776e9"

/* Returns the exit status. */
int suggest(const Options *options);
