/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "client/channel.h"
#include "client/conversation.h"
#include "client/log.h"
#include "client/trust.h"
#include "common/peer.h"
#include "common/socket.h"

struct Conversation {
        int fd;
        uid_t maker;  /* who is to have made it, */
        uid_t sender; /* and who is to speak */
        const doorward_auth *auth;
        const char *origin;
        int64_t deadline;
        bool asking;     /* a question was left open: */
        uint32_t number; /* the prompt with this number */
        bool answered;   /* there is an answer, not sent yet */
        Answer answer;
};

/* Somebody wants to be told a secret, and it is not known who. */
static int fail_stranger(doorward_error *error, const char *what) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_PROTOCOL, EPROTO,
                  "Whoever asks for a password is not to be trusted with it: %s.", what);
        error_set_hint(error, "Nothing was answered. Only doorward's own helper, which is root's, "
                              "may ask; an administrator should look into what answers in its "
                              "place: systemctl status doorward.socket doorward.service");
        return -EPERM;
}

static int fail_unreadable(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_PROTOCOL, EPROTO,
                  "Whoever asks for a password does so in a way that cannot be read.");
        error_set_hint(error, "Do doorward's helper and this program belong to the same version? "
                              "An administrator upgrades the older one.");
        return -EBADMSG;
}

static int fail_unmapped(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, ENOSYS,
                  "A password is wanted, and in this user namespace it cannot be told whether it "
                  "is root who asks.");
        error_set_hint(error, "Ask from outside of the container or sandbox.");
        return -ENOSYS;
}

static int find_trusted(Conversation *conversation, ConversationTrust trust,
                        doorward_error *error) {
        if (trust == CONVERSATION_OF_OURSELVES) {
                conversation->maker = geteuid();
                conversation->sender = getuid();
                return 0;
        }

        conversation->maker = trust_find_root(geteuid());
        conversation->sender = conversation->maker;
        return conversation->maker == PEER_UID_OVERFLOW ? fail_unmapped(error) : 0;
}

/* What the kernel says of the socket as such. */
static int check_socket(const Conversation *conversation, doorward_error *error) {
        struct ucred maker = {.uid = PEER_UID_INVALID};
        socklen_t n = sizeof(maker);

        if (!socket_option_is(conversation->fd, SO_DOMAIN, AF_UNIX) ||
            !socket_option_is(conversation->fd, SO_TYPE, SOCK_SEQPACKET))
                return fail_stranger(error, "it is no socket of the kind that was agreed on");
        if (getsockopt(conversation->fd, SOL_SOCKET, SO_PEERCRED, &maker, &n) < 0 ||
            maker.uid != conversation->maker)
                return fail_stranger(error, "the socket was made by somebody else");

        return 0;
}

/* One message: 1 and *ret, 0 at the end, -EAGAIN with no error set if nothing is there, or another
 * -errno and the error. */
static int take_prompt(const Conversation *conversation, Prompt *ret, doorward_error *error) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;

        n = socket_receive_now(conversation->fd, buf, sizeof(buf), 0, &ancillary);
        if (n == -EAGAIN)
                return -EAGAIN;
        if (n == 0 || n == -ECONNRESET)
                return 0;
        if (n == -EBADMSG)
                return fail_unreadable(error);
        if (n < 0)
                return error_system(error, (int)n, "The prompt cannot be received");
        if (!ancillary.has_credentials || ancillary.credentials.uid != conversation->sender)
                return fail_stranger(error, "the prompt was sent by somebody else");

        return prompt_decode(buf, (size_t)n, ret) < 0 ? fail_unreadable(error) : 1;
}

/* -errno. */
static int send_message(const Conversation *conversation, const Answer *answer) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        size_t n = answer_encode(answer, buf);
        ssize_t k;

        do
                k = send(conversation->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (k < 0 && errno == EINTR);
        explicit_bzero(buf, sizeof(buf));
        return k < 0 ? -errno : 0;
}

/* Erases what it sent. That nobody takes it any more is found when the end is read. 1: it goes on;
 * -EAGAIN, with no error set, if there is no room for it; -ECANCELED and the error. */
