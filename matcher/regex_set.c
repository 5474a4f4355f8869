/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All expressions of a field against one of its values. An expression that has literals (regex_literal.c) runs only
 * where the value contains one of them, so most values never reach PCRE2:
 *
 *     few literals     each is looked for by itself
 *     many             one pass over the value: four bytes at every place are hashed, and a literal is compared where
 *                      the four of it that are rarest among all literals are met
 *     none             the expression runs on every value
 *
 * Cost: O(bytes of the value) and, of the steps that regex.c counts, one a comparison, or one for every few bytes that
 * a literal is looked for in by itself: there may be any number of those that are too short for the pass. An expression
 * runs once a value. What it makes true is not looked for again in the same event, unless array elements have to be
 * told apart.
 */
#include "matcher/regex.h"

#define FEW        8 /* a search with memmem() takes an eighth of the time of the pass, at best */
#define WINDOW     4
#define HEADS_LOG2 6  /* at least; four heads a literal */
#define STEP_BYTES 16 /* of a value that memmem() goes through in a step: a third to all of the step's 5 ns */

/* ---- layout ---- */

static uint32_t window_hash(const struct regex_set *set, const char *at)
{
    uint32_t word;
    memcpy(&word, at, WINDOW);
    return (word * 2654435761u) >> set->shift;
}

static bool compile_all(struct regex_set *set, struct arena *keep, const struct regex_input *regexes)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct str text = arena_str(keep, regexes[i].text);
        if (!text.ptr || !regex_compile(&set->list[i], text))
            return false;
        set->list[i].list = regexes[i].list;
    }
    return true;
}

/* Writes all literals, those shorter than a window first; room for REGEX_LITERALS_MAX a regex. */
static bool gather(struct regex_set *set, struct arena *keep, struct regex_literal *out)
{
    struct str literals[REGEX_LITERALS_MAX];
    for (uint32_t i = 0; i < set->count; i++) {
        struct str text = set->list[i].text;
        char *pieces = arena_alloc(keep, text.size);
        if (!pieces)
            return false;
        uint32_t count = regex_literals(text, pieces, literals);
        for (uint32_t k = 0; k < count; k++)
            out[set->literal_count++] = (struct regex_literal){.text = literals[k], .regex = i};
        if (!count)
            set->always[set->always_count++] = i;
    }
    for (uint32_t i = 0; i < set->literal_count; i++) {
        if (out[i].text.size >= WINDOW)
            continue;
        struct regex_literal first = out[set->hashed_from];
        out[set->hashed_from++] = out[i];
        out[i] = first;
    }
    return true;
}

static uint32_t rarest_window(const struct regex_set *set, struct str text, const uint32_t *uses)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i + WINDOW <= text.size; i++)
        if (uses[window_hash(set, text.ptr + i)] < uses[window_hash(set, text.ptr + best)])
            best = i;
    return best;
}

static bool hash_literals(struct regex_set *set, struct arena *keep, struct arena *temp)
{
    uint32_t log2 = HEADS_LOG2;
    while (log2 < 24 && (1u << log2) < 4 * (set->literal_count - set->hashed_from))
        log2++;
    set->shift = 32 - log2;
    set->heads = arena_array(keep, (size_t)1 << log2, sizeof(*set->heads));
    uint32_t *uses = arena_array(temp, (size_t)1 << log2, sizeof(*uses));
    if (!set->heads || !uses)
        return false;
    for (uint32_t i = set->hashed_from; i < set->literal_count; i++) {
        struct str text = set->literals[i].text;
        for (size_t at = 0; at + WINDOW <= text.size; at++)
            uses[window_hash(set, text.ptr + at)]++;
    }
    for (uint32_t i = set->hashed_from; i < set->literal_count; i++) {
        struct regex_literal *literal = &set->literals[i];
        literal->window = rarest_window(set, literal->text, uses);
        uint32_t *head = &set->heads[window_hash(set, literal->text.ptr + literal->window)];
        literal->next = *head;
        *head = i + 1;
    }
    return true;
}

