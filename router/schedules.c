/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduled rules, see schedules.h.
 *
 * One entry a rule lives as long as the rule has a schedule; its row (expression, anchor, last) is written by the turn
 * in which it changed. An entry names its rule, since rule sets come and go; the rule is looked up when it fires.
 *
 * The wall clock decides. Nothing is done before the soonest due time; the timer for it is set anew every LOOK_MS, so
 * that a clock that leaps, or a machine that slept, is noticed. Firings come before the journal in a turn: they are
 * few, and a journal that always has more waiting must not hold them up.
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

#define MAKE_UP_MS  3600000 /* what was due longer ago is skipped, and … */
#define MAKE_UP_MAX 60      /* … all but so many times of a rule */
#define LATE_MS     60000   /* a firing later than this is one that was missed: worth a word */
#define LOOK_MS     30000
#define SKIPPED_MAX 1000 /* counted no further: years of minutes would take a while */
#define NEVER       INT64_MAX

struct scheduled {
    TAILQ_ENTRY(scheduled) link;
    struct schedule_row row;         /* texts owned */
    const struct schedule *schedule; /* the present rule's; NULL: it has none */
    int64_t next_ms;                 /* NEVER: does not fire */
    bool catching_up;                /* it was said that it is late */
    bool gone;                       /* its row is to be deleted */
    unsigned uncommitted;            /* turns that hold a note of it */
    size_t note;                     /* its place in the present turn's notes, if it has one there */
};

struct schedule_note { /* what a turn writes of one */
    struct scheduled *scheduled;
    struct schedule_row row; /* expression owned; rule is the entry's */
    bool gone;
};

/* ---- entries ---- */

static struct scheduled *add(struct dispatch *d, const struct schedule_row *row)
{
    struct scheduled *s = xalloc(sizeof *s);
    s->row = *row;
    s->row.rule = xstr(row->rule);
    s->row.expression = xstr(row->expression);
    s->next_ms = NEVER;
    TAILQ_INSERT_TAIL(&d->schedules, s, link);
    return s;
}

static void destroy(struct dispatch *d, struct scheduled *s)
{
    TAILQ_REMOVE(&d->schedules, s, link);
    free((char *)s->row.rule.ptr);
    free((char *)s->row.expression.ptr);
    free(s);
}

/* As it is now goes into the present turn. */
static void note(struct dispatch *d, struct scheduled *s)
{
    struct turn *t = d->turn;

    if (s->note >= t->note_count || t->notes[s->note].scheduled != s) {
        s->note = t->note_count++;
        s->uncommitted++;
        t->notes = xrealloc(t->notes, t->note_count * sizeof *t->notes);
        t->notes[s->note] = (struct schedule_note){.scheduled = s};
    }
    struct schedule_note *n = &t->notes[s->note];
    free((char *)n->row.expression.ptr);
    n->row = s->row;
    n->row.expression = xstr(s->row.expression);
    n->gone = s->gone;
}

/* ---- the ledger ---- */

bool schedules_write(struct turn *t, struct store *store, struct weir_diag *diag)
{
    for (size_t i = 0; i < t->note_count; i++) {
        const struct schedule_note *n = &t->notes[i];
        if (n->gone ? !schedule_delete(store, n->row.rule, diag) : !schedule_write(store, &n->row, diag))
            return false;
    }
    return true;
}

