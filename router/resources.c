/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an edit sees: a copy of the list of documents that becomes the next one, and a log of what was changed in it,
 * so that an edit that says no, or whose outcome does not load, leaves no trace. Who owns a name that no API made is
 * asked of the rule set in force.
 */
#include "router/reload_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/xalloc.h"
#include "rules/tables.h"

/* ---- the list ---- */

void resources_open(struct resources *r, const struct ruleset *set, const struct documents *present)
{
    *r = (struct resources){.set = set, .next = documents_copy(present)};
    if (!r->next)
        xfail("out of memory");
}

/* Takes the reference to after. */
static void put(struct resources *r, struct document *after)
{
    if (!documents_put(r->next, after))
        xfail("out of memory");
}

void resources_undo(struct resources *r, size_t mark)
{
    while (r->count > mark) {
        struct resources_undo *u = &r->log[--r->count];
        if (u->before)
            put(r, u->before);
        else
            documents_remove(r->next, u->after->section, u->after->key);
        document_unref(u->after);
    }
}

void resources_close(struct resources *r)
{
    for (size_t i = 0; i < r->count; i++) {
        document_unref(r->log[i].before);
        document_unref(r->log[i].after);
    }
    free(r->log);
    documents_unref(r->next);
}

static void note(struct resources *r, struct document *before, struct document *after)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 16;
        r->log = xrealloc(r->log, r->capacity * sizeof *r->log);
    }
    r->log[r->count++] = (struct resources_undo){before ? document_ref(before) : NULL, after};
    r->grown += (int64_t)(after ? after->text.size + after->key.size : 0);
    r->grown -= (int64_t)(before ? before->text.size + before->key.size : 0);
}

/* ---- for edits ---- */

struct str resources_get(const struct resources *r, const char *section, struct str key)
{
    const struct document *one = documents_find(r->next, str_from(section), key);
    return one ? one->text : (struct str){NULL, 0};
}

static void fault(struct resources *r, const char *section, struct str key, const char *why)
{
    if (!r->fault[0])
        snprintf(r->fault, sizeof r->fault, "%.100s '%.*s': %.300s", section, STR_ARG(key), why);
}

void resources_put(struct resources *r, const char *section, struct str key, struct str document)
{
    struct document *before = documents_find(r->next, str_from(section), key);
    struct weir_diag diag;

    if (before && str_eq(before->text, document))
        return;
    if (document.size > DOCUMENT_BYTES_MAX) {
        fault(r, section, key, "the document is larger than 4 MiB");
        return;
    }
    struct document *after = document_create(str_from(section), key, document, &diag);
    if (!after && diag.code == WEIR_E_MEMORY)
        xfail("out of memory");
    if (!after) {
        fault(r, section, key, diag.message);
        return;
    }
    note(r, before, document_ref(after));
    put(r, after);
}

void resources_delete(struct resources *r, const char *section, struct str key)
{
    struct document *before = documents_find(r->next, str_from(section), key);
    if (!before)
        return;
    note(r, before, NULL);
    documents_remove(r->next, before->section, before->key);
}

void resources_each(const struct resources *r, const char *section, struct str prefix,
                    bool (*each)(void *context, struct str key, struct str document), void *context)
{
    bool found;

    for (size_t i = documents_at(r->next, str_from(section), prefix, &found); i < r->next->count; i++) {
        const struct document *one = r->next->list[i];
        if (!str_is(one->section, section) || !str_starts(one->key, prefix) || !each(context, one->key, one->text))
            return;
    }
}

const struct ruleset *resources_set(const struct resources *r)
{
    return r->set;
}

/* ---- owners ---- */

/* A thing of the rule set: of whom it is, where no document stands for it any more. */
static enum resources_owner owner_of(bool builtin, struct str made, struct diag_pos pos)
{
    if (builtin)
        return pos.file && !document_holds(pos) ? RESOURCES_FILE : RESOURCES_BUILTIN;
    return made.ptr ? RESOURCES_NOBODY : RESOURCES_FILE;
}

static enum resources_owner target_owner(const struct ruleset *set, const char *type, struct str name)
{
    const struct target_def *def = ruleset_target(set, type, name);
    return def ? owner_of(def->builtin, def->made, def->pos) : RESOURCES_NOBODY;
}

/* key: NAME, or BUS/NAME. */
static enum resources_owner rule_owner(const struct ruleset *set, struct str key)
{
    const char *slash = key.size ? memrchr(key.ptr, '/', key.size) : NULL;
    struct str bus = slash ? (struct str){key.ptr, (size_t)(slash - key.ptr)} : set->buses[0].name;
    struct str name = slash ? (struct str){slash + 1, key.size - bus.size - 1} : key;
    const struct rule *rule = ruleset_rule(set, bus, name);
    return rule ? owner_of(false, rule->made, rule->pos) : RESOURCES_NOBODY;
}

/* In a section that is no adapter's, by what the files say. */
static enum resources_owner part_owner(const struct ruleset *set, const char *section, struct str key)
{
    struct str kind = tables_singular(str_from(section));
    for (uint32_t i = 0; i < set->part_count; i++)
        if (str_is(kind, set->parts[i].kind) && str_eq(set->parts[i].name, key))
            return RESOURCES_FILE;
    return RESOURCES_NOBODY;
}

enum resources_owner resources_owner(const struct resources *r, const char *section, struct str key)
{
    const struct adapter *adapter = tables_section(section);
    enum resources_owner owner = adapter                         ? target_owner(r->set, adapter->type, key)
                                 : strcmp(section, "rules") == 0 ? rule_owner(r->set, key)
                                                                 : part_owner(r->set, section, key);
    if (owner == RESOURCES_NOBODY && documents_find(r->next, str_from(section), key))
        return RESOURCES_API;
    return owner;
}
