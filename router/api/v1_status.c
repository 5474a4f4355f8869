/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a running router: counts from the metrics, queues and archives from one ledger job. */
#include <stdlib.h>

#include "router/api/v1_int.h"
#include "router/folders.h"
#include "router/metrics.h"
#include "router/owed.h"
#include "router/schedules.h"
#include "router/reload.h"
#include "router/space.h"
#include "router/xalloc.h"

struct status_call {
    struct ledger_job job;
    struct http_request *request;
    struct buf queues, archives, schedules, folders;
    struct oldest {
        struct str target; /* owned */
        int64_t age_ms;    /* how long it has been owed */
    } * oldest;
    size_t oldest_count;
    struct weir_time now;
};

static void write_count(struct buf *out, const char *key, int64_t n)
{
    json_write_key(out, key);
    json_write_int(out, n);
}

/* ---- sums of a family over all but one or two labels, made in one walk ---- */

struct sums {
    int by, and; /* the labels' places; and: -1: none */
    struct sum {
        struct str by, and;
        int64_t total;
    } * list;
    size_t count, capacity;
};

static void add_series(void *context, const struct str *labels, int64_t value)
{
    struct sums *s = context;

    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->list = xrealloc(s->list, s->capacity * sizeof *s->list);
    }
    s->list[s->count++] = (struct sum){labels[s->by], s->and < 0 ? STR("") : labels[s->and ], value};
}

static int sum_cmp(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    int order = str_cmp(x->by, y->by);
    return order ? order : str_cmp(x->and, y->and);
}

static struct sums sum_family(enum metric family, int by, int and)
{
    struct sums s = {.by = by, .and = and};
    size_t kept = 0;

    metrics_each(family, add_series, &s);
    if (s.count)
        qsort(s.list, s.count, sizeof *s.list, sum_cmp);
    for (size_t i = 0; i < s.count; i++)
        if (kept && sum_cmp(&s.list[kept - 1], &s.list[i]) == 0)
            s.list[kept - 1].total += s.list[i].total;
        else
            s.list[kept++] = s.list[i];
    s.count = kept;
    return s;
}

static int64_t sum_of(const struct sums *s, struct str by, struct str and)
{
    struct sum wanted = {by, and, 0};
    const struct sum *found = s->count ? bsearch(&wanted, s->list, s->count, sizeof *s->list, sum_cmp) : NULL;
    return found ? found->total : 0;
}

/* ---- parts of the answer ---- */

static void write_head(struct buf *out, const struct router *router, const struct ruleset *set, const char *listen)
{
    char started[21];

    time_format_rfc3339(router->started_wall_ms, started);
    json_write_member(out, "version", str_from(weir_version()));
    json_write_member(out, "listen", str_from(listen));
    json_write_member(out, "config", set->file);
    json_write_member(out, "started", str_from(started));
    write_count(out, "uptime_s", (clock_wall_ms() - router->started_wall_ms) / 1000);
    write_count(out, "generation", (int64_t)set->generation);
}

static void write_reload(struct buf *out, struct router *router)
{
    struct reload_report report = router_reload_report(router);
    char time[21];

    time_format_rfc3339(report.loaded_ms, time);
    json_write_member(out, "loaded", str_from(time));
    if (report.error) {
        time_format_rfc3339(report.failed_ms, time);
        json_write_key(out, "reload_failed");
        buf_char(out, '{');
        json_write_member(out, "at", str_from(time));
        json_write_member(out, "error", str_from(report.error));
        buf_char(out, '}');
    }
    free(report.error);
}

static void write_journal(struct buf *out, const struct router *router)
{
    struct journal_stats stats;
    uint64_t synced = journal_synced(router->journal), cursor = dispatch_cursor(router->dispatch);

    journal_stats(router->journal, &stats);
    json_write_key(out, "journal");
    buf_char(out, '{');
    write_count(out, "synced", (int64_t)synced);
    write_count(out, "cursor", (int64_t)cursor);
    write_count(out, "lag", synced > cursor ? (int64_t)(synced - cursor) : 0);
    write_count(out, "segments", (int64_t)stats.segments);
    write_count(out, "bytes", (int64_t)stats.bytes);
    buf_char(out, '}');
}

