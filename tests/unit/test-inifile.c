/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/inifile.h"
#include "policy/strv.h"
#include "tests/support/fds.h"
#include "tests/support/tree.h"

/* What a parse hands over, as "FILE:LINE [Section] Key=value" with the file's last part only. */
static int collect(const IniLine *line, void *userdata) {
        const char *slash = strrchr(line->file, '/');

        return strv_push_consume(userdata,
                                 strv_format("%s:%u [%s] %s=%s", slash ? slash + 1 : line->file,
                                             line->number, line->section, line->key, line->value));
}

static void assert_lines(char **lines, const char *const *expected) {
        size_t n = 0;

        for (; expected[n]; n++) {
                if (!lines || !lines[n])
                        fail_msg("\"%s\" is missing", expected[n]);
                assert_string_equal(lines[n], expected[n]);
        }
        assert_int_equal(strv_length(lines), n);
}

/* Each of them, in order; none but NULL at the end means none at all. */
#define assert_parsed(ini, ...)                                            \
        do {                                                               \
                const char *const _expected[] = {__VA_ARGS__, NULL};       \
                char **_lines = NULL;                                      \
                                                                           \
                assert_int_equal(inifile_parse(ini, collect, &_lines), 0); \
                assert_lines(_lines, _expected);                           \
                strv_free(_lines);                                         \
        } while (false)

static Inifile *parse(const char *text, size_t size) {
        Inifile *ini = NULL;

        assert_int_equal(inifile_new("/x/f", text, size, &ini), 0);
        return ini;
}

static void test_syntax(void **state) {
        static const char text[] = "# a comment\n"
                                   "  ; another, indented\n"
                                   "\n"
                                   " \t \n"
                                   "[A]\n"
                                   "Key=value\n"
                                   "Spaced  =  two words \t \n"
                                   "Empty=\n"
                                   "Equals=a=b=c\n"
                                   "Colon=a:b\n"
                                   "Hash=a#b;c\n"
                                   "Utf8=Grüße, 世界 \xf0\x9f\x98\x80\n"
                                   "[B-2]  \n"
                                   "X-Key=1\n"
                                   "[A]\n"
                                   "Key=again";
        _cleanup_(inifile_freep) Inifile *ini = parse(text, strlen(text));

        assert_parsed(ini, "f:6 [A] Key=value", "f:7 [A] Spaced=two words",
                      "f:8 [A] Empty=", "f:9 [A] Equals=a=b=c", "f:10 [A] Colon=a:b",
                      "f:11 [A] Hash=a#b;c", "f:12 [A] Utf8=Grüße, 世界 \xf0\x9f\x98\x80",
                      "f:14 [B-2] X-Key=1", "f:16 [A] Key=again");
        assert_null(ini->problem);
        assert_true(ini->found);
}

