/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "cli/moment.h"
#include "policy/instant.h"
#include "policy/timespan.h"

int64_t moment_now(void) {
        return (int64_t)instant_now();
}

static bool moment_split(int64_t usec, struct tm *ret) {
        time_t seconds = (time_t)(usec / (int64_t)USEC_PER_SEC);

        return usec >= 0 && localtime_r(&seconds, ret);
}

static const char *moment_format(const struct tm *tm, bool day, char buf[MOMENT_TEXT_SIZE]) {
        size_t n = day ? strftime(buf, MOMENT_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", tm)
                       : strftime(buf, MOMENT_TEXT_SIZE, "%H:%M:%S", tm);

        return n > 0 ? buf : memcpy(buf, "?", sizeof("?"));
}

const char *moment_to_string(int64_t usec, char buf[MOMENT_TEXT_SIZE]) {
        struct tm tm;

        if (!moment_split(usec, &tm))
                return memcpy(buf, "?", sizeof("?"));
        return moment_format(&tm, true, buf);
}

const char *moment_to_short_string(int64_t usec, int64_t now, char buf[MOMENT_TEXT_SIZE]) {
        struct tm tm, today;

        if (!moment_split(usec, &tm) || !moment_split(now, &today))
                return memcpy(buf, "?", sizeof("?"));
        return moment_format(&tm, tm.tm_year != today.tm_year || tm.tm_yday != today.tm_yday, buf);
}
