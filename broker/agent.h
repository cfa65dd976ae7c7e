#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Agent: the method by which a polkit agent has PAM asked
 *
 * polkit's prompts are answered by root: by a setuid program, elsewhere; here by the PAM helper,
 * which tells polkit itself. The agent gets nothing but a conversation. So that this is no way to
 * try passwords, it is there only while polkit waits for an answer about a process of the same
 * user, one at a time, and what fails counts.
 */

#include "common/interface.h"

typedef struct Session Session;

void agent_respond(Session *session, const FieldValue *values);
