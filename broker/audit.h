#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Audit: the record once more, for those who read the kernel's audit log
 *
 * Writing to that takes CAP_AUDIT_WRITE and a netlink socket, and the broker has neither. It tells
 * a helper that has nothing else, doorward-audit, what the journal has taken. That entry is the one
 * that counts: nothing here is waited for, or keeps a request from being granted. What the helper
 * does not take at once is dropped, and counted; the next message says how many there were.
 *
 * Without libaudit doorward is built without the helper, and audit-none.c is all of this.
 */

#include <sys/types.h>

#include "common/macros.h"

typedef struct Audit Audit;

/* path is where the helper listens; it is connected to when there is something to say. Without
 * audit *ret is NULL, which the others take. -ENOMEM. */
int audit_new(const char *path, Audit **ret) _must_check_;
Audit *audit_free(Audit *audit);

/* Tells of an entry that the journal has taken, if it is about a decision or an end. */
void audit_put(Audit *audit, const void *entry, size_t size);

DEFINE_CLEANUP(Audit *, audit_free);
