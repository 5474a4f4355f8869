/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_BUILDER_INT_H
#define MATCHER_BUILDER_INT_H

/*
 * What the builder gathers (compile.c) and the layout reads (layout.c). Five tables, each made of keys into the
 * one above it, so that whatever patterns share is there once:
 *
 *     fields         flat path                                    "detail.state"
 *     tests          struct test_head, then the operand           detail.state = "stopped"
 *     conditions     u32 numbers of tests of one field, ascending detail.state: ["stopped", {"prefix": "term"}]
 *     conjunctions   u32 numbers of conditions, in path order
 *     links          conjunction -> the caller's id
 */

#include "matcher/compile.h"
#include "matcher/intern.h"

enum test_op {
    TEST_STRING,  /* bytes */
    TEST_NUMBER,  /* the double */
    TEST_LITERAL, /* a number that is not comparable: its text */
    TEST_ADDRESS, /* the address, 4 or 16 bytes: any spelling of it */
    TEST_NETWORK, /* the address cut to head.bits */
    TEST_TRUE,
    TEST_FALSE,
    TEST_NULL,
    TEST_PREFIX, /* bytes; likewise up to TEST_WILDCARD */
    TEST_PREFIX_FOLD,
    TEST_SUFFIX,
    TEST_SUFFIX_FOLD,
    TEST_EQUALS_FOLD,
    TEST_WILDCARD, /* as written, and not one that a simpler test can stand for */
    TEST_REGEX,    /* as written */
    TEST_RANGE,    /* low, high: two doubles */
    TEST_EXISTS,
    TEST_ABSENT,
    TEST_OTHER_THAN /* anything-but: u32 numbers of the excluded tests, ascending */
};

struct test_head {
    uint32_t field;
    uint8_t op;
    uint8_t bits;                /* TEST_NETWORK */
    uint8_t low_open, high_open; /* TEST_RANGE; no bound at all is an infinity, closed */
};

struct builder_link {
    uint32_t conjunction, id;
};

struct weir_builder {
    struct intern fields, tests, conditions, conjunctions;
    struct builder_link *links;
    size_t link_count, link_capacity;
    enum pattern_language language; /* of the patterns that weir_builder_add() reads */
    struct buf key, numbers, inner; /* keys being written */
};

static inline struct test_head builder_test(const struct weir_builder *b, uint32_t test, struct str *operand_out)
{
    struct str key = intern_key(&b->tests, test);
    struct test_head head;
    memcpy(&head, key.ptr, sizeof(head));
    *operand_out = (struct str){key.ptr + sizeof(head), key.size - sizeof(head)};
    return head;
}

/* The u32 numbers a condition, a conjunction or an anything-but is made of. */
static inline const uint32_t *builder_numbers(struct str key, uint32_t *count_out)
{
    *count_out = (uint32_t)(key.size / sizeof(uint32_t));
    return (const uint32_t *)(const void *)key.ptr;
}

/* Makes the compiled set of what b holds (layout.c). NULL: out of memory. */
struct weir_matcher *layout_build(const struct weir_builder *b);

#endif
