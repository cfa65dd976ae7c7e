/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "client/channel.h"
#include "client/conn.h"
#include "client/remote-error.h"
#include "client/remote.h"
#include "tests/support/fake-broker.h"
#include "tests/support/fds.h"

/* The whole way: the library, doorward-transport, and at the far end a program (doorward+ext) that
 * is the relay, or what a hostile machine would have in its place. */

#define TIMEOUT_MS 20000
/* For what happens at once, on a machine that has other things to do. */
#define SOON_MS 5000
/* For a far side that does not answer. */
#define PATIENCE_MS 1500
#define SCRIPT_HEAD                                                                        \
        "#!/usr/bin/python3\n"                                                             \
        "import os, sys, time\n"                                                           \
        "def call():\n"                                                                    \
        "    text = b''\n"                                                                 \
        "    while not text.endswith(b'\\0'):\n"                                           \
        "        c = os.read(0, 1)\n"                                                      \
        "        if not c: sys.exit(0)\n"                                                  \
        "        text += c\n"                                                              \
        "    return text[:-1].decode()\n"                                                  \
        "def say(text, fd=1):\n"                                                           \
        "    data = text.encode('utf-8', 'surrogateescape')\n"                             \
        "    while data:\n"                                                                \
        "        data = data[os.write(fd, data):]\n"                                       \
        "def reply(parameters):\n"                                                         \
        "    say('{\"parameters\":' + parameters + '}\\0')\n"                              \
        "def prompt(kind, text, choices='[]'):\n"                                          \
        "    reply('{\"state\":\"prompt\",\"prompts\":[{\"kind\":\"' + kind +\n"           \
        "          '\",\"text\":\"' + text + '\",\"choices\":' + choices + '}]}')\n"       \
        "def connected(access='full', rest=''):\n"                                         \
        "    reply('{\"state\":\"connected\",\"access\":\"' + access + '\",'\n"            \
        "          '\"kind\":\"stream\",\"mode\":\"revocable\",\"lease\":\"l1\"' + rest\n" \
        "          + '}')\n"                                                               \
        "asked = call()\n"

typedef struct Asked {
        int type;
        const char *prompt;    /* is to be this */
        const char *challenge; /* likewise, unless it is NULL */
        const char *answer;    /* NULL: cancelled, where one is wanted */
} Asked;

typedef struct Far {
        char folder[64];
        char command[96];
        Uri uri;
        const Asked *asked; /* what is to be asked, ended by 0 */
        size_t n_asked;
        bool later; /* answers are given later */
        doorward_auth auth;
        OpeningSpec spec;
        doorward_conn *conn;
        doorward_error error;
} Far;

static const int all_types[] = {
        DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_ECHOPROMPT,
        DOORWARD_CRED_EXTERNAL, DOORWARD_CRED_INFO,       DOORWARD_CRED_ERROR_MSG,
};

static unsigned n_fds;

static int collect(doorward_credential *cred, unsigned n, void *userdata) {
        Far *far = userdata;
        const Asked *asked = &far->asked[far->n_asked++];

        assert_int_equal(n, 1);
        assert_int_equal(cred->type, asked->type);
        assert_string_equal(cred->prompt, asked->prompt);
        if (asked->challenge)
                assert_string_equal(cred->challenge, asked->challenge);
        if (cred->type == DOORWARD_CRED_INFO || cred->type == DOORWARD_CRED_ERROR_MSG ||
            cred->type == DOORWARD_CRED_EXTERNAL)
                return 0;
        if (far->later)
                return DOORWARD_AUTH_LATER;
        if (!asked->answer)
                return -1;

        cred->result = strdup(asked->answer);
        assert_non_null(cred->result);
        cred->resultlen = (unsigned)strlen(cred->result);
        return 0;
}

static void far_init(Far *far, const char *command) {
        *far = (Far){
                .uri = {.transport = URI_EXT, .access = ACCESS_FULL, .endpoint = "docker"},
                .auth = {.credtype = all_types, .ncredtype = ELEMENTSOF(all_types), .cb = collect},
        };
        far->auth.cbdata = far;
        far->spec.uri = &far->uri;
        far->spec.deadline = channel_deadline(TIMEOUT_MS);
        (void)snprintf(far->uri.command, sizeof(far->uri.command), "%s", command);
        n_fds = fds_count();
}

/* A far side that does this, in Python, after the first call. */
static void far_script(Far *far, const char *script) {
        char folder[] = "/tmp/doorward-test-XXXXXX", command[96];
        FILE *f;

        assert_non_null(mkdtemp(folder));
        (void)snprintf(command, sizeof(command), "%s/far", folder);
        f = fopen(command, "we");
        assert_non_null(f);
        assert_true(fputs(SCRIPT_HEAD, f) >= 0 && fputs(script, f) >= 0);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(command, 0755), 0);
        far_init(far, command);
        (void)snprintf(far->folder, sizeof(far->folder), "%s", folder);
}

static void far_close(Far *far) {
        if (far->conn)
                assert_true(conn_unref(far->conn));
        far->conn = NULL;
}

static void far_stop(Far *far) {
        far_close(far);
        doorward_error_clear(&far->error);
        if (far->folder[0]) {
                assert_int_equal(unlink(far->uri.command), 0);
                assert_int_equal(rmdir(far->folder), 0);
        }
        assert_int_equal(fds_count(), n_fds);
        /* The host program has no child, and never had one. */
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}

