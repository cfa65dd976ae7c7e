/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Threads that open, share, use and close connections all at once, with everything logged, for the
 * thread sanitizer to look at. What they are promised stands in doorward.h.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/doorward.h"
#include "tests/support/fds.h"
#include "tests/support/wires.h"

#define N_THREADS 16
#define N_ROUNDS 40
#define N_OPENINGS 4

#define GRANTED                                                                             \
        "{\"parameters\":{\"state\":\"granted\",\"connection\":0,\"access\":\"read_only\"," \
        "\"mode\":\"tracked\",\"lease\":\"l\",\"requestId\":\"r\"}"
#define ENDED "{\"parameters\":{\"state\":\"ended\",\"reason\":\"revoked\",\"requestId\":\"r\"}}"
#define REFUSED                                                                           \
        "{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{\"action\":" \
        "\"a.b\",\"hint\":\"h\",\"requestId\":\"r\"}}"
#define INFO                                                                             \
        "{\"parameters\":{\"version\":\"1.2.3\",\"protocol\":1,\"identityProof\":false," \
        "\"features\":[],\"limits\":{},\"warnings\":[]}}"

static unsigned n_failures; /* atomic */
static bool is_ending;      /* atomic: the broker is to end the leases that there are */

/* Assertions belong to the test's own thread. */
#define CHECK(x)                                                                    \
        do {                                                                        \
                if (!(x)) {                                                         \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);     \
                        (void)__atomic_add_fetch(&n_failures, 1, __ATOMIC_RELAXED); \
                }                                                                   \
        } while (false)

static void answer(FakeBroker *b, const char *call) {
        bool is_more = strstr(call, "\"more\":true");
        int fd;

        if (strstr(call, "GetBrokerInfo"))
                fake_send(b, INFO);
        else if (strstr(call, "refused"))
                fake_send(b, REFUSED);
        else {
                fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
                fake_send_fds(b, is_more ? GRANTED ",\"continues\":true}" : GRANTED "}", &fd, 1);
        }
}

static void script_serve(FakeBroker *b) {
        wires_serve(b, answer, &is_ending, ENDED);
}

/* The threads. */

typedef struct Shared {
        doorward_conn *conn;
        unsigned n_told;  /* atomic: how often its end was told */
        unsigned n_freed; /* atomic */
        pthread_barrier_t barrier;
} Shared;

static void told(doorward_conn *conn, int reason, void *userdata) {
        Shared *shared = userdata;

        CHECK(reason == DOORWARD_CLOSE_REVOKED);
        CHECK(doorward_get_close_reason(conn) == DOORWARD_CLOSE_REVOKED);
        (void)__atomic_add_fetch(&shared->n_told, 1, __ATOMIC_RELAXED);
}

static void freed(void *userdata) {
        Shared *shared = userdata;

        (void)__atomic_add_fetch(&shared->n_freed, 1, __ATOMIC_RELAXED);
}

static unsigned n_seen; /* atomic: errors */

static void see_error(void *userdata, const doorward_error *error) {
        CHECK(error->message && error->message[0]);
        (void)__atomic_add_fetch(&n_seen, 1, __ATOMIC_RELAXED);
}

static void check_facts(doorward_conn *conn) {
        doorward_grant_info *grant = doorward_get_grant_info(conn);
        char *uri = doorward_get_uri(conn), *hostname = doorward_get_hostname(conn);
        doorward_security_model *model;
        unsigned long version = 0;

        CHECK(grant && strcmp(grant->lease_id, "l") == 0);
        CHECK(uri && strcmp(uri, "doorward:///docker?access=read-only") == 0);
        CHECK(hostname);
        CHECK(doorward_get_version(conn, &version) == 0 && version == 1002003);
        CHECK(strcmp(doorward_get_type(conn), "device") == 0);
        CHECK(doorward_is_secure(conn) >= 0 && doorward_is_encrypted(conn) == 0);
        model = doorward_get_security_model(conn);
        CHECK(model);
        doorward_security_model_free(model);
        free(uri);
        free(hostname);
        doorward_grant_info_free(grant);
}

static void use_conn(doorward_conn *conn) {
        int fd = doorward_open_another(conn);

        CHECK(fd >= 0);
        close_fd(fd);
        CHECK(doorward_get_fd(conn) >= 0);
        CHECK(doorward_get_event_fd(conn) >= 0);
        CHECK(doorward_is_alive(conn) == 1);
        CHECK(doorward_process(conn) == 0);
        CHECK(doorward_get_close_reason(conn) == DOORWARD_CLOSE_NONE);
        check_facts(conn);
}

