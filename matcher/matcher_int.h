/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_MATCHER_INT_H
#define MATCHER_MATCHER_INT_H

/*
 * The compiled set, as weir_match() reads it, and one thread's working memory. matcher/HACKING tells how an event runs
 * through it.
 *
 *     keys ──> trie node ──field──> tests on the value ──list──> conditions ──list──> conjunctions ──list──> ids
 *
 * Everything of a set lives in one arena. "List" below is a list_ref: a short list of numbers, packed.
 */

#include <assert.h>
#include <stdatomic.h>

#include "matcher/arena.h"
#include "matcher/limits.h"
#include "matcher/weir.h"

#define NONE UINT32_MAX

/* ---- lists: 0 is empty, the top bit set is one item in place, else an index into pool: count, items ---- */

#define LIST_ONE 0x80000000u

static inline uint32_t list_items(const uint32_t *pool, const uint32_t *list, uint32_t *one, const uint32_t **items_out)
{
    if (*list & LIST_ONE) {
        *one = *list & ~LIST_ONE;
        *items_out = one;
        return 1;
    }
    *items_out = pool + *list + 1;
    return pool[*list]; /* pool[0] is 0: the empty list */
}

/* What a test's list holds: conditions that it makes true, defaults that it makes false for this value. */
static inline uint32_t item_condition(uint32_t condition)
{
    return condition << 1;
}
static inline uint32_t item_exclude(uint32_t default_number)
{
    return default_number << 1 | 1;
}

/* ---- paths ---- */

struct trie_edge {
    uint64_t head; /* the key's first eight bytes */
    uint32_t size;
    uint32_t text;  /* the whole key in texts, where it is longer than eight bytes */
    uint32_t child; /* 0 where a hashed node has a free place */
};

struct trie_node {
    uint32_t edges;      /* first of them */
    uint32_t edge_mask;  /* where hashed: places - 1; else 0 */
    uint32_t edge_count; /* where not hashed */
    uint32_t field;      /* NONE: no pattern asks for a value here */
    bool deep;           /* some child has children, so that a key with dots in it may lead somewhere */
    bool join;           /* a conjunction asks for two fields at or below: array elements here must be told apart */
};

/* ---- tests, by field ---- */

/* Exact values: strings, numbers, addresses, networks. Key and value in one place: one cache miss a lookup. */
enum value_kind { VALUE_STRING, VALUE_NUMBER, VALUE_LITERAL, VALUE_ADDRESS, VALUE_NETWORK };

struct value_slot {
    uint64_t head;
    uint32_t size;
    uint32_t field_kind; /* field * 8 + kind */
    uint32_t text;       /* as in trie_edge */
    uint32_t list;       /* 0: free place */
};

struct value_table {
    struct value_slot *slots;
    uint32_t mask;
    const char *texts;
};

uint32_t value_table_find(const struct value_table *t, uint32_t field, enum value_kind kind, const char *key,
                          size_t size);
/* Room for `count` values; false: out of memory. */
bool value_table_init(struct value_table *t, struct arena *keep, size_t count);
void value_table_add(struct value_table *t, uint32_t field, enum value_kind kind, struct str key, uint32_t text,
                     uint32_t list);

/* Byte tries: prefixes, suffixes (walked backwards) and what ignores case. All fields' tries share these arrays. */
struct byte_node {
    uint32_t first;   /* of its children */
    uint32_t symbols; /* first of them */
    uint16_t count;   /* children by byte; BYTE_NODE_DENSE: one for every byte, 0 where there is none */
    uint16_t symbol_count;
    uint32_t here;   /* list: the text so far matches whatever follows */
    uint32_t at_end; /* list: it matches if the value ends here */
};
#define BYTE_NODE_DENSE 256

/* A character with two spellings of which one at least is not one ASCII letter. */
struct byte_symbol {
    char spellings[2][12];
    uint8_t sizes[2];
    uint32_t child;
};

struct byte_tries {
    struct byte_node *nodes; /* [0] is no trie */
    uint8_t *labels;
    uint32_t *children;
    struct byte_symbol *symbols;
    uint32_t symbol_count;
};

struct weir_scratch;
void byte_trie_walk(struct weir_scratch *s, uint32_t root, struct str value);
void byte_trie_walk_back(struct weir_scratch *s, uint32_t root, struct str value);
void byte_trie_walk_fold(struct weir_scratch *s, uint32_t root, struct str value);
void byte_trie_walk_fold_back(struct weir_scratch *s, uint32_t root, struct str value);

/* Numeric ranges of one field: a segment tree over the sorted end points and the gaps between them. */
struct range_set {
    double *points;
    uint32_t point_count;
    uint32_t leaves;  /* power of two, at least 2 * point_count + 1 */
    uint32_t *starts; /* of each tree node's lists; [2 * leaves] */
    uint32_t *lists;
};

struct range_input {
    double low, high;
    bool low_open, high_open;
    uint32_t list;
};

