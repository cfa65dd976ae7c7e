/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pam-protocol.h"

static const PamRequest identity = {
        .use = PAM_USE_IDENTITY, .tty = 0x8803, .uid = PAM_PROTOCOL_NO_UID, .user = "bob"};
static const PamRequest agent = {.use = PAM_USE_AGENT, .uid = 1001, .cookie = "2-4711-1"};

static void check_request(const PamRequest *request) {
        uint8_t buf[PAM_REQUEST_SIZE];
        PamRequest got = {};
        size_t n = pam_request_encode(request, buf);

        assert_int_equal(pam_request_decode(buf, n, &got), 0);
        assert_int_equal(got.use, request->use);
        assert_int_equal(got.tty, request->tty);
        assert_int_equal(got.uid, request->uid);
        assert_string_equal(got.user, request->user);
        assert_string_equal(got.cookie, request->cookie);
}

static void test_request(void **state) {
        uint8_t buf[PAM_REQUEST_SIZE];
        size_t n;

        n = pam_request_encode(&identity, buf);
        assert_int_equal(n, 4 + 1 + 4 + 4 + 2 + 3 + 2);
        assert_memory_equal(buf, "\1\0\0\0\1\3\210\0\0\377\377\377\377\3\0bob\0\0", n);
        check_request(&identity);

        n = pam_request_encode(&agent, buf);
        assert_memory_equal(buf,
                            "\1\0\0\0\4\0\0\0\0\351\3\0\0\0\0\10\0"
                            "2-4711-1",
                            n);
        check_request(&agent);
}

static void test_all_uses(void **state) {
        check_request(&(PamRequest){.use = PAM_USE_IDENTITY, .uid = PAM_PROTOCOL_NO_UID});
        check_request(&(PamRequest){.use = PAM_USE_STEP_UP, .uid = PAM_PROTOCOL_NO_UID});
        check_request(&(PamRequest){.use = PAM_USE_ACCOUNT, .uid = PAM_PROTOCOL_NO_UID});
        check_request(&(PamRequest){.use = PAM_USE_AGENT, .uid = 0, .cookie = "c"});
}

static void test_longest(void **state) {
        PamRequest request = identity;

        memset(request.user, 'u', PAM_PROTOCOL_USER_MAX);
        check_request(&request);

        request = agent;
        memset(request.cookie, 'c', PAM_PROTOCOL_COOKIE_MAX);
        check_request(&request);
}

static void check_bad_request(const void *data, size_t n) {
        PamRequest got = {.tty = 77};

        assert_int_equal(pam_request_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.tty, 77);
}

static void test_bad_requests(void **state) {
        uint8_t good[PAM_REQUEST_SIZE] = {}, bad[PAM_REQUEST_SIZE];
        size_t n = pam_request_encode(&identity, good);

        for (size_t i = 0; i < n; i++)
                check_bad_request(good, i);
        check_bad_request(good, n + 1);
        check_bad_request(good, sizeof(good));

        for (int version = 0; version < 256; version++) {
                memcpy(bad, good, n);
                bad[0] = (uint8_t)version;
                if (version != PAM_PROTOCOL_VERSION)
                        check_bad_request(bad, n);
        }
        memcpy(bad, good, n);
        bad[3] = 1;
        check_bad_request(bad, n);

        for (int use = 0; use < 256; use++) {
                memcpy(bad, good, n);
                bad[4] = (uint8_t)use;
                if (use != PAM_USE_IDENTITY)
                        check_bad_request(bad, n);
        }

        /* A NUL in a name. */
        memcpy(bad, good, n);
        bad[n - 3] = 0;
        check_bad_request(bad, n);
}

static void check_not_whole(const PamRequest *request) {
        uint8_t buf[PAM_REQUEST_SIZE];

        check_bad_request(buf, pam_request_encode(request, buf));
}

/* What belongs to one use is not in another. */
static void test_requests_that_are_not_whole(void **state) {
        static const PamUse others[] = {PAM_USE_IDENTITY, PAM_USE_STEP_UP, PAM_USE_ACCOUNT};
        PamRequest request;

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                request = agent;
                request.use = others[i];
                check_not_whole(&request);
                request.cookie[0] = 0;
                check_not_whole(&request);
                request.uid = 0;
                check_not_whole(&request);
        }

        request = identity;
        request.use = PAM_USE_STEP_UP;
        check_not_whole(&request);
        request.use = PAM_USE_ACCOUNT;
        check_not_whole(&request);

        request = agent;
        memcpy(request.user, "bob", 4);
        check_not_whole(&request);
        request = agent;
        request.cookie[0] = 0;
        check_not_whole(&request);
        request = agent;
        request.uid = PAM_PROTOCOL_NO_UID;
        check_not_whole(&request);
}

