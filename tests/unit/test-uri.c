/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "client/uri.h"

/* Without what may stand behind the last member. */
#define URI_SIZE (offsetof(Uri, keyfile) + sizeof(((Uri *)NULL)->keyfile))
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
        const char *form = "Names are of letters, digits and _.@\\+-, and begin with a letter or "
                           "'_'; an @ in one is written %40.";
        char user[URI_USER_MAX + 2], text[URI_USER_MAX + 32], longest[1024];

        check_good_user("doorward://bob@/docker", "bob", "docker", 0, "doorward://bob@/docker");
        check_good_user("doorward://@/docker", "", "docker", 0, "doorward://@/docker");
        check_good_user("doorward://_B.o-b_9@/serial@tty?access=read-only", "_B.o-b_9",
                        "serial@tty", ACCESS_READ_ONLY,
                        "doorward://_B.o-b_9@/serial@tty?access=read-only");
        check_good_user("doorward://@/docker?access=full", "", "docker", ACCESS_FULL,
                        "doorward://@/docker?access=full");
        /* Of directories. */
        check_good_user("doorward://bob%40corp.example@/docker", "bob@corp.example", "docker", 0,
                        "doorward://bob%40corp.example@/docker");
        check_good_user("doorward://CORP%5cbob@/docker", "CORP\\bob", "docker", 0,
                        "doorward://CORP%5Cbob@/docker");
        check_good_user("doorward://b%6fb+x@/docker", "bob+x", "docker", 0,
                        "doorward://bob+x@/docker");
        /* Who it is, and whether they may, is not for the parser to say. */
        check_good_user("doorward://root@/docker", "root", "docker", 0, "doorward://root@/docker");

        check_bad("doorward://9bob@/docker", "not the name of a user", form);
        check_bad("doorward://-bob@/docker", "not the name of a user", form);
        check_bad("doorward://.bob@/docker", "not the name of a user", form);
        check_bad("doorward://bob%20b@/docker", "not the name of a user", form);
        check_bad("doorward://b$b@/docker", "not the name of a user", form);
        check_bad("doorward://bob@@/docker", "not the name of a user", form);
        check_bad("doorward://bob@corp@/docker", "not the name of a user", form);
        check_bad("doorward://bob%5c@/docker", "not the name of a user", form);
        check_bad("doorward://bob%40@/docker", "not the name of a user", form);
        check_bad("doorward://%2dbob@/docker", "not the name of a user", form);
        check_bad("doorward://bob%0a@/docker", "not the name of a user", form);
        check_bad("doorward://bob%00@/docker", "hexadecimal", NULL);
        check_bad("doorward://bob%@/docker", "hexadecimal", NULL);
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
                "doorward://bob:secret@/docker",         "doorward://:secret@/docker",
                "doorward+ssh://bob:secret@host/x",      "doorward://bob:secret@",
                "doorward://bob:sec ret#?@/docker",      "doorward://a:b:secret@/docker",
                "dorward://bob:secret@host/docker#x",    "doorward://bob%3Asecret@/docker",
                "doorward+ssh://bob%3asecret@host/x",    "doorward:///docker?password=secret",
                "doorward:///x?access=full&PASS=secret",
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

/* In the places where none can be told from what else may stand there, it is not repeated. */
static void test_what_may_be_a_password(void **state) {
        static const char *const texts[] = {
                "doorward+ssh://bob:sec/ret@host/x",
                "doorward+ssh://bob:sec?ret@host/x",
                "doorward://bob:sec/ret@host/x",
                "bob:secret@host/docker",
                "ssh:secret@host/docker",
                "dorward://bob:sec/ret@host/docker",
                "doorward+ssh:bob:secret@host/x",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                doorward_error error = {};
                Uri uri;

                assert_int_equal(uri_parse(texts[i], &uri, &error), -EINVAL);
                assert_int_equal(error.code, DOORWARD_ERR_BAD_URI);
                assert_null(strstr(error.message, "sec"));
                assert_null(strstr(error.message, "ret"));
                assert_null(strstr(error.hint, "sec"));
                doorward_error_clear(&error);
        }

        check_bad("doorward:serial@ttyUSB0", "three slashes",
                  "Did you mean doorward:///serial@ttyUSB0?");
}

