/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_API_DESTINATION_H
#define TARGETS_API_DESTINATION_H

/* An API destination: somebody's HTTP API, as EventBridge calls it, by a connection that authorizes the requests. */

#include "targets/adapter.h"

struct api_destination_options {
    struct str description;
    const struct target_def *connection; /* NULL: it is gone */
    struct str endpoint;                 /* each * stands for a path value of the rule's target */
    int method;                          /* index into api_destination_methods */
    int64_t rate_per_second;
    int64_t timeout; /* ms */
};

extern const char *const api_destination_methods[]; /* AWS's names; ended by NULL */
extern const struct adapter api_destination_adapter;

#endif
