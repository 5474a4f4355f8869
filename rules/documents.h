/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_DOCUMENTS_H
#define RULES_DOCUMENTS_H

/*
 * Documents: what the APIs made, as entries of weir.yaml's sections in JSON. A document is parsed once and shared by
 * all rule sets that are built while it stands; a list of documents is what was there at one time, sorted by section
 * and key, and is shared in the same way once it is whole.
 *
 *     struct documents *next = documents_copy(present);
 *     documents_put(next, document_create(STR("queues"), STR("orders"), STR("{\"delay\":\"5s\"}"), &diag));
 *     set = ruleset_build(files, next, generation, &diags);               takes a reference of its own
 *
 * In a document, and nowhere else:
 *   - any mapping may have a key "x-aws", which the loader does not look into;
 *   - patterns are AWS's language and nothing more; one that is a text is read as AWS reads it (of a key that is there
 *     twice, the last one counts);
 *   - the name of a queue or target that is not there is no error: see rules/references.h.
 *
 * Diagnoses of a document have its place as their file, "(API) queues/orders", and no line: documents must outlive
 * the diagnoses of what was built with them.
 */

#include <stdatomic.h>

#include "rules/yaml.h"

#define DOCUMENT_BYTES_MAX (4u << 20) /* a rule has 100 targets of 8 KiB of input, which stands there twice */
#define DOCUMENT_AWS       "x-aws"
#define DOCUMENT_COLUMN    (-1) /* of all positions in documents */

/* Is this the position of something in a document? */
static inline bool document_holds(struct diag_pos pos)
{
    return pos.column == DOCUMENT_COLUMN;
}

struct document {
    struct arena arena;
    atomic_uint references;
    struct str section, key;
    struct str text;         /* as it came */
    const struct node *name; /* the key as a node … */
    const struct node *root; /* … and the text as one: a mapping, whose own text is the document's */
};

/* text: one JSON object. NULL: diag says what is wrong with it, or WEIR_E_MEMORY. */
struct document *document_create(struct str section, struct str key, struct str text, struct weir_diag *diag);
struct document *document_ref(struct document *d);
void document_unref(struct document *d);

struct documents {
    atomic_uint references;
    size_t count, capacity;
    struct document **list; /* in order of section, then key; a reference each */
};

/* NULL: out of memory, here and below. */
struct documents *documents_create(void);
struct documents *documents_copy(const struct documents *from);
struct documents *documents_ref(struct documents *d);
void documents_unref(struct documents *d);

/* Where the entry is, or where it would go. */
size_t documents_at(const struct documents *d, struct str section, struct str key, bool *found_out);
struct document *documents_find(const struct documents *d, struct str section, struct str key); /* NULL: none */
/* Of a list that nobody shares yet. Takes the reference to one; false: out of memory (and it is gone). */
bool documents_put(struct documents *d, struct document *one);
void documents_remove(struct documents *d, struct str section, struct str key);

#endif
