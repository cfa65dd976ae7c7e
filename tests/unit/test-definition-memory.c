/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every allocation and every descriptor of the parser, the catalogue, the settings, the actions and
 * the drop-in fails once, one after the other. Each time the answer must be that error and
 * nothing else: never a definition that lacks what could not be kept, and so is less strict. Memory
 * is counted by the leak checker, descriptors here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "helpers/dropin.h"
#include "policy/action.h"
#include "policy/catalogue.h"
#include "policy/settings.h"
#include "policy/strv.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

/* How many calls succeed before one does not; negative: all do. */
static long countdown = -1;
static bool fired;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
int __real_vasprintf(char **ret, const char *format, va_list args);
FILE *__real_open_memstream(char **ret, size_t *ret_size);
int __real_openat(int fd, const char *path, int flags, mode_t mode);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
int __wrap_vasprintf(char **ret, const char *format, va_list args) _printf_(2, 0);
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args) _printf_(3, 0);
FILE *__wrap_open_memstream(char **ret, size_t *ret_size);
int __wrap_openat(int fd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int fd, const char *path, int flags, mode_t mode);

static bool denied(int error) {
        if (countdown < 0 || countdown-- > 0)
                return false;

        fired = true;
        errno = error;
        return true;
}

void *__wrap_malloc(size_t n) {
        return denied(ENOMEM) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
        return denied(ENOMEM) ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return denied(ENOMEM) ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text) {
        return denied(ENOMEM) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n) {
        return denied(ENOMEM) ? NULL : __real_strndup(text, n);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args) {
        return denied(ENOMEM) ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args) {
        return denied(ENOMEM) ? -1 : __real_vasprintf(ret, format, args);
}

FILE *__wrap_open_memstream(char **ret, size_t *ret_size) {
        return denied(ENOMEM) ? NULL : __real_open_memstream(ret, ret_size);
}

int __wrap_openat(int fd, const char *path, int flags, mode_t mode) {
        return denied(EMFILE) ? -1 : __real_openat(fd, path, flags, mode);
}

int __wrap_openat64(int fd, const char *path, int flags, mode_t mode) {
        return denied(EMFILE) ? -1 : __real_openat(fd, path, flags, mode);
}

typedef int (*Attempt)(void *userdata);

/* Runs it with the first call failing, then the second, and so on until none is left. */
static void check_all(Attempt attempt, void *userdata, long at_least) {
        int n_fds = fds_count();
        long n = 0;

        for (;; n++) {
                int r;

                countdown = n;
                fired = false;
                r = attempt(userdata);
                countdown = -1;
                assert_int_equal(fds_count(), n_fds);
                if (!fired) {
                        assert_int_equal(r, 0);
                        break;
                }
                if (r != -ENOMEM && r != -EMFILE)
                        fail_msg("call %ld: %d", n, r);
        }

        assert_true(n >= at_least);
}

static const char everything[] = "[Endpoint]\n"
                                 "Description=x\n"
                                 "Documentation=man:x(1) nowhere\n"
                                 "Instance=a b\n"
                                 "[ReadOnly]\n"
                                 "OpenFile=/dev/%i\n"
                                 "ReadOnlyMeans=open-flags\n"
                                 "[Full]\n"
                                 "OpenFile=/dev/%i\n"
                                 "RevokeOnLogout=no\n"
                                 "Unknown=1\n"
                                 "[Connect]\n"
                                 "Groups=daemon absent\n"
                                 "Capabilities=CAP_SYSLOG\n"
                                 "ConnectAs=daemon\n"
                                 "PeerUser=daemon\n"
                                 "Device=char:ttyS char:ttyUSB\n"
                                 "[Client]\n"
                                 "Environment=X=%s\n"
                                 "[Unknown]\n"
                                 "A=1\n";

static int try_parse(void *userdata) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        r = definition_parse("t@", "/x/t@.conf", userdata, &d);
        if (r < 0)
                return r;
        assert_int_equal(d->problem != NULL, userdata != everything);
        return 0;
}

static void test_parse(void **state) {
        static const char *const problems[] = {
                "[Full]\nOpenFile=here\n",
                "[Full]\n",
                "[Full]\nOpenFile=/dev/%i\n",
                "[Full]\nTap=x-%i\nBridge=b\n",
                "[Full]\nOpenFile=/a/%i # x\n",
                "[Connect]\nCapabilities=CAP_SETUID\n",
                "[Full]\nOpenFile=/a/%i\nMode=x\n",
                "[ReadOnly]\nOpenFile=/dev/%i\nFilter=x\n",
                "[ReadOnly]\nConnectStream=/a/%i\nFilter=docker statu\n",
        };

        check_all(try_parse, (void *)everything, 50);
        for (size_t i = 0; i < ELEMENTSOF(problems); i++)
                check_all(try_parse, (void *)problems[i], 8);
}

