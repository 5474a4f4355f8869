/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are rewritten node by node along the option tables, which say what a value is: a pattern that is a text
 * becomes a mapping, a reference a name, a secret a variable. Where no table says anything the value stays as it is.
 * The writing itself is yaml_write.c's.
 */
#include "rules/export.h"

#include <ctype.h>
#include <stdio.h>

#include "matcher/pattern_write.h"
#include "rules/options.h"
#include "rules/paths.h"
#include "rules/tables.h"
#include "rules/yaml_write.h"
#include "targets/policy.h"
#include "targets/uuid.h"

struct gone { /* an entry that was left out: what names it has nothing to name */
    const struct gone *next;
    const char *kind;
    struct str name;
};

struct exporting {
    const struct export_from *from;
    const struct gone *gone;
    struct arena arena;
    struct buf path; /* of what is being rewritten: "queues/orders/redrive_policy" */
    struct buf notes;
    struct buf variables;
};

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

/* ---- making nodes; NULL: out of memory, which the arena remembers ---- */

static struct node *make_text(struct exporting *x, struct str text)
{
    struct node *n = arena_new(&x->arena, struct node);
    if (n)
        *n = (struct node){.type = NODE_TEXT, .style = NODE_DOUBLE_QUOTED, .text = arena_str(&x->arena, text)};
    return n;
}

/* Room for so many pairs or items; count stays 0. */
static struct node *make_list(struct exporting *x, enum node_type type, size_t room)
{
    struct node *n = arena_new(&x->arena, struct node);
    struct node_pair *pairs = arena_array(&x->arena, room, sizeof(*pairs));
    if (!n || !pairs)
        return NULL;
    n->type = type;
    n->pairs = pairs;
    if (type == NODE_LIST)
        n->items = (const struct node *const *)(void *)pairs;
    return n;
}

static void add_pair(struct node *map, const struct node *key, const struct node *value)
{
    if (map && key && value)
        ((struct node_pair *)map->pairs)[map->count++] = (struct node_pair){key, value};
}

static void add_item(struct node *list, const struct node *item)
{
    if (list && item)
        ((const struct node **)(void *)list->items)[list->count++] = item;
}

static size_t push_path(struct exporting *x, struct str part)
{
    size_t before = x->path.size;
    if (before)
        buf_char(&x->path, '/');
    buf_str(&x->path, part);
    return before;
}

static void pop_path(struct exporting *x, size_t before)
{
    if (!x->path.failed)
        x->path.size = before;
}

static void note_left_out(struct exporting *x, struct str reference)
{
    buf_printf(&x->notes, "# left out: %.*s, since there is no %.*s\n", STR_ARG(buf_view(&x->path)),
               STR_ARG(reference));
}

/* ---- values ---- */

/* {env: CONNECTIONS_PARTNER_PASSWORD} */
static const struct node *variable(struct exporting *x)
{
    struct node *map = make_list(x, NODE_MAP, 1), *name = make_text(x, buf_view(&x->path));
    char *text = name ? (char *)name->text.ptr : NULL;
    for (size_t i = 0; text && i < name->text.size; i++)
        text[i] = isalnum((unsigned char)text[i]) ? (char)toupper((unsigned char)text[i]) : '_';
    add_pair(map, make_text(x, STR("env")), name);
    if (text)
        buf_printf(&x->variables, "# secret: set %.*s\n", STR_ARG(name->text));
    return map;
}

static bool is_sealed(const struct node *n)
{
    return n->type == NODE_MAP && n->count == 1 && str_is(n->pairs[0].key->text, "encrypted");
}

static const struct node *secret(struct exporting *x, const struct node *n)
{
    return n->type == NODE_MAP && !is_sealed(n) ? n : variable(x);
}

/* Headers and parameters: only what an API was given as a secret is one. */
static const struct node *named_values(struct exporting *x, const struct node *n)
{
    if (n->type != NODE_MAP)
        return n;
    struct node *map = make_list(x, NODE_MAP, n->count);
    for (uint32_t i = 0; i < n->count; i++) {
        size_t path = push_path(x, n->pairs[i].key->text);
        add_pair(map, n->pairs[i].key, is_sealed(n->pairs[i].value) ? variable(x) : n->pairs[i].value);
        pop_path(x, path);
    }
    return map;
}

