/* SPDX-License-Identifier: LGPL-2.1-or-later */

#ifndef DOORWARD_H
#define DOORWARD_H

/*
 * libdoorward: connections to named, privileged things
 *
 * An unprivileged program names an endpoint (the socket of a service, a device, a file) and how
 * much of it it wants. A broker takes the program's identity from the kernel, asks the system's
 * policy, and hands back a descriptor that is already connected. From then on the broker is not in
 * the way: reads and writes go to the service itself.
 *
 *         doorward_conn *c = doorward_open_read_only("doorward:///libvirt");
 *         if (!c) {
 *                 fprintf(stderr, "%s\n", doorward_get_last_error_message());
 *                 return 1;
 *         }
 *         ... doorward_get_fd(c) ...
 *         doorward_close(c);
 *
 * URIs. "doorward:///ENDPOINT" is an endpoint of this machine; a bare "ENDPOINT" is short for it.
 * "doorward://USER@/ENDPOINT" is the same as somebody else, who is to be proven to be: by USER's
 * password, as a rule; "doorward://@/ENDPOINT" asks as whom.
 * "doorward+unix:///ENDPOINT?socket=PATH" asks another broker of this machine.
 * "doorward+ssh://[USER@]HOST/ENDPOINT" is an endpoint of another machine, through the user's own
 * ssh, and "doorward+ext:///ENDPOINT?command=PATH" one of wherever a program leads:
 * doorward-remote(7) is about both. "access=full" or "access=read-only" may stand among the
 * parameters of all but the short form. An endpoint is a name such as docker or serial@ttyUSB0,
 * never a path. Everything else is refused, with a hint where there is a likely intention. All of it
 * is in doorward-uri(7).
 *
 * Names. A word can be an alias for a URI, and there can be a URI that NULL and "" stand for: both
 * are of the user's and the system's client.conf, which doorward-client.conf(5) describes. An alias
 * goes before an endpoint of the same name; the long forms are what they say in any case.
 *
 * Environment. DOORWARD_DEFAULT_URI is a default that goes before client.conf's; DOORWARD_SOCKET is
 * where the broker is that "doorward:///" means; XDG_CONFIG_HOME and HOME are where the user's
 * client.conf is. None of them counts in a program that has gained privileges by being executed.
 *
 * Errors. A function that fails says so by what it returns (NULL or -1), sets errno, and leaves an
 * error for its thread that doorward_get_last_error() shows: a class to decide by, a sentence for
 * people, and a hint that says what to do. Every function but the error calls forgets the thread's
 * earlier error when it begins. Nothing is ever printed, unless whoever started the program asks
 * for it: DOORWARD_DEBUG, see doorward-debug(7).
 *
 * Threads. A connection may be used by several threads at once, by every function here; only the
 * last doorward_close() must be the last use. What doorward_open_start() began is for one at a
 * time. What each function allows is said with it; those that free something, and those that have
 * a word or a number for something, may be called by any thread, for what no other thread uses at
 * that time. Errors are the thread's own. The library has no thread: what it calls, it calls in
 * the thread that called it.
 *
 * Fork. A connection belongs to the process that opened it, since it was that process whom policy
 * judged. In a child every function that is given one fails with DOORWARD_ERR_INVALID_CONN, but for
 * doorward_close(), which closes the child's copies and changes nothing for the parent. Descriptors
 * carry close-on-exec, so an executed program inherits none that it was not given. Fork while no
 * other thread is inside the library, or call nothing of it in the child.
 *
 * Signals, children. SIGPIPE is never raised, and a call that a signal interrupts goes on. No
 * handler is installed, but by doorward_auth_default for the time of a prompt. Where
 * doorward_open_auth() needs a process besides, to ask on polkit's behalf, it is started in a way
 * that the program sees nothing of: it is no child of the program's, there is no SIGCHLD and
 * nothing to wait for, and it ends with the call. What leads to another machine is started in the
 * same way, and ends with the connection.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* A connection: a descriptor with its endpoint, its access and its lease. Made by doorward_open()
 * and its like, ended by doorward_close(); counted by references. */
typedef struct doorward_conn doorward_conn;

/* A connection that is being opened, by doorward_open_start(). */
typedef struct doorward_opening doorward_opening;

/*
 * Error classes: what a program decides by.
 *
 * The numbers are frozen. Later versions add classes, so expect one that you do not know. Each has
 * a word, too (doorward_error_code_to_string()), which stands here in brackets.
 */
typedef enum doorward_error_code {
        /* (ok) No error. */
        DOORWARD_ERR_OK = 0,
        /* (system) A system call of this process failed, or there was no memory; see errnum. */
        DOORWARD_ERR_SYSTEM = 1,
        /* (invalid-argument) An argument that no call of this function can have. A mistake of the
         * calling program. */
        DOORWARD_ERR_INVALID_ARG = 2,
        /* (invalid-connection) No connection, one of another process, one that has no descriptor
         * (it was taken out, or none was opened yet), or (errnum EBUSY) one whose descriptor cannot
         * be taken out, or (errnum EOPNOTSUPP) one without the lease that the call is about. */
        DOORWARD_ERR_INVALID_CONN = 3,
        /* (bad-uri) The URI is not one, contradicts itself or the function (errnum EREMOTE: it
         * leads to another machine, and DOORWARD_LOCAL_ONLY was said), is empty and there is no
         * default, or may be an alias of a client.conf that cannot be understood. */
        DOORWARD_ERR_BAD_URI = 4,
        /* (unsupported) Known, but not provided by this version of the library or of the broker. */
        DOORWARD_ERR_UNSUPPORTED = 5,
        /* (no-broker) There is no broker, it may not be reached, or it ended before it answered. */
        DOORWARD_ERR_NO_BROKER = 6,
        /* (protocol) Whoever answered is not the broker, or did not keep to the interface. */
        DOORWARD_ERR_PROTOCOL = 7,
        /* (no-endpoint) No endpoint of that name is defined. */
        DOORWARD_ERR_NO_ENDPOINT = 8,
        /* (access-unsupported) The endpoint has no such access: no read-only form, say. What was
         * asked for as read-only never becomes full. */
        DOORWARD_ERR_ACCESS_UNSUPPORTED = 9,
        /* (denied) Policy said no, and a password would not change that. */
        DOORWARD_ERR_DENIED = 10,
        /* (auth-needed) Policy wants a password, and nobody may be asked by this call. */
        DOORWARD_ERR_AUTH_NEEDED = 11,
        /* (auth-failed) A password was asked for, and was wrong. */
        DOORWARD_ERR_AUTH_FAILED = 12,
        /* (auth-cancelled) Whoever was asked dismissed the prompt. */
        DOORWARD_ERR_AUTH_CANCELLED = 13,
        /* (auth-unavailable) A password is wanted and there is no way to ask for it here. */
        DOORWARD_ERR_AUTH_UNAVAILABLE = 14,
        /* (policy-unavailable) Policy did not answer, or not in time. */
        DOORWARD_ERR_POLICY_UNAVAILABLE = 15,
        /* (endpoint-down) The endpoint is defined and allowed, and could not be opened; errnum is
         * the kernel's reason where there was one. */
        DOORWARD_ERR_ENDPOINT_DOWN = 16,
        /* (limit) A limit of the broker was reached; the message names it. */
        DOORWARD_ERR_LIMIT = 17,
        /* (timeout) No answer in time. */
        DOORWARD_ERR_TIMEOUT = 18,
        /* (no-lease) No such lease, or not one of this process. */
        DOORWARD_ERR_NO_LEASE = 19,
        /* (lease-ended) The lease has ended: it was revoked, say, or its time passed. */
        DOORWARD_ERR_LEASE_ENDED = 20
} doorward_error_code;

