/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_EXPORT_INT_H
#define RULES_EXPORT_INT_H

/* What the two files of an export share: export.c walks along the tables, export_values.c rewrites single values. */

#include "rules/export.h"
#include "targets/adapter.h"

struct gone { /* an entry that was left out: what names it has nothing to name */
    const struct gone *next;
    const char *kind;
    struct str name;
};

struct exporting {
    const struct export_from *from;
    const struct gone *gone;
    struct arena arena;
    struct buf path; /* of what is being rewritten: "queues/orders/redrive_policy" */
    struct buf notes;
    struct buf variables;
};

/* Nodes; NULL: out of memory, which the arena remembers. Adding NULL adds nothing. */
struct node *export_text(struct exporting *x, struct str text);
struct node *export_list(struct exporting *x, enum node_type type, size_t room);
void export_add_pair(struct node *map, const struct node *key, const struct node *value);
void export_add_item(struct node *list, const struct node *item);
/* Where the walk is; pop takes what push gave. */
size_t export_push(struct exporting *x, struct str part);
void export_pop(struct exporting *x, size_t before);
/* Notes that an entry is left out: references to it are too. */
void export_gone(struct exporting *x, const struct adapter *adapter, struct str name);

/* Values of an option, as they are written; NULL: left out. */
const struct node *export_secret(struct exporting *x, const struct node *n);
const struct node *export_named_values(struct exporting *x, const struct node *n);
const struct node *export_path(struct exporting *x, const struct node *n);
const struct node *export_command(struct exporting *x, const struct node *n);
const struct node *export_pattern(struct exporting *x, const struct node *n);
const struct node *export_reference(struct exporting *x, const struct node *n, bool one_kind);
const struct node *export_measure(struct exporting *x, const struct option *row, const struct node *n);

#endif
