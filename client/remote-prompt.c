/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/channel.h"
#include "client/remote-prompt.h"
#include "client/wire.h"
#include "common/utf8.h"

/* Of one reply. */
#define ARRAY_MAX 8U

void remote_prompts_clear(RemotePrompts *prompts) {
        answer_erase(&prompts->answer);
        prompts->names = strv_free(prompts->names);
        json_decref(prompts->array);
        prompts->array = NULL;
        prompts->next = 0;
        prompts->asking = prompts->answered = prompts->has_answer = false;
}

void remote_prompts_deinit(RemotePrompts *prompts) {
        remote_prompts_clear(prompts);
}

int remote_prompts_take(RemotePrompts *prompts, json_t *array) {
        size_t n = json_array_size(array);

        if (n == 0 || n > ARRAY_MAX || !prompts->auth)
                return -EBADMSG;

        prompts->n += (unsigned)n;
        if (prompts->n > RELAY_PROMPTS_MAX)
                return -EBADMSG;

        remote_prompts_clear(prompts);
        prompts->array = json_incref(array);
        return 0;
}

/* Names to choose from, fit to be shown; an answer is found again by its place. */
static int names_read(const json_t *choices, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;
        size_t n = json_array_size(choices);

        *ret = NULL;
        if (n == 0)
                return 0;
        if (n > RELAY_CHOICES_MAX)
                return -EBADMSG;

        names = calloc(n + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                names[i] = strdup(json_string_value(json_array_get(choices, i)));
                if (!names[i])
                        return -ENOMEM;
                utf8_clean(names[i], CONVERSATION_ANSWER_MAX);
                if (!names[i][0])
                        return -EBADMSG;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

static PromptKind kind_here(RelayPrompt kind) {
        switch (kind) {
        case RELAY_PROMPT_NAME:
                return PROMPT_NAME;
        case RELAY_PROMPT_ECHO_ON:
                return PROMPT_ECHO_ON;
        case RELAY_PROMPT_INFO:
                return PROMPT_INFO;
        case RELAY_PROMPT_ERROR:
                return PROMPT_ERROR;
        default:
                return PROMPT_ECHO_OFF;
        }
}

/* Where a text stands alone, "user@host: " and as much of it as a prompt has. */
static void compose(const RemotePrompts *prompts, const Prompt *prompt, char *buf, size_t size) {
        (void)snprintf(buf, size, "%s%s", prompts->origin, prompt->text);
}

static int ask_choice(RemotePrompts *prompts, const Prompt *prompt, const AuthWatch *watch,
                      doorward_error *error) {
        char text[sizeof(prompt->text) + 1024];
        size_t i;
        int r;

        compose(prompts, prompt, text, sizeof(text));
        r = auth_ask_choice(prompts->auth, text, prompts->names, watch, &i, error);
        if (r == 0)
                (void)snprintf(prompts->answer.text, sizeof(prompts->answer.text), "%s",
                               prompts->names[i]);
        return r;
}

static int tell_external(RemotePrompts *prompts, const Prompt *prompt, doorward_error *error) {
        char text[sizeof(prompt->text) + 1024];

        compose(prompts, prompt, text, sizeof(text));
        return auth_tell_external(prompts->auth, text, error);
}

static int ask_one(RemotePrompts *prompts, const char *text, const json_t *choices, int fd,
                   doorward_error *error) {
        const AuthWatch watch = {.fd = fd, .deadline = CHANNEL_NO_DEADLINE};
        Prompt prompt = {.kind = kind_here(prompts->kind)};
        int r;

        prompt_set_text(&prompt, text);
        if (prompts->kind == RELAY_PROMPT_EXTERNAL)
                return tell_external(prompts, &prompt, error);

        r = prompts->kind == RELAY_PROMPT_NAME ? names_read(choices, &prompts->names) : 0;
        if (r < 0)
                return r == -ENOMEM ? error_no_memory(error) : r;

        return prompts->names ? ask_choice(prompts, &prompt, &watch, error)
                              : auth_ask_prompt(prompts->auth, prompts->origin, &prompt, &watch,
                                                &prompts->answer, error);
}

/* The next, which must be the last if it wants an answer. */
static int ask_next(RemotePrompts *prompts, int fd, doorward_error *error) {
        json_t *object = json_array_get(prompts->array, prompts->next++), *choices = NULL;
        int kind, r;
        const char *text;
        const WireField fields[] = {
                {"kind", WIRE_ENUM, false, &kind, relay_prompt_from_wire},
                {"text", WIRE_STRING, false, &text},
                {"choices", WIRE_STRINGS, true, &choices},
                {},
        };
        bool wanted;

        if (!json_is_object(object) || wire_read(object, fields) < 0)
                return -EBADMSG;
        prompts->kind = (RelayPrompt)kind;
        wanted = relay_prompt_wants_answer(prompts->kind);
        if (wanted && prompts->next < json_array_size(prompts->array))
                return -EBADMSG;

        r = ask_one(prompts, text, choices, fd, error);
        if (r == 0 && wanted)
                prompts->has_answer = true;
        return r;
}

int remote_prompts_ask(RemotePrompts *prompts, int fd, doorward_error *error) {
        int r = 0;

        while (r == 0 && prompts->next < json_array_size(prompts->array))
                r = ask_next(prompts, fd, error);

        prompts->asking = r == AUTH_E_LATER;
        prompts->answered = r == 0;
        return r;
}

int remote_prompts_answer(RemotePrompts *prompts, const doorward_credential *cred,
                          doorward_error *error) {
        size_t i;
        int r = 0;

        if (!cred)
                prompts->answer = (Answer){.cancelled = true};
        else if (prompts->names) {
                r = auth_take_choice(cred, prompts->names, &i, error);
                if (r == 0)
                        (void)snprintf(prompts->answer.text, sizeof(prompts->answer.text), "%s",
                                       prompts->names[i]);
        } else
                r = auth_take_answer(cred, 0, &prompts->answer, error);
        if (r < 0)
                return r;

        prompts->asking = false;
        prompts->answered = prompts->has_answer = true;
        return 0;
}
