/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <malloc.h>
#include <stdio.h>

#include "client/auth.h"
#include "client/log.h"
#include "client/terminal.h"

/* What a program is told that could be asked and was not, or not in the right way. */
int auth_fail_program(doorward_error *error, const char *what) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_ARG, EINVAL,
                  "The program's credentials callback %s.", what);
        return -EINVAL;
}

int auth_fail_cancelled(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED,
                  "Authentication was cancelled by who was asked.");
        error_set_hint(error, "Try again to be asked again.");
        return -ECANCELED;
}

int auth_fail_late(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
                  "Authentication was not over in time.");
        error_set_hint(error, "Try again.");
        return -ETIMEDOUT;
}

static int fail_untaken(doorward_error *error, PromptKind kind) {
        const char *what = kind == PROMPT_NAME       ? "the name of a user"
                           : kind == PROMPT_ECHO_OFF ? "a password"
                                                     : "an answer that can be seen";
        const char *type = kind == PROMPT_NAME       ? "AUTHNAME"
                           : kind == PROMPT_ECHO_OFF ? "PASSPHRASE"
                                                     : "ECHOPROMPT";

        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, ENOSYS,
                  "Authentication wants %s, and this program cannot be asked for one.", what);
        error_set_hint(error,
                       "Its callback does not list DOORWARD_CRED_%s. The doorward command "
                       "can be asked, on a terminal.",
                       type);
        return -ENOSYS;
}

bool auth_takes(const doorward_auth *auth, int type) {
        for (unsigned i = 0; auth && i < auth->ncredtype; i++)
                if (auth->credtype[i] == type)
                        return true;

        return false;
}

bool auth_takes_passwords(const doorward_auth *auth) {
        return auth_takes(auth, DOORWARD_CRED_PASSPHRASE) ||
               auth_takes(auth, DOORWARD_CRED_NOECHOPROMPT);
}

int auth_check(const doorward_auth *auth, doorward_error *error) {
        if (!auth_takes_passwords(auth))
                return fail_untaken(error, PROMPT_ECHO_OFF);

        return terminal_is_callback(auth) ? terminal_check(error) : 0;
}

static int withdrawn(doorward_credential *cred, unsigned ncred, void *cbdata) {
        return -1;
}

void auth_withdraw(doorward_auth *auth) {
        auth->cb = withdrawn;
        auth->cbdata = NULL;
}

/* As which type it is asked for; 0 if the callback takes none that would do. */
static int type_of_prompt(const doorward_auth *auth, PromptKind kind) {
        int type = kind == PROMPT_NAME      ? DOORWARD_CRED_AUTHNAME
                   : kind == PROMPT_ECHO_ON ? DOORWARD_CRED_ECHOPROMPT
                   : kind == PROMPT_INFO    ? DOORWARD_CRED_INFO
                   : kind == PROMPT_ERROR   ? DOORWARD_CRED_ERROR_MSG
                                            : DOORWARD_CRED_PASSPHRASE;

        if (kind == PROMPT_ECHO_OFF && !auth_takes(auth, type))
                type = DOORWARD_CRED_NOECHOPROMPT;
        return auth_takes(auth, type) ? type : 0;
}

/* As much as the callback can have written to, however long it says that is. */
static size_t result_size(const doorward_credential *cred) {
        return cred->result ? malloc_usable_size(cred->result) : 0;
}

void auth_erase(doorward_credential *cred) {
        if (cred->result)
                explicit_bzero(cred->result, result_size(cred));
        free(cred->result);
        *cred = (doorward_credential){};
}

/* The credential is to be deinitialised in any case. */
static int auth_call(const doorward_auth *auth, doorward_credential *cred, const AuthWatch *watch,
                     doorward_error *error) {
        int r;

        log_info(LOG_CATEGORY_AUTH, "The %s is asked, for a credential of type %d",
                 terminal_is_callback(auth) ? "terminal" : "program", cred->type);
        if (terminal_is_callback(auth))
                return terminal_ask(cred, watch, error);

        r = auth->cb(cred, 1, auth->cbdata);
        if (auth->cb == withdrawn)
                return auth_fail_cancelled(error);

        switch (r) {
        case 0:
                return 0;
        case DOORWARD_AUTH_LATER:
                return AUTH_E_LATER;
        default:
                return auth_fail_cancelled(error);
        }
}

/* What is only shown is shown by then, or will be. */
static int auth_tell(const doorward_auth *auth, doorward_credential *cred, const AuthWatch *watch,
                     doorward_error *error) {
        int r;

        r = auth_call(auth, cred, watch, error);
        return r == AUTH_E_LATER ? 0 : r;
}

