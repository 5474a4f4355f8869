/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The builder: parsed patterns in, interned tables out (drawn in builder_int.h). Every leaf becomes a condition, a set
 * of tests on one field; tests are brought to one form first, so that equal meanings meet: a wildcard without a star is
 * a string, "x*" a prefix, "*x" a suffix, numeric "=" a number, a string that is an IP literal an address.
 *
 * A pattern that fails half way leaves only unused keys behind, which the layout never looks at: links are what counts,
 * and they are cut back.
 */
#include "matcher/builder_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct weir_builder *weir_builder_create(void)
{
    return calloc(1, sizeof(struct weir_builder));
}

void weir_builder_allow_extensions(struct weir_builder *b)
{
    b->language = PATTERN_EXTENDED;
}

void weir_builder_destroy(struct weir_builder *b)
{
    if (!b)
        return;
    intern_fini(&b->fields);
    intern_fini(&b->tests);
    intern_fini(&b->conditions);
    intern_fini(&b->conjunctions);
    buf_fini(&b->key);
    buf_fini(&b->numbers);
    buf_fini(&b->inner);
    free(b->links);
    free(b);
}

static bool no_memory(struct weir_diag *diag)
{
    *diag = (struct weir_diag){.code = WEIR_E_MEMORY};
    snprintf(diag->message, sizeof(diag->message), "out of memory");
    return false;
}

/* ---- tests ---- */

static bool intern_test(struct weir_builder *b, struct test_head head, const void *operand, size_t size, uint32_t *out)
{
    buf_clear(&b->key);
    buf_add(&b->key, &head, sizeof(head));
    buf_add(&b->key, operand, size);
    return !b->key.failed && intern_add(&b->tests, b->key.data, b->key.size, out);
}

/* A wildcard whose only star, if any, stands at an end is a simpler test: gives that, its escapes undone, in text. */
static enum test_op simplify_wildcard(struct buf *text, struct str wildcard)
{
    size_t stars = 0, last_star = 0;
    buf_clear(text);
    for (size_t i = 0; i < wildcard.size; i++) {
        if (wildcard.ptr[i] == '*') {
            stars++;
            last_star = i;
            continue;
        }
        i += wildcard.ptr[i] == '\\';
        buf_char(text, wildcard.ptr[i]);
    }
    if (!stars)
        return TEST_STRING;
    if (stars == 1 && last_star == wildcard.size - 1)
        return TEST_PREFIX;
    return stars == 1 && last_star == 0 ? TEST_SUFFIX : TEST_WILDCARD;
}

static bool intern_wildcard(struct weir_builder *b, struct test_head head, struct str wildcard, uint32_t *out)
{
    head.op = (uint8_t)simplify_wildcard(&b->inner, wildcard);
    if (b->inner.failed)
        return false;
    struct str text = head.op == TEST_WILDCARD ? wildcard : buf_view(&b->inner);
    return intern_test(b, head, text.ptr, text.size, out);
}

static bool intern_network(struct weir_builder *b, struct test_head head, const struct pattern_atom *atom,
                           uint32_t *out)
{
    uint8_t address[16];
    memcpy(address, atom->address, sizeof(address));
    for (unsigned bit = atom->address_bits; bit < atom->address_size * 8u; bit++)
        address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    head.op = TEST_NETWORK;
    head.bits = atom->address_bits;
    return intern_test(b, head, address, atom->address_size, out);
}

static bool intern_range(struct weir_builder *b, struct test_head head, const struct pattern_atom *atom, uint32_t *out)
{
    double bounds[2] = {atom->has_low ? atom->low : -INFINITY, atom->has_high ? atom->high : INFINITY};
    if (bounds[0] == bounds[1]) {
        head.op = TEST_NUMBER;
        return intern_test(b, head, bounds, sizeof(bounds[0]), out);
    }
    head.op = TEST_RANGE;
    head.low_open = atom->has_low && atom->low_open;
    head.high_open = atom->has_high && atom->high_open;
    return intern_test(b, head, bounds, sizeof(bounds), out);
}

