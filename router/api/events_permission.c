/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PutPermission and RemovePermission: the resource policy of an event bus, a document of IAM. It comes whole, or a
 * statement at a time: a principal, the account or "*", may put events. It is kept as text under the bus's "x-aws"
 * (Policy), which DescribeEventBus shows; who lets requests in looks it up there.
 */
#include "router/api/events.h"
#include "router/api/events_buses.h"

#define POLICY_LENGTH_MAX 10240 /* AWS's bound for what a resource lets others do */

static struct aws_regex bus_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");
static struct aws_regex action_regex = AWS_REGEX("events:[a-zA-Z]+");
static struct aws_regex principal_regex = AWS_REGEX("(\\d{12}|\\*)");
static struct aws_regex id_regex = AWS_REGEX("[a-zA-Z0-9-_]+");

struct permission {
    struct aws_change change;
    struct str bus, action, principal, id, condition, policy;
    struct str type, key, value; /* of condition */
    bool all;
};

#define BUS AWS_MEMBER(struct permission, "EventBusName", AWS_STRING, bus, .min = 1, .max = 256, .regex = &bus_regex)
#define STATEMENT_ID                                                                                                   \
    AWS_MEMBER(struct permission, "StatementId", AWS_STRING, id, .min = 1, .max = 64, .regex = &id_regex)

static const struct aws_member put_members[] = {
    BUS,
    AWS_MEMBER(struct permission, "Action", AWS_STRING, action, .min = 1, .max = 64, .regex = &action_regex),
    AWS_MEMBER(struct permission, "Principal", AWS_STRING, principal, .min = 1, .max = 12, .regex = &principal_regex),
    STATEMENT_ID,
    AWS_MEMBER(struct permission, "Condition", AWS_STRUCTURE, condition),
    AWS_MEMBER(struct permission, "Policy", AWS_STRING, policy),
    {0},
};
static const struct aws_member condition_members[] = {
    AWS_MEMBER(struct permission, "Type", AWS_STRING, type, .required = true),
    AWS_MEMBER(struct permission, "Key", AWS_STRING, key, .required = true),
    AWS_MEMBER(struct permission, "Value", AWS_STRING, value, .required = true),
    {0},
};
static const struct aws_member remove_members[] = {
    STATEMENT_ID,
    AWS_MEMBER(struct permission, "RemoveAllPermissions", AWS_BOOLEAN, all),
    BUS,
    {0},
};

/* ---- policies ---- */

/* Its statements as a JSON array: one alone may stand there without. */
static struct str statements_of(struct arena *a, struct str policy)
{
    struct str statements = policy.ptr ? json_member(policy, "Statement") : policy;
    struct buf json = BUF_INIT;

    if (!statements.ptr || json_type_of(statements) == JSON_ARRAY)
        return statements;
    buf_printf(&json, "[%.*s]", STR_ARG(statements));
    return aws_keep(a, &json);
}

static bool has_id(struct arena *a, struct str statement, struct str id)
{
    struct str sid = json_type_of(statement) == JSON_OBJECT ? json_member(statement, "Sid") : (struct str){NULL, 0};
    return sid.ptr && json_type_of(sid) == JSON_STRING && str_eq(json_decode_in(a, sid), id);
}

/* The policy without the statement `id`, and with one more ({NULL,0}: none). *found: it had it; *count: how many are
   left. */
static struct str rewrite(struct arena *a, struct str policy, struct str id, struct str more, bool *found,
                          unsigned *count)
{
    struct str statements = statements_of(a, policy), one;
    struct buf json = BUF_INIT;
    struct aws_list list;

    *found = false;
    *count = 0;
    buf_text(&json, "{\"Version\":\"2012-10-17\",\"Statement\":[");
    if (statements.ptr)
        for (aws_list_start(&list, statements); aws_list_next(&list, &one);) {
            bool same = has_id(a, one, id);
            *found |= same;
            if (same)
                continue;
            buf_text(&json, (*count)++ ? "," : "");
            json_minify(&json, one);
        }
    if (more.ptr) {
        buf_text(&json, (*count)++ ? "," : "");
        buf_str(&json, more);
    }
    buf_text(&json, "]}");
    return aws_keep(a, &json);
}

