/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is read, and refused, is what jansson's own reader reads and refuses: of a list of what JSON
 * has, and of any number of texts that were made from it by changing a few bytes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <locale.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/jsontext.h"

#define DEPTH 16
#define N_CHANGED 60000

#define TEXT(text) \
        { text, sizeof(text) - 1 }

static const struct {
        const char *text;
        size_t n;
} texts[] = {
        TEXT("{}"),
        TEXT(" \t\r\n{ \n} "),
        TEXT("{\"a\":1}"),
        TEXT("{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\","
             "\"access\":\"read_only\",\"user\":null,\"hold\":true,\"timeout\":60000},\"more\":"
             "true}"),
        TEXT("{\"a\" : [ 1 , -2 , 0 , -0 , 1.5 , -1e3 , 1E+2 , 2.5e-3 ] , \"b\" : { } , \"c\" : [ "
             "] }"),
        TEXT("{\"\":\"\",\" \":\" \"}"),
        TEXT("{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"),
        TEXT("{\"\\u0041\\u00e9\\u20ac\":\"\\ud83d\\ude00\\uFFFF\\u0001\"}"),
        TEXT("{\"\303\251\":\"\342\202\254\360\237\230\200\177\"}"),
        TEXT("{\"a\":9223372036854775807,\"b\":-9223372036854775808}"),
        TEXT("{\"a\":[true,false,null,[[[[]]]],{\"a\":{\"a\":{\"a\":\"a\"}}}]}"),
        TEXT("{\"polkitFeatures\":[\"fourteen-bytes\",\"this-one-has-thirty-bytes-in-it\"]}"),
        /* No JSON, or not what is wanted. */
        TEXT(""),
        TEXT(" "),
        TEXT("[]"),
        TEXT("1"),
        TEXT("null"),
        TEXT("\"a\""),
        TEXT("{"),
        TEXT("}"),
        TEXT("{}}"),
        TEXT("{} {}"),
        TEXT("{}x"),
        TEXT("{,}"),
        TEXT("{\"a\"}"),
        TEXT("{\"a\":}"),
        TEXT("{\"a\":1,}"),
        TEXT("{\"a\":1 \"b\":2}"),
        TEXT("{a:1}"),
        TEXT("{'a':1}"),
        TEXT("{1:1}"),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("{\"a\":1,\"\\u0061\":2}"),
        TEXT("{\"a\":{\"b\":1,\"b\":1}}"),
        TEXT("{\"a\":[1,]}"),
        TEXT("{\"a\":[,1]}"),
        TEXT("{\"a\":[1}"),
        TEXT("{\"a\":[1 2]}"),
        TEXT("{\"a\":01}"),
        TEXT("{\"a\":+1}"),
        TEXT("{\"a\":.5}"),
        TEXT("{\"a\":1.}"),
        TEXT("{\"a\":1e}"),
        TEXT("{\"a\":1e+}"),
        TEXT("{\"a\":-}"),
        TEXT("{\"a\":1x}"),
        TEXT("{\"a\":1e999}"),
        TEXT("{\"a\":9223372036854775808}"),
        TEXT("{\"a\":-9223372036854775809}"),
        TEXT("{\"a\":NaN}"),
        TEXT("{\"a\":Infinity}"),
        TEXT("{\"a\":True}"),
        TEXT("{\"a\":tru}"),
        TEXT("{\"a\":truex}"),
        TEXT("{\"a\":nullnull}"),
        TEXT("{\"a\":\"b}"),
        TEXT("{\"a\":\"\n\"}"),
        TEXT("{\"a\":\"\t\"}"),
        TEXT("{\"a\":\"\\x\"}"),
        TEXT("{\"a\":\"\\"),
        TEXT("{\"a\":\"\\u12\"}"),
        TEXT("{\"a\":\"\\u12g4\"}"),
        TEXT("{\"a\":\"\\u0000\"}"),
        TEXT("{\"\\u0000\":1}"),
        TEXT("{\"a\":\"\\ud83d\"}"),
        TEXT("{\"a\":\"\\ude00\"}"),
        TEXT("{\"a\":\"\\ud83d\\u0041\"}"),
        TEXT("{\"a\":\"\\ud83dx\"}"),
        TEXT("{\"a\":\"\200\"}"),
        TEXT("{\"a\":\"\300\200\"}"),
        TEXT("{\"a\":\"\340\200\200\"}"),
        TEXT("{\"a\":\"\355\240\200\"}"),
        TEXT("{\"a\":\"\364\220\200\200\"}"),
        TEXT("{\"a\":\"\303\"}"),
        TEXT("{\"a\":\"\303"),
        TEXT("{\"a\":\0}"),
        TEXT("{\"a\":\"\0\"}"),
        TEXT("{}\0"),
        TEXT("\357\273\277{}"),
        TEXT("{\"a\":1}//"),
};

