#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Remote prompt: what the far side asks, and the program's answer
 *
 * A reply can bring several, of which the last may want an answer. Each reaches the callback with
 * the name of the far side before its text, on one line, without anything that a terminal would
 * obey, and no longer than a prompt of this machine; so it can be told from one of this machine.
 */

#include <jansson.h>

#include "client/auth.h"
#include "common/relay-interface.h"

typedef struct RemotePrompts {
        const doorward_auth *auth; /* NULL: nobody may be asked */
        const char *origin;
        json_t *array; /* those of the reply that is answered now */
        size_t next;   /* of them */
        unsigned n;    /* of all that there were */
        RelayPrompt kind;
        char **names;  /* to choose from, with their end; or NULL */
        bool asking;   /* a question was left open */
        bool answered; /* the reply can be answered, with this: */
        bool has_answer;
        Answer answer;
} RemotePrompts;

void remote_prompts_deinit(RemotePrompts *prompts);

/* Takes those of a reply. -EBADMSG. */
int remote_prompts_take(RemotePrompts *prompts, json_t *array) _must_check_;

/* Has them shown and answered. 0: they are, as answered says; AUTH_E_LATER: one was left open;
 * -EBADMSG, -EPIPE without an error; or -errno and the error, as auth_ask_prompt(). */
int remote_prompts_ask(RemotePrompts *prompts, int fd, doorward_error *error) _must_check_;

/* The answer to one that was left open; NULL cancels. -EINVAL and the error. */
int remote_prompts_answer(RemotePrompts *prompts, const doorward_credential *cred,
                          doorward_error *error) _must_check_;

/* Forgets what was answered. */
void remote_prompts_clear(RemotePrompts *prompts);
