/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client/agent-launch.h"
#include "client/agent.h"
#include "client/channel.h"
#include "client/conversation.h"
#include "tests/support/fds.h"

/* The program that is started is tests/support/scripted-agent.c, and this file was compiled with
 * shorter times: AGENT_START_TIMEOUT_MS and AGENT_STOP_TIMEOUT_MS. */
#define TIMEOUT_MS 10000
#define THREADS 16

static const int types_all[] = {DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE,
                                DOORWARD_CRED_INFO};
static const doorward_auth auth_all = {.credtype = types_all, .ncredtype = 3};
static const doorward_auth auth_passphrase = {.credtype = types_all + 1, .ncredtype = 1};

/* The rest of the library, as it was asked. */
static struct {
        unsigned n_choices, n_prompts, n_conversations;
        const doorward_auth *auth;
        char text[CONVERSATION_TEXT_MAX + 1];
        char names[64];
        ConversationTrust trust;
        int64_t deadline;
        char word[8];
        /* What it answers. */
        size_t choice;
        bool waits; /* until the agent says something, or has ended */
        bool later; /* the question stays open */
        int r;
} asked;

bool auth_takes(const doorward_auth *auth, int type) {
        for (unsigned i = 0; i < auth->ncredtype; i++)
                if (auth->credtype[i] == type)
                        return true;
        return false;
}

/* Of the agent that was started last. */
static int64_t the_deadline;

static int answer(doorward_error *error) {
        if (asked.r == -ECANCELED)
                error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED,
                          "no");
        return asked.r;
}

int auth_ask_prompt(const doorward_auth *auth, const char *origin, const Prompt *prompt,
                    const AuthWatch *watch, Answer *ret, doorward_error *error) {
        asked.n_prompts++;
        asked.auth = auth;
        assert_null(origin);
        assert_int_equal(prompt->kind, PROMPT_INFO);
        strcpy(asked.text, prompt->text);
        return answer(error);
}

int auth_ask_choice(const doorward_auth *auth, const char *prompt, char *const *names,
                    const AuthWatch *watch, size_t *ret, doorward_error *error) {
        struct pollfd p = {.fd = watch->fd, .events = watch->events};

        asked.n_choices++;
        assert_int_equal(watch->deadline, the_deadline);
        if (asked.later)
                return AUTH_E_LATER;
        if (asked.waits)
                return poll(&p, 1, TIMEOUT_MS) == 1 ? -EPIPE : -ETIMEDOUT;
        asked.auth = auth;
        (void)snprintf(asked.text, sizeof(asked.text), "%s", prompt);
        for (; *names; names++) {
                strcat(asked.names, *names);
                strcat(asked.names, " ");
        }
        *ret = asked.choice;
        return answer(error);
}

int auth_take_choice(const doorward_credential *cred, char *const *names, size_t *ret,
                     doorward_error *error) {
        for (size_t i = 0; names[i]; i++)
                if (streq(names[i], cred->result)) {
                        *ret = i;
                        return 0;
                }

        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_ARG, EINVAL, "none");
        return -EINVAL;
}

int auth_fail_cancelled(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_CANCELLED, ECANCELED, "no");
        return -ECANCELED;
}

int auth_fail_late(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_TIMEOUT, ETIMEDOUT, "late");
        return -ETIMEDOUT;
}

/* A conversation, which is over when asked.word has been read. */
struct Conversation {
        int fd;
        bool asking;
};

static Conversation the_conversation;

int conversation_new_consume_fd(int fd, ConversationTrust trust, const doorward_auth *auth,
                                const char *origin, int64_t deadline, Conversation **ret,
                                doorward_error *error) {
        asked.n_conversations++;
        asked.auth = auth;
        asked.trust = trust;
        asked.deadline = deadline;
        assert_null(origin);
        assert_true(fd > STDERR_FILENO);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        the_conversation = (Conversation){.fd = fd};
        *ret = &the_conversation;
        return 0;
}

