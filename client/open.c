/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/open.h"
#include "client/channel.h"
#include "client/conn.h"
#include "client/log.h"
#include "client/naming.h"

/* Whom ssh is to log in as, its own affair, is none of this machine's users. */
static bool wants_proof(const Uri *uri) {
        return uri->has_user && !uri_is_remote(uri);
}

/* To be somebody else is to prove it, and nobody can be asked to. */
static int fail_unasked(doorward_error *error, const Uri *uri) {
        error_set(error, DOORWARD_DOMAIN_AUTH, DOORWARD_ERR_AUTH_NEEDED, EACCES,
                  "To open %s as %s a password is needed, and nobody may be asked for it.",
                  uri->endpoint, uri->user[0] ? uri->user : "another user");
        error_set_hint(error, "Leave the user out, or open it where a password may be asked for: a "
                              "command on a terminal, a program by doorward_open_auth().");
        return -EACCES;
}

/* Whether it was for want of permission that it was refused. */
static bool is_refusal(const doorward_error *error) {
        return error->code == DOORWARD_ERR_ACCESS_UNSUPPORTED || error_is_denial(error);
}

/* The beginning. */

static int open_begin(doorward_opening *open, doorward_error *error) {
        return open->way->new (&open->spec, &open->attempt, error);
}

int open_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) {
        unsigned naming_flags = 0;

        if (flags & CONN_NO_ALIASES)
                naming_flags |= NAMING_NO_ALIASES;
        if (flags & CONN_LOCAL_ONLY)
                naming_flags |= NAMING_LOCAL_ONLY;

        return naming_resolve(text, naming_flags, ret, error);
}

static void open_log(const doorward_opening *open) {
        /* The buffer is one only where a line is written: it would be cleared in any case. */
        log_debug(LOG_CATEGORY_URI, "Opening %s%s%s%s; %s",
                  uri_to_string(&open->uri, (char[URI_TEXT_SIZE]){}),
                  open->spec.detached ? ", detached" : "", open->spec.hold ? ", to hold" : "",
                  open->may_fall_back ? ", or else read-only" : "",
                  open->spec.auth ? "people may be asked" : "nobody is asked");
}

static int open_look(doorward_opening *open, Access access, doorward_error *error) {
        Uri *uri = &open->uri;
        int r;

        /* What the URI says is what is wanted. */
        open->may_fall_back = open->may_fall_back && uri->access == 0 && access == ACCESS_FULL;
        r = conn_set_access(uri, access, error);
        if (r < 0)
                return r;

        open->way = way_of(uri);
        open_log(open);
        r = wants_proof(uri) && !open->spec.auth ? fail_unasked(error, uri)
                                                 : open_begin(open, error);
        if (r < 0)
                error_set_endpoint(error, uri->endpoint);
        return r;
}

int open_init(doorward_opening *open, const char *text, Access access, const doorward_auth *auth,
              unsigned flags, doorward_error *error) {
        int r;

        *open = (doorward_opening){
                .state = OPEN_ASK,
                .may_fall_back = flags & CONN_FALL_BACK,
                .auth = auth ? *auth : (doorward_auth){},
                .spec =
                        {
                                .uri = &open->uri,
                                .auth = auth ? &open->auth : NULL,
                                .detached = flags & CONN_DETACHED,
                                .hold = flags & CONN_HOLD,
                                .deadline = channel_deadline(auth ? WIRE_TIMEOUT_INTERACTIVE_MS
                                                                  : WIRE_TIMEOUT_MS),
                        },
                .event_fd = -EBADF,
        };

        r = open_resolve(text, flags, &open->uri, error);
        if (r == NAMING_E_NONE) {
                open->state = OPEN_LIST;
                listing_init(&open->listing);
                return 0;
        }

        return r < 0 ? r : open_look(open, access, error);
}

/* What there is to be done. Each returns 1 if something is to be waited for. */

static void open_end(doorward_opening *open, int r, doorward_error *error) {
        open->state = OPEN_OVER;
        open->result = r;
        error_replace(&open->error, error);
        if (r < 0 && open->uri.endpoint[0])
                error_set_endpoint(&open->error, open->uri.endpoint);
}

static int open_list(doorward_opening *open) {
        _cleanup_error_ doorward_error error = {};
        int r;

        r = listing_process(&open->listing, &error);
        if (r > 0)
                return 1;

        open_end(open, r, &error);
        return 0;
}

/* Who has dismissed a prompt is not asked again. */
static bool open_falls_back(const doorward_opening *open, const doorward_error *error) {
        return open->may_fall_back && !open->abandoned && is_refusal(error) &&
               (error->code != DOORWARD_ERR_AUTH_CANCELLED || !wants_proof(&open->uri));
}

