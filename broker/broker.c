/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>

#include "broker/broker.h"
#include "broker/cgroup.h"
#include "broker/keep.h"
#include "broker/lease.h"
#include "broker/session.h"
#include "common/socket.h"
#include "common/userfile.h"
#include "policy/strv.h"

/* Checks that may prompt, in all. The bus lets one connection wait for 128 replies. */
#define PROMPTS_MAX 48

/* How long the end waits for a journal that is busy, in all: less than the unit's TimeoutStopSec=.
 */
#define FLUSH_USEC (10 * UINT64_C(1000000))

/* Descriptors for connections to openers, PAM's helper, the bus, and for what is on its way
 * through.
 */
#define DESCRIPTORS_RESERVED 1024U

/* How long a client may take to read a descriptor before it counts as one who does not: one that
 * has several requests under way may read the answers in another order than they come. */
#define UNDELIVERED_USEC (5 * UINT64_C(1000000))

/* Linux 6.16: the kernel refuses descriptors that are sent to us, to whoever sends them. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static void broker_status(Broker *broker);

uint64_t broker_now(Broker *broker) {
        uint64_t now;

        /* Before the loop runs this is the time of the call. */
        return sd_event_now(broker->event, CLOCK_MONOTONIC, &now) >= 0 ? now : 0;
}

uint64_t broker_now_boottime(Broker *broker) {
        uint64_t now;

        return sd_event_now(broker->event, CLOCK_BOOTTIME, &now) >= 0 ? now : 0;
}

int broker_ref_user(Broker *broker, uid_t uid, User **ret) {
        return user_table_ref_user(&broker->users, subuid_table_find_owner(&broker->subuids, uid),
                                   broker_now(broker), ret);
}

/* Idle exit. */

static int on_idle(sd_event_source *source, uint64_t usec, void *userdata) {
        Broker *broker = userdata;

        /* Who has something to say wakes us when it is time. */
        if (observer_has_news(broker->observer))
                return 0;

        /* What waits to be recorded, and what is remembered for a while, would be lost. */
        if (!record_is_pending(broker->record) && !broker->conversations.leaving &&
            !user_table_remembers(&broker->users, broker_now(broker)) &&
            stepup_table_is_empty(&broker->stepups, broker_now_boottime(broker)) &&
            block_table_is_empty(&broker->blocks, broker_now_boottime(broker)))
                return sd_event_exit(broker->event, BROKER_EXIT_IDLE);

        broker_rest(broker);
        return 0;
}

void broker_rest(Broker *broker) {
        if (!broker->idle)
                return;

        if (broker->sessions)
                (void)sd_event_source_set_enabled(broker->idle, SD_EVENT_OFF);
        else {
                (void)sd_event_source_set_time_relative(broker->idle,
                                                        broker->settings->idle_exit_usec);
                (void)sd_event_source_set_enabled(broker->idle, SD_EVENT_ONESHOT);
        }
}

/* Whose turn it is. */

/* What wakes them is a time that has passed, and no deferred source: that would be older than
 * whatever comes from outside, and one that is enabled again and again lets nothing else have its
 * turn. One session a turn, for the same reason. */
static int on_wake(sd_event_source *source, uint64_t usec, void *userdata) {
        Broker *broker = userdata;
        Session *session = broker->woken;

        if (!session)
                return 0;

        broker->woken = session->next_woken;
        if (broker->woken)
                (void)sd_event_source_set_enabled(broker->wake, SD_EVENT_ONESHOT);
        session->woken = false;
        session->next_woken = NULL;
        session_run(session);
        return 0;
}

void broker_wake_session(Broker *broker, Session *session) {
        if (session->woken)
                return;

        if (broker->woken)
                broker->last_woken->next_woken = session;
        else
                broker->woken = session;
        broker->last_woken = session;
        session->woken = true;
        (void)sd_event_source_set_enabled(broker->wake, SD_EVENT_ONESHOT);
}

static void broker_unwake_session(Broker *broker, Session *session) {
        Session *previous = NULL, **p = &broker->woken;

        if (!session->woken)
                return;

        for (; *p != session; p = &previous->next_woken)
                previous = *p;
        *p = session->next_woken;
        if (broker->last_woken == session)
                broker->last_woken = previous;
        /* Most often this was all, and the kernel need not hear of it. */
        if (!broker->woken)
                (void)sd_event_source_set_enabled(broker->wake, SD_EVENT_OFF);
}

