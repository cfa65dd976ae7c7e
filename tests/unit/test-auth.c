/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <malloc.h>

#include <cmocka.h>

#include "client/auth.h"

/* What the callback gives to the library is to be erased when the library frees it. */
static char *watched;
static size_t watched_size;
static unsigned n_erased, n_left;

void __real_free(void *p);
void __wrap_free(void *p);

void __wrap_free(void *p) {
        if (p && p == watched) {
                for (size_t i = 0; i < watched_size; i++)
                        if (watched[i]) {
                                n_left++;
                                break;
                        }
                n_erased++;
                watched = NULL;
        }
        __real_free(p);
}

/* What the callback does, and what it was asked. */
typedef struct Script {
        const char *result; /* NULL: it leaves it so */
        size_t size;        /* of the memory; 0: as much as the text needs */
        unsigned resultlen;
        bool unterminated;
        int returns;

        unsigned n_calls;
        int type;
        char prompt[CONVERSATION_TEXT_MAX + 64];
        char challenge[64];
        char defresult[64];
} Script;

static int callback(doorward_credential *cred, unsigned ncred, void *cbdata) {
        Script *script = cbdata;
        size_t n;

        script->n_calls++;
        script->type = cred->type;
        assert_int_equal(ncred, 1);
        assert_null(cred->result);
        assert_int_equal(cred->resultlen, 0);
        (void)stpcpy(script->prompt, cred->prompt);
        (void)stpcpy(script->challenge, cred->challenge ?: "-");
        (void)stpcpy(script->defresult, cred->defresult ?: "-");

        if (script->result) {
                n = strlen(script->result) + 1;
                watched_size = script->size ?: n;
                watched = malloc(watched_size);
                assert_non_null(watched);
                memset(watched, 'x', watched_size);
                memcpy(watched, script->result, script->unterminated ? n - 1 : n);
                cred->result = watched;
                cred->resultlen = script->resultlen;
        }

        return script->returns;
}

static int setup(void **state) {
        n_erased = n_left = 0;
        watched = NULL;
        return 0;
}

static int teardown(void **state) {
        assert_null(watched);
        assert_int_equal(n_left, 0);
        return 0;
}

static const int all[] = {
        DOORWARD_CRED_AUTHNAME,     DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
        DOORWARD_CRED_NOECHOPROMPT, DOORWARD_CRED_EXTERNAL,   DOORWARD_CRED_INFO,
        DOORWARD_CRED_ERROR_MSG,
};

static doorward_auth auth_of(const int *types, size_t n, Script *script) {
        return (doorward_auth){types, (unsigned)n, callback, script};
}

/* Frozen, and libvirt's where libvirt has the same. */
static void test_numbers(void **state) {
        assert_int_equal(DOORWARD_CRED_AUTHNAME, 2);
        assert_int_equal(DOORWARD_CRED_PASSPHRASE, 5);
        assert_int_equal(DOORWARD_CRED_ECHOPROMPT, 6);
        assert_int_equal(DOORWARD_CRED_NOECHOPROMPT, 7);
        assert_int_equal(DOORWARD_CRED_EXTERNAL, 9);
        assert_int_equal(DOORWARD_CRED_INFO, 100);
        assert_int_equal(DOORWARD_CRED_ERROR_MSG, 101);
        assert_int_equal(DOORWARD_RO, 1);
        assert_int_equal(DOORWARD_NO_ALIASES, 2);
        assert_int_equal(DOORWARD_NO_INTERACTION, 4);
        assert_int_equal(DOORWARD_FALLBACK_RO, 8);
        assert_int_equal(DOORWARD_DETACHED, 16);
        assert_int_equal(DOORWARD_LOCAL_ONLY, 32);
}

