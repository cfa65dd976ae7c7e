/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/conversation.h"

/* Root holds conversations; in tests that are linked with this, whoever runs them. */

int __real_conversation_new_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                       const char *origin, int64_t deadline, Conversation **ret,
                                       doorward_error *error);
int __wrap_conversation_new_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                       const char *origin, int64_t deadline, Conversation **ret,
                                       doorward_error *error);

int __wrap_conversation_new_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                       const char *origin, int64_t deadline, Conversation **ret,
                                       doorward_error *error) {
        /* Of nobody else, and of no other machine. */
        if (trust != CONVERSATION_OF_ROOT || origin)
                abort();

        return __real_conversation_new_consume_fd(fd, CONVERSATION_OF_OURSELVES, auth, origin,
                                                  deadline, ret, error);
}
