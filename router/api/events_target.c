/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PutTargets and RemoveTargets. A target is known by its id: one that is put again takes the place of the earlier one.
 * What is wrong with a request as a whole refuses it; ids that are not there fail by themselves.
 */
#include <stdio.h>

#include "router/api/events.h"
#include "router/api/events_quota.h"
#include "router/api/events_target.h"
#include "router/log.h"
#include "router/xalloc.h"

#define TARGETS_MAX 100 /* of a request, and of a rule */

struct targets {
    struct aws_change change;
    struct str rule, bus;
    struct str list; /* PutTargets: Target structures as they are kept; RemoveTargets: ids */
    bool force;
    struct str failed; /* what of it failed: the answer's FailedEntries, without brackets */
    unsigned failed_count;
};

/* ---- lists of Target structures ---- */

static struct str id_of(struct arena *a, struct str target)
{
    return json_decode_in(a, json_member(target, "Id"));
}

/* The structure with that id; {NULL,0}: none. list may be {NULL,0}. */
static struct str find_target(struct arena *a, struct str targets, struct str id)
{
    struct aws_list list;
    struct str one, found = {NULL, 0};

    if (!targets.ptr)
        return found;
    for (aws_list_start(&list, targets); aws_list_next(&list, &one);)
        if (str_eq(id_of(a, one), id))
            found = one; /* of a request that has it twice, the last one */
    return found;
}

static void add_element(struct buf *json, struct str element)
{
    if (json->size > 1)
        buf_char(json, ',');
    buf_str(json, element);
}

/* Those of present that are not in `put`, each in its place, with those of `put` in the place of theirs. */
static struct str merge(struct arena *a, struct str present, struct str put, unsigned *count)
{
    struct buf json = BUF_INIT;
    struct aws_list list;
    struct str one;

    *count = 0;
    buf_char(&json, '[');
    if (present.ptr)
        for (aws_list_start(&list, present); aws_list_next(&list, &one); ++*count) {
            struct str again = find_target(a, put, id_of(a, one));
            add_element(&json, again.ptr ? again : one);
        }
    for (aws_list_start(&list, put); aws_list_next(&list, &one);) {
        struct str id = id_of(a, one);
        if (find_target(a, present, id).ptr || find_target(a, put, id).ptr != one.ptr)
            continue;
        add_element(&json, one);
        ++*count;
    }
    buf_char(&json, ']');
    return aws_keep(a, &json);
}

/* ---- PutTargets ---- */

static const struct aws_member put_members[] = {
    EVENTS_RULE_NAME(struct targets, "Rule", rule),
    EVENTS_BUS_NAME(struct targets, "EventBusName", bus),
    AWS_MEMBER(struct targets, "Targets", AWS_LIST, list, .required = true, .min = 1, .max = TARGETS_MAX,
               .element = AWS_STRUCTURE, .shape = "Target"),
    {0},
};

/* Nothing wrong, but hardly meant on a router: people look into the log when nothing arrives. */
static void warn_of_missing(const struct ruleset *set, struct str rule, const struct events_target *t)
{
    if (!events_target_find(set, t->arn))
        log_warn("a rule's target is not here; until it is, its events go to the dead-letter queue",
                 LOG_STR("rule", rule), LOG_STR("target", t->id), LOG_STR("arn", t->arn));
}

/* The list of the request into the form that is kept. False: answered. */
static bool read_targets(struct aws_request *r, struct targets *in)
{
    struct events_target *targets = arena_array(&r->arena, TARGETS_MAX, sizeof *targets);
    struct aws_list list;
    struct str one;
    struct buf json = BUF_INIT;
    unsigned count = 0;

    if (!targets)
        xfail("out of memory");
    if (in->list.ptr)
        for (aws_list_start(&list, in->list); aws_list_next(&list, &one) && count < TARGETS_MAX; count++) {
            targets[count] = (struct events_target)EVENTS_TARGET_INIT;
            if (!events_target_read(r, list.index, one, &targets[count]))
                return false;
        }
    if (!aws_valid(r) || !events_take_bus(r, &in->bus))
        return false;
    buf_char(&json, '[');
    for (unsigned i = 0; i < count; i++) {
        if (!events_target_check(r, in->bus, &targets[i])) {
            buf_fini(&json);
            return false;
        }
        buf_text(&json, i ? "," : "");
        events_target_write(&json, &targets[i]);
        warn_of_missing(http_set(r->http), in->rule, &targets[i]);
    }
    buf_char(&json, ']');
    in->list = aws_keep(&r->arena, &json);
    return true;
}

/* Has a rule of weir.yaml these very targets? */
static bool has_them(struct arena *a, const struct rule *managed, struct str targets)
{
    struct rule_says says;
    struct aws_list list;
    struct str one;

    events_rule_show(a, managed, &says);
    for (aws_list_start(&list, targets); aws_list_next(&list, &one);)
        if (!str_eq(find_target(a, says.targets, id_of(a, one)), one))
            return false;
    return true;
}

