/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A PAM module that does what its arguments say, in their order, for tests
 *
 *   four            asks for a name and a password with all four styles in one call; they must be
 *                   "visible" and "hidden"
 *   password=TEXT   asks for a password, which must be this
 *   echo=TEXT       the same, to be seen as it is typed
 *   ask             asks, and does not mind whether there is an answer
 *   items           shows the user, and on whose behalf and where, as an information
 *   say=TEXT        shows a text
 *   messages=N      asks N questions in one call; the answers do not matter
 *   style=N         asks in a style that there may not be
 *   user=NAME       puts another user in the place of the one who is authenticated
 *   delay=USEC      has PAM wait that long after a failure
 *   hang            never returns
 *   crash           ends the process
 *   expired         the password has expired
 *   result=NUMBER   returns this result of PAM's
 *
 * What comes to its end succeeds. It does the same for whatever it is called for: a service file
 * says "auth required /path/pam_doorward_test.so password=x", or "account ...".
 */

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <stdio.h>

#include "common/macros.h"

#define MESSAGES_MAX 64

static int converse(pam_handle_t *pam, int n, const struct pam_message *messages,
                    struct pam_response **ret) {
        const struct pam_message *pointers[MESSAGES_MAX];
        const void *item = NULL;
        const struct pam_conv *conv;
        int r;

        r = pam_get_item(pam, PAM_CONV, &item);
        if (r != PAM_SUCCESS)
                return r;

        conv = item;
        for (int i = 0; i < n; i++)
                pointers[i] = &messages[i];
        *ret = NULL;
        return conv->conv(n, pointers, ret, conv->appdata_ptr);
}

static void responses_free(struct pam_response *responses, int n) {
        for (int i = 0; responses && i < n; i++)
                if (responses[i].resp) {
                        explicit_bzero(responses[i].resp, strlen(responses[i].resp));
                        free(responses[i].resp);
                }
        free(responses);
}

static bool response_is(const struct pam_response *response, const char *expected) {
        return response->resp && streq(response->resp, expected);
}

static int ask(pam_handle_t *pam, int style, const char *text, const char *expected) {
        const struct pam_message message = {.msg_style = style, .msg = text};
        struct pam_response *responses;
        int r;

        r = converse(pam, 1, &message, &responses);
        if (r == PAM_SUCCESS && expected && !response_is(&responses[0], expected))
                r = PAM_AUTH_ERR;
        responses_free(responses, 1);
        return r;
}

static int ask_four(pam_handle_t *pam) {
        static const struct pam_message messages[] = {
                {PAM_TEXT_INFO, "Some information"},
                {PAM_PROMPT_ECHO_ON, "Name: "},
                {PAM_ERROR_MSG, "An error"},
                {PAM_PROMPT_ECHO_OFF, "Password: "},
        };
        struct pam_response *responses;
        int r;

        r = converse(pam, ELEMENTSOF(messages), messages, &responses);
        if (r == PAM_SUCCESS && (responses[0].resp || !response_is(&responses[1], "visible") ||
                                 responses[2].resp || !response_is(&responses[3], "hidden")))
                r = PAM_AUTH_ERR;
        responses_free(responses, ELEMENTSOF(messages));
        return r;
}

static int ask_many(pam_handle_t *pam, int n) {
        struct pam_message messages[MESSAGES_MAX];
        struct pam_response *responses;
        int r;

        for (int i = 0; i < MESSAGES_MAX; i++)
                messages[i] = (struct pam_message){PAM_PROMPT_ECHO_OFF, "Again: "};
        r = converse(pam, n, messages, &responses);
        responses_free(responses, n);
        return r;
}

static int show_items(pam_handle_t *pam) {
        const void *user = NULL, *caller = NULL, *terminal = NULL;
        char text[PAM_MAX_MSG_SIZE];

        (void)pam_get_item(pam, PAM_USER, &user);
        (void)pam_get_item(pam, PAM_RUSER, &caller);
        (void)pam_get_item(pam, PAM_TTY, &terminal);
        (void)snprintf(text, sizeof(text), "user=%s ruser=%s tty=%s",
                       user ? (const char *)user : "-", caller ? (const char *)caller : "-",
                       terminal ? (const char *)terminal : "-");
        return ask(pam, PAM_TEXT_INFO, text, NULL);
}

_noreturn_ static void hang(void) {
        for (;;)
                (void)pause();
}

/* What stands behind "name=", or NULL. */
static const char *value_of(const char *argument, const char *name) {
        size_t n = strlen(name);

        return strncmp(argument, name, n) == 0 && argument[n] == '=' ? argument + n + 1 : NULL;
}

static int act(pam_handle_t *pam, const char *argument) {
        const char *value;

        if (streq(argument, "four"))
                return ask_four(pam);
        if ((value = value_of(argument, "password")))
                return ask(pam, PAM_PROMPT_ECHO_OFF, "Password: ", value);
        if ((value = value_of(argument, "echo")))
                return ask(pam, PAM_PROMPT_ECHO_ON, "Code: ", value);
        if (streq(argument, "ask")) {
                (void)ask(pam, PAM_PROMPT_ECHO_OFF, "Perhaps: ", NULL);
                return PAM_SUCCESS;
        }
        if (streq(argument, "items"))
                return show_items(pam);
        if ((value = value_of(argument, "say")))
                return ask(pam, PAM_TEXT_INFO, value, NULL);
        if ((value = value_of(argument, "messages")))
                return ask_many(pam, atoi(value));
        if ((value = value_of(argument, "style")))
                return ask(pam, atoi(value), "Whatever: ", NULL);
        if ((value = value_of(argument, "user")))
                return pam_set_item(pam, PAM_USER, value);
        if ((value = value_of(argument, "delay")))
                return pam_fail_delay(pam, (unsigned)atoi(value));
        if (streq(argument, "hang"))
                hang();
        if (streq(argument, "crash"))
                abort();
        if (streq(argument, "expired"))
                return PAM_NEW_AUTHTOK_REQD;
        if ((value = value_of(argument, "result")))
                return atoi(value);

        return PAM_SERVICE_ERR;
}

static int run(pam_handle_t *pam, int argc, const char **argv) {
        int r = PAM_SUCCESS;

        for (int i = 0; i < argc && r == PAM_SUCCESS; i++)
                r = act(pam, argv[i]);
        return r;
}

int pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv) {
        return run(pam, argc, argv);
}

int pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv) {
        return run(pam, argc, argv);
}

int pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv) {
        return PAM_SUCCESS;
}
