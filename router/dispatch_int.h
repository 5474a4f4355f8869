/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DISPATCH_INT_H
#define ROUTER_DISPATCH_INT_H

/*
 * What dispatch's files share.
 *
 *   dispatch_turn.c     journal record ─► match ─► routes ─► flights, gathered in the present turn
 *   dispatch_route.c    a rule set as dispatch needs it: routes (topics flattened) to outlets
 *   dispatch_filter.c   subscriptions' filter policies
 *   dispatch_topic.c    what a topic's subscriptions are given: envelopes, signed
 *   publish.c           messages published to a topic, without a rule
 *   dispatch_reload.c   another rule set in the place of the present one
 *   dispatch_flight.c   one delivery in memory: made, rendered, freed
 *   dispatch_group.c    message group and deduplication id of a delivery to a FIFO queue
 *   dispatch_outlet.c   send adapters: window, order, verdicts, retries, loading what is due
 *   dispatch_order.c    order_by: one key's deliveries one at a time
 *   dispatch_backlog.c  how much is owed to a target, and its bound
 *   dispatch_pack.c     a turn's deliveries that have not settled: rows or blocks
 *   dispatch_commit.c   a turn as a ledger job: puts, rows, dead letters, cursor
 *   dispatch_gate.c     may a delivery start now: concurrency, rate, circuit, pause
 *   dispatch_gatekeeper.c  gates at work: asked, told, shown
 *   dispatch_pause.c    targets paused and resumed by a person
 *   dispatch_letter.c   dead letters
 *   dispatch_invoke.c   functions invoked past the rules
 *   dispatch_async.c    asynchronous invocations (how they end: dispatch_async_end.c)
 *   dispatch_mapping.c  event source mappings: queues that functions are run from
 *   dispatch_redrive.c  dead letters that become deliveries again
 *   schedules.c         rules that fire by the clock
 *   deduplication.c     events that a bus had already
 *   dispatch_seal.c     archive files that grow no more are packed
 *   dispatch_house.c    housekeeping: expiry of archives and gauges
 *   dispatch_chores.c   queues: expiry, purging, message move tasks
 *   dispatch.c          life cycle, thread, what is lent to targets
 *
 * Threads: all of it is the dispatch thread's, but what the ledger thread runs for it (turn_run(), load_run()). What
 * such a job points to is not changed until the job is done.
 */

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "router/dispatch.h"
#include "router/dispatch_gate.h"
#include "router/invoke.h"
#include "router/metrics.h"
#include "router/owed.h"
#include "router/replay_at.h"
#include "router/workers.h"

struct dry_run;
struct replay;
struct scheduled;
struct schedule_note;
struct trail;
struct deduplicator;
struct noted_ids;
struct flight_group;
struct async;
struct order;
struct lane;
struct flight_message;
struct publication;
struct sign_part;

enum result { RESULT_DELIVERED, RESULT_RETRIED, RESULT_DEAD_LETTERED, RESULT_DROPPED, RESULT_COUNT };
extern const char *const result_names[RESULT_COUNT];

/* One event, shared by its deliveries; counted on the dispatch thread. */
struct shared_event {
    uint32_t references;
    struct str origin, id, event; /* slices of bytes */
    uint64_t position;
    struct weir_time accepted;
    char bytes[];
};

TAILQ_HEAD(flight_queue, flight);

struct flight_list {
    struct flight **list;
    size_t count, capacity;
};

/* A target of the rule set, or what is left of one that went. It keeps its place, its backlog and its gauges over
   reloads; def and target are the present ones. */
struct outlet {
    struct dispatch *dispatch;
    const struct target_def *def; /* NULL: gone */
    struct target *target;        /* NULL: gone, or one that only expands */
    struct ruleset *set;          /* the one that target->def lives in, a reference; NULL where target is */
    struct str key;               /* "http/oncall"; NUL-terminated, owned */
    struct series *owed, *owed_size, *seconds;

    /* send */
    struct flight_queue ready; /* in memory, not started, in order */
    struct flight_queue sent;  /* with the target */
    uint32_t in_flight;        /* sent, or completed and not judged yet */
    uint32_t memory;           /* flights in memory: ready, in flight, or ended and not committed yet */
    size_t bytes;              /* of their events */

