/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events become a tree of nodes. Why not libyaml's own document tree: it resolves nothing, copies
 * aliases by number, and stops at the first fault; here everything that is not a syntax error is reported and
 * reading goes on.
 *
 *     text -> UTF-8 check -> libyaml events -> builder (recursion, at most YAML_DEPTH_MAX deep) -> nodes
 *
 * Children of the collection being read wait on one stack of pointers and are copied into the arena when it ends.
 * Each node knows how many nodes a walk from it meets (an alias counts whole), so a nest of aliases that would
 * expand to billions is refused while it is read, at a cost of its written size.
 *
 * libyaml's marks count from 0, in characters, and point at a block scalar's | and at an anchor's &; positions
 * here count from 1 and point at the content: the source line is looked at for that, through a cursor that only
 * goes forward, as events do.
 *
 * Cost: linear in the text, times a logarithm for the keys of large mappings. Left to others: what keys mean.
 */
#include "rules/yaml_int.h"

#include <stdlib.h>
#include <yaml.h>

#include "matcher/json.h"
#include "matcher/utf8.h"

struct anchor {
    const struct anchor *older;
    struct str name;
    const struct node *node;
    bool open; /* its collection has not ended yet */
};

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    struct diags *diags;
    const char *file;
    struct str text;
    struct anchor *anchors; /* newest first: a name may be used again */
    struct buf stack;       /* of const struct node *: children of open collections */
    uint32_t depth;
    /* The cursor: a place in the text as libyaml counts, lines and columns from 0, and its bytes. */
    size_t line, line_offset;
    size_t line_end;              /* 0: not looked for yet */
    size_t column, column_offset; /* the latter from line_offset on */
};

static const struct node *build_node(struct builder *b, yaml_event_t *event);

/* ---- faults ---- */

/* The idiom for what ends a file: NULL says that an error was reported or memory ran out. */
static const struct node *stop(struct builder *b)
{
    b->diags->out_of_memory |= b->arena->failed || b->stack.failed;
    return NULL;
}

static struct diag_pos mark_pos(const struct builder *b, yaml_mark_t mark)
{
    return (struct diag_pos){b->file, (int)mark.line + 1, (int)mark.column + 1};
}

static const char *syntax_hint(const struct builder *b, yaml_mark_t mark)
{
    size_t at = 0;
    for (size_t line = 0; line < mark.line && at < b->text.size; at++)
        line += b->text.ptr[at] == '\n';
    for (size_t column = 0; column < mark.column && at < b->text.size; column++) {
        uint32_t code;
        at += utf8_decode(b->text.ptr + at, b->text.size - at, &code);
    }
    switch (at < b->text.size ? b->text.ptr[at] : '\0') {
    case '\t': return "; indent with spaces, not with tabs";
    case '@':
    case '`':
    case '%': return "; a text that starts with it needs quotes";
    default:
        return strstr(b->parser.problem, "alphabetic or numeric") ? "; a text that starts with * or & needs quotes"
                                                                  : "";
    }
}

static const struct node *syntax_error(struct builder *b)
{
    yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        b->diags->out_of_memory = true;
        return NULL;
    }
    const char *problem = p->problem ? p->problem : "not YAML";
    if (p->error == YAML_READER_ERROR) {
        int line, column;
        size_t offset = p->problem_offset < b->text.size ? p->problem_offset : b->text.size;
        json_place(b->text, offset, &line, &column);
        diag_error(b->diags, (struct diag_pos){b->file, line, column}, "%s", problem);
        return NULL;
    }
    struct diag_pos pos = mark_pos(b, p->problem_mark);
    if (p->context && p->context_mark.line != p->problem_mark.line)
        diag_error(b->diags, pos, "%s, %s that starts in line %zu%s", problem, p->context, p->context_mark.line + 1,
                   syntax_hint(b, p->problem_mark));
    else
        diag_error(b->diags, pos, "%s%s", problem, syntax_hint(b, p->problem_mark));
    return NULL;
}

static bool check_utf8(struct builder *b)
{
    for (size_t at = 0; at < b->text.size;) {
        uint32_t code = 0;
        unsigned size = utf8_decode(b->text.ptr + at, b->text.size - at, &code);
        if (size == 0 || utf8_is_surrogate(code)) {
            struct diag_pos pos = {.file = b->file};
            json_place(b->text, at, &pos.line, &pos.column);
            return diag_error(b->diags, pos, "byte 0x%02x is not UTF-8", (unsigned char)b->text.ptr[at]);
        }
        at += size;
    }
    return true;
}