static const struct node *absolute(struct exporting *x, const struct node *n)
{
    if (n->type != NODE_TEXT || document_holds(n->pos))
        return n;
    struct str path = path_beside(&x->arena, n->pos.file, n->text);
    return path.ptr ? make_text(x, path) : n;
}

static const struct node *command(struct exporting *x, const struct node *n)
{
    if (n->type != NODE_LIST || !n->count || !memchr(n->items[0]->text.ptr, '/', n->items[0]->text.size))
        return n;
    struct node *list = make_list(x, NODE_LIST, n->count);
    for (uint32_t i = 0; i < n->count; i++)
        add_item(list, i ? n->items[i] : absolute(x, n->items[i]));
    return list;
}

static const struct node *read_json(struct exporting *x, struct str text)
{
    struct node whole = {.type = NODE_TEXT, .style = NODE_DOUBLE_QUOTED, .text = arena_str(&x->arena, text)};
    struct diags diags;
    bool ok = diags_init(&diags, 1);
    const struct node *read = ok && whole.text.ptr ? node_read_json(&x->arena, &whole, &diags) : NULL;
    diags_fini(&diags);
    return read;
}

/* The text that was sent, as a mapping; where it has a key twice, which counts for AWS and is an error in a file, what
   it means is written down. */
static const struct node *pattern_as_sent(struct exporting *x, struct str text)
{
    struct json_info info;
    struct weir_diag diag;
    if (!json_check(text, &info, NULL) || !info.repeated_keys)
        return read_json(x, text);
    const struct pattern *meant = pattern_parse_json(&x->arena, text, &diag);
    struct buf json = BUF_INIT;
    if (meant)
        pattern_write(&json, meant);
    const struct node *read = meant && !json.failed ? read_json(x, buf_view(&json)) : NULL;
    buf_fini(&json);
    return read;
}

/* A mapping, unless it has numbers that YAML would not read as such: then its JSON. */
static const struct node *pattern(struct exporting *x, const struct node *n)
{
    const struct node *read = n->type == NODE_TEXT && document_holds(n->pos) ? pattern_as_sent(x, n->text) : n;
    if (!read || yaml_can_write(read))
        return read ? read : n;
    struct buf json = BUF_INIT;
    node_write_json(&json, read);
    const struct node *text = make_text(x, buf_view(&json));
    x->arena.failed |= json.failed;
    buf_fini(&json);
    return text;
}

/* ---- references ---- */

static bool is_missing(const struct exporting *x, struct str text)
{
    for (size_t i = 0; i < x->from->missing_count; i++)
        if (str_eq(x->from->missing[i], text))
            return true;
    return false;
}

static void add_gone(struct exporting *x, const struct adapter *adapter, struct str name)
{
    struct gone *one = adapter ? arena_new(&x->arena, struct gone) : NULL;
    if (!one)
        return;
    *one = (struct gone){x->gone, adapter->type, name};
    x->gone = one;
}

/* kind {NULL,0}: any. */
static bool is_gone(const struct exporting *x, struct str kind, struct str name)
{
    for (const struct gone *one = x->gone; one; one = one->next)
        if ((!kind.ptr || str_is(kind, one->kind)) && str_eq(name, one->name))
            return true;
    return false;
}

/* "o", "api_destination/o" */
static bool names_gone(const struct exporting *x, struct str text)
{
    const char *slash = text.size ? memchr(text.ptr, '/', text.size) : NULL;
    size_t kind = slash ? (size_t)(slash - text.ptr) : 0;
    return slash ? is_gone(x, (struct str){text.ptr, kind}, (struct str){slash + 1, text.size - kind - 1})
                 : is_gone(x, (struct str){NULL, 0}, text);
}