int conversation_process(Conversation *conversation, doorward_error *error) {
        ssize_t n;

        if (asked.later && !conversation->asking) {
                conversation->asking = true;
                return CONVERSATION_E_WAIT;
        }
        n = recv(conversation->fd, asked.word, sizeof(asked.word) - 1, MSG_DONTWAIT);
        asked.word[n < 0 ? 0 : n] = 0;
        return answer(error);
}

void conversation_wait(const Conversation *conversation, Wait *wait) {
        wait_add_fd(wait, conversation->fd, POLLIN);
}

bool conversation_is_asking(const Conversation *conversation) {
        return conversation->asking;
}

int conversation_answer(Conversation *conversation, const doorward_credential *cred,
                        doorward_error *error) {
        conversation->asking = false;
        asked.later = false;
        return 0;
}

Conversation *conversation_free(Conversation *conversation) {
        if (conversation)
                conversation->fd = close_fd(conversation->fd);
        return NULL;
}

typedef struct Fixture {
        unsigned n_fds;
        Agent *agent;
        doorward_error error;
} Fixture;

static int setup(void **state) {
        static Fixture fixture;

        memset(&asked, 0, sizeof(asked));
        fixture = (Fixture){.n_fds = fds_count()};
        *state = &fixture;
        return 0;
}

static void wait_for(Agent *agent) {
        Wait wait;

        wait_init(&wait);
        agent_wait(agent, &wait);
        assert_int_equal(wait_block(&wait), 0);
}

/* Ends it, and waits for that. */
static Agent *stop(Agent *agent) {
        doorward_error error = {};

        if (!agent)
                return NULL;

        agent_end(agent);
        while (agent_process(agent, &error) == 0)
                wait_for(agent);
        assert_int_equal(agent_process(agent, &error), AGENT_E_GONE);
        assert_null(error.message);
        return agent_free(agent);
}

/* Nothing is left: no agent, no child, no descriptor. */
static int teardown(void **state) {
        Fixture *f = *state;

        f->agent = stop(f->agent);
        doorward_error_clear(&f->error);
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        assert_int_equal(fds_count(), f->n_fds);
        return 0;
}

/* Until it is ready, or there is none. */
static int start_until(Agent **ret, const char *script, const doorward_auth *auth, int64_t deadline,
                       doorward_error *error) {
        Agent *agent = NULL;
        int r;

        r = agent_start(script, auth, deadline, &agent, error);
        if (r < 0)
                return r;

        while ((r = agent_process(agent, error)) == 0)
                wait_for(agent);
        if (r == AGENT_E_READY) {
                *ret = agent;
                return 0;
        }

        assert_true(r < 0);
        agent = stop(agent);
        return r;
}

static int start(Fixture *f, const char *script, const doorward_auth *auth) {
        the_deadline = channel_deadline(TIMEOUT_MS);
        return start_until(&f->agent, script, auth, the_deadline, &f->error);
}

static int agent_fd(const Fixture *f) {
        Wait wait;

        wait_init(&wait);
        agent_wait(f->agent, &wait);
        assert_int_equal(wait.n_fds, 1);
        return wait.fds[0].fd;
}

static void start_well(Fixture *f, const char *script) {
        assert_int_equal(start(f, script, &auth_all), 0);
        assert_non_null(f->agent);
        assert_true(agent_fd(f) > STDERR_FILENO);
}

/* The next thing that the agent wants: 0 that it was heard. */
static int process(Fixture *f) {
        int r;

        wait_for(f->agent);
        r = agent_process(f->agent, &f->error);
        assert_int_not_equal(r, 0);
        return r == AGENT_E_HEARD ? 0 : r;
}

static void check_error(const Fixture *f, doorward_error_code code, const char *part) {
        assert_int_equal(f->error.code, code);
        if (!strstr(f->error.message, part))
                fail_msg("'%s' is not in '%s'", part, f->error.message);
}

/* Starting it. */

