#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Polkit link: the connection to polkit
 *
 * A connection to the system bus of its own, in sd-event's loop: without a thread, which a question
 * would have to be handed to and its answer taken back from. Nothing here waits. It is up once
 * polkit, which the bus starts, has said which version it is; the bus's or polkit's failure takes
 * it down, and the next question brings it up again: a broker that was started before polkit needs
 * no restart.
 *
 * Any process may send any signal to any other on the system bus, and would be believed by whoever
 * only looks at what a signal is called. So what comes has to come from the bus itself, or from the
 * connection that the bus says is polkit's.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/macros.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT_NAME ".Authority"

/* The first version that takes a pidfd. */
#define POLKIT_PIDFD_VERSION 124

/* All of them come from the loop. */
typedef struct PolkitLinkFuncs {
        /* Also when another polkit has said what it is. */
        void (*up)(void *userdata);
        /* All that was sent will not be answered; its slots are to be given up. The text says why,
         * for the log. */
        void (*down)(const char *text, void *userdata);
        /* polkit says that something changed, or is another one. */
        void (*changed)(void *userdata);
} PolkitLinkFuncs;

typedef enum PolkitLinkState {
        POLKIT_LINK_DOWN,       /* the next question brings it up */
        POLKIT_LINK_CONNECTING, /* first the bus, then polkit */
        POLKIT_LINK_UP,
} PolkitLinkState;

typedef struct PolkitLink {
        sd_event *event;
        const PolkitLinkFuncs *funcs;
        void *userdata;
        PolkitLinkState state;
        sd_bus *bus; /* NULL while it is down, or if it could not even be begun */
        sd_bus_slot *closed, *named, *changed, *asked;
        sd_event_source *stillborn; /* what could not be begun is said from the loop */
        int error;                  /* why */
        char *owner;                /* polkit's connection; NULL if it has none */
        char version[64];
        bool is_old; /* it is known not to take a pidfd */
        bool keeps;  /* it remembers what somebody typed a password for */
} PolkitLink;

void polkit_link_init(PolkitLink *link, sd_event *event, const PolkitLinkFuncs *funcs,
                      void *userdata);
/* Nobody is told. */
void polkit_link_deinit(PolkitLink *link);

/* Begins to bring it up, unless that was begun; up() or down() is called later. -ENOMEM. */
int polkit_link_up(PolkitLink *link) _must_check_;

/* A method call, to be sent once the link is up; not without a bus. */
int polkit_link_new_call(PolkitLink *link, const char *method, sd_bus_message **ret) _must_check_;

/* Sends it. The slot is where the answer comes to, however long it takes: polkit_link_judge() says
 * what it is worth. */
int polkit_link_send(PolkitLink *link, sd_bus_message *call, sd_bus_slot **ret,
                     sd_bus_message_handler_t func, void *userdata) _must_check_;

/* Sends what is not answered. */
void polkit_link_tell(PolkitLink *link, sd_bus_message *call);

typedef enum PolkitVerdict {
        POLKIT_ANSWER,  /* polkit's own */
        POLKIT_FAILURE, /* an error, of polkit or of the bus on the way there */
        POLKIT_FORGERY, /* from somebody else */
        POLKIT_NO_LINK, /* the connection has ended: down() was called, and all is settled */
} PolkitVerdict;

PolkitVerdict polkit_link_judge(PolkitLink *link, sd_bus_message *reply);
