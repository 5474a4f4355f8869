/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_MAILBOX_H
#define ROUTER_MAILBOX_H

/*
 * How threads talk to a thread that runs a libevent loop: anybody posts, the owner's loop delivers in order.
 * A mail is embedded in the poster's struct and belongs to the mailbox until its deliver() is called. One eventfd
 * wakes the loop; at most MAILBOX_BUDGET mails are delivered a wake-up, then the loop turns.
 */

#include <stdbool.h>

struct event_base;
struct mailbox;

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *m); /* on the owner's thread */
};

#define MAILBOX_BUDGET 1024

struct mailbox *mailbox_create(struct event_base *base);
void mailbox_destroy(struct mailbox *b);              /* undelivered mails are dropped: stop the posters first */
void mailbox_post(struct mailbox *b, struct mail *m); /* any thread; never blocks, never fails */

#endif
