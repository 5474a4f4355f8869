/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DISPATCH_ASYNC_H
#define ROUTER_DISPATCH_ASYNC_H

/* Asynchronous invocations at work; all but async_load() on the dispatch thread. */

#include "router/dispatch_int.h"

/* At start-up: which functions have any, and news of further ones from then on. */
bool async_load(struct dispatch *d, struct store *s, struct weir_diag *diag);
/* Starts what there is room for and fetches more; of outlet_pump(), for an outlet that has `async`. */
void async_pump(struct outlet *o);
void async_close(struct dispatch *d); /* outlets are closed already */

#endif
