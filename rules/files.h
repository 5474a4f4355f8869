/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_FILES_H
#define RULES_FILES_H

/*
 * The files of a configuration as they were read: the first one and what its includes name, parsed. Read once, so that
 * a rule set can be built from them again whatever became of them meanwhile: a change made by an API is no reload.
 * Trees take some twenty times the memory of the text, so they can be forgotten until they are needed again; but for
 * that, which is one thread's business, nothing changes any more.
 *
 *     struct files *files = files_read("weir.yaml", &diags);
 *     struct ruleset *set = ruleset_build(files, NULL, 1, &diags);       rules/ruleset.h
 *     …
 *     if (files_now(files) != files->fingerprint)                        a file was changed, replaced, added or removed
 */

#include <stdatomic.h>
#include <stdint.h>

#include "rules/yaml.h"

#define FILES_MAX 10000 /* included files: a slip of a glob must not read a disk */

struct file_tree {
    struct file_tree *next;
    const char *name;        /* interned; NULL: there is no configuration, and this stands for an empty file */
    struct str text;         /* {NULL,0}: it could not be read */
    const struct node *root; /* an empty mapping where the file was faulty or empty; NULL: forgotten */
    uint64_t device, inode;
    int64_t size, changed_ns; /* as it was read */
    unsigned mode;            /* who may read and write it */
    struct diag_pos included; /* file NULL: the first file */
};

struct files {
    struct arena arena, trees;
    atomic_uint references;
    const char *name;        /* as given; "" : none */
    struct file_tree *first; /* in the order of their reading; there is always one */
    size_t count;
    struct file_tree *beside; /* what `auth:` names: no configuration, but read with it, so that both change at once */
    const char *const *globs; /* what a change would be seen by: the file and the globs of the includes, … */
    size_t glob_count;
    uint64_t fingerprint; /* … of what they found; 0: a file changed while it was read */
};

/*
 * Reads a file with its includes. name NULL: no file, an empty configuration. What is wrong goes to diags, all of it;
 * a file that cannot be read or is no YAML counts as empty then. NULL: out of memory.
 */
struct files *files_read(const char *name, struct diags *diags);
/* The same of a text; name stands for the file in positions. It has no folder: `include` is an error in it. */
struct files *files_read_text(const char *name, struct str text, struct diags *diags);
/* Gives the trees' memory back, and makes them anew where they were forgotten; false: out of memory. */
void files_forget_trees(struct files *f);
bool files_parse(struct files *f, struct diags *diags);
struct files *files_ref(struct files *f);
void files_unref(struct files *f);

/* One that was read beside the configuration; NULL: none of that name was. */
const struct file_tree *files_beside(const struct files *f, struct str path);

/* The fingerprint of the files as they are now; files_stamp() also keeps it, 0 where one changed since it was read. */
uint64_t files_now(const struct files *f);
void files_stamp(struct files *f);

#endif
