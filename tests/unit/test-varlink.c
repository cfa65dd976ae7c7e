/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/varlink.h"

/* A number that stands for a descriptor: one that is open, and can be told from others by its
 * inode. */
static int make_fd(void) {
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        close_fd(fds[1]);
        return fds[0];
}

static bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

/* Feeds bytes as one read that brought these descriptors. */
static int feed(VarlinkInput *input, const void *data, size_t n, const int *fds, size_t n_fds) {
        size_t space;
        char *buf;

        assert_int_equal(varlink_input_space(input, &buf, &space), 0);
        assert_true(space > 0);
        if (n > space) {
                assert_int_equal(n_fds, 0);
                memcpy(buf, data, space);
                assert_int_equal(varlink_input_commit_consume_fds(input, space, NULL, 0), 0);
                return feed(input, (const char *)data + space, n - space, NULL, 0);
        }

        memcpy(buf, data, n);
        return varlink_input_commit_consume_fds(input, n, fds, n_fds);
}

static int feed_text(VarlinkInput *input, const char *text) {
        return feed(input, text, strlen(text) + 1, NULL, 0);
}

static void check_next(VarlinkInput *input, const char *key, size_t n_fds, const int *fds) {
        VarlinkIncoming incoming = VARLINK_INCOMING_NULL;

        assert_int_equal(varlink_input_next(input, &incoming), 1);
        assert_non_null(json_object_get(incoming.object, key));
        assert_int_equal(incoming.n_fds, n_fds);
        for (size_t i = 0; i < n_fds; i++)
                assert_int_equal(incoming.fds[i], fds[i]);
        varlink_incoming_deinit(&incoming);
        for (size_t i = 0; i < n_fds; i++)
                assert_false(is_open(fds[i]));
        assert_null(incoming.object);
        assert_int_equal(incoming.n_fds, 0);
}

static void check_none(VarlinkInput *input, int expected) {
        VarlinkIncoming incoming = {.n_fds = 77};

        assert_int_equal(varlink_input_next(input, &incoming), expected);
        assert_int_equal(incoming.n_fds, 77);
}

/* Messages out of bytes. */

static void test_pieces(void **state) {
        static const char stream[] = "{\"a\":1}\0{ \"b\" : [\"\\u0041\"] }\0{\"c\":{}}";

        /* However the bytes are cut. */
        for (size_t size = 1; size <= sizeof(stream); size++) {
                VarlinkInput input;
                size_t taken = 0;

                varlink_input_init(&input, VARLINK_REQUEST_MAX);
                assert_false(varlink_input_is_partial(&input));
                for (size_t i = 0; i < sizeof(stream); i += size) {
                        size_t n = sizeof(stream) - i < size ? sizeof(stream) - i : size;
                        VarlinkIncoming incoming = VARLINK_INCOMING_NULL;

                        assert_int_equal(feed(&input, stream + i, n, NULL, 0), 0);
                        while (varlink_input_next(&input, &incoming) == 1) {
                                const char key[] = {(char)('a' + taken++), 0};

                                assert_non_null(json_object_get(incoming.object, key));
                                varlink_incoming_deinit(&incoming);
                        }
                }
                assert_int_equal(taken, 3);
                assert_false(varlink_input_is_partial(&input));
                /* An idle connection holds no buffer. */
                assert_null(input.buf);
                varlink_input_deinit(&input);
        }
}

static void test_partial(void **state) {
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REQUEST_MAX);
        check_none(&input, 0);
        assert_int_equal(feed(&input, "{\"a\":1}\0{", 9, NULL, 0), 0);
        assert_true(varlink_input_is_partial(&input));
        check_next(&input, "a", 0, NULL);
        assert_true(varlink_input_is_partial(&input));
        check_none(&input, 0);
        assert_int_equal(feed(&input, "\"b\":2}", 7, NULL, 0), 0);
        check_next(&input, "b", 0, NULL);
        assert_false(varlink_input_is_partial(&input));
        varlink_input_deinit(&input);
}

