/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/uri.h"
#include "common/nearest.h"

#define SCHEME "doorward"
#define USER_PREFIX SCHEME "://"
#define LOCAL_PREFIX USER_PREFIX "/"
#define PARAMETER_ACCESS "access"
/* How much of what was written is repeated to whoever wrote it. */
#define QUOTE "\"%.100s\""

/* What later versions serve. */
static const char *const later_schemes[] = {
        SCHEME "+ext",
        SCHEME "+ssh",
        SCHEME "+unix",
};

/* What others call the two accesses. */
static const struct {
        const char *word;
        Access access;
} access_synonyms[] = {
        {"r", ACCESS_READ_ONLY},
        {"read", ACCESS_READ_ONLY},
        {"readonly", ACCESS_READ_ONLY},
        {"read_only", ACCESS_READ_ONLY},
        {"ro", ACCESS_READ_ONLY},
        {"all", ACCESS_FULL},
        {"rw", ACCESS_FULL},
        {"read-write", ACCESS_FULL},
        {"readwrite", ACCESS_FULL},
        {"write", ACCESS_FULL},
};

static int fail(doorward_error *error, const char *text, const char *why) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  QUOTE " does not name an endpoint: %s.", text, why);
        error_set_hint(error, "Write it as " LOCAL_PREFIX "ENDPOINT; 'doorward list' shows which "
                              "endpoints there are.");
        return -EINVAL;
}

static int fail_later(doorward_error *error, const char *text, const char *what) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_UNSUPPORTED, EOPNOTSUPP,
                  QUOTE " cannot be opened: this version does not support %s.", text, what);
        error_set_hint(error, "Endpoints of this machine are written " LOCAL_PREFIX "ENDPOINT.");
        return -EOPNOTSUPP;
}

/* "Did you mean", if what is suggested would at least be a name. */
static void suggest_endpoint(doorward_error *error, const char *endpoint, const char *rest) {
        Name name;

        if (name_parse(endpoint, &name) == 0)
                error_set_hint(error, "Did you mean " LOCAL_PREFIX "%s%s?", endpoint, rest);
}

static int parse_endpoint(const char *text, const char *endpoint, Uri *uri, doorward_error *error) {
        size_t n = strlen(endpoint);
        Name name;

        if (name_parse(endpoint, &name) == 0) {
                (void)name_to_string(&name, uri->endpoint);
                return 0;
        }

        if (n == 0)
                return fail(error, text, "there is no name in it");
        if (endpoint[n - 1] == '@') {
                (void)fail(error, text, "an instance is missing behind the @");
                error_set_hint(error, "Say which one is meant, as in serial@ttyUSB0; 'doorward "
                                      "list' shows what there can be.");
                return -EINVAL;
        }
        if (strchr(endpoint, '/'))
                return fail(error, text, "an endpoint is a name, never a path");
        if (strchr(endpoint, '%'))
                return fail(error, text, "escapes with % are not used in names");

        return fail(error, text,
                    "names are of lower-case letters, digits and hyphens, and an instance may "
                    "follow an @");
}

static int parse_access(const char *text, const char *value, Uri *uri, doorward_error *error) {
        const char *const accesses[] = {access_to_string(ACCESS_READ_ONLY),
                                        access_to_string(ACCESS_FULL), NULL};
        int access = access_from_string(value);
        const char *near;

        if (access > 0) {
                uri->access = access;
                return 0;
        }

        (void)fail(error, text, "access is full or read-only, and nothing else");

        for (size_t i = 0; access < 0 && i < ELEMENTSOF(access_synonyms); i++)
                if (streq(value, access_synonyms[i].word))
                        access = (int)access_synonyms[i].access;
        near = access > 0 ? access_to_string((Access)access) : nearest_find(value, accesses);
        if (near)
                error_set_hint(error, "Did you mean " PARAMETER_ACCESS "=%s?", near);
        return -EINVAL;
}

static int parse_parameter(const char *text, char *parameter, Uri *uri, doorward_error *error) {
        static const char *const parameters[] = {PARAMETER_ACCESS, NULL};
        char *equals = strchr(parameter, '=');

        if (!equals)
                return fail(error, text, "a parameter is written NAME=VALUE");
        *equals = 0;

        if (!streq(parameter, PARAMETER_ACCESS)) {
                (void)fail(error, text, "it has a parameter that is not known here");
                if (nearest_find(parameter, parameters) || streq(parameter, "mode"))
                        error_set_hint(error, "Did you mean " PARAMETER_ACCESS "= rather than %s=?",
                                       parameter);
                else
                        error_set_hint(error, "The only one is " PARAMETER_ACCESS
                                              "=full or " PARAMETER_ACCESS "=read-only.");
                return -EINVAL;
        }
        if (uri->access != 0)
                return fail(error, text, "it says twice which access it wants");

        return parse_access(text, equals + 1, uri, error);
}

static int parse_query(const char *text, char *query, Uri *uri, doorward_error *error) {
        char *parameter;
        int r = 0;

        while (r == 0 && (parameter = strsep(&query, "&")))
                r = parse_parameter(text, parameter, uri, error);

        return r;
}

bool uri_is_valid_user(const char *user) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
        static const char others[] = "0123456789.-";
        size_t n = strlen(user);

        if (n == 0 || n > URI_USER_MAX || !strchr(letters, user[0]))
                return false;

        for (const char *c = user; *c; c++)
                if (!strchr(letters, *c) && !strchr(others, *c))
                        return false;

        return true;
}

