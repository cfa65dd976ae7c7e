/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "client/uri-query.h"
#include "common/nearest.h"
#include "common/utf8.h"

#define PATH_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-"

#define ON(transport) (1U << (transport))

/* Reads a value that was decoded. */
typedef int (*ParameterParse)(const UriInput *input, const char *value, Uri *uri);

typedef struct Word {
        const char *word;
        const char *meant;
} Word;

/* What others call the two accesses, */
static const Word accesses[] = {
        {"r", "read-only"},
        {"read", "read-only"},
        {"readonly", "read-only"},
        {"read_only", "read-only"},
        {"ro", "read-only"},
        {"all", "full"},
        {"rw", "full"},
        {"read-write", "full"},
        {"readwrite", "full"},
        {"write", "full"},
        {},
};

/* the two numbers, */
static const Word switches[] = {
        {"true", "1"}, {"yes", "1"}, {"on", "1"}, {"y", "1"}, {"false", "0"},
        {"no", "0"},   {"off", "0"}, {"n", "0"},  {},
};

/* and parameters. */
static const Word names[] = {
        {"mode", "access"},
        {"path", "socket"},
        {"identity", "keyfile"},
        {"notty", "no_tty"},
        {"cmd", "command"},
        {"program", "command"},
        {},
};

static const char *word_find(const Word *words, const char *text) {
        for (; words->word; words++)
                if (streq(words->word, text))
                        return words->meant;

        return NULL;
}

static int parse_access(const UriInput *input, const char *value, Uri *uri) {
        const char *const words[] = {access_to_string(ACCESS_READ_ONLY),
                                     access_to_string(ACCESS_FULL), NULL};
        int access = access_from_string(value);
        const char *meant;

        if (access > 0) {
                uri->access = access;
                return 0;
        }

        (void)uri_input_fail(input, "access is full or read-only, and nothing else");
        meant = word_find(accesses, value) ?: nearest_find(value, words);
        if (meant)
                uri_input_hint(input, "Did you mean access=%s?", meant);
        return -EINVAL;
}

/* From the root on, and nothing in it that could not be shown. */
static bool is_path(const char *value, size_t max) {
        char clean[URI_KEYFILE_MAX + 1];
        size_t n = strnlen(value, max + 1);

        if (value[0] != '/' || n > max || n >= sizeof(clean))
                return false;

        memcpy(clean, value, n + 1);
        utf8_clean(clean, sizeof(clean));
        return streq(clean, value);
}

static int parse_socket(const UriInput *input, const char *value, Uri *uri) {
        if (!is_path(value, URI_SOCKET_MAX)) {
                (void)uri_input_fail(input,
                                     "socket= is an absolute path of at most %u bytes, "
                                     "without controls",
                                     URI_SOCKET_MAX);
                if (value[0] == '@')
                        uri_input_hint(input, "An abstract socket has no owner, by which its "
                                              "broker could be known.");
                return -EINVAL;
        }

        memcpy(uri->socket, value, strlen(value) + 1);
        return 0;
}

static int parse_command(const UriInput *input, const char *value, Uri *uri) {
        size_t n = strlen(value);

        if (value[0] != '/' || n > URI_COMMAND_MAX || strspn(value, PATH_LETTERS) != n) {
                (void)uri_input_fail(input,
                                     "command= is one absolute path of letters, digits and "
                                     "/._+-, of at most %u bytes",
                                     URI_COMMAND_MAX);
                if (strchr(value, ' '))
                        uri_input_hint(input, "It has no arguments: a script can add those that "
                                              "its program needs.");
                return -EINVAL;
        }

        memcpy(uri->command, value, n + 1);
        return 0;
}

/* ssh replaces %h, ${HOME} and the like in names of such files. */
static int parse_keyfile(const UriInput *input, const char *value, Uri *uri) {
        if (!is_path(value, URI_KEYFILE_MAX) || strpbrk(value, "%$")) {
                (void)uri_input_fail(input,
                                     "keyfile= is an absolute path of at most %u bytes, "
                                     "without controls, %% and $",
                                     URI_KEYFILE_MAX);
                if (value[0] == '~')
                        uri_input_hint(input, "~ is a shell's to replace: write the whole path.");
                return -EINVAL;
        }

        memcpy(uri->keyfile, value, strlen(value) + 1);
        return 0;
}

static int parse_no_tty(const UriInput *input, const char *value, Uri *uri) {
        const char *meant;

        if (streq(value, "0") || streq(value, "1")) {
                uri->no_tty = value[0] == '1';
                return 0;
        }

        (void)uri_input_fail(input, "no_tty is 0 or 1");
        meant = word_find(switches, value);
        if (meant)
                uri_input_hint(input, "Did you mean no_tty=%s?", meant);
        return -EINVAL;
}

