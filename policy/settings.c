/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "common/nearest.h"
#include "policy/boolean.h"
#include "policy/folders.h"
#include "policy/inifile.h"
#include "policy/settings.h"
#include "policy/strv.h"
#include "policy/timespan.h"

#define NAME "doorward"
#define SECTION "Broker"
#define WARNINGS_MAX 32U
/* Of a user's name, here as in common/pam-protocol.h. */
#define USER_NAME_MAX 256U

typedef enum Type {
        TYPE_NUMBER,
        TYPE_TIME,
        TYPE_BOOLEAN,
        TYPE_CHOICE, /* of words */
        TYPE_USERS,  /* their names; added up, and an empty list takes back what came before */
} Type;

/* What a choice writes is an enumeration's value or, for two words, a bool. */
typedef struct Word {
        const char *name;
        int value;
} Word;

static const Word foreign_words[] = {
        {"no", FOREIGN_NAMESPACE_NO},
        {"read-only", FOREIGN_NAMESPACE_READ_ONLY},
        {"yes", FOREIGN_NAMESPACE_YES},
        {},
};

static const Word proof_words[] = {{"auto", false}, {"always", true}, {}};
static const Word level_words[] = {{"info", false}, {"debug", true}, {}};

/* What stands behind a setting. Numbers and times (in seconds here) have a least and a greatest
 * value: 0 is in no range where it would mean that nobody is served. */
typedef struct Setting {
        const char *key;
        Type type;
        size_t offset;
        uint64_t preset, least, greatest;
        const Word *words;
} Setting;

#define NUMBER(key, field, preset, least, greatest) \
        { key, TYPE_NUMBER, offsetof(Settings, field), preset, least, greatest, NULL }
#define TIME(key, field, preset, least, greatest) \
        { key, TYPE_TIME, offsetof(Settings, field), preset, least, greatest, NULL }

static const Setting settings_table[] = {
        NUMBER("ConnectionsPerUser", connections_per_user, 16, 1, 4096),
        NUMBER("ConnectionsMax", connections_max, 256, 1, 16384),
        NUMBER("LeasesPerUser", leases_per_user, 256, 1, 10000),
        NUMBER("LeasesMax", leases_max, 10000, 1, 100000),
        NUMBER("DescriptorsPerLease", descriptors_per_lease, 1024, 1, 65536),
        NUMBER("DescriptorsPerUser", descriptors_per_user, 0, 0, 1000000),
        NUMBER("FiltersPerUser", filters_per_user, 128, 1, 4096),
        NUMBER("FiltersMax", filters_max, 1024, 1, 4096),
        NUMBER("UndeliveredPerUser", undelivered_per_user, 8, 1, 4096),
        NUMBER("KeptLeasesMax", kept_leases_max, 256, 0, 1000),
        NUMBER("RequestRate", request_rate, 20, 1, 1000000),
        NUMBER("RequestBurst", request_burst, 40, 1, 1000000),
        TIME("RequestTimeoutSec", request_timeout_usec, 5, 1, 60),
        NUMBER("PolicyChecksMax", policy_checks_max, 8, 1, 32),
        NUMBER("PolicyChecksPerUser", policy_checks_per_user, 3, 1, 32),
        NUMBER("PolicyRechecksMax", policy_rechecks_max, 2, 1, 32),
        NUMBER("PolicyRecheckRate", policy_recheck_rate, 50, 1, 10000),
        TIME("PolicyTimeoutSec", policy_timeout_usec, 20, 1, 120),
        TIME("InteractiveTimeoutSec", interactive_timeout_usec, 120, 10, 600),
        NUMBER("ConversationsMax", conversations_max, 32, 1, 256),
        NUMBER("AuthenticationFailuresMax", failures_max, 10, 1, 1000),
        TIME("AuthenticationPenaltySec", penalty_usec, 60, 1, 86400),
        TIME("OpenTimeoutSec", open_timeout_usec, 7, 6, 60),
        TIME("AuditTimeoutSec", audit_timeout_usec, 2, 1, 60),
        {"AuditRequired", TYPE_BOOLEAN, offsetof(Settings, audit_required), true, 0, 0, NULL},
        NUMBER("AuditQueueMax", audit_queue_max, 16384, 64, 262144),
        TIME("IdleExitSec", idle_exit_usec, 60, 1, 86400),
        {"AllowForeignUserNamespace", TYPE_CHOICE, offsetof(Settings, allow_foreign_user_namespace),
         FOREIGN_NAMESPACE_READ_ONLY, 0, 0, foreign_words},
        {"IdentityProof", TYPE_CHOICE, offsetof(Settings, proof_always), false, 0, 0, proof_words},
        {"LogLevel", TYPE_CHOICE, offsetof(Settings, log_debug), false, 0, 0, level_words},
        {"Identities", TYPE_USERS, offsetof(Settings, identities), 0, 0, 0, NULL},
};

