/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a change from an AWS operation to the resources and back, see aws_change.h. What does not load is the
 * request's fault and answered as one; what cannot be written is nobody's, and clients come again after a 503.
 */
#include "router/api/aws_change.h"

#include "router/router.h"
#include "router/xalloc.h"

static struct aws_change *change_of(struct resources_change *change)
{
    return (struct aws_change *)((char *)change - offsetof(struct aws_change, change));
}

static bool edit_cb(struct resources_change *change, struct resources *resources) /* main thread */
{
    struct aws_change *c = change_of(change);

    c->status = 0;
    return c->edit(c, resources);
}

static void reply(struct aws_change *c)
{
    if (c->answer)
        c->answer(c);
    else
        aws_reply_empty(c->request);
}

static void done_cb(struct resources_change *change)
{
    struct aws_change *c = change_of(change);

    if (c->status) {
        aws_fail(c->request, c->status, c->code, "%.*s", STR_ARG(c->message));
        return;
    }
    switch (change->outcome) {
    case RESOURCES_DONE:
    case RESOURCES_UNCHANGED: reply(c); break;
    case RESOURCES_REFUSED: aws_fail(c->request, 400, c->request->service->invalid, "%s", change->message); break;
    case RESOURCES_UNAVAILABLE: aws_fail(c->request, 503, "ServiceUnavailable", "%s", change->message); break;
    }
}

void *aws_change_new(struct aws_request *r, size_t size,
                     bool (*edit)(struct aws_change *c, struct resources *resources),
                     void (*answer)(struct aws_change *c))
{
    struct aws_change *c = arena_alloc(&r->arena, size);

    if (c) {
        *c = (struct aws_change){.request = r, .edit = edit, .answer = answer};
        return c;
    }
    xfail("out of memory");
}

void aws_change_start(struct aws_change *c)
{
    c->change.edit = edit_cb;
    c->change.done = done_cb;
    c->change.reply = http_mailbox(c->request->http);
    resources_submit(http_router(c->request->http), &c->change);
}

bool aws_refuse(struct aws_change *c, int status, const char *code, const char *format, ...)
{
    struct buf message = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    c->status = status;
    c->code = code;
    c->message = aws_keep(&c->request->arena, &message);
    return false;
}

struct str aws_keep(struct arena *a, struct buf *text)
{
    xbuf(text);
    struct str copy = arena_str(a, buf_view(text));
    if (!copy.ptr)
        xfail("out of memory");
    buf_fini(text);
    return copy;
}