static int far_open(Far *far) {
        void *attempt;
        int r;

        r = way_remote.new(&far->spec, &attempt, &far->error);
        if (r < 0)
                return r;

        while ((r = way_remote.process(attempt, &far->conn, &far->error)) == WAY_E_WAIT) {
                Wait wait;

                if (way_remote.is_asking(attempt)) {
                        const char *answer = far->asked[far->n_asked - 1].answer;
                        doorward_credential cred = {.result = answer ? strdup(answer) : NULL};

                        if (answer)
                                cred.resultlen = (unsigned)strlen(answer);
                        assert_int_equal(
                                way_remote.answer(attempt, answer ? &cred : NULL, &far->error), 0);
                        free(cred.result);
                }
                wait_init(&wait);
                way_remote.wait(attempt, &wait);
                assert_int_equal(wait_block(&wait), 0);
        }

        way_remote.free(attempt, false);
        return r;
}

static void check_opens(Far *far) {
        if (far_open(far) < 0)
                fail_msg("not opened: %s", far->error.message);
        assert_true(far->conn->fd > 2);
}

static void check_fails(Far *far, int code, const char *message) {
        assert_true(far_open(far) < 0);
        if (far->error.code != code)
                fail_msg("%s: %s", doorward_error_code_to_string(far->error.code),
                         far->error.message);
        if (!strstr(far->error.message, message))
                fail_msg("'%s' is not in '%s'", message, far->error.message);
}

static void check_script_fails(const char *script, int code, const char *message) {
        Far far;

        far_script(&far, script);
        far.spec.deadline = channel_deadline(PATIENCE_MS);
        check_fails(&far, code, message);
        far_stop(&far);
}

static void expect(Far *far, const char *text) {
        size_t n = strlen(text);
        char buf[256];

        assert_int_equal(recv(far->conn->fd, buf, n, MSG_WAITALL), n);
        buf[n] = 0;
        assert_string_equal(buf, text);
}

static void expect_no_more(Far *far) {
        char c;

        assert_int_equal(recv(far->conn->fd, &c, 1, 0), 0);
}

static void say(Far *far, const char *text) {
        assert_int_equal(send(far->conn->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The real relay, and a broker that is not. */

#define GRANT                                                                                   \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\":" \
        "\"revocable\",\"lease\":\"l1\",\"kept\":true,\"expires\":1700000000000000,\"action\":" \
        "\"a.b\",\"how\":\"implicit\",\"connectAs\":\"service\",\"requestId\":\"r1\"},"         \
        "\"continues\":true}"
#define CALL                                                                                \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"full\"},\"more\":true}"
#define ENDED                                                                        \
        "{\"parameters\":{\"state\":\"ended\",\"reason\":\"revoked\",\"requestId\":" \
        "\"r1\"}}"

static void script_service(FakeBroker *b) {
        char buf[8] = "";
        int fd;

        fake_accept(b);
        fake_expect(b, CALL);
        fd = fake_send_socket(b, GRANT);
        if (send(fd, "welcome", 7, MSG_NOSIGNAL) != 7 || recv(fd, buf, 5, MSG_WAITALL) != 5 ||
            !streq(buf, "hello") || recv(fd, buf, 1, 0) != 0)
                fake_fail(b, "the endpoint was not told hello");
        if (send(fd, "bye", 3, MSG_NOSIGNAL) != 3)
                fake_fail(b, "nothing could be said any more");
        close_fd(fd);
        fake_expect_hang_up(b);
}

static void test_relay(void **state) {
        FakeBroker *broker;
        char *uri;
        Far far;

        far_init(&far, DOORWARD);
        broker = fake_broker_start(script_service, NULL);
        check_opens(&far);
        assert_string_equal(doorward_get_type(far.conn), "stream");
        assert_string_equal(far.conn->lease.id, "l1");
        assert_string_equal(far.conn->action, "a.b");
        assert_int_equal(far.conn->how, HOW_IMPLICIT);
        assert_true(far.conn->kept && far.conn->expires == 1700000000000000);
        assert_int_equal(doorward_is_secure(far.conn), 0);
        assert_int_equal(doorward_is_encrypted(far.conn), 0);
        uri = doorward_get_uri(far.conn);
        assert_string_equal(uri, "doorward+ext:///docker?access=full&command=" DOORWARD);
        free(uri);

        /* The descriptor ends with what leads there; all that is asked of a broker is not there. */
        assert_int_equal(doorward_steal_fd(far.conn), -1);
        assert_int_equal(errno, EBUSY);
        assert_int_equal(doorward_open_another(far.conn), -1);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_UNSUPPORTED);

        expect(&far, "welcome");
        say(&far, "hello");
        assert_int_equal(doorward_is_alive(far.conn), 1);
        assert_int_equal(shutdown(far.conn->fd, SHUT_WR), 0);
        expect(&far, "bye");
        expect_no_more(&far);
        far_close(&far);
        fake_broker_stop(broker);
        far_stop(&far);
}

/* What machine it is, that one says itself. */
static void script_open(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL);
        fd = fake_send_socket(b, GRANT);
        fake_expect_hang_up(b);
        close_fd(fd);
}

static void test_host_info(void **state) {
        FakeBroker *broker;
        doorward_host_info *info;
        char *name, *own;
        Far far;

        far_init(&far, DOORWARD);
        broker = fake_broker_start(script_open, NULL);
        check_opens(&far);
        info = doorward_get_host_info(far.conn);
        assert_non_null(info);
        own = doorward_get_hostname(NULL);
        name = doorward_get_hostname(far.conn);
        assert_string_equal(name, own);
        assert_string_equal(info->hostname, own);
        assert_true(info->memory_total > 0);
        doorward_host_info_free(info);
        free(own);
        free(name);
        far_close(&far);
        fake_broker_stop(broker);
        far_stop(&far);
}

static void test_bad_host_info(void **state) {
        static const char *const scripts[] = {
                "if asked.count('GetHostInfo'): reply('{\"info\":7}')\n",
                "if asked.count('GetHostInfo'): reply('{}')\n",
                "if asked.count('GetHostInfo'): say('no\\n')\n",
                "if asked.count('GetHostInfo'): sys.exit(1)\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                char script[256];
                Far far;

                (void)snprintf(script, sizeof(script), "%selse: connected()\ncall()\n", scripts[i]);
                far_script(&far, script);
                check_opens(&far);
                assert_null(doorward_get_host_info(far.conn));
                assert_non_null(strstr(doorward_get_last_error_message(), "far"));
                assert_null(doorward_get_hostname(far.conn));
                far_stop(&far);
        }
}

/* What the broker there says, by way of the relay. */
#define BROKER_INFO                                                                      \
        "{\"version\":\"1.2.3\",\"protocol\":1,\"identityProof\":false,\"features\":[]," \
        "\"limits\":{\"LeasesMax\":7,\"Odd\\u001b[2J\":1},\"use\":{\"LeasesMax\":1}}"
#define ASKED_FOR_INFO "{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}"

static void send_info(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, ASKED_FOR_INFO);
        fake_send(b, "{\"parameters\":" BROKER_INFO "}");
}

