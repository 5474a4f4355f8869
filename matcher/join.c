/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays of objects. Two values that one conjunction binds may not come from different elements of one array, at any
 * level. While the event is walked, the elements that matter form a tree, numbered in document order, so that what
 * lies within element e is e … last(e); values and hits of tracked fields are written down in the same order:
 *
 *     {"a": [{"b": 1, "c": [5, 6]}, {"b": 2}]}          0 ── array 0 ── 1 ── array 1 ── 2, 3
 *                                                                 └──── 4
 *     a.b: values in 1, 4       a.c: values in 2, 3
 *
 * A conjunction that every mark says may hold is then looked at from the event downwards. Within one element, the
 * conditions fall into groups by the array their values go on through; groups share nothing, so each is decided
 * alone: some element of its array must satisfy the whole group. Each element is looked into once a conjunction, so
 * the cost is (values of its fields) × log, however many arrays there are side by side: no product.
 *
 * exists:false needs no value that agrees with what was bound before it, in path order. So it fails for a group that it
 * is the first of (there is a value, and nothing bound yet rules it out), and otherwise is judged within the
 * chosen element. A leaf that may be absent or have some value binds where there is a value, and holds where there is
 * none.
 *
 * All that rests on one flat path leading from an element to values there or through one array. An event that repeats
 * keys may break it: such a field is noticed when it happens ("irregular"), and its conjunctions are decided by trying
 * assignments in path order, as the rule is written, within LIMIT_JOIN_STEPS.
 */
#include "matcher/matcher_int.h"

void join_begin(struct weir_scratch *s)
{
    s->element = 0;
    s->element_count = 1;
    s->array_count = s->value_count = s->hit_count = s->steps = 0;
    s->sorted = s->over_limit = false;
    if (s->m->joins)
        s->elements[0] = (struct element){.last = NONE};
}

/* ---- while the event is walked ---- */

uint32_t join_array_open(struct weir_scratch *s)
{
    return s->array_count++;
}

void join_element_open(struct weir_scratch *s, uint32_t array)
{
    const struct element *parent = &s->elements[s->element];
    const struct element *jump = &s->elements[parent->jump];
    /* Myers' skew-binary jumps: two jumps of one length make the next a longer one. */
    bool merge = parent->depth - jump->depth == jump->depth - s->elements[jump->jump].depth;
    s->elements[s->element_count] = (struct element){.parent = s->element,
                                                     .jump = merge ? jump->jump : s->element,
                                                     .array = array,
                                                     .last = NONE,
                                                     .depth = parent->depth + 1};
    s->element = s->element_count++;
}

void join_element_close(struct weir_scratch *s)
{
    s->elements[s->element].last = s->element_count - 1;
    s->element = s->elements[s->element].parent;
}

/* The ancestor of e (or e) at that depth. */
static uint32_t ancestor_at(const struct weir_scratch *s, uint32_t e, uint32_t depth)
{
    while (s->elements[e].depth > depth)
        e = s->elements[s->elements[e].jump].depth >= depth ? s->elements[e].jump : s->elements[e].parent;
    return e;
}

static uint32_t open_ancestor(const struct weir_scratch *s, uint32_t e)
{
    while (s->elements[e].last != NONE)
        e = s->elements[s->elements[e].jump].last != NONE ? s->elements[e].jump : s->elements[e].parent;
    return e;
}

/* Do values in `before` and in the present element, another one, leave their last common element by different ways? */
static bool ways_differ(const struct weir_scratch *s, uint32_t before)
{
    const struct element *was = &s->elements[before], *is = &s->elements[s->element];
    if (was->parent == is->parent && was->array == is->array && before && s->element)
        return false;
    uint32_t common = open_ancestor(s, before);
    if (common == before || common == s->element)
        return true;
    uint32_t below = s->elements[common].depth + 1;
    return s->elements[ancestor_at(s, before, below)].array != s->elements[ancestor_at(s, s->element, below)].array;
}

