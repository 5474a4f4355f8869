/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_MAPPING_EVENT_H
#define ROUTER_MAPPING_EVENT_H

/* Messages of a queue as a function gets them from Lambda's pollers, and what its answer says of them. */

#include "matcher/arena.h"
#include "rules/ruleset.h"
#include "targets/queue.h"

struct mapped_message {
    struct queue_message message; /* copied */
    bool unwanted;                /* it matches no filter */
    bool failed;                  /* the answer names it */
};

struct mapped_batch {
    struct arena arena; /* what messages point to */
    struct mapped_message *list;
    size_t count, capacity;
    size_t bytes; /* of bodies */
};

/* Into the arena. */
void mapped_batch_add(struct mapped_batch *b, const struct queue_message *m);
void mapped_batch_fini(struct mapped_batch *b);

/* Appends {"Records":[…]} of those that are wanted. */
void mapped_batch_write(struct buf *out, const struct mapped_batch *b, const struct ruleset *set, struct str queue);
/* Marks those that the mapping's filter does not want; how many are left. */
size_t mapped_batch_filter(struct mapped_batch *b, struct weir_matcher *filter, const struct ruleset *set,
                           struct str queue);
/* Marks those that the answer names in batchItemFailures; false: it says that in a way nobody can understand, and all
   of them have failed. */
bool mapped_batch_judge(struct mapped_batch *b, struct str answer);

#endif
