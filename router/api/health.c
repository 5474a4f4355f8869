/* SPDX-License-Identifier: Apache-2.0 */
/* What watches a router asks: is the process well, should it get traffic, and its metrics. */
#include "router/api/api.h"
#include "router/metrics.h"
#include "router/router.h"

static const char text[] = "text/plain; charset=utf-8";

void health_root(struct http_request *r)
{
    struct str action;

    if (http_query(r, "Action", &action)) {
        aws_post(r); /* the AWS query protocol may come by GET */
        return;
    }
    http_reply(r, 200, text,
               STR("Weir " WEIR_VERSION ", an event router.\n"
                   "\n"
                   "POST /events /s3 /cloudtrail   put events (a bus may follow: /events/BUS)\n"
                   "GET  /healthz /readyz          is it well, is it ready\n"
                   "GET  /metrics                  Prometheus metrics\n"));
}

void health_live(struct http_request *r)
{
    if (journal_failed(http_router(r)->journal))
        http_reply(r, 503, text, STR("the journal has failed: restart the router\n"));
    else
        http_reply(r, 200, text, STR("ok\n"));
}

void health_ready(struct http_request *r)
{
    struct router *router = http_router(r);

    if (router->draining)
        http_reply(r, 503, text, STR("stopping\n"));
    else if (!router->ready)
        http_reply(r, 503, text, STR("starting\n"));
    else if (journal_failed(router->journal))
        http_reply(r, 503, text, STR("the journal has failed: restart the router\n"));
    else
        http_reply(r, 200, text, STR("ready\n"));
}

void health_metrics(struct http_request *r)
{
    struct buf out = BUF_INIT;

    metrics_write(&out);
    http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&out));
    buf_fini(&out);
}
