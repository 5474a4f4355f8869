/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over an event's text, in step with the trie of keys: values that some pattern asks for are handed to
 * evaluate.c, everything else is run over. Checked, the whole text is held against RFC 8259 and UTF-8 on the way;
 * trusted, a value that no pattern asks for is skipped by counting its brackets.
 *
 * It says only whether the text is an event. What exactly is wrong with one that is not, the JSON reader (json.h) finds
 * out: both take the same texts (walk_test holds them together), and bad events are rare.
 *
 * Recursion follows what patterns ask for and arrays around it, LIMIT_JSON_DEPTH at most; the rest is skipped in a
 * loop. Functions take a place in the text and give the place behind what they read, or NULL: not JSON.
 */
#include "matcher/hash.h"
#include "matcher/json.h"
#include "matcher/matcher_int.h"
#include "matcher/plain.h"
#include "matcher/scan.h"
#include "matcher/utf8.h"

struct walk {
    struct weir_scratch *s;
    const struct weir_matcher *m;
    const char *end;
    bool checked;
};

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* ---- scalars ---- */

static const char *escape_end(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    switch (*p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return p + 1;
    case 'u': break;
    default: return NULL;
    }
    if (end - p < 5)
        return NULL;
    for (int i = 1; i <= 4; i++) {
        char c = p[i];
        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')))
            return NULL;
    }
    return p + 5;
}

/* p: behind the opening quote. Gives the closing one. */
static const char *checked_string_end(const char *p, const char *end, bool *escaped)
{
    for (;;) {
        p = plain_end(p, end);
        if (p == end)
            return NULL;
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            return p;
        if (c == '\\') {
            *escaped = true;
            p = escape_end(p + 1, end);
            if (!p)
                return NULL;
        } else if (c < 0x20) {
            return NULL;
        } else {
            uint32_t code = 0;
            unsigned size = utf8_decode(p, (size_t)(end - p), &code);
            if (!size || utf8_is_surrogate(code))
                return NULL;
            p += size;
        }
    }
}

static inline const char *trusted_string_end(const char *p, const char *end, bool *escaped)
{
    while ((p = plain_quote(p, end)) < end && *p != '"') {
        *escaped = true;
        if (end - p < 2)
            return NULL;
        p += 2;
    }
    return p < end ? p : NULL;
}

/* What will be decoded is checked in any case: whoever trusts wrongly gets wrong answers, not stray reads. */
static inline const char *string_end(const struct walk *w, const char *p, bool *escaped)
{
    if (!w->checked) {
        const char *quote = trusted_string_end(p, w->end, escaped);
        if (!quote || !*escaped)
            return quote;
    }
    return checked_string_end(p, w->end, escaped);
}

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *number_end(const char *p, const char *end)
{
    p += *p == '-';
    if (!is_digit(p, end))
        return NULL;
    if (*p == '0' && is_digit(p + 1, end))
        return NULL;
    while (is_digit(p, end))
        p++;
    if (p < end && *p == '.') {
        if (!is_digit(++p, end))
            return NULL;
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if (!is_digit(p, end))
            return NULL;
        while (is_digit(p, end))
            p++;
    }
    return p;
}

static const char *word_end(const char *p, const char *end, struct str word)
{
    return str_starts((struct str){p, (size_t)(end - p)}, word) ? p + word.size : NULL;
}

static const char *scalar_end(const char *p, const char *end)
{
    bool escaped;
    switch (*p) {
    case '"': p = checked_string_end(p + 1, end, &escaped); return p ? p + 1 : NULL;
    case 't': return word_end(p, end, STR("true"));
    case 'f': return word_end(p, end, STR("false"));
    case 'n': return word_end(p, end, STR("null"));
    default: return number_end(p, end);
    }
}

/* ---- what no pattern asks for ---- */