void join_add_value(struct weir_scratch *s, uint32_t field)
{
    struct field_state *state = &s->fields[field];
    if (state->count && state->last_node != s->element && !state->irregular)
        state->irregular = ways_differ(s, state->last_node);
    state->in_array |= s->element != 0;
    state->last_node = s->element;
    s->value = state->count++;
    s->value_log[s->value_count++] = (struct join_value){field, s->element};
}

static void add_hit(struct weir_scratch *s, uint32_t condition)
{
    struct condition_log *log = &s->logs[condition];
    if (s->hit_count == LIMIT_JOIN_HITS) {
        s->over_limit = true;
        return;
    }
    if (log->epoch != s->epoch)
        *log = (struct condition_log){.epoch = s->epoch};
    log->count++;
    s->hit_log[s->hit_count++] = (struct join_hit){condition, s->value};
}

/* Conditions with defaults log what they miss: they are true for most values. */
void join_add_hit(struct weir_scratch *s, uint32_t condition)
{
    if (s->m->conditions[condition].default_count)
        s->hit_serial[condition] = s->serial;
    else
        add_hit(s, condition);
}

static void exclude_one(struct weir_scratch *s, uint32_t condition)
{
    const struct condition *c = &s->m->conditions[condition];
    if (!c->tracked)
        return;
    if (s->missed_serial[condition] != s->serial) {
        s->missed_serial[condition] = s->serial;
        s->missed[condition] = 0;
    }
    if (++s->missed[condition] == c->default_count && s->hit_serial[condition] != s->serial)
        add_hit(s, condition);
}

void join_add_misses(struct weir_scratch *s)
{
    for (uint32_t i = 0; i < s->excluded_count; i++) {
        uint32_t one;
        const uint32_t *items;
        uint32_t count = list_items(s->m->pool, &s->m->defaults[s->excluded[i]], &one, &items);
        for (uint32_t k = 0; k < count; k++)
            exclude_one(s, items[k] >> 1);
    }
    s->excluded_count = 0;
}

/* ---- afterwards: values by field, hits by condition, each in document order ---- */

static void sort_logs(struct weir_scratch *s)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < s->value_count; i++) {
        struct field_state *state = &s->fields[s->value_log[i].field];
        if (!state->filled) {
            state->start = total;
            total += state->count;
        }
        s->value_elements[state->start + state->filled++] = s->value_log[i].element;
    }
    total = 0;
    for (uint32_t i = 0; i < s->hit_count; i++) {
        struct condition_log *log = &s->logs[s->hit_log[i].condition];
        if (!log->filled) {
            log->start = total;
            total += log->count;
        }
        s->hits[log->start + log->filled++] = s->hit_log[i].value;
    }
    if (s->element_count)
        s->elements[0].last = s->element_count - 1;
    s->sorted = true;
}

