/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON and the tree of nodes: a node written as JSON (events of tests, constant inputs), and JSON text that stands
 * in a YAML scalar (a pattern copied from somewhere) read into nodes.
 *
 * The second keeps places: a reader goes through the decoded text, and a second finger follows it in the file. In a
 * literal block the text's lines are the file's lines; in a scalar of one line the finger steps over the escapes
 * that YAML's quotes need. Elsewhere (folded text) the scalar's start has to do.
 */
#include "rules/yaml_int.h"

#include "matcher/json.h"
#include "matcher/utf8.h"

/* ---- nodes to JSON ---- */

void node_write_json(struct buf *out, const struct node *n)
{
    switch (n->type) {
    case NODE_NUMBER: buf_str(out, n->text); return;
    case NODE_FAULT:
    case NODE_TEXT: json_write_string(out, n->text); return;
    case NODE_NULL: buf_text(out, "null"); return;
    case NODE_TRUE: buf_text(out, "true"); return;
    case NODE_FALSE: buf_text(out, "false"); return;
    case NODE_LIST:
        buf_char(out, '[');
        for (uint32_t i = 0; i < n->count; i++) {
            if (i)
                buf_char(out, ',');
            node_write_json(out, n->items[i]);
        }
        buf_char(out, ']');
        return;
    case NODE_MAP:
        buf_char(out, '{');
        for (uint32_t i = 0; i < n->count; i++) {
            if (i)
                buf_char(out, ',');
            json_write_string(out, n->pairs[i].key->text);
            buf_char(out, ':');
            node_write_json(out, n->pairs[i].value);
        }
        buf_char(out, '}');
        return;
    }
}

size_t node_text_bytes(const struct node *n)
{
    size_t bytes = n->text.size;
    for (uint32_t i = 0; n->type == NODE_LIST && i < n->count; i++)
        bytes += node_text_bytes(n->items[i]);
    for (uint32_t i = 0; n->type == NODE_MAP && i < n->count; i++)
        bytes += n->pairs[i].key->text.size + node_text_bytes(n->pairs[i].value);
    return bytes;
}

/* ---- the finger in the file ---- */

struct finger {
    const struct node *scalar;
    size_t at;      /* offset in scalar->text */
    struct str raw; /* the file from the same place on, for scalars of one line; runs out at the end of the line */
    int line, column;
};

/* How many characters of the file spell the next character of a scalar of one line. All but 1 are ASCII. */
static unsigned spelled_size(enum node_style style, struct str raw)
{
    if (style == NODE_SINGLE_QUOTED)
        return raw.ptr[0] == '\'' ? 2 : 1;
    if (style != NODE_DOUBLE_QUOTED || raw.ptr[0] != '\\' || raw.size < 2)
        return 1;
    switch (raw.ptr[1]) {
    case 'x': return 4;
    case 'u': return 6;
    case 'U': return 10;
    default: return 2;
    }
}

static void finger_move(struct finger *f, size_t to)
{
    const struct node *s = f->scalar;
    while (f->at < to) {
        uint32_t code;
        unsigned size = utf8_decode(s->text.ptr + f->at, s->text.size - f->at, &code);
        size = size ? size : 1;
        if (s->style == NODE_LITERAL) {
            bool newline = s->text.ptr[f->at] == '\n';
            f->line += newline;
            f->column = newline ? s->pos.column : f->column + 1;
        } else if (f->raw.size) {
            size_t spelled = spelled_size(s->style, f->raw);
            f->column += (int)spelled;
            size_t step = spelled == 1 ? size : spelled;
            step = step < f->raw.size ? step : f->raw.size;
            f->raw = (struct str){f->raw.ptr + step, f->raw.size - step};
        }
        f->at += size;
    }
}

static struct finger finger_on(const struct node *scalar)
{
    struct finger f = {scalar, 0, scalar->raw, scalar->pos.line, scalar->pos.column};
    f.column += scalar->raw.ptr && scalar->style != NODE_PLAIN; /* the quote */
    return f;
}

struct diag_pos node_place(const struct node *scalar, size_t offset)
{
    struct finger f = finger_on(scalar);
    finger_move(&f, offset < scalar->text.size ? offset : scalar->text.size);
    return (struct diag_pos){scalar->pos.file, f.line, f.column};
}

