/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walker: for each option of the table the mapping's value, or the default (read by the same code, from its
 * text), goes through the filler of its type; then every key that no option names is an error.
 *
 * A filler reads one node and writes one field. It reports what is wrong and says false; the walk goes on, so that
 * one load shows all errors. Nodes of type NODE_FAULT were reported by the reader: fillers fail on them silently.
 */
#include "rules/options_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/utf8.h"
#include "rules/documents.h"
#include "rules/paths.h"
#include "rules/pattern_source_yaml.h"
#include "rules/ruleset.h"

#define WHAT_SIZE OPTIONS_WHAT_SIZE

typedef bool fill_fn(const struct field *f);

/* ---- messages ---- */

bool options_expect(const struct field *f, const char *wanted)
{
    if (f->node->type == NODE_FAULT)
        return false;
    return diag_error(f->r->diags, f->node->pos, "'%s' must be %s, not %s", f->option->key, wanted,
                      node_type_name(f->node));
}

bool options_out_of_memory(const struct options_reader *r)
{
    r->diags->out_of_memory = true;
    return false;
}

static bool is_scalar(const struct node *n)
{
    return n->type != NODE_LIST && n->type != NODE_MAP;
}

void options_near(struct buf *out, struct str word, const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    const char *near = diag_near(word, names, count);
    if (near) {
        buf_printf(out, "; did you mean '%s'?", near);
        return;
    }
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? ", " : "; known: ", names[i]);
}

/* ---- text and what is written like it ---- */

bool options_read_text(const struct options_reader *r, const struct node *n, const char *what, struct str *out)
{
    *out = (struct str){NULL, 0};
    if (n->type == NODE_FAULT)
        return false;
    if (is_scalar(n) && n->type != NODE_TEXT && n->text.size)
        return diag_error(r->diags, n->pos, "%s must be text, not %s; quote it: \"%.*s\"", what, node_type_name(n),
                          STR_ARG(n->text));
    if (n->type != NODE_TEXT)
        return diag_error(r->diags, n->pos, "%s must be text, not %s", what, node_type_name(n));
    *out = arena_str(r->keep, n->text);
    return out->ptr || options_out_of_memory(r);
}

static bool read_text(const struct field *f, struct str *out)
{
    char what[WHAT_SIZE];
    snprintf(what, sizeof(what), "'%s'", f->option->key);
    return options_read_text(f->r, f->node, what, out);
}

static int64_t count_characters(struct str s)
{
    int64_t count = 0;
    for (size_t i = 0; i < s.size; i++)
        count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    return count;
}

static bool fill_text(const struct field *f)
{
    const struct option *o = f->option;
    if (!read_text(f, f->out))
        return false;
    int64_t size = count_characters(*(struct str *)f->out);
    if ((!o->min && !o->max) || (size >= o->min && size <= o->max))
        return true;
    return diag_error(f->r->diags, f->node->pos, "'%s' has %lld characters; it must have %lld..%lld", o->key,
                      (long long)size, (long long)o->min, (long long)o->max);
}

static bool fill_url(const struct field *f)
{
    struct str *url = f->out;
    if (!read_text(f, url))
        return false;
    size_t scheme = str_starts(*url, STR("http://")) ? 7 : str_starts(*url, STR("https://")) ? 8 : 0;
    if (!scheme || url->size == scheme || url->ptr[scheme] == '/')
        return diag_error(f->r->diags, f->node->pos,
                          "'%s' must be a URL that starts with http:// or https://, not '%.*s'", f->option->key,
                          STR_ARG(*url));
    for (size_t i = 0; i < url->size; i++)
        if ((unsigned char)url->ptr[i] <= ' ' || url->ptr[i] == 0x7F)
            return diag_error(f->r->diags, f->node->pos, "'%s' has a blank or a control character", f->option->key);
    return true;
}

static bool fill_path(const struct field *f)
{
    struct str *path = f->out;
    if (!read_text(f, path))
        return false;
    if (!path->size || memchr(path->ptr, '\0', path->size))
        return diag_error(f->r->diags, f->node->pos, "'%s' must be a path, not empty", f->option->key);
    *path = path_beside(f->r->keep, f->node->pos.file, *path);
    return path->ptr || options_out_of_memory(f->r);
}

static bool fill_enum(const struct field *f)
{
    if (f->node->type != NODE_TEXT)
        return options_expect(f, "one of its words");
    for (int i = 0; f->option->names[i]; i++)
        if (str_is(f->node->text, f->option->names[i])) {
            *(int *)f->out = i;
            return true;
        }
    struct buf hint = BUF_INIT;
    options_near(&hint, f->node->text, f->option->names);
    diag_error(f->r->diags, f->node->pos, "unknown %s '%.*s'%s", f->option->key, STR_ARG(f->node->text),
               buf_cstr(&hint));
    buf_fini(&hint);
    return false;
}

