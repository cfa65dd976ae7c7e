/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/wait.h>

#include "cli/exit-status.h"
#include "client/doorward.h"

int exit_status_of_class(int code) {
        switch (code) {
        case DOORWARD_ERR_OK:
                return EXIT_STATUS_OK;
        case DOORWARD_ERR_SYSTEM:
                return EXIT_STATUS_FAILURE;
        case DOORWARD_ERR_INVALID_ARG:
        case DOORWARD_ERR_BAD_URI:
                /* The command line named something that cannot be named. */
                return EXIT_STATUS_USAGE;
        default:
                /* A class from a later library than this: still below env(1)'s own. */
                return code > 0 && code < EXIT_STATUS_CANNOT_RUN - 1 - EXIT_STATUS_CLASS
                               ? EXIT_STATUS_CLASS + code
                               : EXIT_STATUS_FAILURE;
        }
}

int exit_status_of_process(int status) {
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
                return EXIT_STATUS_SIGNAL + WTERMSIG(status);
        return EXIT_STATUS_FAILURE;
}
