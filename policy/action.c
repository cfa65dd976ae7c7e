/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "policy/action.h"
#include "policy/strv.h"

static const ActionDefaults always_admin = {"auth_admin", "auth_admin", "auth_admin"};
/* Of a site's own read-only level: whoever sits at the machine proves that it is still them. */
static const ActionDefaults active_self = {"auth_admin", "auth_admin", "auth_self"};
/* What harms nobody, or belongs to the seat: no password for whoever sits at the machine. */
static const ActionDefaults active_yes = {"auth_admin", "auth_admin", "yes"};

/* Read-only at a serial line is no more than the full access that its seat has anyway. */
static const struct Shipped {
        const char *endpoint;
        const ActionDefaults *read_only, *full;
} shipped[] = {
        {"docker", &active_yes, &always_admin},
        {"kmsg", &active_self, &always_admin},
        {"kvm", NULL, &active_yes},
        {"libvirt", &active_yes, &always_admin},
        {"mariadb", NULL, &always_admin},
        {"podman", &active_yes, &always_admin},
        {"postgresql", NULL, &always_admin},
        {"serial", &active_yes, &active_yes},
        {"tun", NULL, &always_admin},
};

const char *action_endpoint_id(const char *endpoint, Access access, char buf[ACTION_TEXT_SIZE]) {
        (void)snprintf(buf, ACTION_TEXT_SIZE, ACTION_ENDPOINT_PREFIX "%s.%s", endpoint,
                       access_to_string(access));
        return buf;
}

const char *action_generic_id(Access access) {
        switch (access) {
        case ACCESS_READ_ONLY:
                return ACTION_PREFIX "read-only";
        case ACCESS_FULL:
        case _ACCESS_MAX:
                break;
        }

        return ACTION_PREFIX "full";
}

const char *action_file_name(const char *endpoint, char buf[ACTION_TEXT_SIZE]) {
        (void)snprintf(buf, ACTION_TEXT_SIZE, ACTION_ENDPOINT_PREFIX "%s.policy", endpoint);
        return buf;
}

const char *action_file_path(const char *endpoint, char buf[ACTION_PATH_SIZE]) {
        char name[ACTION_TEXT_SIZE];

        (void)snprintf(buf, ACTION_PATH_SIZE, "%s/%s", POLKIT_ACTION_DIR,
                       action_file_name(endpoint, name));
        return buf;
}

static const char *access_phrase(Access access) {
        return access == ACCESS_READ_ONLY ? "read-only access" : "full access";
}

char *action_message(const Definition *definition, const char *instance, Access access) {
        return strv_format("Authentication is required for %s to %s%s%s: %s", access_phrase(access),
                           definition->name, *instance ? "@" : "", instance,
                           definition->description);
}

const ActionDefaults *action_shipped_defaults(const char *endpoint, Access access) {
        for (size_t i = 0; i < ELEMENTSOF(shipped); i++)
                if (streq(shipped[i].endpoint, endpoint))
                        return access == ACCESS_READ_ONLY ? shipped[i].read_only : shipped[i].full;
        return NULL;
}

static bool is_shipped(const Definition *definition) {
        static const char folder[] = PACKAGE_DIR "/endpoints.d/";

        return strv_length(definition->files) == 1 &&
               strncmp(definition->files[0], folder, strlen(folder)) == 0;
}

const ActionDefaults *action_defaults(const Definition *definition, Access access) {
        const ActionDefaults *found = NULL;

        if (is_shipped(definition))
                found = action_shipped_defaults(definition->name, access);
        if (found)
                return found;
        return access == ACCESS_READ_ONLY ? &active_self : &always_admin;
}

static void print_escaped(FILE *stream, const char *text) {
        for (; *text; text++)
                switch (*text) {
                case '&':
                        fputs("&amp;", stream);
                        break;
                case '<':
                        fputs("&lt;", stream);
                        break;
                case '>':
                        fputs("&gt;", stream);
                        break;
                case '"':
                        fputs("&quot;", stream);
                        break;
                case '\'':
                        fputs("&apos;", stream);
                        break;
                default:
                        fputc(*text, stream);
                }
}