static void test_takes(void **state) {
        static const int no_echo[] = {DOORWARD_CRED_INFO, DOORWARD_CRED_NOECHOPROMPT};
        static const int texts[] = {DOORWARD_CRED_INFO, DOORWARD_CRED_ERROR_MSG};
        doorward_auth auth = auth_of(no_echo, 2, NULL);

        assert_true(auth_takes(&auth, DOORWARD_CRED_INFO));
        assert_false(auth_takes(&auth, DOORWARD_CRED_ERROR_MSG));
        assert_true(auth_takes_passwords(&auth));
        auth = auth_of(texts, 2, NULL);
        assert_false(auth_takes_passwords(&auth));
        auth = auth_of(all, 2, NULL);
        assert_true(auth_takes_passwords(&auth));
        auth = (doorward_auth){};
        assert_false(auth_takes(&auth, 0));
        assert_false(auth_takes_passwords(&auth));
        assert_false(auth_takes(NULL, DOORWARD_CRED_INFO));
        assert_false(auth_takes_passwords(NULL));
}

/* As what each kind of prompt is asked, by what the callback lists; 0: not at all. */
static const struct {
        PromptKind kind;
        int types[2];
        int expected;
} mappings[] = {
        {PROMPT_NAME, {DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_ECHOPROMPT}, DOORWARD_CRED_AUTHNAME},
        {PROMPT_NAME, {DOORWARD_CRED_ECHOPROMPT, DOORWARD_CRED_PASSPHRASE}, 0},
        {PROMPT_ECHO_ON, {DOORWARD_CRED_ECHOPROMPT, 0}, DOORWARD_CRED_ECHOPROMPT},
        {PROMPT_ECHO_ON, {DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_AUTHNAME}, 0},
        {PROMPT_ECHO_OFF,
         {DOORWARD_CRED_NOECHOPROMPT, DOORWARD_CRED_PASSPHRASE},
         DOORWARD_CRED_PASSPHRASE},
        {PROMPT_ECHO_OFF, {DOORWARD_CRED_NOECHOPROMPT, 0}, DOORWARD_CRED_NOECHOPROMPT},
        {PROMPT_ECHO_OFF, {DOORWARD_CRED_PASSPHRASE, 0}, DOORWARD_CRED_PASSPHRASE},
        {PROMPT_ECHO_OFF, {DOORWARD_CRED_ECHOPROMPT, DOORWARD_CRED_INFO}, 0},
        {PROMPT_INFO, {DOORWARD_CRED_INFO, DOORWARD_CRED_ERROR_MSG}, DOORWARD_CRED_INFO},
        {PROMPT_INFO, {DOORWARD_CRED_ERROR_MSG, 0}, 0},
        {PROMPT_ERROR, {DOORWARD_CRED_INFO, DOORWARD_CRED_ERROR_MSG}, DOORWARD_CRED_ERROR_MSG},
        {PROMPT_ERROR, {DOORWARD_CRED_INFO, 0}, 0},
};

static void test_mapping(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(mappings); i++) {
                bool wanted = prompt_wants_answer(mappings[i].kind);
                Script script = {.result = wanted ? "geheim" : NULL};
                doorward_auth auth = auth_of(mappings[i].types, 2, &script);
                Prompt prompt = {.kind = mappings[i].kind, .number = 7, .text = "Wer? "};
                Answer answer = {.number = 99, .cancelled = true, .text = "before"};
                doorward_error error = {};
                int r;

                r = auth_ask_prompt(&auth, NULL, &prompt, NULL, &answer, &error);
                assert_int_equal(script.n_calls, mappings[i].expected ? 1 : 0);
                assert_int_equal(script.type, mappings[i].expected);

                /* What cannot be asked is an error, and what cannot be told is dropped. */
                assert_int_equal(r, wanted && !mappings[i].expected ? -ENOSYS : 0);
                assert_int_equal(error.code, r < 0 ? DOORWARD_ERR_AUTH_UNAVAILABLE : 0);
                if (r == 0 && wanted) {
                        assert_string_equal(answer.text, "geheim");
                        assert_int_equal(answer.number, 7);
                        assert_false(answer.cancelled);
                } else
                        assert_string_equal(answer.text, "before");
                if (script.n_calls) {
                        assert_string_equal(script.prompt, "Wer? ");
                        assert_string_equal(script.challenge, "-");
                        assert_string_equal(script.defresult, "-");
                }
                assert_int_equal(n_erased, r == 0 && wanted ? 1 : 0);
                n_erased = 0;
                doorward_error_clear(&error);
        }
}