/* ---- places ---- */

/* The source line that holds `mark` (0-based), moving the cursor there. */
static struct str source_line(struct builder *b, size_t line)
{
    if (line < b->line)
        b->line = b->line_offset = b->line_end = 0;
    if (line != b->line || !b->line_end)
        b->column = b->column_offset = 0;
    while (b->line < line && b->line_offset < b->text.size) {
        const char *end = memchr(b->text.ptr + b->line_offset, '\n', b->text.size - b->line_offset);
        b->line_offset = end ? (size_t)(end + 1 - b->text.ptr) : b->text.size;
        b->line_end = 0;
        b->line++;
    }
    const char *start = b->text.ptr + b->line_offset;
    if (!b->line_end) {
        const char *end = memchr(start, '\n', b->text.size - b->line_offset);
        b->line_end = end ? (size_t)(end - b->text.ptr) : b->text.size;
    }
    return (struct str){start, b->line_end - b->line_offset};
}

/* The byte at which a column (0-based) of the cursor's line starts, moving the cursor there: a line may be all there
   is, and long. */
static size_t source_column(struct builder *b, struct str line, size_t column)
{
    if (column < b->column)
        b->column = b->column_offset = 0;
    for (; b->column < column && b->column_offset < line.size; b->column++) {
        uint32_t code;
        unsigned size = utf8_decode(line.ptr + b->column_offset, line.size - b->column_offset, &code);
        b->column_offset += size ? size : 1;
    }
    return b->column_offset;
}

/* Past an anchor and the blanks behind it: *column (0-based) and *at move to the content. */
static void skip_anchor(struct str line, size_t *at, size_t *column)
{
    if (*at >= line.size || line.ptr[*at] != '&')
        return;
    size_t next = *at;
    while (next < line.size && line.ptr[next] != ' ')
        next++;
    while (next < line.size && line.ptr[next] == ' ')
        next++;
    if (next < line.size && line.ptr[next] != '\r') {
        *column += next - *at; /* anchors are ASCII */
        *at = next;
    }
}

/* Block scalars: the line behind the header, at the indent of the first line that is not blank. */
static void place_block(struct builder *b, struct node *n, yaml_mark_t start)
{
    size_t blank = 0;
    while (blank < n->text.size && n->text.ptr[blank] == '\n')
        blank++;
    struct str line = source_line(b, start.line + 1 + blank);
    size_t own = 0, indent = 0;
    while (blank + own < n->text.size && n->text.ptr[blank + own] == ' ')
        own++;
    while (indent < line.size && line.ptr[indent] == ' ')
        indent++;
    n->pos.line = (int)start.line + 2;
    n->pos.column = (int)(indent > own ? indent - own : 0) + 1;
}

/* Where a value on the mark's line really starts; returns the line from there on. */
static struct str place_content(struct builder *b, struct node *n, yaml_mark_t start)
{
    struct str line = source_line(b, start.line);
    size_t at = source_column(b, line, start.column), column = start.column;
    skip_anchor(line, &at, &column);
    n->pos.column = (int)column + 1;
    at = at < line.size ? at : line.size;
    return (struct str){line.ptr + at, line.size - at};
}

static void place_scalar(struct builder *b, struct node *n, yaml_mark_t start, yaml_mark_t end)
{
    if (n->style == NODE_LITERAL || n->style == NODE_FOLDED) {
        place_block(b, n, start);
        return;
    }
    struct str content = place_content(b, n, start);
    size_t quote = n->style != NODE_PLAIN && content.size;
    if (start.line == end.line)
        n->raw = (struct str){content.ptr + quote, content.size - quote};
}

/* ---- nodes ---- */

static struct node *node_new(struct builder *b, enum node_type type, yaml_mark_t mark)
{
    struct node *n = arena_new(b->arena, struct node);
    if (!n)
        return NULL;
    n->type = type;
    n->pos = mark_pos(b, mark);
    n->weight = 1;
    return n;
}

/* Saturates: past the maximum the sum says no more than that. */
static bool weight_add(struct builder *b, struct node *n, uint32_t more)
{
    n->weight += more;
    if (n->weight <= YAML_NODES_MAX)
        return true;
    return diag_error(b->diags, n->pos, "aliases expand to more than %u nodes here", YAML_NODES_MAX);
}

static struct anchor *anchor_add(struct builder *b, const unsigned char *name, const struct node *n)
{
    struct anchor *anchor = arena_new(b->arena, struct anchor);
    if (!anchor)
        return NULL;
    *anchor =
        (struct anchor){.older = b->anchors, .name = arena_str(b->arena, str_from((const char *)name)), .node = n};
    b->anchors = anchor;
    return anchor;
}

