#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Broker: the one request to a filter
 *
 * It has to be the broker's (common/asker.h), and what comes with it a connection like those that
 * an opener makes.
 */

#include "common/asker.h"
#include "common/filter-protocol.h"
#include "common/macros.h"

/* Where a filter finds the broker's connection. */
#define FILTER_BROKER_FD 3

/* Waits for the request: 0, and *ret_service is the connection to be filtered. -ETIMEDOUT; -EBADMSG
 * if it is not one; -ENOTCONN or -EPROTOTYPE if what is to be filtered is no stream. */
int filter_broker_receive(const Asker *broker, int patience_msec, FilterRequest *ret,
                          int *ret_service) _must_check_;

/* Passes the client's end on. */
int filter_broker_grant(const Asker *broker, int client) _must_check_;
void filter_broker_refuse(const Asker *broker, int error, const char *text);
