/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/stat.h>

#include "policy/definition-internal.h"
#include "policy/strv.h"
#include "policy/timespan.h"

static const char *level_name(Access access) {
        return access == ACCESS_READ_ONLY ? "[ReadOnly]" : "[Full]";
}

static bool is_socket(Kind kind) {
        return kind == KIND_STREAM || kind == KIND_SEQPACKET;
}

static bool is_device_path(const char *path) {
        return strncmp(path, "/dev/", 5) == 0;
}

#define REFUSE DEFINITION_REFUSE

/* OpenFile= says nothing of what stands there: Type= does, or else the place. */
static int finish_kind(DefinitionBuilder *builder, Access access) {
        const Level *level = &builder->levels[access];
        Target *target = &builder->definition->targets[access];
        size_t n_devices = 0;

        if (level->connect_kind != KIND_FILE) {
                target->kind = level->connect_kind;
                if (level->type)
                        return REFUSE(builder->definition,
                                      "%s: Type= is for OpenFile=, not for a %s",
                                      level_name(access),
                                      is_socket(target->kind) ? "socket" : "network tap");
                return 0;
        }

        for (char **path = target->paths; *path; path++)
                n_devices += is_device_path(*path);
        if (!level->type && n_devices > 0 && n_devices < strv_length(target->paths))
                return REFUSE(builder->definition,
                              "%s: OpenFile= names paths in /dev and "
                              "elsewhere: say Type=device, Type=fifo or "
                              "Type=file",
                              level_name(access));

        target->kind = level->type ? level->type : n_devices > 0 ? KIND_DEVICE : KIND_FILE;
        return 0;
}

/* Whether O_RDONLY on these devices leaves nothing that changes anything. It does where there are
 * no device controls at all, or only some that need privileges: /dev/mem's driver, which kmsg is
 * one of. Input devices are not such: who may only read a keyboard can still grab it for himself
 * alone (EVIOCGRAB) or change what its keys mean (EVIOCSKEYCODE). */
static bool has_harmless_controls(const Definition *definition) {
        for (const DeviceClass *device = definition->devices; device && device->driver; device++)
                if (device->type != S_IFCHR || !streq(device->driver, "mem"))
                        return false;
        return definition->devices;
}

static int finish_means(DefinitionBuilder *builder) {
        Definition *d = builder->definition;
        const Level *level = &builder->levels[ACCESS_READ_ONLY];
        Target *target = &d->targets[ACCESS_READ_ONLY];

        if (level->filter && target->kind != KIND_STREAM)
                return REFUSE(d, "[ReadOnly] Filter= is for ConnectStream=: it stands between a "
                                 "client and a service");
        target->filter = level->filter;
        target->profile = level->profile;

        if (is_socket(target->kind)) {
                target->means = target->filter ? MEANS_FILTER : MEANS_SOCKET;
                target->real_limit = true;
                if (level->open_flags)
                        return REFUSE(d, "[ReadOnly] ReadOnlyMeans=open-flags is for OpenFile=: a "
                                         "socket is read-only because its service makes it so");
                return 0;
        }

        target->means = MEANS_OPEN_FLAGS;
        target->real_limit = target->kind != KIND_DEVICE || has_harmless_controls(d);
        /* Without Device= check_devices() has to say that, first of all. */
        if (!target->real_limit && !level->open_flags && d->devices)
                return REFUSE(d, "[ReadOnly]: a device that is opened for reading only still takes "
                                 "device controls, which can change it; if that is all right here, "
                                 "say ReadOnlyMeans=open-flags");
        return 0;
}

static bool is_input(const Definition *definition) {
        for (const DeviceClass *device = definition->devices; device && device->driver; device++)
                if (device->type != S_IFCHR || !streq(device->driver, "input"))
                        return false;
        return definition->devices;
}

