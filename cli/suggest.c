/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pwd.h>
#include <stdio.h>
#include <systemd/sd-journal.h>

#include "config.h"

#include "cli/exit-status.h"
#include "cli/report.h"
#include "cli/suggest.h"
#include "cli/suggestion.h"
#include "policy/instant.h"
#include "policy/strv.h"

/* The value of a field of the entry at hand, the caller's: 0, also where there is none, or -errno.
 * What holds a NUL is none of ours. */
static int journal_get(sd_journal *journal, const char *field, char **ret) {
        size_t n = strlen(field) + 1, size;
        const void *data;
        char *value;
        int r;

        *ret = NULL;
        r = sd_journal_get_data(journal, field, &data, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (size < n || memchr(data, 0, size))
                return 0;

        value = strndup((const char *)data + n, size - n);
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

static int take_entry(sd_journal *journal, Suggestion *suggestion) {
        static const char *const fields[] = {
                "DOORWARD_ENDPOINT", "DOORWARD_ACCESS",      "DOORWARD_ACTION",      "DOORWARD_HOW",
                "DOORWARD_POLICY",   "DOORWARD_SUBJECT_UID", "DOORWARD_SUBJECT_UNIT"};
        char *values[ELEMENTSOF(fields)] = {};
        SuggestionRecord record;
        int r;

        r = sd_journal_get_realtime_usec(journal, &record.time);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fields); i++)
                r = journal_get(journal, fields[i], &values[i]);
        if (r >= 0) {
                record.endpoint = values[0];
                record.access = values[1];
                record.action = values[2];
                record.how = values[3];
                record.policy = values[4];
                record.uid = values[5];
                record.unit = values[6];
                r = suggestion_add(suggestion, &record);
        }

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                free(values[i]);
        /* An entry that is damaged is left out, as journalctl(1) does. */
        return r == -EBADMSG || r == -EADDRNOTAVAIL ? 0 : r;
}

/* Anybody can write such fields into the journal. Those that begin with an underscore are
 * journald's own word: only the broker has both its unit and its user. */
static int add_matches(sd_journal *journal, uid_t uid) {
        _cleanup_free_ char *user = strv_format("_UID=%u", (unsigned)uid);
        const char *matches[] = {user, "_SYSTEMD_UNIT=" BROKER_UNIT, "_TRANSPORT=journal",
                                 "MESSAGE_ID=" SUGGEST_MESSAGE_ID};
        int r = user ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(matches); i++)
                r = sd_journal_add_match(journal, matches[i], 0);
        return r;
}

static int read_entries(sd_journal *journal, Suggestion *suggestion) {
        int r;

        r = sd_journal_seek_realtime_usec(journal, suggestion->since);
        while (r >= 0 && (r = sd_journal_next(journal)) > 0)
                r = take_entry(journal, suggestion);
        return r;
}

/* Whether there is anything that this user may read. */
static bool can_read(sd_journal *journal) {
        return sd_journal_has_runtime_files(journal) > 0 ||
               sd_journal_has_persistent_files(journal) > 0;
}

/* -1, or the exit status. */
static int suggestion_read(const Options *options, Suggestion *suggestion) {
        _cleanup_(sd_journal_closep) sd_journal *journal = NULL;
        const struct passwd *broker = getpwnam(BROKER_USER);
        int r;

        if (!broker)
                return report_problem(options, DOORWARD_ERR_SYSTEM,
                                      "It comes with doorward: is doorward installed here?",
                                      "There is no user %s on this machine.", BROKER_USER);

        r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r >= 0 && !can_read(journal))
                return report_problem(options, DOORWARD_ERR_SYSTEM,
                                      "Run it with sudo, or as a member of the group adm or "
                                      "systemd-journal.",
                                      "The system's journal cannot be read by this user.");
        if (r >= 0)
                r = add_matches(journal, broker->pw_uid);
        if (r >= 0)
                r = read_entries(journal, suggestion);
        if (r < 0)
                return report_errno(options, r, "Cannot read the journal");

        suggestion_sort(suggestion);
        return -1;
}

int suggest(const Options *options) {
        _cleanup_(suggestion_deinit) Suggestion suggestion = {
                .since = options->since,
                .until = options_has(options, OPTION_UNTIL) ? options->until : instant_now(),
                .only = options->endpoint,
                .find_name = suggestion_find_name,
        };
        int status, r;

        if (suggestion.since > suggestion.until)
                return options_usage_error(options, "The period ends before it begins.");
        status = suggestion_read(options, &suggestion);
        if (status >= 0)
                return status;

        if (options->json != JSON_OFF) {
                r = output_json_consume(suggestion_to_json(&suggestion), options->json);
                return r < 0 ? report_errno(options, r, "Cannot print") : EXIT_STATUS_OK;
        }

        output_begin_text(options->output);
        suggestion_print(&suggestion, stdout);
        return EXIT_STATUS_OK;
}
