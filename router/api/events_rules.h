/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_RULES_H
#define ROUTER_API_EVENTS_RULES_H

/*
 * Event buses, rules and their targets as EventBridge's API has them, and as documents (router/resources.h).
 *
 * A rule that the API made is kept as it was sent, under "x-aws", and once more in weir.yaml's words, made anew from
 * that at each change:
 *
 *     "rules" "audit/root"   {"name":"root","bus":"audit","pattern":{…},"targets":[{"target":"arn:…","id":"t"}],
 *                             "x-aws":{"EventPattern":"{…}","State":"ENABLED","Targets":[{"Id":"t","Arn":"arn:…"}]}}
 *
 * What shows a rule reads the one or, where weir.yaml declares the rule, makes the same of the rule set; so all of
 * them look at a struct rule_says and do not care where it came from.
 */

#include "router/api/aws_change.h"
#include "rules/ruleset.h"

/* ---- names ---- */

extern struct aws_regex events_rule_regex;    /* RuleName, TargetId */
extern struct aws_regex events_bus_regex;     /* EventBusName */
extern struct aws_regex events_bus_arn_regex; /* EventBusNameOrArn */

#define EVENTS_RULE_NAME(structure, member, field)                                                                     \
    AWS_MEMBER(structure, member, AWS_STRING, field, .required = true, .min = 1, .max = 64, .regex = &events_rule_regex)
#define EVENTS_BUS_NAME(structure, member, field)                                                                      \
    AWS_MEMBER(structure, member, AWS_STRING, field, .min = 1, .max = 1600, .regex = &events_bus_arn_regex)
#define EVENTS_PAGE(structure, token_field, limit_field)                                                               \
    AWS_MEMBER(structure, "NextToken", AWS_STRING, token_field, .min = 1, .max = 2048),                                \
        AWS_MEMBER(structure, "Limit", AWS_INTEGER, limit_field, .min = 1, .max = 100)

/* The bus that a request means, by name or ARN, the default one where it names none: *name becomes its bare name.
   False: an ARN that is not of this account and region; answered. */
bool events_take_bus(struct aws_request *r, struct str *name);
/* The same, and the bus must be there. NULL: answered. */
const struct bus *events_find_bus(struct aws_request *r, struct str name_or_arn);
/* NULL: answered with "Rule X does not exist on EventBus default." */
const struct rule *events_find_rule(struct aws_request *r, struct str bus, struct str name);
/* In the arena. */
struct str events_rule_arn(struct arena *a, const struct ruleset *set, struct str bus, struct str name);
struct str events_bus_arn(struct arena *a, const struct ruleset *set, struct str bus);

/* The key behind which a page begins; *after is left alone without a token. False: answered. */
bool events_take_token(struct aws_request *r, const char *list, struct str token, struct str *after);

/* For edits: always false. */
bool events_refuse_bus(struct aws_change *c, struct str bus);
bool events_refuse_managed_rule(struct aws_change *c, struct str rule);
bool events_refuse_managed_bus(struct aws_change *c, struct str bus);

/* ---- documents ---- */

/* What `description` may have in weir.yaml: AWS counts characters, and longer ones stand under "x-aws" alone. */
#define EVENTS_DESCRIPTION_BYTES 512

/* The JSON text of a member under "x-aws"; {NULL,0}: none. */
struct str events_kept(struct str document, const char *member);
/* The same of a text, decoded into the arena. */
struct str events_kept_text(struct arena *a, struct str document, const char *member);

struct rule_says { /* {NULL,0}: absent */
    struct str name, bus;
    struct str pattern, schedule, state, description, role;
    struct str targets; /* JSON: an array of Target structures */
    struct str tags;    /* JSON: an array of Tag structures */
    bool managed;       /* weir.yaml's, or an archive's */
};

/* The key of its document. */
struct str events_rule_key(struct arena *a, struct str bus, struct str name);
void events_rule_read(struct arena *a, struct str document, struct rule_says *out); /* name and bus are the caller's */
/* From the rule set, whoever made it. */
void events_rule_show(struct arena *a, const struct rule *rule, struct rule_says *out);
/* In the arena. */
struct str events_rule_document(struct arena *a, const struct rule_says *says);

/* For edits: the rule of weir.yaml or of an archive that has the name; NULL: the API may make, change or delete one. */
const struct rule *events_managed_rule(const struct resources *resources, struct str bus, struct str name);
/* For edits: what stands now, in the request's arena. False: it is not there, or not the API's; refused. */
bool events_rule_edit(struct aws_change *c, struct resources *resources, struct str bus, struct str name,
                      struct rule_says *out);
bool events_bus_exists(const struct resources *resources, struct str bus);

/* ---- targets ---- */

/* One of rule.targets as a Target structure. */
void events_target_show(struct buf *json, const struct rule_target *target);
/* A kept Target structure in weir.yaml's words. */
void events_target_document(struct arena *a, struct buf *json, struct str target);
/* The target of a set that a reference or ARN names; NULL: none. */
const struct target_def *events_target_find(const struct ruleset *set, struct str reference);

/* ---- tags ---- */

#define EVENTS_TAGS_MAX 50

/* Checks a list of tags; faults are noted with path "tags.1.member.". False: of a wrong type, and answered. */
bool events_tags_check(struct aws_request *r, struct str tags);
/* `present` (a JSON array or {NULL,0}) with more set (again) and the keys of a JSON array of texts taken away. */
struct str events_tags_merge(struct arena *a, struct str present, struct str more, struct str taken, size_t *count);

#endif