static void test_slashes(void **state) {
        const char *meant = "Did you mean doorward:///docker?";

        check_bad("doorward:docker", "three slashes", meant);
        check_bad("doorward:/docker", "three slashes", meant);
        check_bad("doorward://docker", "three slashes", meant);
        check_bad("doorward://docker?access=full", "three slashes",
                  "Did you mean doorward:///docker?access=full?");
        check_bad("doorward://docker?acess=full", "three slashes", meant);
        check_bad("doorward:////docker", "never a path", NULL);
        check_bad("doorward:///docker/", "never a path", NULL);
        check_bad("doorward:///docker/x", "never a path", NULL);
        check_bad("doorward://host/docker", "no host", "Did you mean doorward+ssh://host/docker?");
        check_bad("doorward://localhost:22/docker", "no host", meant);
        check_bad("doorward://bob@host/docker", "no host",
                  "Did you mean doorward+ssh://bob@host/docker?");
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
        check_bad("doorward+tcp://host/docker", "word before the colon",
                  "Did you mean doorward+ssh://host/docker?");
        check_bad("ssh://bob@host/docker", "word before the colon",
                  "Did you mean doorward+ssh://bob@host/docker?");
        check_bad("docker:ro", "word before the colon",
                  "Did you mean doorward:///docker?access=read-only?");
        check_bad("DOCKER:ro", "word before the colon", NULL);
        check_bad("doorward:///docker:ro", "lower-case letters",
                  "Did you mean doorward:///docker?access=read-only?");
        check_bad("doorward+ssh://host/docker:ro", "lower-case letters",
                  "Did you mean doorward+ssh://host/docker?access=read-only?");
        check_bad("doorward:///DOCKER:ro", "lower-case letters", NULL);
        check_bad("doorward:///docker:ro?access=full", "lower-case letters", NULL);
        check_bad("docker:rw", "word before the colon", NULL);
        check_bad(":", "word before the colon", NULL);
        check_bad(":///docker", "word before the colon", NULL);
        check_bad("doorwarddoorwarddoorwarddoorwarddoorward:///docker", "word before the colon",
                  NULL);
}

/* Every member; the canonical form is another spelling of the same. */
static void check_uri(const char *text, const Uri *expected, const char *canonical) {
        doorward_error error = {};
        char buf[URI_TEXT_SIZE];
        Uri uri, again;

        assert_int_equal(uri_parse(text, &uri, &error), 0);
        assert_int_equal(uri.transport, expected->transport);
        assert_int_equal(uri.has_user, expected->has_user);
        assert_int_equal(uri.no_tty, expected->no_tty);
        assert_int_equal(uri.port, expected->port);
        assert_int_equal(uri.access, expected->access);
        assert_string_equal(uri.user, expected->user);
        assert_string_equal(uri.endpoint, expected->endpoint);
        assert_string_equal(uri.host, expected->host);
        assert_string_equal(uri.socket, expected->socket);
        assert_string_equal(uri.command, expected->command);
        assert_string_equal(uri.keyfile, expected->keyfile);
        assert_int_equal(uri_is_remote(&uri), uri.transport == URI_SSH || uri.transport == URI_EXT);

        assert_string_equal(uri_to_string(&uri, buf), canonical);
        assert_int_equal(uri_parse(buf, &again, &error), 0);
        assert_memory_equal(&again, &uri, URI_SIZE);
}