static void test_nobody_to_ask(void **state) {
        Prompt prompt = {.kind = PROMPT_ECHO_OFF};
        doorward_error error = {};
        doorward_auth none = {};
        Answer answer;

        assert_int_equal(auth_check(NULL, &error), -ENOSYS);
        assert_int_equal(auth_check(&none, &error), -ENOSYS);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_UNAVAILABLE);
        assert_int_equal(auth_ask_prompt(NULL, NULL, &prompt, NULL, &answer, &error), -ENOSYS);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_UNAVAILABLE);
        assert_int_equal(auth_ask_prompt(&none, NULL, &prompt, NULL, &answer, &error), -ENOSYS);
        prompt.kind = PROMPT_INFO;
        assert_int_equal(auth_ask_prompt(NULL, NULL, &prompt, NULL, &answer, &error), 0);
        doorward_error_clear(&error);
}

static int ask(Script *script, PromptKind kind, Answer *answer, doorward_error *error) {
        doorward_auth auth = auth_of(all, ELEMENTSOF(all), script);
        Prompt prompt = {.kind = kind};

        return auth_ask_prompt(&auth, NULL, &prompt, NULL, answer, error);
}

static void test_origin(void **state) {
        Script script = {.result = "x"};
        doorward_auth auth = auth_of(all, ELEMENTSOF(all), &script);
        Prompt prompt = {.kind = PROMPT_ECHO_OFF};
        doorward_error error = {};
        Answer answer;

        memset(prompt.text, 'p', CONVERSATION_TEXT_MAX);
        assert_int_equal(auth_ask_prompt(&auth, "bob@far: ", &prompt, NULL, &answer, &error), 0);
        assert_int_equal(strlen(script.prompt), 9 + CONVERSATION_TEXT_MAX);
        assert_memory_equal(script.prompt, "bob@far: ppp", 12);
}

/* Answers, and what is none. */
static void test_answers(void **state) {
        char longest[CONVERSATION_ANSWER_MAX + 2];
        doorward_error error = {};
        Answer answer = {};
        Script script;

        /* To press Enter is to answer. */
        script = (Script){.result = ""};
        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), 0);
        assert_string_equal(answer.text, "");

        /* The string's length counts, whatever the callback says that it is. */
        script = (Script){.result = "secret", .resultlen = 6};
        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), 0);
        assert_string_equal(answer.text, "secret");
        script = (Script){.result = "secret", .resultlen = 3, .size = 4096};
        assert_int_equal(ask(&script, PROMPT_ECHO_ON, &answer, &error), 0);
        assert_string_equal(answer.text, "secret");

        memset(longest, 'a', sizeof(longest));
        longest[CONVERSATION_ANSWER_MAX] = 0;
        script = (Script){.result = longest, .resultlen = CONVERSATION_ANSWER_MAX};
        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), 0);
        assert_string_equal(answer.text, longest);
        assert_int_equal(n_erased, 4);
}

static void check_mistake(Script script, const char *text) {
        doorward_error error = {};
        Answer answer = {.text = "before"};

        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_INVALID_ARG);
        if (!strstr(error.message, text))
                fail_msg("%s", error.message);
        assert_string_equal(answer.text, "before");
        doorward_error_clear(&error);
}

