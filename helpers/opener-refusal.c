/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "helpers/opener-refusal.h"

int opener_refuse(OpenerReply *reply, OpenerStatus status, int error, const char *format, ...) {
        va_list args;
        int n;

        reply->status = status;
        reply->error = error;

        va_start(args, format);
        n = vsnprintf(reply->detail, sizeof(reply->detail), format, args);
        va_end(args);
        if (n < 0)
                reply->detail[0] = 0;

        for (char *c = reply->detail; *c; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';

        return (int)status;
}
