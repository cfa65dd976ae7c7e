/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "cli/event.h"
#include "cli/moment.h"
#include "cli/text.h"
#include "cli/user.h"
#include "client/wire.h"
#include "common/terms.h"

/* The lines come one by one, so the columns have to be as wide as what usually stands there. */
enum {
        WIDTH_TIME = 19,
        WIDTH_EVENT = 7,
        WIDTH_USER = 12,
        WIDTH_PID = 7,
        WIDTH_ENDPOINT = 16,
        WIDTH_ACCESS = 9,
        WIDTH_OUTCOME = 16,
};

int event_read(const json_t *object, Event *ret) {
        Event event = {};
        const WireField fields[] = {
                {"time", WIRE_INT, false, &event.time},
                {"event", WIRE_STRING, false, &event.event},
                {"endpoint", WIRE_STRING, false, &event.endpoint},
                {"access", WIRE_ENUM, true, &event.access, access_from_wire},
                {"uid", WIRE_INT, false, &event.uid},
                {"pid", WIRE_INT, false, &event.pid},
                {"outcome", WIRE_STRING, false, &event.outcome},
                {"lease", WIRE_STRING, true, &event.lease},
                {"request", WIRE_STRING, false, &event.request},
                {"connectAs", WIRE_STRING, true, &event.connect_as},
                {},
        };
        int r;

        r = wire_read(object, fields);
        if (r == 0)
                *ret = event;
        return r;
}

static void cell_print(FILE *f, const char *text, size_t width) {
        _cleanup_free_ char *escaped = text_escape(*text ? text : "-");

        if (!escaped)
                return;

        (void)fputs(escaped, f);
        for (size_t n = text_width(escaped); n <= width; n++)
                (void)fputc(' ', f);
        /* What is too long for its column still ends before the next. */
        if (text_width(escaped) > width)
                (void)fputc(' ', f);
}

static void last_print(FILE *f, const char *text) {
        _cleanup_free_ char *escaped = text_escape(text);

        (void)fprintf(f, "%s\n", escaped ? escaped : "?");
}

void event_print_headings(FILE *f) {
        cell_print(f, "TIME", WIDTH_TIME);
        cell_print(f, "EVENT", WIDTH_EVENT);
        cell_print(f, "USER", WIDTH_USER);
        cell_print(f, "PID", WIDTH_PID);
        cell_print(f, "ENDPOINT", WIDTH_ENDPOINT);
        cell_print(f, "ACCESS", WIDTH_ACCESS);
        cell_print(f, "OUTCOME", WIDTH_OUTCOME);
        last_print(f, "LEASE");
}

void event_print(const Event *event, FILE *f) {
        char time[MOMENT_TEXT_SIZE], user[USER_TEXT_SIZE], pid[21];

        (void)snprintf(pid, sizeof(pid), "%" PRId64, event->pid);

        cell_print(f, moment_to_string(event->time, time), WIDTH_TIME);
        cell_print(f, event->event, WIDTH_EVENT);
        cell_print(f, user_to_string(event->uid, user), WIDTH_USER);
        cell_print(f, pid, WIDTH_PID);
        cell_print(f, event->endpoint, WIDTH_ENDPOINT);
        cell_print(f, event->access ? access_to_string((Access)event->access) : "", WIDTH_ACCESS);
        cell_print(f, event->outcome, WIDTH_OUTCOME);
        last_print(f, event->lease ?: "-");
}
