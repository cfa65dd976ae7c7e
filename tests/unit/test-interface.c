/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "common/interface.h"
#include "common/terms.h"
#include "tests/support/idl.h"

/* The code and the text are held to each other: what the one has and the other has not fails here.
 */

static Idl broker, service;

static int setup(void **state) {
        int line;

        if (!idl_parse(interface_text, &broker, &line))
                fail_msg("line %d of the interface is not understood", line);
        if (!idl_parse(interface_service_text, &service, &line))
                fail_msg("line %d of org.varlink.service is not understood", line);
        return 0;
}

static void test_names(void **state) {
        assert_string_equal(broker.name, INTERFACE_NAME);
        assert_string_equal(service.name, "org.varlink.service");
        assert_string_equal(INTERFACE_PREFIX, INTERFACE_NAME ".");
        assert_string_equal(INTERFACE_SERVICE_PREFIX, "org.varlink.service.");
}

/* Nothing in the text is there twice, or without a word about it. */
static void test_members(void **state) {
        for (size_t i = 0; i < broker.n; i++) {
                const IdlMember *member = &broker.members[i];

                if (!member->documented)
                        fail_msg("nothing is said about %s", member->name);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(member->name, broker.members[j].name);
        }
}

/* Types. */

static bool type_exists(const char *type) {
        static const char *const scalars[] = {"bool", "int", "float", "string", "object"};

        for (size_t i = 0; i < ELEMENTSOF(scalars); i++)
                if (streq(type, scalars[i]))
                        return true;

        return idl_find(&broker, IDL_STRUCT, type) || idl_find(&broker, IDL_ENUM, type);
}

static void check_types(const char *owner, const IdlFields *fields) {
        for (size_t i = 0; i < fields->n; i++) {
                if (!type_exists(fields->fields[i].type))
                        fail_msg("%s: there is no type %s", owner, fields->fields[i].type);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(fields->fields[i].name, fields->fields[j].name);
        }
}

static void test_types(void **state) {
        for (size_t i = 0; i < broker.n; i++)
                if (broker.members[i].kind != IDL_ENUM) {
                        check_types(broker.members[i].name, &broker.members[i].in);
                        check_types(broker.members[i].name, &broker.members[i].out);
                }
}

/* Enumerations. */

#define CHECK_ENUM(word, c_type, max, to_wire)                                 \
        do {                                                                   \
                const IdlMember *member = idl_find(&broker, IDL_ENUM, word);   \
                                                                               \
                assert_non_null(member);                                       \
                assert_int_equal(member->in.n, max - 1);                       \
                for (int value = 1; value < max; value++)                      \
                        assert_string_equal(member->in.fields[value - 1].name, \
                                            to_wire((c_type)value));           \
        } while (false)

static void test_enums(void **state) {
        size_t n = 0;

        CHECK_ENUM("Access", Access, _ACCESS_MAX, access_to_wire);
        CHECK_ENUM("Decision", Decision, _DECISION_MAX, decision_to_wire);
        CHECK_ENUM("How", How, _HOW_MAX, how_to_wire);
        CHECK_ENUM("Kind", Kind, _KIND_MAX, kind_to_wire);
        CHECK_ENUM("Mode", LeaseMode, _LEASE_MODE_MAX, lease_mode_to_wire);
        CHECK_ENUM("Means", Means, _MEANS_MAX, means_to_wire);
        CHECK_ENUM("Reason", EndReason, _END_MAX, end_reason_to_wire);

        /* State is not an enumeration of the code: three words, where they are said. */
        assert_int_equal(idl_find(&broker, IDL_ENUM, "State")->in.n, 3);
        for (size_t i = 0; i < broker.n; i++)
                n += broker.members[i].kind == IDL_ENUM;
        assert_int_equal(n, 8);
}

/* Methods. */

static bool field_matches(const Field *field, const IdlField *idl) {
        static const char *const types[] = {
                [FIELD_BOOL] = "bool",
                [FIELD_INT] = "int",
                [FIELD_STRING] = "string",
                [FIELD_ACCESS] = "Access",
        };

        return streq(field->name, idl->name) && streq(types[field->type], idl->type) &&
               field->nullable == idl->nullable && !idl->array && !idl->map;
}

static void check_method(const Method *method, const IdlMember *member) {
        size_t n = 0;

        while (n < INTERFACE_FIELDS_MAX && method->fields[n].name) {
                if (n >= member->in.n || !field_matches(&method->fields[n], &member->in.fields[n]))
                        fail_msg("%s: %s is not as the text says", method->name,
                                 method->fields[n].name);
                n++;
        }

        /* There is room for the end of the table, which its readers look for. */
        assert_true(n < INTERFACE_FIELDS_MAX);
        if (n != member->in.n)
                fail_msg("%s: %s is not in the code", method->name, member->in.fields[n].name);
}

