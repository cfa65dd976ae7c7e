/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An open that does not block, in each of its states, and whatever can happen there. Nothing waits
 * in it: poll(2) is looked at for that, and recvmsg(2) for whether something is looked for that
 * cannot be there yet. And no block of memory that the library frees holds an answer.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "client/channel.h"
#include "client/open.h"
#include "common/socket.h"
#include "tests/support/fake-agent.h"
#include "tests/support/fds.h"
#include "tests/support/wire-fixture.h"

#define SECRET "a secret that is nobody's business"
#define LATE_MS 700
#define SLOW_MS 50
#define MANY 100
#define WIRES_MAX 64

#define CONVERSATION                                                      \
        "{\"parameters\":{\"state\":\"conversation\",\"conversation\":0," \
        "\"requestId\":\"r1\"},\"continues\":true}"
#define GRANT                                                                                   \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"full\",\"mode\":" \
        "\"revocable\",\"lease\":\"l1\",\"requestId\":\"r1\"},\"continues\":true}"
#define ERROR(name)                                                                       \
        "{\"error\":\"org.doorward.Broker." name "\",\"parameters\":{\"action\":\"a.b\"," \
        "\"hint\":\"the broker's hint\",\"requestId\":\"r9\"}}"
#define NEEDED ERROR("InteractiveAuthenticationRequired")

/* What must not be. */
static _Thread_local bool may_not_wait;
static unsigned n_waits, n_secrets;
/* Of the thread that opens. */
static _Thread_local unsigned n_received, n_in_vain;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
void __real_free(void *p);
void __wrap_free(void *p);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
        if (may_not_wait && timeout_ms != 0)
                n_waits++;
        return __real_poll(fds, n, timeout_ms);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
        ssize_t n = __real_recvmsg(fd, message, flags);

        n_received += n > 0;
        n_in_vain += n < 0 && errno == EAGAIN;
        return n;
}

void __wrap_free(void *p) {
        if (p && memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET)))
                n_secrets++;
        __real_free(p);
}

/* The program. */

static const int types[] = {DOORWARD_CRED_PASSPHRASE, DOORWARD_CRED_INFO};
static unsigned n_asked, n_shown;
static int callback_result;
static doorward_opening *callback_frees, *callback_processes;

static int callback(doorward_credential *cred, unsigned ncred, void *cbdata) {
        if (cred->type == DOORWARD_CRED_INFO) {
                n_shown++;
                doorward_open_free(callback_frees);
                return callback_result;
        }

        n_asked++;
        if (callback_processes) {
                assert_int_equal(doorward_open_process(callback_processes), -1);
                assert_int_equal(doorward_get_last_error()->errnum, EBUSY);
                assert_int_equal(doorward_open_answer(callback_processes, NULL, 0), -1);
                assert_null(doorward_open_finish(callback_processes));
        }
        doorward_open_free(callback_frees);
        if (callback_result == 0)
                cred->result = strdup(SECRET);
        return callback_result;
}

static const doorward_auth auth = {types, ELEMENTSOF(types), callback, NULL};

static unsigned n_fds_before;

static int setup(void **state) {
        n_fds_before = fds_count();
        fake_agent_init();
        n_asked = n_shown = n_waits = n_secrets = 0;
        callback_result = DOORWARD_AUTH_LATER;
        callback_frees = callback_processes = NULL;
        return 0;
}

static int teardown(void **state) {
        doorward_reset_last_error();
        assert_int_equal(fake_agent.n_freed, fake_agent.start.code ? 0 : fake_agent.n_starts);
        fake_agent_deinit();
        assert_int_equal(n_waits, 0);
        assert_int_equal(n_secrets, 0);
        assert_int_equal(fds_count(), n_fds_before);
        return 0;
}

static doorward_opening *start_with(const char *uri, const doorward_auth *by, unsigned flags) {
        doorward_opening *opening;

        may_not_wait = true;
        opening = doorward_open_start(uri, by, flags);
        may_not_wait = false;
        if (!opening)
                fail_msg("%s", doorward_get_last_error_message());
        return opening;
}

