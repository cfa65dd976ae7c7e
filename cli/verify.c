/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/stat.h>

#include "config.h"

#include "cli/absent.h"
#include "cli/commands.h"
#include "cli/exit-status.h"
#include "cli/lookup.h"
#include "cli/manager.h"
#include "cli/report.h"
#include "cli/text.h"
#include "common/userfile.h"
#include "policy/action.h"
#include "policy/catalogue.h"
#include "policy/instant.h"
#include "policy/observation.h"
#include "policy/settings.h"

#define SETTINGS_WORD "doorward.conf"
/* From which number on a user is somebody who logs in, as Debian has it. */
#define PERSON_UID_MIN 1000U
/* What stands before a warning of no definition. */
#define FOLDERS_WORD "endpoints.d"

/* What was found, in JSON's terms: one object for each file or definition that was looked at. */
typedef struct Verify {
        const Options *options;
        json_t *results;
        bool failed; /* something is wrong with what was looked at */
        bool definitions;
        bool settings; /* whether these were among it */
} Verify;

static void line_print(const char *name, const char *kind, const char *text) {
        _cleanup_free_ char *escaped = text_escape(text);

        (void)printf("%s: %s%s\n", name, kind, escaped ? escaped : "?");
}

static json_t *strv_to_json(char *const *strv) {
        json_t *array = json_array();

        for (; array && strv && *strv; strv++)
                (void)json_array_append_new(array, json_string(*strv));

        return array;
}

static void note(json_t *notes, const char *format, ...) _printf_(2, 3);

static void note(json_t *notes, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)json_array_append_new(notes, json_vsprintf(format, ap));
        va_end(ap);
}

static void note_all(json_t *notes, char *const *texts) {
        for (; texts && *texts; texts++)
                note(notes, "%s", *texts);
}

/* What need not be wrong: see cli/absent.h. */
static void note_absent(json_t *notes, const Definition *definition) {
        _cleanup_(strv_freep) char **needed = NULL, **exempt = NULL;

        if (absent_find(definition, &needed, &exempt) < 0)
                return;
        note_all(notes, needed);
        note_all(notes, exempt);
}

/* Not refused: where the numbers of people begin is for each site to say. */
static void note_person(json_t *notes, const char *name) {
        uid_t uid;

        if (userfile_get_uid(USERFILE_PASSWD, name, &uid) == 0 && uid >= PERSON_UID_MIN)
                note(notes,
                     "ConnectAs=: %s is no system user, as its number is %u: whoever logs in as %s "
                     "can end the opener, and is refused the endpoint",
                     name, (unsigned)uid, name);
}

/* Whether the endpoint is judged by an action of its own. */
static void note_action(json_t *notes, const Definition *definition) {
        char path[ACTION_PATH_SIZE];

        if (access(action_file_path(definition->name, path), F_OK) < 0 && errno == ENOENT)
                note(notes,
                     "polkit has no action for it alone, and asks an administrator for a password "
                     "where no rule decides: 'doorward policy --install %s' makes one",
                     definition->name);
}

/* That it is observed, and whether its group is the one that lets anybody in without doorward. */
static void note_observation(json_t *notes, const Definition *definition) {
        _cleanup_free_ char *text = NULL;
        ObservationState state;
        gid_t gid = (gid_t)-1;

        if (observation_find(definition, USERFILE_GROUP, instant_now(), &gid, &state) < 0 ||
            state == OBSERVATION_NONE)
                return;
        text = observation_describe(definition, state);
        if (text)
                note(notes, "%s", text);
        if (state != OBSERVATION_ACTIVE || definition->template)
                return;

        for (Access access = ACCESS_READ_ONLY; access < _ACCESS_MAX; access++)
                for (char **path = definition->targets[access].paths; path && *path; path++) {
                        struct stat st;

                        if ((*path)[0] == '/' && stat(*path, &st) == 0 && st.st_gid != gid)
                                note(notes,
                                     "ObserveGroup=: the group of %s is not %s: see that this "
                                     "group "
                                     "does let its members in without doorward",
                                     *path, definition->observe_group);
                }
}

static json_t *definition_notes(const Definition *definition) {
        json_t *notes = json_array();

        if (!notes || definition->problem)
                return notes;

        note_absent(notes, definition);
        if (definition->connect_as == CONNECT_AS_USER)
                note_person(notes, definition->connect_user);
        note_action(notes, definition);
        note_observation(notes, definition);

        return notes;
}

