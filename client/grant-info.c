/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/grant-info.h"
#include "client/conn.h"

typedef struct GrantInfo {
        doorward_grant_info info;
        char texts[];
} GrantInfo;

/* The texts that are the connection's; the others are static. */
#define N_TEXTS 4

static void text_put(char **end, const char **ret, const char *text) {
        size_t n;

        if (!text)
                return;

        n = strlen(text) + 1;
        memcpy(*end, text, n);
        *ret = *end;
        *end += n;
}

doorward_grant_info *grant_info_new(const doorward_conn *conn) {
        const char *texts[N_TEXTS] = {conn->lease.id, conn->request_id, conn->action,
                                      conn->connect_as};
        size_t size = sizeof(GrantInfo);
        GrantInfo *block;
        char *end;

        for (size_t i = 0; i < N_TEXTS; i++)
                size += texts[i] ? strlen(texts[i]) + 1 : 0;
        block = calloc(1, size);
        if (!block)
                return NULL;

        block->info = (doorward_grant_info){
                .access = access_to_string((Access)conn->uri.access),
                .mode = lease_mode_to_string(conn->mode),
                .kept = conn->kept,
                .expires = conn->expires,
                .how = conn->how ? how_to_string((How)conn->how) : NULL,
                .ends_at_logout = conn->ends_at_logout,
        };
        end = block->texts;
        text_put(&end, &block->info.lease_id, conn->lease.id);
        text_put(&end, &block->info.request_id, conn->request_id);
        text_put(&end, &block->info.action_id, conn->action);
        text_put(&end, &block->info.connect_as, conn->connect_as);
        return &block->info;
}

DOORWARD_EXPORT void doorward_grant_info_free(doorward_grant_info *info) {
        free(info);
}
