/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must a text contain for an expression to match it? For each alternative the longest run of plain characters that
 * stands outside of groups and classes and is not repeated or optional:
 *
 *     ^arn:aws:iam::\d+:user/(adm|root)     arn:aws:iam::
 *     timeout|refused                       timeout or refused
 *     (?i)error                             nothing that can be looked for
 *
 * This reads only as much of the syntax as it is sure of; at anything else it gives up, which costs speed and nothing
 * more. What it takes PCRE2 has compiled, so parentheses and brackets are known to be paired.
 */
#include "matcher/regex.h"

struct reader {
    struct str text;
    size_t at;
    char *run; /* being written, behind what is kept of the alternatives so far */
    size_t run_size;
    size_t last;     /* where in the run its last character starts */
    struct str best; /* of the alternative */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A byte further on; NUL behind the end. */
static char peek(const struct reader *r, size_t ahead)
{
    return r->at + ahead < r->text.size ? r->text.ptr[r->at + ahead] : '\0';
}

/* The run is over: it is kept where it is the longest, and the next is written behind it. */
static void end_run(struct reader *r)
{
    if (r->run_size > r->best.size) {
        r->best = (struct str){r->run, r->run_size};
        r->run += r->run_size;
    }
    r->run_size = r->last = 0;
}

static void add_character(struct reader *r)
{
    r->last = r->run_size;
    do
        r->run[r->run_size++] = r->text.ptr[r->at++];
    while (r->at < r->text.size && ((unsigned char)r->text.ptr[r->at] & 0xC0) == 0x80);
}

/* At a bracket: behind the class that it opens. */
static bool skip_class(struct reader *r)
{
    r->at += 1 + (peek(r, 1) == '^');
    if (peek(r, 0) == ']')
        r->at++;
    for (; r->at < r->text.size; r->at++) {
        char c = peek(r, 0), next = peek(r, 1);
        if (c == ']') {
            r->at++;
            return true;
        }
        if (c == '\\')
            r->at++;
        else if (c == '[' && (next == ':' || next == '.' || next == '='))
            return false; /* rare enough */
    }
    return false;
}

/* Groups that change nothing about how the text around and in them is read. */
static bool is_plain_group(const struct reader *r)
{
    char kind = peek(r, 2), next = peek(r, 3);
    if (peek(r, 1) != '?')
        return peek(r, 1) != '*';
    return kind == ':' || kind == '=' || kind == '!' || kind == '>' || kind == '|' || kind == '<' ||
           (kind == 'P' && next == '<');
}

/* At a parenthesis: behind the group that it opens. */
static bool skip_group(struct reader *r)
{
    size_t depth = 0;
    while (r->at < r->text.size) {
        char c = peek(r, 0);
        if (c == '[') {
            if (!skip_class(r))
                return false;
            continue;
        }
        if (c == '(' && !is_plain_group(r))
            return false;
        depth += c == '(';
        depth -= c == ')';
        r->at += 1 + (c == '\\');
        if (!depth)
            return true;
    }
    return false;
}

/* At a backslash. A sign stands for itself; some letters for a kind of character or a place; the rest has operands. */
static bool read_escape(struct reader *r)
{
    char c = peek(r, 1);
    if (c > ' ' && c < 0x7F && !is_alnum(c)) {
        r->at++;
        add_character(r);
        return true;
    }
    if (!c || !strchr("dDwWsSbBAzZhHvVRnrtfea", c))
        return false;
    end_run(r);
    r->at += 2;
    return true;
}

static bool is_repeat(const struct reader *r)
{
    char c = peek(r, 0);
    return r->at < r->text.size && (c == '*' || c == '+' || c == '?' || c == '{');
}

/* At what repeats the item before: only x+ leaves its character sure. */
static bool read_repeat(struct reader *r)
{
    char c = peek(r, 0);
    if (c != '+' && r->run_size)
        r->run_size = r->last;
    end_run(r);
    r->at++;
    if (c == '{') {
        while (is_digit(peek(r, 0)) || peek(r, 0) == ',')
            r->at++;
        if (peek(r, 0) != '}') /* a brace that is only a brace, or something newer than this */
            return false;
        r->at++;
    }
    if (peek(r, 0) == '?' || peek(r, 0) == '+')
        r->at++;
    return true;
}

static bool read_item(struct reader *r)
{
    switch (peek(r, 0)) {
    case '\\': return read_escape(r);
    case '[': end_run(r); return skip_class(r);
    case '(': end_run(r); return skip_group(r);
    case '.':
    case '^':
    case '$':
        end_run(r);
        r->at++;
        return true;
    default: add_character(r); return true;
    }
}

/* One alternative, up to its bar or the end. */
static bool read_alternative(struct reader *r)
{
    while (r->at < r->text.size && peek(r, 0) != '|')
        if (!(is_repeat(r) ? read_repeat(r) : read_item(r)))
            return false;
    end_run(r);
    return r->best.size > 0;
}

/* \Q turns signs into characters up to \E. An escaped backslash before a Q is taken for one, too: no harm. */
static bool quotes(struct str text)
{
    return text.size && (memmem(text.ptr, text.size, "\\Q", 2) || memmem(text.ptr, text.size, "\\E", 2));
}

uint32_t regex_literals(struct str text, char *pieces, struct str out[REGEX_LITERALS_MAX])
{
    struct reader r = {.text = text, .run = pieces};
    uint32_t count = 0;
    if (quotes(text))
        return 0;
    do {
        r.best = (struct str){NULL, 0};
        if (count == REGEX_LITERALS_MAX || !read_alternative(&r))
            return 0;
        out[count++] = r.best;
    } while (r.at++ < text.size);
    return count;
}
