/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "helpers/redactor.h"

#define HIDDEN "\"" REDACTOR_TEXT "\""

/* What comes out if it goes in by pieces of n, with room for some bytes more than a step; NULL if
 * it was no JSON. */
static const char *redact(const char *text, bool many, size_t n) {
        static char out[16384];
        size_t used = 0, size = strlen(text);
        Redactor redactor;

        redactor_init(&redactor, many);
        for (size_t i = 0; i < size;) {
                size_t taken, written, left = size - i < n ? size - i : n;
                char buf[REDACTOR_STEP + 7];

                if (redactor_run(&redactor, text + i, left, buf, sizeof(buf), &taken, &written) < 0)
                        return NULL;
                assert_true(taken > 0 && taken <= left && written <= sizeof(buf));
                memcpy(out + used, buf, written);
                used += written;
                i += taken;
        }
        out[used] = 0;
        return redactor_finish(&redactor) < 0 ? NULL : out;
}

static void check_text(const char *text, bool many, const char *expected) {
        for (size_t n = 1; n < 80; n++) {
                const char *found = redact(text, many, n);

                if (!expected && found)
                        fail_msg("%s was taken", text);
                else if (expected && !found)
                        fail_msg("%s was not taken", text);
                else if (expected)
                        assert_string_equal(found, expected);
        }
}

static void check(const char *text, const char *expected) {
        check_text(text, false, expected);
}

