/* SPDX-License-Identifier: Apache-2.0 */
/* Every path Weir answers, its methods and its handler. A path with "*" at its end is everything below. */
#include "router/api/api.h"
#include "router/api/lambda.h"
#include "router/api/v1.h"

/* Each operation of Lambda's API has the date of its making in its path. */
#define LAMBDA(date)                                                                                                   \
    {                                                                                                                  \
        "GET POST PUT DELETE", "/" date "/*", "lambda", lambda_request                                                 \
    }

const struct http_route http_routes[] = {
    {"POST", "/events", "events", ingest_events},
    {"POST", "/events/*", "events", ingest_events},
    {"POST", "/s3", "s3", ingest_events},
    {"POST", "/s3/*", "s3", ingest_events},
    {"POST", "/cloudtrail", "cloudtrail", ingest_events},
    {"POST", "/cloudtrail/*", "cloudtrail", ingest_events},
    {"POST", "/", "aws", aws_post},
    LAMBDA("2014-11-13"),
    LAMBDA("2015-03-31"),
    LAMBDA("2016-08-19"),
    LAMBDA("2017-03-31"),
    LAMBDA("2017-10-31"),
    LAMBDA("2018-10-31"),
    LAMBDA("2019-09-25"),
    LAMBDA("2019-09-30"),
    LAMBDA("2020-04-22"),
    LAMBDA("2020-06-30"),
    LAMBDA("2021-07-20"),
    LAMBDA("2021-10-31"),
    LAMBDA("2021-11-15"),
    LAMBDA("2024-08-31"),
    LAMBDA("2025-11-30"),
    LAMBDA("2025-12-01"),
    {"GET POST", "/############/*", "aws", aws_post}, /* the URL of a queue */
    {"GET HEAD", "/SimpleNotificationService-*", "certificate", sns_certificate},
    {"GET HEAD", "/", "root", health_root},
    {"GET HEAD", "/metrics", "metrics", health_metrics},
    {"GET HEAD", "/healthz", "healthz", health_live},
    {"GET HEAD", "/readyz", "readyz", health_ready},
    {"GET", "/_weir/v1/status", "status", v1_status},
    {"GET", "/_weir/v1/config", "config", v1_config},
    {"GET", "/_weir/v1/resources", "resources", v1_resources},
    {"GET", "/_weir/v1/queues", "queues", v1_queues},
    {"GET POST", "/_weir/v1/queues/*", "queues", v1_queues},
    {"GET", "/_weir/v1/dlq", "dlq", v1_dlq},
    {"POST", "/_weir/v1/dlq/*", "dlq", v1_dlq_redrive},
    {"POST", "/_weir/v1/pause", "pause", v1_pause},
    {"POST", "/_weir/v1/resume", "resume", v1_resume},
    {"GET", "/_weir/v1/archives", "archives", v1_archives},
    {"GET POST", "/_weir/v1/replays", "replays", v1_replays},
    {"GET POST", "/_weir/v1/replays/*", "replays", v1_replays},
    {"GET", "/_weir/v1/deliveries", "deliveries", v1_deliveries},
    {"POST", "/_weir/v1/taps", "taps", v1_taps},
    {"GET DELETE", "/_weir/v1/taps/*", "taps", v1_taps},
    {"POST", "/_weir/v1/dry-runs", "replays", v1_dry_runs},
    {0},
};