static int finish_lease(Definition *d, Access access) {
        Target *target = &d->targets[access];

        if (!target->mode)
                target->mode = is_socket(target->kind) && (access == ACCESS_FULL || target->filter)
                                       ? LEASE_MODE_REVOCABLE
                                       : LEASE_MODE_TRACKED;

        if (target->filter && target->mode != LEASE_MODE_REVOCABLE)
                return REFUSE(d,
                              "%s: Lease=%s does not go with Filter=, which lives as long as the "
                              "broker holds it: what is filtered is revocable",
                              level_name(access), lease_mode_to_string(target->mode));

        if (target->mode == LEASE_MODE_REVOCABLE && !is_socket(target->kind) && !is_input(d))
                return REFUSE(d,
                              "%s: Lease=revocable is for sockets, and for devices that can be no "
                              "others than Device=char:input: the kernel cannot take any other "
                              "open file or device back",
                              level_name(access));
        if (target->max_usec > 0 && target->mode != LEASE_MODE_REVOCABLE)
                return REFUSE(d,
                              "%s: MaxSec= needs Lease=revocable: what cannot be taken back "
                              "cannot end in time",
                              level_name(access));
        if (target->until_logout && target->mode != LEASE_MODE_REVOCABLE)
                return REFUSE(d,
                              "%s: RevokeOnLogout= needs Lease=revocable: what cannot be taken "
                              "back does not end with a session",
                              level_name(access));
        return 0;
}

/* What is said of a password that nobody is asked for. */
static int finish_step_up(Definition *d, Access access) {
        const Target *target = &d->targets[access];

        if (target->step_up || (!target->exempt && target->keep_usec == 0))
                return 0;
        return definition_warn_consume(d, strv_format("%s: %s: AuthenticateExempt= and "
                                                      "AuthenticateKeepSec= have no effect without "
                                                      "Authenticate=self",
                                                      d->files[0], level_name(access)));
}

/* Where a path begins with a part that a client chooses, no line of the opener's sandbox could be
 * narrower than the whole system. */
static bool begins_with_instance(const char *path) {
        const char *instance = definition_find_instance(path), *slash = strchr(path + 1, '/');

        return path[0] == '/' && instance && (!slash || instance < slash);
}

static int check_paths(DefinitionBuilder *builder, Access access) {
        Definition *d = builder->definition;

        for (char **path = d->targets[access].paths; *path; path++) {
                if ((*path)[0] == '@' && !builder->peer_given)
                        return REFUSE(d,
                                      "%s %s: anybody can make an abstract socket of that name: "
                                      "say with PeerUser= whose it has to be",
                                      level_name(access), *path);
                if (d->template && !definition_find_instance(*path))
                        return REFUSE(d,
                                      "%s %s: the path of a template has to hold %%i, the "
                                      "instance",
                                      level_name(access), *path);
                if (begins_with_instance(*path))
                        return REFUSE(d, "%s %s: %%i cannot be in the first folder of a path",
                                      level_name(access), *path);
        }

        return 0;
}

static int finish_level(DefinitionBuilder *builder, Access access) {
        Definition *d = builder->definition;
        Target *target = &d->targets[access];
        int r;

        if (!target->paths && builder->levels[access].filter)
                return REFUSE(d, "[ReadOnly] Filter= says what to let through and not to where: it "
                                 "needs ConnectStream=");
        if (!target->paths)
                return 0;

        target->provided = true;
        r = finish_kind(builder, access);
        if (r == 0)
                r = target->kind == KIND_TAP ? builder_finish_tap(builder)
                                             : check_paths(builder, access);
        if (r == 0 && access == ACCESS_READ_ONLY)
                r = finish_means(builder);
        if (r == 0)
                r = finish_lease(d, access);
        if (r == 0)
                r = finish_step_up(d, access);
        return r;
}

/* A socket that is the same at both levels limits nothing. */
static int check_difference(Definition *d) {
        const Target *read_only = &d->targets[ACCESS_READ_ONLY], *full = &d->targets[ACCESS_FULL];

        if (!read_only->provided || !is_socket(read_only->kind) || read_only->filter)
                return 0;

        for (char **path = read_only->paths; *path; path++)
                if (full->paths && strv_contains(full->paths, *path))
                        return REFUSE(d,
                                      "[ReadOnly] is the socket of [Full], %s, and so would not "
                                      "be read-only: name the service's own read-only socket, "
                                      "or a Filter=, or leave [ReadOnly] out",
                                      *path);
        return 0;
}