/* Each thread has its own errors, whatever the others run into. */
static void use_errors(unsigned round) {
        doorward_error *saved, copy;

        CHECK(!doorward_open_read_only(round % 2 ? "refused" : "no such name"));
        CHECK(doorward_get_last_error_code() ==
              (round % 2 ? DOORWARD_ERR_DENIED : DOORWARD_ERR_BAD_URI));
        saved = doorward_save_last_error();
        CHECK(doorward_copy_last_error(&copy) == saved->code);
        CHECK(strcmp(saved->message, doorward_get_last_error_message()) == 0);
        doorward_error_free(saved);
        doorward_error_clear(&copy);
        doorward_reset_last_error();
        doorward_set_error_func(NULL, see_error);
}

/* As a program with a loop does it. */
static doorward_conn *open_stepwise(void) {
        doorward_opening *opening = doorward_open_start("docker", NULL, DOORWARD_RO);
        struct pollfd p = {.fd = doorward_open_get_event_fd(opening), .events = POLLIN};
        doorward_conn *conn;

        while (doorward_open_process(opening) > 0)
                (void)poll(&p, 1, 10);
        conn = doorward_open_finish(opening);
        doorward_open_free(opening);
        return conn;
}

static void *run_own(void *userdata) {
        for (unsigned i = 0; i < N_ROUNDS; i++) {
                doorward_conn *conn = i % 2 ? doorward_open_read_only("docker") : open_stepwise();

                CHECK(conn);
                if (!conn)
                        break;
                use_conn(conn);
                CHECK(doorward_close(conn) == 0);
                use_errors(i);
        }

        return NULL;
}

/* Several side by side, in each of the threads. */
static void wait_for_any(doorward_opening *openings[N_OPENINGS]) {
        struct pollfd polls[N_OPENINGS];

        for (int i = 0; i < N_OPENINGS; i++)
                polls[i] = (struct pollfd){
                        .fd = openings[i] ? doorward_open_get_event_fd(openings[i]) : -1,
                        .events = POLLIN,
                };
        /* It may be time that one waits for. */
        CHECK(poll(polls, N_OPENINGS, 10) >= 0);
}

static bool go_on(doorward_opening *opening) {
        doorward_conn *conn;

        if (doorward_open_process(opening) != 0)
                return true;

        conn = doorward_open_finish(opening);
        CHECK(conn && doorward_get_fd(conn) >= 0);
        doorward_open_free(opening);
        CHECK(doorward_close(conn) == 0);
        return false;
}

static void *run_openings(void *userdata) {
        for (unsigned round = 0; round < N_ROUNDS / N_OPENINGS; round++) {
                doorward_opening *openings[N_OPENINGS];
                int n = N_OPENINGS;

                for (int i = 0; i < N_OPENINGS; i++) {
                        openings[i] = doorward_open_start("docker", NULL, DOORWARD_RO);
                        CHECK(openings[i]);
                }
                while (n > 0) {
                        for (int i = 0; i < N_OPENINGS; i++)
                                if (openings[i] && !go_on(openings[i])) {
                                        openings[i] = NULL;
                                        n--;
                                }
                        wait_for_any(openings);
                }

                /* And one that nobody waits for. */
                openings[0] = doorward_open_start("docker", NULL, DOORWARD_RO);
                CHECK(doorward_open_process(openings[0]) >= 0);
                doorward_open_free(openings[0]);
        }

        return NULL;
}

/* The last of them closes it, whoever that is. */
static void *run_shared(void *userdata) {
        Shared *shared = userdata;

        for (unsigned i = 0; i < N_ROUNDS; i++) {
                CHECK(doorward_ref(shared->conn) == 0);
                use_conn(shared->conn);
                CHECK(doorward_set_close_callback(shared->conn, told, shared, freed) == 0);
                CHECK(doorward_close(shared->conn) == 1);
        }

        CHECK(doorward_ref(shared->conn) == 0);
        (void)pthread_barrier_wait(&shared->barrier);
        CHECK(doorward_close(shared->conn) >= 0);
        return NULL;
}

