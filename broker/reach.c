/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/broker.h"
#include "broker/reach.h"
#include "broker/session.h"

struct Reach {
        Session *session;
        Name name;
        char definition[DEFINITION_HASH_SIZE];
        Access access;
        bool renewed;       /* the opener: it was asked, and knew another definition */
        const char *filter; /* static; NULL: there is none */
        const char *profile;
        ReachFunc func;
        void *userdata;

        /* What is waited for; one of them. */
        OpenerCall *opener;
        FilterCall *call;
};

static void reach_finish(Reach *reach, Reached *reached) {
        ReachFunc func = reach->func;
        void *userdata = reach->userdata;

        free(reach);
        func(reached, userdata);
}

static void reach_refuse(Reach *reach, Refusal *refusal) {
        reach_finish(reach, &(Reached){.refusal = refusal, .fd = -EBADF, .link = -EBADF});
}

static void on_filtered(int error, const FilterReply *reply, int client_fd, int link_fd,
                        void *userdata) {
        Reach *reach = userdata;
        Refusal refusal;

        reach->call = NULL;
        session_trace(reach->session, "The filter answers: %s",
                      error != 0  ? strerror(error)
                      : reply->ok ? "ok"
                                  : reply->text);

        if (error == 0 && reply->ok) {
                reach_finish(reach, &(Reached){.fd = client_fd, .link = link_fd});
                return;
        }

        refusal_init_filter(&refusal, error, reply, &reach->name);
        reach_refuse(reach, &refusal);
}

static void call_filter_consume_fd(Reach *reach, int fd) {
        Broker *broker = reach->session->broker;
        FilterRequest request = {};
        Refusal refusal;
        int r;

        (void)copy_text(request.filter, sizeof(request.filter), reach->filter);
        (void)copy_text(request.profile, sizeof(request.profile), reach->profile);
        (void)name_to_string(&reach->name, request.endpoint);

        r = filters_call_consume_fd(&broker->filters, &request, fd,
                                    broker->settings->open_timeout_usec, on_filtered, reach,
                                    &reach->call);
        if (r < 0) {
                refusal_init_filter(&refusal, -r, NULL, &reach->name);
                reach_refuse(reach, &refusal);
        }
}

static void on_opened(int error, const OpenerReply *reply, int fd, void *userdata);

/* Whether there is a filter is known from this one definition alone. */
static int reach_call_opener(Reach *reach) {
        Broker *broker = reach->session->broker;
        const Definition *definition = catalogue_find(broker->catalogue, &reach->name);

        if (!definition || !streq(definition->hash, reach->definition))
                return -ESTALE;

        reach->filter = definition->targets[reach->access].filter;
        reach->profile = definition->targets[reach->access].profile;
        return openers_call(broker->openers, &reach->name, reach->definition, reach->access,
                            reach->session->fd, broker->settings->open_timeout_usec, on_opened,
                            reach, &reach->opener);
}

/* One that still ran with the definition as it was before has opened nothing, and ended. The next
 * one knows the definition as it is, unless systemd was not told of it. */
static void reach_renew_opener(Reach *reach) {
        Refusal refusal;
        int r;

        reach->renewed = true;
        r = reach_call_opener(reach);
        if (r < 0) {
                refusal_init_unreachable(&refusal, -r, &reach->name);
                reach_refuse(reach, &refusal);
        }
}

static void on_opened(int error, const OpenerReply *reply, int fd, void *userdata) {
        Reach *reach = userdata;
        Refusal refusal;

        reach->opener = NULL;
        session_trace(reach->session, "The opener answers: %s",
                      error == 0 ? opener_status_to_string(reply->status) : strerror(error));

        if (error != 0) {
                refusal_init_unreachable(&refusal, error, &reach->name);
                reach_refuse(reach, &refusal);
        } else if (reply->status == OPENER_STALE && !reach->renewed)
                reach_renew_opener(reach);
        else if (reply->status != OPENER_OK) {
                refusal_init_opener(&refusal, reply, &reach->name);
                reach_refuse(reach, &refusal);
        } else if (reach->filter)
                call_filter_consume_fd(reach, fd);
        else
                reach_finish(reach, &(Reached){.fd = fd, .link = -EBADF});
}

bool reach_begin(Session *session, const Name *name, const char *definition, Access access,
                 ReachFunc func, void *userdata, Reach **ret, Refusal *ret_refusal) {
        Reach *reach;
        int r = -ENOMEM;

        reach = calloc(1, sizeof(*reach));
        if (reach) {
                reach->session = session;
                reach->name = *name;
                (void)copy_text(reach->definition, sizeof(reach->definition), definition);
                reach->access = access;
                reach->func = func;
                reach->userdata = userdata;
                r = reach_call_opener(reach);
        }
        if (r < 0) {
                free(reach);
                refusal_init_unreachable(ret_refusal, -r, name);
                return false;
        }

        *ret = reach;
        return true;
}

Reach *reach_cancel(Reach *reach) {
        if (!reach)
                return NULL;

        opener_call_cancel(reach->opener);
        filter_call_cancel(reach->call);
        free(reach);
        return NULL;
}
