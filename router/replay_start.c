/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a replay: what is asked is looked at, by the dispatch thread; then one ledger job keeps it, with the files
 * it will read and their lengths of that moment, and the answer is 201. What is archived later is not part of it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/log.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define REPLAY_NAME_MAX 64 /* EventBridge's; so are the characters */
#define HOUR_MS         3600000

/* ---- its files ---- */

struct starting { /* the ledger job that makes a replay */
    struct ledger_job job;
    struct replay *replay;
    struct replay_call *call;
    struct replay_row row;
    struct buf paths;
    struct starting_file {
        size_t offset, size;
        int64_t bytes;
    } * files;
    size_t file_count;
    bool taken;
};

static void collect(void *context, struct str path, int64_t bytes)
{
    struct starting *s = context;

    s->files = xrealloc(s->files, (s->file_count + 1) * sizeof *s->files);
    s->files[s->file_count++] = (struct starting_file){s->paths.size, path.size, bytes};
    buf_str(&s->paths, path);
    xbuf(&s->paths);
}

struct collecting {
    const struct replay_window *window;
    void (*each)(void *context, struct str path, int64_t bytes);
    void *context;
};

/* By arrival a window takes whole hours: archives do not keep when an event came. */
static void collect_file(void *context, const struct archive_file *f)
{
    const struct collecting *c = context;
    const struct replay_window *w = c->window;
    bool inside = w->by_arrival ? f->hour + HOUR_MS > w->from_ms && f->hour < w->to_ms
                                : f->time_max_ms >= w->from_ms && f->time_min_ms < w->to_ms;
    if (f->bytes && inside)
        c->each(c->context, f->path, f->bytes);
}

bool replay_collect_files(struct store *store, struct str archive, const struct replay_window *w,
                          void (*each)(void *context, struct str path, int64_t bytes), void *context,
                          struct weir_diag *diag)
{
    struct collecting c = {w, each, context};
    return archive_files(store, archive, collect_file, &c, diag);
}

static struct str file_path(const struct starting *s, size_t i)
{
    return (struct str){s->paths.data + s->files[i].offset, s->files[i].size};
}

static bool starting_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct starting *s = (struct starting *)job;

    s->file_count = 0;
    buf_clear(&s->paths);
    s->row.started_ms = now.wall_ms;
    if (!replay_insert(store, &s->row, &s->taken, diag))
        return false;
    if (s->taken)
        return true;
    if (s->row.bus.size)
        return true;
    if (!replay_collect_files(store, s->row.archive, &s->row.window, collect, s, diag))
        return false;
    for (size_t i = 0; i < s->file_count; i++)
        if (!replay_insert_file(store, s->row.name, file_path(s, i), s->files[i].bytes, diag))
            return false;
    return true;
}

static void starting_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct starting *s = (struct starting *)job;
    struct replay *r = s->replay;

    if (!ok || s->taken) {
        if (s->taken)
            replay_refuse(s->call, 409, "Replay %.*s already exists.", STR_ARG(r->name));
        else
            replay_refuse(s->call, 503, "the replay cannot be kept: %s", diag->message);
        replay_destroy(r);
    } else {
        r->inserted = true;
        for (size_t i = 0; i < s->file_count; i++)
            reader_add_file(&r->reader, r->dispatch, file_path(s, i), s->files[i].bytes);
        replay_write_json(&s->call->json, &s->row, STR(""));
        replay_answer(s->call, 201);
        log_info("a replay starts", LOG_STR("replay", r->name), LOG_STR("archive", r->archive));
        replay_resume(r);
        turn_schedule(r->dispatch);
    }
    buf_fini(&s->paths);
    free(s->files);
    free(s);
}

static struct str rule_names(const struct replay_request *q)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '[');
    for (uint32_t i = 0; i < q->rule_count; i++) {
        if (i)
            buf_char(&out, ',');
        json_write_string(&out, q->rules[i]);
    }
    buf_char(&out, ']');
    xbuf(&out);
    struct str names = xstr(buf_view(&out));
    buf_fini(&out);
    return names;
}

static struct str name_or_new(struct dispatch *d, struct str name, char space[40])
{
    char stamp[21];

    if (name.size)
        return name;
    time_format_rfc3339(d->now.wall_ms, stamp);
    d->random = d->random * UINT64_C(6364136223846793005) + 1;
    snprintf(space, 40, "replay-%.4s%.2s%.2sT%.2s%.2s%.2s-%04x", stamp, stamp + 5, stamp + 8, stamp + 11, stamp + 14,
             stamp + 17, (unsigned)(d->random >> 48));
    return str_from(space);
}

static struct str target_name(const struct replay_choice *c)
{
    struct buf out = BUF_INIT;

    if (c->only)
        buf_printf(&out, "%s/%.*s", c->only->adapter->type, STR_ARG(c->only->name));
    xbuf(&out);
    struct str name = xstr(buf_view(&out));
    buf_fini(&out);
    return name;
}

