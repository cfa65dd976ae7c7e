/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <sys/socket.h>

#include "broker/conversation.h"
#include "broker/helper.h"
#include "common/socket.h"

/* A helper that was hung up on is ended by PAM's delay at the latest, or by this. */
#define LEAVE_USEC (10 * UINT64_C(1000000))

struct Conversation {
        Conversations *all;
        Conversation *next; /* Conversations::leaving */
        bool leaving;
        UserCharge charge; /* while it leaves */
        int fd;
        bool begun;
        bool silent; /* PAM_USE_ACCOUNT: there is nothing to talk about */
        sd_event_source *io;
        sd_event_source *timer;
        ConversationBegunFunc on_begun;
        ConversationDoneFunc on_done;
        void *userdata;
};

static void conversation_unlink(Conversation *conversation) {
        Conversation **p = &conversation->all->leaving;

        while (*p != conversation)
                p = &(*p)->next;
        *p = conversation->next;
}

static Conversation *conversation_free(Conversation *conversation) {
        if (conversation->leaving)
                conversation_unlink(conversation);
        user_charge_deinit(&conversation->charge);
        sd_event_source_disable_unref(conversation->io);
        sd_event_source_disable_unref(conversation->timer);
        close_fd(conversation->fd);
        conversation->all->n--;
        free(conversation);
        return NULL;
}
DEFINE_CLEANUP(Conversation *, conversation_free);

static void conversation_finish(Conversation *conversation, int error, const PamReply *verdict) {
        ConversationDoneFunc func = conversation->on_done;
        void *userdata = conversation->userdata;
        bool begun = conversation->begun;

        conversation_free(conversation);
        func(begun, error, verdict, userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Conversation *conversation = userdata;

        if (conversation->leaving)
                conversation_free(conversation);
        else
                conversation_finish(conversation, ETIMEDOUT, NULL);
        return 0;
}

/* A message in its turn: begun once, and only where there is something to talk about; the verdict
 * last. */
static bool reply_fits(const Conversation *conversation, const PamReply *reply, size_t n_fds) {
        if (reply->type == PAM_REPLY_VERDICT)
                return n_fds == 0 && (reply->code != VERDICT_PROVEN || conversation->begun ||
                                      conversation->silent);

        return n_fds == 1 && !conversation->begun && !conversation->silent;
}

static void conversation_take(Conversation *conversation, const PamReply *reply, int fd) {
        if (reply->type == PAM_REPLY_VERDICT) {
                conversation_finish(conversation, 0, reply);
                return;
        }

        conversation->begun = true;
        conversation->on_begun(fd, conversation->userdata);
}

/* What it still says is heard by nobody. */
static void conversation_take_leave(Conversation *conversation, ssize_t n,
                                    const SocketAncillary *ancillary) {
        if (n > 0 && ancillary->n_fds > 0)
                close_fd(ancillary->fds[0]);
        if (n <= 0)
                conversation_free(conversation);
}

/* One message a turn: what is called may cancel it. */
static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Conversation *conversation = userdata;
        uint8_t buf[PAM_REPLY_SIZE];
        SocketAncillary ancillary;
        PamReply reply;
        ssize_t n;

        n = socket_receive(fd, buf, sizeof(buf), 1, &ancillary);
        if (n == -EAGAIN)
                return 0;
        if (conversation->leaving) {
                conversation_take_leave(conversation, n, &ancillary);
                return 0;
        }
        if (n <= 0) {
                conversation_finish(conversation, n < 0 ? (int)-n : ECONNRESET, NULL);
                return 0;
        }

        if (!ancillary.has_credentials || ancillary.credentials.uid != conversation->all->helper ||
            pam_reply_decode(buf, (size_t)n, &reply) < 0 ||
            !reply_fits(conversation, &reply, ancillary.n_fds)) {
                if (ancillary.n_fds > 0)
                        close_fd(ancillary.fds[0]);
                conversation_finish(conversation, EPROTO, NULL);
                return 0;
        }

        conversation_take(conversation, &reply, ancillary.n_fds > 0 ? ancillary.fds[0] : -EBADF);
        return 0;
}

bool conversations_are_served(const Conversations *conversations) {
        return access(conversations->path, W_OK) == 0;
}

static int send_request(int fd, const PamRequest *request, int client_fd) {
        uint8_t buf[PAM_REQUEST_SIZE];
        size_t size = pam_request_encode(request, buf);

        return helper_send(fd, buf, size, client_fd);
}

int conversation_begin(Conversations *all, const PamRequest *request, int client_fd, uint64_t usec,
                       ConversationBegunFunc begun, ConversationDoneFunc done, void *userdata,
                       Conversation **ret) {
        _cleanup_(conversation_freep) Conversation *conversation = NULL;
        int r;

        if (all->n >= all->max)
                return -EUSERS;
        conversation = malloc(sizeof(*conversation));
        if (!conversation)
                return -ENOMEM;

        all->n++;
        *conversation = (Conversation){
                .all = all,
                .fd = -EBADF,
                .silent = request->use == PAM_USE_ACCOUNT,
                .on_begun = begun,
                .on_done = done,
                .userdata = userdata,
        };

        conversation->fd = helper_connect(all->path);
        r = conversation->fd < 0 ? conversation->fd : 0;
        if (r == 0)
                r = send_request(conversation->fd, request, client_fd);
        if (r == 0)
                r = sd_event_add_io(all->event, &conversation->io, conversation->fd, EPOLLIN, on_io,
                                    conversation);
        if (r >= 0)
                r = sd_event_add_time_relative(all->event, &conversation->timer, CLOCK_MONOTONIC,
                                               usec, 0, on_timer, conversation);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(conversation);
        return 0;
}

bool conversation_has_begun(const Conversation *conversation) {
        return conversation->begun;
}

Conversation *conversation_cancel(Conversation *conversation, UserCharge *charge) {
        if (!conversation)
                return NULL;

        if (shutdown(conversation->fd, SHUT_WR) < 0 ||
            sd_event_source_set_time_relative(conversation->timer, LEAVE_USEC) < 0)
                return conversation_free(conversation);

        conversation->leaving = true;
        conversation->next = conversation->all->leaving;
        conversation->all->leaving = conversation;
        if (charge)
                conversation->charge = user_charge_take(charge);
        return NULL;
}

void conversations_deinit(Conversations *conversations) {
        while (conversations->leaving)
                conversation_free(conversations->leaving);
        assert(conversations->n == 0);
        sd_event_unref(conversations->event);
        free(conversations->path);
        *conversations = (Conversations){};
}
