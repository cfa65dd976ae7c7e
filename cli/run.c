/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/cmd.h"
#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/exit-status.h"
#include "cli/front.h"
#include "cli/grant.h"
#include "cli/placement.h"
#include "cli/report.h"
#include "client/channel.h"

/* How long it is waited for a service that does not read what the command wrote last, and how often
 * it is looked. */
#define RUN_SETTLE_MS 5000
#define RUN_SETTLE_TURN_MS 50

typedef struct Run {
        const Options *options;
        Loop loop;
        Argument arguments[CMD_ENDPOINTS_MAX];
        Definition *definitions[CMD_ENDPOINTS_MAX];
        Front *fronts[CMD_ENDPOINTS_MAX];
        bool over[CMD_ENDPOINTS_MAX]; /* the front is of no use any more */
        size_t n;
        char **words;
        char **environment;
        Child child;
        Source child_source;
        int status; /* the command's once it has ended, before that -1 */
} Run;

static void run_deinit(Run *run) {
        for (size_t i = 0; i < run->n; i++) {
                (void)front_free(run->fronts[i]);
                (void)definition_free(run->definitions[i]);
        }
        source_remove(&run->child_source);
        child_deinit(&run->child);
        loop_deinit(&run->loop);
        strv_free(run->words);
        strv_free(run->environment);
}

static int run_parse(Run *run, char **arguments, size_t n) {
        int status = cmd_parse(run->options, arguments, n, false, run->arguments, &run->n);

        for (size_t i = 0; i < run->n; i++) {
                int r = environment_load_definition(&run->arguments[i].name, &run->definitions[i]);

                if (r < 0)
                        return report_errno(run->options, r, "Cannot read a definition");
        }

        return status;
}

/* What stands for the endpoints in the command; paths of NULL: to see whether it can. */
static int run_substitute(Run *run) {
        const char *values[CMD_ENDPOINTS_MAX];

        for (size_t i = 0; i < run->n; i++)
                values[i] = run->fronts[i] ? run->fronts[i]->path : "";

        return cmd_substitute(run->options, run->arguments, values, run->n, &run->words);
}

static int run_open(Run *run) {
        int status = -1, r;

        r = loop_init(&run->loop);
        if (r < 0)
                return report_errno(run->options, r, "Cannot wait");

        for (size_t i = 0; i < run->n && status < 0; i++) {
                const FrontSpec spec = {
                        .options = run->options,
                        .argument = &run->arguments[i],
                        .definition = run->definitions[i],
                        .loop = &run->loop,
                };

                status = front_open(&spec, &run->fronts[i]);
        }

        return status;
}

static void on_child(Source *source, uint32_t events _unused_) {
        Run *run = source->userdata;
        int status, r;

        r = child_dispatch(&run->child, &status);
        if (r != 0)
                run->status = r > 0 ? exit_status_of_process(status)
                                    : report_errno(run->options, r, "Cannot wait for the command");
}

/* From here on no signal ends us before what was made is removed. */
static int run_show(Run *run) {
        int status = -1, r;

        r = child_prepare(&run->child);
        if (r == 0)
                r = loop_add(&run->loop, &run->child_source, child_get_fd(&run->child), EPOLLIN,
                             on_child, run);
        if (r < 0)
                return report_errno(run->options, r, "Cannot prepare the command");

        for (size_t i = 0; i < run->n && status < 0; i++) {
                status = front_show(run->fronts[i]);
                if (status >= 0)
                        return status;

                r = environment_add(&run->environment, run->definitions[i], run->fronts[i]->path);
                if (r < 0)
                        return report_errno(run->options, r, "Cannot prepare the command");
        }

        return run_substitute(run);
}

static int run_start(Run *run) {
        const ChildSpec spec = {.words = run->words, .environment = run->environment};
        int status = cmd_start(run->options, &run->child, &spec);

        if (status >= 0)
                return status;

        /* The command has the limit that we were started with. */
        loop_raise_limit();
        return -1;
}

/* A front that is of no use any more has said so; whether that is a reason to end is the command's
 * affair. */
static int run_turn(Run *run, int64_t deadline) {
        for (size_t i = 0; i < run->n; i++) {
                int64_t at;

                if (run->over[i])
                        continue;
                run->over[i] = front_process(run->fronts[i]) >= 0;
                at = run->over[i] ? deadline : front_get_deadline(run->fronts[i]);
                if (at < deadline)
                        deadline = at;
        }

        return loop_turn(&run->loop, deadline);
}

static bool run_is_settled(const Run *run) {
        for (size_t i = 0; i < run->n; i++)
                if (!run->over[i] && !front_is_settled(run->fronts[i]))
                        return false;

        return true;
}

/* Until the command has ended, and what it wrote last has gone where it was to go. */
static int run_wait(Run *run) {
        int64_t until;
        int r = 0;

        run->status = -1;
        while (r == 0 && run->status < 0)
                r = run_turn(run, CHANNEL_NO_DEADLINE);

        until = channel_deadline(RUN_SETTLE_MS);
        while (r == 0 && !run_is_settled(run) && channel_deadline_left(until) > 0)
                r = run_turn(run, channel_deadline(RUN_SETTLE_TURN_MS));

        return r < 0 ? report_errno(run->options, r, "Cannot wait for the command") : run->status;
}

int command_run(const Options *options, char **arguments, size_t n) {
        _cleanup_(run_deinit) Run run = {
                .options = options,
                .loop = LOOP_NULL,
                .child = CHILD_NULL,
        };
        int status;

        /* Everything that can be wrong with the command line is, before anybody is asked. */
        status = run_parse(&run, arguments, n);
        if (status < 0)
                status = run_substitute(&run);
        if (status < 0)
                status = run_open(&run);
        if (status < 0)
                status = run_show(&run);
        if (status < 0)
                status = run_start(&run);
        if (status < 0)
                status = run_wait(&run);

        return status;
}
