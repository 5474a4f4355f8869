/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public doors (weir.h), and the last step of matching: which conjunctions hold, once the walk is over and every
 * condition that is true in this event is marked.
 *
 * Conjunctions are reached from the condition they hang on, so only those are looked at whose most selective condition
 * is true. Ids are gathered as bits with a summary above them, so they come out ascending and once, unsorted input or
 * not.
 */
#include "matcher/json.h"
#include "matcher/regex.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- matcher and scratch ---- */

struct weir_matcher *weir_matcher_ref(struct weir_matcher *m)
{
    atomic_fetch_add(&m->references, 1);
    return m;
}

void weir_matcher_unref(struct weir_matcher *m)
{
    if (!m || atomic_fetch_sub(&m->references, 1) != 1)
        return;
    for (struct regex_set *set = m->regex_sets; set; set = set->next)
        regex_set_release(set);
    arena_fini(&m->keep);
    free(m);
}

size_t weir_matcher_bytes(const struct weir_matcher *m)
{
    return sizeof(*m) + m->keep.total + m->regex_bytes;
}

struct weir_scratch *weir_scratch_create(struct weir_matcher *m)
{
    struct weir_scratch *s = malloc(sizeof(*s));
    if (!s || !scratch_init(s, m)) {
        free(s);
        return NULL;
    }
    weir_matcher_ref(m);
    return s;
}

void weir_scratch_destroy(struct weir_scratch *s)
{
    if (!s)
        return;
    weir_matcher_unref(s->m);
    scratch_fini(s);
    free(s);
}

const char *weir_version(void)
{
    return WEIR_VERSION;
}

/* ---- what is wrong with an event ---- */

static void fail(struct weir_diag *diag, enum weir_code code, const char *message)
{
    *diag = (struct weir_diag){.code = code};
    snprintf(diag->message, sizeof(diag->message), "%s", message);
}

static bool size_ok(size_t size, struct weir_diag *diag)
{
    if (size <= LIMIT_EVENT_BYTES)
        return true;
    fail(diag, WEIR_E_LIMIT, "event is larger than 16777216 bytes (LIMIT_EVENT_BYTES)");
    return false;
}
static_assert(LIMIT_EVENT_BYTES == 16777216, "the message names the limit");

static bool is_object(struct str event, struct weir_diag *diag)
{
    size_t at = 0;

    while (strchr(" \t\r\n", event.ptr[at])) /* checked: there is a value */
        at++;
    if (event.ptr[at] == '{')
        return true;
    fail(diag, WEIR_E_JSON, "event must be a JSON object");
    diag->offset = at;
    json_place(event, at, &diag->line, &diag->column);
    return false;
}

static bool check_event(struct str event, struct weir_diag *diag)
{
    return json_check(event, NULL, diag) && is_object(event, diag);
}

bool weir_event_check(const char *event, size_t size, struct weir_diag *diag)
{
    struct weir_diag unread;

    diag = diag ? diag : &unread;
    return size_ok(size, diag) && check_event((struct str){event, size}, diag);
}

/* ---- matching ---- */

static void begin_event(struct weir_scratch *s)
{
    const struct weir_matcher *m = s->m;
    if (++s->epoch == 0) { /* once in 2^32 events: stale marks must not look new */
        memset(s->fields, 0, m->field_count * sizeof(*s->fields));
        memset(s->condition_epoch, 0, m->condition_count * sizeof(*s->condition_epoch));
        if (m->regex_count)
            memset(s->given_up, 0, m->condition_count * sizeof(*s->given_up));
        if (m->joins)
            memset(s->logs, 0, m->condition_count * sizeof(*s->logs));
        s->epoch = 1;
    }
    s->hung_hit_count = s->excluded_count = 0;
    s->any_given_up = s->regexes_over = false;
    s->matched = 0;
    if (s->regex_runner)
        regex_runner_begin(s->regex_runner);
    join_begin(s);
}

/* Without regard to arrays: some value satisfies it, or there is none and there may be none. */
static bool condition_holds(const struct weir_scratch *s, uint32_t number)
{
    const struct condition *condition = &s->m->conditions[number];
    return s->condition_epoch[number] == s->epoch ||
           (condition->absent && s->fields[condition->field].epoch != s->epoch);
}

static bool field_in_array(const struct weir_scratch *s, uint32_t number)
{
    const struct field_state *state = &s->fields[s->m->conditions[number].field];
    return state->epoch == s->epoch && state->in_array;
}

static bool conjunction_holds(struct weir_scratch *s, const struct conjunction *conjunction)
{
    const uint32_t *members = s->m->members + conjunction->first;
    uint32_t in_arrays = 0;
    bool joined = conjunction->join && s->element_count > 1;
    for (uint32_t i = 0; joined && i < conjunction->count; i++)
        in_arrays += field_in_array(s, members[i]);
    joined = in_arrays > 1;
    for (uint32_t i = 0; i < conjunction->count; i++)
        if (!condition_holds(s, members[i]) && !(joined && s->m->conditions[members[i]].absent))
            return false;
    return !joined || join_holds(s, conjunction);
}

