/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_QUEUE_H
#define TARGETS_QUEUE_H

/*
 * Queues with SQS's words: a message received stays invisible for its visibility timeout and comes back
 * unless it is deleted with the receipt handle of its latest receive; a message received more than
 * max_receive_count times moves to the redrive policy's target, whole, in the same transaction.
 *
 * A queue whose name ends in ".fifo" is a FIFO queue: the messages of a message group are handed out strictly in order,
 * none while another of its group is in flight; a message whose deduplication id was there within five minutes is
 * acknowledged and not kept; sequence numbers ascend.
 *
 * All functions but the option table run on the ledger thread, inside a transaction that the caller holds (those that
 * only look need none). False: diag says why. Times are ages (struct weir_time.age_ms); …_wall_ms is for display.
 * A queue is named by its definition; one that left the configuration by a definition with its name and the built-in
 * queue's options.
 */

#include "targets/adapter.h"
#include "targets/store.h"
#include "targets/uuid.h"

#define QUEUE_DEAD_LETTERS      "dead-letters"            /* the queue that is always there */
#define QUEUE_MESSAGE_BYTES_MAX ((16 << 20) + (64 << 10)) /* any event, with the name of its replay */
#define QUEUE_NAME_MAX          80
#define QUEUE_GROUP_MAX         128 /* characters of a message group id, and of a deduplication id */
#define QUEUE_RECEIVE_MAX       1000
#define QUEUE_DEDUPLICATION_MS  (5 * 60 * 1000)
#define QUEUE_VISIBILITY_MAX_MS (12 * 3600 * 1000)
#define QUEUE_DELAY_MAX_MS      (15 * 60 * 1000)
#define QUEUE_SEQUENCE_DIGITS   20

enum queue_deduplication_scope { QUEUE_SCOPE_QUEUE, QUEUE_SCOPE_MESSAGE_GROUP };

struct queue_options {
    int64_t visibility_timeout;   /* ms; default 30s */
    int64_t delay;                /* ms; default 0 */
    int64_t retention;            /* ms; default 4d, 60s..14d */
    int64_t maximum_message_size; /* bytes */
    int64_t receive_wait_time;    /* ms; default 0: how long an SQS client's receive waits that does not say */
    struct {
        const struct target_def *target;
        int64_t max_receive_count;
    } redrive_policy;                 /* target NULL: none */
    bool content_based_deduplication; /* FIFO: without an id, the SHA-256 of the body is the deduplication id */
    int deduplication_scope;          /* FIFO: enum queue_deduplication_scope */
};

extern const struct adapter queue_adapter;
extern const struct store_schema queue_schema;

bool queue_is_fifo(struct str name); /* by its suffix */
/* Message group ids and deduplication ids: 1 to QUEUE_GROUP_MAX printable ASCII characters without spaces. */
bool queue_is_id(struct str text);
/* The text itself where it is one, else its SHA-256 in hex; NUL-terminated. False: out of memory. */
bool queue_id_write(struct str text, char out[QUEUE_GROUP_MAX + 1]);

/* ---- sending ---- */

struct queue_send {
    struct str body;
    struct str attributes;       /* JSON object: name → {"Type":"String","Value":"…"}; "" when none */
    int64_t delay_ms;            /* -1: the queue's own; on a FIFO queue always that */
    struct str group;            /* FIFO: the message group id, required; else "" */
    struct str deduplication_id; /* FIFO: required unless content_based_deduplication; else "" */
    struct str idempotency_key;  /* of a rule's delivery: the same over retries and replays; else "" */
};

struct queue_sent {
    char message_id[UUID_SIZE + 1];
    uint64_t sequence; /* FIFO: queue_sequence_write() shows it; else 0 */
    bool duplicate;    /* FIFO: it was there already: id and sequence are the first one's */
};

/* Fails with WEIR_E_LIMIT past QUEUE_MESSAGE_BYTES_MAX (the queue's own maximum_message_size is for whoever takes
   messages in: the adapter's put(), and the SQS protocol) and for what a FIFO queue needs and a standard queue cannot
   have. sent_out may be NULL. */
bool queue_put(struct store *s, const struct target_def *queue, const struct queue_send *m, struct weir_time now,
               struct queue_sent *sent_out, struct weir_diag *diag);
/* The checks of queue_put() that need no store; NULL when it would pass, else why not, for people. */
const char *queue_send_fault(const struct target_def *queue, const struct queue_send *m);
/* 20 digits and a NUL: as text they ascend as the messages do. */
void queue_sequence_write(uint64_t sequence, char out[QUEUE_SEQUENCE_DIGITS + 1]);

/* ---- receiving ---- */

struct queue_message {
    int64_t id;                /* ascends in its queue */
    struct str message_id;     /* UUID */
    struct str receipt_handle; /* of this receive */
    struct str body;
    struct str attributes; /* as sent */
    int64_t receive_count; /* with this receive */
    int64_t sent_wall_ms, sent_age_ms;
    int64_t first_received_wall_ms;
    uint64_t sequence;           /* FIFO; else 0 */
    struct str group;            /* FIFO; else "" */
    struct str deduplication_id; /* FIFO; else "" */
    struct str idempotency_key;  /* of a rule's delivery to a standard queue; else "" */
    struct str came_from;        /* the queue whose redrive policy brought it here; else "" */
};

struct queue_want {
    unsigned max;          /* messages, up to QUEUE_RECEIVE_MAX; with visibility 0 at most 64 */
    int64_t visibility_ms; /* -1: the queue's own */
    size_t bytes_max;      /* no further message once their bodies have so many bytes; 0: no bound */
    void (*each)(void *context, const struct queue_message *m); /* slices are valid during the call */
    void *context;
};