static void test_methods(void **state) {
        size_t n_broker = 0, n_service = 0, n = 0;

        for (int i = 0; i < _METHOD_MAX; i++) {
                const Method *method = &interface_methods[i];
                const char *name = strrchr(method->name, '.') + 1;
                bool ours = strncmp(method->name, INTERFACE_PREFIX, strlen(INTERFACE_PREFIX)) == 0;
                const IdlMember *member = idl_find(ours ? &broker : &service, IDL_METHOD, name);

                if (!member)
                        fail_msg("%s is not in the text", method->name);
                check_method(method, member);
                assert_int_equal(interface_find_method(method->name), i);
                n_broker += ours;
                n_service += !ours;
        }

        for (size_t i = 0; i < broker.n; i++)
                n += broker.members[i].kind == IDL_METHOD;
        assert_int_equal(n, n_broker);
        assert_int_equal(n_service, 2);

        assert_int_equal(interface_find_method(""), -EINVAL);
        assert_int_equal(interface_find_method("Open"), -EINVAL);
        assert_int_equal(interface_find_method("org.doorward.Broker."), -EINVAL);
        assert_int_equal(interface_find_method("org.doorward.Broker.open"), -EINVAL);
        assert_int_equal(interface_find_method("org.doorward.Broker.Open "), -EINVAL);
}

/* Every method of ours can be asked to prove who calls. */
static void test_every_method_takes_a_proof(void **state) {
        for (size_t i = 0; i < broker.n; i++) {
                const IdlMember *member = &broker.members[i];
                const IdlField *last = &member->in.fields[member->in.n - 1];

                if (member->kind != IDL_METHOD)
                        continue;
                assert_true(member->in.n > 0);
                assert_string_equal(last->name, "proof");
                assert_string_equal(last->type, "string");
                assert_true(last->nullable);
        }
}

/* Errors. */

static void test_errors(void **state) {
        size_t n_broker = 0, n = 0;

        for (int i = 1; i < _ERROR_MAX; i++) {
                const char *qualified = interface_error_name((ErrorId)i);
                const char *name = strrchr(qualified, '.') + 1;
                bool ours = i <= _ERROR_ENDPOINT_LAST;

                if (!idl_find(ours ? &broker : &service, IDL_ERROR, name))
                        fail_msg("%s is not in the text", qualified);
                assert_int_equal(strncmp(qualified,
                                         ours ? INTERFACE_PREFIX : INTERFACE_SERVICE_PREFIX,
                                         (size_t)(name - qualified)),
                                 0);
                assert_int_equal(interface_find_error(qualified), i);
                n_broker += ours;
        }

        for (size_t i = 0; i < broker.n; i++)
                n += broker.members[i].kind == IDL_ERROR;
        assert_int_equal(n, n_broker);

        assert_int_equal(interface_find_error(""), -EINVAL);
        assert_int_equal(interface_find_error("PermissionDenied"), -EINVAL);
        /* Ours, and not the other interface's of the same name. */
        assert_int_equal(interface_find_error("org.varlink.service.PermissionDenied"), -EINVAL);
}

/* Every error of ours says by which request the journal has it, and what to do. */
static void test_every_error_has_a_hint(void **state) {
        for (size_t i = 0; i < broker.n; i++) {
                const IdlFields *in = &broker.members[i].in;

                if (broker.members[i].kind != IDL_ERROR)
                        continue;
                assert_true(in->n >= 2);
                assert_string_equal(in->fields[in->n - 1].name, "requestId");
                assert_false(in->fields[in->n - 1].nullable);
                assert_string_equal(in->fields[in->n - 2].name, "hint");
        }
}

/* Reading parameters. */

static int read_open(const char *json, FieldValue values[INTERFACE_FIELDS_MAX], char name[64]) {
        json_t *object = json ? json_loads(json, 0, NULL) : NULL;
        const char *borrowed = "";
        int r;

        assert_true(object || !json);
        r = interface_read_parameters(&interface_methods[METHOD_OPEN], object, values, &borrowed);
        if (r < 0)
                (void)snprintf(name, 64, "%s", borrowed);
        json_decref(object);
        return r;
}

