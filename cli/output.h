#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Output: what a command prints
 *
 * Text goes to a pager if standard output is a terminal and nobody said --no-pager: to $PAGER, or
 * less, which shows what fits on one screen as if it were not there. JSON is printed compact or for
 * people, and never paged when compact.
 */

#include <jansson.h>
#include <sys/types.h>

#include "common/macros.h"

typedef enum JsonMode {
        JSON_OFF = 0,
        JSON_SHORT,
        JSON_PRETTY,
} JsonMode;

/* -EINVAL for anything but short, pretty, off. */
int json_mode_from_string(const char *text);

/* Prints an object or array and gives the reference back, on failure too; NULL is taken for no
 * memory. 0, -ENOMEM, -EIO. */
int output_json_consume(json_t *json, JsonMode mode) _must_check_;

typedef struct Output {
        bool use_pager;
        pid_t pager; /* 0: none was started */
} Output;

/* From here on standard output is the pager's, if there is to be one. */
void output_begin_text(Output *output);

/* Writes out what is buffered and waits for the pager, if there is one. 0, or -errno if standard
 * output could not be written: a full disk must not look like success. A reader that went away is
 * none of our business. */
int output_end(Output *output) _must_check_;
