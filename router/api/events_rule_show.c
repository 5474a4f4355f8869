/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shows rules: DescribeRule, ListRules, ListRuleNamesByTarget, ListTargetsByRule. All look at the rule set that
 * was the present one when the request came. A page costs a walk over the set's rules and a sort of those that follow
 * it.
 */
#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/events.h"
#include "router/api/events_rules.h"
#include "router/xalloc.h"

#define PAGE_RULES_MAX 100 /* where the request names no limit, as the most it may name */

static void write_optional(struct buf *json, const char *member, struct str text)
{
    if (text.ptr)
        json_write_member(json, member, text);
}

/* The members that DescribeRule and ListRules have in common. */
static void write_rule(struct aws_request *r, struct buf *json, const struct rule *rule)
{
    struct rule_says says;

    events_rule_show(&r->arena, rule, &says);
    json_write_member(json, "Name", rule->name);
    json_write_member(json, "Arn", rule->arn);
    write_optional(json, "EventPattern", says.pattern);
    json_write_member(json, "State", says.state);
    write_optional(json, "Description", says.description);
    write_optional(json, "ScheduleExpression", says.schedule);
    write_optional(json, "RoleArn", says.role);
    if (says.managed)
        json_write_member(json, "ManagedBy", rule->made.ptr ? STR("prod.vhs.events.aws.internal") : STR("weir.yaml"));
    json_write_member(json, "EventBusName", rule->bus);
}

/* ---- DescribeRule ---- */

struct input {
    struct str name, bus, prefix, token, target;
    int64_t limit;
};

static const struct aws_member describe_members[] = {
    EVENTS_RULE_NAME(struct input, "Name", name),
    EVENTS_BUS_NAME(struct input, "EventBusName", bus),
    {0},
};

void events_describe_rule(struct aws_request *r)
{
    struct input in = {0};
    const struct rule *rule;
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", describe_members, &in) || !aws_valid(r) ||
        !(rule = events_find_rule(r, in.bus, in.name)))
        return;
    buf_char(&json, '{');
    write_rule(r, &json, rule);
    json_write_member(&json, "CreatedBy", http_set(r->http)->account);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

/* ---- pages of rules ---- */

struct page {
    const struct rule **rules; /* in order of their names, those behind `after` */
    uint32_t count;            /* of them on this page */
    bool more;
};

static int compare_names(const void *a, const void *b)
{
    return str_cmp((*(const struct rule *const *)a)->name, (*(const struct rule *const *)b)->name);
}

/* wanted: whether a rule of the bus is to be listed. */
static struct page find_page(struct aws_request *r, const struct bus *bus, struct str after, int64_t limit,
                             bool (*wanted)(void *context, const struct rule *rule), void *context)
{
    const struct ruleset *set = http_set(r->http);
    struct page page = {.rules = xarray(set->rule_count + 1, sizeof *page.rules)};
    int64_t most = limit ? limit : PAGE_RULES_MAX;

    for (uint32_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (str_eq(rule->bus, bus->name) && (!after.ptr || str_cmp(rule->name, after) > 0) && wanted(context, rule))
            page.rules[page.count++] = rule;
    }
    qsort(page.rules, page.count, sizeof *page.rules, compare_names);
    page.more = page.count > most;
    if (page.more)
        page.count = (uint32_t)most;
    return page;
}

/* Ends the answer. */
static void reply_page(struct aws_request *r, struct buf *json, const char *list, struct page *page)
{
    buf_char(json, ']');
    if (page->more) {
        json_write_key(json, "NextToken");
        aws_token_write(json, list, page->rules[page->count - 1]->name);
    }
    buf_char(json, '}');
    aws_reply(r, json);
    buf_fini(json);
    free(page->rules);
}

/* ---- ListRules ---- */

