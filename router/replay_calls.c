/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of replays: START, LIST, SHOW, CANCEL, each answered once, through the caller's mailbox. START and
 * CANCEL go by the dispatch thread, which knows what is active; all of them end in a ledger job, so that an
 * answer is what the table says.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/log.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define REPLAY_NAME_MAX 64 /* EventBridge's; so are the characters */

/* ---- answers ---- */

static void deliver_answer(struct mail *m)
{
    struct replay_call *call = (struct replay_call *)((char *)m - offsetof(struct replay_call, mail));
    call->done(call);
}

void replay_answer(struct replay_call *call, int status)
{
    xbuf(&call->json);
    call->status = status;
    call->mail.deliver = deliver_answer;
    mailbox_post(call->reply, &call->mail);
}

void replay_refuse(struct replay_call *call, int status, const char *format, ...)
{
    struct buf message = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    xbuf(&message);
    buf_clear(&call->json);
    buf_char(&call->json, '{');
    json_write_member(&call->json, "message", buf_view(&message));
    buf_char(&call->json, '}');
    buf_fini(&message);
    replay_answer(call, status);
}

/* ---- rules chosen ---- */

void replay_choose(uint64_t *set, const struct rule *rule)
{
    set[rule->index / 64] |= UINT64_C(1) << (rule->index % 64);
}

uint64_t *replay_no_rules(const struct dispatch *d)
{
    return xarray(d->set->rule_count / 64 + 1, sizeof(uint64_t));
}

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

static const char *near_rule(const struct dispatch *d, const struct bus *bus, struct str name)
{
    const char **names = xarray(d->set->rule_count, sizeof *names);
    size_t count = 0;

    for (uint32_t i = 0; i < d->set->rule_count; i++)
        if (!d->set->rules[i].is_archive && str_eq(d->set->rules[i].bus, bus->name))
            names[count++] = d->set->rules[i].name.ptr;
    const char *found = diag_near(name, names, count);
    free(names);
    return found;
}

/* NULL in *out: all. False: refused. */
static bool choose_rules(struct dispatch *d, struct replay_call *call, const struct bus *bus, uint64_t **out)
{
    const struct replay_request *q = &call->request;

    *out = q->rule_count ? replay_no_rules(d) : NULL;
    for (uint32_t i = 0; i < q->rule_count; i++) {
        const struct rule *rule = ruleset_rule(d->set, bus->name, q->rules[i]);
        if (rule && !rule->is_archive) {
            replay_choose(*out, rule);
            continue;
        }
        const char *near = near_rule(d, bus, q->rules[i]);
        replay_refuse(call, 404, "no rule '%.*s' on bus '%.*s'%s%s%s", STR_ARG(q->rules[i]), STR_ARG(bus->name),
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        free(*out);
        return false;
    }
    return true;
}

/* ---- START ---- */

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
    int64_t from_ms, to_ms;
    void (*each)(void *context, struct str path, int64_t bytes);
    void *context;
};

static void collect_file(void *context, const struct archive_file *f)
{
    const struct collecting *c = context;
    if (f->bytes && f->time_max_ms >= c->from_ms && f->time_min_ms < c->to_ms)
        c->each(c->context, f->path, f->bytes);
}

bool replay_collect_files(struct store *store, struct str archive, int64_t from_ms, int64_t to_ms,
                          void (*each)(void *context, struct str path, int64_t bytes), void *context,
                          struct weir_diag *diag)
{
    struct collecting c = {from_ms, to_ms, each, context};
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
    if (!replay_collect_files(store, s->row.archive, s->row.from_ms, s->row.to_ms, collect, s, diag))
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
            index_add_file(&r->index, r->dispatch, file_path(s, i), s->files[i].bytes);
        replay_write_json(&s->call->json, &s->row);
        replay_answer(s->call, 201);
        log_info("a replay starts", LOG_STR("replay", r->name), LOG_STR("archive", r->archive));
        replay_go_on(r);
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

static void begin(struct dispatch *d, struct replay_call *call, const struct bus *bus, uint64_t *rules)
{
    const struct replay_request *q = &call->request;
    char space[40];
    struct replay *r = replay_create(d, name_or_new(d, q->name, space), q->archive);
    struct starting *s = xalloc(sizeof *s);

    r->bus = bus;
    r->from_ms = q->from_ms;
    r->to_ms = q->to_ms;
    r->rules = rules;
    r->rule_names = rule_names(q);
    s->row = (struct replay_row){.name = r->name,
                                 .archive = r->archive,
                                 .rules = r->rule_names,
                                 .from_ms = r->from_ms,
                                 .to_ms = r->to_ms,
                                 .state = REPLAY_STARTING,
                                 .last_event_ms = INT64_MIN,
                                 .reason = STR("")};
    s->replay = r;
    s->call = call;
    s->job.run = starting_run;
    s->job.done = starting_done;
    s->job.reply = d->mailbox;
    ledger_submit(d->options.ledger, &s->job);
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '.' && name.ptr[i] != '_' && name.ptr[i] != '-')
            return false;
    return name.size <= REPLAY_NAME_MAX;
}