/* What is said of a tap that there is not. */
static int check_tap(const DefinitionBuilder *builder) {
        Definition *d = builder->definition;
        const Target *full = &d->targets[ACCESS_FULL];

        if (full->kind == KIND_TAP || (!full->bridge && !builder->levels[ACCESS_FULL].no_header))
                return 0;
        return definition_warn_consume(d, strv_format("%s: Bridge= and VNetHeader= have no effect "
                                                      "without Tap=",
                                                      d->files[0]));
}

static bool has_kind(const Definition *d, Kind kind) {
        return (d->targets[ACCESS_READ_ONLY].provided &&
                d->targets[ACCESS_READ_ONLY].kind == kind) ||
               (d->targets[ACCESS_FULL].provided && d->targets[ACCESS_FULL].kind == kind);
}

static int check_devices(Definition *d) {
        bool opens = has_kind(d, KIND_DEVICE);

        if (opens && !d->devices)
                return REFUSE(d, "a device needs [Connect] Device=, the driver that /proc/devices "
                                 "names beside its major number: a path alone can come to be "
                                 "something else");
        if (!opens && (d->devices || d->keeps_line))
                return definition_warn_consume(
                        d, strv_format("%s: %s has no effect, as nothing "
                                       "here is a device",
                                       d->files[0], d->devices ? "Device=" : "HangupOnClose="));
        return 0;
}

static int check_template(Definition *d) {
        if (d->template && !d->instances)
                return REFUSE(d, "a template needs [Endpoint] Instance=, the patterns that its "
                                 "instances' names match");
        if (!d->template && d->instances)
                return REFUSE(d, "[Endpoint] Instance= is for a template: call the file "
                                 "NAME@.conf");
        return 0;
}

/* What acts as the client has nothing that another process of theirs could want of it. */
static int check_client(Definition *d) {
        if (d->connect_as != CONNECT_AS_CLIENT)
                return 0;
        if (d->capabilities != 0)
                return REFUSE(d, "ConnectAs=client and Capabilities= do not go together: what acts "
                                 "as the user who asks has no capability; say Groups=");
        return 0;
}

/* Who is let in by observation, and for how long, is never guessed at. */
static int check_observation(Definition *d) {
        if (d->observes && !d->observe_group)
                return REFUSE(d, "[Endpoint] Mode=observe needs ObserveGroup=, the group that lets "
                                 "its members in without doorward");
        if (d->observes && d->observe_until == 0)
                return REFUSE(d, "[Endpoint] Mode=observe needs ObserveUntil=, the day in UTC "
                                 "from which polkit alone decides again");
        if (!d->observes && (d->observe_group || d->observe_until > 0))
                return definition_warn_consume(d, strv_format("%s: ObserveGroup= and ObserveUntil= "
                                                              "have no effect without Mode=observe",
                                                              d->files[0]));
        return 0;
}

static int check_provision(DefinitionBuilder *builder) {
        Definition *d = builder->definition;

        if (d->targets[ACCESS_READ_ONLY].provided || d->targets[ACCESS_FULL].provided)
                return 0;
        return REFUSE(d, "it provides nothing: [ReadOnly] or [Full] needs ConnectStream=, "
                         "ConnectSequentialPacket=, OpenFile= or Tap=");
}

static int finish_names(Definition *d) {
        if (!d->description || !*d->description) {
                free(d->description);
                d->description = strv_format("%s%s", d->name, d->template ? "@" : "");
                if (!d->description)
                        return -ENOMEM;
        }

        if (!d->peer_user && !d->peer_any) {
                d->peer_user = strdup("root");
                if (!d->peer_user)
                        return -ENOMEM;
        }

        return 0;
}

int builder_finish(DefinitionBuilder *builder) {
        Definition *d = builder->definition;
        int r;

        r = finish_names(d);
        if (r == 0)
                r = check_template(d);
        for (Access access = ACCESS_READ_ONLY; r == 0 && access < _ACCESS_MAX; access++)
                r = finish_level(builder, access);
        if (r == 0)
                r = check_difference(d);
        if (r == 0)
                r = check_provision(builder);
        if (r == 0)
                r = check_devices(d);
        if (r == 0)
                r = check_tap(builder);
        if (r == 0)
                r = check_observation(d);
        if (r == 0)
                r = check_client(d);
        return r;
}