static doorward_opening *start(void) {
        return start_with("docker", &auth, 0);
}

static int process(doorward_opening *opening) {
        int r;

        may_not_wait = true;
        r = doorward_open_process(opening);
        may_not_wait = false;
        assert_true(r >= 0);
        return r;
}

static int timeout_of(doorward_opening *opening) {
        struct timespec now;
        long long usec;
        int r;

        r = doorward_open_get_timeout(opening, &usec);
        if (r == 0) {
                assert_true(usec == INT64_MAX);
                return -1;
        }

        assert_int_equal(r, 1);
        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        usec -= now.tv_sec * 1000000LL + now.tv_nsec / 1000;
        return usec < 0 ? 0 : (int)((usec + 999) / 1000);
}

/* As a loop does: by the event descriptor and the time, and by nothing else. */
static void wait_for(doorward_opening *opening) {
        struct pollfd p = {.fd = doorward_open_get_event_fd(opening)};

        assert_true(p.fd > STDERR_FILENO);
        p.events = (short)doorward_open_get_events(opening);
        assert_true(p.events == 0 || p.events == POLLIN);
        assert_true(poll(&p, 1, timeout_of(opening)) >= 0);
}

static void run(doorward_opening *opening) {
        while (process(opening) > 0)
                wait_for(opening);
        assert_int_equal(process(opening), 0);
        assert_int_equal(timeout_of(opening), 0);
        assert_int_equal(doorward_open_get_events(opening), 0);
}

static void run_until_asked(doorward_opening *opening) {
        while (process(opening) > 0 && !doorward_open_is_asking(opening))
                wait_for(opening);
        assert_int_equal(doorward_open_is_asking(opening), 1);
}

static int answer_with(doorward_opening *opening, const char *text) {
        doorward_credential cred = {
                .type = DOORWARD_CRED_PASSPHRASE,
                .result = text ? strdup(text) : NULL,
                .resultlen = text ? (unsigned)strlen(text) : 0,
        };
        int r;

        may_not_wait = true;
        r = doorward_open_answer(opening, &cred, 1);
        may_not_wait = false;
        assert_null(cred.result);
        return r;
}

static void check_granted(doorward_opening *opening) {
        doorward_conn *conn = doorward_open_finish(opening);

        if (!conn)
                fail_msg("%s", doorward_get_last_error_message());
        assert_null(doorward_open_finish(opening));
        assert_int_equal(doorward_get_last_error()->errnum, EALREADY);
        doorward_open_free(opening);
        assert_int_equal(doorward_close(conn), 0);
}

static void check_failed(doorward_opening *opening, doorward_error_code code) {
        assert_null(doorward_open_finish(opening));
        if (doorward_get_last_error_code() != (int)code)
                fail_msg("%s: %s", doorward_error_code_to_string(doorward_get_last_error_code()),
                         doorward_get_last_error_message());
        doorward_open_free(opening);
}

/* The broker. */

static void grant(FakeBroker *b) {
        close_fd(fake_send_socket(b, GRANT));
}

/* Every state, and what can happen in it. */

typedef enum State {
        CALLING = 1,  /* the broker is silent */
        TALKING,      /* a conversation has begun, and nothing is asked yet */
        ASKING,       /* the program was asked, and does not answer */
        AGENT_BEGINS, /* it is not ready */
        AGENT_ASKS,   /* the broker waits for polkit, that for the agent */
        AGENT_LEAVES, /* the grant is there, and the agent still ends */
        FALLING_BACK, /* full access was refused */
        LISTING,      /* nothing was named */
} State;

typedef enum Event {
        FREE = 1,
        HANG_UP,
        GARBAGE,
        LATE,
} Event;

typedef struct Case {
        State state;
        Event event;
        doorward_error_code expected; /* 0: it is opened all the same */
} Case;

static bool reached; /* atomic */

