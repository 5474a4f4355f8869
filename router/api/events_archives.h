/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_ARCHIVES_H
#define ROUTER_API_EVENTS_ARCHIVES_H

/*
 * Archives as EventBridge's API has them, and as documents (router/resources.h). As with rules (events_rules.h), what
 * was sent is kept under "x-aws" and said once more in weir.yaml's words:
 *
 *     "archives" "orders"   {"bus":"audit","retention":"30d","pattern":{…},"description":"…",
 *                            "x-aws":{"EventSourceArn":"arn:…","EventPattern":"{…}","CreationTime":1700000000123}}
 */

#include "router/api/aws_change.h"
#include "targets/archive.h"

#define ARCHIVE_SECTION "archives"

struct archive_says {        /* {NULL,0}: absent */
    struct str name, source; /* source: the ARN of its bus */
    struct str description, pattern;
    int64_t retention_days; /* 0: for ever */
    int64_t created_ms;
};

extern struct aws_regex events_archive_regex; /* ArchiveName */
#define EVENTS_ARCHIVE_NAME(structure, member, field, ...)                                                             \
    AWS_MEMBER(structure, member, AWS_STRING, field, .min = 1, .max = 48, .regex = &events_archive_regex, ##__VA_ARGS__)

/* From the rule set, whoever made it: what weir.yaml declares came to be when the router started. */
void events_archive_show(struct arena *a, const struct ruleset *set, const struct target_def *def, int64_t started_ms,
                         struct archive_says *out);
/* What a document says; name is the caller's. */
void events_archive_read(struct arena *a, struct str document, struct archive_says *out);
/* In the arena. pattern: says->pattern parsed; NULL: none. bus: its bare name. */
struct str events_archive_document(struct arena *a, const struct archive_says *says, struct str bus,
                                   const struct pattern *pattern);

/* {"ArchiveArn","State","CreationTime"}: what changes are answered with. */
void events_archive_reply(struct aws_request *r, const struct archive_says *says);

#endif
