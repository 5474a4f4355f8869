/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event of a queue's messages, as Lambda's pollers make it. Filters look at a message as the function gets it, but
 * with a body that is JSON as JSON. An answer with batchItemFailures that names no message, or one that is not in the
 * batch, says nothing that could be trusted: then all have failed, as at AWS.
 */
#include "router/mapping_event.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/xalloc.h"

/* ---- the batch ---- */

void mapped_batch_add(struct mapped_batch *b, const struct queue_message *m)
{
    if (b->count == b->capacity) {
        b->capacity = b->capacity ? 2 * b->capacity : 16;
        b->list = xrealloc(b->list, b->capacity * sizeof *b->list);
    }
    struct mapped_message *one = &b->list[b->count++];
    *one = (struct mapped_message){.message = *m};
    struct queue_message *copy = &one->message;
    struct str *texts[] = {&copy->message_id,      &copy->receipt_handle, &copy->body,
                           &copy->attributes,      &copy->group,          &copy->deduplication_id,
                           &copy->idempotency_key, &copy->came_from};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_str(&b->arena, *texts[i]);
    if (b->arena.failed)
        xfail("out of memory");
    b->bytes += m->body.size;
}

void mapped_batch_fini(struct mapped_batch *b)
{
    arena_fini(&b->arena);
    free(b->list);
    *b = (struct mapped_batch){0};
}

/* ---- a record ---- */

static void write_md5(struct buf *out, struct str body)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(body.ptr, body.size, digest, &size, EVP_md5(), NULL) != 1)
        xfail("no MD5");
    json_write_key(out, "md5OfBody");
    buf_char(out, '"');
    for (unsigned i = 0; i < size; i++)
        buf_printf(out, "%02x", digest[i]);
    buf_char(out, '"');
}

static void write_number(struct buf *out, const char *key, int64_t value)
{
    json_write_key(out, key);
    buf_printf(out, "\"%" PRId64 "\"", value);
}

static void write_attributes(struct buf *out, const struct queue_message *m, const struct ruleset *set)
{
    char sequence[QUEUE_SEQUENCE_DIGITS + 1];

    json_write_key(out, "attributes");
    buf_char(out, '{');
    write_number(out, "ApproximateReceiveCount", m->receive_count);
    write_number(out, "SentTimestamp", m->sent_wall_ms);
    if (m->sequence) {
        queue_sequence_write(m->sequence, sequence);
        json_write_member(out, "SequenceNumber", str_from(sequence));
        json_write_member(out, "MessageGroupId", m->group);
    }
    json_write_member(out, "SenderId", set->account);
    if (m->sequence)
        json_write_member(out, "MessageDeduplicationId", m->deduplication_id);
    write_number(out, "ApproximateFirstReceiveTimestamp", m->first_received_wall_ms);
    if (m->came_from.size) {
        json_write_key(out, "DeadLetterQueueSourceArn");
        buf_printf(out, "\"arn:aws:sqs:%.*s:%.*s:%.*s\"", STR_ARG(set->region), STR_ARG(set->account),
                   STR_ARG(m->came_from));
    }
    buf_char(out, '}');
}

/* name: {"Type": …, "Value": …} as Lambda shows it. */
static void write_message_attribute(struct buf *out, struct str name, struct str attribute)
{
    struct str type = json_member(attribute, "Type"), value = json_member(attribute, "Value");
    bool binary = type.size > 7 && memcmp(type.ptr, "\"Binary", 7) == 0;

    if (out->data[out->size - 1] != '{')
        buf_char(out, ',');
    buf_str(out, name);
    buf_printf(out, ":{\"%s\":", binary ? "binaryValue" : "stringValue");
    buf_str(out, value.size ? value : STR("\"\""));
    buf_text(out, ",\"stringListValues\":[],\"binaryListValues\":[],\"dataType\":");
    buf_str(out, type.size ? type : STR("\"String\""));
    buf_char(out, '}');
}

static void write_message_attributes(struct buf *out, struct str attributes)
{
    struct json_reader reader;
    struct json_token key, value;

    json_write_key(out, "messageAttributes");
    buf_char(out, '{');
    if (attributes.size && json_check(attributes, NULL, NULL) && json_type_of(attributes) == JSON_OBJECT) {
        json_reader_init(&reader, attributes);
        json_next(&reader, &key);
        while (json_next(&reader, &key) == JSON_KEY) {
            json_next(&reader, &value);
            json_skip(&reader, &value);
            if (json_type_of(value.raw) == JSON_OBJECT)
                write_message_attribute(out, key.raw, value.raw);
        }
    }
    buf_char(out, '}');
}

