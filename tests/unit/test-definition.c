/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cap-ng.h>
#include <cmocka.h>

#include "config.h"
#include "policy/definition.h"
#include "policy/strv.h"
#include "policy/timespan.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

#define SOCKET "[Full]\nConnectStream=/run/x.sock\n"
#define DEVICE "[Connect]\nDevice=char:misc\n[Full]\nOpenFile=/dev/x\n"

static Definition *parse_as(const char *name, const char *text) {
        Definition *d = NULL;

        assert_int_equal(definition_parse(name, "/x/n.conf", text, &d), 0);
        return d;
}

static Definition *parse(const char *text) {
        return parse_as("n", text);
}

/* It has a problem that says this, and opens nothing. */
static void assert_refused_as(const char *name, const char *text, const char *problem) {
        _cleanup_(definition_freep) Definition *d = parse_as(name, text);

        if (!d->problem || !strstr(d->problem, problem))
                fail_msg("%s\n-> \"%s\" does not say \"%s\"", text,
                         d->problem ? d->problem : "(no problem)", problem);
        assert_int_equal(strncmp(d->problem, "/x/n.conf:", 10), 0);
        assert_false(d->targets[ACCESS_READ_ONLY].provided);
        assert_false(d->targets[ACCESS_FULL].provided);
}

static void assert_refused(const char *text, const char *problem) {
        assert_refused_as("n", text, problem);
}

/* It has no problem; the caller's. */
static Definition *accept_as(const char *name, const char *text) {
        Definition *d = parse_as(name, text);

        if (d->problem)
                fail_msg("%s\n-> %s", text, d->problem);
        return d;
}

static Definition *accept(const char *text) {
        return accept_as("n", text);
}

static void assert_accepted(const char *text) {
        definition_free(accept(text));
}

static void assert_warning(const char *text, const char *warning) {
        _cleanup_(definition_freep) Definition *d = accept(text);

        if (strv_length(d->warnings) != 1 || !streq(d->warnings[0], warning))
                fail_msg("%s\n-> %zu: \"%s\"", text, strv_length(d->warnings),
                         d->warnings ? d->warnings[0] : "-");
}

static void test_least(void **state) {
        _cleanup_(definition_freep) Definition *d = accept(SOCKET);
        const Target *full = &d->targets[ACCESS_FULL];

        assert_string_equal(d->name, "n");
        assert_false(d->template);
        assert_string_equal(d->description, "n");
        assert_null(d->documentation);
        assert_null(d->instances);
        assert_null(d->devices);
        assert_null(d->groups);
        assert_int_equal(d->capabilities, 0);
        assert_int_equal(d->connect_as, CONNECT_AS_SERVICE);
        assert_string_equal(definition_connect_as(d), "service");
        assert_string_equal(d->peer_user, "root");
        assert_false(d->peer_any);
        assert_null(d->environment);
        assert_null(d->warnings);
        assert_string_equal(d->files[0], "/x/n.conf");
        assert_null(d->files[1]);
        assert_string_equal(d->text, "# /x/n.conf\n" SOCKET);

        assert_false(d->targets[ACCESS_READ_ONLY].provided);
        assert_true(full->provided);
        assert_int_equal(full->kind, KIND_STREAM);
        assert_int_equal(full->mode, LEASE_MODE_REVOCABLE);
        assert_int_equal(full->max_usec, 0);
        assert_string_equal(full->paths[0], "/run/x.sock");
        assert_null(full->paths[1]);
}

static void test_everything(void **state) {
        _cleanup_(definition_freep) Definition *d =
                accept("[Endpoint]\n"
                       "Description=A <b> service & \"more\"\n"
                       "Documentation=https://a.invalid/ man:b(1)\n"
                       "Documentation=info:c\n"
                       "[ReadOnly]\n"
                       "ConnectSequentialPacket=/run/x-ro\n"
                       "Lease=none\n"
                       "[Full]\n"
                       "ConnectStream=/run/x\n"
                       "ConnectStream=/var/run/x\n"
                       "ConnectStream=@x\n"
                       "MaxSec=1h 30min\n"
                       "[Connect]\n"
                       "Groups=one two\n"
                       "Groups=two three\n"
                       "Capabilities=CAP_SYSLOG CAP_DAC_OVERRIDE\n"
                       "ConnectAs=backend\n"
                       "PeerUser=postgres\n"
                       "[Client]\n"
                       "Environment=X_HOST=unix://%s\n"
                       "Environment=X_MODE=100%% a b\n"
                       "[X-Other]\n"
                       "Whatever=1\n");
        const Target *read_only = &d->targets[ACCESS_READ_ONLY], *full = &d->targets[ACCESS_FULL];

        assert_null(d->warnings);
        assert_string_equal(d->description, "A <b> service & \"more\"");
        assert_int_equal(strv_length(d->documentation), 3);
        assert_string_equal(d->documentation[1], "man:b(1)");

        assert_true(read_only->provided);
        assert_int_equal(read_only->kind, KIND_SEQPACKET);
        assert_int_equal(read_only->means, MEANS_SOCKET);
        assert_true(read_only->real_limit);
        assert_int_equal(read_only->mode, LEASE_MODE_NONE);

        assert_true(full->provided);
        assert_int_equal(full->kind, KIND_STREAM);
        assert_int_equal(strv_length(full->paths), 3);
        assert_string_equal(full->paths[2], "@x");
        assert_int_equal(full->max_usec, UINT64_C(5400000000));

        assert_int_equal(strv_length(d->groups), 3);
        assert_string_equal(d->groups[2], "three");
        assert_true(d->capabilities ==
                    (UINT64_C(1) << CAP_SYSLOG | UINT64_C(1) << CAP_DAC_OVERRIDE));
        assert_int_equal(d->connect_as, CONNECT_AS_USER);
        assert_string_equal(definition_connect_as(d), "backend");
        assert_string_equal(d->peer_user, "postgres");
        assert_int_equal(strv_length(d->environment), 2);
        assert_string_equal(d->environment[1], "X_MODE=100%% a b");
}

