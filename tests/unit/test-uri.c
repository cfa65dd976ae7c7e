/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/uri.h"

#define NAME_48 "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijk"
#define NAME_64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

/* user NULL: none stands in it. */
static void check_good_user(const char *text, const char *user, const char *endpoint, int access,
                            const char *canonical) {
        doorward_error error = {};
        char buf[URI_TEXT_SIZE];
        Uri uri = {}, again = {};

        assert_int_equal(uri_parse(text, &uri, &error), 0);
        assert_null(error.message);
        assert_string_equal(uri.endpoint, endpoint);
        assert_int_equal(uri.access, access);
        assert_int_equal(uri.has_user, user != NULL);
        assert_string_equal(uri.user, user ?: "");
        assert_string_equal(uri_to_string(&uri, buf), canonical);

        /* The canonical form means the same. */
        assert_int_equal(uri_parse(buf, &again, &error), 0);
        assert_string_equal(again.endpoint, endpoint);
        assert_int_equal(again.access, access);
        assert_int_equal(again.has_user, user != NULL);
        assert_string_equal(again.user, user ?: "");
}

static void check_good(const char *text, const char *endpoint, int access, const char *canonical) {
        check_good_user(text, NULL, endpoint, access, canonical);
}

static void test_good(void **state) {
        check_good("docker", "docker", 0, "doorward:///docker");
        check_good("doorward:///docker", "docker", 0, "doorward:///docker");
        check_good("doorward:///docker?access=full", "docker", ACCESS_FULL,
                   "doorward:///docker?access=full");
        check_good("doorward:///docker?access=read-only", "docker", ACCESS_READ_ONLY,
                   "doorward:///docker?access=read-only");
        check_good("serial@ttyUSB0", "serial@ttyUSB0", 0, "doorward:///serial@ttyUSB0");
        check_good("doorward:///serial@ttyUSB0?access=full", "serial@ttyUSB0", ACCESS_FULL,
                   "doorward:///serial@ttyUSB0?access=full");
        check_good("0", "0", 0, "doorward:///0");
        /* The longest there can be fits. */
        check_good("doorward:///" NAME_48 "@" NAME_64 "?access=read-only", NAME_48 "@" NAME_64,
                   ACCESS_READ_ONLY, "doorward:///" NAME_48 "@" NAME_64 "?access=read-only");
        assert_int_equal(strlen(NAME_48), NAME_ENDPOINT_MAX);
        assert_int_equal(strlen(NAME_64), NAME_INSTANCE_MAX);
}

/* hint NULL: the general one, which is not "Did you mean". */
static void check_bad(const char *text, const char *reason, const char *hint) {
        doorward_error error = {};
        Uri uri = {.endpoint = "untouched", .access = 77};

        assert_int_equal(uri_parse(text, &uri, &error), -EINVAL);
        assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
        assert_int_equal(error.domain, DOORWARD_DOMAIN_LIBRARY);
        assert_int_equal(error.errnum, EINVAL);
        if (!strstr(error.message, reason))
                fail_msg("\"%s\" is not in \"%s\"", reason, error.message);
        assert_non_null(error.hint);
        if (hint)
                assert_string_equal(error.hint, hint);
        else
                assert_null(strstr(error.hint, "Did you mean"));

        /* An out-parameter is written on success only. */
        assert_string_equal(uri.endpoint, "untouched");
        assert_int_equal(uri.access, 77);
        doorward_error_clear(&error);
}

static void test_users(void **state) {
        const char *form = "Names are of letters, digits, '_', '.' and '-', and begin with a "
                           "letter or '_'.";
        char user[URI_USER_MAX + 2], text[URI_USER_MAX + 32], longest[1024];

        check_good_user("doorward://bob@/docker", "bob", "docker", 0, "doorward://bob@/docker");
        check_good_user("doorward://@/docker", "", "docker", 0, "doorward://@/docker");
        check_good_user("doorward://_B.o-b_9@/serial@tty?access=read-only", "_B.o-b_9",
                        "serial@tty", ACCESS_READ_ONLY,
                        "doorward://_B.o-b_9@/serial@tty?access=read-only");
        check_good_user("doorward://@/docker?access=full", "", "docker", ACCESS_FULL,
                        "doorward://@/docker?access=full");
        /* Who it is, and whether they may, is not for the parser to say. */
        check_good_user("doorward://root@/docker", "root", "docker", 0, "doorward://root@/docker");

        check_bad("doorward://9bob@/docker", "not the name of a user", form);
        check_bad("doorward://-bob@/docker", "not the name of a user", form);
        check_bad("doorward://.bob@/docker", "not the name of a user", form);
        check_bad("doorward://bob%20b@/docker", "not the name of a user", form);
        check_bad("doorward://b$b@/docker", "not the name of a user", form);
        check_bad("doorward://bob@@/docker", "not the name of a user", form);
        check_bad("doorward://bob@/", "no name", NULL);
        check_bad("doorward://bob@", "three slashes", NULL);
        check_bad("doorward:///bob@/docker", "never a path", NULL);
        check_bad("bob@/docker", "never a path", NULL);

        /* The longest there can be fits. */
        memset(user, 'a', sizeof(user));
        user[URI_USER_MAX] = 0;
        (void)snprintf(text, sizeof(text), "doorward://%s@/docker", user);
        check_good_user(text, user, "docker", 0, text);
        (void)snprintf(longest, sizeof(longest),
                       "doorward://%s@/" NAME_48 "@" NAME_64 "?access=read-only", user);
        check_good_user(longest, user, NAME_48 "@" NAME_64, ACCESS_READ_ONLY, longest);
        user[URI_USER_MAX] = 'a';
        user[URI_USER_MAX + 1] = 0;
        (void)snprintf(text, sizeof(text), "doorward://%s@/docker", user);
        check_bad(text, "not the name of a user", form);
}

