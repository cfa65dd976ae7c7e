/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "tests/support/printed.h"

#define LIST(parameters)                                                                           \
        "{\"method\":\"org.doorward.Broker.ListLeases\",\"more\":true,\"parameters\":{" parameters \
        "}}"
#define REVOKE(parameters) \
        "{\"method\":\"org.doorward.Broker.Revoke\",\"parameters\":{" parameters "}}"

#define ID_A "0b1f5c7d9e2a4f3886d1c4a7b9e0f213"
#define ID_B "0b1f5c7d9aaa4f3886d1c4a7b9e0f213"
#define ID_C "c1f5c7d9aaa4f3886d1c4a7b9e0f2130"

#define LEASE(id)                                                                      \
        "{\"parameters\":{\"requestId\":\"r\",\"lease\":{\"id\":\"" id "\",\"uid\":0," \
        "\"pid\":5,\"command\":\"x\",\"endpoint\":\"docker\",\"access\":\"full\","     \
        "\"mode\":\"revocable\",\"since\":1,\"descriptors\":1,\"kept\":false}},"       \
        "\"continues\":true}"
#define NO_MORE "{\"parameters\":{\"requestId\":\"r\"}}"

#define ENDED(ended, irrevocable)                                                             \
        "{\"parameters\":{\"ended\":" ended ",\"irrevocable\":" irrevocable ",\"requestId\":" \
        "\"r1\"}}"
#define NOT_FOUND(id)                                                       \
        "{\"error\":\"org.doorward.Broker.LeaseNotFound\",\"parameters\":{" \
        "\"lease\":\"" id "\",\"requestId\":\"r1\"}}"
#define DENIED                                                                 \
        "{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{" \
        "\"action\":\"org.doorward.manage-leases\",\"hint\":\"Ask nicely.\","  \
        "\"requestId\":\"r1\"}}"

#define STILL_OUT                                                              \
        "{\"error\":\"org.doorward.Broker.PermissionDenied\",\"parameters\":{" \
        "\"endpoint\":\"docker\",\"hint\":\"Ask others.\",\"requestId\":\"r1\"}}"

static void check(const Options *options, const char *const *ids, const Exchange *exchanges,
                  int status, const char *out, const char *err) {
        Printed p;

        printed_run(&p, command_revoke, options, ids, exchanges ? printed_script : NULL, exchanges);
        assert_int_equal(p.status, status);
        assert_string_equal(p.out, out);
        if (!strstr(p.err, err) || (!err[0] && p.err[0]))
                fail_msg("%s", p.err);
}

#define IDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const Options plain = {.fd = -EBADF};

static void test_id(void **state) {
        static const Exchange one[] = {
                {REVOKE("\"lease\":\"" ID_A "\""), {ENDED("1", "0")}},
                {},
        };
        static const Exchange three[] = {
                {REVOKE("\"lease\":\"" ID_A "\""), {ENDED("1", "1")}},
                {REVOKE("\"lease\":\"" ID_B "\""), {ENDED("1", "0")}},
                {REVOKE("\"lease\":\"" ID_C "\""), {ENDED("1", "1")}},
                {},
        };
        static const Exchange tracked[] = {
                {REVOKE("\"lease\":\"" ID_A "\""), {ENDED("1", "1")}},
                {},
        };

        check(&plain, IDS(ID_A), one, 0, "Ended 1 lease.\n", "");
        check(&plain, IDS(ID_A, ID_B, ID_C), three, 0,
              "Ended 3 leases.\n"
              "2 of them had handed over what the kernel cannot recall, which goes on until its "
              "holder closes it.\n",
              "");
        check(&plain, IDS(ID_A), tracked, 0,
              "Ended 1 lease.\n"
              "It had handed over what the kernel cannot recall, which goes on until its holder "
              "closes it.\n",
              "");
}

/* The beginning of an ID is looked for among one's own first, and each list is asked for once. */
static void test_prefix(void **state) {
        static const Exchange own[] = {
                {LIST(""), {LEASE(ID_A), LEASE(ID_C), NO_MORE}},
                {REVOKE("\"lease\":\"" ID_C "\""), {ENDED("1", "0")}},
                {REVOKE("\"lease\":\"" ID_A "\""), {ENDED("1", "0")}},
                {},
        };
        static const Exchange others[] = {
                {LIST(""), {LEASE(ID_A), NO_MORE}},
                {LIST("\"all\":true"), {LEASE(ID_A), LEASE(ID_C), LEASE(ID_B), NO_MORE}},
                {REVOKE("\"lease\":\"" ID_C "\""), {ENDED("1", "0")}},
                {REVOKE("\"lease\":\"" ID_B "\""), {ENDED("1", "0")}},
                {},
        };

        check(&plain, IDS("c1f5c7d9", "0b1f5c7d"), own, 0, "Ended 2 leases.\n", "");
        check(&plain, IDS("c1f5c7d9", "0b1f5c7d9a"), others, 0, "Ended 2 leases.\n", "");
}

