/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker/state.h"
#include "tests/support/fds.h"

#define HEADER_SIZE 52
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const StateLease one = {
        .id = "0123456789abcdef0123456789abcdef",
        .request = "0123456789abcdef",
        .name = {.endpoint = "serial", .instance = "ttyUSB0"},
        .access = ACCESS_FULL,
        .mode = LEASE_MODE_REVOCABLE,
        .kind = KIND_DEVICE,
        .how = HOW_CHALLENGED,
        .by_password = true,
        .definition = HASH,
        .action = "org.doorward.endpoint.serial.full",
        .user_name = "jos\xc3\xa9",
        .unit = "session-3.scope",
        .login_session = "3",
        .uid = 1000,
        .identity = 1001,
        .pid = 4711,
        .start_time = UINT64_C(0x1122334455667788),
        .since = 1,
        .expires = UINT64_MAX,
        .ends_at = UINT64_C(1) << 40,
        .logout = STATE_LOGOUT_USER,
        .hold = true,
        .opened = 7,
};

static StateEntry *entry_new(const StateLease *lease, unsigned n_fds, uint32_t number) {
        StateEntry *entry = calloc(1, sizeof(*entry));
        StateFd *fds = calloc(n_fds + 1, sizeof(*fds));

        assert_true(entry && fds);
        *entry = (StateEntry){.lease = *lease, .fds = fds, .n_fds = n_fds};
        for (unsigned i = 0; i < n_fds; i++)
                fds[i].number = number + i;
        return entry;
}

/* n leases, of whose descriptors the first has more than one, and n blocks. */
static void content_init(StateContent *content, unsigned n, uint32_t number) {
        *content = (StateContent){.entries = calloc(n + 1, sizeof(*content->entries)),
                                  .blocks = calloc(n + 1, sizeof(*content->blocks)),
                                  .n_entries = n,
                                  .n_blocks = n};
        assert_true(content->entries && content->blocks);
        for (unsigned i = 0; i < n; i++) {
                content->entries[i] = entry_new(&one, i == 0 ? 3 : 1, number + 3 * i);
                content->blocks[i] = (StateBlock){
                        .uid = 1000 + i, .endpoint = "docker", .until = number, .own = i % 2};
        }
}

static void assert_same(const StateContent *a, const StateContent *b) {
        assert_int_equal(a->n_entries, b->n_entries);
        assert_int_equal(a->n_blocks, b->n_blocks);

        for (unsigned i = 0; i < a->n_entries; i++) {
                const StateEntry *x = a->entries[i], *y = b->entries[i];

                assert_string_equal(x->lease.id, y->lease.id);
                assert_string_equal(x->lease.request, y->lease.request);
                assert_string_equal(x->lease.name.endpoint, y->lease.name.endpoint);
                assert_string_equal(x->lease.name.instance, y->lease.name.instance);
                assert_int_equal(x->lease.access, y->lease.access);
                assert_int_equal(x->lease.mode, y->lease.mode);
                assert_int_equal(x->lease.how, y->lease.how);
                assert_string_equal(x->lease.definition, y->lease.definition);
                assert_string_equal(x->lease.action, y->lease.action);
                assert_string_equal(x->lease.user_name, y->lease.user_name);
                assert_string_equal(x->lease.unit, y->lease.unit);
                assert_string_equal(x->lease.login_session, y->lease.login_session);
                assert_int_equal(x->lease.uid, y->lease.uid);
                assert_int_equal(x->lease.identity, y->lease.identity);
                assert_int_equal(x->lease.pid, y->lease.pid);
                assert_true(x->lease.start_time == y->lease.start_time);
                assert_true(x->lease.since == y->lease.since);
                assert_true(x->lease.expires == y->lease.expires);
                assert_true(x->lease.ends_at == y->lease.ends_at);
                assert_int_equal(x->lease.logout, y->lease.logout);
                assert_int_equal(x->lease.hold, y->lease.hold);
                assert_int_equal(x->lease.opened, y->lease.opened);
                assert_int_equal(x->n_fds, y->n_fds);
                for (unsigned j = 0; j < x->n_fds; j++)
                        assert_int_equal(x->fds[j].number, y->fds[j].number);
        }
        for (unsigned i = 0; i < a->n_blocks; i++) {
                assert_int_equal(a->blocks[i].uid, b->blocks[i].uid);
                assert_string_equal(a->blocks[i].endpoint, b->blocks[i].endpoint);
                assert_int_equal(a->blocks[i].own, b->blocks[i].own);
                assert_true(a->blocks[i].until == b->blocks[i].until);
        }
}