/* raw: a body that is JSON stands there as such. */
static void write_record(struct buf *out, const struct queue_message *m, const struct ruleset *set, struct str queue,
                         bool raw)
{
    buf_char(out, '{');
    json_write_member(out, "messageId", m->message_id);
    json_write_member(out, "receiptHandle", m->receipt_handle);
    json_write_key(out, "body");
    if (raw && json_check(m->body, NULL, NULL))
        buf_str(out, m->body);
    else
        json_write_string(out, m->body);
    write_attributes(out, m, set);
    write_message_attributes(out, m->attributes);
    write_md5(out, m->body);
    json_write_member(out, "eventSource", STR("aws:sqs"));
    json_write_key(out, "eventSourceARN");
    buf_printf(out, "\"arn:aws:sqs:%.*s:%.*s:%.*s\"", STR_ARG(set->region), STR_ARG(set->account), STR_ARG(queue));
    json_write_member(out, "awsRegion", set->region);
    buf_char(out, '}');
}

void mapped_batch_write(struct buf *out, const struct mapped_batch *b, const struct ruleset *set, struct str queue)
{
    const char *comma = "";

    buf_text(out, "{\"Records\":[");
    for (size_t i = 0; i < b->count; i++) {
        if (b->list[i].unwanted)
            continue;
        buf_text(out, comma);
        write_record(out, &b->list[i].message, set, queue, false);
        comma = ",";
    }
    buf_text(out, "]}");
    xbuf(out);
}

/* ---- filters ---- */

size_t mapped_batch_filter(struct mapped_batch *b, struct weir_matcher *filter, const struct ruleset *set,
                           struct str queue)
{
    struct weir_scratch *scratch = filter ? weir_scratch_create(filter) : NULL;
    struct buf record = BUF_INIT;
    struct weir_diag diag;
    const uint32_t *ids;
    size_t wanted = b->count;

    if (filter && !scratch)
        xfail("out of memory");
    for (size_t i = 0; filter && i < b->count; i++) {
        buf_clear(&record);
        write_record(&record, &b->list[i].message, set, queue, true);
        xbuf(&record);
        b->list[i].unwanted = weir_match(filter, scratch, record.data, record.size, WEIR_CHECKED, &ids, &diag) == 0;
        wanted -= b->list[i].unwanted;
    }
    weir_scratch_destroy(scratch);
    buf_fini(&record);
    return wanted;
}

/* ---- the answer ---- */

static struct mapped_message *find(struct mapped_batch *b, struct str identifier)
{
    for (size_t i = 0; i < b->count; i++)
        if (!b->list[i].unwanted && str_eq(b->list[i].message.message_id, identifier))
            return &b->list[i];
    return NULL;
}

static bool judge_item(struct mapped_batch *b, struct str item)
{
    struct str identifier = json_type_of(item) == JSON_OBJECT ? json_member(item, "itemIdentifier") : STR("");
    struct mapped_message *m = identifier.size > 2 && identifier.ptr[0] == '"'
                                   ? find(b, (struct str){identifier.ptr + 1, identifier.size - 2})
                                   : NULL;
    if (m)
        m->failed = true;
    return m;
}

bool mapped_batch_judge(struct mapped_batch *b, struct str answer)
{
    struct json_reader reader;
    struct json_token item;
    struct str list;

    if (!answer.size)
        return true;
    if (!json_check(answer, NULL, NULL))
        return false;
    while (strchr(" \t\r\n", answer.ptr[0]))
        answer = (struct str){answer.ptr + 1, answer.size - 1};
    if (json_type_of(answer) != JSON_OBJECT)
        return json_type_of(answer) == JSON_NULL;
    list = json_member(answer, "batchItemFailures");
    if (!list.ptr || json_type_of(list) == JSON_NULL)
        return true;
    if (json_type_of(list) != JSON_ARRAY)
        return false;
    json_reader_init(&reader, list);
    json_next(&reader, &item);
    while (json_next(&reader, &item) != JSON_ARRAY_END) {
        json_skip(&reader, &item);
        if (!judge_item(b, item.raw))
            return false;
    }
    return true;
}
