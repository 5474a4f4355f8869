/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3 notifications, {"Records":[…]}, turned into the events that S3 sends through EventBridge: source aws.s3, a
 * detail-type for each kind of eventName, the bucket as resource, object keys decoded. So a pattern written for
 * EventBridge matches what an S3-compatible store posts. The table below is the mapping.
 */
#include "router/sources/envelope.h"
#include "router/xalloc.h"
#include "targets/archive.h"

struct kind {
    const char *event_name; /* without "s3:"; a '*' at the end takes the rest */
    const char *detail_type;
    const char *reason;        /* NULL: none */
    const char *deletion_type; /* NULL: none */
};

static const struct kind kinds[] = {
    {"ObjectCreated:Put", "Object Created", "PutObject", NULL},
    {"ObjectCreated:Post", "Object Created", "POST Object", NULL},
    {"ObjectCreated:Copy", "Object Created", "CopyObject", NULL},
    {"ObjectCreated:CompleteMultipartUpload", "Object Created", "CompleteMultipartUpload", NULL},
    {"ObjectCreated:*", "Object Created", NULL, NULL},
    {"ObjectRemoved:Delete", "Object Deleted", "DeleteObject", "Permanently Deleted"},
    {"ObjectRemoved:DeleteMarkerCreated", "Object Deleted", "DeleteObject", "Delete Marker Created"},
    {"LifecycleExpiration:Delete", "Object Deleted", "Lifecycle Expiration", "Permanently Deleted"},
    {"LifecycleExpiration:DeleteMarkerCreated", "Object Deleted", "Lifecycle Expiration", "Delete Marker Created"},
    {"ObjectRestore:Post", "Object Restore Initiated", NULL, NULL},
    {"ObjectRestore:Completed", "Object Restore Completed", NULL, NULL},
    {"ObjectRestore:Delete", "Object Restore Expired", NULL, NULL},
    {"LifecycleTransition", "Object Storage Class Changed", NULL, NULL},
    {"IntelligentTiering", "Object Access Tier Changed", NULL, NULL},
    {"ObjectAcl:Put", "Object ACL Updated", NULL, NULL},
    {"ObjectTagging:Put", "Object Tags Added", NULL, NULL},
    {"ObjectTagging:Delete", "Object Tags Deleted", NULL, NULL},
};

static struct str text_member(struct str object, const char *key)
{
    struct str value = object.size && json_type_of(object) == JSON_OBJECT ? json_member(object, key) : (struct str){0};
    return value.size > 2 && *value.ptr == '"' ? value : (struct str){0};
}

static struct str object_member(struct str object, const char *key)
{
    struct str value = object.size ? json_member(object, key) : (struct str){0};
    return value.size && json_type_of(value) == JSON_OBJECT ? value : (struct str){0};
}

static const struct kind *find_kind(struct str name)
{
    if (str_starts(name, STR("s3:")))
        name = (struct str){name.ptr + 3, name.size - 3};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct str wanted = str_from(kinds[i].event_name);
        bool open = wanted.ptr[wanted.size - 1] == '*';
        if (open ? str_starts(name, (struct str){wanted.ptr, wanted.size - 1}) : str_eq(name, wanted))
            return &kinds[i];
    }
    return NULL;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Form decoding, as S3 encodes keys: '+' is a space, %XX a byte. What is no escape stays as it is. */
static void decode_key(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.size; i++) {
        bool escape = key.ptr[i] == '%' && i + 2 < key.size && hex(key.ptr[i + 1]) >= 0 && hex(key.ptr[i + 2]) >= 0;
        if (escape) {
            buf_char(out, (char)(hex(key.ptr[i + 1]) << 4 | hex(key.ptr[i + 2])));
            i += 2;
        } else {
            buf_char(out, key.ptr[i] == '+' ? ' ' : key.ptr[i]);
        }
    }
}

static void copy_text(struct buf *out, const char *key, struct str value)
{
    if (!value.size)
        return;
    json_write_key(out, key);
    buf_str(out, value);
}

/* Sizes are numbers; some stores write them as text. */
static void copy_size(struct buf *out, struct str object)
{
    struct str size = json_member(object, "size");
    if (size.size > 2 && *size.ptr == '"')
        size = (struct str){size.ptr + 1, size.size - 2};
    if (!size.size || !(*size.ptr >= '0' && *size.ptr <= '9'))
        return;
    json_write_key(out, "size");
    buf_str(out, size);
}

