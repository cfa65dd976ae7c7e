/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>

#include "cli/argument.h"
#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/options.h"
#include "cli/report.h"
#include "client/log.h"

/* Of what takes an endpoint, and of what opens it. */
#define OPTIONS_NAMING (OPTION_READ_ONLY | OPTION_LOCAL_ONLY | OPTION_NO_ALIASES)
#define OPTIONS_OPENING (OPTIONS_NAMING | OPTION_USER | OPTION_NO_ASK_PASSWORD | OPTION_QUIET)

static const Command commands[] = {
        {"list", "", "endpoints, and what policy says about you",
         "Lists the endpoints with both levels of access and what policy would answer you, of whom "
         "nothing is asked: yes, password (yes, after one), no, n/a where an endpoint does not "
         "provide that access, or ? where it could not be found out. The name of a template ends "
         "in @; the patterns of its instances' names stand behind the description.",
         OPTION_NO_CHECK | OPTION_JSON | OPTION_NO_LEGEND | OPTION_NO_PAGER, 0, 0, false,
         command_list},
        {"explain", "[ENDPOINT[:ro]]", "why, and what would change it",
         "Says who you are to the broker, which polkit action is asked about, what the answer is "
         "and why, and what an administrator would write to change it. Opens nothing.",
         OPTIONS_NAMING | OPTION_JSON | OPTION_NO_PAGER, 0, 1, false, command_explain},
        {"exec", "[ENDPOINT[:ro][=FD]...] -- CMD...", "run CMD with open descriptors",
         "Runs CMD with a descriptor of each endpoint: as number FD, or from 3 on in the order of "
         "the arguments, with LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID set. {} in CMD becomes the "
         "number; with several endpoints, {ENDPOINT} does. The lease ends when CMD ends, and the "
         "exit status is CMD's.",
         OPTIONS_OPENING, 0, -1, true, command_exec},
        {"stdio", "[ENDPOINT[:ro]]", "join standard input and output to it",
         "Joins standard input and output to the endpoint. The end of standard input is passed on "
         "to a service; it is the service's end that ends the command. A program called "
         "doorward-stdio-ENDPOINT or doorward-stdio-ro-ENDPOINT, by a link to this one, does the "
         "same.",
         OPTIONS_OPENING, 0, 1, false, command_stdio},
        {"fdpass", "[ENDPOINT[:ro]]", "pass it over a socket to the caller",
         "Passes the descriptor over standard output, which must be a unix socket, and ends: for "
         "ssh -o ProxyUseFdpass=yes and its like. The lease goes on until the program ends that "
         "made the socket. A program called doorward-fdpass-ENDPOINT, by a link to this one, does "
         "the same, as for qemu -netdev tap,helper=/usr/bin/doorward-fdpass-tun.",
         OPTIONS_OPENING | OPTION_FD | OPTION_TAP, 0, 1, false, command_fdpass},
        {"run", "[ENDPOINT[:ro]...] -- CMD...", "run CMD with a private socket",
         "Runs CMD with a private socket in the place of each endpoint, or a pty in that of a "
         "serial line, for programs that can only be told a path. What the endpoint's definition "
         "says is set in CMD's environment; {} in "
         "CMD becomes the path, or {ENDPOINT} with several. The sockets are removed when CMD ends, "
         "and the exit status is CMD's.",
         OPTIONS_OPENING, 0, -1, true, command_run},
        {"listen", "[ENDPOINT[:ro]]", "a private socket, until ^C",
         "Listens on a private socket in the place of the endpoint, until ^C: at "
         "$XDG_RUNTIME_DIR/doorward/ENDPOINT, or where --at= says. The user unit "
         "doorward-listen@ENDPOINT.socket does so whenever you are logged in.",
         OPTIONS_OPENING | OPTION_AT, 0, 1, false, command_listen},
        {"relay", "", "the far end of a connection from another machine",
         "Speaks org.doorward.Relay on standard input and output: a program on another machine "
         "has it started here by ssh, and reaches an endpoint of this machine through it, as the "
         "user who was logged in. Not for people: doorward+ssh://HOST/ENDPOINT is.",
         0, 0, 0, false, command_relay},
        {"leases", "", "who holds what at this moment",
         "Lists live leases, your own or everybody's: who holds what, since when, how many "
         "descriptors are open under it, and whether it outlives a restart of the broker. As much "
         "of an ID is shown as 'revoke' needs.",
         OPTION_ALL | OPTION_JSON | OPTION_NO_LEGEND | OPTION_NO_PAGER, 0, 0, false,
         command_leases},
        {"revoke", "[ID...]", "take it back",
         "Ends leases: those whose IDs are given, or all of a user, of an endpoint, or of a user "
         "on an endpoint. Your own you may always end. With a time, whoever had them is not let in "
         "to the same endpoints again until it has passed.",
         OPTION_OF_USER | OPTION_ENDPOINT | OPTION_BLOCK | OPTION_JSON | OPTION_QUIET, 0, -1, false,
         command_revoke},
        {"monitor", "", "watch what is granted, refused and ended",
         "Prints a line for each access that is granted, refused or ended from now on, your own or "
         "everybody's, until ^C.",
         OPTION_ALL | OPTION_JSON | OPTION_NO_LEGEND, 0, 0, false, command_monitor},
        {"forget", "", "ask for remembered passwords again",
         "Has the broker forget when you last gave your own password for endpoints that want it "
         "in addition to what policy says, so that it is asked for again. What polkit remembers "
         "is polkit's.",
         OPTION_JSON | OPTION_QUIET, 0, 0, false, command_forget},
        {"policy", "NAME|suggest", "its polkit actions, for administrators",
         "Prints the file that declares the polkit actions of an endpoint, puts it where polkit "
         "reads it, or removes it from there; and has the definition take effect. With the word "
         "suggest: prints polkit rules that allow what the record says was used of endpoints while "
         "they were observed, and no more. (An endpoint of that name is 'policy -- suggest'.)",
         OPTION_INSTALL | OPTION_REMOVE | OPTION_NOW | OPTION_QUIET | OPTION_NO_PAGER |
                 OPTION_SINCE | OPTION_UNTIL | OPTION_ENDPOINT | OPTION_JSON,
         1, 1, false, command_policy},
        {"cat-config", "[NAME...]", "definitions as they are read",
         "Prints definitions as they are merged of their files and drop-ins: those that are named, "
         "or all. The name doorward.conf stands for the broker's own settings.",
         OPTION_NO_PAGER, 0, -1, false, command_cat_config},
        {"verify", "[NAME|FILE...]", "whether definitions are right",
         "Checks definitions: those that are named, files (an argument with a slash), or all and "
         "doorward.conf. Errors are what keeps an endpoint from being opened.",
         OPTION_JSON | OPTION_QUIET, 0, -1, false, command_verify},
        {"capabilities", "", "what there is, and would be answered",
         "Shows what the machine, the library, the broker, the kernel and polkit have, how "
         "somebody can be asked for a password, and what policy would answer you for each "
         "endpoint. Nobody is asked for a password.",
         OPTION_JSON | OPTION_NO_PAGER, 0, 0, false, command_capabilities},
        {"info", "", "what this broker is",
         "Shows the version of the broker, how it tells who calls, its limits with what you have "
         "of them, and warnings. With --check it looks for what is set up wrongly, from the socket "
         "to the record, and prints the command that mends it.",
         OPTION_CHECK | OPTION_JSON | OPTION_NO_PAGER, 0, 0, false, command_info},
        {},
};

