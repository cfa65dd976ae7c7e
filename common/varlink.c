/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "common/jsontext.h"
#include "common/varlink.h"

/* Most messages are shorter than these, and then read at once, and written but once. With what is
 * around them they are no more than malloc(3) has at hand: for 1033 bytes and more it looks around,
 * and puts together whatever is free. */
#define READ_SIZE 1000U
#define MESSAGE_ROOM 960U

struct VarlinkMessage {
        VarlinkMessage *next;
        int fd;
        size_t offset;
        size_t size;
        char data[];
};

void varlink_input_init(VarlinkInput *input, size_t max) {
        *input = (VarlinkInput){.max = max};
}

void varlink_input_deinit(VarlinkInput *input) {
        for (size_t i = 0; i < input->n_fds; i++)
                close_fd(input->fds[i].fd);
        free(input->buf);
        varlink_input_init(input, input->max);
}

int varlink_input_space(VarlinkInput *input, char **ret, size_t *ret_size) {
        size_t held = input->end - input->start;
        size_t size = held > READ_SIZE ? held : READ_SIZE;
        char *buf;

        if (input->start > 0) {
                memmove(input->buf, input->buf + input->start, held);
                input->base += input->start;
                input->start = 0;
                input->end = held;
        }

        buf = realloc(input->buf, held + size);
        if (!buf)
                return -ENOMEM;

        input->buf = buf;
        *ret = buf + held;
        *ret_size = size;
        return 0;
}

int varlink_input_commit_consume_fds(VarlinkInput *input, size_t n, const int *fds, size_t n_fds) {
        uint64_t position;
        int r = 0;

        input->end += n;
        position = input->base + input->end - 1;

        for (size_t i = 0; i < n_fds; i++) {
                if (n == 0 || input->n_fds >= VARLINK_FDS_MAX) {
                        close_fd(fds[i]);
                        r = -EBADMSG;
                        continue;
                }

                input->fds[input->n_fds].fd = fds[i];
                input->fds[input->n_fds].position = position;
                input->n_fds++;
        }

        return r;
}

/* Moves the descriptors that came with bytes up to and including this position. */
static void input_take_fds(VarlinkInput *input, uint64_t position, VarlinkIncoming *incoming) {
        size_t n = 0;

        while (n < input->n_fds && input->fds[n].position <= position) {
                incoming->fds[n] = input->fds[n].fd;
                n++;
        }

        incoming->n_fds = n;
        input->n_fds -= n;
        memmove(input->fds, input->fds + n, input->n_fds * sizeof(input->fds[0]));
}

int varlink_parse(const char *text, size_t n, json_t **ret) {
        return jsontext_read(text, n, VARLINK_DEPTH_MAX, ret);
}

int varlink_input_next(VarlinkInput *input, VarlinkIncoming *ret) {
        const char *text = input->buf ? input->buf + input->start : NULL;
        size_t held = input->end - input->start, n;
        VarlinkIncoming incoming = VARLINK_INCOMING_NULL;
        const char *nul;
        int r;

        nul = held > 0 ? memchr(text, 0, held < input->max ? held : input->max) : NULL;
        if (!nul)
                return held >= input->max ? -EMSGSIZE : 0;

        n = (size_t)(nul - text);
        r = varlink_parse(text, n, &incoming.object);
        if (r < 0)
                return r;

        input_take_fds(input, input->base + input->start + n, &incoming);
        input->start += n + 1;

        /* An idle connection holds no buffer. */
        if (input->start == input->end) {
                input->base += input->end;
                input->start = input->end = 0;
                free(input->buf);
                input->buf = NULL;
        }

        *ret = incoming;
        return 1;
}

bool varlink_input_is_partial(const VarlinkInput *input) {
        return input->end > input->start;
}

bool varlink_input_is_full(const VarlinkInput *input) {
        return input->end - input->start >= input->max;
}

void varlink_incoming_deinit(VarlinkIncoming *incoming) {
        json_decref(incoming->object);
        for (size_t i = 0; i < incoming->n_fds; i++)
                close_fd(incoming->fds[i]);
        *incoming = (VarlinkIncoming)VARLINK_INCOMING_NULL;
}

static int parse_bool(const json_t *value, bool *ret) {
        if (!json_is_boolean(value))
                return -EBADMSG;

        *ret = json_is_true(value);
        return 0;
}

static int parse_string(const json_t *value, const char **ret) {
        if (!json_is_string(value))
                return -EBADMSG;

        *ret = json_string_value(value);
        return 0;
}

