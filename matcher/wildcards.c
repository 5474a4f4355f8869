/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wildcards, bit-parallel. A wildcard of n literal bytes is n + 1 bits: bit i says "the value so far can be what the
 * first i literal bytes and the stars among them take"; a star behind literal i lets bit i stay. One byte of the value
 * is
 *
 *     bits = (bits << 1 & steps[byte]) | (bits & stay)
 *
 * for all wildcards of the field at once: short ones share 64-bit words, four of which are done in one go; those past
 * 64 bits span words of their own at the end. No state explosion, whatever the stars: cost is (words × value bytes).
 * The first bit of a wildcard is in no step, so a neighbour's last bit shifted into it dies.
 */
#include "matcher/matcher_int.h"

static const uint64_t *steps_of(const struct wildcard_set *set, char byte)
{
    return set->steps + (size_t)set->classes[(uint8_t)byte] * set->words;
}

static uint32_t bits_needed(struct str text)
{
    uint32_t bits = 1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '*')
            continue;
        i += text.ptr[i] == '\\';
        bits++;
    }
    return bits;
}

static void set_bit(uint64_t *words, uint32_t bit)
{
    words[bit / 64] |= (uint64_t)1 << bit % 64;
}

static void spread(struct wildcard_set *set, struct str text, uint32_t bit)
{
    set_bit(set->start, bit);
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '*') {
            set_bit(set->stay, bit);
            continue;
        }
        i += text.ptr[i] == '\\';
        uint8_t class = set->classes[(uint8_t)text.ptr[i]];
        set_bit(set->steps + (size_t) class * set->words, ++bit);
    }
}

/* Gives every literal byte its row; row 0 is for the rest. UTF-8 leaves enough bytes unused for rows to fit in a byte.
 */
static uint32_t number_classes(struct wildcard_set *set, const struct wildcard_input *wildcards, uint32_t count)
{
    bool used[256] = {false};
    for (uint32_t i = 0; i < count; i++)
        for (size_t at = 0; at < wildcards[i].text.size; at++)
            used[(uint8_t)wildcards[i].text.ptr[at]] = true;
    uint32_t rows = 1;
    for (unsigned byte = 0; byte < 256; byte++)
        set->classes[byte] = used[byte] ? (uint8_t)rows++ : 0;
    assert(rows <= 256);
    return rows;
}

/* First bits: short wildcards packed into shared words in order, then the long ones, each from a fresh word. */
static void lay_out(struct wildcard_set *set, const struct wildcard_input *wildcards, uint32_t count, uint32_t *first)
{
    uint32_t bit = 0;
    for (int spanning = 0; spanning < 2; spanning++) {
        bit = (bit + 63) & ~63u;
        if (spanning) {
            bit = (bit + 255) & ~255u; /* the short ones are stepped through by four words */
            set->long_from = bit / 64;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint32_t bits = bits_needed(wildcards[i].text);
            if ((bits > 64) != spanning)
                continue;
            if (spanning || bit / 64 != (bit + bits - 1) / 64)
                bit = (bit + 63) & ~63u;
            first[i] = bit;
            bit += bits;
            set->ends[i] = bit - 1;
        }
    }
    set->words = (bit + 63) / 64;
}

bool wildcard_set_init(struct wildcard_set *set, struct arena *keep, struct arena *temp,
                       const struct wildcard_input *wildcards, uint32_t count)
{
    *set = (struct wildcard_set){.count = count};
    set->ends = arena_array(keep, count, sizeof(*set->ends));
    set->lists = arena_array(keep, count, sizeof(*set->lists));
    uint32_t *first = arena_array(temp, count, sizeof(*first));
    if (!set->ends || !set->lists || !first)
        return false;
    uint32_t rows = number_classes(set, wildcards, count);
    lay_out(set, wildcards, count, first);
    set->start = arena_array(keep, set->words, sizeof(*set->start));
    set->stay = arena_array(keep, set->words, sizeof(*set->stay));
    set->steps = arena_array(keep, (size_t)rows * set->words, sizeof(*set->steps));
    set->last = arena_array(keep, set->words, sizeof(*set->last));
    if (!set->start || !set->stay || !set->steps || !set->last)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        set_bit(set->last, set->ends[i]);
        spread(set, wildcards[i].text, first[i]);
        set->lists[i] = wildcards[i].list;
    }
    return true;
}

/* Four words at once, wherever they stand. */
typedef uint64_t four_words __attribute__((vector_size(32), aligned(8), may_alias));

static inline __attribute__((always_inline)) void step_words(uint64_t *bits, const uint64_t *steps,
                                                             const uint64_t *stay, uint32_t count)
{
    for (uint32_t w = 0; w < count; w += 4) {
        four_words now = *(const four_words *)(bits + w);
        *(four_words *)(bits + w) =
            (now << 1 & *(const four_words *)(steps + w)) | (now & *(const four_words *)(stay + w));
    }
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void run_short_avx2(uint64_t *bits, const struct wildcard_set *set,
                                                           struct str value)
{
    for (size_t i = 0; i < value.size; i++)
        step_words(bits, steps_of(set, value.ptr[i]), set->stay, set->long_from);
}
#endif

static void run_short(uint64_t *bits, const struct wildcard_set *set, struct str value)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        run_short_avx2(bits, set, value);
        return;
    }
#endif
    for (size_t i = 0; i < value.size; i++)
        step_words(bits, steps_of(set, value.ptr[i]), set->stay, set->long_from);
}

static void run_long(uint64_t *bits, const struct wildcard_set *set, struct str value)
{
    for (size_t i = 0; i < value.size; i++) {
        const uint64_t *steps = steps_of(set, value.ptr[i]);
        uint64_t carry = 0;
        for (uint32_t w = set->long_from; w < set->words; w++) {
            uint64_t shifted = bits[w] << 1 | carry;
            carry = bits[w] >> 63;
            bits[w] = (shifted & steps[w]) | (bits[w] & set->stay[w]);
        }
    }
}

void wildcard_set_match(struct weir_scratch *s, const struct wildcard_set *set, struct str value)
{
    uint64_t *bits = s->wildcard_bits;

    memcpy(bits, set->start, set->words * sizeof(*bits));
    run_short(bits, set, value);
    if (set->words > set->long_from)
        run_long(bits, set, value);
    uint64_t any = 0;
    for (uint32_t w = 0; w < set->words; w++)
        any |= bits[w] & set->last[w];
    for (uint32_t i = 0; any && i < set->count; i++)
        if (bits[set->ends[i] / 64] >> set->ends[i] % 64 & 1)
            evaluate_list(s, set->lists[i]);
}
