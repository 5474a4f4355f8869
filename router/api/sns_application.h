/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_APPLICATION_H
#define ROUTER_API_SNS_APPLICATION_H

/*
 * Platform applications and their endpoints as resources: one document an application, with all its endpoints, since
 * they share the gateway's URL.
 *
 *     platform_applications/PLATFORM.NAME   {"platform":"GCM","name":"app","url":"http://…",
 *                                            "endpoints":[{"id":"UUID","token":"…","user_data":"…","enabled":true}],
 *                                            "x-aws":{"attributes":{…}}}
 */

#include "router/api/aws_change.h"
#include "router/api/sns.h"
#include "router/api/sns_document.h"

struct sns_application {
    struct str key;
    struct str platform, name, url;
    struct str attributes; /* as they were set, without the credential */
    struct str endpoints;  /* the array's text */
};
/* Always true. */
bool sns_application_put(struct aws_change *c, struct resources *resources, const struct sns_application *a);
/* The application behind "app/PLATFORM/NAME" or "endpoint/PLATFORM/NAME/ID" in an ARN. False: fault. id may be NULL. */
bool sns_application_key(struct str arn, const char *member, const char *kind, struct arena *arena, struct str *key,
                         struct str *id, struct sns_fault *fault);
/* For edits: what stands now. False: it is not there, or the file's; refused. */
bool sns_application_edit(struct aws_change *c, struct resources *resources, struct str key,
                          struct sns_application *out);
/* In the present rule set. False: there is none. */
bool sns_application_find(struct aws_request *r, struct str key, struct sns_application *out);
struct str sns_application_arn(struct aws_request *r, const char *kind, const struct sns_application *a, struct str id);

#endif
