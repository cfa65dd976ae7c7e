/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <cap-ng.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "config.h"
#include "policy/definition-internal.h"
#include "policy/nearest.h"
#include "policy/strv.h"
#include "policy/timespan.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Of a user's or group's name, as utmp and most tools have it. */
#define USER_NAME_MAX 31U
#define DRIVER_NAME_MAX 63U

static const char *const section_names[_SECTION_MAX + 1] = {
        [SECTION_ENDPOINT] = "Endpoint", [SECTION_READ_ONLY] = "ReadOnly", [SECTION_FULL] = "Full",
        [SECTION_CONNECT] = "Connect",   [SECTION_CLIENT] = "Client",
};

int builder_refuse(DefinitionBuilder *builder, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }

        return definition_refuse_consume(
                builder->definition,
                strv_format("%s:%u: %s", builder->line->file, builder->line->number, text));
}

int builder_warn(DefinitionBuilder *builder, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }

        return definition_warn_consume(
                builder->definition,
                strv_format("%s:%u: %s", builder->line->file, builder->line->number, text));
}

/* The level whose section the line stands in. */
static Access line_access(const DefinitionBuilder *builder) {
        return builder->section == SECTION_READ_ONLY ? ACCESS_READ_ONLY : ACCESS_FULL;
}

static Level *line_level(DefinitionBuilder *builder) {
        return &builder->levels[line_access(builder)];
}

static Target *line_target(DefinitionBuilder *builder) {
        return &builder->definition->targets[line_access(builder)];
}

static bool consists_of(const char *text, const char *characters) {
        return text[strspn(text, characters)] == '\0';
}

static bool is_user_name(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= USER_NAME_MAX && consists_of(text, LOWER UPPER DIGITS "_-.") &&
               strchr(LOWER UPPER "_", text[0]);
}