/* What there is. */

void broker_add_session(Broker *broker, Session *session) {
        session->next = broker->sessions;
        if (broker->sessions)
                broker->sessions->previous = session;
        broker->sessions = session;
        broker->n_sessions++;
        if (broker->n_sessions == 1)
                broker_rest(broker);
}

void broker_remove_session(Broker *broker, Session *session) {
        broker_unwake_session(broker, session);
        if (session->previous)
                session->previous->next = session->next;
        else
                broker->sessions = session->next;
        if (session->next)
                session->next->previous = session->previous;
        broker->n_sessions--;
        if (broker->n_sessions == 0)
                broker_rest(broker);
}

void broker_add_undelivered(Broker *broker, Session *session) {
        session->previous_undelivered = NULL;
        session->next_undelivered = broker->undelivered;
        if (broker->undelivered)
                broker->undelivered->previous_undelivered = session;
        broker->undelivered = session;
}

void broker_remove_undelivered(Broker *broker, Session *session) {
        if (session->previous_undelivered)
                session->previous_undelivered->next_undelivered = session->next_undelivered;
        else
                broker->undelivered = session->next_undelivered;
        if (session->next_undelivered)
                session->next_undelivered->previous_undelivered = session->previous_undelivered;
}

unsigned broker_count_undelivered(Broker *broker, const User *user) {
        Session *session = broker->undelivered;
        uint64_t now = broker_now(broker);
        unsigned n = 0;

        while (session) {
                Session *next = session->next_undelivered;

                if (session->user == user && !session_has_delivered(session))
                        n += now - session->delivery_time > broker->undelivered_usec;
                session = next;
        }

        return n;
}

static Lease **broker_lease_bucket(Broker *broker, const char *id) {
        unsigned n = 0;

        /* They are random. */
        for (; *id; id++)
                n = n * 31 + (unsigned char)*id;
        return &broker->lease_buckets[n % LEASE_BUCKETS];
}

Lease *broker_find_lease(Broker *broker, const char *id) {
        Lease *lease = *broker_lease_bucket(broker, id);

        while (lease && !streq(lease->id, id))
                lease = lease->next_of_bucket;
        return lease && lease_is_handed_over(lease) ? lease : NULL;
}

void broker_add_lease(Broker *broker, Lease *lease) {
        Lease **bucket = broker_lease_bucket(broker, lease->id);

        lease->next_of_bucket = *bucket;
        *bucket = lease;
        lease->next = broker->leases;
        if (broker->leases)
                broker->leases->previous = lease;
        broker->leases = lease;
        broker->n_leases++;
}

void broker_remove_lease(Broker *broker, Lease *lease) {
        Lease **p = broker_lease_bucket(broker, lease->id);

        while (*p != lease)
                p = &(*p)->next_of_bucket;
        *p = lease->next_of_bucket;
        if (lease->previous)
                lease->previous->next = lease->next;
        else
                broker->leases = lease->next;
        if (lease->next)
                lease->next->previous = lease->previous;
        broker->n_leases--;
}

/* Ends the leases for which the definition is not what it was, or all of them. One that was not
 * handed over yet is its request's to give up. */
static void broker_end_leases(Broker *broker, bool all, EndReason reason) {
        Lease *lease = broker->leases;

        while (lease) {
                Lease *next = lease->next;

                if (lease_is_handed_over(lease) && (all || !lease_is_current(lease)))
                        lease_end(lease, reason);
                lease = next;
        }
}

/* The next broker goes on with what systemd keeps. */
static void broker_leave_leases(Broker *broker) {
        Lease *lease = broker->leases;

        while (lease) {
                Lease *next = lease->next;
                Session *session = lease->session;

                if (lease->kept && store_has(lease->kept)) {
                        lease_leave(lease);
                        session_leave(session);
                }
                lease = next;
        }
}

/* Settings and definitions. */

static void broker_log_warnings(Broker *broker, char *const *warnings) {
        for (; warnings && *warnings; warnings++)
                record_log(broker->record, LOG_WARNING, RECORD_ID_PROBLEM, "%s", *warnings);
}

