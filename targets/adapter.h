/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_ADAPTER_H
#define TARGETS_ADAPTER_H

/*
 * Where events go. An adapter is one file and one row of targets/table.c: a type name, a table of options
 * and a few functions. Adapters never call adapters, never log, never read the clock.
 *
 * Three words:
 *   definition  what the configuration says: adapter, name, options. Immutable, shared by all threads,
 *               lives in its rule set's arena.
 *   target      the running thing made from a definition by ops->open(); belongs to the dispatch thread
 *               (but for put/flush/recover, which run on the ledger thread).
 *   delivery    one event on its way to one target.
 *
 * A target takes deliveries in one of three ways (the other two pointers are NULL):
 *   send    starts (HTTP request, process, file append by a worker) and returns at once; later, never from
 *           inside send, host->complete() gets the verdict. The delivery stays valid until then.
 *   put     local state: runs on the ledger thread inside the transaction that moves the dispatch cursor,
 *           so that message and cursor are committed together (queue, archive).
 *   expand  names further targets (topic); dispatch follows it while matching.
 * The bus has none of them: dispatch matches the event on it in place.
 */

#include <stdint.h>

#include "matcher/arena.h"
#include "matcher/diag.h"

struct event_base;
struct store;
struct target;
struct target_def;
struct delivery;

/* ---- time: read once per loop turn and handed down ---- */

struct weir_time {
    int64_t wall_ms; /* since 1970 UTC: names and stamps only */
    int64_t age_ms;  /* Weir's own clock for ages: never goes back, goes on over restarts */
};

/* ---- options: the table says what a key of the configuration means; loader, `weir targets`, man page and
        schema all walk it ---- */

enum option_type {
    OPTION_TEXT,       /* struct str */
    OPTION_INT,        /* int64_t, min..max */
    OPTION_BOOL,       /* bool */
    OPTION_DURATION,   /* int64_t milliseconds, written 500ms, 30s, 5m, 24h, 30d; min..max in ms */
    OPTION_SIZE,       /* int64_t bytes, written 512, 64KiB, 10MiB, 1GiB */
    OPTION_RATE,       /* struct option_rate: written 100/s, 10/m, 5000/h */
    OPTION_ENUM,       /* int: index into names */
    OPTION_URL,        /* struct str: http:// or https:// */
    OPTION_PATH,       /* struct str: made absolute against the file it stands in */
    OPTION_COMMAND,    /* struct option_list of struct str: a list of texts; the first one, if it has a slash and is
                          relative, is made absolute against the file */
    OPTION_HEADERS,    /* struct option_list of struct option_header: name to text, or to {env: NAME} */
    OPTION_QUEUE,      /* const struct target_def *: the name (or ARN) of a queue */
    OPTION_TARGET,     /* const struct target_def *: a reference to any target: name, kind/name or ARN */
    OPTION_BUS,        /* struct str: the name of a declared bus */
    OPTION_PATTERN,    /* const struct pattern *: an event pattern, YAML or JSON text */
    OPTION_SECRET,     /* struct option_secret: text, {env: NAME}, or {encrypted: TEXT} of the APIs; never shown */
    OPTION_PARAMETERS, /* struct option_list of struct option_header: any name to such a value */
    OPTION_CONNECTION, /* const struct target_def *: the name (or ARN) of a connection */
    OPTION_OBJECT,     /* members, in place at offset */
    OPTION_LIST,       /* struct option_list of items described by members, item_size bytes each; where one member is
                          marked `scalar`, an item that is a bare scalar stands for that member */

    /* Shapes that only rows marked `own` may have: */
    OPTION_VALUE,  /* any value */
    OPTION_EVENT,  /* a mapping, or text that holds a JSON object */
    OPTION_TEXTS,  /* a mapping of names to texts */
    OPTION_FILES,  /* a list of file names, which may have * and ? */
    OPTION_SECTION /* a mapping of names to mappings described by members; no members: by their `type` */
};

struct option_list {
    void *items;
    size_t count;
};

#define OPTION_RATE_MAX 1000000
struct option_rate { /* count in each period; count 0: none was written */
    int64_t count, period_ms;
};

struct option_header {
    struct str name;
    struct str value; /* resolved: {env: NAME} was read at load */
    bool secret;      /* came from the environment, or was given to the APIs as one: never shown */
    bool sealed;      /* value is as targets/secret.h writes it */
};

struct option_secret {
    struct str value; /* {NULL,0}: none was written */
    bool secret;      /* false: it stands in the file as text */
    bool sealed;      /* value is as targets/secret.h writes it */
};

