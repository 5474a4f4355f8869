/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_V1_H
#define ROUTER_API_V1_H

/*
 * What the command line needs of a running router. All JSON; errors are {"message": "…"} with 400, 404, 409, 429, 503.
 *
 * GET  /_weir/v1/status
 *      {"version","listen","config","started","uptime_s","generation","loaded",
 *       "reload_failed":{"at","error"}? (since then the configuration could not be reloaded),
 *       "journal":{"synced","cursor","lag","segments","bytes"},
 *       "buses":[{"name","accepted"}],
 *       "rules":[{"bus","name","state","matched"}],
 *       "targets":[{"type","name","delivered","retried","dead_lettered","dropped","owed","oldest_age_s","configured",
 *                   and of its gate: dispatch_show_gate()}],
 *       "folders":[{"name","path","bus","taken","bad","under_way","events"}],
 *       "queues":[as below], "archives":[as below]}
 * GET  /_weir/v1/config
 *      {"config","generation","parts":[{"kind","name","keys":{KEY:HASH}}]}    struct ruleset_part
 * GET  /_weir/v1/resources      what the APIs made, without what only AWS's answers need and without secrets
 *      {"config","generation","account","region","missing":[REFERENCE that dangles],
 *       "resources":[{"section","key","entry":{…}}]}
 * GET  /_weir/v1/queues
 *      {"queues":[{"name","visible","in_flight","delayed","bytes","oldest_age_s","configured":true|false}]}
 * POST /_weir/v1/queues/NAME/receive   {"max":10,"visibility_timeout_ms":n?,"wait_ms":0?}
 *      {"messages":[{"messageId","receiptHandle","body":"text","attributes":{NAME:VALUE
 * text},"receiveCount","sent":RFC3339}]} POST /_weir/v1/queues/NAME/delete    {"receiptHandles":[…]}
 * {"deleted":n,"unknown":[…]} POST /_weir/v1/queues/NAME/send      {"body":"text","delay_ms":n?}  {"messageId"} POST
 * /_weir/v1/queues/NAME/purge     {}                             {"purged":n} GET
 * /_weir/v1/queues/NAME/messages?after=ID&limit=100   looks without receiving
 *      {"messages":[{"id",…as above without receiptHandle}]}
 * GET  /_weir/v1/dlq[?kinds=0]   dead-letter queues, what is in them by rule ("BUS/NAME" off the default bus), target
 * and code
 *      {"queues":[{"queue","messages","counted" (so many of them are in kinds),
 *                  "kinds":[{"rule","target","code","messages","oldest"}]}]}
 * POST /_weir/v1/dlq/QUEUE/redrive  {"rule"?,"target"?,"limit"?,"after"?,"before_ms"?}   one chunk: router/dispatch.h
 * POST /_weir/v1/pause, POST /_weir/v1/resume   {"target":"name, kind/name or ARN"}   shapes: router/dispatch.h
 * GET  /_weir/v1/archives
 *      {"archives":[{"name","bus","events","bytes","disk_bytes","files","sealed_files","from","to","retention_s"}]}
 * from/to: event times inside; null: empty GET  /_weir/v1/deliveries?event=ID
 *      {"event","journal"?:{"record","bus","arrived","dispatched"},"since"?,"deliveries":[{"bus","rule","target","target_id",
 *       "subscription"?,"replay"?,"history":[{"at","result","attempts","code"?,"message"?}],
 *       "state":"delivered|waiting|dead_lettered|dropped"}]}   router/trail.h
 * POST /_weir/v1/taps   {"bus"?,"pattern":"JSON"?,"near_miss":"[BUS/]RULE"?}   201 {"tap":ID}   router/tap.h
 * GET  /_weir/v1/taps/ID?wait_ms=0..20000
 *      {"events":[{"bus","position","arrived","replay"?,"rules":[…],"explanation"?,"explanation_text"?,"event"}],"missed"}
 * DELETE /_weir/v1/taps/ID
 * POST /_weir/v1/replays
 *      {"name"?,"archive","from":RFC3339,"to":RFC3339,"by":"event"|"arrival"?,"rules":[…]?,"target"?,"pattern":{…}?,
 *       "rate":N?,"speed":N?,"limit":N?,"dry_run":bool?}   201, 200 (dry run); of files: "files":true,"bus"? for
 *       "archive", and from and to may be left out
 * GET  /_weir/v1/replays, /_weir/v1/replays/NAME     shapes: router/dispatch.h
 * POST /_weir/v1/replays/NAME/pause, …/resume, …/cancel
 * POST /_weir/v1/replays/NAME/records?first=N&format=events   NDJSON: records of files from number N on; …/finish
 * POST /_weir/v1/dry-runs?format=events     NDJSON: the first line as for a replay of files, then records
 */

#include "router/http.h"

void v1_status(struct http_request *r);
void v1_config(struct http_request *r);
void v1_resources(struct http_request *r);
void v1_queues(struct http_request *r); /* and all below it */
void v1_dlq(struct http_request *r);
void v1_dlq_redrive(struct http_request *r);
void v1_pause(struct http_request *r);
void v1_resume(struct http_request *r);
void v1_archives(struct http_request *r);
void v1_replays(struct http_request *r);
void v1_deliveries(struct http_request *r);
void v1_taps(struct http_request *r);
void v1_dry_runs(struct http_request *r);

#endif
