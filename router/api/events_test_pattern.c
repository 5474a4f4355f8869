/* SPDX-License-Identifier: Apache-2.0 */
/* TestEventPattern: does this pattern match this event? Both come as JSON text; nothing is kept. */
#include "matcher/compile.h"
#include "router/api/events.h"
#include "router/xalloc.h"

struct input {
    struct str pattern, event;
};

static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "EventPattern", AWS_STRING, pattern, .required = true, .max = EVENT_PATTERN_LENGTH_MAX),
    AWS_MEMBER(struct input, "Event", AWS_STRING, event, .required = true),
    {0},
};

/* AWS wants these, and not `resources`, whatever its documents say. */
static bool is_event(struct str event)
{
    static const char *const wanted[] = {"id", "account", "source", "time", "region", "detail-type"};

    if (!weir_event_check(event.ptr, event.size, NULL))
        return false;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!json_member(event, wanted[i]).ptr)
            return false;
    return true;
}

/* As weir_match(): 1, 0, or -1 with diag. */
static long match(const struct pattern *pattern, struct str event, struct weir_diag *diag)
{
    struct weir_builder *builder = weir_builder_create();
    struct weir_matcher *m = NULL;
    struct weir_scratch *scratch = NULL;
    const uint32_t *ids;
    long count;

    if (builder && builder_add_pattern(builder, 0, pattern, diag))
        m = weir_builder_build(builder, diag);
    if (m)
        scratch = weir_scratch_create(m);
    if (!scratch)
        xfail("out of memory");
    count = weir_match(m, scratch, event.ptr, event.size, WEIR_CHECKED, &ids, diag);
    weir_scratch_destroy(scratch);
    weir_matcher_unref(m);
    weir_builder_destroy(builder);
    return count;
}

void events_test_event_pattern(struct aws_request *r)
{
    struct input in = {0};
    struct weir_diag diag;
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", members, &in) || !aws_valid(r))
        return;
    if (!is_event(in.event)) {
        aws_fail(r, 400, "ValidationException", "Parameter Event is not valid.");
        return;
    }
    const struct pattern *pattern = events_parse_pattern(r, in.pattern);
    if (!pattern)
        return;
    long count = match(pattern, in.event, &diag);
    if (count < 0) {
        aws_fail(r, 400, "ValidationException", "Parameter Event is not valid. Reason: %s", diag.message);
        return;
    }
    buf_printf(&json, "{\"Result\":%s}", count ? "true" : "false");
    aws_reply(r, &json);
    buf_fini(&json);
}
