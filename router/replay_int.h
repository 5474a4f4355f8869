/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_REPLAY_INT_H
#define ROUTER_REPLAY_INT_H

/*
 * What the replay files share.
 *
 *   replay.c         its life: batches fed to turns, restart and reload
 *   replay_calls.c   what is asked of replays; replay_start.c starts one
 *   replay_choice.c  rules, target and pattern that were chosen
 *   replay_dry.c     dry runs
 *   replay_pace.c    --rate and --speed
 *   replay_stream.c  replays of files: their events come by calls
 *   replay_ahead.c   batches filled by workers while others are fed
 *   replay_read.c    an archive's files as batches; replay_merge.c puts their frames in one order
 *   replay_store.c   the tables; replay_json.c a replay as JSON
 */

#include "router/replay.h"
#include "router/replay_pace.h"
#include "targets/archive_sealed.h"

/* ---- replay_read.c: worker threads ---- */

#define REPLAY_BYTES_MAX   (256u << 20) /* events held by all replays together, see replay_merge.h */
#define REPLAY_READERS     2            /* at once: the other workers are the targets' */
#define REPLAY_OPEN_FILES  8            /* of one replay: each has a descriptor, a sealed one some hundred KiB too */
#define REPLAY_BATCH       4000
#define REPLAY_BATCH_BYTES (4u << 20)
#define REPLAY_BATCH_READ  50000 /* events looked at for one: a pattern may keep nearly all away */

struct replay_file {
    char *path;    /* absolute, as it is named while it grows */
    int64_t bytes; /* of its text, committed when the replay was made: no more is read */
};

struct replay_open_file { /* one of the files read last */
    uint32_t file;
    int fd;                        /* while it grows; else -1 */
    struct archive_reader *sealed; /* NULL: it grows, or there is none here */
    uint64_t used;                 /* higher: later; 0: none */
};

struct replay_filter { /* an extra pattern */
    struct weir_matcher *matcher;
    struct weir_scratch *scratch;
};

struct replay_reader {
    const atomic_bool *ending; /* the router stops: give up */
    struct replay_file *files;
    size_t file_count;
    struct replay_filter filter;

    /* from reader_open() to reader_close() */
    struct replay_frame *frames;
    size_t frame_count;
    struct merge *merge;
    struct replay_open_file open[REPLAY_OPEN_FILES];
    uint64_t uses;

    uint64_t unreadable; /* lines that are no events */
    uint64_t given_up;   /* events that count as not matching the pattern, since a regex hit a limit */
    char error[560];     /* ""; a file that cannot be read: a diag's message with some words before it */
};

struct replay_span {
    size_t offset, size;
    int64_t time_ms;
    struct replay_key key;
    uint32_t filtered; /* that the pattern kept away before it */
};

struct replay_batch { /* events ready to be fed, replay-name put in */
    struct buf bytes;
    struct replay_span spans[REPLAY_BATCH];
    size_t count, next;    /* next: fed up to here */
    uint64_t filtered;     /* behind the last span */
    bool any;              /* end is set: something was read */
    struct replay_key end; /* of the last event read */
    uint64_t left;         /* events behind it, at most … */
    bool exact;            /* … or just that */
    bool last;             /* there are none */
};

struct replay_window {
    int64_t from_ms, to_ms;
    bool by_arrival;
};

void reader_init(struct replay_reader *x, const struct dispatch *d);
void reader_add_file(struct replay_reader *x, const struct dispatch *d, struct str path, int64_t bytes);
/* Of files: those behind `after` (NULL: all) that the window and the filter let through, up to count_max. */
void reader_take(struct replay_reader *x, const struct replay_window *w, const struct replay_key *after,
                 struct str name, const struct replay_records *records, uint64_t count_max, struct replay_batch *out);
void reader_forget_files(struct replay_reader *x);
/* Finds the frames, and begins behind `at`. False: x->error. */
bool reader_open(struct replay_reader *x, const struct replay_window *w, const struct replay_at *at, size_t bytes_max);
/* The next batch, of up to count_max events. False: x->error. */
bool reader_fill(struct replay_reader *x, struct str name, uint64_t count_max, struct replay_batch *out);
/* The next event that the filter lets through; *filtered counts the others. 1, 0: no more, -1: x->error. */
int reader_next(struct replay_reader *x, uint64_t *filtered, struct merge_event *out);
void reader_close(struct replay_reader *x); /* may be opened again */
void reader_fini(struct replay_reader *x);

/* ---- replay_choice.c: what was chosen; dispatch thread ---- */

struct replay_choice {
    uint64_t *rules;               /* bit set by rule index; NULL: all of the bus */
    const struct target_def *only; /* of the rule set; NULL: all */
};

void choice_fini(struct replay_choice *c);
/* By the request; false: the call is refused. */
bool choice_make(struct dispatch *d, struct replay_call *call, const struct bus *bus, struct replay_choice *out);
/* By names, after a restart or a reload: rules that are gone receive nothing. rules: a JSON array; target: "type/name"
 * or "". False: the target is gone. */
bool choice_again(const struct dispatch *d, const struct bus *bus, struct str rules, struct str target,
                  struct replay_choice *out);
