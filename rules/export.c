/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are rewritten node by node along the option tables, which say what a value is: a pattern that is a text
 * becomes a mapping, a reference a name, a secret a variable. Where no table says anything the value stays as it is.
 * The writing itself is yaml_write.c's.
 */
#include "rules/export_int.h"

#include <stdio.h>

#include "rules/tables.h"
#include "rules/yaml_write.h"
#include "targets/bus.h"
#include "targets/policy.h"

/* The options of one mapping: a table, or an adapter's with the policy's. */
struct rows {
    const struct option *table;
    const struct adapter *adapter;
};

static bool row_at(struct rows rows, size_t index, struct option *out)
{
    if (rows.adapter)
        return policy_row(rows.adapter, index, out);
    *out = rows.table ? rows.table[index] : (struct option){0};
    return out->key;
}

/* ---- along the tables ---- */

static const struct node *mapping(struct exporting *x, struct rows rows, const struct node *n);

/* Without those that cannot be without what was left out. */
static const struct node *list(struct exporting *x, const struct option *row, const struct node *n)
{
    struct node *out = n->type == NODE_LIST ? export_list(x, NODE_LIST, n->count) : NULL;
    if (!out || !row->members)
        return n;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *item = n->items[i];
        const struct node *id = node_get(item, "id"), *name = id ? id : node_get(item, "name");
        char number[16];
        snprintf(number, sizeof(number), "%u", i + 1);
        size_t path = export_push(x, name && name->type == NODE_TEXT ? name->text : str_from(number));
        export_add_item(out, item->type == NODE_MAP ? mapping(x, (struct rows){row->members, NULL}, item) : item);
        export_pop(x, path);
    }
    return out;
}

/* NULL: it is left out. */
static const struct node *value_of(struct exporting *x, const struct option *row, const struct node *n)
{
    switch (row->type) {
    case OPTION_DURATION:
    case OPTION_SIZE: return document_holds(n->pos) ? export_measure(x, row, n) : n;
    case OPTION_PATTERN: return export_pattern(x, n);
    case OPTION_SECRET: return export_secret(x, n);
    case OPTION_HEADERS:
    case OPTION_PARAMETERS: return export_named_values(x, n);
    case OPTION_PATH: return export_path(x, n);
    case OPTION_COMMAND: return export_command(x, n);
    case OPTION_TARGET: return export_reference(x, n, false);
    case OPTION_QUEUE:
    case OPTION_CONNECTION: return export_reference(x, n, true);
    case OPTION_OBJECT: return row->members ? mapping(x, (struct rows){row->members, NULL}, n) : n;
    case OPTION_LIST: return list(x, row, n);
    default: return n;
    }
}

static bool has_row(struct rows rows, struct str key)
{
    struct option row;
    for (size_t i = 0; row_at(rows, i, &row); i++)
        if (str_is(key, row.key))
            return true;
    return false;
}

static const struct node *key_of(const struct node *map, const char *key)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (str_is(map->pairs[i].key->text, key))
            return map->pairs[i].key;
    return NULL;
}

/* NULL: what it must have is left out, and it with that. */
static const struct node *mapping(struct exporting *x, struct rows rows, const struct node *n)
{
    struct node *map = n->type == NODE_MAP ? export_list(x, NODE_MAP, n->count) : NULL;
    struct option row;
    if (!map)
        return n;
    for (size_t i = 0; row_at(rows, i, &row); i++) {
        const struct node *value = node_get(n, row.key);
        if (!value)
            continue;
        size_t path = export_push(x, str_from(row.key));
        const struct node *now = value_of(x, &row, value);
        export_pop(x, path);
        if (!now && row.required)
            return NULL;
        export_add_pair(map, key_of(n, row.key), now);
    }
    for (uint32_t i = 0; i < n->count; i++) {
        struct str key = n->pairs[i].key->text;
        if (!has_row(rows, key) && !(document_holds(n->pos) && str_is(key, DOCUMENT_AWS)))
            export_add_pair(map, n->pairs[i].key, n->pairs[i].value);
    }
    return map;
}

/* ---- sections ---- */

static struct rows rows_of(const struct option *section, const struct node *entry)
{
    const struct adapter *adapter = tables_section(section->key);
    const struct node *type = node_get(entry, "type");
    if (!adapter && strcmp(section->key, "targets") == 0 && type)
        adapter = target_adapter_find(type->text);
    return adapter ? (struct rows){NULL, adapter} : (struct rows){section->members, NULL};
}

/* A rule of a document may have its name and its bus from its key alone; in a file it says them. */
static const struct node *named_rule(struct exporting *x, struct str key, const struct node *n)
{
    const char *slash = key.size ? memrchr(key.ptr, '/', key.size) : NULL;
    struct node *map =
        slash && n->type == NODE_MAP && document_holds(n->pos) ? export_list(x, NODE_MAP, n->count + 2) : NULL;
    if (!map)
        return n;
    map->pos = n->pos;
    if (!node_get(n, "name"))
        export_add_pair(map, export_text(x, STR("name")), export_text(x, str_from(slash + 1)));
    if (!node_get(n, "bus"))
        export_add_pair(map, export_text(x, STR("bus")),
                        export_text(x, (struct str){key.ptr, (size_t)(slash - key.ptr)}));
    for (uint32_t i = 0; i < n->count; i++)
        export_add_pair(map, n->pairs[i].key, n->pairs[i].value);
    return map;
}

