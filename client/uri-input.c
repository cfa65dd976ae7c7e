/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/uri-input.h"

/* How much of what was written is repeated to whoever wrote it. */
#define QUOTE_MAX 100

static const char *const forms[_URI_TRANSPORT_MAX] = {
        [URI_LOCAL] = "Write it as doorward:///ENDPOINT; 'doorward list' shows which endpoints "
                      "there are.",
        [URI_UNIX] = "Write it as doorward+unix:///ENDPOINT?socket=PATH.",
        [URI_SSH] = "Write it as doorward+ssh://HOST/ENDPOINT, with USER@ before the host and "
                    ":PORT behind it where they are needed.",
        [URI_EXT] = "Write it as doorward+ext:///ENDPOINT?command=PATH.",
};

/* Where something begins that may be a password, of a kind of URI that none of ours is: between a
 * colon and an @, whatever stands there beside. NULL if nothing does. */
static const char *find_secret(const char *text) {
        const char *colon = strchr(text, ':');

        /* That of a scheme. */
        if (colon && (colon[1] == '/' || strncmp(text, "doorward", strlen("doorward")) == 0))
                colon = strchr(colon + 1, ':');
        return colon && strchr(colon, '@') ? colon + 1 : NULL;
}

int uri_input_fail(const UriInput *input, const char *format, ...) {
        const char *secret = find_secret(input->text);
        char why[256];
        va_list args;
        int n;

        if (!input->error)
                return -EINVAL;

        va_start(args, format);
        (void)vsnprintf(why, sizeof(why), format, args);
        va_end(args);

        n = secret && secret - input->text < QUOTE_MAX ? (int)(secret - input->text) : QUOTE_MAX;
        error_set(input->error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "\"%.*s%s\" does not name an endpoint: %s.", n, input->text, secret ? "..." : "",
                  why);
        error_set_hint(input->error, "%s", forms[input->transport]);
        return -EINVAL;
}

int uri_input_fail_escape(const UriInput *input) {
        return uri_input_fail(input, "behind a %% stand two hexadecimal digits, and not 00");
}

void uri_input_hint(const UriInput *input, const char *format, ...) {
        char hint[ERROR_TEXT_MAX];
        va_list args;

        if (!input->error)
                return;

        va_start(args, format);
        (void)vsnprintf(hint, sizeof(hint), format, args);
        va_end(args);
        error_set_hint(input->error, "%s", hint);
}

/* What is longer than a hint would be cut in it. */
bool uri_input_suggest(const UriInput *input, const char *format, ...) {
        const char *query = strchrnul(input->text, '?');
        char text[ERROR_TEXT_MAX - 32];
        size_t n, size;
        va_list args;
        Uri uri;
        int r;

        if (!input->error || find_secret(input->text))
                return false;

        va_start(args, format);
        r = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (r < 0 || (size_t)r >= sizeof(text))
                return false;

        n = (size_t)r;
        size = sizeof(text) - n;
        if (snprintf(text + n, size, "%s", query) >= (int)size || uri_parse(text, &uri, NULL) < 0) {
                text[n] = 0;
                if (uri_parse(text, &uri, NULL) < 0)
                        return false;
        }

        uri_input_hint(input, "Did you mean %s?", text);
        return true;
}