/* Error domains: which part of the system said no. The numbers are frozen; more may be added. */
typedef enum doorward_error_domain {
        /* (none) No error. */
        DOORWARD_DOMAIN_NONE = 0,
        /* (library) This library. */
        DOORWARD_DOMAIN_LIBRARY = 1,
        /* (system) The kernel, answering this process. */
        DOORWARD_DOMAIN_SYSTEM = 2,
        /* (broker) The broker. */
        DOORWARD_DOMAIN_BROKER = 3,
        /* (policy) The system's policy, polkit. */
        DOORWARD_DOMAIN_POLICY = 4,
        /* (auth) Authentication. */
        DOORWARD_DOMAIN_AUTH = 5,
        /* (endpoint) The endpoint: its definition, its opener, or the service behind it. */
        DOORWARD_DOMAIN_ENDPOINT = 6,
        /* (transport) The way to another machine: ssh, say, or who answered at its end. */
        DOORWARD_DOMAIN_TRANSPORT = 7
} doorward_error_domain;

/* What went wrong. The strings are UTF-8, of one line, without control characters; one that is not
 * known is NULL, but for message, which is never NULL in an error that this library shows. */
typedef struct doorward_error {
        int domain;       /* a doorward_error_domain */
        int code;         /* a doorward_error_code */
        int errnum;       /* an errno(3) number, or 0 */
        char *message;    /* one sentence for people: what happened */
        char *hint;       /* what to do about it */
        char *endpoint;   /* the endpoint that it is about */
        char *action_id;  /* the polkit action that was asked */
        char *request_id; /* by which the journal has the record of it: DOORWARD_REQUEST= */
        void *reserved[4];
} doorward_error;

/* Called for each error, in the thread that met it and before the failing function returns. The
 * error is the thread's last one, and borrowed. The function may use the error calls below that
 * read, and nothing else of this library. */
typedef void (*doorward_error_func)(void *userdata, const doorward_error *error);

/*
 * Credentials: what a program can be asked for on the way to a connection.
 *
 * A program lists those that its callback can collect, and is asked for no others; where one that
 * it does not list is needed, the open fails with DOORWARD_ERR_AUTH_UNAVAILABLE. The numbers are
 * frozen, and libvirt's where libvirt has the same. Expect one that you do not know only if you
 * listed it.
 */
typedef enum doorward_credential_type {
        /* As whom to authenticate: the name of a user. Asked for by "doorward://@/ENDPOINT", and
         * where policy takes the password of any of several administrators. challenge then has
         * their names, with ", " between them, and defresult the first, which an empty answer
         * means, too. Where this is not listed, the first of several is taken. */
        DOORWARD_CRED_AUTHNAME = 2,
        /* A password, or whatever else nobody may see as it is typed. */
        DOORWARD_CRED_PASSPHRASE = 5,
        /* Something that may be seen as it is typed. */
        DOORWARD_CRED_ECHOPROMPT = 6,
        /* The same as PASSPHRASE, for programs that list this and not that. */
        DOORWARD_CRED_NOECHOPROMPT = 7,
        /* Nothing to collect: by now somebody else may be asking, such as the authentication agent
         * of the desktop. challenge says who: "polkit". A program can say so, or step aside.
         * Dropped where it is not listed. */
        DOORWARD_CRED_EXTERNAL = 9,
        /* Nothing to collect: a text to show. Dropped where it is not listed. */
        DOORWARD_CRED_INFO = 100,
        /* The same, of something that went wrong. */
        DOORWARD_CRED_ERROR_MSG = 101
} doorward_credential_type;

/*
 * One thing to collect, or to show.
 *
 * Everything but the result is the library's, and gone when the callback returns. Texts are of one
 * line, without control characters, and to be shown as they are: a prompt has its colon already.
 *
 * The result is memory from malloc(3) that holds a string, ended by a NUL and at most 511 bytes
 * long, with resultlen for its length. It is the library's from then on, whatever the callback
 * returns, and is erased before it is freed; copies that the callback makes are the callback's to
 * erase. An empty string is an answer: who was asked only pressed Enter. To leave the result NULL
 * where something is to be collected is a mistake of the program, DOORWARD_ERR_INVALID_ARG, and so
 * is a resultlen that is beyond the string.
 */
typedef struct doorward_credential {
        int type;              /* a doorward_credential_type */
        const char *prompt;    /* what is asked, or said */
        const char *challenge; /* more that is to be shown with it, or NULL */
        const char *defresult; /* what an empty answer means, or NULL */
        char *result;          /* NULL when the callback is called */
        unsigned resultlen;    /* 0 when the callback is called */
} doorward_credential;

