/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /: from an HTTP request to an AWS operation, and back. The JSON protocols are dispatched here by X-Amz-Target;
 * the query protocol (a form with Action=, which SQS and SNS clients speak) is recognised and answered in its own XML.
 *
 * Every answer has a request id, in the header that all clients look at; an error's name stands in the body (__type)
 * and in the header x-amzn-errortype, since some SDKs read the one and some the other.
 */
#include <stdlib.h>
#include <strings.h>

#include "router/api/api.h"
#include "router/api/aws.h"
#include "router/router.h"
#include "router/xalloc.h"

static const struct aws_service sqs = {"AmazonSQS", "application/x-amz-json-1.0", "com.amazonaws.sqs#", NULL};
/* What has no service of its own is answered as EventBridge answers. */
static const struct aws_service *const services[] = {&aws_events, &sqs};

/* ---- answers ---- */

static void make_id(struct aws_request *r)
{
    if (!uuid_random(r->id))
        xfail("the kernel gives no random bytes");
}

static void reply(struct aws_request *r, int status, const char *content_type, const struct buf *body)
{
    xbuf(body);
    if (r->arena.failed)
        xfail("out of memory");
    http_add_header(r->http, "x-amzn-RequestId", r->id);
    if (status == 503)
        http_add_header(r->http, "Retry-After", "1");
    http_reply(r->http, status, content_type, buf_view(body));
    buf_fini(&r->faults);
    arena_fini(&r->arena);
    free(r);
}

void aws_reply(struct aws_request *r, const struct buf *json)
{
    reply(r, 200, r->service->content_type, json);
}

void aws_fail(struct aws_request *r, int status, const char *code, const char *format, ...)
{
    struct buf type = BUF_INIT, message = BUF_INIT, json = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    buf_printf(&type, "%s%s", r->service->error_prefix, code);
    buf_char(&json, '{');
    json_write_member(&json, "__type", buf_view(&type));
    json_write_member(&json, "message", buf_view(&message));
    buf_char(&json, '}');
    xbuf(&type);
    xbuf(&message);
    http_add_header(r->http, "x-amzn-errortype", code);
    reply(r, status, r->service->content_type, &json);
    buf_fini(&type);
    buf_fini(&message);
    buf_fini(&json);
}

/* ---- the query protocol ---- */

/* A parameter of a form as it stands there; {NULL,0}: none. */
static struct str form_value(struct str form, struct str name)
{
    for (size_t at = 0; at < form.size;) {
        const char *end = memchr(form.ptr + at, '&', form.size - at);
        struct str pair = {form.ptr + at, (end ? (size_t)(end - form.ptr) : form.size) - at};
        if (str_starts(pair, name) && pair.size > name.size && pair.ptr[name.size] == '=')
            return (struct str){pair.ptr + name.size + 1, pair.size - name.size - 1};
        at += pair.size + 1;
    }
    return (struct str){0};
}

/* Neither of the two services is served yet; each is told so as its clients expect it. */
static void fail_query(struct aws_request *r, struct str action)
{
    bool sns = str_is(form_value(http_body(r->http), STR("Version")), "2010-03-31");
    struct buf xml = BUF_INIT;
    size_t size = 0;

    while (size < action.size && size < 64 && ((action.ptr[size] | 0x20) >= 'a' && (action.ptr[size] | 0x20) <= 'z'))
        size++;
    buf_printf(
        &xml,
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"%s\"><Error><Type>Sender</Type><Code>%s</Code><Message>The "
        "action %.*s is not served: this version of Weir has no API of %s.</Message><Detail/></Error>"
        "<RequestId>%s</RequestId></ErrorResponse>",
        sns ? "http://sns.amazonaws.com/doc/2010-03-31/" : "http://queue.amazonaws.com/doc/2012-11-05/",
        sns ? "InvalidAction" : "AWS.SimpleQueueService.UnsupportedOperation", (int)size, action.ptr,
        sns ? "SNS" : "SQS", r->id);
    reply(r, 400, "text/xml", &xml);
    buf_fini(&xml);
}

/* ---- dispatch ---- */

static const struct aws_service *find_service(struct str name)
{
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (str_is(name, services[i]->target))
            return services[i];
    return NULL;
}

static const struct aws_operation *find_operation(const struct aws_service *service, const char *name)
{
    for (const struct aws_operation *one = service->operations; one && one->name; one++)
        if (strcmp(one->name, name) == 0)
            return one;
    return NULL;
}

static void fail_unknown(struct aws_request *r, const char *target)
{
    if (r->service == &sqs) {
        http_add_header(r->http, "x-amzn-query-error", "AWS.SimpleQueueService.UnsupportedOperation;Sender");
        aws_fail(r, 400, "UnsupportedOperation", "%.100s is not served: this version of Weir has no API of SQS.",
                 target);
    } else {
        aws_fail(r, 400, "UnknownOperationException", "The operation %.100s is not known.", target);
    }
}

/* The body as one JSON object; where it is not, the request is answered. */
static bool take_input(struct aws_request *r)
{
    struct weir_diag diag;

    r->input = http_body(r->http);
    if (!json_check(r->input, NULL, &diag))
        aws_fail(r, 400, "SerializationException", "The request is not JSON: line %d, column %d: %s", diag.line,
                 diag.column, diag.message);
    else if (json_type_of((struct str){r->input.ptr + strspn(r->input.ptr, " \t\r\n"), 1}) != JSON_OBJECT)
        aws_fail(r, 400, "SerializationException", "The request is not a JSON object.");
    else
        return true;
    return false;
}

static void run(struct aws_request *r, const char *target)
{
    const char *dot = strchr(target, '.');
    const struct router *router = http_router(r->http);
    const struct aws_service *service = find_service((struct str){target, dot ? (size_t)(dot - target) : 0});
    const struct aws_operation *operation = NULL;

    if (service) {
        r->service = service;
        operation = find_operation(service, dot + 1);
    }
    if (!operation || !operation->run)
        fail_unknown(r, target);
    else if (!router->ready || router->draining)
        aws_fail(r, 503, "ServiceUnavailable", "The router is %s.", router->draining ? "stopping" : "starting");
    else if (take_input(r))
        operation->run(r);
}

void aws_post(struct http_request *http)
{
    struct aws_request *r = xalloc(sizeof *r);
    const char *target = http_header(http, "X-Amz-Target");
    struct str action;

    r->http = http;
    r->service = &aws_events;
    make_id(r);
    if (target)
        run(r, target);
    else if ((action = form_value(http_body(http), STR("Action"))).ptr || http_query(http, "Action", &action))
        fail_query(r, action);
    else
        aws_fail(
            r, 400, "UnknownOperationException",
            "POST / takes the AWS protocols, which name an operation in the header X-Amz-Target. Plain events go to "
            "POST /events.");
}
