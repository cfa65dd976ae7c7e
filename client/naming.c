/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/naming.h"
#include "client/client-conf.h"

#define DEFAULT_VARIABLE "DOORWARD_DEFAULT_URI"

typedef struct Naming {
        ClientConf conf;
        bool is_loaded;
        const char *text;  /* what it has come to so far */
        const char *where; /* that stands, or NULL if the caller has said it */
} Naming;

static void naming_deinit(Naming *naming) {
        client_conf_deinit(&naming->conf);
}

static int naming_load(Naming *naming, doorward_error *error) {
        if (naming->is_loaded)
                return 0;

        naming->is_loaded = true;
        return client_conf_load(&naming->conf, error);
}

static int find_default(Naming *naming, doorward_error *error) {
        const char *value = secure_getenv(DEFAULT_VARIABLE);
        int r;

        if (value && value[0]) {
                naming->text = value;
                naming->where = DEFAULT_VARIABLE " in the environment";
                return 0;
        }

        r = naming_load(naming, error);
        if (r < 0)
                return r;
        if (!naming->conf.preset.uri || !naming->conf.preset.uri[0])
                return NAMING_E_NONE;

        naming->text = naming->conf.preset.uri;
        naming->where = naming->conf.preset.where;
        return 0;
}

static int find_alias(Naming *naming, doorward_error *error) {
        const ClientConfEntry *alias;
        int r;

        if (!client_conf_is_name(naming->text))
                return 0;

        r = naming_load(naming, error);
        if (r < 0)
                return r;

        alias = client_conf_find(&naming->conf, naming->text);
        if (alias) {
                naming->text = alias->uri;
                naming->where = alias->where;
        }
        return 0;
}

/* A mistake that stands somewhere else than people look. */
static void explain(const Naming *naming, doorward_error *error) {
        const char *meant;

        if (naming->where) {
                error_set_hint(error, "It stands in %s. %s", naming->where, error->hint ?: "");
                return;
        }

        meant = client_conf_find_nearest(&naming->conf, naming->text);
        if (meant)
                error_set_hint(error, "Did you mean %s, which is an alias?", meant);
}

static int fail_remote(const Uri *uri, doorward_error *error) {
        char buf[URI_TEXT_SIZE];

        error_set(error, DOORWARD_DOMAIN_LIBRARY, DOORWARD_ERR_BAD_URI, EREMOTE,
                  "%.200s leads away from this machine, and only what is here may be opened.",
                  uri_to_string(uri, buf));
        error_set_hint(error, "doorward:///%s is the endpoint of this machine.", uri->endpoint);
        error_set_endpoint(error, uri->endpoint);
        return -EREMOTE;
}

int naming_resolve(const char *text, unsigned flags, Uri *ret, doorward_error *error) {
        _cleanup_(naming_deinit) Naming naming = {.text = text};
        Uri uri;
        int r = 0;

        if (!text || !text[0])
                r = find_default(&naming, error);
        if (r == 0 && !(flags & NAMING_NO_ALIASES))
                r = find_alias(&naming, error);
        if (r != 0)
                return r;

        r = uri_parse(naming.text, &uri, error);
        if (r < 0) {
                if (r != -ENOMEM)
                        explain(&naming, error);
                return r;
        }
        if ((flags & NAMING_LOCAL_ONLY) && uri_is_remote(&uri))
                return fail_remote(&uri, error);

        *ret = uri;
        return 0;
}