static int begin_conversation(FakeBroker *b, bool asks) {
        int ends[2];

        if (asks)
                return fake_begin_conversation(b, CONVERSATION, "Password: ");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                fake_fail(b, "socketpair: %s", strerror(errno));
        fake_send_fds(b, CONVERSATION, &ends[0], 1);
        return ends[1];
}

static void script_again(FakeBroker *b, const char *refusal) {
        fake_send(b, refusal);
        fake_expect_hang_up(b);
        fake_accept(b);
        fake_expect(b, NULL);
}

static void script_state(FakeBroker *b) {
        const Case *c = b->data;
        int conversation = -EBADF;

        fake_accept(b);
        fake_expect(b, NULL);
        if (c->state == TALKING || c->state == ASKING)
                conversation = begin_conversation(b, c->state == ASKING);
        else if (c->state == AGENT_BEGINS)
                fake_send(b, NEEDED);
        else if (c->state == AGENT_ASKS || c->state == AGENT_LEAVES)
                script_again(b, NEEDED);
        else if (c->state == FALLING_BACK)
                script_again(b, ERROR("PermissionDenied"));
        if (c->state == AGENT_LEAVES)
                grant(b);

        __atomic_store_n(&reached, true, __ATOMIC_RELEASE);
        if (c->event == HANG_UP)
                fake_close(b);
        else if (c->event == GARBAGE)
                fake_send_bytes(b, "garbage", 8);
        else
                fake_expect_hang_up(b);
        close_fd(conversation);
}

static doorward_opening *start_case(const Case *c) {
        fake_agent.slow = c->state == AGENT_BEGINS;
        fake_agent.stubborn = c->state == AGENT_LEAVES;
        return c->state == FALLING_BACK ? start_with("docker", &auth, DOORWARD_FALLBACK_RO)
               : c->state == LISTING    ? start_with(NULL, &auth, 0)
                                        : start();
}

/* Whether it is where the case begins, as far as can be seen from without. */
static bool is_reached(const Case *c, doorward_opening *opening) {
        if (c->state == ASKING && !doorward_open_is_asking(opening))
                return false;
        if (c->state == AGENT_LEAVES && fake_agent.n_ended == 0)
                return false;
        return __atomic_load_n(&reached, __ATOMIC_ACQUIRE);
}

static void check_case(const Case *c) {
        FakeBroker *broker;
        doorward_opening *opening;

        print_message("state %d, event %d\n", c->state, c->event);
        reached = false;
        broker = fake_broker_start(script_state, c);
        opening = start_case(c);
        if (c->event == LATE)
                opening->spec.deadline = opening->listing.deadline = channel_deadline(LATE_MS);

        while (process(opening) > 0 && !is_reached(c, opening))
                /* What the script does on its way need not be anything to wait for. */
                poll(NULL, 0, 5);
        if (c->event == FREE) {
                doorward_open_free(opening);
                fake_broker_stop(broker);
                return;
        }

        if (c->state == AGENT_LEAVES)
                fake_agent_speak();
        run(opening);
        if (c->expected)
                check_failed(opening, c->expected);
        else
                check_granted(opening);
        fake_broker_stop(broker);
}