/* What is opened must not become a standard stream of somebody who has closed it. What stands there
 * instead reads as empty and cannot be written, and is closed on exec: a command finds things as
 * they were. */
static int standard_streams_check(void) {
        int fd;

        do {
                fd = open("/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);

        close_fd(fd);
        return 0;
}

static const Command *command_named(const char *name) {
        const Command *c = commands;

        while (c->name && !streq(c->name, name))
                c++;
        return c;
}

static int run(const Options *options, char **arguments, size_t n) {
        int status, r;

        if (options_has(options, OPTION_DEBUG))
                log_force(options->debug);

        status = options->command->run(options, arguments, n);
        r = output_end(options->output);
        if (r < 0 && status == EXIT_STATUS_OK)
                status = report_errno(options, r, "Cannot write to standard output");

        return status;
}

/* Called as doorward-stdio-NAME and the like: there is nothing left to say but options. Whoever
 * made the link meant the endpoint, and no alias. */
static int run_as(const char *command, const Argument *argument, int argc, char **argv,
                  Options *options) {
        char uri[URI_TEXT_SIZE], *arguments[2] = {uri, NULL}, **none;
        size_t n;
        int status;

        status = options_parse(argc, argv, commands, command_named(command), options, &none, &n);
        if (status >= 0)
                return status;

        (void)snprintf(uri, sizeof(uri), "%s:///%s", uri_scheme(URI_LOCAL), argument->word);
        if (argument->access == ACCESS_READ_ONLY)
                options->given |= OPTION_READ_ONLY;
        return run(options, arguments, 1);
}

int main(int argc, char **argv) {
        Output output = {};
        Options options = {.fd = -EBADF, .output = &output};
        const char *command;
        Argument argument;
        char **arguments;
        int status, r;
        size_t n;

        if (argc < 1 || standard_streams_check() < 0)
                return EXIT_STATUS_FAILURE;
        (void)setlocale(LC_CTYPE, "");

        r = argument_from_program(argv[0], &command, &argument);
        if (r == 0)
                return run_as(command, &argument, argc, argv, &options);
        if (r != -ENOENT)
                return options_usage_error(&options, "Called as '%s': %s", argv[0],
                                           argument_problem(r));

        status = options_parse(argc, argv, commands, NULL, &options, &arguments, &n);
        if (status >= 0)
                return status;

        output.use_pager = !options_has(&options, OPTION_NO_PAGER);
        return run(&options, arguments, n);
}
