/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <strings.h>
#include <sys/types.h>

#include "helpers/http-request.h"

/* "METHOD TARGET HTTP/1.1", with one space between two of them. */
static int start_split(const char *start, const char **ret_method, const char **ret_target,
                       const char **ret_version) {
        char *method = (char *)start, *target, *version;

        target = strchr(method, ' ');
        version = target ? strchr(target + 1, ' ') : NULL;
        if (!version || strpbrk(version + 1, " \t"))
                return -EBADMSG;
        *target++ = *version++ = 0;
        if (!http_token_is_valid(method) || !*target || strchr(target, '\t'))
                return -EBADMSG;

        *ret_method = method;
        *ret_target = target;
        *ret_version = version;
        return 0;
}

static int check_body(const HttpHead *head) {
        const char *value;
        size_t n;

        if (http_head_find(head, "Transfer-Encoding", &value) > 0)
                return HTTP_REQUEST_E_BODY;
        n = http_head_find(head, "Content-Length", &value);
        return n > 1 || (n == 1 && !streq(value, "0")) ? HTTP_REQUEST_E_BODY : 0;
}

/* What the fields named Connection say, one after the other. */
static int check_connection(const HttpHead *head, bool *ret_closes) {
        bool closes = false;

        for (size_t i = 0; i < head->n_fields; i++) {
                const char *list = head->fields[i].value, *word;
                size_t size;
                int r;

                if (strcasecmp(head->fields[i].name, "Connection") != 0)
                        continue;
                while ((r = http_list_next(&list, &word, &size)) == 0) {
                        if (http_word_is(word, size, "close"))
                                closes = true;
                        else if (!http_word_is(word, size, "keep-alive"))
                                return HTTP_REQUEST_E_UPGRADE;
                }
                if (r != -ENOENT)
                        return HTTP_REQUEST_E_MALFORMED;
        }

        *ret_closes = closes;
        return 0;
}

static int check_fields(const HttpHead *head, bool *ret_closes) {
        const char *value;
        int r;

        if (http_head_find(head, "Host", &value) != 1)
                return HTTP_REQUEST_E_MALFORMED;
        r = check_body(head);
        if (r != 0)
                return r;
        if (http_head_find(head, "Upgrade", &value) > 0)
                return HTTP_REQUEST_E_UPGRADE;
        if (http_head_find(head, "Expect", &value) > 0)
                return HTTP_REQUEST_E_EXPECT;
        return check_connection(head, ret_closes);
}

int http_request_parse(char *data, size_t size, HttpRequest *ret, const char **ret_method,
                       const char **ret_target) {
        const char *version;
        HttpHead head;
        int r;

        *ret_method = *ret_target = "";
        if (http_head_parse(data, size, &head) < 0 ||
            start_split(head.start, ret_method, ret_target, &version) < 0)
                return HTTP_REQUEST_E_MALFORMED;
        if (!streq(version, "HTTP/1.1"))
                return HTTP_REQUEST_E_VERSION;

        ret->head = streq(*ret_method, "HEAD");
        if (!ret->head && !streq(*ret_method, "GET"))
                return HTTP_REQUEST_E_METHOD;
        r = check_fields(&head, &ret->closes);
        if (r != 0)
                return r;

        return http_target_parse(*ret_target, &ret->target) < 0 ? HTTP_REQUEST_E_TARGET : 0;
}

ssize_t http_request_format(const HttpRequest *request, char *buf, size_t size) {
        char target[HTTP_REQUEST_MAX];
        int n;

        if (http_target_format(&request->target, target, sizeof(target)) < 0)
                return -EMSGSIZE;
        n = snprintf(buf, size,
                     "%s %s HTTP/1.1\r\n"
                     "Host: doorward\r\n"
                     "User-Agent: doorward-filter\r\n"
                     "Accept: application/json\r\n"
                     "Accept-Encoding: identity\r\n"
                     "\r\n",
                     request->head ? "HEAD" : "GET", target);
        return n >= 0 && (size_t)n < size ? n : -EMSGSIZE;
}
