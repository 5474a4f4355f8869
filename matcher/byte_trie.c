/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries over the bytes of values: one a field for prefixes, one for suffixes (walked from the value's end), and one
 * each way for what ignores case.
 *
 * Where case is ignored, a pattern's character is a symbol with two spellings (fold.h) and an edge is a symbol. Nearly
 * all are ASCII letters or characters without case: those are edges by byte, looked up by the value's byte in lower
 * case. The rest (é and É; the Kelvin sign and k; sharp s and SS) are tried one by one, and since the value's next
 * characters may spell several symbols at once, that walk has a small stack. A trie node is reached by one
 * sequence of symbols, and a symbol's two spellings never both stand at one place of a value (byte_trie_test holds
 * that for all of Unicode), so a node is entered once a value at most: the stack is bounded, and so is the work.
 */
#include "matcher/byte_trie.h"

#include "matcher/fold.h"
#include "matcher/utf8.h"

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ---- making ---- */

void byte_trie_builder_fini(struct byte_trie_builder *b)
{
    intern_fini(&b->nodes);
    buf_fini(&b->key);
}

static bool step(struct byte_trie_builder *b, uint32_t *node, const void *label, size_t size)
{
    buf_clear(&b->key);
    buf_add(&b->key, node, sizeof(*node));
    buf_add(&b->key, label, size);
    return !b->key.failed && intern_add(&b->nodes, b->key.data, b->key.size, node);
}

static bool step_bytes(struct byte_trie_builder *b, uint32_t *node, struct str bytes, bool back)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (!step(b, node, &bytes.ptr[back ? bytes.size - 1 - i : i], 1))
            return false;
    return true;
}

static bool step_character(struct byte_trie_builder *b, uint32_t *node, struct str character, uint32_t code, bool back)
{
    struct fold fold;
    fold_spellings(code, &fold);
    struct str upper = {(const char *)fold.upper, fold.upper_size}, lower = {(const char *)fold.lower, fold.lower_size};
    if (upper.size == 1 && lower.size == 1 && ascii_lower(upper.ptr[0]) == lower.ptr[0])
        return step(b, node, lower.ptr, 1);
    if (str_eq(upper, lower))
        return step_bytes(b, node, lower, back);
    struct byte_symbol symbol = {.sizes = {fold.upper_size, fold.lower_size}};
    memcpy(symbol.spellings[0], upper.ptr, upper.size);
    memcpy(symbol.spellings[1], lower.ptr, lower.size);
    return step(b, node, &symbol, offsetof(struct byte_symbol, child));
}

static bool step_folded(struct byte_trie_builder *b, uint32_t *node, struct str text, bool back)
{
    while (text.size) {
        uint32_t code = 0;
        size_t at = 0, size;
        if (back)
            for (at = text.size - 1; at && (text.ptr[at] & 0xC0) == 0x80;)
                at--;
        size = utf8_decode(text.ptr + at, text.size - at, &code);
        assert(size); /* the parser takes nothing else */
        if (!step_character(b, node, (struct str){text.ptr + at, size}, code, back))
            return false;
        if (!back)
            text.ptr += size;
        text.size -= size;
    }
    return true;
}

bool byte_trie_add(struct byte_trie_builder *b, uint32_t field, enum byte_trie_kind kind, struct str text,
                   uint32_t *root_out, uint32_t *end_out)
{
    bool back = kind == BYTE_TRIE_SUFFIX || kind == BYTE_TRIE_FOLD_BACK;
    uint32_t root_label[2] = {field, kind}, node = NONE;
    if (!step(b, &node, root_label, sizeof(root_label)))
        return false;
    *root_out = node;
    bool plain = kind == BYTE_TRIE_PREFIX || kind == BYTE_TRIE_SUFFIX;
    bool done = plain ? step_bytes(b, &node, text, back) : step_folded(b, &node, text, back);
    *end_out = node;
    return done;
}

/* ---- freezing: children of a node side by side ---- */

static struct str label_of(const struct byte_trie_builder *b, uint32_t number, uint32_t *parent_out)
{
    struct str key = intern_key(&b->nodes, number);
    memcpy(parent_out, key.ptr, sizeof(*parent_out));
    return (struct str){key.ptr + sizeof(*parent_out), key.size - sizeof(*parent_out)};
}

/* Past this many children by byte, a table of 256 beats looking through the labels. */
#define DENSE_FROM 12

static void count_children(const struct byte_trie_builder *b, struct byte_tries *out)
{
    for (uint32_t i = 0; i < b->nodes.count; i++) {
        uint32_t parent;
        struct str label = label_of(b, i, &parent);
        if (parent == NONE)
            continue;
        if (label.size == 1)
            out->nodes[parent + 1].count++;
        else
            out->nodes[parent + 1].symbol_count++;
    }
}

static uint32_t place_children(struct byte_tries *out, uint32_t node_count)
{
    uint32_t children = 0;
    for (uint32_t i = 1; i < node_count; i++) {
        struct byte_node *node = &out->nodes[i];
        if (node->count >= DENSE_FROM)
            node->count = BYTE_NODE_DENSE;
        node->first = children;
        children += node->count;
        node->symbols = out->symbol_count;
        out->symbol_count += node->symbol_count;
    }
    return children;
}

