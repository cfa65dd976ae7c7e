#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Loop: GLib's main context inside sd-event
 *
 * libpolkit-gobject needs a GLib main context, and GLib's own loop is poll(2), which costs a pass
 * over all descriptors a turn. The broker holds thousands and polkit one or two: so sd-event
 * (epoll) is the loop, and GLib's context one source in it. An epoll of its own holds GLib's few
 * descriptors; being readable itself when one of them is ready, it is the descriptor that sd-event
 * watches.
 *
 * GLib has no descriptor for work that is ready without I/O (idle sources, and what other sources
 * make ready while they run). So before sd-event sleeps GLib is asked, and as long as it has work
 * that is done then and there; else a wake-up would be lost.
 */

#include <systemd/sd-event.h>

#include "common/macros.h"

typedef struct Loop Loop;

/* Attaches GLib's default main context, which must be this thread's to acquire. -errno. */
int loop_attach_glib(sd_event *event, Loop **ret) _must_check_;
Loop *loop_free(Loop *loop);

DEFINE_CLEANUP(Loop *, loop_free);