static void test_states(void **state) {
        static const Case cases[] = {
                {CALLING, FREE, 0},
                {CALLING, HANG_UP, DOORWARD_ERR_NO_BROKER},
                {CALLING, GARBAGE, DOORWARD_ERR_PROTOCOL},
                {CALLING, LATE, DOORWARD_ERR_TIMEOUT},
                {TALKING, FREE, 0},
                {TALKING, HANG_UP, DOORWARD_ERR_NO_BROKER},
                {TALKING, GARBAGE, DOORWARD_ERR_PROTOCOL},
                {TALKING, LATE, DOORWARD_ERR_TIMEOUT},
                {ASKING, FREE, 0},
                {ASKING, HANG_UP, DOORWARD_ERR_NO_BROKER},
                {ASKING, GARBAGE, DOORWARD_ERR_PROTOCOL},
                {ASKING, LATE, DOORWARD_ERR_TIMEOUT},
                {AGENT_BEGINS, FREE, 0},
                {AGENT_ASKS, FREE, 0},
                {AGENT_ASKS, HANG_UP, DOORWARD_ERR_NO_BROKER},
                {AGENT_ASKS, GARBAGE, DOORWARD_ERR_PROTOCOL},
                {AGENT_ASKS, LATE, DOORWARD_ERR_TIMEOUT},
                {AGENT_LEAVES, FREE, 0},
                /* What comes then is the lease's, and not the open's any more. */
                {AGENT_LEAVES, HANG_UP, 0},
                {AGENT_LEAVES, GARBAGE, 0},
                {FALLING_BACK, FREE, 0},
                /* It is the first refusal that people want to know of. */
                {FALLING_BACK, HANG_UP, DOORWARD_ERR_DENIED},
                {FALLING_BACK, GARBAGE, DOORWARD_ERR_DENIED},
                {FALLING_BACK, LATE, DOORWARD_ERR_DENIED},
                {LISTING, FREE, 0},
                {LISTING, HANG_UP, DOORWARD_ERR_BAD_URI},
                {LISTING, GARBAGE, DOORWARD_ERR_BAD_URI},
                {LISTING, LATE, DOORWARD_ERR_BAD_URI},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                check_case(&cases[i]);
                teardown(state);
                setup(state);
        }
}

/* Before anything was done, and after everything was. */
static void script_grant(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        grant(b);
        fake_expect_hang_up(b);
}

static void test_free_at_the_ends(void **state) {
        FakeBroker *broker;
        doorward_opening *opening;

        doorward_open_free(NULL);
        doorward_open_free(start());
        opening = start();
        assert_true(doorward_open_get_event_fd(opening) > STDERR_FILENO);
        doorward_open_free(opening);

        broker = fake_broker_start(script_grant, NULL);
        opening = start();
        run(opening);
        /* The lease ends with it. */
        doorward_open_free(opening);
        fake_broker_stop(broker);
}

static void test_granted(void **state) {
        FakeBroker *broker = fake_broker_start(script_grant, NULL);
        doorward_opening *opening = start();

        assert_int_equal(timeout_of(opening), 0);
        assert_null(doorward_open_finish(opening));
        assert_int_equal(doorward_get_last_error()->errnum, EINPROGRESS);
        run(opening);
        check_granted(opening);
        fake_broker_stop(broker);
}

static void script_slow(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_expect_silence(b, SLOW_MS);
        grant(b);
        fake_expect_hang_up(b);
}

/* Another process has to run before there is an answer. */
static void test_looks_when_it_is_there(void **state) {
        FakeBroker *broker = fake_broker_start(script_slow, NULL);
        doorward_conn *conn;

        n_received = n_in_vain = 0;
        conn = doorward_open("docker");
        assert_non_null(conn);
        assert_int_equal(n_received, 1);
        assert_int_equal(n_in_vain, 0);
        assert_int_equal(doorward_close(conn), 0);
        fake_broker_stop(broker);
}

static void test_no_broker(void **state) {
        FakeBroker *broker = fake_broker_listen(NULL, NULL);
        doorward_opening *opening;

        broker->listener = close_fd(broker->listener);
        opening = start();
        run(opening);
        check_failed(opening, DOORWARD_ERR_NO_BROKER);
        fake_broker_stop(broker);
}

/* Arguments. */

