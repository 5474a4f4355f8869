/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_TOP_INT_H
#define ROUTER_CLI_TOP_INT_H

/* What `weir top` shows: two statuses and the rates between them (top_sample.c); the screen (top.c). */

#include "router/cli/cli.h"

enum top_kind { TOP_BUS, TOP_RULE, TOP_TARGET, TOP_QUEUE, TOP_KINDS };
#define TOP_COUNTERS 4

struct top_line {
    enum top_kind kind;
    char *name;
    int64_t
        counters[TOP_COUNTERS]; /* bus: accepted; rule: matched; target: delivered, retried, dead letters, dropped */
    double rates[TOP_COUNTERS]; /* a second */
    int64_t gauges[2];          /* target: owed; queue: visible, in flight */
    int64_t oldest_s;           /* target, queue: age of the oldest; 0: none */
    char note[64];              /* what is the matter: paused, circuit open, disabled */
};

struct top_sample {
    double at; /* seconds, monotonic */
    char version[32], listen[128];
    int64_t uptime_s, lag, segments;
    double accepted_rate, synced_rate;
    int64_t accepted, synced;
    struct top_line *lines; /* by kind, in the order of the status */
    size_t count, capacity;
};

/* status: the JSON of /_weir/v1/status. before: for the rates; NULL: they are 0. */
struct top_sample *top_sample_create(struct str status, double at, const struct top_sample *before);
void top_sample_destroy(struct top_sample *s);
/* The lines of a kind, busiest first; the array is the caller's. */
const struct top_line **top_busiest(const struct top_sample *s, enum top_kind kind, size_t *count_out);
void top_write_json(const struct top_sample *s, struct buf *out);

#endif