/* The length of the result. */
static int result_check(const doorward_credential *cred, size_t *ret, doorward_error *error) {
        size_t size = result_size(cred), n;

        if (!cred->result)
                return auth_fail_program(error,
                                         "left a result empty that it said it would collect");

        n = strnlen(cred->result, size);
        if (n == size)
                return auth_fail_program(error, "gave a result that no NUL ends");
        if (cred->resultlen > n)
                return auth_fail_program(error, "gave a result that is shorter than its length, or "
                                                "holds a NUL");
        if (n > CONVERSATION_ANSWER_MAX)
                return auth_fail_program(error, "gave a result that is too long");

        *ret = n;
        return 0;
}

int auth_take_answer(const doorward_credential *cred, uint32_t number, Answer *ret,
                     doorward_error *error) {
        size_t n;
        int r;

        r = result_check(cred, &n, error);
        if (r < 0)
                return r;

        ret->number = number;
        ret->cancelled = false;
        memcpy(ret->text, cred->result, n + 1);
        return 0;
}

/* "user@host: Password: ". */
static int prompt_compose(const char *origin, const Prompt *prompt, char **ret) {
        size_t n = strlen(origin);
        char *text;

        text = malloc(n + sizeof(prompt->text));
        if (!text)
                return -ENOMEM;

        memcpy(text, origin, n);
        memcpy(text + n, prompt->text, sizeof(prompt->text));
        *ret = text;
        return 0;
}

int auth_ask_prompt(const doorward_auth *auth, const char *origin, const Prompt *prompt,
                    const AuthWatch *watch, Answer *ret, doorward_error *error) {
        _cleanup_(auth_erase) doorward_credential cred = {};
        _cleanup_free_ char *text = NULL;
        bool wanted = prompt_wants_answer(prompt->kind);
        int r;

        cred.type = type_of_prompt(auth, prompt->kind);
        if (cred.type == 0)
                return wanted ? fail_untaken(error, prompt->kind) : 0;
        if (prompt_compose(origin ?: "", prompt, &text) < 0)
                return error_no_memory(error);

        cred.prompt = text;
        if (!wanted)
                return auth_tell(auth, &cred, watch, error);

        r = auth_call(auth, &cred, watch, error);
        return r == 0 ? auth_take_answer(&cred, prompt->number, ret, error) : r;
}

/* "alice, bob". */
static char *names_join(char *const *names) {
        size_t n = 1;
        char *text, *end;

        for (size_t i = 0; names[i]; i++)
                n += strlen(names[i]) + strlen(", ");
        text = malloc(n);
        if (!text)
                return NULL;

        end = stpcpy(text, names[0]);
        for (size_t i = 1; names[i]; i++)
                end = stpcpy(stpcpy(end, ", "), names[i]);
        return text;
}

int auth_take_choice(const doorward_credential *cred, char *const *names, size_t *ret,
                     doorward_error *error) {
        _cleanup_(answer_erase) Answer answer = {};
        int r;

        r = auth_take_answer(cred, 0, &answer, error);
        if (r < 0)
                return r;

        for (size_t i = 0; names[i]; i++)
                if (streq(answer.text, names[i]) || !answer.text[0]) {
                        *ret = i;
                        return 0;
                }

        return auth_fail_program(error, "chose a name that was not among those to choose from");
}

int auth_ask_choice(const doorward_auth *auth, const char *prompt, char *const *names,
                    const AuthWatch *watch, size_t *ret, doorward_error *error) {
        _cleanup_free_ char *challenge = NULL;
        _cleanup_(auth_erase) doorward_credential cred = {
                .type = DOORWARD_CRED_AUTHNAME,
                .prompt = prompt,
                .defresult = names[0],
        };
        int r;

        if (!names[1] || !auth_takes(auth, DOORWARD_CRED_AUTHNAME)) {
                *ret = 0;
                return 0;
        }

        challenge = names_join(names);
        if (!challenge)
                return error_no_memory(error);
        cred.challenge = challenge;

        r = auth_call(auth, &cred, watch, error);
        return r == 0 ? auth_take_choice(&cred, names, ret, error) : r;
}

int auth_tell_external(const doorward_auth *auth, const char *prompt, doorward_error *error) {
        _cleanup_(auth_erase) doorward_credential cred = {
                .type = DOORWARD_CRED_EXTERNAL,
                .prompt = prompt,
                .challenge = "polkit",
        };

        return auth_takes(auth, DOORWARD_CRED_EXTERNAL) ? auth_tell(auth, &cred, NULL, error) : 0;
}
