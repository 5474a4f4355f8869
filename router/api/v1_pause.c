/* SPDX-License-Identifier: Apache-2.0 */
/* Pausing and resuming targets for the command line: the call is handed to dispatch, whose answer goes back as it is.
 */
#include <stdlib.h>

#include "router/api/v1_int.h"
#include "router/xalloc.h"

struct pause_request {
    struct pause_call call;
    struct http_request *request;
    struct buf name;
};

static void finish(struct pause_request *p)
{
    buf_fini(&p->name);
    buf_fini(&p->call.json);
    free(p);
}

static void done_cb(struct pause_call *call)
{
    struct pause_request *p = (struct pause_request *)call;

    http_reply_json(p->request, call->status, &call->json);
    finish(p);
}

static void take(struct http_request *r, bool pause)
{
    struct pause_request *p = xalloc(sizeof *p);
    struct str body;

    p->request = r;
    if (!v1_body(r, &body) || !v1_text(r, body, "target", &p->name, true)) {
        finish(p);
        return;
    }
    xbuf(&p->name);
    p->call.pause = pause;
    p->call.name = buf_view(&p->name);
    p->call.reply = http_mailbox(r);
    p->call.done = done_cb;
    dispatch_pause(http_router(r)->dispatch, &p->call);
}

void v1_pause(struct http_request *r)
{
    take(r, true);
}

void v1_resume(struct http_request *r)
{
    take(r, false);
}
