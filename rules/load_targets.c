/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buses and targets. All names are declared before any option is read, so that a queue's redrive policy, a topic's
 * subscription or a rule may name what stands further down or in another file. Two definitions are always there: the
 * bus `default` and the queue `dead-letters`; a file may repeat both to say more about them.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "rules/tables.h"
#include "targets/bus.h"
#include "targets/missing.h"
#include "targets/policy.h"
#include "targets/queue.h"

#define WHAT_SIZE 300
#define BUILTINS  2 /* what is always there comes first: the queue `dead-letters`, the bus `default` */

/* ---- names ---- */

bool load_check_name(struct load *l, const char *what, struct str name, size_t max, struct diag_pos pos)
{
    bool ok = name.size >= 1 && name.size <= max;
    for (size_t i = 0; ok && i < name.size; i++) {
        char c = name.ptr[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
             c == '-';
    }
    return ok || diag_error(l->diags, pos, "%s '%.*s' must have 1..%zu of the characters A-Z a-z 0-9 . _ -", what,
                            STR_ARG(name), max);
}

static bool report_made(struct load *l, const char *what, struct str name, struct diag_pos pos)
{
    return diag_error(l->diags, pos, "%s '%.*s' was made by the API; delete it there or give this one another name",
                      what, STR_ARG(name));
}

bool load_declare(struct load *l, const char *what, struct str scope, struct str name, struct diag_pos pos, void *thing)
{
    const struct reference *earlier;
    if (references_add(&l->names, scope, name, pos, thing, &earlier))
        return true;
    if (!earlier)
        return load_out_of_memory(l);
    if (!earlier->pos.file || document_holds(earlier->pos))
        return diag_error(l->diags, pos, "%s '%.*s' is there already", what, STR_ARG(name));
    if (document_holds(pos)) /* the file came later, or it would not have been made */
        return report_made(l, what, name, earlier->pos);
    return diag_error(l->diags, pos, "%s '%.*s' is there already, in %s:%d:%d", what, STR_ARG(name), earlier->pos.file,
                      earlier->pos.line, earlier->pos.column);
}

struct str load_arn(struct load *l, const char *format, struct str name)
{
    struct buf out = BUF_INIT;
    target_write_arn(&out, format, l->set->region, l->set->account, name);
    struct str arn = out.failed ? (struct str){NULL, 0} : arena_str(&l->set->keep, buf_view(&out));
    l->diags->out_of_memory |= !arn.ptr;
    buf_fini(&out);
    return arn;
}

/* ---- sections ---- */

const struct node *load_section(struct load *l, const struct load_file *f, const char *key)
{
    const struct node *section = node_get(f->root, key);
    if (!section || node_is_empty(section) || section->type == NODE_FAULT)
        return NULL;
    if (section->type == NODE_MAP)
        return section;
    diag_error(l->diags, section->pos, "'%s' must be a mapping of names, not %s", key, node_type_name(section));
    return NULL;
}

size_t load_section_count(struct load *l, const char *key)
{
    size_t count = 0;
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = node_get(f->root, key);
        count += section && section->type == NODE_MAP ? section->count : 0;
    }
    return count;
}

/* ---- buses ---- */

/* What is wrong with a name, or there twice, is reported when it is declared as a target. */
static bool bus_add(struct load *l, struct str name, struct str made)
{
    struct bus *bus = &l->buses[l->set->bus_count];
    const struct reference *earlier;
    struct bus *known = references_find(&l->names, LOAD_BUSES, name);
    if (known) {
        known->made = known->made.ptr ? known->made : made;
        return true;
    }
    bus->made = made;
    bus->name = arena_str(&l->set->keep, name);
    bus->arn = load_arn(l, bus_adapter.arn_format, name);
    bus->index = l->set->bus_count++;
    return bus->name.ptr && bus->arn.ptr &&
           references_add(&l->names, LOAD_BUSES, bus->name, (struct diag_pos){0}, bus, &earlier) &&
           references_add(&l->names, LOAD_BUSES, bus->arn, (struct diag_pos){0}, bus, &earlier);
}

bool load_buses(struct load *l)
{
    l->buses = arena_array(&l->set->keep, load_section_count(l, bus_adapter.section) + 1, sizeof(*l->buses));
    l->set->buses = l->buses;
    if (!l->buses || !bus_add(l, STR(BUS_DEFAULT), (struct str){NULL, 0}))
        return load_out_of_memory(l);
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = node_get(f->root, bus_adapter.section);
        for (uint32_t i = 0; section && section->type == NODE_MAP && i < section->count; i++)
            if (!bus_add(l, section->pairs[i].key->text, load_made(section->pairs[i].value)))
                return load_out_of_memory(l);
    }
    return true;
}

/* What their definitions as targets say. */
static void bus_finish(struct load *l, const struct target_def *def)
{
    struct bus *bus = references_find(&l->names, LOAD_BUSES, def->name);
    const struct bus_options *options = def->options;
    bus->pos = def->pos;
    bus->description = options->description;
    bus->strict_aws = options->strict == BUS_STRICT_AWS;
    bus->deduplication_ms = options->deduplication;
    bus->deduplication_ids = options->deduplication_ids;
}

