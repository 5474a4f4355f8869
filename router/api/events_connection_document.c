/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's document: read, laid over by a later request's words, written. Which members a type has is one table;
 * those of another type than the connection's are dropped when it is written.
 */
#include <stddef.h>

#include "router/api/events_connections.h"
#include "router/api/events_rules.h"
#include "router/xalloc.h"

static const char *const groups[] = {"basic", "api_key", "oauth"}; /* by enum authorization_type */

#define FIELD(member) offsetof(struct connection_says, member)

static const struct row {
    int type;
    const char *key;
    size_t offset;
    const char *member; /* AWS's name, of what must be there; NULL: it may be absent */
} rows[] = {
    {AUTHORIZATION_BASIC, "username", FIELD(username), "Username"},
    {AUTHORIZATION_BASIC, "password", FIELD(password), "Password"},
    {AUTHORIZATION_API_KEY, "name", FIELD(key_name), "ApiKeyName"},
    {AUTHORIZATION_API_KEY, "value", FIELD(key_value), "ApiKeyValue"},
    {AUTHORIZATION_OAUTH, "client_id", FIELD(client_id), "ClientID"},
    {AUTHORIZATION_OAUTH, "client_secret", FIELD(client_secret), "ClientSecret"},
    {AUTHORIZATION_OAUTH, "authorization_endpoint", FIELD(endpoint), "AuthorizationEndpoint"},
    {AUTHORIZATION_OAUTH, "http_method", FIELD(method), "HttpMethod"},
    {AUTHORIZATION_OAUTH, "oauth_http_parameters", FIELD(oauth_parameters), NULL},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static struct str *field(struct connection_says *says, size_t offset)
{
    return (struct str *)((char *)says + offset);
}

static struct str value(const struct connection_says *says, size_t offset)
{
    return *(const struct str *)((const char *)says + offset);
}

static int type_of(struct str raw)
{
    for (int i = 0; raw.ptr && authorization_types[i]; i++)
        if (json_raw_is(raw, authorization_types[i]))
            return i;
    return -1;
}

void events_connection_parse(struct str document, struct connection_says *says)
{
    struct str parameters = json_member(document, "auth_parameters");

    *says = (struct connection_says){
        .type = type_of(json_member(document, "authorization_type")),
        .deauthorized = str_is(json_member(document, "deauthorized"), "true"),
        .description = json_member(document, "description"),
        .kms = events_kept(document, "KmsKeyIdentifier"),
        .created_ms = events_kept_ms(document, "CreationTime"),
        .changed_ms = events_kept_ms(document, "LastModifiedTime"),
        .authorized_ms = events_kept_ms(document, "LastAuthorizedTime"),
    };
    if (!parameters.ptr)
        return;
    says->invocation = json_member(parameters, "invocation_http_parameters");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct str group = json_member(parameters, groups[rows[i].type]);
        if (group.ptr)
            *field(says, rows[i].offset) = json_member(group, rows[i].key);
    }
}

static void lay(struct str *earlier, struct str later)
{
    if (later.ptr)
        *earlier = later;
}

void events_connection_overlay(struct connection_says *says, const struct connection_says *later)
{
    if (later->type >= 0)
        says->type = later->type;
    lay(&says->description, later->description);
    lay(&says->kms, later->kms);
    lay(&says->invocation, later->invocation);
    for (size_t i = 0; i < ROW_COUNT; i++)
        lay(field(says, rows[i].offset), value(later, rows[i].offset));
}

const char *events_connection_lacks(const struct connection_says *says)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].type == says->type && rows[i].member && !value(says, rows[i].offset).ptr)
            return rows[i].member;
    return NULL;
}

static void write_value(struct buf *json, const char *key, struct str text)
{
    if (!text.ptr)
        return;
    json_write_key(json, key);
    buf_str(json, text);
}

static void write_time(struct buf *json, const char *key, int64_t ms)
{
    if (!ms)
        return;
    json_write_key(json, key);
    json_write_int(json, ms);
}

static void write_parameters(struct buf *json, const struct connection_says *says)
{
    json_write_key(json, "auth_parameters");
    buf_char(json, '{');
    if (!says->deauthorized) {
        json_write_key(json, groups[says->type]);
        buf_char(json, '{');
        for (size_t i = 0; i < ROW_COUNT; i++)
            if (rows[i].type == says->type)
                write_value(json, rows[i].key, value(says, rows[i].offset));
        buf_char(json, '}');
    }
    write_value(json, "invocation_http_parameters", says->invocation);
    buf_char(json, '}');
}

struct str events_connection_document(struct arena *a, const struct connection_says *says)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    write_value(&json, "description", says->description);
    json_write_member(&json, "authorization_type", str_from(authorization_types[says->type]));
    if (says->deauthorized) {
        json_write_key(&json, "deauthorized");
        buf_text(&json, "true");
    }
    write_parameters(&json, says);
    json_write_key(&json, "x-aws");
    buf_char(&json, '{');
    write_value(&json, "KmsKeyIdentifier", says->kms);
    write_time(&json, "CreationTime", says->created_ms);
    write_time(&json, "LastModifiedTime", says->changed_ms);
    write_time(&json, "LastAuthorizedTime", says->authorized_ms);
    buf_text(&json, "}}");
    return aws_keep(a, &json);
}