static void add_entry(struct exporting *x, struct node *out, const struct option *section, const struct node *key,
                      const struct node *entry)
{
    bool rules = strcmp(section->key, "rules") == 0;
    size_t path = export_push(x, str_from(section->key)), deeper = export_push(x, key->text);
    if (rules)
        entry = named_rule(x, key->text, entry);
    struct rows rows = rows_of(section, entry);
    const struct node *now = mapping(x, rows, entry);
    export_pop(x, deeper);
    export_pop(x, path);
    if (!now)
        export_gone(x, rows.adapter, key->text);
    /* What is built in and has only "x-aws" needs no entry. */
    bool builtin = str_is(key->text, "default") || str_is(key->text, "dead-letters");
    if (now && !(builtin && document_holds(entry->pos) && now->type == NODE_MAP && !now->count))
        export_add_pair(out, key, now);
}

/* The key of a document's rule on the default bus is its name alone: a rule of the files, on another bus, may have it
   too. */
static const struct node *rule_key(struct exporting *x, const struct node *out, uint32_t declared,
                                   const struct node *key)
{
    struct buf text = BUF_INIT;
    uint32_t i = 0;
    while (i < declared && !str_eq(out->pairs[i].key->text, key->text))
        i++;
    if (i == declared)
        return key;
    buf_printf(&text, "%s/%.*s", BUS_DEFAULT, STR_ARG(key->text));
    const struct node *longer = text.failed ? NULL : export_text(x, buf_view(&text));
    x->arena.failed |= text.failed;
    buf_fini(&text);
    return longer ? longer : key;
}

static size_t count_entries(const struct exporting *x, const char *section)
{
    size_t count = x->from->documents->count;
    for (const struct file_tree *f = x->from->files ? x->from->files->first : NULL; f; f = f->next) {
        const struct node *entries = node_get(f->root, section);
        count += entries && entries->type == NODE_MAP ? entries->count : 0;
    }
    return count;
}

static const struct node *section_node(struct exporting *x, const struct option *section)
{
    const struct documents *documents = x->from->documents;
    struct node *out = export_list(x, NODE_MAP, count_entries(x, section->key));
    if (!out)
        return NULL;
    for (const struct file_tree *f = x->from->files ? x->from->files->first : NULL; f; f = f->next) {
        const struct node *entries = node_get(f->root, section->key);
        for (uint32_t i = 0; entries && entries->type == NODE_MAP && i < entries->count; i++)
            add_entry(x, out, section, entries->pairs[i].key, entries->pairs[i].value);
    }
    uint32_t declared = strcmp(section->key, "rules") == 0 ? out->count : 0;
    for (size_t i = 0; i < documents->count; i++) {
        const struct document *one = documents->list[i];
        if (str_is(one->section, section->key))
            add_entry(x, out, section, rule_key(x, out, declared, one->name), one->root);
    }
    return out->count ? out : NULL;
}

/* ---- the whole ---- */

static void add_setting(struct exporting *x, struct node *root, const struct option *row)
{
    const struct node *value = x->from->files ? node_get(x->from->files->first->root, row->key) : NULL;
    struct str text = strcmp(row->key, "account") == 0  ? x->from->account
                      : strcmp(row->key, "region") == 0 ? x->from->region
                                                        : (struct str){NULL, 0};
    struct node *version;
    if (row->type == OPTION_FILES)
        return;
    if (strcmp(row->key, "version") == 0 && (version = export_text(x, STR("1")))) {
        version->type = NODE_NUMBER;
        value = version;
    } else if (!value && text.ptr && row->value && !str_is(text, row->value)) {
        value = export_text(x, text);
    }
    if (value)
        export_add_pair(root, export_text(x, str_from(row->key)), value_of(x, row, value));
}

static const struct node *root_node(struct exporting *x)
{
    struct option row;
    size_t rows = 0;
    while (tables_root_row(rows, &row))
        rows++;
    struct node *root = export_list(x, NODE_MAP, rows);
    for (size_t i = 0; root && tables_root_row(i, &row); i++) {
        if (row.type == OPTION_SECTION)
            export_add_pair(root, export_text(x, str_from(row.key)), section_node(x, &row));
        else
            add_setting(x, root, &row);
    }
    return root;
}

bool export_write(struct buf *out, const struct export_from *from)
{
    struct exporting x = {.from = from};
    const struct node *root = root_node(&x);
    buf_str(out, buf_view(&x.variables));
    buf_str(out, buf_view(&x.notes));
    if (root)
        yaml_write(out, root, 0, 2);
    bool ok = !x.arena.failed && !out->failed && !x.path.failed && !x.notes.failed && !x.variables.failed;
    arena_fini(&x.arena);
    buf_fini(&x.path);
    buf_fini(&x.notes);
    buf_fini(&x.variables);
    return ok;
}
