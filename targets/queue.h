/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_QUEUE_H
#define TARGETS_QUEUE_H

/*
 * Queues with SQS's words: a message received stays invisible for its visibility timeout and comes back
 * unless it is deleted with the receipt handle of its latest receive; a message received more than
 * max_receive_count times moves to the redrive policy's target, whole, in the same transaction.
 *
 * All functions but the option table run on the ledger thread, inside a transaction that the caller holds.
 * False: diag says why. Times are ages (struct weir_time.age_ms); sent_wall_ms is for display.
 */

#include "targets/adapter.h"
#include "targets/store.h"

#define QUEUE_DEAD_LETTERS      "dead-letters"            /* the queue that is always there */
#define QUEUE_MESSAGE_BYTES_MAX ((16 << 20) + (64 << 10)) /* any event, with the name of its replay */

struct queue_options {
    int64_t visibility_timeout;   /* ms; default 30s */
    int64_t delay;                /* ms; default 0 */
    int64_t retention;            /* ms; default 4d, 60s..14d */
    int64_t maximum_message_size; /* bytes */
    struct {
        const struct target_def *target;
        int64_t max_receive_count;
    } redrive_policy; /* target NULL: none */
};

struct queue_message {
    int64_t id;                /* row */
    struct str message_id;     /* UUID */
    struct str receipt_handle; /* of this receive */
    struct str body;
    struct str attributes; /* JSON object: name → {"Type":"String","Value":"…"}; "" when none */
    int64_t receive_count; /* with this receive */
    int64_t sent_wall_ms;
    int64_t first_received_wall_ms;
};

struct queue_counts {
    int64_t visible, in_flight, delayed;
    int64_t bytes;
    int64_t oldest_age_ms; /* of any message; 0: none */
};

/* Size of a body past which queue_put() fails with WEIR_E_LIMIT: QUEUE_MESSAGE_BYTES_MAX. The queue's own
   maximum_message_size is for whoever takes messages in: the adapter's put(), and the SQS protocol. */
extern const struct adapter queue_adapter;
extern const struct store_schema queue_schema;

bool queue_put(struct store *s, struct str queue, struct str body, struct str attributes, int64_t delay_ms,
               struct weir_time now, struct str *message_id_out /* NULL, or a struct whose ptr has room for 36 bytes */,
               struct weir_diag *diag);

/* Up to max messages, oldest visible first, each handed to `each` (slices valid during the call). visibility_ms -1:
   the queue's own. queue: its definition (options and redrive policy). Moves over-received ones to its target. */
bool queue_receive(struct store *s, const struct target_def *queue, unsigned max, int64_t visibility_ms,
                   struct weir_time now, void (*each)(void *context, const struct queue_message *m), void *context,
                   struct weir_diag *diag);
/* *found_out: false when the receipt handle is unknown or was superseded. */
bool queue_delete(struct store *s, struct str queue, struct str receipt_handle, bool *found_out,
                  struct weir_diag *diag);
/* As queue_delete(); *found_out is false too when the message is no longer in flight: its time-out ended. */
bool queue_change_visibility(struct store *s, struct str queue, struct str receipt_handle, int64_t visibility_ms,
                             struct weir_time now, bool *found_out, struct weir_diag *diag);
/* Looks without receiving: rows with id > after, oldest first, at most max. */
bool queue_peek(struct store *s, struct str queue, int64_t after, unsigned max,
                void (*each)(void *context, const struct queue_message *m), void *context, struct weir_diag *diag);
/* In O(1): the messages are out of reach at once, later calls of queue_expire() free their space. */
bool queue_purge(struct store *s, struct str queue, int64_t *count_out, struct weir_diag *diag);
bool queue_count(struct store *s, struct str queue, struct weir_time now, struct queue_counts *out,
                 struct weir_diag *diag);
/* Deletes at most `limit` messages past their retention (and, with what is left of limit, purged ones of any queue). */
bool queue_expire(struct store *s, const struct target_def *queue, struct weir_time now, unsigned limit,
                  int64_t *count_out, struct weir_diag *diag);
/* Names of all queues that hold messages (also ones that left the configuration). */
bool queue_names(struct store *s, void (*each)(void *context, struct str name), void *context, struct weir_diag *diag);

#endif
