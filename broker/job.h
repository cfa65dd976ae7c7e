#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Job: whether the broker is stopped, or another one will take its place
 *
 * Both begin with a SIGTERM. A stop ends all leases, a restart keeps those that are stored; so PID
 * 1 is asked for the job that it is about. While the stop part of any kind of restart runs (also of
 * try-restart, and of one that doorward.socket brings about) its type is "restart"; a stop, a
 * shutdown, and whatever else takes the unit away, is "stop". Where there is none, somebody has
 * sent the signal by hand, and what happens next is what Restart= says.
 *
 * What cannot be asked is a stop: to end a lease that could have been kept does less harm than to
 * leave one behind that nobody can end.
 */

#include "common/macros.h"

#define JOB_PATIENCE_USEC UINT64_C(1000000)

typedef enum JobKind {
        JOB_STOP = 1,
        JOB_RESTART,
        JOB_OTHER, /* one that does not end the unit */
        _JOB_KIND_MAX,
} JobKind;

typedef struct JobAnswer {
        bool restart;      /* another broker takes the place of this process */
        unsigned n_stored; /* how many descriptors PID 1 has of the unit */
} JobAnswer;

/* Asks about the unit that this process belongs to. address is that of the system bus. -errno; all
 * of it takes no longer than that. */
int job_ask(const char *address, uint64_t patience_usec, JobAnswer *ret) _must_check_;

/* The same of the real one: false also where it cannot be asked. The number is written if true: if
 * it is less than it should be the restart loses some, and nobody knows of whom. */
bool job_is_restart(unsigned *ret_n_stored);

/* What the type of a job means; what is not known, a stop. */
JobKind job_kind_from_type(const char *type);

/* Whether Restart= has a unit started again that exits with a status of 0. */
bool job_is_restarted_by(const char *setting);