/* What of an ARN is the name, where it is one of this format, account and region; else {NULL,0}. */
static struct str name_in_arn(const struct exporting *x, const char *format, struct str arn)
{
    const struct {
        struct str word, value;
    } words[] = {{STR("{region}"), x->from->region}, {STR("{account}"), x->from->account}};
    struct str rest = str_from(format);
    while (rest.size && !str_starts(rest, STR("{name}"))) {
        struct str want = {rest.ptr, 1};
        size_t step = 1;
        for (size_t i = 0; i < 2; i++)
            if (str_starts(rest, words[i].word)) {
                want = words[i].value;
                step = words[i].word.size;
            }
        if (!str_starts(arn, want))
            return (struct str){NULL, 0};
        arn = (struct str){arn.ptr + want.size, arn.size - want.size};
        rest = (struct str){rest.ptr + step, rest.size - step};
    }
    if (str_is(rest, "{name}/{uuid}") && arn.size > UUID_SIZE + 1 && arn.ptr[arn.size - UUID_SIZE - 1] == '/')
        arn.size -= UUID_SIZE + 1; /* which comes of the name */
    bool name = rest.size && arn.size && !memchr(arn.ptr, ':', arn.size) && !memchr(arn.ptr, '/', arn.size);
    return name ? arn : (struct str){NULL, 0};
}

/* kind/name of the only kind with such ARNs; only the name where one kind alone may stand. */
static const struct node *reference(struct exporting *x, const struct node *n, bool one_kind)
{
    const struct adapter *kind = NULL;
    struct str name = {NULL, 0};
    if (n->type != NODE_TEXT || !document_holds(n->pos))
        return n;
    if (is_missing(x, n->text)) {
        note_left_out(x, n->text);
        return NULL;
    }
    for (const struct adapter *const *a = target_adapters; *a; a++) {
        struct str found = name_in_arn(x, (*a)->arn_format, n->text);
        if (found.ptr && kind)
            return n;
        kind = found.ptr ? *a : kind;
        name = found.ptr ? found : name;
    }
    if (kind ? is_gone(x, str_from(kind->type), name) : !one_kind && names_gone(x, n->text)) {
        note_left_out(x, n->text);
        return NULL;
    }
    if (!kind)
        return n;
    struct buf text = BUF_INIT;
    buf_printf(&text, "%s%s%.*s", one_kind ? "" : kind->type, one_kind ? "" : "/", STR_ARG(name));
    const struct node *made = make_text(x, buf_view(&text));
    x->arena.failed |= text.failed;
    buf_fini(&text);
    return made;
}

/* ---- measures ---- */

/* The shortest text of a duration or a size: an API counts in seconds and bytes, people do not. */
static const struct node *measure(struct exporting *x, const struct option *row, const struct node *n)
{
    struct buf text = BUF_INIT;
    int64_t value;
    if (row->type == OPTION_DURATION && options_parse_duration(n->text, &value))
        options_write_duration(&text, value);
    else if (row->type == OPTION_SIZE && options_parse_size(n->text, &value))
        options_write_size(&text, value);
    else
        return n;
    const struct node *made = make_text(x, buf_view(&text));
    x->arena.failed |= text.failed;
    buf_fini(&text);
    return made;
}

/* ---- along the tables ---- */

static const struct node *mapping(struct exporting *x, struct rows rows, const struct node *n);

/* Without those that cannot be without what was left out. */
static const struct node *list(struct exporting *x, const struct option *row, const struct node *n)
{
    struct node *out = n->type == NODE_LIST ? make_list(x, NODE_LIST, n->count) : NULL;
    if (!out || !row->members)
        return n;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *item = n->items[i];
        const struct node *id = node_get(item, "id"), *name = id ? id : node_get(item, "name");
        char number[16];
        snprintf(number, sizeof(number), "%u", i + 1);
        size_t path = push_path(x, name && name->type == NODE_TEXT ? name->text : str_from(number));
        add_item(out, item->type == NODE_MAP ? mapping(x, (struct rows){row->members, NULL}, item) : item);
        pop_path(x, path);
    }
    return out;
}

