/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_LAMBDA_H
#define ROUTER_API_LAMBDA_H

/*
 * The operations of Lambda, and what they share. An operation's input has, beside the members of the body, what stands
 * in the path and behind the question mark, under the service model's names. A function is named as AWS allows it:
 * name, ACCOUNT:function:name, or ARN, each with or without :$LATEST.
 */

#include "router/api/aws.h"
#include "targets/function.h"

void lambda_request(struct http_request *http); /* all paths of Lambda */

/* lambda_invoke.c */
void lambda_invoke(struct aws_request *r);
void lambda_invoke_async(struct aws_request *r);
/* lambda_function.c: functions, shown */
void lambda_create_function(struct aws_request *r);
void lambda_get_account_settings(struct aws_request *r);
void lambda_get_function(struct aws_request *r);
void lambda_get_function_concurrency(struct aws_request *r);
void lambda_get_function_configuration(struct aws_request *r);
void lambda_get_function_event_invoke_config(struct aws_request *r);
void lambda_list_aliases(struct aws_request *r);
void lambda_list_function_event_invoke_configs(struct aws_request *r);
void lambda_list_functions(struct aws_request *r);
void lambda_list_tags(struct aws_request *r);
void lambda_list_versions_by_function(struct aws_request *r);
void lambda_refuse_change(struct aws_request *r); /* all that would change one */
/* lambda_permission.c */
void lambda_add_permission(struct aws_request *r);
void lambda_get_policy(struct aws_request *r);
void lambda_remove_permission(struct aws_request *r);
extern const struct store_schema lambda_permission_schema;
/* lambda_mapping.c, lambda_mapping_change.c */
void lambda_create_event_source_mapping(struct aws_request *r);
void lambda_delete_event_source_mapping(struct aws_request *r);
void lambda_get_event_source_mapping(struct aws_request *r);
void lambda_list_event_source_mappings(struct aws_request *r);
void lambda_update_event_source_mapping(struct aws_request *r);

/* A text of the input, decoded; "": it is not there. */
struct str lambda_text(struct aws_request *r, const char *member);
struct str lambda_name(struct str text); /* of a function, out of any of its forms */
/* The function so called; NULL: answered with ResourceNotFoundException. */
const struct target_def *lambda_find(struct aws_request *r, struct str text);
const struct target_def *lambda_named(struct aws_request *r); /* by FunctionName */
/* Marker and MaxItems of a list; false: answered. */
bool lambda_page(struct aws_request *r, const char *list, int64_t *limit, struct str *after);
void lambda_fail_unknown(struct aws_request *r, struct str name);

#endif
