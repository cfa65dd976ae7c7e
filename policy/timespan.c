/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "policy/timespan.h"

#define USEC_PER_MIN (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MIN)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)

#define BLANK " \t"
#define DIGITS "0123456789"

/* Of those with the same length the first is the one that is printed. */
static const struct Unit {
        const char *name;
        uint64_t usec;
} units[] = {
        {"w", USEC_PER_WEEK},
        {"week", USEC_PER_WEEK},
        {"weeks", USEC_PER_WEEK},
        {"d", USEC_PER_DAY},
        {"day", USEC_PER_DAY},
        {"days", USEC_PER_DAY},
        {"h", USEC_PER_HOUR},
        {"hr", USEC_PER_HOUR},
        {"hour", USEC_PER_HOUR},
        {"hours", USEC_PER_HOUR},
        {"min", USEC_PER_MIN},
        {"m", USEC_PER_MIN},
        {"minute", USEC_PER_MIN},
        {"minutes", USEC_PER_MIN},
        {"s", USEC_PER_SEC},
        {"sec", USEC_PER_SEC},
        {"second", USEC_PER_SEC},
        {"seconds", USEC_PER_SEC},
        {"ms", USEC_PER_SEC / 1000},
        {"msec", USEC_PER_SEC / 1000},
        {"us", 1},
        {"usec", 1},
};

static uint64_t find_unit(const char *text, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && memcmp(units[i].name, text, n) == 0)
                        return units[i].usec;
        return 0;
}

static int parse_number(const char *text, size_t n, uint64_t *ret) {
        uint64_t value = 0;

        for (size_t i = 0; i < n; i++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
                        return -ERANGE;

        *ret = value;
        return 0;
}

int timespan_parse(const char *text, uint64_t *ret_usec) {
        uint64_t sum = 0;

        text += strspn(text, BLANK);
        if (!*text)
                return -EINVAL;

        while (*text) {
                size_t n = strspn(text, DIGITS);
                uint64_t number, unit = USEC_PER_SEC;
                int r;

                if (n == 0)
                        return -EINVAL;
                r = parse_number(text, n, &number);
                if (r < 0)
                        return r;
                text += n;
                text += strspn(text, BLANK);

                n = strcspn(text, BLANK DIGITS);
                if (n > 0)
                        unit = find_unit(text, n);
                if (unit == 0)
                        return -EINVAL;
                text += n;
                text += strspn(text, BLANK);

                if (__builtin_mul_overflow(number, unit, &number) ||
                    __builtin_add_overflow(sum, number, &sum))
                        return -ERANGE;
        }

        *ret_usec = sum;
        return 0;
}

const char *timespan_to_string(uint64_t usec, char buf[TIMESPAN_TEXT_SIZE]) {
        size_t used = 0;

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                uint64_t n = usec / units[i].usec;

                if (n == 0)
                        continue;
                usec -= n * units[i].usec;
                used += (size_t)snprintf(buf + used, TIMESPAN_TEXT_SIZE - used, "%s%" PRIu64 "%s",
                                         used > 0 ? " " : "", n, units[i].name);
        }

        if (used == 0)
                (void)snprintf(buf, TIMESPAN_TEXT_SIZE, "0");
        return buf;
}
