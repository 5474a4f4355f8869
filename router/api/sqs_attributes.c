/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of queues: one table says how each is written, what it may be, which key of weir.yaml it becomes, and
 * what it is on a queue where nobody set it. Attributes that Weir has no use for (encryption, who may redrive, policy)
 * are kept and shown.
 */
#include <stdio.h>

#include "router/api/sqs_queue_int.h"
#include "router/router.h"

enum kind {
    SECONDS, /* a duration in weir.yaml */
    BYTES,   /* a size there */
    NUMBER,  /* kept only */
    BOOLEAN,
    CHOICE,  /* one of `words`; in weir.yaml of `keys` */
    REDRIVE, /* JSON: deadLetterTargetArn, maxReceiveCount */
    OBJECT,  /* JSON, kept only */
    ALLOW,   /* JSON: redrivePermission, sourceQueueArns */
    TEXT,    /* kept only */
    COUNT,   /* of the ledger; cannot be set */
    FACT     /* cannot be set */
};

static const char *const scopes[] = {"queue", "messageGroup", NULL}; /* enum queue_deduplication_scope */
static const char *const limits[] = {"perQueue", "perMessageGroupId", NULL};

#define FIELD(member) offsetof(struct queue_options, member)
#define NO_FIELD      SIZE_MAX

static const struct attribute {
    const char *name;
    enum kind kind;
    size_t offset;   /* in struct queue_options, or struct queue_counts; NO_FIELD: none */
    const char *key; /* of weir.yaml; NULL: none */
    int64_t min, max;
    bool fifo;                /* FIFO queues only */
    const char *usual;        /* of a queue of the API where it is not set; NULL: it is not shown */
    const char *const *words; /* of CHOICE */
} attributes[SQS_ATTRIBUTE_COUNT] = {
    {"VisibilityTimeout", SECONDS, FIELD(visibility_timeout), "visibility_timeout", 0, 43200, .usual = "30"},
    {"DelaySeconds", SECONDS, FIELD(delay), "delay", 0, 900, .usual = "0"},
    {"MessageRetentionPeriod", SECONDS, FIELD(retention), "retention", 60, 1209600, .usual = "345600"},
    {"MaximumMessageSize", BYTES, FIELD(maximum_message_size), "maximum_message_size", 1024, 1048576,
     .usual = "1048576"},
    {"ReceiveMessageWaitTimeSeconds", SECONDS, FIELD(receive_wait_time), "receive_wait_time", 0, 20, .usual = "0"},
    {.name = "RedrivePolicy", .kind = REDRIVE, .offset = NO_FIELD, .key = "redrive_policy"},
    {.name = "ContentBasedDeduplication",
     .kind = BOOLEAN,
     .offset = FIELD(content_based_deduplication),
     .key = "content_based_deduplication",
     .fifo = true,
     .usual = "false"},
    {.name = "DeduplicationScope",
     .kind = CHOICE,
     .offset = FIELD(deduplication_scope),
     .key = "deduplication_scope",
     .fifo = true,
     .usual = "queue",
     .words = scopes},
    {.name = "FifoThroughputLimit",
     .kind = CHOICE,
     .offset = NO_FIELD,
     .fifo = true,
     .usual = "perQueue",
     .words = limits},
    {.name = "FifoQueue", .kind = FACT, .offset = NO_FIELD, .fifo = true},
    {.name = "RedriveAllowPolicy", .kind = ALLOW, .offset = NO_FIELD},
    {.name = "Policy", .kind = OBJECT, .offset = NO_FIELD},
    {.name = "KmsMasterKeyId", .kind = TEXT, .offset = NO_FIELD},
    {.name = "KmsDataKeyReusePeriodSeconds", .kind = NUMBER, .offset = NO_FIELD, .min = 60, .max = 86400},
    {.name = "SqsManagedSseEnabled", .kind = BOOLEAN, .offset = NO_FIELD, .usual = "false"},
    {.name = "QueueArn", .kind = FACT, .offset = NO_FIELD},
    {.name = "CreatedTimestamp", .kind = FACT, .offset = NO_FIELD},
    {.name = "LastModifiedTimestamp", .kind = FACT, .offset = NO_FIELD},
    {.name = "ApproximateNumberOfMessages", .kind = COUNT, .offset = offsetof(struct queue_counts, visible)},
    {.name = "ApproximateNumberOfMessagesNotVisible",
     .kind = COUNT,
     .offset = offsetof(struct queue_counts, in_flight)},
    {.name = "ApproximateNumberOfMessagesDelayed", .kind = COUNT, .offset = offsetof(struct queue_counts, delayed)},
};

