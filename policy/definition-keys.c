/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <cap-ng.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include "common/filter-profile.h"
#include "common/nearest.h"
#include "config.h"
#include "policy/boolean.h"
#include "policy/definition-internal.h"
#include "policy/instant.h"
#include "policy/strv.h"
#include "policy/timespan.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Of a user's or group's name, as utmp and most tools have it. */
#define USER_NAME_MAX 31U
#define DRIVER_NAME_MAX 63U

static Level *line_level(DefinitionBuilder *builder) {
        return &builder->levels[builder_access(builder)];
}

static Target *line_target(DefinitionBuilder *builder) {
        return &builder->definition->targets[builder_access(builder)];
}

static bool consists_of(const char *text, const char *characters) {
        return text[strspn(text, characters)] == '\0';
}

static bool is_user_name(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= USER_NAME_MAX && consists_of(text, LOWER UPPER DIGITS "_-.") &&
               strchr(LOWER UPPER "_", text[0]);
}

int definition_replace(char **field, const char *value) {
        char *copy = *value ? strdup(value) : NULL;

        if (*value && !copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

/* What is said of one word of a list. 0 or -errno; it may refuse the word. */
typedef int (*word_func)(DefinitionBuilder *builder, const char *word);

/* Lists are added up; an empty one takes back what came before. */
static int take_list(DefinitionBuilder *builder, const char *value, word_func func) {
        _cleanup_(strv_freep) char **words = NULL;
        int r = strv_push_words(&words, value);

        for (char **word = words; word && *word && r == 0; word++)
                r = func(builder, *word);
        return r;
}

/* [Endpoint] */

static int take_description(DefinitionBuilder *builder, const char *value) {
        return definition_replace(&builder->definition->description, value);
}

static int take_documentation_word(DefinitionBuilder *builder, const char *word) {
        static const char *const schemes[] = {"https://", "http://", "man:", "info:", "file:/"};

        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (strncmp(word, schemes[i], strlen(schemes[i])) == 0)
                        return strv_push(&builder->definition->documentation, word);

        return builder_warn(builder,
                            "%s is ignored: documentation is named by http://, https://, "
                            "man:, info: or file:/",
                            word);
}

static int take_documentation(DefinitionBuilder *builder, const char *value) {
        if (!*value)
                builder->definition->documentation = strv_free(builder->definition->documentation);
        return take_list(builder, value, take_documentation_word);
}

static int take_instance_word(DefinitionBuilder *builder, const char *word) {
        if (!consists_of(word, LOWER UPPER DIGITS "._-*?[]!^"))
                return builder_refuse(builder,
                                      "%s is no pattern that an instance can match: "
                                      "instances are called [A-Za-z0-9._-]",
                                      word);
        return strv_push(&builder->definition->instances, word);
}

static int take_instance(DefinitionBuilder *builder, const char *value) {
        if (!*value)
                builder->definition->instances = strv_free(builder->definition->instances);
        return take_list(builder, value, take_instance_word);
}

static int take_mode(DefinitionBuilder *builder, const char *value) {
        bool observes = streq(value, "observe");

        if (*value && !observes && !streq(value, "enforce"))
                return builder_refuse(builder, "Mode= is enforce or observe, not %s", value);

        builder->definition->observes = observes;
        return 0;
}

static int take_observe_group(DefinitionBuilder *builder, const char *value) {
        Definition *d = builder->definition;

        if (*value && !is_user_name(value))
                return builder_refuse(builder, "%s is no name of a group", value);

        free(d->observe_group);
        d->observe_group = NULL;
        return *value ? definition_replace(&d->observe_group, value) : 0;
}

static int take_observe_until(DefinitionBuilder *builder, const char *value) {
        uint64_t until = 0;

        if (*value && instant_parse(value, &until) < 0)
                return builder_refuse(builder,
                                      "ObserveUntil= is a time in UTC, such as 2027-03-31 or "
                                      "2027-03-31T18:00:00Z, not %s",
                                      value);

        builder->definition->observe_until = until;
        return 0;
}

/* [ReadOnly] and [Full] */

/* A path is a name without any doubt: nothing in it that the kernel would skip or go back for. */
static const char *find_path_fault(const char *path) {
        if (path[0] != '/')
                return "it does not begin with a slash";
        if (strchr(path, '\t'))
                return "it holds a tab";

        while (*path) {
                const char *name = path + 1;
                size_t n = strcspn(name, "/");

                if (n == 0)
                        return "it has an empty part";
                if (strncmp(name, ".", n) == 0 || (n == 2 && strncmp(name, "..", n) == 0))
                        return "it has a part that is \".\" or \"..\"";
                path = name + n;
        }

        return NULL;
}

/* An abstract name is bytes; those here are such that everybody can read them. */
static const char *find_abstract_fault(const char *name) {
        size_t n = strlen(name);

        if (n < 2 || n > 107)
                return "an abstract name has 1 to 106 characters";
        for (const char *c = name + 1; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return "an abstract name is written in printable ASCII here";
        return NULL;
}

/* Where a service of the network would be: said apart from a mere slip. */
static bool looks_like_network(const char *value) {
        const char *colon = strrchr(value, ':');

        return strncmp(value, "vsock:", 6) == 0 || strncmp(value, "tcp:", 4) == 0 ||
               consists_of(value, DIGITS) || (colon && colon[1] && consists_of(colon + 1, DIGITS));
}

/* %i is the instance, %% a percent sign, and nothing else is anything. */
static const char *find_specifier_fault(const char *path, bool template) {
        for (const char *c = strchr(path, '%'); c; c = strchr(c + 2, '%')) {
                if (c[1] == 'i' && !template)
                        return "%i has a meaning only in a template, NAME@.conf";
                if (c[1] != 'i' && c[1] != '%')
                        return "% is followed by neither i (the instance) nor another %";
        }

        return NULL;
}

void builder_clear_level(DefinitionBuilder *builder) {
        Target *target = line_target(builder);

        line_level(builder)->connect_kind = 0;
        target->paths = strv_free(target->paths);
}

static int take_path(DefinitionBuilder *builder, const char *value, Kind kind) {
        Level *level = line_level(builder);
        Target *target = line_target(builder);
        bool connects = kind == KIND_STREAM || kind == KIND_SEQPACKET;
        const char *fault;

        if (!*value) {
                builder_clear_level(builder);
                return 0;
        }

        if (connects && value[0] != '/' && value[0] != '@' && looks_like_network(value))
                return builder_refuse(builder,
                                      "%s is an address in a network: only unix sockets can be "
                                      "verified and taken back",
                                      value);
        fault = connects && value[0] == '@' ? find_abstract_fault(value) : find_path_fault(value);
        if (!fault)
                fault = find_specifier_fault(value, builder->definition->template);
        if (fault)
                return builder_refuse(builder, "%s= cannot be %s: %s", builder->line->key, value,
                                      fault);
        if (level->connect_kind && level->connect_kind != kind)
                return builder_refuse(builder,
                                      "%s= stands beside another way in: one access has "
                                      "one kind of socket, or a file, or a tap",
                                      builder->line->key);

        level->connect_kind = kind;
        return strv_push(&target->paths, value);
}

static int take_connect_stream(DefinitionBuilder *builder, const char *value) {
        return take_path(builder, value, KIND_STREAM);
}

static int take_connect_seqpacket(DefinitionBuilder *builder, const char *value) {
        return take_path(builder, value, KIND_SEQPACKET);
}

static int take_open_file(DefinitionBuilder *builder, const char *value) {
        return take_path(builder, value, KIND_FILE);
}

static int take_type(DefinitionBuilder *builder, const char *value) {
        int kind = *value ? kind_from_string(value) : 0;

        if (kind != 0 && kind != KIND_DEVICE && kind != KIND_FIFO && kind != KIND_FILE)
                return builder_refuse(builder, "Type= is device, fifo or file, not %s", value);

        line_level(builder)->type = (Kind)kind;
        return 0;
}

static int take_read_only_means(DefinitionBuilder *builder, const char *value) {
        if (*value && !streq(value, "open-flags"))
                return builder_refuse(builder, "ReadOnlyMeans= is open-flags or nothing, not %s",
                                      value);

        line_level(builder)->open_flags = *value;
        return 0;
}

/* The word of the table, or NULL. */
static const char *find_word(const char *const *words, const char *word) {
        for (size_t i = 0; words[i]; i++)
                if (streq(words[i], word))
                        return words[i];
        return NULL;
}

/* With all that there are. */
static int refuse_filter(DefinitionBuilder *builder, const char *value) {
        _cleanup_free_ char *text = NULL;

        for (const char *const *filter = filter_profile_get_filters(); *filter; filter++)
                for (const char *const *profile = filter_profile_get_names(*filter); *profile;
                     profile++) {
                        const char *comma = filter[1] || profile[1] ? ", " : " or ";
                        char *longer = strv_format("%s%s%s %s", text ?: "", text ? comma : "",
                                                   *filter, *profile);

                        free(text);
                        text = longer;
                        if (!text)
                                return -ENOMEM;
                }

        return builder_refuse(builder, "Filter= is %s, not %s", text, value);
}

/* With the one that was meant, if it can be guessed. */
static int refuse_word(DefinitionBuilder *builder, const char *what, const char *const *words,
                       const char *word, const char *value) {
        const char *near = nearest_find(word, words);

        if (!near)
                return refuse_filter(builder, value);
        return builder_refuse(builder, "Filter= has no %s %s, did you mean %s?", what, word, near);
}

static int take_filter(DefinitionBuilder *builder, const char *value) {
        Level *level = line_level(builder);
        const char *const *filters = filter_profile_get_filters(), *const * profiles;
        _cleanup_(strv_freep) char **words = NULL;
        const char *filter, *profile;
        int r;

        r = strv_push_words(&words, value);
        if (r < 0)
                return r;
        if (strv_length(words) == 0) {
                level->filter = level->profile = NULL;
                return 0;
        }

        filter = find_word(filters, words[0]);
        if (!filter)
                return refuse_word(builder, "filter", filters, words[0], value);
        if (strv_length(words) != 2)
                return refuse_filter(builder, value);
        profiles = filter_profile_get_names(filter);
        profile = find_word(profiles, words[1]);
        if (!profile)
                return refuse_word(builder, "profile", profiles, words[1], value);

        level->filter = filter;
        level->profile = profile;
        return 0;
}

static int take_lease(DefinitionBuilder *builder, const char *value) {
        int mode = *value ? lease_mode_from_string(value) : 0;

        if (mode < 0)
                return builder_refuse(builder, "Lease= is revocable, tracked or none, not %s",
                                      value);

        line_target(builder)->mode = (LeaseMode)mode;
        return 0;
}

static int take_max_sec(DefinitionBuilder *builder, const char *value) {
        uint64_t usec = 0;

        if (*value && (timespan_parse(value, &usec) < 0 || usec < USEC_PER_SEC ||
                       usec > DEFINITION_MAX_USEC_LIMIT))
                return builder_refuse(builder,
                                      "MaxSec= is a time from 1s to 365d, such as 8h or "
                                      "1h 30min, not %s",
                                      value);

        line_target(builder)->max_usec = usec;
        return 0;
}

static int take_revoke_on_logout(DefinitionBuilder *builder, const char *value) {
        int yes = *value ? boolean_parse(value) : 0;

        if (yes < 0)
                return builder_refuse(builder, "RevokeOnLogout= is yes or no, not %s", value);

        line_target(builder)->until_logout = yes;
        return 0;
}

static int take_authenticate(DefinitionBuilder *builder, const char *value) {
        bool off = !*value || boolean_parse(value) == 0;

        if (!off && !streq(value, "self"))
                return builder_refuse(builder, "Authenticate= is self or no, not %s", value);

        line_target(builder)->step_up = !off;
        return 0;
}

static int take_exempt_group(DefinitionBuilder *builder, const char *word) {
        if (!is_user_name(word))
                return builder_refuse(builder, "%s is no name of a group", word);
        return strv_push(&line_target(builder)->exempt, word);
}

static int take_authenticate_exempt(DefinitionBuilder *builder, const char *value) {
        Target *target = line_target(builder);

        if (!*value)
                target->exempt = strv_free(target->exempt);
        return take_list(builder, value, take_exempt_group);
}

static int take_authenticate_keep(DefinitionBuilder *builder, const char *value) {
        uint64_t usec = 0;

        if (*value && boolean_parse(value) != 0 &&
            (timespan_parse(value, &usec) < 0 || usec < USEC_PER_SEC ||
             usec > DEFINITION_KEEP_USEC_LIMIT))
                return builder_refuse(builder,
                                      "AuthenticateKeepSec= is a time from 1s to 24h, such as "
                                      "15min, or no, not %s",
                                      value);

        line_target(builder)->keep_usec = usec;
        return 0;
}

static int take_pam_account(DefinitionBuilder *builder, const char *value) {
        int yes = *value ? boolean_parse(value) : 0;

        if (yes < 0)
                return builder_refuse(builder, "PAMAccount= is yes or no, not %s", value);

        line_target(builder)->account = yes;
        return 0;
}

/* [Connect] */

static int take_group(DefinitionBuilder *builder, const char *word) {
        char ***groups = &builder->definition->groups;

        if (!is_user_name(word))
                return builder_refuse(builder, "%s is no name of a group", word);
        return strv_contains(*groups, word) ? 0 : strv_push(groups, word);
}

static int take_groups(DefinitionBuilder *builder, const char *value) {
        if (!*value)
                builder->definition->groups = strv_free(builder->definition->groups);
        return take_list(builder, value, take_group);
}

/* With these an opener could become, or reach into, every other one. */
static bool is_too_much(int capability) {
        return capability == CAP_SETUID || capability == CAP_SETGID || capability == CAP_SETPCAP ||
               capability == CAP_SETFCAP || capability == CAP_SYS_PTRACE;
}

/* The number of "CAP_SYSLOG", or -1. libcap-ng takes the name without its prefix and in any case,
 * as the locale has it: in its own spelling there is nothing for a locale to change. */
static int find_capability(const char *word) {
        char name[32];
        size_t n = strlen(word);

        if (strncmp(word, "CAP_", 4) != 0 || n - 4 >= sizeof(name) ||
            !consists_of(word, UPPER DIGITS "_"))
                return -1;

        word += 4;
        for (size_t i = 0; i <= n - 4; i++)
                name[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] - 'A' + 'a') : word[i];
        return capng_name_to_capability(name);
}

static int take_capability(DefinitionBuilder *builder, const char *word) {
        int capability = find_capability(word);

        if (capability < 0 || capability > 63)
                return builder_refuse(builder, "%s is no capability: see capabilities(7)", word);
        if (is_too_much(capability))
                return builder_refuse(builder,
                                      "%s would let this opener take over the others, and nothing "
                                      "that is opened or connected to needs it",
                                      word);

        builder->definition->capabilities |= UINT64_C(1) << capability;
        return 0;
}

static int take_capabilities(DefinitionBuilder *builder, const char *value) {
        if (!*value)
                builder->definition->capabilities = 0;
        return take_list(builder, value, take_capability);
}

static int take_connect_as(DefinitionBuilder *builder, const char *value) {
        Definition *d = builder->definition;

        free(d->connect_user);
        d->connect_user = NULL;
        d->connect_as = CONNECT_AS_SERVICE;
        if (!*value || streq(value, "service"))
                return 0;
        if (streq(value, "client")) {
                d->connect_as = CONNECT_AS_CLIENT;
                return 0;
        }

        if (!is_user_name(value))
                return builder_refuse(builder,
                                      "ConnectAs= is service, client or the name of a "
                                      "user, not %s",
                                      value);
        if (streq(value, "root") || streq(value, BROKER_USER))
                return builder_refuse(builder,
                                      "ConnectAs=%s: an opener never runs as that user; "
                                      "give the backend a system user of its own, or the "
                                      "opener a capability",
                                      value);
        if (streq(value, OPENER_USER))
                return builder_refuse(builder, "ConnectAs=%s is written ConnectAs=service", value);

        d->connect_as = CONNECT_AS_USER;
        return definition_replace(&d->connect_user, value);
}

static int take_peer_user(DefinitionBuilder *builder, const char *value) {
        Definition *d = builder->definition;

        builder->peer_given = *value;
        d->peer_any = streq(value, "*");
        free(d->peer_user);
        d->peer_user = NULL;
        if (!*value || d->peer_any)
                return 0;
        if (!is_user_name(value))
                return builder_refuse(builder, "PeerUser= is the name of a user or *, not %s",
                                      value);
        return definition_replace(&d->peer_user, value);
}

static size_t count_devices(const Definition *definition) {
        size_t n = 0;

        while (definition->devices && definition->devices[n].driver)
                n++;
        return n;
}

static void clear_devices(Definition *definition) {
        for (size_t i = 0; i < count_devices(definition); i++)
                free(definition->devices[i].driver);
        free(definition->devices);
        definition->devices = NULL;
}

/* A driver's name goes into DeviceAllow=, which would take *, ? and [ for a pattern, and a number
 * for all that has that major number. */
static bool is_driver_name(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= DRIVER_NAME_MAX && consists_of(text, LOWER UPPER DIGITS "._-/") &&
               strchr(LOWER UPPER DIGITS, text[0]) && !consists_of(text, DIGITS);
}

static int take_device_word(DefinitionBuilder *builder, const char *word) {
        Definition *d = builder->definition;
        const char *colon = strchr(word, ':');
        size_t n = count_devices(d);
        DeviceClass *grown;
        mode_t type = 0;

        if (strncmp(word, "char:", 5) == 0)
                type = S_IFCHR;
        else if (strncmp(word, "block:", 6) == 0)
                type = S_IFBLK;
        if (type == 0 || !is_driver_name(colon + 1))
                return builder_refuse(builder,
                                      "Device= names a driver as /proc/devices does, like "
                                      "char:ttyUSB or block:sd, not %s",
                                      word);

        grown = reallocarray(d->devices, n + 2, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        d->devices = grown;
        d->devices[n] = d->devices[n + 1] = (DeviceClass){};
        d->devices[n].driver = strdup(colon + 1);
        if (!d->devices[n].driver)
                return -ENOMEM;
        d->devices[n].type = type;
        return 0;
}

static int take_device(DefinitionBuilder *builder, const char *value) {
        if (!*value)
                clear_devices(builder->definition);
        return take_list(builder, value, take_device_word);
}

static int take_hangup_on_close(DefinitionBuilder *builder, const char *value) {
        int yes = *value ? boolean_parse(value) : 1;

        if (yes < 0)
                return builder_refuse(builder, "HangupOnClose= is yes or no, not %s", value);

        builder->definition->keeps_line = !yes;
        return 0;
}

/* [Client] */

/* Variables that make a program load or run what they name. A definition is root's, but it is read
 * by whoever starts CMD, and nothing that an endpoint needs is among them. */
static bool is_harmful_variable(const char *name, size_t n) {
        static const char *const exact[] = {
                "BROWSER",
                "CDPATH",
                "CLASSPATH",
                "DOTNET_STARTUP_HOOKS",
                "EDITOR",
                "ENV",
                "GCONV_PATH",
                "GTK_MODULES",
                "HOME",
                "IFS",
                "JAVA_TOOL_OPTIONS",
                "JDK_JAVA_OPTIONS",
                "LOCPATH",
                "NLSPATH",
                "PAGER",
                "PATH",
                "PROMPT_COMMAND",
                "PS4",
                "SSH_ASKPASS",
                "SSH_SK_PROVIDER",
                "TERMINFO",
                "VISUAL",
        };
        static const char *const prefixes[] = {
                "BASH",  "DYLD_", "GIT_",   "GLIBC_", "LD_",  "LUA_",  "MALLOC_",
                "NODE_", "PERL",  "PYTHON", "QT_",    "RUBY", "SHELL", "XDG_",
        };

        for (size_t i = 0; i < ELEMENTSOF(exact); i++)
                if (strlen(exact[i]) == n && strncmp(name, exact[i], n) == 0)
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

static int take_environment(DefinitionBuilder *builder, const char *value) {
        size_t n = strspn(value, UPPER DIGITS "_");

        if (!*value) {
                builder->definition->environment = strv_free(builder->definition->environment);
                return 0;
        }

        if (n == 0 || value[n] != '=' || !strchr(UPPER, value[0]))
                return builder_refuse(builder,
                                      "Environment= is NAME=value with a name of "
                                      "[A-Z][A-Z0-9_]*, one to a line, not %s",
                                      value);
        if (is_harmful_variable(value, n))
                return builder_refuse(builder,
                                      "Environment= cannot set %.*s: it can make a program "
                                      "run something else",
                                      (int)n, value);
        for (const char *c = strchr(value + n, '%'); c; c = strchr(c + 2, '%'))
                if (c[1] != 's' && c[1] != 'd' && c[1] != '%')
                        return builder_refuse(builder, "in Environment= %% is followed by s (the "
                                                       "socket's path), d (the folder that it is "
                                                       "in) or another %%");

        return strv_push(&builder->definition->environment, value);
}

#define IN(section) (1U << SECTION_##section)
#define IN_LEVELS (IN(READ_ONLY) | IN(FULL))

const DefinitionKey definition_keys[] = {
        {"Description", IN(ENDPOINT), false, false, take_description},
        {"Documentation", IN(ENDPOINT), true, false, take_documentation},
        {"Instance", IN(ENDPOINT), true, false, take_instance},
        {"Mode", IN(ENDPOINT), false, false, take_mode},
        {"ObserveGroup", IN(ENDPOINT), false, false, take_observe_group},
        {"ObserveUntil", IN(ENDPOINT), false, false, take_observe_until},
        {"ConnectStream", IN_LEVELS, true, false, take_connect_stream},
        {"ConnectSequentialPacket", IN_LEVELS, true, false, take_connect_seqpacket},
        {"OpenFile", IN_LEVELS, true, false, take_open_file},
        {"Type", IN_LEVELS, false, false, take_type},
        {"Tap", IN(FULL), false, false, builder_take_tap},
        {"Bridge", IN(FULL), false, false, builder_take_bridge},
        {"VNetHeader", IN(FULL), false, false, builder_take_vnet_header},
        {"Lease", IN_LEVELS, false, false, take_lease},
        {"MaxSec", IN_LEVELS, false, false, take_max_sec},
        {"RevokeOnLogout", IN_LEVELS, false, true, take_revoke_on_logout},
        {"Authenticate", IN_LEVELS, false, true, take_authenticate},
        {"AuthenticateExempt", IN_LEVELS, true, false, take_authenticate_exempt},
        {"AuthenticateKeepSec", IN_LEVELS, false, false, take_authenticate_keep},
        {"PAMAccount", IN_LEVELS, false, true, take_pam_account},
        {"ReadOnlyMeans", IN(READ_ONLY), false, false, take_read_only_means},
        {"Filter", IN(READ_ONLY), false, true, take_filter},
        {"Groups", IN(CONNECT), true, false, take_groups},
        {"Capabilities", IN(CONNECT), true, false, take_capabilities},
        {"ConnectAs", IN(CONNECT), false, false, take_connect_as},
        {"PeerUser", IN(CONNECT), false, false, take_peer_user},
        {"Device", IN(CONNECT), true, false, take_device},
        {"HangupOnClose", IN(CONNECT), false, false, take_hangup_on_close},
        {"Environment", IN(CLIENT), true, false, take_environment},
};
const size_t definition_n_keys = ELEMENTSOF(definition_keys);

_Static_assert(ELEMENTSOF(definition_keys) <= DEFINITION_KEYS_MAX, "seen[] has a bit for each");