static int replace(char **field, const char *value) {
        char *copy = strdup(value);

        if (!copy)
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
        return replace(&builder->definition->description, value);
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

static int take_path(DefinitionBuilder *builder, const char *value, Kind kind) {
        Level *level = line_level(builder);
        Target *target = line_target(builder);
        bool connects = kind == KIND_STREAM || kind == KIND_SEQPACKET;
        const char *fault;

        if (!*value) {
                level->connect_kind = 0;
                target->paths = strv_free(target->paths);
                return 0;
        }

        if (connects && value[0] != '/' && value[0] != '@' && looks_like_network(value))
                return builder_refuse(builder,
                                      "%s is an address in a network: only unix sockets can be "
                                      "verified and taken back; doorward+ssh:// reaches other "
                                      "machines",
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
                                      "one kind of socket, or a file",
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

static int take_filter(DefinitionBuilder *builder, const char *value) {
        Level *level = line_level(builder);

        free(level->filter);
        level->filter = NULL;
        return *value ? replace(&level->filter, value) : 0;
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
        return replace(&d->connect_user, value);
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
        return replace(&d->peer_user, value);
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

/* A driver's name goes into DeviceAllow=, which would take *, ? and [ for a pattern. */
static bool is_driver_name(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= DRIVER_NAME_MAX && consists_of(text, LOWER UPPER DIGITS "._-/") &&
               strchr(LOWER UPPER DIGITS, text[0]);
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
                if (c[1] != 's' && c[1] != '%')
                        return builder_refuse(builder, "in Environment= %% is followed by s (the "
                                                       "socket's path) or another %%");

        return strv_push(&builder->definition->environment, value);
}

typedef struct Key {
        const char *name;
        unsigned sections; /* bits of Section */
        bool list;         /* given several times, it adds up */
        int (*take)(DefinitionBuilder *builder, const char *value);
} Key;

#define IN(section) (1U << SECTION_##section)
#define IN_LEVELS (IN(READ_ONLY) | IN(FULL))

static const Key keys[] = {
        {"Description", IN(ENDPOINT), false, take_description},
        {"Documentation", IN(ENDPOINT), true, take_documentation},
        {"Instance", IN(ENDPOINT), true, take_instance},
        {"ConnectStream", IN_LEVELS, true, take_connect_stream},
        {"ConnectSequentialPacket", IN_LEVELS, true, take_connect_seqpacket},
        {"OpenFile", IN_LEVELS, true, take_open_file},
        {"Type", IN_LEVELS, false, take_type},
        {"Lease", IN_LEVELS, false, take_lease},
        {"MaxSec", IN_LEVELS, false, take_max_sec},
        {"ReadOnlyMeans", IN(READ_ONLY), false, take_read_only_means},
        {"Filter", IN(READ_ONLY), false, take_filter},
        {"Groups", IN(CONNECT), true, take_groups},
        {"Capabilities", IN(CONNECT), true, take_capabilities},
        {"ConnectAs", IN(CONNECT), false, take_connect_as},
        {"PeerUser", IN(CONNECT), false, take_peer_user},
        {"Device", IN(CONNECT), true, take_device},
        {"Environment", IN(CLIENT), true, take_environment},
};
_Static_assert(ELEMENTSOF(keys) <= DEFINITION_KEYS_MAX, "seen[] has a bit for each key");

/* Keys of later versions. Each makes an endpoint stricter, so a definition that has one, wherever,
 * must not be used by a version that cannot do it. */
static const char *const later_keys[] = {
        "Authenticate", "AuthenticateExempt", "AuthenticateKeepSec", "Filter",     "HangupOnClose",
        "Mode",         "ObserveGroup",       "ObserveUntil",        "PAMAccount", "RevokeOnLogout",
        "Tap",
};

/* What such a key can say that asks for nothing. */
static bool is_off(const char *key, const char *value) {
        static const char *const no[] = {"", "no", "false", "off", "0", "never"};

        if (streq(key, "Mode") && streq(value, "enforce"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                if (strcasecmp(value, no[i]) == 0)
                        return true;
        return false;
}

static int take_later(DefinitionBuilder *builder, const char *key) {
        const IniLine *line = builder->line;
        _cleanup_free_ char *place = strv_format("%s:%u", line->file, line->number);
        _cleanup_free_ char *section = strdup(line->section);
        LaterKey *grown;

        if (!place || !section)
                return -ENOMEM;

        for (size_t i = 0; i < builder->n_later; i++) {
                LaterKey *later = &builder->later[i];

                if (later->key == key && streq(later->section, section)) {
                        later->on = !is_off(key, line->value);
                        free(later->place);
                        later->place = TAKE_PTR(place);
                        return 0;
                }
        }

        grown = reallocarray(builder->later, builder->n_later + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        builder->later = grown;
        builder->later[builder->n_later++] = (LaterKey){
                .section = TAKE_PTR(section),
                .key = key,
                .on = !is_off(key, line->value),
                .place = TAKE_PTR(place),
        };
        return 0;
}

static const char *find_later(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(later_keys); i++)
                if (streq(later_keys[i], name))
                        return later_keys[i];
        return NULL;
}

static int find_section(const char *name) {
        for (int i = 0; i < _SECTION_MAX; i++)
                if (streq(section_names[i], name))
                        return i;
        return -EINVAL;
}

static bool is_extension(const char *name) {
        return strncmp(name, "X-", 2) == 0;
}

/* The keys that there are: in one section, or (-1) in any. The vector is the caller's, the names
 * are not. */
static const char **list_keys(int section) {
        const char **names = calloc(ELEMENTSOF(keys) + 1, sizeof(*names));
        size_t n = 0;

        for (size_t i = 0; names && i < ELEMENTSOF(keys); i++)
                if (section < 0 || keys[i].sections & (1U << section))
                        names[n++] = keys[i].name;
        return names;
}

/* "[Connect]", or "[ReadOnly] or [Full]". The caller's. */
static char *format_sections(unsigned sections) {
        unsigned first = (unsigned)__builtin_ctz(sections), rest = sections & (sections - 1);

        if (rest == 0)
                return strv_format("[%s]", section_names[first]);
        return strv_format("[%s] or [%s]", section_names[first],
                           section_names[__builtin_ctz(rest)]);
}

/* Once for each time that it begins, not for each of its lines. */
static int warn_of_section(DefinitionBuilder *builder) {
        const char *section = builder->line->section, *near;

        if (streq(builder->unknown, section))
                return 0;
        (void)snprintf(builder->unknown, sizeof(builder->unknown), "%s", section);

        near = nearest_find(section, section_names);
        if (near)
                return builder_warn(builder, "unknown section [%s] is ignored, did you mean [%s]?",
                                    section, near);
        return builder_warn(builder, "unknown section [%s] is ignored", section);
}

/* A key that exists, in a section where it has no meaning. */
static int warn_of_place(DefinitionBuilder *builder, const Key *key) {
        _cleanup_free_ char *sections = format_sections(key->sections);

        if (!sections)
                return -ENOMEM;
        return builder_warn(builder, "%s= is ignored in [%s]: it belongs in %s", key->name,
                            builder->line->section, sections);
}

static int warn_of_key(DefinitionBuilder *builder) {
        const char *name = builder->line->key, *near;
        _cleanup_free_ const char **here = list_keys((int)builder->section);
        _cleanup_free_ const char **all = list_keys(-1);

        if (!here || !all)
                return -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (streq(keys[i].name, name))
                        return warn_of_place(builder, &keys[i]);

        near = nearest_find(name, here);
        if (!near)
                near = nearest_find(name, all);
        if (near)
                return builder_warn(builder, "unknown key %s= is ignored, did you mean %s=?", name,
                                    near);
        return builder_warn(builder, "unknown key %s= is ignored", name);
}

/* Of a key that holds one value, the last one counts; twice in one file is hardly meant. */
static int check_repetition(DefinitionBuilder *builder, size_t key) {
        uint32_t bit = UINT32_C(1) << key;

        if (keys[key].list || !(builder->seen[builder->section] & bit)) {
                builder->seen[builder->section] |= bit;
                return 0;
        }

        return builder_warn(builder, "%s= is given again in this file, and this one counts",
                            keys[key].name);
}

int builder_take_line(const IniLine *line, void *userdata) {
        DefinitionBuilder *builder = userdata;
        const char *later = find_later(line->key);
        int section = find_section(line->section);

        builder->line = line;
        if (builder->file != line->file) {
                builder->file = line->file;
                builder->unknown[0] = '\0';
                memset(builder->seen, 0, sizeof(builder->seen));
        }

        /* Filter= has a meaning of its own in [ReadOnly], and only there. */
        if (later && !(section == SECTION_READ_ONLY && streq(later, "Filter")))
                return take_later(builder, later);
        if (is_extension(line->section) || is_extension(line->key))
                return 0;
        if (section < 0)
                return warn_of_section(builder);

        builder->section = (Section)section;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (streq(keys[i].name, line->key) && keys[i].sections & (1U << section)) {
                        int r = check_repetition(builder, i);

                        return r < 0 ? r : keys[i].take(builder, line->value);
                }

        return warn_of_key(builder);
}

void builder_deinit(DefinitionBuilder *builder) {
        for (size_t i = 0; i < _ACCESS_MAX; i++)
                free(builder->levels[i].filter);
        for (size_t i = 0; i < builder->n_later; i++) {
                free(builder->later[i].section);
                free(builder->later[i].place);
        }
        free(builder->later);
        *builder = (DefinitionBuilder){};
}
