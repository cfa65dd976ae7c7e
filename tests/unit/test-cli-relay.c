/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "common/relay-interface.h"
#include "tests/support/fake-broker.h"

/* The command as ssh runs it: with pipes, in a process of its own. */

#define DEADLINE_S 30
#define TIMEOUT_MS 10000

#define RELAY(method, parameters, rest) \
        "{\"method\":\"org.doorward.Relay." method "\",\"parameters\":{" parameters "}" rest "}"
#define UPGRADE ",\"upgrade\":true"
#define NEAR_OPEN(rest) RELAY("Open", "\"endpoint\":\"docker\",\"access\":\"full\"" rest, UPGRADE)
#define NEAR_ANSWER(answers) RELAY("Continue", "\"answers\":[" answers "]", UPGRADE)
#define CALL(rest)                                                                          \
        "{\"method\":\"org.doorward.Broker.Open\",\"parameters\":{\"endpoint\":\"docker\"," \
        "\"access\":\"full\"" rest "},\"more\":true}"
#define INTERACTIVE ",\"allowInteractiveAuthentication\":true"
#define CONVERSATION                                                      \
        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0," \
        "\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT                                                                                   \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\":" \
        "\"revocable\",\"lease\":\"l1\",\"kept\":true,\"expires\":1700000000000000,\"action\":" \
        "\"a.b\",\"how\":\"implicit\",\"connectAs\":\"service\",\"requestId\":\"r1\"},"         \
        "\"continues\":true}"
#define CONNECTED                                                                               \
        "{\"parameters\":{\"state\":\"connected\",\"access\":\"full\",\"kind\":\"stream\","     \
        "\"mode\":\"revocable\",\"kept\":true,\"logout\":false,\"pam\":false,\"lease\":\"l1\"," \
        "\"requestId\":"                                                                        \
        "\"r1\",\"action\":\"a.b\",\"how\":\"implicit\",\"connectAs\":\"service\",\"expires\":" \
        "1700000000000000}}"
#define PROMPT(kind, text, choices)                                            \
        "{\"parameters\":{\"state\":\"prompt\",\"prompts\":[{\"kind\":\"" kind \
        "\",\"text\":\"" text "\",\"choices\":[" choices "]}]}}"
#define ENDED                                                                        \
        "{\"parameters\":{\"state\":\"ended\",\"reason\":\"revoked\",\"requestId\":" \
        "\"r1\"}}"

typedef struct Relay {
        FakeBroker *broker;
        int in;  /* to its standard input */
        int out; /* from the others */
        int err;
        pid_t pid;
} Relay;

static _noreturn_ void relay_main(const int streams[3][2]) {
        Output output = {};
        Options options = {.fd = -EBADF, .output = &output};
        static const int mine[] = {0, 1, 1};

        (void)alarm(DEADLINE_S);
        for (int i = 0; i < 3; i++)
                if (dup2(streams[i][mine[i]], i) < 0 || close(streams[i][mine[i]]) < 0)
                        _exit(99);
        _exit(command_relay(&options, NULL, 0));
}

static void start(Relay *relay, FakeScript script, const void *data) {
        int streams[3][2];

        relay->broker = fake_broker_listen(script, data);
        for (int i = 0; i < 3; i++)
                assert_int_equal(pipe2(streams[i], O_CLOEXEC), 0);

        (void)fflush(NULL);
        relay->pid = fork();
        assert_true(relay->pid >= 0);
        if (relay->pid == 0) {
                close_fd(streams[0][1]);
                close_fd(streams[1][0]);
                close_fd(streams[2][0]);
                close_fd(relay->broker->listener);
                relay_main(streams);
        }
        close_fd(streams[0][0]);
        close_fd(streams[1][1]);
        close_fd(streams[2][1]);
        relay->in = streams[0][1];
        relay->out = streams[1][0];
        relay->err = streams[2][0];
        fake_broker_go(relay->broker);
}

static void say(Relay *relay, const char *text) {
        assert_int_equal(write(relay->in, text, strlen(text)), strlen(text));
}

static void call(Relay *relay, const char *json) {
        assert_int_equal(write(relay->in, json, strlen(json) + 1), strlen(json) + 1);
}

