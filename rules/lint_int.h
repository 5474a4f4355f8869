/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_LINT_INT_H
#define RULES_LINT_INT_H

/* What the checks share. A check adds what it finds and never fails: lack of memory shows in the findings' arena. */

#include "rules/lint.h"

struct lint {
    const struct ruleset *set;
    const struct diags *loaded; /* or NULL */
    struct findings *out;
    const struct lint_check *check; /* the one that runs */

    /* While rules are checked: the written pattern of the present one, NULL for an archive without; and its leaves,
       each once however often $or repeats it, by path. */
    const struct rule *rule;
    const struct pattern *pattern;
    const struct pattern_leaf **leaves;
    uint32_t leaf_count;
};

/* suggestion: NULL, or a text that lives as long as the findings (lint_text()). */
void lint_add(struct lint *l, struct diag_pos pos, const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
const char *lint_text(struct lint *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A place in the present rule's file. */
struct diag_pos lint_pos(const struct lint *l, int line, int column);

bool leaf_has(const struct pattern_leaf *leaf, enum pattern_op op);
/* Is `path` a member, at any depth, of what stands at `above`? */
bool path_is_below(struct str path, struct str above);

/* lint_pattern.c: the pattern as a whole, and the envelope */
void lint_unpinned_source(struct lint *l, const struct rule *rule);
void lint_unknown_member(struct lint *l, const struct rule *rule);
void lint_impossible_value(struct lint *l, const struct rule *rule);
void lint_never_matches(struct lint *l, const struct rule *rule);
void lint_absent_object(struct lint *l, const struct rule *rule);
void lint_replaced_field(struct lint *l, const struct rule *rule);
/* lint_leaf.c: the alternatives of one field */
void lint_anything_but_or(struct lint *l, const struct rule *rule);
void lint_anything_but_absent(struct lint *l, const struct rule *rule);
void lint_redundant(struct lint *l, const struct rule *rule);
void lint_wildcard(struct lint *l, const struct rule *rule);
void lint_star_in_text(struct lint *l, const struct rule *rule);
void lint_cidr_in_text(struct lint *l, const struct rule *rule);
void lint_account_number(struct lint *l, const struct rule *rule);
/* lint_set.c: what the loader warned of, rules beside each other, and what they name */
void lint_loaded(struct lint *l);
void lint_no_tests(struct lint *l, const struct rule *rule);
void lint_no_targets(struct lint *l, const struct rule *rule);
void lint_duplicates(struct lint *l);
void lint_same_pattern(struct lint *l);
void lint_unused_target(struct lint *l);
void lint_plain_secret(struct lint *l);
void lint_unused_bus(struct lint *l);

#endif