struct queue_got {
    unsigned count;
    bool more;           /* others may be visible now */
    int64_t next_age_ms; /* where !more: when the next one becomes visible by itself; INT64_MAX: none will */
};

/* Standard: those visible longest first. FIFO: the groups that are free longest first, as many of each as there are.
   Moves over-received ones to the redrive target, deletes those past their retention. */
bool queue_receive(struct store *s, const struct target_def *queue, const struct queue_want *want, struct weir_time now,
                   struct queue_got *got_out, struct weir_diag *diag);
/* *found_out: false when the receipt handle is unknown or was superseded. */
bool queue_delete(struct store *s, struct str queue, struct str receipt_handle, struct weir_time now, bool *found_out,
                  struct weir_diag *diag);
/* Deletes a message by its id, as queue_peek() shows it. *found_out: false when it is gone, in flight or delayed. */
bool queue_take(struct store *s, struct str queue, int64_t id, struct weir_time now, bool *found_out,
                struct weir_diag *diag);
/* As queue_delete(); *found_out is false too when the message is no longer in flight: its time-out ended. */
bool queue_change_visibility(struct store *s, struct str queue, struct str receipt_handle, int64_t visibility_ms,
                             struct weir_time now, bool *found_out, struct weir_diag *diag);
/* For who lost the answer to a receive: the message of this handle goes to want->each once more, hidden anew, with the
   handle and the receive count that it has. *found_out: false when it is no longer in flight under this handle. */
bool queue_receive_again(struct store *s, const struct target_def *queue, struct str receipt_handle,
                         const struct queue_want *want, struct weir_time now, bool *found_out, struct weir_diag *diag);

/* ---- looking ---- */

struct queue_counts {
    int64_t visible, in_flight, delayed;
    int64_t bytes;
    int64_t oldest_age_ms; /* of any message; 0: none */
};

/* Looks without receiving: messages with id > after, ascending, at most max. */
bool queue_peek(struct store *s, struct str queue, int64_t after, unsigned max,
                void (*each)(void *context, const struct queue_message *m), void *context, struct weir_diag *diag);
/* Counts are kept, not computed: exact, unless more than 10,000 time-outs ended since the last call (then the next
   calls catch up). */
bool queue_count(struct store *s, struct str queue, struct weir_time now, struct queue_counts *out,
                 struct weir_diag *diag);
/* Names of all queues that hold messages (also ones that left the configuration). */
bool queue_names(struct store *s, void (*each)(void *context, struct str name), void *context, struct weir_diag *diag);

/* What a commit brought a queue: `count` messages (or groups) became visible, and the soonest that will by itself does
   so at next_age_ms (INT64_MAX: none that this commit touched). */
struct queue_news {
    struct str queue;
    unsigned count;
    int64_t next_age_ms;
};
/* `each` is called after every commit, on the committing thread, once for each queue with news. It may be called once
   too often, never once too seldom. */
bool queue_watch(struct store *s, void (*each)(void *context, const struct queue_news *news), void *context,
                 struct weir_diag *diag);

/* ---- moving (SQS's message move tasks) ---- */

enum queue_move_state { QUEUE_MOVE_RUNNING, QUEUE_MOVE_COMPLETED, QUEUE_MOVE_CANCELLED, QUEUE_MOVE_FAILED };

struct queue_move {
    int64_t id;
    char source[QUEUE_NAME_MAX + 1];
    char target[QUEUE_NAME_MAX + 1]; /* "": each message to the queue it came from */
    int64_t rate;                    /* messages a second; 0: as fast as it goes */
    enum queue_move_state state;
    int64_t started_wall_ms, started_age_ms;
    int64_t moved, total; /* total: visible when it began */
    char failure[200];    /* for people; "" unless FAILED */
    int64_t place, until; /* sequence numbers: it has come so far, and ends before */
};

struct queue_move_host {
    bool (*is_queue)(void *context, struct str name); /* is it still configured? */
    void *context;
};

const char *queue_move_state(enum queue_move_state state); /* SQS's word */
/* A moved message is a new one: another message id, sent now. One task a source at a time; WEIR_E_LIMIT: refused. */
bool queue_move_start(struct store *s, struct str source, struct str target, int64_t rate, struct weir_time now,
                      struct queue_move *out, struct weir_diag *diag);
bool queue_move_cancel(struct store *s, struct str source, bool *found_out, struct weir_diag *diag);
/* The queue's last ten tasks, latest first. */
bool queue_move_each(struct store *s, struct str source, void (*each)(void *context, const struct queue_move *m),
                     void *context, struct weir_diag *diag);
/* Moves up to `limit` messages of each running task, as its rate allows. *running_out: tasks that go on. */
bool queue_move_step(struct store *s, const struct queue_move_host *host, struct weir_time now, unsigned limit,
                     unsigned *running_out, struct weir_diag *diag);

/* ---- clearing away ---- */

/* In O(1): the messages are out of reach at once, later calls of queue_clear() free their space. */
bool queue_purge(struct store *s, struct str queue, int64_t *count_out, struct weir_diag *diag);
/* Deletes at most `limit` of the queue's messages that are past their retention. */
bool queue_expire(struct store *s, const struct target_def *queue, struct weir_time now, unsigned limit,
                  int64_t *count_out, struct weir_diag *diag);
/* Frees the space of at most `limit` purged messages, of any queue, and of deduplication ids that ended. *count_out:
   how many; less than limit: nothing is left. */
bool queue_clear(struct store *s, struct weir_time now, unsigned limit, int64_t *count_out, struct weir_diag *diag);

#endif
