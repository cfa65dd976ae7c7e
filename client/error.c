/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <stdio.h>

#include "client/error.h"
#include "client/log.h"
#include "common/utf8.h"

/* Stands in for texts that there is no memory for; never freed, so compared by address. */
static char text_no_memory[] = "There is not enough memory.";
static char text_no_error[] = "no error";

static _Thread_local doorward_error last_error;

static struct {
        pthread_mutex_t mutex;
        doorward_error_func func;
        void *userdata;
} watcher = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t last_error_once = PTHREAD_ONCE_INIT;
static pthread_key_t last_error_key;
static bool last_error_has_key;

static const char *const code_words[] = {
        [DOORWARD_ERR_OK] = "ok",
        [DOORWARD_ERR_SYSTEM] = "system",
        [DOORWARD_ERR_INVALID_ARG] = "invalid-argument",
        [DOORWARD_ERR_INVALID_CONN] = "invalid-connection",
        [DOORWARD_ERR_BAD_URI] = "bad-uri",
        [DOORWARD_ERR_UNSUPPORTED] = "unsupported",
        [DOORWARD_ERR_NO_BROKER] = "no-broker",
        [DOORWARD_ERR_PROTOCOL] = "protocol",
        [DOORWARD_ERR_NO_ENDPOINT] = "no-endpoint",
        [DOORWARD_ERR_ACCESS_UNSUPPORTED] = "access-unsupported",
        [DOORWARD_ERR_DENIED] = "denied",
        [DOORWARD_ERR_AUTH_NEEDED] = "auth-needed",
        [DOORWARD_ERR_AUTH_FAILED] = "auth-failed",
        [DOORWARD_ERR_AUTH_CANCELLED] = "auth-cancelled",
        [DOORWARD_ERR_AUTH_UNAVAILABLE] = "auth-unavailable",
        [DOORWARD_ERR_POLICY_UNAVAILABLE] = "policy-unavailable",
        [DOORWARD_ERR_ENDPOINT_DOWN] = "endpoint-down",
        [DOORWARD_ERR_LIMIT] = "limit",
        [DOORWARD_ERR_TIMEOUT] = "timeout",
        [DOORWARD_ERR_NO_LEASE] = "no-lease",
        [DOORWARD_ERR_LEASE_ENDED] = "lease-ended",
};

static const char *const domain_words[] = {
        [DOORWARD_DOMAIN_NONE] = "none",         [DOORWARD_DOMAIN_LIBRARY] = "library",
        [DOORWARD_DOMAIN_SYSTEM] = "system",     [DOORWARD_DOMAIN_BROKER] = "broker",
        [DOORWARD_DOMAIN_POLICY] = "policy",     [DOORWARD_DOMAIN_AUTH] = "auth",
        [DOORWARD_DOMAIN_ENDPOINT] = "endpoint",
        [DOORWARD_DOMAIN_TRANSPORT] = "transport",
};

DOORWARD_EXPORT const char *doorward_error_code_to_string(int code) {
        return code >= 0 && (size_t)code < ELEMENTSOF(code_words) ? code_words[code] : "unknown";
}

DOORWARD_EXPORT const char *doorward_error_domain_to_string(int domain) {
        return domain >= 0 && (size_t)domain < ELEMENTSOF(domain_words) ? domain_words[domain]
                                                                        : "unknown";
}

/* Most errors are none, and have no texts. */
static void text_free(char *text) {
        if (text && text != text_no_memory)
                free(text);
}

static char *text_format(const char *format, va_list args) _printf_(1, 0);
static char *text_format(const char *format, va_list args) {
        char *text;

        if (vasprintf(&text, format, args) < 0)
                return NULL;

        utf8_clean(text, ERROR_TEXT_MAX);
        return text;
}

static void text_replace(char **text, const char *value) {
        char *copy;

        if (!value)
                return;

        copy = strdup(value);
        if (copy)
                utf8_clean(copy, ERROR_TEXT_MAX);
        text_free(*text);
        *text = copy;
}

void error_set(doorward_error *error, doorward_error_domain domain, doorward_error_code code,
               int errnum, const char *format, ...) {
        /* What the message is made of may be borrowed from the error that it replaces. */
        doorward_error earlier = *error;
        va_list args;

        *error = (doorward_error){.domain = (int)domain, .code = (int)code, .errnum = errnum};

        va_start(args, format);
        error->message = text_format(format, args);
        va_end(args);
        if (!error->message)
                error->message = text_no_memory;
        doorward_error_clear(&earlier);
}

void error_set_hint(doorward_error *error, const char *format, ...) {
        /* What the hint is made of may be borrowed from the one that it replaces. */
        char *earlier = error->hint;
        va_list args;

        va_start(args, format);
        error->hint = text_format(format, args);
        va_end(args);
        text_free(earlier);
}

void error_set_endpoint(doorward_error *error, const char *endpoint) {
        text_replace(&error->endpoint, endpoint);
}

void error_set_action(doorward_error *error, const char *action_id) {
        text_replace(&error->action_id, action_id);
}

void error_set_request(doorward_error *error, const char *request_id) {
        text_replace(&error->request_id, request_id);
}

void error_replace(doorward_error *error, doorward_error *by) {
        doorward_error earlier = *error;

        *error = *by;
        *by = (doorward_error){};
        if (!error->endpoint)
                error->endpoint = TAKE_PTR(earlier.endpoint);
        if (!error->action_id)
                error->action_id = TAKE_PTR(earlier.action_id);
        if (!error->request_id)
                error->request_id = TAKE_PTR(earlier.request_id);
        doorward_error_clear(&earlier);
}

