/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/error.h"

/* Classes and domains: their numbers and words are frozen. */

static void test_codes(void **state) {
        static const char *const words[] = {
                "ok",
                "system",
                "invalid-argument",
                "invalid-connection",
                "bad-uri",
                "unsupported",
                "no-broker",
                "protocol",
                "no-endpoint",
                "access-unsupported",
                "denied",
                "auth-needed",
                "auth-failed",
                "auth-cancelled",
                "auth-unavailable",
                "policy-unavailable",
                "endpoint-down",
                "limit",
                "timeout",
                "no-lease",
                "lease-ended",
        };

        for (int i = 0; i < (int)ELEMENTSOF(words); i++)
                assert_string_equal(doorward_error_code_to_string(i), words[i]);
        assert_int_equal(DOORWARD_ERR_LEASE_ENDED, ELEMENTSOF(words) - 1);
        assert_int_equal(DOORWARD_ERR_DENIED, 10);
        assert_int_equal(DOORWARD_ERR_LIMIT, 17);

        assert_string_equal(doorward_error_code_to_string(-1), "unknown");
        assert_string_equal(doorward_error_code_to_string(ELEMENTSOF(words)), "unknown");
        assert_string_equal(doorward_error_code_to_string(INT32_MAX), "unknown");
        assert_string_equal(doorward_error_code_to_string(INT32_MIN), "unknown");
}

static void test_domains(void **state) {
        static const char *const words[] = {
                "none", "library", "system", "broker", "policy", "auth", "endpoint", "transport",
        };

        for (int i = 0; i < (int)ELEMENTSOF(words); i++)
                assert_string_equal(doorward_error_domain_to_string(i), words[i]);
        assert_int_equal(DOORWARD_DOMAIN_TRANSPORT, ELEMENTSOF(words) - 1);

        assert_string_equal(doorward_error_domain_to_string(-1), "unknown");
        assert_string_equal(doorward_error_domain_to_string(ELEMENTSOF(words)), "unknown");
}

/* Texts. */

static void test_set(void **state) {
        doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_DENIED, EACCES, "No %s, %d.", "way",
                  3);
        error_set_hint(&error, "Ask %s.", "bob");
        error_set_endpoint(&error, "docker");
        error_set_action(&error, "org.example.action");
        error_set_request(&error, "1f");

        assert_int_equal(error.domain, DOORWARD_DOMAIN_POLICY);
        assert_int_equal(error.code, DOORWARD_ERR_DENIED);
        assert_int_equal(error.errnum, EACCES);
        assert_string_equal(error.message, "No way, 3.");
        assert_string_equal(error.hint, "Ask bob.");
        assert_string_equal(error.endpoint, "docker");
        assert_string_equal(error.action_id, "org.example.action");
        assert_string_equal(error.request_id, "1f");

        /* What is not known changes nothing. */
        error_set_endpoint(&error, NULL);
        error_set_action(&error, NULL);
        error_set_request(&error, NULL);
        assert_string_equal(error.endpoint, "docker");

        /* The next one replaces all of it, and may be made of it. */
        error_set(&error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_LIMIT, 0, "Before: %s",
                  error.message);
        assert_string_equal(error.message, "Before: No way, 3.");
        assert_int_equal(error.code, DOORWARD_ERR_LIMIT);
        assert_int_equal(error.errnum, 0);
        assert_null(error.hint);
        assert_null(error.endpoint);
        assert_null(error.action_id);
        assert_null(error.request_id);

        assert_int_equal(error_no_memory(&error), -ENOMEM);
        assert_int_equal(error.code, DOORWARD_ERR_SYSTEM);
        assert_int_equal(error.errnum, ENOMEM);
        assert_non_null(error.message);

        doorward_error_clear(&error);
        assert_null(error.message);
        assert_int_equal(error.code, DOORWARD_ERR_OK);
        doorward_error_clear(&error);
        doorward_error_clear(NULL);
        doorward_error_free(NULL);
}

static void check_text(const char *text, const char *shown) {
        doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, 0, "%s", text);
        assert_string_equal(error.message, shown);
        error_set_hint(&error, "%s", text);
        assert_string_equal(error.hint, shown);
        error_set_endpoint(&error, text);
        assert_string_equal(error.endpoint, shown);
        doorward_error_clear(&error);
}

static void test_replace(void **state) {
        doorward_error error = {}, by = {};

        error_set(&error, DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_AUTH_NEEDED, EACCES, "first");
        error_set_hint(&error, "of the first");
        error_set_endpoint(&error, "docker");
        error_set_action(&error, "a.b");
        error_set_request(&error, "r1");
        error_set(&by, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED, "second");
        error_set_request(&by, "r2");
        error_replace(&error, &by);

        assert_int_equal(error.domain, DOORWARD_DOMAIN_AUTH);
        assert_int_equal(error.code, DOORWARD_ERR_AUTH_CANCELLED);
        assert_int_equal(error.errnum, ECANCELED);
        assert_string_equal(error.message, "second");
        assert_null(error.hint);
        assert_string_equal(error.endpoint, "docker");
        assert_string_equal(error.action_id, "a.b");
        assert_string_equal(error.request_id, "r2");
        assert_int_equal(by.code, 0);
        assert_null(by.message);
        assert_null(by.request_id);
        doorward_error_clear(&error);
}

