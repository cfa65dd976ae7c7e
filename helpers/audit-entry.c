/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include <libaudit.h>

#include "helpers/audit-entry.h"

static const char *const operations[_AUDIT_TYPE_MAX] = {
        [AUDIT_TYPE_GRANT] = "grant",
        [AUDIT_TYPE_REFUSAL] = "refuse",
        [AUDIT_TYPE_END] = "end",
};

_printf_(2, 3) static void append(char buf[AUDIT_ENTRY_SIZE], const char *format, ...);

static void append(char buf[AUDIT_ENTRY_SIZE], const char *format, ...) {
        size_t n = strlen(buf);
        va_list args;

        va_start(args, format);
        (void)vsnprintf(buf + n, AUDIT_ENTRY_SIZE - n, format, args);
        va_end(args);
}

static void append_text(char buf[AUDIT_ENTRY_SIZE], const char *name, const char *value) {
        if (value[0])
                append(buf, " %s=%s", name, value);
}

static void append_number(char buf[AUDIT_ENTRY_SIZE], const char *name, uint32_t value) {
        if (value != AUDIT_PROTOCOL_UNSET)
                append(buf, " %s=%u", name, (unsigned)value);
}

void audit_entry_format(const AuditEvent *event, char buf[AUDIT_ENTRY_SIZE]) {
        buf[0] = 0;
        append(buf, "op=doorward:%s", operations[event->type]);
        append_text(buf, "endpoint", event->endpoint);
        append_text(buf, "access", event->access > 0 ? access_to_string(event->access) : "");
        append_number(buf, "suid", event->uid);
        append_number(buf, "id", event->identity);
        append_number(buf, "spid", event->pid);
        append_number(buf, "sauid", event->login);
        append_number(buf, "ses", event->session);
        append_text(buf, "lease", event->lease);
        append_text(buf, "request", event->request);
        append_text(buf, "reason", event->reason);
        if (event->lost > 0)
                append_number(buf, "lost", event->lost);
}

int audit_entry_get_type(const AuditEvent *event) {
        return event->type == AUDIT_TYPE_END ? AUDIT_TRUSTED_APP : AUDIT_USER_ACCT;
}

bool audit_entry_is_success(const AuditEvent *event) {
        return event->type != AUDIT_TYPE_REFUSAL;
}