static void test_names(void **state) {
        Definition *d = NULL;

        assert_int_equal(definition_parse("", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("@", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("Docker", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("ro-x", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("ro-x@", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("a@b", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("a@@", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("../x", "/x", SOCKET, &d), -EINVAL);
        assert_int_equal(definition_parse("0123456789012345678901234567890123456789012345678", "/x",
                                          SOCKET, &d),
                         -EINVAL);
        assert_null(d);
}

static void test_nothing_provided(void **state) {
        assert_refused("[Endpoint]\nDescription=x\n", "it provides nothing");
        assert_refused("# nothing\n", "it provides nothing");
        assert_refused("[Full]\nLease=none\n", "it provides nothing");
        assert_refused("[Full]\nConnectStream=/x\nConnectStream=\n", "it provides nothing");
}

static void test_paths(void **state) {
        static const char *const good[] = {"/x",     "/a/b.c/d", "/a b/c", "/...",
                                           "/a/..b", "/a%%b",    "/ä"};
        static const struct {
                const char *path, *problem;
        } bad[] = {
                {"x", "does not begin with a slash"},
                {"./x", "does not begin with a slash"},
                {"unix:/x", "does not begin with a slash"},
                {"/", "empty part"},
                {"//x", "empty part"},
                {"/a//b", "empty part"},
                {"/a/", "empty part"},
                {"/a/../b", "part that is \".\" or \"..\""},
                {"/..", "part that is \".\" or \"..\""},
                {"/./a", "part that is \".\" or \"..\""},
                {"/a/.", "part that is \".\" or \"..\""},
                {"/%i", "meaning only in a template"},
                {"/a%", "followed by neither"},
                {"/a%n", "followed by neither"},
                {"/%%%", "followed by neither"},
        };
        static const char *const keys[] = {"ConnectStream", "ConnectSequentialPacket", "OpenFile"};

        for (size_t k = 0; k < ELEMENTSOF(keys); k++) {
                for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                        _cleanup_free_ char *text =
                                strv_format("[Full]\n%s=%s\n", keys[k], good[i]);

                        assert_accepted(text);
                }
                for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                        _cleanup_free_ char *text =
                                strv_format("[Full]\n%s=%s\n", keys[k], bad[i].path);

                        assert_refused(text, bad[i].problem);
                }
        }
}

static void test_networks(void **state) {
        static const char *const addresses[] = {
                "127.0.0.1:22", "[::1]:22",    "localhost:22", "22",
                "vsock:2:1234", "vsock::1234", "tcp:host",
        };

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                _cleanup_free_ char *text = strv_format("[Full]\nConnectStream=%s\n", addresses[i]);

                assert_refused(text, "is an address in a network");
        }
}

static void test_unknown_ways_in(void **state) {
        _cleanup_(definition_freep) Definition *d = parse("[Full]\nConnectDatagram=/run/log\n");

        assert_non_null(strstr(d->problem, "it provides nothing"));
        assert_non_null(strstr(d->warnings[0], ":2: unknown key ConnectDatagram="));
}

static void test_abstract(void **state) {
        char text[300] = "[Connect]\nPeerUser=root\n[Full]\nConnectStream=@";

        assert_refused("[Full]\nConnectStream=@x\n", "say with PeerUser=");
        assert_refused("[Full]\nConnectStream=@x\n[Connect]\nPeerUser=a\nPeerUser=\n",
                       "say with PeerUser=");
        assert_accepted("[Full]\nConnectStream=@x\n[Connect]\nPeerUser=root\n");
        assert_accepted("[Full]\nConnectSequentialPacket=@x\n[Connect]\nPeerUser=*\n");
        assert_refused("[Full]\nConnectStream=@\n[Connect]\nPeerUser=root\n", "1 to 106");
        assert_refused("[Full]\nConnectStream=@a b\n[Connect]\nPeerUser=root\n", "printable");
        assert_refused("[Full]\nConnectStream=@ä\n[Connect]\nPeerUser=root\n", "printable");
        assert_refused("[Full]\nOpenFile=@x\n[Connect]\nPeerUser=root\n", "begin with a slash");

        memset(text + strlen(text), 'x', 106);
        assert_accepted(text);
        strcat(text, "x");
        assert_refused(text, "1 to 106");
}

static void test_one_way_in(void **state) {
        assert_refused("[Full]\nConnectStream=/x\nOpenFile=/y\n", ":3: OpenFile= stands beside");
        assert_refused("[Full]\nConnectStream=/x\nConnectSequentialPacket=/y\n", "stands beside");
        /* Of two levels each has its own. */
        assert_accepted("[ReadOnly]\nOpenFile=/x\n[Full]\nConnectStream=/y\n");
        /* And what was taken back does not count. */
        assert_accepted("[Full]\nConnectStream=/x\nConnectStream=\nOpenFile=/y\n");
}

static void test_kinds(void **state) {
        static const struct {
                const char *lines;
                Kind kind;
        } cases[] = {
                {"OpenFile=/var/log/x\n", KIND_FILE},
                {"OpenFile=/dev/x\n", KIND_DEVICE},
                {"OpenFile=/dev/shm/x\nType=file\n", KIND_FILE},
                {"OpenFile=/run/x\nType=fifo\n", KIND_FIFO},
                {"Type=device\nOpenFile=/srv/dev/x\n", KIND_DEVICE},
                {"OpenFile=/dev/x\nType=fifo\nType=\n", KIND_DEVICE},
                {"OpenFile=/device/x\n", KIND_FILE},
                {"OpenFile=/dev/x\nOpenFile=/srv/x\nType=device\n", KIND_DEVICE},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text =
                        strv_format("[Connect]\nDevice=char:misc\n[Full]\n%s", cases[i].lines);
                _cleanup_(definition_freep) Definition *d = accept(text);

                assert_int_equal(d->targets[ACCESS_FULL].kind, cases[i].kind);
                assert_int_equal(d->targets[ACCESS_FULL].mode, LEASE_MODE_TRACKED);
        }

        assert_refused("[Full]\nOpenFile=/dev/x\nOpenFile=/srv/x\n", "say Type=device");
        assert_refused("[Full]\nConnectStream=/x\nType=file\n", "Type= is for OpenFile=");
        assert_refused("[Full]\nOpenFile=/x\nType=socket\n", "Type= is device, fifo or file");
        assert_refused("[Full]\nOpenFile=/x\nType=stream\n", "Type= is device, fifo or file");
        assert_refused("[Full]\nOpenFile=/x\nType=tap\n", "Type= is device, fifo or file");
        assert_refused("[Full]\nOpenFile=/x\nType=Device\n", "Type= is device, fifo or file");
}

static void test_read_only_limits(void **state) {
        static const struct {
                const char *text;
                bool real;
        } cases[] = {
                {"[ReadOnly]\nOpenFile=/var/log/x\n", true},
                {"[ReadOnly]\nOpenFile=/var/log/x\nReadOnlyMeans=open-flags\n", true},
                {"[ReadOnly]\nOpenFile=/run/x\nType=fifo\n", true},
                {"[ReadOnly]\nOpenFile=/dev/kmsg\n[Connect]\nDevice=char:mem\n", true},
                {"[ReadOnly]\nOpenFile=/dev/x\nReadOnlyMeans=open-flags\n"
                 "[Connect]\nDevice=char:ttyS\n",
                 false},
                {"[ReadOnly]\nOpenFile=/dev/x\nReadOnlyMeans=open-flags\n"
                 "[Connect]\nDevice=char:mem char:misc\n",
                 false},
                {"[ReadOnly]\nOpenFile=/dev/x\nReadOnlyMeans=open-flags\n"
                 "[Connect]\nDevice=char:input\n",
                 false},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(definition_freep) Definition *d = accept(cases[i].text);

                assert_int_equal(d->targets[ACCESS_READ_ONLY].means, MEANS_OPEN_FLAGS);
                assert_int_equal(d->targets[ACCESS_READ_ONLY].real_limit, cases[i].real);
                assert_int_equal(d->targets[ACCESS_READ_ONLY].mode, LEASE_MODE_TRACKED);
        }

        assert_refused("[ReadOnly]\nOpenFile=/dev/x\n", "needs [Connect] Device=");
        assert_refused("[ReadOnly]\nOpenFile=/dev/x\n[Connect]\nDevice=char:misc\n",
                       "say ReadOnlyMeans=open-flags");
        assert_refused("[ReadOnly]\nOpenFile=/dev/x\n[Connect]\nDevice=char:mem char:misc\n",
                       "say ReadOnlyMeans=open-flags");
        assert_refused("[ReadOnly]\nOpenFile=/dev/x\n[Connect]\nDevice=char:input\n",
                       "say ReadOnlyMeans=open-flags");
        assert_refused("[ReadOnly]\nOpenFile=/dev/x\n[Connect]\nDevice=block:mem\n",
                       "say ReadOnlyMeans=open-flags");
        assert_refused("[ReadOnly]\nOpenFile=/dev/x\nReadOnlyMeans=open-flags\nReadOnlyMeans=\n"
                       "[Connect]\nDevice=char:misc\n",
                       "say ReadOnlyMeans=open-flags");
        assert_refused("[ReadOnly]\nConnectStream=/x\nReadOnlyMeans=open-flags\n",
                       "is for OpenFile=");
        assert_refused("[ReadOnly]\nOpenFile=/x\nReadOnlyMeans=yes\n", "is open-flags or nothing");
}

/* A read-only level that is the full one under another name. */
static void test_same_socket(void **state) {
        assert_refused("[ReadOnly]\nConnectStream=/x\n[Full]\nConnectStream=/x\n",
                       "would not be read-only");
        assert_refused("[ReadOnly]\nConnectStream=/a\nConnectStream=/x\n"
                       "[Full]\nConnectSequentialPacket=/x\n",
                       "would not be read-only");
        assert_accepted("[ReadOnly]\nConnectStream=/x-ro\n[Full]\nConnectStream=/x\n");
        assert_accepted("[ReadOnly]\nOpenFile=/x\n[Full]\nOpenFile=/x\n");
}

static void test_filter(void **state) {
        _cleanup_(definition_freep) Definition *d =
                accept("[ReadOnly]\nConnectStream=/x\nFilter=docker status\n"
                       "[Full]\nConnectStream=/x\n");

        const Target *target = &d->targets[ACCESS_READ_ONLY];

        assert_true(target->provided);
        assert_int_equal(target->means, MEANS_FILTER);
        assert_true(target->real_limit);
        assert_string_equal(target->filter, "docker");
        assert_string_equal(target->profile, "status");
        assert_int_equal(target->mode, LEASE_MODE_REVOCABLE);
        assert_true(d->targets[ACCESS_FULL].provided);
        assert_null(d->targets[ACCESS_FULL].filter);
        assert_null(d->warnings);

        /* By itself; of any profile; with what a revocable lease can have. */
        assert_accepted("[ReadOnly]\nConnectStream=/x\nFilter=docker  inspect\n");
        assert_accepted("[ReadOnly]\nConnectStream=/x\nFilter=docker logs\nMaxSec=1h\n"
                        "Lease=revocable\n");
        assert_accepted("[ReadOnly]\nConnectStream=/x\nFilter=docker logs\nFilter=\n");
}

static void test_bad_filter(void **state) {
#define FILTERS ":3: Filter= is docker status, docker inspect or docker logs, not "
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=doker status\n",
                       ":3: Filter= has no filter doker, did you mean docker?");
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=dbus status\n", FILTERS "dbus status");
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=docker inspct\n",
                       ":3: Filter= has no profile inspct, did you mean inspect?");
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=docker full\n", FILTERS "docker full");
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=docker\n", FILTERS "docker");
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=docker status logs\n",
                       FILTERS "docker status logs");

        /* Where it would not be in the way of anything. */
        assert_refused("[ReadOnly]\nFilter=docker status\n[Full]\nConnectStream=/x\n",
                       "needs ConnectStream=");
        assert_refused("[ReadOnly]\nConnectSequentialPacket=/x\nFilter=docker status\n",
                       "is for ConnectStream=");
        assert_refused("[ReadOnly]\nOpenFile=/x\nFilter=docker status\n", "is for ConnectStream=");
        assert_refused("[Full]\nConnectStream=/x\nFilter=docker status\n",
                       "Filter= has no effect in [Full]");
        assert_refused("[Full]\nConnectStream=/x\n[Connect]\nFilter=docker status\n",
                       ":4: Filter= has no effect in [Connect]");
        assert_refused("[Full]\nConnectStream=/x\n[Filter]\nFilter=docker status\n",
                       "Filter= has no effect in [Filter]");

        /* Nobody would hold it. */
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=docker status\nLease=tracked\n",
                       "Lease=tracked does not go with Filter=");
        assert_refused("[ReadOnly]\nConnectStream=/x\nFilter=docker status\nLease=none\n",
                       "Lease=none does not go with Filter=");
        /* Without one, the socket is the same. */
        assert_refused("[ReadOnly]\nConnectStream=/x\n[Full]\nConnectStream=/x\n",
                       "would not be read-only");
}

