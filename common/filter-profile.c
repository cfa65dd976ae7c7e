/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common/filter-profile.h"

static const char *const filters[] = {"docker", NULL};

static const char *const docker_profiles[] = {
        [FILTER_DOCKER_STATUS - 1] = "status",
        [FILTER_DOCKER_INSPECT - 1] = "inspect",
        [FILTER_DOCKER_LOGS - 1] = "logs",
        [_FILTER_PROFILE_MAX - 1] = NULL,
};

const char *const *filter_profile_get_filters(void) {
        return filters;
}

const char *const *filter_profile_get_names(const char *filter) {
        return streq(filter, "docker") ? docker_profiles : NULL;
}

int filter_profile_find(const char *filter, const char *profile) {
        const char *const *names = filter_profile_get_names(filter);

        for (int i = 0; names && names[i]; i++)
                if (streq(names[i], profile))
                        return FILTER_DOCKER_STATUS + i;

        return -EINVAL;
}
