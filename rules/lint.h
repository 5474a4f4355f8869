/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_LINT_H
#define RULES_LINT_H

/*
 * What loads without an error and is still most likely a mistake. A check is a row of lint_checks and a function in
 * one of rules/lint_*.c; what it finds has a place, a message and, where there is one, a way out.
 *
 *     struct findings found = {0};
 *     lint_run(set, &diags, NULL, &found);
 *     lint_report(&found, &out);
 *     findings_fini(&found);
 */

#include "rules/ruleset.h"

struct lint;

struct lint_check {
    const char *id; /* "unused-target"; NULL ends the table */
    const char *meaning;
    /* One of the two: called for each rule with its pattern's leaves at hand, or once. */
    void (*rule)(struct lint *l, const struct rule *rule);
    void (*set)(struct lint *l);
};

extern const struct lint_check lint_checks[];
const struct lint_check *lint_check_find(const char *id); /* NULL: no such check */

struct finding {
    struct finding *next;
    const struct lint_check *check;
    struct diag_pos pos;
    const char *message;
    const char *suggestion; /* NULL: none */
};

struct findings {
    struct arena arena;   /* what the list points to */
    struct finding *list; /* by file, the first file first, then by place */
    size_t count;
};

/*
 * loaded: what the load of set said, whose warnings are findings too; or NULL. off: checks to leave out, ended by NULL,
 * or NULL. False: out of memory. The findings live as long as set.
 */
bool lint_run(const struct ruleset *set, const struct diags *loaded, const struct lint_check *const *off,
              struct findings *out);
void findings_fini(struct findings *f);

#define LINT_REPORT_MAX 1000 /* findings that a report shows: who has more has one fault many times */

/* Each as FILE:LINE:COLUMN: warning: MESSAGE [ID], its line, a caret and the suggestion; their number in the end. */
void lint_report(const struct findings *f, struct buf *out);

#endif
