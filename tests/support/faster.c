/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/faster.h"

bool faster_removes;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_flock(int fd, int operation) {
        char link[64], target[128];
        ssize_t n;

        if (faster_removes) {
                faster_removes = false;
                (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
                n = readlink(link, target, sizeof(target) - 1);
                assert_true(n > 0);
                target[n] = 0;
                assert_int_equal(remove(target), 0);
        }
        return __real_flock(fd, operation);
}
