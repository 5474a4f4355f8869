/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_API_H
#define ROUTER_API_API_H

/* The handlers that routes.c names, one file each. */

#include "router/http.h"

struct sigv4_result;

void ingest_events(struct http_request *r); /* every source; the route's name is the source's */
void aws_post(struct http_request *r);      /* the AWS protocols: router/api/aws.h */
void sns_certificate(struct http_request *r);
/* Answers a request whose signature is missing or wrong, as its protocol has it. */
void aws_refuse_signature(struct http_request *r, const struct sigv4_result *result);
void health_root(struct http_request *r);
void health_live(struct http_request *r);
void health_ready(struct http_request *r);
void health_metrics(struct http_request *r);

#endif
