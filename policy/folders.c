/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy/folders.h"
#include "config.h"
#include "policy/strv.h"

int folders_list(const char *root, const char *suffix, char ***ret) {
        static const char *const folders[FOLDERS_MAX] = {
                SYSCONFDIR "/doorward",
                "/run/doorward",
                "/usr/local/lib/doorward",
                PACKAGE_DIR,
        };
        _cleanup_(strv_freep) char **list = NULL;

        for (size_t i = 0; i < FOLDERS_MAX; i++) {
                _cleanup_free_ char *path = strv_format("%s%s%s", root, folders[i], suffix);
                int r;

                if (!path)
                        return -ENOMEM;
                /* With a prefix of /usr/local the last two are one. */
                if (strv_contains(list, path))
                        continue;
                r = strv_push(&list, path);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(list);
        return 0;
}
