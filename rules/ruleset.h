/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_RULESET_H
#define RULES_RULESET_H

/*
 * A checked rule set: everything weir.yaml says, resolved. One generation is one arena, built whole by
 * ruleset_load(), immutable afterwards, shared by all threads by reference count; a reload swaps one pointer.
 *
 *     struct diags diags;
 *     struct ruleset *set = ruleset_load("weir.yaml", 1, &diags);    NULL: diags has every error of all files
 *     …
 *     ruleset_unref(set);
 */

#include <stdatomic.h>
#include <stdint.h>

#include "matcher/pattern.h"
#include "matcher/weir.h"
#include "targets/policy.h"

struct documents; /* rules/documents.h */
struct files;     /* rules/files.h */
struct schedule;
struct access;
struct input; /* rules/input.h; NULL: the event as it is */

struct rule_parameter { /* one of a target's http_parameters */
    enum parameter_place place;
    struct str name;
    struct str value;         /* or … */
    const struct input *path; /* … what this finds in the event; NULL: the value */
};

struct rule_target {
    struct str id; /* unique in its rule; default: the reference as written */
    const struct target_def *target;
    const struct target_def *dead_letter; /* a queue; the built-in `dead-letters` where none was written */
    bool drop;                            /* dead_letter: drop */
    struct retry_policy retry_policy;     /* RETRY_UNSAID where the target's own stands: policy_retries() */
    const struct input *input;
    const struct input *order_by;           /* whose value is the key within which order is kept; NULL: it is not */
    struct str message_group;               /* of FIFO queues; "": none, or … */
    const struct input *message_group_path; /* … what this finds in the event */
    const struct rule_parameter *parameters;
    uint32_t parameter_count;
    struct diag_pos pos;
};

struct rule_test_input { /* what a target of the rule must be given */
    const struct rule_target *target;
    struct str expected; /* compact JSON; is_text: the very bytes */
    bool is_text;
};

struct rule_test {
    struct str name;
    struct str format;     /* auto, events, cloudtrail, s3, cloudevents */
    struct str event;      /* compact JSON; {NULL,0}: it is in event_file */
    struct str event_file; /* absolute */
    bool match;
    const struct rule_test_input *inputs;
    uint32_t input_count;
    struct diag_pos pos;
};

struct rule {
    struct str name; /* unique in its bus */
    struct str bus;
    struct str arn; /* arn:aws:events:REGION:ACCOUNT:rule/[BUS/]NAME */
    struct str description;
    bool enabled;
    bool all_management_events;      /* gets read-only ones on a bus with `strict: aws` too: read_only.h */
    const struct pattern *pattern;   /* NULL: it only has a schedule */
    const struct schedule *schedule; /* rules/schedule.h; NULL: none */
    const struct rule_target *targets;
    uint32_t target_count;
    const struct rule_test *tests;
    uint32_t test_count;
    struct diag_pos pos;
    uint32_t index;  /* in ruleset.rules: the number its matcher reports */
    bool is_archive; /* made from an `archives:` entry: Events-Archive-NAME */
    struct str made; /* the document of the API that made it, an archive's for its rule; {NULL,0}: it is the files' */
};

struct bus {
    struct str name;
    struct str arn;
    struct str description;
    bool strict_aws;              /* AWS's limits, and no extensions */
    int64_t deduplication_ms;     /* window of publish deduplication; 0: none */
    int64_t deduplication_ids;    /* at most so many are remembered */
    struct weir_matcher *matcher; /* reports rule indexes; enabled rules only */
    uint32_t index;
    struct str made;     /* as a rule's; what is built in may have one and be in the files too */
    struct diag_pos pos; /* file NULL: default */
};

/* An entry of `sources:`: limits of a way in, or a watched folder. */
struct source_def {
    struct str name;
    bool is_folder;
    int64_t rate, burst, concurrency; /* limits; 0: none */
    struct str path, format, bus;     /* of a folder; path is absolute */
    struct diag_pos pos;
};
/* An entry of `event_source_mappings:`: messages of a queue, in batches, for a function. */
struct event_source_mapping {
    struct str name;
    const struct target_def *queue, *function; /* NULL: an API's document names one that is not there */
    int64_t batch_size, window_ms;
    int64_t concurrency; /* runs at once; 0: as many as the function may */
    bool partial;        /* the answer names the messages that failed */
    bool enabled;
    const struct pattern *const *patterns; /* its filters, and … */
    uint32_t pattern_count;
    struct weir_matcher *filter; /* … compiled: a message that matches nothing of it is deleted; NULL: there is none */
    struct str made;             /* the API's document; {NULL,0}: the file's */
    struct diag_pos pos;
};

