/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <time.h>

#include "client/channel.h"
#include "client/terminal.h"
#include "client/tty.h"

#define NAMES_SEPARATOR ", "
/* A text that nobody lets onto the screen for so long is dropped. */
#define TELL_TIMEOUT_MS 2000
/* How often whoever waits for the terminal looks whether it still wants it. */
#define LOCK_LOOK_MS 100

static int fail_unavailable(doorward_error *error, const char *message, const char *hint) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, ENOSYS, "%s",
                  message);
        error_set_hint(error, "%s", hint);
        return -ENOSYS;
}

static int fail_cancelled(doorward_error *error, const char *how) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED,
                  "Authentication was cancelled: %s.", how);
        error_set_hint(error, "Try again to be asked again.");
        return -ECANCELED;
}

/* An error of the terminal's, TTY_E_* or -errno, for people. */
static int fail_tty(doorward_error *error, int r) {
        switch (r) {
        case TTY_E_NONE:
                return fail_unavailable(error,
                                        "A password is wanted, and there is no terminal to ask for "
                                        "it on.",
                                        "Run this in a terminal (over ssh: ssh -t), or have an "
                                        "administrator write a rule that wants no password.");
        case TTY_E_BACKGROUND:
                return fail_unavailable(error,
                                        "A password is wanted, and this program is in the "
                                        "background of its terminal.",
                                        "Bring it to the foreground with fg, or run it again "
                                        "there.");
        case TTY_E_END:
                return fail_cancelled(error, "the end of input came instead of an answer");
        case TTY_E_INTERRUPTED:
                return fail_cancelled(error, "a signal came instead of an answer");
        case TTY_E_HUNG_UP:
                return -EPIPE;
        case TTY_E_LATE:
                error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
                          "Nobody answered on the terminal in time.");
                return -ETIMEDOUT;
        default:
                return error_system(error, r, "The terminal cannot be used");
        }
}

static bool is_hidden(const doorward_credential *cred) {
        return cred->type == DOORWARD_CRED_PASSPHRASE || cred->type == DOORWARD_CRED_NOECHOPROMPT;
}

/* "Who? [alice]: " of "Who?: " and "alice": the default stands before the colon. */
static void prompt_write(const Tty *tty, const doorward_credential *cred) {
        size_t n = strlen(cred->prompt);
        char text[CONVERSATION_TEXT_MAX + 1];

        if (cred->challenge) {
                tty_write(tty, cred->type == DOORWARD_CRED_AUTHNAME ? "One of: " : "");
                tty_write(tty, cred->challenge);
                tty_write(tty, "\n");
        }
        if (!cred->defresult || n >= sizeof(text)) {
                tty_write(tty, cred->prompt);
                return;
        }

        memcpy(text, cred->prompt, n + 1);
        while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == ':'))
                text[--n] = 0;
        tty_write(tty, text);
        tty_write(tty, " [");
        tty_write(tty, cred->defresult);
        tty_write(tty, "]: ");
}

/* Whether it can be the answer: if it is to be one of several names, it must be. */
static bool is_choice(const doorward_credential *cred, const char *line) {
        const char *name = cred->challenge;
        size_t n = strlen(line);

        if (cred->type != DOORWARD_CRED_AUTHNAME || !name)
                return true;

        while (name) {
                const char *end = strstr(name, NAMES_SEPARATOR);

                if (n == (end ? (size_t)(end - name) : strlen(name)) && memcmp(name, line, n) == 0)
                        return true;
                name = end ? end + strlen(NAMES_SEPARATOR) : NULL;
        }

        return false;
}

static int take_result(doorward_credential *cred, const char *line) {
        const char *result = !line[0] && cred->defresult ? cred->defresult : line;

        cred->result = strdup(result);
        if (!cred->result)
                return -ENOMEM;

        cred->resultlen = (unsigned)strlen(result);
        return 0;
}

/* What is wrong with a line that was read, for the person; NULL if nothing is. */
static const char *line_complaint(const doorward_credential *cred, int r, const char *line) {
        if (r == TTY_E_LONG)
                return "That is too long.\n";
        if (r == TTY_E_NUL)
                return "That holds a NUL.\n";
        if (r == 0 && (line[0] || !cred->defresult) && !is_choice(cred, line))
                return "That is none of them.\n";
        return NULL;
}

/* Asks once; TTY_E_* or -errno. With *ret_complaint it is to be asked again. */
static int ask_once(Tty *tty, doorward_credential *cred, const char **ret_complaint) {
        char line[TTY_LINE_MAX + 1];
        int r, e;

        r = tty_begin(tty, is_hidden(cred));
        if (r != 0)
                return r;

        prompt_write(tty, cred);
        r = tty_read_line(tty, line);
        e = tty_end(tty);

        /* A signal counts, even if the line was there before it was heard; but whoever comes back
         * from a stop need not ask anew what nobody waits for. One that was heard and has gone
         * again asks anew. */
        if (e == TTY_E_INTERRUPTED || (e != 0 && r != TTY_E_LATE && r != TTY_E_HUNG_UP))
                r = e;
        else if (r == TTY_E_SIGNAL)
                r = TTY_E_CONTINUED;
        else {
                *ret_complaint = line_complaint(cred, r, line);
                if (r == 0 && !*ret_complaint)
                        r = take_result(cred, line);
        }

        explicit_bzero(line, sizeof(line));
        return r;
}