struct option {
    const char *key; /* NULL ends a table */
    enum option_type type;
    size_t offset;     /* of the field in the struct that the table fills */
    const char *value; /* default as one would write it; NULL: none (the field stays zero) */
    int64_t min, max;  /* INT, DURATION, SIZE; both 0: unbounded. TEXT: size bounds. LIST: of count, where own.
                          SECTION: max characters of a name */
    bool required;
    const char *instead;      /* required: but for this key, which may stand instead; for the owner to check */
    const char *group;        /* of the rows of a group one at most may be written; for the owner to check */
    const char *form;         /* TEXT, TEXTS: a regular expression for editors; the table's owner checks what it says */
    bool own;                 /* whoever owns the table reads this key, and reports it where it is missing */
    bool scalar;              /* see OPTION_LIST */
    const char *const *names; /* ENUM: ended by NULL */
    const struct option *members; /* OBJECT, LIST */
    size_t item_size;             /* LIST */
    size_t present_offset;        /* OBJECT: offset of a bool that says that the key was written; 0: none */
    const char *meaning;          /* one sentence, for people */
};

/* ---- definitions ---- */

struct adapter;
struct target_policy;
struct retry_policy;
struct topic_endpoint;

struct target_def {
    const struct adapter *adapter;
    struct str name;
    struct str arn;
    void *options;                      /* adapter->options_size bytes, filled by the table */
    const struct target_policy *policy; /* targets/policy.h: of what is sent to; NULL: of the others */
    struct str made; /* the document of the API that made it (rules/documents.h); {NULL,0}: it is the files', or built
                        in; what is built in may have one and be in the files too */
    struct diag_pos pos; /* where it was written */
    uint32_t index;      /* position among the rule set's definitions */
    bool builtin;        /* made by Weir itself: the queue `dead-letters` */
};

/* ---- deliveries ---- */

enum parameter_place { PARAMETER_PATH, PARAMETER_HEADER, PARAMETER_QUERY };

struct delivery_parameter {
    enum parameter_place place;
    struct str name; /* of a PATH "": they replace the URL's * one after the other */
    struct str value;
};

struct delivery_header { /* the last one has name NULL */
    const char *name;
    struct str value;
};

struct delivery {
    /* the key: what identifies it in the ledger */
    struct str origin;       /* "": the journal; else the replay's name */
    uint64_t position;       /* sequence number there */
    struct str bus, rule;    /* names */
    struct str target_id;    /* the target entry's id in the rule */
    struct str subscription; /* "" or the topic's subscription it came by */

    struct target *target;
    struct str event;    /* the envelope, compact JSON, as accepted (with replay-name when replayed) */
    struct str event_id; /* decoded */
    struct str rule_arn;
    struct str input;                            /* what to hand over: rendered, wrapped */
    struct str idempotency_key;                  /* event id/rule/target: the same over retries and replays */
    struct str message_group, deduplication_id;  /* where the target is a FIFO queue; else "" */
    struct str attributes;                       /* a raw message's: JSON, as struct queue_send has them; else "" */
    const struct delivery_header *headers;       /* of a topic, for HTTP: before an adapter's own; NULL: none */
    const struct delivery_parameter *parameters; /* `http_parameters` of the rule's target, rendered */
    size_t parameter_count;
    uint32_t attempts;         /* made before this one */
    struct weir_time accepted; /* wall: when it was matched first; age: for maximum_event_age */
    void *state;               /* the adapter's, while in flight */
};

enum verdict_kind {
    VERDICT_SETTLED, /* done */
    VERDICT_RETRY,   /* may go well later: counts as an attempt */
    VERDICT_FAILED   /* will never go well: to the dead-letter queue at once */
};

struct verdict {
    enum verdict_kind kind;
    int64_t retry_after_ms; /* RETRY: not before this; -1: dispatch's own backoff */
    bool no_fault;          /* RETRY: the delivery failed, not the target (or the same answer was told already): its
                               circuit and other deliveries are not concerned */
    char code[48];          /* AWS's words where it has one: THROTTLING, TIMEOUT, NO_RESOURCE, … */
    char message[256];      /* for people; no secrets */
};