    /* rows that wait (those in hand are among `memory`) */
    int64_t rows;
    int64_t spilled; /* of them: never tried, since the window was full. While there are any, new deliveries queue up
                        behind */
    int64_t next_due;
    bool loading;
    struct order *order; /* of those with an order_key; NULL: there are none */

    bool mapped;         /* a function that an event source mapping runs, or ran */
    struct async *async; /* of a function: its asynchronous invocations; NULL: there were none */

    int64_t owed_bytes; /* of events, of all that is owed to it, wherever it is */
    bool backlog_full;  /* it was said */

    /* the ledger thread's, see turn_run() */
    uint64_t put_stamp;
    uint64_t tally_stamp;
    int64_t tally; /* by how many bytes its rows grow in this turn */
    struct outlet *next_tallied;

    struct gate gate;
    int64_t paused_ms;      /* wall clock: since when; where gate.paused */
    struct gate_view *view; /* NULL: nothing ever happened to its gate */
};

/* A target that was replaced or removed while deliveries were with it: closed when the last one came back. */
struct retired {
    TAILQ_ENTRY(retired) link;
    struct target *target;
    struct ruleset *set; /* that its definition lives in, a reference */
    uint32_t in_flight;
};

/* One way from a rule to an outlet. Immutable but for the lazily made series, which are the dispatch thread's. */
struct route {
    const struct rule *rule;
    const struct rule_target *entry;
    struct retry_policy retries;    /* the subscription's or the entry's, and where they are silent the outlet's */
    const struct target_def *topic; /* the topic it came by; NULL: none */
    struct str subscription;        /* "" */
    bool raw;                       /* of the topic: without its envelope */
    bool published;                 /* for what is published to the topic: there is no rule but a made-up one */
    const struct topic_endpoint *endpoint; /* a device behind a push gateway; NULL: it is none */
    bool pending;                          /* of a subscription that is not confirmed */
    const struct target_def *dead_letter;  /* of the subscription; NULL: the entry's */
    struct outlet *outlet;
    const struct bus *forward;           /* goes on to this bus; NULL: is delivered */
    bool never;                          /* the subscription's filter policy lets nothing pass */
    struct sieve *sieve;                 /* decides whether a message passes; NULL: all do */
    bool attributes;                     /* by its attributes */
    uint32_t sieve_index;                /* as which subscription */
    const struct target_def *subscribed; /* the topic with the policy; NULL: none */
    struct series *filtered;
    struct series *results[RESULT_COUNT];
};

/* The filter policies of a topic, at work. */
struct sieve {
    const struct topic_filter *filter;
    struct weir_scratch *scratch, *attributes_scratch;
    uint64_t *passed;                /* by subscription: the number of the last message that passes to it */
    uint64_t message;                /* number of the last one judged, which is … */
    uint64_t event_number;           /* … what this event … */
    const struct rule_target *entry; /* … is for this entry of a rule */
};

struct route_span {
    uint32_t first, count;
};

struct scratch { /* a bus's */
    const struct bus *bus;
    struct weir_scratch *scratch;
    uint64_t offered; /* number of the last event that was matched here: an event meets a bus once */
    struct series *matched, *unmatched, *failed;
    struct deduplicator *deduplicator; /* NULL: the bus has none */
};

/* A rule set as dispatch runs it. One that was replaced stays until the last flight that was made from it is gone. */
struct generation {
    atomic_uint references;  /* dispatch's own, one a flight, one a dry run */
    struct ruleset *set;     /* a reference */
    struct arena names;      /* joined subscription names */
    struct outlet **outlets; /* by def->index */
    struct route *routes;
    size_t route_count;
    struct route_span *spans; /* by rule index; behind them those of topics, by their definition's index */
    struct series **rule_matches;
    struct scratch *scratches; /* by bus index */
    struct sieve *sieves;      /* by index of the set's filters */
};