extern const char *const source_routes[]; /* the ways in that can have limits; ended by NULL */
extern const char *const event_formats[]; /* "auto" and what events can come as; ended by NULL */

/* The filter policies of a topic's subscriptions, compiled. */
struct topic_filter {
    const struct target_def *topic;
    struct weir_matcher *body;       /* reports indexes of subscriptions whose policy is on the message … */
    struct weir_matcher *attributes; /* … and this those of policies on its attributes */
    const bool *attributeless; /* by subscription: its policy is on attributes, and a message without any passes */
};

/* One thing of the files, to compare two rule sets by: what each of its keys says, as a number. */
struct ruleset_part {
    const char *kind; /* "rule", "queue", "http", "setting" */
    struct str name;  /* a rule's with its bus, where that is not the default one: "audit/root-login" */
    const struct ruleset_part_key {
        const char *key; /* "": the thing is one value */
        uint64_t hash;
    } * keys;
    uint32_t key_count;
};

struct ruleset {
    struct arena keep;
    atomic_uint references;
    uint64_t generation;

    struct documents *documents; /* that it was built with; NULL: none */
    struct str file;             /* as named; "" when started empty */
    struct str listen_host;      /* "127.0.0.1" */
    uint16_t listen_port;        /* 0: any free port */
    struct str data;             /* data folder, absolute */
    int64_t data_limit;          /* bytes it may have; 0: no bound but the disk's */
    struct str account, region;
    const struct str *allowed_hosts; /* further Host names accepted besides IP literals and localhost */
    uint32_t allowed_host_count;
    struct diag_pos listen_pos;              /* file NULL: not written */
    struct access *access;                   /* rules/access.h: who may in; NULL: everybody */
    struct str certificate, certificate_key; /* PEM files; {NULL,0}: no TLS */

    const struct bus *buses; /* [0] is "default" */
    uint32_t bus_count;
    const struct rule *rules;
    uint32_t rule_count;
    const uint32_t *rule_slots;              /* hash table over bus and name: indexes + 1, 0 is free */
    uint32_t rule_slot_count;                /* a power of two */
    const struct target_def *const *targets; /* by index */
    uint32_t target_count;
    const uint32_t *target_slots; /* as those of rules, over kind and name */
    uint32_t target_slot_count;
    const struct target_def *dead_letters; /* the built-in queue */
    const struct topic_filter *filters;    /* of the topics that have any */
    uint32_t filter_count;

    const struct source_def *sources;
    uint32_t source_count;
    const struct event_source_mapping *mappings;
    uint32_t mapping_count;
    const struct ruleset_part *parts; /* in the order of the files */
    uint32_t part_count;
};

/*
 * Loads a file with its includes. file NULL: an empty rule set (default bus, default settings, data in ./weir-data).
 * NULL: diags has every error found (diags was initialised by the caller); warnings may be there on success too.
 */
struct ruleset *ruleset_load(const char *file, uint64_t generation, struct diags *diags);
/* The same in two steps: of files that were read before, and of what the APIs made (NULL: nothing). Where reading the
   files left errors in diags, the others are added and there is no set. */
struct ruleset *ruleset_build(const struct files *files, struct documents *documents, uint64_t generation,
                              struct diags *diags);
/* The same from memory; name stands for the file in positions. A text has no folder: `include` is an error in it. */
struct ruleset *ruleset_load_text(const char *name, struct str text, uint64_t generation, struct diags *diags);
struct ruleset *ruleset_ref(struct ruleset *set);
void ruleset_unref(struct ruleset *set);

/* What the files declare: rules but for those of archives, targets but for buses and what is built in. */
void ruleset_count(const struct ruleset *set, uint32_t *rules, uint32_t *targets);

const struct bus *ruleset_bus(const struct ruleset *set, struct str name_or_arn);               /* NULL: none */
const struct source_def *ruleset_source(const struct ruleset *set, struct str name);            /* NULL: none */
const struct event_source_mapping *ruleset_mapping(const struct ruleset *set, struct str name); /* NULL: none */
const struct rule *ruleset_rule(const struct ruleset *set, struct str bus, struct str name);
const struct target_def *ruleset_target(const struct ruleset *set, const char *type,
                                        struct str name); /* type NULL: any */

/*
 * Prints every diagnosis as FILE:LINE:COLUMN with its source line and caret into out (the files are read
 * again for their lines). Ends with "N errors" when there is more than one.
 */
void ruleset_report(const struct diags *diags, struct buf *out);
/* A file's text for such lines, into text; empty where it cannot be read. */
void report_source(const char *file, struct buf *text);

#endif
