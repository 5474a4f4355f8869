/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler's passes, in order:
 *
 *     ids            the callers' ids, ascending; conjunctions get lists of ranks
 *     conjunctions   copied; conditions described
 *     paths          the trie of keys, and which arrays matter (layout_paths.c)
 *     tests          every field's indexes and lists (layout_tests.c)
 *     hanging        each conjunction on its most selective condition
 *
 * Every pass is linear or sorts once; numbers of fields, conditions and conjunctions stay the builder's.
 */
#include "matcher/layout_int.h"

#include <stdlib.h>

/* ---- what the passes share ---- */

void layout_add_pair(struct layout *l, uint32_t key, uint32_t item)
{
    struct layout_pair pair = {key, item};
    buf_add(&l->pairs, &pair, sizeof(pair));
}

static void add_to_pool(struct layout *l, const uint32_t *numbers, uint32_t count)
{
    buf_add(&l->pool, numbers, count * sizeof(*numbers));
}

static uint32_t pack_list(struct layout *l, const uint32_t *items, uint32_t count)
{
    if (count == 0)
        return 0;
    if (count == 1 && items[0] < LIST_ONE)
        return LIST_ONE | items[0];
    uint32_t list = (uint32_t)(l->pool.size / sizeof(uint32_t));
    add_to_pool(l, &count, 1);
    add_to_pool(l, items, count);
    return list;
}

bool layout_pack(struct layout *l, uint32_t key_count, uint32_t *lists_out)
{
    const struct layout_pair *pairs = (const struct layout_pair *)(const void *)l->pairs.data;
    size_t count = l->pairs.size / sizeof(*pairs);
    uint32_t *starts = arena_array(&l->temp, (size_t)key_count + 2, sizeof(*starts));
    uint32_t *items = arena_array(&l->temp, count, sizeof(*items));
    if (l->pairs.failed || !starts || !items)
        return false;
    for (size_t i = 0; i < count; i++)
        starts[pairs[i].key + 2]++;
    for (uint32_t k = 0; k < key_count; k++)
        starts[k + 2] += starts[k + 1];
    for (size_t i = 0; i < count; i++)
        items[starts[pairs[i].key + 1]++] = pairs[i].item;
    for (uint32_t k = 0; k < key_count; k++)
        lists_out[k] = pack_list(l, items + starts[k], starts[k + 1] - starts[k]);
    buf_clear(&l->pairs);
    return !l->pool.failed && l->pool.size / sizeof(uint32_t) < LIST_ONE;
}

bool layout_add_text(struct layout *l, struct str text, uint32_t *offset_out)
{
    *offset_out = 0;
    if (text.size <= 8)
        return true;
    if (l->texts.size > UINT32_MAX - text.size)
        return false;
    *offset_out = (uint32_t)l->texts.size;
    buf_str(&l->texts, text);
    return !l->texts.failed;
}

/* ---- ids ---- */