static void write_data(struct buf *out, const struct router *router)
{
    json_write_key(out, "data");
    space_show(router->space, out);
}

static void next_element(struct buf *out)
{
    if (out->data[out->size - 1] == '}')
        buf_char(out, ',');
    buf_char(out, '{');
}

static void write_buses(struct buf *out, const struct ruleset *set)
{
    struct sums accepted = sum_family(METRIC_EVENTS_ACCEPTED, 0, -1);

    json_write_key(out, "buses");
    buf_char(out, '[');
    for (uint32_t i = 0; i < set->bus_count; i++) {
        next_element(out);
        json_write_member(out, "name", set->buses[i].name);
        write_count(out, "accepted", sum_of(&accepted, set->buses[i].name, STR("")));
        if (set->buses[i].deduplication_ms) {
            write_count(out, "deduplicated", metric_value(METRIC_EVENTS_DEDUPLICATED, &set->buses[i].name));
            write_count(out, "remembered", metric_value(METRIC_DEDUPLICATION_IDS, &set->buses[i].name));
        }
        buf_char(out, '}');
    }
    buf_char(out, ']');
    free(accepted.list);
}

static void write_rules(struct buf *out, const struct ruleset *set)
{
    json_write_key(out, "rules");
    buf_char(out, '[');
    for (uint32_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (rule->is_archive)
            continue;
        next_element(out);
        json_write_member(out, "bus", rule->bus);
        json_write_member(out, "name", rule->name);
        json_write_member(out, "state", rule->enabled ? STR("enabled") : STR("disabled"));
        write_count(out, "matched", metric_value(METRIC_RULE_MATCHES, (struct str[]){rule->bus, rule->name}));
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

static int64_t oldest_s(const struct status_call *c, struct str target)
{
    for (size_t i = 0; i < c->oldest_count; i++)
        if (str_eq(c->oldest[i].target, target))
            return c->oldest[i].age_ms / 1000;
    return 0;
}

static void write_target(struct buf *out, const struct status_call *c, const struct sums *sums, struct str label,
                         bool configured)
{
    static const char *const results[] = {"delivered", "retried", "dead_lettered", "dropped"};
    const char *slash = memchr(label.ptr, '/', label.size);
    size_t type = slash ? (size_t)(slash - label.ptr) : label.size;

    next_element(out);
    json_write_member(out, "type", (struct str){label.ptr, type});
    json_write_member(out, "name", slash ? (struct str){slash + 1, label.size - type - 1} : STR(""));
    for (size_t k = 0; k < sizeof results / sizeof results[0]; k++)
        write_count(out, results[k], sum_of(sums, label, str_from(results[k])));
    write_count(out, "owed", metric_value(METRIC_DELIVERIES_OWED, &label));
    write_count(out, "owed_bytes", metric_value(METRIC_DELIVERIES_OWED_BYTES, &label));
    write_count(out, "oldest_age_s", oldest_s(c, label));
    json_write_key(out, "configured");
    buf_text(out, configured ? "true" : "false");
    dispatch_show_gate(http_router(c->request)->dispatch, label, out);
    buf_char(out, '}');
}

static bool is_configured(const struct ruleset *set, struct str label)
{
    for (uint32_t i = 0; i < set->target_count; i++) {
        struct str type = str_from(set->targets[i]->adapter->type);
        if (label.size > type.size && label.ptr[type.size] == '/' && str_starts(label, type) &&
            str_eq((struct str){label.ptr + type.size + 1, label.size - type.size - 1}, set->targets[i]->name))
            return true;
    }
    return false;
}

/* Those that a reload removed, as long as something is owed to them. */
static void write_gone(struct buf *out, const struct status_call *c, const struct ruleset *set, const struct sums *sums)
{
    struct sums owed = sum_family(METRIC_DELIVERIES_OWED, 0, -1);

    for (size_t i = 0; i < owed.count; i++)
        if (owed.list[i].total > 0 && !is_configured(set, owed.list[i].by))
            write_target(out, c, sums, owed.list[i].by, false);
    free(owed.list);
}

static void write_targets(struct buf *out, const struct status_call *c, const struct ruleset *set)
{
    struct sums sums = sum_family(METRIC_DELIVERIES, 2, 3);

    json_write_key(out, "targets");
    buf_char(out, '[');
    for (uint32_t i = 0; i < set->target_count; i++) {
        const struct target_def *def = set->targets[i];
        struct buf label = BUF_INIT;
        if (!def->adapter->open)
            continue; /* deliveries are counted at what stands behind it */
        buf_printf(&label, "%s/%.*s", def->adapter->type, STR_ARG(def->name));
        xbuf(&label);
        write_target(out, c, &sums, buf_view(&label), true);
        buf_fini(&label);
    }
    write_gone(out, c, set, &sums);
    buf_char(out, ']');
    free(sums.list);
}

static void forget_oldest(struct status_call *c)
{
    for (size_t i = 0; i < c->oldest_count; i++)
        free((char *)c->oldest[i].target.ptr);
    free(c->oldest);
    c->oldest = NULL;
    c->oldest_count = 0;
}

static void note_oldest(void *context, struct str target, int64_t age)
{
    struct status_call *c = context;

    c->oldest = xrealloc(c->oldest, (c->oldest_count + 1) * sizeof *c->oldest);
    c->oldest[c->oldest_count++] = (struct oldest){xstr(target), c->now.age_ms - age};
}

static bool status_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct status_call *c = (struct status_call *)job;
    const struct ruleset *set = http_set(c->request);

    buf_clear(&c->queues);
    buf_clear(&c->archives);
    buf_clear(&c->schedules);
    buf_clear(&c->folders);
    forget_oldest(c);
    c->now = now;
    return owed_oldest_each(s, note_oldest, c, diag) && v1_write_queues(&c->queues, set, s, now, diag) &&
           v1_write_archives(&c->archives, set, s, diag) && schedules_show(&c->schedules, set, s, now, diag) &&
           folders_show(&c->folders, set, s, diag);
}

static void reply(struct status_call *c)
{
    struct router *router = http_router(c->request);
    const struct ruleset *set = http_set(c->request);
    struct buf out = BUF_INIT, listen = BUF_INIT;

    buf_printf(&listen, "http%s://%.*s:%u", http_is_tls(c->request) ? "s" : "", STR_ARG(set->listen_host),
               http_port(router->http));
    buf_char(&out, '{');
    write_head(&out, router, set, buf_cstr(&listen));
    write_reload(&out, router);
    write_journal(&out, router);
    write_data(&out, router);
    write_buses(&out, set);
    write_rules(&out, set);
    json_write_key(&out, "schedules");
    buf_str(&out, buf_view(&c->schedules));
    json_write_key(&out, "folders");
    buf_str(&out, buf_view(&c->folders));
    write_targets(&out, c, set);
    json_write_key(&out, "queues");
    buf_str(&out, buf_view(&c->queues));
    json_write_key(&out, "archives");
    buf_str(&out, buf_view(&c->archives));
    buf_char(&out, '}');
    xbuf(&out);
    http_reply_json(c->request, 200, &out);
    buf_fini(&listen);
    buf_fini(&out);
}

static void status_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct status_call *c = (struct status_call *)job;

    if (ok)
        reply(c);
    else
        http_reply_error(c->request, 503, "%s", diag->message);
    buf_fini(&c->queues);
    buf_fini(&c->archives);
    buf_fini(&c->schedules);
    buf_fini(&c->folders);
    forget_oldest(c);
    free(c);
}

void v1_status(struct http_request *r)
{
    struct status_call *c = xalloc(sizeof *c);

    c->request = r;
    c->job = (struct ledger_job){.run = status_step, .done = status_cb, .reply = http_mailbox(r)};
    ledger_submit(http_router(r)->ledger, &c->job);
}