static void add_ids(struct weir_scratch *s, const struct conjunction *conjunction)
{
    uint32_t one;
    const uint32_t *ranks;
    uint32_t count = list_items(s->m->pool, &conjunction->ids, &one, &ranks);
    for (uint32_t i = 0; i < count; i++) {
        s->rank_bits[ranks[i] / 64] |= (uint64_t)1 << ranks[i] % 64;
        s->rank_summary[ranks[i] / 4096] |= (uint64_t)1 << ranks[i] / 64 % 64;
    }
}

static void gather(struct weir_scratch *s, uint32_t number)
{
    const struct conjunction *conjunction = &s->m->conjunctions[number];
    if (conjunction->count > 1 || s->m->conditions[s->m->members[conjunction->first]].absent)
        if (!conjunction_holds(s, conjunction))
            return;
    add_ids(s, conjunction);
}

/* The gathered bits as ids; wiped on the way. */
static long read_ids(struct weir_scratch *s, uint32_t *out)
{
    long count = 0;
    for (uint32_t block = 0; block <= s->m->id_count / 4096; block++) {
        for (; s->rank_summary[block]; s->rank_summary[block] &= s->rank_summary[block] - 1) {
            uint32_t word = block * 64 + (uint32_t)__builtin_ctzll(s->rank_summary[block]);
            for (; s->rank_bits[word]; s->rank_bits[word] &= s->rank_bits[word] - 1)
                out[count++] = s->m->ids[word * 64 + (uint32_t)__builtin_ctzll(s->rank_bits[word])];
        }
    }
    return count;
}

static long match_marked(struct weir_scratch *s)
{
    const struct weir_matcher *m = s->m;
    for (uint32_t i = 0; i < s->hung_hit_count; i++) {
        uint32_t one;
        const uint32_t *conjunctions;
        uint32_t count = list_items(m->pool, &m->conditions[s->hung_hits[i]].conjunctions, &one, &conjunctions);
        for (uint32_t k = 0; k < count; k++)
            gather(s, conjunctions[k]);
    }
    for (uint32_t i = 0; i < m->unhung_count; i++)
        gather(s, m->unhung[i]);
    return read_ids(s, s->ids);
}

long weir_match(const struct weir_matcher *m, struct weir_scratch *s, const char *event, size_t size,
                enum weir_mode mode, const uint32_t **ids, struct weir_diag *diag)
{
    struct weir_diag unread;
    struct str text = {event, size};
    diag = diag ? diag : &unread;
    assert(s->m == m);
    if (!size_ok(size, diag))
        return -1;
    begin_event(s);
    if (!walk_event(s, text, mode)) {
        check_event(text, diag);
        return -1;
    }
    long count = match_marked(s);
    if (s->over_limit) {
        fail(diag, WEIR_E_LIMIT,
             s->hit_count == LIMIT_JOIN_HITS
                 ? "event has more than 16777216 values to join in arrays (LIMIT_JOIN_HITS)"
                 : "event repeats keys around arrays in too many ways: more than 1048576 steps (LIMIT_JOIN_STEPS)");
        return -1;
    }
    *ids = s->ids;
    return s->matched = count;
}
static_assert(LIMIT_JOIN_HITS == 16777216 && LIMIT_JOIN_STEPS == 1048576, "the messages name the limits");

/* ---- what was given up ---- */

/*
 * Might it hold if the regexes that were given up matched? Every condition must hold or be one of theirs. Where
 * elements of arrays are told apart, one that holds might also have held for another element.
 */
static bool is_open(const struct weir_scratch *s, const struct conjunction *conjunction)
{
    const uint32_t *members = s->m->members + conjunction->first;
    bool open = false;
    for (uint32_t i = 0; i < conjunction->count; i++) {
        const struct condition *condition = &s->m->conditions[members[i]];
        bool holds = condition_holds(s, members[i]);
        bool given_up = s->given_up[members[i]] == s->epoch && s->fields[condition->field].epoch == s->epoch;
        if (!holds && !given_up)
            return false;
        open |= given_up && (!holds || conjunction->join);
    }
    return open;
}

/* Takes those out that matched after all; both lists ascend. */
static long without_matched(const struct weir_scratch *s, uint32_t *ids, long count)
{
    long kept = 0, matched = 0;
    for (long i = 0; i < count; i++) {
        while (matched < s->matched && s->ids[matched] < ids[i])
            matched++;
        if (matched == s->matched || s->ids[matched] != ids[i])
            ids[kept++] = ids[i];
    }
    return kept;
}

long weir_match_given_up(struct weir_scratch *s, const uint32_t **ids)
{
    if (!s->any_given_up)
        return 0;
    for (uint32_t i = 0; i < s->m->conjunction_count; i++)
        if (is_open(s, &s->m->conjunctions[i]))
            add_ids(s, &s->m->conjunctions[i]);
    *ids = s->given_up_ids;
    return without_matched(s, s->given_up_ids, read_ids(s, s->given_up_ids));
}
