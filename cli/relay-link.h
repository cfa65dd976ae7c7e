#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Relay link: the near end, as the relay hears and answers it
 *
 * Varlink's framing on standard input and output, one call at a time. A call may hold a password:
 * it is read into one buffer and nowhere else, and what was taken of that is erased. jansson makes
 * copies; relay_link_init() has it erase what it frees, in all of this program.
 */

#include "client/error.h"
#include "common/relay-interface.h"
#include "common/varlink.h"

typedef struct RelayLink {
        int input;
        int output;
        char buf[RELAY_REQUEST_MAX];
        size_t n; /* bytes of it that are there */
} RelayLink;

/* A call that names a method of the interface and has its parameters, which are the object's. */
typedef struct RelayCall {
        json_t *object;
        RelayMethod method;
        bool more;
        bool upgrade;
        FieldValue values[INTERFACE_FIELDS_MAX];
        json_t *parameters;
} RelayCall;

/* Before anything else of jansson's. */
void relay_link_init(RelayLink *link, int input, int output);
void relay_link_deinit(RelayLink *link);

/* The next call, waited for. What is a call and cannot be made is answered here. 1 and *ret; 0: the
 * near end has hung up; -EBADMSG, -EMSGSIZE: that is no call; -errno. */
int relay_link_receive(RelayLink *link, RelayCall *ret) _must_check_;

void relay_call_deinit(RelayCall *call);

/* Each takes the reference to parameters (NULL: no memory); -errno, after which the near end cannot
 * be told anything any more. */
int relay_link_reply(RelayLink *link, json_t *parameters, bool continues) _must_check_;
int relay_link_refuse(RelayLink *link, RelayError error) _must_check_;
int relay_link_fail(RelayLink *link, const doorward_error *error) _must_check_;
/* One of org.varlink.service's errors, with a member of that name. */
int relay_link_fail_service(RelayLink *link, ErrorId id, const char *member,
                            const char *value) _must_check_;

/* Whether it has sent more than was taken. */
static inline bool relay_link_has_more(const RelayLink *link) {
        return link->n > 0;
}