static void start(struct dispatch *d, struct replay_call *call)
{
    const struct replay_request *q = &call->request;
    const struct bus *bus = replay_bus(d, q->archive);
    struct replay *r;
    size_t active = 0;
    uint64_t *rules;

    TAILQ_FOREACH (r, &d->replays, link)
        active++;
    if (!bus)
        refuse_archive(d, call);
    else if (q->from_ms >= q->to_ms)
        replay_refuse(call, 400, "'from' must be before 'to'");
    else if (!is_name(q->name))
        replay_refuse(call, 400, "a replay's name has 1..%d of the characters A-Z a-z 0-9 . _ -", REPLAY_NAME_MAX);
    else if (!q->dry_run && active >= REPLAYS_ACTIVE_MAX)
        replay_refuse(call, 400, "The requested resource exceeds the maximum number allowed.");
    else if (!q->dry_run && q->name.size && replay_find(d, q->name))
        replay_refuse(call, 409, "Replay %.*s already exists.", STR_ARG(q->name));
    else if (!choose_rules(d, call, bus, &rules))
        return;
    else if (q->dry_run)
        replay_dry_run(d, call, bus, rules);
    else
        begin(d, call, bus, rules);
}

/* ---- SHOW, LIST, CANCEL ---- */

struct showing {
    struct ledger_job job;
    struct replay_call *call;
    struct buf json;
    size_t count;
};

static void show_row(void *context, const struct replay_row *row)
{
    struct showing *s = context;
    if (s->count++)
        buf_char(&s->json, ',');
    replay_write_json(&s->json, row);
}

static bool show_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct showing *s = (struct showing *)job;
    bool list = s->call->what == REPLAY_LIST;

    s->count = 0;
    buf_clear(&s->json);
    buf_text(&s->json, list ? "{\"replays\":[" : "");
    bool ok = replay_each(store, list ? STR("") : s->call->request.name, show_row, s, diag);
    buf_text(&s->json, list ? "]}" : "");
    xbuf(&s->json);
    return ok;
}

static void show_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct showing *s = (struct showing *)job;
    struct replay_call *call = s->call;

    if (!ok) {
        replay_refuse(call, 503, "the replays cannot be read: %s", diag->message);
    } else if (call->what != REPLAY_LIST && !s->count) {
        replay_refuse(call, 404, "Replay %.*s does not exist.", STR_ARG(call->request.name));
    } else if (call->what == REPLAY_CANCEL && !call->state) {
        replay_refuse(call, 409, "Replay %.*s is not starting or running.", STR_ARG(call->request.name));
    } else {
        buf_str(&call->json, buf_view(&s->json));
        replay_answer(call, 200);
    }
    buf_fini(&s->json);
    free(s);
}

/* Reads the table; a CANCEL that dispatch carried out has its state set. */
void replay_show(struct replay_call *call)
{
    struct dispatch *d = call->dispatch;
    struct showing *s = xalloc(sizeof *s);

    s->call = call;
    s->job.run = show_run;
    s->job.done = show_done;
    s->job.reply = d->mailbox;
    ledger_submit(d->options.ledger, &s->job);
}

static void cancel(struct dispatch *d, struct replay_call *call)
{
    struct replay *r = replay_find(d, call->request.name);

    if (!r || !r->inserted || !replay_active(r)) {
        replay_show(call);
        return;
    }
    call->state = r;
    replay_end(r, REPLAY_CANCELLED, "");
    replay_note(r)->answer = call;
    turn_schedule(d);
}

static void deliver_call(struct mail *m)
{
    struct replay_call *call = (struct replay_call *)((char *)m - offsetof(struct replay_call, mail));
    struct dispatch *d = call->dispatch;

    d->now = dispatch_now(d);
    if (d->stopping)
        replay_refuse(call, 503, "the router is stopping");
    else if (call->what == REPLAY_START)
        start(d, call);
    else if (call->what == REPLAY_CANCEL)
        cancel(d, call);
    else
        replay_show(call);
}

void replay_submit(struct dispatch *d, struct replay_call *call)
{
    call->dispatch = d;
    call->state = NULL;
    call->json = (struct buf)BUF_INIT;
    call->mail.deliver = deliver_call;
    mailbox_post(d->mailbox, &call->mail);
}