/* A cookie goes to polkit, over D-Bus, which takes no such bytes: better known before a password is
 * asked for. */
static void test_cookies(void **state) {
        PamRequest request = agent;

        for (int c = 1; c < 256; c++) {
                request.cookie[2] = (char)c;
                if (c >= ' ' && c <= '~')
                        check_request(&request);
                else
                        check_not_whole(&request);
        }
}

static void test_too_long(void **state) {
        uint8_t bad[PAM_REQUEST_SIZE + 2];

        memset(bad, 'x', sizeof(bad));
        memcpy(bad, "\1\0\0\0\1\0\0\0\0\377\377\377\377\1\1", 15);
        memcpy(bad + 15 + PAM_PROTOCOL_USER_MAX + 1, "\0", 2);
        check_bad_request(bad, 15 + PAM_PROTOCOL_USER_MAX + 1 + 2);

        memset(bad, 'x', sizeof(bad));
        memcpy(bad, "\1\0\0\0\4\0\0\0\0\1\0\0\0\0\0\1\20", 17);
        check_bad_request(bad, 17 + PAM_PROTOCOL_COOKIE_MAX + 1);
        bad[15] = 0;
        assert_int_equal(pam_request_decode(bad, 17 + PAM_PROTOCOL_COOKIE_MAX, &(PamRequest){}), 0);
}

static void check_reply(const PamReply *reply) {
        uint8_t buf[PAM_REPLY_SIZE];
        PamReply got = {};
        size_t n = pam_reply_encode(reply, buf);

        assert_int_equal(pam_reply_decode(buf, n, &got), 0);
        assert_int_equal(got.type, reply->type);
        assert_int_equal(got.code, reply->code);
        assert_int_equal(got.uid, reply->uid);
        assert_string_equal(got.name, reply->name);
        assert_string_equal(got.detail, reply->detail);
}

static void test_reply(void **state) {
        PamReply begun = {.type = PAM_REPLY_BEGUN, .uid = PAM_PROTOCOL_NO_UID};
        PamReply proven = {.type = PAM_REPLY_VERDICT,
                           .code = VERDICT_PROVEN,
                           .uid = 0x3e9,
                           .name = "bob",
                           .detail = "fine"};
        uint8_t buf[PAM_REPLY_SIZE];
        size_t n;

        n = pam_reply_encode(&begun, buf);
        assert_int_equal(n, 1);
        assert_int_equal(buf[0], 1);
        check_reply(&begun);

        n = pam_reply_encode(&proven, buf);
        assert_int_equal(n, 1 + 1 + 4 + 2 + 3 + 2 + 4);
        assert_memory_equal(buf, "\2\1\351\3\0\0\3\0bob\4\0fine", n);
        check_reply(&proven);

        /* Root is proven to polkit's agent. */
        proven.uid = 0;
        check_reply(&proven);

        memset(proven.name, 'n', PAM_PROTOCOL_USER_MAX);
        memset(proven.detail, 'd', PAM_PROTOCOL_DETAIL_MAX);
        check_reply(&proven);
}

static void test_all_verdicts(void **state) {
        for (int code = 1; code < _VERDICT_MAX; code++) {
                bool proven = code == VERDICT_PROVEN;
                PamReply reply = {.type = PAM_REPLY_VERDICT,
                                  .code = (VerdictCode)code,
                                  .uid = proven ? 1 : PAM_PROTOCOL_NO_UID,
                                  .name = {proven ? 'x' : 0}};

                check_reply(&reply);
                assert_string_not_equal(verdict_code_to_string(reply.code), "invalid");
                for (int other = 1; other < code; other++)
                        assert_string_not_equal(verdict_code_to_string((VerdictCode)other),
                                                verdict_code_to_string(reply.code));
        }

        assert_string_equal(verdict_code_to_string((VerdictCode)0), "invalid");
        assert_string_equal(verdict_code_to_string(_VERDICT_MAX), "invalid");
}

