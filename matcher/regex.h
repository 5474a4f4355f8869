/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_REGEX_H
#define MATCHER_REGEX_H

/*
 * The operator regex: one expression (regex.c), the literals it cannot match without (regex_literal.c), and all
 * expressions of a field against a value (regex_set.c). Private to matcher/. PCRE2 is included in regex.c alone.
 *
 * What an expression may cost is bounded in steps, limits.h; running out of them is "no match", and reported by
 * weir_match_given_up().
 */

#include "matcher/matcher_int.h"

/*
 * May this text stand as a regex? WEIR_OK; else WEIR_E_PATTERN, WEIR_E_LIMIT or WEIR_E_MEMORY, with the reason in
 * message and the byte of the text where it shows in *at_out (text.size at most).
 */
enum weir_code regex_check(struct str text, char *message, size_t message_size, size_t *at_out);

/* Makes regex->code of a text that regex_check() took; regex->text stays the caller's. False: out of memory. */
bool regex_compile(struct regex *regex, struct str text);
void regex_release(struct regex *regex);
size_t regex_bytes(const struct regex *regex); /* heap and machine code */

/*
 * Literals of which every text that the expression matches contains one: slices of pieces, which has room for
 * text.size bytes. How many were written into out; 0: there are none, or too many to be worth it.
 */
#define REGEX_LITERALS_MAX 8
uint32_t regex_literals(struct str text, char *pieces, struct str out[REGEX_LITERALS_MAX]);

/* ---- one thread's part ---- */

/* heap: REGEX_HEAP_BYTES that the interpreter may use. NULL: out of memory. */
#define REGEX_HEAP_BYTES (2u * LIMIT_REGEX_HEAP_BYTES + (64u << 10)) /* it doubles, and holds two while it copies */
struct regex_runner *regex_runner_create(char *heap);
void regex_runner_destroy(struct regex_runner *runner);
void regex_runner_begin(struct regex_runner *runner); /* an event: its steps are all there again */
/* Takes steps for other work than PCRE2's. False: they are used up, for this event. */
bool regex_runner_spend(struct regex_runner *runner, size_t steps);
uint64_t regex_runner_calls(const struct regex_runner *runner); /* of PCRE2, since it was created */

enum regex_answer { REGEX_NO, REGEX_YES, REGEX_GIVEN_UP };
enum regex_answer regex_run(struct regex_runner *runner, const struct regex *regex, struct str value);

#endif
