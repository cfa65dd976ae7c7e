/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy/polkit-link.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define LOCAL_NAME BUS_NAME ".Local"
#define LOCAL_PATH BUS_PATH "/Local"

/* Of polkit's features: it keeps authorisations for a while. */
#define POLKIT_FEATURE_KEEPS 1U

static const char no_bus[] = "The system bus hung up";

static void link_close(PolkitLink *link) {
        /* First: a bus that is open would be told of each of these. */
        if (link->bus)
                sd_bus_close(link->bus);
        link->stillborn = sd_event_source_disable_unref(link->stillborn);
        link->closed = sd_bus_slot_unref(link->closed);
        link->named = sd_bus_slot_unref(link->named);
        link->changed = sd_bus_slot_unref(link->changed);
        link->asked = sd_bus_slot_unref(link->asked);
        link->bus = sd_bus_unref(link->bus);
        free(link->owner);
        link->owner = NULL;
        link->version[0] = 0;
        link->is_old = link->keeps = false;
        link->state = POLKIT_LINK_DOWN;
}

static void link_fail(PolkitLink *link, const char *text) {
        link_close(link);
        link->funcs->down(text, link->userdata);
}

static bool is_from(sd_bus_message *message, const char *name) {
        const char *sender = sd_bus_message_get_sender(message);

        return sender && name && streq(sender, name);
}

static int on_closed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        link_fail(userdata, no_bus);
        return 1;
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        PolkitLink *link = userdata;

        if (link->state == POLKIT_LINK_UP && is_from(message, link->owner))
                link->funcs->changed(link->userdata);
        return 1;
}

static int link_set_owner(PolkitLink *link, const char *owner) {
        free(link->owner);
        return copy_string(owner && owner[0] ? owner : NULL, &link->owner);
}

static int read_properties(PolkitLink *link, sd_bus_message *reply) {
        const char *name, *version = "";
        uint32_t features = 0;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0 && streq(name, "BackendVersion"))
                        r = sd_bus_message_read(reply, "v", "s", &version);
                else if (r >= 0 && streq(name, "BackendFeatures"))
                        r = sd_bus_message_read(reply, "v", "u", &features);
                else if (r >= 0)
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r;

        (void)copy_text(link->version, sizeof(link->version), version);
        /* Before 121 it was 0.120. */
        link->is_old = strtoul(version, NULL, 10) < POLKIT_PIDFD_VERSION;
        link->keeps = features & POLKIT_FEATURE_KEEPS;
        return 0;
}

/* It is up. Whoever answered is polkit: the bus took the question to nobody else. */
static int link_rise(PolkitLink *link, sd_bus_message *reply) {
        int r;

        r = read_properties(link, reply);
        if (r >= 0)
                r = link_set_owner(link, sd_bus_message_get_sender(reply));
        if (r >= 0)
                link->state = POLKIT_LINK_UP;
        return r;
}

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        PolkitLink *link = userdata;
        int r;

        link->asked = sd_bus_slot_unref(link->asked);
        /* It may have gone again, and what is known of the one before does as well. */
        if (link->state == POLKIT_LINK_UP && polkit_link_judge(link, reply) != POLKIT_ANSWER)
                return 1;
        if (sd_bus_message_is_method_error(reply, NULL)) {
                const sd_bus_error *failure = sd_bus_message_get_error(reply);

                link_fail(link, sd_bus_is_open(link->bus) > 0 && failure->message ? failure->message
                                                                                  : no_bus);
                return 1;
        }

        r = link_rise(link, reply);
        if (r < 0)
                link_fail(link, strerror(-r));
        else
                link->funcs->up(link->userdata);
        return 1;
}

/* To bring the link up polkit is started. Another one is there, or that is not our affair. */
static int link_ask(PolkitLink *link) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        link->asked = sd_bus_slot_unref(link->asked);
        r = sd_bus_message_new_method_call(link->bus, &call, POLKIT_NAME, POLKIT_PATH,
                                           "org.freedesktop.DBus.Properties", "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", POLKIT_INTERFACE);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, link->state != POLKIT_LINK_UP);
        if (r >= 0)
                r = sd_bus_call_async(link->bus, &link->asked, call, on_properties, link, 0);
        return r;
}

