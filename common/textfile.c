/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "common/textfile.h"

int textfile_read(const char *path, char *buf, size_t size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r = fd < 0 ? -errno : 1;
        size_t n = 0;

        while (r > 0 && n < size - 1) {
                ssize_t k = read(fd, buf + n, size - 1 - n);

                if (k > 0)
                        n += (size_t)k;
                else if (k == 0)
                        r = 0;
                else if (errno != EINTR)
                        r = -errno;
        }

        buf[n] = 0;
        if (r == 0 && memchr(buf, 0, n))
                return -EBADMSG;
        return r > 0 ? -EFBIG : r;
}