/* Fills a verdict; the message is formatted. */
void verdict_set(struct verdict *v, enum verdict_kind kind, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- what the router lends to targets ---- */

struct work {                     /* a piece of blocking work; embed it in your own struct */
    void (*run)(struct work *w);  /* on a worker thread */
    void (*done)(struct work *w); /* then on the dispatch thread */
    struct work *next;
};

struct host {
    struct event_base *base; /* the dispatch thread's loop: add your events here */
    /* Both on the dispatch thread only. */
    void (*complete)(struct host *host, struct delivery *d, const struct verdict *v); /* queued; v is copied */
    void (*work)(struct host *host, struct work *w); /* never fails: bounded by the targets' concurrency */
    struct weir_time (*now)(struct host *host);
    /* Any thread, may block: a line of the router's log with the delivery's input; level: 0 debug … 3 error. */
    void (*log)(struct host *host, int level, const struct delivery *d);
    /* Dispatch thread: a line that a process of the target wrote; request_id "": of no invocation. */
    void (*log_line)(struct host *host, const struct target *t, struct str request_id, struct str line);
};

/* ---- the ops ---- */

struct expansion { /* one target behind a topic */
    const struct target_def *target;
    struct str name;                         /* stable name of the subscription, unique in its topic */
    bool raw;                                /* the input goes as it is, without the topic's envelope */
    const struct pattern *filter;            /* only what matches it is delivered; NULL: all */
    bool filter_attributes;                  /* it looks at message attributes, not at the message */
    const struct target_def *dead_letter;    /* a queue for what cannot be delivered; NULL: it says none */
    const struct retry_policy *retry_policy; /* NULL: it says none */
    const struct topic_endpoint *endpoint;   /* a device behind a push gateway; NULL: it is none */
    bool pending;                            /* not confirmed: it gets only what is meant for it alone */
};

#define ADAPTER_NAME_MAX 64

struct adapter {
    const char *type;       /* "queue" */
    const char *section;    /* top-level key of weir.yaml: "queues"; NULL: under targets:, by `type:` */
    const char *summary;    /* one sentence for `weir targets` */
    const char *arn_format; /* "arn:aws:sqs:{region}:{account}:{name}"; {uuid} may stand behind the name */
    uint32_t name_max;      /* characters of a name; 0: ADAPTER_NAME_MAX */
    const struct option *options;
    size_t options_size;
    bool no_target; /* its definitions are named by others (connection); nothing is ever sent to one */
    /* send: offset of an int64_t among its options, deliveries started a second where no rate_limit is written; 0:
       there is no such option */
    size_t rate_offset;
    const char *concurrency; /* send: its default, and the most there may be: deliveries in flight at once */
    int64_t concurrency_max;

    /* What the option table cannot say; NULL: nothing. Adds to diags and returns false. */
    bool (*check)(const struct target_def *def, struct diags *diags);

    /* Dispatch thread, at start. NULL with diag on failure. NULL ops->open for adapters that only expand. */
    struct target *(*open)(const struct target_def *def, struct host *host, const char *data_dir,
                           struct weir_diag *diag);
    /* Nothing in flight any more, or the process is going: release all; kill what runs. */
    void (*close)(struct target *t);

    void (*send)(struct target *t, struct delivery *d);
    /* Dispatch thread; NULL: nothing to do. The router stops: what the target holds back should go now. */
    void (*flush_sends)(struct target *t);

    /* Ledger thread, inside a transaction. put's verdict: SETTLED; FAILED (this delivery only); RETRY = the
       environment is broken (disk full): the whole batch is rolled back and tried again later. */
    /* Once, before anything else. True with a message in diag: what was lost, to be logged. */
    bool (*recover)(struct target *t, struct store *store, struct weir_diag *diag);
    void (*put)(struct target *t, const struct delivery *d, struct store *store, struct weir_time now,
                struct verdict *v);
    bool (*flush)(struct target *t, struct store *store, struct weir_time now,
                  struct weir_diag *diag); /* last, before commit */

    size_t (*expand)(const struct target_def *def, size_t index, struct expansion *out); /* 1: filled; 0: no more */
};

struct target { /* first member of every adapter's own struct */
    const struct adapter *ops;
    const struct target_def *def;
    struct host *host;
    uint32_t gathers; /* it hands over up to so many at once; 0: each by itself */
};

/* Do two definitions of one adapter say the same? Targets they refer to are compared by name, patterns are not looked
   at: no running target depends on one. */
bool target_def_equal(const struct target_def *a, const struct target_def *b);

/* A format's {region}, {account} and {name} filled in, and {uuid}, which follows from the others; appended to nothing.
 */
void target_write_arn(struct buf *out, const char *format, struct str region, struct str account, struct str name);

extern const struct adapter *const target_adapters[]; /* targets/table.c, ended by NULL */
const struct adapter *target_adapter_find(struct str type);

#endif
