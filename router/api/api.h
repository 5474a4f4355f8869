/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_API_H
#define ROUTER_API_API_H

/* The handlers that routes.c names, one file each. */

#include "router/http.h"

void ingest_events(struct http_request *r); /* every source; the route's name is the source's */
void aws_post(struct http_request *r);      /* the AWS protocols: router/api/aws.h */
void sns_certificate(struct http_request *r);
void health_root(struct http_request *r);
void health_live(struct http_request *r);
void health_ready(struct http_request *r);
void health_metrics(struct http_request *r);

#endif