static bool edit_put(struct aws_change *c, struct resources *resources)
{
    struct targets *in = (struct targets *)c;
    struct arena *a = &c->request->arena;
    const struct ruleset *set = resources_set(resources);
    const struct rule *managed = events_managed_rule(resources, in->bus, in->rule);
    struct rule_says says;
    unsigned count;

    if (managed && has_them(a, managed, in->list))
        return false;
    if (!events_rule_edit(c, resources, in->bus, in->rule, &says))
        return false;
    says.targets = merge(a, says.targets, in->list, &count);
    if (count > TARGETS_MAX || events_quota_exceeded(set, ruleset_bus(set, in->bus), EVENTS_QUOTA_TARGETS, count))
        return aws_refuse(c, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    resources_put(resources, "rules", events_rule_key(a, in->bus, in->rule), events_rule_document(a, &says));
    return true;
}

static void answer(struct aws_change *c)
{
    const struct targets *in = (const struct targets *)c;
    struct buf json = BUF_INIT;

    buf_printf(&json, "{\"FailedEntryCount\":%u,\"FailedEntries\":[%.*s]}", in->failed_count, STR_ARG(in->failed));
    aws_reply(c->request, &json);
    buf_fini(&json);
}

void events_put_targets(struct aws_request *r)
{
    struct targets *in = aws_change_new(r, sizeof *in, edit_put, answer);

    if (aws_read(r, r->input, "", put_members, in) && read_targets(r, in))
        aws_change_start(&in->change);
}

/* ---- RemoveTargets ---- */

static const struct aws_member remove_members[] = {
    EVENTS_RULE_NAME(struct targets, "Rule", rule),
    EVENTS_BUS_NAME(struct targets, "EventBusName", bus),
    AWS_MEMBER(struct targets, "Ids", AWS_LIST, list, .required = true, .min = 1, .max = TARGETS_MAX,
               .element = AWS_STRING),
    AWS_MEMBER(struct targets, "Force", AWS_BOOLEAN, force),
    {0},
};

struct id {
    struct str id;
};
static const struct aws_member id_members[] = {
    EVENTS_RULE_NAME(struct id, "member", id), /* "ids.1.member" in messages */
    {0},
};

static bool check_ids(struct aws_request *r, struct str ids)
{
    struct aws_list list;
    struct str one;

    if (!ids.ptr)
        return true;
    for (aws_list_start(&list, ids); aws_list_next(&list, &one);) {
        struct id id = {{NULL, 0}};
        struct buf json = BUF_INIT;
        char path[32];
        snprintf(path, sizeof path, "ids.%u.", list.index);
        buf_printf(&json, "{\"member\":%.*s}", STR_ARG(one));
        if (!aws_read(r, aws_keep(&r->arena, &json), path, id_members, &id))
            return false;
    }
    return true;
}

static bool has_id(struct arena *a, struct str ids, struct str id)
{
    struct aws_list list;
    struct str one;

    for (aws_list_start(&list, ids); aws_list_next(&list, &one);)
        if (str_eq(json_decode_in(a, one), id))
            return true;
    return false;
}

static struct str without(struct arena *a, struct str present, struct str ids)
{
    struct buf json = BUF_INIT;
    struct aws_list list;
    struct str one;

    buf_char(&json, '[');
    for (aws_list_start(&list, present); aws_list_next(&list, &one);)
        if (!has_id(a, ids, id_of(a, one)))
            add_element(&json, one);
    buf_char(&json, ']');
    return aws_keep(a, &json);
}

/* The entries of the answer for ids that the rule does not have. */
static void note_missing(struct targets *in, struct str present)
{
    struct arena *a = &in->change.request->arena;
    struct buf failed = BUF_INIT;
    struct aws_list list;
    struct str one;

    in->failed_count = 0;
    for (aws_list_start(&list, in->list); aws_list_next(&list, &one);) {
        struct str id = json_decode_in(a, one);
        struct buf message = BUF_INIT;
        if (find_target(a, present, id).ptr)
            continue;
        buf_printf(&message, "Rule %.*s does not have a target with the Id %.*s.", STR_ARG(in->rule), STR_ARG(id));
        buf_text(&failed, in->failed_count++ ? ",{" : "{");
        json_write_member(&failed, "TargetId", id);
        json_write_member(&failed, "ErrorCode", STR("ResourceNotFoundException"));
        json_write_member(&failed, "ErrorMessage", aws_keep(a, &message));
        buf_char(&failed, '}');
    }
    in->failed = aws_keep(a, &failed);
}

static bool edit_remove(struct aws_change *c, struct resources *resources)
{
    struct targets *in = (struct targets *)c;
    struct arena *a = &c->request->arena;
    struct rule_says says;

    if (!events_rule_edit(c, resources, in->bus, in->rule, &says))
        return false;
    struct str present = says.targets.ptr ? says.targets : STR("[]");
    note_missing(in, present);
    says.targets = without(a, present, in->list);
    if (str_eq(says.targets, present))
        return false;
    resources_put(resources, "rules", events_rule_key(a, in->bus, in->rule), events_rule_document(a, &says));
    return true;
}

void events_remove_targets(struct aws_request *r)
{
    struct targets *in = aws_change_new(r, sizeof *in, edit_remove, answer);

    if (aws_read(r, r->input, "", remove_members, in) && check_ids(r, in->list) && aws_valid(r) &&
        events_take_bus(r, &in->bus))
        aws_change_start(&in->change);
}
