/* SPDX-License-Identifier: Apache-2.0 */
/* EventBridge's operations by name. One that has no row answers UnknownOperationException. */
#include "router/api/events.h"

static const struct aws_operation operations[] = {
    {"PutEvents", events_put_events},
    {"TestEventPattern", events_test_event_pattern},
    {0},
};

const struct aws_service aws_events = {"AWSEvents", "application/x-amz-json-1.1", "", operations};
