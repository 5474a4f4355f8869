/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics table and its series. A family is a row of `families`; a series is found by its label values under a lock
 * (rarely: callers keep the pointer) and counted without one. Label sets are bounded by what the configuration names,
 * so series are never freed.
 */
#include "router/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/hash.h"
#include "matcher/weir.h"
#include "router/xalloc.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };
static const char *const kind_names[] = {"counter", "gauge", "histogram"};
enum { LABELS_MAX = 4, BUCKETS = 14 };

static const struct family {
    const char *name;
    enum kind kind;
    const char *labels[LABELS_MAX];
    const char *help;
    bool milli; /* kept in thousandths, shown in units */
} families[METRIC_COUNT] = {
    [METRIC_BUILD_INFO] = {"weir_build_info", GAUGE, {"version"}, "1, with the program's version as a label."},
    [METRIC_EVENTS_ACCEPTED] = {"weir_events_accepted_total",
                                COUNTER,
                                {"bus", "source"},
                                "Events answered with success: durable in the journal."},
    [METRIC_EVENTS_REFUSED] = {"weir_events_refused_total",
                               COUNTER,
                               {"source", "reason"},
                               "Requests to a source that were refused, by reason."},
    [METRIC_EVENTS_MATCHED] = {"weir_events_matched_total",
                               COUNTER,
                               {"bus", "result"},
                               "Events dispatched: matched, unmatched, unknown_bus or failed."},
    [METRIC_EVENTS_DEDUPLICATED] =
        {"weir_events_deduplicated_total",
         COUNTER,
         {"bus"},
         "Events not matched, since the bus had one of their source and id within its window."},
    [METRIC_DEDUPLICATION_IDS] = {"weir_deduplication_ids", GAUGE, {"bus"}, "Ids a bus remembers for deduplication."},
    [METRIC_DEDUPLICATION_FORGOTTEN] =
        {"weir_deduplication_forgotten_total",
         COUNTER,
         {"bus"},
         "Ids forgotten before their window was over: there were more than deduplication_ids."},
    [METRIC_RULE_MATCHES] = {"weir_rule_matches_total", COUNTER, {"bus", "rule"}, "Events that matched a rule."},
    [METRIC_REGEX_LIMITS] = {"weir_regex_limits_total",
                             COUNTER,
                             {"bus", "rule"},
                             "Events of which it is unknown whether they match: a regex hit a limit."},
    [METRIC_DELIVERIES] = {"weir_deliveries_total",
                           COUNTER,
                           {"bus", "rule", "target", "result"},
                           "Deliveries by result: delivered, retried, dead_lettered, dropped."},
    [METRIC_FILTERED] = {"weir_notifications_filtered_total",
                         COUNTER,
                         {"topic", "subscription"},
                         "Messages that a subscription's filter policy did not let pass."},
    [METRIC_DELIVERIES_OWED] = {"weir_deliveries_owed", GAUGE, {"target"}, "Deliveries neither settled nor given up."},
    [METRIC_DELIVERIES_OWED_BYTES] = {"weir_deliveries_owed_bytes",
                                      GAUGE,
                                      {"target"},
                                      "Bytes of events of the deliveries owed."},
    [METRIC_DELIVERY_SECONDS] = {"weir_delivery_seconds",
                                 HISTOGRAM,
                                 {"target"},
                                 "Time from hand-over to the target until its answer."},
    [METRIC_ASYNC_INVOCATIONS] = {"weir_async_invocations_total",
                                  COUNTER,
                                  {"target", "result"},
                                  "Runs of asynchronous invocations: succeeded, retried, or failed and given up."},
    [METRIC_MAPPING_RUNS] = {"weir_event_source_mapping_runs_total",
                             COUNTER,
                             {"mapping", "result"},
                             "Runs of functions with messages of a queue: succeeded, failed."},
    [METRIC_CIRCUIT_OPEN] = {"weir_circuit_open",
                             GAUGE,
                             {"target"},
                             "1 while a target that failed is left alone but for probes."},
    [METRIC_CIRCUIT_OPENED] = {"weir_circuit_opened_total", COUNTER, {"target"}, "Times a target's circuit opened."},
    [METRIC_TARGET_PAUSED] = {"weir_target_paused", GAUGE, {"target"}, "1 while somebody has paused the target."},
    [METRIC_JOURNAL_RECORDS] = {"weir_journal_records_total", COUNTER, {0}, "Records written to the journal."},
    [METRIC_JOURNAL_BYTES] = {"weir_journal_bytes_total", COUNTER, {0}, "Bytes written to the journal."},
    [METRIC_JOURNAL_SYNCS] = {"weir_journal_syncs_total", COUNTER, {0}, "Times the journal was synced."},
    [METRIC_JOURNAL_SYNC_SECONDS] =
        {"weir_journal_sync_seconds_total", COUNTER, {0}, "Time spent syncing the journal.", true},
    [METRIC_JOURNAL_SEGMENTS] = {"weir_journal_segments", GAUGE, {0}, "Segment files of the journal."},
    [METRIC_JOURNAL_LAG] = {"weir_journal_lag_events", GAUGE, {0}, "Events durable and not yet dispatched."},
    [METRIC_LEDGER_COMMITS] = {"weir_ledger_commits_total", COUNTER, {0}, "Transactions committed to the ledger."},
    [METRIC_LEDGER_FAILURES] = {"weir_ledger_failures_total", COUNTER, {0}, "Ledger jobs or commits that failed."},
    [METRIC_ARCHIVE_EVENTS] = {"weir_archive_events", GAUGE, {"archive"}, "Events in an archive."},
    [METRIC_ARCHIVE_BYTES] = {"weir_archive_bytes", GAUGE, {"archive"}, "Bytes in an archive."},
    [METRIC_QUEUE_BYTES] = {"weir_queue_bytes", GAUGE, {"queue"}, "Bytes of the messages in a queue."},
    [METRIC_DATA_BYTES] = {"weir_data_bytes", GAUGE, {0}, "Size of the data folder: journal, ledger and archives."},
    [METRIC_DATA_LIMIT] = {"weir_data_limit_bytes", GAUGE, {0}, "Its bound, data_limit; 0: none."},
    [METRIC_DATA_DISK_FREE] = {"weir_data_disk_free_bytes", GAUGE, {0}, "Free bytes of its file system."},
    [METRIC_DATA_REFUSING] = {"weir_data_refusing", GAUGE, {0}, "1 while no events are taken for want of room."},
    [METRIC_REPLAYED_EVENTS] = {"weir_replay_events_total",
                                COUNTER,
                                {"replay"},
                                "Events a replay has put through the rules."},
    [METRIC_REPLAY_TOTAL] = {"weir_replay_window_events",
                             GAUGE,
                             {"replay"},
                             "Events in a replay's window, as far as known."},
    [METRIC_SCHEDULES_FIRED] = {"weir_schedules_fired_total", COUNTER, {"rule"}, "Times a rule's schedule fired."},
    [METRIC_SCHEDULES_SKIPPED] =
        {"weir_schedules_skipped_total",
         COUNTER,
         {"rule"},
         "Times a rule was due while nothing ran it, more than an hour ago, and did not fire."},
    [METRIC_FOLDER_FILES] =
        {"weir_folder_files_total",
         COUNTER,
         {"folder", "result"},
         "Files of watched folders that were taken in, found bad, or changed after they were taken."},
    [METRIC_AUTH_REFUSED] = {"weir_auth_refused_total",
                             COUNTER,
                             {"route", "reason"},
                             "Requests refused for want of a good signature or token, or of what it may do."},
    [METRIC_TLS_DAYS] = {"weir_tls_certificate_days",
                         GAUGE,
                         {0},
                         "Days the certificate was good for when it was read; -1: it had expired."},
    [METRIC_HTTP_REQUESTS] = {"weir_http_requests_total", COUNTER, {"route", "code"}, "HTTP requests answered."},
    [METRIC_CONFIG_GENERATION] = {"weir_config_generation",
                                  GAUGE,
                                  {0},
                                  "Which configuration since the start is in force."},
    [METRIC_RELOADS] = {"weir_config_reloads_total", COUNTER, {"result"}, "Reloads of the configuration: ok, failed."},
    [METRIC_RELOAD_SUCCESSFUL] = {"weir_config_last_reload_successful", GAUGE, {0}, "0 after a reload that failed."},
    [METRIC_RELOAD_TIME] = {"weir_config_last_reload_success_timestamp_seconds",
                            GAUGE,
                            {0},
                            "When the configuration in force was loaded."},
    [METRIC_HTTP_CONNECTIONS] = {"weir_http_connections", GAUGE, {0}, "Open HTTP connections."},
};

