/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of up to ten entries: each has an id of its own and succeeds or fails by itself, in one ledger job. What is
 * wrong with the batch as a whole is an error of the request.
 */
#include "router/api/sqs.h"
#include "router/xalloc.h"

#define ID_MAX 80

struct entry_input {
    struct str id;
};
static const struct aws_member entry_members[] = {
    AWS_MEMBER(struct entry_input, "Id", AWS_STRING, id),
    {0},
};

static bool check_ids(struct aws_request *r, const struct sqs_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct str id = batch->entries[i].id;
        if (!sqs_is_word(id, ID_MAX)) {
            aws_fail(r, 400, "InvalidBatchEntryId",
                     "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
                     "most 80 letters long.");
            return false;
        }
        for (size_t before = 0; before < i; before++)
            if (str_eq(batch->entries[before].id, id)) {
                aws_fail(r, 400, "BatchEntryIdsNotDistinct", "Id %.*s repeated.", STR_ARG(id));
                return false;
            }
    }
    return true;
}

bool sqs_batch_read(struct aws_request *r, struct str entries, const char *entry, struct sqs_batch *out)
{
    struct aws_list list;
    struct str object;
    size_t count = 0;

    *out = (struct sqs_batch){0};
    if (entries.ptr)
        for (aws_list_start(&list, entries); aws_list_next(&list, &object); count++) {
            struct entry_input in = {0};
            if (count >= SQS_BATCH_MAX)
                continue;
            if (!aws_read(r, object, "", entry_members, &in))
                return false;
            out->entries[out->count++] = (struct sqs_batch_entry){.id = in.id, .object = object};
        }
    if (!count)
        aws_fail(r, 400, "EmptyBatchRequest", "There should be at least one %s in the request.", entry);
    else if (count > SQS_BATCH_MAX)
        aws_fail(r, 400, "TooManyEntriesInBatchRequest",
                 "Maximum number of entries per request are %d. You have sent %zu.", SQS_BATCH_MAX, count);
    else
        return check_ids(r, out);
    return false;
}

static void write_failed(struct aws_request *r, struct buf *json, const struct sqs_batch *batch)
{
    json_write_key(json, "Failed");
    buf_char(json, '[');
    for (size_t i = 0, written = 0; i < batch->count; i++) {
        const struct sqs_batch_entry *e = &batch->entries[i];
        if (!e->fault.code)
            continue;
        buf_text(json, written++ ? ",{" : "{");
        json_write_member(json, "Id", e->id);
        buf_text(json, ",\"SenderFault\":true");
        json_write_member(json, "Code", str_from(aws_error_code(r->service, e->fault.code)));
        json_write_member(json, "Message", str_from(e->fault.message));
        buf_char(json, '}');
    }
    buf_char(json, ']');
}

void sqs_batch_answer(struct aws_request *r, const struct sqs_batch *batch,
                      void (*write)(void *context, struct buf *json, size_t index), void *context)
{
    struct buf json = BUF_INIT;
    bool failed = false;

    buf_text(&json, "{\"Successful\":[");
    for (size_t i = 0, written = 0; i < batch->count; i++) {
        failed |= !!batch->entries[i].fault.code;
        if (batch->entries[i].fault.code)
            continue;
        buf_text(&json, written++ ? ",{" : "{");
        json_write_member(&json, "Id", batch->entries[i].id);
        if (write)
            write(context, &json, i);
        buf_char(&json, '}');
    }
    buf_char(&json, ']');
    if (failed)
        write_failed(r, &json, batch);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}
