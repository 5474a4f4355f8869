/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invoke. RequestResponse runs the function now and answers with what it says, in its own words: a function that fails
 * is an answer with status 200 and X-Amz-Function-Error, as at AWS. Event is answered when the invocation is on disk;
 * what becomes of it is dispatch_async.c's affair. DryRun only looks. A function that runs as many as
 * it may is no place to wait: TooManyRequestsException, and the client's own retries come again.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>

#include "router/api/lambda.h"
#include "router/invoke.h"
#include "router/router.h"
#include "router/space.h"
#include "router/xalloc.h"
#include "targets/invocations.h"

struct invoke {
    struct invoke_call call; /* first */
    struct aws_request *request;
    bool tail; /* the end of its log is wanted */
};

static struct str base64(struct buf *out, struct str bytes)
{
    if (!buf_reserve(out, (bytes.size + 2) / 3 * 4 + 1))
        xfail("out of memory");
    out->size = (size_t)EVP_EncodeBlock((unsigned char *)out->data, (const unsigned char *)bytes.ptr, (int)bytes.size);
    return buf_view(out);
}

/* Base64 of JSON, for the runtime; "" where it is neither. */
static struct str client_context(struct aws_request *r)
{
    const char *text = http_header(r->http, "X-Amz-Client-Context");
    size_t size = text ? strlen(text) : 0;
    char *out = size && size % 4 == 0 ? arena_alloc(&r->arena, size + 1) : NULL;
    int got = out ? EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)size) : -1;

    for (size_t i = 0; got > 0 && i < 2 && text[size - 1 - i] == '='; i++)
        out[--got] = '\0';
    struct str context = {out, got > 0 ? (size_t)got : 0};
    return context.size && !memchr(out, '\n', context.size) && json_check(context, NULL, NULL) ? context : STR("");
}

/* ---- the answer ---- */

/* As AWS frames it: what the function wrote between START and REPORT, the last 4 KB of all. */
static void write_log(struct buf *out, const struct invocation *i)
{
    int64_t took = i->ended_ms - i->started_ms;

    buf_printf(out, "START RequestId: %s Version: $LATEST\n", i->request_id);
    buf_add(out, i->log.bytes, i->log.size);
    if (out->data[out->size - 1] != '\n')
        buf_char(out, '\n');
    buf_printf(out, "END RequestId: %s\nREPORT RequestId: %s\tDuration: %lld.00 ms\tBilled Duration: %lld ms\n",
               i->request_id, i->request_id, (long long)took, (long long)took);
}

static void add_log(const struct invoke *v)
{
    struct buf text = BUF_INIT, coded = BUF_INIT;

    write_log(&text, &v->call.invocation);
    xbuf(&text);
    size_t size = text.size < FUNCTION_LOG_BYTES ? text.size : FUNCTION_LOG_BYTES;
    base64(&coded, (struct str){text.data + text.size - size, size});
    http_add_header(v->request->http, "X-Amz-Log-Result", buf_cstr(&coded));
    buf_fini(&text);
    buf_fini(&coded);
}

static void reply(const struct invoke *v)
{
    const struct invocation *i = &v->call.invocation;

    http_add_header(v->request->http, "X-Amz-Executed-Version", "$LATEST");
    if (i->verdict.kind != VERDICT_SETTLED)
        http_add_header(v->request->http, "X-Amz-Function-Error", "Unhandled");
    if (v->tail)
        add_log(v);
    aws_reply_raw(v->request, 200, "application/json", buf_view(&i->answer));
}

static void answer(struct invoke_call *call)
{
    struct invoke *v = (struct invoke *)call;

    switch (call->outcome) {
    case INVOKE_RAN: reply(v); break;
    case INVOKE_UNKNOWN: lambda_fail_unknown(v->request, call->name); break;
    case INVOKE_BUSY: aws_fail(v->request, 429, "TooManyRequestsException", "Rate Exceeded."); break;
    case INVOKE_STOPPING:
        aws_fail(v->request, 503, "ServiceException", "The router is stopping before the function has answered.");
        break;
    }
    buf_fini(&call->invocation.answer);
    free(v);
}

/* ---- asynchronous ones ---- */