/* ---- numbers ---- */

static bool fill_bool(const struct field *f)
{
    if (f->node->type != NODE_TRUE && f->node->type != NODE_FALSE)
        return options_expect(f, "true or false");
    *(bool *)f->out = f->node->type == NODE_TRUE;
    return true;
}

typedef void write_fn(struct buf *out, int64_t value);

static void write_int(struct buf *out, int64_t value)
{
    buf_printf(out, "%lld", (long long)value);
}

static bool check_bounds(const struct field *f, int64_t value, write_fn *write_value)
{
    const struct option *o = f->option;
    if ((!o->min && !o->max) || (value >= o->min && value <= o->max))
        return true;
    struct buf range = BUF_INIT;
    buf_text(&range, o->max == INT64_MAX ? "less than " : "not in ");
    write_value(&range, o->min);
    if (o->max != INT64_MAX) {
        buf_text(&range, "..");
        write_value(&range, o->max);
    }
    diag_error(f->r->diags, f->node->pos, "%s '%.*s' is %s", o->key, STR_ARG(f->node->text), buf_cstr(&range));
    buf_fini(&range);
    return false;
}

static bool fill_int(const struct field *f)
{
    char text[32];
    if (f->node->type != NODE_NUMBER)
        return options_expect(f, "a whole number");
    bool fits = f->node->text.size < sizeof(text) && !memchr(f->node->text.ptr, '.', f->node->text.size);
    char *end = text;
    if (fits) {
        memcpy(text, f->node->text.ptr, f->node->text.size);
        text[f->node->text.size] = '\0';
        *(int64_t *)f->out = strtoll(text, &end, 10);
    }
    if (!fits || *end || f->node->text.size > 18)
        return diag_error(f->r->diags, f->node->pos, "%s '%.*s' is not a whole number of at most 18 digits",
                          f->option->key, STR_ARG(f->node->text));
    return check_bounds(f, *(int64_t *)f->out, write_int);
}

static bool fill_duration(const struct field *f)
{
    if (f->node->type == NODE_NUMBER)
        return diag_error(f->r->diags, f->node->pos,
                          "%s '%.*s' has no unit; write %.*ss for seconds (units: ms, s, m, h, d)", f->option->key,
                          STR_ARG(f->node->text), STR_ARG(f->node->text));
    if (f->node->type != NODE_TEXT)
        return options_expect(f, "a duration such as 30s");
    if (!options_parse_duration(f->node->text, f->out))
        return diag_error(f->r->diags, f->node->pos,
                          "%s '%.*s' is not a duration; write a whole number and ms, s, m, h or d", f->option->key,
                          STR_ARG(f->node->text));
    return check_bounds(f, *(int64_t *)f->out, options_write_duration);
}

static bool fill_size(const struct field *f)
{
    if (f->node->type != NODE_TEXT && f->node->type != NODE_NUMBER)
        return options_expect(f, "a size such as 64KiB");
    if (!options_parse_size(f->node->text, f->out))
        return diag_error(f->r->diags, f->node->pos,
                          "%s '%.*s' is not a size; write a whole number of bytes, or of KiB, MiB, GiB or TiB",
                          f->option->key, STR_ARG(f->node->text));
    return check_bounds(f, *(int64_t *)f->out, options_write_size);
}

static bool fill_rate(const struct field *f)
{
    struct option_rate *rate = f->out;
    if (f->node->type == NODE_NUMBER)
        return diag_error(f->r->diags, f->node->pos, "%s '%.*s' has no unit; write %.*s/s for so many a second",
                          f->option->key, STR_ARG(f->node->text), STR_ARG(f->node->text));
    if (f->node->type != NODE_TEXT)
        return options_expect(f, "a rate such as 100/s");
    if (!options_parse_rate(f->node->text, rate))
        return diag_error(f->r->diags, f->node->pos, "%s '%.*s' is not a rate; write a whole number and /s, /m or /h",
                          f->option->key, STR_ARG(f->node->text));
    return (rate->count >= 1 && rate->count <= OPTION_RATE_MAX) ||
           diag_error(f->r->diags, f->node->pos, "%s '%.*s' is not in 1..%d of a unit", f->option->key,
                      STR_ARG(f->node->text), OPTION_RATE_MAX);
}

/* ---- references ---- */

static bool fill_reference(const struct field *f, const char *type)
{
    const struct target_def **out = f->out;
    char wanted[WHAT_SIZE];
    snprintf(wanted, sizeof(wanted), "the name of a %s", type ? type : "target");
    if (f->node->type != NODE_TEXT)
        return options_expect(f, wanted);
    *out = references_find_target(f->r->names, type, f->node->text, f->node->pos, f->r->diags);
    return *out || document_holds(f->node->pos);
}