/* False if it is nothing. */
static bool check(const char *text, size_t n) {
        json_t *expected, *got = NULL;
        bool is_object;
        char *copy;
        int r;

        /* Where what is read beyond the end is noticed. */
        copy = malloc(n ?: 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        r = jsontext_read(copy, n, DEPTH, &got);
        free(copy);

        expected = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
        is_object = json_is_object(expected);
        if (is_object ? r != 0 || !json_equal(expected, got) : r != -EBADMSG || got)
                fail_msg("%d for: %.*s", r, (int)n, text);
        json_decref(expected);
        json_decref(got);
        return is_object;
}

static void test_listed(void **state) {
        size_t n_good = 0;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                n_good += check(texts[i].text, texts[i].n);
        assert_int_equal(n_good, 12);
}

/* The same in each run. */
static uint32_t next_random(void) {
        static uint64_t state = 4711;

        state = state * 6364136223846793005U + 1442695040888963407U;
        return (uint32_t)(state >> 33);
}

static size_t change(char *text, size_t n) {
        static const char bytes[] =
                "{}[]\",:\\u0123456789abcdefDdnrtls.eE+- \t\n\177\200\303\251\355";
        size_t at = n > 0 ? next_random() % n : 0;
        char byte = bytes[next_random() % strlen(bytes)];

        switch (n > 0 ? next_random() % 3 : 1) {
        case 0:
                text[at] = byte;
                return n;
        case 1:
                memmove(text + at + 1, text + at, n - at);
                text[at] = byte;
                return n + 1;
        default:
                memmove(text + at, text + at + 1, n - at - 1);
                return n - 1;
        }
}

static void test_changed(void **state) {
        size_t n_good = 0;

        for (unsigned i = 0; i < N_CHANGED; i++) {
                const size_t which = next_random() % ELEMENTSOF(texts);
                unsigned n_changes = 1 + next_random() % 4;
                size_t n = texts[which].n;
                char text[512];

                memcpy(text, texts[which].text, n);
                while (n_changes-- > 0)
                        n = change(text, n);
                /* jansson does not see a NUL behind a number. */
                n_good += !memchr(text, 0, n) && check(text, n);
        }
        /* Else it would try the same thing again and again. */
        assert_in_range(n_good, N_CHANGED / 50, N_CHANGED / 2);
}

static int read_nested(unsigned depth) {
        char text[256] = "{\"a\":";
        size_t n = strlen(text);
        json_t *value = NULL;
        int r;

        for (unsigned i = 1; i < depth; i++)
                text[n++] = '[';
        for (unsigned i = 1; i < depth; i++)
                text[n++] = ']';
        text[n++] = '}';
        if (depth == 1)
                n = (size_t)sprintf(text, "{}");
        r = jsontext_read(text, n, DEPTH, &value);
        json_decref(value);
        return r;
}

static void test_depth(void **state) {
        assert_int_equal(read_nested(1), 0);
        assert_int_equal(read_nested(DEPTH), 0);
        assert_int_equal(read_nested(DEPTH + 1), -EBADMSG);
        assert_int_equal(read_nested(100), -EBADMSG);
}

/* A point is one in every locale. */
static void test_locale(void **state) {
        static const char text[] = "{\"a\":1.5}";
        json_t *value = NULL;

        if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
                skip();
        assert_int_equal(jsontext_read(text, strlen(text), DEPTH, &value), 0);
        assert_true(json_real_value(json_object_get(value, "a")) == 1.5);
        json_decref(value);
        (void)setlocale(LC_NUMERIC, "C");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_listed),
                cmocka_unit_test(test_changed),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_locale),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