/* Whatever inih, systemd or a person could read in two ways. */
static void test_refused_lines(void **state) {
        static const struct {
                const char *line;
                const char *problem;
        } cases[] = {
                {" Key=value", "begins with white space"},
                {"\tKey=value", "begins with white space"},
                {" [B]", "begins with white space"},
                {"Key: value", "neither [Section] nor Key=value"},
                {"Key:a=b", "neither [Section] nor Key=value"},
                {"Key", "neither [Section] nor Key=value"},
                {"=value", "neither [Section] nor Key=value"},
                {"Key word=value", "neither [Section] nor Key=value"},
                {"Kéy=value", "neither [Section] nor Key=value"},
                {"Key_=value", "neither [Section] nor Key=value"},
                {"Key=value # comment", "comment needs a line of its own"},
                {"Key=value ; comment", "comment needs a line of its own"},
                {"Key=value\t;comment", "control character"},
                {"Key=# comment", "comment needs a line of its own"},
                {"Key=;comment", "comment needs a line of its own"},
                {"Key= ;comment", "comment needs a line of its own"},
                {"Key=value\\", "ends with a backslash"},
                {"Key=\\", "ends with a backslash"},
                {"[]", "is no [Section]"},
                {"[B", "is no [Section]"},
                {"[B] junk", "is no [Section]"},
                {"[B] # comment", "is no [Section]"},
                {"[B]]", "is no [Section]"},
                {"[[B]", "is no [Section]"},
                {"[B C]", "is no [Section]"},
                {"[ B ]", "is no [Section]"},
                {"[B;C]", "is no [Section]"},
                {"Key=a\tb", "control character"},
                {"Key=a\rb", "control character"},
                {"Key=value\r", "carriage return of Windows: sed -i 's/\\r$//'"},
                {"# comment\r", "control character"},
                {"Key=\x1b[2J", "control character"},
                {"Key=\x7f", "control character"},
                {"Key=\xc2\x85", "control character"},
                {"Key=\x80", "not UTF-8"},
                {"Key=\xc3", "not UTF-8"},
                {"Key=\xc0\xaf", "not UTF-8"},
                {"Key=\xe0\x80\xaf", "not UTF-8"},
                {"Key=\xed\xa0\x80", "not UTF-8"},
                {"Key=\xf4\x90\x80\x80", "not UTF-8"},
                {"Key=\xf8\x88\x80\x80\x80", "not UTF-8"},
                {"Key=\xff", "not UTF-8"},
                {"# \xff", "not UTF-8"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text =
                        strv_format("[A]\nGood=1\n%s\n[C]\nLater=2\n", cases[i].line);
                _cleanup_(inifile_freep) Inifile *ini = parse(text, strlen(text));

                /* Nothing of such a file is handed over, not even what came before. */
                assert_parsed(ini, NULL);
                if (!ini->problem || strncmp(ini->problem, "/x/f:3: ", 8) != 0 ||
                    !strstr(ini->problem, cases[i].problem))
                        fail_msg("%s: \"%s\"", cases[i].line, ini->problem ? ini->problem : "-");
        }
}

static void test_refused_files(void **state) {
        _cleanup_(inifile_freep) Inifile *early = parse("Key=1\n[A]\n", 10);
        _cleanup_(inifile_freep) Inifile *bom = parse("\xef\xbb\xbf[A]\nKey=1\n", 13);
        _cleanup_(inifile_freep) Inifile *nul = parse("[A]\nKey=1\0\n[B]\nKey=2\n", 21);

        assert_parsed(early, NULL);
        assert_non_null(strstr(early->problem, "/x/f:1: the line stands before the first"));
        assert_parsed(bom, NULL);
        assert_non_null(bom->problem);
        assert_parsed(nul, NULL);
        assert_non_null(strstr(nul->problem, "NUL"));
}

/* A line of n bytes: 197 is the last that inih does not cut. */
static void test_line_lengths(void **state) {
        for (size_t n = 190; n <= 205; n++) {
                _cleanup_(inifile_freep) Inifile *ini = NULL;
                _cleanup_free_ char *expected = NULL;
                char text[300] = "[A]\nKey=", value[256] = "";

                memset(value, 'v', n - 4);
                (void)snprintf(text + 8, sizeof(text) - 8, "%s\nNext=1\n", value);
                expected = strv_format("f:2 [A] Key=%s", value);
                ini = parse(text, strlen(text));
                if (n <= INIFILE_LINE_MAX) {
                        assert_parsed(ini, expected, "f:3 [A] Next=1");
                        assert_null(ini->problem);
                } else {
                        assert_parsed(ini, NULL);
                        assert_non_null(strstr(ini->problem, ":2: the line is longer than 197"));
                }
        }
}

/* A comment is read by inih too: a long one would become a line of its own. */
static void test_long_comment(void **state) {
        char text[300] = "[A]\n#";
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        memset(text + 5, ' ', 196);
        strcpy(text + 5 + 194, "Key=1\n");
        ini = parse(text, strlen(text));
        assert_parsed(ini, NULL);
        assert_non_null(strstr(ini->problem, "longer than 197"));
}

static bool is_parsed(const char *text) {
        _cleanup_(inifile_freep) Inifile *ini = parse(text, strlen(text));
        _cleanup_(strv_freep) char **lines = NULL;

        assert_int_equal(inifile_parse(ini, collect, &lines), 0);
        assert_int_equal(strv_length(lines), ini->problem ? 0 : 1);
        return !ini->problem;
}

/* inih would cut a name that is longer than its room for it. */
static void test_name_lengths(void **state) {
        for (size_t n = 45; n <= 55; n++) {
                _cleanup_free_ char *key = NULL, *section = NULL;
                char name[64] = "";

                memset(name, 'n', n);
                key = strv_format("[A]\n%s=1\n", name);
                section = strv_format("[%s]\nKey=1\n", name);
                assert_int_equal(is_parsed(key), n <= INIFILE_NAME_MAX);
                assert_int_equal(is_parsed(section), n <= INIFILE_NAME_MAX);
        }
}

static int fail_on_second(const IniLine *line, void *userdata) {
        unsigned *n = userdata;

        return ++*n == 2 ? -ENOMEM : 0;
}

static void test_handler_fails(void **state) {
        static const char text[] = "[A]\nA=1\nB=2\nC=3\n";
        _cleanup_(inifile_freep) Inifile *ini = parse(text, strlen(text));
        unsigned n = 0;

        assert_int_equal(inifile_parse(ini, fail_on_second, &n), -ENOMEM);
        assert_int_equal(n, 2);
}

static void test_plain_text(void **state) {
        assert_true(inifile_is_plain_text("", 0));
        assert_true(inifile_is_plain_text("abc \xc3\xa4", 6));
        assert_false(inifile_is_plain_text("abc\xc3\xa4", 4));
        assert_false(inifile_is_plain_text("\0", 1));
        assert_false(inifile_is_plain_text("a\n", 2));
}

/* Folders and files */

typedef struct House {
        Tree tree;
        char *folders[3];
} House;

static int setup(void **state) {
        static House house;

        tree_init(&house.tree);
        tree_folder(&house.tree, "upper");
        tree_folder(&house.tree, "lower");
        house.folders[0] = strv_format("%s/upper", house.tree.path);
        house.folders[1] = strv_format("%s/lower", house.tree.path);
        *state = &house;
        return 0;
}

static int teardown(void **state) {
        House *house = *state;

        free(house->folders[0]);
        free(house->folders[1]);
        tree_deinit(&house->tree);
        return 0;
}

static Inifile *load_as(House *house, uid_t owner) {
        int n = fds_count();
        Inifile *ini = NULL;

        assert_int_equal(inifile_load(house->folders, "n", owner, &ini), 0);
        assert_int_equal(fds_count(), n);
        return ini;
}

static Inifile *load(House *house) {
        return load_as(house, tree_owner());
}

static const char *hash_of(const Inifile *ini, char buf[INIFILE_HASH_SIZE]) {
        inifile_hash(ini, buf);
        return buf;
}

static void test_nothing(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = load(house);
        char buf[INIFILE_HASH_SIZE];

        assert_false(ini->found);
        assert_null(ini->problem);
        assert_string_equal(ini->text, "");
        assert_string_equal(hash_of(ini, buf), "e3b0c44298fc1c149afbf4c8996fb924"
                                               "27ae41e4649b934ca495991b7852b855");
        assert_parsed(ini, NULL);
}

static void test_folders_missing(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_remove(&house->tree, "upper");
        tree_file(&house->tree, "lower/n.conf", "[A]\nK=1\n");
        ini = load(house);
        assert_true(ini->found);
        assert_parsed(ini, "n.conf:2 [A] K=1");
}

static void test_precedence(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_file(&house->tree, "upper/n.conf", "[A]\nK=upper\n");
        tree_file(&house->tree, "lower/n.conf", "[A]\nK=lower\n");
        tree_file(&house->tree, "lower/n.conf.d/20-b.conf", "[A]\nK=20 lower\n");
        tree_file(&house->tree, "lower/n.conf.d/10-a.conf", "[A]\nK=10 lower\n");
        tree_file(&house->tree, "upper/n.conf.d/20-b.conf", "[A]\nK=20 upper\n");
        tree_file(&house->tree, "upper/n.conf.d/15-c.conf", "[A]\nK=15 upper\n");
        /* None of these is a drop-in. */
        tree_file(&house->tree, "upper/n.conf.d/README", "[A]\nK=0\n");
        tree_file(&house->tree, "upper/n.conf.d/.hidden.conf", "[A]\nK=0\n");
        tree_file(&house->tree, "upper/n.conf.d/.conf", "[A]\nK=0\n");
        tree_file(&house->tree, "upper/n.conf.d/30-d.conf~", "[A]\nK=0\n");
        tree_file(&house->tree, "upper/n.conf.d/30-d.conf.dpkg-old", "[A]\nK=0\n");

        ini = load(house);
        assert_null(ini->problem);
        assert_parsed(ini, "n.conf:2 [A] K=upper", "10-a.conf:2 [A] K=10 lower",
                      "15-c.conf:2 [A] K=15 upper", "20-b.conf:2 [A] K=20 upper");
        assert_int_equal(ini->n_parts, 4);
}

static void test_text_and_hash(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL, *again = NULL, *other = NULL;
        _cleanup_free_ char *expected = NULL;
        char hash[INIFILE_HASH_SIZE], buf[INIFILE_HASH_SIZE];

        tree_file(&house->tree, "lower/n.conf", "[A]\nK=1");
        tree_file(&house->tree, "upper/n.conf.d/x.conf", "[A]\nK=2\n");
        expected = strv_format("# %s/n.conf\n[A]\nK=1\n\n# %s/n.conf.d/x.conf\n[A]\nK=2\n",
                               house->folders[1], house->folders[0]);

        ini = load(house);
        again = load(house);
        assert_string_equal(ini->text, expected);
        assert_string_equal(hash_of(ini, hash), hash_of(again, buf));
        assert_int_equal(strlen(hash), INIFILE_HASH_SIZE - 1);
        assert_int_equal(strspn(hash, "0123456789abcdef"), INIFILE_HASH_SIZE - 1);

        tree_file(&house->tree, "upper/n.conf.d/x.conf", "[A]\nK=3\n");
        other = load(house);
        assert_string_not_equal(hash, hash_of(other, buf));
}

static void test_known_hash(void **state) {
        _cleanup_(inifile_freep) Inifile *ini = parse("[A]\nK=1\n", 8);
        char buf[INIFILE_HASH_SIZE];

        assert_string_equal(ini->text, "# /x/f\n[A]\nK=1\n");
        assert_string_equal(hash_of(ini, buf),
                            "b82154b00698af5c8dc9df4b495c606366c683728990dc919aadecb49b25dee0");
}

static void test_masks(void **state) {
        House *house = *state;
        Inifile *ini;

        tree_file(&house->tree, "lower/n.conf", "[A]\nK=1\n");
        tree_file(&house->tree, "lower/n.conf.d/a.conf", "[A]\nK=a\n");
        tree_file(&house->tree, "lower/n.conf.d/b.conf", "[A]\nK=b\n");
        tree_link(&house->tree, "upper/n.conf.d/a.conf", "/dev/null");
        tree_file(&house->tree, "upper/n.conf.d/b.conf", "");
        ini = load(house);
        assert_true(ini->found);
        assert_parsed(ini, "n.conf:2 [A] K=1");
        inifile_free(ini);

        /* A mask of the whole hides it; drop-ins alone do not make it found. */
        tree_link(&house->tree, "upper/n.conf", "/dev/null");
        ini = load(house);
        assert_false(ini->found);
        assert_null(ini->problem);
        inifile_free(ini);

        tree_remove(&house->tree, "upper/n.conf");
        tree_file(&house->tree, "upper/n.conf", "");
        ini = load(house);
        assert_false(ini->found);
        inifile_free(ini);
}

static void test_dropins_alone(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_file(&house->tree, "upper/n.conf.d/a.conf", "[A]\nK=a\n");
        ini = load(house);
        assert_false(ini->found);
        assert_parsed(ini, "a.conf:2 [A] K=a");
}

/* One after the other spoils what is good before and after. */
static void test_untrusted(void **state) {
        House *house = *state;
        static const struct {
                const char *path;
                mode_t bad, good;
                const char *problem;
        } cases[] = {
                {"upper", 0775, 0755, "/upper can be written by others"},
                {"lower", 0777, 0755, "/lower can be written by others"},
                {"lower/n.conf", 0666, 0644, "n.conf can be written by others"},
                {"lower/n.conf", 0600, 0644, "cannot be read by all"},
                {"upper/n.conf.d", 0775, 0755, "n.conf.d can be written by others"},
                {"upper/n.conf.d/a.conf", 0664, 0644, "a.conf can be written by others"},
        };
        Inifile *ini;

        tree_file(&house->tree, "lower/n.conf", "[A]\nK=1\n");
        tree_file(&house->tree, "upper/n.conf.d/a.conf", "[A]\nK=a\n");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                tree_mode(&house->tree, cases[i].path, cases[i].bad);
                ini = load(house);
                assert_true(ini->found);
                if (!ini->problem || !strstr(ini->problem, cases[i].problem))
                        fail_msg("%s: %s", cases[i].path, ini->problem ? ini->problem : "-");
                inifile_free(ini);
                tree_mode(&house->tree, cases[i].path, cases[i].good);
        }

        ini = load(house);
        assert_null(ini->problem);
        inifile_free(ini);
}