/*
 * A callback that collects credentials, ncred of them in an array: one at a time in this version,
 * in the order in which they are wanted.
 *
 * It is called by the open that wants them, in its thread, and may take as long as a person does;
 * who waits at the other end gives up after two minutes, and the answer is then in vain. It may use
 * this library, and must return.
 *
 * Returns 0; or -1 to cancel: the open then fails with DOORWARD_ERR_AUTH_CANCELLED; or, in what
 * doorward_open_start() began, DOORWARD_AUTH_LATER: the question stays open, and
 * doorward_open_answer() answers it. Elsewhere that is a mistake of the program,
 * DOORWARD_ERR_INVALID_ARG. Of what is only to be shown it means the same as 0.
 */
#define DOORWARD_AUTH_LATER 2
typedef int (*doorward_auth_cb)(doorward_credential *cred, unsigned ncred, void *cbdata);

/* Who collects credentials, and which. It is read while an open goes on, and stays the caller's.
 * One that lists nothing needs no callback: nothing is asked of the program, but an authentication
 * agent of the desktop may ask. */
typedef struct doorward_auth {
        const int *credtype; /* the doorward_credential_types that the callback can collect */
        unsigned ncredtype;  /* how many */
        doorward_auth_cb cb;
        void *cbdata; /* handed to the callback as it is */
} doorward_auth;

/*
 * Asks on the terminal: for programs that people run in one. It collects every type there is.
 *
 * It writes to and reads from /dev/tty, whatever the standard streams are, and never uses those.
 * What is typed in answer to DOORWARD_CRED_PASSPHRASE and its like is not shown, and what was typed
 * before the prompt does not count for it. A line that is too long is refused, not cut. ^D, or the
 * terminal's end, cancels.
 *
 * While it waits it catches SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP,
 * SIGTTIN and SIGTTOU, but for those that the program ignores. When one comes, the terminal is put
 * back as it was, so are the handlers and the mask of the program, and the signal is sent again: ^C
 * ends a program that does not handle it, and one that does gets it, and then
 * DOORWARD_ERR_AUTH_CANCELLED. After ^Z, and after any stop in which somebody changed the terminal,
 * it asks anew when the program goes on. Handlers are of the whole process: a program that sets
 * its own at that moment, in another thread, keeps them, and is on its own then. Handlers must
 * return: what one leaves by a jump is freed by nobody. A stop that the program blocks has no
 * effect on the prompt.
 *
 * exit(3) in another thread, abort(3), and what cannot be caught end the program with the terminal
 * as it is then: stty echo helps.
 *
 * Without a controlling terminal, or in the background of one, there is nobody to ask: what needs
 * a password then fails with DOORWARD_ERR_AUTH_UNAVAILABLE. Threads that ask at once wait for each
 * other.
 *
 * The callback can be used in a program's own doorward_auth, with any cbdata, and be called from a
 * program's own callback; there it returns -1 for every reason.
 */
extern const doorward_auth *const doorward_auth_default;

/*
 * Opens a connection with full access, or with what the URI says. Nobody is asked for a password:
 * where policy wants one, and for a URI with a user, the call fails with DOORWARD_ERR_AUTH_NEEDED.
 *
 * The call waits for the broker, the policy and the service, for a minute at most.
 *
 * uri is a URI, an alias, or NULL or "" for the default. Where there is no default, that is an
 * error whose hint lists the endpoints; nothing is guessed.
 *
 * May be called by any thread; threads that open do not wait for each other.
 *
 * Returns a connection that the caller owns and ends with doorward_close(), or NULL.
 */
doorward_conn *doorward_open(const char *uri);

/*
 * Opens a connection with read-only access. The endpoint's definition says what makes it read-only:
 * a read-only socket of the service itself, or a descriptor that only reads. An endpoint that has
 * no read-only form is refused with DOORWARD_ERR_ACCESS_UNSUPPORTED, and "?access=full" with
 * DOORWARD_ERR_BAD_URI. In all else like doorward_open().
 */
doorward_conn *doorward_open_read_only(const char *uri);

/*
 * What doorward_open_auth() can be told besides. The numbers are frozen, and more may be added;
 * whatever is no flag of the library's version is DOORWARD_ERR_INVALID_ARG.
 */
typedef enum doorward_flags {
        /* Read-only access, as doorward_open_read_only() has it. */
        DOORWARD_RO = 1,
        /* Take the URI for one, even where an alias is called so. The default, too. */
        DOORWARD_NO_ALIASES = 2,
        /* Ask nobody, as if auth were NULL. */
        DOORWARD_NO_INTERACTION = 4,
        /* Where full access is refused, by policy or by who was asked for a password, or where
         * there is none, open read-only instead; doorward_get_uri() says which it became. Where
         * read-only is refused as well, the error is that of full access, unless there is none. A
         * prompt that was dismissed is not followed by another. What the URI says is not changed:
         * then, and with DOORWARD_RO, this has no effect. */
        DOORWARD_FALLBACK_RO = 8,
        /* Without a lease: the broker keeps nothing and ends nothing, and the descriptor can
         * outlive the connection and the process. Only where the endpoint's definition says so
         * (Lease=none), else DOORWARD_ERR_ACCESS_UNSUPPORTED. */
        DOORWARD_DETACHED = 16,
        /* Refuse what is on another machine, or may be (doorward+ssh, doorward+ext), also where an
         * alias or the default leads there: DOORWARD_ERR_BAD_URI with errnum EREMOTE. Another
         * broker of this machine (doorward+unix) is none. */
        DOORWARD_LOCAL_ONLY = 32,
        /* Ask policy, and open nothing yet: the connection has a lease and no descriptor, and each
         * doorward_open_another() gives one, without policy being asked again. For a program whose
         * connections come and go: the lease is not over when the service has hung up on all of
         * them. Only where there is a lease: an endpoint that has none (Lease=none) is refused with
         * DOORWARD_ERR_ACCESS_UNSUPPORTED, and together with DOORWARD_DETACHED it is
         * DOORWARD_ERR_INVALID_ARG. */
        DOORWARD_HOLD = 64
} doorward_flags;