static void test_ready(void **state) {
        Fixture *f = *state;

        start_well(f, "/x/ready");
        /* Nothing is there to be done. */
        assert_int_equal(agent_process(f->agent, &f->error), 0);
        assert_false(agent_explain(f->agent, &f->error));
        assert_int_equal(f->error.code, DOORWARD_ERR_OK);
}

static void test_slow(void **state) {
        start_well(*state, "/x/slow");
}

static void test_arguments(void **state) {
        char expected[128];
        Fixture *f = *state;
        unsigned long long start_time;
        FILE *stat;

        stat = fopen("/proc/self/stat", "re");
        assert_non_null(stat);
        assert_int_equal(fscanf(stat,
                                "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
                                "%*u %*u %*d %*d %*d %*d %*d %*d %llu",
                                &start_time),
                         1);
        (void)fclose(stat);

        start_well(f, "/x/arguments");
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        (void)snprintf(expected, sizeof(expected),
                       "doorward-agent --fd=3 --process=%d --start-time=%llu "
                       "--socket=/x/arguments ",
                       (int)getpid(), start_time);
        assert_string_equal(f->error.message, expected);
}

/* The agent stands elsewhere, so a path must be whole. */
static void test_relative_path(void **state) {
        char folder[] = "/tmp/test-agent-XXXXXX";
        _cleanup_free_ char *before = getcwd(NULL, 0);
        Fixture *f = *state;

        assert_non_null(before);
        assert_non_null(mkdtemp(folder));
        assert_int_equal(chdir(folder), 0);
        close_fd(open("arguments", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));

        start_well(f, "arguments");
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, folder);
        f->agent = stop(f->agent);

        assert_int_equal(unlink("arguments"), 0);
        assert_int_equal(start(f, "arguments", &auth_all), -ENOENT);
        check_error(f, DOORWARD_ERR_SYSTEM, "cannot be started");
        assert_int_equal(chdir(before), 0);
        assert_int_equal(rmdir(folder), 0);
}

/* It gets what it needs, and nothing that would make it another program. */
static void test_environment(void **state) {
        Fixture *f = *state;

        assert_int_equal(setenv("LC_TIME", "C", 1), 0);
        assert_int_equal(setenv("LD_BIND_NOW", "1", 1), 0);
        start_well(f, "/x/environment");
        assert_int_equal(unsetenv("LC_TIME"), 0);
        assert_int_equal(unsetenv("LD_BIND_NOW"), 0);
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "LC_TIME C, LD_BIND_NOW -");
}

typedef struct Failing {
        const char *script;
        const char *part;
} Failing;

static const Failing failing_starts[] = {
        {"/x/dead", "it has ended"},
        {"/x/unavailable", "no bus"},
        {"/x/silent", "not ready in time"},
        {"/x/garbage", "cannot be meant"},
        {"/x/later-version", "cannot be meant"},
        {"/x/long", "cannot be meant"},
        {"/x/ready-with-fd", "cannot be meant"},
        {"/x/choose-first", "cannot be meant"},
        {"/x/empty", "it has ended"},
        {"/x/no-such-script", "it has ended"},
};

static void test_failing_starts(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(failing_starts); i++) {
                assert_int_equal(start(f, failing_starts[i].script, &auth_all), -ENOSYS);
                assert_null(f->agent);
                check_error(f, DOORWARD_ERR_AUTH_UNAVAILABLE, failing_starts[i].part);
                assert_non_null(f->error.hint);
                assert_int_equal(teardown(state), 0);
        }
}

static void test_deadline(void **state) {
        int64_t before = channel_deadline(0);
        Fixture *f = *state;

        assert_int_equal(
                start_until(&f->agent, "/x/silent", &auth_all, channel_deadline(100), &f->error),
                -ETIMEDOUT);
        check_error(f, DOORWARD_ERR_TIMEOUT, "before the authentication agent was ready");
        assert_true(channel_deadline(0) - before >= 100);
        assert_true(channel_deadline(0) - before < AGENT_START_TIMEOUT_MS);
}

