/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_METRICS_H
#define ROUTER_METRICS_H

/*
 * Prometheus metrics. One table of families (metrics.c: name, type, labels, help); a series is made once (at load,
 * at first use of a label set) and then counted with one atomic add. Any thread. Series live as long as the process.
 *
 *     struct series *s = metric(METRIC_DELIVERIES, "default", "orders", "queue/parked", "delivered");
 *     series_add(s, 1);
 */

#include <stdatomic.h>
#include <stdint.h>

#include "matcher/buf.h"

enum metric {
    METRIC_BUILD_INFO,
    METRIC_EVENTS_ACCEPTED,         /* bus, source: events, s3, cloudtrail, … */
    METRIC_EVENTS_REFUSED,          /* source, reason */
    METRIC_EVENTS_MATCHED,          /* bus, result: matched, unmatched, unknown_bus */
    METRIC_EVENTS_DEDUPLICATED,     /* bus */
    METRIC_DEDUPLICATION_IDS,       /* bus; gauge */
    METRIC_DEDUPLICATION_FORGOTTEN, /* bus */
    METRIC_RULE_MATCHES,            /* bus, rule */
    METRIC_REGEX_LIMITS,            /* bus, rule */
    METRIC_DELIVERIES,              /* bus, rule, target, result: delivered, retried, dead_lettered, dropped */
    METRIC_FILTERED,                /* topic, subscription */
    METRIC_DELIVERIES_OWED,         /* target; gauge */
    METRIC_DELIVERIES_OWED_BYTES,   /* target; gauge */
    METRIC_DELIVERY_SECONDS,        /* target; histogram */
    METRIC_ASYNC_INVOCATIONS,       /* target, result: succeeded, failed, retried */
    METRIC_MAPPING_RUNS,            /* mapping, result: succeeded, failed */
    METRIC_CIRCUIT_OPEN,            /* target; gauge */
    METRIC_CIRCUIT_OPENED,          /* target */
    METRIC_TARGET_PAUSED,           /* target; gauge */
    METRIC_JOURNAL_RECORDS,
    METRIC_JOURNAL_BYTES,
    METRIC_JOURNAL_SYNCS,
    METRIC_JOURNAL_SYNC_SECONDS, /* counter of seconds */
    METRIC_JOURNAL_SEGMENTS,     /* gauge */
    METRIC_JOURNAL_LAG,          /* gauge: events synced and not yet dispatched */
    METRIC_LEDGER_COMMITS,
    METRIC_LEDGER_FAILURES,
    METRIC_ARCHIVE_EVENTS,    /* archive */
    METRIC_ARCHIVE_BYTES,     /* archive */
    METRIC_QUEUE_BYTES,       /* queue; gauge */
    METRIC_DATA_BYTES,        /* gauge */
    METRIC_DATA_LIMIT,        /* gauge */
    METRIC_DATA_DISK_FREE,    /* gauge */
    METRIC_DATA_REFUSING,     /* gauge */
    METRIC_REPLAYED_EVENTS,   /* replay */
    METRIC_REPLAY_TOTAL,      /* replay; gauge */
    METRIC_FOLDER_FILES,      /* folder, result: taken, bad, changed */
    METRIC_SCHEDULES_FIRED,   /* rule */
    METRIC_SCHEDULES_SKIPPED, /* rule */
    METRIC_AUTH_REFUSED,
    METRIC_TLS_DAYS,
    METRIC_HTTP_REQUESTS,     /* route, code */
    METRIC_HTTP_CONNECTIONS,  /* gauge */
    METRIC_CONFIG_GENERATION, /* gauge */
    METRIC_RELOADS,           /* result: ok, failed */
    METRIC_RELOAD_SUCCESSFUL, /* gauge: 1, or 0 after one that failed */
    METRIC_RELOAD_TIME,       /* gauge: seconds since 1970 */
    METRIC_COUNT
};

struct series;

/* Labels in the order of the family's row, as const char *; finds or makes the series. */
struct series *metric(enum metric family, ...);
struct series *metric_str(enum metric family, const struct str *labels); /* the same from slices */
int64_t metric_value(enum metric family, const struct str *labels);      /* 0: there is no such series */
void series_add(struct series *s, int64_t n);
void series_set(struct series *s, int64_t value);
int64_t series_get(const struct series *s);
void series_observe_ms(struct series *s, int64_t ms); /* histograms */

struct metric_info { /* for the manual */
    const char *name, *type, *help;
    const char *const *labels;
    size_t label_count;
};
void metric_describe(enum metric family, struct metric_info *out);

/* Called before each exposition, to refresh gauges; any number of them. */
void metrics_on_collect(void (*collect)(void *context), void *context);
/* Appends the Prometheus text format 0.0.4. */
void metrics_write(struct buf *out);
/* Walks the series of a family: label values in row order. each() may not ask for another series. */
void metrics_each(enum metric family, void (*each)(void *context, const struct str *labels, int64_t value),
                  void *context);

#endif
