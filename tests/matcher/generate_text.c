/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees written as JSON: plainly, or in one of the many ways that mean the same.
 */
#include "tests/matcher/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writing {
    struct generator *g;
    unsigned style;
    char *text;
    size_t size, room;
};

static void put(struct writing *w, const char *bytes, size_t size)
{
    if (w->room - w->size < size) {
        char *wider;
        w->room = 2 * w->room + size + 256;
        wider = judge_alloc(w->g->memory, w->room);
        if (w->size > 0)
            memcpy(wider, w->text, w->size);
        w->text = wider;
    }
    memcpy(w->text + w->size, bytes, size);
    w->size += size;
}

static void put_space(struct writing *w)
{
    if ((w->style & GENERATE_SPACED) == 0)
        return;
    while (generate_chance(w->g, 40))
        put(w, &" \t\r\n"[generate_below(w->g, 4)], 1);
    if (generate_chance(w->g, 2)) {
        for (uint32_t i = generate_below(w->g, 130); i > 0; i--)
            put(w, " ", 1);
    }
}

static void put_unit(struct writing *w, uint32_t unit)
{
    char escape[8];

    snprintf(escape, sizeof escape, generate_chance(w->g, 50) ? "\\u%04x" : "\\u%04X", (unsigned)unit & 0xFFFF);
    put(w, escape, 6);
}

static void put_character(struct writing *w, uint32_t code)
{
    static const char short_from[] = "\"\\/\b\f\n\r\t", short_to[] = "\"\\/bfnrt";
    const char *found = code > 0 && code < 0x80 ? strchr(short_from, (int)code) : NULL;
    bool surrogate = code >= 0xD800 && code < 0xE000, free_choice = (w->style & GENERATE_ESCAPED) != 0;
    bool must = code < 0x20 || code == '"' || code == '\\' || surrogate;
    char bytes[4];

    if (!must && !(free_choice && generate_chance(w->g, 30))) {
        put(w, bytes, judge_utf8(code, bytes));
    } else if (found != NULL && !(free_choice && generate_chance(w->g, 50))) {
        put(w, "\\", 1);
        put(w, &short_to[found - short_from], 1);
    } else if (code >= 0x10000) {
        put_unit(w, 0xD800 + ((code - 0x10000) >> 10));
        put_unit(w, 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
        put_unit(w, code);
    }
}

static void put_string(struct writing *w, struct judge_text text)
{
    put(w, "\"", 1);
    for (size_t at = 0; at < text.size;)
        put_character(w, judge_code_point(text, &at));
    put(w, "\"", 1);
}

static void put_node(struct writing *w, const struct judge_node *node);

static void put_members(struct writing *w, const struct judge_node *node)
{
    size_t count = generate_child_count(node), filled = 0;
    const struct judge_node **order = judge_alloc(w->g->memory, sizeof *order * (count + 1));

    for (const struct judge_node *child = node->first; child != NULL; child = child->next)
        order[filled++] = child;
    for (size_t i = count; (w->style & GENERATE_SHUFFLED) != 0 && node->type == JUDGE_OBJECT && i > 1; i--) {
        size_t other = generate_below(w->g, (uint32_t)i);
        const struct judge_node *swapped = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swapped;
    }
    put_space(w);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put(w, ",", 1);
        put_space(w);
        if (node->type == JUDGE_OBJECT) {
            put_string(w, order[i]->key);
            put_space(w);
            put(w, ":", 1);
            put_space(w);
        }
        put_node(w, order[i]);
        put_space(w);
    }
}

static void put_node(struct writing *w, const struct judge_node *node)
{
    switch (node->type) {
    case JUDGE_NULL: put(w, "null", 4); return;
    case JUDGE_FALSE: put(w, "false", 5); return;
    case JUDGE_TRUE: put(w, "true", 4); return;
    case JUDGE_NUMBER: put(w, node->text.at, node->text.size); return;
    case JUDGE_STRING: put_string(w, node->text); return;
    case JUDGE_ARRAY:
        put(w, "[", 1);
        put_members(w, node);
        put(w, "]", 1);
        return;
    case JUDGE_OBJECT:
        put(w, "{", 1);
        put_members(w, node);
        put(w, "}", 1);
        return;
    }
    abort();
}

struct judge_text generate_text(struct generator *g, const struct judge_node *tree, unsigned style)
{
    struct writing w = {.g = g, .style = style};

    put_space(&w);
    put_node(&w, tree);
    put_space(&w);
    return (struct judge_text){w.text, w.size};
}
