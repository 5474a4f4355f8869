/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_CHECK_DIFF_H
#define ROUTER_CLI_CHECK_DIFF_H

/* What a reload of the running router would change, on stdout. */

#include "router/cli/cli.h"
#include "rules/ruleset.h"

int check_diff(const struct cli *cli, const struct ruleset *set); /* exit code */

#endif