/* As the next broker has it. */
static int read_again(const State *state, State *ret, StateContent *ret_content) {
        int fd = fcntl(state->fd, F_DUPFD_CLOEXEC, 3);

        assert_true(fd >= 0);
        return state_init_consume_fd(ret, fd, ret_content);
}

static void assert_reads(const State *state, const StateContent *expected) {
        StateContent content;
        State again;

        assert_int_equal(read_again(state, &again, &content), 0);
        assert_same(&content, expected);
        state_content_deinit(&content);
        state_deinit(&again);
}

static void assert_unreadable(const State *state) {
        int n_fds = fds_count();
        StateContent content;
        State again;

        assert_int_equal(read_again(state, &again, &content), -EBADMSG);
        assert_int_equal(fds_count(), n_fds);
}

static void test_round_trip(void **unused) {
        State state = STATE_NULL;

        assert_int_equal(state_init(&state), 0);
        for (unsigned n = 0; n < 5; n++) {
                StateContent content;

                content_init(&content, n, 1 + n);
                assert_int_equal(state_write(&state, &content), 0);
                assert_reads(&state, &content);
                state_content_deinit(&content);
        }
        state_deinit(&state);
        assert_int_equal(state.fd, -EBADF);
}

/* Who goes on with it writes where the older one is. */
static void test_goes_on(void **unused) {
        StateContent first, second, third, read;
        State state, again;
        int fd;

        content_init(&first, 1, 10);
        content_init(&second, 2, 20);
        content_init(&third, 3, 30);
        assert_int_equal(state_init(&state), 0);
        assert_int_equal(state_write(&state, &first), 0);
        assert_int_equal(state_write(&state, &second), 0);
        fd = state.fd;

        assert_int_equal(read_again(&state, &again, &read), 0);
        assert_same(&read, &second);
        assert_int_equal(again.generation, 2);
        assert_int_equal(state_write(&again, &third), 0);
        assert_reads(&again, &third);
        state_deinit(&again);

        /* The third one spoilt, the second is still there. */
        assert_int_equal(pwrite(fd, "x", 1, HEADER_SIZE), 1);
        assert_reads(&state, &second);

        state_content_deinit(&read);
        state_content_deinit(&first);
        state_content_deinit(&second);
        state_content_deinit(&third);
        state_deinit(&state);
}

static void test_empty(void **unused) {
        State state;

        assert_int_equal(state_init(&state), 0);
        assert_unreadable(&state);
        state_deinit(&state);
}

static void test_flipped(void **unused) {
        StateContent first, second;
        size_t size;
        State state;

        content_init(&first, 1, 1);
        content_init(&second, 2, 20);
        size = HEADER_SIZE + (size_t)state_content_size(&second);
        assert_int_equal(state_init(&state), 0);
        assert_int_equal(state_write(&state, &first), 0);
        assert_int_equal(state_write(&state, &second), 0);

        /* The newer one; what is behind it does not matter. */
        for (size_t i = 0, behind = 0; i < size && behind < 8; i++) {
                off_t at = STATE_SLOT_SIZE + (off_t)i;
                StateContent content;
                State again;
                uint8_t byte, flipped;

                assert_int_equal(pread(state.fd, &byte, 1, at), 1);
                flipped = byte ^ (uint8_t)(1 << i % 8);
                assert_int_equal(pwrite(state.fd, &flipped, 1, at), 1);
                assert_int_equal(read_again(&state, &again, &content), 0);
                assert_true(content.n_entries == 1 || content.n_entries == 2);
                if (content.n_entries == 2)
                        behind++;
                else {
                        assert_int_equal(behind, 0);
                        assert_same(&content, &first);
                        assert_int_equal(again.slot, 1);
                }
                state_content_deinit(&content);
                state_deinit(&again);
                assert_int_equal(pwrite(state.fd, &byte, 1, at), 1);
        }
        assert_reads(&state, &second);

        state_content_deinit(&first);
        state_content_deinit(&second);
        state_deinit(&state);
}

