/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>

#include "cli/cmd.h"
#include "cli/exit-status.h"
#include "cli/grant.h"
#include "cli/placement.h"
#include "cli/report.h"

int cmd_parse(const Options *options, char **texts, size_t n, bool fd_allowed,
              Argument arguments[CMD_ENDPOINTS_MAX], size_t *ret_n) {
        size_t n_read = n > 0 ? n : 1;

        if (n > CMD_ENDPOINTS_MAX)
                return options_usage_error(options, "No more than %u endpoints at a time.",
                                           CMD_ENDPOINTS_MAX);

        for (size_t i = 0; i < n_read; i++) {
                int status = grant_read_argument(options, n > 0 ? texts[i] : NULL, fd_allowed,
                                                 &arguments[i]);

                if (status >= 0)
                        return status;
        }

        *ret_n = n_read;
        return -1;
}

int cmd_substitute(const Options *options, const Argument *arguments, const char *const *values,
                   size_t n, char ***words) {
        const char *word = NULL;
        int r;

        *words = strv_free(*words);
        r = placement_substitute_all(options->words, arguments, values, n, words, &word);
        if (r == PLACEMENT_E_AMBIGUOUS)
                return options_usage_error(options, PLACEMENT_TEXT_AMBIGUOUS, word,
                                           arguments[0].key);
        return r < 0 ? report_errno(options, r, "Cannot prepare the command") : -1;
}

int cmd_start(const Options *options, Child *child, const ChildSpec *spec) {
        bool exec_failed;
        int r;

        r = child_start(child, spec, &exec_failed);
        if (r < 0) {
                int status = report_errno(options, r, "Cannot run '%s'", spec->words[0]);

                if (!exec_failed)
                        return status;
                return r == -ENOENT ? EXIT_STATUS_NOT_FOUND : EXIT_STATUS_CANNOT_RUN;
        }

        (void)signal(SIGPIPE, SIG_IGN);
        return -1;
}
