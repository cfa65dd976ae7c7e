#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Relay join: what was opened, joined to the near end, and news of it
 *
 * It lasts as long as the near end, the endpoint and the lease do. Its end ends the lease, since
 * the process then ends. That the near end is gone shows at standard error, too, which it reads as
 * long as it is there: bytes that the endpoint does not take yet keep nobody from noticing.
 */

#include "client/conn.h"

typedef struct RelayJoinSpec {
        int input;
        int output; /* closed when its way ends */
        int news;   /* standard error */
} RelayJoinSpec;

/* 0, or -errno. */
int relay_join(const RelayJoinSpec *spec, doorward_conn *conn) _must_check_;
