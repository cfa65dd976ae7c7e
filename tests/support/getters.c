/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/getters.h"
#include "tests/support/no-memory.h"

doorward_conn *getters_conn;

bool getters_try_capabilities(void) {
        char *text = doorward_get_capabilities(getters_conn);
        bool done = no_memory_conclude(text);

        free(text);
        return done;
}

bool getters_try_grant_info(void) {
        doorward_grant_info *info = doorward_get_grant_info(getters_conn);
        bool done = no_memory_conclude(info);

        doorward_grant_info_free(info);
        return done;
}

bool getters_try_uri(void) {
        char *uri = doorward_get_uri(getters_conn);
        bool done = no_memory_conclude(uri);

        free(uri);
        return done;
}

bool getters_try_version(void) {
        unsigned long version = 7;
        bool done = no_memory_conclude(doorward_get_version(getters_conn, &version) == 0);

        assert_int_equal(version, done ? 1002003 : 7);
        return done;
}
