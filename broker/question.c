/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/question.h"
#include "policy/action.h"

static int question_set_action(Question *question, Authority *authority,
                               const Definition *definition, Refusal *ret_refusal) {
        int r;

        (void)action_endpoint_id(definition->name, question->access, question->action);
        r = authority_find_action(authority, question->action, &question->info);
        if (r == 0 && !question->info.registered) {
                question->generic = true;
                (void)copy_text(question->action, sizeof(question->action),
                                action_generic_id(question->access));
                r = authority_find_action(authority, question->action, &question->info);
        }
        if (r < 0)
                return QUESTION_E_UNKNOWN_ACTIONS;

        question->shared = question->generic || definition->template;
        if (question->info.registered && question->info.owned)
                return 0;

        refusal_init(ret_refusal, ERROR_POLICY_UNAVAILABLE);
        ret_refusal->action = question->action;
        if (question->info.registered) {
                refusal_set_cause(ret_refusal,
                                  "polkit's action %s does not name doorward as its "
                                  "owner",
                                  question->action);
                refusal_set_hint(ret_refusal,
                                 "An administrator mends the action with: doorward policy "
                                 "--install %s",
                                 definition->name);
        } else {
                refusal_set_cause(ret_refusal, "polkit knows no action %s", question->action);
                refusal_set_hint(ret_refusal, "doorward's own policy file, org.doorward.policy, "
                                              "is missing: install doorward again.");
        }
        return QUESTION_E_REFUSED;
}

int question_init(Question *question, Authority *authority, const Definition *definition,
                  const Name *name, Access access, Refusal *ret_refusal) {
        question_deinit(question);
        *question = (Question){.access = access, .kind = definition->targets[access].kind};

        memcpy(question->endpoint, name->endpoint, sizeof(question->endpoint));
        memcpy(question->instance, name->instance, sizeof(question->instance));
        (void)copy_text(question->connect_as, sizeof(question->connect_as),
                        definition_connect_as(definition));
        question->message = action_message(definition, name->instance, access);
        if (!question->message)
                return -ENOMEM;

        return question_set_action(question, authority, definition, ret_refusal);
}

void question_deinit(Question *question) {
        free(question->message);
        question->message = NULL;
}

void question_set_identity(Question *question, uid_t uid, const char *name) {
        question->proven = true;
        question->identity = uid;
        question->user = name;
}

void question_ask(const Question *question, const Peer *peer, uint64_t start_time, bool interactive,
                  AuthorityQuestion *ret) {
        size_t n = 0;

        *ret = (AuthorityQuestion){
                .uid = question->proven ? question->identity : peer->uid,
                .peer_uid = peer->uid,
                .pid = peer->pid,
                .pidfd = peer->pidfd,
                .start_time = start_time,
                .action = question->action,
                .interactive = interactive,
        };

        ret->details[n++] = (AuthorityDetail){"endpoint", question->endpoint};
        if (question->instance[0])
                ret->details[n++] = (AuthorityDetail){"instance", question->instance};
        ret->details[n++] = (AuthorityDetail){"access", access_to_string(question->access)};
        ret->details[n++] = (AuthorityDetail){"kind", kind_to_string(question->kind)};
        ret->details[n++] = (AuthorityDetail){"connect-as", question->connect_as};
        if (question->proven)
                ret->details[n++] = (AuthorityDetail){"user", question->user};
        ret->details[n++] = (AuthorityDetail){"polkit.message", question->message};
}

static void judge_failure(const Question *question, const AuthorityAnswer *answer,
                          Refusal *ret_refusal) {
        refusal_init(ret_refusal, ERROR_POLICY_UNAVAILABLE);
        refusal_set_cause(ret_refusal, "polkit: %s", answer->text ? answer->text : "no answer");

        switch (answer->failure) {
        case AUTHORITY_TIMED_OUT:
                refusal_set_hint(ret_refusal, "polkit did not answer in time; a rule that runs "
                                              "long holds up everybody. An administrator starts "
                                              "polkit anew with: systemctl restart polkit");
                break;
        case AUTHORITY_NOT_PERMITTED:
                refusal_set_hint(ret_refusal,
                                 "polkit does not let doorward ask about %s: does the "
                                 "action still exist, with doorward as its owner?",
                                 question->action);
                break;
        case AUTHORITY_ANSWERED:
        case AUTHORITY_UNAVAILABLE:
                refusal_set_hint(ret_refusal, "polkit is not there, or could not tell; the record "
                                              "of this request says why (where it names /proc, "
                                              "see doorwardd(8) on hidepid). Nothing is granted "
                                              "without it. An administrator starts it with: "
                                              "systemctl restart polkit");
                break;
        }
}

