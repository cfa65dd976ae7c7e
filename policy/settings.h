#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings: what an administrator says about the broker itself
 *
 * /etc/doorward/doorward.conf, section [Broker], from the same folders and with the same drop-ins
 * and checks as definitions. Every setting has a default that needs no file. A value that cannot be
 * used is a warning, and the default stays; a file that cannot be trusted or read without doubt is
 * a problem: what it might have made stricter is not known, so a broker must not start on it, and
 * one that runs keeps what it has.
 */

#include <sys/types.h>

#include "common/macros.h"

/* Whether callers whose user namespace is not the broker's are served. */
typedef enum ForeignNamespace {
        FOREIGN_NAMESPACE_NO = 1,
        FOREIGN_NAMESPACE_READ_ONLY,
        FOREIGN_NAMESPACE_YES,
} ForeignNamespace;

typedef struct Settings {
        unsigned connections_per_user; /* without a live lease */
        unsigned connections_max;      /* without a live lease, of all users */
        unsigned leases_per_user;
        unsigned leases_max;
        unsigned descriptors_per_lease;
        unsigned descriptors_per_user; /* that the broker holds; 0: an eighth of all that it may */
        unsigned filters_per_user;     /* processes of filters, */
        unsigned filters_max;          /* and of all users */
        unsigned undelivered_per_user; /* replies with a descriptor that nobody has read yet */
        unsigned kept_leases_max;      /* that outlive a restart of the broker */

        unsigned request_rate;  /* of a user, in a second */
        unsigned request_burst; /* of a user, at once */
        uint64_t request_timeout_usec;

        unsigned policy_checks_max; /* in flight */
        unsigned policy_checks_per_user;
        unsigned policy_rechecks_max; /* of live leases: in flight, */
        unsigned policy_recheck_rate; /* and in a second */
        uint64_t policy_timeout_usec;
        uint64_t interactive_timeout_usec;

        unsigned conversations_max; /* with the PAM helper, in all */
        unsigned failures_max;      /* failed authentications of a user, */
        uint64_t penalty_usec;      /* after which nobody of theirs is asked for so long */

        uint64_t open_timeout_usec;

        uint64_t audit_timeout_usec;
        bool audit_required;
        unsigned audit_queue_max;

        uint64_t idle_exit_usec;
        bool log_debug; /* LogLevel=debug: what is done with each request */
        ForeignNamespace allow_foreign_user_namespace;
        bool proof_always; /* IdentityProof=always: as on a kernel without SO_PEERPIDFD */

        char **identities; /* whom the PAM helper takes although they are no ordinary users */

        char *text; /* the files as merged */
        char **warnings;
        char *problem; /* NULL if all is well; else everything above is at its default */
} Settings;

/* The folders in their order of precedence, ended by NULL; root is put before each. -ENOMEM. */
int settings_folders(const char *root, char ***ret) _must_check_;

/* -ENOMEM and such. No file at all gives the defaults. */
int settings_load(char *const *folders, Settings **ret) _must_check_;
/* The same, with another owner trusted beside root: for tests (see trusted.h). */
int settings_load_trusting(char *const *folders, uid_t owner, Settings **ret) _must_check_;
/* Of a text that is already there, for tests. */
int settings_parse(const char *path, const char *text, Settings **ret) _must_check_;
Settings *settings_free(Settings *settings);

/* "no", "read-only" or "yes". Static. */
const char *foreign_namespace_to_string(ForeignNamespace value);

DEFINE_CLEANUP(Settings *, settings_free);
