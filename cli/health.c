/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <mntent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "config.h"

#include "cli/absent.h"
#include "cli/exit-status.h"
#include "cli/health.h"
#include "cli/level.h"
#include "cli/manager.h"
#include "cli/report.h"
#include "cli/text.h"
#include "client/query.h"
#include "common/textfile.h"
#include "common/userfile.h"
#include "policy/action.h"
#include "policy/catalogue.h"
#include "policy/instant.h"
#include "policy/observation.h"
#include "policy/strv.h"

#define OWNER "org.freedesktop.policykit.owner\">unix-user:" BROKER_USER "<"
#define GENERATED_DIR "/run/systemd/generator"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
/* Of a file that is read whole: a drop-in, or polkit's actions of one endpoint. */
#define FILE_SIZE 65536U

typedef enum Finding {
        FINDING_OK = 1,
        FINDING_NOTE,
        FINDING_PROBLEM,
} Finding;

static const char *const finding_words[] = {
        [FINDING_OK] = "ok",
        [FINDING_NOTE] = "note",
        [FINDING_PROBLEM] = "problem",
};

typedef struct Health {
        const Options *options;
        json_t *findings;  /* with --json */
        json_t *endpoints; /* as the broker lists them; NULL if it does not */
        json_t *unowned;   /* by name: polkit lets nobody ask about them */
        char **listening;  /* the paths at which somebody listens */
        unsigned problems;
        unsigned counted; /* of one kind of check, for the line that says that all is well */
} Health;

/* Says one thing. The remedy may be NULL. */
static void find(Health *health, Finding finding, const char *check, const char *remedy,
                 const char *format, ...) _printf_(5, 6);

static void find(Health *health, Finding finding, const char *check, const char *remedy,
                 const char *format, ...) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);

        if (finding == FINDING_PROBLEM)
                health->problems++;
        if (finding != FINDING_OK)
                health->counted++;

        if (health->options->json != JSON_OFF) {
                (void)json_array_append_new(health->findings,
                                            json_pack("{s:s, s:s, s:s?, s:s?}", "check", check,
                                                      "result", finding_words[finding], "text",
                                                      text, "remedy", remedy));
                return;
        }

        escaped = text ? text_escape(text) : NULL;
        (void)printf("%-8s %s: %s\n", finding_words[finding], check, escaped ?: "?");
        if (remedy)
                (void)printf("%-8s %s\n", "", remedy);
}

/* A file may be left of a socket that nobody has, and one that somebody has be out of our reach: so
 * the kernel is asked, once. */
static int read_listening(char ***ret) {
        _cleanup_(strv_freep) char **paths = NULL;
        _cleanup_(fclosep) FILE *file = fopen("/proc/net/unix", "re");
        char line[512], *end;
        int r = 0;

        /* "ffff8880: 00000002 00000000 00010000 0001 01 12345 /run/...": 00010000 is that it
         * listens. */
        while (file && r == 0 && fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = 0;
                end = strrchr(line, ' ');
                if (end && end[1] == '/' && strstr(line, " 00010000 "))
                        r = strv_push(&paths, end + 1);
        }

        if (r == 0)
                *ret = TAKE_PTR(paths);
        return r;
}

static bool listens(const Health *health, const char *path) {
        return strv_contains(health->listening, path);
}

static void check_socket(Health *health) {
        static const char wants[] = "/etc/systemd/system/sockets.target.wants/doorward.socket";
        struct stat st;

        if (!listens(health, BROKER_SOCKET))
                find(health, FINDING_PROBLEM, "socket", "systemctl enable --now doorward.socket",
                     "nobody listens on " BROKER_SOCKET);
        else if (lstat(wants, &st) < 0)
                find(health, FINDING_PROBLEM, "socket", "systemctl enable doorward.socket",
                     BROKER_SOCKET " is there, but will not be after the next boot");
        else
                find(health, FINDING_OK, "socket", NULL, "systemd listens on " BROKER_SOCKET);
}

static void check_identity(Health *health, bool nonce) {
        find(health, FINDING_OK, "identity", NULL, "%s",
             nonce ? "callers prove who they are with a nonce, as before Linux 6.5"
                   : "the kernel vouches for callers (SO_PEERPIDFD)");
}

