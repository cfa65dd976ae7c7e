/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * agent-client ACTION: the library's end of doorward-agent, without a broker
 *
 * Starts the agent for itself, has pkcheck ask polkit about itself, and serves the agent until
 * pkcheck has its answer. What the callback is asked is written to standard output, one line each
 * ("TYPE|prompt|challenge"), and lines of standard input are the answers; at its end the callback
 * cancels. The last line is "pkcheck STATUS", or "error WORD|message|hint".
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "client/agent.h"
#include "client/channel.h"
#include "common/peer.h"
#include "config.h"

#define TIMEOUT_MS 60000

static const int types[] = {DOORWARD_CRED_AUTHNAME, DOORWARD_CRED_PASSPHRASE,
                            DOORWARD_CRED_ECHOPROMPT, DOORWARD_CRED_INFO, DOORWARD_CRED_ERROR_MSG};

static int on_credentials(doorward_credential *cred, unsigned ncred, void *cbdata) {
        char line[512];

        for (unsigned i = 0; i < ncred; i++) {
                printf("%d|%s|%s\n", cred[i].type, cred[i].prompt, cred[i].challenge ?: "");
                (void)fflush(stdout);
                if (cred[i].type == DOORWARD_CRED_INFO || cred[i].type == DOORWARD_CRED_ERROR_MSG)
                        continue;
                if (!fgets(line, sizeof(line), stdin))
                        return -1;
                line[strcspn(line, "\n")] = 0;
                cred[i].result = strdup(line);
                cred[i].resultlen = (unsigned)strlen(line);
        }

        return 0;
}

static const doorward_auth auth = {
        .credtype = types, .ncredtype = ELEMENTSOF(types), .cb = on_credentials};

/* This process, as pkcheck wants it. */
static int make_subject(char *buf, size_t size) {
        uint64_t start_time = 0;
        char stat[1024];
        size_t n;
        FILE *f;

        f = fopen("/proc/self/stat", "re");
        if (!f)
                return -errno;
        n = fread(stat, 1, sizeof(stat) - 1, f);
        stat[n] = 0;
        (void)fclose(f);
        if (peer_parse_start_time(stat, &start_time) < 0)
                return -EBADMSG;

        (void)snprintf(buf, size, "%d,%" PRIu64 ",%d", (int)getpid(), start_time, (int)getuid());
        return 0;
}

static pid_t start_pkcheck(const char *action) {
        char subject[128];
        pid_t pid;

        if (make_subject(subject, sizeof(subject)) < 0)
                return -1;

        pid = fork();
        if (pid == 0) {
                (void)!freopen("/dev/null", "r", stdin);
                (void)!freopen("/dev/null", "w", stdout);
                (void)!freopen("/dev/null", "w", stderr);
                (void)execlp("pkcheck", "pkcheck", "--allow-user-interaction", "--action-id",
                             action, "--process", subject, NULL);
                _exit(127);
        }

        return pid;
}

/* Waits for what the agent or pkcheck has to say, and hears the agent. */
static int step(Agent *agent, int pidfd, doorward_error *error) {
        Wait wait;
        int r;

        wait_init(&wait);
        agent_wait(agent, &wait);
        wait_add_fd(&wait, pidfd, POLLIN);
        r = wait_block(&wait);
        return r < 0 ? r : agent_process(agent, error);
}

/* Whether it has ended, and with what status. */
static bool ended(int pidfd, int *ret_status) {
        siginfo_t info = {};

        if (pidfd < 0 || waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 ||
            info.si_pid == 0)
                return false;

        *ret_status = info.si_status;
        return true;
}

/* Until it is ready: 0. Then, with a pidfd, until pkcheck has its status, which is returned; of a
 * "no" the agent knows the reason, and its last words may come after polkit's. -errno and the
 * error. */
static int serve(Agent *agent, int pidfd, int64_t deadline, doorward_error *error) {
        int r, status = -1;

        for (;;) {
                r = step(agent, status < 0 ? pidfd : -EBADF, error);
                if (r < 0 || (r == AGENT_E_READY && pidfd < 0))
                        return r < 0 ? r : 0;
                if ((status >= 0 || ended(pidfd, &status)) &&
                    (status == 0 || !agent_is_conversing(agent)))
                        return agent_explain(agent, error) ? -EACCES : status;
                if (channel_deadline_left(deadline) == 0)
                        return -ETIMEDOUT;
        }
}

int main(int argc, char **argv) {
        int64_t deadline = channel_deadline(TIMEOUT_MS);
        _cleanup_error_ doorward_error error = {};
        _cleanup_(agent_freep) Agent *agent = NULL;
        _cleanup_close_ int pidfd = -EBADF;
        pid_t pid;
        int r;

        if (argc != 2)
                return EXIT_FAILURE;

        r = agent_start(BROKER_SOCKET, &auth, deadline, &agent, &error);
        if (r == 0)
                r = serve(agent, -EBADF, deadline, &error);
        if (r == 0) {
                pid = start_pkcheck(argv[1]);
                pidfd = pid > 0 ? pidfd_open(pid, 0) : -EBADF;
                if (pidfd < 0)
                        return EXIT_FAILURE;
                r = serve(agent, pidfd, deadline, &error);
                if (r < 0)
                        (void)kill(pid, SIGKILL);
        }

        if (agent) {
                _cleanup_error_ doorward_error none = {};

                agent_end(agent);
                while (step(agent, -EBADF, &none) == 0)
                        ;
        }
        if (r < 0)
                printf("error %s|%s|%s\n", doorward_error_code_to_string(error.code),
                       error.message ?: "", error.hint ?: "");
        else
                printf("pkcheck %d\n", r);
        return EXIT_SUCCESS;
}
