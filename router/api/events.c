/* SPDX-License-Identifier: Apache-2.0 */
/* EventBridge's operations by name. One that has no row answers UnknownOperationException. */
#include "router/api/events.h"

#define MANAGED      "What weir.yaml declares is not changed, Force included: ManagedRuleException."
#define NO_PARTNERS  "There are no partner event sources: lists are empty, none is found, the rest is disabled."
#define NO_ENDPOINTS "One machine is one region: there are no global endpoints, and none can be made."

static const struct aws_operation operations[] = {
    {"PutEvents", events_put_events,
     "Sources that begin with aws. are refused on buses with strict: aws only; EndpointId changes nothing."},
    {"TestEventPattern", events_test_event_pattern, NULL},

    {"CreateEventBus", events_create_event_bus,
     "Keys, DeadLetterConfig and LogConfig are kept and shown, and do nothing."},
    {"DeleteEventBus", events_delete_event_bus, MANAGED},
    {"DescribeEventBus", events_describe_event_bus, NULL},
    {"ListEventBuses", events_list_event_buses, NULL},
    {"UpdateEventBus", events_update_event_bus, MANAGED},
    {"PutPermission", events_put_permission,
     "With auth: on, the policy holds for PutEvents; its conditions may be StringEquals and StringLike on "
     "aws:PrincipalAccount, aws:PrincipalArn and events:source."},
    {"RemovePermission", events_remove_permission, MANAGED},

    {"DeleteRule", events_delete_rule, MANAGED},
    {"DescribeRule", events_describe_rule, "Rules of weir.yaml have ManagedBy weir.yaml."},
    {"DisableRule", events_disable_rule, MANAGED},
    {"EnableRule", events_enable_rule, MANAGED},
    {"ListRuleNamesByTarget", events_list_rule_names_by_target, "A target's name in weir.yaml does for its ARN."},
    {"ListRules", events_list_rules, "Rules of weir.yaml have ManagedBy weir.yaml."},
    {"PutRule", events_put_rule, "RoleArn is kept and shown; nobody is assumed."},

    {"ListTargetsByRule", events_list_targets_by_rule, "In order of ids."},
    {"PutTargets", events_put_targets,
     "A rule may have 100 targets; a target's name in weir.yaml does for its ARN; one of a service that Weir does not "
     "have is taken, and its events are dead-lettered with NO_RESOURCE."},
    {"RemoveTargets", events_remove_targets, MANAGED},

    {"CreateConnection", events_create_connection,
     "No endpoint is asked whether the secrets are good; KmsKeyIdentifier is kept and shown; private APIs' "
     "connectivity is not looked at."},
    {"DeauthorizeConnection", events_deauthorize_connection, MANAGED},
    {"DeleteConnection", events_delete_connection, MANAGED},
    {"DescribeConnection", events_describe_connection,
     "SecretArn names no secret: they stand in the ledger, encrypted; a lost key makes it DEAUTHORIZED."},
    {"ListConnections", events_list_connections, NULL},
    {"UpdateConnection", events_update_connection, MANAGED},
    {"CreateApiDestination", events_create_api_destination,
     "InvocationEndpoint may begin with http://, unless the default bus has strict: aws; a name has the same ARN when "
     "it is "
     "made again."},
    {"DeleteApiDestination", events_delete_api_destination, MANAGED},
    {"DescribeApiDestination", events_describe_api_destination, NULL},
    {"ListApiDestinations", events_list_api_destinations, NULL},
    {"UpdateApiDestination", events_update_api_destination, MANAGED},

    {"ListTagsForResource", events_list_tags_for_resource, NULL},
    {"TagResource", events_tag_resource, MANAGED},
    {"UntagResource", events_untag_resource, MANAGED},

    {"CreateArchive", events_create_archive,
     "RetentionDays is at most 36525; KmsKeyIdentifier is ignored: the files are not encrypted."},
    {"DeleteArchive", events_delete_archive, NULL},
    {"DescribeArchive", events_describe_archive, "What weir.yaml declares came to be when the router started."},
    {"ListArchives", events_list_archives, NULL},
    {"UpdateArchive", events_update_archive, "Archives of weir.yaml are shown and not changed: ManagedRuleException."},
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
    .invalid = "ValidationException",
    .operations = operations,
};