_Static_assert(sizeof(ForeignNamespace) == sizeof(unsigned), "store() writes it as a number");

static void store(Settings *settings, const Setting *setting, uint64_t value) {
        char *field = (char *)settings + setting->offset;

        if (setting->type == TYPE_TIME)
                memcpy(field, &(uint64_t){value}, sizeof(uint64_t));
        else if (setting->type == TYPE_BOOLEAN || setting->words == proof_words ||
                 setting->words == level_words)
                memcpy(field, &(bool){value != 0}, sizeof(bool));
        else
                memcpy(field, &(unsigned){(unsigned)value}, sizeof(unsigned));
}

static void set_default(Settings *settings, const Setting *setting) {
        if (setting->type == TYPE_USERS)
                settings->identities = strv_free(settings->identities);
        else
                store(settings, setting,
                      setting->type == TYPE_TIME ? setting->preset * USEC_PER_SEC
                                                 : setting->preset);
}

static void set_defaults(Settings *settings) {
        for (size_t i = 0; i < ELEMENTSOF(settings_table); i++)
                set_default(settings, &settings_table[i]);
}

static int parse_number(const char *text, const Setting *setting, uint64_t *ret) {
        uint64_t value = 0;

        if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")])
                return -EINVAL;
        for (; *text; text++)
                value = value * 10 + (uint64_t)(*text - '0');
        if (value < setting->least || value > setting->greatest)
                return -ERANGE;

        *ret = value;
        return 0;
}

static int parse_time(const char *text, const Setting *setting, uint64_t *ret) {
        uint64_t value;

        if (timespan_parse(text, &value) < 0)
                return -EINVAL;
        if (value < setting->least * USEC_PER_SEC || value > setting->greatest * USEC_PER_SEC)
                return -ERANGE;

        *ret = value;
        return 0;
}

static int parse_choice(const char *text, const Word *words, uint64_t *ret) {
        for (; words->name; words++)
                if (streq(words->name, text)) {
                        *ret = (uint64_t)words->value;
                        return 0;
                }
        return -EINVAL;
}

static int parse_value(const char *text, const Setting *setting, uint64_t *ret) {
        int r;

        switch (setting->type) {
        case TYPE_NUMBER:
                return parse_number(text, setting, ret);
        case TYPE_TIME:
                return parse_time(text, setting, ret);
        case TYPE_BOOLEAN:
                r = boolean_parse(text);
                if (r >= 0)
                        *ret = (uint64_t)r;
                return r < 0 ? r : 0;
        case TYPE_CHOICE:
                return parse_choice(text, setting->words, ret);
        case TYPE_USERS:
                break;
        }

        return -EINVAL;
}

/* What may be said instead. */
static void describe_range(const Setting *setting, char *buf, size_t size) {
        char least[TIMESPAN_TEXT_SIZE], greatest[TIMESPAN_TEXT_SIZE];
        size_t used = 0;

        switch (setting->type) {
        case TYPE_NUMBER:
                (void)snprintf(buf, size, "a number from %" PRIu64 " to %" PRIu64, setting->least,
                               setting->greatest);
                break;
        case TYPE_TIME:
                (void)snprintf(buf, size, "a time from %s to %s",
                               timespan_to_string(setting->least * USEC_PER_SEC, least),
                               timespan_to_string(setting->greatest * USEC_PER_SEC, greatest));
                break;
        case TYPE_BOOLEAN:
                (void)snprintf(buf, size, "yes or no");
                break;
        case TYPE_CHOICE:
                for (const Word *word = setting->words; word->name && used < size; word++)
                        used += (size_t)snprintf(buf + used, size - used, "%s%s",
                                                 used == 0      ? ""
                                                 : word[1].name ? ", "
                                                                : " or ",
                                                 word->name);
                break;
        case TYPE_USERS:
                (void)snprintf(buf, size, "a list of users' names, and root is none of them");
                break;
        }
}

static int warn_consume(Settings *settings, char *text) {
        if (text && strv_length(settings->warnings) >= WARNINGS_MAX) {
                free(text);
                return 0;
        }

        return strv_push_consume(&settings->warnings, text);
}

static int warn_of_value(Settings *settings, const IniLine *line, const Setting *setting) {
        char range[160];

        describe_range(setting, range, sizeof(range));
        return warn_consume(settings,
                            strv_format("%s:%u: %s= is %s, not \"%s\", which is "
                                        "ignored",
                                        line->file, line->number, line->key, range, line->value));
}

/* A directory's names can have characters that this machine's own have not, but none that a line of
 * /etc/passwd or a path could not hold. */
static bool is_user_name(const char *text) {
        size_t n = strlen(text);

        return n <= USER_NAME_MAX && text[0] != '-' && !text[strcspn(text, ":/,")] &&
               !streq(text, "root");
}

