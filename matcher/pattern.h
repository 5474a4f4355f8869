/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_PATTERN_H
#define MATCHER_PATTERN_H

/*
 * An event pattern, parsed and validated, not yet compiled: what the compiler (compile.h), explain and
 * lint read. Semantics: weir-pattern(7).
 *
 * A pattern is a disjunction of conjunctions ($or is multiplied out, at most LIMIT_OR_COMBINATIONS); a
 * conjunction is a list of leaves, at most one a path; a leaf is a list of alternatives (atoms).
 *
 *     {"a": {"b": ["x", {"prefix": "y"}]}, "$or": [{"c": [1]}, {"d": [2]}]}
 *
 *     conjunction 0:  leaf "a.b" {string x | prefix y},  leaf "c" {number 1}
 *     conjunction 1:  leaf "a.b" {string x | prefix y},  leaf "d" {number 2}
 *
 * Leaves of a conjunction are sorted by path in UTF-16 code unit order: the order in which array elements
 * are bound and exists:false is judged. Everything lives in the arena given to pattern_parse().
 *
 * The parser eats positioned tokens, so JSON and YAML patterns go the same way.
 */

#include "matcher/arena.h"
#include "matcher/json.h"
#include "matcher/weir.h"

enum pattern_op {
    /* exact values */
    PATTERN_STRING, /* text; address set where the text is an IP literal: then any spelling of it matches */
    PATTERN_NUMBER, /* number where comparable, else the literal text */
    PATTERN_TRUE,
    PATTERN_FALSE,
    PATTERN_NULL,
    /* string tests on text */
    PATTERN_PREFIX,
    PATTERN_PREFIX_FOLD, /* prefix: {equals-ignore-case: …} */
    PATTERN_SUFFIX,
    PATTERN_SUFFIX_FOLD,
    PATTERN_EQUALS_FOLD, /* equals-ignore-case */
    PATTERN_WILDCARD,    /* text: the operand as written; escapes \* and \\ still in it, validated */
    PATTERN_REGEX,       /* text: the expression; it compiles. PATTERN_EXTENDED only */
    /* other tests */
    PATTERN_RANGE,  /* numeric */
    PATTERN_CIDR,   /* address, address_bits, address_size */
    PATTERN_EXISTS, /* exists: true */
    PATTERN_ABSENT, /* exists: false */
    /* anything-but: matches a present leaf value that matches none of `excluded` (each a STRING without
       address meaning, NUMBER, PREFIX, SUFFIX, EQUALS_FOLD or WILDCARD) */
    PATTERN_ANYTHING_BUT
};

struct pattern_atom {
    enum pattern_op op;
    bool comparable; /* NUMBER: number holds it; else only the identical literal text matches */
    bool has_low, has_high, low_open, high_open; /* RANGE; open: the bound itself is outside */
    uint8_t address_size;                        /* STRING: 0 or 4 or 16; CIDR: 4 or 16 */
    uint8_t address_bits;                        /* CIDR: leading bits that count */
    uint8_t address[16];
    struct str text;                     /* decoded operand; NUMBER: the literal as written */
    double number;                       /* NUMBER */
    double low, high;                    /* RANGE; "=" gives low == high, both closed */
    const struct pattern_atom *excluded; /* ANYTHING_BUT: array of excluded_count */
    uint32_t excluded_count;
    int line, column; /* where the atom starts */
};

struct pattern_leaf {
    struct str path; /* keys joined with '.', as decoded */
    const struct pattern_atom *atoms;
    uint32_t atom_count;
    int line, column; /* of the key */
};

struct pattern_conjunction {
    const struct pattern_leaf *const *leaves; /* sorted, see above; a leaf may be shared by conjunctions */
    uint32_t leaf_count;
};

struct pattern {
    const struct pattern_conjunction *conjunctions;
    uint32_t conjunction_count;
    /* Where a field is written twice for one conjunction, by repeated keys or beside $or and in it, the later one
       counts: the first such pair, for lint; or both NULL. */
    const struct pattern_leaf *replaced, *replacement;
};

/* ---- tokens in ---- */

struct pattern_token {
    enum json_type type; /* JSON_ERROR: fault says why; JSON_END: no more */
    struct str text;     /* KEY, STRING: decoded; NUMBER: the literal; valid until the arena goes */
    int line, column;    /* where the token starts */
    int stop_column;     /* the column AWS names when it stops on this token with its text unread … */
    int read_column;     /* … and once it was read (differs for strings only) */
    int stop_line;
    int behind, open_line, open_column; /* with fault: as in struct weir_diag */
    const char *fault;                  /* JSON_ERROR: the reason, AWS's wording; stop_line and stop_column say where */
    enum weir_code code; /* JSON_ERROR: WEIR_E_JSON, WEIR_E_LIMIT, WEIR_E_MEMORY; 0 stands for WEIR_E_PATTERN */
};

/* AWS's operators and nothing more; or also those of ours that AWS refuses. */
enum pattern_language { PATTERN_AWS, PATTERN_EXTENDED };

struct pattern_source {
    /*
     * Gives the next token; JSON_END once the pattern's last brace was given. AWS's parser has read the first token
     * of a key's value by the time it hands out the key, so in JSON a key's stop column is that token's.
     */
    void (*next)(struct pattern_source *self, struct pattern_token *token);
    enum pattern_language language; /* in which the pattern is written; unset: AWS's */
};

/*
 * Parses one pattern into a. NULL: diag has AWS's reason (bare), tail, line and column; or out of memory.
 * Duplicate keys: the last wins (by flat path, in document order); the JSON source has no strict mode.
 */
const struct pattern *pattern_parse(struct arena *a, struct pattern_source *source, struct weir_diag *diag);
/* The same of JSON, in AWS's language or another. */
const struct pattern *pattern_parse_json(struct arena *a, struct str text, struct weir_diag *diag);
const struct pattern *pattern_parse_json_in(struct arena *a, enum pattern_language language, struct str text,
                                            struct weir_diag *diag);

/*
 * How many states of a wildcard's automaton can be alive at once, AWS's measure of complexity.
 * The wildcard must be valid. UINT_MAX when out of memory.
 */
unsigned pattern_wildcard_complexity(struct str wildcard);
/* The first atom with a wildcard that is more complex than LIMIT_AWS_COMPLEXITY; NULL: none. */
const struct pattern_atom *pattern_too_complex(const struct pattern *pattern);
/* The first atom that PATTERN_AWS does not have; NULL: none. */
const struct pattern_atom *pattern_extension(const struct pattern *pattern);

/* <0, 0, >0: UTF-16 code unit order of two UTF-8 texts. */
int pattern_path_cmp(struct str a, struct str b);

/* The operator table, for messages, help, schema and tests: name as written in patterns, operand by kind and in words.
 */
enum pattern_operand {
    OPERAND_TEXT,
    OPERAND_AFFIX, /* text, or {"equals-ignore-case": text} */
    OPERAND_ANYTHING_BUT,
    OPERAND_NUMERIC,
    OPERAND_FLAG,
    OPERAND_CIDR,
    OPERAND_KINDS
};
struct pattern_operator {
    const char *name;
    enum pattern_operand kind;
    const char *operand;
    const char *meaning;
    enum pattern_language language;
};
extern const struct pattern_operator pattern_operators[];
extern const size_t pattern_operator_count;

#endif
