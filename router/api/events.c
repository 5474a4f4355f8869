/* SPDX-License-Identifier: Apache-2.0 */
/* EventBridge's operations by name. One that has no row answers UnknownOperationException. */
#include "router/api/events.h"

#define NO_PARTNERS  "There are no partner event sources: lists are empty, none is found, the rest is disabled."
#define NO_ENDPOINTS "One machine is one region: there are no global endpoints, and none can be made."

static const struct aws_operation operations[] = {
    {"PutEvents", events_put_events,
     "Sources that begin with aws. are refused on buses with strict: aws only; EndpointId changes nothing."},
    {"TestEventPattern", events_test_event_pattern, NULL},

    {"CancelReplay", events_cancel_replay, "A replay is cancelled at once; the answer says CANCELLING all the same."},
    {"DescribeReplay", events_describe_replay, NULL},
    {"ListReplays", events_list_replays, "Shows the thousand newest; those that `weir replay` started too."},
    {"StartReplay", events_start_replay, NULL},

    {"ActivateEventSource", events_change_event_source, NO_PARTNERS},
    {"CreatePartnerEventSource", events_change_partner_event_source, NO_PARTNERS},
    {"DeactivateEventSource", events_change_event_source, NO_PARTNERS},
    {"DeletePartnerEventSource", events_change_partner_event_source, NO_PARTNERS},
    {"DescribeEventSource", events_describe_event_source, NO_PARTNERS},
    {"DescribePartnerEventSource", events_describe_event_source, NO_PARTNERS},
    {"ListEventSources", events_list_event_sources, NO_PARTNERS},
    {"ListPartnerEventSourceAccounts", events_list_partner_event_source_accounts, NO_PARTNERS},
    {"ListPartnerEventSources", events_list_partner_event_sources, NO_PARTNERS},
    {"PutPartnerEvents", events_put_partner_events, NO_PARTNERS},

    {"CreateEndpoint", events_create_endpoint, NO_ENDPOINTS},
    {"DeleteEndpoint", events_delete_endpoint, NO_ENDPOINTS},
    {"DescribeEndpoint", events_describe_endpoint, NO_ENDPOINTS},
    {"ListEndpoints", events_list_endpoints, NO_ENDPOINTS},
    {"UpdateEndpoint", events_update_endpoint, NO_ENDPOINTS},
    {0},
};

const struct aws_service aws_events = {
    .title = "EventBridge",
    .prefix = "events",
    .target = "AWSEvents",
    .content_type = "application/x-amz-json-1.1",
    .error_prefix = "",
    .unknown = "UnknownOperationException",
    .operations = operations,
};