/* One byte, or false at the end. */
static bool next(int fd, char *ret) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
        return read(fd, ret, 1) == 1;
}

static void expect(Relay *relay, const char *json) {
        char buf[8192];
        size_t n = 0;

        do {
                assert_true(n < sizeof(buf));
                if (!next(relay->out, &buf[n]))
                        fail_msg("it ended, and was to say %s", json);
        } while (buf[n++]);
        assert_string_equal(buf, json);
}

static void expect_bytes(int fd, const char *text) {
        for (; *text; text++) {
                char c;

                assert_true(next(fd, &c));
                assert_int_equal(c, *text);
        }
}

static void expect_end(int fd) {
        char c;

        assert_false(next(fd, &c));
}

/* All that it still says there. */
static void drain(int fd, char *buf, size_t size) {
        size_t n = 0;

        while (n < size - 1 && next(fd, &buf[n]))
                n++;
        buf[n] = 0;
}

static int finish(Relay *relay) {
        int status;

        assert_int_equal(waitpid(relay->pid, &status, 0), relay->pid);
        relay->in = close_fd(relay->in);
        relay->out = close_fd(relay->out);
        relay->err = close_fd(relay->err);
        fake_broker_stop(relay->broker);
        if (!WIFEXITED(status))
                fail_msg("it ended by signal %d", WTERMSIG(status));
        return WEXITSTATUS(status);
}

/* Both ways, and the end of the near end's. */
static void script_service(FakeBroker *b) {
        char buf[8] = "";
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(""));
        fd = fake_send_socket(b, GRANT);
        if (send(fd, "welcome", 7, MSG_NOSIGNAL) != 7 || recv(fd, buf, 5, MSG_WAITALL) != 5 ||
            !streq(buf, "hello") || recv(fd, buf, 1, 0) != 0)
                fake_fail(b, "the endpoint was not told hello");
        /* The other way is open still. */
        if (send(fd, "bye", 3, MSG_NOSIGNAL) != 3)
                fake_fail(b, "nothing could be said any more");
        close_fd(fd);
        fake_expect_hang_up(b);
}

static void test_connected(void **state) {
        Relay relay;

        start(&relay, script_service, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay, CONNECTED);
        expect_bytes(relay.out, "welcome");
        say(&relay, "hello");
        relay.in = close_fd(relay.in);
        expect_bytes(relay.out, "bye");
        expect_end(relay.out);
        expect_end(relay.err);
        assert_int_equal(finish(&relay), 0);
}

/* The service has said all that it will, and still listens. */
static void script_half(FakeBroker *b) {
        char buf[8] = "";
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(""));
        fd = fake_send_socket(b, GRANT);
        (void)shutdown(fd, SHUT_WR);
        if (recv(fd, buf, 5, MSG_WAITALL) != 5 || !streq(buf, "hello") || recv(fd, buf, 1, 0) != 0)
                fake_fail(b, "the endpoint was not told hello");
        close_fd(fd);
        fake_expect_hang_up(b);
}

static void test_half_close(void **state) {
        Relay relay;

        start(&relay, script_half, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay, CONNECTED);
        expect_end(relay.out);
        say(&relay, "hello");
        relay.in = close_fd(relay.in);
        expect_end(relay.err);
        assert_int_equal(finish(&relay), 0);
}

/* As the broker does it: it cuts, and then says why. */
static void script_revoked(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(""));
        fd = fake_send_socket(b, GRANT);
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
                fake_fail(b, "it is cut already");
        (void)shutdown(fd, SHUT_RDWR);
        fake_send(b, ENDED);
        fake_expect_hang_up(b);
        close_fd(fd);
}

static void test_news_of_the_end(void **state) {
        Relay relay;

        start(&relay, script_revoked, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay, CONNECTED);
        expect_bytes(relay.out, "x");
        expect_end(relay.out);
        expect_bytes(relay.err, "{\"ended\":\"revoked\"}\n");
        expect_end(relay.err);
        assert_int_equal(finish(&relay), 0);
}