/* A delivery in memory. */
struct flight {
    struct delivery d; /* first: a target gives back &d */
    TAILQ_ENTRY(flight) link;
    struct outlet *outlet;
    struct outlet *row_outlet;     /* the one its row is written for, where it has one */
    struct route *route;           /* NULL: what its row names is gone from the rule set */
    struct generation *generation; /* of the route, a reference; NULL where route is */
    struct shared_event *event;
    int64_t id;
    uint64_t order_key;              /* 0: none */
    struct lane *lane;               /* in memory, and in its key's order */
    bool has_row;                    /* it was written, to a row or to a block, or is in a job submitted */
    struct owed_place place;         /* in the block; none: it has a row of its own, or nothing */
    bool spilled;                    /* goes straight to a block: its target's window was full */
    bool open;                       /* counted in its turn's `open` */
    bool counted;                    /* counted in its outlet's `memory` */
    struct redrive *redrive;         /* it was a dead letter, see dispatch_redrive.c; NULL */
    struct publication *publication; /* it was published in this turn, see publish.c; NULL */
    bool missed;  /* that message was not there any more, or was published before: nothing was written */
    bool probe;   /* with its target, as the probe of an open circuit */
    bool refused; /* its target's backlog was full: its bytes are not counted as owed */
    bool ended;   /* result stands (send adapters: since the dispatch thread saw the verdict) */
    char *names;  /* owned copies behind d's slices and target_arn, where route is NULL */
    struct str target_arn;
    struct buf key, input;                 /* behind d.idempotency_key, d.input */
    struct buf ids;                        /* behind d.message_group, d.deduplication_id */
    struct flight_message *message;        /* of a topic, see dispatch_topic.c; NULL */
    struct delivery_parameter *parameters; /* d.parameters, … */
    struct buf values;                     /* … and what paths found for them */
    int64_t started_age;

    /* what became of it */
    enum result result;
    uint32_t attempts;     /* made, with this one */
    int64_t delay_ms;      /* RETRIED: until the next */
    const char *exhausted; /* the retry condition that is used up; NULL */
    struct verdict verdict;
};

struct replay_progress {   /* of one replay, in one turn */
    struct replay *replay; /* lives until this is committed */
    struct str name;
    struct replay_at at;
    enum replay_state state;
    bool paused;
    char reason[160];
    struct replay_call *answer; /* paused, resumed or cancelled by this call: answered when it is committed */
};
#define REPLAYS_ACTIVE_MAX 10

/* What one ledger job commits. */
struct turn {
    struct ledger_job job;
    STAILQ_ENTRY(turn) link;
    struct dispatch *dispatch;
    uint64_t number;
    uint64_t cursor; /* of the journal, after it */
    size_t events, bytes;
    /* Of these, what deliveries were made for: see go_on(). */
    size_t kept_events, kept_bytes;
    struct flight_list puts;     /* for put adapters */
    struct flight_list created;  /* for send adapters; when it is submitted: those that get a row now */
    struct flight_list ended;    /* with a result, of this turn or of earlier ones */
    size_t open;                 /* of created, without a result */
    struct flight_list shelved;  /* with rows, which wait behind others of their key again */
    struct flight_group *groups; /* of created, when it is submitted */
    size_t group_count;
    struct replay_progress replays[REPLAYS_ACTIVE_MAX];
    size_t replay_count;
    bool awaited;                /* somebody waits for it to be committed */
    struct schedule_note *notes; /* of scheduled rules */
    size_t note_count;
    struct noted_ids *noted_ids; /* of buses that deduplicate */
    unsigned signing;            /* parts of its puts that workers sign */
    struct sign_part *sign_parts;
    bool away;                             /* with the ledger, or it failed there */
    STAILQ_HEAD(, publish_call) published; /* answered when it is committed */
    STAILQ_HEAD(, redrive)
    redrives;             /* answered when it is committed */
    uint64_t tally_stamp; /* the ledger thread's: see dispatch_backlog.c */
    struct outlet *tallied;
};
STAILQ_HEAD(turn_queue, turn);

