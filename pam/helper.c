/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doorward-pam: authenticates somebody, once
 *
 * systemd starts an instance for each connection of the broker, as root, since only root may read
 * what passwords are compared with. It serves one request and ends: what a PAM module leaves behind
 * in a process, nobody else finds, and one that hangs or crashes takes nothing with it.
 *
 * What is promised, and when:
 *   1. from its exec on: no process of another user can look into this one, and nothing of it goes
 *      to a core file;
 *   2. before the request: the environment holds nothing of anybody's choice, and the time in which
 *      all of this is over has begun;
 *   3. before a PAM module is loaded: the request came from the broker, is about a client that is
 *      connected to it, and about a user who may be authenticated for that;
 *   4. from then on: it ends when the broker hangs up, whatever module it is in.
 *
 * There is no libsystemd for what are two environment variables; it is here for D-Bus.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/activation.h"
#include "common/asker.h"
#include "common/complain.h"
#include "common/peer.h"
#include "config.h"
#include "pam/authentication.h"
#include "pam/polkit.h"
#include "pam/request.h"
#include "pam/requester.h"
#include "policy/settings.h"

/* All of it; a request has to come in a part of that, and answers in another. */
#define LIFE_SEC 120
#define REQUEST_MSEC 5000
#define DIALOGUE_SEC 110

/* PAM modules read it, and what they run inherits it. */
static int clean_environment(void) {
        _cleanup_free_ char *language = NULL;
        const char *before = getenv("LANG");

        if (before) {
                language = strdup(before);
                if (!language)
                        return -ENOMEM;
        }

        if (clearenv() != 0 || setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0 ||
            (language && setenv("LANG", language, 1) < 0))
                return -ENOMEM;
        return 0;
}

/* Passwords are not to be swapped out. Under a limit a module could not be loaded any more, so it
 * is all or nothing: the unit lifts the limit, and forbids swapping this service in any case. */
static void lock_memory(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
                (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static int prepare_process(void) {
        const struct rlimit none = {};

        (void)alarm(LIFE_SEC);
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_CORE, &none) < 0 ||
            fcntl(ACTIVATION_FD, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;

        lock_memory();
        return clean_environment();
}

static int connect_asker(Asker *asker) {
        uid_t broker;
        int r;

        r = complain_find_broker(&broker);
        if (r < 0)
                return r;

        r = asker_init(asker, ACTIVATION_FD, broker);
        if (r < 0)
                complain("Not asked by the broker: %s", strerror(-r));
        return r;
}

/* Files that cannot be trusted, or read without doubt, make no exceptions. */
static int load_settings(Settings **ret) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = settings_folders("", &folders);
        if (r == 0)
                r = settings_load(folders, ret);
        if (r == 0 && (*ret)->problem)
                complain("Identities= does not count: %s", (*ret)->problem);
        return r;
}

static int serve(const Asker *asker, const PamRequest *request, int client) {
        _cleanup_(settings_freep) Settings *settings = NULL;
        _cleanup_(strv_freep) char **shells = NULL;
        _cleanup_close_ int client_fd = client;
        RequestRules rules = {
                .caller = {BROKER_SOCKET, PEER_UID_INVALID, asker->uid},
                .identity = {.by_name = getpwnam_r, .by_uid = getpwuid_r},
                .bus = POLKIT_BUS,
                .patience_usec = DIALOGUE_SEC * UINT64_C(1000000),
        };
        PamReply verdict;
        int r;

        r = load_settings(&settings);
        if (r == 0)
                r = identity_list_shells(&shells);
        if (r < 0)
                return r;

        rules.identity.least = identity_read_least(IDENTITY_LOGIN_DEFS);
        rules.identity.shells = shells;
        rules.identity.exceptions = settings->identities;
        r = request_serve_consume_fd(&rules, asker, request, TAKE_FD(client_fd), &verdict);
        if (r < 0)
                return r;

        return requester_send(asker, &verdict, -EBADF);
}

int main(int argc, char **argv) {
        int undumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), client = -EBADF, r;
        Asker asker;
        PamRequest request;

        if (undumpable < 0) {
                complain("This process cannot be hidden from others: %m");
                return EXIT_FAILURE;
        }
        if (argc != 1 || !activation_has_socket()) {
                complain("It is started by doorward-pam.socket, for one connection.");
                return EXIT_FAILURE;
        }

        r = prepare_process();
        if (r == 0)
                r = connect_asker(&asker);
        if (r < 0)
                return EXIT_FAILURE;

        r = requester_receive(&asker, REQUEST_MSEC, &request, &client);
        if (r == 0)
                r = requester_watch(&asker);
        if (r == 0)
                r = serve(&asker, &request, TAKE_FD(client));
        if (r < 0)
                complain("The broker's request was not answered: %s", strerror(-r));

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