bool choice_has(const struct replay_choice *c, const struct rule *rule);
bool choice_takes(const struct replay_choice *c, const struct route *route);
/* False: diag says what is wrong with the pattern. */
bool filter_open(struct replay_filter *f, struct str pattern, struct weir_diag *diag);
void filter_close(struct replay_filter *f);
const struct bus *replay_bus(const struct dispatch *d, struct str archive); /* of an archive; NULL: no such archive */

/* ---- replay_store.c ---- */

struct replay_row {                  /* a replay as the table has it */
    struct str bus;                  /* of files; "" : of an archive */
    struct str name, archive, rules; /* rules: a JSON array of names */
    struct str target, pattern;      /* "type/name", JSON; "" : none */
    struct str about;                /* JSON of whoever asked for it; "" : none */
    struct replay_window window;
    struct replay_pacing pacing;
    uint64_t limit;
    enum replay_state state;
    bool paused;
    struct replay_at at;
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

/* ---- replay_json.c ---- */
/* waiting_for: "events", a target ("http/oncall") or "". */
void replay_write_json(struct buf *out, const struct replay_row *row, struct str waiting_for);

/* ---- replay_dry.c ---- */
/* Answers the call from a worker's count; takes what the choice holds. */
void replay_dry_run(struct dispatch *d, struct replay_call *call, const struct bus *bus, struct replay_choice *choice);

/* ---- replay.c: dispatch thread ---- */
struct replay { /* an active one, or one whose end is being committed */
    TAILQ_ENTRY(replay) link;
    struct dispatch *dispatch;
    struct str name, archive, bus_name, rule_names, target, pattern; /* as in its row; owned */
    const struct bus *bus;
    struct replay_choice choice;
    struct replay_window window;
    struct replay_pacing pacing;
    struct replay_pace pace;
    uint64_t limit; /* 0: none */
    enum replay_state state;
    bool inserted; /* the ledger knows it */
    bool paused;
    bool waiting;           /* the journal's events go first, and there are many */
    struct outlet *crowded; /* a target that was behind when it got the last event; NULL: none */
    int64_t wake_age;       /* paced: none of its events is due before */
    unsigned uncommitted;   /* turns that hold progress of it */
    struct replay_at at;
    char reason[160];
    struct series *fed, *total;

    /* a worker's while `working`: the reader, and the batch it fills */
    struct work work;
    bool working, work_ok;
    struct replay_reader reader;
    struct replay_at from; /* where it opens the reader */
    size_t bytes_max;
    uint64_t count_max;
    struct replay_batch *batches[2]; /* one is fed while the other is filled */
    bool full[2];
    unsigned feeding; /* which one is fed, or will be next */
    unsigned filling; /* which one the worker has */
    bool read_all;    /* the last batch is full, or was */
    uint64_t taken;   /* events in full batches, fed or not */

    struct replay_call *feeder; /* files: the call whose events are with the worker, or in a batch; NULL */
    int64_t feeder_age;         /* when they came */
};

static inline bool replay_of_files(const struct replay *r)
{
    return r->bus_name.size > 0;
}
struct replay *replay_create(struct dispatch *d, struct str name, struct str archive);
void replay_destroy(struct replay *r);
bool replay_active(const struct replay *r);
struct replay *replay_find(const struct dispatch *d, struct str name);
struct replay_progress *replay_note(struct replay *r); /* where it is now goes into the present turn */
/* The call is answered when what is noted is committed, at once. False: another one is to be answered then. */
bool replay_await(struct replay *r, struct replay_call *call);
void replay_end(struct replay *r, enum replay_state state, const char *reason);
void replay_resume(
    struct replay *r); /* begins, or goes on, by the present rule set; fails it where that has no place */
void replay_release(struct replay *r); /* destroys it if it is over and nobody has it any more */
void replay_go_on(struct replay *r);   /* reads on, if there is something to read and room for it */
void replay_pause(struct replay *r, bool paused);

/* ---- replay_stream.c ---- */
uint64_t stream_records_read(const struct replay_at *at);
void stream_feed(struct dispatch *d, struct replay_call *call);
void stream_finish(struct dispatch *d, struct replay_call *call);
void stream_run(struct replay *r);    /* worker: the feeder's events into a batch */
void stream_answer(struct replay *r); /* the feeder, by what the table says */
int64_t stream_wait(
    struct replay *r); /* ms until a feeder has waited long enough, who is answered then; else INT64_MAX */
void stream_settled(struct replay *r); /* its events are all fed: the feeder is answered when that is committed */

/* ---- replay_calls.c ---- */
void replay_answer(struct replay_call *call, int status); /* call->json is filled */
void replay_refuse(struct replay_call *call, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void replay_show(struct replay_call *call); /* answers from the table; what was carried out has its state set */

/* ---- replay_start.c ---- */
void replay_start(struct dispatch *d, struct replay_call *call);
/* Collects the files of the archive that may hold events of the window. Ledger thread. */
bool replay_collect_files(struct store *store, struct str archive, const struct replay_window *w,
                          void (*each)(void *context, struct str path, int64_t bytes), void *context,
                          struct weir_diag *diag);

#endif