static struct str statement(const struct permission *p, struct arena *a, const struct ruleset *set)
{
    struct buf json = BUF_INIT, principal = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "Sid", p->id);
    json_write_member(&json, "Effect", STR("Allow"));
    if (str_is(p->principal, "*")) {
        json_write_member(&json, "Principal", p->principal);
    } else {
        buf_printf(&principal, "arn:aws:iam::%.*s:root", STR_ARG(p->principal));
        json_write_key(&json, "Principal");
        buf_char(&json, '{');
        json_write_member(&json, "AWS", aws_keep(a, &principal));
        buf_char(&json, '}');
    }
    json_write_member(&json, "Action", p->action);
    json_write_member(&json, "Resource", events_bus_arn(a, set, p->bus));
    if (p->condition.ptr) {
        json_write_key(&json, "Condition");
        buf_char(&json, '{');
        json_write_string(&json, p->type);
        buf_text(&json, ":{");
        json_write_string(&json, p->key);
        buf_char(&json, ':');
        json_write_string(&json, p->value);
        buf_text(&json, "}}");
    }
    buf_char(&json, '}');
    return aws_keep(a, &json);
}

/* ---- PutPermission ---- */

static bool edit_put(struct aws_change *c, struct resources *resources)
{
    struct permission *p = (struct permission *)c;
    struct arena *a = &c->request->arena;
    struct bus_says says;
    unsigned count;
    bool found;

    if (!events_bus_edit(c, resources, p->bus, &says))
        return false;
    says.policy = p->policy.ptr
                      ? p->policy
                      : rewrite(a, says.policy, p->id, statement(p, a, resources_set(resources)), &found, &count);
    if (aws_length(says.policy) > POLICY_LENGTH_MAX)
        return aws_refuse(c, 400, "PolicyLengthExceededException",
                          "The policy of event bus %.*s would be longer than %d characters.", STR_ARG(p->bus),
                          POLICY_LENGTH_MAX);
    events_bus_put(c, resources, p->bus, &says);
    return true;
}

static bool fail(struct aws_request *r, const char *message)
{
    aws_fail(r, 400, "ValidationException", "%s", message);
    return false;
}

static bool check_policy(struct aws_request *r, struct str policy)
{
    struct json_info info = {0};

    if (!json_check(policy, &info, NULL) || info.type != JSON_OBJECT)
        return fail(r, "Parameter Policy is not valid. Reason: the policy is not a JSON object.");
    struct str statements = json_member(policy, "Statement");
    return (statements.ptr && (json_type_of(statements) == JSON_ARRAY || json_type_of(statements) == JSON_OBJECT)) ||
           fail(r, "Parameter Policy is not valid. Reason: the policy has no statements.");
}

static bool check_put(struct aws_request *r, const struct permission *p)
{
    bool by_statement = p->action.ptr || p->principal.ptr || p->id.ptr || p->condition.ptr;

    if (p->policy.ptr && by_statement)
        return fail(r, "Parameter Policy cannot be combined with Action, Principal, StatementId or Condition.");
    if (p->policy.ptr)
        return check_policy(r, p->policy);
    if (!p->action.ptr || !p->principal.ptr || !p->id.ptr)
        return fail(r, "Parameter(s) Action, Principal and StatementId, or Policy must be specified.");
    return str_is(p->action, "events:PutEvents") || fail(r, "Provided value in parameter 'action' is not supported.");
}

void events_put_permission(struct aws_request *r)
{
    struct permission *p = aws_change_new(r, sizeof *p, edit_put, NULL);

    if (!aws_read(r, r->input, "", put_members, p) ||
        (p->condition.ptr && !aws_read(r, p->condition, "condition.", condition_members, p)))
        return;
    if (aws_valid(r) && check_put(r, p) && events_take_bus(r, &p->bus))
        aws_change_start(&p->change);
}

/* ---- RemovePermission ---- */

static bool edit_remove(struct aws_change *c, struct resources *resources)
{
    struct permission *p = (struct permission *)c;
    struct bus_says says;
    unsigned count = 0;
    bool found = false;

    if (!events_bus_edit(c, resources, p->bus, &says))
        return false;
    if (p->all && !says.policy.ptr)
        return false;
    if (!says.policy.ptr)
        return aws_refuse(c, 400, "ResourceNotFoundException", "EventBus does not have a policy.");
    if (!p->all)
        says.policy = rewrite(&c->request->arena, says.policy, p->id, (struct str){NULL, 0}, &found, &count);
    if (!p->all && !found)
        return aws_refuse(c, 400, "ResourceNotFoundException", "Statement with the provided id does not exist.");
    if (!count)
        says.policy = (struct str){NULL, 0};
    events_bus_put(c, resources, p->bus, &says);
    return true;
}

void events_remove_permission(struct aws_request *r)
{
    struct permission *p = aws_change_new(r, sizeof *p, edit_remove, NULL);

    if (!aws_read(r, r->input, "", remove_members, p) || !aws_valid(r))
        return;
    if (!p->all && !p->id.ptr)
        fail(r, "Parameter(s) StatementId or RemoveAllPermissions must be specified.");
    else if (events_take_bus(r, &p->bus))
        aws_change_start(&p->change);
}
