/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/wire.h"

static bool array_is_strings(const json_t *array) {
        for (size_t i = 0; i < json_array_size(array); i++)
                if (!json_is_string(json_array_get(array, i)))
                        return false;

        return json_is_array(array);
}

static bool object_is_integers(const json_t *object) {
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)object, key, value) {
                if (!json_is_integer(value))
                        return false;
        }

        return json_is_object(object);
}

static bool read_bool(const json_t *json, bool *ret) {
        *ret = json_is_true(json);
        return json_is_boolean(json);
}

static bool read_int(const json_t *json, int64_t *ret) {
        *ret = json_integer_value(json);
        return json_is_integer(json);
}

static bool read_string(const json_t *json, const char **ret) {
        *ret = json_string_value(json);
        return *ret;
}

static bool read_json(json_t *json, bool ok, json_t **ret) {
        *ret = json;
        return ok;
}

static bool read_enum(const json_t *json, int (*from_wire)(const char *), int *ret) {
        *ret = json_is_string(json) ? from_wire(json_string_value(json)) : -EINVAL;
        return *ret >= 0;
}

static bool read_field(json_t *json, const WireField *field) {
        switch (field->type) {
        case WIRE_BOOL:
                return read_bool(json, field->value);
        case WIRE_INT:
                return read_int(json, field->value);
        case WIRE_STRING:
                return read_string(json, field->value);
        case WIRE_STRINGS:
                return read_json(json, array_is_strings(json), field->value);
        case WIRE_OBJECT:
                return read_json(json, json_is_object(json), field->value);
        case WIRE_INTS:
                return read_json(json, object_is_integers(json), field->value);
        case WIRE_ENUM:
                return read_enum(json, field->from_wire, field->value);
        }

        return false;
}

int wire_read(const json_t *object, const WireField *fields) {
        for (const WireField *field = fields; field->name; field++) {
                json_t *json = json_object_get(object, field->name);

                if (!json || json_is_null(json)) {
                        if (!field->nullable)
                                return -EBADMSG;
                } else if (!read_field(json, field))
                        return -EBADMSG;
        }

        return 0;
}