struct dispatch {
    struct host host; /* first */
    struct dispatch_options options;
    struct generation *generation; /* the present one */
    const struct ruleset *set;     /* its rule set */
    struct weir_time now;          /* read once a callback */
    struct mailbox *mailbox;
    struct workers *workers;
    pthread_t thread;
    bool started;

    struct outlet **outlets; /* all there ever were */
    size_t outlet_count;
    TAILQ_HEAD(, retired)
    retired;
    struct reload *reload; /* under way: nothing is read, sent or fetched until it is over */

    /* reading */
    struct journal *journal;
    struct journal_reader *reader;
    struct mail wake_mail;
    atomic_bool wake_posted;
    atomic_bool resting; /* see dispatch_rest() */
    struct event *turn_event;
    bool reader_broken; /* until the due timer fires */

    /* committing */
    struct turn *turn;      /* the present one, being filled */
    struct turn_queue jobs; /* submitted, in order */
    size_t jobs_away;       /* of them, with the ledger */
    size_t job_count;       /* length of jobs */
    bool jobs_paused;       /* one failed; job_timer tries all again */
    uint64_t job_number;
    int64_t job_delay_ms;   /* the last pause; 0: the last job was committed */
    uint64_t put_stamp;     /* the ledger thread's: marks outlets it has seen in a run … */
    uint64_t tally_stamp;   /* … and those whose rows grow or shrink in it */
    struct owed_pack *pack; /* the ledger thread's; NULL: nothing was packed yet */
    struct event *hold_timer, *job_timer;
    uint64_t submitted;          /* cursor of the last job */
    atomic_uint_fast64_t cursor; /* committed */
    atomic_uint_fast64_t hold;   /* see dispatch_hold() */

    /* deliveries */
    struct trail *trail;   /* what became of deliveries */
    uint64_t event_number; /* of the last event offered */
    bool tapped;           /* somebody watches: what the event matched is noted */
    uint32_t *tapped_rules;
    size_t tapped_count, tapped_capacity;
    int64_t next_id;
    struct flight_queue completed;
    struct event *settle_event;
    struct event *due_timer;
    int64_t due_at;     /* when due_timer fires; OWED_IN_HAND: not armed */
    uint32_t in_flight; /* of all outlets */
    uint32_t loads;     /* of due rows, with the ledger */
    uint64_t random;
    pthread_mutex_t views_lock;
    struct gate_view **views; /* under the lock */
    size_t view_count;
    struct buf work; /* scratch for rendering */

    struct deduplicator *deduplicators;
    struct evp_md_ctx_st *digest; /* OpenSSL's EVP_MD_CTX, for their ids */

    struct event *house_timer;
    struct house *house;
    struct chores *chores;
    struct sealer *sealer;

    /* replays */
    TAILQ_HEAD(, replay)
    replays;                    /* active */
    struct event *replay_timer; /* when one that is paced has its next event */
    TAILQ_HEAD(, dry_run)
    dry_runs; /* asked for: the first one has a worker */

    /* functions invoked from other threads */
    struct invoke_calls calls; /* under way */
    atomic_llong calls_end;    /* ms; 0: the router is not stopping */
    struct mail calls_mail;
    TAILQ_HEAD(, item)
    async_items; /* asynchronous invocations in memory */

    /* event source mappings */
    struct queue_waiters *waiters;
    TAILQ_HEAD(, mapping)
    mappings;
    TAILQ_HEAD(, receive)
    receives; /* under way */
    TAILQ_HEAD(, work_batch)
    mapped_batches;

    /* schedules */
    TAILQ_HEAD(, scheduled)
    schedules;
    int64_t schedule_due; /* wall clock: when the next one fires */
    struct event *schedule_timer;

    /* what is published */
    STAILQ_HEAD(, publish_call) publishing; /* waits for its turn */
    uint64_t published;                     /* number of the last message */

    /* stopping */
    struct mail stop_mail;
    struct event *stop_timer;
    bool stopping; /* nothing more is read or sent */
    bool drained;  /* what was with targets has settled, or had its time: commit and end */
    int64_t drain_ms;
    atomic_bool ending; /* for workers: what they do is not wanted any more */
};

/* On the ledger thread, before the target is given anything; says what it has lost. */
bool dispatch_recover_target(struct target *t, struct store *store, struct weir_diag *diag);

