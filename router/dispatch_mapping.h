/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DISPATCH_MAPPING_H
#define ROUTER_DISPATCH_MAPPING_H

/* Event source mappings at work; all on the dispatch thread. */

#include "router/dispatch_int.h"

void mappings_apply(struct dispatch *d); /* the rule set has changed, or is the first one */
void mappings_pump(struct outlet *o);    /* of outlet_pump(), for the outlet of a mapping's function */
void mappings_close(struct dispatch *d); /* the ledger is closed already */

#endif
