/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "client/capabilities.h"
#include "client/conn.h"
#include "client/host-info.h"
#include "client/query.h"
#include "client/remote-ask.h"
#include "client/remote-error.h"
#include "common/utf8.h"

#define OF_NAMES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

typedef struct BrokerInfo {
        const char *version;
        int64_t protocol;
        bool identity_proof;
        const char *polkit;
        json_t *features;
        json_t *polkit_features; /* NULL with an older broker, as is the next */
        json_t *mechanisms;
} BrokerInfo;

static int broker_info_read(const WireReply *reply, BrokerInfo *info) {
        const WireField fields[] = {
                {"version", WIRE_STRING, false, &info->version},
                {"protocol", WIRE_INT, false, &info->protocol},
                {"identityProof", WIRE_BOOL, false, &info->identity_proof},
                {"polkit", WIRE_STRING, true, &info->polkit},
                {"features", WIRE_STRINGS, false, &info->features},
                {"polkitFeatures", WIRE_STRINGS, true, &info->polkit_features},
                {"mechanisms", WIRE_STRINGS, true, &info->mechanisms},
                {},
        };

        return wire_read(reply->parameters, fields);
}

static bool has_word(const json_t *array, const char *word) {
        json_t *value;
        size_t i;

        json_array_foreach(array, i, value) {
                if (streq(json_string_value(value), word))
                        return true;
        }

        return false;
}

/* The library's sanitized copy of what it reads itself. */
static json_t *host_to_json(void) {
        doorward_host_info *info = host_info_new("");
        json_t *object = info ? host_info_to_json(info) : NULL;

        doorward_host_info_free(info);
        return object;
}

static json_t *broker_to_json(const BrokerInfo *info, const Wire *wire) {
        return json_pack("{s:s, s:s, s:I, s:s, s:b, s:O}", "version", info->version, "interface",
                         INTERFACE_NAME, "protocol", (json_int_t)info->protocol, "socket",
                         wire_get_path(wire), "secure", wire_is_secure(wire), "features",
                         info->features);
}

/* endpoints is taken. NULL: no memory, or a text that is none. */
static json_t *make(const BrokerInfo *info, const Wire *wire, json_t *endpoints) {
        return json_pack(
                "{s:o, s:{s:s}, s:o, s:{s:b, s:b}, s:{s:s?, s:O*}, s:{s:b, s:O*}, s:o}", "host",
                host_to_json(), "library", "version", VERSION, "broker", broker_to_json(info, wire),
                "kernel", "pidfd", has_word(info->features, "pidfd"), "peerPidfd",
                has_word(info->features, "peerpidfd"), "policy", "authority", info->polkit,
                "features", info->polkit_features, "authentication", "identityProof",
                info->identity_proof, "mechanisms", info->mechanisms, "endpoints", endpoints);
}

static int ask(Query *query, json_t **ret, doorward_error *error) {
        _cleanup_(wire_reply_deinit) WireReply reply = WIRE_REPLY_NULL;
        BrokerInfo info = {};
        json_t *endpoints;
        int r;

        r = query_ask(query, METHOD_GET_BROKER_INFO, json_object(), &reply, error);
        if (r < 0)
                return r;
        if (broker_info_read(&reply, &info) < 0)
                return wire_error_protocol(error, "The broker at %s did not say what it is.",
                                           wire_get_path(query->wire));

        r = query_list(query, METHOD_LIST_ENDPOINTS, json_pack("{s:b}", "decisions", true),
                       "endpoint", &endpoints, error);
        if (r < 0)
                return r;

        *ret = make(&info, query->wire, endpoints);
        return *ret ? 0 : error_no_memory(error);
}

/* What another machine says of itself. */

/* The same, with each text fit to be shown. NULL: no memory. */
static json_t *clean(const json_t *value);

static json_t *clean_string(const json_t *value) {
        _cleanup_free_ char *text = strdup(json_string_value(value));

        if (!text)
                return NULL;

        utf8_clean(text, ERROR_TEXT_MAX);
        return json_string(text);
}

static json_t *clean_object(const json_t *value) {
        json_t *object = json_object(), *member;
        const char *name;

        json_object_foreach((json_t *)value, name, member) {
                if (json_object_set_new(object, name, clean(member)) < 0) {
                        json_decref(object);
                        return NULL;
                }
        }

        return object;
}

static json_t *clean_array(const json_t *value) {
        json_t *array = json_array(), *member;
        size_t i;

        json_array_foreach(value, i, member) {
                if (json_array_append_new(array, clean(member)) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }

        return array;
}

/* It nests no deeper than a message may. */
static json_t *clean(const json_t *value) {
        switch (json_typeof(value)) {
        case JSON_STRING:
                return clean_string(value);
        case JSON_OBJECT:
                return clean_object(value);
        case JSON_ARRAY:
                return clean_array(value);
        default:
                return json_incref((json_t *)value);
        }
}

/* Names of members are words, in all versions. */
static bool has_names(const json_t *value) {
        const char *name;
        json_t *member;
        size_t i;

        json_object_foreach((json_t *)value, name, member) {
                if (name[strspn(name, OF_NAMES)] || !has_names(member))
                        return false;
        }
        json_array_foreach(value, i, member) {
                if (!has_names(member))
                        return false;
        }

        return true;
}

static bool is_whole(const json_t *object) {
        json_t *part, *endpoints = json_object_get(object, "endpoints");
        const WireField fields[] = {
                {"host", WIRE_OBJECT, false, &part},
                {"library", WIRE_OBJECT, false, &part},
                {"broker", WIRE_OBJECT, false, &part},
                {"kernel", WIRE_OBJECT, false, &part},
                {"policy", WIRE_OBJECT, false, &part},
                {"authentication", WIRE_OBJECT, false, &part},
                {},
        };
        size_t i;

        if (wire_read(object, fields) < 0 || !json_is_array(endpoints) || !has_names(object))
                return false;
        json_array_foreach(endpoints, i, part) {
                if (!json_is_string(json_object_get(part, "name")))
                        return false;
        }

        return true;
}

static int remote_get(const doorward_conn *conn, json_t **ret, doorward_error *error) {
        json_t *object;
        int r;

        r = remote_ask_object(&conn->uri, RELAY_PREFIX "GetCapabilities", "capabilities", &object,
                              error);
        if (r < 0)
                return r;

        if (!is_whole(object))
                r = remote_fail_protocol(&conn->uri, "what there is cannot be read", error);
        else {
                *ret = clean(object);
                r = *ret ? 0 : error_no_memory(error);
        }
        json_decref(object);
        return r;
}

int capabilities_get(const doorward_conn *conn, json_t **ret, doorward_error *error) {
        _cleanup_(query_end) Query query = QUERY_NULL;
        int r;

        if (conn && conn->lease.remote)
                return remote_get(conn, ret, error);

        r = query_begin(&query, conn, error);
        return r < 0 ? r : ask(&query, ret, error);
}

/* Not json_dumps(): a program can have given jansson an allocator of its own. */
char *capabilities_to_string(const json_t *capabilities, size_t flags) {
        size_t size = json_dumpb(capabilities, NULL, 0, flags);
        char *text = size > 0 ? malloc(size + 1) : NULL;

        if (!text)
                return NULL;

        (void)json_dumpb(capabilities, text, size, flags);
        text[size] = 0;
        return text;
}