static void test_mistakes(void **state) {
        char longer[CONVERSATION_ANSWER_MAX + 2];

        memset(longer, 'a', sizeof(longer));
        longer[CONVERSATION_ANSWER_MAX + 1] = 0;

        check_mistake((Script){}, "left a result empty");
        check_mistake((Script){.resultlen = 5}, "left a result empty");
        assert_int_equal(n_erased, 0);
        check_mistake((Script){.result = longer}, "too long");
        check_mistake((Script){.result = "sec", .size = 64, .resultlen = 7}, "holds a NUL");
        /* Nobody is to be led astray in our memory by a length. */
        check_mistake((Script){.result = "sec", .resultlen = 1U << 30}, "holds a NUL");
        assert_int_equal(n_erased, 3);
}

/* Memory is not always as large as it was asked to be, so only a full block can be tested. */
static void test_unterminated(void **state) {
        Script script = {.result = "secret78secret78secret78", .size = 24, .unterminated = true};
        void *block = malloc(24);
        bool exact = malloc_usable_size(block) == 24;

        free(block);
        if (!exact)
                skip();
        check_mistake(script, "no NUL ends");
        assert_int_equal(n_erased, 1);
}

static void test_cancelled(void **state) {
        doorward_error error = {};
        Answer answer = {.text = "before"};
        Script script = {.returns = -1};

        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), -ECANCELED);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_CANCELLED);
        assert_int_equal(error.errnum, ECANCELED);

        /* Half an answer is erased as a whole one is. */
        script = (Script){.result = "half a sec", .size = 512, .returns = -1};
        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), -ECANCELED);
        assert_int_equal(n_erased, 1);
        assert_string_equal(answer.text, "before");

        /* Nothing but 0 is a yes. */
        script = (Script){.result = "secret", .returns = 1};
        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), -ECANCELED);
        assert_int_equal(n_erased, 2);

        /* Texts can be refused, too; what is given in answer to one is nobody's. */
        script = (Script){.returns = -1};
        assert_int_equal(ask(&script, PROMPT_INFO, &answer, &error), -ECANCELED);
        script = (Script){.result = "uncalled-for"};
        assert_int_equal(ask(&script, PROMPT_ERROR, &answer, &error), 0);
        assert_int_equal(n_erased, 3);
        assert_string_equal(answer.text, "before");
        doorward_error_clear(&error);
}

/* Choosing. */

static int choose(const int *types, size_t n, Script *script, size_t *ret, doorward_error *error) {
        char alice[] = "alice", bob[] = "bob", carol[] = "carol";
        char *names[] = {alice, bob, carol, NULL};
        doorward_auth auth = auth_of(types, n, script);

        return auth_ask_choice(&auth, "Who? ", names, NULL, ret, error);
}

static void test_choice(void **state) {
        doorward_error error = {};
        Script script = {.result = "carol"};
        size_t choice = 77;

        assert_int_equal(choose(all, ELEMENTSOF(all), &script, &choice, &error), 0);
        assert_int_equal(choice, 2);
        assert_int_equal(script.type, DOORWARD_CRED_AUTHNAME);
        assert_string_equal(script.prompt, "Who? ");
        assert_string_equal(script.challenge, "alice, bob, carol");
        assert_string_equal(script.defresult, "alice");

        script = (Script){.result = ""};
        assert_int_equal(choose(all, ELEMENTSOF(all), &script, &choice, &error), 0);
        assert_int_equal(choice, 0);
        assert_int_equal(n_erased, 2);

        choice = 77;
        script = (Script){.result = "mallory"};
        assert_int_equal(choose(all, ELEMENTSOF(all), &script, &choice, &error), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_INVALID_ARG);
        script = (Script){.result = "bob", .returns = -1};
        assert_int_equal(choose(all, ELEMENTSOF(all), &script, &choice, &error), -ECANCELED);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_CANCELLED);
        assert_int_equal(choice, 77);

        /* Who cannot be asked takes the first. */
        script = (Script){};
        assert_int_equal(choose(all + 1, 3, &script, &choice, &error), 0);
        assert_int_equal(choice, 0);
        assert_int_equal(script.n_calls, 0);
        doorward_error_clear(&error);
}