static void check_size(size_t max, size_t size, bool nul, int expected) {
        _cleanup_free_ char *text = malloc(size);
        VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
        VarlinkInput input;
        int r = 0;

        assert_non_null(text);
        memset(text, ' ', size);
        memcpy(text, "{}", 2);
        if (nul)
                text[size - 1] = 0;

        varlink_input_init(&input, max);
        for (size_t i = 0; i < size && r == 0; i += 1000) {
                size_t n = size - i < 1000 ? size - i : 1000;

                assert_int_equal(feed(&input, text + i, n, NULL, 0), 0);
                r = varlink_input_next(&input, &incoming);
        }
        assert_int_equal(r, expected);
        varlink_incoming_deinit(&incoming);
        varlink_input_deinit(&input);
}

/* A message that has used up its space, and is not all there. */
static void test_full(void **state) {
        VarlinkInput input;

        varlink_input_init(&input, 8);
        assert_false(varlink_input_is_full(&input));
        assert_int_equal(feed(&input, "{\"a\":1", 6, NULL, 0), 0);
        assert_false(varlink_input_is_full(&input));
        assert_int_equal(feed(&input, "}", 2, NULL, 0), 0);
        assert_true(varlink_input_is_full(&input));
        check_next(&input, "a", 0, NULL);
        assert_false(varlink_input_is_full(&input));
        varlink_input_deinit(&input);
}

static void test_sizes(void **state) {
        static const size_t maxima[] = {3, 100, VARLINK_REQUEST_MAX, VARLINK_REPLY_MAX};

        for (size_t i = 0; i < ELEMENTSOF(maxima); i++) {
                check_size(maxima[i], maxima[i], true, 1);
                check_size(maxima[i], maxima[i] + 1, true, -EMSGSIZE);
                check_size(maxima[i], maxima[i], false, -EMSGSIZE);
                check_size(maxima[i], maxima[i] - 1, false, 0);
        }
}

/* Each message has the whole maximum for itself, and what is read ahead counts for nobody. */
static void test_sizes_of_several(void **state) {
        VarlinkInput input;

        varlink_input_init(&input, 8);
        assert_int_equal(feed(&input, "{\"a\":1}\0{\"b\":2}\0{\"c\":3}", 24, NULL, 0), 0);
        check_next(&input, "a", 0, NULL);
        check_next(&input, "b", 0, NULL);
        check_next(&input, "c", 0, NULL);
        check_none(&input, 0);
        varlink_input_deinit(&input);
}

static void check_refused(const char *text, size_t n) {
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REQUEST_MAX);
        assert_int_equal(feed(&input, text, n, NULL, 0), 0);
        check_none(&input, -EBADMSG);
        varlink_input_deinit(&input);
}

static void test_malformed(void **state) {
        static const char *const texts[] = {
                "",
                " ",
                "nonsense",
                "[]",
                "7",
                "null",
                "true",
                "\"{}\"",
                "{",
                "}",
                "{}}",
                "{} {}",
                "{\"a\"}",
                "{\"a\":}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":1,}",
                "{\"a\":01}",
                "{\"a\":+1}",
                "{\"a\":1,\"a\":1}",
                "{\"x\":{\"a\":1,\"a\":1}}",
                "{\"a\":\"\\u0000\"}",
                "{\"\\u0000\":1}",
                "{\"a\":\"\\ud800\"}",
                "{\"a\":\"\xff\"}",
                "{\"a\":\"\xc0\xaf\"}",
                "{\"a\":\"\xed\xa0\x80\"}",
                "{\"a\":\"\n\"}",
                "{\"a\":9223372036854775808}",
                "{\"a\":1e999}",
                "{\"a\":NaN}",
                "/**/{}",
                "\xef\xbb\xbf{}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                check_refused(texts[i], strlen(texts[i]) + 1);
        check_refused("\0{}", 4);
}

