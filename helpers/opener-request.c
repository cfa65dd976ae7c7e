/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <time.h>

#include "common/socket.h"
#include "helpers/opener-refusal.h"
#include "helpers/opener-request.h"
#include "helpers/opener-tap.h"

void opener_task_deinit(OpenerTask *task) {
        opener_place_deinit(&task->place);
        close_fd(task->fd);
        *task = (OpenerTask)OPENER_TASK_NULL;
}

static void append(char detail[OPENER_DETAIL_MAX + 1], const char *separator, const char *word) {
        size_t n = strlen(detail);

        (void)snprintf(detail + n, OPENER_DETAIL_MAX + 1 - n, "%s%s", separator, word);
}

static int refuse_instance(const OpenerRequest *request, const Definition *definition,
                           OpenerReply *reply) {
        int r;

        if (!definition->template)
                return opener_refuse(reply, OPENER_INSTANCE, 0, "%s has no instances",
                                     definition->name);
        if (!request->instance[0])
                return opener_refuse(reply, OPENER_INSTANCE, 0, "%s@ needs an instance",
                                     definition->name);

        r = opener_refuse(reply, OPENER_INSTANCE, 0,
                          "%s@ has no instance %s: Instance=", definition->name, request->instance);
        for (char **pattern = definition->instances; pattern && *pattern; pattern++)
                append(reply->detail, pattern == definition->instances ? "" : " ", *pattern);
        return r;
}

int opener_request_find(const OpenerRequest *request, const Definition *definition,
                        const Target **ret, OpenerReply *reply) {
        const Target *target = &definition->targets[request->access];

        if (!definition_has_instance(definition, request->instance))
                return refuse_instance(request, definition, reply);
        if (!target->provided)
                return opener_refuse(reply, OPENER_NO_ACCESS, 0, "%s is not provided at %s",
                                     definition->name, access_to_string(request->access));

        *ret = target;
        return 0;
}

/* A path that was tried before may have left its refusal. */
static int succeed(OpenerReply *reply) {
        reply->status = OPENER_OK;
        reply->error = 0;
        reply->detail[0] = 0;

        return OPENER_OK;
}

/* Which interface it came to goes into the record. */
static int open_tap(const OpenerPlace *place, const Definition *definition, const Target *target,
                    const OpenerRequest *request, int *ret_fd, OpenerReply *reply) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = opener_place_open(place, request->access, &fd, reply);
        if (r != 0)
                return r;
        (void)succeed(reply);
        r = opener_tap_attach(fd, definition, target, request->instance, reply);
        if (r != 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return OPENER_OK;
}

int opener_request_begin(OpenerTask *task, const OpenerRequest *request,
                         const Definition *definition, const OpenerPathRules *rules,
                         uint64_t deadline, int *ret_fd, OpenerReply *reply) {
        const Target *target;
        int r;

        task->request = *request;
        task->deadline = deadline;

        r = opener_request_find(request, definition, &target, reply);
        if (r == 0)
                r = opener_place_find(&task->place, definition, target, request->instance, rules,
                                      reply);
        if (r != 0)
                return r;

        if (target->kind == KIND_TAP)
                return open_tap(&task->place, definition, target, request, ret_fd, reply);
        if (!opener_place_connects(&task->place)) {
                r = opener_place_open(&task->place, request->access, ret_fd, reply);
                return r == 0 ? succeed(reply) : r;
        }

        r = opener_place_socket(&task->place, &task->fd, reply);
        return r == 0 ? opener_request_retry(task, rules, 0, ret_fd, reply) : r;
}

int opener_request_retry(OpenerTask *task, const OpenerPathRules *rules, uint64_t now, int *ret_fd,
                         OpenerReply *reply) {
        int r;

        r = opener_place_connect(&task->place, task->fd, rules, reply);
        if (r == -EAGAIN)
                return now < task->deadline
                               ? 0
                               : opener_refuse(reply, OPENER_TIMEOUT, ETIMEDOUT,
                                               "%.120s takes no connection: its queue stayed full",
                                               task->place.path);
        if (r != 0)
                return r;

        *ret_fd = TAKE_FD(task->fd);
        return succeed(reply);
}

uint64_t opener_request_now(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int send_reply(int fd, const OpenerReply *reply, int pass_fd) {
        uint8_t buf[OPENER_MESSAGE_SIZE];
        size_t size = opener_reply_encode(reply, buf);
        ssize_t n = socket_send(fd, buf, size, pass_fd);

        return n < 0 ? (int)n : 0;
}

int opener_request_answer(int fd, OpenerReply *reply, int pass_fd) {
        int r = send_reply(fd, reply, pass_fd);

        /* Earlier ones were not taken from the queue: this one is lost, not the rest. */
        if (r == -ETOOMANYREFS) {
                (void)opener_refuse(reply, OPENER_OPEN, -r, "too many descriptors are on the way");
                r = send_reply(fd, reply, -EBADF);
        }

        return r;
}