static void test_ambiguous(void **state) {
        static const Exchange exchanges[] = {
                {LIST(""), {LEASE(ID_A), LEASE(ID_B), LEASE(ID_C), NO_MORE}},
                {},
        };

        /* Nothing was ended, also not what was clear. */
        check(&plain, IDS("c1f5c7d9", "0b1f5c7d"), exchanges, 2, "",
              "begins with 0b1f5c7d: " ID_A ", " ID_B ".\nHint: Write more of its digits.\n");
}

static void test_no_such(void **state) {
        static const Exchange none[] = {
                {LIST(""), {NO_MORE}},
                {LIST("\"all\":true"), {LEASE(ID_A), NO_MORE}},
                {},
        };
        static const Exchange hidden[] = {
                {LIST(""), {LEASE(ID_A), NO_MORE}},
                {LIST("\"all\":true"), {DENIED}},
                {},
        };
        static const Exchange gone[] = {
                {REVOKE("\"lease\":\"" ID_A "\""), {NOT_FOUND(ID_A)}},
                {},
        };

        check(&plain, IDS("ffffffff"), none, 99, "",
              "There is no lease whose ID begins with ffffffff, or it is not yours.\n"
              "Hint: 'doorward leases --all'");
        check(&plain, IDS("ffffffff"), hidden, 99, "", "or it is not yours.\nHint: Ask nicely.\n");
        check(&plain, IDS(ID_A), gone, 99, "", "There is no such lease, or it is not yours.\n");
}

/* One that has ended meanwhile keeps none of the others. */
static void test_some(void **state) {
        static const Exchange exchanges[] = {
                {REVOKE("\"lease\":\"" ID_A "\""), {NOT_FOUND(ID_A)}},
                {REVOKE("\"lease\":\"" ID_B "\""), {ENDED("1", "0")}},
                {},
        };

        check(&plain, IDS(ID_A, ID_B), exchanges, 99, "Ended 1 lease.\n", "no such lease");
}

static void test_filters(void **state) {
        static const Exchange user[] = {{REVOKE("\"uid\":0"), {ENDED("2", "0")}}, {}};
        static const Exchange number[] = {{REVOKE("\"uid\":4123456789"), {ENDED("0", "0")}}, {}};
        static const Exchange endpoint[] = {
                {REVOKE("\"endpoint\":\"serial@ttyUSB0\""), {ENDED("3", "3")}},
                {},
        };
        static const Exchange both[] = {
                {REVOKE("\"uid\":0,\"endpoint\":\"docker\""), {ENDED("1", "0")}},
                {},
        };
        static const Exchange denied[] = {{REVOKE("\"uid\":0"), {DENIED}}, {}};
        Options options = plain;

        options.user = "root";
        check(&options, NULL, user, 0, "Ended 2 leases.\n", "");
        check(&options, NULL, denied, 90, "", "what others have open.\nHint: Ask nicely.\n");
        options.user = "4123456789";
        check(&options, NULL, number, 0, "No lease to end.\n", "");
        options.user = NULL;
        options.endpoint = "serial@ttyUSB0";
        check(&options, NULL, endpoint, 0,
              "Ended 3 leases.\n"
              "3 of them had handed over what the kernel cannot recall, which goes on until its "
              "holder closes it.\n",
              "");
        options.user = "root";
        options.endpoint = "docker";
        check(&options, NULL, both, 0, "Ended 1 lease.\n", "");
}

typedef struct BlockCase {
        const char *user;
        const char *endpoint;
        const char *id;
        Exchange exchanges[2];
        const char *out;
} BlockCase;

