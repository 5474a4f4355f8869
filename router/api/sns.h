/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_H
#define ROUTER_API_SNS_H

/* The operations of SNS (the query protocol of 2010-03-31), and what they share. */

#include "router/api/aws.h"

#endif
