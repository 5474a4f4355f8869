/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_TAP_H
#define ROUTER_TAP_H

/*
 * Taps: people who watch events go by. A tap has a filter (bus, pattern, a rule that was missed) and a bounded buffer.
 * The dispatch thread puts copies of what passes the filter into it and never waits: what does not fit is counted and
 * left out. The reader takes the buffer from time to time; a tap that nobody asks for TAP_SILENT_MS is closed. So
 * watching costs the events that are watched, and nothing where nobody does.
 */

#include "matcher/arena.h"
#include "matcher/buf.h"
#include "matcher/diag.h"
#include "router/mailbox.h"
#include "targets/adapter.h"

#define TAPS_MAX      16
#define TAP_BYTES     (4u << 20)
#define TAP_SILENT_MS 60000

struct taps; /* all of a router */
struct tap;
struct incoming;
struct ruleset;

struct taps *taps_create(void);
void taps_destroy(struct taps *t);

struct tap_filter {
    struct str bus;       /* "": all */
    struct str pattern;   /* JSON; "": all */
    struct str miss_bus;  /* only events of this bus that do not match … */
    struct str miss_rule; /* … this rule; "": all */
};

/* ---- readers: any thread ---- */

/* 0: diag says why (WEIR_E_LIMIT: too many). */
uint64_t tap_open(struct taps *t, const struct tap_filter *filter, struct weir_time now, struct weir_diag *diag);

struct tap_record { /* as they lie in the buffer one behind the other, each followed by its texts; 8-byte aligned */
    uint32_t size;  /* of all of it */
    uint32_t bus_size, origin_size, rules_size, event_size;
    uint64_t position; /* in the journal, or in the replay */
    int64_t arrived_wall_ms;
};
struct tap_event { /* one of them, unpacked */
    uint64_t position;
    int64_t arrived_wall_ms;
    struct str bus, event;
    struct str origin; /* the replay's name; "" */
    struct str rules;  /* a JSON array of the names of the rules that it matched */
};
/* The record at *at, which moves on; false: there is none. */
bool tap_next(const struct buf *records, size_t *at, struct tap_event *out);

/* One that waits for a tap to have something; embed it. */
struct tap_waiter {
    struct mailbox *mailbox; /* done is called by its thread */
    void (*done)(struct tap_waiter *w);
    bool gone;                      /* out: there is no such tap (any more) */
    struct buf records;             /* out, owned by the caller: empty when the time was over */
    uint64_t missed;                /* out: events left out since the last take */
    struct str miss_bus, miss_rule; /* out: of the filter; slices of …*/
    char names[400];                /* … this */
    uint64_t id;
    struct mail mail; /* private */
};
/* Answers when there is something, or by tap_cancel(). One waiter a tap: a second one takes the first one's place. */
void tap_wait(struct taps *t, uint64_t id, struct tap_waiter *w, struct weir_time now);
/* The waiter is answered now, with what there is; does nothing where it was answered already. */
void tap_cancel(struct taps *t, uint64_t id, struct tap_waiter *w);
bool tap_close(struct taps *t, uint64_t id);
void taps_close(struct taps *t); /* all, and none can be opened any more: the router stops */

/* ---- the dispatch thread ---- */
bool taps_any(const struct taps *t);
/* rules: indices of those of `set` that it matched, on any bus it came to. */
void taps_offer(struct taps *t, const struct ruleset *set, const struct incoming *in, const uint32_t *rules,
                size_t rule_count);
void taps_expire(struct taps *t, struct weir_time now);

#endif
