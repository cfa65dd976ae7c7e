#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Broker: everything that the daemon has
 *
 * The one object that knows all the others. It holds no privilege: what it can do to an endpoint is
 * to ask that endpoint's opener, on behalf of somebody who is connected at that moment.
 */

#include <signal.h>

#include <systemd/sd-event.h>

#include "broker/block.h"
#include "broker/conversation.h"
#include "broker/deadline.h"
#include "broker/filters.h"
#include "broker/logins.h"
#include "broker/monitor.h"
#include "broker/observer.h"
#include "broker/openers.h"
#include "broker/process.h"
#include "broker/recheck.h"
#include "broker/record.h"
#include "broker/stepup.h"
#include "broker/store.h"
#include "broker/subuid.h"
#include "broker/user.h"
#include "policy/authority.h"
#include "policy/catalogue.h"
#include "policy/check-queue.h"
#include "policy/settings.h"

#define LEASE_BUCKETS 1024U

/* An idle exit. Under Restart=always a status of 0 would start the broker again at once. */
#define BROKER_EXIT_IDLE 75

/* What changes the log level: to debug, and to what LogLevel= says. */
#define SIGNAL_DEBUG (SIGRTMIN + 22)
#define SIGNAL_CONFIGURED (SIGRTMIN + 23)

typedef struct Broker Broker;
typedef struct Lease Lease;
typedef struct Session Session;

/* Where the broker finds what is outside it. */
typedef struct BrokerPlaces {
        const char *root;        /* before the folders of definitions and settings; "" */
        const char *openers;     /* the folder of the openers' sockets */
        const char *journal;     /* the socket of journald */
        const char *pam;         /* the socket of the PAM helper, */
        uid_t pam_helper;        /* as whom it answers; 0 but for tests */
        const char *filter;      /* the socket of filters, */
        const char *passwd;      /* the file that has the uid of */
        const char *filter_user; /* the user as whom they answer */
        uid_t owner;             /* whom its files may belong to beside root; 0 but for tests */
        StoreNotify notify;      /* in place of systemd; NULL but for tests */
        void *notify_userdata;
} BrokerPlaces;

struct Broker {
        sd_event *event;
        DeadlineClock clock; /* of sessions and rechecks */
        Settings *settings;
        char *root;     /* before the names of files */
        char **folders; /* of definitions */
        uid_t owner;    /* whom they may belong to */
        Catalogue *catalogue;
        Authority *authority; /* not ours to free */
        CheckQueue *checks;
        Record *record;
        Openers *openers;
        Filters filters;
        Conversations conversations;
        StepupTable stepups;
        UserTable users;
        SubuidTable subuids;
        BlockTable blocks;
        Recheck *recheck;
        Logins *logins;
        Observer *observer;
        Store *store;
        char *cgroup_root; /* where the units of this system are */

        ProcessTable processes;

        Session *sessions;
        unsigned n_sessions;
        uint64_t undelivered_usec;   /* so long a client may take to read a descriptor */
        Session *undelivered;        /* whose descriptor may wait to be read */
        Session *woken, *last_woken; /* that have something to do, in that order */
        sd_event_source *wake;
        Lease *leases;
        Lease *lease_buckets[LEASE_BUCKETS]; /* by id */
        unsigned n_leases;
        Monitor *monitors;

        unsigned descriptors_max;  /* that are held for clients, in all, */
        char *descriptors_warning; /* if these are less than so many leases need; else NULL */
        uint64_t generation;       /* of policy: how often it may have changed */
        bool is_restarting;        /* at its end: another one takes its place, */
        bool leaves_leases;        /* and goes on with what is kept */

        int listen_fd;
        int reserve_fd; /* given up to accept, and refuse, a connection when there is no other */
        sd_event_source *listen;
        sd_event_source *idle;
        sd_event_source *signals[5];
        bool kernel_has_peerpidfd;
};

/* Reads settings and definitions and is ready to listen. authority is borrowed. -errno. */
int broker_new(sd_event *event, Authority *authority, const BrokerPlaces *places,
               Broker **ret) _must_check_;
Broker *broker_free(Broker *broker);

/* Serves the connections of a listening socket, which it takes, on failure too; ends the event loop
 * on SIGTERM or SIGINT, or with BROKER_EXIT_IDLE when nothing was left to do for a while. */
int broker_listen_consume_fd(Broker *broker, int fd) _must_check_;

/* Reads the definitions anew. What is wrong in itself keeps its old entry; leases of what is gone
 * or changed end. */
void broker_reload(Broker *broker);

/* Monotonic, µs: of this turn of the event loop. */
uint64_t broker_now(Broker *broker);
/* The same of CLOCK_BOOTTIME: the time that the machine sleeps counts. */
uint64_t broker_now_boottime(Broker *broker);

/* The user who is charged for what a uid takes, with a reference for the caller. -ENOMEM. */
int broker_ref_user(Broker *broker, uid_t uid, User **ret) _must_check_;

/* There may be nothing left to do: if it stays so for a while, the broker ends. */
void broker_rest(Broker *broker);

void broker_add_session(Broker *broker, Session *session);
void broker_remove_session(Broker *broker, Session *session);

/* Has session_run() called from the loop. Once is enough, however often it is asked for. */
void broker_wake_session(Broker *broker, Session *session);

/* Sessions that wait for their client to read; and how many of a user's have waited for a while. */
void broker_add_undelivered(Broker *broker, Session *session);
void broker_remove_undelivered(Broker *broker, Session *session);
unsigned broker_count_undelivered(Broker *broker, const User *user);
void broker_add_lease(Broker *broker, Lease *lease);
void broker_remove_lease(Broker *broker, Lease *lease);

/* The live lease of that id that was handed over, or NULL. */
Lease *broker_find_lease(Broker *broker, const char *id);

DEFINE_CLEANUP(Broker *, broker_free);