/* "doorward://bob:secret@/docker". */
static bool holds_password(const char *text) {
        const char *authority = strstr(text, "://");
        size_t n = authority ? strcspn(authority + 3, "/") : 0;
        const char *colon = n > 0 ? memchr(authority + 3, ':', n) : NULL;

        return colon && memchr(colon, '@', n - (size_t)(colon - authority - 3));
}

/* It is not even repeated: errors are shown and kept. */
static int fail_password(doorward_error *error) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "A password never stands in a URI.");
        error_set_hint(error, "It is asked for when it is needed; leave it out, and change it if "
                              "others may have seen it.");
        return -EINVAL;
}

static int parse_user(const char *text, const char *user, Uri *uri, doorward_error *error) {
        if (user[0] && !uri_is_valid_user(user)) {
                (void)fail(error, text, "what stands before the @ is not the name of a user");
                error_set_hint(error, "Names are of letters, digits, '_', '.' and '-', and begin "
                                      "with a letter or '_'.");
                return -EINVAL;
        }

        uri->has_user = true;
        memcpy(uri->user, user, strlen(user) + 1);
        return 0;
}

/* What stands before the endpoint in a URI with a host or a user: "bob@" of "//bob@/docker". It is
 * the parser's to write in. */
static int parse_authority(const char *text, char *authority, const char *endpoint, Uri *uri,
                           doorward_error *error) {
        char *at = strrchr(authority, '@');

        if (!authority[0])
                return 0;
        if (at && !at[1]) {
                *at = 0;
                return parse_user(text, authority, uri, error);
        }

        (void)fail(error, text, "what is on this machine has no host before it");
        suggest_endpoint(error, endpoint, "");
        return -EINVAL;
}

/* What follows the scheme and its colon, without the query: "///docker". */
static int parse_hierarchy(const char *text, char *hierarchy, Uri *uri, doorward_error *error) {
        char *authority, *endpoint;
        int r;

        endpoint = strncmp(hierarchy, "//", 2) == 0 ? strchr(hierarchy + 2, '/') : NULL;
        if (!endpoint) {
                (void)fail(error, text, "three slashes follow the colon");
                suggest_endpoint(error, hierarchy + strspn(hierarchy, "/"), "");
                return -EINVAL;
        }

        authority = hierarchy + 2;
        *endpoint++ = 0;
        r = parse_authority(text, authority, endpoint, uri, error);
        return r < 0 ? r : parse_endpoint(text, endpoint, uri, error);
}

/* The scheme is none of ours, or none of this version's. */
static int fail_scheme(const char *text, const char *scheme, const char *rest,
                       doorward_error *error) {
        static const char *const schemes[] = {SCHEME, NULL};

        for (size_t i = 0; i < ELEMENTSOF(later_schemes); i++)
                if (streq(scheme, later_schemes[i]))
                        return fail_later(error, text, later_schemes[i]);

        (void)fail(error, text, "the word before the colon is not known");

        /* The short form of the doorward command. */
        if (streq(rest, "ro"))
                suggest_endpoint(error, scheme, "?" PARAMETER_ACCESS "=read-only");
        else if (nearest_find(scheme, schemes))
                suggest_endpoint(error, rest + strspn(rest, "/"), "");
        return -EINVAL;
}

/* "docker?access=full": what is meant is plain, if it is anything. */
static int fail_short(const char *text, char *query, Uri *uri, doorward_error *error) {
        char buf[URI_TEXT_SIZE];
        int r;

        r = parse_query(text, query, uri, error);
        if (r < 0)
                return r;

        (void)fail(error, text, "parameters belong to the long form");
        error_set_hint(error, "Did you mean %s?", uri_to_string(uri, buf));
        return -EINVAL;
}

/* copy is the parser's to write in. */
static int parse(const char *text, char *copy, Uri *uri, doorward_error *error) {
        char *query = strchr(copy, '?'), *colon;
        int r;

        if (query)
                *query++ = 0;

        colon = strchr(copy, ':');
        if (!colon) {
                r = parse_endpoint(text, copy, uri, error);
                if (r == 0 && query)
                        r = fail_short(text, query, uri, error);
                return r;
        }

        *colon = 0;
        if (!streq(copy, SCHEME))
                return fail_scheme(text, copy, colon + 1, error);

        r = parse_hierarchy(text, colon + 1, uri, error);
        return r < 0 || !query ? r : parse_query(text, query, uri, error);
}

int uri_parse(const char *text, Uri *ret, doorward_error *error) {
        _cleanup_free_ char *copy = NULL;
        Uri uri = {};
        int r;

        if (holds_password(text))
                return fail_password(error);
        if (strnlen(text, URI_MAX + 1) > URI_MAX)
                return fail(error, text, "it is too long");
        for (const char *c = text; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return fail(error, text, "it holds spaces, controls or letters with marks");
        if (strchr(text, '#'))
                return fail(error, text, "there is nothing that a # could choose");

        copy = strdup(text);
        if (!copy)
                return error_no_memory(error);

        r = parse(text, copy, &uri, error);
        if (r == 0)
                *ret = uri;
        return r;
}

const char *uri_to_string(const Uri *uri, char buf[URI_TEXT_SIZE]) {
        (void)snprintf(buf, URI_TEXT_SIZE, USER_PREFIX "%s%s/%s%s%s", uri->user,
                       uri->has_user ? "@" : "", uri->endpoint,
                       uri->access > 0 ? "?" PARAMETER_ACCESS "=" : "",
                       uri->access > 0 ? access_to_string((Access)uri->access) : "");
        return buf;
}