int error_no_memory(doorward_error *error) {
        doorward_error_clear(error);
        *error = (doorward_error){
                .domain = DOORWARD_DOMAIN_SYSTEM,
                .code = DOORWARD_ERR_SYSTEM,
                .errnum = ENOMEM,
                .message = text_no_memory,
        };
        return -ENOMEM;
}

int error_system(doorward_error *error, int r, const char *what) {
        if (r == -ENOMEM)
                return error_no_memory(error);

        error_set(error, DOORWARD_DOMAIN_SYSTEM, DOORWARD_ERR_SYSTEM, -r, "%s: %s.", what,
                  strerrordesc_np(-r) ?: "unknown error");
        return r;
}

DOORWARD_EXPORT void doorward_error_clear(doorward_error *error) {
        if (!error)
                return;

        text_free(error->message);
        text_free(error->hint);
        text_free(error->endpoint);
        text_free(error->action_id);
        text_free(error->request_id);
        *error = (doorward_error){};
}

DOORWARD_EXPORT void doorward_error_free(doorward_error *error) {
        doorward_error_clear(error);
        free(error);
}

static bool text_copy(char **ret, const char *text) {
        *ret = text == text_no_memory ? text_no_memory : text ? strdup(text) : NULL;
        return *ret || !text;
}

static bool error_copy(doorward_error *ret, const doorward_error *from) {
        doorward_error copy = {.domain = from->domain, .code = from->code, .errnum = from->errnum};
        bool ok = true;

        ok = text_copy(&copy.message, from->message) && ok;
        ok = text_copy(&copy.hint, from->hint) && ok;
        ok = text_copy(&copy.endpoint, from->endpoint) && ok;
        ok = text_copy(&copy.action_id, from->action_id) && ok;
        ok = text_copy(&copy.request_id, from->request_id) && ok;

        if (!ok) {
                doorward_error_clear(&copy);
                return false;
        }

        *ret = copy;
        return true;
}

/* The key is there for what it does at the end of a thread; the value is the thread's last_error.
 */
static void last_error_destroy(void *value) {
        doorward_error_clear(value);
}

static void last_error_make_key(void) {
        last_error_has_key = pthread_key_create(&last_error_key, last_error_destroy) == 0;
}

bool error_is_denial(const doorward_error *error) {
        switch (error->code) {
        case DOORWARD_ERR_DENIED:
        case DOORWARD_ERR_AUTH_NEEDED:
        case DOORWARD_ERR_AUTH_FAILED:
        case DOORWARD_ERR_AUTH_CANCELLED:
        case DOORWARD_ERR_AUTH_UNAVAILABLE:
                return true;
        default:
                return false;
        }
}

void error_begin(void) {
        doorward_error_clear(&last_error);
}

void error_raise(doorward_error *error) {
        doorward_error_func func;
        void *userdata;

        (void)pthread_once(&last_error_once, last_error_make_key);
        if (last_error_has_key)
                (void)pthread_setspecific(last_error_key, &last_error);

        log_error(LOG_CATEGORY_ERROR, "%s [%s, %s, errno %d%s%s%s%s]", error->message,
                  doorward_error_domain_to_string(error->domain),
                  doorward_error_code_to_string(error->code), error->errnum,
                  error->request_id ? ", request " : "", error->request_id ?: "",
                  error->action_id ? ", action " : "", error->action_id ?: "");

        doorward_error_clear(&last_error);
        last_error = *error;
        *error = (doorward_error){};

        (void)pthread_mutex_lock(&watcher.mutex);
        func = watcher.func;
        userdata = watcher.userdata;
        (void)pthread_mutex_unlock(&watcher.mutex);

        if (func)
                func(userdata, &last_error);

        errno = last_error.errnum > 0 ? last_error.errnum : EIO;
}

DOORWARD_EXPORT const doorward_error *doorward_get_last_error(void) {
        return last_error.code != DOORWARD_ERR_OK ? &last_error : NULL;
}

DOORWARD_EXPORT int doorward_get_last_error_code(void) {
        return last_error.code;
}

DOORWARD_EXPORT int doorward_get_last_error_domain(void) {
        return last_error.domain;
}

DOORWARD_EXPORT const char *doorward_get_last_error_message(void) {
        return last_error.message ? last_error.message : text_no_error;
}

DOORWARD_EXPORT int doorward_copy_last_error(doorward_error *to) {
        if (!to || !error_copy(to, &last_error))
                return -1;

        return to->code;
}

DOORWARD_EXPORT doorward_error *doorward_save_last_error(void) {
        doorward_error *copy;

        if (last_error.code == DOORWARD_ERR_OK)
                return NULL;

        copy = calloc(1, sizeof(*copy));
        if (copy && !error_copy(copy, &last_error)) {
                free(copy);
                return NULL;
        }

        return copy;
}

DOORWARD_EXPORT void doorward_reset_last_error(void) {
        doorward_error_clear(&last_error);
}

DOORWARD_EXPORT void doorward_set_error_func(void *userdata, doorward_error_func func) {
        (void)pthread_mutex_lock(&watcher.mutex);
        watcher.func = func;
        watcher.userdata = userdata;
        (void)pthread_mutex_unlock(&watcher.mutex);
}
