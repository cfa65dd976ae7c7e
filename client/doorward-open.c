/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/channel.h"
#include "client/export.h"
#include "client/open.h"

/* The exported functions of an open that does not block. */

static int raise_argument(int errnum, const char *message) {
        _cleanup_error_ doorward_error error = {};

        error_set(&error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_INVALID_ARG, errnum, "%s", message);
        error_raise(&error);
        return -1;
}

/* Each function but the one that frees begins with this. */
static bool check(const doorward_opening *opening) {
        error_begin();
        if (!opening)
                export_raise_conn(EINVAL, "Nothing that is being opened was given.", NULL);
        else if (opening->pid != getpid())
                export_raise_conn(ECHILD,
                                  "What is being opened belongs to the process that began it, and "
                                  "this is a child of it.",
                                  NULL);
        else if (opening->busy)
                (void)raise_argument(EBUSY, "What is being opened cannot be gone on with in its "
                                            "own callback.");
        else
                return true;

        return false;
}

static int start(const char *uri, const doorward_auth *auth, unsigned flags,
                 doorward_opening *opening, doorward_error *error) {
        ExportOpen open;
        int r;

        r = export_check_open(auth, flags, &open, error);
        return r < 0 ? r : open_init(opening, uri, open.access, open.auth, open.flags, error);
}

DOORWARD_EXPORT doorward_opening *doorward_open_start(const char *uri, const doorward_auth *auth,
                                                      unsigned flags) {
        _cleanup_error_ doorward_error error = {};
        doorward_opening *opening;
        int r;

        error_begin();
        opening = malloc(sizeof(*opening));
        if (!opening) {
                (void)error_no_memory(&error);
                error_raise(&error);
                return NULL;
        }

        *opening = (doorward_opening){.event_fd = -EBADF};
        r = start(uri, auth, flags, opening, &error);
        opening->pid = getpid();
        if (r < 0) {
                doorward_open_free(opening);
                error_raise(&error);
                return NULL;
        }

        return opening;
}

DOORWARD_EXPORT int doorward_open_get_event_fd(doorward_opening *opening) {
        _cleanup_error_ doorward_error error = {};
        int r;

        if (!check(opening))
                return -1;

        r = open_get_event_fd(opening, &error);
        if (r < 0)
                error_raise(&error);
        return r < 0 ? -1 : r;
}

DOORWARD_EXPORT int doorward_open_get_events(doorward_opening *opening) {
        Wait wait;

        if (!check(opening))
                return -1;

        wait_init(&wait);
        open_wait(opening, &wait);
        return wait.n_fds > 0 ? POLLIN : 0;
}

DOORWARD_EXPORT int doorward_open_get_timeout(doorward_opening *opening, long long *usec) {
        Wait wait;

        if (!check(opening))
                return -1;
        if (!usec)
                return raise_argument(EINVAL, "There is nowhere to write the time to.");

        wait_init(&wait);
        open_wait(opening, &wait);
        return wait_get_timeout(&wait, usec);
}

static int process(doorward_opening *opening) {
        _cleanup_error_ doorward_error error = {};
        int r;

        r = open_process(opening);
        if (r > 0 && open_arm(opening, &error) < 0) {
                /* The program would wait for ever. */
                open_give_up(opening, &error);
                r = 0;
        }

        return r;
}

DOORWARD_EXPORT int doorward_open_process(doorward_opening *opening) {
        int before, r;

        if (!check(opening))
                return -1;

        before = export_hold_cancel();
        opening->busy = true;
        r = process(opening);
        opening->busy = false;
        if (opening->abandoned) {
                doorward_open_free(opening);
                r = 0;
        }
        export_release_cancel(before);

        /* What failed in a callback is not this call's. */
        error_begin();
        return r;
}

DOORWARD_EXPORT int doorward_open_is_asking(doorward_opening *opening) {
        return check(opening) ? open_is_asking(opening) : -1;
}

/* NULL: to cancel. */
static const doorward_credential *answer_of(const doorward_credential *cred, unsigned ncred) {
        return ncred > 0 ? cred : NULL;
}

static int answer(doorward_opening *opening, const doorward_credential *cred, unsigned ncred) {
        _cleanup_error_ doorward_error error = {};
        int r;

        if (!check(opening))
                return -1;
        if (ncred > 1 || (ncred > 0 && !cred))
                return raise_argument(EINVAL, "One credential at a time is to be answered.");
        if (!open_is_asking(opening))
                return 1;

        r = open_answer(opening, answer_of(cred, ncred), &error);
        if (r == 0)
                r = open_arm(opening, &error);
        if (r < 0)
                error_raise(&error);
        return r < 0 ? -1 : 0;
}

DOORWARD_EXPORT int doorward_open_answer(doorward_opening *opening, doorward_credential *cred,
                                         unsigned ncred) {
        int r;

        r = answer(opening, cred, ncred);
        for (unsigned i = 0; cred && i < ncred; i++)
                auth_erase(&cred[i]);
        return r;
}

DOORWARD_EXPORT doorward_conn *doorward_open_finish(doorward_opening *opening) {
        _cleanup_error_ doorward_error error = {};
        doorward_conn *conn = NULL;

        if (!check(opening))
                return NULL;
        if (opening->state != OPEN_OVER || opening->taken) {
                (void)raise_argument(opening->taken ? EALREADY : EINPROGRESS,
                                     opening->taken ? "What came of this open was taken before."
                                                    : "This open is not over yet.");
                return NULL;
        }

        opening->taken = true;
        if (open_take(opening, &conn, &error) < 0)
                error_raise(&error);
        return conn;
}

DOORWARD_EXPORT void doorward_open_free(doorward_opening *opening) {
        int before;

        if (!opening)
                return;
        if (opening->busy && opening->pid == getpid()) {
                open_abandon(opening);
                return;
        }

        before = export_hold_cancel();
        open_deinit(opening, opening->pid != getpid());
        free(opening);
        export_release_cancel(before);
}
