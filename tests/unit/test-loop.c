/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What GLib has to do is done, whatever wakes it: another thread, a descriptor, a time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib-unix.h>
#include <sys/eventfd.h>

#include "broker/loop.h"

/* Longer than anything here takes, and than a lost wake-up would be missed. */
#define LONG_USEC UINT64_C(2000000)

typedef struct Fixture {
        sd_event *event;
        Loop *loop;
        gint done;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f || sd_event_new(&f->event) < 0 || loop_attach_glib(f->event, &f->loop) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        loop_free(f->loop);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static void wait_for(Fixture *f, gint done) {
        gint64 end = g_get_monotonic_time() + (gint64)LONG_USEC;

        while (g_atomic_int_get(&f->done) < done) {
                assert_true(g_get_monotonic_time() < end);
                (void)sd_event_run(f->event, LONG_USEC);
        }
}

static gboolean on_idle(gpointer userdata) {
        Fixture *f = userdata;

        (void)g_atomic_int_add(&f->done, 1);
        return G_SOURCE_REMOVE;
}

static gboolean on_chain(gpointer userdata) {
        (void)g_idle_add(on_idle, userdata);
        return on_idle(userdata);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer userdata) {
        Fixture *f = userdata;

        f->done++;
        close_fd(fd);
        return G_SOURCE_REMOVE;
}

/* Posts one after the other, each as soon as the one before was seen. */
static gpointer post(gpointer userdata) {
        Fixture *f = userdata;

        for (gint i = 0; i < 500; i++) {
                (void)g_idle_add(on_idle, f);
                while (g_atomic_int_get(&f->done) <= i)
                        g_usleep((gulong)(i % 50));
        }

        return NULL;
}

static void test_another_thread(void **state) {
        Fixture *f = *state;
        GThread *thread = g_thread_new("post", post, f);

        for (gint i = 1; i <= 500; i++)
                wait_for(f, i);
        (void)g_thread_join(thread);
}

static void test_work_that_makes_work(void **state) {
        Fixture *f = *state;

        (void)g_idle_add(on_chain, f);
        wait_for(f, 2);
}

static void test_times(void **state) {
        Fixture *f = *state;

        for (gint i = 0; i < 10; i++) {
                (void)g_timeout_add((guint)i, on_idle, f);
                wait_for(f, i + 1);
        }
}

/* The number of a descriptor that was closed is that of the next one: another, none the less. */
static void test_a_number_is_used_again(void **state) {
        Fixture *f = *state;
        uint64_t one = 1;
        int fd, last = -1;

        for (gint i = 0; i < 20; i++) {
                fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                assert_true(fd >= 0 && (last < 0 || fd == last));
                last = fd;
                (void)g_unix_fd_add(fd, G_IO_IN, on_readable, f);
                (void)sd_event_run(f->event, 0);
                assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
                wait_for(f, i + 1);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_another_thread),
                TEST(test_work_that_makes_work),
                TEST(test_times),
                TEST(test_a_number_is_used_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
