/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SQS_H
#define ROUTER_API_SQS_H

/* The operations of SQS (AmazonSQS.…, and the query protocol of 2012-11-05), and what they share. */

#include "router/api/aws.h"

extern const struct aws_wire sqs_wire[];

#endif
