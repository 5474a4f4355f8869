/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API destination: a request for each event, as EventBridge makes it (api_destination_request.c), authorized by its
 * connection. 2xx is done; 401, 407, 409, 429, 5xx, and everything that happens to connections is tried again, not
 * before the server's Retry-After, and never again where that is below 0; the rest is for good. Of answers' bodies
 * nothing is told: an API may repeat there what it was sent.
 *
 *   send ─► token? ── no ──► waiting ──► oauth_ask ─┐
 *             │ yes             ▲                   │ ready
 *             └──► transfer ────┤◄──────────────────┘
 *                     │         └─ 401 or 407, the first time: the token is forgotten
 *                     └─► verdict
 *
 * A token belongs to the destination: two that share a connection ask for one each. A change of the connection opens
 * the destination anew (target_def_equal()), so that the next attempt goes by it. Secrets that cannot be opened are
 * looked at again with every attempt, so a key file that is put back mends them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "targets/api_destination_int.h"
#include "targets/fail.h"
#include "targets/http_client.h"
#include "targets/oauth.h"
#include "targets/policy.h"

#define USER_AGENT "Amazon/EventBridge/ApiDestinations"

const char *const api_destination_methods[] = {"POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", NULL};
static const int again[] = {401, 407, 409, 429, 0};

TAILQ_HEAD(transfers, transfer);

struct destination {
    struct target target; /* first */
    struct http_client client;
    struct transfers active, waiting; /* the latter for a token */
    char *data_dir;
    struct arena arena; /* secrets in clear */
    struct connection_options connection;
    bool revealed;
    struct oauth oauth;
};

struct transfer {
    struct http_call call; /* first */
    TAILQ_ENTRY(transfer) link;
    struct destination *of;
    struct transfers *list; /* where it is */
    struct delivery *delivery;
    struct buf url, body;
    uint64_t token; /* the number of the one that it goes with */
    bool renewed;   /* its second token */
};

static const struct api_destination_options *options_of(const struct destination *a)
{
    return a->target.def->options;
}

/* ---- ends ---- */

static void put_in(struct transfer *t, struct transfers *list)
{
    if (t->list)
        TAILQ_REMOVE(t->list, t, link);
    t->list = list;
    TAILQ_INSERT_TAIL(list, t, link);
}

/* What the request was made of, so that it can be made again. */
static void clear(struct transfer *t)
{
    http_call_fini(&t->call);
    buf_fini(&t->url);
    buf_fini(&t->body);
}

static void transfer_free(struct transfer *t)
{
    clear(t);
    if (t->list)
        TAILQ_REMOVE(t->list, t, link);
    free(t);
}

static void end(struct transfer *t, const struct verdict *v)
{
    struct host *host = t->of->target.host;

    host->complete(host, t->delivery, v);
    transfer_free(t);
}

static void fail(struct transfer *t, enum verdict_kind kind, const char *code, const char *message)
{
    struct verdict v = {.retry_after_ms = -1};

    verdict_set(&v, kind, code, "%s", message);
    end(t, &v);
}

static void fail_of_memory(struct transfer *t)
{
    fail(t, VERDICT_RETRY, "THROTTLING", "out of memory");
}

/* ---- requests ---- */

static void go(struct transfer *t);

static bool is_oauth(const struct destination *a)
{
    return a->connection.authorization_type == AUTHORIZATION_OAUTH;
}

static void done(struct http_call *call)
{
    struct transfer *t = (struct transfer *)call;
    struct destination *a = t->of;
    bool refused = call->failure == HTTP_ANSWERED && (call->status == 401 || call->status == 407);
    struct verdict v;

    if (refused && is_oauth(a) && !t->renewed) {
        t->renewed = true;
        oauth_forget(&a->oauth, t->token);
        clear(t);
        go(t);
        return;
    }
    http_call_judge(call, again, false, &v);
    if (v.kind == VERDICT_RETRY && call->has_retry_after && call->retry_after_ms < 0)
        v.kind = VERDICT_FAILED; /* it wants this never again */
    end(t, &v);
}

