#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Broker: the filter's connection to it, and the one request on it
 *
 * systemd has accepted the connection. It has to be of the broker's user, and so has the message;
 * what comes with it has to be a connection like those that an opener makes.
 */

#include <sys/types.h>

#include "common/filter-protocol.h"
#include "common/macros.h"

typedef struct FilterBroker {
        int fd; /* the caller's */
        uid_t uid;
        pid_t pid;
} FilterBroker;

/* -EPROTOTYPE if the descriptor is no such connection, -EPERM if somebody else's. */
int filter_broker_init(FilterBroker *broker, int fd, uid_t uid) _must_check_;

/* Waits for the request: 0, and *ret_service is the connection to be filtered. -ETIMEDOUT; -EBADMSG
 * if it is not one; -ENOTCONN or -EPROTOTYPE if what is to be filtered is no stream. */
int filter_broker_receive(const FilterBroker *broker, int patience_msec, FilterRequest *ret,
                          int *ret_service) _must_check_;

/* Passes the client's end on. */
int filter_broker_grant(const FilterBroker *broker, int client) _must_check_;
void filter_broker_refuse(const FilterBroker *broker, int error, const char *text);
