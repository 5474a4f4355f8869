/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MATCHER_GENERATE_H
#define TESTS_MATCHER_GENERATE_H

/*
 * Made-up events and patterns for tests that compare. Both are trees of the judge's kind, drawn from small
 * vocabularies that they share, a pattern always after an event: so that about half of all pairs match,
 * most that do not match nearly do, and every operator is met by values it was made for.
 *
 *     struct generator g = {.memory = &memory, .state = seed};
 *     struct judge_node *event = generate_event(&g), *pattern = generate_pattern(&g, event);
 *     struct judge_text text = generate_text(&g, pattern, 0);
 *
 * The same state gives the same trees on every machine.
 */

#include "tests/matcher/judge_int.h"

enum generate_operator {
    GENERATE_STRING,
    GENERATE_ADDRESS, /* a string that is an IP literal */
    GENERATE_NUMBER,
    GENERATE_LITERAL,
    GENERATE_EXACTLY,
    GENERATE_PREFIX,
    GENERATE_PREFIX_FOLD,
    GENERATE_SUFFIX,
    GENERATE_SUFFIX_FOLD,
    GENERATE_FOLD,
    GENERATE_WILDCARD,
    GENERATE_REGEX,
    GENERATE_NUMERIC,
    GENERATE_CIDR,
    GENERATE_EXISTS,
    GENERATE_ABSENT,
    GENERATE_BUT_STRING,
    GENERATE_BUT_STRINGS,
    GENERATE_BUT_NUMBER,
    GENERATE_BUT_NUMBERS,
    GENERATE_BUT_PREFIX,
    GENERATE_BUT_PREFIXES,
    GENERATE_BUT_SUFFIX,
    GENERATE_BUT_SUFFIXES,
    GENERATE_BUT_FOLD,
    GENERATE_BUT_FOLDS,
    GENERATE_BUT_WILDCARD,
    GENERATE_BUT_WILDCARDS,
    GENERATE_OR,
    GENERATE_OPERATORS /* their count */
};
extern const char *const generate_operator_names[GENERATE_OPERATORS];

struct generator {
    struct judge_memory *memory;
    uint64_t state;     /* of the random numbers; any value will do as a seed */
    bool extended;      /* patterns may use what AWS does not have: regex */
    uint32_t operators; /* a bit for each operator in the pattern made last */
};

uint32_t generate_below(struct generator *g, uint32_t bound);
bool generate_chance(struct generator *g, uint32_t percent);

struct judge_node *generate_event(struct generator *g);
/* A copy in which a few things are otherwise. */
struct judge_node *generate_event_like(struct generator *g, const struct judge_node *event);
struct judge_node *generate_pattern(struct generator *g, const struct judge_node *event);
/* Pairs that are all about arrays of objects. The pattern needs no event to go by. */
struct judge_node *generate_array_event(struct generator *g);
struct judge_node *generate_array_pattern(struct generator *g);
/* Puts something somewhere where it may not belong: the pattern may or may not be valid after. */
void generate_damage(struct generator *g, struct judge_node *pattern);

/* How a tree is written; none of these changes what an event means. */
#define GENERATE_SPACED   1u /* white space where it may stand */
#define GENERATE_ESCAPED  2u /* characters as escapes */
#define GENERATE_SHUFFLED 4u /* members in any order */
struct judge_text generate_text(struct generator *g, const struct judge_node *tree, unsigned style);

/* ---- what the generator's own files share ---- */

struct judge_node *generate_node(struct generator *g, enum judge_type type);
struct judge_node *generate_string_node(struct generator *g, struct judge_text text);
void generate_append(struct judge_node *list, struct judge_node *child);
struct judge_node *generate_copy(struct generator *g, const struct judge_node *node);
size_t generate_child_count(const struct judge_node *node);
struct judge_node *generate_any_child(struct generator *g, const struct judge_node *node); /* NULL: has none */
struct judge_text generate_key(struct generator *g);
struct judge_text generate_string(struct generator *g);
struct judge_text generate_number(struct generator *g);
struct judge_text generate_respelled(struct generator *g, struct judge_text number); /* mostly the same value */
struct judge_node *generate_scalar(struct generator *g);
struct judge_text generate_regex(struct generator *g, struct judge_text text); /* mostly one that matches it */

#endif