/* ---- targets: names ---- */

bool load_is_archive(const struct target_def *def)
{
    return strcmp(def->adapter->type, "archive") == 0;
}

/* Dangling references come on top of what was counted. */
static bool targets_reserve(struct load *l, size_t capacity)
{
    struct target_def **targets = arena_array(&l->set->keep, capacity, sizeof(*targets));
    const struct node **nodes = arena_array(&l->temp, capacity, sizeof(*nodes));
    if (!targets || !nodes)
        return false;
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        targets[i] = l->targets[i];
        nodes[i] = l->target_nodes[i];
    }
    l->targets = targets;
    l->target_nodes = nodes;
    l->target_capacity = capacity;
    l->set->targets = (const struct target_def *const *)targets;
    return true;
}

struct target_def *load_target_add(struct load *l, const struct adapter *adapter, struct str name, struct diag_pos pos,
                                   const struct node *node)
{
    struct arena *keep = &l->set->keep;
    struct target_def *def = arena_new(keep, struct target_def);
    if (!def || (l->set->target_count == l->target_capacity && !targets_reserve(l, 2 * l->target_capacity)))
        return NULL;
    *def = (struct target_def){.adapter = adapter,
                               .name = arena_str(keep, name),
                               .made = load_made(node),
                               .pos = pos,
                               .index = l->set->target_count};
    def->arn = load_arn(l, adapter->arn_format, name);
    def->options = arena_alloc(keep, policy_block_size(adapter));
    if (!def->name.ptr || !def->arn.ptr || !def->options)
        return NULL;
    policy_bind(def);
    if (load_declare(l, adapter->type, str_from(adapter->type), def->name, pos, def)) {
        const struct reference *earlier; /* kinds that share a format of ARNs share them: the first one counts */
        if (!references_add(&l->names, STR("arn"), def->arn, pos, def, &earlier) && !earlier)
            return NULL;
        l->target_nodes[l->set->target_count] = node;
        l->targets[l->set->target_count++] = def;
    }
    return l->diags->out_of_memory ? NULL : def;
}

struct target_def *load_missing(struct load *l, struct str text)
{
    struct target_def *def = references_find(&l->names, str_from(missing_adapter.type), text);
    return def ? def : load_target_add(l, &missing_adapter, text, (struct diag_pos){0}, NULL);
}

/* A document of what is built in: what AWS's answers need may stand beside what a file says, nothing else. */
static bool says_nothing(const struct node *document)
{
    for (uint32_t i = 0; i < document->count; i++)
        if (!str_is(document->pairs[i].key->text, DOCUMENT_AWS))
            return false;
    return true;
}

/* False: it is no built-in one, or the second that says something of it. */
static bool declare_builtin(struct load *l, const struct adapter *adapter, const struct node_pair *pair)
{
    struct str made = load_made(pair->value);
    for (size_t i = 0; i < BUILTINS; i++) {
        struct target_def *builtin = l->targets[i];
        if (adapter != builtin->adapter || !str_eq(pair->key->text, builtin->name))
            continue;
        if (builtin->pos.file && !made.ptr)
            return false;
        if (builtin->pos.file && !says_nothing(pair->value)) {
            report_made(l, adapter->type, builtin->name, builtin->pos);
            return true;
        }
        builtin->made = made;
        if (builtin->pos.file)
            return true;
        builtin->pos = pair->key->pos;
        l->target_nodes[i] = pair->value;
        return true;
    }
    return false;
}

static bool declare(struct load *l, const struct adapter *adapter, const struct node_pair *pair)
{
    struct str name = pair->key->text;
    if (!load_check_name(l, adapter->type, name, adapter->name_max ? adapter->name_max : ADAPTER_NAME_MAX,
                         pair->key->pos) ||
        declare_builtin(l, adapter, pair))
        return true;
    return load_target_add(l, adapter, name, pair->key->pos, pair->value) || load_out_of_memory(l);
}

static const struct adapter *report_type(struct load *l, const struct node *type)
{
    const struct adapter *adapter = target_adapter_find(type->text);
    if (adapter) {
        diag_error(l->diags, type->pos, "type '%s' has a section of its own; write it under '%s'", adapter->type,
                   adapter->section);
        return NULL;
    }
    const char *names[64];
    size_t count = 0;
    for (const struct adapter *const *a = target_adapters; *a && count < 63; a++)
        if (!(*a)->section)
            names[count++] = (*a)->type;
    names[count] = NULL;
    struct buf hint = BUF_INIT;
    options_near(&hint, type->text, names);
    diag_error(l->diags, type->pos, "unknown type '%.*s'%s", STR_ARG(type->text), buf_cstr(&hint));
    buf_fini(&hint);
    return NULL;
}