static inline struct weir_time dispatch_now(const struct dispatch *d)
{
    return clock_now(d->options.clock);
}
void dispatch_timer(struct event *timer, int64_t ms);
void dispatch_stopped(struct dispatch *d);          /* while stopping: ends the loop when all is committed */
void dispatch_due(struct dispatch *d, int64_t age); /* outlet_tick() at that age */

/* ---- dispatch_route.c ---- */
struct generation *generation_create(struct dispatch *d, struct ruleset *set); /* takes a reference of its own */
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g);
void sieves_open(struct generation *g); /* dispatch_filter.c */
void sieves_close(struct generation *g);
struct sieve *sieve_of(const struct generation *g, const struct target_def *topic); /* NULL: it has no policies */
struct incoming;
bool route_passes(struct dispatch *d, struct route *route, const struct incoming *in); /* counts those that do not */
/* The same for what is published: judged once by sieve_judge(), attributes as JSON as policies see them. */
void sieve_judge(struct sieve *s, struct str text, struct str attributes);
bool route_passes_judged(struct route *route);
/* What the route's rule makes of the event. */
bool route_input(const struct route *route, struct str event, int64_t accepted_ms, struct buf *out,
                 struct weir_diag *diag);
/* Does the rule name this target there, or get to it by a topic? */
static inline bool route_leads_to(const struct route *route, const struct target_def *def)
{
    return route->entry->target == def || (route->outlet && route->outlet->def == def);
}
struct series *route_result(struct route *route, enum result result);
const struct route_span *route_topic_span(const struct generation *g, const struct target_def *topic);
struct route *route_find(const struct generation *g, struct str bus, struct str rule, struct str target_id,
                         struct str subscription); /* any thread; NULL: gone */
struct series *route_series(struct flight *f, enum result result);

/* ---- dispatch_reload.c ---- */
/* The first rule set: opens every target; they have not recovered yet. */
bool generation_open(struct dispatch *d, struct ruleset *set, struct weir_diag *diag);
void reload_try(struct dispatch *d);                             /* goes on if nothing is under way any more */
void reload_drop(struct dispatch *d);                            /* at the end: one that did not get its turn */
void retired_settled(struct dispatch *d, struct target *target); /* a delivery came back from it */
void retired_close(struct dispatch *d);                          /* all, whatever is with them */

/* ---- dispatch_flight.c ---- */
void flight_route(struct flight *f, struct generation *g, struct route *route); /* gives it another one */
void flight_strand(struct flight *f); /* its route is gone: keeps the names of it */
struct shared_event *event_share(struct str origin, uint64_t position, struct str id, struct str event,
                                 struct weir_time accepted);
void event_release(struct shared_event *e);
struct flight *flight_make(struct generation *g, struct route *route, struct shared_event *event, int64_t id);
/* Any thread: makes it from a row; its route may be gone. event: the row's, if there is one already; NULL: none. */
struct flight *flight_from_row(struct dispatch *d, struct outlet *from, const struct owed_row *row,
                               struct shared_event *event);
struct owed_row flight_row(const struct flight *f, int64_t next_age);
bool flight_render(struct dispatch *d, struct flight *f, struct weir_time now, struct weir_diag *diag);
/* dispatch_topic.c, of flight_render(), for what comes by a topic. */
bool flight_render_message(struct dispatch *d, struct flight *f, struct weir_diag *diag);
void flight_message_free(struct flight_message *m);
void sign_puts(struct turn *t); /* before its job may go: t->signing is 0 when that is done, and turn_signed() called */
bool flight_group(struct dispatch *d, struct flight *f,
                  struct weir_diag *diag); /* dispatch_group.c, of flight_render() */
/* Appends the text that a path finds in the event, of anything but a text its JSON; key: the option, for the reason. */
bool flight_find_text(const struct flight *f, const struct input *path, const char *key, struct buf *out,
                      struct weir_diag *diag);
bool flight_parameters(struct flight *f, struct weir_diag *diag); /* dispatch_parameters.c, of flight_render() */
void flight_free(struct flight *f);
void flights_add(struct flight_list *l, struct flight *f);
void flights_fini(struct flight_list *l);

