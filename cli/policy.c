/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config.h"

#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/lookup.h"
#include "cli/manager.h"
#include "cli/registration.h"
#include "cli/report.h"
#include "cli/suggest.h"
#include "cli/system-bus.h"
#include "policy/action.h"

/* The last line of what we write: a file that ends so is ours, to be replaced and removed. Any
 * other came from a package, or from somebody's editor. */
#define POLICY_MARK "<!-- Written by 'doorward policy --install'. -->\n"
#define POLICY_SIZE_MAX 65536U

/* In place of an endpoint's name. An endpoint that is called so is meant behind "--", and by
 * --install and --remove, which rules have no use for. */
#define WORD_SUGGEST "suggest"
#define OPTIONS_SUGGEST (OPTION_SINCE | OPTION_UNTIL | OPTION_ENDPOINT | OPTION_JSON)

/* -1, the definition and the text, or the exit status. */
static int policy_make(const Options *options, const char *word, Definition **ret_definition,
                       char **ret) {
        _cleanup_(definition_freep) Definition *definition = NULL;
        int status, r;

        status = lookup_installed(options, word, &definition);
        if (status >= 0)
                return status;

        if (definition->problem) {
                (void)report_problem(options, DOORWARD_ERR_ENDPOINT_DOWN,
                                     "Until it is right it opens nothing, and there is nothing to "
                                     "decide about.",
                                     "The definition is wrong: %s.", definition->problem);
                return EXIT_STATUS_DEFINITION;
        }

        r = action_print(definition, action_defaults(definition, ACCESS_READ_ONLY),
                         action_defaults(definition, ACCESS_FULL), ret);
        if (r < 0)
                return report_errno(options, r, "Cannot make the policy of %s", word);

        *ret_definition = TAKE_PTR(definition);
        return -1;
}

/* With --now, once the file is as it should be, or gone: then there is no definition. It stays so,
 * whatever becomes of this. */
static int policy_take_up(const Options *options, const char *endpoint,
                          const Definition *definition) {
        static const char by_hand[] =
                "The file is as it should be. What is left is: " MANAGER_BY_HAND;
        _cleanup_free_ char *problem = NULL;
        int r;

        r = manager_take_up(SYSTEM_BUS_ADDRESS, MANAGER_PATIENCE_USEC, &problem);
        if (r == -EACCES || r == -EPERM)
                return report_problem(options, DOORWARD_ERR_SYSTEM, "Run it with sudo, or as root.",
                                      "Only root can have systemd take up a definition.");
        if (r < 0)
                return report_problem(options, DOORWARD_ERR_SYSTEM, by_hand,
                                      "systemd has not taken up the definition: %s.",
                                      problem ?: strerror(-r));

        r = registration_await(SYSTEM_BUS_ADDRESS, REGISTRATION_PATIENCE_USEC, endpoint, definition,
                               &problem);
        if (r < 0)
                return report_problem(options, DOORWARD_ERR_SYSTEM,
                                      "The file is as it should be. What is left is: systemctl "
                                      "restart polkit.service",
                                      "systemd and the broker have taken up the definition, and "
                                      "polkit has not read the file of its actions: %s.",
                                      r == -ETIMEDOUT ? "a minute has passed"
                                                        : problem ?: strerror(-r));

        report_note(options, "systemd and the broker have taken up the definition.");
        return EXIT_STATUS_OK;
}

static bool policy_is_ours(const char *text) {
        size_t n = strlen(text), mark = strlen(POLICY_MARK);

        return n >= mark && streq(text + n - mark, POLICY_MARK);
}

/* Whether it is there already, by us or by a package. */
static bool policy_is_same(const char *present, const char *text) {
        size_t n = strlen(text);

        return strncmp(present, text, n) == 0 &&
               (present[n] == 0 || streq(present + n, POLICY_MARK));
}

/* What is there under that name, and whether polkitd, which is not root, can read it: 0, -ENOENT,
 * -errno. */
static int policy_read(int folder, const char *name, char **ret, bool *ret_readable) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = calloc(1, POLICY_SIZE_MAX + 1);
        struct stat st;
        ssize_t n;

        if (!text)
                return -ENOMEM;

        fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > POLICY_SIZE_MAX)
                return -EFBIG;

        do
                n = read(fd, text, POLICY_SIZE_MAX);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        *ret = TAKE_PTR(text);
        *ret_readable = st.st_mode & S_IROTH;
        return 0;
}

static int policy_write_file(int fd, const char *text) {
        const char *parts[] = {text, POLICY_MARK};

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                for (size_t left = strlen(parts[i]); left > 0;) {
                        ssize_t n = write(fd, parts[i] + strlen(parts[i]) - left, left);

                        if (n < 0 && errno != EINTR)
                                return -errno;
                        left -= n > 0 ? (size_t)n : 0;
                }

        /* Whatever the umask is, polkitd is not root. */
        return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The whole file or none: polkit looks at the folder as soon as something changes there. */
static int policy_write(int folder, const char *name, const char *text) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[ACTION_TEXT_SIZE + 8];
        int r;

        (void)snprintf(temporary, sizeof(temporary), ".%s~", name);
        (void)unlinkat(folder, temporary, 0);
        fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        r = policy_write_file(fd, text);
        if (r == 0 && renameat(folder, temporary, folder, name) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder, temporary, 0);

        return r;
}

