/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_VERBS_H
#define ROUTER_CLI_VERBS_H

/* One verb a file: router/cli/VERB.c. */

#include "router/cli/cli.h"

extern const struct cli_verb verb_run;
extern const struct cli_verb verb_check;
extern const struct cli_verb verb_test;
extern const struct cli_verb verb_lint;
extern const struct cli_verb verb_match;
extern const struct cli_verb verb_explain;
extern const struct cli_verb verb_bench;
extern const struct cli_verb verb_send;
extern const struct cli_verb verb_replay;
extern const struct cli_verb verb_status;
extern const struct cli_verb verb_top;
extern const struct cli_verb verb_deliveries;
extern const struct cli_verb verb_tap;
extern const struct cli_verb verb_targets;
extern const struct cli_verb verb_archives;
extern const struct cli_verb verb_queues;
extern const struct cli_verb verb_dlq;
extern const struct cli_verb verb_pause;
extern const struct cli_verb verb_resume;
extern const struct cli_verb verb_journal;
extern const struct cli_verb verb_export;
extern const struct cli_verb verb_schema;
extern const struct cli_verb verb_completion;

#endif
