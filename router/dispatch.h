/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DISPATCH_H
#define ROUTER_DISPATCH_H

/*
 * Dispatch: reads synced records in order, matches each once against all rules of its bus, makes the deliveries and
 * hands each to its target's adapter; keeps what is owed in the ledger; retries; writes dead letters; runs replays as
 * its second, lower-priority input. One thread with a libevent loop.
 *
 * A turn: read up to DISPATCH_EVENTS records (or DISPATCH_BYTES), match, start sends, gather puts; then one ledger job:
 * puts, rows for deliveries that have not settled yet, rows settled since, the new cursor. The next turn goes on while
 * the job is on its way (at most DISPATCH_JOBS of them). A job that fails (disk full) is tried again with backoff;
 * nothing behind it is committed before it.
 *
 * A delivery that fails gets (or keeps) a row with its next time and leaves memory; rows that are due are loaded back,
 * at most DISPATCH_WINDOW deliveries a target (two batches, where it gathers larger ones), or about
 * DISPATCH_WINDOW_BYTES of events, are in memory at once.
 */

#include "matcher/buf.h"
#include "router/journal.h"
#include "router/ledger.h"
#include "rules/ruleset.h"

#define DISPATCH_EVENTS       1000
#define DISPATCH_BYTES        (4u << 20)
#define DISPATCH_JOBS         4
#define DISPATCH_WINDOW       1000
#define DISPATCH_WINDOW_BYTES (16u << 20)

struct dispatch;
struct queue_waiters;

struct dispatch_options {
    struct ruleset *set;
    struct ledger *ledger;
    const struct clock *clock;
    const char *data_dir;
    struct taps *taps;     /* see router/tap.h; NULL: none */
    struct signer *signer; /* see router/signer.h; NULL: topics sign nothing */
};

/* Opens every target of the rule set and lets it recover (before ledger_start()); reads the cursor. NULL: diag. */
struct dispatch *dispatch_open(const struct dispatch_options *options, struct weir_diag *diag);
/* Any thread: there is something to clear or to move in the queues. */
void dispatch_chores(struct dispatch *d);
void dispatch_take_waiters(struct dispatch *d, struct queue_waiters *waiters); /* before dispatch_start() */
struct event_base *dispatch_loop(const struct dispatch *d); /* for timers of others; there until dispatch_close() */
uint64_t dispatch_cursor(const struct dispatch *d);         /* committed; for journal_options.above */
/* Gives it the journal and starts the thread. */
void dispatch_start(struct dispatch *d, struct journal *journal);
void dispatch_wake(struct dispatch *d, uint64_t synced); /* any thread: journal_options.synced calls it */
/* Stops reading, waits up to drain_ms for what is in flight, commits, stops the thread. */
void dispatch_stop(struct dispatch *d, int64_t drain_ms);
void dispatch_close(struct dispatch *d);

/* Journal records from this one on are kept though they are dispatched; UINT64_MAX: none. One holder. */
void dispatch_hold(struct dispatch *d, uint64_t sequence);

/* While it rests, replays feed nothing; the journal is dispatched as ever. Any thread. */
void dispatch_rest(struct dispatch *d, bool rest);

/* ---- reload (dispatch_reload.c) ---- */

/*
 * Puts another rule set in the place of the present one. Between the two nothing is lost and nothing is done twice;
 * where a target of the new set cannot be opened, the present one stays and diag says why. One at a time.
 */
struct dispatch_reload {
    struct ruleset *set;                        /* dispatch takes a reference of its own */
    void (*done)(struct dispatch_reload *call); /* dispatch thread */
    bool ok;                                    /* out */
    struct weir_diag diag;                      /* out, where not ok */
    struct mail mail;                           /* private */
    struct dispatch *dispatch;                  /* private */
};
void dispatch_reload(struct dispatch *d, struct dispatch_reload *call); /* any thread */

/* ---- targets: paused, and their circuits ---- */

/*
 * Pauses a target, or lets it go on; by name, kind/name or ARN. The answer is a JSON text: {"target":"http/oncall",
 * "owed":n} with what dispatch_show_gate() says, or {"message": …} with 404 (nobody is called so), 409 (it cannot be
 * paused, or two have the name), 503. Called on any thread; done is delivered through `reply`.
 */
struct pause_call {
    bool pause;      /* false: resume */
    struct str name; /* lives until done */
    struct mailbox *reply;
    void (*done)(struct pause_call *call);
    int status;                /* out */
    struct buf json;           /* out: freed by the caller */
    struct mail mail;          /* private */
    struct dispatch *dispatch; /* private */
};
void dispatch_pause(struct dispatch *d, struct pause_call *call);

/* Any thread: appends members to an open JSON object, those that there is something to say of: "paused": TIME,
   "held_until": TIME (the target asked for it), "circuit": "open"|"probing" with "open_since", "next_probe" and
   "last_error". target: "http/oncall". */
void dispatch_show_gate(struct dispatch *d, struct str target, struct buf *out);

/* ---- dead letters, redriven (dispatch_redrive.c) ---- */