static void test_read_parameters(void **state) {
        FieldValue values[INTERFACE_FIELDS_MAX];
        char name[64];

        assert_int_equal(read_open("{\"timeout\":-5,\"access\":\"read_only\",\"endpoint\":\"x\","
                                   "\"hold\":false,\"user\":null}",
                                   values, name),
                         0);
        /* In the method's order, whatever theirs was. */
        assert_true(values[0].present);
        assert_true(values[1].present);
        assert_int_equal(values[1].access, ACCESS_READ_ONLY);
        assert_false(values[2].present);
        assert_false(values[3].present);
        assert_true(values[5].present);
        assert_false(values[5].boolean);
        assert_int_equal(values[7].integer, -5);
        for (size_t i = 9; i < INTERFACE_FIELDS_MAX; i++)
                assert_false(values[i].present);
}

static void check_bad_parameters(const char *json, const char *expected) {
        FieldValue values[INTERFACE_FIELDS_MAX];
        char name[64];

        if (read_open(json, values, name) != -EINVAL)
                fail_msg("taken: %s", json);
        assert_string_equal(name, expected);
}

static void test_bad_parameters(void **state) {
        check_bad_parameters(NULL, "endpoint");
        check_bad_parameters("{}", "endpoint");
        check_bad_parameters("{\"endpoint\":\"x\"}", "access");
        check_bad_parameters("{\"access\":\"full\"}", "endpoint");
        check_bad_parameters("{\"endpoint\":null,\"access\":\"full\"}", "endpoint");
        check_bad_parameters("{\"endpoint\":7,\"access\":\"full\"}", "endpoint");
        check_bad_parameters("{\"endpoint\":[\"x\"],\"access\":\"full\"}", "endpoint");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"read-only\"}", "access");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"\"}", "access");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":1}", "access");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"full\",\"hold\":1}", "hold");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"full\",\"timeout\":1.0}", "timeout");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"full\",\"timeout\":\"1\"}",
                             "timeout");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"full\",\"what\":null}", "what");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"full\",\"Hold\":true}", "Hold");
        check_bad_parameters("{\"endpoint\":\"x\",\"access\":\"full\",\"\":1}", "");
}

/* A method without members takes none. */
static void test_no_parameters(void **state) {
        const Method *method = &interface_methods[METHOD_SERVICE_GET_INFO];
        FieldValue values[INTERFACE_FIELDS_MAX];
        json_t *object = json_object();
        const char *name;

        assert_int_equal(interface_read_parameters(method, NULL, values, &name), 0);
        assert_int_equal(interface_read_parameters(method, object, values, &name), 0);
        assert_int_equal(json_object_set_new(object, "proof", json_string("x")), 0);
        assert_int_equal(interface_read_parameters(method, object, values, &name), -EINVAL);
        assert_string_equal(name, "proof");
        json_decref(object);
}

/* The reader of the text is a reader, and not one that nods. */
static void test_reader(void **state) {
        static const char *const texts[] = {
                "",
                "interface",
                "interface ",
                "method A() -> ()",
                "interface a.b\nmethod A()",
                "interface a.b\nmethod A(x) -> ()",
                "interface a.b\ntype A (x: )",
                "interface a.b\ntype A (x: int",
                "interface a.b\nerror E",
                "interface a.b\nerror (",
                "interface a.b\nmethod A() -> () x",
                "interface a.b\ntype A (x: int,)",
        };
        static Idl idl;
        int line;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (idl_parse(texts[i], &idl, &line))
                        fail_msg("understood: %s", texts[i]);

        assert_true(idl_parse("interface a.b\n\n# One.\ntype A (x, y_z)\n# Two.\n\n"
                              "method M(p: ?[]A, q: [string]int) -> (r: (on, off))\n",
                              &idl, &line));
        assert_int_equal(idl.n, 2);
        assert_int_equal(idl.members[0].kind, IDL_ENUM);
        assert_true(idl.members[0].documented);
        assert_string_equal(idl.members[0].in.fields[1].name, "y_z");
        assert_false(idl.members[1].documented);
        assert_true(idl.members[1].in.fields[0].nullable && idl.members[1].in.fields[0].array);
        assert_string_equal(idl.members[1].in.fields[0].type, "A");
        assert_true(idl.members[1].in.fields[1].map);
        assert_int_equal(idl.members[1].out.n, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_members),
                cmocka_unit_test(test_types),
                cmocka_unit_test(test_enums),
                cmocka_unit_test(test_methods),
                cmocka_unit_test(test_every_method_takes_a_proof),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_every_error_has_a_hint),
                cmocka_unit_test(test_read_parameters),
                cmocka_unit_test(test_bad_parameters),
                cmocka_unit_test(test_no_parameters),
                cmocka_unit_test(test_reader),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