static void check_helpers(Health *health) {
        if (!listens(health, PAM_SOCKET))
                find(health, FINDING_PROBLEM, "authentication",
                     "systemctl enable --now doorward-pam.socket",
                     "nobody listens on " PAM_SOCKET ", for the helper that asks for passwords");
        if (!listens(health, FILTER_SOCKET))
                find(health, FINDING_PROBLEM, "filter",
                     "systemctl enable --now doorward-filter.socket",
                     "nobody listens on " FILTER_SOCKET ", for endpoints with Filter=");
}

static void check_warnings(Health *health, const json_t *warnings) {
        json_t *text;
        size_t i;

        json_array_foreach(warnings, i, text)
                find(health, FINDING_NOTE, "broker", NULL, "%s", json_string_value(text));
}

/* What it says of itself. */
static void check_info(Health *health, const json_t *parameters, const Wire *wire) {
        const char *version = "";
        json_t *warnings = NULL;
        bool nonce = false;
        const WireField fields[] = {
                {"version", WIRE_STRING, false, &version},
                {"identityProof", WIRE_BOOL, false, &nonce},
                {"warnings", WIRE_STRINGS, false, &warnings},
                {},
        };

        if (wire_read(parameters, fields) < 0) {
                find(health, FINDING_PROBLEM, "broker", "systemctl restart doorward.service",
                     "what it says of itself cannot be read");
                return;
        }

        if (!streq(version, VERSION))
                find(health, FINDING_PROBLEM, "broker", "systemctl restart doorward.service",
                     "version %s runs, and the command is of version " VERSION, version);
        else if (!wire_is_secure(wire))
                find(health, FINDING_PROBLEM, "broker", "systemctl restart doorward.socket",
                     "it cannot be told who answers at %s", wire_get_path(wire));
        else
                find(health, FINDING_OK, "broker", NULL, "version %s answers", version);
        check_warnings(health, warnings);
        check_identity(health, nonce);
}

static int endpoint_read(json_t *endpoint, const char **ret_name, Level ret[_ACCESS_MAX]) {
        json_t *levels[_ACCESS_MAX] = {};
        const WireField fields[] = {
                {"name", WIRE_STRING, false, ret_name},
                {"readOnly", WIRE_OBJECT, false, &levels[ACCESS_READ_ONLY]},
                {"full", WIRE_OBJECT, false, &levels[ACCESS_FULL]},
                {},
        };
        int r;

        r = wire_read(endpoint, fields);
        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX && r == 0; access++)
                r = level_read(levels[access], &ret[access]);

        return r;
}

static bool is_listed(const Health *health, const char *name) {
        Level levels[_ACCESS_MAX];
        json_t *endpoint;
        const char *other;
        size_t i;

        json_array_foreach(health->endpoints, i, endpoint)
                if (endpoint_read(endpoint, &other, levels) == 0 && streq(other, name))
                        return true;
        return false;
}

static bool is_unanswered(const Level *level) {
        return level->provided && !level->decision;
}

/* That all it was asked was answered, but where it does not let us ask. */
static void check_polkit(Health *health) {
        Level levels[_ACCESS_MAX];
        json_t *endpoint;
        const char *name;
        size_t i;

        json_array_foreach(health->endpoints, i, endpoint) {
                if (endpoint_read(endpoint, &name, levels) < 0 ||
                    json_object_get(health->unowned, name) ||
                    !(is_unanswered(&levels[ACCESS_READ_ONLY]) ||
                      is_unanswered(&levels[ACCESS_FULL])))
                        continue;

                /* Once is enough. */
                find(health, FINDING_PROBLEM, "polkit", "systemctl restart polkit.service",
                     "it did not answer what you may do with %s; if it goes on: journalctl -u "
                     "polkit.service",
                     name);
                return;
        }

        if (health->endpoints)
                find(health, FINDING_OK, "polkit", NULL, "it answers");
}

static void check_broker(Health *health) {
        _cleanup_error_ doorward_error error = {};
        _cleanup_(query_end) Query query = QUERY_NULL;
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        int r;

        r = query_begin(&query, NULL, &error);
        if (r == 0)
                r = query_ask(&query, METHOD_GET_BROKER_INFO, json_object(), &reply, &error);
        if (r == 0) {
                check_info(health, reply.parameters, query.wire);
                r = query_list(&query, METHOD_LIST_ENDPOINTS, json_pack("{s:b}", "decisions", true),
                               "endpoint", &health->endpoints, &error);
        }
        if (r < 0)
                find(health, FINDING_PROBLEM, "broker", "journalctl -b -u doorward.service",
                     "it does not answer: %s", error.message ?: "no memory");
}

