/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_H
#define ROUTER_API_EVENTS_H

/* The operations of EventBridge (AWSEvents.…), and what they share. */

#include "matcher/pattern.h"
#include "router/api/aws.h"

/* All entries of a PutEvents request together, counted by AWS's rule; AWS's limit since January 2026 (256 KiB before).
 */
#define PUT_EVENTS_BYTES_MAX   (1u << 20)
#define PUT_EVENTS_ENTRIES_MAX 10

#define EVENT_PATTERN_LENGTH_MAX 4096 /* a pattern that comes by the API: as the service model says */

void events_put_events(struct aws_request *r);
void events_create_archive(struct aws_request *r);
void events_describe_archive(struct aws_request *r);
void events_list_archives(struct aws_request *r);
void events_update_archive(struct aws_request *r);
void events_delete_archive(struct aws_request *r);
void events_start_replay(struct aws_request *r);
void events_describe_replay(struct aws_request *r);
void events_list_replays(struct aws_request *r);
void events_cancel_replay(struct aws_request *r);
void events_list_event_sources(struct aws_request *r);
void events_list_partner_event_sources(struct aws_request *r);
void events_list_partner_event_source_accounts(struct aws_request *r);
void events_describe_event_source(struct aws_request *r);
void events_change_event_source(struct aws_request *r);
void events_change_partner_event_source(struct aws_request *r);
void events_put_partner_events(struct aws_request *r);
void events_create_endpoint(struct aws_request *r);
void events_update_endpoint(struct aws_request *r);
void events_delete_endpoint(struct aws_request *r);
void events_describe_endpoint(struct aws_request *r);
void events_list_endpoints(struct aws_request *r);
void events_test_event_pattern(struct aws_request *r);
void events_create_event_bus(struct aws_request *r);
void events_update_event_bus(struct aws_request *r);
void events_describe_event_bus(struct aws_request *r);
void events_list_event_buses(struct aws_request *r);
void events_delete_event_bus(struct aws_request *r);
void events_put_permission(struct aws_request *r);
void events_remove_permission(struct aws_request *r);
void events_put_rule(struct aws_request *r);
void events_describe_rule(struct aws_request *r);
void events_list_rules(struct aws_request *r);
void events_enable_rule(struct aws_request *r);
void events_disable_rule(struct aws_request *r);
void events_delete_rule(struct aws_request *r);
void events_list_rule_names_by_target(struct aws_request *r);
void events_put_targets(struct aws_request *r);
void events_remove_targets(struct aws_request *r);
void events_list_targets_by_rule(struct aws_request *r);
void events_create_connection(struct aws_request *r);
void events_update_connection(struct aws_request *r);
void events_deauthorize_connection(struct aws_request *r);
void events_delete_connection(struct aws_request *r);
void events_describe_connection(struct aws_request *r);
void events_list_connections(struct aws_request *r);
void events_create_api_destination(struct aws_request *r);
void events_update_api_destination(struct aws_request *r);
void events_delete_api_destination(struct aws_request *r);
void events_describe_api_destination(struct aws_request *r);
void events_list_api_destinations(struct aws_request *r);
void events_tag_resource(struct aws_request *r);
void events_untag_resource(struct aws_request *r);
void events_list_tags_for_resource(struct aws_request *r);

/*
 * An event pattern in AWS's language, into the request's arena. NULL: answered with InvalidEventPatternException in
 * AWS's words: "Event pattern is not valid. Reason: …", and where AWS does so, the place in Jackson's. Wildcards are
 * held to LIMIT_AWS_COMPLEXITY.
 */
const struct pattern *events_parse_pattern(struct aws_request *r, struct str text);

void events_fail_disabled(struct aws_request *r); /* answers with OperationDisabledException: there is none of this */

#endif
