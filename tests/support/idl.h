#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IDL: a reader of Varlink's interface descriptions, for tests
 *
 * As much of the language as our own interface uses: types that are structures or enumerations,
 * methods, errors, and members of scalar, named, nullable, array and map types. What it does not
 * understand is an error, so a text that passes is one that is understood whole.
 */

#include "common/macros.h"

#define IDL_NAME_MAX 64U
#define IDL_FIELDS_MAX 24U
#define IDL_MEMBERS_MAX 64U

typedef struct IdlField {
        char name[IDL_NAME_MAX];
        char type[IDL_NAME_MAX]; /* without its marks: "string" of "?[]string" */
        bool nullable;
        bool array;
        bool map;
} IdlField;

typedef struct IdlFields {
        IdlField fields[IDL_FIELDS_MAX];
        size_t n;
} IdlFields;

typedef enum IdlKind {
        IDL_STRUCT = 1,
        IDL_ENUM, /* the fields have names and no types */
        IDL_METHOD,
        IDL_ERROR,
} IdlKind;

typedef struct IdlMember {
        IdlKind kind;
        char name[IDL_NAME_MAX];
        bool documented; /* a comment stands right before it */
        IdlFields in;    /* of all but a method the only ones */
        IdlFields out;
} IdlMember;

typedef struct Idl {
        char name[IDL_NAME_MAX];
        IdlMember members[IDL_MEMBERS_MAX];
        size_t n;
} Idl;

/* False if the text is not understood; *ret_line is then where. */
bool idl_parse(const char *text, Idl *ret, int *ret_line);

/* The member of that name and kind, or NULL. */
const IdlMember *idl_find(const Idl *idl, IdlKind kind, const char *name);