static const struct aws_member list_members[] = {
    AWS_MEMBER(struct input, "NamePrefix", AWS_STRING, prefix, .min = 1, .max = 64, .regex = &events_rule_regex),
    EVENTS_BUS_NAME(struct input, "EventBusName", bus),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

static bool has_prefix(void *context, const struct rule *rule)
{
    return str_starts(rule->name, *(struct str *)context);
}

void events_list_rules(struct aws_request *r)
{
    struct input in = {0};
    const struct bus *bus;
    struct str after = {NULL, 0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", list_members, &in) || !aws_valid(r) || !(bus = events_find_bus(r, in.bus)) ||
        !events_take_token(r, "ListRules", in.token, &after))
        return;
    struct page page = find_page(r, bus, after, in.limit, has_prefix, &in.prefix);
    buf_text(&json, "{\"Rules\":[");
    for (uint32_t i = 0; i < page.count; i++) {
        buf_text(&json, i ? ",{" : "{");
        write_rule(r, &json, page.rules[i]);
        buf_char(&json, '}');
    }
    reply_page(r, &json, "ListRules", &page);
}

/* ---- ListRuleNamesByTarget ---- */

static const struct aws_member by_target_members[] = {
    AWS_MEMBER(struct input, "TargetArn", AWS_STRING, target, .required = true, .min = 1, .max = 1600),
    EVENTS_BUS_NAME(struct input, "EventBusName", bus),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

/* By ARN: a reference that dangles has itself for one, and is found too. */
static bool has_target(void *context, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->target_count; i++)
        if (str_eq(rule->targets[i].target->arn, *(struct str *)context))
            return true;
    return false;
}

void events_list_rule_names_by_target(struct aws_request *r)
{
    struct input in = {0};
    const struct bus *bus;
    struct str after = {NULL, 0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", by_target_members, &in) || !aws_valid(r) || !(bus = events_find_bus(r, in.bus)) ||
        !events_take_token(r, "ListRuleNamesByTarget", in.token, &after))
        return;
    const struct target_def *named = events_target_find(http_set(r->http), in.target);
    struct str arn = named ? named->arn : in.target;
    struct page page = find_page(r, bus, after, in.limit, has_target, &arn);
    buf_text(&json, "{\"RuleNames\":[");
    for (uint32_t i = 0; i < page.count; i++) {
        if (i)
            buf_char(&json, ',');
        json_write_string(&json, page.rules[i]->name);
    }
    reply_page(r, &json, "ListRuleNamesByTarget", &page);
}

/* ---- ListTargetsByRule ---- */

static const struct aws_member targets_members[] = {
    EVENTS_RULE_NAME(struct input, "Rule", name),
    EVENTS_BUS_NAME(struct input, "EventBusName", bus),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

struct shown {
    struct str id, json;
};

static int compare_ids(const void *a, const void *b)
{
    return str_cmp(((const struct shown *)a)->id, ((const struct shown *)b)->id);
}

/* The targets behind `after` in order of their ids, in the arena. */
static uint32_t sort_targets(struct aws_request *r, struct str targets, struct str after, struct shown **out)
{
    struct aws_list list;
    struct shown one;
    uint32_t count = 0;

    for (aws_list_start(&list, targets); aws_list_next(&list, &one.json);)
        ;
    struct shown *all = *out = arena_array(&r->arena, list.index + 1, sizeof *all);
    if (!all)
        xfail("out of memory");
    for (aws_list_start(&list, targets); aws_list_next(&list, &one.json);) {
        one.id = json_decode_in(&r->arena, json_member(one.json, "Id"));
        if (!after.ptr || str_cmp(one.id, after) > 0)
            all[count++] = one;
    }
    qsort(all, count, sizeof *all, compare_ids);
    return count;
}

static void write_targets(struct aws_request *r, struct buf *json, struct str targets, struct str after, int64_t limit)
{
    struct shown *all;
    uint32_t count = sort_targets(r, targets, after, &all), shown = count;

    if (limit && shown > limit)
        shown = (uint32_t)limit;
    buf_text(json, "{\"Targets\":[");
    for (uint32_t i = 0; i < shown; i++) {
        if (i)
            buf_char(json, ',');
        buf_str(json, all[i].json);
    }
    buf_char(json, ']');
    if (shown < count) {
        json_write_key(json, "NextToken");
        aws_token_write(json, "ListTargetsByRule", all[shown - 1].id);
    }
    buf_char(json, '}');
}

void events_list_targets_by_rule(struct aws_request *r)
{
    struct input in = {0};
    const struct rule *rule;
    struct rule_says says;
    struct str after = {NULL, 0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", targets_members, &in) || !aws_valid(r) ||
        !(rule = events_find_rule(r, in.bus, in.name)) || !events_take_token(r, "ListTargetsByRule", in.token, &after))
        return;
    events_rule_show(&r->arena, rule, &says);
    write_targets(r, &json, says.targets.ptr ? says.targets : STR("[]"), after, in.limit);
    aws_reply(r, &json);
    buf_fini(&json);
}
