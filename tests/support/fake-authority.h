#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fake authority: answers as a test says
 *
 * For tests of what asks an authority, and for benchmarks of everything but polkit. No program that
 * is installed links it.
 */

#include <systemd/sd-event.h>

#include "policy/authority.h"

#define FAKE_CHECKS_MAX 512U

typedef struct FakeAuthority FakeAuthority;

/* A check that was asked and is not yet answered. */
struct AuthorityCheck {
        FakeAuthority *fake;
        uid_t uid;
        pid_t pid;
        bool interactive;
        char action[96];
        char details[256]; /* "key=value key=value " */
        AuthorityAnswerFunc func;
        void *userdata;
};

struct FakeAuthority {
        Authority authority;
        sd_event *event;
        sd_event_source *defer;

        /* What a test sets. */
        bool automatic; /* answers each check by itself, with answer */
        AuthorityAnswer answer;
        bool actions_known; /* find_action() answers, else it wants to be loaded first */
        bool own_actions;   /* every endpoint has an action of its own */
        bool owned;
        int load_error;
        int ask_error;

        /* What a test reads. */
        AuthorityCheck *checks[FAKE_CHECKS_MAX]; /* in the order in which they were asked */
        size_t n_checks;
        size_t n_asked, n_cancelled;
        size_t n_in_flight_max;
        AuthorityActionsFunc waiter;
        void *waiter_userdata;
        AuthorityChangedFunc changed; /* what a test calls when something changes */
        void *changed_userdata;
};

/* Everything is known and owned, and nothing is answered by itself. */
void fake_authority_init(FakeAuthority *fake, sd_event *event);
void fake_authority_deinit(FakeAuthority *fake);

/* Answers the check at this place. */
void fake_authority_answer(FakeAuthority *fake, size_t index, const AuthorityAnswer *answer);
