#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Open, from within: the steps, and what they share
 *
 * open.c begins it, and has the order of the steps. A step is a function that says whether there
 * was nothing to do; if not it waits for something, and calls open_advance() when that has come, or
 * refuses, after which the object is gone. open-authenticate.c is about PAM, open-policy.c about
 * polkit, open-grant.c about what comes once everybody agrees.
 */

#include "broker/conversation.h"
#include "broker/lease.h"
#include "broker/question.h"
#include "broker/reach.h"
#include "broker/session.h"
#include "policy/check-queue.h"

typedef enum OpenStep {
        OPEN_ADMITTED,
        OPEN_IDENTITY, /* prove to be somebody else, by PAM */
        OPEN_POLICY,   /* polkit, without a prompt and then with one */
        OPEN_ACCOUNT,  /* PAM's account stack */
        OPEN_STEP_UP,  /* prove to be oneself, by PAM */
        OPEN_OPENER,   /* the lease's place, the opener */
        OPEN_LEASE,    /* the lease itself */
        OPEN_RECORD,   /* the record, the reply */
        _OPEN_STEP_MAX,
} OpenStep;

typedef struct Open {
        Operation operation;
        Session *session;
        OpenStep step;
        Name name;
        Access access;
        LeaseMode mode;
        Means means; /* of read-only access */
        char definition[DEFINITION_HASH_SIZE];
        bool hold; /* the lease alone, and nothing is opened */
        bool may_prompt;
        bool prompting; /* polkit may ask somebody, or did */
        bool recorded;
        bool wants_identity;
        bool stepped_up; /* PAM has heard the caller's own password, */
        bool remembered; /* or had before */
        bool temporary;  /* polkit's yes rests on a password that was typed a while ago */
        bool observed;   /* it is granted whatever polkit says, */
        Decision policy; /* which is this; 0: nothing */
        uint64_t start_time;
        uint64_t generation; /* of policy, when it was asked last */
        uint64_t policy_end; /* by when polkit must have answered without a prompt; monotonic */
        char user_name[PAM_PROTOCOL_USER_MAX +
                       1]; /* whom to be: as asked for, then as PAM has it */
        uid_t identity;    /* as whom it is judged; the peer's unless PAM proved another */
        Question question;
        UserCharge prompt;    /* or, where nobody is asked, the account's */
        UserCharge by_polkit; /* the prompt is polkit's */
        UserCharge place;     /* the lease's */
        LeaseHolding holding; /* of what a revocable lease keeps */

        /* What is waited for; at most one of them. */
        bool waits_for_actions;
        CheckRequest *check;
        Conversation *conversation;
        Reach *reach;
        RecordWaiter *record;

        int fd;       /* the client's */
        int link;     /* its filter's connection */
        Lease *lease; /* made, not yet handed over */
} Open;

/* The next step that has something to do. open may be gone after this. */
void open_advance(Open *open);

/* The steps. */
bool open_identify(Open *open);
bool open_judge(Open *open);
bool open_check_account(Open *open);
bool open_step_up(Open *open);
bool open_reach(Open *open);
bool open_make_lease(Open *open);
bool open_record(Open *open);

/* Each ends it; open is gone after this. The second is for want of memory, or of something as
 * basic. */
void open_refuse(Open *open, Refusal *refusal);
void open_fail(Open *open, int error);

/* Whether to go on: the peer is alive, the definition the same. If not, it has been refused, and
 * open is gone. */
bool open_continues(Open *open);

/* The definition that it began with, or NULL if that is not the one any more. */
const Definition *open_definition(const Open *open);

/* Takes the user's one prompt: somebody is asked from now on, by PAM or by polkit. If nobody may be
 * at present, it has been refused, and open is gone. */
bool open_take_prompt(Open *open, bool by_pam);