static int policy_open_folder(const Options *options, int *ret) {
        int fd = open(POLKIT_ACTION_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return report_errno(options, -errno, "Cannot open %s", POLKIT_ACTION_DIR);

        *ret = fd;
        return -1;
}

static int policy_foreign(const Options *options, const char *name) {
        return report_problem(options, DOORWARD_ERR_SYSTEM,
                              "It may be a package's: let the package keep it, and say in a rule "
                              "what is to be otherwise.",
                              "%s/%s was not written by this command.", POLKIT_ACTION_DIR, name);
}

static int policy_failed(const Options *options, int error, const char *what, const char *name) {
        if (error == -EACCES || error == -EPERM)
                return report_problem(options, DOORWARD_ERR_SYSTEM, "Run it with sudo, or as root.",
                                      "Only root can write to %s.", POLKIT_ACTION_DIR);

        return report_errno(options, error, "Cannot %s " POLKIT_ACTION_DIR "/%s", what, name);
}

static int policy_install(const Options *options, const char *name, const char *text) {
        _cleanup_close_ int folder = -EBADF;
        _cleanup_free_ char *present = NULL;
        bool readable = false;
        int status, r;

        status = policy_open_folder(options, &folder);
        if (status >= 0)
                return status;

        r = policy_read(folder, name, &present, &readable);
        if (r < 0 && r != -ENOENT)
                return policy_failed(options, r, "read", name);
        if (r == 0 && readable && policy_is_same(present, text)) {
                report_note(options, "%s/%s is there, and as it should be.", POLKIT_ACTION_DIR,
                            name);
                return EXIT_STATUS_OK;
        }
        if (r == 0 && !policy_is_ours(present))
                return policy_foreign(options, name);

        r = policy_write(folder, name, text);
        if (r < 0)
                return policy_failed(options, r, "write", name);

        report_note(options, "Wrote %s/%s. polkit reads it by itself.", POLKIT_ACTION_DIR, name);
        return EXIT_STATUS_OK;
}

/* Works for a definition that is gone as well. */
static int policy_remove(const Options *options, const char *name) {
        _cleanup_close_ int folder = -EBADF;
        _cleanup_free_ char *present = NULL;
        bool readable = false;
        int status, r;

        status = policy_open_folder(options, &folder);
        if (status >= 0)
                return status;

        r = policy_read(folder, name, &present, &readable);
        if (r == -ENOENT) {
                report_note(options, "There is no %s/%s.", POLKIT_ACTION_DIR, name);
                return EXIT_STATUS_OK;
        }
        if (r < 0)
                return policy_failed(options, r, "read", name);
        if (!policy_is_ours(present))
                return policy_foreign(options, name);

        if (unlinkat(folder, name, 0) < 0)
                return policy_failed(options, -errno, "remove", name);

        report_note(options, "Removed %s/%s.", POLKIT_ACTION_DIR, name);
        return EXIT_STATUS_OK;
}

static bool is_suggest(const Options *options, const char *word) {
        return streq(word, WORD_SUGGEST) && !options->dashed &&
               !options_has(options, OPTION_INSTALL | OPTION_REMOVE);
}

/* -1, or the exit status. */
static int policy_check(const Options *options, const char *word) {
        if (options_has(options, OPTIONS_SUGGEST) && !is_suggest(options, word))
                return options_usage_error(options, "Only 'policy " WORD_SUGGEST "' has a use for "
                                                    "a period, an endpoint or JSON, and installs "
                                                    "nothing.");
        if (options_has(options, OPTION_INSTALL) && options_has(options, OPTION_REMOVE))
                return options_usage_error(options, "Either --install or --remove, not both.");
        if (options_has(options, OPTION_NOW) &&
            !options_has(options, OPTION_INSTALL | OPTION_REMOVE))
                return options_usage_error(options, "--now wants --install or --remove.");

        return -1;
}

int command_policy(const Options *options, char **arguments, size_t n) {
        char endpoint[NAME_ENDPOINT_MAX + 1], file[ACTION_TEXT_SIZE];
        _cleanup_(definition_freep) Definition *definition = NULL;
        _cleanup_free_ char *text = NULL;
        int status;

        (void)n;
        status = policy_check(options, arguments[0]);
        if (status >= 0)
                return status;
        if (is_suggest(options, arguments[0]))
                return suggest(options);
        if (!lookup_name(arguments[0], endpoint))
                return options_usage_error(options, "'%s' is not the name of an endpoint.",
                                           arguments[0]);

        (void)action_file_name(endpoint, file);
        if (!options_has(options, OPTION_REMOVE)) {
                status = policy_make(options, arguments[0], &definition, &text);
                if (status == exit_status_of_class(DOORWARD_ERR_NO_ENDPOINT) &&
                    streq(arguments[0], WORD_SUGGEST) && !options->dashed)
                        report_note(options, "Rules that are suggested are read before they are "
                                             "installed: by you.");
                if (status >= 0)
                        return status;
        }
        if (options_has(options, OPTION_INSTALL | OPTION_REMOVE)) {
                status = text ? policy_install(options, file, text) : policy_remove(options, file);
                return status == EXIT_STATUS_OK && options_has(options, OPTION_NOW)
                               ? policy_take_up(options, endpoint, definition)
                               : status;
        }

        output_begin_text(options->output);
        (void)fputs(text, stdout);
        return EXIT_STATUS_OK;
}
