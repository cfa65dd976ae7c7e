/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any text as client.conf: what is taken has names that can be looked up, and what is not says
 * where
 */

#include <stdio.h>

#include "client/client-conf.h"
#include "tests/fuzz/fuzz.h"

#define PATH "/f"

static void check_where(const char *where, unsigned lines) {
        unsigned line = 0;

        PROMISE(sscanf(where, PATH ":%u", &line) == 1);
        PROMISE(line >= 1 && line <= lines);
}

static void check_good(const ClientConf *conf, unsigned lines) {
        PROMISE(conf->n_aliases <= 2 * CLIENT_CONF_ALIASES_MAX);

        for (size_t i = 0; i < conf->n_aliases; i++) {
                const ClientConfEntry *alias = &conf->aliases[i];
                const ClientConfEntry *found = client_conf_find(conf, alias->name);

                PROMISE(client_conf_is_name(alias->name));
                PROMISE(alias->uri[0] && !strpbrk(alias->uri, "\"\n"));
                PROMISE(found && found <= alias);
                check_where(alias->where, lines);
        }

        if (conf->preset.uri) {
                PROMISE(!conf->preset.name && !strpbrk(conf->preset.uri, "\"\n"));
                check_where(conf->preset.where, lines);
        }
}

static void check_bad(const doorward_error *error, unsigned lines) {
        PROMISE(error->code == DOORWARD_ERR_BAD_URI && error->message && error->hint);
        check_where(error->message, lines);
        for (const char *c = error->message; *c; c++)
                PROMISE((unsigned char)*c >= ' ' && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *)data, size);
        _cleanup_error_ doorward_error error = {};
        _cleanup_(client_conf_deinit) ClientConf conf = {};
        unsigned lines = 1;
        size_t n_aliases;
        int r;

        PROMISE(text);
        for (const char *c = text; *c; c++)
                lines += *c == '\n';

        r = client_conf_parse(&conf, PATH, text, &error);
        PROMISE(r == 0 || r == -EINVAL);
        if (r < 0) {
                check_bad(&error, lines);
                return 0;
        }
        check_good(&conf, lines);

        /* The same again adds its aliases behind those that count. */
        n_aliases = conf.n_aliases;
        PROMISE(client_conf_parse(&conf, PATH, text, &error) == 0);
        PROMISE(conf.n_aliases == 2 * n_aliases);
        check_good(&conf, lines);
        return 0;
}
