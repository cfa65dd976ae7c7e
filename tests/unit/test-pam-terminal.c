/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pty.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "pam/terminal.h"

/* As the kernel puts it into /proc/PID/stat. */
static uint32_t encode(unsigned major_number, unsigned minor_number) {
        return (minor_number & 0xff) | major_number << 8 | (minor_number & ~0xffU) << 12;
}

static void check(unsigned major_number, unsigned minor_number, const char *expected) {
        char name[TERMINAL_NAME_SIZE] = "?";

        assert_true(terminal_get_name(encode(major_number, minor_number), name));
        assert_string_equal(name, expected);
}

static void check_none(unsigned major_number, unsigned minor_number) {
        char name[TERMINAL_NAME_SIZE] = "?";

        assert_false(terminal_get_name(encode(major_number, minor_number), name));
        assert_string_equal(name, "?");
}

static void test_terminals(void **state) {
        char name[TERMINAL_NAME_SIZE];

        check(136, 0, "pts/0");
        check(136, 3, "pts/3");
        check(136, 255, "pts/255");
        check(136, 256, "pts/256");
        check(136, 1048575, "pts/1048575");
        check(137, 1, "pts/257");
        check(143, 255, "pts/2047");
        check(4, 1, "tty1");
        check(4, 63, "tty63");
        check(4, 64, "ttyS0");
        check(4, 66, "ttyS2");
        check(4, 255, "ttyS191");

        /* 0x8803 is what ps(1) would call pts/3, too. */
        assert_true(terminal_get_name(34819, name));
        assert_string_equal(name, "pts/3");
}

static void test_others(void **state) {
        check_none(0, 0);
        check_none(1, 3);
        check_none(3, 1);
        check_none(5, 0);
        check_none(5, 1);
        check_none(135, 0);
        check_none(144, 0);
        check_none(188, 0);
        check_none(4095, 1048575);
}

/* In a namespace of their own anybody has a pts/3; in ours it is somebody's. */
static void test_whose(void **state) {
        char name[TERMINAL_NAME_SIZE];
        int master, slave;
        struct stat st;
        uint32_t tty;

        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
        assert_int_equal(fstat(slave, &st), 0);
        tty = encode(major(st.st_rdev), minor(st.st_rdev));
        assert_true(terminal_get_name(tty, name));
        assert_true(terminal_can_be_of(name, tty, st.st_uid));
        assert_false(terminal_can_be_of(name, tty, st.st_uid + 1));
        close(slave);
        close(master);
        assert_false(terminal_can_be_of(name, tty, st.st_uid));
        assert_true(terminal_can_be_of("tty1", encode(4, 1), 4242));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_terminals),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_whose),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
