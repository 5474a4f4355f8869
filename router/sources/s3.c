/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source "s3": bucket notifications as S3 and its look-alikes send them to queues and webhooks, turned into the
 * shape that S3 gives its events on EventBridge, so that patterns written for that shape match. One table says what
 * each eventName becomes. What the record does not say (the bucket owner's account) is filled in or left away.
 */
#include "matcher/json.h"
#include "matcher/utf8.h"
#include "router/sources/envelope.h"
#include "router/sources/percent.h"

static const struct event_kind {
    const char *name, *detail_type, *reason, *deletion_type;
} kinds[] = {
    {"ObjectCreated:Put", "Object Created", "PutObject", NULL},
    {"ObjectCreated:Post", "Object Created", "POST Object", NULL},
    {"ObjectCreated:Copy", "Object Created", "CopyObject", NULL},
    {"ObjectCreated:CompleteMultipartUpload", "Object Created", "CompleteMultipartUpload", NULL},
    {"ObjectRemoved:Delete", "Object Deleted", "DeleteObject", "Permanently Deleted"},
    {"ObjectRemoved:DeleteMarkerCreated", "Object Deleted", "DeleteObject", "Delete Marker Created"},
    {"LifecycleExpiration:Delete", "Object Deleted", "Lifecycle Expiration", "Permanently Deleted"},
    {"LifecycleExpiration:DeleteMarkerCreated", "Object Deleted", "Lifecycle Expiration", "Delete Marker Created"},
    {"LifecycleTransition", "Object Storage Class Changed", NULL, NULL},
    {"ObjectRestore:Post", "Object Restore Initiated", NULL, NULL},
    {"ObjectRestore:Completed", "Object Restore Completed", NULL, NULL},
    {"ObjectRestore:Delete", "Object Restore Expired", NULL, NULL},
    {"IntelligentTiering", "Object Access Tier Changed", NULL, NULL},
    {"ObjectTagging:Put", "Object Tags Added", NULL, NULL},
    {"ObjectTagging:Delete", "Object Tags Deleted", NULL, NULL},
    {"ObjectAcl:Put", "Object ACL Updated", NULL, NULL},
    /* MinIO's and RustFS's own */
    {"ObjectCreated:PutTagging", "Object Tags Added", NULL, NULL},
    {"ObjectCreated:DeleteTagging", "Object Tags Deleted", NULL, NULL},
    {"ObjectRemoved:DeleteAllVersions", "Object Deleted", "DeleteObject", "Permanently Deleted"},
    {"LifecycleDelMarkerExpiration:Delete", "Object Deleted", "Lifecycle Expiration", "Permanently Deleted"},
    {"ObjectTransition:Complete", "Object Storage Class Changed", NULL, NULL},
    /* Ceph's own: what a lifecycle did to the present version, to an older one, to a delete marker */
    {"ObjectLifecycle:Expiration:Current", "Object Deleted", "Lifecycle Expiration", NULL},
    {"ObjectLifecycle:Expiration:NonCurrent", "Object Deleted", "Lifecycle Expiration", "Permanently Deleted"},
    {"ObjectLifecycle:Expiration:DeleteMarker", "Object Deleted", "Lifecycle Expiration", "Permanently Deleted"},
    {"ObjectLifecycle:Transition:", "Object Storage Class Changed", NULL, NULL},
    /* What is not above, by its family; AWS has no event for an access. */
    {"ObjectCreated:", "Object Created", NULL, NULL},
    {"ObjectRemoved:", "Object Deleted", NULL, NULL},
    {"ObjectAccessed:", "Object Accessed", NULL, NULL},
};

/* The value at a path of keys ("s3", "object", "key", NULL), or {NULL,0}. */
static struct str at(struct str object, const char *const *path)
{
    for (; *path && object.ptr; path++)
        object = json_type_of(object) == JSON_OBJECT ? json_member(object, *path) : (struct str){0};
    return object;
}
#define AT(object, ...) at((object), (const char *const[]){__VA_ARGS__, NULL})

static bool is_text(struct str value)
{
    return json_type_of(value) == JSON_STRING && value.size > 2;
}

/* A family's name ends with its colon. */
static bool is_of_family(struct str name, const char *family)
{
    size_t size = strlen(family);
    return family[size - 1] == ':' && name.size > size && str_starts(name, str_from(family));
}

/* name: a JSON string, with or without "s3:" in front. */
static const struct event_kind *find_kind(struct str name)
{
    struct str bare = {name.ptr + 1, name.size - 2};

    if (str_starts(bare, STR("s3:")))
        bare = (struct str){bare.ptr + 3, bare.size - 3};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_is(bare, kinds[i].name) || is_of_family(bare, kinds[i].name))
            return &kinds[i];
    return NULL;
}

