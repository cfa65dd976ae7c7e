#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Getters: attempts (tests/support/no-memory.h) at what a connection is asked, wherever it leads to
 */

#include "client/doorward.h"
#include "common/macros.h"

/* The connection that is asked. */
extern doorward_conn *getters_conn;

bool getters_try_capabilities(void);
bool getters_try_grant_info(void);
bool getters_try_uri(void);
/* Whoever answers is of version 1.2.3. */
bool getters_try_version(void);
