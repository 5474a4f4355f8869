/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node is tried on one line first, into a buffer of its own; where that gets too long, or deeper than people like to
 * read braces, it becomes a block. So each node is written at most once a level: time is size times depth.
 */
#include "rules/yaml_write.h"

#include "matcher/utf8.h"

#define WIDTH      100 /* of a line with braces */
#define FLOW_DEPTH 3   /* braces in braces in braces */

/* ---- scalars ---- */

static bool is_plain_char(char c, bool flow)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("_./-$+=()", c))
        return c;
    return c == ' ' || (!flow && c && strchr(":,@'", c));
}

/* 30s, 64KiB, 100/s */
static bool is_measure(struct str text)
{
    size_t at = 0;
    while (at < text.size && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    size_t unit = at + (at < text.size && text.ptr[at] == '/');
    for (size_t i = unit; i < text.size; i++)
        if (!(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') && !(text.ptr[i] >= 'a' && text.ptr[i] <= 'z'))
            return false;
    return at && unit < text.size;
}

/* May the text stand there without quotes? */
static bool is_plain(struct str text, bool flow)
{
    struct buf why = BUF_INIT;
    char first = text.size ? text.ptr[0] : '\0', last = text.size ? text.ptr[text.size - 1] : '\0';
    if (!(first >= 'A' && first <= 'Z') && !(first >= 'a' && first <= 'z') && !(first && strchr("_/.$", first)) &&
        !is_measure(text))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!is_plain_char(text.ptr[i], flow) || (text.ptr[i] == ':' && (i + 1 == text.size || text.ptr[i + 1] == ' ')))
            return false;
    bool plain = last != ' ' && yaml_scalar_type(text, &why) == NODE_TEXT;
    buf_fini(&why);
    return plain;
}

/* As YAML understands it: what JSON escapes, and what YAML counts as unprintable. */
static void write_quoted(struct buf *out, struct str text)
{
    buf_char(out, '"');
    for (size_t i = 0; i < text.size;) {
        uint32_t code;
        unsigned size = utf8_decode(text.ptr + i, text.size - i, &code);
        if (!size) {
            code = 0xFFFD;
            size = 1;
        }
        if (code == '"' || code == '\\')
            buf_printf(out, "\\%c", (int)code);
        else if (code == '\n')
            buf_text(out, "\\n");
        else if (code == '\t')
            buf_text(out, "\\t");
        else if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xFEFF || (code >= 0xFFFD && code <= 0xFFFF) ||
                 code == 0x2028 || code == 0x2029)
            buf_printf(out, "\\u%04X", (unsigned)code);
        else
            buf_add(out, text.ptr + i, size);
        i += size;
    }
    buf_char(out, '"');
}

/* What has double quotes or backslashes, as JSON does, is easier read in single ones. */
static bool write_single_quoted(struct buf *out, struct str text)
{
    bool worth = false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
        worth |= text.ptr[i] == '"' || text.ptr[i] == '\\';
    }
    if (!worth)
        return false;
    buf_char(out, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '\'')
            buf_char(out, '\'');
        buf_char(out, text.ptr[i]);
    }
    buf_char(out, '\'');
    return true;
}

/* A text of lines that says the same as a literal block: printable, no line that begins or ends in blanks. */
static bool is_literal(struct str text)
{
    if (text.size < 2 || text.ptr[text.size - 1] != '\n' || !memchr(text.ptr, '\n', text.size - 1))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.ptr[i];
        bool begins = i == 0 || text.ptr[i - 1] == '\n';
        if ((unsigned char)c >= 0x7F || (c < ' ' && c != '\n') || (begins && (c == '\n' || (c == ' ' && i == 0))) ||
            (c == '\n' && i && text.ptr[i - 1] == ' '))
            return false;
    }
    return true;
}

static void write_indent(struct buf *out, unsigned indent)
{
    buf_printf(out, "%*s", (int)indent, "");
}

static void write_literal(struct buf *out, struct str text, unsigned indent)
{
    buf_char(out, '|');
    for (size_t i = 0; i < text.size; i++) {
        if (i == 0 || text.ptr[i - 1] == '\n') {
            buf_text(out, i ? "" : "\n");
            write_indent(out, indent);
        }
        if (i + 1 < text.size)
            buf_char(out, text.ptr[i]);
    }
}

