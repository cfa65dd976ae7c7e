/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "tests/support/idl.h"

typedef struct Reader {
        const char *p;
        int line;
        bool commented; /* the line before was a comment */
        bool failed;
} Reader;

/* White space and comments. A blank line parts a comment from what follows it. */
static void skip(Reader *r) {
        bool line_is_empty = false;

        for (;;) {
                if (*r->p == '#') {
                        r->p += strcspn(r->p, "\n");
                        r->commented = true;
                        line_is_empty = false;
                } else if (*r->p == '\n') {
                        if (line_is_empty)
                                r->commented = false;
                        line_is_empty = true;
                        r->line++;
                        r->p++;
                } else if (*r->p == ' ')
                        r->p++;
                else
                        return;
        }
}

static bool take(Reader *r, const char *token) {
        size_t n = strlen(token);

        skip(r);
        if (strncmp(r->p, token, n) != 0)
                return false;

        r->p += n;
        return true;
}

static void need(Reader *r, const char *token) {
        if (!take(r, token))
                r->failed = true;
}

static void word(Reader *r, const char *more, char buf[IDL_NAME_MAX]) {
        size_t n = 0;

        skip(r);
        while (isalnum((unsigned char)r->p[n]) || (r->p[n] && strchr(more, r->p[n])))
                n++;
        if (n == 0 || n >= IDL_NAME_MAX) {
                r->failed = true;
                n = 0;
        }

        memcpy(buf, r->p, n);
        buf[n] = 0;
        r->p += n;
}

static void type(Reader *r, IdlField *field) {
        field->nullable = take(r, "?");
        field->map = take(r, "[string]");
        field->array = take(r, "[]");
        if (take(r, "(")) {
                /* An enumeration without a name: as a type it is a word. */
                do
                        word(r, "_", field->type);
                while (!r->failed && take(r, ","));
                need(r, ")");
                strcpy(field->type, "string");
        } else
                word(r, "", field->type);
}

static void fields(Reader *r, IdlFields *ret, bool typed) {
        need(r, "(");
        if (take(r, ")"))
                return;

        do {
                IdlField *field = &ret->fields[ret->n];

                if (ret->n >= IDL_FIELDS_MAX) {
                        r->failed = true;
                        return;
                }
                ret->n++;
                word(r, "_", field->name);
                if (typed) {
                        need(r, ":");
                        type(r, field);
                }
        } while (!r->failed && take(r, ","));

        need(r, ")");
}

/* "(name: type" or "(name, name": told by what follows the first word. */
static bool is_enum(const Reader *r) {
        const char *p = strchr(r->p, '(');

        if (!p)
                return false;
        p++;
        p += strspn(p, " \n");
        p += strcspn(p, " :,)");
        return *p != ':';
}

static void member(Reader *r, IdlMember *ret) {
        skip(r);
        ret->documented = r->commented;
        r->commented = false;

        if (take(r, "type "))
                ret->kind = IDL_STRUCT;
        else if (take(r, "method "))
                ret->kind = IDL_METHOD;
        else if (take(r, "error "))
                ret->kind = IDL_ERROR;
        else {
                r->failed = true;
                return;
        }

        word(r, "", ret->name);
        if (ret->kind == IDL_STRUCT && is_enum(r))
                ret->kind = IDL_ENUM;
        fields(r, &ret->in, ret->kind != IDL_ENUM);
        if (ret->kind == IDL_METHOD) {
                need(r, "->");
                fields(r, &ret->out, true);
        }
        r->commented = false;
}

bool idl_parse(const char *text, Idl *ret, int *ret_line) {
        Reader r = {.p = text, .line = 1};

        memset(ret, 0, sizeof(*ret));
        need(&r, "interface ");
        word(&r, ".", ret->name);
        r.commented = false;

        for (skip(&r); *r.p && !r.failed; skip(&r)) {
                if (ret->n >= IDL_MEMBERS_MAX)
                        r.failed = true;
                else
                        member(&r, &ret->members[ret->n++]);
        }

        *ret_line = r.line;
        return !r.failed;
}

const IdlMember *idl_find(const Idl *idl, IdlKind kind, const char *name) {
        for (size_t i = 0; i < idl->n; i++)
                if (idl->members[i].kind == kind && streq(idl->members[i].name, name))
                        return &idl->members[i];

        return NULL;
}
