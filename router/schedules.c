/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduled rules, see schedules.h.
 *
 * One entry a rule lives as long as the rule has a schedule; its row (expression, anchor, last) is written by the turn
 * in which it changed. An entry names its rule, since rule sets come and go; the rule is looked up when it fires.
 */
#include "router/schedules.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "rules/schedule.h"
#include "targets/archive.h"
#include "targets/uuid.h"

#define MAKE_UP_MS 3600000 /* what was due longer ago is skipped */
#define LOOK_MS    30000   /* the timer is never set further: the wall clock may leap, or the machine sleep */
#define NEVER      INT64_MAX

static const char *const migrations[] = {
    "CREATE TABLE schedules ("
    "  rule TEXT PRIMARY KEY," /* of the default bus */
    "  expression TEXT NOT NULL,"
    "  anchor_ms INTEGER NOT NULL,"
    "  last_ms INTEGER NOT NULL," /* nothing up to here fires any more */
    "  enabled INTEGER NOT NULL)",
    NULL,
};
const struct store_schema schedule_schema = {"schedules", migrations};

struct scheduled {
    TAILQ_ENTRY(scheduled) link;
    struct str rule, expression;     /* owned */
    const struct schedule *schedule; /* the present rule's; NULL: it has none */
    int64_t anchor_ms, last_ms, next_ms;
    bool enabled, found, gone; /* found: in the present set; gone: its row is to be deleted */
    unsigned uncommitted;      /* turns that hold a note of it */
};

struct schedule_note { /* what a turn writes of one */
    struct scheduled *scheduled;
    struct str expression; /* owned */
    int64_t anchor_ms, last_ms;
    bool enabled, gone;
};

/* ---- entries ---- */

static struct scheduled *find(const struct dispatch *d, struct str rule)
{
    struct scheduled *s;
    TAILQ_FOREACH (s, &d->schedules, link)
        if (!s->gone && str_eq(s->rule, rule))
            return s;
    return NULL;
}

static struct scheduled *add(struct dispatch *d, struct str rule, struct str expression)
{
    struct scheduled *s = xalloc(sizeof *s);
    s->rule = xstr(rule);
    s->expression = xstr(expression);
    s->next_ms = NEVER;
    TAILQ_INSERT_TAIL(&d->schedules, s, link);
    return s;
}

static void destroy(struct dispatch *d, struct scheduled *s)
{
    TAILQ_REMOVE(&d->schedules, s, link);
    free((char *)s->rule.ptr);
    free((char *)s->expression.ptr);
    free(s);
}

/* As it is now goes into the present turn. */
static void note(struct dispatch *d, struct scheduled *s)
{
    struct turn *t = d->turn;
    size_t i = 0;

    while (i < t->note_count && t->notes[i].scheduled != s)
        i++;
    if (i == t->note_count) {
        t->notes = xrealloc(t->notes, (t->note_count + 1) * sizeof *t->notes);
        t->notes[t->note_count++] = (struct schedule_note){.scheduled = s};
        s->uncommitted++;
    }
    struct schedule_note *n = &t->notes[i];
    free((char *)n->expression.ptr);
    n->expression = xstr(s->expression);
    n->anchor_ms = s->anchor_ms;
    n->last_ms = s->last_ms;
    n->enabled = s->enabled;
    n->gone = s->gone;
}

/* ---- the ledger ---- */

static bool write_note(const struct schedule_note *n, struct store *store, struct weir_diag *diag)
{
    sqlite3_stmt *q = n->gone ? store_prepare(store, "DELETE FROM schedules WHERE rule = ?", diag)
                              : store_prepare(store,
                                              "INSERT INTO schedules (rule, expression, anchor_ms, last_ms, enabled) "
                                              "VALUES (?,?,?,?,?) ON CONFLICT (rule) DO UPDATE SET "
                                              "expression = excluded.expression, anchor_ms = excluded.anchor_ms, "
                                              "last_ms = excluded.last_ms, enabled = excluded.enabled",
                                              diag);
    if (!q)
        return false;
    store_bind(q, 1, n->scheduled->rule);
    if (!n->gone) {
        store_bind(q, 2, n->expression);
        sqlite3_bind_int64(q, 3, n->anchor_ms);
        sqlite3_bind_int64(q, 4, n->last_ms);
        sqlite3_bind_int(q, 5, n->enabled);
    }
    return store_run(store, q, diag);
}

bool schedules_write(struct turn *t, struct store *store, struct weir_diag *diag)
{
    for (size_t i = 0; i < t->note_count; i++)
        if (!write_note(&t->notes[i], store, diag))
            return false;
    return true;
}

void schedule_notes_fini(struct turn *t)
{
    for (size_t i = 0; i < t->note_count; i++)
        free((char *)t->notes[i].expression.ptr);
    free(t->notes);
    t->notes = NULL;
    t->note_count = 0;
}

void schedules_committed(struct dispatch *d, struct turn *t)
{
    for (size_t i = 0; i < t->note_count; i++) {
        struct scheduled *s = t->notes[i].scheduled;
        if (--s->uncommitted == 0 && s->gone)
            destroy(d, s);
    }
    schedule_notes_fini(t);
}

bool schedules_load(struct dispatch *d, struct store *store, struct weir_diag *diag)
{
    bool row;
    sqlite3_stmt *q =
        store_prepare(store, "SELECT rule, expression, anchor_ms, last_ms, enabled FROM schedules ORDER BY rule", diag);
    if (!q)
        return false;
    while (store_step(store, q, &row, diag)) {
        if (!row)
            return true;
        struct scheduled *s = add(d, store_column(q, 0), store_column(q, 1));
        s->anchor_ms = sqlite3_column_int64(q, 2);
        s->last_ms = sqlite3_column_int64(q, 3);
        s->enabled = sqlite3_column_int(q, 4);
    }
    return false;
}