static void script_broker_gone(FakeBroker *b) {
        char buf[8] = "";
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(""));
        fd = fake_send_socket(b, GRANT);
        fake_close(b);
        if (recv(fd, buf, 5, MSG_WAITALL) != 5 || !streq(buf, "hello"))
                fake_fail(b, "the endpoint was not told hello");
        close_fd(fd);
}

/* That the broker is gone is told, once; it cuts nothing, and neither does this. */
static void test_broker_gone(void **state) {
        Relay relay;

        start(&relay, script_broker_gone, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay, CONNECTED);
        expect_bytes(relay.err, "{\"ended\":null}\n");
        say(&relay, "hello");
        expect_end(relay.out);
        expect_end(relay.err);
        assert_int_equal(finish(&relay), 0);
}

/* A service that takes nothing, for as long as the client stays. */
static void script_deaf(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(""));
        fd = fake_send_socket(b, GRANT);
        fake_expect_hang_up(b);
        close_fd(fd);
}

/* What is on its way to a service that does not take it keeps no lease. */
static void test_near_end_gone(void **state) {
        static const char much[1U << 16];
        Relay relay;

        start(&relay, script_deaf, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay, CONNECTED);
        assert_int_equal(fcntl(relay.in, F_SETFL, O_NONBLOCK), 0);
        for (struct pollfd p = {.fd = relay.in, .events = POLLOUT}; poll(&p, 1, 300) == 1;)
                assert_true(write(relay.in, much, sizeof(much)) > 0);
        relay.in = close_fd(relay.in);
        relay.out = close_fd(relay.out);
        relay.err = close_fd(relay.err);
        assert_int_equal(finish(&relay), 0);
}

/* Nor does an open that waits for an answer. */
static void script_conversation_left(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(INTERACTIVE));
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_end_conversation_consume_fd(b, fd, NULL);
        fake_expect_hang_up(b);
}

static void test_near_end_gone_while_it_is_asked(void **state) {
        Relay relay;

        start(&relay, script_conversation_left, NULL);
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        relay.in = close_fd(relay.in);
        expect_end(relay.out);
        assert_int_equal(finish(&relay), 0);
}

/* Nor one that waits for somebody else, who may be asked for minutes. */
static void script_silent(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, CALL(INTERACTIVE));
        *(bool *)b->data = true;
        fake_expect_hang_up(b);
}

static void test_near_end_gone_while_others_are_asked(void **state) {
        bool asked = false;
        Relay relay;

        start(&relay, script_silent, &asked);
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        while (!__atomic_load_n(&asked, __ATOMIC_ACQUIRE))
                (void)usleep(10000);
        relay.in = close_fd(relay.in);
        expect_end(relay.out);
        assert_int_equal(finish(&relay), 0);
}

/* Prompts. */

static void script_password(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, CALL(INTERACTIVE));
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_end_conversation_consume_fd(b, fd, b->data);
        if (!b->data) {
                fake_expect_hang_up(b);
                return;
        }
        fd = fake_send_socket(b, GRANT);
        fake_expect_hang_up(b);
        close_fd(fd);
}

