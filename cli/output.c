/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "cli/output.h"

int json_mode_from_string(const char *text) {
        if (streq(text, "off"))
                return JSON_OFF;
        if (streq(text, "short"))
                return JSON_SHORT;
        if (streq(text, "pretty"))
                return JSON_PRETTY;
        return -EINVAL;
}

int output_json_consume(json_t *json, JsonMode mode) {
        size_t flags = mode == JSON_PRETTY ? JSON_INDENT(8) : JSON_COMPACT;
        int r;

        if (!json)
                return -ENOMEM;

        r = json_dumpf(json, stdout, flags);
        json_decref(json);

        return r < 0 || putchar('\n') == EOF ? -EIO : 0;
}

static _noreturn_ void pager_run(int input) {
        const char *program = secure_getenv("PAGER");

        if (dup2(input, STDIN_FILENO) < 0)
                _exit(127);

        /* No shell and no editor from within a pager: it may run as root, under sudo. */
        (void)setenv("LESSSECURE", "1", 1);
        (void)setenv("LESS", "FRSXMK", 0);

        if (program && *program)
                (void)execlp("sh", "sh", "-c", program, (char *)NULL);
        (void)execlp("less", "less", (char *)NULL);
        (void)execlp("more", "more", (char *)NULL);
        (void)execlp("cat", "cat", (char *)NULL);
        _exit(127);
}

void output_begin_text(Output *output) {
        const char *program = secure_getenv("PAGER"), *terminal = getenv("TERM");
        int ends[2];

        if (!output->use_pager || output->pager > 0 || !isatty(STDOUT_FILENO) || !terminal ||
            streq(terminal, "dumb") || (program && (streq(program, "") || streq(program, "cat"))))
                return;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return;

        output->pager = fork();
        if (output->pager == 0)
                pager_run(ends[0]);

        /* Without a pager the terminal serves as well. */
        if (output->pager > 0 && dup2(ends[1], STDOUT_FILENO) < 0)
                output->pager = 0;
        close_fd(ends[0]);
        close_fd(ends[1]);
}

static void pager_wait(Output *output) {
        /* ^C is the pager's while it shows something. */
        (void)signal(SIGINT, SIG_IGN);
        (void)close(STDOUT_FILENO);
        while (waitpid(output->pager, NULL, 0) < 0 && errno == EINTR)
                ;
        output->pager = 0;
}

int output_end(Output *output) {
        int r = 0;

        errno = 0;
        if (fflush(stdout) != 0 || ferror(stdout))
                r = errno == EPIPE ? 0 : errno > 0 ? -errno : -EIO;
        if (output->pager > 0)
                pager_wait(output);

        return r;
}