static void test_nothing_hidden(void **state) {
        static const char *const texts[] = {
                "null",
                "true",
                "false",
                "0",
                "-0.5e+10",
                "12E7",
                "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00\xc3\xa4\"",
                "[]",
                "{}",
                " [ 1 , \"a\" , { } , [ [ ] ] ] \r\n\t",
                "{\"Id\":\"4f\",\"Ports\":[{\"PrivatePort\":80}],\"Names\":[\"/web\"],\"X\":null}",
                "{\"\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                check(texts[i], texts[i]);
}

static void test_hidden_types(void **state) {
        check("{\"Env\":[\"A=secret\",\"B=secret\"],\"Id\":\"x\"}",
              "{\"Env\":[" HIDDEN "," HIDDEN "],\"Id\":\"x\"}");
        check("{\"Labels\":{\"a\":\"secret\",\"b\":\"\"}}",
              "{\"Labels\":{\"a\":" HIDDEN ",\"b\":\"\"}}");
        check("{\"Command\":\"secret\"}", "{\"Command\":" HIDDEN "}");
        check("{\"Env\":12345,\"Cmd\":-1.5e3,\"Args\":true,\"Test\":false,\"Path\":null}",
              "{\"Env\":0,\"Cmd\":0,\"Args\":false,\"Test\":false,\"Path\":null}");
        check("{\"Env\":[],\"Cmd\":{},\"Args\":\"\"}", "{\"Env\":[],\"Cmd\":{},\"Args\":\"\"}");
        check("{\"Env\":[{\"Name\":\"secret\",\"Id\":7}],\"Id\":7}",
              "{\"Env\":[{\"Name\":" HIDDEN ",\"Id\":0}],\"Id\":7}");
        check("[{\"a\":{\"Cmd\":[\"secret\"]}},{\"Id\":\"x\"}]",
              "[{\"a\":{\"Cmd\":[" HIDDEN "]}},{\"Id\":\"x\"}]");
        check("{\"Env\":[1],\"a\":[1,\"b\"]}", "{\"Env\":[0],\"a\":[1,\"b\"]}");
        check("{\"Env\":\"a\\\"b\\u0022,\\\\\"}", "{\"Env\":" HIDDEN "}");
}

/* Whatever way the name is written. */
static void test_escaped_names(void **state) {
        check("{\"\\u0045nv\":\"secret\"}", "{\"\\u0045nv\":" HIDDEN "}");
        check("{\"E\\u006Ev\":\"secret\"}", "{\"E\\u006Ev\":" HIDDEN "}");
        check("{\"\\u0045\\u004e\\u0056\":\"secret\"}", "{\"\\u0045\\u004e\\u0056\":" HIDDEN "}");
        /* LATIN SMALL LETTER LONG S and KELVIN SIGN are "s" and "k" to who folds them. */
        check("{\"Arg\xc5\xbf\":\"secret\"}", "{\"Arg\xc5\xbf\":" HIDDEN "}");
        check("{\"Arg\\u017f\":\"secret\"}", "{\"Arg\\u017f\":" HIDDEN "}");
        check("{\"En\\u0000v\":\"secret\"}", "{\"En\\u0000v\":" HIDDEN "}");
}

static void test_duplicate_and_case_variant_names(void **state) {
        check("{\"Env\":\"secret\",\"Env\":\"secret\"}", "{\"Env\":" HIDDEN ",\"Env\":" HIDDEN "}");
        check("{\"env\":\"secret\",\"ENV\":\"secret\",\"eNv\":\"secret\"}",
              "{\"env\":" HIDDEN ",\"ENV\":" HIDDEN ",\"eNv\":" HIDDEN "}");
        check("{\"Attributes\":{\"name\":\"a\",\"x\":\"secret\"},\"ATTRIBUTES\":{\"x\":\"secret\"}"
              "}",
              "{\"Attributes\":{\"name\":\"a\",\"x\":" HIDDEN "},\"ATTRIBUTES\":{\"x\":" HIDDEN
              "}}");
}

static void test_long_names(void **state) {
        char text[256], expected[256], name[DOCKER_NAME_MAX + 2];

        memset(name, 'x', sizeof(name));
        name[DOCKER_NAME_MAX] = 0;
        (void)snprintf(text, sizeof(text), "{\"%s\":\"shown\"}", name);
        check(text, text);
        name[DOCKER_NAME_MAX] = 'x';
        name[DOCKER_NAME_MAX + 1] = 0;
        (void)snprintf(text, sizeof(text), "{\"%s\":\"secret\"}", name);
        (void)snprintf(expected, sizeof(expected), "{\"%s\":" HIDDEN "}", name);
        check(text, expected);
}

/* What Docker and Podman call environment, labels and command lines, and what else may be one. */
static void test_names(void **state) {
        static const char *const names[] = {
                "Env",
                "Environment",
                "Labels",
                "Label",
                "Annotations",
                "Cmd",
                "Command",
                "Entrypoint",
                "Args",
                "Path",
                "Arguments",
                "CreatedBy",
                "created_by",
                "CreateCommand",
                "OnBuild",
                "Shell",
                "Test",
                "Output",
                "Error",
                "Options",
                "DriverOpts",
                "driver_opts",
                "LogConfig",
                "HttpProxy",
                "HttpsProxy",
                "NoProxy",
                "Description",
                "Secrets",
                "HealthcheckCommand",
                "IdentityToken",
                "HTTP_PROXY",
                "containerEnv",
                "Password",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char text[128], expected[128];

                (void)snprintf(text, sizeof(text), "{\"%s\":{\"a\":\"secret\"}}", names[i]);
                (void)snprintf(expected, sizeof(expected), "{\"%s\":{\"a\":" HIDDEN "}}", names[i]);
                check(text, expected);
        }
}

static void test_events(void **state) {
        check_text(
                "{\"status\":\"exec_create: sh -c secret\",\"Action\":\"exec_start: sh secret\"}\n"
                "{\"Actor\":{\"ID\":\"4f\",\"Attributes\":{\"image\":\"a\",\"x\":\"secret\","
                "\"containerExitCode\":\"0\",\"Image\":\"secret\",\"NAME\":\"secret\","
                "\"containerexitcode\":\"secret\"}}}\n"
                "{\"Action\":\"start\",\"time\":1}\n",
                true,
                "{\"status\":\"exec_create: " REDACTOR_TEXT
                "\",\"Action\":\"exec_start: " REDACTOR_TEXT "\"}\n"
                "{\"Actor\":{\"ID\":\"4f\",\"Attributes\":{\"image\":\"a\",\"x\":" HIDDEN ","
                "\"containerExitCode\":\"0\",\"Image\":" HIDDEN ",\"NAME\":" HIDDEN ","
                "\"containerexitcode\":" HIDDEN "}}}\n"
                "{\"Action\":\"start\",\"time\":1}\n");
        check("{\"Action\":\"health_status: healthy\"}", "{\"Action\":\"health_status: healthy\"}");
        check("{\"Action\":\"exec_create\\u003a secret\"}",
              "{\"Action\":\"exec_create" REDACTOR_TEXT "\"}");
        check("{\"Action\":\"xhealth_status: secret\"}",
              "{\"Action\":\"xhealth_status: " REDACTOR_TEXT "\"}");
        check("{\"Action\":\": secret\"}", "{\"Action\":\": " REDACTOR_TEXT "\"}");
        check("{\"Status\":\"Up 3 minutes (healthy)\"}", "{\"Status\":\"Up 3 minutes (healthy)\"}");
        check("{\"State\":{\"Status\":{\"a\":\"b\",\"Env\":\"secret\"}}}",
              "{\"State\":{\"Status\":{\"a\":\"b\",\"Env\":" HIDDEN "}}}");
        check_text("{}{}[] 1 \"a\"", true, "{}{}[] 1 \"a\"");
        check_text("", true, "");
}

static void test_malformed(void **state) {
        static const char *const texts[] = {
                "",
                " ",
                "{",
                "[",
                "}",
                "]",
                "[}",
                "{]",
                "[1,]",
                "[,1]",
                "[1 2]",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{1:2}",
                "{a:1}",
                "{,}",
                "'a'",
                "\"",
                "\"a",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\u12g4\"",
                "\"\n\"",
                "\"\t\"",
                "01",
                "-",
                "1.",
                ".5",
                "1e",
                "1e+",
                "+1",
                "--1",
                "0x1",
                "tru",
                "truex",
                "nulll",
                "Null",
                "True",
                "NaN",
                "[1]]",
                "{} {}",
                "1 2",
                "\xef\xbb\xbf{}",
                "// a\n1",
                "[1]x",
                "{\"a\" \"b\"}",
                "\"a\\\"",
                "1a",
                "{\"a\":1 \"b\":2}",
                "{\"a\":1:2}",
                "[1:2]",
                "00",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                check(texts[i], NULL);
}

static void test_depth(void **state) {
        char text[2 * REDACTOR_DEPTH_MAX + 3] = "";

        memset(text, '[', REDACTOR_DEPTH_MAX);
        memset(text + REDACTOR_DEPTH_MAX, ']', REDACTOR_DEPTH_MAX);
        check(text, text);
        memset(text, '[', REDACTOR_DEPTH_MAX + 1);
        memset(text + REDACTOR_DEPTH_MAX + 1, ']', REDACTOR_DEPTH_MAX + 1);
        check(text, NULL);
}

/* What is before the fault is all that is written. */
static void test_cut(void **state) {
        size_t taken, written;
        Redactor redactor;
        char buf[128];

        redactor_init(&redactor, false);
        assert_int_equal(redactor_run(&redactor, "{\"Env\":\"secret\"x", 16, buf, sizeof(buf),
                                      &taken, &written),
                         -EBADMSG);
        buf[written] = 0;
        assert_string_equal(buf, "{\"Env\":" HIDDEN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_hidden),
                cmocka_unit_test(test_hidden_types),
                cmocka_unit_test(test_escaped_names),
                cmocka_unit_test(test_duplicate_and_case_variant_names),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_events),
                cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