static void test_password(void **state) {
        Relay relay;

        start(&relay, script_password, "secret");
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        call(&relay, NEAR_ANSWER("\"secret\""));
        expect(&relay, CONNECTED);
        relay.out = close_fd(relay.out);
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

#define REFUSED(parameter)                                                                   \
        "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":" \
        "\"" parameter "\"}}"
#define OUT_OF_TURN "{\"error\":\"org.doorward.Relay.OutOfTurn\",\"parameters\":{}}"
#define EXPECTED_UPGRADE "{\"error\":\"org.doorward.Relay.ExpectedUpgrade\",\"parameters\":{}}"

/* What is no answer is none, and the prompt stays. */
static void test_bad_answers(void **state) {
        Relay relay;

        start(&relay, script_password, "right");
        call(&relay, RELAY("Continue", "", UPGRADE));
        expect(&relay, OUT_OF_TURN);
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, OUT_OF_TURN);
        call(&relay, RELAY("GetHostInfo", "", ""));
        expect(&relay, OUT_OF_TURN);
        call(&relay, RELAY("Continue", "\"answers\":[\"right\"]", ""));
        expect(&relay, EXPECTED_UPGRADE);
        call(&relay, RELAY("Continue", "", UPGRADE));
        expect(&relay, REFUSED("answers"));
        call(&relay, NEAR_ANSWER(""));
        expect(&relay, REFUSED("answers"));
        call(&relay, NEAR_ANSWER("\"right\",\"left\""));
        expect(&relay, REFUSED("answers"));
        call(&relay, NEAR_ANSWER("7"));
        expect(&relay, REFUSED("answers"));
        call(&relay, NEAR_ANSWER("\"right\""));
        expect(&relay, CONNECTED);
        relay.out = close_fd(relay.out);
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* A NUL is nothing that the JSON of here can hold. */
static void test_nul_in_answer(void **state) {
        Relay relay;

        start(&relay, script_password, NULL);
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        call(&relay, NEAR_ANSWER("\"right\\u0000\""));
        expect_end(relay.out);
        assert_int_equal(finish(&relay), 87);
}

static void test_long_answer(void **state) {
        char much[1024];
        Relay relay;

        start(&relay, script_password, "right");
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        (void)snprintf(much, sizeof(much), NEAR_ANSWER("\"%0512d\""), 0);
        call(&relay, much);
        expect(&relay, REFUSED("answers"));
        call(&relay, NEAR_ANSWER("\"right\""));
        expect(&relay, CONNECTED);
        relay.out = close_fd(relay.out);
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

static void test_cancel(void **state) {
        Relay relay;

        start(&relay, script_password, NULL);
        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        call(&relay, RELAY("Continue", "\"cancel\":true", UPGRADE));
        expect(&relay, "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":"
                       "\"auth-cancelled\",\"domain\":\"auth\",\"errno\":125,\"message\":"
                       "\"Authentication was cancelled by who was asked.\",\"hint\":"
                       "\"Try again to be asked again.\",\"endpoint\":\"docker\","
                       "\"requestId\":\"r1\"}}");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* Looks through all that the process has written to. */
static bool memory_has(pid_t pid, const char *text) {
        char path[64], line[512];
        bool found = false;
        FILE *maps;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
        maps = fopen(path, "re");
        if (fd < 0 || !maps)
                skip();

        while (!found && fgets(line, sizeof(line), maps)) {
                uint64_t start_at, end_at;
                char mode[8];
                char *copy;
                ssize_t n;

                /* Sanitizers reserve terabytes. */
                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start_at, &end_at, mode) != 3 ||
                    mode[1] != 'w' || end_at - start_at > (64U << 20))
                        continue;
                copy = malloc(end_at - start_at);
                assert_non_null(copy);
                n = pread(fd, copy, end_at - start_at, (off_t)start_at);
                found = n > 0 && memmem(copy, (size_t)n, text, strlen(text));
                free(copy);
        }

        (void)fclose(maps);
        close_fd(fd);
        return found;
}

/* Of what was typed nothing is left in the process. */
static void test_answers_are_erased(void **state) {
        char secret[33] = "", message[256];
        uint8_t random[16];
        Relay relay;

        start(&relay, script_password, secret);
        /* It is a copy of this process, which did not know yet. */
        assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
        for (size_t i = 0; i < sizeof(random); i++)
                (void)snprintf(secret + 2 * i, 3, "%02x", random[i]);

        call(&relay, NEAR_OPEN(",\"interactive\":true"));
        expect(&relay, PROMPT("echo_off", "Password: ", ""));
        (void)snprintf(message, sizeof(message), NEAR_ANSWER("\"%s\""), secret);
        /* That it would be found: half of it is there before the rest. */
        assert_int_equal(write(relay.in, message, strlen(message)), strlen(message));
        for (int i = 0; i < 100 && !memory_has(relay.pid, secret); i++)
                (void)usleep(10000);
        assert_true(memory_has(relay.pid, secret));
        assert_int_equal(write(relay.in, "", 1), 1);
        expect(&relay, CONNECTED);
        assert_false(memory_has(relay.pid, secret));

        relay.out = close_fd(relay.out);
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* Errors. */

static void script_refusals(FakeBroker *b) {
        static const char *const errors[] = {
                "{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{\"action\":"
                "\"org.doorward.endpoint.docker.full\",\"hint\":\"Ask.\",\"requestId\":\"r7\"}}",
                "{\"error\":\"org.doorward.Broker.EndpointUnavailable\",\"parameters\":{"
                "\"endpoint\":\"docker\",\"errno\":111,\"reason\":null,\"hint\":null,"
                "\"requestId\":\"r8\"}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                fake_accept(b);
                fake_expect(b, CALL(""));
                fake_send(b, errors[i]);
                fake_expect_hang_up(b);
        }
}

static void test_refusals(void **state) {
        Relay relay;

        start(&relay, script_refusals, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":\"denied\","
               "\"domain\":\"policy\",\"errno\":13,\"message\":\"Policy does not allow you full "
               "access to docker.\",\"hint\":\"Ask.\",\"endpoint\":\"docker\",\"action\":"
               "\"org.doorward.endpoint.docker.full\",\"requestId\":\"r7\"}}");
        call(&relay, NEAR_OPEN(""));
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":"
               "\"endpoint-down\",\"domain\":\"endpoint\",\"errno\":111,\"message\":\"docker could "
               "not be opened: Connection refused.\",\"endpoint\":\"docker\",\"requestId\":\"r8\"}"
               "}");
        /* These are not for the broker to see. */
        call(&relay, RELAY("Open", "\"endpoint\":\"docker\",\"access\":\"full\"", ""));
        expect(&relay, EXPECTED_UPGRADE);
        call(&relay, RELAY("Open", "\"endpoint\":\"/etc/passwd\",\"access\":\"full\"", UPGRADE));
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":\"bad-uri\","
               "\"domain\":\"library\",\"errno\":22,\"message\":\"That cannot be the name of an "
               "endpoint: /etc/passwd.\"}}");
        call(&relay,
             RELAY("Open", "\"endpoint\":\"x\",\"access\":\"full\",\"user\":\"-x\"", UPGRADE));
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":\"bad-uri\","
               "\"domain\":\"library\",\"errno\":22,\"message\":\"That cannot be the name of a "
               "user: -x.\"}}");
        call(&relay, RELAY("Open", "\"endpoint\":\"docker\",\"access\":\"all\"", UPGRADE));
        expect(&relay, REFUSED("access"));
        call(&relay, RELAY("Open", "\"access\":\"full\"", UPGRADE));
        expect(&relay, REFUSED("endpoint"));
        call(&relay, RELAY("Close", "", ""));
        expect(&relay, "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{"
                       "\"method\":\"org.doorward.Relay.Close\"}}");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* What keeps the boundaries of messages. */