static void test_stranger(void **state) {
        Fixture *f = *state;

        if (getuid() != 0)
                skip();
        assert_int_equal(start(f, "/x/stranger", &auth_all), -ENOSYS);
        check_error(f, DOORWARD_ERR_AUTH_UNAVAILABLE, "cannot be meant");
}

/* What it wants. */

static void test_one_name(void **state) {
        Fixture *f = *state;

        start_well(f, "/x/one");
        assert_int_equal(process(f), 0);
        assert_int_equal(asked.n_choices, 0);
        assert_int_equal(asked.n_prompts, 1);
        assert_ptr_equal(asked.auth, &auth_all);
        assert_string_equal(asked.text, "Authenticating as carol: To open it.");

        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "chose 0");
}

static void test_several_names(void **state) {
        Fixture *f = *state;

        asked.choice = 2;
        start_well(f, "/x/three");
        assert_int_equal(process(f), 0);
        assert_int_equal(asked.n_choices, 1);
        assert_int_equal(asked.n_prompts, 0);
        assert_string_equal(asked.text, "To open it.");
        assert_string_equal(asked.names, "carol dave erin ");

        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "chose 2");
}

/* Who cannot choose is told, at least. */
static void test_several_names_without_authname(void **state) {
        Fixture *f = *state;

        assert_int_equal(start(f, "/x/three", &auth_passphrase), 0);
        assert_int_equal(process(f), 0);
        assert_int_equal(asked.n_choices, 1);
        assert_string_equal(asked.text, "Authenticating as carol: To open it.");
}

static void test_no_choice(void **state) {
        static const char *const scripts[] = {"/x/one", "/x/three"};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                asked.r = -ECANCELED;
                start_well(f, scripts[i]);
                assert_int_equal(process(f), -ECANCELED);
                check_error(f, DOORWARD_ERR_AUTH_CANCELLED, "no");

                /* The agent heard of it, should anybody ask. */
                assert_int_equal(process(f), 0);
                assert_true(agent_explain(f->agent, &f->error));
                check_error(f, DOORWARD_ERR_AUTH_FAILED, "cancelled");
                f->agent = stop(f->agent);
        }
}

/* polkit takes its question back, or the agent dies, while somebody thinks about it. */
static void test_choice_withdrawn(void **state) {
        Fixture *f = *state;

        asked.waits = true;
        start_well(f, "/x/withdraws");
        assert_int_equal(process(f), 0);
        assert_int_equal(asked.n_choices, 1);
        assert_int_equal(process(f), 0);
        /* Why, the broker says; and it was not answered. */
        assert_false(agent_explain(f->agent, &f->error));
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "unanswered");
        f->agent = stop(f->agent);

        start_well(f, "/x/dies-asking");
        assert_int_equal(process(f), 0);
        assert_int_equal(process(f), AGENT_E_GONE);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_UNAVAILABLE, "it has ended");
}

/* A choice that the program puts off. */

static int answer_later(Fixture *f, const char *name) {
        _cleanup_free_ char *result = strdup(name);
        doorward_credential cred = {.result = result};

        return agent_answer(f->agent, &cred, &f->error);
}

static void test_choice_later(void **state) {
        Fixture *f = *state;

        asked.later = true;
        start_well(f, "/x/three");
        assert_false(agent_is_asking(f->agent));
        assert_int_equal(process(f), 0);
        assert_true(agent_is_asking(f->agent));
        assert_int_equal(agent_process(f->agent, &f->error), 0);

        assert_int_equal(answer_later(f, "mallory"), -EINVAL);
        assert_true(agent_is_asking(f->agent));
        assert_int_equal(answer_later(f, "erin"), 0);
        assert_false(agent_is_asking(f->agent));
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "chose 2");
}