/* Who is let in by observation, and for how long, has to be said; what is said wrongly, or in a
 * wrong place, lets nobody in. */
static void test_observation(void **state) {
        static const char *const wrong[][2] = {
                {"Mode=observe\n", "needs ObserveGroup="},
                {"Mode=observe\nObserveGroup=crew\n", "needs ObserveUntil="},
                {"Mode=observe\nObserveUntil=2027-03-31\n", "needs ObserveGroup="},
                {"Mode=observe\nObserveGroup=crew\nObserveGroup=\nObserveUntil=2027-03-31\n",
                 "needs ObserveGroup="},
                {"Mode=observe\nObserveGroup=crew\nObserveUntil=2027-03-31\nObserveUntil=\n",
                 "needs ObserveUntil="},
                {"Mode=observed\n", "Mode= is enforce or observe"},
                {"Mode=off\n", "Mode= is enforce or observe"},
                {"ObserveGroup=two groups\n", "is no name of a group"},
                {"ObserveGroup=4343\n", "is no name of a group"},
                {"ObserveUntil=tomorrow\n", "ObserveUntil= is a time in UTC"},
                {"ObserveUntil=2027-03-31T18:00:00\n", "ObserveUntil= is a time in UTC"},
        };
        _cleanup_(definition_freep) Definition *d = NULL;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_free_ char *text = strv_format("[Endpoint]\n%s" SOCKET, wrong[i][0]);

                assert_refused(text, wrong[i][1]);
        }

        d = parse("[Endpoint]\nMode=observe\nObserveGroup=crew\n"
                  "ObserveUntil=2027-03-31T18:00:00Z\n" SOCKET);
        assert_null(d->problem);
        assert_null(d->warnings);
        assert_true(d->observes);
        assert_string_equal(d->observe_group, "crew");
        assert_int_equal(d->observe_until, UINT64_C(1806516000000000));
        d = definition_free(d);

        d = parse(SOCKET "Mode=observe\nObserveGroup=crew\nObserveUntil=2027-03-31\n");
        assert_false(d->observes);
        assert_null(d->observe_group);
        d = definition_free(d);

        d = parse("[Endpoint]\nMode=enforce\nObserveGroup=crew\n"
                  "ObserveUntil=2027-03-31\n" SOCKET);
        assert_null(d->problem);
        assert_false(d->observes);
        assert_non_null(strstr(d->warnings[0], "have no effect without Mode=observe"));
}

#define NET_ADMIN "[Connect]\nCapabilities=CAP_NET_ADMIN\n[Full]\n"