static struct str one_line(struct str pattern)
{
    struct buf out = BUF_INIT;

    json_minify(&out, pattern);
    xbuf(&out);
    struct str text = xstr(buf_view(&out));
    buf_fini(&out);
    return text;
}

static struct replay_row row_of(const struct replay *r)
{
    return (struct replay_row){.name = r->name,
                               .archive = r->archive,
                               .bus = r->bus_name,
                               .rules = r->rule_names,
                               .target = r->target,
                               .pattern = r->pattern,
                               .window = r->window,
                               .pacing = r->pacing,
                               .limit = r->limit,
                               .state = REPLAY_STARTING,
                               .at = {.last_event_ms = INT64_MIN},
                               .about = STR(""),
                               .reason = STR("")};
}

static void begin(struct dispatch *d, struct replay_call *call, const struct bus *bus,
                  const struct replay_choice *choice)
{
    const struct replay_request *q = &call->request;
    char space[40];
    struct replay *r = replay_create(d, name_or_new(d, q->name, space), q->archive);
    struct starting *s = xalloc(sizeof *s);

    r->window = (struct replay_window){q->from_ms, q->to_ms, q->by_arrival};
    r->pacing = (struct replay_pacing){q->rate, q->speed};
    r->limit = q->limit;
    r->bus_name = xstr(q->files ? bus->name : STR(""));
    r->rule_names = rule_names(q);
    r->target = target_name(choice);
    r->pattern = one_line(q->pattern);
    s->row = row_of(r);
    s->row.about = q->about; /* lives as long as the call */
    s->replay = r;
    s->call = call;
    s->job.run = starting_run;
    s->job.done = starting_done;
    s->job.reply = d->mailbox;
    ledger_submit(d->options.ledger, &s->job);
}

/* ---- what is asked ---- */

static void refuse_archive(struct dispatch *d, struct replay_call *call)
{
    const char **names = xarray(d->set->target_count, sizeof *names);
    struct str name = call->request.archive;
    size_t count = 0;

    for (uint32_t i = 0; i < d->set->target_count; i++)
        if (d->set->targets[i]->adapter == &archive_adapter)
            names[count++] = d->set->targets[i]->name.ptr;
    const char *near = diag_near(name, names, count);
    replay_refuse(call, 404, "no archive '%.*s'%s%s%s", STR_ARG(name), near ? "; did you mean '" : "", near ? near : "",
                  near ? "'?" : "");
    free(names);
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '.' && name.ptr[i] != '_' && name.ptr[i] != '-')
            return false;
    return name.size <= REPLAY_NAME_MAX;
}

static bool is_pattern(struct replay_call *call)
{
    struct replay_filter filter;
    struct weir_diag diag;

    if (!call->request.pattern.size)
        return true;
    if (filter_open(&filter, call->request.pattern, &diag)) {
        filter_close(&filter);
        return true;
    }
    replay_refuse(call, 400, "pattern, line %d, column %d: %s", diag.line, diag.column, diag.message);
    return false;
}

static size_t count_active(const struct dispatch *d)
{
    const struct replay *r;
    size_t active = 0;

    TAILQ_FOREACH (r, &d->replays, link)
        active++;
    return active;
}

/* False: refused. */
static bool is_allowed(struct dispatch *d, struct replay_call *call)
{
    const struct replay_request *q = &call->request;

    if (q->from_ms >= q->to_ms)
        replay_refuse(call, 400, "'from' must be before 'to'");
    else if (!is_name(q->name))
        replay_refuse(call, 400, "a replay's name has 1..%d of the characters A-Z a-z 0-9 . _ -", REPLAY_NAME_MAX);
    else if (!q->dry_run && count_active(d) >= REPLAYS_ACTIVE_MAX)
        replay_refuse(call, 429, "%d replays are active, paused ones among them: that is the most there may be at once",
                      REPLAYS_ACTIVE_MAX);
    else if (!q->dry_run && q->name.size && replay_find(d, q->name))
        replay_refuse(call, 409, "Replay %.*s already exists.", STR_ARG(q->name));
    else
        return is_pattern(call);
    return false;
}

void replay_start(struct dispatch *d, struct replay_call *call)
{
    const struct replay_request *q = &call->request;
    const struct bus *bus =
        !q->files ? replay_bus(d, q->archive) : ruleset_bus(d->set, q->bus.size ? q->bus : STR("default"));
    struct replay_choice choice;

    if (!bus && q->files)
        replay_refuse(call, 404, "no event bus '%.*s'", STR_ARG(q->bus));
    else if (!bus)
        refuse_archive(d, call);
    if (!bus)
        return;
    if (!is_allowed(d, call) || !choice_make(d, call, bus, &choice))
        return;
    if (call->request.dry_run)
        replay_dry_run(d, call, bus, &choice);
    else
        begin(d, call, bus, &choice);
    choice_fini(&choice);
}
