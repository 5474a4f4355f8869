/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_PATTERN_INT_H
#define MATCHER_PATTERN_INT_H

/*
 * Private to matcher/pattern*.c: the parser's state and the few moves that all of its files make. A function that
 * returns bool has filled in the diagnosis where it returns false. After a failure every further token is
 * JSON_ERROR and every further diagnosis is dropped, so code checks for what it wants and needs no third case.
 */

#include "matcher/pattern.h"

struct parser {
    struct arena *arena;
    struct pattern_source *source;
    struct weir_diag *diag;
    struct pattern_token token; /* the present one */
    bool text_read;             /* its text was asked for: AWS then names the column behind it */
    bool in_list;               /* inside a list of anything-but, where AWS words the place twice */
    bool failed;

    /* pattern.c: */
    struct buf path;                    /* of the present object */
    int depth;                          /* objects open, those that are branches of $or apart: */
    int or_depth;                       /* … here, because they add nothing to the path */
    const struct pattern_leaf **leaves; /* every leaf read, in document order */
    uint32_t leaf_count, leaf_capacity;
    size_t path_bytes; /* of all leaves */
    size_t uses;       /* leaves written into drafts */
};

enum json_type parser_next(struct parser *p);
struct str parser_text(struct parser *p); /* of the present token, which counts as read from now on; may fail: "" */
struct str parser_token_text(struct parser *p); /* the same for any token: "{" for a brace and so on */

/* AWS's reason, with its place once, or twice inside a list of anything-but. */
bool parser_fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* AWS's reason without a place. */
bool parser_fail_bare(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool parser_fail_limit(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool parser_fail_memory(struct parser *p);

/* A growing array of atoms in the parser's arena. */
struct atoms {
    struct pattern_atom *list;
    uint32_t count, capacity;
};
struct pattern_atom *atoms_add(struct parser *p,
                               struct atoms *atoms); /* zeroed, placed at the present token; NULL: failed */

/* The plain string value: an exact match, or an address where the text is one. */
void atom_set_string(struct pattern_atom *atom, struct str text);
void atom_set_number(struct pattern_atom *atom, struct str literal);

/* ---- operators: the present token is the match object's brace; all of the object is read ---- */
bool operator_parse(struct parser *p, struct pattern_atom *atom);
bool operator_parse_anything_but(struct parser *p, struct pattern_atom *atom);
bool operator_parse_numeric(struct parser *p, struct pattern_atom *atom);
bool operator_parse_regex(struct parser *p, struct pattern_atom *atom);
bool operator_end(struct parser *p, const char *else_reason); /* reads the closing brace, or fails */
bool operator_check_wildcard(struct parser *p, struct str text);

#endif
