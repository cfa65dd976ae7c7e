/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/socket.h"
#include "tests/support/asker-pair.h"
#include "tests/support/fds.h"

void asker_pair_make(int type, int *ret_a, int *ret_b) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
        *ret_a = fds[0];
        *ret_b = fds[1];
}

int asker_pair_setup(void **state) {
        AskerPair *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        f->n_fds = fds_count();
        asker_pair_make(SOCK_SEQPACKET, &f->broker, &f->helper);
        assert_int_equal(socket_set_passcred(f->helper), 0);
        assert_int_equal(asker_init(&f->asker, f->helper, getuid()), 0);
        *state = f;
        return 0;
}

int asker_pair_teardown(void **state) {
        AskerPair *f = *state;

        f->broker = close_fd(f->broker);
        f->helper = close_fd(f->helper);
        assert_int_equal(fds_count(), f->n_fds);
        free(f);
        return 0;
}
