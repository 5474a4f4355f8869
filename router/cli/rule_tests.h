/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_RULE_TESTS_H
#define ROUTER_CLI_RULE_TESTS_H

/*
 * Runs one test of a rule over the way that an event takes: its source's parser, the envelope, the compiled matcher of
 * the rule's bus with all its rules, the rendered input of the rule's targets. Nothing is delivered.
 *
 *     struct rule_tests t;
 *     struct rule_test_result result;
 *     rule_tests_open(&t, set);
 *     if (!rule_tests_run(&t, rule, test, &result))
 *         … result.message, wanted, got, why
 *     rule_test_result_fini(&result);
 *     rule_tests_close(&t);
 *
 * Three things differ from ingest. A CloudTrail record may leave out its eventType (AwsApiCall is meant). An event may
 * have a "replay-name", as if it came from a replay. The ingestion time is the event's own time, so that an expected
 * input can be written down. And a disabled rule meets its events alone, since no matcher holds it.
 */

#include "rules/ruleset.h"

struct rule_tests {
    const struct ruleset *set;
    struct weir_scratch **scratches; /* one a bus; NULL until needed */
};

struct rule_test_result { /* of a test that failed; all empty for one that did not */
    struct buf message;   /* one line */
    struct buf wanted, got;
    struct buf why; /* lines; may be empty */
};

void rule_tests_open(struct rule_tests *t, const struct ruleset *set);
void rule_tests_close(struct rule_tests *t);

/* Did it pass? Fills result (initialised here) with the first thing that is not as the test wants it. */
bool rule_tests_run(struct rule_tests *t, const struct rule *rule, const struct rule_test *test,
                    struct rule_test_result *result);
void rule_test_result_fini(struct rule_test_result *result);

#endif