static const int64_t bucket_ms[BUCKETS] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000};

struct series {
    struct series *next;  /* of its family, in the order they were made */
    struct series *chain; /* of its slot */
    enum metric family;
    uint64_t hash;
    struct str labels[LABELS_MAX];
    atomic_int_fast64_t value;     /* histograms: the sum in ms */
    atomic_int_fast64_t buckets[]; /* histograms: BUCKETS and +Inf, not cumulative */
};

static struct {
    pthread_mutex_t lock;
    struct series *first[METRIC_COUNT], *last[METRIC_COUNT];
    struct series **slots;
    size_t slot_count; /* a power of two */
    size_t series_count;
    struct collector {
        void (*collect)(void *context);
        void *context;
    } collectors[8];
    size_t collector_count;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t label_count(enum metric family)
{
    size_t n = 0;
    while (n < LABELS_MAX && families[family].labels[n])
        n++;
    return n;
}

void metric_describe(enum metric family, struct metric_info *out)
{
    const struct family *f = &families[family];
    *out = (struct metric_info){f->name, kind_names[f->kind], f->help, f->labels, label_count(family)};
}

/* ---- finding: a hash table over family and labels ---- */

static uint64_t hash_labels(enum metric family, const struct str *labels, size_t count)
{
    uint64_t hash = (uint64_t)family;
    for (size_t i = 0; i < count; i++)
        hash = hash_bytes(hash, labels[i].ptr, labels[i].size);
    return hash;
}

static bool is_series(const struct series *s, enum metric family, const struct str *labels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!str_eq(s->labels[i], labels[i]))
            return false;
    return s->family == family;
}