/* polkit has come, gone, or both. Another one may be of another version. */
static int on_named(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        PolkitLink *link = userdata;
        const char *owner;

        if (!is_from(message, BUS_NAME) ||
            sd_bus_message_read(message, "sss", NULL, NULL, &owner) < 0)
                return 1;

        if (link_set_owner(link, owner) < 0)
                link_fail(link, "Out of memory");
        else if (link->state == POLKIT_LINK_UP) {
                if (link->owner)
                        (void)link_ask(link);
                link->funcs->changed(link->userdata);
        }
        return 1;
}

static int link_watch(PolkitLink *link) {
        int r;

        r = sd_bus_match_signal_async(link->bus, &link->closed, LOCAL_NAME, LOCAL_PATH, LOCAL_NAME,
                                      "Disconnected", on_closed, NULL, link);
        if (r >= 0)
                r = sd_bus_add_match_async(link->bus, &link->named,
                                           "type='signal',sender='" BUS_NAME "',path='" BUS_PATH
                                           "',interface='" BUS_NAME
                                           "',member='NameOwnerChanged',arg0='" POLKIT_NAME "'",
                                           on_named, NULL, link);
        if (r >= 0)
                r = sd_bus_match_signal_async(link->bus, &link->changed, POLKIT_NAME, POLKIT_PATH,
                                              POLKIT_INTERFACE, "Changed", on_changed, NULL, link);
        return r;
}

/* The bus is one of our own: what others ask of it does not stand before our questions. */
static int link_begin(PolkitLink *link) {
        int r;

        r = sd_bus_open_system(&link->bus);
        if (r >= 0)
                r = sd_bus_attach_event(link->bus, link->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = link_watch(link);
        return r < 0 ? r : link_ask(link);
}

static int on_stillborn(sd_event_source *source, void *userdata) {
        PolkitLink *link = userdata;

        link_fail(link, strerror(-link->error));
        return 0;
}

int polkit_link_up(PolkitLink *link) {
        int r;

        if (link->state != POLKIT_LINK_DOWN)
                return 0;

        r = link_begin(link);
        if (r < 0) {
                link_close(link);
                link->error = r;
                r = sd_event_add_defer(link->event, &link->stillborn, on_stillborn, link);
                if (r < 0)
                        return r;
        }

        link->state = POLKIT_LINK_CONNECTING;
        return 0;
}

void polkit_link_init(PolkitLink *link, sd_event *event, const PolkitLinkFuncs *funcs,
                      void *userdata) {
        *link = (PolkitLink){
                .event = sd_event_ref(event),
                .funcs = funcs,
                .userdata = userdata,
        };
}

void polkit_link_deinit(PolkitLink *link) {
        link_close(link);
        link->event = sd_event_unref(link->event);
}

int polkit_link_new_call(PolkitLink *link, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(link->bus, ret, POLKIT_NAME, POLKIT_PATH,
                                              POLKIT_INTERFACE, method);
}

int polkit_link_send(PolkitLink *link, sd_bus_message *call, sd_bus_slot **ret,
                     sd_bus_message_handler_t func, void *userdata) {
        /* 0 would be sd-bus's own time-out. */
        return sd_bus_call_async(link->bus, ret, call, func, userdata, UINT64_MAX);
}

void polkit_link_tell(PolkitLink *link, sd_bus_message *call) {
        if (sd_bus_message_set_expect_reply(call, false) >= 0)
                (void)sd_bus_send(link->bus, call, NULL);
}

PolkitVerdict polkit_link_judge(PolkitLink *link, sd_bus_message *reply) {
        if (sd_bus_is_open(link->bus) <= 0) {
                /* sd-bus answers all that was sent, one after the other, before it says why. */
                link_fail(link, no_bus);
                return POLKIT_NO_LINK;
        }
        if (sd_bus_message_is_method_error(reply, NULL))
                return POLKIT_FAILURE;

        return is_from(reply, link->owner) ? POLKIT_ANSWER : POLKIT_FORGERY;
}
