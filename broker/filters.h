#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Filters: the broker's calls to the helper that stands between a client and a service
 *
 * Each call is a connection of its own, for which a process of its own is started. What is
 * passed is the service's connection, with all that can be done on it; the broker keeps no copy.
 * What comes back is the client's end. Then there is nothing more to say, and the connection is
 * what the filter lives by: whoever has it ends the filter by hanging up, and sees it end.
 *
 * SO_PEERCRED would name PID 1, which has made the listener. So the answer counts only if its
 * sender's credentials are the filter's user, and the client's end only if that user has made it:
 * a connection to the service itself would be one that somebody else made.
 */

#include <systemd/sd-event.h>

#include "common/filter-protocol.h"

typedef struct FilterCall FilterCall;

/* Where filters are called. */
typedef struct Filters {
        sd_event *event; /* borrowed */
        char *path;
        char *passwd; /* has the uid of */
        char *user;   /* this one, as whom filters run */
} Filters;

/* -ENOMEM, and then there is still something to be freed. */
int filters_init(Filters *filters, sd_event *event, const char *path, const char *passwd,
                 const char *user) _must_check_;
/* Every call must have been answered or cancelled. */
void filters_deinit(Filters *filters);

/* error is 0 and reply what the filter said; if that is ok, with the client's end and the filter's
 * connection, which are the callee's. Or a positive errno, and reply is NULL. */
typedef void (*FilterFunc)(int error, const FilterReply *reply, int client_fd, int link_fd,
                           void *userdata);

/* Has the service's connection filtered, and takes it, on failure too. func is called once, from
 * the loop, after usec at the latest. -errno. */
int filters_call_consume_fd(const Filters *filters, const FilterRequest *request, int service_fd,
                            uint64_t usec, FilterFunc func, void *userdata,
                            FilterCall **ret) _must_check_;

/* Hangs up, which ends the filter. NULL is fine. Returns NULL. */
FilterCall *filter_call_cancel(FilterCall *call);