/* NULL: it is left out. */
static const struct node *value_of(struct exporting *x, const struct option *row, const struct node *n)
{
    switch (row->type) {
    case OPTION_DURATION:
    case OPTION_SIZE: return document_holds(n->pos) ? measure(x, row, n) : n;
    case OPTION_PATTERN: return pattern(x, n);
    case OPTION_SECRET: return secret(x, n);
    case OPTION_HEADERS:
    case OPTION_PARAMETERS: return named_values(x, n);
    case OPTION_PATH: return absolute(x, n);
    case OPTION_COMMAND: return command(x, n);
    case OPTION_TARGET: return reference(x, n, false);
    case OPTION_QUEUE:
    case OPTION_CONNECTION: return reference(x, n, true);
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
    struct node *map = n->type == NODE_MAP ? make_list(x, NODE_MAP, n->count) : NULL;
    struct option row;
    if (!map)
        return n;
    for (size_t i = 0; row_at(rows, i, &row); i++) {
        const struct node *value = node_get(n, row.key);
        if (!value)
            continue;
        size_t path = push_path(x, str_from(row.key));
        const struct node *now = value_of(x, &row, value);
        pop_path(x, path);
        if (!now && row.required)
            return NULL;
        add_pair(map, key_of(n, row.key), now);
    }
    for (uint32_t i = 0; i < n->count; i++) {
        struct str key = n->pairs[i].key->text;
        if (!has_row(rows, key) && !(document_holds(n->pos) && str_is(key, DOCUMENT_AWS)))
            add_pair(map, n->pairs[i].key, n->pairs[i].value);
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
        slash && n->type == NODE_MAP && document_holds(n->pos) ? make_list(x, NODE_MAP, n->count + 2) : NULL;
    if (!map)
        return n;
    map->pos = n->pos;
    if (!node_get(n, "name"))
        add_pair(map, make_text(x, STR("name")), make_text(x, str_from(slash + 1)));
    if (!node_get(n, "bus"))
        add_pair(map, make_text(x, STR("bus")), make_text(x, (struct str){key.ptr, (size_t)(slash - key.ptr)}));
    for (uint32_t i = 0; i < n->count; i++)
        add_pair(map, n->pairs[i].key, n->pairs[i].value);
    return map;
}

static void add_entry(struct exporting *x, struct node *out, const struct option *section, const struct node *key,
                      const struct node *entry)
{
    bool rules = strcmp(section->key, "rules") == 0;
    size_t path = push_path(x, str_from(section->key)), deeper = push_path(x, key->text);
    if (rules)
        entry = named_rule(x, key->text, entry);
    struct rows rows = rows_of(section, entry);
    const struct node *now = mapping(x, rows, entry);
    pop_path(x, deeper);
    pop_path(x, path);
    if (!now)
        add_gone(x, rows.adapter, key->text);
    /* What is built in and has only "x-aws" needs no entry. */
    bool builtin = str_is(key->text, "default") || str_is(key->text, "dead-letters");
    if (now && !(builtin && document_holds(entry->pos) && now->type == NODE_MAP && !now->count))
        add_pair(out, key, now);
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
    struct node *out = make_list(x, NODE_MAP, count_entries(x, section->key));
    if (!out)
        return NULL;
    for (const struct file_tree *f = x->from->files ? x->from->files->first : NULL; f; f = f->next) {
        const struct node *entries = node_get(f->root, section->key);
        for (uint32_t i = 0; entries && entries->type == NODE_MAP && i < entries->count; i++)
            add_entry(x, out, section, entries->pairs[i].key, entries->pairs[i].value);
    }
    for (size_t i = 0; i < documents->count; i++)
        if (str_is(documents->list[i]->section, section->key))
            add_entry(x, out, section, documents->list[i]->name, documents->list[i]->root);
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
    if (strcmp(row->key, "version") == 0 && (version = make_text(x, STR("1")))) {
        version->type = NODE_NUMBER;
        value = version;
    } else if (!value && text.ptr && row->value && !str_is(text, row->value)) {
        value = make_text(x, text);
    }
    if (value)
        add_pair(root, make_text(x, str_from(row->key)), value_of(x, row, value));
}

static const struct node *root_node(struct exporting *x)
{
    struct option row;
    size_t rows = 0;
    while (tables_root_row(rows, &row))
        rows++;
    struct node *root = make_list(x, NODE_MAP, rows);
    for (size_t i = 0; root && tables_root_row(i, &row); i++) {
        if (row.type == OPTION_SECTION)
            add_pair(root, make_text(x, str_from(row.key)), section_node(x, &row));
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