static void write_scalar(struct buf *out, const struct node *n, bool flow)
{
    switch (n->type) {
    case NODE_NUMBER: buf_str(out, n->text); return;
    case NODE_TRUE: buf_text(out, "true"); return;
    case NODE_FALSE: buf_text(out, "false"); return;
    case NODE_NULL: buf_text(out, "null"); return;
    default: break;
    }
    if (is_plain(n->text, flow))
        buf_str(out, n->text);
    else if (!write_single_quoted(out, n->text))
        write_quoted(out, n->text);
}

/* ---- in braces ---- */

static bool write_flow(struct buf *out, const struct node *n, unsigned depth)
{
    bool map = n->type == NODE_MAP;
    if (!map && n->type != NODE_LIST) {
        write_scalar(out, n, true);
        return n->type != NODE_TEXT || !memchr(n->text.ptr, '\n', n->text.size);
    }
    if (depth == FLOW_DEPTH || out->size > WIDTH)
        return false;
    buf_char(out, map ? '{' : '[');
    for (uint32_t i = 0; i < n->count; i++) {
        buf_text(out, i ? ", " : "");
        if (map) {
            write_scalar(out, n->pairs[i].key, true);
            buf_text(out, ": ");
        }
        if (!write_flow(out, map ? n->pairs[i].value : n->items[i], depth + 1))
            return false;
    }
    buf_char(out, map ? '}' : ']');
    return out->size <= WIDTH;
}

/* Writes it on one line if it fits there. */
static bool try_flow(struct buf *out, const struct node *n, unsigned column)
{
    struct buf line = BUF_INIT;
    bool fits = (write_flow(&line, n, 0) && line.size + column <= WIDTH) || !n->count;
    if (fits)
        buf_str(out, buf_view(&line));
    out->failed |= line.failed;
    buf_fini(&line);
    return fits;
}

/* ---- blocks ---- */

static void write_pairs(struct buf *out, const struct node *map, unsigned indent, unsigned blocks, bool first_indented);

static void write_items(struct buf *out, const struct node *list, unsigned indent)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node *item = list->items[i];
        write_indent(out, indent);
        buf_text(out, "- ");
        if (item->type == NODE_MAP && item->count) {
            write_pairs(out, item, indent + 2, 0, true);
            continue;
        }
        if (item->type == NODE_LIST && !try_flow(out, item, indent + 2)) {
            buf_char(out, '\n');
            write_items(out, item, indent + 2);
            continue;
        }
        if (item->type == NODE_MAP && !item->count)
            buf_text(out, "{}");
        else if (item->type != NODE_MAP && item->type != NODE_LIST)
            write_scalar(out, item, false);
        buf_char(out, '\n');
    }
}

static void write_value(struct buf *out, const struct node *n, unsigned indent, unsigned blocks)
{
    bool map = n->type == NODE_MAP;
    size_t line = out->size;
    while (line && out->data[line - 1] != '\n')
        line--;
    if (n->type == NODE_TEXT && is_literal(n->text)) {
        buf_char(out, ' ');
        write_literal(out, n->text, indent + 2);
    } else if (!map && n->type != NODE_LIST) {
        buf_char(out, ' ');
        write_scalar(out, n, false);
    } else if (map && blocks && n->count) {
        buf_char(out, '\n');
        write_pairs(out, n, indent + 2, blocks - 1, false);
        return;
    } else {
        buf_char(out, ' ');
        if (!try_flow(out, n, (unsigned)(out->size - line))) {
            out->data[out->size - 1] = '\n';
            if (map)
                write_pairs(out, n, indent + 2, 0, false);
            else
                write_items(out, n, indent + 2);
            return;
        }
    }
    buf_char(out, '\n');
}

static void write_pairs(struct buf *out, const struct node *map, unsigned indent, unsigned blocks, bool first_indented)
{
    for (uint32_t i = 0; i < map->count; i++) {
        if (i || !first_indented)
            write_indent(out, indent);
        write_scalar(out, map->pairs[i].key, false);
        buf_char(out, ':');
        if (!out->failed)
            write_value(out, map->pairs[i].value, indent, blocks);
    }
}

void yaml_write(struct buf *out, const struct node *map, unsigned indent, unsigned blocks)
{
    write_pairs(out, map, indent, blocks, false);
}

bool yaml_can_write(const struct node *n)
{
    struct buf why = BUF_INIT;
    bool can = n->type != NODE_NUMBER || yaml_scalar_type(n->text, &why) == NODE_NUMBER;
    buf_fini(&why);
    for (uint32_t i = 0; can && n->type == NODE_LIST && i < n->count; i++)
        can = yaml_can_write(n->items[i]);
    for (uint32_t i = 0; can && n->type == NODE_MAP && i < n->count; i++)
        can = yaml_can_write(n->pairs[i].value);
    return can;
}