static const struct {
        const char *name;
        unsigned transports;
        const char *owners; /* whose it is, if it is not everybody's */
        ParameterParse parse;
} parameters[] = {
        {"access", ON(URI_LOCAL) | ON(URI_UNIX) | ON(URI_SSH) | ON(URI_EXT), NULL, parse_access},
        {"socket", ON(URI_UNIX), "doorward+unix", parse_socket},
        {"command", ON(URI_SSH) | ON(URI_EXT), "doorward+ssh and doorward+ext", parse_command},
        {"keyfile", ON(URI_SSH), "doorward+ssh", parse_keyfile},
        {"no_tty", ON(URI_SSH), "doorward+ssh", parse_no_tty},
};

static const char *const lists[_URI_TRANSPORT_MAX] = {
        [URI_LOCAL] = "The only one is access=full or access=read-only.",
        [URI_UNIX] = "Those of doorward+unix are access= and socket=.",
        [URI_SSH] = "Those of doorward+ssh are access=, command=, keyfile= and no_tty=.",
        [URI_EXT] = "Those of doorward+ext are access= and command=.",
};

static int fail_unknown(const UriInput *input, const char *name) {
        const char *known[ELEMENTSOF(parameters) + 1] = {}, *meant;
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(parameters); i++)
                if (parameters[i].transports & ON(input->transport))
                        known[n++] = parameters[i].name;

        (void)uri_input_fail(input, "there is no parameter '%.40s'", name);
        uri_input_hint(input, "%s", lists[input->transport]);
        meant = word_find(names, name);
        meant = nearest_find(meant ?: name, known);
        if (meant)
                uri_input_hint(input, "Did you mean %s=?", meant);
        return -EINVAL;
}

/* "doorward:///docker?socket=..." can only mean doorward+unix. */
static int fail_foreign(const UriInput *input, size_t i) {
        int n = (int)strcspn(input->text, "?"), scheme = (int)strcspn(input->text, ":?");

        (void)uri_input_fail(input, "%s= belongs to %s", parameters[i].name, parameters[i].owners);
        uri_input_hint(input, "%s", lists[input->transport]);
        if (parameters[i].transports == ON(URI_UNIX))
                (void)uri_input_suggest(input, "%s%s%.*s", uri_scheme(URI_UNIX),
                                        scheme < n ? "" : ":///", scheme < n ? n - scheme : n,
                                        input->text + (scheme < n ? scheme : 0));
        return -EINVAL;
}

static int parse_parameter(const UriInput *input, char *text, unsigned *seen, Uri *uri) {
        char *value = strchr(text, '=');
        size_t i = 0;

        if (!value)
                return uri_input_fail(input, "a parameter is written NAME=VALUE");
        *value++ = 0;

        while (i < ELEMENTSOF(parameters) && !streq(parameters[i].name, text))
                i++;
        if (i == ELEMENTSOF(parameters))
                return fail_unknown(input, text);
        if (!(parameters[i].transports & ON(input->transport)))
                return fail_foreign(input, i);
        if (*seen & 1U << i)
                return uri_input_fail(input, "%s= stands in it twice", text);
        *seen |= 1U << i;

        if (escape_decode(value) < 0)
                return uri_input_fail_escape(input);
        return parameters[i].parse(input, value, uri);
}

int uri_query_parse(const UriInput *input, char *query, Uri *uri) {
        unsigned seen = 0;
        char *text;
        int r = 0;

        while (r == 0 && (text = strsep(&query, "&")))
                r = parse_parameter(input, text, &seen, uri);
        if (r < 0)
                return r;

        if (input->transport == URI_UNIX && !uri->socket[0])
                return uri_input_fail(input, "it does not say which socket is the broker's");
        if (input->transport == URI_EXT && !uri->command[0])
                return uri_input_fail(input, "it does not say which command leads there");

        return 0;
}

/* An empty value is none. */
static void add_parameter(char *buf, size_t size, const char *name, const char *value) {
        char escaped[ESCAPE_SIZE(URI_KEYFILE_MAX)];
        size_t n = strlen(buf);

        if (value[0])
                (void)snprintf(buf + n, size - n, "%s%s=%s", n > 0 ? "&" : "?", name,
                               escape_encode(value, URI_KEYFILE_MAX, escaped));
}

void uri_query_write(const Uri *uri, char *buf, size_t size) {
        buf[0] = 0;
        add_parameter(buf, size, "access",
                      uri->access > 0 ? access_to_string((Access)uri->access) : "");
        add_parameter(buf, size, "socket", uri->socket);
        add_parameter(buf, size, "command", uri->command);
        add_parameter(buf, size, "keyfile", uri->keyfile);
        add_parameter(buf, size, "no_tty", uri->no_tty ? "1" : "");
}
