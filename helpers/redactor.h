#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Redactor: JSON goes in, the same JSON without what is not to be seen comes out
 *
 * It keeps its place in the grammar and nothing of the text, so an answer may be of any length.
 * Names and structure stay; of a value that is hidden a text becomes REDACTOR_TEXT, a number 0,
 * true false, and what is empty or null stays so: what reads it finds the types that it expects.
 * Names are compared as what they mean, however they are written, and it does not matter how often
 * one is there, since each is judged where it stands.
 *
 * What is not JSON to the letter ends it, so that nothing passes that another reader would read in
 * another way.
 */

#include "helpers/docker-secret.h"

#define REDACTOR_TEXT "(hidden by doorward)"
#define REDACTOR_DEPTH_MAX 64
/* How much room there has to be for what one byte may become. */
#define REDACTOR_STEP 32

typedef enum RedactorState {
        REDACTOR_TOP = 1, /* between values, where there may be several */
        REDACTOR_END,     /* the only value is over */
        REDACTOR_VALUE,
        REDACTOR_FIRST_VALUE, /* or the array's end */
        REDACTOR_AFTER_VALUE,
        REDACTOR_NAME,
        REDACTOR_FIRST_NAME, /* or the object's end */
        REDACTOR_COLON,
        REDACTOR_STRING,
        REDACTOR_WORD,   /* true, false, null */
        REDACTOR_NUMBER, /* and the following */
        REDACTOR_MINUS = REDACTOR_NUMBER,
        REDACTOR_ZERO,
        REDACTOR_DIGITS,
        REDACTOR_POINT,
        REDACTOR_FRACTION,
        REDACTOR_E,
        REDACTOR_E_SIGN,
        REDACTOR_EXPONENT,
} RedactorState;

typedef struct Redactor {
        bool many; /* values may follow each other, as in a stream of events */
        RedactorState state;
        size_t depth;
        struct {
                bool object;
                DockerRule rule;
        } levels[REDACTOR_DEPTH_MAX];

        DockerRule rule; /* of the value that comes, or is there */
        bool in_name;    /* the string is a name */
        bool begun;      /* something of the string was there */
        bool swallow;    /* the rest of the value */
        char escape;     /* 0, '\\', or how many hexadecimal digits are still to come */
        unsigned code;
        const char *word; /* what is left of it */

        char text[DOCKER_NAME_MAX + 1]; /* a name, or the first word of an action */
        size_t n_text;
        bool odd; /* too long for that, or not plain */
} Redactor;

void redactor_init(Redactor *redactor, bool many);

/* Takes as much as there is room for what it becomes: *ret_taken, *ret_written. -EBADMSG if it is
 * not JSON; what was written before is well. */
int redactor_run(Redactor *redactor, const char *data, size_t size, char *buf, size_t room,
                 size_t *ret_taken, size_t *ret_written) _must_check_;

/* Nothing more comes: 0, or -EBADMSG if something is missing. */
int redactor_finish(const Redactor *redactor) _must_check_;
