/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge's JSON: text to a tree, by recursive descent, one function a production of RFC 8259. Members
 * keep their order and their repetitions, numbers their spelling. Also here: the memory that all of the
 * judge lives in, and the few things it does with text.
 */
#include "tests/matcher/judge_int.h"

#include <stdlib.h>
#include <string.h>

struct judge_chunk {
    struct judge_chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *judge_alloc(struct judge_memory *memory, size_t size)
{
    struct judge_chunk *chunk = memory->chunks;
    size_t wanted = (size + 15) & ~(size_t)15;
    void *out;

    if (chunk == NULL || chunk->size - chunk->used < wanted) {
        size_t room = wanted > 16384 ? wanted : 16384;
        chunk = malloc(sizeof *chunk + room);
        if (chunk == NULL)
            abort();
        *chunk = (struct judge_chunk){.next = memory->chunks, .size = room};
        memory->chunks = chunk;
    }
    out = chunk->bytes + chunk->used;
    chunk->used += wanted;
    return memset(out, 0, wanted);
}

void judge_release(struct judge_memory *memory)
{
    while (memory->chunks != NULL) {
        struct judge_chunk *next = memory->chunks->next;
        free(memory->chunks);
        memory->chunks = next;
    }
}

bool judge_text_is(struct judge_text a, struct judge_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool judge_text_says(struct judge_text a, const char *words)
{
    return judge_text_is(a, (struct judge_text){words, strlen(words)});
}

struct judge_text judge_join(struct judge_memory *memory, const struct judge_text *prefix, struct judge_text key)
{
    char *joined;

    if (prefix == NULL)
        return key;
    joined = judge_alloc(memory, prefix->size + 1 + key.size);
    memcpy(joined, prefix->at, prefix->size);
    joined[prefix->size] = '.';
    memcpy(joined + prefix->size + 1, key.at, key.size);
    return (struct judge_text){joined, prefix->size + 1 + key.size};
}

uint32_t judge_code_point(struct judge_text text, size_t *position)
{
    const uint8_t *at = (const uint8_t *)text.at + *position;
    unsigned size = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    uint32_t code = size == 1 ? at[0] : at[0] & (0x7Fu >> size);

    for (unsigned i = 1; i < size; i++)
        code = code << 6 | (at[i] & 0x3F);
    *position += size;
    return code;
}

size_t judge_utf8(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* ---- the reader ---- */

struct reading {
    struct judge_memory *memory;
    const char *at, *end;
    int depth;
};

static bool read_value(struct reading *r, struct judge_node *out);

/* The next byte, or -1 at the end. */
static int peek(const struct reading *r)
{
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

static bool take(struct reading *r, char wanted)
{
    if (peek(r) != (unsigned char)wanted)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reading *r, const char *word)
{
    while (*word != '\0') {
        if (!take(r, *word++))
            return false;
    }
    return true;
}

static void skip_space(struct reading *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r')
        r->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool take_digits(struct reading *r)
{
    if (!is_digit(peek(r)))
        return false;
    while (is_digit(peek(r)))
        r->at++;
    return true;
}

static bool read_number(struct reading *r, struct judge_text *out)
{
    const char *start = r->at;

    take(r, '-');
    if (!take(r, '0') && !take_digits(r))
        return false;
    if (take(r, '.') && !take_digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        if (!take_digits(r))
            return false;
    }
    *out = (struct judge_text){start, (size_t)(r->at - start)};
    return true;
}

static bool read_hex4(struct reading *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(r);
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
        r->at++;
    }
    return true;
}

/* Behind "\u". A high surrogate takes the low one that follows with it; alone, either stays as it is. */
static bool read_unicode_escape(struct reading *r, uint32_t *out)
{
    struct reading ahead;
    uint32_t low;

    if (!read_hex4(r, out))
        return false;
    ahead = *r;
    if (*out >= 0xD800 && *out < 0xDC00 && take_word(&ahead, "\\u") && read_hex4(&ahead, &low) && low >= 0xDC00 &&
        low < 0xE000) {
        *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
        *r = ahead;
    }
    return true;
}

static bool read_escape(struct reading *r, uint32_t *out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *found = c > 0 ? strchr(letters, c) : NULL;

    if (c < 0)
        return false;
    r->at++;
    if (c == 'u')
        return read_unicode_escape(r, out);
    if (found == NULL)
        return false;
    *out = (unsigned char)meanings[found - letters];
    return true;
}

/* One character of well-formed UTF-8 (Unicode's table 3-7), copied as it is. */
static bool read_character(struct reading *r, char *out, size_t *size)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, size;
    } table[] = {{0x20, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                 {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
                 {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    const uint8_t *at = (const uint8_t *)r->at;

    for (size_t row = 0; row < sizeof table / sizeof table[0]; row++) {
        if (at[0] < table[row].first_low || at[0] > table[row].first_high)
            continue;
        if (r->end - r->at < table[row].size)
            return false;
        if (table[row].size > 1 && (at[1] < table[row].second_low || at[1] > table[row].second_high))
            return false;
        for (int i = 2; i < table[row].size; i++) {
            if (at[i] < 0x80 || at[i] > 0xBF)
                return false;
        }
        memcpy(out + *size, at, table[row].size);
        *size += table[row].size;
        r->at += table[row].size;
        return true;
    }
    return false;
}

static bool read_string(struct reading *r, struct judge_text *out)
{
    const char *quote = r->at + 1;
    char *decoded;
    size_t size = 0, room;

    if (!take(r, '"'))
        return false;
    /* Up to the first quote that no backslash stands before; decoding never makes text longer. */
    while (quote < r->end && *quote != '"')
        quote += *quote == '\\' && r->end - quote > 1 ? 2 : 1;
    room = (size_t)(quote - r->at) + 4;
    decoded = judge_alloc(r->memory, room);
    while (!take(r, '"')) {
        if (peek(r) < 0)
            return false;
        if (take(r, '\\')) {
            uint32_t code;
            if (!read_escape(r, &code))
                return false;
            size += judge_utf8(code, decoded + size);
        } else if (!read_character(r, decoded, &size)) {
            return false;
        }
    }
    *out = (struct judge_text){decoded, size};
    return true;
}

static bool read_list(struct reading *r, struct judge_node *out, bool object)
{
    char close = object ? '}' : ']';
    struct judge_node **tail = &out->first;

    r->at++;
    if (++r->depth > JUDGE_DEPTH)
        return false;
    skip_space(r);
    while (!take(r, close)) {
        struct judge_node *child = judge_alloc(r->memory, sizeof *child);
        if (out->first != NULL) {
            if (!take(r, ','))
                return false;
            skip_space(r);
        }
        if (object) {
            if (!read_string(r, &child->key))
                return false;
            skip_space(r);
            if (!take(r, ':'))
                return false;
        }
        if (!read_value(r, child))
            return false;
        *tail = child;
        tail = &child->next;
    }
    r->depth--;
    return true;
}

/* A value and the white space on both its sides. */
static bool read_value(struct reading *r, struct judge_node *out)
{
    bool good;

    skip_space(r);
    switch (peek(r)) {
    case '{':
        out->type = JUDGE_OBJECT;
        good = read_list(r, out, true);
        break;
    case '[':
        out->type = JUDGE_ARRAY;
        good = read_list(r, out, false);
        break;
    case '"':
        out->type = JUDGE_STRING;
        good = read_string(r, &out->text);
        break;
    case 't':
        out->type = JUDGE_TRUE;
        good = take_word(r, "true");
        break;
    case 'f':
        out->type = JUDGE_FALSE;
        good = take_word(r, "false");
        break;
    case 'n':
        out->type = JUDGE_NULL;
        good = take_word(r, "null");
        break;
    default:
        out->type = JUDGE_NUMBER;
        good = read_number(r, &out->text);
        break;
    }
    skip_space(r);
    return good;
}

struct judge_node *judge_json(struct judge_memory *memory, const char *text, size_t size)
{
    struct reading r = {.memory = memory, .at = text, .end = text + size};
    struct judge_node *out = judge_alloc(memory, sizeof *out);

    return read_value(&r, out) && r.at == r.end ? out : NULL;
}
