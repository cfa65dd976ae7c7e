/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "config.h"

#include "cli/exit-status.h"
#include "cli/options.h"
#include "cli/text.h"
#include "client/uri.h"
#include "common/name.h"
#include "common/nearest.h"
#include "common/terms.h"
#include "policy/instant.h"
#include "policy/timespan.h"

#define HELP_WIDTH 80U
#define HELP_OPTION_WIDTH 20
#define HELP_COMMAND_WIDTH 38

#define LETTERS ":hjqr"
#define COMMANDS_MAX 32U

/* Every command takes them. */
#define OPTIONS_HARMLESS                                                              \
        (OPTION_NO_LEGEND | OPTION_NO_PAGER | OPTION_NO_ASK_PASSWORD | OPTION_QUIET | \
         OPTION_DEBUG | OPTION_HELP | OPTION_VERSION)

/* Options without a letter. */
enum {
        VALUE_ALL = 256,
        VALUE_AT,
        VALUE_BLOCK,
        VALUE_BR,
        VALUE_CHECK,
        VALUE_DEBUG,
        VALUE_ENDPOINT,
        VALUE_FD,
        VALUE_INSTALL,
        VALUE_JSON,
        VALUE_LOCAL_ONLY,
        VALUE_NO_ALIASES,
        VALUE_NO_ASK_PASSWORD,
        VALUE_NO_CHECK,
        VALUE_NO_LEGEND,
        VALUE_NO_PAGER,
        VALUE_NOW,
        VALUE_REMOVE,
        VALUE_SINCE,
        VALUE_UNTIL,
        VALUE_USE_VNET,
        VALUE_USER,
        VALUE_VERSION,
};

static const struct option long_options[] = {
        {"all", no_argument, NULL, VALUE_ALL},
        {"at", required_argument, NULL, VALUE_AT},
        {"block", required_argument, NULL, VALUE_BLOCK},
        {"br", required_argument, NULL, VALUE_BR},
        {"check", no_argument, NULL, VALUE_CHECK},
        {"debug", optional_argument, NULL, VALUE_DEBUG},
        {"endpoint", required_argument, NULL, VALUE_ENDPOINT},
        {"fd", required_argument, NULL, VALUE_FD},
        {"help", no_argument, NULL, 'h'},
        {"install", no_argument, NULL, VALUE_INSTALL},
        {"json", required_argument, NULL, VALUE_JSON},
        {"local-only", no_argument, NULL, VALUE_LOCAL_ONLY},
        {"no-aliases", no_argument, NULL, VALUE_NO_ALIASES},
        {"no-ask-password", no_argument, NULL, VALUE_NO_ASK_PASSWORD},
        {"no-check", no_argument, NULL, VALUE_NO_CHECK},
        {"no-legend", no_argument, NULL, VALUE_NO_LEGEND},
        {"no-pager", no_argument, NULL, VALUE_NO_PAGER},
        {"now", no_argument, NULL, VALUE_NOW},
        {"quiet", no_argument, NULL, 'q'},
        {"read-only", no_argument, NULL, 'r'},
        {"remove", no_argument, NULL, VALUE_REMOVE},
        {"since", required_argument, NULL, VALUE_SINCE},
        {"until", required_argument, NULL, VALUE_UNTIL},
        {"use-vnet", no_argument, NULL, VALUE_USE_VNET},
        {"user", required_argument, NULL, VALUE_USER},
        {"version", no_argument, NULL, VALUE_VERSION},
        {},
};

