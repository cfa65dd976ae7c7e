/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>

#include "client/uri-authority.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS "0123456789"

/* All of it of these letters, and the first of fewer. */
static bool is_word(const char *text, size_t max, const char *first, const char *others) {
        size_t n = strnlen(text, max + 1);

        return n > 0 && n <= max && strchr(first, text[0]) && strspn(text, others) == n;
}

bool uri_is_valid_user(const char *user) {
        return is_word(user, URI_USER_MAX, LETTERS, LETTERS DIGITS ".@\\+-") &&
               !strchr("\\@", user[strlen(user) - 1]);
}

static int parse_user(const UriInput *input, char *user, Uri *uri) {
        bool is_split = strchr(user, '@');

        if (escape_decode(user) < 0)
                return uri_input_fail_escape(input);
        if (is_split || (user[0] ? !uri_is_valid_user(user) : input->transport == URI_SSH)) {
                (void)uri_input_fail(input, "what stands before the @ is not the name of a user");
                uri_input_hint(input, "Names are of letters, digits and _.@\\+-, and begin with a "
                                      "letter or '_'; an @ in one is written %%40.");
                return -EINVAL;
        }

        uri->has_user = true;
        memcpy(uri->user, user, strlen(user) + 1);
        return 0;
}

static bool is_ipv6(const char *text) {
        struct in6_addr address;

        return inet_pton(AF_INET6, text, &address) == 1;
}

static int fail_host(const UriInput *input) {
        (void)uri_input_fail(input, "what stands before the endpoint is not the name of a host");
        uri_input_hint(input, "Names are of letters, digits and .-_, and begin with a letter, a "
                              "digit or '_'; an IPv6 address stands in brackets.");
        return -EINVAL;
}

static int parse_host(const UriInput *input, char *host, Uri *uri) {
        if (escape_decode(host) < 0)
                return uri_input_fail_escape(input);
        if (!host[0])
                return uri_input_fail(input, "there is no host in it");
        if (!is_word(host, URI_HOST_MAX, LETTERS DIGITS, LETTERS DIGITS ".-"))
                return fail_host(input);

        memcpy(uri->host, host, strlen(host) + 1);
        return 0;
}

/* "fe80::1", from between the brackets. */
static int parse_address(const UriInput *input, const char *address, Uri *uri) {
        if (strchr(address, '%')) {
                (void)uri_input_fail(input, "the zone of an address means something on one machine "
                                            "only");
                uri_input_hint(input, "Give the address a name in ~/.ssh/config, as in 'HostName "
                                      "fe80::1%%eth0', and write that name.");
                return -EINVAL;
        }
        if (!is_ipv6(address))
                return uri_input_fail(input, "what stands in brackets is not an IPv6 address");

        memcpy(uri->host, address, strlen(address) + 1);
        return 0;
}

/* A plain number: no sign, no leading zero. */
static int parse_port(const UriInput *input, const char *port, Uri *uri) {
        size_t n = strlen(port);
        unsigned long value = 0;

        if (n <= strlen("65535") && strspn(port, DIGITS) == n && port[0] != '0')
                value = strtoul(port, NULL, 10);
        if (value == 0 || value > UINT16_MAX)
                return uri_input_fail(input, "a port is a number from 1 to 65535");

        uri->port = (uint16_t)value;
        return 0;
}

/* "host", "host:22", "[::1]", "[::1]:22". */
static int parse_place(const UriInput *input, char *place, const char *endpoint, Uri *uri) {
        bool brackets = place[0] == '[';
        char *end = brackets ? strchr(place, ']') : strchrnul(place, ':');
        const char *port = NULL;
        int r;

        if (!brackets && strchr(place, ':') != strrchr(place, ':')) {
                r = fail_host(input);
                if (is_ipv6(place))
                        (void)uri_input_suggest(input, "doorward+ssh://%s%s[%s]/%s", uri->user,
                                                uri->has_user ? "@" : "", place, endpoint);
                return r;
        }
        if (!end || (brackets && end[1] && end[1] != ':'))
                return fail_host(input);

        if (brackets)
                *end++ = 0;
        if (*end) {
                *end = 0;
                port = end + 1;
        }

        r = brackets ? parse_address(input, place + 1, uri) : parse_host(input, place, uri);
        return r < 0 || !port ? r : parse_port(input, port, uri);
}

/* "//localhost/docker": somebody else's machine, or ours? */
static int fail_place(const UriInput *input, const char *place, const char *endpoint) {
        const char *scheme = uri_scheme(input->transport);
        bool is_ours = strncmp(place, "localhost", strlen("localhost")) == 0;

        if (input->transport == URI_EXT)
                (void)uri_input_fail(input, "its command leads to the machine: there is no host or "
                                            "user before the endpoint");
        else
                (void)uri_input_fail(input, "what is on this machine has no host before it");

        if (is_ours || input->transport != URI_LOCAL ||
            !uri_input_suggest(input, "doorward+ssh://%s/%s", place, endpoint))
                (void)uri_input_suggest(input, "%s:///%s", scheme, endpoint);
        return -EINVAL;
}

int uri_authority_parse(const UriInput *input, char *authority, const char *endpoint, Uri *uri) {
        bool is_ssh = input->transport == URI_SSH;
        char *at = strrchr(authority, '@'), *place = at ? at + 1 : authority;
        int r = 0;

        if (!is_ssh && (input->transport == URI_EXT ? authority[0] : place[0]))
                return fail_place(input, authority, endpoint);

        if (at) {
                *at = 0;
                r = parse_user(input, authority, uri);
        }

        return r < 0 || !is_ssh ? r : parse_place(input, place, endpoint, uri);
}