/* What an alias names; a fault of its own where it names nothing. */
static const struct node *alias_find(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *a = b->anchors;
    while (a && !str_is(a->name, name))
        a = a->older;
    if (a && !a->open)
        return a->node;
    struct diag_pos pos = mark_pos(b, event->start_mark);
    if (a)
        diag_error(b->diags, pos, "alias '%s' stands inside what it names", name);
    else
        diag_error(b->diags, pos, "unknown alias '%s'; a text that starts with * needs quotes", name);
    return node_new(b, NODE_FAULT, event->start_mark);
}

/* Tags say how to read a value; Weir knows that itself. Reading goes on without it. */
static void refuse_tag(struct builder *b, const unsigned char *tag, yaml_mark_t mark)
{
    if (tag)
        diag_error(b->diags, mark_pos(b, mark),
                   "tags such as '%s' are not served; a text that starts with ! needs quotes", (const char *)tag);
}

static enum node_style style_of(yaml_scalar_style_t style)
{
    switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE: return NODE_SINGLE_QUOTED;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE: return NODE_DOUBLE_QUOTED;
    case YAML_LITERAL_SCALAR_STYLE: return NODE_LITERAL;
    case YAML_FOLDED_SCALAR_STYLE: return NODE_FOLDED;
    default: return NODE_PLAIN;
    }
}

static struct node *build_scalar(struct builder *b, const yaml_event_t *event)
{
    struct node *n = node_new(b, NODE_TEXT, event->start_mark);
    if (!n)
        return NULL;
    refuse_tag(b, event->data.scalar.tag, event->start_mark);
    n->text = arena_str(b->arena, (struct str){(const char *)event->data.scalar.value, event->data.scalar.length});
    if (!n->text.ptr)
        return NULL;
    n->style = style_of(event->data.scalar.style);
    place_scalar(b, n, event->start_mark, event->end_mark);
    return n;
}

/* A value; a key is not resolved: it is text however it looks. */
static struct node *build_value_scalar(struct builder *b, const yaml_event_t *event)
{
    struct node *n = build_scalar(b, event);
    if (!n || n->style != NODE_PLAIN)
        return n;
    struct buf why = BUF_INIT;
    n->type = yaml_scalar_type(n->text, &why);
    if (n->type == NODE_FAULT)
        diag_error(b->diags, n->pos, "%s", buf_cstr(&why));
    b->stack.failed |= why.failed;
    buf_fini(&why);
    return n;
}

const struct node *const *node_stack_take(struct arena *a, struct buf *stack, size_t bottom, uint32_t *count)
{
    size_t size = stack->size - bottom;
    const struct node **taken = stack->failed ? NULL : arena_alloc(a, size);
    if (!taken)
        return NULL;
    if (size)
        memcpy(taken, stack->data + bottom, size);
    stack->size = bottom;
    *count = (uint32_t)(size / sizeof(*taken));
    return taken;
}

static bool push(struct builder *b, struct node *parent, const struct node *child)
{
    buf_add(&b->stack, &child, sizeof(child));
    return !b->stack.failed && weight_add(b, parent, child->weight);
}

static bool next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event))
        return true;
    syntax_error(b);
    return false;
}

static bool build_items(struct builder *b, struct node *list)
{
    size_t bottom = b->stack.size;
    yaml_event_t event;
    while (next_event(b, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            list->items = node_stack_take(b->arena, &b->stack, bottom, &list->count);
            return list->items;
        }
        const struct node *item = build_node(b, &event);
        if (!item || !push(b, list, item))
            return false;
    }
    return false;
}

/* ---- mappings ---- */

struct key_place {
    const struct node *key;
    uint32_t index;
};

