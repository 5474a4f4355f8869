/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_REFERENCES_H
#define RULES_REFERENCES_H

/*
 * Names that a configuration declares, and what they name: targets by kind and name, and by ARN; buses; rules of a
 * bus. A hash table over (scope, name); scope keeps apart what may share a name ("queue", "topic", "bus", a bus's
 * name …). Filled while the files are walked once, asked while they are walked again, so that a reference may stand
 * before what it names.
 *
 * Memory comes from the arena; the keys are not copied.
 */

#include "matcher/arena.h"
#include "matcher/diag.h"
#include "targets/adapter.h"

struct reference {
    struct str scope, name;
    struct diag_pos pos;
    void *thing;
};

struct references {
    struct arena *arena;
    /* What stands for a target that a document of the APIs names and nobody has; NULL: out of memory. */
    const struct target_def *(*dangling)(void *context, struct str text);
    void *context;
    struct reference **slots; /* a power of two; NULL is free */
    size_t slot_count, count;
    struct reference **list; /* in order of arrival: for near names */
};

#define LOAD_BUSES STR("event bus") /* the scope of struct bus by name and ARN; "bus" is that of buses as targets */

/* False: out of memory (arena->failed), or *earlier_out is who has the name already. */
bool references_add(struct references *r, struct str scope, struct str name, struct diag_pos pos, void *thing,
                    const struct reference **earlier_out);
void *references_find(const struct references *r, struct str scope, struct str name); /* NULL: nobody */
/* Is what an API made to be seen from there? */
bool references_may_see(struct diag_pos from, struct str made, bool builtin);

/*
 * The target that a reference means: name, kind/name or ARN. type: the only kind allowed ("queue"), or NULL. NULL:
 * one error in diags, with a near name, or with the kinds to choose from where several share the name.
 *
 * What stands in a file finds only what the files declare and what is built in: whether a file is right must not hang
 * on what an API makes or deletes. What stands in a document (pos says so) finds everything, and where nobody has the
 * name it is no error: without a type the `missing` target comes back, with one NULL, as if nothing had been written.
 */
const struct target_def *references_find_target(const struct references *r, const char *type, struct str text,
                                                struct diag_pos pos, struct diags *diags);

#define REFERENCES_HINT_SIZE 160
#define REFERENCES_MADE_HINT "; one was made by the API, but what a file names must stand in the files"
/* "; did you mean 'x'?" for the names of a scope, or "" where none is near. */
void references_near(const struct references *r, struct str scope, struct str name, char hint[REFERENCES_HINT_SIZE]);

#endif