/* Whom it keeps out of what, and for how long, as far as that is known here. */
static void test_block(void **state) {
        static const BlockCase cases[] = {
                {.user = "root",
                 .endpoint = "docker",
                 .exchanges = {{REVOKE("\"uid\":0,\"endpoint\":\"docker\",\"block\":5400"),
                                {ENDED("1", "0")}}},
                 .out = "Ended 1 lease.\nroot is not let in to docker again for 1h 30min.\n"},
                {.user = "root",
                 .endpoint = "docker",
                 .exchanges = {{REVOKE("\"uid\":0,\"endpoint\":\"docker\",\"block\":5400"),
                                {ENDED("0", "0")}}},
                 .out = "No lease to end.\nroot is not let in to docker for 1h 30min.\n"},
                {.user = "root",
                 .exchanges = {{REVOKE("\"uid\":0,\"block\":5400"), {ENDED("2", "0")}}},
                 .out = "Ended 2 leases.\nroot is not let in for 1h 30min.\n"},
                {.user = "root",
                 .exchanges = {{REVOKE("\"uid\":0,\"block\":5400"), {ENDED("0", "0")}}},
                 .out = "No lease to end.\nroot is not let in for 1h 30min.\n"},
                {.endpoint = "docker",
                 .exchanges = {{REVOKE("\"endpoint\":\"docker\",\"block\":5400"),
                                {ENDED("2", "0")}}},
                 .out = "Ended 2 leases.\n"
                        "Whoever had them is not let in to docker again for 1h 30min.\n"},
                {.endpoint = "docker",
                 .exchanges = {{REVOKE("\"endpoint\":\"docker\",\"block\":5400"),
                                {ENDED("0", "0")}}},
                 .out = "No lease to end.\n"
                        "Nobody had one, so nobody is kept out: --user= says who is to be.\n"},
                {.id = ID_A,
                 .exchanges = {{REVOKE("\"lease\":\"" ID_A "\",\"block\":5400"),
                                {ENDED("1", "0")}}},
                 .out = "Ended 1 lease.\n"
                        "Whoever had it is not let in to the same endpoint again for 1h 30min.\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const BlockCase *c = &cases[i];
                Options options = {
                        .fd = -EBADF, .user = c->user, .endpoint = c->endpoint, .block = 5400};

                check(&options, c->id ? IDS(c->id) : NULL, c->exchanges, 0, c->out, "");
        }
}

/* --block=0 ends nothing. */
static void test_lets_in(void **state) {
        static const Exchange one[] = {
                {REVOKE("\"uid\":0,\"endpoint\":\"docker\",\"block\":0"), {ENDED("0", "0")}},
                {},
        };
        static const Exchange out[] = {
                {REVOKE("\"uid\":0,\"endpoint\":\"docker\",\"block\":0"), {STILL_OUT}},
                {},
        };
        static const Exchange denied[] = {
                {REVOKE("\"uid\":0,\"endpoint\":\"docker\",\"block\":0"), {DENIED}},
                {},
        };
        Options options = {.fd = -EBADF, .user = "root", .endpoint = "docker", .lets_in = true};

        check(&options, NULL, one, 0, "root is let in to docker again.\n", "");
        check(&options, NULL, out, 90, "", "root is kept out still.\nHint: Ask others.");
        check(&options, NULL, denied, 90, "", "does not allow you to see or end");
        options.user = NULL;
        check(&options, NULL, NULL, 2, "", "--user= says whom");
}

static void test_quiet_and_json(void **state) {
        static const Exchange two[] = {
                {REVOKE("\"lease\":\"" ID_A "\""), {ENDED("1", "1")}},
                {REVOKE("\"lease\":\"" ID_B "\""), {ENDED("1", "0")}},
                {},
        };
        Options options = {.fd = -EBADF, .given = OPTION_QUIET};

        check(&options, IDS(ID_A, ID_B), two, 0, "", "");
        options.json = JSON_SHORT;
        check(&options, IDS(ID_A, ID_B), two, 0,
              "{\"ended\":1,\"irrevocable\":1,\"requestId\":\"r1\"}\n"
              "{\"ended\":1,\"irrevocable\":0,\"requestId\":\"r1\"}\n",
              "");
}

/* Nobody is asked anything where the command line is wrong: there is no broker here. */
static void test_usage(void **state) {
        Options options = plain;

        check(&plain, NULL, NULL, 2, "", "missing: an ID, as 'doorward leases' shows it");
        options.block = 60;
        check(&options, NULL, NULL, 2, "", "missing");
        check(&plain, IDS("0b1f5c7"), NULL, 2, "", "'0b1f5c7' is not the ID of a lease");
        check(&plain, IDS(ID_A, "docker"), NULL, 2, "", "'docker' is not the ID of a lease");
        check(&plain, IDS(ID_A "0"), NULL, 2, "", "is not the ID of a lease");
        options.user = "root";
        check(&options, IDS(ID_A), NULL, 2, "", "does not go with --user= or --endpoint=");
        options.user = "no-such-user";
        check(&options, NULL, NULL, 2, "", "There is no user 'no-such-user'.");
        options.user = "";
        check(&options, NULL, NULL, 2, "", "There is no user ''.");
        options.user = NULL;
        options.endpoint = "docker";
        check(&options, IDS(ID_A), NULL, 2, "", "does not go with");
}

static void test_unreadable(void **state) {
        static const char *const replies[] = {
                ENDED("-1", "0"),    ENDED("1", "2"),       ENDED("1", "-1"),
                ENDED("\"1\"", "0"), "{\"parameters\":{}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                const Exchange wrong[] = {
                        {REVOKE("\"lease\":\"" ID_A "\""), {replies[i]}},
                        {},
                };

                check(&plain, IDS(ID_A), wrong, 87, "", "cannot be read");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_id),
                cmocka_unit_test(test_prefix),
                cmocka_unit_test(test_ambiguous),
                cmocka_unit_test(test_no_such),
                cmocka_unit_test(test_some),
                cmocka_unit_test(test_filters),
                cmocka_unit_test(test_block),
                cmocka_unit_test(test_lets_in),
                cmocka_unit_test(test_quiet_and_json),
                cmocka_unit_test(test_usage),
                cmocka_unit_test(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