/* ---- JSON to nodes ---- */

struct json_builder {
    struct arena *arena;
    struct diags *diags;
    struct json_reader reader;
    struct json_token token;
    struct finger finger;
    struct buf stack;
    unsigned depth;
};

static struct diag_pos place(struct json_builder *b, size_t offset)
{
    if (offset >= b->finger.at)
        finger_move(&b->finger, offset);
    return (struct diag_pos){b->finger.scalar->pos.file, b->finger.line, b->finger.column};
}

static enum json_type next(struct json_builder *b)
{
    enum json_type type = json_next(&b->reader, &b->token);
    if (type == JSON_ERROR)
        diag_error(b->diags, place(b, b->reader.offset), "not JSON: %s", b->reader.error);
    return type;
}

static struct node *token_node(struct json_builder *b, enum node_type type)
{
    struct node *n = arena_new(b->arena, struct node);
    if (!n)
        return NULL;
    n->type = type;
    n->weight = 1;
    n->pos = place(b, (size_t)(b->token.raw.ptr - b->reader.text));
    n->style = NODE_DOUBLE_QUOTED;
    n->text = type == NODE_TEXT ? json_decode_in(b->arena, b->token.raw) : b->token.raw;
    return n->text.ptr ? n : NULL;
}

static const struct node *build_value(struct json_builder *b);

static bool push(struct json_builder *b, struct node *parent, const struct node *child)
{
    if (!child)
        return false;
    parent->weight += child->weight;
    buf_add(&b->stack, &child, sizeof(child));
    return !b->stack.failed;
}

static bool build_items(struct json_builder *b, struct node *list)
{
    size_t bottom = b->stack.size;
    for (;;) {
        enum json_type type = next(b);
        if (type == JSON_ARRAY_END)
            break;
        if (type == JSON_ERROR || !push(b, list, build_value(b)))
            return false;
    }
    list->items = node_stack_take(b->arena, &b->stack, bottom, &list->count);
    return list->items;
}

static bool build_pairs(struct json_builder *b, struct node *map)
{
    size_t bottom = b->stack.size;
    while (next(b) == JSON_KEY) {
        if (!push(b, map, token_node(b, NODE_TEXT)) || next(b) == JSON_ERROR || !push(b, map, build_value(b)))
            return false;
    }
    if (b->token.type == JSON_ERROR)
        return false;
    map->pairs = (const struct node_pair *)(const void *)node_stack_take(b->arena, &b->stack, bottom, &map->count);
    map->count /= 2;
    return map->pairs && node_drop_repeats(map, b->arena, b->diags);
}

/* The value whose first token was just read. */
static const struct node *build_value(struct json_builder *b)
{
    struct node *n;
    switch (b->token.type) {
    case JSON_STRING: return token_node(b, NODE_TEXT);
    case JSON_NUMBER: return token_node(b, NODE_NUMBER);
    case JSON_TRUE: return token_node(b, NODE_TRUE);
    case JSON_FALSE: return token_node(b, NODE_FALSE);
    case JSON_NULL: return token_node(b, NODE_NULL);
    case JSON_OBJECT: n = token_node(b, NODE_MAP); break;
    case JSON_ARRAY: n = token_node(b, NODE_LIST); break;
    default: return NULL;
    }
    if (n && ++b->depth > YAML_DEPTH_MAX) {
        diag_error(b->diags, n->pos, "lists and mappings are nested more than %d deep", YAML_DEPTH_MAX);
        return NULL;
    }
    if (!n || !(n->type == NODE_MAP ? build_pairs(b, n) : build_items(b, n)))
        return NULL;
    b->depth--;
    return n;
}

const struct node *node_read_json(struct arena *a, const struct node *scalar, struct diags *diags)
{
    struct json_builder b = {.arena = a, .diags = diags, .finger = finger_on(scalar)};
    json_reader_init(&b.reader, scalar->text);
    const struct node *root = next(&b) == JSON_ERROR ? NULL : build_value(&b);
    if (root && next(&b) != JSON_END)
        root = NULL;
    diags->out_of_memory |= a->failed || b.stack.failed;
    buf_fini(&b.stack);
    return root;
}
