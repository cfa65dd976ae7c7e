#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fds: how many descriptors are open, for tests that nothing leaks. */

#include <dirent.h>
#include <stdlib.h>

/* That of the folder itself counts too, each time. */
static inline int fds_count(void) {
        DIR *folder = opendir("/proc/self/fd");
        int n = 0;

        if (!folder)
                abort();
        while (readdir(folder))
                n++;
        (void)closedir(folder);
        return n;
}
