/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_YAML_H
#define RULES_YAML_H

/*
 * YAML as weir.yaml reads it: a tree of nodes, each with its place. The tree is built first; commands read it
 * after, so that every error can point at what it is about.
 *
 *     struct arena temp = ARENA_INIT;
 *     const struct node *root = yaml_parse(&temp, "weir.yaml", text, diags);
 *     const struct node *region = node_get(root, "region");
 *
 * What YAML offers and Weir takes: block and flow style, all five scalar styles, comments, anchors and aliases
 * (an alias is the same node, not a copy), merge keys (<<: explicit keys win, then the first merged mapping).
 * Refused: tags, several documents in one file, keys that are no scalars, a key twice in one mapping.
 *
 * Keys are always text. Values have JSON's types and JSON's spellings: true, false, null and JSON's numbers are
 * what they are in JSON, every other bare word is text; but a bare word that some YAML reader takes for a
 * boolean, a null or a number, and JSON does not, is an error that asks for quotes (yaml_scalar.c has the list).
 *
 * The nodes, their texts and positions live in the arena. `file` and the text must live as long as the nodes.
 */

#include <stdint.h>

#include "matcher/arena.h"
#include "matcher/diag.h"

#define YAML_FILE_BYTES_MAX (64u << 20) /* 100,000 rules are some 50 MB */
#define YAML_NODES_MAX      10000000u   /* aliases followed: what a walk over the whole tree may meet */
#define YAML_DEPTH_MAX      128         /* nested lists and mappings: walks over the tree recurse */

enum node_type {
    NODE_FAULT, /* a scalar that was reported already: whoever reads it fails without another word */
    NODE_NULL,
    NODE_FALSE,
    NODE_TRUE,
    NODE_NUMBER, /* text: the literal, JSON grammar */
    NODE_TEXT,
    NODE_LIST,
    NODE_MAP
};

enum node_style { NODE_PLAIN, NODE_SINGLE_QUOTED, NODE_DOUBLE_QUOTED, NODE_LITERAL, NODE_FOLDED };

struct node_pair {
    const struct node *key, *value;
};

struct node {
    enum node_type type;
    enum node_style style; /* scalars */
    bool anchored;         /* lists and mappings: has an anchor, so that it may be meant for many places */
    struct diag_pos pos;   /* block scalars: where their content starts, not the | */
    struct str text;       /* scalars: the value; an empty one that was not quoted is NODE_NULL with size 0 */
    struct str raw;        /* one-line scalars: the file from the content to the end of the line; else NULL */
    union {
        const struct node *const *items; /* NODE_LIST */
        const struct node_pair *pairs;   /* NODE_MAP, in order; merged pairs last */
    };
    uint32_t count;  /* of items or pairs */
    uint32_t weight; /* nodes that a walk from here meets */
};

/*
 * The tree of one file, or NULL: text is no YAML (one error in diags). Other faults (traps, repeated keys, tags)
 * are added to diags, all of them, and the tree is returned for further checks: ask diags_ok() in the end.
 * An empty file gives a NODE_NULL. Out of memory sets diags->out_of_memory.
 */
const struct node *yaml_parse(struct arena *a, const char *file, struct str text, struct diags *diags);

/* The value of a mapping's key; NULL: no such key, or map is no mapping. */
const struct node *node_get(const struct node *map, const char *key);
/* "a mapping", "a list", "text", "a number", "true", "null" …: for messages. */
const char *node_type_name(const struct node *n);
static inline bool node_is_empty(const struct node *n) /* a key with nothing behind it */
{
    return n->type == NODE_NULL && n->text.size == 0;
}

/*
 * What a bare word is. NODE_FAULT: `why` was filled with the whole message, which names the word and says what to
 * write instead.
 */
enum node_type yaml_scalar_type(struct str word, struct buf *why);

/* ---- JSON, both ways (yaml_json.c) ---- */

/* Appends the node as compact JSON; numbers keep their spelling. An empty value is null. */
void node_write_json(struct buf *out, const struct node *n);
/* All text that a walk from here meets: no more than its JSON has. Aliases can make that much more than the file. */
size_t node_text_bytes(const struct node *n);

/*
 * Reads the JSON text inside a scalar into nodes whose positions are places in the YAML file: exact for literal
 * blocks (|) and for scalars of one line, the scalar's start otherwise. NULL: one error in diags. Repeated keys
 * are an error, as in YAML.
 */
const struct node *node_read_json(struct arena *a, const struct node *scalar, struct diags *diags);
/* Where the byte at this offset of the scalar's text stands in the file; as exact as node_read_json(). */
struct diag_pos node_place(const struct node *scalar, size_t offset);

#endif