static void test_system(void **state) {
        doorward_error error = {};

        assert_int_equal(error_system(&error, -ENOSPC, "It cannot be"), -ENOSPC);
        assert_int_equal(error.domain, DOORWARD_DOMAIN_SYSTEM);
        assert_int_equal(error.code, DOORWARD_ERR_SYSTEM);
        assert_int_equal(error.errnum, ENOSPC);
        assert_string_equal(error.message, "It cannot be: No space left on device.");
        doorward_error_clear(&error);
}

static void test_text_is_cleaned(void **state) {
        check_text("", "");
        check_text("plain %s text", "plain %s text");
        check_text("a\nb\tc", "a b c");
        check_text("\033[31mred\007\r\x7f", "?[31mred???");
        /* UTF-8 that is right, up to the last character there is. */
        check_text("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x9a\xaa \xf4\x8f\xbf\xbf",
                   "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x9a\xaa \xf4\x8f\xbf\xbf");
        check_text("\xc2\xa0", "\xc2\xa0");
        /* C1, among it a terminal's one-character escape; separators of lines and paragraphs. */
        check_text("\xc2\x9b[2J \xc2\x80 \xc2\x9f", "??[2J ?? ??");
        check_text("\xe2\x80\xa8 \xe2\x80\xa9", "??? ???");
        /* Too long a form, surrogates, beyond the last, alone, cut off. */
        check_text("\xc0\x8a \xc1\xbf \xe0\x80\x8a \xf0\x80\x80\x8a", "?? ?? ??? ????");
        check_text("\xed\xa0\x80 \xed\xbf\xbf", "??? ???");
        check_text("\xf4\x90\x80\x80 \xf5\x80\x80\x80 \xff\xfe", "???? ???? ??");
        check_text("\x80 \xbf \xc3", "? ? ?");
        check_text("\xe2\x82", "??");
        check_text("\xf0\x9f\x9a", "???");
        check_text("\xc3(", "?(");
}

static void test_text_is_bounded(void **state) {
        char text[4 * ERROR_TEXT_MAX];
        doorward_error error = {};

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, 0, "%s", text);
        assert_int_equal(strlen(error.message), ERROR_TEXT_MAX);

        text[ERROR_TEXT_MAX] = 0;
        error_set_hint(&error, "%s", text);
        assert_int_equal(strlen(error.hint), ERROR_TEXT_MAX);

        /* A character is never cut in two: 3 bytes do not go into 1024 evenly. */
        for (size_t i = 0; i + 3 < sizeof(text); i += 3)
                memcpy(text + i, "\xe2\x82\xac", 3);
        text[sizeof(text) - 4] = 0;
        error_set_request(&error, text);
        assert_int_equal(strlen(error.request_id), ERROR_TEXT_MAX / 3 * 3);
        doorward_error_clear(&error);
}

/* The thread's last error. */

static void raise_one(const char *message, int errnum) {
        doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_BROKER, DOORWARD_ERR_PROTOCOL, errnum, "%s", message);
        error_set_hint(&error, "hint of %s", message);
        error_raise(&error);
        assert_null(error.message);
        assert_int_equal(error.code, DOORWARD_ERR_OK);
}

static void test_last_error(void **state) {
        const doorward_error *last;

        doorward_reset_last_error();
        assert_null(doorward_get_last_error());
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_OK);
        assert_int_equal(doorward_get_last_error_domain(), DOORWARD_DOMAIN_NONE);
        assert_string_equal(doorward_get_last_error_message(), "no error");

        errno = 0;
        raise_one("one", ENXIO);
        assert_int_equal(errno, ENXIO);
        last = doorward_get_last_error();
        assert_non_null(last);
        assert_int_equal(last->code, DOORWARD_ERR_PROTOCOL);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_PROTOCOL);
        assert_int_equal(doorward_get_last_error_domain(), DOORWARD_DOMAIN_BROKER);
        assert_string_equal(doorward_get_last_error_message(), "one");
        for (size_t i = 0; i < ELEMENTSOF(last->reserved); i++)
                assert_null(last->reserved[i]);

        /* One without a number sets errno all the same. */
        errno = 0;
        raise_one("two", 0);
        assert_int_equal(errno, EIO);
        assert_string_equal(doorward_get_last_error_message(), "two");

        error_begin();
        assert_null(doorward_get_last_error());
        assert_string_equal(doorward_get_last_error_message(), "no error");
}

