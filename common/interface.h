#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Interface: org.doorward.Broker as data
 *
 * The text is the normative description (org.doorward.Broker.varlink, as it stands in the source
 * tree). The tables name what the code knows of it: the members of each method's parameters, with
 * their types, and the errors. tests/unit/test-interface.c parses the text and holds the two to
 * each other.
 */

#include <jansson.h>

#include "common/macros.h"

#define INTERFACE_NAME "org.doorward.Broker"
#define INTERFACE_PREFIX INTERFACE_NAME "."
#define INTERFACE_SERVICE_PREFIX "org.varlink.service."
/* GetBrokerInfo's protocol: raised when the interface changes so that an older peer would err. */
#define INTERFACE_PROTOCOL 1

typedef enum FieldType {
        FIELD_BOOL = 1,
        FIELD_INT,
        FIELD_STRING,
        FIELD_ACCESS, /* a string on the wire: a member of the enumeration */
        FIELD_STRINGS,
} FieldType;

typedef struct Field {
        const char *name; /* NULL ends a table */
        FieldType type;
        bool nullable;
} Field;

/* A parameter's value, of the field's type; absent and null are the same. */
typedef struct FieldValue {
        bool present;
        bool boolean;
        int64_t integer;
        int access;         /* an Access */
        const char *string; /* borrowed from the message, as is */
        json_t *array;      /* this, of nothing but strings */
} FieldValue;

typedef enum MethodId {
        METHOD_LIST_ENDPOINTS,
        METHOD_EXPLAIN,
        METHOD_OPEN,
        METHOD_AGENT_RESPOND,
        METHOD_LIST_LEASES,
        METHOD_REVOKE,
        METHOD_MONITOR,
        METHOD_GET_BROKER_INFO,
        METHOD_FORGET,
        METHOD_SERVICE_GET_INFO,
        METHOD_SERVICE_GET_INTERFACE_DESCRIPTION,
        _METHOD_MAX,
} MethodId;

#define INTERFACE_FIELDS_MAX 12

typedef struct Method {
        const char *name; /* qualified */
        Field fields[INTERFACE_FIELDS_MAX];
} Method;

typedef enum ErrorId {
        ERROR_ENDPOINT_NOT_FOUND = 1,
        ERROR_ACCESS_UNSUPPORTED,
        ERROR_PERMISSION_DENIED,
        ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED,
        ERROR_AUTHENTICATION_FAILED,
        ERROR_AUTHENTICATION_CANCELLED,
        ERROR_AUTHENTICATION_UNAVAILABLE,
        ERROR_POLICY_UNAVAILABLE,
        ERROR_ENDPOINT_UNAVAILABLE,
        ERROR_LIMIT_EXCEEDED,
        ERROR_LEASE_NOT_FOUND,
        ERROR_TIMED_OUT,
        ERROR_IDENTITY_PROOF_REQUIRED,
        _ERROR_ENDPOINT_LAST = ERROR_IDENTITY_PROOF_REQUIRED, /* those of our own interface */
        ERROR_METHOD_NOT_FOUND,
        ERROR_METHOD_NOT_IMPLEMENTED,
        ERROR_INVALID_PARAMETER,
        ERROR_INTERFACE_NOT_FOUND,
        ERROR_EXPECTED_MORE,
        _ERROR_MAX,
} ErrorId;

/* The whole text of the interface. */
extern const char interface_text[];
/* That of org.varlink.service, which every Varlink service has. */
extern const char interface_service_text[];

extern const Method interface_methods[_METHOD_MAX];

/* The method of a qualified name, or -EINVAL. */
int interface_find_method(const char *name);

/* Its qualified name; static. */
const char *interface_error_name(ErrorId error);
/* The error of a qualified name, or -EINVAL. */
int interface_find_error(const char *name);

/* Reads a call's parameters (NULL: none) into values, one for each field of the method and in its
 * order. -EINVAL if one is missing, unknown or of the wrong type: *ret_name is then its name,
 * borrowed. */
int interface_read_parameters(const Method *method, const json_t *parameters,
                              FieldValue values[INTERFACE_FIELDS_MAX],
                              const char **ret_name) _must_check_;