/* However much of it was written when it was killed. */
static void test_killed(void **unused) {
        StateContent first, second, third;
        _cleanup_free_ uint8_t *before = NULL, *after = NULL;
        size_t size;
        State state;

        content_init(&first, 2, 1);
        content_init(&second, 1, 10);
        content_init(&third, 2, 20);
        size = HEADER_SIZE + (size_t)state_content_size(&third);
        before = malloc(size);
        after = malloc(size);
        assert_true(before && after);

        assert_int_equal(state_init(&state), 0);
        assert_int_equal(state_write(&state, &first), 0);
        assert_int_equal(state_write(&state, &second), 0);
        assert_int_equal(pread(state.fd, before, size, 0), size);
        assert_int_equal(state_write(&state, &third), 0);
        assert_int_equal(pread(state.fd, after, size, 0), size);

        while (size > 0 && before[size - 1] == after[size - 1])
                size--;
        for (size_t i = 0; i < size; i++) {
                assert_int_equal(pwrite(state.fd, before, size, 0), size);
                if (i > 0)
                        assert_int_equal(pwrite(state.fd, after, i, 0), i);
                assert_reads(&state, &second);
        }
        assert_int_equal(pwrite(state.fd, after, size, 0), size);
        assert_reads(&state, &third);

        state_content_deinit(&first);
        state_content_deinit(&second);
        state_content_deinit(&third);
        state_deinit(&state);
}

/* Both of them. */
static void test_nothing_valid(void **unused) {
        StateContent content;
        State state;

        content_init(&content, 1, 1);
        assert_int_equal(state_init(&state), 0);
        assert_int_equal(state_write(&state, &content), 0);
        assert_int_equal(state_write(&state, &content), 0);
        assert_int_equal(pwrite(state.fd, "x", 1, HEADER_SIZE + 8), 1);
        assert_reads(&state, &content);
        assert_int_equal(pwrite(state.fd, "x", 1, STATE_SLOT_SIZE + HEADER_SIZE + 8), 1);
        assert_unreadable(&state);

        state_content_deinit(&content);
        state_deinit(&state);
}

/* It cannot be resized, and what could be is not read. */
static void test_sealed(void **unused) {
        StateContent content;
        State state, again;
        int fd;

        assert_int_equal(state_init(&state), 0);
        assert_int_equal(ftruncate(state.fd, 1), -1);
        assert_int_equal(ftruncate(state.fd, 1 << 30), -1);
        assert_int_equal(fcntl(state.fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(state.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
        state_deinit(&state);

        fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, 2 * STATE_SLOT_SIZE), 0);
        assert_int_equal(state_init_consume_fd(&again, fd, &content), -EBADMSG);
        fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, 2 * STATE_SLOT_SIZE - 1), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        assert_int_equal(state_init_consume_fd(&again, fd, &content), -EBADMSG);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_int_equal(state_init_consume_fd(&again, fd, &content), -EBADMSG);
}

/* Each cut of what is valid, and what has more than that. */
static void test_truncated(void **unused) {
        StateContent content, again;
        uint8_t buf[4096];
        ssize_t n;

        content_init(&content, 2, 1);
        n = state_content_encode(&content, buf, sizeof(buf));
        assert_true(n > 0 && n <= state_content_size(&content));
        for (size_t i = 0; i < (size_t)n; i++) {
                _cleanup_free_ uint8_t *exact = malloc(i + 1);

                assert_non_null(exact);
                memcpy(exact, buf, i);
                assert_int_equal(state_content_decode(exact, i, &again), -EBADMSG);
                assert_int_equal(state_content_encode(&content, exact, i), -ENOBUFS);
        }
        buf[n] = 0;
        assert_int_equal(state_content_decode(buf, (size_t)n + 1, &again), -EBADMSG);
        assert_int_equal(state_content_decode(buf, (size_t)n, &again), 0);
        assert_same(&content, &again);
        state_content_deinit(&again);
        state_content_deinit(&content);
}