static void test_no_choice(void **state) {
        char alice[] = "alice", *names[] = {alice, NULL};
        Script script = {};
        doorward_auth auth = auth_of(all, ELEMENTSOF(all), &script);
        doorward_error error = {};
        size_t choice = 77;

        assert_int_equal(auth_ask_choice(&auth, "Who? ", names, NULL, &choice, &error), 0);
        assert_int_equal(choice, 0);
        assert_int_equal(script.n_calls, 0);
}

static void test_external(void **state) {
        doorward_error error = {};
        Script script = {};
        doorward_auth auth = auth_of(all, ELEMENTSOF(all), &script);

        assert_int_equal(auth_tell_external(&auth, "Somebody asks.", &error), 0);
        assert_int_equal(script.type, DOORWARD_CRED_EXTERNAL);
        assert_string_equal(script.challenge, "polkit");
        script.returns = -1;
        assert_int_equal(auth_tell_external(&auth, "Somebody asks.", &error), -ECANCELED);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_CANCELLED);
        auth.ncredtype = 2;
        assert_int_equal(auth_tell_external(&auth, "Somebody asks.", &error), 0);
        assert_int_equal(auth_tell_external(NULL, "Somebody asks.", &error), 0);
        assert_int_equal(script.n_calls, 2);
        doorward_error_clear(&error);
}

/* Questions that are left open. */

static void test_later(void **state) {
        char alice[] = "alice", bob[] = "bob", *names[] = {alice, bob, NULL};
        Script script = {.result = "half a sec", .size = 64, .returns = DOORWARD_AUTH_LATER};
        doorward_auth auth = auth_of(all, ELEMENTSOF(all), &script);
        doorward_error error = {};
        Answer answer = {.text = "before"};
        size_t choice = 77;

        assert_int_equal(ask(&script, PROMPT_ECHO_OFF, &answer, &error), AUTH_E_LATER);
        assert_int_equal(n_erased, 1);
        assert_string_equal(answer.text, "before");
        script.result = NULL;
        assert_int_equal(auth_ask_choice(&auth, "Who? ", names, NULL, &choice, &error),
                         AUTH_E_LATER);
        assert_int_equal(choice, 77);

        /* What is only told is told. */
        assert_int_equal(ask(&script, PROMPT_INFO, &answer, &error), 0);
        assert_int_equal(auth_tell_external(&auth, "Somebody asks.", &error), 0);
        assert_null(error.message);
}

static void test_taken_later(void **state) {
        char alice[] = "alice", bob[] = "bob", *names[] = {alice, bob, NULL};
        _cleanup_free_ char *secret = strdup("secret"), *name = strdup("bob"),
                            *nobody = strdup("mallory");
        doorward_credential cred = {.result = secret};
        doorward_error error = {};
        Answer answer = {.cancelled = true};
        size_t choice = 77;

        assert_int_equal(auth_take_answer(&cred, 7, &answer, &error), 0);
        assert_string_equal(answer.text, "secret");
        assert_int_equal(answer.number, 7);
        assert_false(answer.cancelled);
        cred.result = name;
        assert_int_equal(auth_take_choice(&cred, names, &choice, &error), 0);
        assert_int_equal(choice, 1);

        cred.result = nobody;
        assert_int_equal(auth_take_choice(&cred, names, &choice, &error), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_INVALID_ARG);
        cred.result = NULL;
        assert_int_equal(auth_take_answer(&cred, 7, &answer, &error), -EINVAL);
        assert_int_equal(choice, 1);
        assert_string_equal(answer.text, "secret");
        doorward_error_clear(&error);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_numbers),       TEST(test_takes),        TEST(test_mapping),
                TEST(test_nobody_to_ask), TEST(test_origin),       TEST(test_answers),
                TEST(test_mistakes),      TEST(test_unterminated), TEST(test_cancelled),
                TEST(test_choice),        TEST(test_no_choice),    TEST(test_external),
                TEST(test_later),         TEST(test_taken_later),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
