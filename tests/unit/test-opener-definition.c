/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "helpers/opener-definition.h"

#define TEXT                 \
        "[Endpoint]\n"       \
        "Description=Test\n" \
        "\n"                 \
        "[Full]\n"           \
        "ConnectStream=/run/test\n"

#define TEMPLATE             \
        "[Endpoint]\n"       \
        "Description=Test\n" \
        "Instance=a*\n"      \
        "\n"                 \
        "[Full]\n"           \
        "ConnectStream=/run/%i\n"

typedef struct Fixture {
        char root[64];
        char **folders;
        char hash[DEFINITION_HASH_SIZE];
        OpenerDefinition current;
        OpenerReply reply;
} Fixture;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static const char *in(const Fixture *f, const char *path) {
        static char buf[PATH_MAX];

        (void)snprintf(buf, sizeof(buf), "%s%s", f->root, path);
        return buf;
}

static void make_folders(const Fixture *f, const char *path) {
        for (const char *end = path; *end; end++) {
                char part[128];

                end += strcspn(end + 1, "/");
                (void)snprintf(part, sizeof(part), "%.*s", (int)(end - path) + 1, path);
                if (mkdir(in(f, part), 0755) < 0)
                        assert_int_equal(errno, EEXIST);
        }
}

static void write_file(const Fixture *f, const char *path, const char *text) {
        int fd = open(in(f, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close_fd(fd);
}

#define ETC "/etc/doorward/endpoints.d"
#define RUN "/run/doorward/endpoints.d"
#define LIB "/usr/lib/doorward/endpoints.d"

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        (void)snprintf(f->root, sizeof(f->root), "/tmp/test-opener-def-XXXXXX");
        if (!mkdtemp(f->root) || chmod(f->root, 0755) < 0)
                return -1;
        if (definition_folders(f->root, &f->folders) < 0)
                return -1;

        make_folders(f, ETC);
        make_folders(f, LIB);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void)nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        opener_definition_deinit(&f->current);
        strv_free(f->folders);
        free(f);
        return 0;
}

static int load(const Fixture *f, Definition **ret) {
        return definition_load_for_opener(f->folders, getuid(), "test", ret);
}

/* What the generator does: takes the hash of what there is. */
static void begin(Fixture *f) {
        _cleanup_(definition_freep) Definition *d = NULL;

        assert_int_equal(load(f, &d), 0);
        assert_null(d->problem);
        memcpy(f->hash, d->hash, sizeof(f->hash));
        assert_int_equal(opener_definition_init(&f->current, f->root, getuid(), "test", f->hash),
                         0);
        assert_int_equal(opener_definition_refresh(&f->current, &f->reply), 0);
}

static void assert_stale(Fixture *f, const char *detail) {
        assert_int_equal(opener_definition_refresh(&f->current, &f->reply), OPENER_STALE);
        assert_int_equal(f->reply.status, OPENER_STALE);
        assert_non_null(strstr(f->reply.detail, detail));
        assert_non_null(f->current.definition);
}

static void assert_current(Fixture *f) {
        assert_int_equal(opener_definition_refresh(&f->current, &f->reply), 0);
}

static void test_same(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        write_file(f, LIB "/other.conf", TEXT);
        begin(f);
        assert_current(f);

        /* Written again with the same bytes, or replaced by a file of the same bytes. */
        write_file(f, LIB "/test.conf", TEXT);
        assert_current(f);
        assert_int_equal(unlink(in(f, LIB "/test.conf")), 0);
        write_file(f, LIB "/test.conf", TEXT);
        assert_current(f);

        /* What does not concern it. */
        write_file(f, ETC "/other.conf", "");
        make_folders(f, LIB "/other.conf.d");
        assert_current(f);
}