/* It is refused, and not repeated where it would be seen. */
static void test_passwords(void **state) {
        static const char *const texts[] = {
                "doorward://bob:secret@/docker",      "doorward://:secret@/docker",
                "doorward+ssh://bob:secret@host/x",   "doorward://bob:secret@",
                "doorward://bob:sec ret#?@/docker",   "doorward://a:b:secret@/docker",
                "dorward://bob:secret@host/docker#x",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                doorward_error error = {};
                Uri uri;

                assert_int_equal(uri_parse(texts[i], &uri, &error), -EINVAL);
                assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
                assert_non_null(strstr(error.message, "password"));
                assert_null(strstr(error.message, "sec"));
                assert_null(strstr(error.hint, "secret"));
                doorward_error_clear(&error);
        }
}

static void test_slashes(void **state) {
        const char *meant = "Did you mean doorward:///docker?";

        check_bad("doorward:docker", "three slashes", meant);
        check_bad("doorward:/docker", "three slashes", meant);
        check_bad("doorward://docker", "three slashes", meant);
        check_bad("doorward://docker?access=full", "three slashes", meant);
        check_bad("doorward:////docker", "never a path", NULL);
        check_bad("doorward:///docker/", "never a path", NULL);
        check_bad("doorward:///docker/x", "never a path", NULL);
        check_bad("doorward://host/docker", "no host", meant);
        check_bad("doorward://localhost:22/docker", "no host", meant);
        check_bad("doorward://bob@host/docker", "no host", meant);
        check_bad("doorward://@host/docker", "no host", meant);
        check_bad("doorward://../docker", "no host", meant);
        check_bad("doorward://HOST", "three slashes", NULL);
        check_bad("doorward:", "three slashes", NULL);
        check_bad("doorward:/", "three slashes", NULL);
        check_bad("doorward://", "three slashes", NULL);
        check_bad("doorward:///", "no name", NULL);
        check_bad("doorward:///?access=full", "no name", NULL);
        check_bad("?access=full", "no name", NULL);
}

static void test_schemes(void **state) {
        check_bad("dorward:///docker", "word before the colon", "Did you mean doorward:///docker?");
        check_bad("doorwards:///docker", "word before the colon",
                  "Did you mean doorward:///docker?");
        check_bad("Doorward:///docker", "word before the colon",
                  "Did you mean doorward:///docker?");
        check_bad("DOORWARD:///docker", "word before the colon",
                  "Did you mean doorward:///docker?");
        check_bad("qemu:///system", "word before the colon", NULL);
        check_bad("unix:///run/docker.sock", "word before the colon", NULL);
        check_bad("doorward+tcp:///docker", "word before the colon", NULL);
        check_bad("docker:ro", "word before the colon",
                  "Did you mean doorward:///docker?access=read-only?");
        check_bad("DOCKER:ro", "word before the colon", NULL);
        check_bad("docker:rw", "word before the colon", NULL);
        check_bad(":", "word before the colon", NULL);
        check_bad(":///docker", "word before the colon", NULL);
        check_bad("doorwarddoorwarddoorwarddoorwarddoorward:///docker", "word before the colon",
                  NULL);
}

static void check_later(const char *text, const char *what) {
        doorward_error error = {};
        Uri uri = {.access = 77};

        assert_int_equal(uri_parse(text, &uri, &error), -EOPNOTSUPP);
        assert_int_equal(error.code, DOORWARD_ERR_UNSUPPORTED);
        assert_int_equal(error.errnum, EOPNOTSUPP);
        assert_non_null(strstr(error.message, what));
        assert_non_null(error.hint);
        assert_int_equal(uri.access, 77);
        doorward_error_clear(&error);
}

/* What later versions open is refused as that, and nothing of it is tried. */
static void test_later(void **state) {
        check_later("doorward+ssh://bob@host:22/docker?command=/usr/bin/doorward", "doorward+ssh");
        check_later("doorward+ssh://host/docker", "doorward+ssh");
        check_later("doorward+unix:///docker?socket=/run/other", "doorward+unix");
        check_later("doorward+ext:///docker?command=/bin/sh", "doorward+ext");
}

