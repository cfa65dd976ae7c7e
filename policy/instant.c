/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <time.h>

#include "policy/instant.h"
#include "policy/timespan.h"

#define YEAR_MIN 2000
#define YEAR_MAX 2199

/* Whether the text has that form: 0 stands for a digit, anything else for itself. */
static bool has_form(const char *text, const char *form) {
        for (; *form; form++, text++)
                if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
                        return false;
        return !*text;
}

static int number_at(const char *text, size_t n) {
        int value = 0;

        for (size_t i = 0; i < n; i++)
                value = value * 10 + (text[i] - '0');
        return value;
}

static int days_of(int year, int month) {
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return days[month - 1] + (month == 2 && leap);
}

int instant_parse(const char *text, uint64_t *ret_usec) {
        bool day = has_form(text, "0000-00-00"), minute = has_form(text, "0000-00-00T00:00Z"),
             second = has_form(text, "0000-00-00T00:00:00Z");
        struct tm tm = {};
        int year, month;

        if (!day && !minute && !second)
                return -EINVAL;

        year = number_at(text, 4);
        month = number_at(text + 5, 2);
        tm.tm_mday = number_at(text + 8, 2);
        if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || tm.tm_mday < 1 ||
            tm.tm_mday > days_of(year, month))
                return -EINVAL;

        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        tm.tm_hour = day ? 0 : number_at(text + 11, 2);
        tm.tm_min = day ? 0 : number_at(text + 14, 2);
        tm.tm_sec = second ? number_at(text + 17, 2) : 0;
        if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
                return -EINVAL;

        *ret_usec = (uint64_t)timegm(&tm) * USEC_PER_SEC;
        return 0;
}

const char *instant_to_string(uint64_t usec, char buf[INSTANT_TEXT_SIZE]) {
        time_t seconds = (time_t)(usec / USEC_PER_SEC);
        struct tm tm;

        if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900 ||
            strftime(buf, INSTANT_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                return memcpy(buf, "?", sizeof("?"));
        return buf;
}

uint64_t instant_now(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}
