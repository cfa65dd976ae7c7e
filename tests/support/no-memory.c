/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support/no-memory.h"

static _Thread_local long countdown = -1;
static _Thread_local bool struck, goes_on;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
int __real_vasprintf(char **ret, const char *format, va_list args);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
int __wrap_asprintf(char **ret, const char *format, ...) _printf_(2, 3);
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) _printf_(3, 4);
int __wrap_vasprintf(char **ret, const char *format, va_list args) _printf_(2, 0);
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args) _printf_(3, 0);

static bool denied(void) {
        if (countdown < 0 || countdown-- > 0)
                return false;

        struck = true;
        countdown = goes_on ? 0 : -1;
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t n) {
        return denied() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
        return denied() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
        return denied() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return denied() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text) {
        return denied() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n) {
        return denied() ? NULL : __real_strndup(text, n);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args) {
        return denied() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args) {
        return denied() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = denied() ? -1 : __real_vasprintf(ret, format, args);
        va_end(args);
        return r;
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = denied() ? -1 : __real_vasprintf(ret, format, args);
        va_end(args);
        return r;
}

void no_memory_init(void) {
        json_set_alloc_funcs(__wrap_malloc, free);
}

long no_memory_get_countdown(void) {
        return countdown;
}

void no_memory_set_countdown(long n) {
        countdown = n;
}

bool no_memory_has_struck(void) {
        return struck;
}

static long sweep(NoMemoryAttempt attempt, long at_least) {
        long n = 0;

        for (;; n++) {
                bool done;

                struck = false;
                countdown = n;
                done = attempt();
                countdown = -1;

                if (!struck) {
                        assert_true(done);
                        break;
                }
                doorward_reset_last_error();
        }

        assert_true(n >= at_least);
        return n;
}

long no_memory_sweep(NoMemoryAttempt attempt, long at_least) {
        long n;

        goes_on = false;
        n = sweep(attempt, at_least);
        goes_on = true;
        (void)sweep(attempt, at_least);
        return n;
}

bool no_memory_is(const doorward_error *error) {
        return error->code == DOORWARD_ERR_SYSTEM && error->errnum == ENOMEM;
}

void no_memory_check_error(void) {
        const doorward_error *error = doorward_get_last_error();
        int errnum = errno;

        countdown = -1;
        assert_non_null(error);
        if (!no_memory_is(error))
                fail_msg("%s: %s", doorward_error_code_to_string(error->code), error->message);
        assert_int_equal(errnum, ENOMEM);
        assert_string_equal(error->message, "There is not enough memory.");
}

bool no_memory_conclude(bool done) {
        if (!done)
                no_memory_check_error();
        return done;
}

bool no_memory_conclude_open(doorward_conn *conn) {
        if (!conn)
                return no_memory_conclude(false);

        assert_false(struck);
        assert_int_equal(doorward_close(conn), 0);
        return true;
}

void no_memory_give(doorward_credential *cred, const char *text) {
        long n = countdown;

        countdown = -1;
        cred->result = strdup(text);
        assert_non_null(cred->result);
        cred->resultlen = (unsigned)strlen(text);
        countdown = n;
}