static const struct attribute *find(struct str name)
{
    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT; i++)
        if (str_is(name, attributes[i].name))
            return &attributes[i];
    return NULL;
}

static const struct attribute *called(const char *name)
{
    return find(str_from(name));
}

static struct str text_of(struct arena *a, struct str raw)
{
    return json_type_of(raw) == JSON_STRING ? json_decode_in(a, raw) : raw;
}

/* Digits only, as AWS wants them. */
bool sqs_read_number(struct str text, int64_t min, int64_t max, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || text.size > 12)
            return false;
        *out = *out * 10 + (text.ptr[i] - '0');
    }
    return text.size && *out >= min && *out <= max;
}

/* ---- reading ---- */

static bool is_word(struct str value, const char *const *words)
{
    for (; *words; words++)
        if (str_is(value, *words))
            return true;
    return false;
}

static bool is_object(struct str value)
{
    struct json_info info = {0};
    return json_check(value, &info, NULL) && info.type == JSON_OBJECT;
}

/* An empty text unsets what is optional. */
static bool check_value(const struct attribute *row, struct arena *a, struct str value, struct message_fault *fault)
{
    static const char *const booleans[] = {"true", "false", NULL};
    struct sqs_redrive redrive;
    int64_t number;
    bool fine = true;

    switch (row->kind) {
    case SECONDS:
    case BYTES: fine = sqs_read_number(value, row->min, row->max, &number); break;
    case NUMBER: fine = !value.size || sqs_read_number(value, row->min, row->max, &number); break;
    case BOOLEAN: fine = is_word(value, booleans); break;
    case CHOICE: fine = is_word(value, row->words); break;
    case OBJECT: fine = !value.size || is_object(value); break;
    case ALLOW: return !value.size || sqs_redrive_allow_check(value, fault);
    case REDRIVE: return !value.size || sqs_redrive_read(a, value, &redrive, fault);
    default: break;
    }
    return fine || message_refuse(fault, "InvalidAttributeValue", "Invalid value for the parameter %s.", row->name);
}

static bool read_one(struct arena *a, struct str name, struct str value, struct str queue, bool creating,
                     struct str *values, struct message_fault *fault)
{
    const struct attribute *row = find(name);
    bool fifo = queue_is_fifo(queue), is_kind = row == called("FifoQueue");

    if (!row || row->kind == COUNT || (row->kind == FACT && !is_kind) || (row->fifo && !fifo))
        return message_refuse(fault, "InvalidAttributeName", "Unknown Attribute %.*s.", STR_ARG(name));
    if (is_kind)
        return str_is(value, "true") ||
               message_refuse(fault, "InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: %s",
                              creating ? "The name of the queue ends in .fifo."
                                       : "Modifying queue type is not supported.");
    if (!check_value(row, a, value, fault))
        return false;
    values[row - attributes] = value;
    return true;
}

bool sqs_attributes_read(struct arena *a, struct str map, struct str queue, bool creating, struct str *values,
                         struct message_fault *fault)
{
    struct json_reader reader;
    struct json_token key, value;