static void result_print(const Verify *verify, const char *name, const char *problem,
                         const json_t *warnings, const json_t *notes) {
        bool quiet = options_has(verify->options, OPTION_QUIET);
        json_t *text;
        size_t i;

        if (problem)
                line_print(name, "error: ", problem);
        json_array_foreach(warnings, i, text)
                line_print(name, "warning: ", json_string_value(text));
        if (quiet)
                return;
        json_array_foreach(notes, i, text)
                line_print(name, "note: ", json_string_value(text));
        if (!problem && json_array_size(warnings) == 0)
                line_print(name, "", "ok");
}

/* Tells what was found, or keeps it for the array. Takes the references. */
static void result_take(Verify *verify, const char *name, const char *problem, json_t *files,
                        json_t *warnings, json_t *notes) {
        if (problem)
                verify->failed = true;

        if (verify->options->json == JSON_OFF) {
                result_print(verify, name, problem, warnings, notes);
                json_decref(files);
                json_decref(warnings);
                json_decref(notes);
                return;
        }

        (void)json_array_append_new(verify->results,
                                    json_pack("{s:s, s:s?, s:o, s:o, s:o}", "name", name, "problem",
                                              problem, "files", files, "warnings", warnings,
                                              "notes", notes));
}

static void definition_take(Verify *verify, const Definition *definition) {
        char name[NAME_ENDPOINT_MAX + 2];

        verify->definitions = true;
        (void)snprintf(name, sizeof(name), "%s%s", definition->name,
                       definition->template ? "@" : "");
        result_take(verify, name, definition->problem, strv_to_json(definition->files),
                    strv_to_json(definition->warnings), definition_notes(definition));
}

static int settings_verify(Verify *verify) {
        _cleanup_(strv_freep) char **folders = NULL;
        _cleanup_(settings_freep) Settings *settings = NULL;
        int r;

        r = settings_folders("", &folders);
        if (r == 0)
                r = settings_load(folders, &settings);
        if (r < 0)
                return report_errno(verify->options, r, "Cannot read %s", SETTINGS_WORD);

        verify->settings = true;
        result_take(verify, SETTINGS_WORD, settings->problem, json_array(),
                    strv_to_json(settings->warnings), json_array());
        return -1;
}

static int all_verify(Verify *verify) {
        _cleanup_(strv_freep) char **folders = NULL;
        _cleanup_(catalogue_freep) Catalogue *catalogue = NULL;
        int r;

        r = definition_folders("", &folders);
        if (r == 0)
                r = catalogue_load(folders, NULL, &catalogue);
        if (r < 0)
                return report_errno(verify->options, r, "Cannot read the definitions");

        for (size_t i = 0; i < catalogue->n_definitions; i++)
                definition_take(verify, catalogue->definitions[i]);
        if (catalogue->warnings)
                result_take(verify, FOLDERS_WORD, NULL, json_array(),
                            strv_to_json(catalogue->warnings), json_array());
        return settings_verify(verify);
}

static int word_verify(Verify *verify, const char *word) {
        _cleanup_(definition_freep) Definition *definition = NULL;
        int status;

        if (streq(word, SETTINGS_WORD))
                return settings_verify(verify);

        status = strchr(word, '/') ? lookup_file(verify->options, word, &definition)
                                   : lookup_installed(verify->options, word, &definition);
        if (status < 0)
                definition_take(verify, definition);

        return status;
}

static void effect_note(const Verify *verify) {
        if (verify->definitions)
                report_note(verify->options,
                            "A changed definition takes effect with: " MANAGER_BY_HAND);
        if (verify->settings)
                report_note(verify->options,
                            "A changed " SETTINGS_WORD " takes effect with: systemctl restart "
                            "doorward.service, which ends the leases that are not kept");
}

static int verify_finish(Verify *verify) {
        const Options *options = verify->options;
        int r;

        if (options->json != JSON_OFF) {
                r = output_json_consume(json_incref(verify->results), options->json);
                if (r < 0)
                        return report_errno(options, r, "Cannot print");
        } else if (!verify->failed)
                effect_note(verify);

        return verify->failed ? EXIT_STATUS_DEFINITION : EXIT_STATUS_OK;
}

int command_verify(const Options *options, char **arguments, size_t n) {
        Verify verify = {.options = options, .results = json_array()};
        int status = -1;

        if (!verify.results)
                return report_errno(options, -ENOMEM, "Cannot verify");

        if (n == 0)
                status = all_verify(&verify);
        for (size_t i = 0; i < n && status < 0; i++)
                status = word_verify(&verify, arguments[i]);
        if (status < 0)
                status = verify_finish(&verify);

        json_decref(verify.results);
        return status;
}
