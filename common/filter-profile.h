#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Filter profile: which filters there are, and how much each lets through
 *
 *   docker  status   what runs, without what it runs with
 *           inspect  and each thing's particulars, without environment, labels and command lines
 *           logs     and what containers have printed
 *
 * A definition is judged by this table when it is read, and the filter looks into the same one.
 * Each profile lets through what those before it do.
 */

#include "common/macros.h"

typedef enum FilterProfile {
        FILTER_DOCKER_STATUS = 1,
        FILTER_DOCKER_INSPECT,
        FILTER_DOCKER_LOGS,
        _FILTER_PROFILE_MAX,
} FilterProfile;

/* The profile of that filter, or -EINVAL if there is none. */
int filter_profile_find(const char *filter, const char *profile);

/* What there is, ending with NULL: the filters, and the profiles of one of them; of one that there
 * is not, NULL. */
const char *const *filter_profile_get_filters(void);
const char *const *filter_profile_get_names(const char *filter);
