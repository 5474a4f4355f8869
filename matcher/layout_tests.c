/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tests of all fields, each put into the index that answers its kind, with the list of what it makes true: the
 * conditions it belongs to, and the defaults (anything-but) that exclude what it matches.
 */
#include "matcher/layout_int.h"
#include "matcher/regex.h"

/* ---- defaults: exists and anything-but, numbered field by field ---- */

static bool is_default(enum test_op op)
{
    return op == TEST_EXISTS || op == TEST_OTHER_THAN;
}

static bool number_defaults(struct layout *l)
{
    struct weir_matcher *m = l->m;
    uint32_t tests = l->b->tests.count;
    struct str operand;
    l->test_defaults = arena_array(&l->temp, tests, sizeof(*l->test_defaults));
    if (!l->test_defaults)
        return false;
    for (uint32_t i = 0; i < tests; i++) {
        struct test_head head = builder_test(l->b, i, &operand);
        m->fields[head.field].default_count += is_default(head.op);
    }
    for (uint32_t i = 0; i < m->field_count; i++) {
        m->fields[i].defaults = m->default_count;
        m->default_count += m->fields[i].default_count;
        m->fields[i].default_count = 0;
    }
    for (uint32_t i = 0; i < tests; i++) {
        struct test_head head = builder_test(l->b, i, &operand);
        struct field *field = &m->fields[head.field];
        l->test_defaults[i] = is_default(head.op) ? field->defaults + field->default_count++ : NONE;
    }
    m->defaults = arena_array(&m->keep, m->default_count, sizeof(*m->defaults));
    return m->defaults;
}

/* ---- lists ---- */

static bool trie_kind(enum test_op op, enum byte_trie_kind *kind_out)
{
    switch (op) {
    case TEST_PREFIX: *kind_out = BYTE_TRIE_PREFIX; return true;
    case TEST_SUFFIX: *kind_out = BYTE_TRIE_SUFFIX; return true;
    case TEST_SUFFIX_FOLD: *kind_out = BYTE_TRIE_FOLD_BACK; return true;
    case TEST_PREFIX_FOLD:
    case TEST_EQUALS_FOLD: *kind_out = BYTE_TRIE_FOLD; return true;
    default: return false;
    }
}

/* Tests that end at one trie node share its list; every other test has its own. */
static bool number_slots(struct layout *l)
{
    uint32_t tests = l->b->tests.count;
    l->test_slots = arena_array(&l->temp, tests, sizeof(*l->test_slots));
    if (!l->test_slots)
        return false;
    for (uint32_t i = 0; i < tests; i++) {
        struct str operand;
        struct test_head head = builder_test(l->b, i, &operand);
        struct field *field = &l->m->fields[head.field];
        uint32_t *roots[] = {&field->prefixes, &field->suffixes, &field->folded, &field->folded_back};
        enum byte_trie_kind kind;
        uint32_t root, end;
        l->test_slots[i] = i;
        if (!trie_kind(head.op, &kind))
            continue;
        if (!byte_trie_add(&l->tries, head.field, kind, operand, &root, &end))
            return false;
        *roots[kind] = root + 1;
        l->test_slots[i] = tests + 2 * end + (head.op == TEST_EQUALS_FOLD);
    }
    return true;
}

static bool build_lists(struct layout *l)
{
    const struct weir_builder *b = l->b;
    uint32_t count;
    for (uint32_t c = 0; c < b->conditions.count; c++) {
        if (!l->condition_used[c])
            continue;
        const uint32_t *tests = builder_numbers(intern_key(&b->conditions, c), &count);
        for (uint32_t i = 0; i < count; i++)
            layout_add_pair(l, l->test_slots[tests[i]], item_condition(c));
    }
    for (uint32_t t = 0; t < b->tests.count; t++) {
        struct str operand;
        if (builder_test(b, t, &operand).op != TEST_OTHER_THAN)
            continue;
        const uint32_t *excluded = builder_numbers(operand, &count);
        for (uint32_t i = 0; i < count; i++)
            layout_add_pair(l, l->test_slots[excluded[i]], item_exclude(l->test_defaults[t]));
    }
    uint32_t slots = b->tests.count + 2 * l->tries.nodes.count;
    l->lists = arena_array(&l->temp, slots, sizeof(*l->lists));
    return l->lists && layout_pack(l, slots, l->lists);
}

/* ---- exact values, words, defaults ---- */

static bool value_kind_of(enum test_op op, enum value_kind *kind_out)
{
    static const uint8_t kinds[] = {[TEST_STRING] = VALUE_STRING,
                                    [TEST_NUMBER] = VALUE_NUMBER,
                                    [TEST_LITERAL] = VALUE_LITERAL,
                                    [TEST_ADDRESS] = VALUE_ADDRESS,
                                    [TEST_NETWORK] = VALUE_NETWORK};
    if (op > TEST_NETWORK)
        return false;
    *kind_out = kinds[op];
    return true;
}

static void note_network(struct field *field, const struct test_head *head, size_t address_size)
{
    if (address_size == 4)
        field->v4_networks |= 1u << head->bits;
    else
        field->v6_networks[head->bits / 64] |= (uint64_t)1 << head->bits % 64;
}

static bool add_value(struct layout *l, const struct test_head *head, enum value_kind kind, struct str operand,
                      uint32_t list)
{
    struct field *field = &l->m->fields[head->field];
    char network[17];
    uint32_t text;
    field->strings |= kind == VALUE_STRING;
    field->numbers |= kind == VALUE_NUMBER || kind == VALUE_LITERAL;
    field->addresses |= kind == VALUE_ADDRESS || kind == VALUE_NETWORK;
    if (kind == VALUE_NETWORK) {
        note_network(field, head, operand.size);
        memcpy(network, operand.ptr, operand.size);
        network[operand.size] = (char)head->bits;
        operand = (struct str){network, operand.size + 1};
    }
    if (!layout_add_text(l, operand, &text))
        return false;
    value_table_add(&l->m->values, head->field, kind, operand, text, list);
    return true;
}

