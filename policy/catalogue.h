#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Catalogue: every definition there is
 *
 * Loaded whole and replaced whole: who holds a Catalogue sees the definitions as they were at one
 * moment. A file that cannot be used costs nobody else anything. When it is loaded over an earlier
 * one, an endpoint whose file has become wrong keeps its earlier entry, with the problem noted as a
 * warning.
 */

#include "policy/definition.h"

typedef struct Catalogue {
        Definition **definitions; /* by name, in order; a template "serial@" stands as serial */
        size_t n_definitions;
} Catalogue;

/* earlier may be NULL. What is still good of it is moved into the new one, and earlier is left
 * valid and to be freed as usual. */
int catalogue_load(char *const *folders, Catalogue *earlier, Catalogue **ret) _must_check_;
Catalogue *catalogue_free(Catalogue *catalogue);

/* The definition that answers for a name, or NULL. Borrowed. An endpoint and a template of one
 * name can stand side by side: "serial" and "serial@". */
const Definition *catalogue_find(const Catalogue *catalogue, const Name *name);

DEFINE_CLEANUP(Catalogue *, catalogue_free);