static void test_choice_cancelled_later(void **state) {
        Fixture *f = *state;

        asked.later = true;
        start_well(f, "/x/three");
        assert_int_equal(process(f), 0);
        assert_int_equal(agent_answer(f->agent, NULL, &f->error), 0);
        assert_false(agent_is_asking(f->agent));
        assert_int_equal(process(f), -ECANCELED);
        check_error(f, DOORWARD_ERR_AUTH_CANCELLED, "no");
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "cancelled");
}

/* The broker's answer came first: what was to be sent is not waited for, which would be at once,
 * over and over. */
static void test_choice_cancelled_too_late(void **state) {
        Fixture *f = *state;
        Wait wait;

        asked.later = true;
        start_well(f, "/x/three");
        assert_int_equal(process(f), 0);
        assert_int_equal(agent_answer(f->agent, NULL, &f->error), 0);
        agent_end(f->agent);
        wait_init(&wait);
        agent_wait(f->agent, &wait);
        assert_int_equal(wait.n_fds, 1);
        assert_int_equal(wait.fds[0].events, POLLIN);
}

static void test_choice_withdrawn_before_later(void **state) {
        Fixture *f = *state;

        asked.later = true;
        start_well(f, "/x/withdraws");
        assert_int_equal(process(f), 0);
        assert_true(agent_is_asking(f->agent));
        assert_int_equal(process(f), 0);
        assert_false(agent_is_asking(f->agent));
        f->agent = stop(f->agent);

        start_well(f, "/x/dies-asking");
        assert_int_equal(process(f), 0);
        assert_int_equal(process(f), AGENT_E_GONE);
        assert_false(agent_is_asking(f->agent));
}

static void test_choice_too_late(void **state) {
        Fixture *f = *state;

        asked.later = true;
        the_deadline = channel_deadline(1000);
        assert_int_equal(start_until(&f->agent, "/x/three", &auth_all, the_deadline, &f->error), 0);
        assert_int_equal(process(f), 0);
        assert_int_equal(process(f), -ETIMEDOUT);
        check_error(f, DOORWARD_ERR_TIMEOUT, "late");
}

static void test_conversation_later(void **state) {
        Fixture *f = *state;

        asked.later = true;
        start_well(f, "/x/ours");
        assert_int_equal(process(f), 0);
        assert_true(agent_is_conversing(f->agent));
        assert_true(agent_is_asking(f->agent));
        assert_int_equal(answer_later(f, "secret"), 0);
        assert_false(agent_is_asking(f->agent));
        assert_int_equal(agent_process(f->agent, &f->error), 0);
        assert_false(agent_is_conversing(f->agent));
        assert_string_equal(asked.word, "hello");
}

static void check_conversation(Fixture *f, const char *script, ConversationTrust trust) {
        start_well(f, script);
        asked.r = 0;
        assert_int_equal(process(f), 0);
        assert_int_equal(asked.n_conversations, 1);
        assert_ptr_equal(asked.auth, &auth_all);
        assert_int_equal(asked.trust, trust);
        assert_int_equal(asked.deadline, the_deadline);
        assert_string_equal(asked.word, "hello");
        f->agent = stop(f->agent);
}

static void test_conversations(void **state) {
        Fixture *f = *state;

        check_conversation(f, "/x/root", CONVERSATION_OF_ROOT);
        memset(&asked, 0, sizeof(asked));
        check_conversation(f, "/x/ours", CONVERSATION_OF_OURSELVES);

        asked.r = -ECANCELED;
        start_well(f, "/x/root");
        assert_int_equal(process(f), -ECANCELED);
        check_error(f, DOORWARD_ERR_AUTH_CANCELLED, "no");
}

/* The lowest numbers are free: what arrives is not to become standard input. */
static void test_conversation_without_streams(void **state) {
        Fixture *f = *state;
        int saved[3], r;

        for (int i = 0; i < 3; i++) {
                saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
                (void)close(i);
        }
        r = start(f, "/x/ours", &auth_all);
        if (r == 0)
                r = process(f);
        f->agent = stop(f->agent);
        for (int i = 0; i < 3; i++) {
                if (saved[i] >= 0)
                        (void)dup2(saved[i], i);
                close_fd(saved[i]);
        }

        assert_int_equal(r, 0);
        assert_int_equal(asked.n_conversations, 1);
}

