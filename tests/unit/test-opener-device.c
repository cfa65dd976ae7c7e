/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "helpers/opener-device.h"

static const char devices[] = "Character devices:\n"
                              "  1 mem\n"
                              "  4 /dev/vc/0\n"
                              "  4 tty\n"
                              "  4 ttyS\n"
                              "  5 /dev/tty\n"
                              "  5 /dev/console\n"
                              " 10 misc\n"
                              "136 pts\n"
                              "188 ttyUSB\n"
                              "203 cpu/cpuid\n"
                              "\n"
                              "Block devices:\n"
                              "  7 loop\n"
                              "  8 sd\n"
                              "259 blkext\n";

static const char tty_drivers[] = "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
                                  "/dev/vc/0            /dev/vc/0       4       0 system:vtmaster\n"
                                  "usbserial            /dev/ttyUSB   188 0-511 serial\n"
                                  "serial               /dev/ttyS       4 64-67 serial\n"
                                  "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
                                  "unknown              /dev/tty        4 1-63 console\n";

static bool is(const char *driver, mode_t type, mode_t mode, unsigned a, unsigned b) {
        char name[32];
        DeviceClass device = {.type = type, .driver = name};

        (void)snprintf(name, sizeof(name), "%s", driver);
        return opener_device_is(&device, mode | 0660, makedev(a, b), devices, tty_drivers);
}

static bool is_char(const char *driver, unsigned a, unsigned b) {
        return is(driver, S_IFCHR, S_IFCHR, a, b);
}

static void test_major(void **state) {
        assert_true(is_char("mem", 1, 11));
        assert_true(is_char("misc", 10, 232));
        assert_true(is_char("ttyUSB", 188, 0));
        assert_true(is_char("pts", 136, 3));
        assert_true(is_char("cpu/cpuid", 203, 0));
        assert_false(is_char("mem", 10, 11));
        assert_false(is_char("misc", 1, 232));
        assert_false(is_char("nothing", 188, 0));
        assert_false(is_char("", 188, 0));
        assert_false(is_char("ttyUS", 188, 0));
        assert_false(is_char("ttyUSB0", 188, 0));
        assert_false(is_char("ttyUSB", 18, 0));
        assert_false(is_char("Character devices:", 0, 0));
}

/* The consoles have the serial ports' major number. */
static void test_shared_major(void **state) {
        assert_true(is_char("ttyS", 4, 64));
        assert_true(is_char("ttyS", 4, 67));
        assert_false(is_char("ttyS", 4, 63));
        assert_false(is_char("ttyS", 4, 68));
        assert_false(is_char("ttyS", 4, 0));
        assert_false(is_char("ttyS", 4, 1));
        assert_true(is_char("tty", 4, 1));
        assert_true(is_char("tty", 4, 63));
        assert_false(is_char("tty", 4, 64));
        assert_false(is_char("tty", 5, 0));
        assert_false(is_char("vc/0", 4, 1));
}

/* A name that looks like a heading hides none of those that share its number. */
static void test_heading(void **state) {
        static const char text[] = "Character devices:\n  4 ttyS\n  4 a:b\n  4 tty\n";
        DeviceClass serial = {.type = S_IFCHR, .driver = (char[]){"ttyS"}};

        assert_false(opener_device_is(&serial, S_IFCHR, makedev(4, 1), text, tty_drivers));
        assert_true(opener_device_is(&serial, S_IFCHR, makedev(4, 64), text, tty_drivers));
}

static void test_type(void **state) {
        assert_true(is("loop", S_IFBLK, S_IFBLK, 7, 0));
        assert_true(is("sd", S_IFBLK, S_IFBLK, 8, 1));
        assert_false(is("loop", S_IFCHR, S_IFBLK, 7, 0));
        assert_false(is("loop", S_IFBLK, S_IFCHR, 7, 0));
        assert_false(is("loop", S_IFCHR, S_IFCHR, 7, 0));
        assert_false(is("mem", S_IFBLK, S_IFBLK, 1, 0));
        assert_false(is("mem", S_IFCHR, S_IFREG, 1, 0));
}

static void test_texts(void **state) {
        DeviceClass serial = {.type = S_IFCHR, .driver = (char[]){"ttyS"}};
        DeviceClass usb = {.type = S_IFCHR, .driver = (char[]){"ttyUSB"}};
        mode_t mode = S_IFCHR | 0660;

        /* What cannot be told apart is refused; what can, needs no second file. */
        assert_false(opener_device_is(&serial, mode, makedev(4, 64), devices, ""));
        assert_true(opener_device_is(&usb, mode, makedev(188, 0), devices, ""));

        assert_false(opener_device_is(&usb, mode, makedev(188, 0), "", tty_drivers));
        assert_false(opener_device_is(&usb, mode, makedev(188, 0), "188 ttyUSB\n", ""));
        assert_true(opener_device_is(&usb, mode, makedev(188, 0), "Character devices:\n188 ttyUSB",
                                     ""));
        assert_false(opener_device_is(&usb, mode, makedev(188, 0),
                                      "Character devices:\n\n\nBlock devices:\n188 ttyUSB\n", ""));
        assert_false(opener_device_is(&usb, mode, makedev(188, 0),
                                      "Character devices:\nx\n188\n ttyUSB\n99999999999 a\n", ""));
        assert_false(opener_device_is(&serial, mode, makedev(4, 64), devices,
                                      "serial /dev/ttyS\n4 64-67 serial x\n/dev/ttyS 4 64\n"));
}

/* The running kernel's own. */
static void test_check(void **state) {
        DeviceClass mem[] = {{.type = S_IFCHR, .driver = (char[]){"mem"}}, {}};
        DeviceClass others[] = {{.type = S_IFCHR, .driver = (char[]){"misc"}},
                                {.type = S_IFBLK, .driver = (char[]){"mem"}},
                                {}};
        DeviceClass none[] = {{}};
        OpenerReply reply = {};
        struct stat st;

        assert_int_equal(stat("/dev/null", &st), 0);
        assert_int_equal(opener_device_check(mem, "/dev/null", &st, &reply), 0);
        assert_int_equal(opener_device_check(others, "/dev/null", &st, &reply), OPENER_TYPE);
        assert_string_equal(reply.detail,
                            "/dev/null (char 1:3) is not a device of the definition's Device=");
        assert_int_equal(opener_device_check(none, "/dev/null", &st, &reply), OPENER_TYPE);
        assert_int_equal(opener_device_check(NULL, "/dev/null", &st, &reply), OPENER_TYPE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_major),   cmocka_unit_test(test_shared_major),
                cmocka_unit_test(test_heading), cmocka_unit_test(test_type),
                cmocka_unit_test(test_texts),   cmocka_unit_test(test_check),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