static void test_tap(void **state) {
        _cleanup_(definition_freep) Definition *d =
                accept(NET_ADMIN "Tap=doorward%d\nBridge=br0\n");
        const Target *target = &d->targets[ACCESS_FULL];

        assert_null(d->warnings);
        assert_false(d->targets[ACCESS_READ_ONLY].provided);
        assert_int_equal(target->kind, KIND_TAP);
        assert_int_equal(target->mode, LEASE_MODE_TRACKED);
        assert_int_equal(strv_length(target->paths), 1);
        assert_string_equal(target->paths[0], "/dev/net/tun");
        assert_string_equal(target->tap, "doorward%d");
        assert_string_equal(target->bridge, "br0");
        assert_true(target->vnet_header);

        /* The last one counts, and nothing is left of what was taken back. */
        d = definition_free(d);
        d = accept(NET_ADMIN "Tap=a\nBridge=br0\nVNetHeader=no\nTap=b\nBridge=\n");
        assert_string_equal(d->targets[ACCESS_FULL].tap, "b");
        assert_null(d->targets[ACCESS_FULL].bridge);
        assert_false(d->targets[ACCESS_FULL].vnet_header);
        assert_int_equal(strv_length(d->targets[ACCESS_FULL].paths), 1);
        assert_accepted(NET_ADMIN "Tap=a\nOpenFile=\nOpenFile=/x\n");
        assert_accepted(NET_ADMIN "OpenFile=/x\nTap=\nTap=a\n");
        assert_refused(NET_ADMIN "Tap=a\nTap=\n", "it provides nothing");

        /* What is there can be used without any power, and by one of a template, too. */
        assert_accepted("[Full]\nTap=vm0\n");
        d = definition_free(d);
        d = accept_as("n@", "[Endpoint]\nInstance=*\n[Full]\nTap=vm-%i\n");
        assert_int_equal(d->targets[ACCESS_FULL].kind, KIND_TAP);
}

static void test_tap_refused(void **state) {
        static const struct {
                const char *lines, *problem;
        } cases[] = {
                {"Tap=1234567890123456", "15 characters"},
                {"Tap=12345678901234%d", "15 characters"},
                {"Tap=..", "called that"},
                {"Tap=-x", "called that"},
                {"Tap=a/b", "is of"},
                {"Tap=a b", "is of"},
                {"Tap=a:b", "is of"},
                {"Tap=a%", "% is followed"},
                {"Tap=a%%d", "% is followed"},
                {"Tap=a%s", "% is followed"},
                {"Tap=a%d%d", "one number"},
                {"Tap=a%d0", "followed at once by a digit"},
                {"Tap=%d9a", "followed at once by a digit"},
                {"Tap=a%i", "only in a template"},
                {"Tap=a\nBridge=b%d", "Bridge= cannot be b%d"},
                {"Tap=a\nBridge=1234567890123456", "15 characters"},
                {"Tap=a\nVNetHeader=maybe", "yes or no"},
                {"Tap=a\nType=device", "not for a network tap"},
                {"Tap=a\nOpenFile=/x", "beside another way in"},
                {"ConnectStream=/x\nTap=a", "beside another way in"},
                {"Tap=a\nLease=revocable", "Lease=revocable is for"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = strv_format(NET_ADMIN "%s\n", cases[i].lines);

                assert_refused(text, cases[i].problem);
        }

        assert_refused("[Full]\nTap=a%d\n", "Capabilities=CAP_NET_ADMIN");
        assert_refused("[Full]\nTap=a\nBridge=b\n", "Capabilities=CAP_NET_ADMIN");
        assert_refused_as("n@", "[Endpoint]\nInstance=*\n[Full]\nTap=a\n", "has to hold %i");
        assert_refused_as("n@", "[Endpoint]\nInstance=*\n[Full]\nTap=%i%i\n", "one instance");
        assert_refused_as("n@", "[Endpoint]\nInstance=*\n" NET_ADMIN "Tap=a%d%i\n", "nor by %i");
        assert_refused("[ReadOnly]\nTap=a\n", "it provides nothing");
}

static void test_tap_without_effect(void **state) {
        static const char *const texts[] = {
                SOCKET "Bridge=br0\n",
                SOCKET "VNetHeader=no\n",
                "[ReadOnly]\nOpenFile=/x\n[Full]\nBridge=br0\n",
                SOCKET "[ReadOnly]\nTap=a\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(definition_freep) Definition *d = accept(texts[i]);

                assert_int_equal(strv_length(d->warnings), 1);
        }
}

static void test_hangup(void **state) {
        _cleanup_(definition_freep) Definition *d = accept(DEVICE "[Connect]\nHangupOnClose=no\n");

        assert_null(d->warnings);
        assert_true(d->keeps_line);
        assert_accepted(DEVICE "[Connect]\nHangupOnClose=yes\n");
        assert_refused(DEVICE "[Connect]\nHangupOnClose=maybe\n", "yes or no");

        d = definition_free(d);
        d = accept(DEVICE "[Connect]\nHangupOnClose=no\nHangupOnClose=\n");
        assert_false(d->keeps_line);
        d = definition_free(d);
        d = accept(SOCKET "[Connect]\nHangupOnClose=no\n");
        assert_non_null(strstr(d->warnings[0], "HangupOnClose= has no effect"));
}

static void test_authentication(void **state) {
        _cleanup_(definition_freep) Definition *d = NULL;
        const Target *target;

        d = parse("[ReadOnly]\nConnectStream=/x\nPAMAccount=yes\n" SOCKET
                  "Authenticate=self\nAuthenticateExempt=adm wheel\nAuthenticateKeepSec=15min\n");
        assert_null(d->problem);
        assert_null(d->warnings);
        target = &d->targets[ACCESS_FULL];
        assert_true(target->step_up && !target->account);
        assert_string_equal(target->exempt[0], "adm");
        assert_string_equal(target->exempt[1], "wheel");
        assert_null(target->exempt[2]);
        assert_int_equal(target->keep_usec, 15 * 60 * USEC_PER_SEC);
        target = &d->targets[ACCESS_READ_ONLY];
        assert_true(target->account && !target->step_up);

        assert_accepted(SOCKET "Authenticate=self\nAuthenticate=\n");
        assert_accepted(SOCKET "Authenticate=no\nPAMAccount=off\nAuthenticateKeepSec=0\n");
        assert_refused(SOCKET "Authenticate=yes\n", "Authenticate= is self or no");
        assert_refused(SOCKET "Authenticate=admin\n", "Authenticate= is self or no");
        assert_refused(SOCKET "PAMAccount=maybe\n", "PAMAccount= is yes or no");
        assert_refused(SOCKET "AuthenticateExempt=a/b\n", "no name of a group");
        assert_refused(SOCKET "AuthenticateKeepSec=25h\n", "from 1s to 24h");
        assert_refused(SOCKET "AuthenticateKeepSec=100ms\n", "from 1s to 24h");
        assert_warning(SOCKET "AuthenticateKeepSec=5min\n",
                       "/x/n.conf: [Full]: AuthenticateExempt= and AuthenticateKeepSec= have no "
                       "effect without Authenticate=self");
        assert_warning(SOCKET "AuthenticateExempt=adm\n",
                       "/x/n.conf: [Full]: AuthenticateExempt= and AuthenticateKeepSec= have no "
                       "effect without Authenticate=self");
}

/* Where it has no effect, somebody would have less of a lock than they believe. */
static void test_authentication_misplaced(void **state) {
        static const char *const keys[] = {"Authenticate=self", "PAMAccount=yes"};
        static const char *const sections[] = {"Endpoint", "Connect", "Client", "Unheard-Of"};

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                for (size_t j = 0; j < ELEMENTSOF(sections); j++) {
                        _cleanup_free_ char *text =
                                strv_format(SOCKET "[%s]\n%s\n", sections[j], keys[i]);

                        assert_refused(text, "belongs in [ReadOnly] or [Full]");
                }
}

static void test_leases(void **state) {
        static const struct {
                const char *text;
                LeaseMode read_only, full;
        } cases[] = {
                {"[ReadOnly]\nConnectStream=/a\n[Full]\nConnectStream=/b\n", LEASE_MODE_TRACKED,
                 LEASE_MODE_REVOCABLE},
                {"[ReadOnly]\nConnectStream=/a\nLease=revocable\n[Full]\nConnectStream=/b\n"
                 "Lease=none\n",
                 LEASE_MODE_REVOCABLE, LEASE_MODE_NONE},
                {"[ReadOnly]\nOpenFile=/a\nLease=none\n[Full]\nOpenFile=/a\nLease=tracked\n",
                 LEASE_MODE_NONE, LEASE_MODE_TRACKED},
                {"[ReadOnly]\nOpenFile=/a\nLease=none\nLease=\n[Full]\nOpenFile=/a\n",
                 LEASE_MODE_TRACKED, LEASE_MODE_TRACKED},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(definition_freep) Definition *d = accept(cases[i].text);

                assert_int_equal(d->targets[ACCESS_READ_ONLY].mode, cases[i].read_only);
                assert_int_equal(d->targets[ACCESS_FULL].mode, cases[i].full);
        }

        assert_refused(SOCKET "Lease=forever\n", "Lease= is revocable, tracked or none");
        assert_refused(SOCKET "Lease=Revocable\n", "Lease= is revocable, tracked or none");
        assert_refused("[Full]\nOpenFile=/a\nLease=revocable\n", "is for sockets");
        assert_refused(DEVICE "Lease=revocable\n", "is for sockets");
        assert_refused("[Full]\nOpenFile=/dev/x\nLease=revocable\n[Connect]\n"
                       "Device=char:input char:mem\n",
                       "no others than Device=char:input");
        assert_accepted("[Full]\nOpenFile=/dev/x\nLease=revocable\n[Connect]\nDevice=char:input\n");
}

static void test_revoke_on_logout(void **state) {
        assert_accepted(SOCKET "RevokeOnLogout=yes\n");
        assert_accepted(SOCKET "Lease=tracked\nRevokeOnLogout=no\n");
        assert_accepted(SOCKET "Lease=tracked\nRevokeOnLogout=yes\nRevokeOnLogout=\n");
        assert_refused(SOCKET "RevokeOnLogout=maybe\n", ":3: RevokeOnLogout= is yes or no");
        assert_refused(SOCKET "Lease=tracked\nRevokeOnLogout=yes\n",
                       "RevokeOnLogout= needs Lease=revocable");
        assert_refused("[ReadOnly]\nConnectStream=/x\nRevokeOnLogout=yes\n",
                       "RevokeOnLogout= needs Lease=revocable");
        assert_refused(SOCKET "[Connect]\nRevokeOnLogout=yes\n", "RevokeOnLogout=");
}

static void test_max_sec(void **state) {
        static const char *const bad[] = {"0",  "999ms",    "366d",
                                          "-1", "infinity", "soon",
                                          "8x", "1.5h",     "99999999999999999999"};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text = strv_format(SOCKET "MaxSec=%s\n", bad[i]);

                assert_refused(text, ":3: MaxSec= is a time from 1s to 365d");
        }

        assert_accepted(SOCKET "MaxSec=1\n");
        assert_accepted(SOCKET "MaxSec=365d\n");
        assert_accepted(SOCKET "Lease=tracked\nMaxSec=1\nMaxSec=\n");
        assert_refused(SOCKET "Lease=tracked\nMaxSec=8h\n", "MaxSec= needs Lease=revocable");
        assert_refused("[ReadOnly]\nConnectStream=/x\nMaxSec=8h\n",
                       "MaxSec= needs Lease=revocable");
        assert_accepted("[ReadOnly]\nConnectStream=/x\nMaxSec=8h\nLease=revocable\n");
        assert_refused("[Full]\nOpenFile=/x\nMaxSec=8h\n", "MaxSec= needs Lease=revocable");
}

