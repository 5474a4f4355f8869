/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_REPLAY_INT_H
#define ROUTER_REPLAY_INT_H

/*
 * What the replay files share: life and feeding (replay.c), requests (replay_calls.c), dry runs (replay_dry.c), the
 * archive's files read on a worker (replay_read.c), the tables and the JSON (replay_store.c).
 */

#include "router/replay.h"

/* ---- replay_read.c: worker threads ---- */

struct replay_file {
    char *path;    /* absolute */
    int64_t bytes; /* committed when the replay was made: no more is read */
};

struct replay_entry { /* one event: 24 bytes */
    int64_t time_ms;
    uint64_t offset;
    uint32_t file, size;
};

struct replay_index {
    const atomic_bool *ending; /* the router stops: give up */
    struct replay_file *files;
    size_t file_count;
    struct replay_entry *entries; /* by time, then arrival */
    size_t count, capacity;
    uint64_t unreadable; /* lines that are no events */
    char error[160];     /* ""; a file that cannot be read */
};

struct replay_span {
    size_t offset, size;
    int64_t time_ms;
};
#define REPLAY_BATCH       500
#define REPLAY_BATCH_BYTES (2u << 20)

struct replay_batch { /* events ready to be fed, replay-name put in */
    struct buf bytes;
    struct replay_span spans[REPLAY_BATCH];
    size_t count;
};

void index_add_file(struct replay_index *x, const struct dispatch *d, struct str path, int64_t bytes);
bool index_build(struct replay_index *x, int64_t from_ms, int64_t to_ms);
/* The next events from entry number `position` on (0-based). False: x->error. */
bool index_read(struct replay_index *x, uint64_t position, struct str name, struct replay_batch *out);
/* Calls each() for every event in [from, to), in order of arrival; its slice is good during the call. */
bool index_walk(struct replay_index *x, int64_t from_ms, int64_t to_ms,
                void (*each)(void *context, struct str event, int64_t time_ms), void *context);
void index_fini(struct replay_index *x);

/* ---- replay_store.c ---- */

struct replay_row {                  /* a replay as the table has it */
    struct str name, archive, rules; /* rules: a JSON array of names */
    int64_t from_ms, to_ms;
    enum replay_state state;
    uint64_t position, total, matched, deliveries;
    int64_t last_event_ms; /* INT64_MIN: none */
    int64_t started_ms, ended_ms;
    struct str reason;
};

bool replay_row_active(enum replay_state state);
/* *taken_out: the name exists. */
bool replay_insert(struct store *store, const struct replay_row *row, bool *taken_out, struct weir_diag *diag);
bool replay_insert_file(struct store *store, struct str replay, struct str path, int64_t bytes, struct weir_diag *diag);
/* name "": all, newest first. */
bool replay_each(struct store *store, struct str name, void (*each)(void *context, const struct replay_row *row),
                 void *context, struct weir_diag *diag);
bool replay_each_active(struct store *store, void (*each)(void *context, const struct replay_row *row), void *context,
                        struct weir_diag *diag);
bool replay_each_file(struct store *store, struct str replay,
                      void (*each)(void *context, struct str path, int64_t bytes), void *context,
                      struct weir_diag *diag);
void replay_write_json(struct buf *out, const struct replay_row *row);

/* ---- replay_dry.c ---- */
/* Answers the call from a worker's count; rules: chosen ones, owned from here (NULL: all of the bus). */
void replay_dry_run(struct dispatch *d, struct replay_call *call, const struct bus *bus, uint64_t *rules);

/* ---- replay.c: dispatch thread ---- */
struct replay { /* an active one, or one whose end is being committed */
    TAILQ_ENTRY(replay) link;
    struct dispatch *dispatch;
    struct str name, archive;
    const struct bus *bus;
    int64_t from_ms, to_ms;
    struct str rule_names; /* JSON array of those chosen; [] : all */
    uint64_t *rules;       /* bit set by rule index; NULL: all */
    enum replay_state state;
    bool inserted;        /* the ledger knows it */
    unsigned uncommitted; /* turns that hold progress of it */
    uint64_t position, matched, deliveries, total;
    int64_t last_event_ms;
    char reason[160];
    struct series *fed;

    /* a worker's while `working` */
    struct work work;
    bool working, work_ok, indexed;
    struct replay_index index;
    struct replay_batch batch;
    size_t next; /* of batch: fed up to here */
};

struct replay *replay_create(struct dispatch *d, struct str name, struct str archive);
void replay_destroy(struct replay *r);
bool replay_active(const struct replay *r);
struct replay *replay_find(const struct dispatch *d, struct str name);
struct replay_progress *replay_note(struct replay *r); /* where it is now goes into the present turn */
void replay_end(struct replay *r, enum replay_state state, const char *reason);
void replay_go_on(struct replay *r); /* index, then batch after batch; ends it when there is no more */
const struct bus *replay_bus(const struct dispatch *d, struct str archive); /* of an archive; NULL: no such archive */

/* ---- replay_calls.c ---- */
void replay_answer(struct replay_call *call, int status); /* call->json is filled */
void replay_refuse(struct replay_call *call, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void replay_show(
    struct replay_call *call); /* answers from the table; a CANCEL that was carried out has its state set */
void replay_choose(uint64_t *set, const struct rule *rule); /* bit sets of rules */
uint64_t *replay_no_rules(const struct dispatch *d);
/* Collects the files of the archive that may hold events of the range. Ledger thread. */
bool replay_collect_files(struct store *store, struct str archive, int64_t from_ms, int64_t to_ms,
                          void (*each)(void *context, struct str path, int64_t bytes), void *context,
                          struct weir_diag *diag);

#endif
