#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Capabilities: what this process has of them, whatever set they are in
 *
 * What is permitted is effective when the process says so, and what is inheritable or ambient is
 * there again in what it executes. So a process that must have none looks at all of these sets;
 * libcap-ng's capng_have_capabilities() looks at the effective one alone.
 *
 * Not part of the common library, which does without libcap-ng.
 */

#include "common/macros.h"

/* Sets of them, by number: 1 << CAP_SYSLOG. */
typedef struct Capabilities {
        uint64_t effective;
        uint64_t held;     /* effective, permitted, inheritable or ambient */
        uint64_t bounding; /* what it could have at most, by executing something */
} Capabilities;

/* 0 or -errno. */
int capabilities_read(Capabilities *ret) _must_check_;
