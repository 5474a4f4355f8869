/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an HTTP request to an AWS operation, and back. Three protocols end in one function call:
 *
 *     X-Amz-Target: AmazonSQS.SendMessage, JSON     ─┐
 *     Action=SendMessage&Version=2012-11-05&…, form  ├─ may it run?  ─ operation->run(r) ─ aws_reply() or aws_fail()
 *     a path of its own (aws_begin)                 ─┘
 *
 * Every answer has a request id, in the header that all clients look at; an error's name stands in the body (__type)
 * and in the header x-amzn-errortype, since some SDKs read the one and some the other. A service that had the query
 * protocol first (SQS) also sends its old code in x-amzn-query-error: clients raise the exception by that one.
 */
#include <stdlib.h>
#include <strings.h>

#include "router/api/api.h"
#include "router/api/aws.h"
#include "router/api/aws_auth.h"
#include "router/router.h"
#include "router/xalloc.h"

/* What has no service of its own is answered as EventBridge answers. */
const struct aws_service *const aws_services[] = {&aws_events, &aws_sqs, &aws_sns, &aws_lambda, NULL};

/* ---- answers ---- */

static void make_id(struct aws_request *r)
{
    if (!uuid_random(r->id))
        xfail("the kernel gives no random bytes");
}

static void destroy(struct aws_request *r)
{
    buf_fini(&r->form);
    buf_fini(&r->faults);
    arena_fini(&r->arena);
    free(r);
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
    destroy(r);
}

static void reply_xml(struct aws_request *r, struct str object)
{
    const char *name = r->operation->name;
    struct buf xml = BUF_INIT;

    buf_printf(&xml, "<?xml version=\"1.0\"?><%sResponse xmlns=\"%s\"><%sResult>", name, r->service->xmlns, name);
    aws_xml_write(&xml, object, r->service->wire, name);
    buf_printf(&xml, "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", name,
               r->id, name);
    reply(r, 200, "text/xml", &xml);
    buf_fini(&xml);
}

void aws_reply(struct aws_request *r, const struct buf *json)
{
    xbuf(json);
    if (r->protocol == AWS_QUERY)
        reply_xml(r, buf_view(json));
    else
        reply(r, 200, r->service->content_type, json);
}

void aws_reply_empty(struct aws_request *r)
{
    struct buf json = BUF_INIT;

    buf_text(&json, "{}");
    aws_reply(r, &json);
    buf_fini(&json);
}

void aws_reply_raw(struct aws_request *r, int status, const char *content_type, struct str body)
{
    struct buf copy = BUF_INIT; /* body may be in the request */

    buf_str(&copy, body);
    reply(r, status, content_type, &copy);
    buf_fini(&copy);
}

/* ---- errors ---- */

static const struct aws_error *find_error(const struct aws_service *service, const char *name)
{
    static const struct aws_error as_it_is;
    /* Of every service: what has another name where the query protocol is, or was. */
    static const struct aws_error common[] = {
        {"MissingAuthenticationTokenException", NULL, "MissingAuthenticationToken", 403},
        {"IncompleteSignatureException", NULL, "IncompleteSignature", 400},
        {"UnrecognizedClientException", NULL, "InvalidClientTokenId", 403},
        {"InvalidSignatureException", NULL, "SignatureDoesNotMatch", 403},
        {"AccessDeniedException", NULL, "AccessDenied", 403},
    };

    for (const struct aws_error *one = service->errors; one && one->name; one++)
        if (strcmp(one->name, name) == 0)
            return one;
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        if (strcmp(common[i].name, name) == 0)
            return &common[i];
    return &as_it_is;
}

const char *aws_error_code(const struct aws_service *service, const char *name)
{
    const char *code = find_error(service, name)->code;
    return code ? code : name;
}

static void fail_query(struct aws_request *r, int status, const char *name, struct str message)
{
    const struct aws_error *error = find_error(r->service, name);
    struct buf xml = BUF_INIT;

    status = error->status ? error->status : status;
    buf_printf(&xml,
               "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type><Code>%s</Code><Message>",
               r->service->xmlns, status < 500 ? "Sender" : "Receiver", error->code ? error->code : name);
    aws_xml_text(&xml, message);
    buf_printf(&xml, "</Message><Detail/></Error><RequestId>%s</RequestId></ErrorResponse>", r->id);
    reply(r, status, "text/xml", &xml);
    buf_fini(&xml);
}

static void add_query_error(struct aws_request *r, int status, const char *name)
{
    struct buf header = BUF_INIT;

    buf_printf(&header, "%s;%s", aws_error_code(r->service, name), status < 500 ? "Sender" : "Receiver");
    http_add_header(r->http, "x-amzn-query-error", buf_cstr(&header));
    buf_fini(&header);
}

static void fail_json(struct aws_request *r, int status, const char *name, struct str message)
{
    const struct aws_error *error = find_error(r->service, name);
    struct buf type = BUF_INIT, json = BUF_INIT;

    if (error->type)
        buf_text(&type, error->type);
    else
        buf_printf(&type, "%s%s", r->service->error_prefix, name);
    buf_char(&json, '{');
    if (r->protocol == AWS_REST)
        json_write_member(&json, "Type", status < 500 ? STR("User") : STR("Service"));
    else
        json_write_member(&json, "__type", buf_view(&type));
    json_write_member(&json, "message", message);
    buf_char(&json, '}');
    const char *hash = strchr(buf_cstr(&type), '#');
    http_add_header(r->http, "x-amzn-errortype", hash ? hash + 1 : type.data);
    if (r->service->version)
        add_query_error(r, status, name);
    reply(r, status, r->service->content_type, &json);
    buf_fini(&type);
    buf_fini(&json);
}