static void test_changed(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        write_file(f, LIB "/test.conf", TEXT "# a comment counts too\n");
        assert_stale(f, "was changed");
        write_file(f, LIB "/test.conf", TEXT "Lease=tracked\n");
        assert_stale(f, "was changed");

        /* And back again: then it is what the unit was written from. */
        write_file(f, LIB "/test.conf", TEXT);
        assert_current(f);
}

static void test_gone(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        assert_int_equal(unlink(in(f, LIB "/test.conf")), 0);
        assert_stale(f, "is gone");
        write_file(f, LIB "/test.conf", "");
        assert_stale(f, "is gone");
        assert_int_equal(unlink(in(f, LIB "/test.conf")), 0);
        assert_int_equal(symlink("/dev/null", in(f, LIB "/test.conf")), 0);
        assert_stale(f, "is gone");
}

static void test_shadowed(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        write_file(f, ETC "/test.conf", TEXT);
        assert_stale(f, "was changed"); /* its path belongs to the text */
        write_file(f, ETC "/test.conf", "");
        assert_stale(f, "is gone");
        assert_int_equal(unlink(in(f, ETC "/test.conf")), 0);
        assert_current(f);

        /* A folder that was not there. */
        make_folders(f, RUN);
        assert_current(f);
        write_file(f, RUN "/test.conf", TEXT);
        assert_stale(f, "was changed");
}

static void test_drop_ins(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        make_folders(f, ETC "/test.conf.d");
        assert_current(f);
        write_file(f, ETC "/test.conf.d/a.conf", "[Connect]\nPeerUser=*\n");
        assert_stale(f, "was changed");
        write_file(f, ETC "/test.conf.d/a.conf", "");
        assert_current(f);
}

static void test_from_drop_ins(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        make_folders(f, ETC "/test.conf.d");
        write_file(f, ETC "/test.conf.d/a.conf", "[Connect]\nPeerUser=*\n");
        begin(f);
        assert_current(f);
        assert_true(f->current.definition->peer_any);
        assert_int_equal(unlink(in(f, ETC "/test.conf.d/a.conf")), 0);
        assert_stale(f, "was changed");
        assert_int_equal(rmdir(in(f, ETC "/test.conf.d")), 0);
        assert_stale(f, "was changed");
}

static void test_template(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test@.conf", TEMPLATE);
        begin(f);
        assert_true(f->current.definition->template);
        assert_current(f);
        write_file(f, ETC "/test.conf", "");
        assert_current(f); /* masked: the template is left */
        write_file(f, ETC "/test.conf", TEXT);
        assert_stale(f, "was changed");
        assert_int_equal(unlink(in(f, ETC "/test.conf")), 0);
        assert_current(f);
        make_folders(f, ETC "/test@.conf.d");
        assert_current(f);
}

static void test_permissions(void **state) {
        static const char *const places[] = {ETC,    LIB, LIB "/test.conf", "/etc/doorward", "/etc",
                                             "/usr", ""};
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                mode_t mode = strstr(places[i], ".conf") ? 0644 : 0755;

                assert_int_equal(chmod(in(f, places[i]), mode | 0020), 0);
                assert_stale(f, "can be written by others");
                assert_int_equal(chmod(in(f, places[i]), mode | 0002), 0);
                assert_stale(f, "can be written by others");
                assert_int_equal(chmod(in(f, places[i]), mode), 0);
                assert_current(f);
        }

        assert_int_equal(chmod(in(f, LIB "/test.conf"), 0640), 0);
        assert_stale(f, "cannot be read by all");
}

static void test_link_among_folders(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        assert_int_equal(mkdir(in(f, "/elsewhere"), 0755), 0);
        {
                char old[PATH_MAX];

                (void)snprintf(old, sizeof(old), "%s", in(f, "/usr/lib/doorward"));
                assert_int_equal(rename(old, in(f, "/elsewhere/doorward")), 0);
        }
        assert_stale(f, "is gone");
        assert_int_equal(symlink("../../elsewhere/doorward", in(f, "/usr/lib/doorward")), 0);
        assert_current(f);
}