static void judge_challenge(const Question *question, bool interactive, Refusal *ret_refusal) {
        refusal_init(ret_refusal, ERROR_INTERACTIVE_AUTHENTICATION_REQUIRED);
        refusal_set_cause(ret_refusal, interactive
                                               ? "no agent was there to ask for a password"
                                               : "a password is needed and nobody may be asked");
        if (interactive)
                refusal_set_hint(ret_refusal,
                                 "A password is needed, and neither this process nor its session "
                                 "has an authentication agent to ask for it: doorward(1) shows how "
                                 "to start one. Or an administrator writes a rule for %s.",
                                 question->action);
        else
                refusal_set_hint(
                        ret_refusal,
                        "A password is needed: run the command on a terminal or a desktop, "
                        "or have an administrator write a rule for %s.",
                        question->action);
}

static void judge_temporary(const Question *question, Refusal *ret_refusal) {
        refusal_init(ret_refusal, ERROR_PERMISSION_DENIED);
        refusal_set_cause(ret_refusal, "a rule answers with an authorisation that is kept, for an "
                                       "action that several endpoints share");
        if (question->generic)
                refusal_set_hint(ret_refusal,
                                 "A rule for %s keeps authorisations, which would open every "
                                 "endpoint without an action of its own. An administrator gives "
                                 "this one its own with: doorward policy --install %s",
                                 question->action, question->endpoint);
        else
                refusal_set_hint(ret_refusal,
                                 "A rule for %s keeps authorisations, which would open every "
                                 "instance of %s@: it has to answer AUTH_SELF or AUTH_ADMIN "
                                 "without _KEEP.",
                                 question->action, question->endpoint);
}

static void judge_denial(const Question *question, Refusal *ret_refusal) {
        refusal_init(ret_refusal, ERROR_PERMISSION_DENIED);
        refusal_set_cause(ret_refusal, "polkit says no");
        refusal_set_hint(ret_refusal,
                         "'doorward explain %s%s%s%s' says why, and what would change it.",
                         question->endpoint, question->instance[0] ? "@" : "", question->instance,
                         question->access == ACCESS_READ_ONLY ? ":ro" : "");
}

/* polkit does not tell a wrong password from a rule's no. But somebody is only asked after it
 * wanted a password: a no is then that none was given that was right. */
static void judge_failed(Refusal *ret_refusal) {
        refusal_init(ret_refusal, ERROR_AUTHENTICATION_FAILED);
        refusal_set_cause(ret_refusal, "the authentication that polkit wants failed");
        refusal_set_hint(ret_refusal, "Try again with the password of the user whom the prompt "
                                      "names.");
}

bool question_judge(const Question *question, const AuthorityAnswer *answer, bool interactive,
                    Refusal *ret_refusal) {
        if (answer->failure != AUTHORITY_ANSWERED)
                judge_failure(question, answer, ret_refusal);
        else if (answer->temporary && question->shared)
                judge_temporary(question, ret_refusal);
        else if (answer->decision == DECISION_AUTHORIZED)
                return true;
        else if (answer->dismissed) {
                refusal_init(ret_refusal, ERROR_AUTHENTICATION_CANCELLED);
                refusal_set_cause(ret_refusal, "the prompt was dismissed");
        } else if (answer->decision == DECISION_CHALLENGE)
                judge_challenge(question, interactive, ret_refusal);
        else if (interactive)
                judge_failed(ret_refusal);
        else
                judge_denial(question, ret_refusal);

        ret_refusal->action = question->action;
        return false;
}

Decision question_decision(const Question *question, const AuthorityAnswer *answer) {
        if (answer->failure != AUTHORITY_ANSWERED || (answer->temporary && question->shared))
                return DECISION_DENIED;

        return answer->decision;
}
