#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Secret: what of Docker's and Podman's JSON is not for those who only look
 *
 * Environment, labels and command lines, under whatever name the two have them, and what else
 * people put passwords into: options of drivers, proxies, what a health check has printed. It is
 * names that decide, since values cannot: a rule too many hides something harmless, one too few
 * shows a secret. So whatever has one of these words in its name is hidden, in whatever case, and
 * so is everything below it; and a name that is too long or not plain is hidden as well.
 */

#include "common/macros.h"

/* Longer names are not looked at. */
#define DOCKER_NAME_MAX 64

typedef enum DockerRule {
        DOCKER_SHOW = 1,
        DOCKER_HIDE,       /* and all that is in it */
        DOCKER_ATTRIBUTES, /* hides what is in it, but for what an event is about */
        DOCKER_ACTION,     /* "exec_create: COMMAND": shows the first word */
} DockerRule;

/* Of what has this name in an object to which the rule applies. */
DockerRule docker_secret_judge(DockerRule outer, const char *name);

/* Whether what follows this first word and a colon may be shown. */
bool docker_secret_is_public_action(const char *word);
