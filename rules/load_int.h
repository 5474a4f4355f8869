/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_LOAD_INT_H
#define RULES_LOAD_INT_H

/*
 * One load, in steps; each reports all errors it finds and leaves what the next ones can work with:
 *
 *     load_trees     the files' trees, and one of the documents                  load_trees.c
 *     load_settings  listen, data, account, region; unknown top-level keys      load_settings.c
 *     load_buses     names                                                      load_targets.c
 *     load_targets   names first, then options: references may point forward    load_targets.c
 *     load_sources   limits and folders                                         load_sources.c
 *     load_mappings  queues that functions are run from                         load_mappings.c
 *     load_rules     patterns, targets, tests; archives' rules                  load_rules.c
 *     load_matchers  one compiled matcher a bus, if nothing was wrong           load.c
 *     load_filters   one compiled matcher a topic with filter policies          load_filters.c
 */

#include "rules/documents.h"
#include "rules/files.h"
#include "rules/options.h"
#include "rules/ruleset.h"

#define LOAD_RULE_TARGETS_MAX 100 /* AWS has 5, and 100 in its shapes; ids are compared one by one */

struct load_file {
    struct load_file *next;
    const char *name; /* NULL: there is no configuration */
    const struct node *root;
    bool made; /* it has the documents of the APIs; the last one, if there are any */
};

struct load {
    struct ruleset *set;
    struct arena temp;
    struct diags *diags;
    struct references names; /* scopes: adapter types, "arn", LOAD_BUSES, the ARNs of buses (for rules), "file" */
    struct options_reader options;
    const struct adapter *row_adapter; /* whose rows, with the policy's, … */
    const struct option *rows;         /* … these are, in temp */
    struct load_file *files;           /* in order: the first file first; there is always one */
    const struct files *sources;       /* what they were made of, and what was read with them */

    /* What the set shows as const, while it is made. */
    struct bus *buses;
    struct target_def **targets;
    const struct node **target_nodes; /* beside targets; NULL: all defaults */
    size_t target_capacity;
    struct rule *rules;
};

/* False from any step: out of memory; what is wrong with the files is in diags only. */
bool load_trees(struct load *l, const struct files *files);
bool load_settings(struct load *l);
struct load_auth { /* `auth:` */
    struct str access_keys, tokens;
    bool public_metrics;
};
bool load_access(struct load *l, const struct node *auth, const struct load_auth *settings); /* load_access.c */
bool load_buses(struct load *l);
bool load_targets(struct load *l);
bool load_rules(struct load *l);
bool load_targets_of_rule(struct load *l, struct rule *rule, const struct node *list); /* load_rule_targets.c */
bool load_tests_of_rule(struct load *l, struct rule *rule, const struct node *list);   /* load_rule_tests.c */
/* load_http_parameters.c; n NULL: there are none */
bool load_http_parameters(struct load *l, const struct node *n, const char *what, struct rule_target *t);
void load_check_http_parameters(struct load *l, const struct rule *rule, const char *what, const struct rule_target *t);

bool load_sources(struct load *l);       /* load_sources.c */
bool load_mappings(struct load *l);      /* load_mappings.c */
bool load_filters(struct load *l);       /* load_filters.c: filter policies, compiled, if nothing was wrong */
bool ruleset_index(struct ruleset *set); /* ruleset.c: the tables of rules and targets; false: out of memory */
bool load_parts(struct load *l);         /* load_parts.c: fills the set's parts */

/* The value of a top-level key of a file, if it is a mapping; other values are reported once, here. */
const struct node *load_section(struct load *l, const struct load_file *f, const char *key);
/* One count over all files: how many entries a section has. */
size_t load_section_count(struct load *l, const char *key);

/* 1..max of A-Z a-z 0-9 . _ - ; else one error. what: "rule", for messages. */
bool load_check_name(struct load *l, const char *what, struct str name, size_t max, struct diag_pos pos);
/* references_add() with the error that names both places. */
bool load_declare(struct load *l, const char *what, struct str scope, struct str name, struct diag_pos pos,
                  void *thing);

/* The whole document an entry is of: {NULL,0} where it stands in a file. */
struct str load_made(const struct node *entry);
/* Another target: declared, its options are filled from node later. NULL: out of memory; what is wrong with the name is
   in diags. */
struct target_def *load_target_add(struct load *l, const struct adapter *adapter, struct str name, struct diag_pos pos,
                                   const struct node *node);
/* load_subscriptions.c, of load_targets() */
bool load_subscription_targets(struct load *l); /* those that URLs need, declared */
bool load_applications(struct load *l);         /* load_applications.c: gateways and endpoints, the same */
bool load_endpoints(struct load *l);            /* endpoints filled; before subscriptions, which may name them */
bool load_subscriptions(struct load *l);        /* hung on their topics, whose options are filled */
/* What stands for a target that a document names and nobody has; NULL: out of memory. */
struct target_def *load_missing(struct load *l, struct str text);

/* format with {region}, {account}, {name} filled in, in the set's arena. */
struct str load_arn(struct load *l, const char *format, struct str name);
bool load_is_archive(const struct target_def *def);

static inline bool load_out_of_memory(struct load *l)
{
    l->diags->out_of_memory = true;
    return false;
}

#endif