static void test_users_and_groups(void **state) {
        assert_refused(SOCKET "[Connect]\nGroups=1000\n", "no name of a group");
        assert_refused(SOCKET "[Connect]\nGroups=good ba%d\n", "no name of a group");
        assert_refused(SOCKET "[Connect]\nGroups=-x\n", "no name of a group");
        assert_refused(SOCKET "[Connect]\nGroups=a:b\n", "no name of a group");
        assert_refused(SOCKET "[Connect]\nGroups=a,b\n", "no name of a group");
        assert_refused(SOCKET "[Connect]\nGroups=abcdefghijklmnopqrstuvwxyz012345\n",
                       "no name of a group");
        assert_accepted(SOCKET "[Connect]\nGroups=abcdefghijklmnopqrstuvwxyz01234 _apt\n");
        assert_accepted(SOCKET "[Connect]\nGroups=bad-but-taken-back\nGroups=\n");

        assert_refused(SOCKET "[Connect]\nPeerUser=a b\n", "PeerUser= is the name of a user");
        assert_refused(SOCKET "[Connect]\nPeerUser=0\n", "PeerUser= is the name of a user");
        assert_refused(SOCKET "[Connect]\nPeerUser=**\n", "PeerUser= is the name of a user");
        assert_refused(SOCKET "[Connect]\nConnectAs=a b\n", "is service, client or the name");
        assert_refused(SOCKET "[Connect]\nConnectAs=0\n", "is service, client or the name");
        assert_refused(SOCKET "[Connect]\nConnectAs=root\n", "never runs as that user");
        assert_refused(SOCKET "[Connect]\nConnectAs=doorward\n", "never runs as that user");
        assert_refused(SOCKET "[Connect]\nConnectAs=doorward-opener\n", "ConnectAs=service");
}

/* What acts as the client is to have nothing that others could want of it. */
static void test_connect_as_client(void **state) {
        assert_refused(SOCKET "[Connect]\nConnectAs=client\nCapabilities=CAP_SYSLOG\n",
                       "do not go together");
        assert_refused("[Full]\nTap=tap0\n[Connect]\nConnectAs=client\n", "opened by the opener");
}

static void test_connect_as(void **state) {
        _cleanup_(definition_freep) Definition *client =
                accept(SOCKET "[Connect]\nConnectAs=client\nGroups=a\n");
        _cleanup_(definition_freep) Definition *service =
                accept(SOCKET "[Connect]\nConnectAs=somebody\nConnectAs=service\n");
        _cleanup_(definition_freep) Definition *again =
                accept(SOCKET "[Connect]\nConnectAs=client\nConnectAs=\n");

        assert_int_equal(client->connect_as, CONNECT_AS_CLIENT);
        assert_string_equal(definition_connect_as(client), "client");
        assert_null(client->problem);
        assert_int_equal(service->connect_as, CONNECT_AS_SERVICE);
        assert_int_equal(definition_powers(client), UINT64_C(1) << CAP_SETUID);
        assert_int_equal(definition_powers(service), 0);
        assert_null(service->connect_user);
        assert_int_equal(again->connect_as, CONNECT_AS_SERVICE);
}