static void test_unix(void **state) {
        const Uri plain = {.transport = URI_UNIX, .endpoint = "docker", .socket = "/run/other"};
        Uri uri = plain;

        check_uri("doorward+unix:///docker?socket=/run/other", &plain,
                  "doorward+unix:///docker?socket=/run/other");
        check_uri("doorward+unix:///docker?socket=%2frun%2Fother", &plain,
                  "doorward+unix:///docker?socket=/run/other");
        uri.access = ACCESS_READ_ONLY;
        uri.has_user = true;
        (void)snprintf(uri.user, sizeof(uri.user), "bob");
        (void)snprintf(uri.socket, sizeof(uri.socket), "/run/two words");
        check_uri("doorward+unix://bob@/docker?socket=/run/two%20words&access=read-only", &uri,
                  "doorward+unix://bob@/docker?access=read-only&socket=/run/two%20words");

        check_bad("doorward+unix:///docker", "which socket", NULL);
        check_bad("doorward+unix:///docker?socket=", "absolute path", NULL);
        check_bad("doorward+unix:///docker?socket=run/x", "absolute path", NULL);
        check_bad("doorward+unix:///docker?socket=/run/x%0a", "absolute path", NULL);
        check_bad("doorward+unix://host/docker?socket=/run/x", "no host",
                  "Did you mean doorward+unix:///docker?socket=/run/x?");
        check_bad("doorward:///docker?socket=/run/x", "belongs to doorward+unix",
                  "Did you mean doorward+unix:///docker?socket=/run/x?");
        check_bad("docker?socket=/run/x", "belongs to doorward+unix",
                  "Did you mean doorward+unix:///docker?socket=/run/x?");
}

static void test_ssh(void **state) {
        const Uri plain = {.transport = URI_SSH, .endpoint = "docker", .host = "host"};
        Uri uri = plain;

        check_uri("doorward+ssh://host/docker", &plain, "doorward+ssh://host/docker");
        check_uri("doorward+ssh://h%6fst/docker?no_tty=0", &plain, "doorward+ssh://host/docker");

        uri.has_user = uri.no_tty = true;
        uri.port = 65535;
        uri.access = ACCESS_FULL;
        (void)snprintf(uri.user, sizeof(uri.user), "bob@corp");
        (void)snprintf(uri.host, sizeof(uri.host), "2001:db8::1");
        (void)snprintf(uri.command, sizeof(uri.command), "/opt/c++/doorward");
        (void)snprintf(uri.keyfile, sizeof(uri.keyfile), "/home/bob/a key&b=?");
        check_uri("doorward+ssh://bob%40corp@[2001:db8::1]:65535/docker?no_tty=1&access=full"
                  "&keyfile=/home/bob/a%20key%26b=%3f&command=/opt/c++/doorward",
                  &uri,
                  "doorward+ssh://bob%40corp@[2001:db8::1]:65535/docker?access=full"
                  "&command=/opt/c++/doorward&keyfile=/home/bob/a%20key%26b%3D%3F&no_tty=1");

        check_bad("doorward+ssh:///docker", "no host", NULL);
        check_bad("doorward+ssh://host", "no endpoint", NULL);
        check_bad("doorward+ssh://@host/docker", "not the name of a user",
                  "Names are of letters, digits and _.@\\+-, and begin with a letter or '_'; an @ "
                  "in one is written %40.");
        check_bad("doorward+ssh:host/docker", "two slashes",
                  "Did you mean doorward+ssh://host/docker?");
        check_bad("doorward+ssh://::1/docker", "name of a host",
                  "Did you mean doorward+ssh://[::1]/docker?");
        check_bad("doorward+ssh://[fe80::1%25eth0]/docker", "zone",
                  "Give the address a name in ~/.ssh/config, as in 'HostName fe80::1%eth0', and "
                  "write that name.");
        check_bad("doorward+ssh://[::1/docker", "name of a host",
                  "Names are of letters, digits and .-_, and begin with a letter, a digit or '_'; "
                  "an IPv6 address stands in brackets.");
        check_bad("doorward+ssh://[host]/docker", "not an IPv6 address", NULL);
        check_bad("doorward+ssh://host:0/docker", "from 1 to 65535", NULL);
        check_bad("doorward+ssh://host:65536/docker", "from 1 to 65535", NULL);
        check_bad("doorward+ssh://host:/docker", "from 1 to 65535", NULL);
        check_bad("doorward+ssh://host:-1/docker", "from 1 to 65535", NULL);
        check_bad("doorward+ssh://host/docker?keyfile=/k/%25h", "keyfile= is", NULL);
        check_bad("doorward+ssh://host/docker?keyfile=~/k", "keyfile= is",
                  "~ is a shell's to replace: write the whole path.");
        check_bad("doorward+ssh://host/docker?no_tty=yes", "0 or 1", "Did you mean no_tty=1?");
        check_bad("doorward+ssh://host/docker?socket=/x", "belongs to doorward+unix",
                  "Those of doorward+ssh are access=, command=, keyfile= and no_tty=.");
}