/* A key and the colon behind it; gives the place of the value. */
static const char *skip_key(const char *p, const char *end)
{
    bool escaped;
    if (p == end || *p != '"')
        return NULL;
    p = checked_string_end(p + 1, end, &escaped);
    if (!p)
        return NULL;
    p = skip_space(p + 1, end);
    return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

/* `outside`: how deep the value stands. A bit a level says whether it is an object. */
static const char *checked_skip(const char *p, const char *end, unsigned outside)
{
    uint64_t objects[LIMIT_JSON_DEPTH / 64 + 1];
    unsigned level = 0;
value:
    if (p == end)
        return NULL;
    if (*p == '{' || *p == '[') {
        bool object = *p == '{';
        if (outside + level == LIMIT_JSON_DEPTH)
            return NULL;
        objects[level / 64] = (objects[level / 64] & ~((uint64_t)1 << level % 64)) | (uint64_t)object << level % 64;
        level++;
        p = skip_space(p + 1, end);
        if (p < end && *p == (object ? '}' : ']'))
            goto close;
        if (object && !(p = skip_key(p, end)))
            return NULL;
        goto value;
    }
    p = scalar_end(p, end);
    if (!p)
        return NULL;
after:
    if (!level)
        return p;
    bool in_object = objects[(level - 1) / 64] >> (level - 1) % 64 & 1;
    p = skip_space(p, end);
    if (p == end)
        return NULL;
    if (*p == ',') {
        p = skip_space(p + 1, end);
        if (in_object && !(p = skip_key(p, end)))
            return NULL;
        goto value;
    }
    if (*p != (in_object ? '}' : ']'))
        return NULL;
close:
    p++;
    level--;
    goto after;
}

static const char *trusted_skip(const char *p, const char *end)
{
    bool escaped;
    if (p == end)
        return NULL;
    if (*p == '"') {
        p = trusted_string_end(p + 1, end, &escaped);
        return p ? p + 1 : NULL;
    }
    if (*p == '{' || *p == '[')
        return scan_skip(p + 1, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t')
        p++;
    return p;
}

static inline const char *skip_value(const struct walk *w, const char *p, unsigned depth)
{
    return w->checked ? checked_skip(p, w->end, depth) : trusted_skip(p, w->end);
}

/* ---- keys ---- */

static uint32_t find_child(const struct weir_matcher *m, const struct trie_node *node, uint64_t head, struct str key)
{
    const struct trie_edge *edges = m->edges + node->edges;
    if (node->edge_mask) {
        uint32_t at = (uint32_t)hash_mix(head, (uint32_t)key.size) & node->edge_mask;
        for (; edges[at].child; at = (at + 1) & node->edge_mask)
            if (edges[at].head == head && edges[at].size == key.size &&
                (key.size <= 8 || memcmp(m->texts + edges[at].text + 8, key.ptr + 8, key.size - 8) == 0))
                return edges[at].child;
        return 0;
    }
    for (const struct trie_edge *edge = edges; edge < edges + node->edge_count; edge++)
        if (edge->head == head && edge->size == key.size &&
            (key.size <= 8 || memcmp(m->texts + edge->text + 8, key.ptr + 8, key.size - 8) == 0))
            return edge->child;
    return 0;
}

/* A key with dots leads where its parts lead one after the other. */
static uint32_t find_dotted(const struct weir_matcher *m, uint32_t node, struct str key)
{
    for (;;) {
        const char *dot = key.size ? memchr(key.ptr, '.', key.size) : NULL;
        struct str part = {key.ptr, dot ? (size_t)(dot - key.ptr) : key.size};
        node = find_child(m, &m->trie[node], hash_head(part.ptr, part.size), part);
        if (!dot || !node)
            return node;
        key.ptr += part.size + 1;
        key.size -= part.size + 1;
    }
}

/* raw: with its quotes. The scratch has room for any string of an event, so this never allocates. */
static struct str decode(const struct walk *w, struct str raw)
{
    struct buf out = {.data = w->s->decoded, .capacity = LIMIT_EVENT_BYTES, .max = LIMIT_EVENT_BYTES};
    json_decode(&out, raw);
    assert(!out.failed && out.data == w->s->decoded);
    return buf_view(&out);
}

/* The trie node that a key leads to; 0: nobody asks. */
static uint32_t find_key(const struct walk *w, uint32_t from, struct str key, bool escaped)
{
    const struct trie_node *node = &w->m->trie[from];
    if (escaped) {
        key = decode(w, (struct str){key.ptr - 1, key.size + 2});
        return find_dotted(w->m, from, key);
    }
    uint32_t child = find_child(w->m, node, hash_head_within(key.ptr, key.size, w->end), key);
    return child || !node->deep ? child : memchr(key.ptr, '.', key.size) ? find_dotted(w->m, from, key) : 0;
}

/* ---- what patterns ask for ---- */

static const char *walk_value(const struct walk *w, const char *p, uint32_t node, unsigned depth);

/* p: at the key's opening quote. Gives the place behind the member's value. */
static const char *walk_member(const struct walk *w, const char *p, uint32_t node, unsigned depth)
{
    bool escaped = false;
    if (p == w->end || *p != '"')
        return NULL;
    const char *key = p + 1;
    p = string_end(w, key, &escaped);
    if (!p)
        return NULL;
    uint32_t child = find_key(w, node, (struct str){key, (size_t)(p - key)}, escaped);
    p = skip_space(p + 1, w->end);
    if (p == w->end || *p != ':')
        return NULL;
    p = skip_space(p + 1, w->end);
    return child ? walk_value(w, p, child, depth) : skip_value(w, p, depth);
}

/* p: behind the bracket; depth: within it. */
static const char *walk_object(const struct walk *w, const char *p, uint32_t node, unsigned depth)
{
    p = skip_space(p, w->end);
    if (p < w->end && *p == '}')
        return p + 1;
    for (;;) {
        p = walk_member(w, p, node, depth);
        if (!p)
            return NULL;
        p = skip_space(p, w->end);
        if (p < w->end && *p == '}')
            return p + 1;
        if (p == w->end || *p != ',')
            return NULL;
        p = skip_space(p + 1, w->end);
    }
}

static const char *walk_array(const struct walk *w, const char *p, uint32_t node, unsigned depth)
{
    bool join = w->m->trie[node].join;
    uint32_t array = join ? join_array_open(w->s) : 0;
    p = skip_space(p, w->end);
    if (p < w->end && *p == ']')
        return p + 1;
    for (;;) {
        if (join)
            join_element_open(w->s, array);
        p = walk_value(w, p, node, depth);
        if (!p)
            return NULL;
        if (join)
            join_element_close(w->s);
        p = skip_space(p, w->end);
        if (p < w->end && *p == ']')
            return p + 1;
        if (p == w->end || *p != ',')
            return NULL;
        p = skip_space(p + 1, w->end);
    }
}

static const char *walk_string(const struct walk *w, const char *p, uint32_t field)
{
    bool escaped = false;
    struct str text = {p + 1, 0};
    p = string_end(w, p + 1, &escaped);
    if (!p)
        return NULL;
    text.size = (size_t)(p - text.ptr);
    if (field != NONE)
        evaluate_string(w->s, field, escaped ? decode(w, (struct str){text.ptr - 1, text.size + 2}) : text);
    return p + 1;
}

static const char *walk_word(const struct walk *w, const char *p, uint32_t field, struct str text,
                             enum evaluate_word word)
{
    p = word_end(p, w->end, text);
    if (p && field != NONE)
        evaluate_word(w->s, field, word);
    return p;
}

static const char *walk_value(const struct walk *w, const char *p, uint32_t node, unsigned depth)
{
    uint32_t field = w->m->trie[node].field;
    if (p == w->end)
        return NULL;
    switch (*p) {
    case '{':
        if (!w->m->trie[node].edge_count)
            return skip_value(w, p, depth);
        return depth == LIMIT_JSON_DEPTH ? NULL : walk_object(w, p + 1, node, depth + 1);
    case '[': return depth == LIMIT_JSON_DEPTH ? NULL : walk_array(w, p + 1, node, depth + 1);
    case '"': return walk_string(w, p, field);
    case 't': return walk_word(w, p, field, STR("true"), EVALUATE_TRUE);
    case 'f': return walk_word(w, p, field, STR("false"), EVALUATE_FALSE);
    case 'n': return walk_word(w, p, field, STR("null"), EVALUATE_NULL);
    default: break;
    }
    const char *start = p;
    p = number_end(p, w->end);
    if (p && field != NONE)
        evaluate_number(w->s, field, (struct str){start, (size_t)(p - start)});
    return p;
}

bool walk_event(struct weir_scratch *s, struct str event, enum weir_mode mode)
{
    struct walk w = {s, s->m, event.ptr + event.size, mode == WEIR_CHECKED};
    const char *p = skip_space(event.ptr, w.end);
    if (p == w.end || *p != '{')
        return false;
    p = w.m->trie[0].edge_count ? walk_object(&w, p + 1, 0, 1) : skip_value(&w, p, 0);
    return p && skip_space(p, w.end) == w.end;
}
