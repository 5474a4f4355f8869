/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_VERBS_H
#define ROUTER_CLI_VERBS_H

/* One verb a file: router/cli/VERB.c. */

#include "router/cli/cli.h"

extern const struct cli_verb verb_run, verb_check, verb_match, verb_send, verb_replay, verb_status, verb_targets,
    verb_archives, verb_queues, verb_dlq, verb_schema, verb_test;

#endif