/* What systemd was told of it, by the generator, at the last daemon-reload. */
static bool is_generated(const Definition *definition) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        char text[FILE_SIZE];

        path = strv_format(GENERATED_DIR "/doorward-opener@%s.service.d/" OPENER_DROPIN,
                           definition->name);
        line = strv_format("\nEnvironment=DOORWARD_DEFINITION=%s\n", definition->hash);

        return path && line && textfile_read(path, text, sizeof(text)) == 0 && strstr(text, line);
}

static void check_opener(Health *health, const Definition *definition) {
        char path[sizeof(OPENER_SOCKET_DIR) + 1 + NAME_ENDPOINT_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", OPENER_SOCKET_DIR, definition->name);
        if (!listens(health, path))
                find(health, FINDING_PROBLEM, "opener", "systemctl start doorward-openers.target",
                     "nobody listens for the opener of %s", definition->name);
}

/* The actions are polkit's file if the endpoint has them; without it others stand in. */
static void check_actions(Health *health, const Definition *definition, const char *shown) {
        _cleanup_free_ char *remedy = NULL, *replace = NULL;
        char text[FILE_SIZE], path[ACTION_PATH_SIZE];
        int r;

        (void)action_file_path(definition->name, path);
        remedy = strv_format("doorward policy --install %s", definition->name);
        /* --install leaves alone what somebody else put there. */
        replace = strv_format("rm %s && %s", path, remedy ?: "");
        r = textfile_read(path, text, sizeof(text));
        if (r == 0 && strstr(text, OWNER))
                return;

        if (r == -ENOENT)
                find(health, FINDING_NOTE, "actions", remedy,
                     "%s has no polkit actions of its own, and an administrator's password is "
                     "asked for where no rule decides",
                     definition->name);
        else if (r < 0)
                find(health, FINDING_PROBLEM, "actions", remedy, "%s cannot be read: %s", path,
                     strerror(-r));
        else {
                (void)json_object_set_new(health->unowned, shown, json_true());
                find(health, FINDING_PROBLEM, "actions", replace,
                     "%s does not say that " BROKER_USER " is the owner of its actions, so polkit "
                     "refuses to be asked about them",
                     path);
        }
}

/* Whom it names that is not here. */
static void check_names(Health *health, const Definition *definition, const char *shown,
                        const char *remedy) {
        bool usual = absent_is_usual(definition);
        _cleanup_(strv_freep) char **needed = NULL, **exempt = NULL;
        int r;

        r = absent_find(definition, &needed, &exempt);
        if (r < 0)
                find(health, FINDING_PROBLEM, "names", remedy, "%s: %s", shown, strerror(-r));
        /* Of a service that is not there nothing need be said, unless somebody added to what came.
         */
        if (usual && strv_length(definition->files) == 1)
                return;
        for (char **text = needed; text && *text; text++)
                find(health, usual ? FINDING_NOTE : FINDING_PROBLEM, "names", remedy, "%s: %s",
                     shown, *text);
        for (char **text = exempt; text && *text; text++)
                find(health, FINDING_NOTE, "names", remedy, "%s: %s", shown, *text);
}

static void check_observation(Health *health, const Definition *definition, const char *remedy) {
        _cleanup_free_ char *text = NULL;
        ObservationState state = OBSERVATION_NONE;
        bool lost;
        gid_t gid;

        if (!definition->observes ||
            observation_find(definition, USERFILE_GROUP, instant_now(), &gid, &state) < 0 ||
            state == OBSERVATION_NONE)
                return;

        text = observation_describe(definition, state);
        lost = state == OBSERVATION_NO_GROUP || state == OBSERVATION_BAD_GROUP;
        find(health, lost && !absent_is_usual(definition) ? FINDING_PROBLEM : FINDING_NOTE,
             "observation", lost ? remedy : "doorward policy suggest", "%s", text ?: "?");
}

static void check_definition(Health *health, const Definition *definition) {
        _cleanup_free_ char *verify = strv_format("doorward verify %s%s", definition->name,
                                                  definition->template ? "@" : "");
        char name[NAME_ENDPOINT_MAX + 2];

        if (definition->problem) {
                find(health, FINDING_PROBLEM, "definition", verify, "%s: %s", definition->name,
                     definition->problem);
                return;
        }

        (void)snprintf(name, sizeof(name), "%s%s", definition->name,
                       definition->template ? "@" : "");
        if (!is_generated(definition) || (health->endpoints && !is_listed(health, name)))
                find(health, FINDING_PROBLEM, "definition", MANAGER_BY_HAND,
                     "what runs does not have %s as it stands in its file", definition->name);
        else
                check_opener(health, definition);
        check_names(health, definition, name, verify);
        check_actions(health, definition, name);
        check_observation(health, definition, verify);
}

static void check_definitions(Health *health) {
        _cleanup_(strv_freep) char **folders = NULL;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;
        unsigned counted = health->counted;
        int r;

        r = definition_folders("", &folders);
        if (r == 0)
                r = catalogue_load(folders, NULL, &catalogue);
        if (r < 0) {
                find(health, FINDING_PROBLEM, "definition", "doorward verify",
                     "they cannot be read: %s", strerror(-r));
                return;
        }

        for (size_t i = 0; i < catalogue->n_definitions; i++)
                check_definition(health, catalogue->definitions[i]);
        if (health->counted == counted)
                find(health, FINDING_OK, "definition", NULL, "%zu, as they are in their files",
                     catalogue->n_definitions);
}

/* Not with hidepid=0 or off, which is as without. */
static bool hides_processes(const char *options) {
        const char *value = strstr(options, "hidepid=");

        if (!value)
                return false;
        value += strlen("hidepid=");
        return *value != '0' && strncmp(value, "off", strlen("off")) != 0;
}

/* polkit and the broker have to see whose processes there are. */
static void check_proc(Health *health) {
        FILE *file = setmntent("/proc/self/mounts", "re");
        struct mntent *mount;
        bool hidden = false;

        /* The last one covers those before. */
        while (file && (mount = getmntent(file)))
                if (streq(mount->mnt_dir, "/proc") && streq(mount->mnt_type, "proc"))
                        hidden = hides_processes(mount->mnt_opts);
        if (file)
                (void)endmntent(file);

        if (hidden)
                find(health, FINDING_PROBLEM, "proc", "mount -o remount,hidepid=off /proc",
                     "/proc is mounted with hidepid=, so that polkit cannot see who asks; "
                     "doorwardd(8) says how to keep it");
        else
                find(health, FINDING_OK, "proc", NULL, "processes can be seen");
}

static void check_journal(Health *health) {
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
        _cleanup_close_ int fd = -EBADF;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                find(health, FINDING_PROBLEM, "journal",
                     "systemctl restart systemd-journald.service",
                     "nobody takes records at " JOURNAL_SOCKET ", and nothing is granted without "
                     "one: %s",
                     strerror(errno));
        else
                find(health, FINDING_OK, "journal", NULL, "journald takes records");
}

static int health_finish(Health *health) {
        const Options *options = health->options;
        int r;

        if (options->json != JSON_OFF) {
                r = output_json_consume(json_incref(health->findings), options->json);
                if (r < 0)
                        return report_errno(options, r, "Cannot print");
        } else if (health->problems > 0)
                (void)printf("\n%u problem%s. Each is above what mends it.\n", health->problems,
                             health->problems == 1 ? "" : "s");

        return health->problems > 0 ? EXIT_STATUS_FAILURE : EXIT_STATUS_OK;
}

int health_check(const Options *options) {
        Health health = {
                .options = options,
                .findings = json_array(),
                .unowned = json_object(),
        };
        int status;

        if (!health.findings || !health.unowned || read_listening(&health.listening) < 0) {
                status = report_errno(options, -ENOMEM, "Cannot check");
                goto out;
        }

        if (options->json == JSON_OFF)
                output_begin_text(options->output);
        check_socket(&health);
        check_broker(&health);
        check_helpers(&health);
        check_definitions(&health);
        check_polkit(&health);
        check_proc(&health);
        check_journal(&health);
        status = health_finish(&health);
out:
        json_decref(health.findings);
        json_decref(health.endpoints);
        json_decref(health.unowned);
        strv_free(health.listening);
        return status;
}
