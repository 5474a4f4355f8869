/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of the event against all tests of its field. What a test's list names becomes true (a condition), or is
 * excluded for this value (a default: exists, anything-but); in the end every default that was not excluded becomes
 * true.
 *
 * A condition becomes true once an event; where its field is tracked, every value that makes it so is written down for
 * join.c. A default that has become true need not be looked at again in this event, so "pending" shrinks: a thousand
 * anything-but tests cost their thousand once, not for every value.
 */
#include "matcher/address.h"
#include "matcher/matcher_int.h"
#include "matcher/number.h"

static void set_condition(struct weir_scratch *s, uint32_t number)
{
    const struct condition *condition = &s->m->conditions[number];
    if (s->condition_epoch[number] != s->epoch) {
        s->condition_epoch[number] = s->epoch;
        if (condition->conjunctions)
            s->hung_hits[s->hung_hit_count++] = number;
    }
    if (condition->tracked && s->value != NONE)
        join_add_hit(s, number);
}

static void exclude(struct weir_scratch *s, uint32_t number)
{
    if (s->excluded_serial[number] == s->serial)
        return;
    s->excluded_serial[number] = s->serial;
    if (s->value != NONE)
        s->excluded[s->excluded_count++] = number;
}

void evaluate_list(struct weir_scratch *s, uint32_t list)
{
    uint32_t one;
    const uint32_t *items;
    uint32_t count = list_items(s->m->pool, &list, &one, &items);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i] & 1)
            exclude(s, items[i] >> 1);
        else
            set_condition(s, items[i] >> 1);
    }
}

static const struct field *begin_value(struct weir_scratch *s, uint32_t number)
{
    const struct field *field = &s->m->fields[number];
    struct field_state *state = &s->fields[number];
    if (state->epoch != s->epoch)
        *state = (struct field_state){.epoch = s->epoch, .pending = field->default_count};
    if (++s->serial == 0) { /* once in 2^32 values: stale marks must not look new */
        memset(s->excluded_serial, 0, s->m->default_count * sizeof(*s->excluded_serial));
        memset(s->regex_seen, 0, s->m->regex_count * sizeof(*s->regex_seen));
        if (s->m->joins) {
            memset(s->hit_serial, 0, s->m->condition_count * sizeof(*s->hit_serial));
            memset(s->missed_serial, 0, s->m->condition_count * sizeof(*s->missed_serial));
        }
        s->serial = 1;
    }
    s->value = NONE;
    if (field->tracked)
        join_add_value(s, number);
    return field;
}

static void end_value(struct weir_scratch *s, uint32_t number)
{
    const struct field *field = &s->m->fields[number];
    struct field_state *state = &s->fields[number];
    uint32_t *pending = s->pending + field->defaults, kept = 0;
    for (uint32_t i = 0; i < state->pending; i++) {
        uint32_t candidate = pending[i];
        if (s->excluded_serial[candidate] == s->serial) {
            pending[i] = pending[kept];
            pending[kept++] = candidate;
        } else {
            evaluate_list(s, s->m->defaults[candidate]);
        }
    }
    state->pending = kept;
    if (s->excluded_count)
        join_add_misses(s);
}

static void evaluate_networks(struct weir_scratch *s, uint32_t number, const uint8_t *address, unsigned size)
{
    const struct field *field = &s->m->fields[number];
    uint8_t key[17] = {0};
    for (unsigned bits = 0; bits < size * 8; bits++) {
        bool used = size == 4 ? field->v4_networks >> bits & 1 : field->v6_networks[bits / 64] >> bits % 64 & 1;
        if (used) {
            key[size] = (uint8_t)bits;
            evaluate_list(s, value_table_find(&s->m->values, number, VALUE_NETWORK, (const char *)key, size + 1));
        }
        key[bits / 8] |= address[bits / 8] & (uint8_t)(0x80u >> bits % 8); /* one bit more for the next */
    }
}

static void evaluate_address(struct weir_scratch *s, uint32_t number, struct str text)
{
    const struct field *field = &s->m->fields[number];
    uint8_t address[16];
    unsigned size = address_parse(text, address);
    if (!size)
        return;
    evaluate_list(s, value_table_find(&s->m->values, number, VALUE_ADDRESS, (const char *)address, size));
    if (size == 4 ? field->v4_networks : field->v6_networks[0] | field->v6_networks[1])
        evaluate_networks(s, number, address, size);
}

void evaluate_string(struct weir_scratch *s, uint32_t number, struct str decoded)
{
    const struct field *field = begin_value(s, number);
    if (field->strings)
        evaluate_list(s, value_table_find(&s->m->values, number, VALUE_STRING, decoded.ptr, decoded.size));
    if (field->prefixes)
        byte_trie_walk(s, field->prefixes, decoded);
    if (field->suffixes)
        byte_trie_walk_back(s, field->suffixes, decoded);
    if (field->folded)
        byte_trie_walk_fold(s, field->folded, decoded);
    if (field->folded_back)
        byte_trie_walk_fold_back(s, field->folded_back, decoded);
    if (field->wildcards)
        wildcard_set_match(s, field->wildcards, decoded);
    if (field->regexes)
        regex_set_match(s, field->regexes, decoded);
    if (field->addresses)
        evaluate_address(s, number, decoded);
    end_value(s, number);
}

void evaluate_number(struct weir_scratch *s, uint32_t number, struct str literal)
{
    const struct field *field = begin_value(s, number);
    double value;
    if (field->numbers && number_parse(literal, &value)) {
        value += 0.0; /* one zero */
        char key[sizeof(value)];
        memcpy(key, &value, sizeof(value));
        evaluate_list(s, value_table_find(&s->m->values, number, VALUE_NUMBER, key, sizeof(key)));
        if (field->ranges)
            range_set_match(s, field->ranges, value);
    } else if (field->numbers) {
        evaluate_list(s, value_table_find(&s->m->values, number, VALUE_LITERAL, literal.ptr, literal.size));
    }
    end_value(s, number);
}

void evaluate_word(struct weir_scratch *s, uint32_t number, enum evaluate_word word)
{
    const struct field *field = begin_value(s, number);
    evaluate_list(s, field->words[word]);
    end_value(s, number);
}
