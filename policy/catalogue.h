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
        char **warnings; /* of files and folders that make no definition at all */
} Catalogue;

/* earlier may be NULL. What is still good of it is moved into the new one, and earlier is left
 * valid and to be freed as usual. */
int catalogue_load(char *const *folders, Catalogue *earlier, Catalogue **ret) _must_check_;
/* The same, with another owner of files trusted beside root: for tests (see trusted.h). */
int catalogue_load_trusting(char *const *folders, uid_t owner, Catalogue *earlier,
                            Catalogue **ret) _must_check_;
Catalogue *catalogue_free(Catalogue *catalogue);

/* The definition that answers for a name, or NULL: a template answers for a name with an instance,
 * any other for one without. Borrowed. "serial" and "serial@" would share an opener and their
 * actions: where both exist the template has a problem that says so. */
const Definition *catalogue_find(const Catalogue *catalogue, const Name *name);

/* Whether there can be leases on what is called so: an endpoint, an instance that its template
 * allows, or a template, for all of its instances. */
bool catalogue_has(const Catalogue *catalogue, const Name *name);

DEFINE_CLEANUP(Catalogue *, catalogue_free);
