/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes rules: PutRule, EnableRule, DisableRule, DeleteRule. PutRule says the whole rule anew but for its
 * targets and tags, which have operations of their own; tags count when it makes the rule.
 *
 * Rules of weir.yaml and those of archives stay as they are; a request that asks for what already is the case is no
 * change and succeeds.
 */
#include "matcher/pattern_write.h"
#include "router/api/events.h"
#include "router/api/events_quota.h"
#include "router/api/events_rules.h"
#include "router/xalloc.h"
#include "rules/schedule.h"
#include "targets/bus.h"

static const char *const states[] = {"ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", NULL};

/* ---- PutRule ---- */

struct put {
    struct aws_change change;
    struct rule_says says;
    const struct pattern *pattern; /* of says.pattern */
    struct str arn;
};

static const struct aws_member put_members[] = {
    EVENTS_RULE_NAME(struct put, "Name", says.name),
    AWS_MEMBER(struct put, "ScheduleExpression", AWS_STRING, says.schedule, .max = 256),
    AWS_MEMBER(struct put, "EventPattern", AWS_STRING, says.pattern, .max = EVENT_PATTERN_LENGTH_MAX),
    AWS_MEMBER(struct put, "State", AWS_STRING, says.state, .values = states),
    AWS_MEMBER(struct put, "Description", AWS_STRING, says.description, .max = 512),
    AWS_MEMBER(struct put, "RoleArn", AWS_STRING, says.role, .min = 1, .max = 1600),
    AWS_MEMBER(struct put, "Tags", AWS_LIST, says.tags, .element = AWS_STRUCTURE),
    EVENTS_BUS_NAME(struct put, "EventBusName", says.bus),
    {0},
};

static bool fail_invalid(struct aws_request *r, const char *message)
{
    aws_fail(r, 400, "ValidationException", "%s", message);
    return false;
}

static bool check_schedule(struct aws_request *r, const struct rule_says *says)
{
    struct weir_diag diag;
    const struct schedule *schedule;

    if (!says->schedule.ptr)
        return true;
    if (!str_is(says->bus, BUS_DEFAULT))
        return fail_invalid(r, "ScheduleExpression is supported only on the default event bus.");
    schedule = schedule_parse(&r->arena, says->schedule, &diag);
    return (schedule && schedule_is_portable(schedule)) ||
           fail_invalid(r, "Parameter ScheduleExpression is not valid.");
}

static bool check_pattern(struct aws_request *r, struct put *put)
{
    if (!put->says.pattern.ptr)
        return true;
    const struct pattern *pattern = events_parse_pattern(r, put->says.pattern);
    if (pattern) /* else the request is answered, and put is gone with it */
        put->pattern = pattern;
    return pattern;
}

/* An empty text is the same as none. */
static void drop_empty(struct str *text)
{
    if (!text->size)
        *text = (struct str){NULL, 0};
}

static bool read_put(struct aws_request *r, struct put *put)
{
    struct rule_says *says = &put->says;

    if (!aws_read(r, r->input, "", put_members, put) || !events_tags_check(r, says->tags) || !aws_valid(r) ||
        !events_take_bus(r, &says->bus))
        return false;
    drop_empty(&says->schedule);
    drop_empty(&says->pattern);
    drop_empty(&says->description);
    if (!says->state.ptr)
        says->state = STR("ENABLED");
    if (!says->pattern.ptr && !says->schedule.ptr)
        return fail_invalid(r, "Parameter(s) EventPattern or ScheduleExpression must be specified.");
    return check_schedule(r, says) && check_pattern(r, put);
}

/* Does the set's rule say the same already? */
static bool is_same(struct put *put, const struct rule *rule)
{
    struct arena *a = &put->change.request->arena;
    struct rule_says present;
    struct buf pattern = BUF_INIT;

    events_rule_show(a, rule, &present);
    if (put->pattern)
        pattern_write(&pattern, put->pattern);
    return str_eq(aws_keep(a, &pattern), present.pattern) && str_eq(put->says.schedule, present.schedule) &&
           str_eq(put->says.description, present.description) && str_eq(put->says.state, present.state);
}

static bool has_wildcard(const struct pattern_atom *atoms, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (atoms[i].op == PATTERN_WILDCARD || has_wildcard(atoms[i].excluded, atoms[i].excluded_count))
            return true;
    return false;
}

static bool is_wildcard_pattern(const struct pattern *pattern)
{
    for (uint32_t i = 0; pattern && i < pattern->conjunction_count; i++)
        for (uint32_t j = 0; j < pattern->conjunctions[i].leaf_count; j++) {
            const struct pattern_leaf *leaf = pattern->conjunctions[i].leaves[j];
            if (has_wildcard(leaf->atoms, leaf->atom_count))
                return true;
        }
    return false;
}