/* depth brackets in all, the outermost one an object's. */
static void check_depth(unsigned depth, char bracket, bool good) {
        VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
        char text[VARLINK_REQUEST_MAX] = "";
        VarlinkInput input;
        char *p = text;

        for (unsigned i = 0; i < depth; i++)
                p += sprintf(p, "%s", i == 0 || bracket == '{' ? "{\"a\":" : "[");
        p += sprintf(p, "1");
        for (unsigned i = depth; i > 0; i--)
                p += sprintf(p, "%c", i == 1 || bracket == '{' ? '}' : ']');

        varlink_input_init(&input, VARLINK_REQUEST_MAX);
        assert_int_equal(feed_text(&input, text), 0);
        assert_int_equal(varlink_input_next(&input, &incoming), good ? 1 : -EBADMSG);
        varlink_incoming_deinit(&incoming);
        varlink_input_deinit(&input);
}

static void test_depth(void **state) {
        check_depth(VARLINK_DEPTH_MAX, '{', true);
        check_depth(VARLINK_DEPTH_MAX, '[', true);
        check_depth(VARLINK_DEPTH_MAX + 1, '{', false);
        check_depth(VARLINK_DEPTH_MAX + 1, '[', false);
        check_depth(400, '[', false);
}

/* What only looks like a bracket. */
static void test_brackets_in_strings(void **state) {
        static const char *const texts[] = {
                "{\"a\":\"[[[[[[[[[[[[[[[[[[[[{{{{{{{{{{{{{{{{{{{{\"}",
                "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[\"}",
                "{\"a\":\"\\\\\",\"b\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}",
                "{\"[[[[[[[[[[[[[[[[[[[[\":1,\"a\":1}",
                "{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}",
        };
        VarlinkInput input;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                varlink_input_init(&input, VARLINK_REQUEST_MAX);
                assert_int_equal(feed_text(&input, texts[i]), 0);
                check_next(&input, "a", 0, NULL);
                varlink_input_deinit(&input);
        }

        /* A string that does not end hides nothing: it is no JSON. */
        check_refused("{\"a\":\"\\", 8);
        check_refused("{\"a\":\"[[", 9);
        check_refused("}}}}{\"a\":1}", 12);
}

/* Descriptors. */

static void test_descriptors(void **state) {
        int fds[] = {make_fd(), make_fd(), make_fd()};
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REPLY_MAX);

        /* They belong to the message that holds the last byte of the read. */
        assert_int_equal(feed_text(&input, "{\"a\":1}"), 0);
        assert_int_equal(feed(&input, "{\"b\":1}", 8, &fds[0], 1), 0);
        assert_int_equal(feed(&input, "{\"c\":1}\0{\"d\":1}", 16, &fds[1], 2), 0);
        assert_int_equal(feed_text(&input, "{\"e\":1}"), 0);
        check_next(&input, "a", 0, NULL);
        check_next(&input, "b", 1, &fds[0]);
        check_next(&input, "c", 0, NULL);
        assert_true(is_open(fds[1]) && is_open(fds[2]));
        check_next(&input, "d", 2, &fds[1]);
        check_next(&input, "e", 0, NULL);
        varlink_input_deinit(&input);
}

/* The first piece of a message brings them, and more pieces follow; positions outlive buffers. */
static void test_descriptors_come_early(void **state) {
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REPLY_MAX);
        for (int i = 0; i < 100; i++) {
                int fd = make_fd();

                assert_int_equal(feed(&input, "{\"a\"", 4, &fd, 1), 0);
                check_none(&input, 0);
                assert_true(is_open(fd));
                assert_int_equal(feed(&input, ":1}\0{\"b\":1}\0{", 13, NULL, 0), 0);
                check_next(&input, "a", 1, &fd);
                check_next(&input, "b", 0, NULL);
                assert_int_equal(feed(&input, "\"c\":1}", 7, NULL, 0), 0);
                check_next(&input, "c", 0, NULL);
        }
        varlink_input_deinit(&input);
}