static int send_answer(Conversation *conversation, doorward_error *error) {
        bool cancelled = conversation->answer.cancelled;

        if (send_message(conversation, &conversation->answer) == -EAGAIN && !cancelled)
                return -EAGAIN;

        log_debug(LOG_CATEGORY_CONVERSATION, "Prompt %u was %s",
                  (unsigned)conversation->answer.number, cancelled ? "cancelled" : "answered");
        answer_erase(&conversation->answer);
        conversation->answered = false;
        return cancelled ? auth_fail_cancelled(error) : 1;
}

/* So that the other end need not wait for what does not come. */
static void send_cancel(const Conversation *conversation, const Prompt *prompt) {
        Answer answer = {.cancelled = true, .number = prompt->number};

        (void)send_message(conversation, &answer);
}

/* 1: it goes on; 0: it is over; -errno as take_prompt(). */
static int ask(Conversation *conversation, doorward_error *error) {
        AuthWatch watch = {.fd = conversation->fd, .deadline = conversation->deadline};
        Prompt prompt;
        int r;

        r = take_prompt(conversation, &prompt, error);
        if (r <= 0)
                return r;

        r = auth_ask_prompt(conversation->auth, conversation->origin, &prompt, &watch,
                            &conversation->answer, error);
        if (r == -EPIPE)
                return 0;
        if (r < 0) {
                send_cancel(conversation, &prompt);
                return r;
        }

        conversation->number = prompt.number;
        conversation->asking = r == AUTH_E_LATER;
        conversation->answered = r == 0 && prompt_wants_answer(prompt.kind);
        return 1;
}

/* Who has asked and gone wants no answer. */
static bool is_hung_up(const Conversation *conversation) {
        struct pollfd p = {.fd = conversation->fd};

        return poll(&p, 1, 0) > 0;
}

/* As ask(). */
static int conversation_step(Conversation *conversation, doorward_error *error) {
        if (conversation->answered)
                return send_answer(conversation, error);
        if (conversation->asking)
                return is_hung_up(conversation) ? 0 : -EAGAIN;

        return ask(conversation, error);
}

int conversation_process(Conversation *conversation, doorward_error *error) {
        int r;

        do
                r = conversation_step(conversation, error);
        while (r > 0);

        if (r == -EAGAIN)
                return channel_deadline_left(conversation->deadline) == 0 ? auth_fail_late(error)
                                                                          : CONVERSATION_E_WAIT;
        conversation->asking = false;
        return r;
}

void conversation_wait(const Conversation *conversation, Wait *wait) {
        short events = POLLIN;

        if (conversation->answered)
                events = POLLOUT;
        else if (conversation->asking)
                events = 0;
        wait_add_fd(wait, conversation->fd, events);
        wait_add_deadline(wait, conversation->deadline);
}

bool conversation_is_asking(const Conversation *conversation) {
        return conversation->asking;
}

int conversation_answer(Conversation *conversation, const doorward_credential *cred,
                        doorward_error *error) {
        int r = 0;

        if (cred)
                r = auth_take_answer(cred, conversation->number, &conversation->answer, error);
        else
                conversation->answer = (Answer){.cancelled = true, .number = conversation->number};
        if (r < 0)
                return r;

        conversation->answered = true;
        conversation->asking = false;
        return 0;
}

int conversation_new_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                const char *origin, int64_t deadline, Conversation **ret,
                                doorward_error *error) {
        _cleanup_(conversation_freep) Conversation *conversation = NULL;
        _cleanup_close_ int taken = fd;
        int r;

        conversation = malloc(sizeof(*conversation));
        if (!conversation)
                return error_no_memory(error);
        *conversation = (Conversation){
                .fd = TAKE_FD(taken),
                .auth = auth,
                .origin = origin,
                .deadline = deadline,
        };

        r = find_trusted(conversation, trust, error);
        if (r == 0)
                r = check_socket(conversation, error);
        if (r == 0)
                *ret = TAKE_PTR(conversation);
        return r;
}

Conversation *conversation_free(Conversation *conversation) {
        if (!conversation)
                return NULL;

        close_fd(conversation->fd);
        answer_erase(&conversation->answer);
        free(conversation);
        return NULL;
}
