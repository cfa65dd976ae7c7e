#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dialogue client: the other end of the PAM helper's conversation, played by a child
 *
 * It expects questions and texts in the order of a script, and does with each what the script says.
 * What does not come as expected makes it exit with a status that a test takes for a failure.
 */

#include <sys/types.h>

#include "common/conversation-protocol.h"
#include "common/macros.h"

typedef enum ClientAction {
        CLIENT_ANSWER = 1, /* with the text */
        CLIENT_READ,       /* and say nothing: an information, or a question that is left alone */
        CLIENT_CANCEL,
        CLIENT_HANG_UP,
        CLIENT_WAIT,         /* until the other end hangs up */
        CLIENT_WRONG_NUMBER, /* answer another question */
        CLIENT_CHILD,        /* have a child answer */
        CLIENT_BYTES,        /* send the text as it is */
        CLIENT_TOO_LONG,     /* an answer with one byte too many */
        CLIENT_DESCRIPTOR,   /* an answer, with a descriptor */
        CLIENT_CANARY,       /* answer with what no other process knows */
} ClientAction;

typedef struct ClientStep {
        PromptKind kind;
        const char *prompt; /* NULL: any */
        ClientAction action;
        const char *text;
        bool whose; /* what is said of whose password it is is not passed over */
} ClientStep;

/* How often that stands in this process's memory. */
unsigned client_count_canaries(void);

/* In a child: follows the script, which an action of 0 ends, and returns the status to exit with.
 * fd is eaten. */
int client_follow_consume_fd(int fd, const ClientStep *script);

/* Forks one; the descriptor is closed here. */
pid_t client_start_consume_fd(int fd, const ClientStep *script);

/* Fails the test unless the child has found all as expected. */
void client_finish(pid_t pid);
