/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of queues, in the order of their names: all of them, and those whose redrive policy names one. */
#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/sqs.h"
#include "rules/ruleset.h"

#define PAGE_MAX 1000
#define UNSAID   INT64_MIN

struct input {
    struct str url, prefix, token;
    int64_t max;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct input, "QueueNamePrefix", AWS_STRING, prefix),
    AWS_MEMBER(struct input, "NextToken", AWS_STRING, token),
    AWS_MEMBER(struct input, "MaxResults", AWS_INTEGER, max),
    {0},
};

struct listing {
    const char *name, *member;       /* of the operation, and of the list in its answer */
    struct str prefix;               /* of names */
    const struct target_def *source; /* whose sources are wanted; NULL: all queues */
};

static int by_name(const void *left, const void *right)
{
    return str_cmp(*(const struct str *)left, *(const struct str *)right);
}

static bool is_wanted(const struct listing *l, const struct target_def *def)
{
    const struct queue_options *o = def->options;

    return def->adapter == &queue_adapter && str_starts(def->name, l->prefix) &&
           (!l->source || o->redrive_policy.target == l->source);
}

/* Those behind `after`, sorted. */
static size_t collect(struct aws_request *r, const struct listing *l, struct str after, struct str **names_out)
{
    const struct ruleset *set = http_set(r->http);
    struct str *names = sqs_alloc(r, set->target_count, sizeof *names);
    size_t count = 0;

    for (uint32_t i = 0; i < set->target_count; i++)
        if (is_wanted(l, set->targets[i]) && (!after.ptr || str_cmp(set->targets[i]->name, after) > 0))
            names[count++] = set->targets[i]->name;
    qsort(names, count, sizeof *names, by_name);
    *names_out = names;
    return count;
}

static void answer(struct aws_request *r, const struct listing *l, const struct input *in, struct str after)
{
    size_t max = in->max == UNSAID ? PAGE_MAX : (size_t)in->max;
    struct buf json = BUF_INIT;
    struct str *names;
    size_t count = collect(r, l, after, &names);

    buf_char(&json, '{');
    if (count || l->source) {
        json_write_key(&json, l->member);
        buf_char(&json, '[');
        for (size_t i = 0; i < count && i < max; i++) {
            buf_text(&json, i ? "," : "");
            sqs_write_url(r, &json, names[i]);
        }
        buf_char(&json, ']');
    }
    if (count > max && in->max != UNSAID) {
        json_write_key(&json, "NextToken");
        aws_token_write(&json, l->name, names[max - 1]);
    }
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

static void run(struct aws_request *r, const struct listing *l, const struct input *in)
{
    struct str after = {0};

    if (in->max != UNSAID && (in->max < 1 || in->max > PAGE_MAX))
        sqs_refuse_number(r, in->max, "MaxResults", "Must be an integer from 1 to 1000.");
    else if (in->token.size && !aws_token_read(&r->arena, l->name, in->token, &after))
        aws_fail(r, 400, "InvalidParameterValue", "Invalid or expired next token.");
    else
        answer(r, l, in, after);
}

void sqs_list_queues(struct aws_request *r)
{
    struct input in = {.max = UNSAID};

    if (!aws_read(r, r->input, "", members, &in))
        return;
    struct listing l = {.name = "ListQueues", .member = "QueueUrls", .prefix = in.prefix};
    run(r, &l, &in);
}

void sqs_list_dead_letter_source_queues(struct aws_request *r)
{
    struct listing l = {.name = "ListDeadLetterSourceQueues", .member = "queueUrls"};
    struct input in = {.max = UNSAID};

    if (aws_read(r, r->input, "", members, &in) && (l.source = sqs_queue(r, in.url)))
        run(r, &l, &in);
}
