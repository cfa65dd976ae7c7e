/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cli/pty-relay.h"
#include "client/channel.h"
#include "tests/support/fds.h"

#define PATIENCE_MS 5000

/* A board at the end of a line (a pty, whose other end is the device), the relay in front of it,
 * and a program that has opened what it shows. */
typedef struct Fixture {
        Loop loop;
        int board;
        int device; /* once more, to look at its settings */
        PtyRelay *relay;
        int program;
        int n_fds;
} Fixture;

static int open_line(int *ret_board) {
        int on = 0, board = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), device;

        assert_true(board >= 0);
        assert_int_equal(ioctl(board, TIOCSPTLCK, &on), 0);
        device = ioctl(board, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(device >= 0);
        *ret_board = board;
        return device;
}

static struct termios2 get(int fd) {
        struct termios2 settings;

        assert_int_equal(ioctl(fd, TCGETS2, &settings), 0);
        return settings;
}

static void set(int fd, const struct termios2 *settings) {
        assert_int_equal(ioctl(fd, TCSETS2, settings), 0);
}

/* As cfmakeraw(3), with a speed. */
static struct termios2 raw(struct termios2 settings, unsigned speed) {
        settings.c_iflag = 0;
        settings.c_oflag = 0;
        settings.c_lflag &= EXTPROC;
        settings.c_cflag = (settings.c_cflag & ~(tcflag_t)CBAUD) | BOTHER;
        settings.c_ispeed = settings.c_ospeed = speed;
        settings.c_cc[VMIN] = 0;
        settings.c_cc[VTIME] = 0;
        return settings;
}