/* The key as it is in the bucket. S3 and MinIO encode it as forms do; Ceph sends it as it is. */
static bool write_key_of_object(struct source_context *c, const struct body_record *record, struct str key,
                                struct buf *out)
{
    struct buf sent = BUF_INIT, plain = BUF_INIT;
    bool is_raw = json_raw_is(AT(record->text, "eventSource"), "ceph:s3"), ok = false;

    json_decode(&sent, key);
    if (!is_raw && !percent_decode(&plain, buf_view(&sent), true))
        body_error(c, record, "s3.object.key is not URL-encoded: %.*s", key.size > 200 ? 200 : (int)key.size, key.ptr);
    else if (!utf8_is_text(buf_view(is_raw ? &sent : &plain)))
        body_error(c, record, "s3.object.key is not UTF-8: %.*s", key.size > 200 ? 200 : (int)key.size, key.ptr);
    else {
        json_write_member(out, "key", buf_view(is_raw ? &sent : &plain));
        ok = true;
    }
    out->failed |= sent.failed || plain.failed;
    buf_fini(&sent);
    buf_fini(&plain);
    return ok;
}

static void write_if_text(struct buf *out, const char *name, struct str value)
{
    if (!is_text(value))
        return;
    json_write_key(out, name);
    buf_str(out, value);
}