bool regex_set_init(struct regex_set *set, struct arena *keep, struct arena *temp, const struct regex_input *regexes,
                    uint32_t count)
{
    struct regex_literal *literals = arena_array(temp, (size_t)count * REGEX_LITERALS_MAX, sizeof(*literals));
    set->list = arena_array(keep, count, sizeof(*set->list));
    set->always = arena_array(keep, count, sizeof(*set->always));
    if (!literals || !set->list || !set->always)
        return false;
    set->count = count;
    if (!compile_all(set, keep, regexes) || !gather(set, keep, literals))
        return false;
    set->literals = arena_array(keep, set->literal_count, sizeof(*literals));
    if (!set->literals)
        return false;
    memcpy(set->literals, literals, set->literal_count * sizeof(*literals));
    if (set->literal_count - set->hashed_from > FEW)
        return hash_literals(set, keep, temp);
    set->hashed_from = set->literal_count;
    return true;
}

void regex_set_release(struct regex_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        regex_release(&set->list[i]);
}

/* ---- matching ---- */

static void give_up(struct weir_scratch *s, const struct regex *regex)
{
    uint32_t one;
    const uint32_t *items;
    uint32_t count = list_items(s->m->pool, &regex->list, &one, &items);
    for (uint32_t i = 0; i < count; i++)
        s->given_up[items[i] >> 1] = s->epoch;
    s->any_given_up = true;
}

/* The event's steps are used up. */
static void give_up_all(struct weir_scratch *s)
{
    for (const struct regex_set *set = s->m->regex_sets; set; set = set->next)
        for (uint32_t i = 0; i < set->count; i++)
            give_up(s, &set->list[i]);
    s->regexes_over = true;
}

/* Would it tell nothing new? */
static bool is_settled(const struct weir_scratch *s, const struct regex *regex)
{
    uint32_t one;
    const uint32_t *items;
    uint32_t count = list_items(s->m->pool, &regex->list, &one, &items);
    bool settled = s->value == NONE;
    for (uint32_t i = 0; settled && i < count; i++)
        settled = s->condition_epoch[items[i] >> 1] == s->epoch;
    return settled;
}

static void run(struct weir_scratch *s, const struct regex_set *set, uint32_t number, struct str value)
{
    const struct regex *regex = &set->list[number];
    uint32_t *seen = &s->regex_seen[set->first + number];
    if (*seen == s->serial || s->regexes_over)
        return;
    *seen = s->serial;
    if (is_settled(s, regex))
        return;
    switch (regex_run(s->regex_runner, regex, value)) {
    case REGEX_YES: evaluate_list(s, regex->list); break;
    case REGEX_NO: break;
    case REGEX_GIVEN_UP: give_up(s, regex); break;
    }
    if (!regex_runner_spend(s->regex_runner, 0))
        give_up_all(s);
}

static bool stands_at(const struct regex_literal *literal, struct str value, size_t at)
{
    return at >= literal->window && value.size - (at - literal->window) >= literal->text.size &&
           memcmp(value.ptr + at - literal->window, literal->text.ptr, literal->text.size) == 0;
}

static void find_hashed(struct weir_scratch *s, const struct regex_set *set, struct str value)
{
    for (size_t at = 0; at + WINDOW <= value.size; at++) {
        uint32_t next = set->heads[window_hash(set, value.ptr + at)];
        while (next && !s->regexes_over) {
            const struct regex_literal *literal = &set->literals[next - 1];
            next = literal->next;
            if (!regex_runner_spend(s->regex_runner, 1))
                give_up_all(s);
            else if (stands_at(literal, value, at))
                run(s, set, literal->regex, value);
        }
    }
}

static bool contains(struct weir_scratch *s, struct str value, struct str text)
{
    if (value.size < text.size)
        return false;
    if (regex_runner_spend(s->regex_runner, 1 + value.size / STEP_BYTES))
        return memmem(value.ptr, value.size, text.ptr, text.size);
    give_up_all(s);
    return false;
}

void regex_set_match(struct weir_scratch *s, const struct regex_set *set, struct str value)
{
    if (s->regexes_over)
        return;
    for (uint32_t i = 0; i < set->always_count; i++)
        run(s, set, set->always[i], value);
    for (uint32_t i = 0; i < set->hashed_from && !s->regexes_over; i++)
        if (contains(s, value, set->literals[i].text))
            run(s, set, set->literals[i].regex, value);
    if (set->heads)
        find_hashed(s, set, value);
}
