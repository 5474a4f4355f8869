/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_LOAD_INT_H
#define RULES_LOAD_INT_H

/*
 * One load, in steps; each reports all errors it finds and leaves what the next ones can work with:
 *
 *     load_files     the file and its includes become trees                     load_files.c
 *     load_settings  listen, data, account, region; unknown top-level keys      load_settings.c
 *     load_buses     names                                                      load_targets.c
 *     load_targets   names first, then options: references may point forward    load_targets.c
 *     load_sources   limits and folders                                         load_sources.c
 *     load_rules     patterns, targets, tests; archives' rules                  load_rules.c
 *     load_matchers  one compiled matcher a bus, if nothing was wrong           load.c
 *     load_filters   one compiled matcher a topic with filter policies          load_filters.c
 *     load_watch     what a change of the files would be seen by                watch.c
 */

#include "rules/options.h"
#include "rules/ruleset.h"

#define LOAD_FILES_MAX        10000 /* included files: a slip of a glob must not read a disk */
#define LOAD_RULE_TARGETS_MAX 100   /* AWS has 5, and 100 in its shapes; ids are compared one by one */

struct load_file {
    struct load_file *next;
    const char *name;        /* interned */
    const struct node *root; /* an empty mapping where the file was faulty or empty */
    uint64_t device, inode;
    int64_t size, changed_ns; /* as it was read */
    struct diag_pos included; /* file NULL: the first file */
};

/* What a change of the configuration would be seen by: the file, and each glob of an include. */
struct load_glob {
    struct load_glob *next;
    const char *path; /* in the set's arena */
};

struct load {
    struct ruleset *set;
    struct arena temp;
    struct diags *diags;
    struct references names; /* scopes: adapter types, "arn", LOAD_BUSES, the ARNs of buses (for rules), "file" */
    struct options_reader options;
    const struct adapter *row_adapter;    /* whose rows, with the policy's, … */
    const struct option *rows;            /* … these are, in temp */
    struct load_file *files, **files_end; /* in order: the first file first */
    size_t file_count;
    struct load_glob *globs, **globs_end;

    /* What the set shows as const, while it is made. */
    struct bus *buses;
    struct target_def **targets;
    const struct node **target_nodes; /* beside targets; NULL: all defaults */
    struct rule *rules;
};

/* False from any step: out of memory; what is wrong with the files is in diags only. */
bool load_files(struct load *l, const char *file);
bool load_text(struct load *l, const char *name, struct str text);
bool load_settings(struct load *l);
bool load_buses(struct load *l);
bool load_targets(struct load *l);
bool load_rules(struct load *l);
bool load_targets_of_rule(struct load *l, struct rule *rule, const struct node *list); /* load_rule_targets.c */
bool load_tests_of_rule(struct load *l, struct rule *rule, const struct node *list);   /* load_rule_tests.c */

bool load_sources(struct load *l);       /* load_sources.c */
bool load_filters(struct load *l);       /* load_filters.c: filter policies, compiled, if nothing was wrong */
bool ruleset_index(struct ruleset *set); /* ruleset.c: the table of rules; false: out of memory */
bool load_parts(struct load *l);         /* load_parts.c: fills the set's parts */
bool load_watch(struct load *l);         /* watch.c: fills the set's watched and fingerprint */

/* The value of a top-level key of a file, if it is a mapping; other values are reported once, here. */
const struct node *load_section(struct load *l, const struct load_file *f, const char *key);
/* One count over all files: how many entries a section has. */
size_t load_section_count(struct load *l, const char *key);

/* 1..max of A-Z a-z 0-9 . _ - ; else one error. what: "rule", for messages. */
bool load_check_name(struct load *l, const char *what, struct str name, size_t max, struct diag_pos pos);
/* references_add() with the error that names both places. */
bool load_declare(struct load *l, const char *what, struct str scope, struct str name, struct diag_pos pos,
                  void *thing);

/* format with {region}, {account}, {name} filled in, in the set's arena. */
struct str load_arn(struct load *l, const char *format, struct str name);
bool load_is_archive(const struct target_def *def);

static inline bool load_out_of_memory(struct load *l)
{
    l->diags->out_of_memory = true;
    return false;
}

#endif