/* The adapter that an entry of `targets:` names. NULL: reported. */
static const struct adapter *adapter_of(struct load *l, const struct node_pair *pair)
{
    const struct node *entry = pair->value, *type = node_get(entry, "type");
    if (entry->type != NODE_MAP && !node_is_empty(entry)) {
        if (entry->type != NODE_FAULT)
            diag_error(l->diags, entry->pos, "target '%.*s' must be a mapping with a 'type', not %s",
                       STR_ARG(pair->key->text), node_type_name(entry));
        return NULL;
    }
    if (!type) {
        diag_error(l->diags, pair->key->pos, "missing key 'type' in target '%.*s'", STR_ARG(pair->key->text));
        return NULL;
    }
    if (type->type != NODE_TEXT) {
        if (type->type != NODE_FAULT)
            diag_error(l->diags, type->pos, "'type' must be the name of a kind of target, not %s",
                       node_type_name(type));
        return NULL;
    }
    const struct adapter *adapter = target_adapter_find(type->text);
    return adapter && !adapter->section ? adapter : report_type(l, type);
}

/* section NULL: `targets:`, each entry says its type. */
static bool declare_section(struct load *l, const struct adapter *adapter, const char *key)
{
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, key);
        for (uint32_t i = 0; section && i < section->count; i++) {
            const struct adapter *a = adapter ? adapter : adapter_of(l, &section->pairs[i]);
            if (a && !declare(l, a, &section->pairs[i]))
                return false;
        }
    }
    return true;
}

/* ---- targets: options ---- */

/* All that such a target may say, as one table. */
static const struct option *rows_of(struct load *l, const struct adapter *adapter)
{
    struct option row;
    size_t count = 0;
    if (l->row_adapter == adapter)
        return l->rows;
    while (policy_row(adapter, count, &row))
        count++;
    struct option *rows = arena_array(&l->temp, count + 1, sizeof(*rows));
    for (size_t i = 0; rows && i <= count; i++)
        policy_row(adapter, i, &rows[i]);
    l->row_adapter = rows ? adapter : NULL;
    return l->rows = rows;
}

static bool fill(struct load *l, struct target_def *def, const struct node *node)
{
    static const char *const own[] = {"type", NULL};
    char what[WHAT_SIZE];
    const struct option *rows = rows_of(l, def->adapter);
    if (!rows)
        return load_out_of_memory(l);
    snprintf(what, sizeof(what), "%s '%.*s'", def->adapter->type, STR_ARG(def->name));
    return options_fill(&l->options, rows, node, def->pos, what, def->adapter->section ? NULL : own, def->options);
}

static bool fill_all(struct load *l)
{
    bool ok = true;
    for (uint32_t i = 0; i < l->set->target_count; i++)
        ok &= fill(l, l->targets[i], l->target_nodes[i]);
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        policy_finish(l->targets[i]);
        if (l->targets[i]->adapter == &bus_adapter)
            bus_finish(l, l->targets[i]);
    }
    if (!load_endpoints(l) || !load_subscriptions(l))
        return false;
    /* Checks look at other definitions, so they wait until all are whole. */
    for (uint32_t i = 0; ok && i < l->set->target_count; i++) {
        policy_check(l->targets[i], l->diags);
        if (l->targets[i]->adapter->check)
            l->targets[i]->adapter->check(l->targets[i], l->diags);
    }
    return true;
}

/* One dead target may then stop the way in for all. */
static void warn_unbounded(struct load *l)
{
    struct buf limit = BUF_INIT;

    if (!l->set->data_limit)
        return;
    options_write_size(&limit, l->set->data_limit);
    l->diags->out_of_memory |= limit.failed;
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        const struct target_def *def = l->targets[i];
        if (def->policy && !def->policy->backlog.max_bytes && !def->made.ptr)
            diag_warn(l->diags, def->pos,
                      "%s '%.*s' has no backlog.max_bytes: while it fails it can fill the data_limit, %s, and then no "
                      "events are taken",
                      def->adapter->type, STR_ARG(def->name), buf_cstr(&limit));
    }
    buf_fini(&limit);
}

bool load_targets(struct load *l)
{
    const struct adapter *queue = target_adapter_find(STR("queue"));
    size_t count = BUILTINS + load_section_count(l, "targets");
    for (const struct adapter *const *a = target_adapters; *a; a++)
        count += (*a)->section ? load_section_count(l, (*a)->section) : 0;
    if (!targets_reserve(l, count))
        return load_out_of_memory(l);

    struct target_def *dead_letters = load_target_add(l, queue, STR(QUEUE_DEAD_LETTERS), (struct diag_pos){0}, NULL);
    struct target_def *bus = load_target_add(l, &bus_adapter, STR(BUS_DEFAULT), (struct diag_pos){0}, NULL);
    if (!dead_letters || !bus)
        return load_out_of_memory(l);
    dead_letters->builtin = bus->builtin = true;
    l->set->dead_letters = dead_letters;
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if ((*a)->section && !declare_section(l, *a, (*a)->section))
            return false;
    if (!declare_section(l, NULL, "targets") || !load_subscription_targets(l) || !load_applications(l) || !fill_all(l))
        return false;
    warn_unbounded(l);
    return !l->diags->out_of_memory;
}