struct event {             /* into the ledger, and answered when it is there */
    struct ledger_job job; /* first */
    struct aws_request *request;
    struct str function, client_context;
};

static bool insert(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    const struct event *e = (const struct event *)job;
    struct str body = http_body(e->request->http);
    struct invocation_row row = {.function = e->function,
                                 .request_id = str_from(e->request->id),
                                 .client_context = e->client_context,
                                 .payload = body.size ? body : STR("{}")};
    return invocations_insert(s, &row, now, diag);
}

static void inserted(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct event *e = (struct event *)job;

    if (ok)
        aws_reply_raw(e->request, 202, "application/json", STR(""));
    else
        aws_fail(e->request, 503, "ServiceException", "The invocation could not be kept: %s", diag->message);
    free(e);
}

static void keep(struct aws_request *r, const struct target_def *def)
{
    struct space_refusal no;
    struct event *e = xalloc(sizeof *e);

    if (!space_take(http_router(r->http)->space, 1, http_body(r->http).size, &no)) {
        free(e);
        aws_fail(r, 503, "ServiceException", "%s", no.message);
        return;
    }
    e->job = (struct ledger_job){.run = insert, .done = inserted, .reply = http_mailbox(r->http)};
    e->request = r;
    e->function = def->name;
    e->client_context = client_context(r);
    ledger_submit(http_router(r->http)->ledger, &e->job);
}

/* ---- the request ---- */

enum invocation_type { REQUEST_RESPONSE, EVENT, DRY_RUN, TYPE_COUNT };
static const char *const type_names[] = {"RequestResponse", "Event", "DryRun"};

static bool read_type(struct aws_request *r, enum invocation_type *out)
{
    const char *text = http_header(r->http, "X-Amz-Invocation-Type");

    *out = REQUEST_RESPONSE;
    for (int i = 0; text && i < TYPE_COUNT; i++)
        if (strcmp(text, type_names[i]) == 0) {
            *out = (enum invocation_type)i;
            return true;
        }
    if (text)
        aws_fail(r, 400, "ValidationException",
                 "1 validation error detected: Value '%.100s' at 'invocationType' failed to satisfy constraint: "
                 "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
                 text);
    return !text;
}

static bool check_payload(struct aws_request *r, enum invocation_type type)
{
    unsigned max = type == EVENT ? FUNCTION_ASYNC_BYTES_MAX : FUNCTION_PAYLOAD_BYTES_MAX;
    struct str body = http_body(r->http);
    struct weir_diag diag;

    if (body.size > max)
        aws_fail(r, 413, "RequestTooLargeException",
                 "Request must be smaller than %u bytes for the InvokeFunction operation", max);
    else if (body.size && !json_check(body, NULL, &diag))
        aws_fail(r, 400, "InvalidRequestContentException",
                 "Could not parse request body into json: line %d, column %d: %s", diag.line, diag.column,
                 diag.message);
    else
        return true;
    return false;
}

static void run(struct aws_request *r, const struct target_def *def)
{
    struct invoke *v = xalloc(sizeof *v);
    const char *log = http_header(r->http, "X-Amz-Log-Type");

    v->request = r;
    v->tail = log && strcasecmp(log, "Tail") == 0;
    v->call = (struct invoke_call){.name = def->name, .reply = http_mailbox(r->http), .done = answer};
    v->call.invocation.payload = http_body(r->http).size ? http_body(r->http) : STR("{}");
    v->call.invocation.wants_answer = true;
    v->call.invocation.client_context = client_context(r);
    memcpy(v->call.invocation.request_id, r->id, sizeof r->id);
    dispatch_invoke(http_router(r->http)->dispatch, &v->call);
}

void lambda_invoke(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    enum invocation_type type;

    if (!def || !read_type(r, &type) || !check_payload(r, type))
        return;
    if (type == DRY_RUN)
        aws_reply_raw(r, 204, "application/json", STR(""));
    else if (type == EVENT)
        keep(r, def);
    else
        run(r, def);
}

/* Deprecated since 2014 and still spoken. */
void lambda_invoke_async(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);

    if (def && check_payload(r, EVENT))
        keep(r, def);
}
