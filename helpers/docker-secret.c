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

/* In whatever case. */
static bool is_called(const char *name, const char *lower) {
        return strcasecmp(name, lower) == 0;
}

static bool is_listed(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasestr(name, words[i]))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (is_called(name, names[i]))
                        return true;
        return false;
}

/* What an event is about, to the letter: labels stand beside these. Of what is not a container the
 * service sets no image, and a label of just this name is shown. Podman's client ends in a crash
 * where an exit status is no number.
 */
static bool is_attribute(const char *name) {
        return streq(name, "image") || streq(name, "name") || streq(name, "containerExitCode");
}

DockerRule docker_secret_judge(DockerRule outer, const char *name) {
        if (outer == DOCKER_HIDE)
                return DOCKER_HIDE;
        if (outer == DOCKER_ATTRIBUTES)
                return is_attribute(name) ? DOCKER_SHOW : DOCKER_HIDE;
        if (is_listed(name))
                return DOCKER_HIDE;
        if (is_called(name, "attributes"))
                return DOCKER_ATTRIBUTES;
        return is_called(name, "action") || is_called(name, "status") ? DOCKER_ACTION : DOCKER_SHOW;
}

bool docker_secret_is_public_action(const char *word) {
        return is_called(word, "health_status");
}