static void test_too_many_descriptors(void **state) {
        int fds[VARLINK_FDS_MAX + 2];
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REPLY_MAX);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = make_fd();
        assert_int_equal(feed(&input, "{\"a\":1}", 8, fds, VARLINK_FDS_MAX), 0);
        assert_int_equal(feed(&input, "{\"b\":1}", 8, fds + VARLINK_FDS_MAX, 2), -EBADMSG);
        assert_false(is_open(fds[VARLINK_FDS_MAX]));
        assert_false(is_open(fds[VARLINK_FDS_MAX + 1]));
        varlink_input_deinit(&input);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                assert_false(is_open(fds[i]));
}

/* Descriptors with no byte belong to nothing. */
static void test_descriptors_alone(void **state) {
        int fd = make_fd();
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REPLY_MAX);
        assert_int_equal(feed(&input, "", 0, &fd, 1), -EBADMSG);
        assert_false(is_open(fd));
        varlink_input_deinit(&input);
}

/* A message that cannot be read does not leak what came with it. */
static void test_descriptors_of_nonsense(void **state) {
        int fd = make_fd();
        VarlinkInput input;

        varlink_input_init(&input, VARLINK_REPLY_MAX);
        assert_int_equal(feed(&input, "nonsense", 9, &fd, 1), 0);
        check_none(&input, -EBADMSG);
        varlink_input_deinit(&input);
        assert_false(is_open(fd));
        varlink_input_deinit(&input);
}

/* Calls and replies. */

static json_t *parse(const char *text) {
        json_t *object = json_loads(text, 0, NULL);

        assert_non_null(object);
        return object;
}

static void test_call(void **state) {
        json_t *object = parse("{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true,"
                               "\"oneway\":false,\"upgrade\":true}");
        VarlinkCall call;

        assert_int_equal(varlink_call_parse(object, &call), 0);
        assert_string_equal(call.method, "a.B");
        assert_int_equal(json_object_size(call.parameters), 1);
        assert_true(call.more);
        assert_false(call.oneway);
        assert_true(call.upgrade);
        json_decref(object);

        object = parse("{\"method\":\"\"}");
        assert_int_equal(varlink_call_parse(object, &call), 0);
        assert_string_equal(call.method, "");
        assert_null(call.parameters);
        assert_false(call.more || call.oneway || call.upgrade);
        json_decref(object);
}

static void test_bad_calls(void **state) {
        static const char *const texts[] = {
                "{}",
                "{\"parameters\":{}}",
                "{\"method\":7}",
                "{\"method\":null}",
                "{\"method\":[\"a\"]}",
                "{\"method\":\"a\",\"parameters\":[]}",
                "{\"method\":\"a\",\"parameters\":null}",
                "{\"method\":\"a\",\"parameters\":\"x\"}",
                "{\"method\":\"a\",\"more\":1}",
                "{\"method\":\"a\",\"more\":null}",
                "{\"method\":\"a\",\"more\":\"true\"}",
                "{\"method\":\"a\",\"oneway\":0}",
                "{\"method\":\"a\",\"upgrade\":{}}",
                "{\"method\":\"a\",\"continues\":true}",
                "{\"method\":\"a\",\"error\":\"b\"}",
                "{\"method\":\"a\",\"Method\":\"a\"}",
                "{\"method\":\"a\",\"\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                VarlinkCall call = {.method = "untouched"};
                json_t *object = parse(texts[i]);

                if (varlink_call_parse(object, &call) != -EBADMSG)
                        fail_msg("taken: %s", texts[i]);
                assert_string_equal(call.method, "untouched");
                json_decref(object);
        }
}