static const struct {
        int value; /* as getopt_long() returns it */
        unsigned option;
        const char *spelling;
        const char *text; /* NULL: --help does not show it */
} option_table[] = {
        {'r', OPTION_READ_ONLY, "-r --read-only", "read-only access, as ENDPOINT:ro says it"},
        {VALUE_LOCAL_ONLY, OPTION_LOCAL_ONLY, "   --local-only", "nothing of other machines"},
        {VALUE_NO_ALIASES, OPTION_NO_ALIASES, "   --no-aliases",
         "a word is an endpoint, whatever client.conf says"},
        {VALUE_USER, OPTION_USER, "   --user=NAME", "as this user, after their password"},
        {VALUE_USER, OPTION_OF_USER, "   --user=USER", "what this user has: a name or a number"},
        {VALUE_ENDPOINT, OPTION_ENDPOINT, "   --endpoint=NAME", "only what is of this endpoint"},
        {VALUE_BLOCK, OPTION_BLOCK, "   --block=TIME",
         "who had it is not let in again for so long; 0: let in"},
        {VALUE_ALL, OPTION_ALL, "   --all", "everybody's, where policy allows it"},
        {VALUE_AT, OPTION_AT, "   --at=PATH", "make the socket there"},
        {VALUE_CHECK, OPTION_CHECK, "   --check", "look for what is set up wrongly"},
        {VALUE_FD, OPTION_FD, "   --fd=N", "pass it over descriptor N, not standard output"},
        {VALUE_USE_VNET, OPTION_TAP, "--use-vnet", NULL},
        {VALUE_BR, OPTION_TAP, "--br", NULL},
        {VALUE_NO_CHECK, OPTION_NO_CHECK, "   --no-check", "names only; policy is not asked"},
        {VALUE_INSTALL, OPTION_INSTALL, "   --install", "put the file where polkit reads it"},
        {VALUE_REMOVE, OPTION_REMOVE, "   --remove", "take it away again"},
        {VALUE_NOW, OPTION_NOW, "   --now", "and have systemd and the broker take it up"},
        {VALUE_SINCE, OPTION_SINCE, "   --since=TIME", "what is not older: 2027-03-31, or 30d ago"},
        {VALUE_UNTIL, OPTION_UNTIL, "   --until=TIME", "what is not newer"},
        {VALUE_JSON, OPTION_JSON, "   --json=MODE", "print JSON: short, pretty or off"},
        {'j', OPTION_JSON, "-j", "print JSON: pretty on a terminal, else short"},
        {VALUE_NO_LEGEND, OPTION_NO_LEGEND, "   --no-legend", "print no headings"},
        {VALUE_NO_PAGER, OPTION_NO_PAGER, "   --no-pager", "do not use a pager"},
        {VALUE_NO_ASK_PASSWORD, OPTION_NO_ASK_PASSWORD, "   --no-ask-password",
         "have nobody asked for a password"},
        {VALUE_DEBUG, OPTION_DEBUG, "   --debug[=LEVEL]", "write to standard error what is done"},
        {'q', OPTION_QUIET, "-q --quiet", "say nothing but errors"},
        {'h', OPTION_HELP, "-h --help", "show this"},
        {VALUE_VERSION, OPTION_VERSION, "   --version", "show the version"},
};

static void help_print_options(unsigned options) {
        (void)printf("\nOptions:\n");
        for (size_t i = 0; i < ELEMENTSOF(option_table); i++)
                if ((option_table[i].option & options) && option_table[i].text)
                        (void)printf("  %-*s %s\n", HELP_OPTION_WIDTH, option_table[i].spelling,
                                     option_table[i].text);
}

static void help_print_command(const Command *command) {
        (void)printf("doorward %s [OPTION...]%s%s\n\n", command->name,
                     *command->synopsis ? " " : "", command->synopsis);
        text_print_wrapped(stdout, command->text, 0, HELP_WIDTH);
        help_print_options(command->options | OPTION_DEBUG | OPTION_HELP);
        (void)printf("\nSee doorward(1)%s.\n",
                     strstr(command->synopsis, "ENDPOINT")
                             ? ", and doorward-uri(7) for what ENDPOINT can be"
                             : "");
}

static void help_print(const Command *commands) {
        (void)printf("doorward [OPTION...] COMMAND [ARGUMENT...]\n\n"
                     "Access to named, privileged things: sockets of services, devices, files.\n\n"
                     "Commands:\n");
        for (const Command *c = commands; c->name; c++)
                (void)printf("  %s %-*s %s\n", c->name, HELP_COMMAND_WIDTH - (int)strlen(c->name),
                             c->synopsis, c->summary);
        help_print_options(UINT_MAX);
        (void)printf(
                "\nENDPOINT is a name that 'doorward list' shows, an alias, or a URI, which can\n"
                "lead to another machine: see doorward-uri(7).\n\n"
                "Not every command takes every option: see 'doorward COMMAND --help' and\n"
                "doorward(1).\n");
}

int options_usage_error(const Options *options, const char *format, ...) {
        const char *space = options->command ? " " : "";
        const char *name = options->command ? options->command->name : "";
        va_list ap;

        (void)fprintf(stderr, "doorward%s%s: ", space, name);
        va_start(ap, format);
        (void)vfprintf(stderr, format, ap);
        va_end(ap);
        (void)fprintf(stderr, "\nHint: 'doorward%s%s --help' shows how it is used.\n", space, name);

        return EXIT_STATUS_USAGE;
}

static int option_set_json(Options *options, const char *mode) {
        int r = json_mode_from_string(mode);

        if (r < 0)
                return options_usage_error(options, "--json= takes short, pretty or off, not '%s'.",
                                           mode);

        options->json = (JsonMode)r;
        return -1;
}

