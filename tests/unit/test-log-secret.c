/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything is logged, people are asked, and what they answer is nowhere in it: not in the log and
 * not on standard error.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/doorward.h"
#include "tests/support/fake-broker.h"

#define PASSWORD "sesame-Qx7"
#define IN_URI "hunter2-Zw9"
#define NONCE "nonce-Jk3"

#define GRANTED                                                                             \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"read_only\"," \
        "\"mode\":\"tracked\",\"lease\":\"l\",\"requestId\":\"r\"},\"continues\":true}"

static char path[] = "/tmp/doorward-secret-XXXXXX";

/* Proof of identity, a conversation, a grant. */
static void script_converse(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, "{\"error\":\"org.doorward.Broker.IdentityProofRequired\",\"parameters\":"
                     "{\"nonce\":\"" NONCE "\"}}");
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b,
                                     "{\"parameters\":{\"state\":\"conversation\","
                                     "\"conversation\":0,\"requestId\":\"r\"},\"continues\":true}",
                                     "Password: ");
        fake_end_conversation_consume_fd(b, fd, PASSWORD);
        fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        fake_send_fds(b, GRANTED, &fd, 1);
        fake_expect_hang_up(b);
}

static int answer(doorward_credential *cred, unsigned ncred, void *cbdata) {
        cred->result = strdup(PASSWORD);
        assert_non_null(cred->result);
        cred->resultlen = (unsigned)strlen(PASSWORD);
        return 0;
}

static void open_and_close(void) {
        static const int types[] = {DOORWARD_CRED_PASSPHRASE};
        const doorward_auth auth = {types, 1, answer, NULL};
        FakeBroker *broker = fake_broker_start(script_converse, NULL);
        doorward_conn *conn;

        conn = doorward_open_auth("doorward://bob@/docker", &auth, DOORWARD_RO);
        assert_non_null(conn);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
        assert_null(doorward_open("doorward://bob:" IN_URI "@/docker"));
}

static void test_secrets(void **state) {
        static const char *const secrets[] = {PASSWORD, IN_URI, NONCE};
        static const char *const lines[] = {
                " debug uri: Opening doorward://bob@/docker?access=read-only",
                " debug opening: docker: connect, then call",
                " debug wire: Calling org.doorward.Broker.Open at ",
                " debug wire: Calling org.doorward.Broker.Open, with the proof of who asks",
                " info conversation: PAM has something to ask for docker",
                " info auth: The program is asked, for a credential of type 5",
                " debug conversation: Prompt 1 was answered",
                " debug wire: An answer with a descriptor; the call goes on, request r",
                " info conn: Opened doorward://bob@/docker?access=read-only",
                " debug lease: Lease l is given back",
                " error error: "};
        static char log[1 << 16];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        open_and_close();

        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        n = read(fd, log, sizeof(log) - 1);
        assert_true(n > 0 && (size_t)n < sizeof(log) - 1);

        /* It is the log of all that. */
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (!strstr(log, lines[i]))
                        fail_msg("no \"%s\" in: %s", lines[i], log);
        for (size_t i = 0; i < ELEMENTSOF(secrets); i++)
                assert_null(strstr(log, secrets[i]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_secrets),
        };
        char outputs[64];
        int fd, r;

        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
                return EXIT_FAILURE;
        close_fd(fd);
        (void)snprintf(outputs, sizeof(outputs), "debug:file:%s", path);
        (void)setenv("DOORWARD_DEBUG", "debug", 1);
        (void)setenv("DOORWARD_LOG_OUTPUTS", outputs, 1);
        (void)unsetenv("DOORWARD_LOG_FILTERS");

        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void)unlink(path);
        return r;
}