/* What a host, a user or a command must not do to ssh and to the shell behind it. */
static void test_ssh_hostile(void **state) {
        static const char bad[] = " \t\n\r\x01\x7f\"'`$&;|<>(){}*?!#~^=,:[]%";
        static const char *const places[][2] = {
                {"doorward+ssh://h", "st/d"},     {"doorward+ssh://", "st/d"},
                {"doorward+ssh://b", "b@host/d"}, {"doorward+ssh://host:2", "/d"},
                {"doorward+ssh://host/d", ""},    {"doorward+ext:///d?command=", "bin/x"},
        };
        char text[128];

        check_bad("doorward+ssh://-oProxyCommand=x/", "name of a host",
                  "Names are of letters, digits and .-_, and begin with a letter, a digit or '_'; "
                  "an IPv6 address stands in brackets.");
        check_bad("doorward+ssh://%2doProxyCommand%3dx/d", "name of a host",
                  "Names are of letters, digits and .-_, and begin with a letter, a digit or '_'; "
                  "an IPv6 address stands in brackets.");

        for (const char *c = bad; *c; c++)
                for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                        doorward_error error = {};
                        Uri uri;

                        (void)snprintf(text, sizeof(text), "%s%%%02x%s", places[i][0], (unsigned)*c,
                                       places[i][1]);
                        if (uri_parse(text, &uri, &error) != -EINVAL)
                                fail_msg("%s was taken", text);
                        doorward_error_clear(&error);
                }
}

static void test_ext(void **state) {
        const Uri uri = {.transport = URI_EXT, .endpoint = "docker", .command = "/bin/tunnel"};

        check_uri("doorward+ext:///docker?command=/bin/tunnel", &uri,
                  "doorward+ext:///docker?command=/bin/tunnel");
        check_bad("doorward+ext:///docker", "which command", NULL);
        check_bad("doorward+ext:///docker?command=tunnel", "absolute path", NULL);
        check_bad("doorward+ext:///docker?command=/bin/sh%20-c", "absolute path",
                  "It has no arguments: a script can add those that its program needs.");
        check_bad("doorward+ext://bob@/docker?command=/x", "no host or user",
                  "Did you mean doorward+ext:///docker?command=/x?");
        check_bad("doorward+ext:///docker?command=/x&keyfile=/k", "belongs to doorward+ssh",
                  "Those of doorward+ext are access= and command=.");
}