/* ---- dispatch_turn.c ---- */
struct incoming { /* an event to match */
    struct str origin;
    uint64_t position;
    int64_t arrived_wall_ms;
    struct str bus, event;
    bool checked;                  /* may repeat keys: match in checked mode */
    const uint64_t *rules;         /* replays: bit set of the rules that may receive it; NULL: all */
    const struct target_def *only; /* replays: and of their targets only this one; NULL: all */
};
struct matched {
    bool any;
    uint64_t deliveries;
    struct outlet *crowded; /* one that it went to and that is behind; NULL: none */
};
struct matched turn_offer(struct dispatch *d, const struct incoming *in);
void turn_take(struct dispatch *d, struct flight *f); /* a new one, of nothing that was matched */
void turn_offer_rule(struct dispatch *d, const struct incoming *in, const struct rule *rule); /* unasked, to it alone */
/* Whether the event passes is unknown, and taken as no: a regex of the rule, or of a filter behind it, was given up. */
void turn_count_regex_limit(const struct rule *rule, const struct incoming *in);
void turn_read(struct dispatch *d);  /* one turn's worth of the journal, then of replays */
void turn_again(struct dispatch *d); /* calls turn_read() from the loop */
bool turn_full(const struct turn *t);

/* ---- dispatch_outlet.c ---- */
/* By "type/name"; one that is not in the rule set is made: a gone one. */
struct outlet *outlet_find(struct dispatch *d, struct str key);
struct outlet *outlet_of(struct dispatch *d, const struct target_def *def);
void outlet_close(struct outlet *o);
void outlet_reroute(struct outlet *o);                 /* what is ready to be sent, by the present generation */
void outlet_pump(struct outlet *o);                    /* starts what there is room for */
void outlet_offer(struct outlet *o, struct flight *f); /* a new flight: into the window, or straight to a row */
void outlet_shelve(struct flight *f);                  /* out of memory again, untried: to its row, or to a new one */
void outlet_complete(struct host *host, struct delivery *delivery, const struct verdict *v); /* host->complete */
void outlet_settle(struct dispatch *d); /* judges what was completed */
/* To the dead letters (or dropped). code NULL: the flight's verdict stands. exhausted: the retry condition; NULL: none.
 */
void outlet_give_up(struct flight *f, const char *code, const char *message, const char *exhausted);
void outlet_end(struct flight *f, enum result result);                    /* into the present turn */
void outlet_forget(struct flight *f);                                     /* frees it: what ended it is committed */
void outlet_rows_came(struct outlet *o, int64_t count, int64_t next_due); /* committed rows that wait */
void outlet_load_due(struct outlet *o); /* fetches what is due, if there is room; else sees to it that it will be */
void outlet_tick(struct dispatch *d);

uint64_t dispatch_random(struct dispatch *d); /* only spreads retries and probes */

/* ---- dispatch_order.c ---- */
/* Events without a value at the path have a key of their own, too: one for all of them. work: scratch. */
uint64_t route_order_key(const struct route *route, struct shared_event *e, struct buf *work);
void order_rows_found(struct outlet *o, int64_t rows); /* at start-up: they wait, of unknown keys */
void order_row_waits(struct outlet *o, uint64_t key);
void order_row_came(struct outlet *o, uint64_t key);        /* it is in memory now */
bool order_may_enter(const struct outlet *o, uint64_t key); /* a new one: none of its key waits in a row */
bool order_enter(struct flight *f);                         /* false: behind another one; comes to `ready` by itself */
void order_ended(struct flight *f);
void order_leave(struct outlet *o, struct flight_queue *ready); /* a reload: all that has not started, into `ready` */
void order_close(struct outlet *o);
/* Ledger thread: whoever is first of its key now. */
bool turn_advance(const struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag);

