#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Definition: what an administrator or a package says an endpoint is
 *
 * /etc/doorward/endpoints.d/NAME.conf, then /run, /usr/local/lib and /usr/lib: the first that has
 * the file wins, and drop-ins NAME.conf.d/(anything).conf of all four are merged over it in the
 * order of their names (of two drop-ins of one name, the one of the earlier folder counts). An
 * empty file or a link to /dev/null masks the endpoint. A template is called NAME@.conf.
 *
 * One parser serves the broker, the opener, the generator and the command, so that no two of them
 * can disagree about what a file says. What a file says wrongly is never guessed at: a definition
 * with a problem is kept, so that people can be told of it, and opens nothing.
 *
 * Files are read only if they, and the folders that hold them, belong to root and nobody else can
 * write them; a folder that somebody else can write spoils every definition, since a mask or a
 * stricter drop-in may have been taken out of it just as well. A setting that this version does not
 * know is a warning; one that it knows and cannot carry out (it would make the endpoint less strict
 * than its author meant) is a problem.
 */

#include <sys/types.h>

#include "common/macros.h"
#include "common/name.h"
#include "common/terms.h"

#define DEFINITION_FOLDERS_MAX 4
/* The SHA-256 of the merged text in hexadecimal, and its NUL. */
#define DEFINITION_HASH_SIZE 65

/* Who the backend sees. */
typedef enum ConnectAs {
        CONNECT_AS_SERVICE = 1, /* the user doorward-opener */
        CONNECT_AS_CLIENT,      /* whoever asked */
        CONNECT_AS_USER,        /* a system user of its own */
} ConnectAs;

/* A device driver as /proc/devices names it: Device=char:ttyUSB. */
typedef struct DeviceClass {
        mode_t type; /* S_IFCHR or S_IFBLK */
        char *driver;
} DeviceClass;

/* How one access level is provided. */
typedef struct Target {
        bool provided;
        Kind kind;
        Means means;         /* of a read-only level; 0 for a full one */
        const char *filter;  /* of MEANS_FILTER, */
        const char *profile; /* and how much it lets through; static */
        bool real_limit;     /* of a read-only level: false where device controls still work */
        char **paths;        /* tried in order; each absolute, or @abstract; %i is the instance */
        LeaseMode mode;
        uint64_t max_usec;  /* MaxSec=; 0 is no limit */
        bool until_logout;  /* RevokeOnLogout=: with the login session it ends, too */
        bool step_up;       /* Authenticate=self: the caller's own password, too */
        char **exempt;      /* AuthenticateExempt=: groups whose members are not asked for it */
        uint64_t keep_usec; /* AuthenticateKeepSec=: how long it is remembered; 0 is not at all */
        bool account;       /* PAMAccount=yes: PAM's account stack, for each grant */
        char *tap;          /* of KIND_TAP: what the interface is called, with %i and %d */
        char *bridge;       /* Bridge=: that it is put into; NULL for none */
        bool vnet_header;   /* VNetHeader=: each frame has a header of virtio's before it */
} Target;

typedef struct Definition {
        char *name;    /* without the @ of a template */
        bool template; /* NAME@.conf: only its instances can be opened */
        char *description;
        char **documentation;
        char **instances;     /* shell patterns: what an instance may be called */
        DeviceClass *devices; /* ended by a NULL driver: what an opened node must be */
        bool keeps_line;      /* HangupOnClose=no: DTR stays when a terminal line is closed */
        Target targets[_ACCESS_MAX];
        char **groups;         /* names, which need not exist here */
        uint64_t capabilities; /* a mask of 1 << CAP_x */
        ConnectAs connect_as;
        char *connect_user; /* of CONNECT_AS_USER */
        char *peer_user;    /* who made the backend's socket, or owns the folders on the way */
        bool peer_any;      /* PeerUser=* */
        char **environment; /* [Client] Environment=, for `doorward run`; %s, %d, %% are in it */
        bool observes;      /* Mode=observe: see observation.h */
        char *observe_group;
        uint64_t observe_until; /* µs of CLOCK_REALTIME; 0: not given */

        char *text;                      /* the files as merged, each under "# /its/path" */
        char hash[DEFINITION_HASH_SIZE]; /* of text */
        char **files;                    /* their paths, in the order of the merge */
        char **warnings;                 /* "FILE:LINE: unknown key …, did you mean …" */
        char *problem;                   /* why it opens nothing; NULL if all is well */
} Definition;

/* The folders in their order of precedence, ended by NULL. root is put before each: "" is the
 * running system. The vector is the caller's. -ENOMEM. */
int definition_folders(const char *root, char ***ret) _must_check_;

/* Loads one definition: name is "docker" or, for a template, "serial@". -ENOENT if no folder has
 * it or if it is masked; -EINVAL for what is no such name; -ENOMEM, or what reading the folders
 * failed with. A file that is wrong in itself gives a definition with a problem, and 0. */
int definition_load(char *const *folders, const char *name, Definition **ret) _must_check_;
/* The same, with another owner of files trusted beside root: for tests (see trusted.h). */
int definition_load_trusting(char *const *folders, uid_t owner, const char *name,
                             Definition **ret) _must_check_;

/* The definition that an opener instance serves, by the unit's instance name: that of the name
 * itself or, if there is none, the template of that name. As definition_load(). */
int definition_load_for_opener(char *const *folders, uid_t owner, const char *name,
                               Definition **ret) _must_check_;

Definition *definition_free(Definition *definition);

/* The text of the definition of these files, parsed: what definition_load() does after reading.
 * For tests and the fuzzer. */
int definition_parse(const char *name, const char *path, const char *text,
                     Definition **ret) _must_check_;

/* Whether this instance is one the template allows. For a definition that is no template: whether
 * instance is "". */
bool definition_has_instance(const Definition *definition, const char *instance);

/* "service", "client" or the user's name: as policy's details and `doorward list` have it. */
const char *definition_connect_as(const Definition *definition);

/* What its opener has of capabilities: those of the definition, and what ConnectAs=client takes. */
uint64_t definition_powers(const Definition *definition);

/* Where a path, or a tap's name, has its first %i, or NULL. The i of %%i is none. */
const char *definition_find_instance(const char *path);

/* The path with %i replaced and %% unescaped. The string is the caller's; -ENOMEM, -EINVAL. */
int definition_expand(const char *path, const char *instance, char **ret) _must_check_;

DEFINE_CLEANUP(Definition *, definition_free);
