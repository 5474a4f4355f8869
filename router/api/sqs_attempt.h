/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SQS_ATTEMPT_H
#define ROUTER_API_SQS_ATTEMPT_H

/*
 * What the receives with a ReceiveRequestAttemptId gave: within five minutes the same id on the same queue is given
 * the same messages again. Kept in memory by the ledger's thread, and a bounded number of them: an attempt that was
 * forgotten, or came before a restart, is a receive like any other.
 */

#include "router/api/sqs.h"

#define SQS_HANDLE_SIZE 64

struct sqs_attempt {
    char queue[QUEUE_NAME_MAX + 1], id[QUEUE_GROUP_MAX + 1];
    int64_t age_ms;
    size_t count;
    char handles[SQS_RECEIVE_MAX][SQS_HANDLE_SIZE];
};

/* The attempt of this id, new (count 0) where there is none of the last five minutes. id: queue_is_id(). NULL: diag. */
struct sqs_attempt *sqs_attempt_need(struct store *s, struct str queue, struct str id, struct weir_time now,
                                     struct weir_diag *diag);
void sqs_attempt_add(struct sqs_attempt *a, struct str handle);

#endif