static void script_seqpacket(FakeBroker *b) {
        int ends[2];

        fake_accept(b);
        fake_expect(b, CALL(""));
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                fake_fail(b, "socketpair: %s", strerror(errno));
        fake_send_fds(b, GRANT, &ends[0], 1);
        fake_expect_hang_up(b);
        close_fd(ends[1]);
}

static void test_seqpacket(void **state) {
        Relay relay;

        start(&relay, script_seqpacket, NULL);
        call(&relay, NEAR_OPEN(""));
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":\"unsupported\","
               "\"domain\":\"endpoint\",\"errno\":124,\"message\":\"docker keeps the boundaries of "
               "messages, and what carries it to another machine does not.\",\"hint\":\"Use it on "
               "the machine itself.\",\"endpoint\":\"docker\",\"requestId\":\"r1\"}}");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* Where it would belong, nobody knows. */
static void test_bytes_before_connected(void **state) {
        Relay relay;

        start(&relay, script_deaf, NULL);
        assert_int_equal(write(relay.in, NEAR_OPEN("") "\0data", strlen(NEAR_OPEN("")) + 5),
                         strlen(NEAR_OPEN("")) + 5);
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":\"protocol\","
               "\"domain\":\"library\",\"errno\":71,\"message\":\"Something was sent before the "
               "endpoint was open.\"}}");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 87);
}

/* Calls that are passed on. */