static void script_broker(FakeBroker *b) {
        send_info(b);
        fake_expect_hang_up(b);
        send_info(b);
        fake_expect_hang_up(b);
        send_info(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":{"
                       "\"decisions\":true},\"more\":true}");
        fake_send(b, "{\"parameters\":{\"endpoint\":{\"name\":\"docker\"}}}");
        fake_expect_hang_up(b);
}

static void check_broker(Far *far) {
        doorward_limits *limits = doorward_get_limits(far->conn);
        unsigned long version = 0;
        char *text;

        assert_non_null(limits);
        assert_int_equal(limits->n_limits, 2);
        assert_string_equal(limits->limits[0].name, "LeasesMax");
        assert_int_equal(limits->limits[0].max, 7);
        assert_int_equal(limits->limits[0].used, 1);
        assert_string_equal(limits->limits[1].name, "Odd?[2J");
        assert_int_equal(limits->limits[1].used, -1);
        doorward_limits_free(limits);

        assert_int_equal(doorward_get_version(far->conn, &version), 0);
        assert_int_equal(version, 1002003);

        text = doorward_get_capabilities(far->conn);
        assert_non_null(text);
        assert_non_null(strstr(text, "\"version\":\"1.2.3\""));
        assert_non_null(strstr(text, "\"endpoints\":[{\"name\":\"docker\"}]"));
        free(text);
}

static void test_broker(void **state) {
        FakeBroker *broker;
        Far far;

        far_script(&far, "connected()\ncall()\n");
        check_opens(&far);
        /* From here on it is the real relay that is started. */
        (void)snprintf(far.conn->uri.command, sizeof(far.conn->uri.command), "%s", DOORWARD);
        broker = fake_broker_start(script_broker, NULL);
        check_broker(&far);
        fake_broker_stop(broker);
        far_stop(&far);
}

#define PARTS                                                                                  \
        "\"host\":{\"hostname\":\"h\\u001b]0;x\\u0007\\u202e\"},\"library\":{},\"broker\":{}," \
        "\"kernel\":{},\"policy\":{\"authority\":null},\"authentication\":{}"

/* All of it can be shown; what is none is refused. */
static void test_hostile_capabilities(void **state) {
        static const char *const scripts[] = {
                "'{\"capabilities\":7}'",
                "'{}'",
                "'{\"capabilities\":{}}'",
                "'{\"capabilities\":{" PARTS "}}'",
                "'{\"capabilities\":{" PARTS ",\"endpoints\":{}}}'",
                "'{\"capabilities\":{" PARTS ",\"endpoints\":[7]}}'",
                "'{\"capabilities\":{" PARTS ",\"endpoints\":[{\"name\":7}]}}'",
                "'{\"capabilities\":{" PARTS ",\"endpoints\":[],\"a\\u001b\":1}}'",
                "'{\"capabilities\":{" PARTS ",\"endpoints\":[{\"name\":\"x\",\"\\n\":1}]}}'",
                "'{\"capabilities\":{\"x\":' + '[' * 20 + ']' * 20 + '}}'",
                "'{\"capabilities\":{\"x\":\"' + 'x' * 70000 + '\"}}'",
        };
        char script[1024];
        char *text;
        Far far;

        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                (void)snprintf(script, sizeof(script),
                               "if asked.count('GetCapabilities'): reply(r%s)\n"
                               "else: connected()\ncall()\n",
                               scripts[i]);
                far_script(&far, script);
                check_opens(&far);
                assert_null(doorward_get_capabilities(far.conn));
                assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_PROTOCOL);
                assert_non_null(strstr(doorward_get_last_error_message(), "far"));
                far_stop(&far);
        }

        far_script(&far, "if asked.count('GetCapabilities'): reply(r'{\"capabilities\":{" PARTS
                         ",\"endpoints\":[{\"name\":\"x\"}]}}')\nelse: connected()\ncall()\n");
        check_opens(&far);
        text = doorward_get_capabilities(far.conn);
        assert_non_null(text);
        assert_non_null(strstr(text, "{\"hostname\":\"h?]0;x????\"}"));
        free(text);
        far_stop(&far);
}

static void test_hostile_broker_info(void **state) {
        static const char *const scripts[] = {
                "'{\"info\":7}'",
                "'{}'",
                "'{\"info\":{\"version\":7,\"limits\":7}}'",
                "'{\"info\":{\"limits\":{\"LeasesMax\":\"7\"}}}'",
                "'{\"info\":{\"limits\":{\"LeasesMax\":-7}}}'",
                "'{\"info\":{\"limits\":{\"LeasesMax\":7},\"use\":{\"LeasesMax\":-2}}}'",
                "'{\"info\":{\"limits\":{\"LeasesMax\":7},\"use\":[]}}'",
        };

        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                unsigned long version = 7;
                char script[512];
                Far far;

                (void)snprintf(script, sizeof(script),
                               "if asked.count('GetBrokerInfo'): reply(%s)\n"
                               "else: connected()\ncall()\n",
                               scripts[i]);
                far_script(&far, script);
                check_opens(&far);
                assert_null(doorward_get_limits(far.conn));
                assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_PROTOCOL);
                assert_non_null(strstr(doorward_get_last_error_message(), "far"));
                assert_int_equal(doorward_get_version(far.conn, &version), -1);
                assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_PROTOCOL);
                assert_int_equal(version, 7);
                far_stop(&far);
        }
}

