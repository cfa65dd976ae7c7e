/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preloaded into a unit test: of its functions those are left out whose names LEAVE_OUT has, with
 * spaces between them. A name that is none of them is a failure: no list outlives its tests. */

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef int (*Run)(const char *name, const struct CMUnitTest *tests, size_t n,
                   CMFixtureFunction setup, CMFixtureFunction teardown);

static int has_word(const char *words, const char *word) {
        size_t n = strlen(word);

        for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
                if (strcspn(p, " ") == n && memcmp(p, word, n) == 0)
                        return 1;
        return 0;
}

static size_t count_words(const char *words) {
        size_t n = 0;

        for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
                n++;
        return n;
}

int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *const tests, size_t n,
                            CMFixtureFunction setup, CMFixtureFunction teardown) {
        const char *words = getenv("LEAVE_OUT");
        struct CMUnitTest *left = calloc(n, sizeof(*left));
        void *run = dlsym(RTLD_NEXT, "_cmocka_run_group_tests");
        size_t n_left = 0;
        int r;

        if (!words || !left || !run)
                abort();
        for (size_t i = 0; i < n; i++)
                if (!has_word(words, tests[i].name))
                        left[n_left++] = tests[i];
        if (n - n_left != count_words(words)) {
                fprintf(stderr, "not all of these are its tests: %s\n", words);
                exit(EXIT_FAILURE);
        }

        r = ((Run)run)(name, left, n_left, setup, teardown);
        free(left);
        return r;
}