static void script_passed_on(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":{"
                       "\"decisions\":true},\"more\":true}");
        fake_send(b, "{\"parameters\":{\"endpoint\":{\"name\":\"a\"},\"requestId\":\"r1\"},"
                     "\"continues\":true}");
        fake_send(b, "{\"parameters\":{\"endpoint\":{\"name\":\"b\"},\"requestId\":\"r1\"}}");
        fake_expect_hang_up(b);

        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":{}}");
        fake_send(b, "{\"parameters\":{\"requestId\":\"r1\"}}");
        fake_expect_hang_up(b);

        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.Explain\",\"parameters\":{"
                       "\"endpoint\":\"docker\",\"access\":\"read_only\"}}");
        fake_send(b, "{\"parameters\":{\"uid\":1000,\"requestId\":\"r1\"}}");
        fake_expect_hang_up(b);

        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.Explain\",\"parameters\":{"
                       "\"endpoint\":\"x\",\"access\":\"full\"}}");
        fake_send(b, "{\"error\":\"org.doorward.Broker.EndpointNotFound\",\"parameters\":{"
                     "\"endpoint\":\"x\",\"hint\":\"Is it y?\",\"requestId\":\"r2\"}}");
        fake_expect_hang_up(b);

        fake_accept(b);
        fake_expect(b, "{\"method\":\"org.doorward.Broker.GetBrokerInfo\",\"parameters\":{}}");
        fake_send(b, "{\"parameters\":{\"version\":\"1.2.3\"}}");
        fake_expect_hang_up(b);
}

