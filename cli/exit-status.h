#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Exit status: one for each class of error
 *
 * 1 and 2 mean what they do everywhere, 126 and 127 what they mean to env(1), above 128 is a
 * signal. The classes of the library, whose numbers are frozen, stand from 80 on, where few
 * programs put theirs: after `doorward exec` the status is CMD's own, and one would like to tell.
 */

#include "common/macros.h"

enum {
        EXIT_STATUS_OK = 0,
        EXIT_STATUS_FAILURE = 1,
        EXIT_STATUS_USAGE = 2,
        EXIT_STATUS_DEFINITION = 80, /* a definition has a problem */
        EXIT_STATUS_CLASS = 80,      /* and a doorward_error_code */
        EXIT_STATUS_CANNOT_RUN = 126,
        EXIT_STATUS_NOT_FOUND = 127,
        EXIT_STATUS_SIGNAL = 128, /* and the number of the signal */
};

/* The status for a doorward_error_code. */
int exit_status_of_class(int code);

/* The status that stands for how a process ended: waitpid(2)'s. */
int exit_status_of_process(int status);
