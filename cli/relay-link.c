/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <malloc.h>
#include <poll.h>

#include "cli/relay-link.h"

static void free_erased(void *p) {
        if (p)
                explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

void relay_link_init(RelayLink *link, int input, int output) {
        json_set_alloc_funcs(malloc, free_erased);
        *link = (RelayLink){.input = input, .output = output};
}

void relay_link_deinit(RelayLink *link) {
        explicit_bzero(link->buf, sizeof(link->buf));
        link->n = 0;
}

void relay_call_deinit(RelayCall *call) {
        json_decref(call->object);
        *call = (RelayCall){};
}

/* Sending. */

/* The descriptors' modes are other programs' affair, too. */
static int wait_until(int fd, short events) {
        struct pollfd p = {.fd = fd, .events = events};

        return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, data, n);
                int r = 0;

                if (k >= 0) {
                        data += k;
                        n -= (size_t)k;
                } else if (errno == EAGAIN)
                        r = wait_until(fd, POLLOUT);
                else if (errno != EINTR)
                        r = -errno;
                if (r < 0)
                        return r;
        }

        return 0;
}

static int link_send(RelayLink *link, json_t *object) {
        _cleanup_(varlink_output_deinit) VarlinkOutput output = {};
        const char *data;
        size_t n;
        int fd, r;

        r = varlink_output_push_consume(&output, object, -EBADF);
        while (r == 0 && varlink_output_peek(&output, &data, &n, &fd)) {
                r = write_all(link->output, data, n);
                varlink_output_advance(&output, n);
        }

        return r;
}

int relay_link_reply(RelayLink *link, json_t *parameters, bool continues) {
        return parameters ? link_send(link, varlink_reply_new(parameters, continues)) : -ENOMEM;
}

int relay_link_refuse(RelayLink *link, RelayError error) {
        return link_send(link, varlink_error_new(relay_error_name(error), json_object()));
}

int relay_link_fail_service(RelayLink *link, ErrorId id, const char *member, const char *value) {
        json_t *parameters = json_pack("{s:s}", member, value);

        return parameters ? link_send(link, varlink_error_new(interface_error_name(id), parameters))
                          : -ENOMEM;
}

int relay_link_fail(RelayLink *link, const doorward_error *error) {
        json_t *parameters;

        parameters = json_pack("{s:s, s:s, s:i, s:s, s:s*, s:s*, s:s*, s:s*}", "class",
                               doorward_error_code_to_string(error->code), "domain",
                               doorward_error_domain_to_string(error->domain), "errno",
                               error->errnum, "message", error->message, "hint", error->hint,
                               "endpoint", error->endpoint, "action", error->action_id, "requestId",
                               error->request_id);
        return parameters ? link_send(link,
                                      varlink_error_new(relay_error_name(RELAY_FAILED), parameters))
                          : -ENOMEM;
}

/* Receiving. */

static int link_read(RelayLink *link) {
        for (;;) {
                ssize_t n = read(link->input, link->buf + link->n, sizeof(link->buf) - link->n);
                int r = 0;

                if (n >= 0) {
                        link->n += (size_t)n;
                        return n > 0;
                }
                if (errno == EAGAIN)
                        r = wait_until(link->input, POLLIN);
                else if (errno != EINTR)
                        r = -errno;
                if (r < 0)
                        return r;
        }
}

/* Forgets the first bytes. */
static void link_advance(RelayLink *link, size_t n) {
        memmove(link->buf, link->buf + n, link->n - n);
        explicit_bzero(link->buf + link->n - n, n);
        link->n -= n;
}

/* 1 and an object, 0 at the end. */
static int link_take(RelayLink *link, json_t **ret) {
        char *nul;
        int r;

        while (!(nul = memchr(link->buf, 0, link->n))) {
                if (link->n == sizeof(link->buf))
                        return -EMSGSIZE;
                r = link_read(link);
                if (r < 0)
                        return r;
                if (r == 0)
                        return link->n > 0 ? -EBADMSG : 0;
        }

        r = varlink_parse(link->buf, (size_t)(nul - link->buf), ret);
        link_advance(link, (size_t)(nul - link->buf) + 1);
        return r < 0 ? r : 1;
}

/* 1: it can be made; 0: it cannot, and that was said. */
static int call_read(RelayLink *link, RelayCall *ret) {
        VarlinkCall call;
        const char *name;
        int method, r;

        r = varlink_call_parse(ret->object, &call);
        if (r < 0 || call.oneway)
                return -EBADMSG;

        method = relay_find_method(call.method);
        if (method < 0) {
                r = relay_link_fail_service(link, ERROR_METHOD_NOT_FOUND, "method", call.method);
                return r;
        }

        r = interface_read_parameters(&relay_methods[method], call.parameters, ret->values, &name);
        if (r < 0)
                return relay_link_fail_service(link, ERROR_INVALID_PARAMETER, "parameter", name);

        ret->method = (RelayMethod)method;
        ret->more = call.more;
        ret->upgrade = call.upgrade;
        ret->parameters = call.parameters;
        return 1;
}

int relay_link_receive(RelayLink *link, RelayCall *ret) {
        int r;

        for (;;) {
                _cleanup_(relay_call_deinit) RelayCall call = {};

                r = link_take(link, &call.object);
                if (r <= 0)
                        return r;
                r = call_read(link, &call);
                if (r < 0)
                        return r;
                if (r > 0) {
                        *ret = call;
                        call.object = NULL;
                        return 1;
                }
        }
}
