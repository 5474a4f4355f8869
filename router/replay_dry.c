/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dry run: what would this replay do? The ledger names the files, then a worker reads them in the replay's order (a
 * limit takes the first events), matches with a scratch of its own and counts, a rule at a time; nothing is delivered
 * and nothing is kept. One has a worker at a time, so that targets that need workers find one; the others wait.
 */
#include <stdlib.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "rules/read_only.h"
#include "targets/archive.h"

#define DRY_BYTES_MAX (64u << 20)

struct dry_run {
    struct ledger_job job; /* first; then … */
    struct work work;      /* … this */
    TAILQ_ENTRY(dry_run) link;
    struct dispatch *dispatch;
    struct generation *generation; /* the present one when it was asked for, a reference */
    struct replay_call *call;
    const struct bus *bus;
    struct replay_choice choice;
    struct replay_reader reader;
    struct weir_scratch *scratch;
    uint64_t events, *counts; /* by rule index */
    bool ok;
};

static void fini(struct dry_run *y)
{
    reader_fini(&y->reader);
    weir_scratch_destroy(y->scratch);
    generation_unref(y->generation);
    choice_fini(&y->choice);
    free(y->counts);
    free(y);
}

static bool is_chosen(const struct dry_run *y, uint32_t i)
{
    const struct rule *rule = &y->generation->set->rules[i];
    return str_eq(rule->bus, y->bus->name) && choice_has(&y->choice, rule);
}

static void count_event(struct dry_run *y, struct str event)
{
    const uint32_t *ids;
    struct weir_diag diag;

    y->events++;
    long n = weir_match(y->bus->matcher, y->scratch, event.ptr, event.size, WEIR_CHECKED, &ids, &diag);
    bool held_back = n > 0 && read_only_is_held_back(y->bus, event);
    for (long i = 0; i < n; i++)
        y->counts[ids[i]] += !held_back || y->generation->set->rules[ids[i]].all_management_events;
}

static bool count_events(struct dry_run *y)
{
    const struct replay_request *q = &y->call->request;
    const struct replay_window w = {q->from_ms, q->to_ms, q->by_arrival};
    const struct replay_at start = {0};
    struct buf named = BUF_INIT;
    struct merge_event e;
    uint64_t filtered;
    int got = 1;

    if (!reader_open(&y->reader, &w, &start, DRY_BYTES_MAX))
        return false;
    while ((!q->limit || y->events < q->limit) && (got = reader_next(&y->reader, &filtered, &e)) > 0) {
        buf_clear(&named);
        line_name(&named, e.line, e.name_at, STR("dry-run"));
        xbuf(&named);
        count_event(y, buf_view(&named));
    }
    buf_fini(&named);
    return got >= 0;
}

static bool count_records(struct dry_run *y)
{
    const struct replay_request *q = &y->call->request;
    const struct replay_window w = {q->from_ms, q->to_ms, true};
    struct replay_batch *batch = xalloc(sizeof *batch);

    reader_take(&y->reader, &w, NULL, STR("dry-run"), q->records, q->limit ? q->limit : UINT64_MAX, batch);
    for (size_t i = 0; i < batch->count; i++)
        count_event(y, (struct str){batch->bytes.data + batch->spans[i].offset, batch->spans[i].size});
    buf_fini(&batch->bytes);
    free(batch);
    return true;
}

static void dry_work(struct work *w)
{
    struct dry_run *y = (struct dry_run *)((char *)w - offsetof(struct dry_run, work));

    y->scratch = weir_scratch_create(y->bus->matcher);
    if (!y->scratch)
        xfail("out of memory");
    y->ok = y->call->request.records ? count_records(y) : count_events(y);
}

static void write_count(struct buf *out, struct str rule, struct str target, uint64_t events)
{
    if (out->data[out->size - 1] != '[')
        buf_char(out, ',');
    buf_char(out, '{');
    json_write_member(out, "rule", rule);
    json_write_member(out, "target", target);
    json_write_key(out, "events");
    json_write_int(out, (int64_t)events);
    buf_char(out, '}');
}