static bool fill_queue(const struct field *f)
{
    return fill_reference(f, "queue");
}

static bool fill_target(const struct field *f)
{
    return fill_reference(f, NULL);
}

static bool fill_connection(const struct field *f)
{
    return fill_reference(f, "connection");
}

static bool fill_bus(const struct field *f)
{
    if (f->node->type != NODE_TEXT)
        return options_expect(f, "the name of a bus");
    const struct bus *bus = references_find(f->r->names, LOAD_BUSES, f->node->text);
    bool unseen = bus && !references_may_see(f->node->pos, bus->made, bus->index == 0);
    if (bus && !unseen) {
        *(struct str *)f->out = bus->name;
        return true;
    }
    char hint[REFERENCES_HINT_SIZE];
    references_near(f->r->names, LOAD_BUSES, f->node->text, hint);
    const char *advice = unseen ? REFERENCES_MADE_HINT : hint[0] ? hint : "; declare it under 'buses'";
    return diag_error(f->r->diags, f->node->pos, "unknown bus '%.*s'%s", STR_ARG(f->node->text), advice);
}

static bool fill_pattern(const struct field *f)
{
    const struct pattern **out = f->out;
    *out = pattern_parse_node(f->r->keep, f->r->temp, f->node, f->r->diags);
    return *out;
}

/* ---- lists and mappings ---- */

static bool fill_command(const struct field *f)
{
    struct option_list *list = f->out;
    bool ok = true;
    if (f->node->type == NODE_TEXT)
        return diag_error(f->r->diags, f->node->pos, "'%s' must be a list of words, not text; write [%.*s]",
                          f->option->key, STR_ARG(f->node->text));
    if (f->node->type != NODE_LIST)
        return options_expect(f, "a list of words");
    if (f->node->count == 0)
        return diag_error(f->r->diags, f->node->pos, "'%s' is empty; it starts with a program", f->option->key);
    struct str *words = arena_array(f->r->keep, f->node->count, sizeof(*words));
    if (!words)
        return options_out_of_memory(f->r);
    for (uint32_t i = 0; i < f->node->count; i++) {
        struct field word = *f;
        word.node = f->node->items[i];
        ok &= read_text(&word, &words[i]);
        if (ok && memchr(words[i].ptr, '\0', words[i].size))
            ok = diag_error(f->r->diags, word.node->pos, "'%s' has a NUL character", f->option->key);
    }
    if (ok && memchr(words[0].ptr, '/', words[0].size))
        words[0] = path_beside(f->r->keep, f->node->items[0]->pos.file, words[0]);
    *list = (struct option_list){words, f->node->count};
    return ok && (words[0].ptr || options_out_of_memory(f->r));
}

static void describe(const struct field *f, char what[WHAT_SIZE])
{
    snprintf(what, WHAT_SIZE, "'%s' of %s", f->option->key, f->what);
}

static bool fill_object(const struct field *f)
{
    char what[WHAT_SIZE];
    if (f->node->type != NODE_MAP && !node_is_empty(f->node))
        return options_expect(f, "a mapping");
    describe(f, what);
    return options_fill(f->r, f->option->members, f->node, f->node->pos, what, NULL, f->out);
}

static bool fill_one(const struct field *f);

/* A bare scalar stands for the member that is marked so. */
static bool fill_scalar_item(const struct field *f, char *item)
{
    for (const struct option *m = f->option->members; m->key; m++)
        if (m->scalar) {
            struct field one = {f->r, m, f->node, f->what, item + m->offset};
            return options_fill(f->r, f->option->members, NULL, f->node->pos, f->what, NULL, item) & fill_one(&one);
        }
    return options_expect(f, "a list of mappings");
}

static bool fill_list(const struct field *f)
{
    struct option_list *list = f->out;
    char what[WHAT_SIZE];
    bool ok = true;
    if (f->node->type == NODE_TEXT)
        return diag_error(f->r->diags, f->node->pos, "'%s' must be a list, not text; write [%.*s]", f->option->key,
                          STR_ARG(f->node->text));
    if (f->node->type != NODE_LIST)
        return options_expect(f, "a list");
    char *items = arena_array(f->r->keep, f->node->count, f->option->item_size);
    if (!items)
        return options_out_of_memory(f->r);
    describe(f, what);
    for (uint32_t i = 0; i < f->node->count; i++) {
        char *item = items + i * f->option->item_size;
        struct field one = {f->r, f->option, f->node->items[i], what, item};
        if (is_scalar(one.node))
            ok &= fill_scalar_item(&one, item);
        else
            ok &= options_fill(f->r, f->option->members, one.node, one.node->pos, what, NULL, item);
    }
    *list = (struct option_list){items, f->node->count};
    return ok;
}