static int key_place_cmp(const void *left, const void *right)
{
    const struct key_place *a = left, *b = right;
    int order = str_cmp(a->key->text, b->key->text);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Marks every key but the first of its text, each with an error; keys are sorted. Returns how many. */
static uint32_t mark_repeats(const struct key_place *keys, uint32_t count, bool *repeated, struct diags *diags)
{
    uint32_t found = 0;
    for (uint32_t i = 1, first = 0; i < count; i++) {
        if (!str_eq(keys[i].key->text, keys[first].key->text)) {
            first = i;
            continue;
        }
        struct diag_pos earlier = keys[first].key->pos;
        diag_error(diags, keys[i].key->pos, "key '%.*s' is repeated; it stands in line %d, column %d already",
                   STR_ARG(keys[i].key->text), earlier.line, earlier.column);
        repeated[keys[i].index] = true;
        found++;
    }
    return found;
}

bool node_drop_repeats(struct node *map, struct arena *a, struct diags *diags)
{
    struct key_place *keys = calloc(map->count + 1, sizeof(*keys));
    bool *repeated = calloc(map->count + 1, sizeof(*repeated));
    struct node_pair *kept = NULL;
    uint32_t found = 0, count = 0;
    bool ok = keys && repeated;
    for (uint32_t i = 0; ok && i < map->count; i++)
        keys[i] = (struct key_place){map->pairs[i].key, i};
    if (ok) {
        qsort(keys, map->count, sizeof(*keys), key_place_cmp);
        found = mark_repeats(keys, map->count, repeated, diags);
    }
    if (found && !(kept = arena_array(a, map->count, sizeof(*kept))))
        ok = false;
    for (uint32_t i = 0; kept && i < map->count; i++)
        if (!repeated[i])
            kept[count++] = map->pairs[i];
    if (kept) {
        map->pairs = kept;
        map->count = count;
    }
    diags->out_of_memory |= !ok;
    free(keys);
    free(repeated);
    return ok;
}

static bool is_merge_key(const struct node *key)
{
    return key->style == NODE_PLAIN && str_is(key->text, "<<");
}

static bool pairs_have(const struct node_pair *pairs, uint32_t count, struct str key)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(pairs[i].key->text, key))
            return true;
    return false;
}

/* Adds those pairs of `from` whose keys are not there yet. */
static bool merge_one(struct builder *b, struct node_pair *pairs, uint32_t *count, const struct node *from)
{
    if (from->type != NODE_MAP)
        return diag_error(b->diags, from->pos, "merge key '<<' needs a mapping or a list of mappings, not %s",
                          node_type_name(from));
    uint32_t own = *count;
    for (uint32_t i = 0; i < from->count; i++)
        if (!pairs_have(pairs, own, from->pairs[i].key->text))
            pairs[(*count)++] = from->pairs[i];
    return true;
}

static uint32_t merged_count(const struct node *value)
{
    if (value->type != NODE_LIST)
        return value->type == NODE_MAP ? value->count : 0;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < value->count; i++)
        sum += value->items[i]->type == NODE_MAP ? value->items[i]->count : 0;
    return sum;
}

/* map with its merge key, if any, carried out. Faults in it are reported; only lack of memory gives false. */
static bool merge(struct builder *b, struct node *map)
{
    uint32_t at = 0;
    while (at < map->count && !is_merge_key(map->pairs[at].key))
        at++;
    if (at == map->count)
        return true;
    const struct node *value = map->pairs[at].value;
    struct node_pair *pairs = arena_array(b->arena, (size_t)map->count + merged_count(value), sizeof(*pairs));
    if (!pairs)
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < map->count; i++)
        if (!is_merge_key(map->pairs[i].key))
            pairs[count++] = map->pairs[i];
    if (value->type == NODE_LIST)
        for (uint32_t i = 0; i < value->count; i++)
            merge_one(b, pairs, &count, value->items[i]);
    else
        merge_one(b, pairs, &count, value);
    map->pairs = pairs;
    map->count = count;
    return true;
}

static const struct node *build_key(struct builder *b, yaml_event_t *event)
{
    struct diag_pos pos = mark_pos(b, event->start_mark);
    struct node *key = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        key = build_scalar(b, event);
        if (key && event->data.scalar.anchor && !anchor_add(b, event->data.scalar.anchor, key))
            key = NULL;
        if (key && key->text.size == 0 && key->style == NODE_PLAIN)
            diag_error(b->diags, pos, "a key is missing before ':'; an empty key is written \"\"");
    } else {
        diag_error(b->diags, pos, "a key must be text, not %s",
                   event->type == YAML_ALIAS_EVENT           ? "an alias"
                   : event->type == YAML_MAPPING_START_EVENT ? "a mapping; a text that starts with { needs quotes"
                                                             : "a list; a text that starts with [ needs quotes");
    }
    yaml_event_delete(event);
    return key;
}

static bool build_pairs(struct builder *b, struct node *map)
{
    size_t bottom = b->stack.size;
    yaml_event_t event;
    while (next_event(b, &event)) {
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            map->pairs =
                (const struct node_pair *)(const void *)node_stack_take(b->arena, &b->stack, bottom, &map->count);
            map->count /= 2;
            return map->pairs && node_drop_repeats(map, b->arena, b->diags) && merge(b, map);
        }
        const struct node *key = build_key(b, &event);
        if (!key || !push(b, map, key) || !next_event(b, &event))
            return false;
        const struct node *value = build_node(b, &event);
        if (!value || !push(b, map, value))
            return false;
    }
    return false;
}

