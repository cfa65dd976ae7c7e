/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/filter-profile.h"

static void test_find(void **state) {
        assert_int_equal(filter_profile_find("docker", "status"), FILTER_DOCKER_STATUS);
        assert_int_equal(filter_profile_find("docker", "inspect"), FILTER_DOCKER_INSPECT);
        assert_int_equal(filter_profile_find("docker", "logs"), FILTER_DOCKER_LOGS);

        assert_int_equal(filter_profile_find("docker", "full"), -EINVAL);
        assert_int_equal(filter_profile_find("docker", "Status"), -EINVAL);
        assert_int_equal(filter_profile_find("docker", ""), -EINVAL);
        assert_int_equal(filter_profile_find("dbus", "status"), -EINVAL);
        assert_int_equal(filter_profile_find("", "status"), -EINVAL);
}

/* All that is listed is found, each as another. */
static void test_lists(void **state) {
        const char *const *filters = filter_profile_get_filters();
        unsigned seen = 0;

        for (size_t i = 0; filters[i]; i++) {
                const char *const *names = filter_profile_get_names(filters[i]);

                assert_non_null(names);
                for (size_t j = 0; names[j]; j++) {
                        int profile = filter_profile_find(filters[i], names[j]);

                        assert_in_range(profile, 1, _FILTER_PROFILE_MAX - 1);
                        assert_false(seen & 1U << profile);
                        seen |= 1U << profile;
                }
        }

        assert_int_equal(seen, (1U << _FILTER_PROFILE_MAX) - 2);
        assert_null(filter_profile_get_names("dbus"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_lists),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