static bool add_header(void *context, const char *name, struct str value)
{
    return http_call_header(context, name, value);
}

/* False: out of memory; or diag says what is wrong with the event. */
static bool start(struct transfer *t, struct str token, struct weir_diag *diag)
{
    struct destination *a = t->of;
    const struct api_destination_options *o = options_of(a);
    struct http_request_line line = {.method = api_destination_methods[o->method],
                                     .user_agent = USER_AGENT,
                                     .timeout = o->timeout,
                                     .connect_timeout = o->timeout,
                                     .bodiless = api_destination_is_bodiless(o)};

    t->call.done = done;
    http_call_init(&t->call);
    if (!api_destination_url(o, &a->connection, t->delivery, &t->url, diag) ||
        !api_destination_body(o, &a->connection, t->delivery, &t->body, &line.body, diag))
        return false;
    line.url = buf_cstr(&t->url);
    return (api_destination_headers(&a->connection, t->delivery, token, add_header, &t->call) &&
            http_call_start(&a->client, &t->call, &line)) ||
           fail_memory(diag);
}

/* Its request, or first the question for a token. */
static void go(struct transfer *t)
{
    struct destination *a = t->of;
    struct weir_diag diag = {0};
    struct str token = {NULL, 0};

    if (is_oauth(a)) {
        token = oauth_token(&a->oauth, a->target.host->now(a->target.host));
        if (!token.ptr) {
            put_in(t, &a->waiting);
            if (!oauth_ask(&a->oauth))
                fail_of_memory(t);
            return;
        }
        t->token = a->oauth.number;
    }
    put_in(t, &a->active);
    if (start(t, token, &diag))
        return;
    if (diag.code == WEIR_E_MEMORY)
        fail_of_memory(t);
    else
        fail(t, VERDICT_FAILED, "INVALID_PARAMETER", diag.message);
}

/* One question, one answer: only the first of those that waited shows what the endpoint is like. */
static void token_ready(struct oauth *oauth, const struct verdict *failure)
{
    struct destination *a = (struct destination *)((char *)oauth - offsetof(struct destination, oauth));
    struct transfers waited = TAILQ_HEAD_INITIALIZER(waited);
    struct transfer *t;
    struct verdict v;

    TAILQ_CONCAT(&waited, &a->waiting, link);
    if (failure)
        v = *failure;
    while ((t = TAILQ_FIRST(&waited))) {
        t->list = &waited;
        if (failure) {
            end(t, &v);
            v.no_fault = true;
        } else {
            go(t);
        }
    }
}

/* ---- send ---- */

/* False: nothing can be sent now; the verdict says why. */
static bool authorize(struct destination *a, struct verdict *v)
{
    const struct target_def *connection = options_of(a)->connection;
    struct weir_diag diag;

    if (!connection) {
        verdict_set(v, VERDICT_FAILED, "NO_RESOURCE", "the connection of the API destination does not exist");
        return false;
    }
    if (((const struct connection_options *)connection->options)->deauthorized) {
        verdict_set(v, VERDICT_FAILED, "NO_PERMISSIONS", "connection '%.*s' is deauthorized",
                    STR_ARG(connection->name));
        return false;
    }
    if (a->revealed)
        return true;
    arena_fini(&a->arena); /* of an attempt that failed */
    a->revealed = connection_reveal(connection, a->data_dir, &a->arena, &a->connection, &diag);
    if (!a->revealed && diag.code == WEIR_E_MEMORY)
        verdict_set(v, VERDICT_RETRY, "THROTTLING", "out of memory");
    else if (!a->revealed)
        verdict_set(v, VERDICT_RETRY, "NO_PERMISSIONS", "connection '%.*s' is deauthorized: %.150s",
                    STR_ARG(connection->name), diag.message);
    return a->revealed;
}

