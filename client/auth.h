#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Auth: the caller's credentials callback, asked one thing at a time
 *
 * A program says which credentials its callback can collect, and gets asked for no others; needing
 * one is DOORWARD_ERR_AUTH_UNAVAILABLE. What PAM asks maps to them so: a prompt without echo is
 * PASSPHRASE if that is listed, else NOECHOPROMPT; one with echo is ECHOPROMPT; whom to
 * authenticate as is AUTHNAME; texts are INFO and ERROR_MSG, and dropped where those are not
 * listed; EXTERNAL says that somebody else asks.
 *
 * A callback can leave a question open, to be answered later. Then it is for who asked to keep what
 * was asked, and to give the answer back here.
 *
 * Whatever a callback puts into a result is erased and freed here, on every way out.
 */

#include "client/doorward.h"
#include "client/error.h"
#include "common/conversation-protocol.h"

enum {
        _AUTH_E_SUCCESS,
        AUTH_E_LATER, /* the question is open, and the answer is to come in another way */
};

/* What is to be done with every answer. */
static inline void answer_erase(Answer *answer) {
        explicit_bzero(answer, sizeof(*answer));
}

/* What ends a prompt on the terminal besides its answer: the other end of fd hangs up, or says
 * something if events has POLLIN; or time is over (channel_deadline()). A program's own callback
 * cannot be interrupted. */
typedef struct AuthWatch {
        int fd; /* borrowed, or -EBADF */
        short events;
        int64_t deadline;
} AuthWatch;

/* Whether the callback takes this type (a doorward_credential_type). auth may be NULL. */
bool auth_takes(const doorward_auth *auth, int type);

/* Whether it could answer a prompt for a password, however it is called. auth may be NULL. */
bool auth_takes_passwords(const doorward_auth *auth);

/* Of a program that has given up what it was asked for, in its own callback: that is not called
 * again, with data that may be gone; and what it said last counts as a no. */
void auth_withdraw(doorward_auth *auth);

/* Whether a password could be asked for now: 0, or -ENOSYS (AUTH_UNAVAILABLE), if the callback
 * takes none, or the terminal is not there or not ours. */
int auth_check(const doorward_auth *auth, doorward_error *error) _must_check_;

/* Sets the error that whoever was asked said no (-ECANCELED), or nothing (-ETIMEDOUT); returns
 * that.
 */
int auth_fail_cancelled(doorward_error *error);
int auth_fail_late(doorward_error *error);

/* Sets DOORWARD_ERR_INVALID_ARG: the program's credentials callback WHAT. -EINVAL. */
int auth_fail_program(doorward_error *error, const char *what);

/* Erases and frees what a program has put into a credential, and clears the rest. */
void auth_erase(doorward_credential *cred);

/* Asks for a prompt of a conversation, or shows its text. origin is put before it ("user@host: "),
 * or NULL; watch may be NULL. 0: *ret is the answer, which the caller erases (for a text it is not
 * touched); AUTH_E_LATER; -errno and the error: -ECANCELED (AUTH_CANCELLED) if the callback said
 * no, -ENOSYS (AUTH_UNAVAILABLE) if it does not take what is needed, or there is no terminal to ask
 * on, -EINVAL (INVALID_ARG) if it left the result empty or gave one that is too long or holds a
 * NUL, -ETIMEDOUT (TIMEOUT). -EPIPE, with no error set: what is watched hung up, and nobody wants
 * to know any more.
 */
int auth_ask_prompt(const doorward_auth *auth, const char *origin, const Prompt *prompt,
                    const AuthWatch *watch, Answer *ret, doorward_error *error) _must_check_;

/* The answer to a prompt that was left open, out of what the program made of it; number is the
 * prompt's. 0, or -EINVAL (INVALID_ARG) as above. */
int auth_take_answer(const doorward_credential *cred, uint32_t number, Answer *ret,
                     doorward_error *error) _must_check_;

/* Asks which of several it is to be: AUTHNAME, with challenge listing the names and defresult the
 * first. Without AUTHNAME it is the first. 0 and the index; AUTH_E_LATER; or -errno as above; a
 * name that is none of them is -EINVAL. */
int auth_ask_choice(const doorward_auth *auth, const char *prompt, char *const *names,
                    const AuthWatch *watch, size_t *ret, doorward_error *error) _must_check_;

/* The same for such a choice. */
int auth_take_choice(const doorward_credential *cred, char *const *names, size_t *ret,
                     doorward_error *error) _must_check_;

/* Tells that an agent which is not ours may be asking: EXTERNAL, challenge "polkit". 0, or
 * -ECANCELED and the error. Where EXTERNAL is not listed, nothing is told. */
int auth_tell_external(const doorward_auth *auth, const char *prompt,
                       doorward_error *error) _must_check_;
