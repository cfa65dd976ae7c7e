/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>

#include "tests/support/fake-agent.h"

struct Agent {
        bool ready, ending;
};

FakeAgentScript fake_agent;
static Agent the_agent;
static int news[2] = {-EBADF, -EBADF};

void fake_agent_init(void) {
        fake_agent = (FakeAgentScript){};
        if (pipe2(news, O_CLOEXEC | O_NONBLOCK) < 0)
                abort();
}

void fake_agent_deinit(void) {
        news[0] = close_fd(news[0]);
        news[1] = close_fd(news[1]);
}

void fake_agent_speak(void) {
        if (write(news[1], "", 1) != 1)
                abort();
}

static int fail(const FakeAgentError *fake, doorward_error *error) {
        if (fake->code)
                error_set(error, DOORWARD_DOMAIN_AUTH, fake->code, -fake->r, "the agent says so");
        return fake->r;
}

int agent_start(const char *socket, const doorward_auth *auth, int64_t deadline, Agent **ret,
                doorward_error *error) {
        (void)deadline;
        fake_agent.n_starts++;
        fake_agent.auth = *auth;
        (void)snprintf(fake_agent.socket, sizeof(fake_agent.socket), "%s", socket);
        the_agent = (Agent){};
        if (fake_agent.start.code == 0)
                *ret = &the_agent;
        return fail(&fake_agent.start, error);
}

/* Whether it does nothing before it is spoken to. */
static bool is_idle(const Agent *agent) {
        return agent->ending ? fake_agent.stubborn : agent->ready || fake_agent.slow;
}

void agent_wait(const Agent *agent, Wait *wait) {
        if (is_idle(agent))
                wait_add_fd(wait, news[0], POLLIN);
        else
                wait_add_deadline(wait, 0);
}

int agent_process(Agent *agent, doorward_error *error) {
        char c;

        if (is_idle(agent) && read(news[0], &c, 1) != 1)
                return 0;
        if (agent->ending)
                return AGENT_E_GONE;
        if (!agent->ready) {
                agent->ready = fake_agent.ready.code == 0;
                return agent->ready ? AGENT_E_READY : fail(&fake_agent.ready, error);
        }

        fake_agent.n_processed++;
        return fail(&fake_agent.process, error) ?: AGENT_E_HEARD;
}

bool agent_is_conversing(const Agent *agent) {
        (void)agent;
        return false;
}

bool agent_is_asking(const Agent *agent) {
        (void)agent;
        return false;
}

int agent_answer(Agent *agent, const doorward_credential *cred, doorward_error *error) {
        (void)agent;
        (void)cred;
        (void)error;
        abort();
}

void agent_end(Agent *agent) {
        agent->ending = true;
        fake_agent.n_ended++;
}

bool agent_explain(const Agent *agent, doorward_error *error) {
        (void)agent;
        (void)fail(&fake_agent.explain, error);
        return fake_agent.explain.code != 0;
}

Agent *agent_free(Agent *agent) {
        if (agent)
                fake_agent.n_freed++;
        return NULL;
}

Agent *agent_free_copy(Agent *agent) {
        (void)agent;
        return NULL;
}