/* A detail is for people, so what it was made of is not repeated as it is. */
static void test_detail_is_cleaned(void **state) {
        PamReply reply = {.type = PAM_REPLY_VERDICT,
                          .code = VERDICT_FAILED,
                          .uid = PAM_PROTOCOL_NO_UID,
                          .detail = "a\nb\033[2J\x7f\xc3\xa9 z~"};
        uint8_t buf[PAM_REPLY_SIZE];
        PamReply got;
        size_t n = pam_reply_encode(&reply, buf);

        assert_int_equal(pam_reply_decode(buf, n, &got), 0);
        assert_string_equal(got.detail, "a?b?[2J??? z~");

        /* Even without its NUL. */
        memset(reply.detail, 'd', sizeof(reply.detail));
        n = pam_reply_encode(&reply, buf);
        assert_int_equal(pam_reply_decode(buf, n, &got), 0);
        assert_int_equal(strlen(got.detail), PAM_PROTOCOL_DETAIL_MAX);
}

static void check_bad_reply(const void *data, size_t n) {
        PamReply got = {.uid = 77};

        assert_int_equal(pam_reply_decode(data, n, &got), -EBADMSG);
        assert_int_equal(got.uid, 77);
}

static void test_bad_replies(void **state) {
        PamReply reply = {.type = PAM_REPLY_VERDICT,
                          .code = VERDICT_PROVEN,
                          .uid = 5,
                          .name = "x",
                          .detail = "d"};
        uint8_t good[PAM_REPLY_SIZE] = {}, bad[PAM_REPLY_SIZE];
        size_t n = pam_reply_encode(&reply, good);

        for (size_t i = 0; i < n; i++)
                check_bad_reply(good, i);
        check_bad_reply(good, n + 1);
        check_bad_reply(good, sizeof(good));

        for (int type = 0; type < 256; type++) {
                memcpy(bad, good, n);
                bad[0] = (uint8_t)type;
                if (type != PAM_REPLY_VERDICT)
                        check_bad_reply(bad, n);
        }
        /* begun, and more. */
        check_bad_reply("\1\0", 2);

        /* Any other code is not proven, and may have no uid and no name. */
        for (int code = 0; code < 256; code++) {
                memcpy(bad, good, n);
                bad[1] = (uint8_t)code;
                if (code != VERDICT_PROVEN)
                        check_bad_reply(bad, n);
        }

        for (int c = 0; c < 256; c++) {
                memcpy(bad, good, n);
                bad[n - 1] = (uint8_t)c;
                if (c < ' ' || c > '~')
                        check_bad_reply(bad, n);
        }
}

/* Proven is who it is; nobody else is anybody. */
static void test_verdicts_that_are_not_whole(void **state) {
        uint8_t buf[PAM_REPLY_SIZE];
        PamReply reply = {.type = PAM_REPLY_VERDICT, .code = VERDICT_PROVEN, .uid = 5};

        check_bad_reply(buf, pam_reply_encode(&reply, buf));
        reply = (PamReply){.type = PAM_REPLY_VERDICT,
                           .code = VERDICT_PROVEN,
                           .uid = PAM_PROTOCOL_NO_UID,
                           .name = "x"};
        check_bad_reply(buf, pam_reply_encode(&reply, buf));
        reply = (PamReply){.type = PAM_REPLY_VERDICT, .code = VERDICT_FAILED, .uid = 0};
        check_bad_reply(buf, pam_reply_encode(&reply, buf));
        reply = (PamReply){.type = PAM_REPLY_VERDICT,
                           .code = VERDICT_FAILED,
                           .uid = PAM_PROTOCOL_NO_UID,
                           .name = "x"};
        check_bad_reply(buf, pam_reply_encode(&reply, buf));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_all_uses),
                cmocka_unit_test(test_longest),
                cmocka_unit_test(test_bad_requests),
                cmocka_unit_test(test_requests_that_are_not_whole),
                cmocka_unit_test(test_cookies),
                cmocka_unit_test(test_too_long),
                cmocka_unit_test(test_reply),
                cmocka_unit_test(test_all_verdicts),
                cmocka_unit_test(test_detail_is_cleaned),
                cmocka_unit_test(test_bad_replies),
                cmocka_unit_test(test_verdicts_that_are_not_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
