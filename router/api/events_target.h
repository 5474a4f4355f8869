/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_TARGET_H
#define ROUTER_API_EVENTS_TARGET_H

/* Targets as PutTargets has them: the structure of the service model (events_target_model.c), what AWS checks besides
   (events_target_check.c), and what they are in weir.yaml's words (events_target_document.c). */

#include "router/api/events_rules.h"
#include "rules/input.h"

struct events_target {
    struct str id, arn, role, input, input_path;
    /* texts of the structures, as they were sent */
    struct str transformer, kinesis, run, ecs, batch, sqs, http, redshift, sagemaker, dead_letter_config, retry,
        appsync;
    /* what stands in them */
    struct str paths, template, group, dead_letter;
    int64_t attempts, age_s;        /* of RetryPolicy; -1: not said */
    const struct input_pair *pairs; /* of paths */
    size_t pair_count;
    struct str text, list; /* members that are only checked … */
    int64_t number;        /* … overwrite each other here */
};
#define EVENTS_TARGET_INIT                                                                                             \
    {                                                                                                                  \
        .attempts = -1, .age_s = -1                                                                                    \
    }

/* Reads one; what breaks a constraint is noted. False: a member has the wrong type; answered. */
bool events_target_read(struct aws_request *r, unsigned index, struct str text, struct events_target *t);
/* The Target structure that is kept and shown: the members of the model as they were sent. */
void events_target_write(struct buf *json, const struct events_target *t);
/* What the model does not say, of a target of a rule on that bus. False: answered. */
bool events_target_check(struct aws_request *r, struct str bus, const struct events_target *t);

#endif