static void test_arguments(void **state) {
        doorward_opening *opening;
        long long usec = 7;

        assert_null(doorward_open_start("docker", NULL, 0x8000));
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_ARG);
        assert_null(doorward_open_start("doorward:/docker", NULL, 0));
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_BAD_URI);
        assert_null(doorward_open_start("doorward://bob@/docker", NULL, 0));
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_AUTH_NEEDED);
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");

        assert_int_equal(doorward_open_process(NULL), -1);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_CONN);
        assert_int_equal(doorward_open_get_event_fd(NULL), -1);
        assert_int_equal(doorward_open_get_events(NULL), -1);
        assert_int_equal(doorward_open_get_timeout(NULL, &usec), -1);
        assert_true(usec == 7);
        assert_int_equal(doorward_open_is_asking(NULL), -1);
        assert_null(doorward_open_finish(NULL));

        /* An answer is erased, whoever gets it. */
        assert_int_equal(answer_with(NULL, SECRET), -1);
        opening = start();
        assert_int_equal(doorward_open_get_timeout(opening, NULL), -1);
        assert_int_equal(answer_with(opening, SECRET), 1);
        assert_int_equal(doorward_open_answer(opening, NULL, 1), -1);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_ARG);
        doorward_open_free(opening);
}

/* In a child there are only copies. */
static void script_child(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        __atomic_store_n(&reached, true, __ATOMIC_RELEASE);
        while (!fake_broker_is_stopping(b))
                fake_expect_silence(b, 10);
}

static void test_child(void **state) {
        FakeBroker *broker = fake_broker_listen(script_child, NULL);
        doorward_opening *opening = start();
        int status;
        pid_t pid;

        assert_int_equal(process(opening), 1);
        pid = fork();
        if (pid == 0) {
                if (doorward_open_process(opening) != -1 ||
                    doorward_get_last_error()->errnum != ECHILD)
                        _exit(1);
                doorward_open_free(opening);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);

        reached = false;
        fake_broker_go(broker);
        while (!__atomic_load_n(&reached, __ATOMIC_ACQUIRE))
                poll(NULL, 0, 5);
        fake_broker_stop(broker);
        doorward_open_free(opening);
}

/* Questions. */

static void script_conversation(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_end_conversation_consume_fd(b, fd, b->data);
        if (b->data)
                grant(b);
        fake_expect_hang_up(b);
}

static void test_answered_at_once(void **state) {
        FakeBroker *broker = fake_broker_start(script_conversation, SECRET);
        doorward_opening *opening = start();

        callback_result = 0;
        callback_processes = opening;
        run(opening);
        assert_int_equal(n_asked, 1);
        check_granted(opening);
        fake_broker_stop(broker);
}

static void test_answered_later(void **state) {
        FakeBroker *broker = fake_broker_start(script_conversation, SECRET);
        doorward_opening *opening = start();
        char longer[CONVERSATION_ANSWER_MAX + 2];

        run_until_asked(opening);
        assert_int_equal(process(opening), 1);

        /* What is no answer leaves the question open. */
        memset(longer, 'a', sizeof(longer));
        longer[sizeof(longer) - 1] = 0;
        assert_int_equal(answer_with(opening, longer), -1);
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_ARG);
        assert_int_equal(answer_with(opening, NULL), -1);
        assert_int_equal(doorward_open_is_asking(opening), 1);

        assert_int_equal(answer_with(opening, SECRET), 0);
        assert_int_equal(doorward_open_is_asking(opening), 0);
        assert_int_equal(answer_with(opening, SECRET), 1);
        run(opening);
        assert_int_equal(n_asked, 1);
        check_granted(opening);
        fake_broker_stop(broker);
}

/* It may be that nobody goes on. */
static void script_unanswered(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_expect_hang_up(b);
        close_fd(fd);
}

static void test_answer_is_not_sent(void **state) {
        FakeBroker *broker = fake_broker_start(script_unanswered, NULL);
        doorward_opening *opening = start();

        run_until_asked(opening);
        assert_int_equal(answer_with(opening, SECRET), 0);
        doorward_open_free(opening);
        fake_broker_stop(broker);
}

static void test_cancelled_later(void **state) {
        FakeBroker *broker = fake_broker_start(script_conversation, NULL);
        doorward_opening *opening = start();

        run_until_asked(opening);
        assert_int_equal(doorward_open_answer(opening, NULL, 0), 0);
        run(opening);
        check_failed(opening, DOORWARD_ERR_AUTH_CANCELLED);
        fake_broker_stop(broker);
}

