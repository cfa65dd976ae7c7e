/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/stepup.h"

struct Stepup {
        Stepup *next; /* StepupTable::first */
        uid_t uid;
        char *session;
        uint32_t tty;
        Name name;
        Access access;
        char definition[DEFINITION_HASH_SIZE];
        uint64_t end;
};

static Stepup *stepup_free(Stepup *stepup) {
        free(stepup->session);
        free(stepup);
        return NULL;
}

static bool stepup_is(const Stepup *stepup, const StepupKey *key) {
        return stepup->uid == key->uid && streq(stepup->session, key->session) &&
               stepup->tty == key->tty && stepup->access == key->access &&
               streq(stepup->name.endpoint, key->name->endpoint) &&
               streq(stepup->name.instance, key->name->instance) &&
               streq(stepup->definition, key->definition);
}

/* Drops what is over, and what a uid has beyond max; how many were dropped that still counted. */
static unsigned table_sweep(StepupTable *table, uint64_t now, uid_t uid, unsigned max) {
        Stepup **p = &table->first, *stepup;
        unsigned kept = 0, dropped = 0;

        while ((stepup = *p)) {
                bool over = stepup->end <= now;

                if (!over && stepup->uid == uid)
                        kept++;
                if (!over && !(stepup->uid == uid && kept > max)) {
                        p = &stepup->next;
                        continue;
                }

                dropped += !over;
                *p = stepup->next;
                stepup_free(stepup);
        }

        return dropped;
}

void stepup_table_deinit(StepupTable *table) {
        (void)table_sweep(table, UINT64_MAX, 0, 0);
}

void stepup_table_add(StepupTable *table, const StepupKey *key, uint64_t now, uint64_t usec) {
        Stepup *stepup;

        if (!key->session || usec == 0)
                return;

        stepup = calloc(1, sizeof(*stepup));
        if (!stepup)
                return;
        *stepup = (Stepup){
                .next = table->first,
                .uid = key->uid,
                .session = strdup(key->session),
                .tty = key->tty,
                .name = *key->name,
                .access = key->access,
                .end = now + usec,
        };
        if (!stepup->session) {
                stepup_free(stepup);
                return;
        }

        (void)copy_text(stepup->definition, sizeof(stepup->definition), key->definition);
        table->first = stepup;
        (void)table_sweep(table, now, key->uid, STEPUPS_PER_USER);
}

bool stepup_table_has(StepupTable *table, const StepupKey *key, uint64_t now) {
        if (!key->session)
                return false;

        for (const Stepup *stepup = table->first; stepup; stepup = stepup->next)
                if (stepup->end > now && stepup_is(stepup, key))
                        return true;

        return false;
}

unsigned stepup_table_forget(StepupTable *table, uid_t uid, uint64_t now) {
        return table_sweep(table, now, uid, 0);
}

bool stepup_table_is_empty(StepupTable *table, uint64_t now) {
        (void)table_sweep(table, now, 0, STEPUPS_PER_USER);
        return !table->first;
}
