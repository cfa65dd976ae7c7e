/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * launched: what test-launch.c starts. Tells over descriptor 3 how it finds itself, one line each,
 * and ends.
 */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

#include "common/macros.h"

extern char **environ;

#define REPORT_FD 3

static void tell_descriptors(FILE *f) {
        char path[64], target[256];
        struct dirent *entry;
        DIR *dir;

        dir = opendir("/proc/self/fd");
        if (!dir)
                return;

        while ((entry = readdir(dir))) {
                int fd = atoi(entry->d_name);
                ssize_t n;

                if (entry->d_name[0] == '.' || fd == dirfd(dir))
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                n = readlink(path, target, sizeof(target) - 1);
                target[n < 0 ? 0 : n] = 0;
                fprintf(f, "fd %d %s\n", fd, fd == REPORT_FD ? "" : target);
        }
        (void)closedir(dir);
}

static void tell_signals(FILE *f) {
        struct sigaction action;
        sigset_t mask;

        (void)sigprocmask(SIG_SETMASK, NULL, &mask);
        for (int i = 1; i < NSIG; i++) {
                if (sigismember(&mask, i) == 1)
                        fprintf(f, "blocked %d\n", i);
                if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
                        fprintf(f, "not default %d\n", i);
        }
}

int main(int argc, char **argv) {
        _cleanup_free_ char *text = NULL, *cwd = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return EXIT_FAILURE;

        tell_descriptors(f);
        tell_signals(f);
        for (int i = 0; i < argc; i++)
                fprintf(f, "argument %s\n", argv[i]);
        for (char **e = environ; *e; e++)
                fprintf(f, "environment %s\n", *e);
        cwd = getcwd(NULL, 0);
        fprintf(f, "folder %s\n", cwd ?: "");
        fprintf(f, "leads %s\n", getsid(0) == getpid() ? "yes" : "no");
        fprintf(f, "session %d\n", (int)getsid(0));
        (void)fclose(f);

        return write(REPORT_FD, text, size) == (ssize_t)size ? EXIT_SUCCESS : EXIT_FAILURE;
}
