/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any text as a URI: what is taken is a name and nothing else, and what is suggested would be taken
 */

#include "client/uri.h"
#include "tests/fuzz/fuzz.h"

static bool holds_control(const char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        return true;
        return false;
}

/* What ssh is handed as it is. */
static void check_word(const char *text) {
        PROMISE(text[0] != '-' && !holds_control(text) && !strpbrk(text, " \"'`$&;|<>(){}*?!#~"));
}

static void check_path(const char *text) {
        PROMISE((!text[0] || text[0] == '/') && !holds_control(text));
}

static void check_good(const Uri *uri) {
        char buf[URI_TEXT_SIZE], name_buf[NAME_TEXT_SIZE];
        doorward_error error = {};
        Uri again = {};
        Name name;

        PROMISE(name_parse(uri->endpoint, &name) == 0);
        PROMISE(streq(name_to_string(&name, name_buf), uri->endpoint));
        PROMISE(uri->access >= 0 && uri->access < _ACCESS_MAX);
        PROMISE(uri->transport >= 0 && uri->transport < _URI_TRANSPORT_MAX);
        PROMISE(uri->has_user ? !uri->user[0] || uri_is_valid_user(uri->user) : !uri->user[0]);
        PROMISE((uri->transport == URI_SSH) == (uri->host[0] != 0));
        PROMISE((uri->transport == URI_UNIX) == (uri->socket[0] != 0));
        PROMISE(uri->transport != URI_EXT || uri->command[0]);
        check_word(uri->user);
        check_word(uri->host);
        check_word(uri->command);
        check_path(uri->socket);
        check_path(uri->command);
        check_path(uri->keyfile);

        PROMISE(uri_parse(uri_to_string(uri, buf), &again, &error) == 0);
        PROMISE(memcmp(&again, uri, offsetof(Uri, keyfile) + sizeof(again.keyfile)) == 0);
        PROMISE(!error.message);
}

/* "Did you mean doorward:///docker?" */
static void check_suggestion(const char *hint) {
        static const char start[] = "Did you mean doorward";
        _cleanup_free_ char *copy = NULL;
        doorward_error error = {};
        size_t n = strlen(hint);
        Uri uri;

        if (strncmp(hint, start, strlen(start)) != 0)
                return;

        PROMISE(hint[n - 1] == '?');
        copy = strndup(hint, n - 1);
        PROMISE(copy);
        PROMISE(uri_parse(copy + strlen("Did you mean "), &uri, &error) == 0);
}

static void check_bad(int r, const doorward_error *error) {
        PROMISE(r == -EINVAL && error->code == DOORWARD_ERR_BAD_URI);
        PROMISE(error->message && error->hint);
        for (const char *c = error->message; *c; c++)
                PROMISE((unsigned char)*c >= ' ' && *c != 0x7f);
        for (const char *c = error->hint; *c; c++)
                PROMISE(*c >= ' ' && *c <= '~');
        check_suggestion(error->hint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *)data, size);
        _cleanup_error_ doorward_error error = {};
        Uri uri = {.access = 77};
        int r;

        PROMISE(text);
        if (!text[0])
                return 0;

        r = uri_parse(text, &uri, &error);
        if (r == 0)
                check_good(&uri);
        else {
                PROMISE(uri.access == 77);
                check_bad(r, &error);
        }

        return 0;
}
