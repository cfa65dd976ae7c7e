/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "common/socket.h"
#include "pam/dialogue.h"

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int dialogue_begin(Dialogue *dialogue, uint64_t patience_usec, int *ret_fd) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int fds[2], r;

        r = socket_pair(0, fds);
        if (r < 0)
                return r;
        ours = fds[0];
        theirs = fds[1];

        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        dialogue->deadline = now_usec() + patience_usec;
        dialogue->fd = TAKE_FD(ours);
        *ret_fd = TAKE_FD(theirs);
        return 0;
}

void dialogue_deinit(Dialogue *dialogue) {
        dialogue->fd = close_fd(dialogue->fd);
}

static int dialogue_end(Dialogue *dialogue, const char *why) {
        dialogue->over = why;
        return -ECANCELED;
}

/* Until there is something to be read, or room for a question. */
static int dialogue_wait(Dialogue *dialogue, short events) {
        struct pollfd p = {.fd = dialogue->fd, .events = events};
        uint64_t now;
        int n;

        do {
                now = now_usec();
                if (now >= dialogue->deadline)
                        return dialogue_end(dialogue, "the client did not answer in time");
                n = poll(&p, 1, (int)((dialogue->deadline - now + 999) / 1000));
        } while (n == 0 || (n < 0 && errno == EINTR));

        return n < 0 ? -errno : 0;
}

static int dialogue_send(Dialogue *dialogue, const Prompt *prompt) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        size_t size = prompt_encode(prompt, buf);
        ssize_t n;

        do {
                n = socket_send(dialogue->fd, buf, size, -EBADF);
                if (n == -EAGAIN) {
                        int r = dialogue_wait(dialogue, POLLOUT);

                        if (r < 0)
                                return r;
                }
        } while (n == -EAGAIN);

        return n < 0 ? dialogue_end(dialogue, "the client hung up") : 0;
}

static bool is_clients(const Dialogue *dialogue, const SocketAncillary *ancillary) {
        if (!ancillary->has_credentials)
                return false;
        return dialogue->pid > 0 ? ancillary->credentials.pid == dialogue->pid
                                 : ancillary->credentials.uid == dialogue->uid;
}

static int dialogue_receive(Dialogue *dialogue, Answer *ret) {
        uint8_t buf[CONVERSATION_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;
        int r;

        r = dialogue_wait(dialogue, POLLIN);
        if (r < 0)
                return r;

        n = socket_receive(dialogue->fd, buf, sizeof(buf), 0, &ancillary);
        if (n == 0 || n == -ECONNRESET)
                r = dialogue_end(dialogue, "the client hung up");
        else if (n < 0)
                r = dialogue_end(dialogue, "the client sent what no client sends");
        else if (!is_clients(dialogue, &ancillary))
                r = dialogue_end(dialogue, "somebody else than the client answered");
        else if (answer_decode(buf, (size_t)n, ret) < 0)
                r = dialogue_end(dialogue, "the client sent what no client sends");
        else if (ret->cancelled)
                r = dialogue_end(dialogue, "the client cancelled");
        else if (ret->number != dialogue->number)
                r = dialogue_end(dialogue, "the client answered what it was not asked");

        explicit_bzero(buf, sizeof(buf));
        return r;
}

/* Shows one text, and if it is a question has its answer, which is the caller's to erase. */
static int dialogue_exchange(Dialogue *dialogue, PromptKind kind, const char *text, Answer *ret) {
        bool asks = prompt_wants_answer(kind);
        Prompt prompt = {.kind = kind};
        int r;

        if (dialogue->over)
                return -ECANCELED;
        if (dialogue->fd < 0)
                return asks ? -ENOTCONN : 0;

        prompt.number = asks ? ++dialogue->number : 0;
        prompt_set_text(&prompt, text);
        r = dialogue_send(dialogue, &prompt);
        if (r == 0 && asks)
                r = dialogue_receive(dialogue, ret);

        return r;
}

void dialogue_tell(Dialogue *dialogue, const char *text) {
        /* Whoever does not hear it is found out by the first question. */
        (void)!dialogue_exchange(dialogue, PROMPT_INFO, text, NULL);
}

int dialogue_ask_name(Dialogue *dialogue, char buf[CONVERSATION_ANSWER_MAX + 1]) {
        Answer answer = {};
        int r;

        r = dialogue_exchange(dialogue, PROMPT_NAME, "User name: ", &answer);
        if (r == 0)
                memcpy(buf, answer.text, sizeof(answer.text));
        explicit_bzero(&answer, sizeof(answer));
        return r;
}

static PromptKind kind_of_style(int style) {
        switch (style) {
        case PAM_PROMPT_ECHO_ON:
                return PROMPT_ECHO_ON;
        case PAM_PROMPT_ECHO_OFF:
                return PROMPT_ECHO_OFF;
        case PAM_TEXT_INFO:
                return PROMPT_INFO;
        case PAM_ERROR_MSG:
                return PROMPT_ERROR;
        default:
                return 0;
        }
}

static int answer_message(Dialogue *dialogue, const struct pam_message *message,
                          struct pam_response *ret) {
        PromptKind kind = kind_of_style(message->msg_style);
        Answer answer = {};
        int r;

        r = dialogue_exchange(dialogue, kind, message->msg ?: "", &answer);
        if (r == 0 && prompt_wants_answer(kind)) {
                dialogue->answered = true;
                ret->resp = strdup(answer.text);
                r = ret->resp ? 0 : -ENOMEM;
        }

        explicit_bzero(&answer, sizeof(answer));
        return r;
}

static void responses_free(struct pam_response *responses, int n) {
        for (int i = 0; i < n; i++)
                if (responses[i].resp) {
                        explicit_bzero(responses[i].resp, strlen(responses[i].resp));
                        free(responses[i].resp);
                }
        free(responses);
}

int dialogue_converse(int n, const struct pam_message **messages, struct pam_response **ret,
                      void *dialogue) {
        struct pam_response *responses;
        int r = 0;

        if (n <= 0 || n > PAM_MAX_NUM_MSG)
                return PAM_CONV_ERR;
        for (int i = 0; i < n; i++)
                if (kind_of_style(messages[i]->msg_style) == 0)
                        return PAM_CONV_ERR;

        responses = calloc((size_t)n, sizeof(*responses));
        if (!responses)
                return PAM_BUF_ERR;

        for (int i = 0; i < n && r == 0; i++)
                r = answer_message(dialogue, messages[i], &responses[i]);
        if (r < 0) {
                responses_free(responses, n);
                return PAM_CONV_ERR;
        }

        *ret = responses;
        return PAM_SUCCESS;
}

void dialogue_delay(int result, unsigned usec, void *data) {
        const Dialogue *dialogue = data;
        struct timespec left = {.tv_sec = usec / 1000000, .tv_nsec = (long)(usec % 1000000) * 1000};

        sigset_t hang_up, before;

        if (result == PAM_SUCCESS || (dialogue->over && !dialogue->answered))
                return;

        /* Whoever has tried something waits, and leaves its place to nobody, also if the broker
         * hangs up: else that would be the way to try the next at once. */
        (void)sigemptyset(&hang_up);
        (void)sigaddset(&hang_up, SIGIO);
        (void)sigprocmask(SIG_BLOCK, &hang_up, &before);
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
}
