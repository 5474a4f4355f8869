/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came near: for a leaf that does not hold, each alternative is held against the values that are there, looser
 * than the matcher would; where nothing is there, the keys at the end of the way are. A hint says what differs and,
 * where it is short, what to write instead.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "matcher/address.h"
#include "matcher/diag.h"
#include "matcher/explain_int.h"
#include "matcher/number.h"

#define PREFIX_MIN 3  /* a text this short begins much that was not meant */
#define WORD_MAX   60 /* bytes of a text that a hint repeats */

struct near {
    struct explain_run *run;
    struct explain_leaf *leaf;
    struct str value; /* JSON */
    struct buf text;  /* its text, where it is one; else as it is spelled */
    bool is_text;
};

#define HINT(n, kind, ...)                                                                                             \
    explain_hint((n)->run, (n)->leaf->near, &(n)->leaf->near_count, EXPLAIN_NEAR, kind, __VA_ARGS__)
#define CUT(s) (int)cut((s)), (s).ptr

/* At most WORD_MAX bytes, never half a character. */
static size_t cut(struct str text)
{
    size_t size = text.size;
    if (size > WORD_MAX)
        for (size = WORD_MAX; size && ((unsigned char)text.ptr[size] & 0xC0) == 0x80;)
            size--;
    return size;
}

/* ---- values ---- */

static bool equal_but_for_case(struct str a, struct str b)
{
    return a.size == b.size && strncasecmp(a.ptr, b.ptr, a.size) == 0;
}

/* Equal when white space at both ends is dropped and each run of it inside is one. */
static bool equal_but_for_space(struct str a, struct str b)
{
    size_t i = 0, k = 0;

    while (i < a.size || k < b.size) {
        size_t from = i, to = k;
        while (i < a.size && isspace((unsigned char)a.ptr[i]))
            i++;
        while (k < b.size && isspace((unsigned char)b.ptr[k]))
            k++;
        bool edge = from == 0 || to == 0 || i == a.size || k == b.size;
        if ((i > from) != (k > to) && !edge)
            return false;
        if (i == a.size || k == b.size)
            break;
        if (a.ptr[i++] != b.ptr[k++])
            return false;
    }
    return i == a.size && k == b.size;
}

static bool is_near_word(struct str a, struct str b)
{
    char word[80];
    const char *const candidates[] = {word};

    if (b.size >= sizeof(word) || a.size < 4 || b.size < 4)
        return false;
    snprintf(word, sizeof(word), "%.*s", STR_ARG(b));
    return diag_near(a, candidates, 1);
}