/*
 * One chunk of a dead-letter queue goes through its rules' targets again: each message leaves the queue in the
 * transaction that creates its delivery. The answer, 200 or 503, as a JSON text: {"redriven":n, "skipped":n (not those
 * chosen), "stayed":{REASON:n}, "after":id, "before_ms":n, "more":true|false}; the next call takes after and before_ms.
 * Called on any thread; done is delivered through `reply`.
 */
struct redrive_call {
    struct str queue, rule, target; /* "" : all; live until done */
    int64_t after;                  /* messages with higher ids */
    int64_t before_ms;              /* sent until then; 0: until now */
    unsigned limit;                 /* at most so many */
    struct mailbox *reply;
    void (*done)(struct redrive_call *call);
    int status;                /* out */
    struct buf json;           /* out: freed by the caller */
    struct mail mail;          /* private */
    struct dispatch *dispatch; /* private */
};
void dispatch_redrive(struct dispatch *d, struct redrive_call *call);

/* ---- replays (replay.c) ---- */

struct replay_records { /* of files: events, and the records they were made of */
    struct buf bytes;
    struct replay_record_event {
        size_t offset, size;
        uint32_t record, part; /* from 0: which record of this batch, and which of its events */
    } * list;
    size_t count, capacity;
    uint64_t first; /* number of the first record in all that is fed to the replay, from 0 */
    uint64_t records;
};
#define REPLAY_RECORDS_MAX 4000 /* events of one batch */

#define REPLAY_TIME_FIRST INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z: a window without a beginning … */
#define REPLAY_TIME_LAST  INT64_C(253402300799000) /* … or an end */

struct replay_request {
    struct str name; /* unique; "" : one is made: replay-YYYYMMDDTHHMMSS-xxxx */
    struct str archive;
    bool files;                     /* no archive: its events come by REPLAY_FEED, in the order they shall go … */
    struct str bus;                 /* … through this bus's rules; "" : default */
    struct replay_records *records; /* FEED, dry runs of files */
    int64_t from_ms, to_ms;         /* [from, to): event time; by_arrival: hours of arrival that overlap it */
    bool by_arrival;                /* in the order of the archive; else by event time, then arrival */
    const struct str *rules;        /* names of rules of the archive's bus; count 0: all rules of the bus */
    uint32_t rule_count;
    struct str target;  /* only to this target of those rules: name, kind/name or ARN; "" : to all */
    struct str pattern; /* JSON: only events that match it too; "" : all */
    double rate;        /* at most so many events a second; 0: no bound */
    double speed;       /* paced by event time, so many times as fast; 0: not paced */
    uint64_t limit;     /* at most so many events; 0: all */
    bool dry_run;       /* counts only: per rule and target; nothing is delivered, no state kept */
    struct str about;   /* JSON: kept and shown as "x-aws", for whoever asked for it; "" : nothing */
};

enum replay_state {
    REPLAY_STARTING,
    REPLAY_RUNNING,
    REPLAY_CANCELLING,
    REPLAY_COMPLETED,
    REPLAY_CANCELLED,
    REPLAY_FAILED
};
extern const char *const replay_state_names[]; /* "STARTING", … */

/*
 * A replay of files stays RUNNING until FINISH says that there is no more to come. A FEED is answered when its events
 * are dispatched and committed, or, where that takes long or the replay is paused, when they are taken: "records_read"
 * says how many records are done with, over crashes too, and the next FEED begins there. One FEED at a time (409).
 *
 * Start, list, show, pause, resume and cancel, each with its answer as a JSON text (what the HTTP API sends): called on
 * any thread; done is delivered through `reply`. status: 200/201, 400 (bad request: the message says why), 404, 409
 * (the name is taken, or the replay is over), 429 (too many are active), 503.
 *
 * A replay as JSON: {"name","archive","from","to","by","rules":[…], (files: "files":true,"bus","records_read" for
 * "archive") "target"?,"pattern"?,"rate"?,"speed"?,"limit"?,
 *  "state","paused","waiting","waiting_for"?,"reason"?,"events_total","events_total_exact","events_replayed","events_filtered",
 *  "events_matched","deliveries","last_event_time"?,"started","ended"?,"x-aws"?}: events_total is at least what is in
 * the window, and just that when exact; filtered are those that the pattern kept away; waiting: just now, for "events"
 * (accepted ones go first) or for a target that is far behind ("http/oncall"). A dry run's answer:
 * {"archive","from","to","events","counts":[{"rule","target","events"}…]} with one row a rule with target "" for its
 * matches.
 */
struct replay_call {
    enum {
        REPLAY_START,
        REPLAY_LIST,
        REPLAY_SHOW,
        REPLAY_CANCEL,
        REPLAY_PAUSE,
        REPLAY_RESUME,
        REPLAY_FEED,
        REPLAY_FINISH
    } what;
    struct replay_request request; /* START; else the name. Slices must live until done */
    struct mailbox *reply;
    void (*done)(struct replay_call *call);
    int status;                /* out */
    struct buf json;           /* out: freed by the caller; on errors {"message": …} */
    struct mail mail;          /* private */
    void *state;               /* private */
    struct dispatch *dispatch; /* private */
};
void replay_submit(struct dispatch *d, struct replay_call *call);

#endif
