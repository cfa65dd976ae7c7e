/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/socket.h>

#include "client/agent-launch.h"
#include "client/agent.h"
#include "client/channel.h"
#include "client/conversation.h"
#include "common/agent-protocol.h"
#include "common/socket.h"

/* Until polkit knows it; and until polkit has forgotten it, which the next call must find so. */
#ifndef AGENT_START_TIMEOUT_MS
#define AGENT_START_TIMEOUT_MS 10000
#define AGENT_STOP_TIMEOUT_MS 2000
#endif

typedef enum AgentState {
        AGENT_STARTING = 1,
        AGENT_SERVING,
        AGENT_ENDING,
} AgentState;

struct Agent {
        int fd;
        const doorward_auth *auth;
        int64_t deadline; /* of all of it, */
        int64_t patience; /* and of its start, or its end */
        AgentState state;
        Conversation *conversation; /* the one that goes on */
        bool asking;                /* the choice was left open: */
        AgentMessage question;
        bool cancelled;        /* whoever was to choose did not want to, which it is to be told */
        doorward_error reason; /* why authentication failed, once it told */
        bool gone;
};

/* How a message of the agent ends an open. The classes are those that it can know of. */
static const struct {
        doorward_error_code code;
        doorward_error_domain domain;
        int errnum;
} classes[] = {
        {DOORWARD_ERR_SYSTEM, DOORWARD_DOMAIN_SYSTEM, EIO},
        {DOORWARD_ERR_UNSUPPORTED, DOORWARD_DOMAIN_BROKER, EOPNOTSUPP},
        {DOORWARD_ERR_NO_BROKER, DOORWARD_DOMAIN_BROKER, ECONNREFUSED},
        {DOORWARD_ERR_PROTOCOL, DOORWARD_DOMAIN_BROKER, EPROTO},
        {DOORWARD_ERR_DENIED, DOORWARD_DOMAIN_POLICY, EACCES},
        {DOORWARD_ERR_AUTH_FAILED, DOORWARD_DOMAIN_AUTH, EACCES},
        {DOORWARD_ERR_AUTH_CANCELLED, DOORWARD_DOMAIN_AUTH, ECANCELED},
        {DOORWARD_ERR_POLICY_UNAVAILABLE, DOORWARD_DOMAIN_POLICY, EAGAIN},
        {DOORWARD_ERR_LIMIT, DOORWARD_DOMAIN_BROKER, EDQUOT},
        {DOORWARD_ERR_TIMEOUT, DOORWARD_DOMAIN_BROKER, ETIMEDOUT},
        /* And whatever else: there is no way to authenticate. */
        {DOORWARD_ERR_AUTH_UNAVAILABLE, DOORWARD_DOMAIN_AUTH, ENOSYS},
};

static void error_set_class(doorward_error *error, uint8_t code, const char *text,
                            const char *hint) {
        size_t i = 0;

        while (i < ELEMENTSOF(classes) - 1 && classes[i].code != (doorward_error_code)code)
                i++;

        error_set(error, classes[i].domain, classes[i].code, classes[i].errnum, "%s", text);
        if (hint && hint[0])
                error_set_hint(error, "%s", hint);
}

static int fail_unavailable(doorward_error *error, const char *why, const char *hint) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_UNAVAILABLE, ENOSYS,
                  "No authentication agent can be had: %s.", why);
        error_set_hint(error, "%s", hint);
        return -ENOSYS;
}

static int fail_gone(doorward_error *error) {
        return fail_unavailable(error, "it has ended",
                                "Try again. Somebody or something must have ended " AGENT_PROGRAM
                                ", which asks for passwords on polkit's behalf.");
}

static int fail_protocol(doorward_error *error) {
        return fail_unavailable(error, AGENT_PROGRAM " says what cannot be meant",
                                "Was doorward upgraded while this program ran? Start it anew.");
}

static int fail_timeout(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_TIMEOUT, ETIMEDOUT,
                  "Time was over before the authentication agent was ready.");
        return -ETIMEDOUT;
}