static void test_reply(void **state) {
        json_t *object = parse("{\"error\":\"a.B\",\"parameters\":{\"x\":1},\"continues\":true}");
        VarlinkReply reply;

        assert_int_equal(varlink_reply_parse(object, &reply), 0);
        assert_string_equal(reply.error, "a.B");
        assert_int_equal(json_object_size(reply.parameters), 1);
        assert_true(reply.continues);
        json_decref(object);

        object = parse("{}");
        assert_int_equal(varlink_reply_parse(object, &reply), 0);
        assert_null(reply.error);
        assert_null(reply.parameters);
        assert_false(reply.continues);
        json_decref(object);
}

static void test_bad_replies(void **state) {
        static const char *const texts[] = {
                "{\"error\":7}",         "{\"error\":null}",  "{\"parameters\":[]}",
                "{\"parameters\":null}", "{\"continues\":1}", "{\"continues\":null}",
                "{\"method\":\"a\"}",    "{\"more\":true}",   "{\"x\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                VarlinkReply reply = {.error = "untouched"};
                json_t *object = parse(texts[i]);

                if (varlink_reply_parse(object, &reply) != -EBADMSG)
                        fail_msg("taken: %s", texts[i]);
                assert_string_equal(reply.error, "untouched");
                json_decref(object);
        }
}

static void check_built(json_t *object, const char *expected) {
        json_t *json = parse(expected);

        assert_non_null(object);
        assert_true(json_equal(object, json));
        json_decref(object);
        json_decref(json);
}

static void test_building(void **state) {
        check_built(varlink_call_new("a.B", json_pack("{s:i}", "x", 1), true),
                    "{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true}");
        check_built(varlink_call_new("a.B", NULL, false), "{\"method\":\"a.B\"}");
        check_built(varlink_reply_new(json_object(), true),
                    "{\"parameters\":{},\"continues\":true}");
        check_built(varlink_reply_new(NULL, false), "{}");
        check_built(varlink_error_new("a.E", json_object()),
                    "{\"error\":\"a.E\",\"parameters\":{}}");

        /* What is no UTF-8 is not sent; the parameters are taken all the same. */
        assert_null(varlink_call_new("\xff", json_object(), true));
}

/* Bytes out of messages. */

static void test_output(void **state) {
        int first_fd = make_fd(), second_fd = make_fd(), fd = 77;
        VarlinkOutput output = {};
        const char *data;
        size_t n;

        assert_true(varlink_output_is_empty(&output));
        assert_false(varlink_output_peek(&output, &data, &n, &fd));

        assert_int_equal(varlink_output_push_consume(&output, json_pack("{s:i}", "a", 1), first_fd),
                         0);
        assert_int_equal(varlink_output_push_consume(&output, json_object(), -EBADF), 0);
        assert_int_equal(varlink_output_push_consume(&output, json_object(), second_fd), 0);
        assert_int_equal(output.size, 8 + 3 + 3);

        /* Compact, with its NUL, and never two in one go. */
        assert_true(varlink_output_peek(&output, &data, &n, &fd));
        assert_int_equal(n, 8);
        assert_memory_equal(data, "{\"a\":1}", 8);
        assert_int_equal(fd, first_fd);

        /* Nothing was written: the descriptor is still to go. */
        varlink_output_advance(&output, 0);
        assert_true(varlink_output_peek(&output, &data, &n, &fd));
        assert_int_equal(n, 8);
        assert_int_equal(fd, first_fd);

        /* It went with the first byte, and goes but once. */
        varlink_output_advance(&output, 3);
        assert_false(is_open(first_fd));
        assert_true(varlink_output_peek(&output, &data, &n, &fd));
        assert_int_equal(n, 5);
        assert_memory_equal(data, "\":1}", 5);
        assert_int_equal(fd, -EBADF);
        assert_int_equal(output.size, 5 + 3 + 3);

        varlink_output_advance(&output, 5);
        assert_true(varlink_output_peek(&output, &data, &n, &fd));
        assert_int_equal(fd, -EBADF);
        varlink_output_advance(&output, 3);
        assert_true(varlink_output_peek(&output, &data, &n, &fd));
        assert_int_equal(fd, second_fd);
        assert_int_equal(output.size, 3);
        assert_true(is_open(second_fd));
        varlink_output_deinit(&output);
        assert_false(is_open(second_fd));
        assert_true(varlink_output_is_empty(&output));
        assert_int_equal(output.size, 0);

        /* It can be used again. */
        assert_int_equal(varlink_output_push_consume(&output, json_object(), -EBADF), 0);
        varlink_output_advance(&output, 3);
        assert_true(varlink_output_is_empty(&output));
        varlink_output_deinit(&output);
}