/* What counts is not allocated before it is known to be there. */
static void test_counts_that_lie(void **unused) {
        static const uint8_t many[] = {0xe8, 3, 0, 0, 0, 0, 0, 0},
                             too_many[] = {0xe9, 3, 0, 0, 0, 0, 0, 0},
                             blocks[] = {0, 0, 0, 0, 1, 0, 0, 0};
        StateContent content;

        assert_int_equal(state_content_decode(many, sizeof(many), &content), -EBADMSG);
        assert_int_equal(state_content_decode(too_many, sizeof(too_many), &content), -EBADMSG);
        assert_int_equal(state_content_decode(blocks, sizeof(blocks), &content), -EBADMSG);
        assert_int_equal(state_content_decode(NULL, 0, &content), -EBADMSG);
}

static void test_validity(void **unused) {
        StateLease lease;

        assert_true(state_lease_is_valid(&one));
#define ASSERT_INVALID(change)                              \
        do {                                                \
                lease = one;                                \
                change;                                     \
                assert_false(state_lease_is_valid(&lease)); \
        } while (false)
#define ASSERT_VALID(change)                               \
        do {                                               \
                lease = one;                               \
                change;                                    \
                assert_true(state_lease_is_valid(&lease)); \
        } while (false)
        ASSERT_INVALID(lease.id[0] = 'g');
        ASSERT_INVALID(lease.id[0] = 'A');
        ASSERT_INVALID(lease.id[31] = 0);
        ASSERT_INVALID(lease.request[15] = 0);
        ASSERT_INVALID(lease.request[3] = ' ');
        ASSERT_INVALID(lease.name.endpoint[0] = 0);
        ASSERT_INVALID(lease.name.endpoint[1] = '/');
        ASSERT_INVALID(strcpy(lease.name.instance, ".."));
        ASSERT_VALID(lease.name.instance[0] = 0);
        ASSERT_INVALID(lease.access = 0);
        ASSERT_INVALID(lease.access = _ACCESS_MAX);
        ASSERT_INVALID(lease.mode = 0);
        ASSERT_INVALID(lease.mode = _LEASE_MODE_MAX);
        ASSERT_INVALID(lease.how = 0);
        ASSERT_INVALID(lease.how = _HOW_MAX);
        ASSERT_INVALID(lease.definition[63] = 0);
        ASSERT_INVALID(lease.definition[0] = 'x');
        ASSERT_INVALID(lease.action[0] = '\n');
        ASSERT_INVALID(lease.user_name[0] = '\x7f');
        ASSERT_INVALID(lease.user_name[0] = '\x1b');
        ASSERT_INVALID(lease.unit[0] = '\xc3');
        ASSERT_INVALID(lease.login_session[0] = '\t');
        ASSERT_VALID(lease.action[0] = lease.user_name[0] = lease.unit[0] = 0);
        ASSERT_VALID(lease.login_session[0] = 0);
        ASSERT_INVALID(lease.uid = (uid_t)-1);
        ASSERT_INVALID(lease.uid = UINT32_C(1) << 31);
        ASSERT_INVALID(lease.identity = (uid_t)-1);
        ASSERT_INVALID(lease.identity = 65534);
        ASSERT_VALID(lease.uid = 0);
        ASSERT_INVALID(lease.pid = 1);
        ASSERT_INVALID(lease.pid = -2);
        ASSERT_INVALID(lease.logout = _STATE_LOGOUT_MAX);
        ASSERT_INVALID(lease.kind = 0);
        ASSERT_INVALID(lease.kind = _KIND_MAX);

        assert_true(state_block_is_valid(&(StateBlock){.uid = 1000}));
        assert_false(state_block_is_valid(&(StateBlock){.uid = (uid_t)-1}));
        assert_false(state_block_is_valid(&(StateBlock){.uid = 1, .endpoint = "a/b"}));
        assert_true(state_block_is_valid(&(StateBlock){.uid = 1, .endpoint = "serial@ttyS0"}));
}

