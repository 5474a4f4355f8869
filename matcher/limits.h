/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_LIMITS_H
#define MATCHER_LIMITS_H

/*
 * Every bound of the matcher, with its reason. A bound that is hit gives an error that names it; nothing
 * is cut short silently.
 */

#define LIMIT_EVENT_BYTES     (16u << 20) /* an event; AWS takes 1 MiB, CloudTrail records reach a few MiB */
#define LIMIT_JSON_DEPTH      1000        /* nesting of an event or a pattern: AWS's documented level for detail */
#define LIMIT_PATTERN_BYTES   (1u << 20)  /* a pattern's text; AWS: 4,096 */
#define LIMIT_OR_COMBINATIONS 1000        /* conjunctions a pattern expands to: AWS's limit on $or */
#define LIMIT_PATTERN_LEAVES  (1u << 18)  /* fields of all conjunctions of a pattern together: $or multiplies them */
#define LIMIT_PATH_BYTES      (16u << 20) /* all paths of a pattern together: deep nesting repeats the keys above */
#define LIMIT_JOIN_STEPS                                                                                               \
    (1u << 20) /* steps to join array elements where an event repeats keys: that join is                               \
                  NP-hard in general, so it is given a budget (matcher/HACKING) */
#define LIMIT_JOIN_HITS                                                                                                \
    (1u << 24) /* values that satisfy conditions on joined arrays, written down in one event:                          \
                  as many as an event can have values, and twice that */
#define LIMIT_AWS_COMPLEXITY                                                                                           \
    10 /* of a wildcard, inclusive, where AWS's limits hold: AWS does not say, but all known answers agree with it; we \
          need no such limit */

/* What regexes may cost; a step is about 5 ns, see regex.c. */
#define LIMIT_REGEX_BYTES          2048u        /* an expression's text */
#define LIMIT_REGEX_CODE_BYTES     (32u << 10)  /* … compiled: counted repeats multiply what they repeat */
#define LIMIT_REGEX_STEPS          (1 << 17)    /* of one expression on one value, and … */
#define LIMIT_REGEX_STEPS_PER_BYTE 32           /* … this for every byte of the value: honest ones need 1 to 5 */
#define LIMIT_REGEX_EVENT_STEPS    (1 << 24)    /* of all expressions on an event: 0.1 s */
#define LIMIT_REGEX_STACK_BYTES    (512u << 10) /* of machine code, a thread: 8,000 to 20,000 turns of a group */
#define LIMIT_REGEX_HEAP_BYTES     (8u << 20)   /* of the interpreter, a thread: about as many */

#define LIMIT_EXPLAIN_BYTES (1u << 28) /* read again for the words of an explanation: a second or so */
#define LIMIT_DIAG_BYTES    512        /* a diagnosis' text */

#endif