static void test_names(void **state) {
        check_bad("/run/docker.sock", "never a path", NULL);
        check_bad("./docker", "never a path", NULL);
        check_bad("docker/../kvm", "never a path", NULL);
        check_bad("..", "names are of", NULL);
        check_bad("Docker", "names are of", NULL);
        check_bad("-docker", "names are of", NULL);
        check_bad("ro-docker", "names are of", NULL);
        check_bad("docker_engine", "names are of", NULL);
        check_bad("serial@", "instance is missing",
                  "Say which one is meant, as in serial@ttyUSB0; 'doorward list' shows what there "
                  "can be.");
        check_bad("serial@..", "names are of", NULL);
        check_bad("serial@a@b", "names are of", NULL);
        check_bad("@tty", "names are of", NULL);
        check_bad("serial%40tty", "escapes", NULL);
        check_bad("doorward:///docker%2fx", "escapes", NULL);
        check_bad(NAME_48 "x", "names are of", NULL);
        check_bad("serial@" NAME_64 "x", "names are of", NULL);
}

static void test_parameters(void **state) {
        const char *only = "The only one is access=full or access=read-only.";

        check_bad("doorward:///docker?", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?access", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?access=full&", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?&access=full", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?acess=full", "not known",
                  "Did you mean access= rather than acess=?");
        check_bad("doorward:///docker?Access=full", "not known",
                  "Did you mean access= rather than Access=?");
        check_bad("doorward:///docker?mode=ro", "not known",
                  "Did you mean access= rather than mode=?");
        check_bad("doorward:///docker?socket=/run/x", "not known", only);
        check_bad("doorward:///docker?=full", "not known", only);
        check_bad("doorward:///docker?access=full;x=y", "full or read-only", NULL);
        check_bad("doorward:///docker?access=full&x=y", "not known", only);
        check_bad("doorward:///docker?access=full&access=full", "twice", NULL);
        check_bad("doorward:///docker?access=full&access=read-only", "twice", NULL);
        check_bad("doorward:///docker?access=", "full or read-only", NULL);
        check_bad("doorward:///docker?access=ro", "full or read-only",
                  "Did you mean access=read-only?");
        check_bad("doorward:///docker?access=read_only", "full or read-only",
                  "Did you mean access=read-only?");
        check_bad("doorward:///docker?access=readonly", "full or read-only",
                  "Did you mean access=read-only?");
        check_bad("doorward:///docker?access=read-onyl", "full or read-only",
                  "Did you mean access=read-only?");
        check_bad("doorward:///docker?access=rw", "full or read-only", "Did you mean access=full?");
        check_bad("doorward:///docker?access=fulll", "full or read-only",
                  "Did you mean access=full?");
        check_bad("doorward:///docker?access=Full", "full or read-only",
                  "Did you mean access=full?");
        check_bad("doorward:///docker?access=full?access=full", "full or read-only", NULL);
        check_bad("doorward:///docker?access=full=full", "full or read-only", NULL);
        check_bad("doorward:///docker?access=everything-there-is-and-then-quite-a-lot-more",
                  "full or read-only", NULL);
        check_bad("docker?access=full", "long form",
                  "Did you mean doorward:///docker?access=full?");
        check_bad("docker?", "NAME=VALUE", NULL);
        check_bad("docker?mode=ro", "not known", "Did you mean access= rather than mode=?");
}

static void test_characters(void **state) {
        char text[64];

        check_bad("doorward:///docker#part", "#", NULL);
        check_bad("docker ", "spaces", NULL);
        check_bad(" docker", "spaces", NULL);
        check_bad("dock\xc3\xa9r", "spaces", NULL);
        check_bad("docker\x7f", "spaces", NULL);

        for (int c = 1; c < 256; c++) {
                if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", c))
                        continue;
                (void)snprintf(text, sizeof(text), "doc%cker", c);
                /* "doc@ker" is an instance; "doc?ker", ':' and the like have reasons of their own.
                 */
                if (c != '@')
                        check_bad(text, "does not name an endpoint", NULL);
        }
}

static void test_length(void **state) {
        char *text = malloc(URI_MAX + 2);

        assert_non_null(text);
        memset(text, 'a', URI_MAX + 1);
        text[URI_MAX + 1] = 0;
        check_bad(text, "too long", NULL);
        text[URI_MAX] = 0;
        check_bad(text, "names are of", NULL);
        free(text);
}

/* What is repeated to people cannot play tricks on their terminal. */
static void test_message_is_clean(void **state) {
        doorward_error error = {};
        Uri uri;

        assert_int_equal(uri_parse("a\033[2Jb\n", &uri, &error), -EINVAL);
        for (const char *c = error.message; *c; c++)
                assert_true(*c >= ' ' && *c <= '~');
        doorward_error_clear(&error);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_users),
                cmocka_unit_test(test_passwords),
                cmocka_unit_test(test_slashes),
                cmocka_unit_test(test_schemes),
                cmocka_unit_test(test_later),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_parameters),
                cmocka_unit_test(test_characters),
                cmocka_unit_test(test_length),
                cmocka_unit_test(test_message_is_clean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
