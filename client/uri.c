/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/uri-authority.h"
#include "client/uri-query.h"
#include "common/nearest.h"

static const char *const schemes[_URI_TRANSPORT_MAX + 1] = {
        [URI_LOCAL] = "doorward",
        [URI_UNIX] = "doorward+unix",
        [URI_SSH] = "doorward+ssh",
        [URI_EXT] = "doorward+ext",
};

/* Of libvirt's URIs, which people of machines have at hand. */
static const char *const libvirt_schemes[] = {
        "bhyve", "ch", "esx", "hyperv", "lxc", "qemu", "remote", "test", "vbox", "vz", "xen",
};

const char *uri_scheme(UriTransport transport) {
        return schemes[transport];
}

/* Endpoints. */

/* The short form of the doorward command, in a URI: "doorward:///libvirt:ro". */
static void suggest_read_only(const UriInput *input) {
        size_t n = strlen(input->text);

        if (n > strlen(":ro") && streq(input->text + n - strlen(":ro"), ":ro"))
                (void)uri_input_suggest(input, "%.*s?access=read-only", (int)(n - strlen(":ro")),
                                        input->text);
}

static int fail_endpoint(const UriInput *input, const char *endpoint) {
        size_t n = strlen(endpoint);

        if (n == 0)
                return uri_input_fail(input, "there is no name in it");
        if (endpoint[n - 1] == '@') {
                (void)uri_input_fail(input, "an instance is missing behind the @");
                uri_input_hint(input, "Say which one is meant, as in serial@ttyUSB0; 'doorward "
                                      "list' shows what there can be.");
                return -EINVAL;
        }
        if (strchr(endpoint, '/'))
                return uri_input_fail(input, "an endpoint is a name, never a path");
        if (strchr(endpoint, '%'))
                return uri_input_fail(input, "a name has no escapes with %% in it");

        (void)uri_input_fail(input, "names are of lower-case letters, digits and hyphens, and an "
                                    "instance may follow an @");
        suggest_read_only(input);
        return -EINVAL;
}

static int parse_endpoint(const UriInput *input, const char *endpoint, Uri *uri) {
        Name name;

        if (name_parse(endpoint, &name) < 0)
                return fail_endpoint(input, endpoint);

        (void)name_to_string(&name, uri->endpoint);
        return 0;
}

/* Passwords. */

/* A colon, or what escapes one, in what stands before an @: "//bob:secret@/docker". */
static bool authority_has_password(const char *text) {
        const char *authority = strstr(text, "://"), *at;
        size_t n;

        if (!authority)
                return false;

        authority += 3;
        n = strcspn(authority, "/");
        at = memrchr(authority, '@', n);
        if (!at)
                return false;

        for (const char *c = authority; c < at; c++)
                if (*c == ':' || strncasecmp(c, "%3a", 3) == 0)
                        return true;
        return false;
}

static bool query_has_password(const char *text) {
        static const char *const names[] = {"pass", "passphrase", "passwd", "password", "pwd"};
        const char *parameter = text;

        while ((parameter = strpbrk(parameter, "?&"))) {
                size_t n = strcspn(++parameter, "=");

                for (size_t i = 0; parameter[n] && i < ELEMENTSOF(names); i++)
                        if (n == strlen(names[i]) && strncasecmp(parameter, names[i], n) == 0)
                                return true;
        }

        return false;
}

/* It is not even repeated: errors are shown and kept. */
static int fail_password(const UriInput *input) {
        if (input->error) {
                error_set(input->error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                          "A password never stands in a URI.");
                error_set_hint(input->error, "It is asked for when it is needed; leave it out, and "
                                             "change it if others may have seen it.");
        }

        return -EINVAL;
}

/* Schemes and slashes. */

static bool is_libvirts(const char *scheme) {
        size_t n = strcspn(scheme, "+");

        for (size_t i = 0; i < ELEMENTSOF(libvirt_schemes); i++)
                if (n == strlen(libvirt_schemes[i]) && memcmp(scheme, libvirt_schemes[i], n) == 0)
                        return true;

        return false;
}

/* rest follows the colon. */
static int fail_scheme(const UriInput *input, const char *scheme, const char *rest) {
        const char *meant = streq(scheme, "ssh") ? schemes[URI_SSH] : nearest_find(scheme, schemes);

        (void)uri_input_fail(input, "the word before the colon is not known");

        /* The short form of the doorward command. */
        if (streq(rest, "ro") &&
            uri_input_suggest(input, "%s:///%s?access=read-only", schemes[URI_LOCAL], scheme))
                return -EINVAL;
        if (meant && (uri_input_suggest(input, "%s:%s", meant, rest) ||
                      uri_input_suggest(input, "%s:///%s", meant, rest + strspn(rest, "/"))))
                return -EINVAL;

        if (is_libvirts(scheme))
                uri_input_hint(input, "That is a URI of libvirt's; the endpoint through which "
                                      "libvirt is reached is doorward:///libvirt.");
        else if (strncmp(scheme, "doorward+", strlen("doorward+")) == 0)
                uri_input_hint(input, "What follows doorward+ is unix, ssh or ext.");
        return -EINVAL;
}

