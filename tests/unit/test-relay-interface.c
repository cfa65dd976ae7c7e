/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/relay-interface.h"
#include "common/terms.h"
#include "tests/support/idl.h"

static Idl relay;

static int setup(void **state) {
        int line;

        if (!idl_parse(relay_interface_text, &relay, &line))
                fail_msg("line %d of the interface is not understood", line);
        return 0;
}

static void test_names(void **state) {
        assert_string_equal(relay.name, RELAY_INTERFACE);
        for (size_t i = 0; i < relay.n; i++) {
                if (!relay.members[i].documented)
                        fail_msg("nothing is said about %s", relay.members[i].name);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(relay.members[i].name, relay.members[j].name);
        }
}

static bool field_matches(const Field *field, const IdlField *idl) {
        static const char *const types[] = {
                [FIELD_BOOL] = "bool",     [FIELD_INT] = "int",        [FIELD_STRING] = "string",
                [FIELD_ACCESS] = "Access", [FIELD_STRINGS] = "string",
        };

        return streq(field->name, idl->name) && streq(types[field->type], idl->type) &&
               field->nullable == idl->nullable && idl->array == (field->type == FIELD_STRINGS) &&
               !idl->map;
}

static void test_methods(void **state) {
        size_t n_text = 0, n_code = 0;

        for (int i = 0; i < _RELAY_METHOD_MAX; i++) {
                const Method *method = &relay_methods[i];
                const IdlMember *member;
                size_t n = 0;

                assert_int_equal(relay_find_method(method->name), i);
                if (strncmp(method->name, RELAY_PREFIX, strlen(RELAY_PREFIX)) != 0)
                        continue;

                member = idl_find(&relay, IDL_METHOD, method->name + strlen(RELAY_PREFIX));
                if (!member)
                        fail_msg("%s is not in the text", method->name);
                for (; method->fields[n].name; n++)
                        assert_true(n < member->in.n &&
                                    field_matches(&method->fields[n], &member->in.fields[n]));
                assert_int_equal(n, member->in.n);
                n_code++;
        }

        for (size_t i = 0; i < relay.n; i++)
                n_text += relay.members[i].kind == IDL_METHOD;
        assert_int_equal(n_text, n_code);
        assert_int_equal(relay_find_method("org.doorward.Broker.Open"), -EINVAL);
}

/* Whoever has continued reads what whoever has opened reads. */
static void test_replies_of_open_and_continue(void **state) {
        const IdlFields *open = &idl_find(&relay, IDL_METHOD, "Open")->out;
        const IdlFields *next = &idl_find(&relay, IDL_METHOD, "Continue")->out;

        assert_int_equal(open->n, next->n);
        assert_memory_equal(open->fields, next->fields, open->n * sizeof(open->fields[0]));
}

static void test_errors(void **state) {
        size_t n = 0;

        for (int i = 1; i < _RELAY_ERROR_MAX; i++) {
                const char *name = relay_error_name((RelayError)i);

                assert_int_equal(strncmp(name, RELAY_PREFIX, strlen(RELAY_PREFIX)), 0);
                assert_non_null(idl_find(&relay, IDL_ERROR, name + strlen(RELAY_PREFIX)));
                assert_int_equal(relay_find_error(name), i);
        }
        assert_int_equal(relay_find_error("org.doorward.Broker.PermissionDenied"), -EINVAL);

        for (size_t i = 0; i < relay.n; i++)
                n += relay.members[i].kind == IDL_ERROR;
        assert_int_equal(n, _RELAY_ERROR_MAX - 1);
}

/* Words that both interfaces have mean the same; Kind is what a stream of bytes can carry. */
static void test_enums(void **state) {
        const IdlMember *prompts = idl_find(&relay, IDL_ENUM, "PromptKind");
        const IdlMember *access = idl_find(&relay, IDL_ENUM, "Access");
        const IdlMember *mode = idl_find(&relay, IDL_ENUM, "Mode");
        const IdlMember *how = idl_find(&relay, IDL_ENUM, "How");
        const IdlMember *kind = idl_find(&relay, IDL_ENUM, "Kind");
        const IdlMember *means = idl_find(&relay, IDL_ENUM, "Means");

        assert_int_equal(prompts->in.n, _RELAY_PROMPT_MAX - 1);
        for (int i = 1; i < _RELAY_PROMPT_MAX; i++) {
                const char *word = relay_prompt_to_wire((RelayPrompt)i);

                assert_string_equal(prompts->in.fields[i - 1].name, word);
                assert_int_equal(relay_prompt_from_wire(word), i);
        }
        assert_int_equal(relay_prompt_from_wire(""), -EINVAL);

        assert_int_equal(access->in.n, _ACCESS_MAX - 1);
        for (int i = 1; i < _ACCESS_MAX; i++)
                assert_string_equal(access->in.fields[i - 1].name, access_to_wire((Access)i));
        assert_int_equal(mode->in.n, _LEASE_MODE_MAX - 1);
        for (int i = 1; i < _LEASE_MODE_MAX; i++)
                assert_string_equal(mode->in.fields[i - 1].name, lease_mode_to_wire((LeaseMode)i));
        assert_int_equal(how->in.n, _HOW_MAX - 1);
        for (int i = 1; i < _HOW_MAX; i++)
                assert_string_equal(how->in.fields[i - 1].name, how_to_wire((How)i));
        assert_int_equal(means->in.n, _MEANS_MAX - 1);
        for (int i = 1; i < _MEANS_MAX; i++)
                assert_string_equal(means->in.fields[i - 1].name, means_to_wire((Means)i));
        for (size_t i = 0; i < kind->in.n; i++)
                assert_true(kind_from_wire(kind->in.fields[i].name) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_methods),
                cmocka_unit_test(test_replies_of_open_and_continue),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_enums),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