static int option_set_fd(Options *options, const char *text) {
        char *end;
        long fd;

        errno = 0;
        fd = strtol(text, &end, 10);
        if (errno != 0 || end == text || *end || fd < 0 || fd > INT_MAX)
                return options_usage_error(
                        options, "--fd= takes the number of a descriptor, not '%s'.", text);

        options->fd = (int)fd;
        return -1;
}

static int option_set_endpoint(Options *options, const char *text) {
        Name name;

        if (name_parse(text, &name) < 0)
                return options_usage_error(
                        options, "--endpoint= takes the name of an endpoint, not '%s'.", text);

        options->endpoint = text;
        return -1;
}

static int option_set_at(Options *options, const char *text) {
        if (text[0] != '/')
                return options_usage_error(
                        options, "--at= takes a path that begins with a slash, not '%s'.", text);

        options->at = text;
        return -1;
}

static int option_set_debug(Options *options, const char *text) {
        int level = text ? log_level_from_string(text) : LOG_LEVEL_DEBUG;

        if (level < 0)
                return options_usage_error(
                        options, "--debug= takes debug, info, warning, error or 1 to 4, not '%s'.",
                        text);

        options->debug = (LogLevel)level;
        return -1;
}

/* The wire has seconds: what is less than one is one. */
static int option_set_block(Options *options, const char *text) {
        uint64_t usec = 0;
        int r;

        r = timespan_parse(text, &usec);
        if (r < 0)
                return options_usage_error(
                        options, "--block= takes a time like 10min or 8h, or 0, not '%s'.", text);
        if (usec > (uint64_t)BLOCK_SEC_MAX * USEC_PER_SEC)
                return options_usage_error(
                        options,
                        "--block= takes 30 days at most, not '%s': a rule keeps out for "
                        "longer.",
                        text);

        options->lets_in = usec == 0;
        options->block = usec == 0 ? 0 : (int64_t)((usec - 1) / USEC_PER_SEC + 1);
        return -1;
}

/* A point in time, or how long ago it was. */
static int option_set_time(Options *options, const char *name, const char *text, uint64_t *ret) {
        uint64_t now = instant_now(), usec;

        if (instant_parse(text, &usec) < 0) {
                if (timespan_parse(text, &usec) < 0 || usec > now)
                        return options_usage_error(
                                options,
                                "%s= takes a time in UTC like 2027-03-31 or 2027-03-31T18:00Z, or "
                                "how long ago it was, like 30d; not '%s'.",
                                name, text);
                usec = now - usec;
        }

        *ret = usec;
        return -1;
}

/* What getopt_long() gave. -1, or the exit status. */
static int option_take(Options *options, int value, const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(option_table); i++)
                if (option_table[i].value == value)
                        options->given |= option_table[i].option;

        switch (value) {
        case ':':
                return options_usage_error(options, "The option %s wants a value.", word);
        case '?':
                if (optopt > 0 && optopt < VALUE_ALL)
                        return options_usage_error(options, "There is no option -%c.", optopt);
                return options_usage_error(options, "There is no option %s.", word);
        case 'j':
                options->json = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
                return -1;
        case VALUE_JSON:
                return option_set_json(options, optarg);
        case VALUE_DEBUG:
                return option_set_debug(options, optarg);
        case VALUE_FD:
                return option_set_fd(options, optarg);
        case VALUE_ENDPOINT:
                return option_set_endpoint(options, optarg);
        case VALUE_AT:
                return option_set_at(options, optarg);
        case VALUE_SINCE:
                return option_set_time(options, "--since", optarg, &options->since);
        case VALUE_UNTIL:
                return option_set_time(options, "--until", optarg, &options->until);
        case VALUE_BLOCK:
                return option_set_block(options, optarg);
        case VALUE_BR:
                options->bridge = optarg;
                return -1;
        case VALUE_USER:
                options->user = optarg;
                return -1;
        default:
                return -1;
        }
}

/* Reads the options of argv; argv[0] is none. -1, or the exit status; *ret_next is where the
 * arguments begin. */
static int options_read(Options *options, int argc, char **argv, const char *letters,
                        int *ret_next) {
        int value, status;

        optind = 0; /* begin anew */
        opterr = 0;
        while ((value = getopt_long(argc, argv, letters, long_options, NULL)) >= 0) {
                status = option_take(options, value, argv[optind - 1]);
                if (status >= 0)
                        return status;
        }

        *ret_next = optind;
        return -1;
}