/*
 * Opens a connection, and has people asked for a password where policy wants one. auth says how and
 * for what the program can be asked (doorward_auth_default: on the terminal); NULL means that
 * nobody is asked, which makes this doorward_open() with flags.
 *
 * Who is asked, and through whom, is for policy to say. Where the user's session has an
 * authentication agent, as a desktop has, polkit asks through that; DOORWARD_CRED_EXTERNAL says so,
 * if there is no answer for half a second. Where there is none, doorward-agent is started for the
 * time of the call, and the callback is asked. Where the endpoint's definition wants the caller's
 * own password besides, and for "doorward://USER@/ENDPOINT", the callback is asked. Its answers go
 * to a process of root's, and neither the broker nor another process of the user sees them; but
 * where polkit's own helper is a service (polkit 127 and later), answers that polkit wants go to it
 * through doorward-agent, a process of the user.
 *
 * doorward-agent is a child of nobody that the program has, but for a program that adopts orphans
 * (PR_SET_CHILD_SUBREAPER, or process 1 of a container), which will find it among its children and
 * gets SIGCHLD when it ends.
 *
 * There is one attempt: a wrong password is DOORWARD_ERR_AUTH_FAILED, and who wants another opens
 * again. A callback that cancels ends the open with DOORWARD_ERR_AUTH_CANCELLED, and whatever waits
 * for a password elsewhere is withdrawn.
 *
 * The thread is not cancelled by pthread_cancel(3) before any open returns, nor in the callback.
 *
 * The call waits for five minutes at most, if people may be asked. What the URI is, and what is
 * returned, is as for doorward_open(). flags are those of doorward_flags.
 */
doorward_conn *doorward_open_auth(const char *uri, const doorward_auth *auth, unsigned flags);

/*
 * Begins to open a connection, for a program that has a loop of its own and may not wait. All is as
 * with doorward_open_auth(); but each thing that takes time is waited for by the program, and then
 * gone on with by doorward_open_process():
 *
 *         doorward_opening *o = doorward_open_start(uri, auth, 0);
 *         ...
 *         while (doorward_open_process(o) > 0)
 *                 ... wait for doorward_open_get_event_fd(o), or doorward_open_get_timeout(o) ...
 *         doorward_conn *c = doorward_open_finish(o);
 *         doorward_open_free(o);
 *
 * This call itself asks nobody, and calls no callback; but it reads client.conf, where that may
 * matter. Nothing that is begun with it waits for the broker, for policy, for a person, or for the
 * agent that may have to be started; a callback does if it does, like that of
 * doorward_auth_default, so in a loop one should return DOORWARD_AUTH_LATER. auth is read until
 * doorward_open_free().
 *
 * What is being opened is for one thread at a time; several may be, by one thread or many. In a
 * child of the process all of these calls fail, but for doorward_open_free().
 *
 * Returns what the caller ends with doorward_open_free(), or NULL: for a mistake in the arguments
 * or the URI, or if there is no memory. Whatever else fails, the broker's not being there too, is
 * said by doorward_open_finish().
 */
doorward_opening *doorward_open_start(const char *uri, const doorward_auth *auth, unsigned flags);

/*
 * A descriptor to wait on, with poll(2) for what doorward_open_get_events() says, or with whatever
 * loop the program has. When it is readable, and when it is as late as doorward_open_get_timeout()
 * says, call doorward_open_process(). It is an epoll(7), made by the first of these calls.
 *
 * It stays the library's, and the same, until doorward_open_free(): take it out of a loop before
 * that. Do nothing else with it. It has close-on-exec, and is never 0, 1 or 2.
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns it, or -1.
 */
int doorward_open_get_event_fd(doorward_opening *opening);

/*
 * What to wait for on it: POLLIN, or 0 if it is only to become late. To be asked again after each
 * doorward_open_process() and doorward_open_answer(); to wait for POLLIN in any case does no harm.
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns the bits, as poll(2) has them, or -1.
 */
int doorward_open_get_events(doorward_opening *opening);

/*
 * When doorward_open_process() is to be called although nothing was heard: *usec is a point in
 * time, in microseconds of CLOCK_MONOTONIC, not a length; what has passed, 0 too, means at once. To
 * be asked again as above.
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns 1; 0 if there is no such time, and *usec is then LLONG_MAX; or -1, and *usec is
 * unchanged.
 */
int doorward_open_get_timeout(doorward_opening *opening, long long *usec);

/*
 * Does what can be done now, and waits for nothing. It calls the callback of doorward_auth, if
 * something is to be asked or shown. To be called first, and whenever there is something to do; at
 * any other time it does no harm.
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns 1 if there is more to be waited for; 0 if the open is over, well or not, which
 * doorward_open_finish() says; or -1 if it cannot be called: DOORWARD_ERR_INVALID_CONN for NULL or
 * in a child, DOORWARD_ERR_INVALID_ARG (errnum EBUSY) in a callback of its own.
 */
int doorward_open_process(doorward_opening *opening);

/*
 * Whether a question is open, of which the callback said DOORWARD_AUTH_LATER. It is over when it is
 * answered, when whoever asked wants no answer any more, or when the callback is asked another: a
 * program that shows it can look after each doorward_open_process().
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns 1, 0, or -1 as doorward_open_process().
 */
int doorward_open_is_asking(doorward_opening *opening);

/*
 * Answers the question that is open. cred is a credential, as the callback leaves it: its result is
 * memory from malloc(3), and is erased and freed whatever is returned, and cred is cleared; its
 * other members are ignored. ncred is 1. With ncred 0, cred may be NULL, the question is cancelled,
 * and the open with it.
 *
 * Then go on as after doorward_open_process().
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns 0; 1 if no question is open, since nobody wants the answer any more; or -1: with
 * DOORWARD_ERR_INVALID_ARG for what is no answer, the question is still open.
 */
int doorward_open_answer(doorward_opening *opening, doorward_credential *cred, unsigned ncred);

/*
 * What came of it, once doorward_open_process() has returned 0. It can be asked once.
 *
 * For one thread at a time, which may be another each time.
 *
 * Returns a connection that the caller owns and ends with doorward_close(), or NULL, with the error
 * that doorward_open_auth() would have; DOORWARD_ERR_INVALID_ARG (errnum EINPROGRESS) is that it is
 * not over yet, and (errnum EALREADY) that this was asked before.
 */
doorward_conn *doorward_open_finish(doorward_opening *opening);

