/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between their two forms, see events_rules.h: read from a document or made of the rule set, and written as a
 * document. weir.yaml's words are derived from what was sent and never read back.
 */
#include <ctype.h>

#include "matcher/pattern_write.h"
#include "router/api/events_rules.h"
#include "router/xalloc.h"
#include "rules/schedule.h"
#include "targets/archive.h"
#include "targets/bus.h"

/* Texts of struct rule_says under "x-aws". */
static const struct {
    const char *member;
    size_t offset;
} texts[] = {
    {"EventPattern", offsetof(struct rule_says, pattern)}, {"ScheduleExpression", offsetof(struct rule_says, schedule)},
    {"State", offsetof(struct rule_says, state)},          {"Description", offsetof(struct rule_says, description)},
    {"RoleArn", offsetof(struct rule_says, role)},
};
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

/* ---- reading ---- */

struct str events_kept(struct str document, const char *member)
{
    struct str kept = document.ptr ? json_member(document, "x-aws") : document;
    return kept.ptr ? json_member(kept, member) : kept;
}

struct str events_kept_text(struct arena *a, struct str document, const char *member)
{
    struct str raw = events_kept(document, member);
    return raw.ptr ? json_decode_in(a, raw) : raw;
}

void events_rule_read(struct arena *a, struct str document, struct rule_says *out)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        *(struct str *)((char *)out + texts[i].offset) = events_kept_text(a, document, texts[i].member);
    out->targets = events_kept(document, "Targets");
    out->tags = events_kept(document, "Tags");
}

static struct str pattern_text(struct arena *a, const struct pattern *pattern)
{
    struct buf json = BUF_INIT;

    pattern_write(&json, pattern);
    return aws_keep(a, &json);
}

/* An archive's rule has what AWS adds to it: what is replayed is not archived again. */
static struct str archive_pattern(struct arena *a, const struct rule *rule)
{
    const struct archive_options *options = rule->targets[0].target->options;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    if (options->pattern) {
        buf_clear(&json);
        pattern_write(&json, options->pattern);
        json.size--;
    }
    json_write_key(&json, "replay-name");
    buf_text(&json, "[{\"exists\":false}]}");
    return aws_keep(a, &json);
}

static struct str targets_text(struct arena *a, const struct rule *rule)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '[');
    for (uint32_t i = 0; i < rule->target_count; i++) {
        if (i)
            buf_char(&json, ',');
        events_target_show(&json, &rule->targets[i]);
    }
    buf_char(&json, ']');
    return aws_keep(a, &json);
}

void events_rule_show(struct arena *a, const struct rule *rule, struct rule_says *out)
{
    *out = (struct rule_says){.name = rule->name, .bus = rule->bus};
    if (rule->made.ptr && !rule->is_archive) {
        events_rule_read(a, rule->made, out);
        if (out->state.ptr) /* PutRule always keeps one: else it was made in some other way */
            return;
    }
    out->managed = !rule->made.ptr || rule->is_archive;
    out->state = !rule->enabled                ? STR("DISABLED")
                 : rule->all_management_events ? STR("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
                                               : STR("ENABLED");
    if (rule->is_archive)
        out->pattern = archive_pattern(a, rule);
    else if (rule->pattern)
        out->pattern = pattern_text(a, rule->pattern);
    if (rule->schedule)
        out->schedule = schedule_text(rule->schedule);
    if (rule->description.size)
        out->description = rule->description;
    out->targets = targets_text(a, rule);
}

/* ---- writing ---- */

/* As it was sent, where YAML can say it; a key that is there twice is not YAML's. */
static void write_pattern(struct buf *json, struct str text)
{
    struct json_info info = {0};
    struct weir_diag diag;
    struct arena a = ARENA_INIT;

    json_write_key(json, "pattern");
    if (json_check(text, &info, &diag) && !info.repeated_keys) {
        json_minify(json, text);
        return;
    }
    const struct pattern *pattern = pattern_parse_json(&a, text, &diag);
    if (pattern)
        pattern_write(json, pattern);
    else
        xfail("an event pattern that was taken cannot be read");
    arena_fini(&a);
}

/* weir.yaml has the same states in small letters, and enabled need not be said. */
static void write_state(struct buf *json, struct str state)
{
    if (str_is(state, "ENABLED"))
        return;
    json_write_key(json, "state");
    buf_char(json, '"');
    for (size_t i = 0; i < state.size; i++)
        buf_char(json, (char)tolower((unsigned char)state.ptr[i]));
    buf_char(json, '"');
}

static void write_targets(struct arena *a, struct buf *json, struct str targets)
{
    struct aws_list list;
    struct str target;

    json_write_key(json, "targets");
    buf_char(json, '[');
    for (aws_list_start(&list, targets); aws_list_next(&list, &target);) {
        if (list.index > 1)
            buf_char(json, ',');
        events_target_document(a, json, target);
    }
    buf_char(json, ']');
}

static void write_kept(struct buf *json, const struct rule_says *says)
{
    json_write_key(json, "x-aws");
    buf_char(json, '{');
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        struct str text = *(const struct str *)((const char *)says + texts[i].offset);
        if (text.ptr)
            json_write_member(json, texts[i].member, text);
    }
    if (says->targets.ptr) {
        json_write_key(json, "Targets");
        buf_str(json, says->targets);
    }
    if (says->tags.ptr) {
        json_write_key(json, "Tags");
        buf_str(json, says->tags);
    }
    buf_char(json, '}');
}

struct str events_rule_document(struct arena *a, const struct rule_says *says)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    if (!str_is(says->bus, BUS_DEFAULT)) { /* then the document's key is not the name */
        json_write_member(&json, "name", says->name);
        json_write_member(&json, "bus", says->bus);
    }
    write_state(&json, says->state);
    if (says->description.size && says->description.size <= EVENTS_DESCRIPTION_BYTES)
        json_write_member(&json, "description", says->description);
    if (says->pattern.ptr)
        write_pattern(&json, says->pattern);
    if (says->schedule.ptr)
        json_write_member(&json, "schedule", says->schedule);
    if (says->targets.ptr)
        write_targets(a, &json, says->targets);
    write_kept(&json, says);
    buf_char(&json, '}');
    return aws_keep(a, &json);
}