bool range_set_init(struct range_set *set, struct arena *keep, struct arena *temp, const struct range_input *ranges,
                    uint32_t count);
void range_set_match(struct weir_scratch *s, const struct range_set *set, double value);

/* Wildcards of one field, side by side in 64-bit words: a bit a literal byte, shift-and over the value. */
struct wildcard_set {
    uint32_t words;
    uint32_t long_from;     /* words from here on belong to wildcards that span words: bits carry over */
    uint8_t classes[256];   /* byte -> row of steps; 0: in no wildcard's literals */
    uint64_t *start, *stay; /* [words]; stay: bits behind which a star stands */
    uint64_t *steps;        /* [class][words]: bits that this byte may lead to */
    uint64_t *last;         /* [words]: bits at which a wildcard is complete */
    uint32_t count;
    uint32_t *ends; /* bit number at which each wildcard is complete */
    uint32_t *lists;
};

struct wildcard_input {
    struct str text;
    uint32_t list;
};

bool wildcard_set_init(struct wildcard_set *set, struct arena *keep, struct arena *temp,
                       const struct wildcard_input *wildcards, uint32_t count);
void wildcard_set_match(struct weir_scratch *s, const struct wildcard_set *set, struct str value);

/* Regular expressions of one field (regex.h), and what finds the literals without which they need not run. */
struct regex {
    void *code;      /* pcre2_code */
    struct str text; /* as written */
    uint32_t list;   /* conditions only: nothing excludes by regex */
};

struct regex_literal {
    struct str text;
    uint32_t regex;        /* in the set */
    uint32_t window, next; /* hashed: which four bytes of it; the next of the same hash, from 1 */
};

struct regex_set {
    struct regex_set *next; /* of the whole matcher's sets, for release */
    struct regex *list;
    uint32_t count;
    uint32_t first;   /* number of the first in scratch.regex_seen */
    uint32_t *always; /* without literals */
    uint32_t always_count;
    struct regex_literal *literals; /* those to look for one by one, then … */
    uint32_t literal_count, hashed_from;
    uint32_t *heads; /* … those found by four bytes of theirs: [hash], from 1; NULL: none */
    uint32_t shift;  /* of the hash */
};

struct regex_input {
    struct str text;
    uint32_t list;
};

bool regex_set_init(struct regex_set *set, struct arena *keep, struct arena *temp, const struct regex_input *regexes,
                    uint32_t count);
void regex_set_release(struct regex_set *set);
void regex_set_match(struct weir_scratch *s, const struct regex_set *set, struct str value);

struct field {
    bool tracked; /* its values are written down with their array elements: a conjunction joins it */
    bool strings, numbers, addresses;                 /* has tests of exact strings; on numbers; on addresses */
    uint32_t prefixes, suffixes, folded, folded_back; /* roots; 0: none */
    uint32_t words[3];                                /* lists: true, false, null */
    uint32_t defaults, default_count;                 /* in weir_matcher.defaults */
    const struct range_set *ranges;
    const struct wildcard_set *wildcards;
    const struct regex_set *regexes;
    uint32_t v4_networks; /* bit n: some network has n leading bits, n < 32 */
    uint64_t v6_networks[2];
};

/* ---- conditions and conjunctions ---- */

/* A leaf of some pattern: a set of tests on one field. Two equal ones are one. */
struct condition {
    uint32_t field;
    uint32_t conjunctions;  /* list: those that hang on this condition */
    uint32_t default_count; /* of its tests, those that are true unless excluded (exists, anything-but) */
    bool absent;            /* exists:false is among the alternatives */
    bool only_absent;
    bool tracked; /* in a conjunction that joins: hits are written down with their array elements */
};

struct conjunction {
    uint32_t first, count; /* in weir_matcher.members: its conditions, in path order */
    uint32_t ids;          /* list of ranks */
    bool join;             /* two of its fields may come from one array */
};

struct weir_matcher {
    atomic_uint references;
    struct arena keep;
    struct trie_node *trie; /* [0] is the root */
    struct trie_edge *edges;
    char *texts; /* keys and values longer than eight bytes */
    struct field *fields;
    struct value_table values;
    struct byte_tries tries;
    uint32_t *defaults; /* lists: what becomes true for a value that excludes it not; by field */
    struct condition *conditions;
    struct conjunction *conjunctions;
    uint32_t *members;
    uint32_t *pool;   /* of lists */
    uint32_t *unhung; /* conjunctions that have no condition to hang on: looked at for every event */
    uint32_t *ids;    /* ascending; a rank is an index here */
    uint32_t field_count, default_count, condition_count, conjunction_count, unhung_count, id_count;
    uint32_t members_max; /* of a conjunction */
    uint32_t words_max;   /* of a wildcard_set */
    bool joins;           /* some conjunction joins */
    struct regex_set *regex_sets;
    uint32_t regex_count;
    size_t regex_bytes; /* held by PCRE2 */
};

/* ---- one thread's working memory ---- */

