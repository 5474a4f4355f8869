/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_TABLES_H
#define RULES_TABLES_H

/*
 * The whole shape of weir.yaml as option tables (targets/adapter.h). The loader fills its structs by these very
 * tables and knows no other keys, so what is made from them cannot drift from it: the schema, the tables of the
 * manual, `weir targets`.
 *
 *     struct option row;
 *     for (size_t i = 0; tables_root_row(i, &row); i++)      version, listen, … queues, topics, … rules, include
 *         …
 */

#include "matcher/buf.h"
#include "targets/adapter.h"

/* Each ends with a row without a key, and stands in the file that reads it. */
extern const struct option root_options[];           /* load_settings.c: the top level, but for adapters' sections */
extern const struct option source_options[];         /* load_sources.c */
extern const struct option access_key_options[];     /* load_access.c: an entry of the file of access keys */
extern const struct option access_token_options[];   /* load_access.c: an entry of the file of tokens */
extern const struct option mapping_options[];        /* load_mappings.c */
extern const struct option rule_options[];           /* load_rules.c */
extern const struct option rule_test_options[];      /* load_rule_tests.c: an entry of `tests` */
extern const struct option rule_target_options[];    /* load_rule_targets.c: an entry of `targets` */
extern const struct option http_parameter_options[]; /* load_http_parameters.c: `http_parameters` of such an entry */

/*
 * The top level, row by row: root_options with the sections of adapters (made from their rows) before `targets`.
 * False: no such row.
 */
bool tables_root_row(size_t index, struct option *out);
/* The row of a top-level key. */
bool tables_find_root(struct str key, struct option *out);
/* The adapter that has the section; NULL: none has. */
const struct adapter *tables_section(const char *key);
/* What one entry of a section is: "queue" of "queues", "bus" of "buses". */
struct str tables_singular(struct str section);
/* May the key stand in an included file? Sections, version and include may; settings are said once. */
bool tables_may_be_included(const struct option *row);

struct table {        /* one table with a name, for the manual */
    const char *name; /* "rule", "queue" */
    const char *meaning;
    const struct option *options;  /* NULL: the top level, see tables_root_row() */
    const struct adapter *adapter; /* NULL: no adapter's */
};
/* The tables in the order of the manual; false: no more. */
bool tables_at(size_t index, struct table *out);
bool tables_find(const char *name, struct table *out);

/* Its meaning; for a section of an adapter, what each of its targets does. */
void tables_write_meaning(struct buf *out, const struct option *o);
/* "duration", "POST|PUT", "list" …: the kind of value in a word. */
void tables_write_type(struct buf *out, const struct option *o);
/* "0s..12h", "1KiB..16MiB", "at most 256 characters", or nothing. */
void tables_write_bounds(struct buf *out, const struct option *o);

#endif