/* With the rule as it shall be in place of the one of its name, if there is one. */
static bool exceeds_quota(const struct ruleset *set, const struct put *put)
{
    const struct bus *bus = ruleset_bus(set, put->says.bus);
    int64_t rules = 1, wildcards = 1;

    if (!bus || !bus->strict_aws)
        return false;
    for (uint32_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (rule->is_archive || !str_eq(rule->bus, bus->name) || str_eq(rule->name, put->says.name))
            continue;
        rules++;
        wildcards += is_wildcard_pattern(rule->pattern);
    }
    return events_quota_exceeded(set, bus, EVENTS_QUOTA_RULES, rules) ||
           events_quota_exceeded(set, bus, EVENTS_QUOTA_PATTERN_LENGTH, (int64_t)aws_length(put->says.pattern)) ||
           (is_wildcard_pattern(put->pattern) &&
            events_quota_exceeded(set, bus, EVENTS_QUOTA_WILDCARD_RULES, wildcards));
}

static bool edit_new(struct put *put, struct resources *resources)
{
    const struct rule *managed = events_managed_rule(resources, put->says.bus, put->says.name);

    if (!events_bus_exists(resources, put->says.bus))
        return events_refuse_bus(&put->change, put->says.bus);
    if (managed)
        return !is_same(put, managed) && events_refuse_managed_rule(&put->change, put->says.name);
    return true;
}

static bool edit_put(struct aws_change *c, struct resources *resources)
{
    struct put *put = (struct put *)c;
    struct arena *a = &c->request->arena;
    struct rule_says present = {0}, says = put->says;
    struct str key = events_rule_key(a, says.bus, says.name), document = resources_get(resources, "rules", key);
    size_t count;

    put->arn = events_rule_arn(a, resources_set(resources), says.bus, says.name);
    if (!document.ptr && !edit_new(put, resources))
        return false;
    if (exceeds_quota(resources_set(resources), put))
        return aws_refuse(c, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    if (document.ptr) {
        events_rule_read(a, document, &present);
        says.tags = present.tags;
    } else {
        says.tags = events_tags_merge(a, (struct str){NULL, 0}, says.tags, (struct str){NULL, 0}, &count);
    }
    says.targets = present.targets;
    resources_put(resources, "rules", key, events_rule_document(a, &says));
    return true;
}

static void answer_put(struct aws_change *c)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "RuleArn", ((struct put *)c)->arn);
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

void events_put_rule(struct aws_request *r)
{
    struct put *put = aws_change_new(r, sizeof *put, edit_put, answer_put);

    if (read_put(r, put))
        aws_change_start(&put->change);
}

/* ---- EnableRule, DisableRule ---- */

struct named {
    struct aws_change change;
    struct str name, bus;
    bool force;
    const char *state; /* to be in */
};

static const struct aws_member named_members[] = {
    EVENTS_RULE_NAME(struct named, "Name", name),
    EVENTS_BUS_NAME(struct named, "EventBusName", bus),
    {0},
};

static bool edit_state(struct aws_change *c, struct resources *resources)
{
    struct named *named = (struct named *)c;
    struct arena *a = &c->request->arena;
    struct rule_says says;
    const struct rule *managed = events_managed_rule(resources, named->bus, named->name);

    if (managed && managed->enabled == (strcmp(named->state, "ENABLED") == 0))
        return false; /* it is so in weir.yaml */
    if (!events_rule_edit(c, resources, named->bus, named->name, &says))
        return false;
    says.state = str_from(named->state);
    resources_put(resources, "rules", events_rule_key(a, says.bus, says.name), events_rule_document(a, &says));
    return true;
}

static void set_state(struct aws_request *r, const char *state)
{
    struct named *named = aws_change_new(r, sizeof *named, edit_state, NULL);

    named->state = state;
    if (aws_read(r, r->input, "", named_members, named) && aws_valid(r) && events_take_bus(r, &named->bus))
        aws_change_start(&named->change);
}

void events_enable_rule(struct aws_request *r)
{
    set_state(r, "ENABLED");
}

void events_disable_rule(struct aws_request *r)
{
    set_state(r, "DISABLED");
}

/* ---- DeleteRule ---- */

static const struct aws_member delete_members[] = {
    EVENTS_RULE_NAME(struct named, "Name", name),
    EVENTS_BUS_NAME(struct named, "EventBusName", bus),
    AWS_MEMBER(struct named, "Force", AWS_BOOLEAN, force),
    {0},
};

/* A rule that is not there is deleted as well as can be. */
static bool edit_delete(struct aws_change *c, struct resources *resources)
{
    struct named *named = (struct named *)c;
    struct str key = events_rule_key(&c->request->arena, named->bus, named->name);
    struct rule_says says;

    if (!resources_get(resources, "rules", key).ptr && events_bus_exists(resources, named->bus) &&
        !events_managed_rule(resources, named->bus, named->name))
        return false;
    if (!events_rule_edit(c, resources, named->bus, named->name, &says))
        return false;
    if (says.targets.ptr && !str_is(says.targets, "[]"))
        return aws_refuse(c, 400, "ValidationException", "Rule can't be deleted since it has targets.");
    resources_delete(resources, "rules", key);
    return true;
}

void events_delete_rule(struct aws_request *r)
{
    struct named *named = aws_change_new(r, sizeof *named, edit_delete, NULL);

    if (aws_read(r, r->input, "", delete_members, named) && aws_valid(r) && events_take_bus(r, &named->bus))
        aws_change_start(&named->change);
}