/* What the program hands over ends the lease there, at once. */
static void test_close(void **state) {
        FakeBroker *broker;
        Far far;

        far_init(&far, DOORWARD);
        broker = fake_broker_start(script_open, NULL);
        check_opens(&far);
        far_close(&far);
        fake_broker_stop(broker);
        far_stop(&far);
}

static void script_refused(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL);
        fake_send(b, "{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{"
                     "\"action\":\"a.b\",\"hint\":\"Ask.\",\"requestId\":\"r7\"}}");
        fake_expect_hang_up(b);
}

static void test_refused(void **state) {
        FakeBroker *broker;
        Far far;

        far_init(&far, DOORWARD);
        broker = fake_broker_start(script_refused, NULL);
        check_fails(&far, DOORWARD_ERR_DENIED, "Policy does not allow you full access to docker.");
        assert_string_equal(far.error.message,
                            "doorward: Policy does not allow you full access to docker.");
        assert_string_equal(far.error.hint, "doorward: Ask.");
        assert_int_equal(far.error.domain, DOORWARD_DOMAIN_POLICY);
        assert_int_equal(far.error.errnum, EACCES);
        assert_string_equal(far.error.action_id, "a.b");
        assert_string_equal(far.error.request_id, "r7");
        assert_string_equal(far.error.endpoint, "docker");
        far_close(&far);
        fake_broker_stop(broker);
        far_stop(&far);
}

/* Ends. */

static void on_close(doorward_conn *conn, int reason, void *userdata) {
        *(int *)userdata = reason;
}

/* The callback is called for that reason, within that time. */
static void check_ends(Far *far, int reason) {
        struct timespec before, after;
        struct pollfd p = {.events = POLLIN};
        int told = 0;

        assert_int_equal(doorward_set_close_callback(far->conn, on_close, &told, NULL), 0);
        p.fd = doorward_get_event_fd(far->conn);
        assert_true(p.fd > 2);
        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        do
                assert_int_equal(poll(&p, 1, SOON_MS), 1);
        while (doorward_process(far->conn) == 0);
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        assert_true((after.tv_sec - before.tv_sec) * 1000 +
                            (after.tv_nsec - before.tv_nsec) / 1000000 <=
                    SOON_MS);

        assert_int_equal(told, reason);
        assert_int_equal(doorward_get_close_reason(far->conn), reason);
        assert_int_equal(doorward_is_alive(far->conn), 0);
        /* And stays so, for whoever else waits. */
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_int_equal(doorward_process(far->conn), 1);
}

static void script_revoked(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL);
        fd = fake_send_socket(b, GRANT);
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
                fake_fail(b, "it is cut already");
        while (!fake_broker_is_stopping(b) && !*(bool *)b->data)
                (void)poll(NULL, 0, 10);
        (void)shutdown(fd, SHUT_RDWR);
        fake_send(b, ENDED);
        fake_expect_hang_up(b);
        close_fd(fd);
}

/* The lease there ends, and with it this one, for the same reason; what was said before is there.
 */
static void test_revoked(void **state) {
        bool now = false;
        FakeBroker *broker;
        Far far;

        far_init(&far, DOORWARD);
        broker = fake_broker_start(script_revoked, &now);
        check_opens(&far);
        assert_int_equal(doorward_process(far.conn), 0);
        assert_int_equal(doorward_get_close_reason(far.conn), DOORWARD_CLOSE_NONE);
        __atomic_store_n(&now, true, __ATOMIC_RELEASE);
        check_ends(&far, DOORWARD_CLOSE_REVOKED);
        expect(&far, "x");
        expect_no_more(&far);
        far_close(&far);
        fake_broker_stop(broker);
        far_stop(&far);
}

/* The number that a script writes into a line of its stream. */
static pid_t expect_pid(Far *far) {
        char buf[32];
        size_t n = 0;

        do {
                assert_true(n < sizeof(buf));
                assert_int_equal(recv(far->conn->fd, buf + n, 1, 0), 1);
        } while (buf[n++] != '\n');
        return atoi(buf);
}

/* What leads there is lost. */
static void test_transport_lost(void **state) {
        Far far;

        far_script(&far, "connected()\nsay(f'{os.getpid()}\\n')\ntime.sleep(60)\n");
        check_opens(&far);
        assert_int_equal(kill(expect_pid(&far), SIGKILL), 0);
        check_ends(&far, DOORWARD_CLOSE_TRANSPORT);
        expect_no_more(&far);
        far_stop(&far);

        /* And so it is with nobody there to say so. */
        far_script(&far, "connected()\nsay(f'{os.getppid()}\\n')\ntime.sleep(60)\n");
        check_opens(&far);
        assert_int_equal(kill(expect_pid(&far), SIGKILL), 0);
        check_ends(&far, DOORWARD_CLOSE_TRANSPORT);
        far_stop(&far);

        /* Before anybody looked. */
        far_script(&far, "connected()\nsay('{\"ended\":\"expired\"}\\n', 2)\n");
        check_opens(&far);
        check_ends(&far, DOORWARD_CLOSE_EXPIRED);
        far_stop(&far);
}

