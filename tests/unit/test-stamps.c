/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "policy/stamps.h"

/* The folders, as somebody finds them who takes stamps of the names "a" and "a@". */
static const char *const folders[] = {"etc", "run", "lib", NULL};
static const char *const names[] = {"a", "a@", NULL};

static void write_text(const char *path, const char *text, int flags) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close_fd(fd);
}

static void append_to_file(void) {
        write_text("lib/a.conf", "y", O_APPEND);
}

static void write_same_size(void) {
        write_text("lib/a.conf", "y", 0);
}

static void write_same_bytes(void) {
        write_text("lib/a.conf", "x", 0);
}

static void set_back_its_time(void) {
        struct timespec times[2];
        struct stat st;

        assert_int_equal(stat("lib/a.conf", &st), 0);
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        write_same_size();
        assert_int_equal(utimensat(AT_FDCWD, "lib/a.conf", times, 0), 0);
}

static void replace_file(void) {
        write_text("new", "x", 0);
        assert_int_equal(rename("new", "lib/a.conf"), 0);
}

static void remove_file(void) {
        assert_int_equal(unlink("lib/a.conf"), 0);
}

static void change_mode_of_file(void) {
        assert_int_equal(chmod("lib/a.conf", 0666), 0);
}

static void change_mode_of_folder(void) {
        assert_int_equal(chmod("lib", 0777), 0);
}

static void shadow(void) {
        write_text("etc/a.conf", "", 0);
}

static void shadow_with_link(void) {
        assert_int_equal(symlink("/dev/null", "etc/a.conf"), 0);
}

static void add_folder(void) {
        assert_int_equal(mkdir("run", 0755), 0);
}

static void add_dropin(void) {
        write_text("lib/a.conf.d/2.conf", "x", 0);
}

static void change_dropin(void) {
        write_text("lib/a.conf.d/1.conf", "y", 0);
}

static void remove_dropin(void) {
        assert_int_equal(unlink("lib/a.conf.d/1.conf"), 0);
}

static void add_dropins(void) {
        assert_int_equal(mkdir("etc/a.conf.d", 0755), 0);
}

static void add_template(void) {
        write_text("etc/a@.conf", "x", 0);
}

static void replace_folder(void) {
        assert_int_equal(rename("lib", "old"), 0);
        assert_int_equal(mkdir("lib", 0755), 0);
}

static void link_folder_elsewhere(void) {
        assert_int_equal(rename("etc", "old"), 0);
        assert_int_equal(symlink("lib", "etc"), 0);
}

static void change_something_else(void) {
        write_text("lib/b.conf.d/1.conf", "y", 0);
        write_text("lib/b.conf", "y", 0);
        write_text("other", "x", 0);
}

static void change_nothing(void) {}

static const struct {
        void (*change)(void);
        bool is_current;
} cases[] = {
        {append_to_file},
        {write_same_size},
        {write_same_bytes},
        {set_back_its_time},
        {replace_file},
        {remove_file},
        {change_mode_of_file},
        {change_mode_of_folder},
        {shadow},
        {shadow_with_link},
        {add_folder},
        {add_dropin},
        {change_dropin},
        {remove_dropin},
        {add_dropins},
        {add_template},
        {replace_folder},
        {link_folder_elsewhere},
        {change_something_else, true},
        {change_nothing, true},
};

static char root[] = "/tmp/test-stamps-XXXXXX";

static void go_to_case(size_t i) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%zu", root, i);
        if (mkdir(path, 0755) < 0)
                assert_int_equal(errno, EEXIST);
        assert_int_equal(chdir(path), 0);
}

static void make_files(void) {
        assert_int_equal(mkdir("etc", 0755), 0);
        assert_int_equal(mkdir("lib", 0755), 0);
        assert_int_equal(mkdir("lib/a.conf.d", 0755), 0);
        assert_int_equal(mkdir("lib/b.conf.d", 0755), 0);
        write_text("lib/a.conf", "x", 0);
        write_text("lib/a.conf.d/1.conf", "x", 0);
        write_text("lib/b.conf", "x", 0);
        write_text("lib/b.conf.d/1.conf", "x", 0);
}

static void test_cases(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(stamps_deinit) Stamps stamps = {};

                go_to_case(i);
                make_files();
                assert_int_equal(stamps_take((char *const *)folders, names, &stamps), 0);
                /* Too young to vouch for anything. */
                assert_false(stamps.settled);
                assert_false(stamps_are_current(&stamps));
        }

        sleep(STAMPS_SETTLE_SEC + 1);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(stamps_deinit) Stamps stamps = {};

                go_to_case(i);
                assert_int_equal(stamps_take((char *const *)folders, names, &stamps), 0);
                assert_true(stamps.settled);
                assert_true(stamps_are_current(&stamps));
                cases[i].change();
                if (stamps_are_current(&stamps) != cases[i].is_current)
                        fail_msg("case %zu", i);
        }
}

static void test_never_taken(void **state) {
        const Stamps stamps = {};

        assert_false(stamps_are_current(&stamps));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int setup(void **state) {
        return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state) {
        return chdir("/") < 0 ? -1 : nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_never_taken),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