static void write_detail(struct buf *out, const struct kind *kind, struct str record, struct str bucket,
                         struct str object, struct str key)
{
    buf_text(out, "{\"version\":\"0\",\"bucket\":{\"name\":");
    buf_str(out, bucket);
    buf_text(out, "},\"object\":{\"key\":");
    json_write_string(out, key);
    copy_size(out, object);
    copy_text(out, "etag", text_member(object, "eTag"));
    copy_text(out, "version-id", text_member(object, "versionId"));
    copy_text(out, "sequencer", text_member(object, "sequencer"));
    buf_char(out, '}');
    copy_text(out, "request-id", text_member(object_member(record, "responseElements"), "x-amz-request-id"));
    copy_text(out, "requester", text_member(object_member(record, "userIdentity"), "principalId"));
    copy_text(out, "source-ip-address", text_member(object_member(record, "requestParameters"), "sourceIPAddress"));
    if (kind->reason)
        json_write_member(out, "reason", str_from(kind->reason));
    if (kind->deletion_type)
        json_write_member(out, "deletion-type", str_from(kind->deletion_type));
    buf_char(out, '}');
}

static struct str keep(struct source_context *c, struct buf *text)
{
    xbuf(text);
    struct str kept = arena_str(c->arena, buf_view(text));
    if (!kept.ptr)
        xfail("out of memory");
    buf_fini(text);
    return kept;
}

static bool read_record(struct source_context *c, int number, const char *unit, struct str record, struct envelope *e)
{
    struct str name = text_member(record, "eventName"), time = text_member(record, "eventTime");
    struct str s3 = object_member(record, "s3"), object = object_member(s3, "object");
    struct str bucket = text_member(object_member(s3, "bucket"), "name"), raw_key = text_member(object, "key");
    struct buf key = BUF_INIT, detail = BUF_INIT, resources = BUF_INIT;
    int64_t ms;

    if (!name.size)
        return source_fault(c, unit, number, "'eventName' is missing or no text: is this an S3 notification?");
    const struct kind *kind = find_kind(json_decode_in(c->arena, name));
    if (!kind)
        return source_fault(c, unit, number, "unknown eventName %.*s", STR_ARG(name));
    if (!bucket.size)
        return source_fault(c, unit, number, "'s3.bucket.name' is missing or no text");
    if (!raw_key.size)
        return source_fault(c, unit, number, "'s3.object.key' is missing or no text");
    if (!time.size || !time_parse_rfc3339((struct str){time.ptr + 1, time.size - 2}, &ms))
        return source_fault(c, unit, number, "'eventTime' must be an RFC 3339 time");

    decode_key(&key, json_decode_in(c->arena, raw_key));
    write_detail(&detail, kind, record, bucket, object, buf_view(&key));
    buf_fini(&key);
    buf_text(&resources, "[\"arn:aws:s3:::");
    buf_str(&resources, (struct str){bucket.ptr + 1, bucket.size - 1});
    buf_char(&resources, ']');
    *e = (struct envelope){
        .detail_type = envelope_text(c, str_from(kind->detail_type)),
        .source = STR("\"aws.s3\""),
        .time = time,
        .region = text_member(record, "awsRegion"),
        .resources = keep(c, &resources),
        .detail = keep(c, &detail),
    };
    return true;
}

/* What S3 posts when notifications are set up: no records, nothing happened. */
static bool is_test_event(struct str record)
{
    struct str event = text_member(record, "Event");
    return event.size && json_raw_is(event, "s3:TestEvent") && !json_member(record, "s3").size;
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
        if (is_test_event(record))
            continue;
        if (!read_record(c, records.number, records.lines ? "line" : "record", record, &e))
            return false;
        envelope_write(c, &e, flags, out);
    }
    return !records.failed;
}

static bool recognise(struct str body)
{
    struct str record = source_first_record(body);
    return record.size && json_type_of(record) == JSON_OBJECT &&
           ((object_member(record, "s3").size && text_member(record, "eventName").size) || is_test_event(record));
}

const struct source s3_source = {
    .name = "s3",
    .summary = "S3 notifications: {\"Records\":[…]}",
    .parse = parse,
    .recognise = recognise,
};
