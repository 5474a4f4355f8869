/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MATCHER_JUDGE_H
#define TESTS_MATCHER_JUDGE_H

/*
 * The slow, obvious matcher: event patterns as weir-pattern(7) tells them, regex included, and nothing clever. It is
 * what the compiled matcher is judged by, so it shares no line with it: its JSON reader, its numbers, its case folding
 * and its addresses are its own, and it includes nothing from matcher/.
 *
 *     if (judge_match(pattern, pattern_size, event, event_size) != (weir_match(…) == 1))
 *         one of the two is wrong
 *
 * Every call starts from text and forgets everything after. Memory that runs out ends the program: this
 * is a part of tests and fuzzers only.
 */

#include <stdbool.h>
#include <stddef.h>

enum judge_verdict {
    JUDGE_TOO_MUCH = -3,    /* more work than an honest event causes: no opinion */
    JUDGE_BAD_EVENT = -2,   /* not JSON, not UTF-8, nested too deeply, or not an object */
    JUDGE_BAD_PATTERN = -1, /* means nothing */
    JUDGE_NO = 0,
    JUDGE_YES = 1
};

/* Where both texts are bad, the pattern is what is told. */
int judge_match(const char *pattern, size_t pattern_size, const char *event, size_t event_size);

bool judge_pattern_valid(const char *pattern, size_t size);
bool judge_event_valid(const char *event, size_t size);

#endif