/* The longest of everything is taken, and one byte more is not. */
static void test_longest(void **state) {
        char user[URI_USER_MAX + 1], host[URI_HOST_MAX + 1], command[URI_COMMAND_MAX + 1];
        char keyfile[3 * URI_KEYFILE_MAX + 1] = "", text[URI_MAX + 1], buf[URI_TEXT_SIZE];
        doorward_error error = {};
        Uri uri, again;

        memset(user, 'u', sizeof(user) - 1);
        memset(host, 'h', sizeof(host) - 1);
        memset(command, '/', sizeof(command) - 1);
        user[sizeof(user) - 1] = host[sizeof(host) - 1] = command[sizeof(command) - 1] = 0;
        for (size_t i = 0; i < URI_KEYFILE_MAX; i++)
                (void)snprintf(keyfile + 3 * i, 4, "%s", i > 0 ? "%20" : "%2F");

        (void)snprintf(text, sizeof(text),
                       "doorward+ssh://%s@%s:65535/" NAME_48 "@" NAME_64
                       "?access=read-only&command=%s&keyfile=%s&no_tty=1",
                       user, host, command, keyfile);
        assert_int_equal(uri_parse(text, &uri, &error), 0);
        assert_int_equal(strlen(uri.user), URI_USER_MAX);
        assert_int_equal(strlen(uri.host), URI_HOST_MAX);
        assert_int_equal(strlen(uri.command), URI_COMMAND_MAX);
        assert_int_equal(strlen(uri.keyfile), URI_KEYFILE_MAX);
        assert_int_equal(uri_parse(uri_to_string(&uri, buf), &again, &error), 0);
        assert_memory_equal(&again, &uri, URI_SIZE);

        (void)snprintf(text, sizeof(text), "doorward+ssh://%sh/docker", host);
        assert_int_equal(uri_parse(text, &uri, &error), -EINVAL);
        (void)snprintf(text, sizeof(text), "doorward+ssh://host/docker?command=%s/", command);
        assert_int_equal(uri_parse(text, &uri, &error), -EINVAL);
        (void)snprintf(text, sizeof(text), "doorward+ssh://host/docker?keyfile=%s%%20", keyfile);
        assert_int_equal(uri_parse(text, &uri, &error), -EINVAL);
        keyfile[3 * (size_t)URI_SOCKET_MAX] = 0;
        (void)snprintf(text, sizeof(text), "doorward+unix:///docker?socket=%s", keyfile);
        assert_int_equal(uri_parse(text, &uri, &error), 0);
        assert_int_equal(strlen(uri.socket), URI_SOCKET_MAX);
        (void)snprintf(text, sizeof(text), "doorward+unix:///docker?socket=%sx", keyfile);
        assert_int_equal(uri_parse(text, &uri, &error), -EINVAL);
        doorward_error_clear(&error);
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
        check_bad("doorward:///docker%2fx", "never a path", NULL);
        check_bad("doorward:///docker%0a", "names are of", NULL);
        check_bad("doorward:///docker%2", "hexadecimal", NULL);
        check_good("doorward:///serial%40tty", "serial@tty", 0, "doorward:///serial@tty");
        /* Once is enough. */
        check_bad("doorward:///serial%2540tty", "escapes", NULL);
        check_bad(NAME_48 "x", "names are of", NULL);
        check_bad("serial@" NAME_64 "x", "names are of", NULL);
}

