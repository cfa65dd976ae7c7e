/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <limits.h>

#include "cli/argument.h"
#include "client/client-conf.h"

/* A plain decimal number: no sign, no space, no leading zero. */
static int fd_parse(const char *text, int *ret) {
        long value = 0;

        if (*text == 0 || (text[0] == '0' && text[1] != 0))
                return -EINVAL;

        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                value = value * 10 + (*text - '0');
                if (value > INT_MAX)
                        return -ERANGE;
        }

        *ret = (int)value;
        return 0;
}

void argument_default(Access access, Argument *ret) {
        *ret = (Argument){.access = access, .fd = -EBADF};
}

/* Also one that is wrong: then it will be said what is. */
static bool is_uri(const char *text) {
        return strstr(text, "://") || strchr(text, '?') ||
               strncmp(text, "doorward:", strlen("doorward:")) == 0 ||
               strncmp(text, "doorward+", strlen("doorward+")) == 0;
}

/* A name, or an alias. */
static int word_parse(char *word, Argument *argument) {
        size_t n = strlen(word);

        if (name_parse(word, &argument->name) == 0 || client_conf_is_name(word)) {
                memcpy(argument->word, word, n + 1);
                return 0;
        }
        if (n == 0 || word[n - 1] != '@')
                return ARGUMENT_E_NAME;

        word[n - 1] = 0;
        return name_is_valid_endpoint(word) ? ARGUMENT_E_TEMPLATE : ARGUMENT_E_NAME;
}

int argument_parse(const char *text, Access access, bool fd_allowed, Argument *ret) {
        size_t n = strcspn(text, "=");
        Argument argument = {.access = access, .fd = -EBADF};
        char name[sizeof(argument.key)];
        char *colon;
        int r;

        if (is_uri(text)) {
                argument.text = text;
                *ret = argument;
                return 0;
        }
        if (text[n] == '=' && (!fd_allowed || fd_parse(text + n + 1, &argument.fd) < 0))
                return ARGUMENT_E_FD;
        if (n >= sizeof(argument.key))
                return ARGUMENT_E_NAME;

        memcpy(argument.key, text, n);
        memcpy(name, argument.key, sizeof(name));

        colon = strchr(name, ':');
        if (colon) {
                if (!streq(colon, ":ro"))
                        return ARGUMENT_E_ACCESS;
                argument.access = ACCESS_READ_ONLY;
                *colon = 0;
        }

        r = word_parse(name, &argument);
        if (r == 0)
                *ret = argument;
        return r;
}

const char *argument_problem(int error) {
        switch (error) {
        case ARGUMENT_E_NAME:
                return "This is not the name of an endpoint: those are of a-z, 0-9 and '-', an "
                       "instance follows '@', and 'doorward list' shows which there are.";
        case ARGUMENT_E_TEMPLATE:
                return "This is a template: write which instance of it, as in serial@ttyUSB0.";
        case ARGUMENT_E_ACCESS:
                return "After the colon only 'ro', for read-only access, can stand.";
        case ARGUMENT_E_FD:
                return "After the equals sign the number of a descriptor must stand, and only "
                       "'doorward exec' takes one.";
        default:
                return "This cannot be read.";
        }
}

/* What follows "doorward-COMMAND-", of the commands that have such links; NULL if it is no link. */
static const char *program_cut(const char *program, const char **ret_command) {
        static const char *const commands[] = {"stdio", "fdpass", "listen"};
        const char *slash = strrchr(program, '/');
        const char *base = slash ? slash + 1 : program;

        if (strncmp(base, "doorward-", strlen("doorward-")) != 0)
                return NULL;
        base += strlen("doorward-");

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                size_t n = strlen(commands[i]);

                if (strncmp(base, commands[i], n) == 0 && base[n] == '-') {
                        *ret_command = commands[i];
                        return base + n + 1;
                }
        }

        return NULL;
}

/* What systemd-escape(1) has made of a name: "\x40" is "@". Names have no backslash. */
static int program_unescape(const char *text, char *buf, size_t size) {
        size_t n = 0;

        while (*text) {
                unsigned value = (unsigned char)*text++;

                if (value == '\\') {
                        char digits[3] = {};

                        if (text[0] != 'x' || !isxdigit((unsigned char)text[1]) ||
                            !isxdigit((unsigned char)text[2]))
                                return ARGUMENT_E_NAME;
                        memcpy(digits, text + 1, 2);
                        value = (unsigned)strtoul(digits, NULL, 16);
                        text += 3;
                }
                if (value == 0 || n + 1 >= size)
                        return ARGUMENT_E_NAME;
                buf[n++] = (char)value;
        }

        buf[n] = 0;
        return 0;
}

int argument_from_program(const char *program, const char **ret_command, Argument *ret) {
        const char *command, *cut = program_cut(program, &command), *base;
        char text[NAME_TEXT_SIZE + sizeof("ro-")];
        Access access = ACCESS_FULL;
        Argument argument;
        Name name;
        int r;

        if (!cut)
                return -ENOENT;
        r = program_unescape(cut, text, sizeof(text));
        if (r != 0)
                return r;

        base = text;
        /* No endpoint's name begins with "ro-", so this cannot be one. */
        if (strncmp(base, "ro-", 3) == 0) {
                access = ACCESS_READ_ONLY;
                base += 3;
        }
        if (strpbrk(base, ":=?"))
                return ARGUMENT_E_NAME;

        r = argument_parse(base, access, false, &argument);
        if (r == 0 && name_parse(argument.word, &name) < 0)
                r = ARGUMENT_E_NAME;
        if (r != 0)
                return r;

        *ret_command = command;
        *ret = argument;
        return 0;
}