/* No room for it is nobody's fault but the program's. */
static void test_conversation_without_room(void **state) {
        Fixture *f = *state;
        struct rlimit before, tight;
        int r;

        start_well(f, "/x/ours");
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        tight = before;
        tight.rlim_cur = 3;
        wait_for(f->agent);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        r = agent_process(f->agent, &f->error);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

        assert_int_equal(r, -EMFILE);
        assert_int_equal(f->error.code, DOORWARD_ERR_SYSTEM);
        assert_int_equal(f->error.errnum, EMFILE);
        assert_int_equal(asked.n_conversations, 0);
}

/* The reason counts, whatever becomes of the agent, and what the broker said of the request stays.
 */
static void test_end(void **state) {
        Fixture *f = *state;

        start_well(f, "/x/end");
        assert_int_equal(process(f), 0);

        error_set(&f->error, DOORWARD_DOMAIN_POLICY, DOORWARD_ERR_DENIED, EACCES, "denied");
        error_set_hint(&f->error, "%s", "none");
        error_set_endpoint(&f->error, "docker");
        error_set_action(&f->error, "org.doorward");
        error_set_request(&f->error, "r1");
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "Authentication as carol failed.");
        assert_int_equal(f->error.domain, DOORWARD_DOMAIN_AUTH);
        assert_int_equal(f->error.errnum, EACCES);
        assert_string_equal(f->error.hint, "so it was");
        assert_string_equal(f->error.endpoint, "docker");
        assert_string_equal(f->error.action_id, "org.doorward");
        assert_string_equal(f->error.request_id, "r1");

        assert_int_equal(process(f), AGENT_E_GONE);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_FAILED, "Authentication as carol failed.");
}

/* Who has ended may not have been needed: that is no failure yet. */
static void test_gone(void **state) {
        Fixture *f = *state;

        start_well(f, "/x/dies");
        assert_int_equal(process(f), AGENT_E_GONE);
        assert_int_equal(f->error.code, DOORWARD_ERR_OK);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_UNAVAILABLE, "it has ended");
}

static void test_end_classes(void **state) {
        Fixture *f = *state;

        start_well(f, "/x/end-17");
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_LIMIT, "Wait 3 s.");
        assert_int_equal(f->error.domain, DOORWARD_DOMAIN_BROKER);
        assert_int_equal(f->error.errnum, EDQUOT);
        assert_null(f->error.hint);
        f->agent = stop(f->agent);

        start_well(f, "/x/end-255");
        assert_int_equal(process(f), 0);
        assert_true(agent_explain(f->agent, &f->error));
        check_error(f, DOORWARD_ERR_AUTH_UNAVAILABLE, "Of a later version.");
}

static const Failing failing_later[] = {
        {"/x/ready-twice", "cannot be meant"},
        {"/x/unavailable-later", "cannot be meant"},
        {"/x/conversation-without-fd", "cannot be meant"},
        {"/x/end-with-fd", "cannot be meant"},
        {"/x/two-fds", "cannot be meant"},
};

static void test_failing_later(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(failing_later); i++) {
                start_well(f, failing_later[i].script);
                assert_int_equal(process(f), -ENOSYS);
                check_error(f, DOORWARD_ERR_AUTH_UNAVAILABLE, failing_later[i].part);
                assert_non_null(f->error.hint);
                assert_int_equal(asked.n_conversations, 0);
                assert_int_equal(teardown(state), 0);
        }
}

/* Ending it. */

/* One that does not end is not waited for for long. */
static void test_stubborn(void **state) {
        int64_t before;
        Fixture *f = *state;

        start_well(f, "/x/stubborn");
        before = channel_deadline(0);
        f->agent = stop(f->agent);
        assert_true(channel_deadline(0) - before >= AGENT_STOP_TIMEOUT_MS);
        assert_true(channel_deadline(0) - before < AGENT_STOP_TIMEOUT_MS + 2000);
}

