#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Inquiry: what policy would say, without opening anything
 *
 * For lists and explanations: one endpoint, one access, no prompt. What an Open would be refused
 * for before policy is asked, or because it cannot be asked, is an answer here too.
 */

#include "broker/question.h"
#include "broker/session.h"

typedef struct Inquiry Inquiry;

/* refusal is NULL if the answer is a plain yes; else it is what an Open would be refused with.
 * question is NULL if it did not come to asking. Both are borrowed. The inquiry is over. */
typedef void (*InquiryFunc)(const Question *question, Decision decision, const Refusal *refusal,
                            void *userdata);

/* func is called once, from the loop. -errno. */
int inquiry_new(Session *session, const Definition *definition, const Name *name, Access access,
                InquiryFunc func, void *userdata, Inquiry **ret) _must_check_;

/* Gives it up; func is not called. NULL is fine. Returns NULL. */
Inquiry *inquiry_cancel(Inquiry *inquiry);

/* What to tell of the decision: 0 where policy gave no answer. That is a denial, and no answer. */
Decision inquiry_told_decision(Decision decision, const Refusal *refusal);

/* One level of an endpoint as the interface has it. decision 0 leaves it, and the action, out. */
json_t *inquiry_level_to_json(const Definition *definition, Access access, Decision decision,
                              const char *action);
