/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "cli/lease-id.h"

#define CANDIDATES_MAX 8U

static size_t digits_count(const char *text) {
        return strspn(text, "0123456789abcdef");
}

bool lease_id_is_valid(const char *text) {
        return strlen(text) == LEASE_ID_DIGITS && digits_count(text) == LEASE_ID_DIGITS;
}

bool lease_id_is_prefix(const char *text) {
        size_t n = strlen(text);

        return n >= LEASE_ID_SHOWN_MIN && n <= LEASE_ID_DIGITS && digits_count(text) == n;
}

static const char *id_at(const json_t *leases, size_t i) {
        return json_string_value(json_object_get(json_array_get(leases, i), "id"));
}

static bool id_begins(const char *id, const char *prefix) {
        return strncmp(id, prefix, strlen(prefix)) == 0;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t common_digits(const char *a, const char *b) {
        size_t n = 0;

        while (a[n] && a[n] == b[n])
                n++;
        return n;
}

size_t lease_id_shown(const json_t *leases) {
        size_t n = json_array_size(leases), shown = LEASE_ID_SHOWN_MIN;
        _cleanup_free_ const char **ids = n > 0 ? calloc(n, sizeof(char *)) : NULL;

        /* Without memory for it, the whole is sure to be enough. */
        if (!ids)
                return n > 0 ? LEASE_ID_DIGITS : shown;

        for (size_t i = 0; i < n; i++)
                ids[i] = id_at(leases, i);
        qsort(ids, n, sizeof(ids[0]), compare);

        /* Sorted, the most alike are neighbours. */
        for (size_t i = 1; i < n; i++) {
                size_t common = common_digits(ids[i - 1], ids[i]);

                if (common >= shown)
                        shown = common + 1;
        }

        return shown > LEASE_ID_DIGITS ? LEASE_ID_DIGITS : shown;
}

int lease_id_find(const json_t *leases, const char *prefix, const char **ret) {
        const char *found = NULL;

        for (size_t i = 0; i < json_array_size(leases); i++) {
                const char *id = id_at(leases, i);

                if (!id_begins(id, prefix))
                        continue;
                if (found)
                        return LEASE_ID_E_AMBIGUOUS;
                found = id;
        }

        if (!found)
                return LEASE_ID_E_NONE;

        *ret = found;
        return 0;
}

char *lease_id_candidates(const json_t *leases, const char *prefix) {
        char *text = NULL;
        size_t size, n = 0;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;

        for (size_t i = 0; i < json_array_size(leases); i++) {
                const char *id = id_at(leases, i);

                if (!id_begins(id, prefix))
                        continue;
                if (n < CANDIDATES_MAX)
                        (void)fprintf(f, "%s%s", n > 0 ? ", " : "", id);
                n++;
        }
        if (n > CANDIDATES_MAX)
                (void)fprintf(f, " and %zu more", n - CANDIDATES_MAX);

        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
