/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config.h"

#include "client/client-conf-text.h"
#include "client/client-conf.h"
#include "common/nearest.h"

#define FILE_NAME "doorward/client.conf"
#define SYSTEM_PATH SYSCONFDIR "/" FILE_NAME

static void entry_deinit(ClientConfEntry *entry) {
        free(entry->name);
        free(entry->uri);
        free(entry->where);
        *entry = (ClientConfEntry){};
}

void client_conf_deinit(ClientConf *conf) {
        entry_deinit(&conf->preset);
        for (size_t i = 0; i < conf->n_aliases; i++)
                entry_deinit(&conf->aliases[i]);
        free(conf->aliases);
        *conf = (ClientConf){};
}

bool client_conf_is_name(const char *text) {
        size_t n = strnlen(text, CLIENT_CONF_NAME_MAX + 1);

        return n > 0 && n <= CLIENT_CONF_NAME_MAX &&
               strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
                       n;
}

const ClientConfEntry *client_conf_find(const ClientConf *conf, const char *name) {
        for (size_t i = 0; i < conf->n_aliases; i++)
                if (streq(conf->aliases[i].name, name))
                        return &conf->aliases[i];

        return NULL;
}

const char *client_conf_find_nearest(const ClientConf *conf, const char *name) {
        for (size_t i = 0; i < conf->n_aliases; i++) {
                const char *const candidates[] = {conf->aliases[i].name, NULL};

                if (nearest_find(name, candidates))
                        return conf->aliases[i].name;
        }

        return NULL;
}

/* Values. */

static int entry_fill(ClientConfEntry *entry, const ClientConfText *text, const char *name,
                      const char *uri) {
        if (copy_string(name, &entry->name) < 0 || copy_string(uri, &entry->uri) < 0 ||
            asprintf(&entry->where, "%s:%u", text->path, text->line) < 0) {
                entry->where = NULL;
                entry_deinit(entry);
                return error_no_memory(text->error);
        }

        return 0;
}

/* "box=doorward+ssh://box/docker", from between the quotes, which is the parser's to write in. */
static int add_alias(ClientConf *conf, const ClientConfText *text, size_t first, char *value) {
        char *uri = strchr(value, '=');
        ClientConfEntry *aliases;
        int r;

        if (!uri)
                return client_conf_text_fail(text, "an alias is written \"NAME=URI\"");
        *uri++ = 0;
        if (!client_conf_is_name(value))
                return client_conf_text_fail(text,
                                             "an alias is called by letters, digits, '-' and "
                                             "'_', %u at most",
                                             CLIENT_CONF_NAME_MAX);
        if (!uri[0])
                return client_conf_text_fail(text, "the alias %s stands for nothing", value);
        for (size_t i = first; i < conf->n_aliases; i++)
                if (streq(conf->aliases[i].name, value))
                        return client_conf_text_fail(text, "the alias %s stands there twice",
                                                     value);
        if (conf->n_aliases - first >= CLIENT_CONF_ALIASES_MAX)
                return client_conf_text_fail(text, "there are more than %u aliases",
                                             CLIENT_CONF_ALIASES_MAX);

        aliases = reallocarray(conf->aliases, conf->n_aliases + 1, sizeof(*aliases));
        if (!aliases)
                return error_no_memory(text->error);
        conf->aliases = aliases;
        aliases[conf->n_aliases] = (ClientConfEntry){};
        r = entry_fill(&aliases[conf->n_aliases], text, value, uri);
        if (r == 0)
                conf->n_aliases++;
        return r;
}

static int parse_aliases(ClientConf *conf, ClientConfText *text, size_t first) {
        int r;

        r = client_conf_text_begin_list(text);
        while (r >= 0) {
                _cleanup_free_ char *value = NULL;

                r = client_conf_text_next(text, &value);
                if (r <= 0)
                        break;
                r = add_alias(conf, text, first, value);
        }

        return r;
}

static int parse_preset(ClientConf *conf, ClientConfText *text) {
        _cleanup_free_ char *value = NULL;
        int r;

        r = client_conf_text_string(text, &value);
        /* A file before this one has said it. */
        if (r < 0 || conf->preset.uri)
                return r;

        return entry_fill(&conf->preset, text, NULL, value);
}

