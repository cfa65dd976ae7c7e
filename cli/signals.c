/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/signals.h"

static const int ending[] = {
        SIGHUP,    SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,   SIGUSR2, SIGALRM,
        SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSTKFLT, SIGXCPU,
};

void signals_add_ending(sigset_t *set) {
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                (void)sigaddset(set, ending[i]);
        for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
                (void)sigaddset(set, number);
}

void signals_leave_ignored(sigset_t *set) {
        struct sigaction action;

        for (int number = 1; number <= SIGRTMAX; number++)
                if (sigismember(set, number) == 1 && sigaction(number, NULL, &action) == 0 &&
                    action.sa_handler == SIG_IGN)
                        (void)sigdelset(set, number);
}

bool signals_is_pending(int number) {
        sigset_t pending;

        return sigpending(&pending) == 0 && sigismember(&pending, number) == 1;
}
