/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "broker/subuid.h"
#include "common/userfile.h"

#define LINE_SIZE 1024
/* Of a machine with more ranges the rest is not looked at. */
#define RANGES_MAX 65536U

static int parse_number(const char *text, uint32_t *ret) {
        unsigned long long value = 0;

        if (!*text || strlen(text) > 10 || text[strspn(text, "0123456789")])
                return -EINVAL;
        for (; *text; text++)
                value = value * 10 + (unsigned long long)(*text - '0');
        if (value > UINT32_MAX)
                return -ERANGE;

        *ret = (uint32_t)value;
        return 0;
}

/* "alice:100000:65536", or with her uid in place of the name. */
static int parse_line(char *line, const char *passwd, SubuidRange *ret) {
        char *name = strsep(&line, ":"), *first = strsep(&line, ":"), *count = line;
        uint32_t start, n, owner;

        if (!*name || !first || !count)
                return -EINVAL;
        count[strcspn(count, "\n")] = 0;
        if (parse_number(first, &start) < 0 || parse_number(count, &n) < 0 || n == 0 ||
            n - 1 > UINT32_MAX - start)
                return -EINVAL;
        if (parse_number(name, &owner) < 0 && userfile_get_uid(passwd, name, &owner) < 0)
                owner = start;

        *ret = (SubuidRange){.first = start, .last = start + (n - 1), .owner = owner};
        return 0;
}

int subuid_table_load(SubuidTable *table, const char *subuid, const char *passwd) {
        _cleanup_(fclosep) FILE *file = fopen(subuid, "re");
        SubuidTable loaded = {};
        char line[LINE_SIZE];

        *table = (SubuidTable){};
        if (!file)
                return errno == ENOENT ? 0 : -errno;

        while (loaded.n < RANGES_MAX && fgets(line, sizeof(line), file)) {
                SubuidRange range, *grown;

                if (parse_line(line, passwd, &range) < 0)
                        continue;
                grown = reallocarray(loaded.ranges, loaded.n + 1, sizeof(*grown));
                if (!grown) {
                        subuid_table_deinit(&loaded);
                        return -ENOMEM;
                }
                loaded.ranges = grown;
                loaded.ranges[loaded.n++] = range;
        }

        *table = loaded;
        return 0;
}

void subuid_table_deinit(SubuidTable *table) {
        free(table->ranges);
        *table = (SubuidTable){};
}

uid_t subuid_table_find_owner(const SubuidTable *table, uid_t uid) {
        for (size_t i = 0; i < table->n; i++)
                if (uid >= table->ranges[i].first && uid <= table->ranges[i].last)
                        return table->ranges[i].owner;

        return uid;
}