static int compare_ids(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

static uint32_t rank_of(const struct weir_matcher *m, uint32_t id)
{
    uint32_t low = 0, high = m->id_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool rank_ids(struct layout *l)
{
    const struct weir_builder *b = l->b;
    struct weir_matcher *m = l->m;
    uint32_t *ids = arena_array(&l->temp, b->link_count, sizeof(*ids));
    if (!ids)
        return false;
    bool ascending = true;
    for (size_t i = 0; i < b->link_count; i++) {
        ids[i] = b->links[i].id;
        ascending = ascending && (!i || ids[i - 1] <= ids[i]);
    }
    if (!ascending)
        qsort(ids, b->link_count, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < b->link_count; i++)
        if (!i || ids[i] != ids[i - 1])
            ids[m->id_count++] = ids[i];
    m->ids = arena_array(&m->keep, m->id_count, sizeof(*m->ids));
    if (!m->ids)
        return false;
    memcpy(m->ids, ids, m->id_count * sizeof(*ids));
    return true;
}

static bool list_ids(struct layout *l)
{
    struct weir_matcher *m = l->m;
    uint32_t *lists = arena_array(&l->temp, m->conjunction_count, sizeof(*lists));
    if (!lists)
        return false;
    for (size_t i = 0; i < l->b->link_count; i++)
        layout_add_pair(l, l->b->links[i].conjunction, rank_of(m, l->b->links[i].id));
    if (!layout_pack(l, m->conjunction_count, lists))
        return false;
    for (uint32_t i = 0; i < m->conjunction_count; i++)
        m->conjunctions[i].ids = lists[i];
    return true;
}

/* ---- conjunctions and conditions ---- */

static bool copy_conjunctions(struct layout *l)
{
    struct weir_matcher *m = l->m;
    const struct intern *from = &l->b->conjunctions;
    uint32_t count, total = 0;
    for (uint32_t i = 0; i < from->count; i++)
        total += (uint32_t)(intern_key(from, i).size / sizeof(uint32_t));
    m->members = arena_array(&m->keep, total, sizeof(*m->members));
    l->condition_used = arena_array(&l->temp, m->condition_count, sizeof(*l->condition_used));
    if (!m->members || !l->condition_used)
        return false;
    total = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const uint32_t *members = builder_numbers(intern_key(from, i), &count);
        bool used = m->conjunctions[i].ids;
        m->conjunctions[i].first = total;
        m->conjunctions[i].count = used ? count : 0;
        for (uint32_t k = 0; used && k < count; k++) {
            m->members[total++] = members[k];
            l->condition_used[members[k]] = true;
        }
        if (used && count > m->members_max)
            m->members_max = count;
    }
    return true;
}

static void describe_conditions(struct layout *l)
{
    for (uint32_t c = 0; c < l->m->condition_count; c++) {
        struct condition *condition = &l->m->conditions[c];
        uint32_t count;
        const uint32_t *tests = builder_numbers(intern_key(&l->b->conditions, c), &count);
        for (uint32_t i = 0; i < count; i++) {
            struct str operand;
            struct test_head head = builder_test(l->b, tests[i], &operand);
            condition->field = head.field;
            condition->absent |= head.op == TEST_ABSENT;
            condition->default_count += head.op == TEST_EXISTS || head.op == TEST_OTHER_THAN;
        }
        condition->only_absent = condition->absent && count == 1;
    }
}

/* ---- hanging ---- */

/* How likely is it that a value makes the test true, as far as the set itself tells: of many exact values, few hit. */
static double test_likelihood(enum test_op op, uint32_t tests_of_field)
{
    if (op == TEST_EXISTS || op == TEST_OTHER_THAN)
        return 1;
    if (op == TEST_RANGE)
        return 0.5;
    bool exact = op <= TEST_NULL || op == TEST_EQUALS_FOLD;
    return (exact ? 1.0 : 2.0) / (2.0 + tests_of_field);
}

static bool hang_conjunctions(struct layout *l)
{
    struct weir_matcher *m = l->m;
    uint32_t *tests_of_field = arena_array(&l->temp, m->field_count, sizeof(*tests_of_field));
    double *likelihood = arena_array(&l->temp, m->condition_count, sizeof(*likelihood));
    uint32_t *lists = arena_array(&l->temp, m->condition_count, sizeof(*lists));
    m->unhung = arena_array(&m->keep, m->conjunction_count, sizeof(*m->unhung));
    if (!tests_of_field || !likelihood || !lists || !m->unhung)
        return false;
    struct str operand;
    for (uint32_t i = 0; i < l->b->tests.count; i++)
        tests_of_field[builder_test(l->b, i, &operand).field]++;
    for (uint32_t c = 0; c < m->condition_count; c++) {
        uint32_t count;
        const uint32_t *tests = builder_numbers(intern_key(&l->b->conditions, c), &count);
        for (uint32_t i = 0; i < count; i++)
            likelihood[c] +=
                test_likelihood(builder_test(l->b, tests[i], &operand).op, tests_of_field[m->conditions[c].field]);
    }
    for (uint32_t i = 0; i < m->conjunction_count; i++) {
        const struct conjunction *conjunction = &m->conjunctions[i];
        uint32_t best = NONE;
        for (uint32_t k = 0; k < conjunction->count; k++) {
            uint32_t c = m->members[conjunction->first + k];
            if (!m->conditions[c].absent && (best == NONE || likelihood[c] < likelihood[best]))
                best = c;
        }
        if (best != NONE)
            layout_add_pair(l, best, i);
        else if (conjunction->ids)
            m->unhung[m->unhung_count++] = i;
    }
    if (!layout_pack(l, m->condition_count, lists))
        return false;
    for (uint32_t c = 0; c < m->condition_count; c++)
        m->conditions[c].conjunctions = lists[c];
    return true;
}

/* ---- all of it ---- */

static bool make_arrays(struct layout *l)
{
    struct weir_matcher *m = l->m;
    m->field_count = l->b->fields.count;
    m->condition_count = l->b->conditions.count;
    m->conjunction_count = l->b->conjunctions.count;
    m->fields = arena_array(&m->keep, m->field_count, sizeof(*m->fields));
    m->conditions = arena_array(&m->keep, m->condition_count, sizeof(*m->conditions));
    m->conjunctions = arena_array(&m->keep, m->conjunction_count, sizeof(*m->conjunctions));
    uint32_t empty = 0;
    add_to_pool(l, &empty, 1);
    return m->fields && m->conditions && m->conjunctions && !l->pool.failed;
}

static bool keep_pools(struct layout *l)
{
    struct weir_matcher *m = l->m;
    m->pool = arena_alloc(&m->keep, l->pool.size);
    m->texts = arena_alloc(&m->keep, l->texts.size);
    if (!m->pool || !m->texts)
        return false;
    memcpy(m->pool, l->pool.data, l->pool.size);
    if (l->texts.size)
        memcpy(m->texts, l->texts.data, l->texts.size);
    m->values.texts = m->texts;
    return true;
}

static bool run_passes(struct layout *l)
{
    if (!make_arrays(l) || !rank_ids(l) || !list_ids(l) || !copy_conjunctions(l))
        return false;
    describe_conditions(l);
    return layout_paths(l) && layout_tests(l) && hang_conjunctions(l) && keep_pools(l);
}

struct weir_matcher *layout_build(const struct weir_builder *b)
{
    struct layout l = {.b = b, .m = calloc(1, sizeof(struct weir_matcher))};
    if (!l.m)
        return NULL;
    atomic_init(&l.m->references, 1);
    bool done = run_passes(&l);
    arena_fini(&l.temp);
    buf_fini(&l.pool);
    buf_fini(&l.texts);
    buf_fini(&l.pairs);
    intern_fini(&l.paths);
    byte_trie_builder_fini(&l.tries);
    if (!done) {
        weir_matcher_unref(l.m);
        return NULL;
    }
    return l.m;
}