static bool intern_exact(struct weir_builder *b, struct test_head head, const struct pattern_atom *atom, uint32_t *out)
{
    if (atom->op == PATTERN_STRING && atom->address_size) {
        head.op = TEST_ADDRESS;
        return intern_test(b, head, atom->address, atom->address_size, out);
    }
    if (atom->op == PATTERN_NUMBER && atom->comparable) {
        head.op = TEST_NUMBER;
        double number = atom->number + 0.0; /* one zero */
        return intern_test(b, head, &number, sizeof(number), out);
    }
    head.op = atom->op == PATTERN_STRING ? TEST_STRING : TEST_LITERAL;
    return intern_test(b, head, atom->text.ptr, atom->text.size, out);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* Numbers in a buf as an ascending set, so that equal sets are equal keys. */
static void sort_numbers(struct buf *numbers)
{
    uint32_t *list = (uint32_t *)(void *)numbers->data;
    size_t count = numbers->size / sizeof(*list), kept = 0;
    if (count > 1)
        qsort(list, count, sizeof(*list), compare_numbers);
    for (size_t i = 0; i < count; i++)
        if (!kept || list[kept - 1] != list[i])
            list[kept++] = list[i];
    numbers->size = kept * sizeof(*list);
}

static bool intern_atom(struct weir_builder *b, uint32_t field, const struct pattern_atom *atom, uint32_t *out);

static bool intern_other_than(struct weir_builder *b, struct test_head head, const struct pattern_atom *atom,
                              uint32_t *out)
{
    struct buf excluded = BUF_INIT;
    bool done = true;
    for (uint32_t i = 0; done && i < atom->excluded_count; i++) {
        uint32_t test;
        done = intern_atom(b, head.field, &atom->excluded[i], &test);
        if (done)
            buf_add(&excluded, &test, sizeof(test));
    }
    done = done && !excluded.failed;
    if (done) {
        sort_numbers(&excluded);
        head.op = TEST_OTHER_THAN;
        done = intern_test(b, head, excluded.data, excluded.size, out);
    }
    buf_fini(&excluded);
    return done;
}

static bool intern_atom(struct weir_builder *b, uint32_t field, const struct pattern_atom *atom, uint32_t *out)
{
    /* what takes the text as it is, or nothing */
    static const uint8_t ops[] = {
        [PATTERN_TRUE] = TEST_TRUE,
        [PATTERN_FALSE] = TEST_FALSE,
        [PATTERN_NULL] = TEST_NULL,
        [PATTERN_PREFIX] = TEST_PREFIX,
        [PATTERN_PREFIX_FOLD] = TEST_PREFIX_FOLD,
        [PATTERN_SUFFIX] = TEST_SUFFIX,
        [PATTERN_SUFFIX_FOLD] = TEST_SUFFIX_FOLD,
        [PATTERN_EQUALS_FOLD] = TEST_EQUALS_FOLD,
        [PATTERN_REGEX] = TEST_REGEX,
        [PATTERN_EXISTS] = TEST_EXISTS,
        [PATTERN_ABSENT] = TEST_ABSENT,
    };
    struct test_head head = {.field = field};
    switch (atom->op) {
    case PATTERN_STRING:
    case PATTERN_NUMBER: return intern_exact(b, head, atom, out);
    case PATTERN_WILDCARD: return intern_wildcard(b, head, atom->text, out);
    case PATTERN_CIDR: return intern_network(b, head, atom, out);
    case PATTERN_RANGE: return intern_range(b, head, atom, out);
    case PATTERN_ANYTHING_BUT: return intern_other_than(b, head, atom, out);
    default: break;
    }
    head.op = ops[atom->op];
    bool texted = head.op >= TEST_PREFIX && head.op <= TEST_REGEX;
    return intern_test(b, head, atom->text.ptr, texted ? atom->text.size : 0, out);
}

/* ---- patterns ---- */

static bool intern_leaf(struct weir_builder *b, const struct pattern_leaf *leaf, uint32_t *condition_out)
{
    uint32_t field, test;
    if (!intern_add(&b->fields, leaf->path.ptr, leaf->path.size, &field))
        return false;
    buf_clear(&b->numbers);
    for (uint32_t i = 0; i < leaf->atom_count; i++) {
        if (!intern_atom(b, field, &leaf->atoms[i], &test))
            return false;
        buf_add(&b->numbers, &test, sizeof(test));
    }
    if (b->numbers.failed)
        return false;
    sort_numbers(&b->numbers);
    return intern_add(&b->conditions, b->numbers.data, b->numbers.size, condition_out);
}

static bool intern_conjunction(struct weir_builder *b, const struct pattern_conjunction *conjunction, uint32_t *out)
{
    struct buf conditions = BUF_INIT;
    bool done = true;
    for (uint32_t i = 0; done && i < conjunction->leaf_count; i++) {
        uint32_t condition;
        done = intern_leaf(b, conjunction->leaves[i], &condition);
        if (done)
            buf_add(&conditions, &condition, sizeof(condition));
    }
    done = done && !conditions.failed && intern_add(&b->conjunctions, conditions.data, conditions.size, out);
    buf_fini(&conditions);
    return done;
}

static bool add_link(struct weir_builder *b, struct builder_link link)
{
    if (b->link_count == b->link_capacity) {
        size_t capacity = b->link_capacity ? b->link_capacity * 2 : 64;
        if (capacity > (1u << 30))
            return false;
        struct builder_link *links = realloc(b->links, capacity * sizeof(*links));
        if (!links)
            return false;
        b->links = links;
        b->link_capacity = capacity;
    }
    b->links[b->link_count++] = link;
    return true;
}

bool builder_add_pattern(struct weir_builder *b, uint32_t id, const struct pattern *pattern, struct weir_diag *diag)
{
    size_t links_before = b->link_count;
    for (uint32_t i = 0; i < pattern->conjunction_count; i++) {
        struct builder_link link = {.id = id};
        if (!intern_conjunction(b, &pattern->conjunctions[i], &link.conjunction) || !add_link(b, link)) {
            b->link_count = links_before;
            return no_memory(diag);
        }
    }
    return true;
}

bool weir_builder_add(struct weir_builder *b, uint32_t id, const char *pattern, size_t size, struct weir_diag *diag)
{
    struct weir_diag unread;
    struct arena temp = ARENA_INIT;
    diag = diag ? diag : &unread;
    const struct pattern *parsed = pattern_parse_json_in(&temp, b->language, (struct str){pattern, size}, diag);
    bool done = parsed && builder_add_pattern(b, id, parsed, diag);
    arena_fini(&temp);
    return done;
}

struct weir_matcher *weir_builder_build(struct weir_builder *b, struct weir_diag *diag)
{
    struct weir_diag unread;
    struct weir_matcher *m = layout_build(b);
    if (!m)
        no_memory(diag ? diag : &unread);
    return m;
}
