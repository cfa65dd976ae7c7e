#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Varlink: framing without I/O
 *
 * Varlink is JSON objects ended by NUL bytes on a stream. Here are the two halves of a connection
 * as plain objects: bytes and descriptors in, messages out, and the other way round. No socket in
 * sight, so the same code serves the broker and the library, is tested as strings and fuzzed whole.
 *
 * Descriptors ride SCM_RIGHTS. A sender passes those of a message together with that message's
 * bytes and never sends two messages in one go when there are descriptors; the kernel ends a read
 * at the data that had descriptors. So whatever descriptors came with a read belong to the message
 * that holds the last byte of that read. That is the one rule here, and both ends keep it.
 */

#include <jansson.h>

#include "common/macros.h"

/* What a request may measure, and a reply. The broker takes small requests from anybody; a reply
 * (the interface's own text is the longest) comes from a server that was verified. */
#define VARLINK_REQUEST_MAX 4096U
#define VARLINK_REPLY_MAX 65536U
/* How deep JSON may nest. Our interface needs 4. */
#define VARLINK_DEPTH_MAX 16U
/* Descriptors waiting for the message that they belong to. Ours come one at a time. */
#define VARLINK_FDS_MAX 4U

typedef struct VarlinkInput {
        char *buf;
        size_t max;    /* of one message, its NUL included */
        size_t start;  /* of the next message in buf */
        size_t end;    /* of what was read */
        uint64_t base; /* how many bytes went before buf[0]: positions are kept in all the stream */
        struct {
                int fd;
                uint64_t position; /* of the last byte that it came with */
        } fds[VARLINK_FDS_MAX];
        size_t n_fds;
} VarlinkInput;

typedef struct VarlinkMessage VarlinkMessage;

typedef struct VarlinkOutput {
        VarlinkMessage *first, *last;
        size_t size; /* bytes that wait */
} VarlinkOutput;

/* A message as it came. object is an object, and the message's; fds are the message's. */
typedef struct VarlinkIncoming {
        json_t *object;
        int fds[VARLINK_FDS_MAX];
        size_t n_fds;
} VarlinkIncoming;

#define VARLINK_INCOMING_NULL \
        { .object = NULL }

/* A call, borrowed from the message that holds it. */
typedef struct VarlinkCall {
        const char *method;
        json_t *parameters; /* NULL if there are none, which jansson takes for empty */
        bool more;
        bool oneway;
        bool upgrade;
} VarlinkCall;

/* A reply or an error, borrowed likewise. error is NULL in a reply. */
typedef struct VarlinkReply {
        const char *error;
        json_t *parameters;
        bool continues;
} VarlinkReply;

void varlink_input_init(VarlinkInput *input, size_t max);
void varlink_input_deinit(VarlinkInput *input);

/* Where to read to, and how much at most: never 0 as long as varlink_input_next() is called until
 * it has nothing more. -ENOMEM. */
int varlink_input_space(VarlinkInput *input, char **ret, size_t *ret_size) _must_check_;

/* n bytes were read there. The descriptors that came with them become the input's, on failure too;
 * more than VARLINK_FDS_MAX waiting is -EBADMSG. */
int varlink_input_commit_consume_fds(VarlinkInput *input, size_t n, const int *fds,
                                     size_t n_fds) _must_check_;

/* Takes the next message: 1 and *ret, 0 if it is not all there. -EMSGSIZE if it is longer than the
 * maximum, -EBADMSG if it is not one JSON object, has a key twice or nests too deep; -ENOMEM. Nothing
 * can be read after a failure. */
int varlink_input_next(VarlinkInput *input, VarlinkIncoming *ret) _must_check_;

/* Whether part of a message waits for its rest. */
bool varlink_input_is_partial(const VarlinkInput *input);

/* Whether as much is held as one message may measure: nothing more need be read before one was
 * taken. */
bool varlink_input_is_full(const VarlinkInput *input);

/* One JSON object of these bytes, within the bounds: what varlink_input_next() takes for a message.
 * The reference is the caller's. -EBADMSG, -ENOMEM. */
int varlink_parse(const char *text, size_t n, json_t **ret) _must_check_;

void varlink_incoming_deinit(VarlinkIncoming *incoming);

/* -EBADMSG for what is not a call (or a reply), has an unknown member or one of the wrong type. */
int varlink_call_parse(const json_t *object, VarlinkCall *ret) _must_check_;
int varlink_reply_parse(const json_t *object, VarlinkReply *ret) _must_check_;

/* Each takes the reference to parameters (NULL: none) and gives a new object; NULL: no memory. */
json_t *varlink_call_new(const char *method, json_t *parameters, bool more);
json_t *varlink_reply_new(json_t *parameters, bool continues);
json_t *varlink_error_new(const char *error, json_t *parameters);

/* Queues a message, and a descriptor with it unless fd is negative. Takes the reference and the
 * descriptor, on failure too. -ENOMEM. */
int varlink_output_push_consume(VarlinkOutput *output, json_t *object, int fd) _must_check_;

/* What to write next and with which descriptor (-EBADF: none); false if nothing waits. */
bool varlink_output_peek(const VarlinkOutput *output, const char **ret, size_t *ret_size,
                         int *ret_fd);

/* n bytes of that were written, and the descriptor with them if there was one. */
void varlink_output_advance(VarlinkOutput *output, size_t n);

static inline bool varlink_output_is_empty(const VarlinkOutput *output) {
        return !output->first;
}

void varlink_output_deinit(VarlinkOutput *output);
