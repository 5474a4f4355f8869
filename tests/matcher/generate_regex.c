/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up regular expressions: a part of a text, character by character, in which some characters are written as
 * something that they match, repeated, or grouped; now and then with an anchor, another alternative, or regardless of
 * case.
 */
#include "tests/matcher/generate.h"

#include <string.h>

struct writer {
    char *at;
    size_t size;
};

static void put(struct writer *w, const char *text, size_t size)
{
    memcpy(w->at + w->size, text, size);
    w->size += size;
}

static void put_words(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static bool is_sign(char c)
{
    return c > ' ' && c < 0x7F && strchr("\\^$.[]|()?*+{}-#:=", c) != NULL;
}

static void put_literal(struct writer *w, struct judge_text character)
{
    if (is_sign(character.at[0]))
        put_words(w, "\\");
    put(w, character.at, character.size);
}

/* One character as an item that matches it, if it is not about another. */
static void put_item(struct generator *g, struct writer *w, struct judge_text character)
{
    static const char *const kinds[][2] = {{"[", "]"}, {"[z", "]"}, {"(?:", "|xy)"}, {"(", ")"}, {"(?>q|", ")"}};
    const char *const *kind = kinds[generate_below(g, sizeof kinds / sizeof kinds[0])];

    if (generate_chance(g, 70)) {
        put_literal(w, character);
    } else if (generate_chance(g, 30)) {
        put_words(w, generate_chance(g, 70) ? "." : "\\w");
    } else {
        put_words(w, kind[0]);
        put_literal(w, character);
        put_words(w, kind[1]);
    }
}

static void put_characters(struct generator *g, struct writer *w, struct judge_text text)
{
    static const char *const repeats[] = {"?", "*", "+", "*?", "++", "{1,2}", "{0,3}", "??"};
    uint32_t percent = generate_below(g, 30);

    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        uint32_t code = judge_code_point(text, &at);
        if (code >= 0xD800 && code < 0xE000) /* no expression may hold half a pair */
            put_words(w, ".");
        else
            put_item(g, w, (struct judge_text){text.at + start, at - start});
        if (generate_chance(g, percent))
            put_words(w, repeats[generate_below(g, sizeof repeats / sizeof repeats[0])]);
    }
}

/* From one character boundary to another. */
static struct judge_text part_of(struct generator *g, struct judge_text text)
{
    size_t from = 0, to;
    uint32_t skip = generate_below(g, 4), take = 1 + generate_below(g, 12);

    while (skip-- > 0 && from < text.size)
        judge_code_point(text, &from);
    for (to = from; take > 0 && to < text.size; take--)
        judge_code_point(text, &to);
    return (struct judge_text){text.at + from, to - from};
}

struct judge_text generate_regex(struct generator *g, struct judge_text text)
{
    struct writer w = {judge_alloc(g->memory, 20 * text.size + 800), 0};
    bool whole = text.size < 100 && generate_chance(g, 20);

    if (generate_chance(g, 10))
        put_words(&w, "(?i)");
    if (whole || generate_chance(g, 5))
        put_words(&w, "^");
    put_characters(g, &w, whole ? text : part_of(g, text));
    if (whole || generate_chance(g, 5))
        put_words(&w, "$");
    if (generate_chance(g, 15)) {
        put_words(&w, "|");
        put_characters(g, &w, part_of(g, generate_string(g)));
    }
    return (struct judge_text){w.at, w.size};
}