/* Whoever asked gives up; what comes of it the broker says. */
static void script_withdrawn(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        while (!__atomic_load_n(&reached, __ATOMIC_ACQUIRE))
                poll(NULL, 0, 5);
        close_fd(fd);
        fake_expect_silence(b, 100);
        fake_send(b, ERROR("TimedOut"));
        fake_expect_hang_up(b);
}

static void test_withdrawn(void **state) {
        FakeBroker *broker;
        doorward_opening *opening;

        reached = false;
        broker = fake_broker_start(script_withdrawn, NULL);
        opening = start();
        run_until_asked(opening);
        __atomic_store_n(&reached, true, __ATOMIC_RELEASE);
        while (doorward_open_is_asking(opening)) {
                wait_for(opening);
                assert_int_equal(process(opening), 1);
        }
        assert_int_equal(answer_with(opening, SECRET), 1);
        run(opening);
        check_failed(opening, DOORWARD_ERR_TIMEOUT);
        fake_broker_stop(broker);
}

/* Texts come before the end, whatever comes with them; and LATER is no way to refuse one. */
static void script_text(FakeBroker *b) {
        Prompt prompt = {.kind = PROMPT_INFO, .text = "Your password expires."};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        int fd;

        fake_accept(b);
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        if (send(fd, buf, prompt_encode(&prompt, buf), 0) < 0)
                fake_fail(b, "send: %s", strerror(errno));
        fake_end_conversation_consume_fd(b, fd, SECRET);
        grant(b);
        fake_expect_hang_up(b);
}

static void test_text(void **state) {
        FakeBroker *broker = fake_broker_start(script_text, NULL);
        doorward_opening *opening = start();

        run_until_asked(opening);
        assert_int_equal(answer_with(opening, SECRET), 0);
        run(opening);
        assert_int_equal(n_shown, 1);
        check_granted(opening);
        fake_broker_stop(broker);
}

/* Where nobody can answer later, that is the program's mistake. */
static void test_later_in_a_blocking_open(void **state) {
        FakeBroker *broker = fake_broker_start(script_unanswered, NULL);

        assert_null(doorward_open_auth("docker", &auth, 0));
        assert_int_equal(doorward_get_last_error_code(), DOORWARD_ERR_INVALID_ARG);
        fake_broker_stop(broker);
}

static void test_freed_in_its_callback(void **state) {
        FakeBroker *broker = fake_broker_start(script_unanswered, NULL);

        callback_frees = start();
        while (process(callback_frees) > 0)
                wait_for(callback_frees);
        assert_int_equal(n_asked, 1);
        fake_broker_stop(broker);
}

static void script_given_up(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_end_conversation_consume_fd(b, fake_begin_conversation(b, CONVERSATION, "Password: "),
                                         NULL);
        fake_expect_hang_up(b);
        if (fake_try_accept(b, 0))
                fake_fail(b, "it was tried again");
}

/* What it said then is not sent, and nothing else is tried. */
static void test_answered_and_freed(void **state) {
        static const int results[] = {0, -1, DOORWARD_AUTH_LATER};

        for (size_t i = 0; i < ELEMENTSOF(results); i++) {
                FakeBroker *broker = fake_broker_start(script_given_up, NULL);

                n_asked = 0;
                callback_result = results[i];
                callback_frees = start_with("docker", &auth, DOORWARD_FALLBACK_RO);
                while (process(callback_frees) > 0)
                        wait_for(callback_frees);
                assert_int_equal(n_asked, 1);
                fake_broker_stop(broker);
        }
}

static void script_two_texts(FakeBroker *b) {
        Prompt prompt = {.kind = PROMPT_INFO, .text = "Your password expires."};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        int ends[2];

        fake_accept(b);
        fake_expect(b, NULL);
        if (socket_pair(0, ends) < 0)
                fake_fail(b, "no sockets");
        for (int i = 0; i < 2; i++)
                if (send(ends[1], buf, prompt_encode(&prompt, buf), 0) < 0)
                        fake_fail(b, "send: %s", strerror(errno));
        fake_send_fds(b, CONVERSATION, &ends[0], 1);
        fake_expect_hang_up(b);
        close_fd(ends[1]);
}

