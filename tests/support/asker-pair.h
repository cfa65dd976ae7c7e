#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Asker pair: the broker's end and a helper's of one connection, of which the test made both
 */

#include "common/asker.h"

typedef struct AskerPair {
        int broker, helper;
        Asker asker; /* of the helper's end */
        unsigned n_fds;
} AskerPair;

/* Two ends of a pair of sockets of this type. */
void asker_pair_make(int type, int *ret_a, int *ret_b);

/* Around each test whose state is such a pair. No descriptor may be left. */
int asker_pair_setup(void **state);
int asker_pair_teardown(void **state);