/* The first index in an ascending list with list[index] >= wanted. */
static uint32_t first_not_below(const uint32_t *list, uint32_t count, uint32_t wanted)
{
    uint32_t low = 0;
    while (low < count) {
        uint32_t middle = low + (count - low) / 2;
        if (list[middle] < wanted)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

struct values {
    const uint32_t *elements;
    uint32_t count;
};

static struct values values_of(const struct weir_scratch *s, uint32_t condition)
{
    uint32_t field = s->m->conditions[condition].field;
    const struct field_state *state = &s->fields[field];
    if (state->epoch != s->epoch)
        return (struct values){NULL, 0};
    return (struct values){s->value_elements + state->start, state->count};
}

/* The first value, from number `from` on and before `end`, that makes the condition true; end: none. */
static uint32_t next_hit(const struct weir_scratch *s, uint32_t condition, uint32_t from, uint32_t end)
{
    const struct condition_log *log = &s->logs[condition];
    uint32_t count = log->epoch == s->epoch ? log->count : 0;
    const uint32_t *list = s->hits + log->start;
    uint32_t at = count ? first_not_below(list, count, from) : 0;
    if (!s->m->conditions[condition].default_count)
        return at < count && list[at] < end ? list[at] : end;
    for (; from < end && at < count && list[at] == from; from++)
        while (at < count && list[at] == from)
            at++;
    return from;
}

/* ---- regular events: from the event downwards ---- */

struct span {
    uint32_t low, high; /* values of the condition's field within an element */
};

static struct span span_of(const struct weir_scratch *s, uint32_t condition, uint32_t element)
{
    struct values values = values_of(s, condition);
    uint32_t last = s->elements[element].last;
    return (struct span){first_not_below(values.elements, values.count, element),
                         first_not_below(values.elements, values.count, last + 1)};
}

enum verdict { FAILS, HOLDS, GOES_ON };

/* One condition within one element; where its values go on through an array: which. must: it has to bind here. */
static enum verdict look(const struct weir_scratch *s, uint32_t condition, uint32_t element, bool must,
                         uint32_t *array_out)
{
    const struct condition *c = &s->m->conditions[condition];
    struct span span = span_of(s, condition, element);
    if (span.low == span.high)
        return c->absent && !must ? HOLDS : FAILS;
    uint32_t first = values_of(s, condition).elements[span.low];
    if (first != element) {
        *array_out = s->elements[ancestor_at(s, first, s->elements[element].depth + 1)].array;
        if (c->absent)
            return GOES_ON; /* the element that is chosen may lack it */
    }
    if (c->only_absent || next_hit(s, condition, span.low, span.high) == span.high)
        return FAILS;
    return first == element ? HOLDS : GOES_ON;
}

static void sort_by_group(const struct weir_scratch *s, uint32_t low, uint32_t high)
{
    for (uint32_t gap = (high - low) / 2; gap; gap /= 2)
        for (uint32_t i = low + gap; i < high; i++) {
            uint32_t member = s->order[i], at = i;
            for (; at >= low + gap && s->group[s->order[at - gap]] > s->group[member]; at -= gap)
                s->order[at] = s->order[at - gap];
            s->order[at] = member;
        }
}

static uint32_t lowest_member(const struct weir_scratch *s, uint32_t low, uint32_t high)
{
    uint32_t lowest = s->order[low];
    for (uint32_t i = low + 1; i < high; i++)
        if (s->order[i] < lowest)
            lowest = s->order[i];
    return lowest;
}

static bool holds_within(struct weir_scratch *s, const uint32_t *members, uint32_t element, uint32_t low,
                         uint32_t high);

/* Is there one element of the array, below `element`, that satisfies all of order[low … high)? */
static bool group_holds(struct weir_scratch *s, const uint32_t *members, uint32_t element, uint32_t low, uint32_t high)
{
    uint32_t condition = members[lowest_member(s, low, high)];
    if (s->m->conditions[condition].only_absent)
        return false; /* it has values here, and nothing bound before it rules them out */
    struct values values = values_of(s, condition);
    struct span span = span_of(s, condition, element);
    if (high - low == 1)
        return next_hit(s, condition, span.low, span.high) != span.high;
    uint32_t below = s->elements[element].depth + 1;
    while ((span.low = next_hit(s, condition, span.low, span.high)) != span.high) {
        uint32_t chosen = ancestor_at(s, values.elements[span.low], below);
        if (holds_within(s, members, chosen, low, high))
            return true;
        span.low = first_not_below(values.elements, values.count, s->elements[chosen].last + 1);
    }
    return false;
}

/*
 * Do the members order[low … high) hold within element? Their order there is changed, the set is not. Recursion goes as
 * deep as arrays nest, LIMIT_JSON_DEPTH at most.
 */
static bool holds_within(struct weir_scratch *s, const uint32_t *members, uint32_t element, uint32_t low, uint32_t high)
{
    uint32_t first = element ? lowest_member(s, low, high) : NONE; /* the group was chosen for it: it has to bind */
    for (uint32_t i = low; i < high;) {
        uint32_t member = s->order[i];
        switch (look(s, members[member], element, member == first, &s->group[member])) {
        case FAILS: return false;
        case HOLDS:
            s->order[i] = s->order[--high];
            s->order[high] = member;
            break;
        case GOES_ON: i++;
        }
    }
    sort_by_group(s, low, high);
    while (low < high) {
        uint32_t end = low + 1;
        while (end < high && s->group[s->order[end]] == s->group[s->order[low]])
            end++;
        if (!group_holds(s, members, element, low, end))
            return false;
        low = end;
    }
    return true;
}

/* ---- irregular events: the rule as written ---- */

static bool spend(struct weir_scratch *s)
{
    if (s->steps == LIMIT_JOIN_STEPS)
        s->over_limit = true;
    else
        s->steps++;
    return !s->over_limit;
}

static bool agrees(struct weir_scratch *s, uint32_t element)
{
    for (; element; element = s->elements[element].parent) {
        uint32_t bound = s->bound[s->elements[element].array];
        if (!spend(s) || (bound && bound != element))
            return false;
    }
    return true;
}

static uint32_t bind(struct weir_scratch *s, uint32_t element, uint32_t trail)
{
    for (; element; element = s->elements[element].parent) {
        uint32_t array = s->elements[element].array;
        if (!s->bound[array]) {
            s->bound[array] = element;
            s->trail[trail++] = array;
        }
    }
    return trail;
}

static uint32_t unbind(struct weir_scratch *s, uint32_t trail, uint32_t mark)
{
    while (trail > mark)
        s->bound[s->trail[--trail]] = 0;
    return trail;
}

static bool any_agrees(struct weir_scratch *s, struct values values)
{
    for (uint32_t i = 0; i < values.count && spend(s); i++)
        if (agrees(s, values.elements[i]))
            return true;
    return s->over_limit;
}

/* The next value for a condition that agrees with what is bound, from `from` on. count: none. */
static uint32_t next_choice(struct weir_scratch *s, uint32_t condition, uint32_t from, struct values values)
{
    if (s->m->conditions[condition].only_absent)
        return values.count;
    while ((from = next_hit(s, condition, from, values.count)) != values.count && spend(s)) {
        if (agrees(s, values.elements[from]))
            break;
        from++;
    }
    return from;
}

#define CHOICE_ABSENT UINT32_MAX /* bound nothing: no other choice is left */

/* choice[k]: where member k's search goes on. */
static bool try_assignments(struct weir_scratch *s, const uint32_t *members, uint32_t count)
{
    uint32_t member = 0, trail = 0;
    bool found = false;
    s->choice[0] = 0;
    while (!s->over_limit) {
        if (member == count) {
            found = true;
            break;
        }
        uint32_t condition = members[member];
        struct values values = values_of(s, condition);
        uint32_t from = s->choice[member];
        uint32_t chosen = from == CHOICE_ABSENT ? values.count : next_choice(s, condition, from, values);
        s->trail_mark[member] = trail;
        if (chosen < values.count) {
            s->choice[member] = chosen + 1;
            trail = bind(s, values.elements[chosen], trail);
        } else if (from == 0 && s->m->conditions[condition].absent && !any_agrees(s, values)) {
            s->choice[member] = CHOICE_ABSENT;
        } else if (member-- == 0) {
            break;
        } else {
            trail = unbind(s, trail, s->trail_mark[member]);
            continue;
        }
        if (++member < count)
            s->choice[member] = 0;
    }
    unbind(s, trail, 0);
    return found && !s->over_limit;
}

bool join_holds(struct weir_scratch *s, const struct conjunction *conjunction)
{
    const uint32_t *members = s->m->members + conjunction->first;
    bool irregular = false;
    if (!s->sorted)
        sort_logs(s);
    for (uint32_t i = 0; i < conjunction->count; i++) {
        const struct field_state *state = &s->fields[s->m->conditions[members[i]].field];
        irregular |= state->epoch == s->epoch && state->irregular;
        s->order[i] = i;
    }
    return irregular ? try_assignments(s, members, conjunction->count)
                     : holds_within(s, members, 0, 0, conjunction->count);
}