    memset(values, 0, sizeof *values * SQS_ATTRIBUTE_COUNT);
    if (!map.ptr)
        return true;
    json_reader_init_trusted(&reader, map);
    json_next(&reader, &key);
    while (json_next(&reader, &key) == JSON_KEY) {
        json_next(&reader, &value);
        json_skip(&reader, &value);
        if (!read_one(a, json_decode_in(a, key.raw), text_of(a, value.raw), queue, creating, values, fault))
            return false;
    }
    return true;
}

/* ---- together ---- */

static struct str value_or_usual(const struct str *values, const struct attribute *row)
{
    struct str value = values[row - attributes];
    return value.ptr ? value : str_from(row->usual);
}

bool sqs_attributes_check(const struct resources *resources, struct str queue, const struct str *values,
                          const struct str *said, struct message_fault *fault)
{
    if (str_is(value_or_usual(values, called("FifoThroughputLimit")), "perMessageGroupId") &&
        !str_is(value_or_usual(values, called("DeduplicationScope")), "messageGroup"))
        return message_refuse(
            fault, "InvalidAttributeValue",
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only "
            "when the value for DeduplicationScope is messageGroup.");
    return sqs_redrive_check(resources, queue, said[called("RedrivePolicy") - attributes], fault);
}

/* ---- what they are ---- */

static void write_option(struct buf *out, const struct attribute *row, const struct queue_options *o)
{
    const char *field = (const char *)o + row->offset;

    switch (row->kind) {
    case SECONDS: buf_printf(out, "%lld", (long long)*(const int64_t *)field / 1000); break;
    case BYTES: buf_printf(out, "%lld", (long long)*(const int64_t *)field); break;
    case BOOLEAN: buf_text(out, *(const bool *)field ? "true" : "false"); break;
    case CHOICE: buf_text(out, row->words[*(const int *)field]); break;
    default: break;
    }
}

static void write_redrive(struct buf *out, const struct queue_options *o)
{
    const struct target_def *target = o->redrive_policy.target;

    if (target)
        buf_printf(out, "{\"deadLetterTargetArn\":\"%.*s\",\"maxReceiveCount\":%lld}", STR_ARG(target->arn),
                   (long long)o->redrive_policy.max_receive_count);
}

/* The value of an attribute that can be set; empty: there is none. document NULL: the queue is the files'. */
static void write_value(struct buf *out, const struct attribute *row, const struct sqs_document *document,
                        const struct target_def *def)
{
    if (document)
        buf_str(out, value_or_usual(document->values, row));
    else if (row->kind == REDRIVE)
        write_redrive(out, def->options);
    else if (row->offset != NO_FIELD)
        write_option(out, row, def->options);
    else
        buf_text(out, row->usual ? row->usual : "");
}

const char *sqs_attributes_differ(struct arena *a, const struct str *values, const struct sqs_document *document,
                                  const struct target_def *def)
{
    struct buf present = BUF_INIT;
    const char *name = NULL;

    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT && !name; i++) {
        const struct attribute *row = &attributes[i];
        if (!values[i].ptr)
            continue;
        buf_clear(&present);
        write_value(&present, row, document, def);
        bool same = str_eq(values[i], buf_view(&present)) ||
                    (row->kind == REDRIVE && sqs_redrive_same(a, values[i], buf_view(&present)));
        name = same ? NULL : row->name;
    }
    buf_fini(&present);
    return name;
}

/* ---- as they are kept ---- */

static void write_key(struct buf *json, const struct attribute *row, struct str value)
{
    struct arena temp = ARENA_INIT;
    struct sqs_redrive redrive = {0};
    struct message_fault fault;

    json_write_key(json, row->key);
    switch (row->kind) {
    case SECONDS: buf_printf(json, "\"%.*ss\"", STR_ARG(value)); break;
    case CHOICE: buf_text(json, str_is(value, "queue") ? "\"queue\"" : "\"message_group\""); break;
    case REDRIVE:
        sqs_redrive_read(&temp, value, &redrive, &fault);
        buf_char(json, '{');
        json_write_member(json, "target", redrive.arn);
        buf_printf(json, ",\"max_receive_count\":%lld}", (long long)redrive.count);
        break;
    default: buf_str(json, value); break; /* a number, or a boolean */
    }
    arena_fini(&temp);
}

