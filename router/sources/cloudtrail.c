/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudTrail log files, {"Records":[…]}, in the envelope that EventBridge puts around them: source "aws." and the first
 * label of eventSource, the detail-type of the eventType, the record itself, spelling kept, as detail. The envelope's
 * id is the record's eventID, so that a file sent twice can be told.
 */
#include "router/sources/envelope.h"
#include "targets/archive.h"

static const struct {
    const char *event_type, *detail_type;
} detail_types[] = {
    {"AwsApiCall", "\"AWS API Call via CloudTrail\""},
    {"AwsConsoleSignIn", "\"AWS Console Sign In via CloudTrail\""},
    {"AwsConsoleSignin", "\"AWS Console Sign In via CloudTrail\""},
    {"AwsServiceEvent", "\"AWS Service Event via CloudTrail\""},
    {"AwsConsoleAction", "\"AWS Console Action via CloudTrail\""},
    {"AwsCloudTrailInsight", "\"AWS Insight via CloudTrail\""},
    {"AwsVpceEvent", "\"AWS VPC Endpoint Event via CloudTrail\""},
};

static bool is_text(struct str value)
{
    return value.size > 2 && *value.ptr == '"';
}

static struct str text_member(struct str object, const char *key)
{
    struct str value = json_member(object, key);
    return is_text(value) ? value : (struct str){0};
}

static struct str detail_type_of(struct str record)
{
    struct str type = text_member(record, "eventType");

    for (size_t i = 0; i < sizeof detail_types / sizeof detail_types[0]; i++)
        if (type.size && json_raw_is(type, detail_types[i].event_type))
            return str_from(detail_types[i].detail_type);
    return STR("\"AWS API Call via CloudTrail\"");
}

/* "ec2.amazonaws.com" → "aws.ec2" */
static struct str source_of(struct source_context *c, struct str event_source)
{
    struct str host = json_decode_in(c->arena, event_source);
    struct buf text = BUF_INIT;
    const char *dot = host.size ? memchr(host.ptr, '.', host.size) : NULL;

    buf_text(&text, "aws.");
    buf_str(&text, (struct str){host.ptr, dot ? (size_t)(dot - host.ptr) : host.size});
    struct str source = envelope_text(c, buf_view(&text));
    buf_fini(&text);
    return source;
}

static struct str account_of(struct str record)
{
    struct str account = text_member(record, "recipientAccountId");
    struct str identity = json_member(record, "userIdentity");

    if (!account.size && identity.size && json_type_of(identity) == JSON_OBJECT)
        account = text_member(identity, "accountId");
    return account;
}

static bool read_record(struct source_context *c, int number, const char *unit, struct str record, struct envelope *e)
{
    struct str event_source = text_member(record, "eventSource"), time = text_member(record, "eventTime");
    int64_t ms;

    if (!event_source.size)
        return source_fault(c, unit, number, "'eventSource' is missing or no text: is this a CloudTrail record?");
    if (!text_member(record, "eventName").size)
        return source_fault(c, unit, number, "'eventName' is missing or no text");
    if (!time.size || !time_parse_rfc3339((struct str){time.ptr + 1, time.size - 2}, &ms))
        return source_fault(c, unit, number, "'eventTime' must be an RFC 3339 time");
    *e = (struct envelope){
        .id = text_member(record, "eventID"),
        .detail_type = detail_type_of(record),
        .source = source_of(c, event_source),
        .account = account_of(record),
        .time = time,
        .region = text_member(record, "awsRegion"),
        .detail = record,
    };
    return true;
}

static bool parse(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    struct source_records records;
    struct str record;
    uint32_t flags;

    if (!source_records_open(c, &records, body))
        return false;
    while (source_records_next(c, &records, &record, &flags)) {
        struct envelope e;
        if (!read_record(c, records.number, records.lines ? "line" : "record", record, &e))
            return false;
        envelope_write(c, &e, flags, out);
    }
    return !records.failed;
}

/* A record of CloudTrail's: has an eventVersion, an eventSource that is a host name, and no "s3" object. */
static bool is_record(struct str record)
{
    return record.size && json_type_of(record) == JSON_OBJECT && text_member(record, "eventName").size &&
           text_member(record, "eventSource").size && text_member(record, "eventTime").size &&
           !json_member(record, "s3").size && !json_member(record, "detail-type").size;
}

static bool recognise(struct str body)
{
    return is_record(source_first_record(body));
}

const struct source cloudtrail_source = {
    .name = "cloudtrail",
    .summary = "CloudTrail log files: {\"Records\":[…]}, or records one a line",
    .parse = parse,
    .recognise = recognise,
};