struct field_state {
    uint32_t epoch;         /* the event it was last seen in; the rest is stale where that is not this one */
    uint32_t pending;       /* defaults that no value has made true yet: that many, first in scratch.pending */
    uint32_t count;         /* tracked: values so far … */
    uint32_t last_node;     /* … and the element the latest came from */
    uint32_t start, filled; /* its part of scratch.value_nodes, once sorted */
    bool in_array;          /* some value came from within an array that matters */
    bool irregular;         /* from one element, two ways lead here (join.c) */
};

struct condition_log {
    uint32_t epoch;
    uint32_t count;
    uint32_t start, filled; /* its part of scratch.hits, once sorted */
};

/* An element of an array that matters; [0] is the event itself. */
struct element {
    uint32_t parent;
    uint32_t jump;  /* some ancestor: log(depth) jumps lead to any */
    uint32_t array; /* which array it is an element of */
    uint32_t last;  /* the last element within it; NONE while it is open */
    uint32_t depth;
};

struct join_value {
    uint32_t field, element;
};
struct join_hit {
    uint32_t condition, value; /* the how many-th value of its field */
};
struct fold_step {
    uint32_t node;
    uint32_t at;
};

struct weir_scratch {
    struct weir_matcher *m;
    uint32_t epoch;  /* of the event: marks made in older ones are stale without being wiped */
    uint32_t serial; /* of the value, likewise */

    struct field_state *fields;
    uint32_t *condition_epoch; /* true in this event */
    uint32_t *hung_hits;       /* conditions that became true and have conjunctions hanging on them */
    uint32_t hung_hit_count;
    uint32_t *excluded_serial; /* by default */
    uint32_t *pending;         /* defaults, by field */
    uint32_t *excluded;        /* defaults excluded by this value (tracked fields only) */
    uint32_t excluded_count;
    uint64_t *rank_bits, *rank_summary; /* matched ids; all zero between events */
    uint32_t *ids;
    long matched; /* how many */
    uint64_t *wildcard_bits;
    struct fold_step *fold_steps;

    /* join.c */
    uint32_t value;   /* number of the present value in its field, or NONE: not tracked */
    uint32_t element; /* where the walk is */
    uint32_t element_count, array_count;
    uint32_t value_count, hit_count;
    bool sorted, over_limit;
    uint32_t steps; /* spent of LIMIT_JOIN_STEPS */
    struct condition_log *logs;
    uint32_t *hit_serial, *missed_serial, *missed; /* by condition */
    uint32_t *order, *group;                       /* of a conjunction's members */
    uint32_t *choice, *trail_mark;
    struct element *elements;
    struct join_value *value_log;
    struct join_hit *hit_log;
    uint32_t *value_elements, *hits; /* the logs, sorted by field and by condition */
    uint32_t *bound, *trail;

    struct regex_runner *regex_runner; /* NULL: no regexes */
    uint32_t *regex_seen;              /* by regex: serial of the value that it was run for last */
    uint32_t *given_up;                /* by condition: epoch of the event in which one of its regexes was given up */
    bool any_given_up;                 /* in this event */
    bool regexes_over;                 /* all of them are, from here on */
    uint32_t *given_up_ids;
    char *regex_heap;

    char *decoded; /* a string whose escapes were undone */
    void *block;   /* what malloc gave; the rest points into it … */
    void *pages;   /* … or into this mapping, of which only touched pages cost memory */
    size_t pages_size;
};

bool scratch_init(struct weir_scratch *s, struct weir_matcher *m);
void scratch_fini(struct weir_scratch *s);

/* ---- an event's value, against its field (evaluate.c) ---- */

enum evaluate_word { EVALUATE_TRUE, EVALUATE_FALSE, EVALUATE_NULL };

void evaluate_string(struct weir_scratch *s, uint32_t field, struct str decoded);
void evaluate_number(struct weir_scratch *s, uint32_t field, struct str literal);
void evaluate_word(struct weir_scratch *s, uint32_t field, enum evaluate_word word);
/* A test came true for the present value: whatever its list names. */
void evaluate_list(struct weir_scratch *s, uint32_t list);

/* ---- arrays (join.c) ---- */

void join_begin(struct weir_scratch *s);
uint32_t join_array_open(struct weir_scratch *s); /* gives the array's number */
void join_element_open(struct weir_scratch *s, uint32_t array);
void join_element_close(struct weir_scratch *s);
void join_add_value(struct weir_scratch *s, uint32_t field);
void join_add_hit(struct weir_scratch *s, uint32_t condition);
/* Conditions whose defaults this value excludes, and which nothing else made true. */
void join_add_misses(struct weir_scratch *s);
/* Do conjunction's conditions, each true for some value, also agree on array elements? */
bool join_holds(struct weir_scratch *s, const struct conjunction *conjunction);

/* ---- the walk over the event's text (walk.c) ---- */

/* False: the text is not an event, see weir_event_check(). */
bool walk_event(struct weir_scratch *s, struct str event, enum weir_mode mode);

#endif