/* * stands for anything; escapes stay out of it: this is only for hints. */
static bool glob_fold(struct explain_run *r, struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

    if (!explain_spend(r, (uint64_t)pattern.size * text.size))
        return false;
    while (t < text.size) {
        if (p < pattern.size && pattern.ptr[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.size && tolower((unsigned char)pattern.ptr[p]) == tolower((unsigned char)text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.ptr[p] == '*')
        p++;
    return p == pattern.size;
}

static bool near_text(struct near *n, struct str wanted)
{
    struct str there = buf_view(&n->text);

    if (!n->is_text && str_eq(there, wanted))
        return HINT(n, "type", "the event has %.*s without quotes, the pattern wants text: write %.*s without quotes",
                    CUT(there), CUT(there));
    if (!n->is_text)
        return true;
    if (equal_but_for_case(there, wanted))
        return HINT(n, "case", "the same but for case: {\"equals-ignore-case\": \"%.*s\"} matches both", CUT(wanted));
    if (equal_but_for_space(there, wanted))
        return HINT(n, "space", "the same but for white space");
    if (is_near_word(there, wanted))
        return HINT(n, "spelling", "\"%.*s\" is nearly \"%.*s\"", CUT(there), CUT(wanted));
    if (wanted.size > 1 && memchr(wanted.ptr, '*', wanted.size) && glob_fold(n->run, wanted, there))
        return HINT(n, "wildcard",
                    "* in a plain text stands for itself: {\"wildcard\": \"%.*s\"} makes it stand for any",
                    CUT(wanted));
    if (wanted.size >= PREFIX_MIN && str_starts(there, wanted))
        return HINT(n, "prefix", "it begins so, and goes on: {\"prefix\": \"%.*s\"} takes what begins so", CUT(wanted));
    return true;
}

static bool near_literal(struct near *n, struct str wanted)
{
    if (n->is_text && str_eq(buf_view(&n->text), wanted))
        return HINT(n, "type", "the event has the text \"%.*s\", the pattern wants it without quotes: write \"%.*s\"",
                    CUT(wanted), CUT(wanted));
    return true;
}

static bool near_part(struct near *n, struct str wanted, const char *operator, bool at_end)
{
    struct str there = buf_view(&n->text);

    if (there.size < wanted.size)
        return true;
    struct str part = {at_end ? there.ptr + there.size - wanted.size : there.ptr, wanted.size};
    if (!n->is_text)
        return !str_eq(part, wanted) ||
               HINT(n, "type", "the event has %.*s without quotes; %s looks at text only", CUT(there), operator);
    return !equal_but_for_case(part, wanted) ||
           HINT(n, "case", "the same but for case: {\"%s\": {\"equals-ignore-case\": \"%.*s\"}} matches both", operator,
                CUT(wanted));
}

static bool near_wildcard(struct near *n, struct str wanted)
{
    if (!n->is_text)
        return !glob_fold(n->run, wanted, buf_view(&n->text)) ||
               HINT(n, "type", "the event has %.*s without quotes; wildcard looks at text only",
                    CUT(buf_view(&n->text)));
    return !glob_fold(n->run, wanted, buf_view(&n->text)) ||
           HINT(n, "case", "the same but for case; wildcard has no way to say that");
}

/* Does the text read as a JSON number, and can it be compared? */
static bool is_number(struct str text, bool *comparable)
{
    double number;
    struct json_info info;
    bool is = text.size && json_check(text, &info, NULL) && info.type == JSON_NUMBER;
    *comparable = is && json_type_of(text) == JSON_NUMBER && number_parse(text, &number);
    return is;
}

static bool near_range(struct near *n)
{
    struct str there = buf_view(&n->text);
    bool comparable;

    if (!is_number(there, &comparable))
        return true;
    if (n->is_text)
        return HINT(n, "type", "the event has the text \"%.*s\"; numeric looks at numbers only", CUT(there));
    if (!comparable)
        return HINT(n, "number", "%.*s is more exact or larger than a double: numeric never compares it", CUT(there));
    return HINT(n, "range", "%.*s is outside of the range", CUT(there));
}

static bool near_network(struct near *n, const struct pattern_atom *a)
{
    struct str there = buf_view(&n->text);
    uint8_t address[16];
    unsigned size = n->is_text ? address_parse(there, address) : 0;

    if (!size)
        return HINT(n, "cidr", "%.*s is no IP address", CUT(n->value));
    if (size != a->address_size)
        return HINT(n, "cidr", "an IPv%d address, and the range is of IPv%d", size == 4 ? 4 : 6, size == 4 ? 6 : 4);
    return HINT(n, "cidr", "the address is outside of the range");
}

static bool near_atom(struct near *n, const struct pattern_atom *a)
{
    switch (a->op) {
    case PATTERN_STRING: return near_text(n, a->text);
    case PATTERN_EQUALS_FOLD:
        return n->is_text || !equal_but_for_case(buf_view(&n->text), a->text) ||
               HINT(n, "type", "equals-ignore-case looks at text only, and this is none");
    case PATTERN_NUMBER: return near_literal(n, a->text);
    case PATTERN_TRUE: return near_literal(n, STR("true"));
    case PATTERN_FALSE: return near_literal(n, STR("false"));
    case PATTERN_NULL: return near_literal(n, STR("null"));
    case PATTERN_PREFIX: return near_part(n, a->text, "prefix", false);
    case PATTERN_SUFFIX: return near_part(n, a->text, "suffix", true);
    case PATTERN_WILDCARD: return near_wildcard(n, a->text);
    case PATTERN_RANGE: return near_range(n);
    case PATTERN_CIDR: return near_network(n, a);
    case PATTERN_ABSENT: return HINT(n, "present", "exists: false wants it to be absent, and it is there");
    case PATTERN_ANYTHING_BUT: return HINT(n, "excluded", "this is one of those that anything-but excludes");
    default: return true;
    }
}

static bool near_value(struct explain_run *r, struct explain_leaf *leaf, struct str value)
{
    struct near n = {r, leaf, value, BUF_INIT, json_type_of(value) == JSON_STRING};
    bool ok = true;

    if (!explain_spend(r, value.size * (uint64_t)leaf->leaf->atom_count + leaf->leaf->atom_count))
        return true;
    if (n.is_text)
        json_decode(&n.text, value);
    else
        buf_str(&n.text, value);
    ok = buf_cstr(&n.text) && !n.text.failed;
    ok = ok || explain_no_memory(r->diag);
    for (uint32_t i = 0; ok && i < leaf->leaf->atom_count && leaf->near_count < EXPLAIN_NEAR; i++)
        ok = near_atom(&n, &leaf->leaf->atoms[i]);
    buf_fini(&n.text);
    return ok;
}

/* ---- paths ---- */

static bool is_joiner(char c)
{
    return c == '-' || c == '_';
}

/* The same but for case, '-' and '_'. */
static bool is_spelled_like(struct str a, struct str b)
{
    size_t i = 0, k = 0;

    for (;;) {
        while (i < a.size && is_joiner(a.ptr[i]))
            i++;
        while (k < b.size && is_joiner(b.ptr[k]))
            k++;
        if (i == a.size || k == b.size)
            return i == a.size && k == b.size;
        if (tolower((unsigned char)a.ptr[i++]) != tolower((unsigned char)b.ptr[k++]))
            return false;
    }
}

static struct str first_key(struct str path)
{
    const char *dot = memchr(path.ptr, '.', path.size);
    return (struct str){path.ptr, dot ? (size_t)(dot - path.ptr) : path.size};
}

/* Siblings that may have been meant: spelled otherwise, or (loose) within two edits. */
static bool near_key(struct explain_run *r, struct explain_leaf *leaf, const struct explain_search *s, bool loose)
{
    struct near n = {.run = r, .leaf = leaf};
    struct json_reader reader;
    struct json_token t;
    struct str wanted = first_key(s->rest);
    struct buf decoded = BUF_INIT;
    bool ok = true;

    json_reader_init(&reader, s->deepest);
    json_next(&reader, &t);
    while (ok && leaf->near_count < EXPLAIN_NEAR && explain_spend(r, t.raw.size) &&
           json_next(&reader, &t) == JSON_KEY) {
        buf_clear(&decoded);
        json_decode(&decoded, t.raw);
        struct str key = buf_view(&decoded);
        json_next(&reader, &t);
        json_skip(&reader, &t);
        ok = !decoded.failed || explain_no_memory(r->diag);
        if (ok && (loose ? is_near_word(key, wanted) : is_spelled_like(key, wanted)))
            ok = HINT(&n, "key", "there is \"%.*s\"%s%.*s; the pattern says \"%.*s\"", CUT(key),
                      s->deepest_at.size ? " in " : "", CUT(s->deepest_at), CUT(wanted));
    }
    buf_fini(&decoded);
    return ok;
}

static bool near_absent_atoms(struct explain_run *r, struct explain_leaf *leaf)
{
    struct near n = {.run = r, .leaf = leaf};

    for (uint32_t i = 0; i < leaf->leaf->atom_count; i++)
        if (leaf->leaf->atoms[i].op == PATTERN_ANYTHING_BUT)
            return HINT(&n, "absent",
                        "anything-but needs the field to be there; {\"exists\": false} beside it takes both");
    return true;
}

static bool near_path(struct explain_run *r, struct explain_leaf *leaf, const struct explain_search *s)
{
    struct near n = {.run = r, .leaf = leaf};
    struct str path = leaf->leaf->path;
    const char *dot = memrchr(path.ptr, '.', path.size);
    struct str last = dot ? (struct str){dot + 1, path.size - (size_t)(dot + 1 - path.ptr)} : path;

    if (s->empty_at.ptr && !s->object_at.ptr)
        return HINT(&n, "empty", "there is an array with nothing in it, which counts as absent");
    if (s->object_at.ptr)
        return HINT(&n, "object", "there is an object; a pattern looks at the values in it, so name one of its keys");
    if (s->scalar.ptr && json_type_of(s->scalar) == JSON_STRING && s->scalar.size > 2 && s->scalar.ptr[1] == '{')
        return HINT(&n, "json", "\"%.*s\" is text that holds JSON; text is not looked into", CUT(s->scalar_at));
    if (s->scalar.ptr && !HINT(&n, "scalar", "\"%.*s\" is a value, and has nothing below it", CUT(s->scalar_at)))
        return false;
    if (s->deepest.ptr && !near_key(r, leaf, s, false))
        return false;
    if (s->deepest.ptr && !leaf->near_count && !near_key(r, leaf, s, true))
        return false;
    struct str at = {NULL, 0};
    if (!leaf->near_count && !explain_find_key(r, last, &at))
        return false;
    if (at.ptr && !str_eq(at, path) && !HINT(&n, "elsewhere", "\"%.*s\" is at %.*s", CUT(last), CUT(at)))
        return false;
    return near_absent_atoms(r, leaf);
}

bool explain_near_leaf(struct explain_run *r, struct explain_leaf *leaf, const struct explain_values *values)
{
    struct explain_search s;

    for (uint32_t i = 0; i < values->kept && (i < EXPLAIN_FOUND || !leaf->near_count); i++) {
        const struct explain_value *value = &values->list[i];
        if (!near_value(r, leaf, value->raw))
            return false;
        if (i < EXPLAIN_FOUND || !leaf->near_count)
            continue;
        /* What comes near is worth a place among those shown. */
        struct str at = explain_at(r, leaf->leaf->path, value->place);
        leaf->found[EXPLAIN_FOUND - 1] = (struct explain_found){value->raw, at};
        if (!at.ptr)
            return false;
    }
    return values->count || (explain_find(r, leaf->leaf->path, &s) && near_path(r, leaf, &s));
}

/* ---- the event as a whole ---- */

static bool wants(const struct explain_run *r, const char *prefix)
{
    for (uint32_t i = 0; i < r->x->path_count; i++)
        if (str_starts(r->x->paths[i], str_from(prefix)))
            return true;
    return false;
}

bool explain_near_event(struct explain_run *r, struct explanation *e)
{
    struct str records = json_member(r->event, "Records");

    if (e->matches)
        return true;
    if (records.ptr && json_type_of(records) == JSON_ARRAY &&
        !explain_hint(r, e->notes, &e->note_count, EXPLAIN_NOTES, "records",
                      "this is a file of records, not an event: its \"Records\" are the events"))
        return false;
    if (!wants(r, "detail.") || json_member(r->event, "detail").ptr)
        return true;
    return explain_hint(r, e->notes, &e->note_count, EXPLAIN_NOTES, "envelope",
                        "the event has no \"detail\", which the pattern looks into: is this a detail without its "
                        "envelope (source, detail-type, detail)?");
}