static void fill_children(const struct byte_trie_builder *b, struct byte_tries *out, uint32_t *filled,
                          uint32_t *symbols)
{
    for (uint32_t i = 0; i < b->nodes.count; i++) {
        uint32_t parent;
        struct str label = label_of(b, i, &parent);
        if (parent++ == NONE)
            continue;
        struct byte_node *node = &out->nodes[parent];
        if (label.size > 1) {
            struct byte_symbol *symbol = &out->symbols[node->symbols + symbols[parent]++];
            memcpy(symbol, label.ptr, label.size);
            symbol->child = i + 1;
        } else {
            uint8_t byte = (uint8_t)label.ptr[0];
            uint32_t at = node->first + (node->count == BYTE_NODE_DENSE ? byte : filled[parent]++);
            out->labels[at] = byte;
            out->children[at] = i + 1;
        }
    }
}

bool byte_trie_freeze(const struct byte_trie_builder *b, struct arena *keep, struct arena *temp, struct byte_tries *out)
{
    uint32_t node_count = b->nodes.count + 1;
    uint32_t *filled = arena_array(temp, node_count, sizeof(*filled));
    uint32_t *symbols = arena_array(temp, node_count, sizeof(*symbols));
    out->nodes = arena_array(keep, node_count, sizeof(*out->nodes));
    if (!filled || !symbols || !out->nodes)
        return false;
    count_children(b, out);
    uint32_t children = place_children(out, node_count);
    out->labels = arena_array(keep, children, sizeof(*out->labels));
    out->children = arena_array(keep, children, sizeof(*out->children));
    out->symbols = arena_array(keep, out->symbol_count, sizeof(*out->symbols));
    if (!out->labels || !out->children || !out->symbols)
        return false;
    fill_children(b, out, filled, symbols);
    return true;
}

/* ---- walking ---- */

static uint32_t child_by_byte(const struct byte_tries *t, const struct byte_node *node, char c)
{
    uint8_t byte = (uint8_t)c;
    if (node->count == BYTE_NODE_DENSE)
        return t->children[node->first + byte];
    for (uint32_t i = node->first; i < node->first + node->count; i++)
        if (t->labels[i] == byte)
            return t->children[i];
    return 0;
}

static inline void walk_plain(struct weir_scratch *s, uint32_t root, struct str value, bool back)
{
    const struct byte_tries *t = &s->m->tries;
    uint32_t node = root;
    for (size_t i = 0;; i++) {
        evaluate_list(s, t->nodes[node].here);
        if (i == value.size)
            return;
        node = child_by_byte(t, &t->nodes[node], value.ptr[back ? value.size - 1 - i : i]);
        if (!node)
            return;
    }
}

void byte_trie_walk(struct weir_scratch *s, uint32_t root, struct str value)
{
    walk_plain(s, root, value, false);
}

void byte_trie_walk_back(struct weir_scratch *s, uint32_t root, struct str value)
{
    walk_plain(s, root, value, true);
}

/* How many bytes of value at `at` (going back: before it) are one of the symbol's spellings; 0: none. */
static uint32_t spelled(const struct byte_symbol *symbol, struct str value, size_t at, bool back)
{
    for (int i = 0; i < 2; i++) {
        uint32_t size = symbol->sizes[i];
        if (size <= value.size - at &&
            memcmp(back ? value.ptr + value.size - at - size : value.ptr + at, symbol->spellings[i], size) == 0)
            return size;
    }
    return 0;
}

static inline void walk_fold(struct weir_scratch *s, uint32_t root, struct str value, bool back)
{
    const struct byte_tries *t = &s->m->tries;
    uint32_t depth = 0;
    struct fold_step now = {root, 0};
    for (;;) {
        const struct byte_node *node = &t->nodes[now.node];
        evaluate_list(s, node->here);
        if (now.at == value.size)
            evaluate_list(s, node->at_end);
        for (uint32_t i = node->symbols; i < node->symbols + node->symbol_count; i++) {
            uint32_t size = spelled(&t->symbols[i], value, now.at, back);
            if (!size)
                continue;
            assert(depth < t->symbol_count);
            s->fold_steps[depth++] = (struct fold_step){t->symbols[i].child, now.at + size};
        }
        now.node = now.at == value.size
                       ? 0
                       : child_by_byte(t, node, ascii_lower(value.ptr[back ? value.size - 1 - now.at : now.at]));
        now.at++;
        if (now.node)
            continue;
        if (!depth)
            return;
        now = s->fold_steps[--depth];
    }
}

void byte_trie_walk_fold(struct weir_scratch *s, uint32_t root, struct str value)
{
    walk_fold(s, root, value, false);
}

void byte_trie_walk_fold_back(struct weir_scratch *s, uint32_t root, struct str value)
{
    walk_fold(s, root, value, true);
}
