/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeConnection and ListConnections, and what they share with API destinations. All comes from the rule set, so
 * weir.yaml's connections and the API's look the same; secrets are not shown, and a parameter that is one has a Key
 * and IsValueSecret alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/events.h"
#include "router/api/events_connections.h"
#include "router/api/events_rules.h"
#include "router/router.h"
#include "router/xalloc.h"

struct input {
    struct str name, prefix, state, token;
    int64_t limit;
};

static const char *const states[] = {"CREATING",    "UPDATING",      "DELETING", "AUTHORIZED",          "DEAUTHORIZED",
                                     "AUTHORIZING", "DEAUTHORIZING", "ACTIVE",   "FAILED_CONNECTIVITY", NULL};

static const struct aws_member describe_members[] = {EVENTS_CONNECTION_NAME(struct input, name), {0}};
static const struct aws_member list_members[] = {
    AWS_MEMBER(struct input, "NamePrefix", AWS_STRING, prefix, .min = 1, .max = 64, .regex = &events_connection_regex),
    AWS_MEMBER(struct input, "ConnectionState", AWS_STRING, state, .values = states),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

/* ---- what is shared ---- */

struct str events_connection_arn(struct arena *a, const struct ruleset *set, struct str name)
{
    struct buf arn = BUF_INIT;

    target_write_arn(&arn, connection_adapter.arn_format, set->region, set->account, name);
    return aws_keep(a, &arn);
}

const char *events_connection_state(struct aws_request *r, const struct target_def *def, char reason[256])
{
    struct connection_options clear;
    struct arena arena = ARENA_INIT;
    struct weir_diag diag;

    reason[0] = '\0';
    if (!def || def->adapter != &connection_adapter || ((const struct connection_options *)def->options)->deauthorized)
        return "DEAUTHORIZED";
    bool open = connection_reveal(def, http_router(r->http)->data, &arena, &clear, &diag);
    arena_fini(&arena);
    if (!open)
        snprintf(reason, 256, "%.255s", diag.message);
    return open ? "AUTHORIZED" : "DEAUTHORIZED";
}

bool events_check_endpoint(struct aws_request *r, const char *parameter, struct str endpoint)
{
    const struct bus *account = &http_set(r->http)->buses[0];

    if (!endpoint.ptr || r->fault_count || str_starts(endpoint, STR("https://")) ||
        (str_starts(endpoint, STR("http://")) && !account->strict_aws))
        return true;
    aws_fail(r, 400, "ValidationException", "Parameter %s is not valid. Reason: It must begin with https://%s.",
             parameter, account->strict_aws ? "" : ", or with http:// on your own machine");
    return false;
}

void events_write_ms(struct buf *json, const char *key, int64_t ms)
{
    if (!ms)
        return;
    json_write_key(json, key);
    buf_printf(json, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

int64_t events_kept_ms(struct str document, const char *member)
{
    struct str text = document.ptr ? events_kept(document, member) : (struct str){NULL, 0};
    return text.ptr ? strtoll(text.ptr, NULL, 10) : 0;
}

#define ABSENT "Failed to %s the %s(s). %s '%.*s' does not exist."

static const char *named(const char *kind)
{
    return strcmp(kind, "connection") == 0 ? "Connection" : "An api-destination";
}

bool events_refuse_absent(struct aws_change *c, const char *kind, const char *doing, struct str name)
{
    return aws_refuse(c, 400, "ResourceNotFoundException", ABSENT, doing, kind, named(kind), STR_ARG(name));
}

void events_fail_absent(struct aws_request *r, const char *kind, struct str name)
{
    aws_fail(r, 400, "ResourceNotFoundException", ABSENT, "describe", kind, named(kind), STR_ARG(name));
}

bool events_refuse_declared(struct aws_change *c, const char *kind, struct str name)
{
    return aws_refuse(c, 400, "ManagedRuleException",
                      "%s '%.*s' is managed. It is declared in weir.yaml, and is changed there.", named(kind),
                      STR_ARG(name));
}

static int by_name(const void *a, const void *b)
{
    return str_cmp((*(const struct target_def *const *)a)->name, (*(const struct target_def *const *)b)->name);
}

void events_list_definitions(struct aws_request *r, const struct definitions_page *page)
{
    const struct ruleset *set = http_set(r->http);
    struct str after = {NULL, 0};
    struct buf json = BUF_INIT;
    int64_t count = 0, shown = 0;

    if (!events_take_token(r, page->list, page->token, &after))
        return;
    const struct target_def **list = xarray(set->target_count, sizeof *list);
    for (uint32_t i = 0; i < set->target_count; i++) {
        const struct target_def *def = set->targets[i];
        if (def->adapter == page->adapter && str_starts(def->name, page->prefix) &&
            (!after.ptr || str_cmp(def->name, after) > 0) && (!page->shows || page->shows(r, page, def)))
            list[count++] = def;
    }
    qsort(list, (size_t)count, sizeof *list, by_name);
    buf_char(&json, '{');
    json_write_key(&json, page->member);
    buf_char(&json, '[');
    for (; shown < count && shown < page->limit; shown++) {
        buf_text(&json, shown ? ",{" : "{");
        page->write(r, &json, list[shown]);
        buf_char(&json, '}');
    }
    buf_char(&json, ']');
    if (shown < count) {
        json_write_key(&json, "NextToken");
        aws_token_write(&json, page->list, list[shown - 1]->name);
    }
    buf_char(&json, '}');
    free(list);
    aws_reply(r, &json);
    buf_fini(&json);
}

/* ---- a connection ---- */

/* What lists show of it too. */
static void write_members(struct aws_request *r, struct buf *json, const struct target_def *def)
{
    const struct connection_options *o = def->options;
    char reason[256];
    const char *state = events_connection_state(r, def, reason);

    json_write_member(json, "ConnectionArn", def->arn);
    json_write_member(json, "Name", def->name);
    json_write_member(json, "ConnectionState", str_from(state));
    if (*reason)
        json_write_member(json, "StateReason", str_from(reason));
    json_write_member(json, "AuthorizationType", str_from(authorization_types[o->authorization_type]));
    events_write_ms(json, "CreationTime", events_kept_ms(def->made, "CreationTime"));
    events_write_ms(json, "LastModifiedTime", events_kept_ms(def->made, "LastModifiedTime"));
    events_write_ms(json, "LastAuthorizedTime", events_kept_ms(def->made, "LastAuthorizedTime"));
}

static void write_list(struct buf *json, const char *key, const struct option_list *list)
{
    const struct option_header *items = list->items;

    if (!list->count)
        return;
    json_write_key(json, key);
    buf_char(json, '[');
    for (size_t i = 0; i < list->count; i++) {
        buf_text(json, i ? ",{" : "{");
        json_write_member(json, "Key", items[i].name);
        if (!items[i].secret)
            json_write_member(json, "Value", items[i].value);
        json_write_key(json, "IsValueSecret");
        buf_text(json, items[i].secret ? "true}" : "false}");
    }
    buf_char(json, ']');
}

static void write_http(struct buf *json, const char *key, const struct http_parameters *p)
{
    if (!p->headers.count && !p->queries.count && !p->bodies.count)
        return;
    json_write_key(json, key);
    buf_char(json, '{');
    write_list(json, "HeaderParameters", &p->headers);
    write_list(json, "QueryStringParameters", &p->queries);
    write_list(json, "BodyParameters", &p->bodies);
    buf_char(json, '}');
}

static void write_oauth(struct buf *json, const struct connection_options *o)
{
    json_write_key(json, "OAuthParameters");
    buf_char(json, '{');
    json_write_key(json, "ClientParameters");
    buf_char(json, '{');
    json_write_member(json, "ClientID", o->oauth.client_id);
    buf_char(json, '}');
    json_write_member(json, "AuthorizationEndpoint", o->oauth.endpoint);
    json_write_member(json, "HttpMethod", str_from(oauth_methods[o->oauth.method]));
    write_http(json, "OAuthHttpParameters", &o->oauth.parameters);
    buf_char(json, '}');
}

static void write_named(struct buf *json, const char *key, const char *member, struct str name)
{
    json_write_key(json, key);
    buf_char(json, '{');
    json_write_member(json, member, name);
    buf_char(json, '}');
}

static void write_parameters(struct buf *json, const struct connection_options *o)
{
    json_write_key(json, "AuthParameters");
    buf_char(json, '{');
    if (o->basic.written)
        write_named(json, "BasicAuthParameters", "Username", o->basic.username);
    if (o->api_key.written)
        write_named(json, "ApiKeyAuthParameters", "ApiKeyName", o->api_key.name);
    if (o->oauth.written)
        write_oauth(json, o);
    write_http(json, "InvocationHttpParameters", &o->invocation);
    buf_char(json, '}');
}

/* There is no Secrets Manager: a name that looks like AWS's, for those who want one. */
static void write_secret_arn(struct buf *json, const struct ruleset *set, const struct target_def *def)
{
    struct buf arn = BUF_INIT;
    const char *uuid = memrchr(def->arn.ptr, '/', def->arn.size);

    buf_printf(&arn, "arn:aws:secretsmanager:%.*s:%.*s:secret:events!connection/%.*s%s", STR_ARG(set->region),
               STR_ARG(set->account), STR_ARG(def->name), uuid);
    xbuf(&arn);
    json_write_member(json, "SecretArn", buf_view(&arn));
    buf_fini(&arn);
}

void events_describe_connection(struct aws_request *r)
{
    const struct ruleset *set = http_set(r->http);
    struct input in = {0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", describe_members, &in) || !aws_valid(r))
        return;
    const struct target_def *def = ruleset_target(set, connection_adapter.type, in.name);
    if (!def) {
        events_fail_absent(r, "connection", in.name);
        return;
    }
    const struct connection_options *o = def->options;
    buf_char(&json, '{');
    write_members(r, &json, def);
    if (o->description.size)
        json_write_member(&json, "Description", o->description);
    struct str kms = def->made.ptr ? events_kept(def->made, "KmsKeyIdentifier") : (struct str){NULL, 0};
    if (kms.ptr && !str_is(kms, "\"\"")) {
        json_write_key(&json, "KmsKeyIdentifier");
        buf_str(&json, kms);
    }
    write_secret_arn(&json, set, def);
    write_parameters(&json, o);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

static bool has_state(struct aws_request *r, const struct definitions_page *page, const struct target_def *def)
{
    const struct input *in = page->context;
    char reason[256];

    return !in->state.ptr || str_is(in->state, events_connection_state(r, def, reason));
}

void events_list_connections(struct aws_request *r)
{
    struct input in = {.limit = 100};

    if (!aws_read(r, r->input, "", list_members, &in) || !aws_valid(r))
        return;
    events_list_definitions(r, &(struct definitions_page){.list = "ListConnections",
                                                          .member = "Connections",
                                                          .adapter = &connection_adapter,
                                                          .prefix = in.prefix,
                                                          .token = in.token,
                                                          .limit = in.limit,
                                                          .shows = has_state,
                                                          .write = write_members,
                                                          .context = &in});
}
