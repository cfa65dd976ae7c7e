/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opens an endpoint in a loop of GLib, and says when the lease ends. Its times are those of the
 * library: points of the monotonic clock, in microseconds.
 *
 *         loop-glib doorward:///libvirt
 */

#include <limits.h>
#include <unistd.h>

#include <glib-unix.h>
#include <glib.h>

#include "loop.h"

/* A source of GLib's for whatever there is at present: what is being opened, or is open. */
struct source {
        GSource source;
        struct program *program;
        gpointer tag; /* of the descriptor in the source */
};

static GMainLoop *loop;
static struct source *the_source;

static void forget(struct program *program) {
        (void)program;
        if (the_source && the_source->tag)
                g_source_remove_unix_fd(&the_source->source, the_source->tag);
        if (the_source)
                the_source->tag = NULL;
}

/* After each step: what is to be waited for may be something else. poll(2)'s bits are GLib's. */
static void update(struct source *source) {
        GIOCondition events = (GIOCondition)program_get_events(source->program);
        long long usec = program_get_timeout(source->program);

        if (source->tag)
                g_source_modify_unix_fd(&source->source, source->tag, events);
        else
                source->tag = g_source_add_unix_fd(&source->source, program_get_fd(source->program),
                                                   events);
        g_source_set_ready_time(&source->source, usec == LLONG_MAX ? -1 : usec);
}

static gboolean go_on(struct source *source, int more) {
        if (more)
                update(source);
        else
                g_main_loop_quit(loop);
        return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* The descriptor is readable, or it is late: GLib looks at both by itself. */
static gboolean dispatch(GSource *base, GSourceFunc callback, gpointer userdata) {
        struct source *source = (struct source *)base;

        (void)callback;
        (void)userdata;
        return go_on(source, program_process(source->program));
}

static gboolean on_input(gint fd, GIOCondition condition, gpointer userdata) {
        struct source *source = userdata;
        int more = program_hear(source->program) && program_process(source->program);

        (void)fd;
        (void)condition;
        go_on(source, more);
        return more && !source->program->deaf ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void run(struct program *program) {
        static GSourceFuncs funcs = {.dispatch = dispatch};
        GSource *base = g_source_new(&funcs, sizeof(struct source));
        struct source *source = (struct source *)base;

        loop = g_main_loop_new(NULL, FALSE);
        source->program = program;
        the_source = source;
        g_source_attach(base, NULL);
        g_unix_fd_add(STDIN_FILENO, (GIOCondition)(G_IO_IN | G_IO_HUP), on_input, source);

        if (program_process(program)) {
                update(source);
                g_main_loop_run(loop);
        }

        forget(program);
        the_source = NULL;
        g_source_destroy(base);
        g_source_unref(base);
        g_main_loop_unref(loop);
}

int main(int argc, char *argv[]) {
        struct program program = {NULL, NULL, 0, 0, 0, forget};

        if (program_start(&program, argc > 1 ? argv[1] : NULL) == 0)
                run(&program);

        return program_end(&program);
}