/* News that is none changes nothing; reasons that nobody knows are reasons. */
static void test_news(void **state) {
        Far far;

        far_script(&far, "connected()\nsay('{\\n{}\\n{\"ended\":7}\\n{\"x\":1}\\nended\\n', 2)\n"
                         "say('x')\ncall()\n");
        check_opens(&far);
        expect(&far, "x");
        assert_int_equal(doorward_process(far.conn), 0);
        assert_int_equal(doorward_is_alive(far.conn), 1);
        far_stop(&far);

        far_script(&far, "connected()\nsay('{\"ended\":\"boredom\"}\\n', 2)\ncall()\n");
        check_opens(&far);
        check_ends(&far, DOORWARD_CLOSE_OTHER);
        far_stop(&far);

        far_script(&far, "connected()\nsay('{\"ended\":null}\\n', 2)\ncall()\n");
        check_opens(&far);
        check_ends(&far, DOORWARD_CLOSE_BROKER);
        far_stop(&far);
}

/* The first bytes of the service may come with the reply, and are the program's. */
static void test_bytes_with_the_reply(void **state) {
        Far far;

        far_script(&far, "say('{\"parameters\":{\"state\":\"connected\",\"access\":\"full\","
                         "\"kind\":\"device\",\"mode\":\"none\"}}\\0\\0first')\ncall()\n");
        check_opens(&far);
        assert_int_equal(far.conn->mode, LEASE_MODE_NONE);
        assert_int_equal(doorward_is_alive(far.conn), 1);
        assert_int_equal(recv(far.conn->fd, far.command, 6, MSG_WAITALL), 6);
        assert_memory_equal(far.command, "\0first", 6);
        assert_int_equal(doorward_steal_fd(far.conn), -1);
        far_stop(&far);
}

/* Prompts. */

#define ANSWERED "{\"method\":\"org.doorward.Relay.Continue\",\"parameters\":{"
#define IS(text) "a = call()\nif a != '" text "': say('it was ' + a, 2); sys.exit(9)\n"
#define IS_ANSWER(answer) IS(ANSWERED "\"answers\":[\"" answer "\"]},\"upgrade\":true}")
#define IS_NO_ANSWER IS(ANSWERED "},\"upgrade\":true}")

static void check_prompts(const char *script, const Asked *asked) {
        for (int later = 0; later < 2; later++) {
                size_t n = 0;
                Far far;

                far_script(&far, script);
                far.spec.auth = &far.auth;
                far.asked = asked;
                far.later = later;
                check_opens(&far);
                while (asked[n].type != 0)
                        n++;
                assert_int_equal(far.n_asked, n);
                far_stop(&far);
        }
}

/* And then it opens. A line each, up to NULL. */
static void check_prompt_lines(const char *const *lines, const Asked *asked) {
        char script[4096] = "";

        for (; *lines; lines++) {
                assert_true(strlen(script) + strlen(*lines) + 32 < sizeof(script));
                strcat(script, *lines);
        }
        strcat(script, "connected()\ncall()\n");
        check_prompts(script, asked);
}

static void test_prompts(void **state) {
        static const Asked asked[] = {
                {DOORWARD_CRED_AUTHNAME, "far: As whom? ", "bob, eve", "eve"},
                {DOORWARD_CRED_INFO, "far: Touch it.", NULL, NULL},
                {DOORWARD_CRED_PASSPHRASE, "far: Password: ", NULL, "a\"b\\\t\303\274"},
                {DOORWARD_CRED_ECHOPROMPT, "far: Token: ", NULL, ""},
                {DOORWARD_CRED_ERROR_MSG, "far: Late.", NULL, NULL},
                {DOORWARD_CRED_EXTERNAL, "far: Somebody asks.", "polkit", NULL},
                {},
        };

        check_prompt_lines(
                (const char *[]){
                        "prompt('name', 'As whom? ', '[\"bob\",\"eve\"]')\n",
                        IS_ANSWER("eve"),
                        "prompt('info', 'Touch it.')\n",
                        IS_NO_ANSWER,
                        "prompt('echo_off', 'Password: ')\n",
                        IS_ANSWER("a\\\\\"b\\\\\\\\\\\\u0009\303\274"),
                        "prompt('echo_on', 'Token: ')\n",
                        IS_ANSWER(""),
                        "prompt('error', 'Late.')\n",
                        IS_NO_ANSWER,
                        "prompt('external', 'Somebody asks.')\n",
                        IS_NO_ANSWER,
                        NULL,
                },
                asked);
}

/* Several in one reply: texts, and a question at the end. */
static void test_several_prompts(void **state) {
        static const Asked asked[] = {
                {DOORWARD_CRED_INFO, "far: One.", NULL, NULL},
                {DOORWARD_CRED_PASSPHRASE, "far: Two: ", NULL, "2"},
                {},
        };

        check_prompts("reply('{\"state\":\"prompt\",\"prompts\":[{\"kind\":\"info\",\"text\":\""
                      "One.\",\"choices\":[]},{\"kind\":\"echo_off\",\"text\":\"Two: \",\"choices\""
                      ":[]}]}')\n" IS_ANSWER("2") "connected()\ncall()\n",
                      asked);
        check_script_fails("reply('{\"state\":\"prompt\",\"prompts\":[{\"kind\":\"echo_on\","
                           "\"text\":\"x\",\"choices\":[]},{\"kind\":\"info\",\"text\":\"y\","
                           "\"choices\":[]}]}')\ncall()\n",
                           DOORWARD_ERR_PROTOCOL, "cannot be read");
}

