#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entry: an event as the audit log has it
 *
 *   op=doorward:grant endpoint=libvirt access=full suid=1000 id=1000 spid=4711 sauid=1000 ses=3
 *   lease=... request=... reason=... lost=...
 *
 * The kernel puts pid, uid, auid and ses of who writes before that, which are the helper's own, and
 * libaudit exe, hostname, addr, terminal and res behind it. So whom it is about stands in the
 * fields that the audit field dictionary has for what one process says of another: suid, spid and
 * sauid (the user who logged in). id is as whom that was judged. Nobody's word is in any of them:
 * they are numbers, or of the alphabets of common/audit-protocol.h. What does not apply is left
 * out.
 *
 * A grant and a refusal are USER_ACCT, "user system access authorization". An end is TRUSTED_APP,
 * by which no program of audit's takes a login session to be over, as by USER_END.
 */

#include "common/audit-protocol.h"
#include "common/macros.h"

/* An entry at its longest, rounded up. */
#define AUDIT_ENTRY_SIZE 512

void audit_entry_format(const AuditEvent *event, char buf[AUDIT_ENTRY_SIZE]);

/* The message type of the kernel's, and whether it is a success. */
int audit_entry_get_type(const AuditEvent *event);
bool audit_entry_is_success(const AuditEvent *event);