static void test_peer_user(void **state) {
        _cleanup_(definition_freep) Definition *any = accept(SOCKET "[Connect]\nPeerUser=*\n");
        _cleanup_(definition_freep) Definition *again =
                accept(SOCKET "[Connect]\nPeerUser=*\nPeerUser=\n");

        assert_true(any->peer_any);
        assert_null(any->peer_user);
        assert_false(again->peer_any);
        assert_string_equal(again->peer_user, "root");
}

static void test_capabilities(void **state) {
        static const char *const bad[] = {"SYSLOG",  "cap_syslog", "CAP_",   "CAP_NONE",
                                          "CAP_all", "CAP_63",     "CAP_ALL"};
        static const char *const excessive[] = {"CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP",
                                                "CAP_SETFCAP", "CAP_SYS_PTRACE"};
        _cleanup_(definition_freep) Definition *d =
                accept(SOCKET "[Connect]\nCapabilities=CAP_SYS_ADMIN\nCapabilities=\n"
                              "Capabilities=CAP_CHOWN\nCapabilities=CAP_SYS_RAWIO CAP_SYS_RAWIO\n");

        assert_true(d->capabilities == (UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_SYS_RAWIO));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text =
                        strv_format(SOCKET "[Connect]\nCapabilities=%s\n", bad[i]);

                assert_refused(text, "is no capability");
        }
        for (size_t i = 0; i < ELEMENTSOF(excessive); i++) {
                _cleanup_free_ char *text =
                        strv_format(SOCKET "[Connect]\nCapabilities=%s\n", excessive[i]);

                assert_refused(text, "take over the others");
        }
}

/* Each that there is, by the name that capabilities(7) has. */
static void test_all_capabilities(void **state) {
        for (int i = 0; i <= CAP_CHECKPOINT_RESTORE; i++) {
                _cleanup_(definition_freep) Definition *d = NULL;
                _cleanup_free_ char *text = NULL;
                char name[64];

                (void)snprintf(name, sizeof(name), "CAP_%s", capng_capability_to_name((unsigned)i));
                for (char *c = name; *c; c++)
                        *c = (char)toupper((unsigned char)*c);
                text = strv_format(SOCKET "[Connect]\nCapabilities=%s\n", name);
                d = parse(text);
                if (!d->problem)
                        assert_true(d->capabilities == UINT64_C(1) << i);
                else
                        assert_non_null(strstr(d->problem, "take over the others"));
        }
}

static void test_devices(void **state) {
        static const char *const bad[] = {"ttyS",     "char:",         "char:*",  "char:tty?",
                                          "fifo:x",   "char:a b:c",    "block",   "char:/dev/vc/0",
                                          "char:t%i", "char:\"ttyS\"", "char:-x", "char:tty[S]",
                                          "char:4",   "block:08"};
        _cleanup_(definition_freep) Definition *d =
                accept("[Full]\nOpenFile=/dev/x\n"
                       "[Connect]\nDevice=char:wrong\nDevice=\n"
                       "Device=char:ttyS block:sd\nDevice=char:cpu/msr\n");

        assert_int_equal(d->devices[0].type, S_IFCHR);
        assert_string_equal(d->devices[0].driver, "ttyS");
        assert_int_equal(d->devices[1].type, S_IFBLK);
        assert_string_equal(d->devices[1].driver, "sd");
        assert_string_equal(d->devices[2].driver, "cpu/msr");
        assert_null(d->devices[3].driver);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text =
                        strv_format("[Full]\nOpenFile=/dev/x\n[Connect]\nDevice=%s\n", bad[i]);

                assert_refused(text, "Device= names a driver");
        }
        assert_refused("[Full]\nOpenFile=/dev/x\n", "a device needs [Connect] Device=");
        assert_refused("[ReadOnly]\nOpenFile=/dev/x\nReadOnlyMeans=open-flags\n",
                       "a device needs [Connect] Device=");
}

static void test_device_without_effect(void **state) {
        _cleanup_(definition_freep) Definition *d = accept(SOCKET "[Connect]\nDevice=char:misc\n");

        assert_non_null(strstr(d->warnings[0], "Device= has no effect"));
}

static void test_template(void **state) {
        _cleanup_(definition_freep) Definition *d =
                accept_as("serial@", "[Endpoint]\nInstance=ttyS* ttyUSB[0-3]\nInstance=x.?\n"
                                     "[Full]\nOpenFile=/dev/%i\n"
                                     "[Connect]\nDevice=char:ttyS\n");

        assert_true(d->template);
        assert_string_equal(d->name, "serial");
        assert_string_equal(d->description, "serial@");
        assert_true(definition_has_instance(d, "ttyS0"));
        assert_true(definition_has_instance(d, "ttyS"));
        assert_true(definition_has_instance(d, "ttyUSB3"));
        assert_true(definition_has_instance(d, "x.1"));
        assert_false(definition_has_instance(d, "ttyUSB4"));
        assert_false(definition_has_instance(d, "kvm"));
        assert_false(definition_has_instance(d, ""));
        assert_false(definition_has_instance(d, ".."));
        assert_false(definition_has_instance(d, "ttyS/../kvm"));
        assert_false(definition_has_instance(d, "ttyS\n"));
        assert_false(definition_has_instance(d, "ttyS0123456789012345678901234567890123456789"
                                                "01234567890123456789012345678901234"));
}

/* What the alphabet refuses no pattern admits; what begins with a dot only one that says so. */
static void test_wide_patterns(void **state) {
        _cleanup_(definition_freep) Definition *any =
                accept_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/%i\n");
        _cleanup_(definition_freep) Definition *hidden =
                accept_as("t@", "[Endpoint]\nInstance=.*\n[Full]\nOpenFile=/srv/%i\n");

        assert_true(definition_has_instance(any, "a"));
        assert_true(definition_has_instance(any, "-"));
        assert_false(definition_has_instance(any, "."));
        assert_false(definition_has_instance(any, ".."));
        assert_false(definition_has_instance(any, "a/b"));
        assert_false(definition_has_instance(any, ".hidden"));
        assert_true(definition_has_instance(hidden, ".hidden"));
        assert_false(definition_has_instance(hidden, ".."));
}

/* The name of an interface is given to tools that have options. */
static void test_tap_with_hyphen(void **state) {
        _cleanup_(definition_freep) Definition *whole =
                accept_as("t@", "[Endpoint]\nInstance=*\n[Full]\nTap=%i\n");
        _cleanup_(definition_freep) Definition *part =
                accept_as("t@", "[Endpoint]\nInstance=*\n[Full]\nTap=t%i\n");

        assert_true(definition_has_instance(whole, "a-"));
        assert_false(definition_has_instance(whole, "-a"));
        assert_false(definition_has_instance(whole, "-"));
        assert_true(definition_has_instance(part, "-a"));
}

static void test_template_with_percent(void **state) {
        _cleanup_(definition_freep) Definition *d =
                accept_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/5%%i/%i\n");

        assert_true(d->targets[ACCESS_FULL].provided);
}

