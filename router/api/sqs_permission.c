/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AddPermission and RemovePermission: statements of the queue's policy, which is kept and shown. Who may do what on
 * this router is written down elsewhere.
 */
#include "router/api/sqs_queue_int.h"
#include "router/xalloc.h"

#define LABEL_MAX      80
#define ACTIONS_MAX    7
#define STATEMENTS_MAX 20

struct input {
    struct str url, label, accounts, actions;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct input, "Label", AWS_STRING, label),
    AWS_MEMBER(struct input, "AWSAccountIds", AWS_LIST, accounts, .element = AWS_STRING),
    AWS_MEMBER(struct input, "Actions", AWS_LIST, actions, .element = AWS_STRING),
    {0},
};

struct permission {
    struct sqs_change change;
    struct str label, statement; /* {NULL,0}: it is removed */
};

/* ---- statements ---- */

static void write_list(struct aws_request *r, struct buf *json, struct str list, const char *before, const char *after)
{
    struct aws_list items;
    struct str raw;

    buf_char(json, '[');
    for (aws_list_start(&items, list); aws_list_next(&items, &raw);) {
        struct buf text = BUF_INIT;
        buf_printf(&text, "%s%.*s%s", before, STR_ARG(json_decode_in(&r->arena, raw)), after);
        buf_text(json, items.index > 1 ? "," : "");
        json_write_string(json, buf_view(&text));
        buf_fini(&text);
    }
    buf_char(json, ']');
}

static struct str statement(struct aws_request *r, const struct input *in, const struct target_def *queue)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "Sid", in->label);
    buf_text(&json, ",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":");
    write_list(r, &json, in->accounts, "arn:aws:iam::", ":root");
    buf_text(&json, "},\"Action\":");
    write_list(r, &json, in->actions, "SQS:", "");
    json_write_member(&json, "Resource", queue->arn);
    buf_char(&json, '}');
    return aws_keep(&r->arena, &json);
}

static bool has_label(struct str statement, struct str label)
{
    struct str sid = json_type_of(statement) == JSON_OBJECT ? json_member(statement, "Sid") : (struct str){0};
    struct arena temp = ARENA_INIT;
    bool same = sid.ptr && json_type_of(sid) == JSON_STRING && str_eq(json_decode_in(&temp, sid), label);

    arena_fini(&temp);
    return same;
}

/* The statements of a policy (a list, or a single one) but the label's, appended with commas between; how many there
   are, and whether that one was there. */
static size_t copy_statements(struct buf *json, struct str policy, struct str label, bool *found_out)
{
    struct str all = policy.size ? json_member(policy, "Statement") : (struct str){0};
    struct aws_list list;
    struct str one;
    size_t count = 0;

    *found_out = false;
    if (all.ptr && json_type_of(all) == JSON_OBJECT && !(*found_out = has_label(all, label))) {
        buf_str(json, all);
        return 1;
    }
    if (!all.ptr || json_type_of(all) != JSON_ARRAY)
        return 0;
    for (aws_list_start(&list, all); aws_list_next(&list, &one);) {
        if (has_label(one, label)) {
            *found_out = true;
            continue;
        }
        buf_text(json, count++ ? "," : "");
        buf_str(json, one);
    }
    return count;
}

/* What a policy says before its statements; of a new one, what AWS writes there. */
static void write_head(struct buf *json, struct str policy, struct str queue)
{
    struct str version = policy.size ? json_member(policy, "Version") : policy,
               id = policy.size ? json_member(policy, "Id") : policy;

    buf_printf(json, "{\"Version\":%.*s,", STR_ARG(version.ptr ? version : STR("\"2008-10-17\"")));
    if (id.ptr)
        buf_printf(json, "\"Id\":%.*s,", STR_ARG(id));
    else if (!policy.size)
        buf_printf(json, "\"Id\":\"%.*s/SQSDefaultPolicy\",", STR_ARG(queue));
    buf_text(json, "\"Statement\":[");
}

/* ---- operations ---- */

static bool edit(struct sqs_change *change, struct sqs_document *d, struct resources *resources) /* main thread */
{
    struct permission *c = (struct permission *)change;
    struct str *policy = sqs_attribute_policy(d);
    struct aws_change *aws = &change->change;
    struct buf json = BUF_INIT;
    bool found;

    write_head(&json, *policy, change->name);
    size_t count = copy_statements(&json, *policy, c->label, &found);
    if (c->statement.ptr) {
        buf_text(&json, count++ ? "," : "");
        buf_str(&json, c->statement);
    }
    buf_text(&json, "]}");
    *policy = aws_keep(&aws->request->arena, &json);
    if (!count)
        *policy = (struct str){0};
    if (found != !c->statement.ptr)
        return aws_refuse(aws, 400, "InvalidParameterValue", "Value %.*s for parameter Label is invalid. Reason: %s",
                          STR_ARG(c->label), found ? "Already exists." : "can't find label.");
    return count <= STATEMENTS_MAX ||
           aws_refuse(aws, 400, "OverLimit", "%zu statements were found, maximum allowed is %d.", count,
                      STATEMENTS_MAX);
}

static bool check_label(struct aws_request *r, struct str label)
{
    if (!sqs_has(r, label, "Label"))
        return false;
    return sqs_is_word(label, LABEL_MAX) ||
           sqs_refuse_value(r, label, "Label",
                            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.");
}

static size_t count_items(struct str list)
{
    struct aws_list items;
    struct str raw;

    if (!list.ptr)
        return 0;
    for (aws_list_start(&items, list); aws_list_next(&items, &raw);)
        ;
    return items.index;
}

/* An action by its name without a prefix; * means all. */
static bool check_actions(struct aws_request *r, struct str list)
{
    struct aws_list items;
    struct str raw;

    for (aws_list_start(&items, list); aws_list_next(&items, &raw);) {
        const struct aws_operation *one = aws_sqs.operations;
        while (one->name && !json_raw_is(raw, one->name))
            one++;
        if (!one->name && !json_raw_is(raw, "*"))
            return sqs_refuse_value(r, json_decode_in(&r->arena, raw), "ActionName",
                                    "Please refer to the appropriate WSDL for a list of valid actions.");
    }
    if (items.index > ACTIONS_MAX) {
        aws_fail(r, 403, "OverLimit", "%u Actions were found, maximum allowed is %d.", items.index, ACTIONS_MAX);
        return false;
    }
    return true;
}

void sqs_add_permission(struct aws_request *r)
{
    const struct target_def *queue;
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)) || !check_label(r, in.label) ||
        !sqs_has(r, count_items(in.accounts) ? in.accounts : STR(""), "AWSAccountIds") ||
        !sqs_has(r, count_items(in.actions) ? in.actions : STR(""), "Actions") || !check_actions(r, in.actions))
        return;
    struct permission *c = sqs_change_new(r, sizeof *c, queue->name, edit);
    c->label = in.label;
    c->statement = statement(r, &in, queue);
    sqs_change_start(&c->change);
}

void sqs_remove_permission(struct aws_request *r)
{
    const struct target_def *queue;
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)) || !check_label(r, in.label))
        return;
    struct permission *c = sqs_change_new(r, sizeof *c, queue->name, edit);
    c->label = in.label;
    sqs_change_start(&c->change);
}
