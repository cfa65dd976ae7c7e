#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Authority: whom the broker asks
 *
 * A small table of operations, so that what asks (the queue, the broker) can be tested without
 * polkit. In the broker it is polkit, in authority-polkit.c, and nothing else: there is no second
 * authority to choose, and no answer of our own.
 *
 * A question is about the client's process. An answer is given exactly once, from the event loop
 * and never from inside the call that asked, unless the check is cancelled before.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/terms.h"

typedef struct Authority Authority;
typedef struct AuthorityCheck AuthorityCheck;

typedef struct AuthorityDetail {
        const char *key;
        const char *value;
} AuthorityDetail;

#define AUTHORITY_DETAILS_MAX 8U

/* Everything is borrowed for the time of the call. */
typedef struct AuthorityQuestion {
        uid_t uid;           /* as whom the process is judged */
        uid_t peer_uid;      /* as the kernel vouches for it: 0 here or nowhere */
        pid_t pid;           /* a pidfd of it is held by whoever asks */
        int pidfd;           /* that one */
        uint64_t start_time; /* of that process; clock ticks since boot */
        const char *action;
        AuthorityDetail details[AUTHORITY_DETAILS_MAX]; /* ended by a NULL key if there are fewer */
        bool interactive;                               /* somebody may be asked for a password */
        bool is_recheck; /* nobody waits for the answer: it takes the turns of no user */
} AuthorityQuestion;

typedef enum AuthorityFailure {
        AUTHORITY_ANSWERED = 0,
        AUTHORITY_UNAVAILABLE,   /* not there, gone, or an answer that cannot be read */
        AUTHORITY_NOT_PERMITTED, /* it does not let us ask: no such action, or we do not own it */
        AUTHORITY_TIMED_OUT,     /* no answer in time */
} AuthorityFailure;

typedef struct AuthorityAnswer {
        AuthorityFailure failure; /* if set, decision is DECISION_DENIED */
        Decision decision;        /* authorized, challenge or denied */
        bool temporary;   /* rests on, or would leave, an authorisation that is kept for a while */
        bool dismissed;   /* whoever was asked dismissed the prompt */
        const char *text; /* of a failure, for the log; borrowed */
} AuthorityAnswer;

typedef void (*AuthorityAnswerFunc)(const AuthorityAnswer *answer, void *userdata);

/* What the authority knows of an action. The words are polkit's: "auth_admin_keep". Static. */
typedef struct AuthorityAction {
        bool registered;
        bool owned; /* names us as its owner, so that we may ask with details */
        const char *default_any;
        const char *default_inactive;
        const char *default_active;
} AuthorityAction;

typedef void (*AuthorityActionsFunc)(int error, void *userdata);

/* Something may be otherwise than it was: a rule, an action, a session, the authority itself. */
typedef void (*AuthorityChangedFunc)(void *userdata);

typedef struct AuthorityOperations {
        int (*ask)(Authority *authority, const AuthorityQuestion *question,
                   AuthorityAnswerFunc func, void *userdata, AuthorityCheck **ret);
        void (*cancel)(AuthorityCheck *check);
        int (*find_action)(Authority *authority, const char *id, AuthorityAction *ret);
        int (*load_actions)(Authority *authority, uint64_t usec, AuthorityActionsFunc func,
                            void *userdata);
        void (*forget)(Authority *authority, void *userdata);
        void (*watch)(Authority *authority, AuthorityChangedFunc func, void *userdata);
        const char *(*version)(Authority *authority);
        bool (*keeps)(Authority *authority);
        Authority *(*free)(Authority *authority);
} AuthorityOperations;

struct Authority {
        const AuthorityOperations *operations;
};

/* Asks. The check is owned by the authority, and gone once func was called or it is cancelled.
 * -errno: func is then not called. */
static inline int authority_ask(Authority *authority, const AuthorityQuestion *question,
                                AuthorityAnswerFunc func, void *userdata, AuthorityCheck **ret) {
        return authority->operations->ask(authority, question, func, userdata, ret);
}

/* Withdraws the question, and a prompt that it led to. func is not called any more. */
static inline void authority_cancel(Authority *authority, AuthorityCheck *check) {
        authority->operations->cancel(check);
}

/* What is known of an action: 0 and *ret, where an action that does not exist is one that is not
 * registered; -EAGAIN if what is known may be old: ask again after authority_load_actions(). */
static inline int authority_find_action(Authority *authority, const char *id,
                                        AuthorityAction *ret) {
        return authority->operations->find_action(authority, id, ret);
}

/* Has the actions read anew and calls func from the loop, with 0 or -errno: -ETIMEDOUT after usec.
 */
static inline int authority_load_actions(Authority *authority, uint64_t usec,
                                         AuthorityActionsFunc func, void *userdata) {
        return authority->operations->load_actions(authority, usec, func, userdata);
}

/* Whoever waits with this userdata for the actions does not any more. */
static inline void authority_forget(Authority *authority, void *userdata) {
        authority->operations->forget(authority, userdata);
}

/* Has func called whenever something changes; NULL: nobody is told. */
static inline void authority_watch(Authority *authority, AuthorityChangedFunc func,
                                   void *userdata) {
        authority->operations->watch(authority, func, userdata);
}

/* "polkit 122", or NULL while it is not known. Borrowed. */
static inline const char *authority_version(Authority *authority) {
        return authority->operations->version(authority);
}

/* Whether it keeps what somebody typed a password for; false, too, while that is not known. */
static inline bool authority_keeps(Authority *authority) {
        return authority->operations->keeps(authority);
}

/* Everything that was asked must have been answered or cancelled. Returns NULL. */
static inline Authority *authority_free(Authority *authority) {
        return authority ? authority->operations->free(authority) : NULL;
}

DEFINE_CLEANUP(Authority *, authority_free);