/* ---- the walk ---- */

static bool fill_one(const struct field *f)
{
    static fill_fn *const fillers[] = {
        [OPTION_TEXT] = fill_text,
        [OPTION_INT] = fill_int,
        [OPTION_BOOL] = fill_bool,
        [OPTION_DURATION] = fill_duration,
        [OPTION_SIZE] = fill_size,
        [OPTION_ENUM] = fill_enum,
        [OPTION_URL] = fill_url,
        [OPTION_PATH] = fill_path,
        [OPTION_COMMAND] = fill_command,
        [OPTION_HEADERS] = options_fill_headers,
        [OPTION_QUEUE] = fill_queue,
        [OPTION_TARGET] = fill_target,
        [OPTION_BUS] = fill_bus,
        [OPTION_PATTERN] = fill_pattern,
        [OPTION_OBJECT] = fill_object,
        [OPTION_LIST] = fill_list,
        [OPTION_RATE] = fill_rate,
        [OPTION_SECRET] = options_fill_secret,
        [OPTION_PARAMETERS] = options_fill_headers,
        [OPTION_CONNECTION] = fill_connection,
    };
    assert((size_t)f->option->type < sizeof(fillers) / sizeof(fillers[0]));
    return fillers[f->option->type](f);
}

static enum node_type default_type(const struct option *o)
{
    if (o->type == OPTION_INT)
        return NODE_NUMBER;
    if (o->type == OPTION_BOOL)
        return strcmp(o->value, "true") == 0 ? NODE_TRUE : NODE_FALSE;
    return NODE_TEXT;
}

/* A default is read as if it had been written where its mapping is. */
static bool fill_default(const struct options_reader *r, const struct option *o, struct diag_pos pos, const char *what,
                         void *out)
{
    struct node n = {.pos = pos, .style = NODE_DOUBLE_QUOTED};
    struct field f = {r, o, &n, what, out};
    if (o->type == OPTION_OBJECT)
        return options_fill(r, o->members, NULL, pos, what, NULL, out);
    if (!o->value)
        return true;
    n.text = str_from(o->value);
    n.type = default_type(o);
    return fill_one(&f);
}

static bool is_named(const struct option *table, const char *const *own, const struct node *n)
{
    struct str key = n->text;
    if (document_holds(n->pos) && str_is(key, DOCUMENT_AWS))
        return true;
    for (; table->key; table++)
        if (str_is(key, table->key))
            return true;
    for (; own && *own; own++)
        if (str_is(key, *own) || (strcmp(*own, OPTIONS_IGNORED) == 0 && str_starts(key, STR("x-"))))
            return true;
    return false;
}

static bool unknown_key(const struct options_reader *r, const struct option *table, const struct node *key,
                        const char *what, const char *const *own)
{
    size_t count = 0, own_count = 0;
    while (table[count].key)
        count++;
    while (own && own[own_count])
        own_count++;
    const char **names = arena_array(r->temp, count + own_count + 1, sizeof(*names));
    if (!names)
        return options_out_of_memory(r);
    for (size_t i = 0; i < count; i++)
        names[i] = table[i].key;
    for (size_t i = 0; i < own_count; i++)
        names[count + i] = own[i];
    struct buf hint = BUF_INIT;
    options_near(&hint, key->text, names);
    diag_error(r->diags, key->pos, "unknown key '%.*s' in %s%s", STR_ARG(key->text), what, buf_cstr(&hint));
    buf_fini(&hint);
    return false;
}

bool options_fill(const struct options_reader *r, const struct option *table, const struct node *map,
                  struct diag_pos pos, const char *what, const char *const *own, void *out)
{
    bool ok = true;
    if (map && map->type != NODE_MAP && !node_is_empty(map)) {
        if (map->type == NODE_FAULT)
            return false;
        return diag_error(r->diags, map->pos, "%s must be a mapping, not %s", what, node_type_name(map));
    }
    for (const struct option *o = table; o->key; o++) {
        if (o->own)
            continue;
        const struct node *value = map ? node_get(map, o->key) : NULL;
        struct field f = {r, o, value, what, (char *)out + o->offset};
        if (o->present_offset)
            *(bool *)((char *)out + o->present_offset) = value;
        if (value)
            ok &= fill_one(&f);
        else if (o->required && map)
            ok = diag_error(r->diags, pos, "missing key '%s' in %s", o->key, what);
        else
            ok &= fill_default(r, o, pos, what, f.out);
    }
    for (uint32_t i = 0; map && map->type == NODE_MAP && i < map->count; i++)
        if (!is_named(table, own, map->pairs[i].key))
            ok = unknown_key(r, table, map->pairs[i].key, what, own);
    return ok;
}