/* The callback is not called again, with what the program has freed, too. */
static void test_freed_and_not_called_again(void **state) {
        FakeBroker *broker = fake_broker_start(script_two_texts, NULL);

        callback_result = 0;
        callback_frees = start();
        while (process(callback_frees) > 0)
                wait_for(callback_frees);
        assert_int_equal(n_shown, 1);
        fake_broker_stop(broker);
}

/* Our agent. */

static void script_agent(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        script_again(b, NEEDED);
        fake_agent_speak();
        fake_expect_silence(b, 50);
        grant(b);
        fake_expect_hang_up(b);
}

static void test_agent(void **state) {
        FakeBroker *broker = fake_broker_start(script_agent, NULL);
        doorward_opening *opening = start();

        run(opening);
        assert_int_equal(fake_agent.n_starts, 1);
        assert_int_equal(fake_agent.n_processed, 1);
        assert_int_equal(fake_agent.n_ended, 1);
        check_granted(opening);
        fake_broker_stop(broker);
}

static void script_granted_meanwhile(FakeBroker *b) {
        int fd;

        fake_accept(b);
        fake_expect(b, NULL);
        fd = fake_begin_conversation(b, CONVERSATION, "Password: ");
        fake_expect_silence(b, 200);
        grant(b);
        fake_expect_hang_up(b);
        close_fd(fd);
}

/* What is granted before the answer is there wants none any more, also while the agent ends. */
static void test_granted_meanwhile(void **state) {
        FakeBroker *broker = fake_broker_start(script_granted_meanwhile, NULL);
        doorward_opening *opening = start_with("doorward://bob@/docker", &auth, 0);

        fake_agent.stubborn = true;
        run_until_asked(opening);
        while (process(opening) > 0 && fake_agent.n_ended == 0)
                wait_for(opening);
        assert_int_equal(fake_agent.n_ended, 1);
        assert_int_equal(doorward_open_is_asking(opening), 0);
        fake_agent.stubborn = false;
        run(opening);
        check_granted(opening);
        fake_broker_stop(broker);
}

static void script_needed(FakeBroker *b) {
        fake_accept(b);
        fake_expect(b, NULL);
        fake_send(b, NEEDED);
        fake_expect_hang_up(b);
}

/* It does not get ready; and has ended when that is the error. */
static void test_agent_is_not_ready(void **state) {
        FakeBroker *broker = fake_broker_start(script_needed, NULL);
        doorward_opening *opening = start();

        fake_agent.ready = (FakeAgentError){-ENOSYS, DOORWARD_ERR_AUTH_UNAVAILABLE};
        run(opening);
        assert_int_equal(fake_agent.n_ended, 1);
        assert_null(doorward_open_finish(opening));
        assert_string_equal(doorward_get_last_error_message(), "the agent says so");
        assert_string_equal(doorward_get_last_error()->action_id, "a.b");
        assert_string_equal(doorward_get_last_error()->endpoint, "docker");
        doorward_open_free(opening);
        fake_broker_stop(broker);
}

/* A broker that has no room. */

static void script_drain(FakeBroker *b) {
        while (!fake_broker_is_stopping(b)) {
                if (!fake_try_accept(b, 10) || !fake_try_read(b))
                        continue;
                grant(b);
        }
}

static size_t fill(Wire *wires[WIRES_MAX]) {
        doorward_error error = {};
        size_t n = 0;

        while (wire_open(NULL, 0, &wires[n], &error) == 0)
                assert_true(++n < WIRES_MAX);
        doorward_error_clear(&error);
        return n;
}

static void drain(Wire *wires[WIRES_MAX], size_t n) {
        while (n > 0)
                wire_free(wires[--n]);
}