static void print_action(FILE *stream, const char *id, const char *description, const char *message,
                         const ActionDefaults *defaults) {
        fprintf(stream, "\n  <action id=\"%s\">\n    <description>", id);
        print_escaped(stream, description);
        fputs("</description>\n    <message>", stream);
        print_escaped(stream, message);
        fprintf(stream,
                "</message>\n"
                "    <defaults>\n"
                "      <allow_any>%s</allow_any>\n"
                "      <allow_inactive>%s</allow_inactive>\n"
                "      <allow_active>%s</allow_active>\n"
                "    </defaults>\n"
                "    <annotate key=\"org.freedesktop.policykit.owner\">unix-user:" BROKER_USER
                "</annotate>\n"
                "  </action>\n",
                defaults->any, defaults->inactive, defaults->active);
}

static void print_head(FILE *stream) {
        fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
              "<!DOCTYPE policyconfig PUBLIC\n"
              "  \"-//freedesktop//DTD polkit Policy Configuration 1.0//EN\"\n"
              "  \"http://www.freedesktop.org/software/polkit/policyconfig-1.dtd\">\n"
              "<policyconfig>\n"
              "  <vendor>doorward</vendor>\n",
              stream);
}

static void print_tail(FILE *stream) {
        fputs("\n</policyconfig>\n", stream);
}

/* The instance is filled in by polkit, from the details that the broker passes. */
static int print_level(FILE *stream, const Definition *definition, Access access,
                       const ActionDefaults *defaults) {
        const char *instance = definition->template ? "$(instance)" : "";
        _cleanup_free_ char *message = action_message(definition, instance, access);
        _cleanup_free_ char *description = strv_format("Have %s to %s: %s", access_phrase(access),
                                                       definition->name, definition->description);
        char id[ACTION_TEXT_SIZE];

        if (!message || !description)
                return -ENOMEM;

        print_action(stream, action_endpoint_id(definition->name, access, id), description, message,
                     defaults);
        return 0;
}

/* Closes the stream of open_memstream(3) and hands its text over, unless something failed. */
static int finish(FILE *stream, char **text, int r, char **ret) {
        bool failed = ferror(stream);

        if (fclose(stream) != 0 || failed)
                r = -ENOMEM;
        if (r < 0) {
                free(*text);
                return r;
        }

        *ret = TAKE_PTR(*text);
        return 0;
}

int action_print(const Definition *definition, const ActionDefaults *read_only,
                 const ActionDefaults *full, char **ret) {
        char *text = NULL;
        FILE *stream;
        size_t size;
        int r = 0;

        if (definition->problem)
                return -EINVAL;
        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;

        print_head(stream);
        if (definition->targets[ACCESS_READ_ONLY].provided)
                r = print_level(stream, definition, ACCESS_READ_ONLY, read_only);
        if (r == 0 && definition->targets[ACCESS_FULL].provided)
                r = print_level(stream, definition, ACCESS_FULL, full);
        print_tail(stream);
        return finish(stream, &text, r, ret);
}

int action_print_generic(char **ret) {
        char *text = NULL;
        FILE *stream;
        size_t size;

        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;

        print_head(stream);
        print_action(stream, action_generic_id(ACCESS_READ_ONLY),
                     "Have read-only access to an endpoint without an action of its own",
                     "Authentication is required for read-only access to $(endpoint)",
                     &always_admin);
        print_action(stream, action_generic_id(ACCESS_FULL),
                     "Have full access to an endpoint without an action of its own",
                     "Authentication is required for full access to $(endpoint)", &always_admin);
        print_action(stream, ACTION_MANAGE_LEASES, "See and end what other users have open",
                     "Authentication is required to see and end what other users have open",
                     &always_admin);
        print_tail(stream);
        return finish(stream, &text, 0, ret);
}
