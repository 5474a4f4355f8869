/* SPDX-License-Identifier: Apache-2.0 */
/* What SQS's operations share: queues by their URLs, the commonest errors, and ledger jobs. */
#include <stdio.h>

#include "router/api/sqs.h"
#include "router/router.h"
#include "router/xalloc.h"

/* ---- queues by URL ---- */

/* Cuts the part behind the last slash off. */
static struct str cut_last(struct str *url)
{
    const char *slash = url->size ? memrchr(url->ptr, '/', url->size) : NULL;
    struct str part = *url;

    if (slash)
        part = (struct str){slash + 1, url->size - (size_t)(slash + 1 - url->ptr)};
    url->size = slash ? (size_t)(slash - url->ptr) : 0;
    return part;
}

static void fail_unknown(struct aws_request *r)
{
    aws_fail(r, 400, "QueueDoesNotExist", "The specified queue does not exist.");
}

/* The queue's name in a QueueUrl or in the path, existing or not. False: answered. */
static bool queue_name(struct aws_request *r, struct str url, struct str *name_out)
{
    struct str path = http_path(r->http);

    if (!url.size && path.size > 1)
        url = path;
    if (!sqs_has(r, url, "QueueUrl"))
        return false;
    if (!memchr(url.ptr, '/', url.size)) {
        aws_fail(r, 404, "InvalidAddress", "The address %.*s is not valid for this endpoint.", STR_ARG(url));
        return false;
    }
    *name_out = cut_last(&url);
    if (str_eq(cut_last(&url), http_set(r->http)->account))
        return true;
    fail_unknown(r);
    return false;
}

const struct target_def *sqs_queue_called(struct aws_request *r, struct str name)
{
    const struct target_def *queue = ruleset_target(http_set(r->http), queue_adapter.type, name);

    if (!queue)
        fail_unknown(r);
    return queue;
}

const struct target_def *sqs_queue(struct aws_request *r, struct str url)
{
    struct str name;
    return queue_name(r, url, &name) ? sqs_queue_called(r, name) : NULL;
}

void sqs_write_url(const struct aws_request *r, struct buf *json, struct str queue)
{
    const char *host = http_header(r->http, "Host");
    struct buf url = BUF_INIT;

    buf_printf(&url, "%s://%s/%.*s/%.*s", http_is_tls(r->http) ? "https" : "http", host ? host : "localhost",
               STR_ARG(http_set(r->http)->account), STR_ARG(queue));
    json_write_string(json, buf_view(&url));
    json->failed |= url.failed;
    buf_fini(&url);
}

/* ---- errors ---- */

bool sqs_refuse_value(struct aws_request *r, struct str value, const char *parameter, const char *reason)
{
    aws_fail(r, 400, "InvalidParameterValue", "Value %.*s for parameter %s is invalid. Reason: %s",
             value.size > 2000 ? 2000 : (int)value.size, value.ptr ? value.ptr : "", parameter, reason);
    return false;
}

bool sqs_refuse_number(struct aws_request *r, int64_t value, const char *parameter, const char *reason)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    return sqs_refuse_value(r, str_from(text), parameter, reason);
}

bool sqs_is_word(struct str text, size_t max)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.ptr[i], lower = (char)(c | 0x20);
        if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return text.size && text.size <= max;
}

bool sqs_has(struct aws_request *r, struct str value, const char *parameter)
{
    if (!value.size)
        aws_fail(r, 400, "MissingParameter", "The request must contain the parameter %s.", parameter);
    return value.size;
}

/* ---- calls ---- */

void *sqs_alloc(struct aws_request *r, size_t count, size_t size)
{
    void *memory = arena_array(&r->arena, count, size);

    if (!memory)
        xfail("out of memory");
    return memory;
}

void sqs_call_fail(struct sqs_call *c, const struct weir_diag *diag)
{
    aws_fail(c->request, 503, "ServiceUnavailable", "%s", diag->message);
}

static void done_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct sqs_call *c = (struct sqs_call *)job;

    if (ok)
        c->answer(c);
    else
        sqs_call_fail(c, diag);
}

void *sqs_call_new(struct aws_request *r, size_t size, const struct target_def *queue,
                   bool (*run)(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag),
                   void (*answer)(struct sqs_call *c))
{
    struct sqs_call *c = sqs_alloc(r, 1, size);

    c->request = r;
    c->queue = queue;
    c->answer = answer;
    c->job.run = run;
    c->job.done = done_cb;
    c->job.reply = http_mailbox(r->http);
    return c;
}

void sqs_call_submit(struct sqs_call *c)
{
    ledger_submit(http_router(c->request->http)->ledger, &c->job);
}
