/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AddPermission and RemovePermission: statements of a topic's policy by their label. The policy is kept and shown as
 * clients expect it; who may do what on this router is not decided by it.
 */
#include "router/api/sns_topic.h"

struct permission {
    struct aws_change change;
    struct str label, accounts, actions;
    const struct target_def *topic;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct permission, "Label", AWS_STRING, label),
    AWS_MEMBER(struct permission, "AWSAccountId", AWS_LIST, accounts, .element = AWS_STRING),
    AWS_MEMBER(struct permission, "ActionName", AWS_LIST, actions, .element = AWS_STRING),
    {0},
};

/* Appends the statements of a policy but those with the label. *found: there was one. */
static void write_others(struct buf *out, struct str policy, struct str label, struct arena *arena, bool *found)
{
    struct str statements = json_member(policy, "Statement");
    struct aws_list list;
    struct str one;

    *found = false;
    if (!statements.size || json_type_of(statements) != JSON_ARRAY)
        return;
    for (aws_list_start(&list, statements); aws_list_next(&list, &one);) {
        if (json_type_of(one) == JSON_OBJECT && str_eq(sns_map_get(one, "Sid", arena), label)) {
            *found = true;
            continue;
        }
        if (out->data[out->size - 1] != '[')
            buf_char(out, ',');
        buf_str(out, one);
    }
}

static void write_list(struct buf *out, struct str list_text, const char *format, struct arena *arena)
{
    struct buf text = BUF_INIT;
    struct aws_list list;
    struct str one;
    bool more = false;

    buf_char(out, '[');
    for (aws_list_start(&list, list_text); aws_list_next(&list, &one); more = true) {
        struct str word = json_decode_in(arena, one);
        buf_clear(&text);
        for (const char *at = format; *at; at++)
            if (*at == '*')
                buf_str(&text, word);
            else
                buf_char(&text, *at);
        if (more)
            buf_char(out, ',');
        json_write_string(out, buf_view(&text));
    }
    buf_char(out, ']');
    buf_fini(&text);
}

static void write_statement(struct buf *out, const struct permission *in)
{
    struct arena *a = &in->change.request->arena;

    buf_text(out, out->data[out->size - 1] == '[' ? "{" : ",{");
    json_write_member(out, "Sid", in->label);
    json_write_member(out, "Effect", STR("Allow"));
    json_write_key(out, "Principal");
    buf_text(out, "{\"AWS\":");
    write_list(out, in->accounts, "arn:aws:iam::*:root", a);
    buf_char(out, '}');
    json_write_key(out, "Action");
    write_list(out, in->actions, "SNS:*", a);
    json_write_member(out, "Resource", in->topic->arn);
    buf_char(out, '}');
}

static bool edit(struct aws_change *c, struct resources *resources)
{
    struct permission *in = (struct permission *)c;
    struct arena *a = &c->request->arena;
    struct str account = http_set(c->request->http)->account;
    struct sns_topic_document document;
    struct buf policy = BUF_INIT;
    bool found, adds = in->actions.ptr;

    if (!sns_topic_edit(c, resources, in->topic->name, &document))
        return false;
    struct str present = sns_map_get(document.attributes, "Policy", a);
    if (!present.size)
        present = sns_topic_policy(in->topic, account, a);
    buf_text(&policy, "{\"Version\":\"2008-10-17\",\"Id\":\"__default_policy_ID\",\"Statement\":[");
    write_others(&policy, present, in->label, a, &found);
    if (adds)
        write_statement(&policy, in);
    buf_text(&policy, "]}");
    document.attributes = sns_map_with(document.attributes, STR("Policy"), aws_keep(a, &policy), a);
    if (adds && found)
        return aws_refuse(c, 400, SNS_INVALID, "Invalid parameter: Statement already exists");
    if (!adds && !found)
        return aws_refuse(c, 404, SNS_NOT_FOUND, "There is no statement with the label '%.*s'", STR_ARG(in->label));
    return sns_topic_put(c, resources, &document);
}

static bool is_filled(struct str list)
{
    return list.ptr && !str_is(list, "[]");
}

static void start(struct aws_request *r, bool adds)
{
    const struct target_def *topic = sns_topic_of(r);
    struct permission *in = topic ? aws_change_new(r, sizeof *in, edit, NULL) : NULL;

    if (!topic || !aws_read(r, r->input, "", members, in) || !aws_valid(r))
        return; /* answered, and r and all that is of it are gone */
    in->topic = topic;
    if (!in->label.size)
        aws_fail(r, 400, SNS_INVALID, "Invalid parameter: Label");
    else if (adds && !is_filled(in->accounts))
        aws_fail(r, 400, SNS_INVALID, "Invalid parameter: AWSAccountId");
    else if (adds && !is_filled(in->actions))
        aws_fail(r, 400, SNS_INVALID, "Invalid parameter: ActionName");
    else {
        in->actions = adds ? in->actions : (struct str){NULL, 0};
        aws_change_start(&in->change);
    }
}

void sns_add_permission(struct aws_request *r)
{
    start(r, true);
}

void sns_remove_permission(struct aws_request *r)
{
    start(r, false);
}
