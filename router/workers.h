/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_WORKERS_H
#define ROUTER_WORKERS_H

/*
 * A few threads for work that blocks (files, processes): what stands behind host->work(). Work waits in one list, in
 * order; run() is called on a worker thread, then done() on the thread that owns the mailbox.
 */

#include "router/mailbox.h"
#include "targets/adapter.h"

#define WORKERS 4

struct workers;

struct workers *workers_start(struct mailbox *reply);
void workers_submit(struct workers *w, struct work *work); /* any thread */
/* Waits for what is running; what waits is dropped (its done() is not called). Then frees. */
void workers_stop(struct workers *w);

#endif