static void test_full(void **state) {
        FakeBroker *broker = fake_broker_listen(script_drain, NULL);
        doorward_opening *opening;
        Wire *wires[WIRES_MAX];
        size_t n = fill(wires);

        opening = start();
        for (int i = 0; i < 3; i++) {
                assert_int_equal(process(opening), 1);
                /* There is nothing but time. */
                assert_int_equal(doorward_open_get_events(opening), 0);
                assert_true(timeout_of(opening) <= CHANNEL_RETRY_MS);
                wait_for(opening);
        }

        fake_broker_go(broker);
        drain(wires, n);
        run(opening);
        check_granted(opening);
        fake_broker_stop(broker);
}

static void test_full_too_long(void **state) {
        FakeBroker *broker = fake_broker_listen(NULL, NULL);
        doorward_opening *opening;
        Wire *wires[WIRES_MAX];
        size_t n = fill(wires);

        opening = start();
        opening->spec.deadline = channel_deadline(SHORT_MS);
        run(opening);
        check_failed(opening, DOORWARD_ERR_NO_BROKER);
        opening = start();
        assert_int_equal(process(opening), 1);
        doorward_open_free(opening);

        drain(wires, n);
        fake_broker_stop(broker);
}

/* Many at once, of which each asks. All are asked before the first is answered. */
static void script_many(FakeBroker *b) {
        int wires[MANY], conversations[MANY];

        for (size_t i = 0; i < MANY; i++) {
                fake_accept(b);
                fake_expect(b, NULL);
                conversations[i] = fake_begin_conversation(b, CONVERSATION, "Password: ");
                wires[i] = fake_put_aside(b);
        }
        for (size_t i = MANY; i-- > 0;) {
                fake_take_up_consume_fd(b, wires[i]);
                fake_end_conversation_consume_fd(b, conversations[i], SECRET);
                grant(b);
                fake_expect_hang_up(b);
        }
}

static void poll_many(doorward_opening *const openings[MANY]) {
        struct pollfd polls[MANY];
        int timeout_ms = 60000;

        for (size_t i = 0; i < MANY; i++) {
                polls[i] = (struct pollfd){.fd = -1, .events = POLLIN};
                if (openings[i]) {
                        int one = timeout_of(openings[i]);

                        polls[i].fd = doorward_open_get_event_fd(openings[i]);
                        if (one >= 0 && one < timeout_ms)
                                timeout_ms = one;
                }
        }
        assert_true(poll(polls, MANY, timeout_ms) >= 0);
}

static void test_many(void **state) {
        FakeBroker *broker = fake_broker_start(script_many, NULL);
        doorward_opening *openings[MANY];
        size_t n_open = MANY, n_answered = 0;

        for (size_t i = 0; i < MANY; i++)
                openings[i] = start();

        while (n_open > 0) {
                for (size_t i = 0; i < MANY; i++) {
                        if (!openings[i])
                                continue;
                        if (process(openings[i]) == 0) {
                                check_granted(TAKE_PTR(openings[i]));
                                n_open--;
                        } else if (n_asked == MANY && doorward_open_is_asking(openings[i])) {
                                assert_int_equal(answer_with(openings[i], SECRET), 0);
                                n_answered++;
                        }
                }
                if (n_open > 0)
                        poll_many(openings);
        }

        assert_int_equal(n_answered, MANY);
        fake_broker_stop(broker);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_states),
                TEST(test_free_at_the_ends),
                TEST(test_granted),
                TEST(test_looks_when_it_is_there),
                TEST(test_no_broker),
                TEST(test_arguments),
                TEST(test_child),
                TEST(test_answered_at_once),
                TEST(test_answered_later),
                TEST(test_answer_is_not_sent),
                TEST(test_cancelled_later),
                TEST(test_withdrawn),
                TEST(test_text),
                TEST(test_later_in_a_blocking_open),
                TEST(test_freed_in_its_callback),
                TEST(test_answered_and_freed),
                TEST(test_freed_and_not_called_again),
                TEST(test_agent),
                TEST(test_granted_meanwhile),
                TEST(test_agent_is_not_ready),
                TEST(test_full),
                TEST(test_full_too_long),
                TEST(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