/* ---- any node; takes over the event ---- */

static const struct node *build_collection(struct builder *b, enum node_type type, const unsigned char *anchor,
                                           const unsigned char *tag, yaml_mark_t mark)
{
    struct node *n = node_new(b, type, mark);
    struct anchor *own = NULL;
    if (!n || (anchor && !(own = anchor_add(b, anchor, n))))
        return stop(b);
    n->anchored = anchor != NULL;
    refuse_tag(b, tag, mark);
    if (anchor)
        place_content(b, n, mark);
    if (++b->depth > YAML_DEPTH_MAX) {
        diag_error(b->diags, n->pos, "lists and mappings are nested more than %d deep", YAML_DEPTH_MAX);
        return NULL;
    }
    if (own)
        own->open = true;
    if (!(type == NODE_MAP ? build_pairs(b, n) : build_items(b, n)))
        return stop(b);
    if (own)
        own->open = false;
    b->depth--;
    return n;
}

static const struct node *build_node(struct builder *b, yaml_event_t *event)
{
    const struct node *n = NULL;
    const unsigned char *anchor;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        n = build_value_scalar(b, event);
        anchor = event->data.scalar.anchor;
        if (n && anchor && !anchor_add(b, anchor, n))
            n = NULL;
        break;
    case YAML_ALIAS_EVENT: n = alias_find(b, event); break;
    case YAML_SEQUENCE_START_EVENT:
        n = build_collection(b, NODE_LIST, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                             event->start_mark);
        break;
    case YAML_MAPPING_START_EVENT:
        n = build_collection(b, NODE_MAP, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                             event->start_mark);
        break;
    default: break;
    }
    yaml_event_delete(event);
    return n ? n : stop(b);
}

/* The one document of the stream. */
static const struct node *build_stream(struct builder *b)
{
    const struct node *root = NULL;
    yaml_event_t event;
    while (next_event(b, &event)) {
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && root) {
            diag_error(b->diags, mark_pos(b, event.start_mark), "a second document starts here; a file holds one");
            yaml_event_delete(&event);
            return NULL;
        }
        if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT || type == YAML_SEQUENCE_START_EVENT ||
            type == YAML_MAPPING_START_EVENT) {
            root = build_node(b, &event);
            if (!root)
                return NULL;
            continue;
        }
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return root ? root : node_new(b, NODE_NULL, (yaml_mark_t){0});
    }
    return NULL;
}

const struct node *yaml_parse(struct arena *a, const char *file, struct str text, struct diags *diags)
{
    static const char bom[] = "\xEF\xBB\xBF";
    struct builder b = {.arena = a, .diags = diags, .file = file, .text = text};
    if (str_starts(text, STR(bom)))
        b.text = (struct str){text.ptr + 3, text.size - 3};
    if (text.size > YAML_FILE_BYTES_MAX) {
        diag_error(diags, (struct diag_pos){.file = file}, "a file may have at most %u bytes; this one has %zu",
                   YAML_FILE_BYTES_MAX, text.size);
        return NULL;
    }
    if (!check_utf8(&b))
        return NULL;
    if (!yaml_parser_initialize(&b.parser)) {
        diags->out_of_memory = true;
        return NULL;
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(b.text.ptr ? b.text.ptr : ""), b.text.size);
    const struct node *root = build_stream(&b);
    if (!root)
        stop(&b);
    buf_fini(&b.stack);
    yaml_parser_delete(&b.parser);
    return root;
}

/* ---- reading the tree ---- */

const struct node *node_get(const struct node *map, const char *key)
{
    struct str wanted = str_from(key);
    for (uint32_t i = 0; map->type == NODE_MAP && i < map->count; i++)
        if (str_eq(map->pairs[i].key->text, wanted))
            return map->pairs[i].value;
    return NULL;
}

const char *node_type_name(const struct node *n)
{
    switch (n->type) {
    case NODE_FAULT: return "a fault";
    case NODE_NULL: return n->text.size ? "null" : "nothing";
    case NODE_FALSE: return "false";
    case NODE_TRUE: return "true";
    case NODE_NUMBER: return "a number";
    case NODE_TEXT: return "text";
    case NODE_LIST: return "a list";
    case NODE_MAP: return "a mapping";
    }
    return "";
}