/*
 * Frees it, at any time: what is not over is given up, without waiting. A question that polkit or
 * PAM asks is withdrawn, an agent that was started ends by itself, and a connection that was not
 * taken is closed. Answers that were not sent are erased. NULL is allowed. In a callback of its own
 * this is done when the callback has returned; doorward_open_process() then returns 0, and it is
 * gone.
 *
 * polkit knows the agent for some moments more. Where the same process opens again at once, that
 * one may be asked in vain, and the open fail with DOORWARD_ERR_AUTH_CANCELLED or DENIED.
 *
 * In a child of the process this frees the child's copies, and changes nothing for the parent.
 */
void doorward_open_free(doorward_opening *opening);

/*
 * Takes one more reference, to be given back with doorward_close(). Atomic.
 *
 * May be called by any thread.
 *
 * Returns 0, or -1 with DOORWARD_ERR_INVALID_CONN.
 */
int doorward_ref(doorward_conn *conn);

/*
 * Gives a reference back. The last one ends the lease, closes the descriptor unless it was taken
 * with doorward_steal_fd(), and frees the connection. On a revocable lease (full access to a
 * service's socket is one, as a rule) the broker then hangs up on both sides, whoever else holds a
 * copy of the descriptor; close(2) on a copy alone does not.
 *
 * The last one also ends what doorward_open_another() opened, on a revocable lease, and calls the
 * free_func of the close callback that there is then; that callback itself is not called.
 *
 * In a child of the process that opened it, this closes the child's copies and frees its memory. No
 * free_func is called there.
 *
 * May be called by any thread that has a reference.
 *
 * Returns 1 if references remain, 0 if it was the last, or -1 with DOORWARD_ERR_INVALID_CONN for
 * NULL. Do not take 1 for the number of references.
 */
int doorward_close(doorward_conn *conn);

/*
 * The connected descriptor. It stays the connection's: do not close it, and do not use it after the
 * last doorward_close(). It has close-on-exec, is never 0, 1 or 2, and is in blocking mode unless
 * its user changes that.
 *
 * May be called by any thread.
 *
 * Returns it, or -1 with DOORWARD_ERR_INVALID_CONN (errnum EBADF) if it was taken out, or if there
 * is none because of DOORWARD_HOLD.
 */
int doorward_get_fd(doorward_conn *conn);

/*
 * Takes the descriptor out of the connection: it is the caller's from now on, to close(2), with
 * close-on-exec set. The connection and its lease go on until doorward_close().
 *
 * On a revocable lease this fails: the broker would hang up on the descriptor at the end of the
 * lease, so it cannot outlive the connection. Keep the connection, and use doorward_get_fd().
 *
 * May be called by any thread; of several at once, one gets it.
 *
 * Returns it, or -1 with DOORWARD_ERR_INVALID_CONN: errnum is EBUSY on a revocable lease, and EBADF
 * if it was taken out before, or if there is none because of DOORWARD_HOLD.
 */
int doorward_steal_fd(doorward_conn *conn);

/*
 * The canonical URI of the connection, with the access that was granted:
 * "doorward:///libvirt?access=read-only". An alias and the default stand in it as what they came
 * to. It can be given to doorward_open() again, and leads to the same thing.
 *
 * May be called by any thread.
 *
 * Returns a string that the caller owns and frees with free(3), or NULL.
 */
char *doorward_get_uri(doorward_conn *conn);

/*
 * What kind of thing the descriptor is: "stream" or "seqpacket" (unix sockets), "device", "fifo",
 * "file" or "tap". Expect others in later versions.
 *
 * May be called by any thread.
 *
 * Returns a static string that is not to be freed, or NULL: with DOORWARD_HOLD there was nothing
 * yet to look at, and it is DOORWARD_ERR_INVALID_CONN.
 */
const char *doorward_get_type(doorward_conn *conn);

/*
 * The version of the broker, as major * 1000000 + minor * 1000 + micro. The broker is asked each
 * time, on a connection of its own; that of another machine as doorward_get_host_info() asks it.
 *
 * May be called by any thread.
 *
 * Returns 0 and *version, which is 0 if the broker's version is not such a number; or -1, and
 * *version is unchanged.
 */
int doorward_get_version(doorward_conn *conn, unsigned long *version);

/* The version of this library, in the same format. Cannot fail and forgets no error. */
unsigned long doorward_version(void);

/*
 * The version of the library at the other end of the connection, in the same format: this one's,
 * but for a connection to another machine, which is asked as doorward_get_host_info() asks it. conn
 * may be NULL.
 *
 * May be called by any thread.
 *
 * Returns 0 and *version; or -1, and *version is unchanged.
 */
int doorward_get_lib_version(doorward_conn *conn, unsigned long *version);

/*
 * Whether what goes through the descriptor is encrypted on its way to the machine that has the
 * endpoint. On this machine it does not leave the kernel, and is not.
 *
 * May be called by any thread.
 *
 * Returns 1, 0, or -1 with DOORWARD_ERR_INVALID_CONN.
 */
int doorward_is_encrypted(doorward_conn *conn);

/*
 * Whether it is certain who is at the other end, and that nobody listens on the way. On this
 * machine: whether root made the broker's socket and the broker's own user has answered on it. Then
 * what it sent is what the endpoint's definition names. What is not certain is 0: somebody's own
 * instance of the broker, say, or the caller's being in a user namespace to which root does not
 * belong.
 *
 * It is of the moment of the open, and asks nobody.
 *
 * May be called by any thread.
 *
 * Returns 1, 0, or -1 with DOORWARD_ERR_INVALID_CONN.
 */
int doorward_is_secure(doorward_conn *conn);

/*
 * What stands between a connection and more than was granted. Only the library makes one, so later
 * versions can append members; a program reads those of the version that it was compiled with, and
 * never copies the whole. Strings are the model's, and gone with it.
 */