static void destination_send(struct target *target, struct delivery *d)
{
    struct destination *a = (struct destination *)target;
    struct transfer *t = calloc(1, sizeof *t);
    struct verdict v = {.retry_after_ms = -1};

    if (!t) {
        verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
        target->host->complete(target->host, d, &v);
        return;
    }
    *t = (struct transfer){.of = a, .delivery = d};
    if (authorize(a, &v))
        go(t);
    else
        end(t, &v);
}

/* ---- life cycle ---- */

static void free_all(struct transfers *list)
{
    struct transfer *t;

    while ((t = TAILQ_FIRST(list)))
        transfer_free(t);
}

static void destination_close(struct target *target)
{
    struct destination *a = (struct destination *)target;

    free_all(&a->active);
    free_all(&a->waiting);
    oauth_fini(&a->oauth);
    http_client_fini(&a->client);
    arena_fini(&a->arena);
    free(a->data_dir);
    free(a);
}

static struct target *destination_open(const struct target_def *def, struct host *host, const char *data_dir,
                                       struct weir_diag *diag)
{
    struct destination *a = calloc(1, sizeof *a);

    if (!a) {
        fail_memory(diag);
        return NULL;
    }
    a->target = (struct target){.ops = def->adapter, .def = def, .host = host};
    TAILQ_INIT(&a->active);
    TAILQ_INIT(&a->waiting);
    a->oauth.client = &a->client;
    a->oauth.connection = &a->connection;
    a->oauth.host = host;
    a->oauth.timeout = options_of(a)->timeout;
    a->oauth.ready = token_ready;
    a->data_dir = strdup(data_dir);
    if (!a->data_dir || !http_client_init(&a->client, host, (long)def->policy->concurrency)) {
        fail_memory(diag);
        destination_close(&a->target);
        return NULL;
    }
    return &a->target;
}

static const struct option rows[] = {
    {.key = "description",
     .type = OPTION_TEXT,
     .offset = offsetof(struct api_destination_options, description),
     .max = 512,
     .meaning = "what the API destination is for, for people"},
    {.key = "connection",
     .type = OPTION_CONNECTION,
     .offset = offsetof(struct api_destination_options, connection),
     .required = true,
     .meaning = "the connection that authorizes the requests"},
    {.key = "invocation_endpoint",
     .type = OPTION_URL,
     .offset = offsetof(struct api_destination_options, endpoint),
     .required = true,
     .meaning = "where requests go; each * in it stands for a path value of the rule's target"},
    {.key = "http_method",
     .type = OPTION_ENUM,
     .offset = offsetof(struct api_destination_options, method),
     .value = "POST",
     .names = api_destination_methods,
     .meaning = "the request's method; GET, HEAD and OPTIONS go without a body"},
    {.key = "invocation_rate_limit_per_second",
     .type = OPTION_INT,
     .offset = offsetof(struct api_destination_options, rate_per_second),
     .value = "300",
     .min = 1,
     .max = OPTION_RATE_MAX,
     .meaning = "how many requests are started in a second, where no rate_limit says otherwise"},
    {.key = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct api_destination_options, timeout),
     .value = "5s",
     .min = 100,
     .max = 300000,
     .meaning = "from the start of a request to the end of its answer; AWS's is 5s"},
    {0},
};

const struct adapter api_destination_adapter = {
    .type = "api_destination",
    .section = "api_destinations",
    .summary = "calls somebody's HTTP API by a connection: 2xx is done; 401, 407, 409, 429, 5xx and connection errors "
               "are tried again",
    .arn_format = "arn:aws:events:{region}:{account}:api-destination/{name}/{uuid}",
    .options = rows,
    .options_size = sizeof(struct api_destination_options),
    .rate_offset = offsetof(struct api_destination_options, rate_per_second),
    .concurrency = "16",
    .concurrency_max = 1000,
    .open = destination_open,
    .close = destination_close,
    .send = destination_send,
};
