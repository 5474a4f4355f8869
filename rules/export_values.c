/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of an export: nodes made anew, secrets that become variables, paths that become absolute, patterns as
 * mappings, references as names.
 */
#include "rules/export_int.h"

#include <ctype.h>

#include "matcher/pattern_write.h"
#include "rules/options.h"
#include "rules/paths.h"
#include "rules/yaml_write.h"
#include "targets/uuid.h"

/* ---- making nodes; NULL: out of memory, which the arena remembers ---- */

struct node *export_text(struct exporting *x, struct str text)
{
    struct node *n = arena_new(&x->arena, struct node);
    if (n)
        *n = (struct node){.type = NODE_TEXT, .style = NODE_DOUBLE_QUOTED, .text = arena_str(&x->arena, text)};
    return n;
}

/* Room for so many pairs or items; count stays 0. */
struct node *export_list(struct exporting *x, enum node_type type, size_t room)
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

void export_add_pair(struct node *map, const struct node *key, const struct node *value)
{
    if (map && key && value)
        ((struct node_pair *)map->pairs)[map->count++] = (struct node_pair){key, value};
}

void export_add_item(struct node *list, const struct node *item)
{
    if (list && item)
        ((const struct node **)(void *)list->items)[list->count++] = item;
}

size_t export_push(struct exporting *x, struct str part)
{
    size_t before = x->path.size;
    if (before)
        buf_char(&x->path, '/');
    buf_str(&x->path, part);
    return before;
}

void export_pop(struct exporting *x, size_t before)
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
    struct node *map = export_list(x, NODE_MAP, 1), *name = export_text(x, buf_view(&x->path));
    char *text = name ? (char *)name->text.ptr : NULL;
    for (size_t i = 0; text && i < name->text.size; i++)
        text[i] = isalnum((unsigned char)text[i]) ? (char)toupper((unsigned char)text[i]) : '_';
    export_add_pair(map, export_text(x, STR("env")), name);
    if (text)
        buf_printf(&x->variables, "# secret: set %.*s\n", STR_ARG(name->text));
    return map;
}

static bool is_sealed(const struct node *n)
{
    return n->type == NODE_MAP && n->count == 1 && str_is(n->pairs[0].key->text, "encrypted");
}

const struct node *export_secret(struct exporting *x, const struct node *n)
{
    return n->type == NODE_MAP && !is_sealed(n) ? n : variable(x);
}

/* Headers and parameters: only what an API was given as a secret is one. */
const struct node *export_named_values(struct exporting *x, const struct node *n)
{
    if (n->type != NODE_MAP)
        return n;
    struct node *map = export_list(x, NODE_MAP, n->count);
    for (uint32_t i = 0; i < n->count; i++) {
        size_t path = export_push(x, n->pairs[i].key->text);
        export_add_pair(map, n->pairs[i].key, is_sealed(n->pairs[i].value) ? variable(x) : n->pairs[i].value);
        export_pop(x, path);
    }
    return map;
}

const struct node *export_path(struct exporting *x, const struct node *n)
{
    if (n->type != NODE_TEXT || document_holds(n->pos))
        return n;
    struct str path = path_beside(&x->arena, n->pos.file, n->text);
    return path.ptr ? export_text(x, path) : n;
}

const struct node *export_command(struct exporting *x, const struct node *n)
{
    if (n->type != NODE_LIST || !n->count || !memchr(n->items[0]->text.ptr, '/', n->items[0]->text.size))
        return n;
    struct node *list = export_list(x, NODE_LIST, n->count);
    for (uint32_t i = 0; i < n->count; i++)
        export_add_item(list, i ? n->items[i] : export_path(x, n->items[i]));
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
const struct node *export_pattern(struct exporting *x, const struct node *n)
{
    const struct node *read = n->type == NODE_TEXT && document_holds(n->pos) ? pattern_as_sent(x, n->text) : n;
    if (!read || yaml_can_write(read))
        return read ? read : n;
    struct buf json = BUF_INIT;
    node_write_json(&json, read);
    const struct node *text = export_text(x, buf_view(&json));
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

void export_gone(struct exporting *x, const struct adapter *adapter, struct str name)
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
const struct node *export_reference(struct exporting *x, const struct node *n, bool one_kind)
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
    const struct node *made = export_text(x, buf_view(&text));
    x->arena.failed |= text.failed;
    buf_fini(&text);
    return made;
}

/* ---- measures ---- */

/* The shortest text of a duration or a size: an API counts in seconds and bytes, people do not. */
const struct node *export_measure(struct exporting *x, const struct option *row, const struct node *n)
{
    struct buf text = BUF_INIT;
    int64_t value;
    if (row->type == OPTION_DURATION && options_parse_duration(n->text, &value))
        options_write_duration(&text, value);
    else if (row->type == OPTION_SIZE && options_parse_size(n->text, &value))
        options_write_size(&text, value);
    else
        return n;
    const struct node *made = export_text(x, buf_view(&text));
    x->arena.failed |= text.failed;
    buf_fini(&text);
    return made;
}