static void broker_log_catalogue(Broker *broker) {
        broker_log_warnings(broker, broker->catalogue->warnings);
        for (size_t i = 0; i < broker->catalogue->n_definitions; i++) {
                const Definition *definition = broker->catalogue->definitions[i];

                broker_log_warnings(broker, definition->warnings);
                if (definition->problem)
                        record_log(broker->record, LOG_WARNING, RECORD_ID_PROBLEM,
                                   "Endpoint %s cannot be used: %s", definition->name,
                                   definition->problem);
        }
}

/* Without it everybody is charged as who they say they are. */
static int broker_load_subuids(Broker *broker) {
        _cleanup_free_ char *subuid = strv_format("%s/etc/subuid", broker->root);
        _cleanup_free_ char *passwd = strv_format("%s" USERFILE_PASSWD, broker->root);
        SubuidTable table;
        int r;

        if (!subuid || !passwd)
                return -ENOMEM;

        r = subuid_table_load(&table, subuid, passwd);
        if (r < 0)
                return r;

        subuid_table_deinit(&broker->subuids);
        broker->subuids = table;
        return 0;
}

static void broker_observe(Broker *broker) {
        int r = observer_load(broker->observer);

        if (r < 0)
                record_log(broker->record, LOG_ERR, RECORD_ID_PROBLEM,
                           "Nothing is observed, whatever definitions say: %s", strerror(-r));
}

void broker_reload(Broker *broker) {
        Catalogue *catalogue;
        int r;

        r = catalogue_load_trusting(broker->folders, broker->owner, broker->catalogue, &catalogue);
        if (r < 0) {
                record_log(broker->record, LOG_ERR, RECORD_ID_PROBLEM,
                           "The definitions could not be read, and stay as they were: %s",
                           strerror(-r));
                return;
        }

        catalogue_free(broker->catalogue);
        broker->catalogue = catalogue;
        broker_log_catalogue(broker);
        broker_observe(broker);
        r = broker_load_subuids(broker);
        if (r < 0)
                record_log(broker->record, LOG_ERR, RECORD_ID_PROBLEM,
                           "/etc/subuid could not be read, and stays as it was: %s", strerror(-r));
        broker_end_leases(broker, false, END_DEFINITION);
        recheck_all(broker->recheck);
        broker_status(broker);
}

static void broker_status(Broker *broker) {
        (void)sd_notifyf(0, "STATUS=%zu endpoints.", broker->catalogue->n_definitions);
}

/* Signals. */

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Broker *broker = userdata;

        (void)sd_notifyf(0, "RELOADING=1");
        broker_reload(broker);
        (void)sd_notify(0, "READY=1");
        return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *si,
                        void *userdata) {
        Broker *broker = userdata;

        broker->is_restarting = keep_is_restart(broker, &broker->leaves_leases);
        return sd_event_exit(broker->event, 0);
}

/* The same two signals as systemd's own services have for it. */
static int on_level(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        bool debug = (int)si->ssi_signo == SIGNAL_DEBUG;
        Broker *broker = userdata;

        record_set_trace(broker->record, debug || broker->settings->log_debug);
        record_log(broker->record, LOG_NOTICE, NULL, "The log level is %s from now on (uid %u).",
                   record_has_trace(broker->record) ? "debug" : "info", si->ssi_uid);
        return 0;
}

static int broker_add_signals(Broker *broker) {
        const struct {
                int signal;
                sd_event_signal_handler_t handler;
        } signals[] = {{SIGHUP, on_reload},
                       {SIGTERM, on_terminate},
                       {SIGINT, on_terminate},
                       {SIGNAL_DEBUG, on_level},
                       {SIGNAL_CONFIGURED, on_level}};
        sigset_t mask;
        int r = 0;

        (void)sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void)sigaddset(&mask, signals[i].signal);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
                r = sd_event_add_signal(broker->event, &broker->signals[i], signals[i].signal,
                                        signals[i].handler, broker);
        return r;
}

/* Listening. */

/* Accepts a connection with the last descriptor there is, only to close it: else it would stay in
 * the queue, and the loop would turn for it without end. */