/* What a terminal would obey, or a reader would take for another line, or for this machine. */
static void test_hostile_prompts(void **state) {
        char longest[CONVERSATION_TEXT_MAX + sizeof("far: ")];
        const Asked asked[] = {
                {DOORWARD_CRED_PASSPHRASE, "far: ?[2J?]0;x? ?Password for root: ????????rm?", NULL,
                 "x"},
                {DOORWARD_CRED_INFO, longest, NULL, NULL},
                {DOORWARD_CRED_AUTHNAME, "far: Who? ", "?[1mroot, bob", "bob"},
                {},
        };

        (void)snprintf(longest, sizeof(longest), "far: %0*d", (int)CONVERSATION_TEXT_MAX, 0);
        check_prompt_lines(
                (const char *[]){
                        "prompt('echo_off', '\\\\u001b[2J\\\\u001b]0;x\\\\u0007\\\\n\\\\rPassword "
                        "for root: \\\\u009b\\\\u202e\\\\u2028rm\\\\u007f')\n",
                        IS_ANSWER("x"),
                        "prompt('info', '0' * 20000)\n",
                        IS_NO_ANSWER,
                        "prompt('name', 'Who? ', '[\"\\\\u001b[1mroot\",\"bob\"]')\n",
                        IS_ANSWER("bob"),
                        NULL,
                },
                asked);
}

static void test_cancelled(void **state) {
        static const Asked asked[] = {{DOORWARD_CRED_PASSPHRASE, "far: P: ", NULL, NULL}, {}};

        for (int later = 0; later < 2; later++) {
                Far far;

                far_script(&far, "prompt('echo_off', 'P: ')\ncall()\ncall()\n");
                far.spec.auth = &far.auth;
                far.asked = asked;
                far.later = later;
                check_fails(&far, DOORWARD_ERR_AUTH_CANCELLED, "cancelled");
                far_stop(&far);
        }
}

/* Who takes no passwords is asked for none; who asks without being allowed to is not answered. */
static void test_no_prompts(void **state) {
        static const int types[] = {DOORWARD_CRED_INFO};
        Far far;

        far_script(&far, "prompt('echo_off', 'P: ')\ncall()\n");
        far.auth.credtype = types;
        far.auth.ncredtype = 1;
        far.spec.auth = &far.auth;
        check_fails(&far, DOORWARD_ERR_AUTH_UNAVAILABLE, "wants a password");
        far_stop(&far);

        check_script_fails("prompt('echo_off', 'P: ')\ncall()\n", DOORWARD_ERR_PROTOCOL,
                           "far: what was answered cannot be read");
}

/* JSON has no other encoding. */
static void test_answer_that_is_not_utf8(void **state) {
        static const Asked asked[] = {{DOORWARD_CRED_PASSPHRASE, "far: P: ", NULL, "\374"}, {}};
        Far far;

        far_script(&far, "prompt('echo_off', 'P: ')\ncall()\n");
        far.spec.auth = &far.auth;
        far.asked = asked;
        check_fails(&far, DOORWARD_ERR_INVALID_ARG, "not UTF-8");
        far_stop(&far);
}

/* The longest answer, of what takes the most room. */
static void test_longest_answer(void **state) {
        static char answer[CONVERSATION_ANSWER_MAX + 1];
        const Asked asked[] = {{DOORWARD_CRED_PASSPHRASE, "far: P: ", NULL, answer}, {}};

        memset(answer, 1, CONVERSATION_ANSWER_MAX);
        check_prompts("prompt('echo_off', 'P: ')\nif call().count('u0001') != 511: sys.exit(1)\n"
                      "connected()\ncall()\n",
                      asked);
}

/* While somebody thinks, time does not count; the far side may go. */
static void test_gone_while_asking(void **state) {
        static const Asked asked[] = {
                {DOORWARD_CRED_PASSPHRASE, "far: P: ", NULL, NULL},
                {DOORWARD_CRED_INFO, "far: Bored.", NULL, NULL},
                {},
        };
        Far far;
        void *attempt;
        int r;

        far_script(&far, "prompt('echo_off', 'P: ')\ntime.sleep(5)\nsay('Bored.\\n', 2)\n"
                         "sys.exit(4)\n");
        far.spec.auth = &far.auth;
        far.spec.deadline = channel_deadline(4000);
        far.asked = asked;
        far.later = true;
        assert_int_equal(way_remote.new(&far.spec, &attempt, &far.error), 0);
        while ((r = way_remote.process(attempt, &far.conn, &far.error)) == WAY_E_WAIT) {
                Wait wait;

                wait_init(&wait);
                way_remote.wait(attempt, &wait);
                assert_int_equal(wait_block(&wait), 0);
        }
        way_remote.free(attempt, false);
        assert_true(r < 0);
        assert_int_equal(far.error.code, DOORWARD_ERR_NO_BROKER);
        assert_string_equal(far.error.message, "far could not be reached: Bored.");
        far_stop(&far);
}

/* What ssh says meanwhile. */
static void test_lines(void **state) {
        static const Asked asked[] = {
                {DOORWARD_CRED_INFO, "far: Confirm user presence", NULL, NULL},
                {DOORWARD_CRED_INFO, "far: ?[0mx", NULL, NULL},
                {},
        };
        Far far;

        far_script(&far, "say('Confirm user presence\\r\\n\\n\\x1b[0mx\\n', 2)\ntime.sleep(0.3)\n"
                         "connected()\ncall()\n");
        far.spec.auth = &far.auth;
        far.asked = asked;
        check_opens(&far);
        assert_int_equal(far.n_asked, 2);
        far_stop(&far);
}

/* A far side that is none, or hostile. */

static void check_end_hint(const char *text, unsigned status, const char *hint) {
        TransportMessage end = {.how = TRANSPORT_EXITED, .number = status};
        doorward_error error = {};
        Uri uri;

        assert_int_equal(uri_parse(text, &uri, NULL), 0);
        assert_int_equal(remote_fail_ended(&uri, &end, &error), -ECONNABORTED);
        assert_non_null(error.hint);
        assert_non_null(strstr(error.hint, hint));
        doorward_error_clear(&error);
}