int varlink_call_parse(const json_t *object, VarlinkCall *ret) {
        VarlinkCall call = {};
        const char *key;
        json_t *value;
        int r = 0;

        json_object_foreach((json_t *)object, key, value) {
                if (streq(key, "method"))
                        r = parse_string(value, &call.method);
                else if (streq(key, "parameters") && json_is_object(value))
                        call.parameters = value;
                else if (streq(key, "more"))
                        r = parse_bool(value, &call.more);
                else if (streq(key, "oneway"))
                        r = parse_bool(value, &call.oneway);
                else if (streq(key, "upgrade"))
                        r = parse_bool(value, &call.upgrade);
                else
                        r = -EBADMSG;
                if (r < 0)
                        return r;
        }

        if (!call.method)
                return -EBADMSG;

        *ret = call;
        return 0;
}

int varlink_reply_parse(const json_t *object, VarlinkReply *ret) {
        VarlinkReply reply = {};
        const char *key;
        json_t *value;
        int r = 0;

        json_object_foreach((json_t *)object, key, value) {
                if (streq(key, "error"))
                        r = parse_string(value, &reply.error);
                else if (streq(key, "parameters") && json_is_object(value))
                        reply.parameters = value;
                else if (streq(key, "continues"))
                        r = parse_bool(value, &reply.continues);
                else
                        r = -EBADMSG;
                if (r < 0)
                        return r;
        }

        *ret = reply;
        return 0;
}

/* Sets a member and takes the value's reference; false if either is missing for want of memory. */
static bool object_set_new(json_t *object, const char *key, json_t *value) {
        return json_object_set_new_nocheck(object, key, value) == 0;
}

static json_t *object_new(const char *key, const char *name, json_t *parameters, const char *flag) {
        json_t *object = json_object();
        bool ok = object != NULL;

        if (key)
                ok = ok && object_set_new(object, key, json_string(name));

        /* json_object_set_new_nocheck() takes the reference even where it fails. */
        if (parameters)
                ok = object_set_new(object, "parameters", parameters) && ok;
        if (flag)
                ok = ok && object_set_new(object, flag, json_true());

        if (!ok) {
                json_decref(object);
                return NULL;
        }

        return object;
}

json_t *varlink_call_new(const char *method, json_t *parameters, bool more) {
        return object_new("method", method, parameters, more ? "more" : NULL);
}

json_t *varlink_reply_new(json_t *parameters, bool continues) {
        return object_new(NULL, NULL, parameters, continues ? "continues" : NULL);
}

json_t *varlink_error_new(const char *error, json_t *parameters) {
        return object_new("error", error, parameters, NULL);
}

/* Writes the object into a message with so much room, and as much of it as fits. NULL: no memory,
 * which jansson needs, too. *ret is how long all of it is. */
static VarlinkMessage *message_dump(const json_t *object, size_t room, size_t *ret) {
        VarlinkMessage *message = malloc(sizeof(*message) + room + 1);
        size_t n = message ? json_dumpb(object, message->data, room, JSON_COMPACT) : 0;

        if (n == 0) {
                free(message);
                return NULL;
        }

        *ret = n;
        return message;
}

static VarlinkMessage *message_new(const json_t *object, int fd) {
        VarlinkMessage *message;
        size_t n, room = MESSAGE_ROOM;

        message = message_dump(object, room, &n);
        if (message && n > room) {
                room = n;
                free(message);
                message = message_dump(object, room, &n);
        }
        if (!message)
                return NULL;

        assert(n <= room);
        message->next = NULL;
        message->fd = fd;
        message->offset = 0;
        message->size = n + 1;
        message->data[n] = 0;
        return message;
}

int varlink_output_push_consume(VarlinkOutput *output, json_t *object, int fd) {
        VarlinkMessage *message = object ? message_new(object, fd) : NULL;

        json_decref(object);
        if (!message) {
                close_fd(fd);
                return -ENOMEM;
        }

        if (output->last)
                output->last->next = message;
        else
                output->first = message;
        output->last = message;
        output->size += message->size;
        return 0;
}

bool varlink_output_peek(const VarlinkOutput *output, const char **ret, size_t *ret_size,
                         int *ret_fd) {
        const VarlinkMessage *message = output->first;

        if (!message)
                return false;

        *ret = message->data + message->offset;
        *ret_size = message->size - message->offset;
        *ret_fd = message->fd;
        return true;
}

static void output_drop_first(VarlinkOutput *output) {
        VarlinkMessage *message = output->first;

        output->first = message->next;
        if (!output->first)
                output->last = NULL;
        output->size -= message->size - message->offset;
        close_fd(message->fd);
        free(message);
}

void varlink_output_advance(VarlinkOutput *output, size_t n) {
        VarlinkMessage *message = output->first;

        assert(message && n <= message->size - message->offset);

        if (n > 0)
                message->fd = close_fd(message->fd);
        message->offset += n;
        output->size -= n;
        if (message->offset == message->size)
                output_drop_first(output);
}

void varlink_output_deinit(VarlinkOutput *output) {
        while (output->first)
                output_drop_first(output);
}