static void test_template_refused(void **state) {
        assert_refused_as("t@", "[Full]\nOpenFile=/srv/%i\n", "needs [Endpoint] Instance=");
        assert_refused_as("t@", "[Endpoint]\nInstance=a\nInstance=\n[Full]\nOpenFile=/srv/%i\n",
                          "needs [Endpoint] Instance=");
        assert_refused_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/x\n",
                          "has to hold %i");
        assert_refused_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/%i\nOpenFile=/srv\n",
                          "has to hold %i");
        assert_refused_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/5%%i\n",
                          "has to hold %i");
        assert_refused_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/%i\n", "first folder");
        assert_refused_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/a%i/b\n",
                          "first folder");
        assert_refused_as("t@", "[Endpoint]\nInstance=a/b\n[Full]\nOpenFile=/srv/%i\n",
                          "is no pattern");
        assert_refused_as("t@", "[Endpoint]\nInstance=a\\*\n[Full]\nOpenFile=/srv/%i\n",
                          "is no pattern");
        assert_refused_as("t@", "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/dev/%i\n",
                          "needs [Connect]");
        assert_refused("[Endpoint]\nInstance=*\n" SOCKET, "is for a template");
}

static void test_plain_has_one_instance(void **state) {
        _cleanup_(definition_freep) Definition *d = accept(SOCKET);

        assert_true(definition_has_instance(d, ""));
        assert_false(definition_has_instance(d, "x"));
}

static void test_expand(void **state) {
        static const struct {
                const char *path, *instance, *expanded;
        } good[] = {
                {"/dev/%i", "ttyS0", "/dev/ttyS0"},
                {"/a%%b", "", "/a%b"},
                {"/%%i/%i%i", "x", "/%i/xx"},
                {"/plain", "x", "/plain"},
                {"@a-%i", "b", "@a-b"},
        };
        static const struct {
                const char *path, *instance;
        } bad[] = {
                {"/dev/%i", ""},    {"/dev/%i", ".."}, {"/dev/%i", "a/b"},
                {"/dev/%i", "a b"}, {"/dev/%n", "x"},  {"/dev/%", "x"},
                {"/dev/x", "../y"}, {"/%i%", "x"},     {"/%%%", "x"},
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_free_ char *path = NULL;

                assert_int_equal(definition_expand(good[i].path, good[i].instance, &path), 0);
                assert_string_equal(path, good[i].expanded);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *path = NULL;

                assert_int_equal(definition_expand(bad[i].path, bad[i].instance, &path), -EINVAL);
                assert_null(path);
        }
}

static void test_environment(void **state) {
        static const char *const harmful[] = {
                "LD_PRELOAD",
                "LD_X",
                "PATH",
                "IFS",
                "ENV",
                "BASH_ENV",
                "SHELL",
                "SHELLOPTS",
                "GLIBC_TUNABLES",
                "GCONV_PATH",
                "PYTHONPATH",
                "PERL5LIB",
                "NODE_OPTIONS",
                "RUBYOPT",
                "GIT_SSH_COMMAND",
                "HOME",
                "PROMPT_COMMAND",
                "SSH_ASKPASS",
                "XDG_CONFIG_HOME",
        };
        static const char *const bad[] = {"x=1", "X", "=1", "1X=1", "X Y=1", "X-Y=1", "_X=1"};

        for (size_t i = 0; i < ELEMENTSOF(harmful); i++) {
                _cleanup_free_ char *text =
                        strv_format(SOCKET "[Client]\nEnvironment=%s=x\n", harmful[i]);

                assert_refused(text, "run something else");
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text =
                        strv_format(SOCKET "[Client]\nEnvironment=%s\n", bad[i]);

                assert_refused(text, "is NAME=value");
        }
        assert_refused(SOCKET "[Client]\nEnvironment=X=%i\n", "followed by s");
        assert_accepted(SOCKET "[Client]\nEnvironment=X=%d:%s%%\n");
        assert_refused(SOCKET "[Client]\nEnvironment=X=%\n", "followed by s");
        assert_accepted(SOCKET "[Client]\nEnvironment=X=\n");
        assert_accepted(SOCKET "[Client]\nEnvironment=SSH_AUTH_SOCK=%s\n");
        assert_accepted(SOCKET "[Client]\nEnvironment=PATHS=1\nEnvironment=ENVY=1\n");
        assert_accepted(SOCKET "[Client]\nEnvironment=X=1\nEnvironment=\n");
}

static void test_warnings(void **state) {
        assert_warning(SOCKET "[Endpoint]\nDescripton=x\n",
                       "/x/n.conf:4: unknown key Descripton= is ignored, did you mean "
                       "Description=?");
        assert_warning(SOCKET "Zzzzz=x\n", "/x/n.conf:3: unknown key Zzzzz= is ignored");
        assert_warning(SOCKET "Group=x\n",
                       "/x/n.conf:3: unknown key Group= is ignored, did you mean Groups=?");
        assert_warning(SOCKET "Groups=x\n",
                       "/x/n.conf:3: Groups= is ignored in [Full]: it belongs in [Connect]");
        assert_warning(SOCKET "[Connect]\nLease=none\n",
                       "/x/n.conf:4: Lease= is ignored in [Connect]: it belongs in [ReadOnly] or "
                       "[Full]");
        assert_warning(SOCKET "[Conect]\nGroups=x\nPeerUser=y\n",
                       "/x/n.conf:4: unknown section [Conect] is ignored, did you mean [Connect]?");
        assert_warning(SOCKET "[full]\nLease=none\n",
                       "/x/n.conf:4: unknown section [full] is ignored, did you mean [Full]?");
        assert_warning(SOCKET "[Install]\nWantedBy=x\n",
                       "/x/n.conf:4: unknown section [Install] is ignored");
        assert_warning("[Full]\nLease=none\nLease=tracked\nConnectStream=/x\n",
                       "/x/n.conf:3: Lease= is given again in this file, and this one counts");
        assert_warning(SOCKET "[Endpoint]\nDocumentation=man:x(1) x.html\n",
                       "/x/n.conf:4: x.html is ignored: documentation is named by http://, "
                       "https://, man:, info: or file:/");
}

static void test_warnings_are_bounded(void **state) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_free_ char *text = calloc(1, 65536);
        char *end = text;

        assert_non_null(text);
        end += sprintf(end, SOCKET);
        for (unsigned i = 0; i < 1000; i++)
                end += sprintf(end, "Unknown%u=x\n", i);
        d = accept(text);
        assert_in_range(strv_length(d->warnings), 1, 100);
}

/* Files, as the openers and the broker find them */

typedef struct House {
        Tree tree;
        char **folders;
} House;

static int setup(void **state) {
        static House house;

        tree_init(&house.tree);
        assert_int_equal(definition_folders(house.tree.path, &house.folders), 0);
        *state = &house;
        return 0;
}

static int teardown(void **state) {
        House *house = *state;

        strv_free(house->folders);
        tree_deinit(&house->tree);
        return 0;
}

static void test_folders(void **state) {
        char **folders;

        assert_int_equal(definition_folders("", &folders), 0);
        assert_in_range(strv_length(folders), 3, DEFINITION_FOLDERS_MAX);
        assert_string_equal(folders[0], SYSCONFDIR "/doorward/endpoints.d");
        assert_string_equal(folders[1], "/run/doorward/endpoints.d");
        assert_string_equal(folders[2], "/usr/local/lib/doorward/endpoints.d");
        assert_string_equal(folders[strv_length(folders) - 1], PACKAGE_DIR "/endpoints.d");
        strv_free(folders);
}

