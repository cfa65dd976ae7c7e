/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/docker-secret.h"

/* Wherever they stand in a name. */
static const char *const words[] = {
        "annotation", "argument", "argv",      "authconfig", "cmd",       "command",
        "credential", "entry",    "env",       "label",      "passw",     "proxy",
        "secret",     "token",    "createdby", "created_by", "driveropt", "driver_opt",
};

/* Names as a whole. */
static const char *const names[] = {
        "args",         /* of a container */
        "auth",         /* of a registry */
        "description",  /* of a step that is cached: the command that it ran */
        "error",        /* why a container did not start: with the command */
        "graphoptions", /* of podman's store: may have passwords */
        "logconfig",    /* options of log drivers have tokens */
        "logopts",      /* the same */
        "onbuild",      /* commands */
        "options",      /* of volumes: passwords of file servers */
        "opts",         /* the same */
        "output",       /* of a health check */
        "path",         /* of a container: the first word of its command */
        "runtimeargs",  /* of a runtime that the daemon knows */
        "shell",        /* the first words of a command */
        "test",         /* a health check */
};

static bool is_listed(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strstr(name, words[i]))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i]))
                        return true;
        return false;
}

/* What an event is about. Labels stand beside these, but no label can take the place of one: the
 * service puts its own in last. Podman's client ends in a crash where an exit status is no number.
 */
static bool is_attribute(const char *name) {
        return streq(name, "image") || streq(name, "name") || streq(name, "containerexitcode");
}

DockerRule docker_secret_judge(DockerRule outer, const char *name) {
        if (outer == DOCKER_HIDE)
                return DOCKER_HIDE;
        if (outer == DOCKER_ATTRIBUTES)
                return is_attribute(name) ? DOCKER_SHOW : DOCKER_HIDE;
        if (is_listed(name))
                return DOCKER_HIDE;
        if (streq(name, "attributes"))
                return DOCKER_ATTRIBUTES;
        return streq(name, "action") || streq(name, "status") ? DOCKER_ACTION : DOCKER_SHOW;
}

bool docker_secret_is_public_action(const char *word) {
        return streq(word, "health_status");
}
