/* SPDX-License-Identifier: Apache-2.0 */
/* A status as top's lines. A line is the same line in the next status when kind and name are. */
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/cli/show.h"
#include "router/cli/top_int.h"
#include "router/xalloc.h"

static const struct kind {
    const char *member;                 /* of the status */
    const char *name;                   /* in --json */
    const char *counters[TOP_COUNTERS]; /* members that only grow */
    const char *gauges[2];
} kinds[TOP_KINDS] = {
    [TOP_BUS] = {"buses", "bus", {"accepted"}, {0}},
    [TOP_RULE] = {"rules", "rule", {"matched"}, {0}},
    [TOP_TARGET] = {"targets", "target", {"delivered", "retried", "dead_lettered", "dropped"}, {"owed"}},
    [TOP_QUEUE] = {"queues", "queue", {0}, {"visible", "in_flight"}},
};

/* "bus/rule" but for the default bus, "type/target", or the name alone. */
static char *name_of(enum top_kind kind, struct str object)
{
    char name[128], before[300] = "";
    struct buf full = BUF_INIT;

    show_text(object, "name", name, sizeof name);
    if (kind == TOP_RULE)
        show_text(object, "bus", before, sizeof before);
    else if (kind == TOP_TARGET)
        show_text(object, "type", before, sizeof before);
    if (before[0] && !(kind == TOP_RULE && strcmp(before, "default") == 0))
        buf_printf(&full, "%s/", before);
    buf_text(&full, name);
    char *out = xtext(buf_view(&full));
    buf_fini(&full);
    return out;
}

static void write_note(struct top_line *l, struct str object)
{
    char state[32] = "";

    if (l->kind == TOP_RULE && strcmp(show_text(object, "state", state, sizeof state), "enabled") != 0)
        snprintf(l->note, sizeof l->note, "%s", state);
    else if (json_member(object, "paused").size)
        snprintf(l->note, sizeof l->note, "paused");
    else if (json_member(object, "circuit").size)
        snprintf(l->note, sizeof l->note, "circuit open");
    else if (json_member(object, "held_until").size)
        snprintf(l->note, sizeof l->note, "asked to wait");
    else if (l->kind >= TOP_TARGET && !show_bool(object, "configured"))
        snprintf(l->note, sizeof l->note, "not configured any more");
}

static const struct top_line *find(const struct top_sample *s, const struct top_line *like, size_t hint)
{
    for (size_t i = 0; s && i < s->count; i++) {
        const struct top_line *l = &s->lines[(hint + i) % s->count]; /* mostly at the same place */
        if (l->kind == like->kind && strcmp(l->name, like->name) == 0)
            return l;
    }
    return NULL;
}

static double rate(int64_t now, int64_t before, double seconds)
{
    return seconds > 0 && now > before ? (double)(now - before) / seconds : 0; /* less: the router was started anew */
}

static void add_line(struct top_sample *s, enum top_kind kind, struct str object, const struct top_sample *before)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->lines = xrealloc(s->lines, s->capacity * sizeof *s->lines);
    }
    struct top_line *l = &s->lines[s->count];
    *l = (struct top_line){.kind = kind, .name = name_of(kind, object)};
    for (int i = 0; i < TOP_COUNTERS && kinds[kind].counters[i]; i++)
        l->counters[i] = show_int(object, kinds[kind].counters[i]);
    for (int i = 0; i < 2 && kinds[kind].gauges[i]; i++)
        l->gauges[i] = show_int(object, kinds[kind].gauges[i]);
    l->oldest_s = show_int(object, "oldest_age_s");
    write_note(l, object);
    const struct top_line *old = find(before, l, s->count);
    for (int i = 0; old && i < TOP_COUNTERS; i++)
        l->rates[i] = rate(l->counters[i], old->counters[i], s->at - before->at);
    s->count++;
}

struct top_sample *top_sample_create(struct str status, double at, const struct top_sample *before)
{
    struct top_sample *s = xalloc(sizeof *s);
    struct str journal = json_member(status, "journal"), one;

    s->at = at;
    show_text(status, "version", s->version, sizeof s->version);
    show_text(status, "listen", s->listen, sizeof s->listen);
    s->uptime_s = show_int(status, "uptime_s");
    s->synced = show_int(journal, "synced");
    s->lag = show_int(journal, "lag");
    s->segments = show_int(journal, "segments");
    for (int kind = 0; kind < TOP_KINDS; kind++) {
        struct show_list list = show_open(json_member(status, kinds[kind].member));
        while (show_next(&list, &one))
            add_line(s, (enum top_kind)kind, one, before);
    }
    for (size_t i = 0; i < s->count; i++)
        if (s->lines[i].kind == TOP_BUS)
            s->accepted += s->lines[i].counters[0];
    if (before) {
        s->accepted_rate = rate(s->accepted, before->accepted, at - before->at);
        s->synced_rate = rate(s->synced, before->synced, at - before->at);
    }
    return s;
}

void top_sample_destroy(struct top_sample *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->lines[i].name);
    free(s->lines);
    free(s);
}

/* ---- order ---- */

static double weight(const struct top_line *l)
{
    double w = 0;
    for (int i = 0; i < TOP_COUNTERS; i++)
        w += l->rates[i];
    return w;
}

/* By rate; at rest, those that owe or hold most, then those that did most. */
static int busier(const void *a, const void *b)
{
    const struct top_line *x = *(const struct top_line *const *)a, *y = *(const struct top_line *const *)b;

    if (weight(x) != weight(y))
        return weight(x) < weight(y) ? 1 : -1;
    if (x->gauges[0] != y->gauges[0])
        return x->gauges[0] < y->gauges[0] ? 1 : -1;
    if (x->counters[0] != y->counters[0])
        return x->counters[0] < y->counters[0] ? 1 : -1;
    return x < y ? -1 : 1;
}

const struct top_line **top_busiest(const struct top_sample *s, enum top_kind kind, size_t *count_out)
{
    const struct top_line **list = xarray(s->count + 1, sizeof *list);
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++)
        if (s->lines[i].kind == kind)
            list[n++] = &s->lines[i];
    if (n)
        qsort(list, n, sizeof *list, busier);
    *count_out = n;
    return list;
}

/* ---- JSON ---- */

void top_write_json(const struct top_sample *s, struct buf *out)
{
    buf_printf(out, "{\"accepted_per_s\":%.1f,\"synced_per_s\":%.1f,\"lag\":%lld,\"lines\":[", s->accepted_rate,
               s->synced_rate, (long long)s->lag);
    for (size_t i = 0; i < s->count; i++) {
        const struct top_line *l = &s->lines[i];
        const struct kind *k = &kinds[l->kind];
        buf_text(out, i ? ",{" : "{");
        json_write_member(out, "kind", str_from(k->name));
        json_write_member(out, "name", str_from(l->name));
        for (int c = 0; c < TOP_COUNTERS && k->counters[c]; c++)
            buf_printf(out, ",\"%s\":%lld,\"%s_per_s\":%.1f", k->counters[c], (long long)l->counters[c], k->counters[c],
                       l->rates[c]);
        for (int g = 0; g < 2 && k->gauges[g]; g++)
            buf_printf(out, ",\"%s\":%lld", k->gauges[g], (long long)l->gauges[g]);
        if (l->kind >= TOP_TARGET)
            buf_printf(out, ",\"oldest_age_s\":%lld", (long long)l->oldest_s);
        if (l->note[0])
            json_write_member(out, "note", str_from(l->note));
        buf_char(out, '}');
    }
    buf_text(out, "]}");
}