static void test_passed_on(void **state) {
        Relay relay;

        start(&relay, script_passed_on, NULL);
        call(&relay, RELAY("ListEndpoints", "\"decisions\":true", ",\"more\":true"));
        expect(&relay, "{\"parameters\":{\"endpoint\":{\"name\":\"a\"}},\"continues\":true}");
        expect(&relay, "{\"parameters\":{\"endpoint\":{\"name\":\"b\"}}}");
        call(&relay, "{\"method\":\"org.doorward.Relay.ListEndpoints\"}");
        expect(&relay, "{\"parameters\":{}}");
        call(&relay, RELAY("Explain", "\"endpoint\":\"docker\",\"access\":\"read_only\"", ""));
        expect(&relay, "{\"parameters\":{\"explanation\":{\"uid\":1000,\"requestId\":\"r1\"}}}");
        call(&relay, RELAY("Explain", "\"endpoint\":\"x\",\"access\":\"full\"", ""));
        expect(&relay, "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":"
                       "\"no-endpoint\",\"domain\":\"endpoint\",\"errno\":2,\"message\":\"There is "
                       "no endpoint called x.\",\"hint\":\"Is it y?\",\"endpoint\":\"x\","
                       "\"requestId\":\"r2\"}}");
        call(&relay, "{\"method\":\"org.doorward.Relay.GetBrokerInfo\"}");
        expect(&relay, "{\"parameters\":{\"info\":{\"version\":\"1.2.3\"}}}");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* What does not fit into one reply is said to be too much; the relay goes on. */
static void script_capabilities(FakeBroker *b) {
        static char text[512];

        for (unsigned n = 1; n <= 200; n += 199) {
                fake_accept(b);
                fake_expect(b, "{\"method\":\"org.doorward.Broker.GetBrokerInfo\","
                               "\"parameters\":{}}");
                fake_send(b, "{\"parameters\":{\"version\":\"1.2.3\",\"protocol\":1,"
                             "\"identityProof\":false,\"features\":[]}}");
                fake_expect(b, "{\"method\":\"org.doorward.Broker.ListEndpoints\",\"parameters\":"
                               "{\"decisions\":true},\"more\":true}");
                for (unsigned i = 1; i <= n; i++) {
                        (void)snprintf(text, sizeof(text),
                                       "{\"parameters\":{\"endpoint\":{\"name\":\"%0350u\"}}%s}", i,
                                       i < n ? ",\"continues\":true" : "");
                        fake_send(b, text);
                }
                fake_expect_hang_up(b);
        }
}

static void test_capabilities(void **state) {
        Relay relay;
        char c;

        start(&relay, script_capabilities, NULL);
        call(&relay, "{\"method\":\"org.doorward.Relay.GetCapabilities\"}");
        expect_bytes(relay.out, "{\"parameters\":{\"capabilities\":{\"host\":{\"hostname\":\"");
        while (next(relay.out, &c) && c)
                ;
        call(&relay, "{\"method\":\"org.doorward.Relay.GetCapabilities\"}");
        expect(&relay,
               "{\"error\":\"org.doorward.Relay.Failed\",\"parameters\":{\"class\":\"limit\","
               "\"domain\":\"transport\",\"errno\":90,\"message\":\"There are too many "
               "endpoints to say all that there is in one answer.\",\"hint\":\"Use "
               "'doorward capabilities' on the machine itself.\"}}");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* What machine it is, whatever that is. */
static void test_host_info(void **state) {
        Relay relay;
        char c;

        start(&relay, NULL, NULL);
        call(&relay, "{\"method\":\"org.doorward.Relay.GetHostInfo\"}");
        expect_bytes(relay.out, "{\"parameters\":{\"info\":{\"hostname\":\"");
        while (next(relay.out, &c) && c)
                ;
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

static void test_service(void **state) {
        Relay relay;
        char c;

        start(&relay, NULL, NULL);
        call(&relay, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                     "{\"interface\":\"org.doorward.Broker\"}}");
        expect(&relay, "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
                       "\"interface\":\"org.doorward.Broker\"}}");
        call(&relay, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                     "{\"interface\":\"org.doorward.Relay\"}}");
        expect_bytes(relay.out, "{\"parameters\":{\"description\":\"# The far end");
        while (next(relay.out, &c) && c)
                ;
        call(&relay, "{\"method\":\"org.varlink.service.GetInfo\"}");
        expect_bytes(relay.out, "{\"parameters\":{\"vendor\":\"doorward\"");
        relay.in = close_fd(relay.in);
        assert_int_equal(finish(&relay), 0);
}

/* Garbage: a sentence on standard error, nothing on standard output, and the end. */
static void check_garbage(const void *data, size_t n, const char *said) {
        char err[1024];
        Relay relay;

        start(&relay, NULL, NULL);
        assert_int_equal(write(relay.in, data, n), n);
        relay.in = close_fd(relay.in);
        drain(relay.err, err, sizeof(err));
        expect_end(relay.out);
        assert_non_null(strstr(err, said));
        assert_null(strstr(err, "secret"));
        assert_int_equal(finish(&relay), 87);
}

static void test_garbage(void **state) {
        static char much[RELAY_REQUEST_MAX];

        memset(much, ' ', sizeof(much));
        check_garbage("GET / HTTP/1.1\r\n\r\n", 18, "is no call");
        check_garbage("secret", 7, "is no call");
        check_garbage("", 1, "is no call");
        check_garbage("[]", 3, "is no call");
        check_garbage("{}", 3, "is no call");
        check_garbage("{}", 2, "is no call");
        check_garbage("{\"method\":7}", 13, "is no call");
        check_garbage("{\"method\":\"secret\",\"oneway\":true}", 34, "is no call");
        check_garbage("{\"method\":\"a\",\"method\":\"b\"}", 28, "is no call");
        check_garbage("{\"method\":\"a\",\"what\":\"b\"}", 26, "is no call");
        check_garbage(much, sizeof(much), "is too long");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connected),
                cmocka_unit_test(test_half_close),
                cmocka_unit_test(test_news_of_the_end),
                cmocka_unit_test(test_broker_gone),
                cmocka_unit_test(test_near_end_gone),
                cmocka_unit_test(test_near_end_gone_while_it_is_asked),
                cmocka_unit_test(test_near_end_gone_while_others_are_asked),
                cmocka_unit_test(test_password),
                cmocka_unit_test(test_bad_answers),
                cmocka_unit_test(test_nul_in_answer),
                cmocka_unit_test(test_long_answer),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_answers_are_erased),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_seqpacket),
                cmocka_unit_test(test_bytes_before_connected),
                cmocka_unit_test(test_passed_on),
                cmocka_unit_test(test_capabilities),
                cmocka_unit_test(test_host_info),
                cmocka_unit_test(test_service),
                cmocka_unit_test(test_garbage),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