typedef struct doorward_security_model {
        const char *authorizer; /* who said yes: "polkit", or "polkit+pam" if PAM has heard a
                                 * password besides, or had a while before */
        const char *connect_as; /* whom the service sees: "client", the caller; "service", a user of
                                 * the endpoint's own; or the name of a user. NULL: the broker, an
                                 * older one, did not say */
        const char *read_only;  /* by what a read-only connection is: "socket", a read-only one of
                                 * the service's own; "open-flags", a descriptor that only reads;
                                 * "filter", a program in the way. "none": it is not read-only.
                                 * NULL: the broker did not say */
        const char *mode;       /* of the lease: "revocable", "tracked" or "none" */
        const char *label;      /* of whoever made the socket at the other end, in the words of the
                                 * kernel's security module (SELinux, AppArmor); "" if there is none,
                                 * and of what is no socket */
} doorward_security_model;

/*
 * What stands between the connection and more than was granted. It is of the moment of the grant,
 * but for the label, which the kernel is asked for: it is "" once the descriptor was taken out.
 * Nobody else is asked.
 *
 * May be called by any thread.
 *
 * Returns a model that the caller owns and frees with doorward_security_model_free(), or NULL.
 */
doorward_security_model *doorward_get_security_model(doorward_conn *conn);

/* Frees what doorward_get_security_model() returned. NULL is allowed. Forgets no error, and works
 * in a child, too. */
void doorward_security_model_free(doorward_security_model *model);

/* A NUMA node: processors, and the memory that is near to them. */
typedef struct doorward_host_node {
        unsigned id;                     /* the kernel's number for it */
        unsigned cpus;                   /* how many are in use; a node can have none */
        unsigned long long memory_total; /* in bytes */
        unsigned long long memory_free;  /* in bytes, of which nothing is used for anything */
        void *reserved[4];
} doorward_host_node;

/*
 * A machine. Only the library makes one, so later versions can append members; a program reads
 * those of the version that it was compiled with, and never copies the whole. Strings and nodes are
 * the info's, and gone with it. What cannot be found out, as in a sandbox, is NULL or 0.
 */
typedef struct doorward_host_info {
        const char *hostname;                /* as uname(2) has it */
        const char *machine_id;              /* see machine-id(5) */
        const char *os_name;                 /* for people: "Debian GNU/Linux 12 (bookworm)" */
        const char *kernel;                  /* its release: "6.1.0-18-amd64" */
        const char *architecture;            /* the machine's name for it: "x86_64" */
        unsigned cpus;                       /* processors that are in use */
        unsigned n_nodes;                    /* NUMA nodes: 1 at least, */
        const doorward_host_node *nodes;     /* by their ids */
        unsigned long long memory_total;     /* in bytes */
        unsigned long long memory_free;      /* in bytes, of which nothing is used for anything */
        unsigned long long memory_available; /* in bytes, that programs could have: the kernel gives
                                              * up what it has only for speed */
} doorward_host_info;

/*
 * What is known of the machine that has the endpoint; conn NULL: of this machine. The library reads
 * it itself, each time, from files that anybody can read (/proc, /sys, /etc/os-release), and asks
 * neither the broker nor a service. It is what the kernel shows this process: in a container, the
 * container's name, and the machine's processors and memory. Another machine is asked, in the way
 * that leads there, anew and without prompts; that waits for a minute at most.
 *
 * May be called by any thread.
 *
 * Returns an info that the caller owns and frees with doorward_host_info_free(), or NULL.
 */
doorward_host_info *doorward_get_host_info(doorward_conn *conn);

/* Frees what doorward_get_host_info() returned. NULL is allowed. Forgets no error, and works in a
 * child, too. */
void doorward_host_info_free(doorward_host_info *info);

/*
 * The name of the machine that has the endpoint, as that machine has it; conn NULL: of this
 * machine.
 *
 * May be called by any thread.
 *
 * Returns a string that the caller owns and frees with free(3), or NULL.
 */
char *doorward_get_hostname(doorward_conn *conn);

/*
 * What the broker of the connection is and has, and what it would answer this process; conn NULL:
 * of the broker that doorward_open() would ask. It is JSON, an object, whose members
 * doorward_get_capabilities(3) describes: the machine, the versions, features of the kernel and of
 * polkit, the ways to be asked for a password, and the endpoints, each with what policy says about
 * both levels of access. Expect members that you do not know. Nobody is asked for a password.
 *
 * The broker is asked on a connection of its own, and given a minute for each answer. Of another
 * machine it is what that machine says, asked as doorward_get_host_info() asks it: what its relay,
 * a process of the user who was let in there, would be told, fit to be shown; more than 64 KiB are
 * DOORWARD_ERR_LIMIT. The thread is not cancelled by pthread_cancel(3) meanwhile.
 *
 * May be called by any thread.
 *
 * Returns a string that the caller owns and frees with free(3), or NULL.
 */
char *doorward_get_capabilities(doorward_conn *conn);

/* How much there may be of something, and how much of it there is. */
typedef struct doorward_limit {
        const char *name; /* as doorward.conf(5) and errors have it: "LeasesPerUser" */
        long long max;
        long long used; /* by the user of this process, now; -1: nobody counts it by user */
        void *reserved[4];
} doorward_limit;

/*
 * The limits of a broker. Only the library makes one, so later versions can append members; a
 * program never copies the whole. Which limits there are is for the broker to say: look for those
 * that you know, by name. Names and limits are freed with it.
 */
typedef struct doorward_limits {
        unsigned n_limits;
        const doorward_limit *limits;
} doorward_limits;

/*
 * What the broker of the connection lets the user of this process have, and how much of it that is
 * now; conn NULL: the broker that doorward_open() would ask. What other users have nobody is told.
 * The question itself counts: it is a connection.
 *
 * The broker is asked each time, on a connection of its own, and given a minute to answer. Of
 * another machine it is what that machine says of the user who was let in there, asked as
 * doorward_get_host_info() asks it. The thread is not cancelled by pthread_cancel(3) meanwhile.
 *
 * May be called by any thread.
 *
 * Returns limits that the caller owns and frees with doorward_limits_free(), or NULL.
 */
doorward_limits *doorward_get_limits(doorward_conn *conn);

/* Frees what doorward_get_limits() returned. NULL is allowed. Forgets no error, and works in a
 * child, too. */
void doorward_limits_free(doorward_limits *limits);