static void *run_to_the_end(void *userdata) {
        Shared *shared = userdata;
        struct pollfd p = {.fd = doorward_get_event_fd(shared->conn), .events = POLLIN};

        (void)pthread_barrier_wait(&shared->barrier);
        while (doorward_process(shared->conn) == 0)
                CHECK(poll(&p, 1, FAKE_TIMEOUT_MS) == 1);
        CHECK(doorward_is_alive(shared->conn) == 0);
        CHECK(doorward_open_another(shared->conn) < 0);
        CHECK(doorward_get_last_error_code() == DOORWARD_ERR_LEASE_ENDED);
        return NULL;
}

static void start(pthread_t threads[N_THREADS], void *(*func)(void *), Shared *shared) {
        for (int i = 0; i < N_THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, func, shared), 0);
}

static void join(pthread_t threads[N_THREADS]) {
        for (int i = 0; i < N_THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_own(void **state) {
        FakeBroker *broker = fake_broker_start(script_serve, NULL);
        pthread_t threads[N_THREADS];

        start(threads, run_own, NULL);
        join(threads);
        fake_broker_stop(broker);
        assert_int_equal(n_failures, 0);
        /* All but those that failed before anybody had set it. */
        assert_in_range(n_seen, N_THREADS * (N_ROUNDS - 1), N_THREADS * N_ROUNDS);
}

static void test_openings(void **state) {
        FakeBroker *broker = fake_broker_start(script_serve, NULL);
        pthread_t threads[N_THREADS];

        start(threads, run_openings, NULL);
        join(threads);
        fake_broker_stop(broker);
        assert_int_equal(n_failures, 0);
}

static void shared_open(Shared *shared, unsigned n) {
        *shared = (Shared){.conn = doorward_open_read_only("docker")};
        assert_non_null(shared->conn);
        assert_int_equal(pthread_barrier_init(&shared->barrier, NULL, n), 0);
}

static void test_shared(void **state) {
        FakeBroker *broker = fake_broker_start(script_serve, NULL);
        pthread_t threads[N_THREADS];
        Shared shared;

        shared_open(&shared, N_THREADS + 1);
        start(threads, run_shared, &shared);
        /* Once all have a reference, ours is as good as any. */
        (void)pthread_barrier_wait(&shared.barrier);
        assert_true(doorward_close(shared.conn) >= 0);
        join(threads);
        fake_broker_stop(broker);
        assert_int_equal(n_failures, 0);
        assert_int_equal(shared.n_told, 0);
        assert_int_equal(shared.n_freed, N_THREADS * N_ROUNDS);
        (void)pthread_barrier_destroy(&shared.barrier);
}

/* All wait for it, and one is told. */
static void test_end(void **state) {
        FakeBroker *broker = fake_broker_start(script_serve, NULL);
        pthread_t threads[N_THREADS];
        Shared shared;

        shared_open(&shared, N_THREADS);
        assert_int_equal(doorward_set_close_callback(shared.conn, told, &shared, freed), 0);
        start(threads, run_to_the_end, &shared);
        __atomic_store_n(&is_ending, true, __ATOMIC_RELEASE);
        join(threads);
        __atomic_store_n(&is_ending, false, __ATOMIC_RELEASE);
        assert_int_equal(shared.n_told, 1);
        assert_int_equal(doorward_close(shared.conn), 0);
        assert_int_equal(shared.n_freed, 1);
        fake_broker_stop(broker);
        assert_int_equal(n_failures, 0);
        (void)pthread_barrier_destroy(&shared.barrier);
}

static int n_fds;

static int group_setup(void **state) {
        n_fds = fds_count();
        return 0;
}

static int group_teardown(void **state) {
        doorward_set_error_func(NULL, NULL);
        assert_int_equal(fds_count(), n_fds);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_own),
                cmocka_unit_test(test_openings),
                cmocka_unit_test(test_shared),
                cmocka_unit_test(test_end),
        };
        char path[] = "/tmp/doorward-threads-XXXXXX", outputs[64];
        int fd, r;

        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
                return EXIT_FAILURE;
        close_fd(fd);
        (void)snprintf(outputs, sizeof(outputs), "debug:file:%s", path);
        (void)setenv("DOORWARD_LOG_OUTPUTS", outputs, 1);

        r = cmocka_run_group_tests(tests, group_setup, group_teardown);
        (void)unlink(path);
        return r;
}