static void broker_shed(Broker *broker) {
        int fd;

        broker->reserve_fd = close_fd(broker->reserve_fd);
        fd = accept4(broker->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        close_fd(fd);
        broker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int on_listen(sd_event_source *source, int listen_fd, uint32_t events, void *userdata) {
        Broker *broker = userdata;
        int fd;

        /* Another process or thread can have been quicker when it was to be taken back. */
        if (broker->reserve_fd < 0)
                broker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        /* One a turn: there is seldom another, and others are to have their turn, too. */
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
                session_accept_consume_fd(broker, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                broker_shed(broker);

        return 0;
}

static bool kernel_has_peerpidfd(void) {
        int pair[2], pidfd = -EBADF, r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return false;

        r = peer_get_pidfd(pair[0], &pidfd);
        close_fd(pidfd);
        close_fd(pair[0]);
        close_fd(pair[1]);
        return r == 0;
}

int broker_listen_consume_fd(Broker *broker, int fd) {
        int zero = 0, r;

        broker->listen_fd = fd;

        /* The socket unit says PassCredentials=yes, and without that nobody could be told apart:
         * what was sent before this line would come without. */
        r = socket_set_passcred(fd);
        if (r < 0)
                return r;
        /* systemd's sockets block, and a connection can be gone before it is accepted. */
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &zero, sizeof(zero));

        broker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (broker->reserve_fd < 0)
                return -errno;

        r = sd_event_add_io(broker->event, &broker->listen, fd, EPOLLIN, on_listen, broker);
        if (r >= 0)
                r = sd_event_add_time_relative(broker->event, &broker->idle, CLOCK_MONOTONIC,
                                               broker->settings->idle_exit_usec, 0, on_idle,
                                               broker);
        if (r >= 0)
                r = broker_add_signals(broker);
        if (r < 0)
                return r;

        broker_rest(broker); /* there can be sessions already */
        broker_status(broker);
        return 0;
}

/* Coming and going. */

static int broker_load(Broker *broker, const BrokerPlaces *places) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = settings_folders(places->root, &folders);
        if (r >= 0)
                r = settings_load_trusting(folders, places->owner, &broker->settings);
        if (r >= 0)
                r = definition_folders(places->root, &broker->folders);
        if (r >= 0)
                r = catalogue_load_trusting(broker->folders, places->owner, NULL,
                                            &broker->catalogue);
        return r;
}

/* How many descriptors may be held for clients: what the process may have, less what it needs to go
 * on whatever clients do. */
static unsigned descriptors_max(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < 2 * DESCRIPTORS_RESERVED)
                return DESCRIPTORS_RESERVED / 2;
        return limit.rlim_cur > INT_MAX ? INT_MAX : (unsigned)limit.rlim_cur - DESCRIPTORS_RESERVED;
}

/* A lease has a connection of its own, and a revocable one a duplicate. */
static int broker_check_descriptors(Broker *broker) {
        unsigned needed = 2 * broker->settings->leases_max;

        broker->descriptors_max = descriptors_max();
        if (broker->descriptors_max >= needed)
                return 0;

        broker->descriptors_warning =
                strv_format("LimitNOFILE= of doorward.service allows %u descriptors to be held for "
                            "clients, and LeasesMax=%u may need %u: some are refused before",
                            broker->descriptors_max, broker->settings->leases_max, needed);
        return broker->descriptors_warning ? 0 : -ENOMEM;
}

static void on_policy_changed(void *userdata) {
        Broker *broker = userdata;

        recheck_all(broker->recheck);
}