/* The text of a file that does not end with a new line has one more than the file. */
static void test_no_final_newline(void **state) {
        Fixture *f = *state;

        write_file(f, LIB "/test.conf", TEXT "#");
        begin(f);
        assert_current(f);
}

static void test_long(void **state) {
        Fixture *f = *state;
        char text[8192];
        size_t n = strlen(TEXT);

        memcpy(text, TEXT, n);
        while (n < 5000)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "# filling\n");
        write_file(f, LIB "/test.conf", text);
        begin(f);
        assert_current(f);
}

static void mutate(const Fixture *f, int what) {
        switch (what) {
        case 0:
                write_file(f, LIB "/test.conf", TEXT);
                break;
        case 1:
                write_file(f, LIB "/test.conf", TEXT "\n");
                break;
        case 2:
                (void)unlink(in(f, ETC "/test.conf"));
                break;
        case 3:
                write_file(f, ETC "/test.conf", "");
                break;
        case 4:
                write_file(f, ETC "/test@.conf", TEMPLATE);
                break;
        case 5:
                (void)mkdir(in(f, ETC "/test.conf.d"), 0755);
                break;
        case 6:
                (void)rmdir(in(f, ETC "/test.conf.d"));
                break;
        case 7:
                (void)chmod(in(f, ETC), 0777);
                break;
        case 8:
                (void)chmod(in(f, ETC), 0755);
                break;
        case 9:
                (void)chmod(in(f, "/usr"), 01777);
                break;
        case 10:
                (void)chmod(in(f, "/usr"), 0777);
                break;
        case 11:
                (void)chmod(in(f, "/usr"), 0755);
                break;
        case 12:
                (void)chmod(in(f, LIB "/test.conf"), 0600);
                break;
        case 13:
                (void)chmod(in(f, LIB "/test.conf"), 0644);
                break;
        }
}

/* Whatever happens: if it says that nothing has changed, then reading it again says the same. */
static void test_never_wrong(void **state) {
        Fixture *f = *state;
        unsigned seed = 1, unchanged = 0;

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);

        for (int i = 0; i < 800; i++) {
                _cleanup_(definition_freep) Definition *d = NULL;

                seed = seed * 1103515245U + 12345U;
                mutate(f, (int)(seed >> 16) % 14);
                if (opener_definition_refresh(&f->current, &f->reply) != 0)
                        continue;
                unchanged++;
                assert_int_equal(load(f, &d), 0);
                assert_null(d->problem);
                assert_string_equal(d->hash, f->hash);
        }
        assert_true(unchanged > 8);
}

/* Once nothing has changed for a while it is not read any more, and what changes then is seen all
 * the same. */
static void test_settled(void **state) {
        Fixture *f = *state;
        char text[sizeof(TEXT)];

        write_file(f, LIB "/test.conf", TEXT);
        begin(f);
        assert_false(f->current.stamps.settled);
        sleep(STAMPS_SETTLE_SEC + 1);
        assert_current(f);
        assert_true(f->current.stamps.settled);
        for (int i = 0; i < 3; i++)
                assert_current(f);

        memcpy(text, TEXT, sizeof(text));
        text[strlen(text) - 2]++; /* of the same length */
        write_file(f, LIB "/test.conf", text);
        assert_stale(f, "was changed");
        write_file(f, LIB "/test.conf", TEXT);
        assert_current(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_same, setup, teardown),
                cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shadowed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_drop_ins, setup, teardown),
                cmocka_unit_test_setup_teardown(test_from_drop_ins, setup, teardown),
                cmocka_unit_test_setup_teardown(test_template, setup, teardown),
                cmocka_unit_test_setup_teardown(test_permissions, setup, teardown),
                cmocka_unit_test_setup_teardown(test_link_among_folders, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_final_newline, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long, setup, teardown),
                cmocka_unit_test_setup_teardown(test_never_wrong, setup, teardown),
                cmocka_unit_test_setup_teardown(test_settled, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
