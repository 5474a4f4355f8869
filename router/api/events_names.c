/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What buses and rules are called in requests, what is there by that name, and AWS's words where nothing is. Reads look
 * into the rule set that was the present one when the request came; edits ask the resources, which know of changes that
 * are not live yet.
 */
#include <string.h>

#include "router/api/aws_page.h"
#include "router/api/events_rules.h"
#include "router/xalloc.h"
#include "targets/bus.h"

#define BUS_ARN_PART ":event-bus/"

struct aws_regex events_rule_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");
struct aws_regex events_bus_regex = AWS_REGEX("[/\\.\\-_A-Za-z0-9]+");
struct aws_regex events_bus_arn_regex =
    AWS_REGEX("(arn:aws[\\w-]*:events:[a-z]+-[a-z]+-[\\w-]+:[0-9]{12}:event-bus\\/)?[/\\.\\-_A-Za-z0-9]+");

/* ---- ARNs ---- */

struct str events_bus_arn(struct arena *a, const struct ruleset *set, struct str bus)
{
    struct buf arn = BUF_INIT;

    target_write_arn(&arn, bus_adapter.arn_format, set->region, set->account, bus);
    return aws_keep(a, &arn);
}

struct str events_rule_arn(struct arena *a, const struct ruleset *set, struct str bus, struct str name)
{
    bool is_default = str_is(bus, BUS_DEFAULT);
    struct buf arn = BUF_INIT;

    buf_printf(&arn, "arn:aws:events:%.*s:%.*s:rule/%.*s%s%.*s", STR_ARG(set->region), STR_ARG(set->account),
               STR_ARG(is_default ? STR("") : bus), is_default ? "" : "/", STR_ARG(name));
    return aws_keep(a, &arn);
}

/* ---- what a request names ---- */

static void fail_bus(struct aws_request *r, struct str bus)
{
    aws_fail(r, 400, "ResourceNotFoundException", "Event bus %.*s does not exist.", STR_ARG(bus));
}

bool events_take_bus(struct aws_request *r, struct str *name)
{
    const char *part = NULL;

    if (!name->ptr)
        *name = STR(BUS_DEFAULT);
    else if (str_starts(*name, STR("arn:")))
        part = memmem(name->ptr, name->size, BUS_ARN_PART, strlen(BUS_ARN_PART));
    if (!part)
        return true;
    struct str arn = *name;
    *name = (struct str){part + strlen(BUS_ARN_PART), arn.size - (size_t)(part - arn.ptr) - strlen(BUS_ARN_PART)};
    if (str_eq(arn, events_bus_arn(&r->arena, http_set(r->http), *name)))
        return true;
    fail_bus(r, *name);
    return false;
}

const struct bus *events_find_bus(struct aws_request *r, struct str name_or_arn)
{
    if (!events_take_bus(r, &name_or_arn))
        return NULL;
    const struct bus *bus = ruleset_bus(http_set(r->http), name_or_arn);
    if (!bus)
        fail_bus(r, name_or_arn);
    return bus;
}

const struct rule *events_find_rule(struct aws_request *r, struct str bus, struct str name)
{
    const struct bus *found = events_find_bus(r, bus);
    const struct rule *rule = found ? ruleset_rule(http_set(r->http), found->name, name) : NULL;

    if (found && !rule)
        aws_fail(r, 400, "ResourceNotFoundException", "Rule %.*s does not exist on EventBus %.*s.", STR_ARG(name),
                 STR_ARG(found->name));
    return rule;
}

bool events_take_token(struct aws_request *r, const char *list, struct str token, struct str *after)
{
    if (!token.ptr || aws_token_read(&r->arena, list, token, after))
        return true;
    aws_fail(r, 400, "ValidationException", "Parameter NextToken is not valid.");
    return false;
}

/* ---- edits ---- */

bool events_bus_exists(const struct resources *resources, struct str bus)
{
    return str_is(bus, BUS_DEFAULT) || resources_owner(resources, "buses", bus) != RESOURCES_NOBODY;
}

bool events_refuse_bus(struct aws_change *c, struct str bus)
{
    return aws_refuse(c, 400, "ResourceNotFoundException", "Event bus %.*s does not exist.", STR_ARG(bus));
}

static bool refuse_rule(struct aws_change *c, struct str bus, struct str rule)
{
    return aws_refuse(c, 400, "ResourceNotFoundException", "Rule %.*s does not exist on EventBus %.*s.", STR_ARG(rule),
                      STR_ARG(bus));
}

/* AWS's sentence goes on with "Set 'force' parameter to true to override", which does not hold here. */
bool events_refuse_managed_rule(struct aws_change *c, struct str rule)
{
    return aws_refuse(c, 400, "ManagedRuleException",
                      "%.*s is a managed rule. It is declared in weir.yaml, or belongs to an archive, and is changed "
                      "there.",
                      STR_ARG(rule));
}

bool events_refuse_managed_bus(struct aws_change *c, struct str bus)
{
    return aws_refuse(c, 400, "ManagedRuleException",
                      "Event bus %.*s is managed. It is declared in weir.yaml, and is changed there.", STR_ARG(bus));
}

struct str events_rule_key(struct arena *a, struct str bus, struct str name)
{
    struct buf key = BUF_INIT;

    if (str_is(bus, BUS_DEFAULT))
        return name;
    buf_printf(&key, "%.*s/%.*s", STR_ARG(bus), STR_ARG(name));
    return aws_keep(a, &key);
}

const struct rule *events_managed_rule(const struct resources *resources, struct str bus, struct str name)
{
    const struct rule *rule = ruleset_rule(resources_set(resources), bus, name);

    return rule && (!rule->made.ptr || rule->is_archive) ? rule : NULL;
}

bool events_rule_edit(struct aws_change *c, struct resources *resources, struct str bus, struct str name,
                      struct rule_says *out)
{
    struct arena *a = &c->request->arena;
    struct str document = resources_get(resources, "rules", events_rule_key(a, bus, name));

    *out = (struct rule_says){.name = name, .bus = bus};
    if (document.ptr) {
        events_rule_read(a, arena_str(a, document), out);
        return true;
    }
    if (!events_bus_exists(resources, bus))
        return events_refuse_bus(c, bus);
    if (events_managed_rule(resources, bus, name))
        return events_refuse_managed_rule(c, name);
    return refuse_rule(c, bus, name);
}