/*
 * Opens one more descriptor under the connection's lease: to the same endpoint, with the same
 * access. Policy is not asked again, and nobody is asked for a password, so this is much faster
 * than another doorward_open(). It waits for the broker and the service, for a minute at most.
 *
 * The descriptor is the caller's, to close(2). It has close-on-exec, is never 0, 1 or 2, and is in
 * blocking mode. It is covered by the connection's lease: on a revocable one both sides are hung up
 * on when that ends, with the last doorward_close() at the latest, and close(2) hangs up only with
 * the shutdown(2) before it. It is not what doorward_get_fd() returns, and doorward_get_type() is
 * true of it as well.
 *
 * Threads may call it at once; they are served one after the other, and each waits for those before
 * it. For descriptors that are to be opened side by side, open several connections. The thread is
 * not cancelled by pthread_cancel(3) before it returns. The first call makes a second connection to
 * the broker, which is kept until doorward_close().
 *
 * Returns a descriptor, or -1: DOORWARD_ERR_LEASE_ENDED, if the lease has ended;
 * DOORWARD_ERR_INVALID_CONN (errnum EOPNOTSUPP) on a connection without a lease;
 * DOORWARD_ERR_ENDPOINT_DOWN, DOORWARD_ERR_LIMIT and the like as for doorward_open(). The
 * connection stays as it was.
 */
int doorward_open_another(doorward_conn *conn);

/*
 * Whether the connection can still be used, as far as is known without asking anybody: whether the
 * broker has said that the lease has ended, or is gone. Never waits.
 *
 * Without a lease there is nobody to say so, and the descriptor itself is looked at: a socket on
 * which the other end has hung up, or a device that is gone, where its driver says so, is 0;
 * everything else is 1. What is 1 can fail in the next moment.
 *
 * May be called by any thread, at any time. It calls no callback: where it returns 0, the next
 * doorward_process() does.
 *
 * Returns 1, 0, or -1 with DOORWARD_ERR_INVALID_CONN: also where there is neither a lease nor a
 * descriptor any more (errnum EBADF).
 */
int doorward_is_alive(doorward_conn *conn);

/*
 * Why a lease ended. The numbers are frozen. Later versions add reasons, so expect one that you do
 * not know. Each has a word, too (doorward_close_reason_to_string()), which stands here in brackets
 * and in the record of the end in the journal.
 */
typedef enum doorward_close_reason {
        /* (none) It has not, or there is no lease. */
        DOORWARD_CLOSE_NONE = 0,
        /* (client) This program hung up. Only somebody else is told so. */
        DOORWARD_CLOSE_CLIENT = 1,
        /* (peer) The process that held it ended. Only somebody else is told so. */
        DOORWARD_CLOSE_PEER = 2,
        /* (backend) The service hung up: on the last of the descriptors, if there were more. */
        DOORWARD_CLOSE_BACKEND = 3,
        /* (expired) The time that the endpoint's definition allows has passed. */
        DOORWARD_CLOSE_EXPIRED = 4,
        /* (revoked) An administrator took it back, or the user did. */
        DOORWARD_CLOSE_REVOKED = 5,
        /* (logout) The user's session ended. */
        DOORWARD_CLOSE_LOGOUT = 6,
        /* (policy) Policy no longer says yes. */
        DOORWARD_CLOSE_POLICY = 7,
        /* (definition) The endpoint's definition was changed or removed. */
        DOORWARD_CLOSE_DEFINITION = 8,
        /* (restart) The broker was restarted, and could not keep it. */
        DOORWARD_CLOSE_RESTART = 9,
        /* (shutdown) The broker was stopped. */
        DOORWARD_CLOSE_SHUTDOWN = 10,
        /* (broker) The broker is gone without saying why, or said what could not be read. Then it
         * may not have hung up on the descriptors. */
        DOORWARD_CLOSE_BROKER = 11,
        /* (other) The broker gave no reason, or one that this version does not know. */
        DOORWARD_CLOSE_OTHER = 12,
        /* (transport) What leads to another machine has ended: ssh has lost its connection, say. The
         * lease there ends as well, as soon as that machine notices. */
        DOORWARD_CLOSE_TRANSPORT = 13
} doorward_close_reason;

/* The word for a reason, such as "revoked"; "unknown" for a number that is none. Static. Cannot
 * fail and forgets no error. */
const char *doorward_close_reason_to_string(int reason);

/*
 * Called when the lease of a connection has ended; reason is a doorward_close_reason, and what to
 * do about it is the program's affair. On a revocable lease the descriptors were hung up on before.
 *
 * It is called by doorward_process() in its thread, and by nothing else. It may use all of this
 * library, also on this connection, whose reference it borrows: doorward_close() gives back that of
 * the program, if it is done with it, and the connection is then gone when doorward_process()
 * returns. It must return, and the thread is not cancelled by pthread_cancel(3) in it.
 */
typedef void (*doorward_close_cb)(doorward_conn *conn, int reason, void *userdata);

/* Called with what was handed over with a callback, when that is not needed any more. It may use
 * this library, but not the connection. */
typedef void (*doorward_free_func)(void *userdata);

/*
 * Has a callback called when the lease of the connection ends. A connection has one; the last call
 * wins, and cb NULL means none, for which userdata and free_func are ignored. Each is called once
 * at most, and by doorward_process() only: a program that does not call that is never told.
 *
 * userdata is handed to the callback as it is. free_func, unless it is NULL, is called with it when
 * another callback replaces this one, or none does, or with the last doorward_close(); where the
 * callback is running at that moment, in this or another thread, as soon as it has returned. It is
 * called in the thread in which that happens.
 *
 * May be called by any thread, also from a callback, and after the lease has ended: then the next
 * doorward_process() calls the callback.
 *
 * Returns 0; or -1, and nothing has changed: userdata stays the caller's, and is not freed.
 * DOORWARD_ERR_INVALID_CONN (errnum EOPNOTSUPP) is that there is no lease that could end.
 */
int doorward_set_close_callback(doorward_conn *conn, doorward_close_cb cb, void *userdata,
                                doorward_free_func free_func);

/*
 * A descriptor to wait on, with poll(2) for POLLIN or with whatever loop the program has. When it
 * is readable, call doorward_process(). It is readable for ever once the lease has ended: wait on
 * it no longer then.
 *
 * It stays the connection's, and the same, until the last doorward_close(): take it out of an
 * epoll(7) before that. Do nothing else with it: what can be read there is not the program's. It is
 * not the connected descriptor. It has close-on-exec, and is never 0, 1 or 2. May be called by any
 * thread.
 *
 * Returns it, or -1: DOORWARD_ERR_INVALID_CONN (errnum EOPNOTSUPP) on a connection without a lease,
 * whose end nobody announces; DOORWARD_ERR_LEASE_ENDED, if it is too late to wait for the end.
 */
