/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include <jansson.h>

#include "client/seed.h"
#include "common/macros.h"

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_choose(void) {
        struct timespec now = {};
        uint32_t seed = 0;

        /* Early in a boot there is none; then it is what jansson would take. */
        if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
                (void)clock_gettime(CLOCK_REALTIME, &now);
                seed = (uint32_t)now.tv_sec ^ (uint32_t)now.tv_nsec ^ (uint32_t)getpid();
        }

        /* 0 would be that it looks for one itself. */
        json_object_seed(seed ?: 1);
}

void seed_set(void) {
        (void)pthread_once(&seed_once, seed_choose);
}
