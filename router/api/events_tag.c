/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags of rules and event buses: TagResource, UntagResource, ListTagsForResource, and what PutRule and CreateEventBus
 * do with theirs. They mean nothing to Weir; they are kept and shown. What weir.yaml declares has none.
 */
#include <stdio.h>

#include "router/api/events.h"
#include "router/api/events_buses.h"

#define TOO_MANY "A resource can have at most %d tags; this one would have %zu."

struct tag {
    struct str key, value;
};
static const struct aws_member tag_members[] = {
    AWS_MEMBER(struct tag, "Key", AWS_STRING, key, .required = true, .min = 1, .max = 128),
    AWS_MEMBER(struct tag, "Value", AWS_STRING, value, .required = true, .max = 256),
    {0},
};
static const struct aws_member tag_key_members[] = {
    AWS_MEMBER(struct tag, "member", AWS_STRING, key, .min = 1, .max = 128), /* "tagKeys.1.member" in messages */
    {0},
};

/* ---- lists of tags ---- */

/* As many as a resource may have, since merging them takes the square of their number. */
bool events_tags_check(struct aws_request *r, struct str tags)
{
    struct aws_list list;
    struct str one;
    char path[32];

    if (!tags.ptr)
        return true;
    for (aws_list_start(&list, tags); aws_list_next(&list, &one);) {
        struct tag tag;
        snprintf(path, sizeof path, "tags.%u.member.", list.index);
        if (!aws_read(r, one, path, tag_members, &tag))
            return false;
    }
    if (list.index <= EVENTS_TAGS_MAX)
        return true;
    aws_fail(r, 400, "ValidationException", TOO_MANY, EVENTS_TAGS_MAX, (size_t)list.index);
    return false;
}

static struct str key_of(struct arena *a, struct str tag)
{
    return json_decode_in(a, json_member(tag, "Key"));
}

/* The last tag of the list with that key; {NULL,0}: none. */
static struct str find_tag(struct arena *a, struct str tags, struct str key)
{
    struct aws_list list;
    struct str one, found = {NULL, 0};

    if (tags.ptr)
        for (aws_list_start(&list, tags); aws_list_next(&list, &one);)
            if (str_eq(key_of(a, one), key))
                found = one;
    return found;
}

static bool has_key(struct arena *a, struct str keys, struct str key)
{
    struct aws_list list;
    struct str one;

    if (keys.ptr)
        for (aws_list_start(&list, keys); aws_list_next(&list, &one);)
            if (str_eq(json_decode_in(a, one), key))
                return true;
    return false;
}

static void add_tag(struct buf *json, struct str tag, size_t *count)
{
    buf_text(json, (*count)++ ? ",{" : "{");
    json_write_key(json, "Key");
    buf_str(json, json_member(tag, "Key"));
    json_write_key(json, "Value");
    buf_str(json, json_member(tag, "Value"));
    buf_char(json, '}');
}

struct str events_tags_merge(struct arena *a, struct str present, struct str more, struct str taken, size_t *count)
{
    struct buf json = BUF_INIT;
    struct aws_list list;
    struct str one;

    *count = 0;
    buf_char(&json, '[');
    if (present.ptr)
        for (aws_list_start(&list, present); aws_list_next(&list, &one);) {
            struct str again = find_tag(a, more, key_of(a, one));
            if (!has_key(a, taken, key_of(a, one)))
                add_tag(&json, again.ptr ? again : one, count);
        }
    if (more.ptr)
        for (aws_list_start(&list, more); aws_list_next(&list, &one);)
            if (!find_tag(a, present, key_of(a, one)).ptr && find_tag(a, more, key_of(a, one)).ptr == one.ptr)
                add_tag(&json, one, count);
    buf_char(&json, ']');
    struct str merged = aws_keep(a, &json);
    return *count ? merged : (struct str){NULL, 0};
}

/* ---- what an ARN names ---- */

struct tagging {
    struct aws_change change;
    struct str arn;
    struct str tags, keys; /* to be set, to be taken away */
    struct str bus, rule;  /* what the ARN names; rule {NULL,0}: the bus itself */
};

/* …:rule/NAME, …:rule/BUS/NAME, …:event-bus/NAME. False: answered. */
static bool take_arn(struct aws_request *r, struct tagging *t)
{
    const struct ruleset *set = http_set(r->http);
    const char *part = memmem(t->arn.ptr, t->arn.size, ":rule/", strlen(":rule/"));
    const char *end = t->arn.ptr + t->arn.size, *slash;

    if (part) {
        part += strlen(":rule/");
        slash = memrchr(part, '/', (size_t)(end - part));
        t->bus = slash ? (struct str){part, (size_t)(slash - part)} : STR("default");
        t->rule = slash ? (struct str){slash + 1, (size_t)(end - slash - 1)} : (struct str){part, (size_t)(end - part)};
        if (str_eq(t->arn, events_rule_arn(&r->arena, set, t->bus, t->rule)))
            return true;
    } else if ((part = memmem(t->arn.ptr, t->arn.size, ":event-bus/", strlen(":event-bus/")))) {
        t->bus = t->arn;
        return events_take_bus(r, &t->bus);
    }
    aws_fail(r, 400, "ValidationException",
             "Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.");
    return false;
}