/* --user= is as whom, or whose: which of them is known once the command is. */
static int options_check_user(Options *options) {
        const unsigned both = OPTION_USER | OPTION_OF_USER;

        if (!(options->given & both))
                return -1;

        if (options->command->options & OPTION_OF_USER)
                options->given &= ~(unsigned)OPTION_USER;
        else
                options->given &= ~(unsigned)OPTION_OF_USER;

        if (options_has(options, OPTION_USER) && options->user[0] &&
            !uri_is_valid_user(options->user))
                return options_usage_error(
                        options, "--user= takes the name of a user, or nothing, not '%s'.",
                        options->user);

        return -1;
}

/* What would be believed to do something, and does not here, is an error. That somebody wants less
 * of what there is none of is none. */
static int options_check(const Options *options) {
        unsigned extra = options->given & ~(options->command->options | OPTIONS_HARMLESS);

        for (size_t i = 0; i < ELEMENTSOF(option_table); i++)
                if (extra & option_table[i].option)
                        return options_usage_error(
                                options, "This command has no use for the option %s.",
                                option_table[i].spelling + strspn(option_table[i].spelling, " "));

        return -1;
}

static const char *command_nearest(const Command *commands, const char *name) {
        const char *names[COMMANDS_MAX + 1] = {};

        for (size_t i = 0; i < COMMANDS_MAX && commands[i].name; i++)
                names[i] = commands[i].name;

        return nearest_find(name, names);
}

static int command_find(Options *options, const Command *commands, const char *name) {
        const char *nearest;

        for (const Command *c = commands; c->name; c++)
                if (streq(c->name, name)) {
                        options->command = c;
                        return -1;
                }

        nearest = command_nearest(commands, name);
        return options_usage_error(options, "There is no command '%s'%s%s%s", name,
                                   nearest ? ". Was '" : ".", nearest ? nearest : "",
                                   nearest ? "' meant?" : "");
}

/* Cuts argv at "--", if the command wants what follows. */
static int words_cut(Options *options, int *argc, char **argv) {
        if (!options->command->words)
                return -1;

        for (int i = 1; i < *argc; i++)
                if (streq(argv[i], "--")) {
                        if (i + 1 == *argc)
                                return options_usage_error(options,
                                                           "What is to be run is missing.");
                        options->words = argv + i + 1;
                        *argc = i;
                        return -1;
                }

        return -1;
}

static int arguments_check(const Options *options, int n) {
        const Command *command = options->command;

        if (n < command->min)
                return options_usage_error(options, "An argument is missing: %s.",
                                           command->synopsis);
        if (command->max >= 0 && n > command->max)
                return options_usage_error(options, command->max == 0
                                                            ? "This command takes no arguments."
                                                            : "There are too many arguments.");
        if (command->words && !options->words)
                return options_usage_error(options, "Write '--' and then what is to be run.");

        return -1;
}

static int options_finish(const Options *options, const Command *commands) {
        if (options_has(options, OPTION_VERSION)) {
                (void)printf("doorward %s\n", VERSION);
                return EXIT_STATUS_OK;
        }
        if (options_has(options, OPTION_HELP)) {
                if (options->command)
                        help_print_command(options->command);
                else
                        help_print(commands);
                return EXIT_STATUS_OK;
        }

        return -1;
}

int options_parse(int argc, char **argv, const Command *commands, const Command *preset,
                  Options *options, char ***ret_arguments, size_t *ret_n) {
        int next = 0, status;

        options->command = preset;
        if (!preset) {
                status = options_read(options, argc, argv, "+" LETTERS, &next);
                if (status < 0)
                        status = options_finish(options, commands);
                if (status < 0 && next >= argc)
                        status = options_usage_error(options, "What is to be done is missing.");
                if (status < 0)
                        status = command_find(options, commands, argv[next]);
                if (status >= 0)
                        return status;
        }

        argc -= next;
        argv += next;
        status = preset ? -1 : words_cut(options, &argc, argv);
        options->dashed = argc > 2 && streq(argv[argc - 2], "--");
        if (status < 0)
                status = options_read(options, argc, argv, LETTERS, &next);
        if (status < 0)
                status = options_finish(options, commands);
        if (status < 0)
                status = options_check_user(options);
        if (status < 0)
                status = options_check(options);
        if (status < 0 && !preset)
                status = arguments_check(options, argc - next);
        if (status < 0 && preset && next < argc)
                status = options_usage_error(
                        options, "Called by this name, nothing more can be named: '%s'.",
                        argv[next]);
        if (status >= 0)
                return status;

        *ret_arguments = argv + next;
        *ret_n = (size_t)(argc - next);
        return -1;
}