static void open_fall_back(doorward_opening *open, int r, doorward_error *refused) {
        _cleanup_error_ doorward_error error = {};

        log_info(LOG_CATEGORY_CONN, "Full access to %s was refused (%s): read-only is asked for",
                 open->uri.endpoint, doorward_error_code_to_string(refused->code));
        if (refused->code == DOORWARD_ERR_AUTH_CANCELLED)
                open->spec.auth = NULL;
        open_end(open, r, refused);

        open->uri.access = ACCESS_READ_ONLY;
        open->way->free(open->attempt, false);
        open->attempt = NULL;
        r = open_begin(open, &error);
        if (r == 0)
                open->state = OPEN_FALL_BACK;
}

/* Where both are refused, it is the first refusal that people want to know of, unless it was that
 * there is no full access at all. */
static void open_fell_back(doorward_opening *open, int r, doorward_error *error) {
        open->state = OPEN_OVER;
        open->result = r;
        if (r == 0)
                doorward_error_clear(&open->error);
        else if (open->error.code == DOORWARD_ERR_ACCESS_UNSUPPORTED)
                error_replace(&open->error, error);
}

static int open_ask(doorward_opening *open) {
        _cleanup_error_ doorward_error error = {};
        int r;

        r = open->way->process(open->attempt, &open->conn, &error);
        if (r == WAY_E_WAIT)
                return 1;

        if (open->state == OPEN_FALL_BACK)
                open_fell_back(open, r, &error);
        else if (r < 0 && open_falls_back(open, &error))
                open_fall_back(open, r, &error);
        else
                open_end(open, r, &error);
        return 0;
}

int open_process(doorward_opening *open) {
        int r = 0;

        while (r == 0)
                switch (open->state) {
                case OPEN_LIST:
                        r = open_list(open);
                        break;
                case OPEN_ASK:
                case OPEN_FALL_BACK:
                        r = open_ask(open);
                        break;
                case OPEN_OVER:
                        return 0;
                }

        return r;
}

/* Waiting. */

void open_wait(const doorward_opening *open, Wait *wait) {
        switch (open->state) {
        case OPEN_LIST:
                listing_wait(&open->listing, wait);
                break;
        case OPEN_ASK:
        case OPEN_FALL_BACK:
                open->way->wait(open->attempt, wait);
                break;
        case OPEN_OVER:
                wait_add_deadline(wait, 0);
                break;
        }
}

int open_arm(doorward_opening *open, doorward_error *error) {
        Wait wait;
        int r;

        if (open->event_fd < 0)
                return 0;

        wait_init(&wait);
        open_wait(open, &wait);
        r = wait_fd_arm(open->event_fd, &wait);
        return r < 0 ? error_system(error, r, "What is opened cannot be waited for") : 0;
}

int open_get_event_fd(doorward_opening *open, doorward_error *error) {
        int r = open->event_fd;

        if (r < 0) {
                r = wait_fd_new();
                if (r < 0)
                        return error_system(error, r, "No descriptor can be made to wait with");
                open->event_fd = r;
        }

        r = open_arm(open, error);
        return r < 0 ? r : open->event_fd;
}

bool open_is_asking(const doorward_opening *open) {
        return (open->state == OPEN_ASK || open->state == OPEN_FALL_BACK) &&
               open->way->is_asking(open->attempt);
}

int open_answer(doorward_opening *open, const doorward_credential *cred, doorward_error *error) {
        return open->way->answer(open->attempt, cred, error);
}

int open_block(doorward_opening *open, doorward_conn **ret, doorward_error *error) {
        while (open_process(open) > 0) {
                Wait wait;
                int r;

                if (open_is_asking(open))
                        return auth_fail_program(error, "put its answer off, and only in what "
                                                        "doorward_open_start() began can it be "
                                                        "given later");

                wait_init(&wait);
                open_wait(open, &wait);
                r = wait_block(&wait);
                if (r < 0)
                        return error_system(error, r, "Waiting failed");
        }

        return open_take(open, ret, error);
}

/* The end. */

void open_abandon(doorward_opening *open) {
        open->abandoned = true;
        auth_withdraw(&open->auth);
}

void open_give_up(doorward_opening *open, doorward_error *error) {
        open_end(open, -EIO, error);
}

int open_take(doorward_opening *open, doorward_conn **ret, doorward_error *error) {
        if (open->result < 0) {
                error_replace(error, &open->error);
                return open->result;
        }

        *ret = TAKE_PTR(open->conn);
        return 0;
}

void open_deinit(doorward_opening *open, bool is_copy) {
        if (open->attempt)
                open->way->free(open->attempt, is_copy);
        listing_deinit(&open->listing, is_copy);
        if (open->conn)
                (void)conn_unref(open->conn);
        doorward_error_clear(&open->error);
        close_fd(open->event_fd);
}