static struct series *find(enum metric family, const struct str *labels, size_t count, uint64_t hash)
{
    if (!registry.slot_count)
        return NULL;
    struct series *s = registry.slots[hash & (registry.slot_count - 1)];
    while (s && (s->hash != hash || !is_series(s, family, labels, count)))
        s = s->chain;
    return s;
}

static void grow(void)
{
    size_t count = registry.slot_count ? 2 * registry.slot_count : 256;
    struct series **slots = xarray(count, sizeof(struct series *));

    for (int family = 0; family < METRIC_COUNT; family++)
        for (struct series *s = registry.first[family]; s; s = s->next) {
            s->chain = slots[s->hash & (count - 1)];
            slots[s->hash & (count - 1)] = s;
        }
    free(registry.slots);
    registry.slots = slots;
    registry.slot_count = count;
}

static struct series *add(enum metric family, const struct str *labels, size_t count, uint64_t hash)
{
    size_t buckets = families[family].kind == HISTOGRAM ? BUCKETS + 1 : 0;
    struct series *s = xalloc(sizeof *s + buckets * sizeof s->buckets[0]);

    s->family = family;
    s->hash = hash;
    for (size_t i = 0; i < count; i++)
        s->labels[i] = xstr(labels[i]);
    if (registry.series_count++ >= registry.slot_count)
        grow();
    s->chain = registry.slots[hash & (registry.slot_count - 1)];
    registry.slots[hash & (registry.slot_count - 1)] = s;
    if (registry.last[family])
        registry.last[family]->next = s;
    else
        registry.first[family] = s;
    registry.last[family] = s;
    return s;
}

struct series *metric_str(enum metric family, const struct str *labels)
{
    size_t count = label_count(family);
    uint64_t hash = hash_labels(family, labels, count);

    pthread_mutex_lock(&registry.lock);
    struct series *s = find(family, labels, count, hash);
    if (!s)
        s = add(family, labels, count, hash);
    pthread_mutex_unlock(&registry.lock);
    return s;
}

int64_t metric_value(enum metric family, const struct str *labels)
{
    size_t count = label_count(family);

    pthread_mutex_lock(&registry.lock);
    struct series *s = find(family, labels, count, hash_labels(family, labels, count));
    pthread_mutex_unlock(&registry.lock);
    return s ? series_get(s) : 0;
}

struct series *metric(enum metric family, ...)
{
    struct str labels[LABELS_MAX] = {{0}};
    va_list args;

