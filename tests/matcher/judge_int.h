/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MATCHER_JUDGE_INT_H
#define TESTS_MATCHER_JUDGE_INT_H

/*
 * What the judge's files share. Everything lives in one struct judge_memory and goes with it. Trees are
 * linked lists: slow, and easy to see through.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JUDGE_DEPTH        1000 /* nesting that is still taken, as in matcher/limits.h */
#define JUDGE_COMBINATIONS 1000 /* what $or may expand to */

struct judge_chunk;
struct judge_memory {
    struct judge_chunk *chunks;
};
void *judge_alloc(struct judge_memory *memory, size_t size); /* zeroed; never NULL */
void judge_release(struct judge_memory *memory);

struct judge_text {
    const char *at;
    size_t size;
};
bool judge_text_is(struct judge_text a, struct judge_text b);
bool judge_text_says(struct judge_text a, const char *words);

/* ---- JSON: judge_json.c ---- */

enum judge_type { JUDGE_NULL, JUDGE_FALSE, JUDGE_TRUE, JUDGE_NUMBER, JUDGE_STRING, JUDGE_ARRAY, JUDGE_OBJECT };

struct judge_node {
    enum judge_type type;
    struct judge_text text; /* STRING: decoded; NUMBER: the literal */
    struct judge_text key;  /* of a member of an object: decoded */
    struct judge_node *first, *next;
};

/* NULL: not JSON as RFC 8259 has it, in UTF-8, within JUDGE_DEPTH. Lone surrogate escapes become three bytes. */
struct judge_node *judge_json(struct judge_memory *memory, const char *text, size_t size);
/* The code point that starts at text.at[*position], which moves behind it. For decoded text only. */
uint32_t judge_code_point(struct judge_text text, size_t *position);
/* Writes a code point (surrogates too) as UTF-8; how many bytes. */
size_t judge_utf8(uint32_t code, char *out);

/* ---- values: judge_value.c and judge_fold.c ---- */

/* Comparable: finite, and the shortest decimal of the double is the literal's value. */
bool judge_number(struct judge_memory *memory, struct judge_text literal, double *out);
/* 4, 16, or 0: not an address. */
unsigned judge_address(struct judge_text text, uint8_t out[16]);
bool judge_address_in(const uint8_t *address, const uint8_t *network, unsigned bits);
/* Wildcard operand as written in the pattern: may it stand so? Does the text match it? */
bool judge_wildcard_valid(struct judge_text pattern);
bool judge_wildcard(struct judge_text pattern, struct judge_text text);

/* A regular expression, as in the pattern: may it stand so? Does it match somewhere in the text? */
enum judge_opinion { JUDGE_FAILS, JUDGE_PASSES, JUDGE_UNSURE };
bool judge_regex_valid(struct judge_text expression);
enum judge_opinion judge_regex(struct judge_text expression, struct judge_text text);

enum judge_part { JUDGE_WHOLE, JUDGE_HEAD, JUDGE_TAIL };
/* Does the whole text, its head or its tail match the pattern but for case? */
bool judge_folded(struct judge_text pattern, struct judge_text text, enum judge_part part);

/* ---- patterns: judge_pattern.c ---- */

enum judge_operator {
    JUDGE_IS_STRING,
    JUDGE_IS_NUMBER,
    JUDGE_IS_LITERAL, /* true, false or null */
    JUDGE_PREFIX,
    JUDGE_PREFIX_FOLDED,
    JUDGE_SUFFIX,
    JUDGE_SUFFIX_FOLDED,
    JUDGE_EQUALS_FOLDED,
    JUDGE_WILDCARD,
    JUDGE_REGEX,
    JUDGE_RANGE,
    JUDGE_CIDR,
    JUDGE_EXISTS,
    JUDGE_ABSENT,
    JUDGE_ANYTHING_BUT
};

struct judge_bound {
    bool set, open; /* open: the bound itself is outside */
    double at;
};

struct judge_test { /* one alternative of a leaf */
    enum judge_operator op;
    struct judge_text text;
    enum judge_type literal;
    bool comparable; /* IS_NUMBER: else only the same text will do */
    double number;
    struct judge_bound low, high;
    unsigned address_size, address_bits;
    uint8_t address[16];
    struct judge_test *excluded; /* ANYTHING_BUT */
    struct judge_test *next;
};

struct judge_field {
    struct judge_text path;
    struct judge_test *tests;
    struct judge_field *next;
};

struct judge_rule { /* one way to satisfy the pattern: all fields */
    struct judge_field *fields;
    struct judge_rule *next;
};

/* The pattern with its $or multiplied out, fields sorted by path in UTF-16 order. NULL: means nothing. */
struct judge_rule *judge_pattern(struct judge_memory *memory, const char *text, size_t size);
/* Keys joined with a full stop. */
struct judge_text judge_join(struct judge_memory *memory, const struct judge_text *prefix, struct judge_text key);

#endif