static void test_files_of_others(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_file(&house->tree, "lower/n.conf", "[A]\nK=1\n");
        if (tree_give_away(&house->tree, "lower/n.conf") == 0)
                ini = load(house);
        else
                ini = load_as(house, tree_stranger());
        assert_true(ini->found);
        assert_non_null(strstr(ini->problem, "and not to root"));
        if (geteuid() == 0)
                assert_string_equal(ini->text, "");
}

/* A refused file does not let the one below it count instead. */
static void test_refused_file_stays_first(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_link(&house->tree, "upper/n.conf", "../lower/n.conf");
        tree_file(&house->tree, "lower/n.conf", "[A]\nK=1\n");
        ini = load(house);
        assert_true(ini->found);
        assert_non_null(strstr(ini->problem, "/upper/n.conf is a symbolic link"));
        assert_parsed(ini, NULL);
}

static void test_sizes(void **state) {
        House *house = *state;
        char *text = calloc(1, INIFILE_SIZE_MAX + 2);
        Inifile *ini;

        assert_non_null(text);
        for (size_t i = 0; i <= INIFILE_SIZE_MAX; i++)
                text[i] = i % 100 == 99 ? '\n' : '#';
        text[INIFILE_SIZE_MAX] = '\0';
        tree_file(&house->tree, "upper/n.conf", text);
        ini = load(house);
        assert_null(ini->problem);
        inifile_free(ini);

        text[INIFILE_SIZE_MAX] = '#';
        tree_file(&house->tree, "upper/n.conf", text);
        ini = load(house);
        assert_non_null(strstr(ini->problem, "larger than 65536 bytes"));
        inifile_free(ini);
        free(text);
}