/* When it is gone, so is the process: the next one finds polkit without it. */
static void check_ended(Fixture *f, const char *script) {
        struct pollfd p = {.events = POLLIN};

        start_well(f, script);
        p.fd = fcntl(agent_fd(f), F_DUPFD_CLOEXEC, 3);
        assert_true(p.fd >= 0);
        f->agent = stop(f->agent);
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_int_equal(p.revents & POLLHUP, POLLHUP);
        close_fd(p.fd);
        assert_int_equal(fds_count(), f->n_fds);
}

/* Also of one that has much to say, and to send along, on its way out. */
static void test_end_is_waited_for(void **state) {
        check_ended(*state, "/x/ready");
        check_ended(*state, "/x/talkative");
}

/* The host program. */

static volatile sig_atomic_t n_signals;

static void on_signal(int number) {
        n_signals++;
}

/* Signals come all the time, and system calls are not restarted. */
static void test_interrupted(void **state) {
        const struct itimerval often = {{0, 500}, {0, 500}}, never = {};
        struct sigaction action = {.sa_handler = on_signal}, before;

        assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
        start_well(*state, "/x/slow");
        assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
        assert_true(n_signals > 10);
        assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

static void test_sigchld(void **state) {
        const struct sigaction actions[] = {
                {.sa_handler = SIG_IGN},
                {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT},
                {.sa_handler = on_signal},
        };
        struct sigaction before;
        Fixture *f = *state;

        assert_int_equal(sigaction(SIGCHLD, NULL, &before), 0);
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                n_signals = 0;
                assert_int_equal(sigaction(SIGCHLD, &actions[i], NULL), 0);
                start_well(f, "/x/ready");
                f->agent = stop(f->agent);
                assert_int_equal(start(f, "/x/dead", &auth_all), -ENOSYS);
                assert_int_equal(n_signals, 0);
        }
        assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static void *run_in_thread(void *userdata) {
        static const char *const scripts[] = {"/x/ready", "/x/dead", "/x/end-17", "/x/garbage"};
        bool *ok = userdata;

        *ok = true;
        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                const char *script = scripts[i];
                bool lives = streq(script, "/x/ready") || streq(script, "/x/end-17");
                _cleanup_error_ doorward_error error = {};
                _cleanup_(agent_freep) Agent *agent = NULL;
                int r;

                r = start_until(&agent, script, &auth_all, channel_deadline(TIMEOUT_MS), &error);
                if (r != (lives ? 0 : -ENOSYS))
                        *ok = false;
        }
        return NULL;
}

static void test_threads(void **state) {
        pthread_t threads[THREADS];
        bool results[THREADS];

        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, &results[i]), 0);
        for (size_t i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_true(results[i]);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_ready),
                TEST(test_slow),
                TEST(test_arguments),
                TEST(test_relative_path),
                TEST(test_environment),
                TEST(test_failing_starts),
                TEST(test_deadline),
                TEST(test_stranger),
                TEST(test_one_name),
                TEST(test_several_names),
                TEST(test_several_names_without_authname),
                TEST(test_no_choice),
                TEST(test_choice_withdrawn),
                TEST(test_choice_later),
                TEST(test_choice_cancelled_later),
                TEST(test_choice_cancelled_too_late),
                TEST(test_choice_withdrawn_before_later),
                TEST(test_choice_too_late),
                TEST(test_conversation_later),
                TEST(test_conversations),
                TEST(test_conversation_without_streams),
                TEST(test_conversation_without_room),
                TEST(test_end),
                TEST(test_gone),
                TEST(test_end_classes),
                TEST(test_failing_later),
                TEST(test_stubborn),
                TEST(test_end_is_waited_for),
                TEST(test_interrupted),
                TEST(test_sigchld),
                TEST(test_threads),
        };

        /* Orphans are not ours, even where whoever started this takes in some. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