static int take_users(Settings *settings, const IniLine *line, const Setting *setting) {
        _cleanup_(strv_freep) char **names = NULL;
        int r = strv_push_words(&names, line->value);

        for (char **name = names; r == 0 && name && *name; name++)
                if (!is_user_name(*name))
                        return warn_of_value(settings, line, setting);
        return r < 0 ? r : strv_push_words(&settings->identities, line->value);
}

static int warn_of_key(Settings *settings, const IniLine *line) {
        const char *names[ELEMENTSOF(settings_table) + 1] = {}, *near;

        for (size_t i = 0; i < ELEMENTSOF(settings_table); i++)
                names[i] = settings_table[i].key;
        near = nearest_find(line->key, names);
        return warn_consume(settings,
                            strv_format("%s:%u: unknown key %s= is ignored%s%s%s", line->file,
                                        line->number, line->key, near ? ", did you mean " : "",
                                        near ? near : "", near ? "=?" : ""));
}

static int take_line(const IniLine *line, void *userdata) {
        Settings *settings = userdata;

        if (strncmp(line->section, "X-", 2) == 0 || strncmp(line->key, "X-", 2) == 0)
                return 0;
        if (!streq(line->section, SECTION))
                return warn_consume(settings, strv_format("%s:%u: section [%s] is ignored: there "
                                                          "is only [" SECTION "]",
                                                          line->file, line->number, line->section));

        for (size_t i = 0; i < ELEMENTSOF(settings_table); i++) {
                const Setting *setting = &settings_table[i];
                uint64_t value;

                if (!streq(setting->key, line->key))
                        continue;
                if (!*line->value)
                        set_default(settings, setting);
                else if (setting->type == TYPE_USERS)
                        return take_users(settings, line, setting);
                else if (parse_value(line->value, setting, &value) == 0)
                        store(settings, setting, value);
                else
                        return warn_of_value(settings, line, setting);
                return 0;
        }

        return warn_of_key(settings, line);
}

/* Limits that contradict each other are not wrong, but hardly meant. */
static int check_together(Settings *settings) {
        if (settings->connections_per_user > settings->connections_max)
                return warn_consume(settings, strv_format("ConnectionsPerUser=%u is more than "
                                                          "ConnectionsMax=%u: one user can keep "
                                                          "all others out",
                                                          settings->connections_per_user,
                                                          settings->connections_max));
        if (settings->leases_per_user > settings->leases_max)
                return warn_consume(settings,
                                    strv_format("LeasesPerUser=%u is more than "
                                                "LeasesMax=%u: one user can keep all "
                                                "others out",
                                                settings->leases_per_user, settings->leases_max));
        if (settings->filters_per_user > settings->filters_max)
                return warn_consume(settings,
                                    strv_format("FiltersPerUser=%u is more than "
                                                "FiltersMax=%u: one user can keep all "
                                                "others out",
                                                settings->filters_per_user, settings->filters_max));
        return 0;
}

static int settings_new(Inifile *ini, Settings **ret) {
        _cleanup_(settings_freep) Settings *settings = calloc(1, sizeof(*settings));
        int r = 0;

        if (!settings)
                return -ENOMEM;

        set_defaults(settings);
        if (!ini->problem)
                r = inifile_parse(ini, take_line, settings);
        if (r == 0 && ini->problem) {
                set_defaults(settings);
                settings->problem = TAKE_PTR(ini->problem);
        }
        if (r == 0)
                r = check_together(settings);
        if (r < 0)
                return r;

        settings->text = TAKE_PTR(ini->text);
        *ret = TAKE_PTR(settings);
        return 0;
}

int settings_folders(const char *root, char ***ret) {
        return folders_list(root, "", ret);
}

int settings_load_trusting(char *const *folders, uid_t owner, Settings **ret) {
        _cleanup_(inifile_freep) Inifile *ini = NULL;
        int r;

        r = inifile_load(folders, NAME, owner, &ini);
        if (r < 0)
                return r;

        return settings_new(ini, ret);
}

int settings_load(char *const *folders, Settings **ret) {
        return settings_load_trusting(folders, 0, ret);
}

int settings_parse(const char *path, const char *text, Settings **ret) {
        _cleanup_(inifile_freep) Inifile *ini = NULL;
        int r;

        r = inifile_new(path, text, strlen(text), &ini);
        if (r < 0)
                return r;

        return settings_new(ini, ret);
}

Settings *settings_free(Settings *settings) {
        if (!settings)
                return NULL;

        free(settings->text);
        strv_free(settings->identities);
        strv_free(settings->warnings);
        free(settings->problem);
        free(settings);
        return NULL;
}

const char *foreign_namespace_to_string(ForeignNamespace value) {
        for (const Word *word = foreign_words; word->name; word++)
                if (word->value == (int)value)
                        return word->name;
        return "invalid";
}