int broker_new(sd_event *event, Authority *authority, const BrokerPlaces *places, Broker **ret) {
        _cleanup_(broker_freep) Broker *broker = calloc(1, sizeof(*broker));
        CheckLimits limits;
        int r;

        if (!broker)
                return -ENOMEM;

        broker->event = sd_event_ref(event);
        deadline_clock_init(&broker->clock, event);
        broker->authority = authority;
        broker->owner = places->owner;
        broker->undelivered_usec = UNDELIVERED_USEC;
        broker->listen_fd = broker->reserve_fd = -EBADF;
        broker->kernel_has_peerpidfd = kernel_has_peerpidfd();

        broker->root = strdup(places->root);
        if (!broker->root)
                return -ENOMEM;
        r = broker_load(broker, places);
        if (r == 0)
                r = broker_load_subuids(broker);
        if (r < 0)
                return r;

        limits = (CheckLimits){
                .in_flight = broker->settings->policy_checks_max,
                .per_uid = broker->settings->policy_checks_per_user,
                .interactive = PROMPTS_MAX,
        };
        user_table_init(&broker->users, broker->settings->request_rate,
                        broker->settings->request_burst);

        broker->conversations = (Conversations){
                .event = sd_event_ref(event),
                .path = strdup(places->pam),
                .helper = places->pam_helper,
                .max = broker->settings->conversations_max,
        };
        if (!broker->conversations.path)
                return -ENOMEM;

        process_table_init(&broker->processes, event, session_end_process);
        r = broker_check_descriptors(broker);
        if (r < 0)
                return r;

        r = cgroup_get_root(&broker->cgroup_root);
        if (r >= 0)
                r = sd_event_add_time(event, &broker->wake, CLOCK_MONOTONIC, 0, 1, on_wake, broker);
        if (r >= 0)
                r = sd_event_source_set_enabled(broker->wake, SD_EVENT_OFF);
        if (r >= 0)
                r = check_queue_new(event, authority, &limits, &broker->checks);
        if (r >= 0)
                r = record_new(event, places->journal, broker->settings->audit_queue_max,
                               &broker->record);
        if (r >= 0)
                record_set_trace(broker->record, broker->settings->log_debug);
        if (r >= 0)
                r = filters_init(&broker->filters, event, places->filter, places->passwd,
                                 places->filter_user);
        if (r >= 0)
                r = openers_new(event, places->openers, &broker->openers);
        if (r >= 0)
                r = store_new(event, broker->settings->kept_leases_max, places->notify,
                              places->notify_userdata, &broker->store);
        if (r >= 0)
                r = recheck_new(broker, &broker->recheck);
        if (r >= 0)
                r = logins_new(broker, &broker->logins);
        if (r >= 0)
                r = observer_new(broker, &broker->observer);
        if (r < 0)
                return r;
        authority_watch(authority, on_policy_changed, broker);

        broker_log_warnings(broker, broker->settings->warnings);
        if (broker->descriptors_warning)
                record_log(broker->record, LOG_WARNING, RECORD_ID_PROBLEM, "%s",
                           broker->descriptors_warning);
        broker_log_catalogue(broker);
        broker_observe(broker);
        *ret = TAKE_PTR(broker);
        return 0;
}

Broker *broker_free(Broker *broker) {
        if (!broker)
                return NULL;

        /* What was handed over is cut before the records of it are sent. */
        if (broker->leaves_leases)
                broker_leave_leases(broker);
        broker_end_leases(broker, true, broker->is_restarting ? END_RESTART : END_SHUTDOWN);
        while (broker->sessions) {
                Session *session = broker->sessions;

                session_close(session);
                session_free(session);
        }
        if (broker->store && !broker->is_restarting) {
                block_table_deinit(&broker->blocks);
                keep_blocks(broker);
        }
        if (broker->store)
                (void)store_flush(broker->store);
        if (broker->observer)
                observer_flush(broker->observer);
        if (broker->record)
                record_flush(broker->record, broker->settings->audit_timeout_usec, FLUSH_USEC);

        for (size_t i = 0; i < ELEMENTSOF(broker->signals); i++)
                sd_event_source_disable_unref(broker->signals[i]);
        sd_event_source_disable_unref(broker->listen);
        sd_event_source_disable_unref(broker->wake);
        broker->idle = sd_event_source_disable_unref(broker->idle);
        close_fd(broker->listen_fd);
        close_fd(broker->reserve_fd);

        authority_watch(broker->authority, NULL, NULL);
        recheck_free(broker->recheck);
        logins_free(broker->logins);
        observer_free(broker->observer);
        store_free(broker->store);
        openers_free(broker->openers);
        filters_deinit(&broker->filters);
        conversations_deinit(&broker->conversations);
        stepup_table_deinit(&broker->stepups);
        block_table_deinit(&broker->blocks);
        check_queue_free(broker->checks);
        record_free(broker->record);
        user_table_deinit(&broker->users);
        subuid_table_deinit(&broker->subuids);
        free(broker->root);
        catalogue_free(broker->catalogue);
        settings_free(broker->settings);
        strv_free(broker->folders);
        free(broker->cgroup_root);
        free(broker->descriptors_warning);
        deadline_clock_deinit(&broker->clock);
        sd_event_unref(broker->event);
        free(broker);
        return NULL;
}
