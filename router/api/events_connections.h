/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_CONNECTIONS_H
#define ROUTER_API_EVENTS_CONNECTIONS_H

/*
 * Connections and API destinations as EventBridge's API has them, and as documents (router/resources.h):
 *
 *     "connections" "crm"           {"authorization_type":"BASIC","auth_parameters":{"basic":{"username":"ann",
 *                                    "password":{"encrypted":"v1.…"}}},"x-aws":{"CreationTime":1700000000123,…}}
 *     "api_destinations" "orders"   {"connection":"crm","invocation_endpoint":"https://…",…,"x-aws":{…}}
 *
 * Secrets are sealed (targets/secret.h) on the io thread that read them, before anybody else sees the request's words;
 * no answer shows one, sealed or not.
 */

#include "router/api/aws_change.h"
#include "targets/connection.h"

/* What a document says; values as JSON texts as they stand there, {NULL,0}: absent. */
struct connection_says {
    int type; /* enum authorization_type; -1: not said */
    bool deauthorized;
    struct str description, kms;
    struct str username, password;
    struct str key_name, key_value;
    struct str client_id, client_secret, endpoint, method, oauth_parameters;
    struct str invocation;
    int64_t created_ms, changed_ms, authorized_ms; /* since 1970; 0: not known */
};

extern struct aws_regex events_connection_regex; /* ConnectionName, ApiDestinationName */
#define EVENTS_CONNECTION_NAME(structure, field)                                                                       \
    AWS_MEMBER(structure, "Name", AWS_STRING, field, .required = true, .min = 1, .max = 64,                            \
               .regex = &events_connection_regex)

/* ---- events_connection_read.c: from requests ---- */

/* The structure AuthParameters into says, secrets sealed for the connection of that name; texts in the request's arena.
   create: what must be there is. False: answered. */
bool events_connection_read(struct aws_request *r, struct str name, struct str parameters, bool create,
                            struct connection_says *says);
/* A text as JSON, in the arena; absent as it is. */
struct str events_quoted(struct arena *a, struct str text);

/* ---- events_connection_document.c ---- */

void events_connection_parse(struct str document, struct connection_says *says);
/* Later words over earlier ones. */
void events_connection_overlay(struct connection_says *says, const struct connection_says *later);
/* What its type needs and is not there: a member's name; NULL: nothing. */
const char *events_connection_lacks(const struct connection_says *says);
struct str events_connection_document(struct arena *a, const struct connection_says *says);

/* ---- what is shared with API destinations ---- */

struct str events_connection_arn(struct arena *a, const struct ruleset *set, struct str name);
/* AUTHORIZED or DEAUTHORIZED; reason: why, where there is something to say; else "". def NULL: DEAUTHORIZED. */
const char *events_connection_state(struct aws_request *r, const struct target_def *def, char reason[256]);
/* An absent one is fine. False: no URL that Weir calls, or, in an account that is held to AWS's quotas
   (events_quota.h), one that AWS would not; answered. */
bool events_check_endpoint(struct aws_request *r, const char *parameter, struct str endpoint);
/* "key": seconds since 1970 with their fraction; nothing for 0. */
void events_write_ms(struct buf *json, const char *key, int64_t ms);
/* A time under "x-aws", in ms; 0: none. */
int64_t events_kept_ms(struct str document, const char *member);
/* For edits: always false. kind: "connection", "api-destination". doing: "describe", "update", … */
bool events_refuse_absent(struct aws_change *c, const char *kind, const char *doing, struct str name);
bool events_refuse_declared(struct aws_change *c, const char *kind, struct str name);
/* For what only reads. */
void events_fail_absent(struct aws_request *r, const char *kind, struct str name);

/* A page of definitions of a kind in order of their names: those that begin with prefix and that `shows`. */
struct definitions_page {
    const char *list; /* "ListConnections" */
    const char *member;
    const struct adapter *adapter;
    struct str prefix, token;
    int64_t limit;
    bool (*shows)(struct aws_request *r, const struct definitions_page *page, const struct target_def *def);
    void (*write)(struct aws_request *r, struct buf *json, const struct target_def *def); /* its members */
    const void *context;
};
void events_list_definitions(struct aws_request *r, const struct definitions_page *page); /* answers */

#endif