/* What is to be tried leads the same way. */
static void test_end_hints(void **state) {
        check_end_hint("doorward+ssh://box/docker", 255, "'ssh box true'");
        check_end_hint("doorward+ssh://bob@box:2222/docker", 255, "'ssh -p 2222 bob@box true'");
        check_end_hint("doorward+ssh://box/docker", 127, "?command=");
        check_end_hint("doorward+ext:///docker?command=/bin/true", 0, "'doorward relay'");
        check_end_hint("doorward+ext:///docker?command=/bin/true", 127, "'doorward relay'");
}

static void test_ended(void **state) {
        Far far;

        check_script_fails("say('Permission denied (publickey).\\n', 2)\nsys.exit(255)\n",
                           DOORWARD_ERR_NO_BROKER,
                           "far could not be reached: Permission denied (publickey).");
        check_script_fails("sys.exit(3)\n", DOORWARD_ERR_NO_BROKER, "ended with status 3.");
        check_script_fails("os.kill(os.getpid(), 9)\n", DOORWARD_ERR_NO_BROKER,
                           "was killed by signal 9.");

        far_init(&far, "/nonexistent/far");
        check_fails(&far, DOORWARD_ERR_NO_BROKER, "No such file or directory");
        assert_int_equal(far.error.domain, DOORWARD_DOMAIN_TRANSPORT);
        far_stop(&far);
}

static void test_no_answer(void **state) {
        check_script_fails("time.sleep(60)\n", DOORWARD_ERR_TIMEOUT, "no answer from far in time");
        /* Nor is half of one. */
        check_script_fails("say('{\"parameters\":')\ntime.sleep(60)\n", DOORWARD_ERR_TIMEOUT,
                           "no answer from far in time");
        /* Or one that never gets to its end. */
        check_script_fails("while True: say('{'); time.sleep(0.01)\n", DOORWARD_ERR_TIMEOUT,
                           "no answer from far in time");
}

static void test_garbage(void **state) {
        check_script_fails("say('Welcome to\\n\\x1b[1mfar\\n')\ntime.sleep(60)\n",
                           DOORWARD_ERR_PROTOCOL,
                           "What came from far is no answer of doorward's: \"Welcome to "
                           "?[1mfar \"");
        check_script_fails("say('\\0')\ntime.sleep(60)\n", DOORWARD_ERR_PROTOCOL, "no answer");
        check_script_fails("say('[]\\0')\ntime.sleep(60)\n", DOORWARD_ERR_PROTOCOL, "no answer");
        check_script_fails("say('{}}\\0')\ntime.sleep(60)\n", DOORWARD_ERR_PROTOCOL, "no answer");
        check_script_fails("say('{' * 1000 + '\\0')\ntime.sleep(60)\n", DOORWARD_ERR_PROTOCOL,
                           "no answer");
        check_script_fails("say('{\"parameters\":{},\"parameters\":{}}\\0')\ntime.sleep(60)\n",
                           DOORWARD_ERR_PROTOCOL, "no answer");
        /* It says what it was told. */
        check_script_fails("say('{\"method\":\"org.doorward.Relay.Open\"}\\0')\ntime.sleep(60)\n",
                           DOORWARD_ERR_PROTOCOL, "no answer");
        check_script_fails("say('{\"parameters\":{\"x\":\"' + 'x' * 10000000 + '\"}}\\0')\n",
                           DOORWARD_ERR_PROTOCOL, "is too long");
}

#define BAD(reply) \
        check_script_fails("reply('" reply "')\ncall()\n", DOORWARD_ERR_PROTOCOL, "far: w")
#define BAD_CONNECTED(access, rest)                                                                \
        check_script_fails("connected('" access "', '" rest "')\ncall()\n", DOORWARD_ERR_PROTOCOL, \
                           "far: ")

static void test_wrong_types(void **state) {
        BAD("{}");
        BAD("{\"state\":7}");
        BAD("{\"state\":\"upgraded\"}");
        BAD("{\"state\":\"prompt\"}");
        BAD("{\"state\":\"connected\"}");
        BAD("{\"state\":\"connected\",\"access\":\"full\",\"kind\":\"stream\",\"mode\":\"x\"}");
        BAD("{\"state\":\"connected\",\"access\":\"full\",\"kind\":\"tap\",\"mode\":\"none\"}");
        BAD_CONNECTED("full", ",\"expires\":\"never\"");
        BAD_CONNECTED("full", ",\"expires\":-1");
        BAD_CONNECTED("full", ",\"kept\":1");
        /* What was not asked for. */
        BAD_CONNECTED("read_only", "");
        check_script_fails("say('{\"parameters\":{\"state\":\"connected\"},\"continues\":true}"
                           "\\0')\ncall()\n",
                           DOORWARD_ERR_PROTOCOL, "cannot be read");
        /* Definitions of this machine say what is put into an environment, and nothing else. */
        check_script_fails("say('{\"parameters\":{\"state\":\"prompt\"},\"Environment\":{"
                           "\"LD_PRELOAD\":\"/x\"}}\\0')\ncall()\n",
                           DOORWARD_ERR_PROTOCOL, "no answer");
}

/* An environment in a reply is nothing that anybody reads. */
static void test_environment(void **state) {
        Far far;

        far_script(&far, "connected('full', ',\"environment\":{\"LD_PRELOAD\":\"/x\"},"
                         "\"Environment\":\"PATH=/x\"')\ncall()\n");
        check_opens(&far);
        assert_null(getenv("LD_PRELOAD"));
        far_stop(&far);
}

