/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/way.h"
#include "client/conn.h"
#include "client/remote.h"

static int local_new(const OpeningSpec *spec, void **ret, doorward_error *error) {
        Opening *opening;
        int r;

        r = opening_new(spec, &opening, error);
        if (r == 0)
                *ret = opening;
        return r;
}

static int local_process(void *attempt, doorward_conn **ret, doorward_error *error) {
        _cleanup_(opening_grant_deinit) OpeningGrant grant = OPENING_GRANT_NULL;
        Opening *opening = attempt;
        int r;

        r = opening_process(opening, &grant, error);
        if (r == OPENING_E_WAIT)
                return WAY_E_WAIT;

        return r < 0 ? r : conn_new_granted(&grant, opening_get_spec(opening), ret, error);
}

static void local_wait(const void *attempt, Wait *wait) {
        opening_wait(attempt, wait);
}

static bool local_is_asking(const void *attempt) {
        return opening_is_asking(attempt);
}

static int local_answer(void *attempt, const doorward_credential *cred, doorward_error *error) {
        return opening_answer(attempt, cred, error);
}

static void local_free(void *attempt, bool is_copy) {
        (void)opening_free(attempt, is_copy);
}

const Way way_local = {
        .new = local_new,
        .process = local_process,
        .wait = local_wait,
        .is_asking = local_is_asking,
        .answer = local_answer,
        .free = local_free,
};

const Way *way_of(const Uri *uri) {
        return uri_is_remote(uri) ? &way_remote : &way_local;
}