/* ---- dispatch_backlog.c ---- */
void backlog_owe(struct flight *f); /* it was matched */
void backlog_end(struct flight *f); /* what ended it is committed; before it is freed */
void backlog_move(struct flight *f, struct outlet *from);
void backlog_set(struct outlet *o, int64_t deliveries, int64_t bytes); /* at start-up: its rows */
bool backlog_is_full(const struct outlet *o, size_t event_bytes);      /* no room for one more */
bool backlog_is_crowded(const struct outlet *o); /* so far behind that nobody who can wait should add to it */
void backlog_refuse(struct flight *f);           /* it found none: ends it */
/* Ledger thread, in a turn's run: the sums of rows. */
void backlog_begin(struct turn *t);
void backlog_row_inserted(struct turn *t, const struct flight *f);
void backlog_row_kept(struct turn *t, const struct flight *f);
void backlog_row_deleted(struct turn *t, const struct flight *f);
bool backlog_write(const struct turn *t, struct store *store, struct weir_diag *diag);

/* ---- dispatch_gatekeeper.c ---- */
/* False: not now; what will change that sets the timer, comes back, or is a person. */
bool outlet_may_start(struct outlet *o);
bool outlet_may_fetch(struct outlet *o);
void outlet_started(struct flight *f);
void outlet_answered(struct flight *f);    /* its verdict is there; before it is judged */
bool outlet_run_started(struct outlet *o); /* the same of a direct run; true: it is the probe */
void outlet_run_answered(struct outlet *o, const struct verdict *v, bool probe);
void outlet_replaced(struct outlet *o, const struct target *t); /* another target will stand behind it */
void outlet_pause(struct outlet *o, bool paused, int64_t since_ms);
void views_fini(struct dispatch *d);

/* ---- dispatch_pause.c ---- */
bool pauses_load(struct dispatch *d, struct store *s, struct weir_diag *diag);
/* ---- dispatch_pack.c ---- */
void turn_group(struct turn *t); /* before it is submitted: created has those that have not ended */
/* Ledger thread, in its run. */
bool turn_write_created(struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag);
bool turn_leave_blocks(const struct turn *t, struct store *store, struct weir_diag *diag);

/* ---- dispatch_commit.c ---- */
struct turn *turn_create(struct dispatch *d);
void turn_free(struct turn *t);
void turn_schedule(struct dispatch *d); /* submits the present turn now, or soon */
void turn_hold_over(struct dispatch *d);
void turn_resubmit(struct dispatch *d);
void turn_signed(struct dispatch *d);     /* a turn's puts are signed */
bool turn_idle(const struct dispatch *d); /* nothing to commit, nothing with the ledger */

/* ---- dispatch_letter.c ---- */
enum result letter_result(const struct flight *f); /* dead-lettered, or dropped by policy */
bool letter_write(struct dispatch *d, struct store *store, const struct flight *f, struct weir_time now,
                  struct weir_diag *diag);
/* For an event that could not even be matched. */
struct flight *letter_unmatched(struct dispatch *d, struct shared_event *e, struct str bus, const char *message);

bool route_is_way(const struct route *route, struct str way); /* "ID" or "ID/SUBSCRIPTION" */

/* ---- dispatch_redrive.c ---- */
/* Ledger thread, before the flight's row is written: its message leaves the queue, or f->missed. */
bool redrive_take(struct flight *f, struct store *s, struct weir_time now, struct weir_diag *diag);
void redrive_missed(struct flight *f); /* committed: nothing became of it */
void redrives_committed(struct turn *t);
void redrives_fini(struct turn *t);

/* ---- dispatch_house.c ---- */
void house_start(struct dispatch *d);
void house_stop(struct dispatch *d);
void house_apply(struct dispatch *d);      /* the rule set has changed */
bool house_busy(const struct dispatch *d); /* a round is with the ledger */

/* ---- dispatch_chores.c ---- */
void chores_start(struct dispatch *d);
void chores_stop(struct dispatch *d);
void chores_tick(struct dispatch *d);

/* ---- dispatch_seal.c ---- */
void seal_start(struct dispatch *d);
void seal_stop(struct dispatch *d);
void seal_tick(struct dispatch *d);       /* goes on where there is something to seal */
bool seal_busy(const struct dispatch *d); /* a step is with the ledger */

#endif