int client_conf_parse(ClientConf *conf, const char *path, const char *content,
                      doorward_error *error) {
        ClientConfText text = {.path = path, .next = content, .line = 1, .error = error};
        bool seen[_CLIENT_CONF_KEY_MAX] = {};
        size_t first = conf->n_aliases;
        int key, r = 0;

        while (r == 0 && (key = client_conf_text_key(&text)) != 0) {
                if (key < 0)
                        return key;
                if (seen[key])
                        return client_conf_text_fail(&text, "%s stands there twice",
                                                     client_conf_key_name((ClientConfKey)key));
                seen[key] = true;

                r = key == CLIENT_CONF_KEY_ALIASES ? parse_aliases(conf, &text, first)
                                                   : parse_preset(conf, &text);
                if (r == 0)
                        r = client_conf_text_end(&text);
        }

        return r;
}

/* Files. */

static int fail_file(doorward_error *error, const char *path, const char *why, const char *hint) {
        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EINVAL,
                  "%s cannot be used: %s.", path, why);
        error_set_hint(error, "%s", hint);
        return -EINVAL;
}

static int fail_writable(doorward_error *error, const char *path) {
        int r = fail_file(error, path, "others can write it", "");

        error_set_hint(error, "What it names can run programs as you: chmod go-w %s", path);
        return r;
}

static int check_file(int fd, const char *path, uid_t owner, doorward_error *error) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_system(error, -errno, path);
        if (!S_ISREG(st.st_mode))
                return fail_file(error, path, "it is no file",
                                 "It is to be a file with uri_aliases and uri_default in it.");
        if (owner != (uid_t)-1 && st.st_uid != owner && st.st_uid != 0)
                return fail_file(error, path, "it belongs to somebody else",
                                 "What it names can run programs as you: it is to be yours.");
        if (owner != (uid_t)-1 && (st.st_mode & (S_IWGRP | S_IWOTH)))
                return fail_writable(error, path);
        if (st.st_size > CLIENT_CONF_SIZE_MAX)
                return fail_file(error, path, "it is too long", "64 KiB are the most.");

        return 0;
}

/* Ended by a NUL; what has grown since it was looked at is cut, and then not understood. */
static int read_text(int fd, const char *path, char **ret, doorward_error *error) {
        _cleanup_free_ char *text = malloc(CLIENT_CONF_SIZE_MAX + 1);
        size_t size = 0;
        ssize_t n;

        if (!text)
                return error_no_memory(error);

        do {
                n = read(fd, text + size, CLIENT_CONF_SIZE_MAX - size);
                if (n < 0 && errno != EINTR)
                        return error_system(error, -errno, path);
                size += n > 0 ? (size_t)n : 0;
        } while (n != 0);

        if (memchr(text, 0, size))
                return fail_file(error, path, "there is a NUL in it", "It is to be a text.");

        text[size] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

int client_conf_read(ClientConf *conf, const char *path, uid_t owner, doorward_error *error) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM
                               ? 0
                               : error_system(error, -errno, path);

        r = check_file(fd, path, owner, error);
        if (r == 0)
                r = read_text(fd, path, &text, error);
        return r < 0 ? r : client_conf_parse(conf, path, text, error);
}

/* 0 and NULL: there is none. */
static int user_path(char **ret, doorward_error *error) {
        const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
        int r = 0;

        *ret = NULL;
        if (config && config[0] == '/')
                r = asprintf(ret, "%s/" FILE_NAME, config);
        else if (home && home[0] == '/')
                r = asprintf(ret, "%s/.config/" FILE_NAME, home);
        if (r < 0) {
                *ret = NULL;
                return error_no_memory(error);
        }

        return 0;
}

int client_conf_load(ClientConf *conf, doorward_error *error) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = user_path(&path, error);
        if (r == 0 && path)
                r = client_conf_read(conf, path, geteuid(), error);
        if (r == 0)
                r = client_conf_read(conf, SYSTEM_PATH, (uid_t)-1, error);
        return r;
}