/* There is one terminal. */
static pthread_mutex_t terminal_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Somebody else's prompt is waited for, and not for longer than an answer: 0 or TTY_E_*. */
static int terminal_lock(const AuthWatch *watch) {
        while (tty_check_watch(watch) == 0) {
                int64_t next = channel_deadline(LOCK_LOOK_MS);
                struct timespec until = {
                        .tv_sec = (time_t)(next / 1000),
                        .tv_nsec = (long)(next % 1000) * 1000000,
                };

                if (pthread_mutex_clocklock(&terminal_mutex, CLOCK_MONOTONIC, &until) == 0)
                        return 0;
        }

        return tty_check_watch(watch);
}

/* As ask_once(); and whoever tries to end or stop the program does so in here, when no trace of a
 * prompt is left that a handler of the program could stumble over. */
static int ask_locked(doorward_credential *cred, const AuthWatch *watch, const char **ret) {
        Tty tty = TTY_NULL;
        int r;

        r = terminal_lock(watch);
        if (r != 0)
                return r;

        r = tty_open(&tty, watch);
        if (r == 0)
                r = ask_once(&tty, cred, ret);
        if (*ret)
                tty_write(&tty, *ret);
        tty_close(&tty);
        (void)pthread_mutex_unlock(&terminal_mutex);

        tty_send_again(&tty);
        return r;
}

static int ask(doorward_credential *cred, const AuthWatch *watch, doorward_error *error) {
        for (;;) {
                const char *complaint = NULL;
                int r;

                r = ask_locked(cred, watch, &complaint);
                if (!complaint && r != TTY_E_CONTINUED)
                        return r != 0 ? fail_tty(error, r) : 0;
        }
}

/* Where it cannot be shown, it is not: nothing hangs on it. */
static void tell(const char *text, const AuthWatch *until) {
        int64_t patience = channel_deadline(TELL_TIMEOUT_MS);
        AuthWatch watch = {
                .fd = until ? until->fd : -EBADF,
                .deadline = until && until->deadline < patience ? until->deadline : patience,
        };
        Tty tty = TTY_NULL;

        if (terminal_lock(&watch) != 0)
                return;

        if (tty_open(&tty, &watch) == 0) {
                tty_write(&tty, text);
                tty_write(&tty, "\n");
        }
        tty_close(&tty);
        (void)pthread_mutex_unlock(&terminal_mutex);
}

int terminal_check(doorward_error *error) {
        Tty tty = TTY_NULL;
        int r;

        r = tty_open(&tty, NULL);
        tty_close(&tty);
        return r != 0 ? fail_tty(error, r) : 0;
}

static int ask_or_tell(doorward_credential *cred, const AuthWatch *watch, doorward_error *error) {
        switch (cred->type) {
        case DOORWARD_CRED_AUTHNAME:
        case DOORWARD_CRED_PASSPHRASE:
        case DOORWARD_CRED_ECHOPROMPT:
        case DOORWARD_CRED_NOECHOPROMPT:
                return ask(cred, watch, error);
        default:
                tell(cred->prompt, watch);
                return 0;
        }
}

/* A thread that ended in the middle of it would leave everything as it is then. */
int terminal_ask(doorward_credential *cred, const AuthWatch *watch, doorward_error *error) {
        int before, r;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        r = ask_or_tell(cred, watch, error);
        (void)pthread_setcancelstate(before, NULL);
        return r;
}

static int terminal_callback(doorward_credential *cred, unsigned ncred, void *cbdata) {
        _cleanup_error_ doorward_error error = {};

        (void)cbdata;
        for (unsigned i = 0; i < ncred; i++)
                if (terminal_ask(&cred[i], NULL, &error) < 0)
                        return -1;

        return 0;
}

static const int terminal_types[] = {
        DOORWARD_CRED_AUTHNAME,     DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
        DOORWARD_CRED_NOECHOPROMPT, DOORWARD_CRED_EXTERNAL,   DOORWARD_CRED_INFO,
        DOORWARD_CRED_ERROR_MSG,
};

static const doorward_auth terminal_auth = {
        .credtype = terminal_types,
        .ncredtype = ELEMENTSOF(terminal_types),
        .cb = terminal_callback,
};

DOORWARD_EXPORT const doorward_auth *const doorward_auth_default = &terminal_auth;

bool terminal_is_callback(const doorward_auth *auth) {
        return auth && auth->cb == terminal_callback;
}