void aws_fail(struct aws_request *r, int status, const char *code, const char *format, ...)
{
    struct buf message = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    xbuf(&message);
    if (r->protocol == AWS_QUERY)
        fail_query(r, status, code, buf_view(&message));
    else
        fail_json(r, status, code, buf_view(&message));
    buf_fini(&message);
}

/* ---- which operation ---- */

static const struct aws_operation *find_operation(const struct aws_service *service, const char *name)
{
    for (const struct aws_operation *one = service->operations; one && one->name; one++)
        if (strcmp(one->name, name) == 0)
            return one;
    return NULL;
}

static const struct aws_service *find_target(struct str name)
{
    for (const struct aws_service *const *one = aws_services; *one; one++)
        if ((*one)->target && str_is(name, (*one)->target))
            return *one;
    return NULL;
}

/* A form's service: by Version, or where that is missing by the operation's name. */
static const struct aws_service *find_version(const char *version, const char *operation)
{
    for (const struct aws_service *const *one = aws_services; *one; one++)
        if ((*one)->version && (*version ? strcmp((*one)->version, version) == 0 : !!find_operation(*one, operation)))
            return *one;
    return NULL;
}

/* What stands before every operation, whatever its protocol. False: it is answered. */
static bool may_run(struct aws_request *r, const char *name)
{
    const struct router *router = http_router(r->http);

    if (!aws_may_act(r))
        return false;
    if (!r->operation)
        aws_fail(r, 400, r->service->unknown, "The operation %.100s is not known.", name);
    else if (!r->operation->run)
        aws_fail(r, 400, r->service->unknown, "Weir does not serve %s: %s", r->operation->name, r->operation->differs);
    else if (!router->ready || router->draining)
        aws_fail(r, 503, "ServiceUnavailable", "The router is %s.", router->draining ? "stopping" : "starting");
    else
        return true;
    return false;
}

/* ---- input ---- */

bool aws_take_json(struct aws_request *r)
{
    struct weir_diag diag;

    r->input = http_body(r->http);
    if (!r->input.size && r->protocol == AWS_REST)
        r->input = STR("{}");
    if (!json_check(r->input, NULL, &diag))
        aws_fail(r, 400, "SerializationException", "The request is not JSON: line %d, column %d: %s", diag.line,
                 diag.column, diag.message);
    else if (json_type_of((struct str){r->input.ptr + strspn(r->input.ptr, " \t\r\n"), 1}) != JSON_OBJECT)
        aws_fail(r, 400, "SerializationException", "The request is not a JSON object.");
    else
        return true;
    return false;
}

static bool take_form(struct aws_request *r, struct str form)
{
    const char *fault = aws_form_read(&r->form, form, r->service->wire, r->operation->name);

    if (fault) {
        aws_fail(r, 400, "MalformedQueryString", "The request cannot be read: %s.", fault);
        return false;
    }
    xbuf(&r->form);
    r->input = buf_view(&r->form);
    return true;
}

/* ---- dispatch ---- */

struct aws_request *aws_create(struct http_request *http, enum aws_protocol protocol)
{
    struct aws_request *r = xalloc(sizeof *r);

    r->http = http;
    r->protocol = protocol;
    r->service = &aws_events;
    make_id(r);
    return r;
}

struct aws_request *aws_begin(struct http_request *http, const struct aws_service *service, const char *operation)
{
    struct aws_request *r = aws_create(http, AWS_REST);

    r->service = service;
    r->operation = find_operation(service, operation);
    return may_run(r, operation) ? r : NULL;
}

static void run_json(struct http_request *http, const char *target)
{
    struct aws_request *r = aws_create(http, AWS_JSON);
    const char *dot = strchr(target, '.');
    const struct aws_service *service = find_target((struct str){target, dot ? (size_t)(dot - target) : 0});

    if (service) {
        r->service = service;
        r->operation = find_operation(service, dot + 1);
    }
    if (may_run(r, target) && aws_take_json(r) && aws_may_use(r))
        r->operation->run(r);
}

static void run_form(struct http_request *http, struct str form, const char *action)
{
    struct aws_request *r = aws_create(http, AWS_QUERY);
    struct buf version = BUF_INIT;

    aws_form_value(form, "Version", &version);
    const struct aws_service *service = find_version(buf_cstr(&version), action);
    buf_fini(&version);
    r->service = service ? service : &aws_sqs;
    r->operation = service ? find_operation(service, action) : NULL;
    if (may_run(r, action) && take_form(r, form) && aws_may_use(r))
        r->operation->run(r);
}

/* The text that holds the parameters: the body's, or else the query string's. */
static struct str find_form(struct http_request *http, struct buf *action)
{
    struct str body = http_body(http), query = http_query_text(http);

    if (aws_form_value(body, "Action", action))
        return body;
    return aws_form_value(query, "Action", action) ? query : (struct str){0};
}

void aws_post(struct http_request *http)
{
    const char *target = http_header(http, "X-Amz-Target");
    struct buf action = BUF_INIT;
    struct str form = {0};

    if (target)
        run_json(http, target);
    else if ((form = find_form(http, &action)).ptr)
        run_form(http, form, buf_cstr(&action));
    else
        aws_fail(aws_create(http, AWS_JSON), 400, "UnknownOperationException",
                 "POST / takes the AWS protocols, which name an operation in the header X-Amz-Target or the parameter "
                 "Action. Plain events go to POST /events.");
    buf_fini(&action);
}