/* What could not be read again is not written, and harms nothing that was. */
static void test_invalid_is_not_written(void **unused) {
        StateContent content, bad;
        State state;

        content_init(&content, 1, 1);
        assert_int_equal(state_init(&state), 0);
        assert_int_equal(state_write(&state, &content), 0);

#define ASSERT_REFUSED(change)                                        \
        do {                                                          \
                content_init(&bad, 1, 1);                             \
                change;                                               \
                assert_int_equal(state_write(&state, &bad), -EINVAL); \
                assert_reads(&state, &content);                       \
                state_content_deinit(&bad);                           \
        } while (false)
        ASSERT_REFUSED(bad.entries[0]->lease.pid = 0);
        ASSERT_REFUSED(bad.entries[0]->n_fds = 0);
        ASSERT_REFUSED(bad.entries[0]->fds[1].number = 0);
        ASSERT_REFUSED(bad.entries[0]->fds[0].number = STATE_NUMBER_MAX + 1);
        ASSERT_REFUSED(bad.blocks[0].endpoint[0] = '-');
        ASSERT_REFUSED(bad.n_blocks = STATE_BLOCKS_MAX + 1; bad.n_entries = 0;
                       state_entry_free(bad.entries[0]));

        state_content_deinit(&content);
        state_deinit(&state);
}

static void fill(char *text, size_t size, char c) {
        memset(text, c, size - 1);
        text[size - 1] = 0;
}

/* As much as there may be of everything. */
static void test_bounds(void **unused) {
        StateContent content = {};
        StateLease largest = one;
        State state;

        fill(largest.name.endpoint, sizeof(largest.name.endpoint), 'e');
        fill(largest.name.instance, sizeof(largest.name.instance), 'i');
        fill(largest.action, sizeof(largest.action), 'a');
        fill(largest.user_name, sizeof(largest.user_name), 'u');
        fill(largest.unit, sizeof(largest.unit), 'n');
        fill(largest.login_session, sizeof(largest.login_session), 's');

        content.entries = calloc(STATE_LEASES_MAX + 1, sizeof(*content.entries));
        content.blocks = calloc(STATE_BLOCKS_MAX, sizeof(*content.blocks));
        assert_true(content.entries && content.blocks);
        for (unsigned i = 0; i < STATE_LEASES_MAX; i++) {
                content.entries[i] = entry_new(&largest, 2, 1 + 2 * i);
                content.blocks[i] = (StateBlock){.uid = i, .until = UINT64_MAX};
                fill(content.blocks[i].endpoint, sizeof(content.blocks[i].endpoint), 'e');
                content.blocks[i].endpoint[NAME_ENDPOINT_MAX] = '@';
        }
        content.n_entries = STATE_LEASES_MAX;
        content.n_blocks = STATE_BLOCKS_MAX;

        assert_int_equal(state_init(&state), 0);
        assert_int_equal(state_write(&state, &content), 0);
        assert_int_equal(state_write(&state, &content), 0);
        assert_reads(&state, &content);

        /* One descriptor more, or one lease. */
        state_entry_free(content.entries[0]);
        content.entries[0] = entry_new(&largest, 3, STATE_NUMBER_MAX - 2);
        assert_int_equal(state_write(&state, &content), -EINVAL);
        state_entry_free(content.entries[0]);
        content.entries[0] = entry_new(&largest, 1, STATE_NUMBER_MAX);
        content.entries[STATE_LEASES_MAX] = entry_new(&largest, 1, 1);
        content.n_entries++;
        assert_int_equal(state_write(&state, &content), -EINVAL);

        state_content_deinit(&content);
        state_deinit(&state);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_goes_on),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_flipped),
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_nothing_valid),
                cmocka_unit_test(test_sealed),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_counts_that_lie),
                cmocka_unit_test(test_validity),
                cmocka_unit_test(test_invalid_is_not_written),
                cmocka_unit_test(test_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
