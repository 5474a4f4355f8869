/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of queues. A queue of the files has none, and takes none. */
#include "router/api/sqs_queue_int.h"
#include "router/xalloc.h"

#define TAGS_MAX      50
#define TAG_KEY_MAX   128 /* characters */
#define TAG_VALUE_MAX 256

struct input {
    struct str url, tags, keys;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct input, "Tags", AWS_STRUCTURE, tags),
    AWS_MEMBER(struct input, "TagKeys", AWS_LIST, keys, .element = AWS_STRING),
    {0},
};

struct tagging {
    struct sqs_change change;
    struct str tags, keys; /* one of them */
};

/* ---- maps of texts ---- */

static bool next_pair(struct json_reader *reader, struct json_token *key, struct json_token *value)
{
    if (json_next(reader, key) != JSON_KEY)
        return false;
    json_next(reader, value);
    json_skip(reader, value);
    return true;
}

static void start(struct json_reader *reader, struct str map)
{
    struct json_token t;
    json_reader_init_trusted(reader, map);
    json_next(reader, &t);
}

bool sqs_check_tags(struct aws_request *r, struct str tags, struct str queue)
{
    struct json_reader reader;
    struct json_token key, value;
    size_t count = 0;

    if (!tags.ptr)
        return true;
    start(&reader, tags);
    while (next_pair(&reader, &key, &value)) {
        struct str name = json_decode_in(&r->arena, key.raw);
        bool text = value.type == JSON_STRING;
        struct str content = text ? json_decode_in(&r->arena, value.raw) : STR("");
        bool fits = aws_length(name) >= 1 && aws_length(name) <= TAG_KEY_MAX && aws_length(content) <= TAG_VALUE_MAX;
        if (text && fits && ++count <= TAGS_MAX)
            continue;
        if (text && fits) {
            aws_fail(r, 400, "InvalidParameterValue", "Too many tags added for queue %.*s: it may have %d.",
                     STR_ARG(queue), TAGS_MAX);
            return false;
        }
        aws_fail(r, 400, "InvalidParameterValue",
                 "The tag '%.*s' is invalid. Reason: a key has 1 to 128 characters, a value is a text of at most 256.",
                 STR_ARG(name));
        return false;
    }
    return true;
}

static bool has_key(struct str map, struct str key)
{
    struct json_reader reader;
    struct json_token one, value;

    start(&reader, map);
    while (next_pair(&reader, &one, &value))
        if (str_eq(one.raw, key))
            return true;
    return false;
}

static bool is_listed(struct str list, struct str key)
{
    struct aws_list keys;
    struct str raw;

    for (aws_list_start(&keys, list); aws_list_next(&keys, &raw);)
        if (str_eq(raw, key))
            return true;
    return false;
}

static size_t add_pairs(struct buf *out, struct str map, const struct tagging *without)
{
    struct json_reader reader;
    struct json_token key, value;
    size_t count = 0;

    start(&reader, map);
    while (next_pair(&reader, &key, &value)) {
        if (without && (without->keys.ptr ? is_listed(without->keys, key.raw) : has_key(without->tags, key.raw)))
            continue;
        buf_text(out, out->data[out->size - 1] == '{' ? "" : ",");
        buf_str(out, key.raw);
        buf_char(out, ':');
        buf_str(out, value.raw);
        count++;
    }
    return count;
}

/* Keys and values in one spelling, so that they are compared as they stand. */
static struct str spelled(struct arena *a, struct str map)
{
    struct json_reader reader;
    struct json_token key, value;
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    start(&reader, map);
    while (next_pair(&reader, &key, &value)) {
        buf_text(&out, out.size > 1 ? "," : "");
        json_write_string(&out, json_decode_in(a, key.raw));
        buf_char(&out, ':');
        json_write_string(&out, json_decode_in(a, value.raw));
    }
    buf_char(&out, '}');
    return aws_keep(a, &out);
}

static struct str spelled_list(struct arena *a, struct str list)
{
    struct aws_list keys;
    struct str raw;
    struct buf out = BUF_INIT;

    buf_char(&out, '[');
    for (aws_list_start(&keys, list); aws_list_next(&keys, &raw);) {
        buf_text(&out, out.size > 1 ? "," : "");
        json_write_string(&out, json_decode_in(a, raw));
    }
    buf_char(&out, ']');
    return aws_keep(a, &out);
}

struct str sqs_tags(struct arena *a, struct str tags)
{
    return tags.ptr ? spelled(a, tags) : STR("{}");
}

/* ---- operations ---- */

static bool edit(struct sqs_change *change, struct sqs_document *d, struct resources *resources) /* main thread */
{
    struct tagging *c = (struct tagging *)change;
    struct buf tags = BUF_INIT;

    buf_char(&tags, '{');
    size_t count = add_pairs(&tags, d->tags, c);
    if (c->tags.ptr)
        count += add_pairs(&tags, c->tags, NULL);
    buf_char(&tags, '}');
    d->tags = aws_keep(&change->change.request->arena, &tags);
    return count <= TAGS_MAX ||
           aws_refuse(&change->change, 400, "InvalidParameterValue",
                      "Too many tags added for queue %.*s: it may have %d.", STR_ARG(change->name), TAGS_MAX);
}

static void run(struct aws_request *r, const struct input *in, const struct target_def *queue)
{
    struct tagging *c = sqs_change_new(r, sizeof *c, queue->name, edit);

    if (in->keys.ptr)
        c->keys = spelled_list(&r->arena, in->keys);
    else
        c->tags = spelled(&r->arena, in->tags);
    sqs_change_start(&c->change);
}

void sqs_tag_queue(struct aws_request *r)
{
    const struct target_def *queue;
    struct input in = {0};

    if (aws_read(r, r->input, "", members, &in) && (queue = sqs_queue(r, in.url)) && sqs_has(r, in.tags, "Tags") &&
        sqs_check_tags(r, in.tags, queue->name)) {
        in.keys = (struct str){0};
        run(r, &in, queue);
    }
}

void sqs_untag_queue(struct aws_request *r)
{
    const struct target_def *queue;
    struct input in = {0};

    if (aws_read(r, r->input, "", members, &in) && (queue = sqs_queue(r, in.url)) && sqs_has(r, in.keys, "TagKeys"))
        run(r, &in, queue);
}

void sqs_list_queue_tags(struct aws_request *r)
{
    const struct target_def *queue;
    struct sqs_document d = {.tags = STR("{}")};
    struct buf json = BUF_INIT;
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)))
        return;
    if (queue->made.ptr)
        sqs_document_read(&r->arena, queue->made, &d);
    if (str_is(d.tags, "{}"))
        buf_text(&json, "{}");
    else
        buf_printf(&json, "{\"Tags\":%.*s}", STR_ARG(d.tags));
    aws_reply(r, &json);
    buf_fini(&json);
}