/* ---- when ---- */

static void set_next(struct scheduled *s, int64_t after_ms)
{
    if (!s->enabled || !s->schedule || !schedule_next(s->schedule, s->anchor_ms, after_ms, &s->next_ms))
        s->next_ms = NEVER;
}

/* Passes over what was due too long ago. */
static void skip_old(struct dispatch *d, struct scheduled *s)
{
    int64_t oldest = d->now.wall_ms - MAKE_UP_MS;

    if (s->next_ms >= oldest)
        return;
    log_warn("a scheduled rule was due while nobody ran it; what is older than an hour is skipped",
             LOG_STR("rule", s->rule), LOG_STR("schedule", s->expression));
    series_add(metric_str(METRIC_SCHEDULES_SKIPPED, &s->rule), 1);
    s->last_ms = oldest - 1;
    set_next(s, s->last_ms);
    note(d, s);
}

static void arm(struct dispatch *d)
{
    int64_t next = NEVER, now = d->now.wall_ms;
    struct scheduled *s;

    TAILQ_FOREACH (s, &d->schedules, link)
        if (s->next_ms < next)
            next = s->next_ms;
    if (next == NEVER)
        return;
    int64_t wait = next > now ? next - now : 0;
    dispatch_timer(d->schedule_timer, wait < LOOK_MS ? wait : LOOK_MS);
}

/* ---- the present rules ---- */

static void apply_rule(struct dispatch *d, const struct rule *rule)
{
    struct str expression = schedule_text(rule->schedule);
    struct scheduled *s = find(d, rule->name);
    bool is_new = !s;

    if (is_new)
        s = add(d, rule->name, expression);
    bool changed = is_new || !str_eq(s->expression, expression);
    if (changed) {
        free((char *)s->expression.ptr);
        s->expression = xstr(expression);
        s->anchor_ms = s->last_ms = d->now.wall_ms;
    } else if (rule->enabled && !s->enabled) {
        s->last_ms = d->now.wall_ms; /* what was due while it was disabled is not made up for */
    }
    if (changed || s->enabled != rule->enabled) {
        s->enabled = rule->enabled;
        note(d, s);
    }
    s->found = true;
    s->schedule = rule->schedule;
    set_next(s, s->last_ms);
}

void schedules_apply(struct dispatch *d)
{
    struct scheduled *s;

    TAILQ_FOREACH (s, &d->schedules, link) {
        s->found = false;
        s->schedule = NULL;
        s->next_ms = NEVER;
    }
    for (uint32_t i = 0; i < d->set->rule_count; i++)
        if (d->set->rules[i].schedule)
            apply_rule(d, &d->set->rules[i]);
    TAILQ_FOREACH (s, &d->schedules, link)
        if (!s->found && !s->gone) {
            s->gone = true;
            note(d, s);
        }
    turn_schedule(d);
    arm(d);
}

/* ---- firing ---- */

static void write_id(struct buf *out, struct str arn, int64_t due_ms)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char id[UUID_SIZE + 1];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(ctx, arn.ptr, arn.size) != 1 ||
        EVP_DigestUpdate(ctx, &due_ms, sizeof due_ms) != 1 || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        xfail("cannot make a digest");
    EVP_MD_CTX_free(ctx);
    uuid_from_digest(digest, id);
    json_write_member(out, "id", str_from(id));
}

static void write_event(struct buf *out, const struct dispatch *d, const struct rule *rule, int64_t due_ms)
{
    char time[21];

    time_format_rfc3339(due_ms, time);
    buf_char(out, '{');
    json_write_member(out, "version", STR("0"));
    write_id(out, rule->arn, due_ms);
    json_write_member(out, "detail-type", STR("Scheduled Event"));
    json_write_member(out, "source", STR("aws.events"));
    json_write_member(out, "account", d->set->account);
    json_write_member(out, "time", str_from(time));
    json_write_member(out, "region", d->set->region);
    json_write_key(out, "resources");
    buf_char(out, '[');
    json_write_string(out, rule->arn);
    buf_char(out, ']');
    json_write_key(out, "detail");
    buf_text(out, "{}}");
    xbuf(out);
}

static void fire(struct dispatch *d, struct scheduled *s)
{
    const struct rule *rule = ruleset_rule(d->set, STR("default"), s->rule);
    struct buf event = BUF_INIT;

    assert(rule && rule->schedule);
    write_event(&event, d, rule, s->next_ms);
    struct incoming in = {.origin = STR("schedule"),
                          .position = (uint64_t)(s->next_ms / 1000),
                          .arrived_wall_ms = d->now.wall_ms,
                          .bus = rule->bus,
                          .event = buf_view(&event),
                          .checked = true};
    turn_offer_rule(d, &in, rule);
    buf_fini(&event);
    series_add(metric_str(METRIC_SCHEDULES_FIRED, &s->rule), 1);
    s->last_ms = s->next_ms;
    set_next(s, s->last_ms);
    note(d, s);
}

bool schedules_feed(struct dispatch *d)
{
    struct scheduled *s;
    bool more = false;

    TAILQ_FOREACH (s, &d->schedules, link) {
        if (s->next_ms > d->now.wall_ms)
            continue;
        skip_old(d, s);
        while (s->next_ms <= d->now.wall_ms && !turn_full(d->turn))
            fire(d, s);
        more |= s->next_ms <= d->now.wall_ms;
    }
    if (!more)
        arm(d);
    return more;
}

void schedules_close(struct dispatch *d)
{
    struct scheduled *s;
    while ((s = TAILQ_FIRST(&d->schedules)))
        destroy(d, s);
}
