/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/instant.h"
#include "policy/observation.h"
#include "policy/timespan.h"

#define DAY (24 * 3600 * USEC_PER_SEC)

typedef struct Fixture {
        char group_file[32];
        Definition *definition;
        uint64_t until;
} Fixture;

static int setup(void **state) {
        static const char text[] = "[Endpoint]\nMode=observe\nObserveGroup=crew\n"
                                   "ObserveUntil=2027-03-31\n[Full]\nConnectStream=/run/x\n";
        static const char groups[] = "root:x:0:\nodd:x:4294967295:\ncrew:x:4343:alice\n"
                                     "nogroup:x:65534:\n";
        Fixture *f = calloc(1, sizeof(*f));
        int fd;

        if (!f)
                return -1;
        (void)snprintf(f->group_file, sizeof(f->group_file), "/tmp/test-observation-XXXXXX");
        fd = mkstemp(f->group_file);
        if (fd < 0 || write(fd, groups, strlen(groups)) != (ssize_t)strlen(groups))
                return -1;
        close_fd(fd);
        if (definition_parse("docker", "/x", text, &f->definition) < 0 || f->definition->problem)
                return -1;
        f->until = f->definition->observe_until;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        definition_free(f->definition);
        (void)unlink(f->group_file);
        free(f);
        return 0;
}

static ObservationState find(const Fixture *f, uint64_t now, gid_t *ret_gid) {
        ObservationState state;

        *ret_gid = 7;
        assert_int_equal(observation_find(f->definition, f->group_file, now, ret_gid, &state), 0);
        return state;
}

/* From 90 days before until the moment itself, and at no other time. */
static void test_time(void **state) {
        const Fixture *f = *state;
        gid_t gid;

        assert_int_equal(find(f, f->until - 1, &gid), OBSERVATION_ACTIVE);
        assert_int_equal(gid, 4343);
        assert_int_equal(find(f, f->until - 90 * DAY, &gid), OBSERVATION_ACTIVE);
        assert_int_equal(find(f, f->until - 90 * DAY - 1, &gid), OBSERVATION_TOO_FAR);
        assert_int_equal(find(f, 0, &gid), OBSERVATION_TOO_FAR);
        assert_int_equal(find(f, f->until, &gid), OBSERVATION_OVER);
        assert_int_equal(find(f, UINT64_MAX, &gid), OBSERVATION_OVER);
}

/* A group that is not there, and those that many have who share nothing. */
static void test_group(void **state) {
        static const struct {
                const char *name;
                ObservationState state;
        } groups[] = {
                {"nobody-knows", OBSERVATION_NO_GROUP}, {"root", OBSERVATION_BAD_GROUP},
                {"nogroup", OBSERVATION_BAD_GROUP},     {"odd", OBSERVATION_BAD_GROUP},
                {"crew", OBSERVATION_ACTIVE},
        };
        Fixture *f = *state;
        gid_t gid;

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                free(f->definition->observe_group);
                f->definition->observe_group = strdup(groups[i].name);
                assert_int_equal(find(f, f->until - 1, &gid), groups[i].state);
                assert_int_equal(gid, groups[i].state == OBSERVATION_ACTIVE ? 4343 : 7);
                assert_int_equal(find(f, f->until, &gid), OBSERVATION_OVER);
        }
}

/* What is wrong, or does not want it, is not observed. */
static void test_none(void **state) {
        Fixture *f = *state;
        gid_t gid;

        f->definition->observes = false;
        assert_int_equal(find(f, f->until - 1, &gid), OBSERVATION_NONE);
        f->definition->observes = true;
        f->definition->problem = strdup("wrong");
        assert_int_equal(find(f, f->until - 1, &gid), OBSERVATION_NONE);
        assert_int_equal(observation_state(f->definition, f->until - 1), OBSERVATION_NONE);
}

static void test_describe(void **state) {
        static const struct {
                ObservationState state;
                const char *text;
        } texts[] = {
                {OBSERVATION_ACTIVE, "docker is observed until 2027-03-31T00:00:00Z: whoever has "
                                     "the group crew"},
                {OBSERVATION_OVER, "ObserveUntil=2027-03-31T00:00:00Z has passed"},
                {OBSERVATION_TOO_FAR, "more than 90 days away"},
                {OBSERVATION_NO_GROUP, "the group crew of ObserveGroup= does not exist here"},
                {OBSERVATION_BAD_GROUP, "ObserveGroup=crew is root's"},
        };
        const Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *text = observation_describe(f->definition, texts[i].state);

                assert_non_null(text);
                if (!strstr(text, texts[i].text))
                        fail_msg("no \"%s\" in: %s", texts[i].text, text);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_time),
                TEST(test_group),
                TEST(test_none),
                TEST(test_describe),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
