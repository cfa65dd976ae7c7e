#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pty relay: a terminal line that was opened, behind a pty that a program can open by its path
 *
 * What the program writes goes to the device, and what that says to the program, each way with one
 * buffer: whoever is slow slows the other, as far as the line's flow control goes. Settings go with
 * it (cli/line.h), and what the program has thrown away is thrown away there, too. What does not go
 * over a pty: modem lines, breaks that are sent, parity and the number of bits.
 *
 * The device is ours alone, and is made not to wait. It is closed with the relay.
 */

#include "cli/loop.h"
#include "common/macros.h"

typedef struct PtyRelay PtyRelay;

typedef struct PtyRelaySpec {
        Loop *loop;
        int device;
        bool reads_only; /* what the program writes is dropped */
        bool keeps_line; /* as of line_new() */
} PtyRelaySpec;

/* Makes the pty, and takes the device. -errno; -ENOTTY if it is no terminal line. */
int pty_relay_new_consume(const PtyRelaySpec *spec, PtyRelay **ret) _must_check_;
/* The pty hangs up. */
PtyRelay *pty_relay_free(PtyRelay *relay);

/* What the program is to open. */
const char *pty_relay_get_path(const PtyRelay *relay);

/* To be called after each turn of the loop, and by that time. 0, or -errno once the device has
 * failed: -EIO if it has hung up. */
int pty_relay_process(PtyRelay *relay) _must_check_;
int64_t pty_relay_get_deadline(const PtyRelay *relay);

/* Whether something was dropped since this was asked. */
bool pty_relay_has_dropped(PtyRelay *relay);

/* Whether the device has taken all that was written until now. */
bool pty_relay_is_settled(const PtyRelay *relay);

DEFINE_CLEANUP(PtyRelay *, pty_relay_free);