void schedule_notes_fini(struct turn *t)
{
    for (size_t i = 0; i < t->note_count; i++)
        free((char *)t->notes[i].row.expression.ptr);
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

static void load_row(void *context, const struct schedule_row *row)
{
    add(context, row);
}

bool schedules_load(struct dispatch *d, struct store *store, struct weir_diag *diag)
{
    return schedule_each(store, load_row, d, diag);
}

/* ---- when ---- */

static void set_next(struct scheduled *s, int64_t after_ms)
{
    if (!s->row.enabled || !s->schedule || !schedule_next(s->schedule, s->row.anchor_ms, after_ms, &s->next_ms))
        s->next_ms = NEVER;
}

static void find_due(struct dispatch *d)
{
    struct scheduled *s;

    d->schedule_due = NEVER;
    TAILQ_FOREACH (s, &d->schedules, link)
        if (s->next_ms < d->schedule_due)
            d->schedule_due = s->next_ms;
    event_del(d->schedule_timer);
}

/* So that schedules_feed() is called when it is due; where the turn is full, by whoever submits it. */
static void set_timer(struct dispatch *d)
{
    int64_t wait = d->schedule_due - d->now.wall_ms;

    if (d->schedule_due != NEVER && !turn_full(d->turn) && !event_pending(d->schedule_timer, EV_TIMEOUT, NULL))
        dispatch_timer(d->schedule_timer, wait < 0 ? 0 : wait < LOOK_MS ? wait : LOOK_MS);
}

/* Passes over what was due up to `oldest`. Returns how many times that were, as far as it counts. */
static int64_t pass_over(struct dispatch *d, struct scheduled *s, int64_t oldest)
{
    int64_t count = 0;

    for (; s->next_ms <= oldest && count < SKIPPED_MAX; count++)
        set_next(s, s->next_ms);
    if (!count)
        return 0;
    set_next(s, oldest);
    s->row.last_ms = oldest;
    note(d, s);
    series_add(metric_str(METRIC_SCHEDULES_SKIPPED, &s->row.rule), count);
    return count;
}

static int64_t count_due(const struct scheduled *s, int64_t now_ms)
{
    int64_t count = 0;
    bool more = true;

    for (int64_t next = s->next_ms; more && next <= now_ms; count++)
        more = schedule_next(s->schedule, s->row.anchor_ms, next, &next);
    return count;
}

/* It was due while nobody looked. */
static void catch_up(struct dispatch *d, struct scheduled *s)
{
    int64_t span = MAKE_UP_MAX * schedule_grain_ms(s->schedule);
    int64_t skipped = pass_over(d, s, d->now.wall_ms - (span < MAKE_UP_MS ? span : MAKE_UP_MS));
    int64_t due = count_due(s, d->now.wall_ms);

    s->catching_up = true;
    if (due)
        log_info("a scheduled rule makes up for what it missed", LOG_STR("rule", s->row.rule), LOG_INT("times", due));
    if (skipped)
        log_warn("a scheduled rule was due more than an hour ago, or too often since, and that is skipped",
                 LOG_STR("rule", s->row.rule), LOG_INT(skipped < SKIPPED_MAX ? "times" : "times_at_least", skipped));
}

/* ---- the present rules ---- */

static void begin_anew(struct dispatch *d, struct scheduled *s, struct str expression)
{
    free((char *)s->row.expression.ptr);
    s->row.expression = xstr(expression);
    s->row.anchor_ms = s->row.last_ms = d->now.wall_ms / 1000 * 1000; /* events have whole seconds */
}

static void apply_rule(struct dispatch *d, struct scheduled *s, const struct rule *rule)
{
    struct str expression = schedule_text(rule->schedule);
    bool changed = !str_eq(s->row.expression, expression), enabled = rule->enabled && !s->row.enabled;

    if (changed)
        begin_anew(d, s, expression);
    else if (enabled && s->row.last_ms < d->now.wall_ms)
        s->row.last_ms = d->now.wall_ms; /* what was due while it was disabled is not made up for */
    if (changed || s->row.enabled != rule->enabled) {
        s->row.enabled = rule->enabled;
        note(d, s);
    }
    s->schedule = rule->schedule;
    set_next(s, s->row.last_ms);
    if (rule->enabled && s->row.last_ms > d->now.wall_ms + LATE_MS) {
        char time[21];
        time_format_rfc3339(s->row.last_ms, time);
        log_warn("the clock was set back: a scheduled rule waits until its last time has passed",
                 LOG_STR("rule", s->row.rule), LOG_TEXT("last", time));
    }
}

static void drop(struct dispatch *d, struct scheduled *s)
{
    s->schedule = NULL;
    s->next_ms = NEVER;
    if (s->gone)
        return;
    s->gone = true;
    note(d, s);
}

void schedules_apply(struct dispatch *d)
{
    struct str bus = d->set->buses[0].name; /* the only one with schedules */
    bool *known = xarray(d->set->rule_count, sizeof *known);
    struct scheduled *s;

    d->now = dispatch_now(d);
    TAILQ_FOREACH (s, &d->schedules, link) {
        const struct rule *rule = s->gone ? NULL : ruleset_rule(d->set, bus, s->row.rule);
        if (rule && rule->schedule) {
            known[rule->index] = true;
            apply_rule(d, s, rule);
        } else {
            drop(d, s);
        }
    }
    for (uint32_t i = 0; i < d->set->rule_count; i++) {
        const struct rule *rule = &d->set->rules[i];
        if (rule->schedule && !known[i]) /* without an expression yet: any is a new one */
            apply_rule(d, add(d, &(struct schedule_row){.rule = rule->name, .expression = STR("")}), rule);
    }
    free(known);
    find_due(d);
    set_timer(d);
    turn_schedule(d);
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
    const struct rule *rule = ruleset_rule(d->set, d->set->buses[0].name, s->row.rule);
    struct buf event = BUF_INIT;

    assert(rule && rule->schedule == s->schedule);
    write_event(&event, d, rule, s->next_ms);
    struct incoming in = {.origin = STR("schedule"),
                          .position = (uint64_t)(s->next_ms / 1000),
                          .arrived_wall_ms = d->now.wall_ms,
                          .bus = rule->bus,
                          .event = buf_view(&event),
                          .checked = true};
    turn_offer_rule(d, &in, rule);
    buf_fini(&event);
    series_add(metric_str(METRIC_SCHEDULES_FIRED, &s->row.rule), 1);
    s->row.last_ms = s->row.fired_ms = s->next_ms;
    set_next(s, s->row.last_ms);
    note(d, s);
}

static void feed_one(struct dispatch *d, struct scheduled *s)
{
    if (!s->catching_up && s->next_ms < d->now.wall_ms - LATE_MS)
        catch_up(d, s);
    while (s->next_ms <= d->now.wall_ms && !turn_full(d->turn))
        fire(d, s);
    if (s->next_ms > d->now.wall_ms)
        s->catching_up = false;
}

void schedules_feed(struct dispatch *d)
{
    struct scheduled *s;

    if (d->schedule_due <= d->now.wall_ms) {
        TAILQ_FOREACH (s, &d->schedules, link)
            if (s->next_ms <= d->now.wall_ms)
                feed_one(d, s);
        find_due(d);
    }
    set_timer(d);
}

void schedules_close(struct dispatch *d)
{
    struct scheduled *s;
    while ((s = TAILQ_FIRST(&d->schedules)))
        destroy(d, s);
}