static void test_copies(void **state) {
        doorward_error copy = {.code = 77}, *saved;

        doorward_reset_last_error();
        assert_null(doorward_save_last_error());
        assert_int_equal(doorward_copy_last_error(NULL), -1);
        assert_int_equal(doorward_copy_last_error(&copy), 0);
        assert_int_equal(copy.code, DOORWARD_ERR_OK);
        assert_null(copy.message);

        raise_one("kept", EPERM);
        assert_int_equal(doorward_copy_last_error(NULL), -1);
        assert_int_equal(doorward_copy_last_error(&copy), DOORWARD_ERR_PROTOCOL);
        saved = doorward_save_last_error();
        assert_non_null(saved);

        /* They outlive it, and each other. */
        doorward_reset_last_error();
        assert_string_equal(copy.message, "kept");
        assert_string_equal(copy.hint, "hint of kept");
        assert_int_equal(copy.errnum, EPERM);
        assert_null(copy.endpoint);
        doorward_error_clear(&copy);
        assert_string_equal(saved->message, "kept");
        assert_ptr_not_equal(saved->message, copy.message);
        doorward_error_free(saved);

        /* A text that there was no memory for is nobody's to free. */
        (void)error_no_memory(&copy);
        error_raise(&copy);
        saved = doorward_save_last_error();
        doorward_reset_last_error();
        assert_string_equal(saved->message, "There is not enough memory.");
        doorward_error_free(saved);
}

static void *other_thread(void *userdata) {
        char *message = userdata;

        if (doorward_get_last_error())
                return (void *)"a new thread has an error";
        raise_one(message, EIO);
        if (strcmp(doorward_get_last_error_message(), message) != 0)
                return (void *)"a thread has another's error";

        /* It is freed as the thread ends, which the leak checker sees. */
        return NULL;
}

static void test_threads(void **state) {
        char messages[8][16];
        pthread_t threads[8];
        void *problem;

        raise_one("mine", EPERM);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                (void)snprintf(messages[i], sizeof(messages[i]), "thread %zu", i);
                assert_int_equal(pthread_create(&threads[i], NULL, other_thread, messages[i]), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &problem), 0);
                assert_null(problem);
        }

        assert_string_equal(doorward_get_last_error_message(), "mine");
        doorward_reset_last_error();
}

/* The error function. */

typedef struct Seen {
        unsigned n;
        char message[64];
        pthread_t thread;
} Seen;

static void on_error(void *userdata, const doorward_error *error) {
        Seen *seen = userdata;

        seen->n++;
        seen->thread = pthread_self();
        (void)snprintf(seen->message, sizeof(seen->message), "%s", error->message);
        assert_ptr_equal(error, doorward_get_last_error());

        /* What it does to errno does not reach the caller. */
        errno = EXDEV;
}

static void test_error_func(void **state) {
        Seen seen = {}, other = {};

        doorward_set_error_func(&seen, on_error);
        raise_one("first", EPERM);
        assert_int_equal(errno, EPERM);
        assert_int_equal(seen.n, 1);
        assert_string_equal(seen.message, "first");
        assert_true(pthread_equal(seen.thread, pthread_self()));

        doorward_set_error_func(&other, on_error);
        raise_one("second", EPERM);
        assert_int_equal(seen.n, 1);
        assert_int_equal(other.n, 1);

        doorward_set_error_func(NULL, NULL);
        raise_one("third", EPERM);
        assert_int_equal(seen.n + other.n, 2);
        doorward_reset_last_error();
}

/* A library has nothing to say on a stream that is not its own. */
static void test_silent(void **state) {
        int saved[2], pipe_fds[2];
        char c;

        assert_int_equal(pipe(pipe_fds), 0);
        for (int i = 0; i < 2; i++) {
                saved[i] = dup(STDOUT_FILENO + i);
                assert_int_equal(dup2(pipe_fds[1], STDOUT_FILENO + i), STDOUT_FILENO + i);
        }

        raise_one("unheard", EPERM);
        doorward_set_error_func(NULL, NULL);
        raise_one("unheard", EPERM);

        for (int i = 0; i < 2; i++) {
                (void)dup2(saved[i], STDOUT_FILENO + i);
                close_fd(saved[i]);
        }
        close_fd(pipe_fds[1]);
        assert_int_equal(read(pipe_fds[0], &c, 1), 0);
        close_fd(pipe_fds[0]);
        doorward_reset_last_error();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_codes),
                cmocka_unit_test(test_domains),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_replace),
                cmocka_unit_test(test_system),
                cmocka_unit_test(test_text_is_cleaned),
                cmocka_unit_test(test_text_is_bounded),
                cmocka_unit_test(test_last_error),
                cmocka_unit_test(test_copies),
                cmocka_unit_test(test_threads),
                cmocka_unit_test(test_error_func),
                cmocka_unit_test(test_silent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