/* Messages. */

/* 0; AGENT_E_GONE; -EAGAIN, and no error set, if nothing is there; -errno and the error. A
 * conversation brings a descriptor, and nothing else does. */
static int agent_receive(Agent *agent, AgentMessage *ret, int *ret_fd, doorward_error *error) {
        uint8_t buf[AGENT_MESSAGE_SIZE];
        SocketAncillary ancillary;
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        n = socket_receive(agent->fd, buf, sizeof(buf), 1, &ancillary);
        if (n == -EAGAIN)
                return -EAGAIN;
        if (n == -EBADMSG && channel_is_out_of_fds(agent->fd))
                return error_system(error, -EMFILE, "The agent's conversation cannot be taken");
        if (n == -EBADMSG)
                return fail_protocol(error);
        if (n <= 0)
                return AGENT_E_GONE;

        if (ancillary.n_fds > 0)
                fd = channel_move_fd_consume(ancillary.fds[0]);
        if (!ancillary.has_credentials || ancillary.credentials.uid != getuid() ||
            agent_message_decode(buf, (size_t)n, ret) < 0 ||
            (ret->type == AGENT_CONVERSATION) != (ancillary.n_fds > 0))
                return fail_protocol(error);
        if (ancillary.n_fds > 0 && fd < 0)
                return error_system(error, fd, "The agent's conversation cannot be kept");

        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* That it takes nothing any more is found when its end is read. */
static void agent_send(Agent *agent, const AgentAnswer *answer) {
        uint8_t buf[AGENT_ANSWER_SIZE];

        (void)socket_send(agent->fd, buf, agent_answer_encode(answer, buf), -EBADF);
}

/* What it wants. */

/* Whose password it is, if there is nothing to choose: PAM says no more than "Password: ". */
static int agent_tell_name(const Agent *agent, const char *name, const char *text,
                           const AuthWatch *watch, doorward_error *error) {
        _cleanup_free_ char *line = NULL;
        Prompt prompt = {.kind = PROMPT_INFO};
        Answer none;

        if (asprintf(&line, "Authenticating as %s%s%s", name, text[0] ? ": " : ".", text) < 0)
                return error_no_memory(error);

        prompt_set_text(&prompt, line);
        return auth_ask_prompt(agent->auth, NULL, &prompt, watch, &none, error);
}

static void names_of(AgentMessage *message, char *ret[AGENT_NAMES_MAX + 1]) {
        for (size_t i = 0; i < message->n_names; i++)
                ret[i] = message->names[i];
        ret[message->n_names] = NULL;
}

/* 0, AUTH_E_LATER, or -errno. */
static int agent_ask_name(Agent *agent, AgentMessage *message, size_t *ret, doorward_error *error) {
        /* It says something before it has an answer only if it wants none any more. */
        AuthWatch watch = {.fd = agent->fd, .events = POLLIN, .deadline = agent->deadline};
        char *names[AGENT_NAMES_MAX + 1];
        size_t index = 0;
        int r = 0;

        names_of(message, names);
        if (message->n_names > 1)
                r = auth_ask_choice(agent->auth, message->text, names, &watch, &index, error);
        if (r == 0 && (message->n_names == 1 || !auth_takes(agent->auth, DOORWARD_CRED_AUTHNAME)))
                r = agent_tell_name(agent, names[index], message->text, &watch, error);

        *ret = index;
        return r;
}

static int agent_choose(Agent *agent, AgentMessage *message, doorward_error *error) {
        size_t index;
        int r;

        r = agent_ask_name(agent, message, &index, error);
        if (r == -EPIPE)
                /* What it is that it said is read next. */
                return 0;
        if (r == AUTH_E_LATER) {
                agent->question = *message;
                agent->asking = true;
                return 0;
        }
        if (r < 0) {
                agent_send(agent, &(AgentAnswer){.cancelled = true});
                return r;
        }

        agent_send(agent, &(AgentAnswer){.index = (uint8_t)index});
        return 0;
}

bool agent_is_asking(const Agent *agent) {
        return agent->asking ||
               (agent->conversation && conversation_is_asking(agent->conversation));
}

int agent_answer(Agent *agent, const doorward_credential *cred, doorward_error *error) {
        char *names[AGENT_NAMES_MAX + 1];
        size_t index;
        int r;

        if (agent->conversation)
                return conversation_answer(agent->conversation, cred, error);
        if (!cred) {
                agent->asking = false;
                agent->cancelled = true;
                return 0;
        }

        names_of(&agent->question, names);
        r = auth_take_choice(cred, names, &index, error);
        if (r < 0)
                return r;

        agent->asking = false;
        agent_send(agent, &(AgentAnswer){.index = (uint8_t)index});
        return 0;
}

static int agent_begin_conversation_consume_fd(Agent *agent, AgentWhose whose, int fd,
                                               doorward_error *error) {
        return conversation_new_consume_fd(
                fd, whose == AGENT_WHOSE_ROOT ? CONVERSATION_OF_ROOT : CONVERSATION_OF_OURSELVES,
                agent->auth, NULL, agent->deadline, &agent->conversation, error);
}

bool agent_is_conversing(const Agent *agent) {
        return agent->conversation;
}

/* 0 or -errno: it goes on, or not. */
static int agent_converse(Agent *agent, doorward_error *error) {
        int r;

        r = conversation_process(agent->conversation, error);
        if (r != CONVERSATION_E_WAIT)
                agent->conversation = conversation_free(agent->conversation);
        return r < 0 ? r : 0;
}

/* What it says while it is asked by polkit. 0, or -errno. */
static int agent_take(Agent *agent, AgentMessage *message, int fd, doorward_error *error) {
        int r;

        switch (message->type) {
        case AGENT_CHOOSE:
                return agent_choose(agent, message, error);
        case AGENT_CONVERSATION:
                r = agent_begin_conversation_consume_fd(agent, message->whose, fd, error);
                return r < 0 ? r : agent_converse(agent, error);
        case AGENT_END:
                /* The broker's answer is on its way. */
                if (message->code != DOORWARD_ERR_OK)
                        error_set_class(&agent->reason, message->code, message->text,
                                        message->hint);
                return 0;
        case AGENT_READY:
        case AGENT_UNAVAILABLE:
        case _AGENT_MESSAGE_MAX:
                break;
        }

        return fail_protocol(error);
}

static int agent_listen(Agent *agent, doorward_error *error) {
        AgentMessage message;
        int fd = -EBADF, r;

        r = agent_receive(agent, &message, &fd, error);
        if (r == -EAGAIN)
                return agent->asking && channel_deadline_left(agent->deadline) == 0
                               ? auth_fail_late(error)
                               : 0;
        agent->asking = false;
        if (r == AGENT_E_GONE)
                agent->gone = true;
        if (r < 0)
                (void)agent_explain(agent, error);
        if (r != 0)
                return r;

        r = agent_take(agent, &message, fd, error);
        return r < 0 ? r : AGENT_E_HEARD;
}

static int agent_serve(Agent *agent, doorward_error *error) {
        if (agent->conversation)
                return agent_converse(agent, error);
        if (agent->cancelled) {
                agent->cancelled = false;
                agent_send(agent, &(AgentAnswer){.cancelled = true});
                return auth_fail_cancelled(error);
        }

        return agent_listen(agent, error);
}

bool agent_explain(const Agent *agent, doorward_error *error) {
        const doorward_error *reason = &agent->reason;
        _cleanup_error_ doorward_error copy = {};

        if (reason->code == DOORWARD_ERR_OK) {
                if (agent->gone)
                        (void)fail_gone(error);
                return agent->gone;
        }

        error_set(&copy, (doorward_error_domain)reason->domain, (doorward_error_code)reason->code,
                  reason->errnum, "%s", reason->message);
        if (reason->hint)
                error_set_hint(&copy, "%s", reason->hint);
        error_replace(error, &copy);
        return true;
}

/* Its beginning and its end. */

/* Its first message, which is whether it could register. */
static int agent_take_first(Agent *agent, doorward_error *error) {
        AgentMessage message;
        int fd = -EBADF, r;

        r = agent_receive(agent, &message, &fd, error);
        if (r == AGENT_E_GONE)
                return fail_gone(error);
        if (r < 0)
                return r;

        close_fd(fd);
        if (message.type == AGENT_READY)
                return 0;
        if (message.type == AGENT_UNAVAILABLE)
                return fail_unavailable(error, message.text, message.hint);
        return fail_protocol(error);
}

static int agent_become_ready(Agent *agent, doorward_error *error) {
        int r;

        r = agent_take_first(agent, error);
        if (r == 0) {
                agent->state = AGENT_SERVING;
                return AGENT_E_READY;
        }
        if (r != -EAGAIN)
                return r;

        if (channel_deadline_left(agent->deadline) == 0)
                return fail_timeout(error);
        if (channel_deadline_left(agent->patience) == 0)
                return fail_unavailable(error, "it is not ready in time",
                                        "Does polkit answer? An administrator can look at: "
                                        "systemctl status polkit.service");
        return 0;
}

int agent_start(const char *socket, const doorward_auth *auth, int64_t deadline, Agent **ret,
                doorward_error *error) {
        _cleanup_(agent_freep) Agent *agent = NULL;
        int r;

        agent = malloc(sizeof(*agent));
        if (!agent)
                return error_no_memory(error);
        *agent = (Agent){
                .fd = -EBADF,
                .auth = auth,
                .deadline = deadline,
                .patience = channel_deadline(AGENT_START_TIMEOUT_MS),
                .state = AGENT_STARTING,
        };

        r = agent_launch(socket, &agent->fd);
        if (r < 0)
                return error_system(error, r, "The authentication agent cannot be started");

        *ret = TAKE_PTR(agent);
        return 0;
}

void agent_end(Agent *agent) {
        (void)shutdown(agent->fd, SHUT_WR);
        agent->conversation = conversation_free(agent->conversation);
        agent->asking = agent->cancelled = false;
        agent->patience = channel_deadline(AGENT_STOP_TIMEOUT_MS);
        agent->state = AGENT_ENDING;
}

/* Whatever it still says is dropped. */
static int agent_become_gone(Agent *agent) {
        uint8_t buf[AGENT_MESSAGE_SIZE];
        SocketAncillary ancillary;
        ssize_t n;

        do
                n = socket_receive(agent->fd, buf, sizeof(buf), 0, &ancillary);
        while (n > 0 || n == -EBADMSG);

        return n == -EAGAIN && channel_deadline_left(agent->patience) > 0 ? 0 : AGENT_E_GONE;
}

int agent_process(Agent *agent, doorward_error *error) {
        switch (agent->state) {
        case AGENT_STARTING:
                return agent_become_ready(agent, error);
        case AGENT_SERVING:
                return agent_serve(agent, error);
        case AGENT_ENDING:
                break;
        }

        return agent_become_gone(agent);
}

void agent_wait(const Agent *agent, Wait *wait) {
        if (agent->conversation) {
                conversation_wait(agent->conversation, wait);
                return;
        }

        wait_add_fd(wait, agent->fd, agent->cancelled ? POLLOUT : POLLIN);
        if (agent->state != AGENT_ENDING)
                wait_add_deadline(wait, agent->deadline);
        if (agent->state != AGENT_SERVING)
                wait_add_deadline(wait, agent->patience);
}

Agent *agent_free_copy(Agent *agent) {
        if (!agent)
                return NULL;

        agent->conversation = conversation_free(agent->conversation);
        close_fd(agent->fd);
        doorward_error_clear(&agent->reason);
        free(agent);
        return NULL;
}

Agent *agent_free(Agent *agent) {
        /* Also where others hold copies of the socket: a child that was forked, say. */
        if (agent && agent->fd >= 0)
                (void)shutdown(agent->fd, SHUT_RDWR);
        return agent_free_copy(agent);
}
