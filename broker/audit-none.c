/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/audit.h"

int audit_new(const char *path, Audit **ret) {
        *ret = NULL;
        return 0;
}

Audit *audit_free(Audit *audit) {
        return NULL;
}

void audit_put(Audit *audit, const void *entry, size_t size) {}