static bool is_delivered(const struct dry_run *y, const struct route *route)
{
    return route->outlet && route->outlet->target && route->outlet->target->ops != &archive_adapter &&
           choice_takes(&y->choice, route);
}

/* Rules that were named are shown even where nothing matched them. */
static void write_counts(struct buf *out, const struct dry_run *y)
{
    const struct generation *g = y->generation;

    for (uint32_t i = 0; i < g->set->rule_count; i++) {
        if (!is_chosen(y, i) || (!y->counts[i] && !y->choice.rules))
            continue;
        struct str rule = g->set->rules[i].name;
        struct route_span span = g->spans[i];
        write_count(out, rule, STR(""), y->counts[i]);
        for (uint32_t k = span.first; k < span.first + span.count; k++)
            if (is_delivered(y, &g->routes[k]))
                write_count(out, rule, g->routes[k].outlet->key, y->counts[i]);
    }
}

static void write_time(struct buf *out, const char *key, int64_t ms)
{
    char text[21];
    time_format_rfc3339(ms, text);
    json_write_member(out, key, str_from(text));
}

static void dry_done(struct work *w);

static void run_next(struct dispatch *d)
{
    struct dry_run *y = TAILQ_FIRST(&d->dry_runs);

    if (!y)
        return;
    y->work = (struct work){.run = dry_work, .done = dry_done};
    workers_submit(d->workers, &y->work);
}

static void dry_done(struct work *w)
{
    struct dry_run *y = (struct dry_run *)((char *)w - offsetof(struct dry_run, work));
    const struct replay_request *q = &y->call->request;
    struct buf *out = &y->call->json;

    TAILQ_REMOVE(&y->dispatch->dry_runs, y, link);
    run_next(y->dispatch);
    if (!y->ok) {
        replay_refuse(y->call, 503, "%s", y->reader.error);
        fini(y);
        return;
    }
    buf_char(out, '{');
    if (!q->records) {
        json_write_member(out, "archive", q->archive);
        write_time(out, "from", q->from_ms);
        write_time(out, "to", q->to_ms);
    }
    json_write_key(out, "events");
    json_write_int(out, (int64_t)y->events);
    json_write_key(out, "counts");
    buf_char(out, '[');
    write_counts(out, y);
    buf_text(out, "]}");
    replay_answer(y->call, 200);
    fini(y);
}

static void add_file(void *context, struct str path, int64_t bytes)
{
    struct dry_run *y = context;
    reader_add_file(&y->reader, y->dispatch, path, bytes);
}

static bool files_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct dry_run *y = (struct dry_run *)job;
    const struct replay_request *q = &y->call->request;
    const struct replay_window w = {q->from_ms, q->to_ms, q->by_arrival};

    if (q->records)
        return true;
    reader_forget_files(&y->reader); /* of a run that was undone */
    return replay_collect_files(store, q->archive, &w, add_file, y, diag);
}

static void files_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct dry_run *y = (struct dry_run *)job;

    if (!ok) {
        replay_refuse(y->call, 503, "the archive's files cannot be listed: %s", diag->message);
        fini(y);
        return;
    }
    TAILQ_INSERT_TAIL(&y->dispatch->dry_runs, y, link);
    if (TAILQ_FIRST(&y->dispatch->dry_runs) == y)
        run_next(y->dispatch);
}

void replay_dry_run(struct dispatch *d, struct replay_call *call, const struct bus *bus, struct replay_choice *choice)
{
    struct dry_run *y = xalloc(sizeof *y);
    struct weir_diag diag;

    y->dispatch = d;
    y->generation = generation_ref(d->generation);
    y->call = call;
    y->bus = bus;
    y->choice = *choice;
    *choice = (struct replay_choice){0};
    y->counts = xarray(d->set->rule_count, sizeof *y->counts);
    reader_init(&y->reader, d);
    if (call->request.pattern.size && !filter_open(&y->reader.filter, call->request.pattern, &diag))
        xfail("a pattern that was good is bad");
    y->job.run = files_run;
    y->job.done = files_done;
    y->job.reply = d->mailbox;
    ledger_submit(d->options.ledger, &y->job);
}