/* A number; some emitters write it as a string. */
static void write_size(struct buf *out, struct str value)
{
    if (is_text(value))
        value = (struct str){value.ptr + 1, value.size - 2};
    for (size_t i = 0; i < value.size; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return;
    if (value.size == 0 || (value.size > 1 && value.ptr[0] == '0'))
        return;
    json_write_key(out, "size");
    buf_str(out, value);
}

static bool write_object(struct source_context *c, const struct body_record *record, struct buf *out)
{
    struct str object = AT(record->text, "s3", "object"), key = AT(object, "key");

    if (!is_text(key))
        return body_error(c, record, "missing 's3.object.key'");
    json_write_key(out, "object");
    buf_char(out, '{');
    if (!write_key_of_object(c, record, key, out))
        return false;
    write_size(out, AT(object, "size"));
    write_if_text(out, "etag",
                  is_text(AT(object, "eTag")) ? AT(object, "eTag") : AT(object, "etag")); /* older Ceph's */
    write_if_text(out, "version-id", AT(object, "versionId"));
    write_if_text(out, "sequencer", AT(object, "sequencer"));
    buf_char(out, '}');
    return true;
}

static bool write_detail(struct source_context *c, const struct body_record *record, const struct event_kind *kind,
                         struct str bucket, struct buf *out)
{
    struct str r = record->text, address = AT(r, "requestParameters", "sourceIPAddress");

    buf_text(out, "{\"version\":\"0\",\"bucket\":{\"name\":");
    buf_str(out, bucket);
    buf_char(out, '}');
    if (!write_object(c, record, out))
        return false;
    write_if_text(out, "request-id", AT(r, "responseElements", "x-amz-request-id"));
    write_if_text(out, "requester", AT(r, "userIdentity", "principalId"));
    if (!json_raw_is(address.ptr ? address : STR("\"\""), "s3.amazonaws.com")) /* S3 itself: no request was made */
        write_if_text(out, "source-ip-address", address);
    if (kind->reason)
        json_write_member(out, "reason", str_from(kind->reason));
    if (kind->deletion_type)
        json_write_member(out, "deletion-type", str_from(kind->deletion_type));
    struct str restore = AT(r, "glacierEventData", "restoreEventData");
    write_if_text(out, "restore-expiry-time", AT(restore, "lifecycleRestorationExpiryTime"));
    write_if_text(out, "source-storage-class", AT(restore, "lifecycleRestoreStorageClass"));
    write_if_text(out, "destination-storage-class",
                  AT(r, "lifecycleEventData", "transitionEventData", "destinationStorageClass"));
    write_if_text(out, "destination-access-tier", AT(r, "intelligentTieringEventData", "destinationAccessTier"));
    buf_char(out, '}');
    return true;
}

/* ["arn:aws:s3:::BUCKET"]; bucket: a JSON string. */
static struct str make_resources(struct source_context *c, struct str bucket)
{
    struct buf b = BUF_INIT;

    buf_text(&b, "[\"arn:aws:s3:::");
    buf_add(&b, bucket.ptr + 1, bucket.size - 1);
    buf_char(&b, ']');
    struct str kept = b.failed ? (struct str){0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return kept;
}

static bool add_notification(struct source_context *c, const struct body_record *record, const struct event_kind *kind,
                             struct source_events *out)
{
    struct str bucket = AT(record->text, "s3", "bucket", "name");
    struct str time = AT(record->text, "eventTime"), region = AT(record->text, "awsRegion");
    struct buf detail = BUF_INIT;

    if (!is_text(bucket))
        return body_error(c, record, "missing 's3.bucket.name'");
    if (!is_text(time) || !envelope_is_time(time))
        return body_error(c, record, "'eventTime' must be RFC 3339 text");
    bool ok = write_detail(c, record, kind, bucket, &detail);
    struct envelope e = {
        .source = STR("\"aws.s3\""),
        .detail_type = ok ? envelope_quote(c, str_from(kind->detail_type)) : (struct str){0},
        .time = time,
        .region = is_text(region) ? region : (struct str){0},
        .resources = make_resources(c, bucket),
        .detail = buf_view(&detail),
    };
    if (ok && (detail.failed || !e.detail_type.ptr || !e.resources.ptr))
        ok = body_error(c, record, "out of memory");
    /* The record's own spelling of repeated keys is gone: the envelope has none. */
    struct body_record made = {.number = record->number};
    ok = ok && envelope_add(c, &e, &made, out);
    buf_fini(&detail);
    return ok;
}

static bool add_record(struct source_context *c, const struct body_record *record, struct source_events *out)
{
    struct str source = AT(record->text, "eventSource"), name = AT(record->text, "eventName");

    if (json_raw_is(is_text(AT(record->text, "Event")) ? AT(record->text, "Event") : STR("\"\""), "s3:TestEvent"))
        return true; /* S3 asks whether somebody is there */
    if (!is_text(source))
        return body_error(c, record, "missing 'eventSource'");
    if (source.size < 5 || memcmp(source.ptr + source.size - 4, ":s3\"", 4) != 0) /* aws:s3, minio:s3, ceph:s3, … */
        return body_error(c, record, "eventSource %.*s is not of the form \"aws:s3\", \"minio:s3\" or \"ceph:s3\"",
                          source.size > 80 ? 80 : (int)source.size, source.ptr);
    if (!is_text(name))
        return body_error(c, record, "missing 'eventName'");
    const struct event_kind *kind = find_kind(name);
    if (!kind)
        return body_error(c, record, "unknown eventName %.*s", name.size > 80 ? 80 : (int)name.size, name.ptr);
    return add_notification(c, record, kind, out);
}

static bool parse(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    return body_each(c, body, "Records", add_record, out);
}

static bool recognise(struct str body)
{
    struct str first = body_first(body, "Records");
    return first.ptr && json_member(first, "eventSource").ptr && json_member(first, "s3").ptr;
}

extern const struct source source_s3;
const struct source source_s3 = {
    .name = "s3",
    .summary = "bucket notifications of S3, MinIO and Ceph, as EventBridge's S3 events",
    .parse = parse,
    .recognise = recognise,
};