static void begin(Fixture *f, bool reads_only, bool keeps_line) {
        PtyRelaySpec spec = {
                .loop = &f->loop,
                .reads_only = reads_only,
                .keeps_line = keeps_line,
                .device = dup(f->device),
        };

        assert_int_equal(pty_relay_new_consume(&spec, &f->relay), 0);
        f->program = open(pty_relay_get_path(f->relay), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        assert_true(f->program >= 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        *f = (Fixture){.loop = LOOP_NULL, .program = -EBADF, .n_fds = fds_count()};
        f->device = open_line(&f->board);
        *state = f;
        return loop_init(&f->loop);
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void)pty_relay_free(f->relay);
        close_fd(f->program);
        close_fd(f->device);
        close_fd(f->board);
        loop_deinit(&f->loop);
        assert_int_equal(fds_count(), f->n_fds);
        free(f);
        return 0;
}

/* What the command's loop does. */
static int turn(Fixture *f, int ms) {
        int64_t until = channel_deadline(ms), at = pty_relay_get_deadline(f->relay);

        assert_int_equal(loop_turn(&f->loop, at < until ? at : until), 0);
        return pty_relay_process(f->relay);
}

/* Until so many bytes have come out of there. */
static void expect_bytes(Fixture *f, int fd, const void *wanted, size_t n) {
        int64_t until = channel_deadline(PATIENCE_MS);
        uint8_t data[8192];
        size_t got = 0;

        assert_true(n <= sizeof(data));
        while (got < n && channel_deadline_left(until) > 0) {
                ssize_t k = read(fd, data + got, n - got);

                if (k > 0)
                        got += (size_t)k;
                else
                        assert_int_equal(turn(f, 20), 0);
        }
        assert_int_equal(got, n);
        assert_memory_equal(data, wanted, n);
}

static void expect_nothing(Fixture *f, int fd) {
        char c;

        for (int i = 0; i < 5; i++)
                assert_int_equal(turn(f, 10), 0);
        assert_true(read(fd, &c, 1) <= 0);
}

static void say(int fd, const char *text) {
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect_speed(Fixture *f, unsigned speed) {
        int64_t until = channel_deadline(PATIENCE_MS);

        while (get(f->device).c_ospeed != speed && channel_deadline_left(until) > 0)
                assert_int_equal(turn(f, 50), 0);
        assert_int_equal(get(f->device).c_ospeed, speed);
        assert_int_equal(get(f->device).c_ispeed, speed);
}

/* The program finds what the device has, and nobody else finds anything. */
static void test_shown(void **state) {
        Fixture *f = *state;
        struct termios2 settings = raw(get(f->device), 57600), seen;
        struct stat st;

        settings.c_cflag |= CSTOPB | CLOCAL;
        settings.c_oflag = OPOST | ONLCR;
        settings.c_iflag = ICRNL;
        settings.c_lflag = ICANON | ECHO;
        settings.c_cc[VINTR] = 7;
        set(f->device, &settings);
        begin(f, false, false);

        seen = get(f->program);
        assert_int_equal(seen.c_ospeed, 57600);
        assert_true(seen.c_cflag & CSTOPB && seen.c_cflag & CLOCAL);
        assert_int_equal(seen.c_oflag, OPOST | ONLCR);
        assert_int_equal(seen.c_iflag, ICRNL);
        assert_int_equal(seen.c_lflag, ICANON | ECHO | EXTPROC);
        assert_int_equal(seen.c_cc[VINTR], 7);

        assert_int_equal(fstat(f->program, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_uid, geteuid());
}

static void test_carried(void **state) {
        Fixture *f = *state;
        struct termios2 settings, device;

        begin(f, false, false);
        settings = raw(get(f->program), 115200);
        settings.c_cflag |= CRTSCTS | CSTOPB | HUPCL;
        settings.c_iflag = IXON | IXOFF;
        set(f->program, &settings);
        expect_speed(f, 115200);
        device = get(f->device);
        assert_true(device.c_cflag & CRTSCTS && device.c_cflag & CSTOPB && device.c_cflag & HUPCL);
        assert_int_equal(device.c_iflag, IXON | IXOFF);
        assert_int_equal(device.c_lflag, 0);
        assert_int_equal(device.c_oflag, 0);
        assert_int_equal(device.c_cc[VMIN], 1);

        /* Of no standard speed, and again, and again. */
        settings = raw(settings, 250000);
        set(f->program, &settings);
        expect_speed(f, 250000);
        settings = raw(settings, 74880);
        set(f->program, &settings);
        expect_speed(f, 74880);
        assert_int_equal(get(f->device).c_iflag, 0);
}

/* Who clears the flag that makes the pty tell is still heard, a little later. */
static void test_untold(void **state) {
        Fixture *f = *state;
        struct termios2 settings;

        begin(f, false, false);
        assert_true(pty_relay_get_deadline(f->relay) == CHANNEL_NO_DEADLINE);
        settings = raw(get(f->program), 19200);
        settings.c_lflag = 0;
        settings.c_iflag = ICRNL;
        set(f->program, &settings);
        expect_speed(f, 19200);
        assert_true(pty_relay_get_deadline(f->relay) != CHANNEL_NO_DEADLINE);
        /* That is the pty's to do, now. */
        assert_int_equal(get(f->device).c_iflag, 0);

        settings = raw(settings, 38400);
        set(f->program, &settings);
        expect_speed(f, 38400);

        /* At once, where something is written after it. */
        settings = raw(settings, 4800);
        set(f->program, &settings);
        say(f->program, "x");
        expect_bytes(f, f->board, "x", 1);
        assert_int_equal(get(f->device).c_ospeed, 4800);
}

/* What a pty has none of stays, and HUPCL where it is not the program's to say. */
static void test_kept(void **state) {
        Fixture *f = *state;
        struct termios2 settings = raw(get(f->device), 9600);

        settings.c_cflag |= PARODD;
        set(f->device, &settings);
        begin(f, false, true);
        settings = raw(get(f->program), 19200);
        settings.c_cflag |= HUPCL;
        settings.c_cflag &= ~(tcflag_t)PARODD;
        set(f->program, &settings);
        expect_speed(f, 19200);
        assert_true(get(f->device).c_cflag & PARODD);
        assert_false(get(f->device).c_cflag & HUPCL);
}

/* Once it is over the device is as if the program had set it. */
static void test_left(void **state) {
        Fixture *f = *state;
        struct termios2 settings, device;

        begin(f, false, false);
        settings = raw(get(f->program), 9600);
        settings.c_oflag = OPOST | ONLCR;
        settings.c_lflag |= ECHO;
        settings.c_cc[VTIME] = 5;
        set(f->program, &settings);
        f->relay = pty_relay_free(f->relay);
        device = get(f->device);
        assert_int_equal(device.c_ospeed, 9600);
        assert_int_equal(device.c_oflag, OPOST | ONLCR);
        assert_int_equal(device.c_lflag, ECHO);
        assert_int_equal(device.c_cc[VMIN], 0);
        assert_int_equal(device.c_cc[VTIME], 5);
}

static void make_raw(Fixture *f) {
        struct termios2 settings = raw(get(f->program), 115200);

        set(f->program, &settings);
        expect_speed(f, 115200);
}

static void test_all_bytes(void **state) {
        Fixture *f = *state;
        uint8_t data[2048];

        begin(f, false, false);
        make_raw(f);
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)i;

        assert_int_equal(write(f->program, data, sizeof(data)), sizeof(data));
        expect_bytes(f, f->board, data, sizeof(data));
        assert_int_equal(write(f->board, data, sizeof(data)), sizeof(data));
        expect_bytes(f, f->program, data, sizeof(data));
}

/* Without a word from the program, lines and their ends are as with the device itself. */
static void test_lines(void **state) {
        Fixture *f = *state;
        struct termios2 settings = get(f->device);

        settings.c_iflag = ICRNL;
        settings.c_oflag = OPOST | ONLCR;
        settings.c_lflag = ICANON | ECHO;
        set(f->device, &settings);
        begin(f, false, false);

        say(f->program, "question\n");
        expect_bytes(f, f->board, "question\r\n", 10);
        say(f->board, "half");
        expect_bytes(f, f->board, "half", 4);
        expect_nothing(f, f->program);
        say(f->board, " a line\r");
        expect_bytes(f, f->program, "half a line\n", 12);
}

/* Nobody reads: what is written has an end, and all of it arrives once somebody does. */
static size_t fill(Fixture *f, int fd, char c) {
        char data[512];
        size_t n = 0;
        int idle = 0;

        memset(data, c, sizeof(data));
        while (idle < 10) {
                ssize_t k = write(fd, data, sizeof(data));

                n += k > 0 ? (size_t)k : 0;
                idle = k > 0 ? 0 : idle + 1;
                assert_int_equal(turn(f, 10), 0);
        }
        return n;
}

static size_t drain(Fixture *f, int fd) {
        char data[4096];
        size_t n = 0;
        int idle = 0;

        while (idle < 10) {
                ssize_t k = read(fd, data, sizeof(data));

                n += k > 0 ? (size_t)k : 0;
                idle = k > 0 ? 0 : idle + 1;
                assert_int_equal(turn(f, 10), 0);
        }
        return n;
}

static void test_slow(void **state) {
        Fixture *f = *state;
        size_t n;

        begin(f, false, false);
        make_raw(f);
        n = fill(f, f->program, 'a');
        assert_true(n < 1024 * 1024);
        assert_false(pty_relay_is_settled(f->relay));
        assert_int_equal(drain(f, f->board), n);
        assert_true(pty_relay_is_settled(f->relay));

        n = fill(f, f->board, 'b');
        assert_int_equal(drain(f, f->program), n);
}

/* What the program throws away is thrown away on the way, too; settings are heard although nothing
 * goes on. */
static void test_flushed(void **state) {
        Fixture *f = *state;
        struct termios2 settings;
        size_t n;

        begin(f, false, false);
        make_raw(f);
        n = fill(f, f->program, 'a');
        settings = raw(get(f->program), 9600);
        set(f->program, &settings);
        expect_speed(f, 9600);
        assert_int_equal(ioctl(f->program, TCFLSH, TCOFLUSH), 0);
        assert_int_equal(turn(f, 100), 0);
        assert_true(drain(f, f->board) < n);

        n = fill(f, f->board, 'b');
        assert_int_equal(ioctl(f->program, TCFLSH, TCIFLUSH), 0);
        assert_int_equal(turn(f, 100), 0);
        assert_true(drain(f, f->program) < n);
        say(f->board, "new");
        expect_bytes(f, f->program, "new", 3);
}

/* Programs close it and open it again. In between nothing is done, over and over. */
static void test_reopened(void **state) {
        Fixture *f = *state;
        int64_t until;
        int turns = 0;

        begin(f, false, false);
        make_raw(f);
        f->program = close_fd(f->program);
        while (turn(f, 20) == 0 && turns++ < 3)
                ;
        until = channel_deadline(100);
        for (turns = 0; channel_deadline_left(until) > 0; turns++)
                assert_int_equal(turn(f, 100), 0);
        assert_true(turns <= 2);

        f->program = open(pty_relay_get_path(f->relay), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        say(f->board, "again");
        expect_bytes(f, f->program, "again", 5);
        say(f->program, "and again");
        expect_bytes(f, f->board, "and again", 9);
}

static void test_reads_only(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int device = f->device;
        char path[64], data[2048] = "x";

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
        f->device = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        assert_true(f->device >= 0);
        begin(f, true, false);
        make_raw(f);
        assert_false(pty_relay_has_dropped(f->relay));

        say(f->board, "reading");
        expect_bytes(f, f->program, "reading", 7);
        /* More than there is room for: the program is not held up by it. */
        for (int i = 0; i < 64; i++) {
                assert_int_equal(write(f->program, data, sizeof(data)), sizeof(data));
                assert_int_equal(turn(f, 10), 0);
        }
        expect_nothing(f, f->board);
        assert_true(pty_relay_has_dropped(f->relay));
        assert_false(pty_relay_has_dropped(f->relay));
        assert_true(pty_relay_is_settled(f->relay));
}

/* The device goes; and then the relay. */
static void test_hang_up(void **state) {
        Fixture *f = *state;
        struct pollfd program;
        char data[16];
        int r = 0;

        begin(f, false, false);
        make_raw(f);
        f->board = close_fd(f->board);
        for (int i = 0; i < 100 && r == 0; i++)
                r = turn(f, 20);
        assert_int_equal(r, -EIO);

        f->relay = pty_relay_free(f->relay);
        program = (struct pollfd){.fd = f->program, .events = POLLIN};
        assert_int_equal(poll(&program, 1, PATIENCE_MS), 1);
        assert_true(program.revents & POLLHUP);
        assert_true(read(f->program, data, sizeof(data)) <= 0);
        assert_int_equal(write(f->program, "x", 1), -1);
        assert_int_equal(errno, EIO);
}

static void test_no_line(void **state) {
        Fixture *f = *state;
        PtyRelaySpec spec = {.loop = &f->loop, .device = open("/dev/null", O_RDWR | O_CLOEXEC)};
        int n = fds_count();

        assert_int_equal(pty_relay_new_consume(&spec, &f->relay), -ENOTTY);
        assert_int_equal(fds_count(), n - 1);
        assert_null(f->relay);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_shown, setup, teardown),
                cmocka_unit_test_setup_teardown(test_carried, setup, teardown),
                cmocka_unit_test_setup_teardown(test_untold, setup, teardown),
                cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(test_left, setup, teardown),
                cmocka_unit_test_setup_teardown(test_all_bytes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
                cmocka_unit_test_setup_teardown(test_flushed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reopened, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reads_only, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hang_up, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_line, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