/* hierarchy has fewer slashes than it should: "//docker", "docker". */
static int fail_slashes(const UriInput *input, const char *hierarchy) {
        const char *rest = hierarchy + strspn(hierarchy, "/");
        const char *scheme = uri_scheme(input->transport);

        if (input->transport != URI_SSH) {
                (void)uri_input_fail(input, "three slashes follow the colon");
                (void)uri_input_suggest(input, "%s:///%s", scheme, rest);
                return -EINVAL;
        }

        if (strncmp(hierarchy, "//", 2) == 0)
                return uri_input_fail(input, "there is no endpoint behind the host");

        (void)uri_input_fail(input, "two slashes and a host follow the colon");
        (void)uri_input_suggest(input, "%s://%s", scheme, rest);
        return -EINVAL;
}

/* What follows the scheme and its colon, without the query: "///docker". */
static int parse_hierarchy(const UriInput *input, char *hierarchy, Uri *uri) {
        char *endpoint;
        int r;

        endpoint = strncmp(hierarchy, "//", 2) == 0 ? strchr(hierarchy + 2, '/') : NULL;
        if (!endpoint)
                return fail_slashes(input, hierarchy);

        *endpoint++ = 0;
        r = uri_authority_parse(input, hierarchy + 2, endpoint, uri);
        if (r < 0)
                return r;
        if (escape_decode(endpoint) < 0)
                return uri_input_fail_escape(input);

        return parse_endpoint(input, endpoint, uri);
}

/* "docker?access=full": what is meant is plain, if it is anything. */
static int parse_short(const UriInput *input, const char *endpoint, char *query, Uri *uri) {
        int r;

        r = parse_endpoint(input, endpoint, uri);
        if (r < 0 || !query)
                return r;
        r = uri_query_parse(input, query, uri);
        if (r < 0)
                return r;

        (void)uri_input_fail(input, "parameters belong to the long form");
        (void)uri_input_suggest(input, "%s:///%s", schemes[URI_LOCAL], endpoint);
        return -EINVAL;
}

/* copy is the parser's to write in. */
static int parse(UriInput *input, char *copy, Uri *uri) {
        char *query = strchr(copy, '?'), *colon;
        int transport = 0, r;

        if (query)
                *query++ = 0;
        colon = strchr(copy, ':');
        if (!colon)
                return parse_short(input, copy, query, uri);

        *colon = 0;
        while (transport < _URI_TRANSPORT_MAX && !streq(copy, schemes[transport]))
                transport++;
        if (transport == _URI_TRANSPORT_MAX)
                return fail_scheme(input, copy, colon + 1);

        uri->transport = input->transport = (UriTransport)transport;
        r = parse_hierarchy(input, colon + 1, uri);
        return r < 0 ? r : uri_query_parse(input, query, uri);
}

int uri_parse(const char *text, Uri *ret, doorward_error *error) {
        UriInput input = {.text = text, .error = error};
        _cleanup_free_ char *copy = NULL;
        Uri uri = {};
        int r;

        if (authority_has_password(text) || query_has_password(text))
                return fail_password(&input);
        if (strnlen(text, URI_MAX + 1) > URI_MAX)
                return uri_input_fail(&input, "it is too long");
        for (const char *c = text; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return uri_input_fail(&input, "it holds spaces, controls or letters with "
                                                      "marks");
        if (strchr(text, '#'))
                return uri_input_fail(&input, "there is nothing that a # could choose");

        copy = strdup(text);
        if (!copy)
                return error ? error_no_memory(error) : -ENOMEM;

        r = parse(&input, copy, &uri);
        if (r == 0)
                *ret = uri;
        return r;
}

const char *uri_to_string(const Uri *uri, char buf[URI_TEXT_SIZE]) {
        char user[ESCAPE_SIZE(URI_USER_MAX)], port[8] = "";
        bool brackets = strchr(uri->host, ':');
        size_t n;

        if (uri->port > 0)
                (void)snprintf(port, sizeof(port), ":%u", (unsigned)uri->port);
        (void)snprintf(buf, URI_TEXT_SIZE, "%s://%s%s%s%s%s%s/%s", schemes[uri->transport],
                       escape_encode(uri->user, URI_USER_MAX, user), uri->has_user ? "@" : "",
                       brackets ? "[" : "", uri->host, brackets ? "]" : "", port, uri->endpoint);

        n = strlen(buf);
        uri_query_write(uri, buf + n, URI_TEXT_SIZE - n);
        return buf;
}