/* Lengths around the room that is made at first, and far beyond it. */
static void test_output_lengths(void **state) {
        static char text[VARLINK_REPLY_MAX];

        for (size_t length = 0; length < sizeof(text) - 16; length += length < 1100 ? 1 : 9999) {
                VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
                VarlinkOutput output = {};
                VarlinkInput input;
                const char *data;
                size_t n;
                int fd;

                memset(text, 'x', length);
                text[length] = 0;
                varlink_input_init(&input, VARLINK_REPLY_MAX);
                assert_int_equal(
                        varlink_output_push_consume(&output, json_pack("{s:s}", "a", text), -EBADF),
                        0);
                assert_true(varlink_output_peek(&output, &data, &n, &fd));
                assert_int_equal(n, length + 9);
                assert_int_equal(data[n - 1], 0);
                assert_int_equal(output.size, n);
                assert_int_equal(feed(&input, data, n, NULL, 0), 0);
                assert_int_equal(varlink_input_next(&input, &incoming), 1);
                assert_string_equal(json_string_value(json_object_get(incoming.object, "a")), text);
                varlink_incoming_deinit(&incoming);
                varlink_input_deinit(&input);
                varlink_output_deinit(&output);
        }
}

/* Without an object, which is how no memory comes here, the descriptor is taken all the same. */
static void test_output_of_nothing(void **state) {
        VarlinkOutput output = {};
        int fd = make_fd();

        assert_int_equal(varlink_output_push_consume(&output, NULL, fd), -ENOMEM);
        assert_false(is_open(fd));
        assert_true(varlink_output_is_empty(&output));
}

/* What one end writes the other reads. */
static void test_round_trip(void **state) {
        VarlinkOutput output = {};
        VarlinkInput input;
        int fd = make_fd(), sent;
        const char *data;
        size_t n;

        varlink_input_init(&input, VARLINK_REPLY_MAX);
        assert_int_equal(
                varlink_output_push_consume(
                        &output, varlink_reply_new(json_pack("{s:s}", "a", "\"\\\n"), true), fd),
                0);
        while (varlink_output_peek(&output, &data, &n, &sent)) {
                int copy = sent >= 0 ? fcntl(sent, F_DUPFD_CLOEXEC, 0) : -EBADF;

                assert_int_equal(feed(&input, data, 1, &copy, copy >= 0 ? 1 : 0), 0);
                varlink_output_advance(&output, 1);
        }
        assert_false(is_open(fd));
        assert_int_equal(input.n_fds, 1);
        fd = input.fds[0].fd;
        check_next(&input, "parameters", 1, &fd);
        varlink_input_deinit(&input);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_partial),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_sizes_of_several),
                cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_brackets_in_strings),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_descriptors_come_early),
                cmocka_unit_test(test_too_many_descriptors),
                cmocka_unit_test(test_descriptors_alone),
                cmocka_unit_test(test_descriptors_of_nonsense),
                cmocka_unit_test(test_call),
                cmocka_unit_test(test_bad_calls),
                cmocka_unit_test(test_reply),
                cmocka_unit_test(test_bad_replies),
                cmocka_unit_test(test_building),
                cmocka_unit_test(test_output),
                cmocka_unit_test(test_output_lengths),
                cmocka_unit_test(test_output_of_nothing),
                cmocka_unit_test(test_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
