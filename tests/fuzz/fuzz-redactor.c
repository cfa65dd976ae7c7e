/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as JSON that is to be redacted
 *
 * What comes out is the same however the bytes come, and passes unchanged if it goes in again. What
 * jansson reads is taken, and in what comes out jansson finds the same names and types: what is to
 * be hidden hidden, and everything else as it was.
 */

#include <jansson.h>
#include <string.h>

#include "helpers/redactor.h"
#include "tests/fuzz/fuzz.h"

static char *redact(const char *data, size_t size, bool many, size_t n, size_t *ret_size) {
        char *out = malloc(size * REDACTOR_STEP + 1);
        size_t used = 0, i = 0;
        Redactor redactor;

        redactor_init(&redactor, many);
        while (out && i < size) {
                size_t left = size - i < n ? size - i : n, taken, written;
                char buf[2 * REDACTOR_STEP];

                if (redactor_run(&redactor, data + i, left, buf, sizeof(buf), &taken, &written) < 0)
                        break;
                PROMISE(taken > 0 && taken <= left && written <= sizeof(buf));
                memcpy(out + used, buf, written);
                used += written;
                i += taken;
        }
        if (!out || i < size || redactor_finish(&redactor) < 0) {
                free(out);
                return NULL;
        }
        *ret_size = used;
        return out;
}

/* By its name as jansson has decoded it. */
static DockerRule judge(DockerRule outer, const char *name) {
        size_t n = strlen(name);

        if (n > DOCKER_NAME_MAX)
                return DOCKER_HIDE;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)name[i] >= 0x80)
                        return DOCKER_HIDE;
        return docker_secret_judge(outer, name);
}

static void compare_text(DockerRule rule, const char *before, const char *after) {
        const char *colon = strchr(before, ':');

        if (rule == DOCKER_SHOW || !*before)
                PROMISE(strcmp(before, after) == 0);
        else if (rule == DOCKER_HIDE || rule == DOCKER_ATTRIBUTES)
                PROMISE(strcmp(after, REDACTOR_TEXT) == 0);
        else if (colon && strcmp(before, after) != 0) {
                /* It is cut at the colon, or at an escape before. */
                const char *found = strstr(after, REDACTOR_TEXT);

                PROMISE(found && strlen(found) == strlen(REDACTOR_TEXT));
                PROMISE(found - after <= colon - before + 2);
        }
}

static void compare(DockerRule rule, json_t *before, json_t *after) {
        bool hides = rule == DOCKER_HIDE || rule == DOCKER_ATTRIBUTES;
        const char *name;
        json_t *value;
        size_t i;

        if (hides && (json_is_number(before) || json_is_boolean(before))) {
                PROMISE(json_is_number(before) ? json_number_value(after) == 0
                                               : json_is_false(after));
                return;
        }
        PROMISE(json_typeof(before) == json_typeof(after));
        if (json_is_string(before))
                compare_text(rule, json_string_value(before), json_string_value(after));
        else if (json_is_object(before)) {
                PROMISE(json_object_size(before) == json_object_size(after));
                json_object_foreach(before, name, value) {
                        PROMISE(json_object_get(after, name));
                        compare(judge(rule, name), value, json_object_get(after, name));
                }
        } else if (json_is_array(before)) {
                PROMISE(json_array_size(before) == json_array_size(after));
                json_array_foreach(before, i, value)
                        compare(rule, value, json_array_get(after, i));
        } else
                PROMISE(json_equal(before, after));
}

static size_t depth_of(const char *data, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                n += data[i] == '[' || data[i] == '{';
        return n;
}

/* jansson takes "4." for a number, and what ends with NUL for whole. */
static bool is_lax(const char *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (!data[i] ||
                    (data[i] == '.' && (i + 1 == size || data[i + 1] < '0' || data[i + 1] > '9')))
                        return true;
        return false;
}

static void check_one(const char *data, size_t size) {
        json_t *before = json_loadb(data, size, JSON_DECODE_ANY, NULL), *after;
        size_t n = 0;
        char *out = redact(data, size, false, SIZE_MAX, &n);

        if (before) {
                PROMISE(out || depth_of(data, size) > REDACTOR_DEPTH_MAX || is_lax(data, size));
                after = out ? json_loadb(out, n, JSON_DECODE_ANY, NULL) : NULL;
                PROMISE(!out || after);
                if (after)
                        compare(DOCKER_SHOW, before, after);
                json_decref(after);
        }
        json_decref(before);
        free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;
        size_t n_whole = 0, n_cut = 0, n_again = 0;
        char *whole, *cut, *again;

        check_one(text, size);
        whole = redact(text, size, true, SIZE_MAX, &n_whole);
        cut = redact(text, size, true, 1, &n_cut);
        PROMISE(!whole == !cut && n_whole == n_cut);
        if (whole && cut) {
                PROMISE(memcmp(whole, cut, n_whole) == 0);
                again = redact(whole, n_whole, true, 7, &n_again);
                PROMISE(again && n_again == n_whole && memcmp(whole, again, n_whole) == 0);
                free(again);
        }
        free(whole);
        free(cut);
        return 0;
}
