/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source "cloudtrail": CloudTrail log files and records, in the envelope that EventBridge puts around them. The
 * envelope's id is the record's eventID, so that a file sent twice
 * can be told.
 */
#include "matcher/json.h"
#include "router/sources/envelope.h"

static const struct {
    const char *event_type, *detail_type;
} kinds[] = {
    {"AwsApiCall", "\"AWS API Call via CloudTrail\""},
    {"AwsServiceEvent", "\"AWS Service Event via CloudTrail\""},
    {"AwsConsoleSignIn", "\"AWS Console Sign In via CloudTrail\""},
    {"AwsConsoleSignin", "\"AWS Console Sign In via CloudTrail\""}, /* spelled so in some texts */
    {"AwsConsoleAction", "\"AWS Console Action via CloudTrail\""},
    {"AwsCloudTrailInsight", "\"AWS Insight via CloudTrail\""},
    {"AwsVpceEvent", "\"AWS API Call via CloudTrail\""}, /* a call that came through a VPC endpoint */
};
/* Of a type that is not above: AWS goes on making some, and one of them must not hold up a whole file. */
#define OTHER_KIND "\"AWS Service Event via CloudTrail\""

enum { SOURCE, TYPE, NAME, ID, REGION, TIME, ACCOUNT, IDENTITY, MEMBERS };
static const char *const members[] = {"eventSource", "eventType",          "eventName",    "eventID", "awsRegion",
                                      "eventTime",   "recipientAccountId", "userIdentity", NULL};

/* A string member that may be absent. False: it is something else (diags). */
static bool take_text(struct source_context *c, const struct body_record *record, const struct str *values, int which,
                      struct str *out)
{
    *out = values[which];
    if (!out->ptr || (json_type_of(*out) == JSON_STRING && out->size > 2))
        return true;
    if (json_type_of(*out) == JSON_NULL) {
        *out = (struct str){0};
        return true;
    }
    return body_error(c, record, "'%s' must be a string and not empty", members[which]);
}

static bool take_detail_type(struct source_context *c, const struct body_record *record, const struct str *values,
                             struct envelope *e)
{
    struct str type;

    if (!take_text(c, record, values, TYPE, &type))
        return false;
    if (!type.ptr && !values[NAME].ptr)
        return body_error(c, record, "missing 'eventType'");
    if (!type.ptr) { /* records older than eventVersion 1.02 are API calls and do not say so */
        e->detail_type = str_from(kinds[0].detail_type);
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (json_raw_is(type, kinds[i].event_type)) {
            e->detail_type = str_from(kinds[i].detail_type);
            return true;
        }
    e->detail_type = STR(OTHER_KIND);
    return true;
}

/* "iam.amazonaws.com" → "aws.iam" */
static bool take_source(struct source_context *c, const struct body_record *record, const struct str *values,
                        struct envelope *e)
{
    struct str service;
    struct buf quoted = BUF_INIT;

    if (!take_text(c, record, values, SOURCE, &service))
        return false;
    if (!service.ptr)
        return body_error(c, record, "missing 'eventSource'");
    const char *dot = memchr(service.ptr, '.', service.size);
    size_t size = dot ? (size_t)(dot - service.ptr) : service.size - 1;
    buf_text(&quoted, "\"aws.");
    buf_add(&quoted, service.ptr + 1, size - 1);
    buf_char(&quoted, '"');
    e->source = arena_str(c->arena, buf_view(&quoted));
    buf_fini(&quoted);
    return e->source.ptr || body_error(c, record, "out of memory");
}

static bool take_account(struct source_context *c, const struct body_record *record, const struct str *values,
                         struct envelope *e)
{
    if (!take_text(c, record, values, ACCOUNT, &e->account))
        return false;
    if (e->account.ptr)
        return true;
    struct str account = values[IDENTITY].ptr ? json_member(values[IDENTITY], "accountId") : (struct str){0};
    if (account.size > 2 && json_type_of(account) == JSON_STRING)
        e->account = account;
    return true;
}

static bool add_record(struct source_context *c, const struct body_record *record, struct source_events *out)
{
    struct envelope e = {.detail = record->text};
    struct str v[MEMBERS];

    json_members(record->text, members, v);
    if (!take_source(c, record, v, &e) || !take_detail_type(c, record, v, &e) || !take_text(c, record, v, ID, &e.id) ||
        !take_text(c, record, v, REGION, &e.region) || !take_text(c, record, v, TIME, &e.time) ||
        !take_account(c, record, v, &e))
        return false;
    if (e.time.ptr && !envelope_is_time(e.time))
        return body_error(c, record, "'eventTime' is not RFC 3339: %.*s", e.time.size > 80 ? 80 : (int)e.time.size,
                          e.time.ptr);
    return envelope_add(c, &e, record, out);
}

static bool parse(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    return body_each(c, body, "Records", add_record, out);
}

static bool recognise(struct str body)
{
    struct str first = body_first(body, "Records");
    return first.ptr && json_member(first, "eventSource").ptr &&
           (json_member(first, "eventType").ptr || json_member(first, "eventName").ptr) &&
           !json_member(first, "s3").ptr;
}

extern const struct source source_cloudtrail;
const struct source source_cloudtrail = {
    .name = "cloudtrail",
    .summary = "CloudTrail log files: {\"Records\": […]}, NDJSON of records, or one record",
    .parse = parse,
    .recognise = recognise,
};