static void test_load(void **state) {
        House *house = *state;
        _cleanup_(definition_freep) Definition *d = NULL;
        int n = fds_count();

        tree_file(&house->tree, PACKAGE_DIR "/endpoints.d/n.conf", SOCKET "MaxSec=8h\n");
        tree_file(&house->tree, "usr/local/lib/doorward/endpoints.d/n.conf.d/10.conf",
                  "[Full]\nMaxSec=1h\nConnectStream=/run/second\n");
        tree_file(&house->tree, "run/doorward/endpoints.d/n.conf.d/20.conf", "[Full]\nMaxSec=\n");
        tree_file(&house->tree, SYSCONFDIR "/doorward/endpoints.d/n.conf.d/30.conf",
                  "[Full]\nMaxSec=2h\n");

        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "n", &d), 0);
        assert_null(d->problem);
        assert_null(d->warnings);
        assert_int_equal(d->targets[ACCESS_FULL].max_usec, UINT64_C(7200000000));
        assert_int_equal(strv_length(d->targets[ACCESS_FULL].paths), 2);
        assert_int_equal(strv_length(d->files), 4);
        assert_int_equal(strlen(d->hash), DEFINITION_HASH_SIZE - 1);
        assert_int_equal(fds_count(), n);
}

static void test_load_nothing(void **state) {
        House *house = *state;
        Definition *d = NULL;

        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "n", &d), -ENOENT);
        tree_file(&house->tree, SYSCONFDIR "/doorward/endpoints.d/n.conf.d/a.conf", SOCKET);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "n", &d), -ENOENT);
        tree_file(&house->tree, PACKAGE_DIR "/endpoints.d/n.conf", SOCKET);
        tree_link(&house->tree, "run/doorward/endpoints.d/n.conf", "/dev/null");
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "n", &d), -ENOENT);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "../n", &d),
                         -EINVAL);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "", &d), -EINVAL);
        assert_null(d);
}

/* What a stranger can write is neither obeyed nor passed over. */
static void test_load_untrusted(void **state) {
        House *house = *state;
        _cleanup_(definition_freep) Definition *d = NULL;

        tree_file(&house->tree, PACKAGE_DIR "/endpoints.d/n.conf", SOCKET);
        tree_file(&house->tree, SYSCONFDIR "/doorward/endpoints.d/n.conf", SOCKET);
        tree_mode(&house->tree, SYSCONFDIR "/doorward/endpoints.d/n.conf", 0666);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "n", &d), 0);
        assert_non_null(strstr(d->problem, "can be written by others"));
        assert_false(d->targets[ACCESS_FULL].provided);
        assert_null(d->files);
}

static void test_load_for_opener(void **state) {
        House *house = *state;
        Definition *d = NULL;

        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t", &d),
                         -ENOENT);
        tree_file(&house->tree, SYSCONFDIR "/doorward/endpoints.d/t@.conf",
                  "[Endpoint]\nInstance=*\n[Full]\nOpenFile=/srv/%i\n");
        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t", &d), 0);
        assert_true(d->template);
        d = definition_free(d);

        /* One that is called so itself comes first, good or bad. */
        tree_link(&house->tree, "run/doorward/endpoints.d/t.conf", "nowhere");
        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t", &d), 0);
        assert_false(d->template);
        assert_non_null(strstr(d->problem, "symbolic link"));
        d = definition_free(d);
        tree_remove(&house->tree, "run/doorward/endpoints.d/t.conf");

        /* Masked, it is as if it were not there. */
        tree_link(&house->tree, "run/doorward/endpoints.d/t.conf", "/dev/null");
        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t", &d), 0);
        assert_true(d->template);
        d = definition_free(d);
        tree_remove(&house->tree, "run/doorward/endpoints.d/t.conf");

        tree_file(&house->tree, PACKAGE_DIR "/endpoints.d/t.conf", "[Full]\n");
        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t", &d), 0);
        assert_false(d->template);
        assert_non_null(d->problem);
        d = definition_free(d);

        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t@", &d),
                         -EINVAL);
        assert_int_equal(definition_load_for_opener(house->folders, tree_owner(), "t@x", &d),
                         -EINVAL);
        assert_null(d);
}

/* The shipped actions let active users in without a password: that is not meant for other files. */
static void test_shipped_name(void **state) {
        House *house = *state;
        Definition *d = NULL;

        tree_file(&house->tree, PACKAGE_DIR "/endpoints.d/kvm.conf", DEVICE);
        tree_file(&house->tree, SYSCONFDIR "/doorward/endpoints.d/docker.conf", SOCKET);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "kvm", &d), 0);
        assert_null(d->warnings);
        d = definition_free(d);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "docker", &d), 0);
        assert_null(d->warnings);
        d = definition_free(d);

        tree_file(&house->tree, SYSCONFDIR "/doorward/endpoints.d/kvm.conf", DEVICE);
        assert_int_equal(definition_load_trusting(house->folders, tree_owner(), "kvm", &d), 0);
        assert_int_equal(strv_length(d->warnings), 1);
        assert_non_null(strstr(d->warnings[0], "ask active users for no password"));
        definition_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_least),
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_nothing_provided),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_networks),
                cmocka_unit_test(test_unknown_ways_in),
                cmocka_unit_test(test_abstract),
                cmocka_unit_test(test_one_way_in),
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_read_only_limits),
                cmocka_unit_test(test_same_socket),
                cmocka_unit_test(test_filter),
                cmocka_unit_test(test_bad_filter),
                cmocka_unit_test(test_tap),
                cmocka_unit_test(test_tap_refused),
                cmocka_unit_test(test_tap_without_effect),
                cmocka_unit_test(test_hangup),
                cmocka_unit_test(test_observation),
                cmocka_unit_test(test_authentication),
                cmocka_unit_test(test_authentication_misplaced),
                cmocka_unit_test(test_leases),
                cmocka_unit_test(test_max_sec),
                cmocka_unit_test(test_revoke_on_logout),
                cmocka_unit_test(test_users_and_groups),
                cmocka_unit_test(test_connect_as),
                cmocka_unit_test(test_connect_as_client),
                cmocka_unit_test(test_peer_user),
                cmocka_unit_test(test_capabilities),
                cmocka_unit_test(test_all_capabilities),
                cmocka_unit_test(test_devices),
                cmocka_unit_test(test_device_without_effect),
                cmocka_unit_test(test_template),
                cmocka_unit_test(test_wide_patterns),
                cmocka_unit_test(test_tap_with_hyphen),
                cmocka_unit_test(test_template_with_percent),
                cmocka_unit_test(test_template_refused),
                cmocka_unit_test(test_plain_has_one_instance),
                cmocka_unit_test(test_expand),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_warnings),
                cmocka_unit_test(test_warnings_are_bounded),
                cmocka_unit_test(test_folders),
                cmocka_unit_test_setup_teardown(test_load, setup, teardown),
                cmocka_unit_test_setup_teardown(test_load_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_load_untrusted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_load_for_opener, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shipped_name, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