    va_start(args, family);
    for (size_t i = 0, n = label_count(family); i < n; i++)
        labels[i] = str_from(va_arg(args, const char *));
    va_end(args);
    return metric_str(family, labels);
}

void series_add(struct series *s, int64_t n)
{
    atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}
void series_set(struct series *s, int64_t value)
{
    atomic_store_explicit(&s->value, value, memory_order_relaxed);
}
int64_t series_get(const struct series *s)
{
    return atomic_load_explicit(&s->value, memory_order_relaxed);
}

void series_observe_ms(struct series *s, int64_t ms)
{
    size_t i = 0;
    while (i < BUCKETS && ms > bucket_ms[i])
        i++;
    atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
    series_add(s, ms);
}

void metrics_on_collect(void (*collect)(void *context), void *context)
{
    pthread_mutex_lock(&registry.lock);
    if (registry.collector_count == sizeof registry.collectors / sizeof registry.collectors[0])
        xfail("too many metric collectors");
    registry.collectors[registry.collector_count++] = (struct collector){collect, context};
    pthread_mutex_unlock(&registry.lock);
}

void metrics_each(enum metric family, void (*each)(void *context, const struct str *labels, int64_t value),
                  void *context)
{
    pthread_mutex_lock(&registry.lock);
    for (struct series *s = registry.first[family]; s; s = s->next)
        each(context, s->labels, series_get(s));
    pthread_mutex_unlock(&registry.lock);
}

/* ---- exposition ---- */

static void write_labels(struct buf *out, enum metric family, const struct series *s, const char *le)
{
    const char *comma = "{";
    for (size_t i = 0, n = label_count(family); i < n; i++, comma = ",") {
        buf_printf(out, "%s%s=\"", comma, families[family].labels[i]);
        for (size_t k = 0; k < s->labels[i].size; k++) {
            char c = s->labels[i].ptr[k];
            if (c == '\n')
                buf_text(out, "\\n");
            else if (c == '"' || c == '\\')
                buf_printf(out, "\\%c", c);
            else
                buf_char(out, c);
        }
        buf_char(out, '"');
    }
    if (le)
        buf_printf(out, "%sle=\"%s\"", comma, le);
    if (le || label_count(family))
        buf_char(out, '}');
}

static void write_value(struct buf *out, int64_t value, bool milli)
{
    if (milli)
        buf_printf(out, " %" PRId64 ".%03" PRId64 "\n", value / 1000, value % 1000);
    else
        buf_printf(out, " %" PRId64 "\n", value);
}

static void write_histogram(struct buf *out, enum metric family, const struct series *s)
{
    const char *name = families[family].name;
    int64_t total = 0;
    char le[32];

    for (size_t i = 0; i <= BUCKETS; i++) {
        total += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        if (i < BUCKETS)
            snprintf(le, sizeof le, "%g", (double)bucket_ms[i] / 1000);
        else
            snprintf(le, sizeof le, "+Inf");
        buf_printf(out, "%s_bucket", name);
        write_labels(out, family, s, le);
        write_value(out, total, false);
    }
    buf_printf(out, "%s_sum", name);
    write_labels(out, family, s, NULL);
    write_value(out, series_get(s), true);
    buf_printf(out, "%s_count", name);
    write_labels(out, family, s, NULL);
    write_value(out, total, false);
}

static void write_family(struct buf *out, enum metric family)
{
    const struct family *f = &families[family];
    struct series *s = registry.first[family];

    if (!s)
        return;
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, kind_names[f->kind]);
    for (; s; s = s->next) {
        if (f->kind == HISTOGRAM) {
            write_histogram(out, family, s);
            continue;
        }
        buf_text(out, f->name);
        write_labels(out, family, s, NULL);
        write_value(out, series_get(s), f->milli);
    }
}

void metrics_write(struct buf *out)
{
    for (size_t i = 0; i < registry.collector_count; i++)
        registry.collectors[i].collect(registry.collectors[i].context);
    series_set(metric(METRIC_BUILD_INFO, WEIR_VERSION), 1);
    pthread_mutex_lock(&registry.lock);
    for (int family = 0; family < METRIC_COUNT; family++)
        write_family(out, (enum metric)family);
    pthread_mutex_unlock(&registry.lock);
}