static void test_number_of_dropins(void **state) {
        House *house = *state;
        Inifile *ini;

        tree_file(&house->tree, "upper/n.conf", "[A]\nK=1\n");
        for (unsigned i = 0; i < INIFILE_FILES_MAX; i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "%s/n.conf.d/%02u.conf",
                               i % 2 ? "upper" : "lower", i);
                tree_file(&house->tree, path, "[A]\nK=x\n");
        }
        ini = load(house);
        assert_null(ini->problem);
        assert_int_equal(ini->n_parts, INIFILE_FILES_MAX + 1);
        inifile_free(ini);

        tree_file(&house->tree, "lower/n.conf.d/more.conf", "[A]\nK=x\n");
        ini = load(house);
        assert_non_null(strstr(ini->problem, "more than 64 drop-ins"));
        inifile_free(ini);
}

/* A name must not be able to look like a line of the text. */
static void test_dropin_names(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_file(&house->tree, "upper/n.conf", "[A]\nK=1\n");
        tree_file(&house->tree, "upper/n.conf.d/x\n[B]\nL=2\n.conf", "[A]\nK=x\n");
        ini = load(house);
        assert_non_null(strstr(ini->problem, "control character in its name"));
        assert_null(strstr(ini->text, "[B]"));
}

static void test_one_bad_part(void **state) {
        House *house = *state;
        _cleanup_(inifile_freep) Inifile *ini = NULL;

        tree_file(&house->tree, "upper/n.conf", "[A]\nK=1\n");
        tree_file(&house->tree, "upper/n.conf.d/a.conf", "[A]\nK=1 # x\n");
        tree_file(&house->tree, "upper/n.conf.d/b.conf", "K=2\n");
        ini = load(house);
        assert_null(ini->problem);
        assert_parsed(ini, "n.conf:2 [A] K=1");
        /* The first problem is the one that is told. */
        assert_non_null(strstr(ini->problem, "/a.conf:2: "));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_syntax),
                cmocka_unit_test(test_refused_lines),
                cmocka_unit_test(test_refused_files),
                cmocka_unit_test(test_line_lengths),
                cmocka_unit_test(test_long_comment),
                cmocka_unit_test(test_name_lengths),
                cmocka_unit_test(test_handler_fails),
                cmocka_unit_test(test_plain_text),
                cmocka_unit_test(test_known_hash),
                cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folders_missing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_precedence, setup, teardown),
                cmocka_unit_test_setup_teardown(test_text_and_hash, setup, teardown),
                cmocka_unit_test_setup_teardown(test_masks, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dropins_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_untrusted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_files_of_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused_file_stays_first, setup, teardown),
                cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_number_of_dropins, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dropin_names, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_bad_part, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