void sqs_attributes_write_keys(struct buf *json, const struct str *values, struct str queue)
{
    bool fifo = queue_is_fifo(queue);

    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT; i++) {
        const struct attribute *row = &attributes[i];
        /* weir.yaml's own default is SQS's, but for the size of messages. */
        struct str value = row->kind == BYTES ? value_or_usual(values, row) : values[i];
        if (row->key && value.size && (fifo || !row->fifo))
            write_key(json, row, value);
    }
}

void sqs_attributes_write_values(struct buf *json, const struct str *values)
{
    buf_char(json, '{');
    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT; i++)
        if (values[i].size)
            json_write_member(json, attributes[i].name, values[i]);
    buf_char(json, '}');
}

void sqs_attributes_read_values(struct arena *a, struct str map, struct str *values)
{
    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT; i++) {
        struct str raw = json_member(map, attributes[i].name);
        values[i] = raw.ptr ? text_of(a, raw) : (struct str){0};
    }
}

struct str *sqs_attribute_policy(struct sqs_document *d)
{
    return &d->values[called("Policy") - attributes];
}

struct str *sqs_attribute_redrive_allow_policy(struct sqs_document *d)
{
    return &d->values[called("RedriveAllowPolicy") - attributes];
}

/* ---- as they are shown ---- */

static void write_fact(struct buf *out, const struct attribute *row, const struct aws_request *r,
                       const struct sqs_document *document, const struct target_def *def)
{
    int64_t loaded_s = http_router(r->http)->started_wall_ms / 1000;

    if (row == called("QueueArn"))
        buf_str(out, def->arn);
    else if (row == called("FifoQueue"))
        buf_text(out, "true");
    else if (row == called("CreatedTimestamp"))
        buf_printf(out, "%lld", (long long)(document ? document->created_s : loaded_s));
    else
        buf_printf(out, "%lld", (long long)(document ? document->modified_s : loaded_s));
}

void sqs_attributes_write(struct buf *json, struct aws_request *r, const struct target_def *def, uint32_t wanted,
                          const struct queue_counts *counts)
{
    struct sqs_document made = {0}, *document = def->made.ptr ? &made : NULL;
    struct buf value = BUF_INIT;

    if (document)
        sqs_document_read(&r->arena, def->made, document);
    buf_char(json, '{');
    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT; i++) {
        const struct attribute *row = &attributes[i];
        if (!(wanted & 1u << i) || (row->fifo && !queue_is_fifo(def->name)))
            continue;
        buf_clear(&value);
        if (row->kind == COUNT)
            buf_printf(&value, "%lld", (long long)*(const int64_t *)((const char *)counts + row->offset));
        else if (row->kind == FACT)
            write_fact(&value, row, r, document, def);
        else
            write_value(&value, row, document, def);
        if (value.size)
            json_write_member(json, row->name, buf_view(&value));
    }
    buf_char(json, '}');
    buf_fini(&value);
}

bool sqs_attributes_wanted(struct aws_request *r, struct str list, uint32_t *wanted_out)
{
    struct aws_list names;
    struct str raw;

    *wanted_out = 0;
    if (!list.ptr)
        return true;
    for (aws_list_start(&names, list); aws_list_next(&names, &raw);) {
        struct str name = json_decode_in(&r->arena, raw);
        const struct attribute *row = find(name);
        if (!row && !str_is(name, "All")) {
            aws_fail(r, 400, "InvalidAttributeName", "Unknown Attribute %.*s.", STR_ARG(name));
            return false;
        }
        *wanted_out |= row ? 1u << (row - attributes) : (1u << SQS_ATTRIBUTE_COUNT) - 1;
    }
    return true;
}
