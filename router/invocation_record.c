/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lambda's words about an asynchronous invocation. Payloads stand in records as the JSON they are; what is no JSON (a
 * target's input may be any text, a command may write any) as a string.
 */
#include "router/invocation_record.h"

#include <stdio.h>

#include "matcher/json.h"
#include "router/clock.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/uuid.h"

static void write_value(struct buf *out, const char *key, struct str value)
{
    json_write_key(out, key);
    if (!value.size)
        buf_text(out, "null");
    else if (json_check(value, NULL, NULL))
        json_minify(out, value);
    else
        json_write_string(out, value);
}

static void write_time(struct buf *out, int64_t ms)
{
    char text[21], stamp[32];

    time_format_rfc3339(ms, text);
    snprintf(stamp, sizeof stamp, "%.19s.%03dZ", text, (int)(ms % 1000));
    json_write_member(out, "timestamp", str_from(stamp));
}

static void write_response(struct buf *out, const struct invocation *i)
{
    json_write_key(out, "responseContext");
    buf_text(out, "{\"statusCode\":200,\"executedVersion\":\"$LATEST\"");
    if (i->verdict.kind != VERDICT_SETTLED)
        json_write_member(out, "functionError", STR("Unhandled"));
    buf_char(out, '}');
    write_value(out, "responsePayload", buf_view(&i->answer));
}

void record_write(struct buf *out, struct str function_arn, const char *condition, const struct invocation_row *row,
                  const struct invocation *i, int64_t wall_ms)
{
    buf_char(out, '{');
    json_write_member(out, "version", STR("1.0"));
    write_time(out, wall_ms);
    json_write_key(out, "requestContext");
    buf_char(out, '{');
    json_write_member(out, "requestId", row->request_id);
    buf_printf(out, ",\"functionArn\":\"%.*s:$LATEST\"", STR_ARG(function_arn));
    json_write_member(out, "condition", str_from(condition));
    json_write_key(out, "approximateInvokeCount");
    json_write_int(out, row->attempts);
    buf_char(out, '}');
    write_value(out, "requestPayload", row->payload);
    if (i)
        write_response(out, i);
    buf_char(out, '}');
    xbuf(out);
}

void record_write_event(struct buf *out, const struct ruleset *set, const struct target_def *bus,
                        struct str function_arn, const char *status, struct str record, int64_t wall_ms)
{
    char id[UUID_SIZE + 1], time[21];

    if (!uuid_random(id))
        xfail("the kernel gives no random bytes");
    time_format_rfc3339(wall_ms, time);
    buf_char(out, '{');
    json_write_member(out, "version", STR("0"));
    json_write_member(out, "id", str_from(id));
    buf_printf(out, ",\"detail-type\":\"Lambda Function Invocation Result - %s\",\"source\":\"lambda\"", status);
    json_write_member(out, "account", set->account);
    json_write_member(out, "time", str_from(time));
    json_write_member(out, "region", set->region);
    buf_printf(out, ",\"resources\":[\"%.*s\",\"%.*s:$LATEST\"],\"detail\":%.*s}", STR_ARG(bus->arn),
               STR_ARG(function_arn), STR_ARG(record));
    xbuf(out);
}

static void write_attribute(struct buf *out, const char *name, const char *type, struct str value)
{
    if (!value.size)
        return;
    json_write_key(out, name);
    buf_char(out, '{');
    json_write_member(out, "Type", str_from(type));
    json_write_member(out, "Value", value);
    buf_char(out, '}');
}

void record_write_attributes(struct buf *out, struct str target, const struct invocation *i, struct str request_id,
                             const char *condition)
{
    const struct verdict *v = &i->verdict;
    bool throttled = str_is(STR("THROTTLING"), v->code);

    buf_char(out, '{');
    write_attribute(out, "RequestID", "String", request_id);
    write_attribute(out, "ErrorCode", "Number", throttled ? STR("429") : STR("200"));
    write_attribute(out, "ErrorMessage", "String", str_from(v->message));
    write_attribute(out, "TARGET_ARN", "String", target);
    write_attribute(out, "ERROR_CODE", "String", str_from(v->code));
    write_attribute(out, "ERROR_MESSAGE", "String", str_from(v->message));
    if (strcmp(condition, "Success") != 0)
        write_attribute(out, "EXHAUSTED_RETRY_CONDITION", "String", str_from(condition));
    buf_char(out, '}');
    xbuf(out);
}