static int try_dropin(void *userdata) {
        _cleanup_(strv_freep) char **notes = NULL;
        _cleanup_free_ char *text = NULL;

        return dropin_format(userdata, "/etc/passwd", "/etc/group", &notes, &text);
}

static int try_print(void *userdata) {
        _cleanup_free_ char *text = NULL;
        const Definition *d = userdata;

        return action_print(d, action_defaults(d, ACCESS_READ_ONLY),
                            action_defaults(d, ACCESS_FULL), &text);
}

static int try_print_generic(void *userdata) {
        _cleanup_free_ char *text = NULL;

        return action_print_generic(&text);
}

static void test_texts(void **state) {
        _cleanup_(definition_freep) Definition *d = NULL;

        assert_int_equal(definition_parse("t@", "/x/t@.conf", everything, &d), 0);
        assert_null(d->problem);
        check_all(try_dropin, d, 4);
        check_all(try_print, d, 5);
        check_all(try_print_generic, NULL, 1);
}

static int try_settings(void *userdata) {
        _cleanup_(settings_freep) Settings *settings = NULL;

        return settings_parse("/x", "[Broker]\nLeasesMax=0\nUnknown=1\n[X]\nY=1\n", &settings);
}

static void test_settings(void **state) {
        check_all(try_settings, NULL, 10);
}

typedef struct House {
        Tree tree;
        char *folders[3];
        Catalogue *earlier;
} House;

static int setup(void **state) {
        static House house;

        house = (House){};
        tree_init(&house.tree);
        house.folders[0] = strv_format("%s/upper", house.tree.path);
        house.folders[1] = strv_format("%s/lower", house.tree.path);
        tree_file(&house.tree, "lower/a.conf", "[Full]\nConnectStream=/run/a\n");
        tree_file(&house.tree, "lower/b.conf", "[Full]\nConnectStream=/run/b\n");
        tree_file(&house.tree, "lower/s.conf", "[Full]\nConnectStream=/run/s\n");
        tree_file(&house.tree, "lower/t@.conf", everything);
        tree_file(&house.tree, "upper/a.conf.d/x.conf", "[Full]\nMaxSec=1h\n");
        tree_link(&house.tree, "upper/a.conf.d/y.conf", "/dev/null");
        tree_file(&house.tree, "lower/a.conf.d/y.conf", "[Full]\nMaxSec=2h\n");
        tree_file(&house.tree, "lower/Bad.conf", "");
        *state = &house;
        return 0;
}

static int teardown(void **state) {
        House *house = *state;

        catalogue_free(house->earlier);
        free(house->folders[0]);
        free(house->folders[1]);
        tree_deinit(&house->tree);
        return 0;
}

static int try_load(void *userdata) {
        _cleanup_(definition_freep) Definition *d = NULL;
        House *house = userdata;
        int r;

        r = definition_load_for_opener(house->folders, tree_owner(), "a", &d);
        if (r < 0)
                return r;
        assert_null(d->problem);
        assert_int_equal(strv_length(d->files), 2);
        return 0;
}

static void test_load(void **state) {
        check_all(try_load, *state, 30);
}

static int try_catalogue(void *userdata) {
        House *house = userdata;
        Catalogue *catalogue = NULL;
        size_t n = house->earlier ? house->earlier->n_definitions : 0;
        int r;

        r = catalogue_load_trusting(house->folders, tree_owner(), house->earlier, &catalogue);
        if (r < 0) {
                /* What there was is still whole. */
                assert_int_equal(house->earlier ? house->earlier->n_definitions : 0, n);
                return r;
        }
        assert_int_equal(catalogue->n_definitions, house->earlier ? 5 : 4);
        assert_int_equal(strv_length(catalogue->warnings), 1);
        catalogue_free(catalogue);
        return 0;
}

static void test_catalogue(void **state) {
        House *house = *state;

        check_all(try_catalogue, house, 100);
        assert_int_equal(
                catalogue_load_trusting(house->folders, tree_owner(), NULL, &house->earlier), 0);

        /* One to be kept from before, and two that clash. */
        tree_file(&house->tree, "lower/b.conf", "[Full]\nConnectStream=b\n");
        tree_file(&house->tree, "lower/s@.conf", everything);
        check_all(try_catalogue, house, 100);
        assert_int_equal(house->earlier->n_definitions, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_texts),
                cmocka_unit_test(test_settings),
                cmocka_unit_test_setup_teardown(test_load, setup, teardown),
                cmocka_unit_test_setup_teardown(test_catalogue, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