static void test_parameters(void **state) {
        const char *only = "The only one is access=full or access=read-only.";

        check_bad("doorward:///docker?", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?access", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?access=full&", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?&access=full", "NAME=VALUE", NULL);
        check_bad("doorward:///docker?acess=full", "no parameter 'acess'", "Did you mean access=?");
        check_bad("doorward:///docker?Access=full", "no parameter 'Access'",
                  "Did you mean access=?");
        check_bad("doorward:///docker?mode=ro", "no parameter 'mode'", "Did you mean access=?");
        check_bad("doorward:///docker?=full", "no parameter ''", only);
        check_bad("doorward:///docker?access=full;x=y", "full or read-only", NULL);
        check_bad("doorward:///docker?access=full&x=y", "no parameter 'x'", only);
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
        check_bad("docker?mode=ro", "no parameter 'mode'", "Did you mean access=?");
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

/* The same numbers each time. */
static unsigned draw(unsigned limit) {
        static uint32_t seed = 1;

        seed = seed * 1664525U + 1013904223U;
        return (seed >> 8) % limit;
}

/* first, and then up to max - 1 of others. */
static void draw_text(char *buf, size_t max, const char *first, const char *others) {
        size_t n = 1 + draw(draw(8) == 0 ? (unsigned)max : 12);

        buf[0] = first[draw((unsigned)strlen(first))];
        for (size_t i = 1; i < n && i < max; i++)
                buf[i] = others[draw((unsigned)strlen(others))];
        buf[n < max ? n : max] = 0;
}

#define WORDS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define ASCII " !\"#$%&'()*+,-./0123456789:;<=>?@" WORDS "[\\]^`{|}~"

static void draw_uri(Uri *uri) {
        static const char *const addresses[] = {"::1", "::", "2001:db8::7", "::ffff:192.0.2.7"};
        static const char *const endpoints[] = {"docker", "0", "serial@ttyUSB0", NAME_48, "x@._-"};
        const char *address = addresses[draw(ELEMENTSOF(addresses))];

        uri->transport = (UriTransport)draw(_URI_TRANSPORT_MAX);
        uri->access = (int)draw(_ACCESS_MAX);
        (void)snprintf(uri->endpoint, sizeof(uri->endpoint), "%s",
                       endpoints[draw(ELEMENTSOF(endpoints))]);
        uri->has_user = uri->transport != URI_EXT && draw(2);
        if (uri->has_user && (uri->transport == URI_SSH || draw(4) > 0)) {
                draw_text(uri->user, URI_USER_MAX - 1, WORDS, WORDS "0123456789.@\\+-");
                (void)strcat(uri->user, "x");
        }

        if (uri->transport == URI_UNIX)
                draw_text(uri->socket, URI_SOCKET_MAX, "/", ASCII);
        if (uri->transport == URI_EXT || (uri->transport == URI_SSH && draw(2)))
                draw_text(uri->command, URI_COMMAND_MAX, "/", WORDS "0123456789/.+-");
        if (uri->transport != URI_SSH)
                return;

        draw_text(uri->host, URI_HOST_MAX, WORDS "0123456789", WORDS "0123456789.-");
        if (draw(3) == 0)
                (void)snprintf(uri->host, sizeof(uri->host), "%s", address);
        uri->port = (uint16_t)(draw(2) * draw(65536));
        uri->no_tty = draw(2);
        if (draw(2))
                draw_text(uri->keyfile, URI_KEYFILE_MAX, "/",
                          WORDS " !\"#&'()*+,-./:;<=>?@[]^`{|}~");
}

/* Whatever there can be is written so that it is read again as what it was. */
static void test_round_trip(void **state) {
        for (unsigned i = 0; i < 20000; i++) {
                char buf[URI_TEXT_SIZE], again_buf[URI_TEXT_SIZE];
                doorward_error error = {};
                Uri uri = {}, again;

                draw_uri(&uri);
                if (uri_parse(uri_to_string(&uri, buf), &again, &error) < 0)
                        fail_msg("%s", error.message);
                assert_memory_equal(&again, &uri, offsetof(Uri, user));
                assert_string_equal(again.user, uri.user);
                assert_string_equal(again.endpoint, uri.endpoint);
                assert_string_equal(again.host, uri.host);
                assert_string_equal(again.socket, uri.socket);
                assert_string_equal(again.command, uri.command);
                assert_string_equal(again.keyfile, uri.keyfile);
                assert_string_equal(uri_to_string(&again, again_buf), buf);
        }
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
                cmocka_unit_test(test_what_may_be_a_password),
                cmocka_unit_test(test_slashes),
                cmocka_unit_test(test_schemes),
                cmocka_unit_test(test_unix),
                cmocka_unit_test(test_ssh),
                cmocka_unit_test(test_ssh_hostile),
                cmocka_unit_test(test_ext),
                cmocka_unit_test(test_longest),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_parameters),
                cmocka_unit_test(test_characters),
                cmocka_unit_test(test_length),
                cmocka_unit_test(test_message_is_clean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
