/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/channel.h"
#include "client/listing.h"
#include "common/name.h"

#ifndef LIST_TIMEOUT_MS
#define LIST_TIMEOUT_MS WIRE_TIMEOUT_MS
#endif

/* Appends ", NAME", or says once that there are more than there is room for. */
static void list_append(char *buf, size_t size, const char *name) {
        static const char more[] = " and more";
        size_t n = strlen(buf), length = strnlen(name, NAME_TEXT_SIZE);

        if (n > 0 && n + 2 + length + sizeof(more) > size) {
                if (!streq(buf + n - strlen(more), more))
                        memcpy(buf + n, more, sizeof(more));
                return;
        }

        (void)snprintf(buf + n, size - n, "%s%.*s", n > 0 ? ", " : "", (int)length, name);
}

/* 0, or -EAGAIN with no error set, or another -errno and an error. */
static int listing_call(Listing *listing, doorward_error *error) {
        int r = 0;

        if (!listing->wire)
                r = wire_new(NULL, &listing->wire, error);
        else if (channel_deadline_left(listing->retry_at) > 0)
                return -EAGAIN;
        if (r < 0)
                return r;

        r = wire_connect(listing->wire, error);
        if (r == -EAGAIN && channel_deadline_left(listing->deadline) == 0)
                return wire_fail_full(listing->wire, error);
        if (r == -EAGAIN)
                listing->retry_at = channel_deadline(CHANNEL_RETRY_MS);
        if (r < 0)
                return r;

        listing->calling = true;
        return wire_call_more(listing->wire, METHOD_LIST_ENDPOINTS, json_object(), 0, error);
}

static int listing_read(Listing *listing, const WireReply *reply, doorward_error *error) {
        const char *name;
        json_t *endpoint = NULL;
        const WireField outer[] = {{"endpoint", WIRE_OBJECT, true, &endpoint}, {}};
        const WireField inner[] = {{"name", WIRE_STRING, false, &name}, {}};

        if (wire_read(reply->parameters, outer) < 0 || (endpoint && wire_read(endpoint, inner) < 0))
                return wire_error_protocol(error,
                                           "The broker at %s sent a reply that cannot be read.",
                                           wire_get_path(listing->wire));

        /* A reply without one says that there are none. */
        if (endpoint)
                list_append(listing->names, sizeof(listing->names), name);
        return 0;
}

/* 1: a name; 0: there are no more; -EAGAIN with no error set, or another -errno and an error of why
 * they cannot be listed. */
static int listing_next(Listing *listing, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        int r = 0;

        if (!listing->calling)
                r = listing_call(listing, error);
        if (r == 0)
                r = wire_next(listing->wire, 0, &reply, error);
        if (r <= 0)
                return r;

        r = listing_read(listing, &reply, error);
        return r < 0 ? r : 1;
}

int listing_process(Listing *listing, doorward_error *error) {
        _cleanup_error_ doorward_error why = {};
        int r;

        do
                r = listing_next(listing, &why);
        while (r > 0);
        if (r == -EAGAIN && channel_deadline_left(listing->deadline) > 0)
                return 1;
        if (r == -EAGAIN)
                r = wire_expire(listing->wire, &why);

        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "No endpoint was named, and there is no default.");
        if (r < 0)
                error_set_hint(error,
                               "Name one, as in doorward:///ENDPOINT. Which there are is "
                               "not known: %s",
                               why.message);
        else if (!listing->names[0])
                error_set_hint(error, "No endpoint is defined on this machine.");
        else
                error_set_hint(error, "Name one of these: %s.", listing->names);
        return -EINVAL;
}

void listing_wait(const Listing *listing, Wait *wait) {
        wait_add_deadline(wait, listing->deadline);
        if (listing->calling)
                wait_add_fd(wait, wire_get_fd(listing->wire), wire_get_events(listing->wire));
        else
                wait_add_deadline(wait, listing->retry_at);
}

int listing_block(Listing *listing, doorward_error *error) {
        int r;

        while ((r = listing_process(listing, error)) > 0) {
                Wait wait;

                wait_init(&wait);
                listing_wait(listing, &wait);
                r = wait_block(&wait);
                if (r < 0)
                        return error_system(error, r, "Waiting failed");
        }

        return r;
}

void listing_init(Listing *listing) {
        *listing = (Listing){.deadline = channel_deadline(LIST_TIMEOUT_MS)};
}

void listing_deinit(Listing *listing, bool is_copy) {
        listing->wire = is_copy ? wire_free_copy(listing->wire) : wire_free(listing->wire);
}