static bool place_single_tests(struct layout *l)
{
    struct weir_matcher *m = l->m;
    size_t values = 0;
    struct str operand;
    enum value_kind kind;
    for (uint32_t i = 0; i < l->b->tests.count; i++)
        values += value_kind_of(builder_test(l->b, i, &operand).op, &kind);
    if (!value_table_init(&m->values, &m->keep, values))
        return false;
    for (uint32_t i = 0; i < l->b->tests.count; i++) {
        struct test_head head = builder_test(l->b, i, &operand);
        uint32_t list = l->lists[l->test_slots[i]];
        if (!list)
            continue; /* of a pattern that was not added in the end */
        if (value_kind_of(head.op, &kind)) {
            if (!add_value(l, &head, kind, operand, list))
                return false;
        } else if (head.op >= TEST_TRUE && head.op <= TEST_NULL) {
            m->fields[head.field].words[head.op - TEST_TRUE] = list;
        } else if (l->test_defaults[i] != NONE) {
            m->defaults[l->test_defaults[i]] = list;
        }
    }
    return true;
}

static bool freeze_tries(struct layout *l)
{
    struct byte_tries *tries = &l->m->tries;
    if (!byte_trie_freeze(&l->tries, &l->m->keep, &l->temp, tries))
        return false;
    for (uint32_t i = 0; i < l->tries.nodes.count; i++) {
        tries->nodes[i + 1].here = l->lists[l->b->tests.count + 2 * i];
        tries->nodes[i + 1].at_end = l->lists[l->b->tests.count + 2 * i + 1];
    }
    return true;
}

/* ---- ranges, wildcards and regexes: all of a field's at once ---- */

static bool make_ranges(struct layout *l, struct field *field, const uint32_t *tests, uint32_t count)
{
    struct range_set *set = arena_new(&l->m->keep, struct range_set);
    struct range_input *ranges = arena_array(&l->temp, count, sizeof(*ranges));
    if (!set || !ranges)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct str operand;
        double bounds[2];
        struct test_head head = builder_test(l->b, tests[i], &operand);
        memcpy(bounds, operand.ptr, sizeof(bounds));
        ranges[i] = (struct range_input){bounds[0], bounds[1], head.low_open, head.high_open, l->lists[tests[i]]};
    }
    field->ranges = set;
    field->numbers = true;
    return range_set_init(set, &l->m->keep, &l->temp, ranges, count);
}

static bool make_wildcards(struct layout *l, struct field *field, const uint32_t *tests, uint32_t count)
{
    struct wildcard_set *set = arena_new(&l->m->keep, struct wildcard_set);
    struct wildcard_input *wildcards = arena_array(&l->temp, count, sizeof(*wildcards));
    if (!set || !wildcards)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        builder_test(l->b, tests[i], &wildcards[i].text);
        wildcards[i].list = l->lists[tests[i]];
    }
    field->wildcards = set;
    if (!wildcard_set_init(set, &l->m->keep, &l->temp, wildcards, count))
        return false;
    if (set->words > l->m->words_max)
        l->m->words_max = set->words;
    return true;
}

static bool make_regexes(struct layout *l, struct field *field, const uint32_t *tests, uint32_t count)
{
    struct weir_matcher *m = l->m;
    struct regex_set *set = arena_new(&m->keep, struct regex_set);
    struct regex_input *regexes = arena_array(&l->temp, count, sizeof(*regexes));
    if (!set || !regexes)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        builder_test(l->b, tests[i], &regexes[i].text);
        regexes[i].list = l->lists[tests[i]];
    }
    set->next = m->regex_sets;
    m->regex_sets = set; /* from here on it is released with the matcher */
    field->regexes = set;
    if (!regex_set_init(set, &m->keep, &l->temp, regexes, count))
        return false;
    set->first = m->regex_count;
    m->regex_count += count;
    for (uint32_t i = 0; i < count; i++)
        m->regex_bytes += regex_bytes(&set->list[i]);
    return true;
}

/* Gathers the tests of one kind by field, and makes one set of each field's. */
static bool make_sets(struct layout *l, enum test_op op,
                      bool (*make)(struct layout *, struct field *, const uint32_t *, uint32_t))
{
    struct str operand;
    uint32_t *by_field = arena_array(&l->temp, l->m->field_count, sizeof(*by_field));
    if (!by_field)
        return false;
    for (uint32_t i = 0; i < l->b->tests.count; i++) {
        struct test_head head = builder_test(l->b, i, &operand);
        if (head.op == op && l->lists[i])
            layout_add_pair(l, head.field, i);
    }
    size_t pool_before = l->pool.size;
    if (!layout_pack(l, l->m->field_count, by_field))
        return false;
    for (uint32_t f = 0; f < l->m->field_count; f++) {
        uint32_t one;
        const uint32_t *tests;
        uint32_t count = list_items((const uint32_t *)(const void *)l->pool.data, &by_field[f], &one, &tests);
        if (count && !make(l, &l->m->fields[f], tests, count))
            return false;
    }
    l->pool.size = pool_before; /* these lists were only for now */
    return true;
}

bool layout_tests(struct layout *l)
{
    return number_defaults(l) && number_slots(l) && build_lists(l) && place_single_tests(l) && freeze_tries(l) &&
           make_sets(l, TEST_RANGE, make_ranges) && make_sets(l, TEST_WILDCARD, make_wildcards) &&
           make_sets(l, TEST_REGEX, make_regexes);
}