int doorward_get_event_fd(doorward_conn *conn);

/*
 * What to wait for on that descriptor: POLLIN, or 0 once the lease has ended and nothing is left to
 * be told. May be called by any thread.
 *
 * Returns the bits, as poll(2) has them, or -1 as doorward_get_event_fd().
 */
int doorward_get_events(doorward_conn *conn);

/*
 * When doorward_process() is to be called although nothing was heard, as
 * doorward_open_get_timeout() has it. There is no such time in this version; a loop that asks is
 * ready for a later one. May be called by any thread.
 *
 * Returns 1 and *usec; 0, and *usec is LLONG_MAX; or -1 as doorward_get_event_fd().
 */
int doorward_get_timeout(doorward_conn *conn, long long *usec);

/*
 * Looks whether the lease of the connection has ended, and calls the close callback if it has, and
 * if that was not called before. Never waits, but for the callback. Call it when
 * doorward_get_event_fd() is readable; at any other time it does no harm.
 *
 * Threads may call it at once: the callback is called in one of them, and the others do not wait
 * for that. In a callback it returns 1.
 *
 * Returns 1 if the lease has ended, in this call or before; 0 if not, and without a lease; or -1
 * with DOORWARD_ERR_INVALID_CONN. After 1 the connection may be gone, if the callback closed it.
 */
int doorward_process(doorward_conn *conn);

/*
 * Why the lease ended, as far as doorward_process(), doorward_is_alive() or a call that failed for
 * it has noticed; this call itself does not look.
 *
 * May be called by any thread.
 *
 * Returns a doorward_close_reason, DOORWARD_CLOSE_NONE if none is known to have ended the lease; or
 * -1 with DOORWARD_ERR_INVALID_CONN.
 */
int doorward_get_close_reason(doorward_conn *conn);

/*
 * What was granted, and how. Only the library makes one, so later versions can append members; a
 * program reads those of the version that it was compiled with, and never copies the whole. Strings
 * are the info's, and gone with it.
 */
typedef struct doorward_grant_info {
        const char *access;     /* "full" or "read-only" */
        const char *mode;       /* of the lease: "revocable", "tracked" or "none" */
        int kept;               /* 1: the lease outlives a restart of the broker; or 0 */
        long long expires;      /* when it ends at the latest, in microseconds of CLOCK_REALTIME;
                                 * 0: no time is set */
        const char *lease_id;   /* by which the journal has it, DOORWARD_LEASE=, and administrators
                                 * end it; NULL: there is no lease */
        const char *request_id; /* by which the journal has the record of the grant:
                                 * DOORWARD_REQUEST= */
        const char *action_id;  /* the polkit action that was asked; NULL: the broker, an older one,
                                 * did not say, as in the next two */
        const char *how;        /* how policy came to its yes: "implicit", at once; "challenged",
                                 * after somebody was asked for a password; or "observed": whatever
                                 * it said, since a group admits the caller for the time being */
        const char *connect_as; /* whom the service sees: "client", the caller; "service", a user of
                                 * the endpoint's own; or the name of a user */
        int ends_at_logout;     /* 1: the lease ends with the user's session; or 0 */
} doorward_grant_info;

/*
 * What was granted with the connection. It is of the moment of the grant, and asks nobody: kept and
 * expires do not change any more, and nothing here says whether the lease has ended.
 *
 * May be called by any thread.
 *
 * Returns an info that the caller owns and frees with doorward_grant_info_free(), or NULL.
 */
doorward_grant_info *doorward_get_grant_info(doorward_conn *conn);

/* Frees what doorward_get_grant_info() returned. NULL is allowed. Forgets no error, and works in a
 * child, too. */
void doorward_grant_info_free(doorward_grant_info *info);

/*
 * The thread's last error: that of the last call of this library that failed in this thread, unless
 * one that succeeded followed it. Borrowed: good until the next call of this library in the thread
 * that is not one that reads errors.
 *
 * Returns NULL if there is none.
 */
const doorward_error *doorward_get_last_error(void);

/* The class of the thread's last error, or DOORWARD_ERR_OK. */
int doorward_get_last_error_code(void);

/* The domain of the thread's last error, or DOORWARD_DOMAIN_NONE. */
int doorward_get_last_error_domain(void);

/* The message of the thread's last error, or "no error". Never NULL, borrowed likewise. */
const char *doorward_get_last_error_message(void);

/*
 * Copies the thread's last error. *to is overwritten, whatever it held; its strings are then the
 * caller's, who gives them back with doorward_error_clear().
 *
 * Returns its class; 0 if there is none, and *to is then all zero; or -1 if to is NULL or there is
 * no memory for the copy, and *to is untouched.
 */
int doorward_copy_last_error(doorward_error *to);

/*
 * A copy of the thread's last error that outlives it.
 *
 * Returns one that the caller owns and frees with doorward_error_free(); NULL if there is none, or
 * no memory.
 */
doorward_error *doorward_save_last_error(void);

/* Forgets the thread's last error. */
void doorward_reset_last_error(void);

/* Frees what the error holds and sets it to all zero; the error itself stays the caller's. NULL is
 * allowed. Not for what doorward_get_last_error() returned. */
void doorward_error_clear(doorward_error *error);

/* Clears and frees what doorward_save_last_error() returned. NULL is allowed. */
void doorward_error_free(doorward_error *error);

/*
 * Has every error of every thread shown to a function as well. There is one such function in the
 * process; the last call wins. NULL means none, which is how the library starts: it is silent.
 * userdata is handed to the function as it is.
 */
void doorward_set_error_func(void *userdata, doorward_error_func func);

/* The word for a class, such as "no-broker"; "unknown" for a number that is none. Static. */
const char *doorward_error_code_to_string(int code);

/* The word for a domain, such as "policy"; "unknown" for a number that is none. Static. */
const char *doorward_error_domain_to_string(int domain);

#ifdef __cplusplus
}
#endif

#endif