static void test_wrong_prompts(void **state) {
        static const char *const prompts[] = {
                "7",
                "[]",
                "{}",
                "[7]",
                "[{}]",
                "[{\"kind\":\"secret\",\"text\":\"x\",\"choices\":[]}]",
                "[{\"kind\":\"info\",\"text\":7,\"choices\":[]}]",
                "[{\"kind\":\"info\",\"choices\":[]}]",
                "[{\"kind\":\"name\",\"text\":\"x\",\"choices\":[7]}]",
                "[{\"kind\":\"name\",\"text\":\"x\",\"choices\":[\"\"]}]",
                "[{\"kind\":\"name\",\"text\":\"x\",\"choices\":\"bob\"}]",
        };

        for (size_t i = 0; i < ELEMENTSOF(prompts); i++) {
                char script[512];
                Far far;

                (void)snprintf(script, sizeof(script),
                               "reply('{\"state\":\"prompt\",\"prompts\":%s}')\ncall()\n",
                               prompts[i]);
                far_script(&far, script);
                far.spec.auth = &far.auth;
                check_fails(&far, DOORWARD_ERR_PROTOCOL, "far: what");
                assert_int_equal(far.n_asked, 0);
                far_stop(&far);
        }
}

static int ignore(doorward_credential *cred, unsigned n, void *userdata) {
        (*(unsigned *)userdata)++;
        return 0;
}

/* Not for ever. */
static void test_endless_prompts(void **state) {
        unsigned n = 0;
        Far far;

        far_script(&far, "while True: prompt('info', 'again'); call()\n");
        far.auth.cb = ignore;
        far.auth.cbdata = &n;
        far.spec.auth = &far.auth;
        check_fails(&far, DOORWARD_ERR_PROTOCOL, "far: what");
        assert_int_equal(n, RELAY_PROMPTS_MAX);
        far_stop(&far);
}

#define FAILED(parameters)                                                                      \
        "say('{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{" parameters "}}\\0')\n" \
        "call()\n"

static void test_errors(void **state) {
        Far far;

        far_script(&far, FAILED("\"class\":\"from-the-future\",\"domain\":\"moon\",\"errno\":5,"
                                "\"message\":\"\\\\u001b[2JNo.\\\\nYes.\",\"hint\":\"\\\\u0007\","
                                "\"requestId\":\"\\\\r\""));
        check_fails(&far, DOORWARD_ERR_PROTOCOL, "far: ?[2JNo. Yes.");
        assert_string_equal(far.error.hint, "far: ?");
        assert_string_equal(far.error.request_id, "?");
        far_stop(&far);

        check_script_fails(FAILED("\"class\":\"ok\",\"domain\":\"none\",\"errno\":0,"
                                  "\"message\":\"m\""),
                           DOORWARD_ERR_PROTOCOL, "far: m");
        check_script_fails(FAILED("\"class\":\"denied\",\"domain\":\"policy\",\"errno\":99999,"
                                  "\"message\":\"m\""),
                           DOORWARD_ERR_PROTOCOL, "cannot be read");
        check_script_fails(FAILED("\"class\":\"denied\""), DOORWARD_ERR_PROTOCOL, "cannot be read");
        check_script_fails("say('{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":"
                           "{\"method\":\"x\"}}\\0')\ncall()\n",
                           DOORWARD_ERR_UNSUPPORTED, "MethodNotFound");
}

/* Descriptors do not come through: there are pipes in between. */
static void test_descriptors(void **state) {
        Far far;

        far_script(&far, "import array, socket\ntry:\n    s = socket.socket(fileno=os.dup(1))\n"
                         "    s.sendmsg([b'{'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, "
                         "array.array('i', [0]))])\nexcept OSError:\n    pass\nconnected()\n"
                         "call()\n");
        check_opens(&far);
        far_stop(&far);
}

/* What stays on this machine. */
static void test_unsupported(void **state) {
        Far far;

        far_init(&far, "/nonexistent/far");
        far.spec.hold = true;
        check_fails(&far, DOORWARD_ERR_UNSUPPORTED, "cannot be held");
        far.spec.hold = false;
        far.spec.detached = true;
        check_fails(&far, DOORWARD_ERR_UNSUPPORTED, "cannot be detached");
        far_stop(&far);
}

/* A child of the host program has copies, which keep nothing and end nothing. */
static void test_fork(void **state) {
        Far far;
        pid_t child, pid;
        int status;

        far_script(&far, "connected()\nsay(f'{os.getpid()}\\n')\ncall()\nsay('back')\n"
                         "time.sleep(60)\n");
        check_opens(&far);
        pid = expect_pid(&far);

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)doorward_close(far.conn);
                _exit(doorward_get_last_error_code());
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(send(far.conn->fd, "x", 2, MSG_NOSIGNAL), 2);
        expect(&far, "back");

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)sleep(5);
                _exit(0);
        }
        assert_int_equal(doorward_close(far.conn), 0);
        far.conn = NULL;
        for (int i = 0; i < SOON_MS / 10; i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
                if (access(path, F_OK) < 0)
                        break;
                (void)usleep(10000);
                assert_int_not_equal(i, SOON_MS / 10 - 1);
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        far_stop(&far);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_relay),
                cmocka_unit_test(test_host_info),
                cmocka_unit_test(test_bad_host_info),
                cmocka_unit_test(test_broker),
                cmocka_unit_test(test_hostile_capabilities),
                cmocka_unit_test(test_hostile_broker_info),
                cmocka_unit_test(test_close),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_revoked),
                cmocka_unit_test(test_transport_lost),
                cmocka_unit_test(test_news),
                cmocka_unit_test(test_bytes_with_the_reply),
                cmocka_unit_test(test_prompts),
                cmocka_unit_test(test_several_prompts),
                cmocka_unit_test(test_hostile_prompts),
                cmocka_unit_test(test_cancelled),
                cmocka_unit_test(test_no_prompts),
                cmocka_unit_test(test_answer_that_is_not_utf8),
                cmocka_unit_test(test_longest_answer),
                cmocka_unit_test(test_gone_while_asking),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_end_hints),
                cmocka_unit_test(test_ended),
                cmocka_unit_test(test_no_answer),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_wrong_types),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_wrong_prompts),
                cmocka_unit_test(test_endless_prompts),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_unsupported),
                cmocka_unit_test(test_fork),
        };

        /* Orphans are not ours, even where whoever started this takes in some. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
