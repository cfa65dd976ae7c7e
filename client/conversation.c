/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/socket.h>

#include "client/channel.h"
#include "client/conversation.h"
#include "client/trust.h"
#include "common/peer.h"
#include "common/socket.h"

typedef struct Conversation {
        int fd;
        uid_t maker;  /* who is to have made it, */
        uid_t sender; /* and who is to speak */
        const doorward_auth *auth;
        const char *origin;
        int64_t deadline;
} Conversation;

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
        error_set_hint(error, "Do doorward's helper and this program belong to the same version?");
        return -EBADMSG;
}

static int fail_late(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
                  "Authentication was not over in time.");
        error_set_hint(error, "Try again.");
        return -ETIMEDOUT;
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
        char map[TRUST_UID_MAP_SIZE];

        if (trust == CONVERSATION_OF_OURSELVES) {
                conversation->maker = geteuid();
                conversation->sender = getuid();
                return 0;
        }

        conversation->maker = trust_root_uid(trust_read_uid_map(map) ? map : NULL);
        conversation->sender = conversation->maker;
        return conversation->maker == PEER_UID_OVERFLOW ? fail_unmapped(error) : 0;
}

/* What the kernel says of the socket as such. */
static int check_socket(const Conversation *conversation, doorward_error *error) {
        struct ucred maker = {.uid = PEER_UID_INVALID};
        socklen_t n = sizeof(int), size = sizeof(maker);
        int domain = 0, type = 0;

        if (getsockopt(conversation->fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ||
            getsockopt(conversation->fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || domain != AF_UNIX ||
            type != SOCK_SEQPACKET)
                return fail_stranger(error, "it is no socket of the kind that was agreed on");
        if (getsockopt(conversation->fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) < 0 ||
            maker.uid != conversation->maker)
                return fail_stranger(error, "the socket was made by somebody else");

        return 0;
}

/* 0 once there is something, or -ETIMEDOUT, or another -errno. */
static int wait_for(const Conversation *conversation, short events) {
        struct pollfd p = {.fd = conversation->fd, .events = events};
        int r;

        do
                r = poll(&p, 1, channel_deadline_left(conversation->deadline));
        while (r < 0 && errno == EINTR);

        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

/* One message: 1 and *ret, 0 at the end, or -errno and the error. */
static int take_prompt(const Conversation *conversation, Prompt *ret, doorward_error *error) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;
        int r;

        while ((n = socket_receive_now(conversation->fd, buf, sizeof(buf), 0, &ancillary)) ==
               -EAGAIN) {
                r = wait_for(conversation, POLLIN);
                if (r == -ETIMEDOUT)
                        return fail_late(error);
                if (r < 0)
                        return error_system(error, r, "Waiting failed");
        }

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

/* Erases what it sent. That nobody takes it any more is found when the end is read. */
static int send_answer(const Conversation *conversation, Answer *answer, doorward_error *error) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        size_t n = answer_encode(answer, buf);
        int r = 0;

        while (r == 0 && send(conversation->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                if (errno == EAGAIN)
                        r = wait_for(conversation, POLLOUT);
                else if (errno != EINTR)
                        break;

        explicit_bzero(buf, sizeof(buf));
        answer_erase(answer);
        return r == -ETIMEDOUT ? fail_late(error) : 0;
}

/* So that the other end need not wait for what does not come. */
static void send_cancel(const Conversation *conversation, const Prompt *prompt) {
        Answer answer = {.cancelled = true, .number = prompt->number};
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        size_t n = answer_encode(&answer, buf);

        (void)!send(conversation->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* 1: it goes on; 0: it is over; -errno. */
static int conversation_step(const Conversation *conversation, doorward_error *error) {
        AuthWatch watch = {.fd = conversation->fd, .deadline = conversation->deadline};
        _cleanup_(answer_erase) Answer answer = {};
        Prompt prompt;
        int r;

        r = take_prompt(conversation, &prompt, error);
        if (r <= 0)
                return r;

        r = auth_ask_prompt(conversation->auth, conversation->origin, &prompt, &watch, &answer,
                            error);
        if (r == -EPIPE)
                return 0;
        if (r < 0) {
                send_cancel(conversation, &prompt);
                return r;
        }

        if (prompt_wants_answer(prompt.kind))
                r = send_answer(conversation, &answer, error);
        return r < 0 ? r : 1;
}

int conversation_hold_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                 const char *origin, int64_t deadline, doorward_error *error) {
        _cleanup_close_ int taken = fd;
        Conversation conversation = {
                .fd = taken,
                .auth = auth,
                .origin = origin,
                .deadline = deadline,
        };
        int r;

        r = find_trusted(&conversation, trust, error);
        if (r == 0)
                r = check_socket(&conversation, error);
        if (r < 0)
                return r;

        do
                r = conversation_step(&conversation, error);
        while (r > 0);
        return r;
}