/* ---- TagResource, UntagResource ---- */

static const struct aws_member tag_resource_members[] = {
    AWS_MEMBER(struct tagging, "ResourceARN", AWS_STRING, arn, .required = true, .min = 1, .max = 1600),
    AWS_MEMBER(struct tagging, "Tags", AWS_LIST, tags, .required = true, .element = AWS_STRUCTURE),
    {0},
};
static const struct aws_member untag_resource_members[] = {
    AWS_MEMBER(struct tagging, "ResourceARN", AWS_STRING, arn, .required = true, .min = 1, .max = 1600),
    AWS_MEMBER(struct tagging, "TagKeys", AWS_LIST, keys, .required = true, .element = AWS_STRING),
    {0},
};
static const struct aws_member list_members[] = {
    AWS_MEMBER(struct tagging, "ResourceARN", AWS_STRING, arn, .required = true, .min = 1, .max = 1600),
    {0},
};

/* False: more than a resource may have; refused. */
static bool merge(struct tagging *t, struct str *tags)
{
    size_t count;

    *tags = events_tags_merge(&t->change.request->arena, *tags, t->tags, t->keys, &count);
    return count <= EVENTS_TAGS_MAX ||
           aws_refuse(&t->change, 400, "ValidationException", TOO_MANY, EVENTS_TAGS_MAX, count);
}

static bool edit_rule(struct tagging *t, struct resources *resources)
{
    struct arena *a = &t->change.request->arena;
    struct rule_says says;

    if (!events_rule_edit(&t->change, resources, t->bus, t->rule, &says) || !merge(t, &says.tags))
        return false;
    resources_put(resources, "rules", events_rule_key(a, t->bus, t->rule), events_rule_document(a, &says));
    return true;
}

static bool edit_bus(struct tagging *t, struct resources *resources)
{
    struct bus_says says;

    if (!events_bus_edit(&t->change, resources, t->bus, &says) || !merge(t, &says.tags))
        return false;
    events_bus_put(&t->change, resources, t->bus, &says);
    return true;
}

static bool edit(struct aws_change *c, struct resources *resources)
{
    struct tagging *t = (struct tagging *)c;
    return t->rule.ptr ? edit_rule(t, resources) : edit_bus(t, resources);
}

static bool check_keys(struct aws_request *r, struct str keys)
{
    struct aws_list list;
    struct str one;
    char path[32];

    if (!keys.ptr)
        return true;
    for (aws_list_start(&list, keys); aws_list_next(&list, &one);) {
        struct tag tag;
        struct buf json = BUF_INIT;
        snprintf(path, sizeof path, "tagKeys.%u.", list.index);
        buf_printf(&json, "{\"member\":%.*s}", STR_ARG(one));
        if (!aws_read(r, aws_keep(&r->arena, &json), path, tag_key_members, &tag))
            return false;
    }
    return true;
}

void events_tag_resource(struct aws_request *r)
{
    struct tagging *t = aws_change_new(r, sizeof *t, edit, NULL);

    if (aws_read(r, r->input, "", tag_resource_members, t) && events_tags_check(r, t->tags) && aws_valid(r) &&
        take_arn(r, t))
        aws_change_start(&t->change);
}

void events_untag_resource(struct aws_request *r)
{
    struct tagging *t = aws_change_new(r, sizeof *t, edit, NULL);

    if (aws_read(r, r->input, "", untag_resource_members, t) && check_keys(r, t->keys) && aws_valid(r) &&
        take_arn(r, t))
        aws_change_start(&t->change);
}

/* ---- ListTagsForResource ---- */

/* {NULL,0} where there are none. False: answered. */
static bool find_tags(struct aws_request *r, const struct tagging *t, struct str *tags)
{
    struct rule_says rule;
    struct bus_says bus;

    if (t->rule.ptr) {
        const struct rule *found = events_find_rule(r, t->bus, t->rule);
        if (found) {
            events_rule_show(&r->arena, found, &rule);
            *tags = rule.tags;
        }
        return found;
    }
    const struct bus *found = events_find_bus(r, t->bus);
    if (found) {
        events_bus_show(&r->arena, found, &bus);
        *tags = bus.tags;
    }
    return found;
}

void events_list_tags_for_resource(struct aws_request *r)
{
    struct tagging t = {0};
    struct str tags = {NULL, 0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", list_members, &t) || !aws_valid(r) || !take_arn(r, &t) || !find_tags(r, &t, &tags))
        return;
    buf_printf(&json, "{\"Tags\":%.*s}", STR_ARG(tags.ptr ? tags : STR("[]")));
    aws_reply(r, &json);
    buf_fini(&json);
}
