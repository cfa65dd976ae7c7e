/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-agent --fd=3 --process=PID --start-time=TICKS --socket=PATH [--session]
 *
 * A polkit authentication agent for one process, which started it, or rather whose libdoorward did:
 * polkit wants a password for what that process asked of the broker, and nobody is there to be
 * asked for it. Runs as the user, and holds no power that the user has not. With --session, which
 * is for tests, polkit's own helper proves who somebody is, whether or not it is a service.
 *
 * What is promised, and when:
 *   1. from the first statement on: no other process of this user can look into this one, and no
 *      file is left of it should it crash, since answers may go through it (agent-session.h);
 *   2. before polkit is told anything: the process that it speaks for is the one that made the
 *      socket which it got;
 *   3. when that process hangs up or ends, and in any case after some minutes: it ends, and polkit
 *      forgets it.
 *
 * Its arguments can be seen by everybody, and hold no secret. It says nothing but over the socket.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <glib.h>

#include "config.h"
#include "helpers/agent-listener.h"

/* As long as the library waits for somebody to answer, at most. */
#define LIFE_SEC 300
/* polkit knows one agent for a process. Another one is there while another thread asks, or its
 * agent is about to end. */
#define REGISTER_RETRY_MS 250
#define REGISTER_TRIES_MAX 20

typedef struct Arguments {
        int fd;
        pid_t process;
        uint64_t start_time;
        const char *socket;
        bool by_session;
} Arguments;

typedef struct Agent {
        const Arguments *arguments;
        AgentLink *link;
        AgentListener *listener;
        unsigned tries;
        bool over, failed;
} Agent;

static void on_answer(const AgentAnswer *answer, void *userdata) {
        Agent *agent = userdata;

        agent_listener_answer(agent->listener, answer);
}

static void on_gone(void *userdata) {
        Agent *agent = userdata;

        agent->over = true;
}

static const AgentLinkEvents link_events = {.answer = on_answer, .gone = on_gone};

static void agent_tell(Agent *agent, const AgentMessage *message) {
        /* Then nobody listens any more. */
        if (agent_link_send(agent->link, message, -EBADF) < 0)
                agent->over = true;
}

static void agent_tell_unavailable(Agent *agent, const char *why, const char *hint) {
        AgentMessage message = {.type = AGENT_UNAVAILABLE};
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "polkit takes none for this process: %s", why) < 0)
                text = NULL;
        agent_message_set_text(&message, text);
        agent_message_set_hint(&message, hint);
        agent_tell(agent, &message);
        agent->over = agent->failed = true;
}

/* Whether to try again. */
static gboolean agent_register_failed(Agent *agent, GError *error) {
        size_t n;

        if (error->domain == POLKIT_ERROR && ++agent->tries < REGISTER_TRIES_MAX)
                return G_SOURCE_CONTINUE;

        /* It becomes a part of a sentence. */
        (void)g_dbus_error_strip_remote_error(error);
        n = strlen(error->message);
        if (n > 0 && error->message[n - 1] == '.')
                error->message[n - 1] = 0;

        agent_tell_unavailable(
                agent, error->message,
                error->domain == POLKIT_ERROR
                        ? "It may have one already (another thread asks, or pkttyagent): try "
                          "again when that has ended. In a container with processes of its own "
                          "there can be none."
                        : "The system bus and polkit must be within reach of this program, also "
                          "in a container or sandbox: systemctl status dbus.service "
                          "polkit.service");
        return G_SOURCE_REMOVE;
}

static gboolean on_register(gpointer userdata) {
        static const AgentMessage ready = {.type = AGENT_READY};
        gboolean next = G_SOURCE_REMOVE;
        Agent *agent = userdata;
        GError *error = NULL;

        if (agent_listener_register(agent->listener, agent->arguments->process,
                                    agent->arguments->start_time, &error))
                agent_tell(agent, &ready);
        else
                next = agent_register_failed(agent, error);

        g_clear_error(&error);
        return next;
}

static void agent_loop(Agent *agent) {
        /* A program that acts for another user than it belongs to is nobody whom polkit knows. */
        if (getuid() != geteuid())
                agent_tell_unavailable(agent, "it runs with the privileges of another user",
                                       "Start the program as the user who is to be asked.");
        else if (on_register(agent) == G_SOURCE_CONTINUE)
                (void)g_timeout_add(REGISTER_RETRY_MS, on_register, agent);

        while (!agent->over)
                (void)g_main_context_iteration(NULL, TRUE);
        agent_listener_stop(agent->listener);
}

static int run(const Arguments *arguments) {
        Agent agent = {.arguments = arguments};
        int r;

        r = agent_link_new_consume_fd(arguments->fd, arguments->process, &link_events, &agent,
                                      &agent.link);
        if (r < 0)
                return EXIT_FAILURE;

        agent.listener = agent_listener_new(agent.link, arguments->socket, arguments->by_session);
        agent_loop(&agent);
        g_object_unref(agent.listener);
        agent_link_free(agent.link);
        return agent.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A number that fits and is not negative. */
static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
        unsigned long long value;
        char *end;

        if (!text || *text < '0' || *text > '9')
                return false;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno != 0 || *end || value > max)
                return false;

        *ret = value;
        return true;
}

static bool parse_arguments(int argc, char **argv, Arguments *arguments) {
        static const struct option options[] = {
                {"fd", required_argument, NULL, 'f'},
                {"process", required_argument, NULL, 'p'},
                {"start-time", required_argument, NULL, 't'},
                {"socket", required_argument, NULL, 's'},
                {"session", no_argument, NULL, 'S'},
                {},
        };
        const char *numbers[128] = {};
        uint64_t fd, process;
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == 'S')
                        arguments->by_session = true;
                else if (c == 's')
                        arguments->socket = optarg;
                else if (c == '?')
                        return false;
                else
                        numbers[c] = optarg;
        }

        if (optind < argc || !arguments->socket || arguments->socket[0] != '/' ||
            !parse_number(numbers['f'], INT32_MAX, &fd) ||
            !parse_number(numbers['p'], INT32_MAX, &process) ||
            !parse_number(numbers['t'], UINT64_MAX, &arguments->start_time))
                return false;

        arguments->fd = (int)fd;
        arguments->process = (pid_t)process;
        return true;
}

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        Arguments arguments = {};

        if (undumpable < 0)
                return EXIT_FAILURE;

        if (!parse_arguments(argc, argv, &arguments)) {
                (void)fputs(
                        "doorward-agent is started by libdoorward, and is of no use by itself.\n",
                        stderr);
                return EXIT_FAILURE;
        }

        /* Whatever it may hang in: then the bus tells polkit that it is gone. */
        (void)alarm(LIFE_SEC);
        /* polkit's helper may end before it has read its answer. */
        (void)signal(SIGPIPE, SIG_IGN);
        return run(&arguments);
}
