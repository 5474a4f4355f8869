/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a pattern's JSON, in the words and at the places of AWS, which reads patterns with Jackson. A
 * fault's place is behind what Jackson had read: behind a wrong character, word or end; for people it is the character
 * itself, so how far behind it Jackson stands is told apart. Where a bracket is left open or closed by the wrong one,
 * Jackson says where that bracket stands.
 *
 * Jackson has moved its columns and hidden the text since; AWS still shows the text, so the words and places here are
 * those of the versions that do (2.10 to 2.15). Its slips are kept: a missing space, the place of a faulty fraction.
 */
#include <stdio.h>

#include "matcher/pattern_json_int.h"
#include "matcher/utf8.h"

#define A_VALUE          "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
#define UTF16_HIGH(code) (0xD800u + (((code)-0x10000) >> 10))
#define WORD_MAX         256 /* Jackson shows no more of a word it does not know */

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static void say(struct json_source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct json_source *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->fault, sizeof(s->fault), format, args);
    va_end(args);
}

/* "'x' (code 120)" for the character at the fault. */
static const char *describe(const struct json_source *s, char out[64])
{
    const struct json_reader *r = &s->reader;
    uint32_t code;
    unsigned size = utf8_decode(r->text + r->offset, r->size - r->offset, &code);
    if (!size) {
        size = 1;
        code = (unsigned char)r->text[r->offset];
    }
    if (code < 0x20 || (code >= 0x7F && code < 0xA0))
        snprintf(out, 64, "(CTRL-CHAR, code %u)", (unsigned)code);
    else if (code > 0xFFFF) /* Jackson sees the first half of a pair, which cannot be shown */
        snprintf(out, 64, "'?' (code %u / 0x%x)", UTF16_HIGH(code), UTF16_HIGH(code));
    else if (code > 255)
        snprintf(out, 64, "'%.*s' (code %u / 0x%x)", (int)size, r->text + r->offset, (unsigned)code, (unsigned)code);
    else
        snprintf(out, 64, "'%.*s' (code %u)", (int)size, r->text + r->offset, (unsigned)code);
    return out;
}

/* Roughly Java's letters and digits: a character of a word, or one that cannot be in any. */
static bool is_word_character(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z') || code == '_' ||
               code == '$' || code <= 8 || (code >= 14 && code <= 27) || code == 127;
    return (code >= 0xC0 && code < 0x2000 && code != 0xD7 && code != 0xF7) || (code >= 0x20A0 && code < 0x2190) ||
           (code >= 0x3040 && code < 0xD800) || (code >= 0xF900 && code < 0xFDD0);
}

static unsigned word_character_size(struct str text, size_t at)
{
    uint32_t code;
    unsigned size = utf8_decode(text.ptr + at, text.size - at, &code);
    return size && is_word_character(code) ? size : 0;
}

static bool in_object(const struct json_source *s)
{
    return s->reader.depth && json_reader_in_object(&s->reader);
}

bool json_source_in_key(const struct json_source *s)
{
    return in_object(s) && s->before != JSON_KEY;
}

/* Returns the offset behind the word at start, which may have a sign. */
static size_t say_word(struct json_source *s, size_t start)
{
    struct str text = {s->reader.text, s->reader.size};
    size_t sign = is_one_of(text.ptr[start], "+-"), end = start + sign, shown = sign;
    for (unsigned size; (size = word_character_size(text, end)); end += size)
        if (end + size - start <= WORD_MAX)
            shown = end + size - start;
    struct str word = {text.ptr + start, shown}, bare = {word.ptr + sign, shown - sign};
    if (str_is(bare, "Infinity") || (sign ? str_is(bare, "INF") : str_is(bare, "NaN")))
        say(s, "Non-standard token '%.*s': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow", STR_ARG(word));
    else
        say(s, "Unrecognized token '%.*s%s': was expecting " A_VALUE, STR_ARG(word),
            end - start > WORD_MAX ? "..." : "");
    return end;
}

/*
 * Each of these returns the offset of the place to name. What it says of a character stands one code unit behind that;
 * line ends among them count as characters of their line.
 */
static size_t behind(struct json_source *s, int units)
{
    s->behind = units;
    return s->reader.offset;
}

/* Where the innermost open bracket stands; found by reading once more up to the fault. */
static void find_opening(struct json_source *s)
{
    struct json_reader r;
    struct json_token t;
    size_t opened[LIMIT_JSON_DEPTH];
    struct json_source place = {.reader = s->reader, .place = {.line = 1, .column = 1, .unit_column = 1}};

    json_reader_init(&r, (struct str){s->reader.text, s->reader.size});
    while (json_next(&r, &t) != JSON_ERROR)
        if (t.type == JSON_OBJECT || t.type == JSON_ARRAY)
            opened[r.depth - 1] = (size_t)(t.raw.ptr - r.text);
    s->open_line = 1;
    s->open_column = 0;
    if (!r.depth)
        return;
    json_source_move(&place, opened[r.depth - 1]);
    s->open_line = place.place.line;
    s->open_column = place.place.unit_column;
}

static size_t say_wrong_marker(struct json_source *s, char closing, char wanted)
{
    say(s, "Unexpected close marker '%c': expected '%c'", closing, wanted);
    find_opening(s);
    return behind(s, 1);
}

/* at: of a sign that no digit follows. Jackson looks for an infinity first. */
static size_t say_bad_sign(struct json_source *s, size_t at)
{
    const struct json_reader *r = &s->reader;
    bool plus = r->text[at] == '+';
    size_t wrong = at + 1;
    char what[64];
    if (wrong < r->size && r->text[wrong] == 'I')
        wrong++;
    if (wrong == r->size) {
        say(s, "Unexpected end-of-input%s",
            plus || wrong > at + 1 ? " in a Number value" : "No digit following minus sign");
        return wrong;
    }
    if (wrong > at + 1 && (r->text[wrong] | 0x20) == 'n')
        return say_word(s, at);
    s->reader.offset = wrong;
    if (plus)
        say(s, "Unexpected character ('+' (code 43)) in numeric value: JSON spec does not allow numbers to have plus "
               "signs: enable `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow");
    else if (r->text[wrong] == '.' && wrong == at + 1)
        say(s, "Unexpected character ('.' (code 46)): expected a valid value " A_VALUE);
    else
        say(s,
            "Unexpected character (%s) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric "
            "value",
            describe(s, what));
    return behind(s, 1);
}

static size_t say_bad_value(struct json_source *s)
{
    const struct json_reader *r = &s->reader;
    char what[64];
    unsigned char c = (unsigned char)r->text[r->offset];
    if (c >= ' ' && c != 127 && word_character_size((struct str){r->text, r->size}, r->offset))
        return say_word(s, r->offset);
    if (!r->depth && (c == '}' || c == ']'))
        return say_wrong_marker(s, c, c == '}' ? ']' : '}');
    if (c == '}' && s->before == JSON_ARRAY)
        return say_wrong_marker(s, '}', ']');
    if (c == '+')
        return say_bad_sign(s, r->offset);
    if (c == '}')
        say(s, "Unexpected character ('}' (code 125)): expected a value");
    else
        say(s, "Unexpected character (%s): expected a valid value " A_VALUE, describe(s, what));
    return behind(s, 1);
}

static size_t say_bad_key(struct json_source *s)
{
    char what[64];
    if (s->reader.text[s->reader.offset] == ']' && s->before == JSON_OBJECT)
        return say_wrong_marker(s, ']', '}');
    say(s, "Unexpected character (%s): was expecting double-quote to start field name", describe(s, what));
    return behind(s, 1);
}

static size_t say_bad_comma(struct json_source *s)
{
    const struct json_reader *r = &s->reader;
    struct str text = {r->text, r->size};
    char what[64], c = r->text[r->offset];
    bool object = r->fault == JSON_FAULT_OBJECT_COMMA;
    bool after_word = s->before == JSON_TRUE || s->before == JSON_FALSE || s->before == JSON_NULL;
    if (after_word && s->before_end == r->offset && word_character_size(text, r->offset))
        return say_word(s, s->before_start);
    if (c == (object ? ']' : '}'))
        return say_wrong_marker(s, c, object ? '}' : ']');
    say(s, "Unexpected character (%s): was expecting comma to separate %s entries", describe(s, what),
        object ? "Object" : "Array");
    return behind(s, 1);
}

/* What may stand between tokens, but not here. */
static size_t say_bad_structure(struct json_source *s)
{
    const struct json_reader *r = &s->reader;
    char what[64];
    if (r->text[r->offset] == '/') {
        say(s, "Unexpected character ('/' (code 47)): maybe a (non-standard) comment? (not recognized as one since "
               "Feature 'ALLOW_COMMENTS' not enabled for parser)");
        return behind(s, 1);
    }
    if ((unsigned char)r->text[r->offset] < 0x20) {
        say(s, "Illegal character (%s): only regular white space (\\r, \\n, \\t) is allowed between tokens",
            describe(s, what));
        return behind(s, 1);
    }
    switch (r->fault) {
    case JSON_FAULT_VALUE: return say_bad_value(s);
    case JSON_FAULT_KEY: return say_bad_key(s);
    case JSON_FAULT_COLON:
        say(s, "Unexpected character (%s): was expecting a colon to separate field name and value", describe(s, what));
        return behind(s, 1);
    default: return say_bad_comma(s);
    }
}

/* Behind the wrong character where the number starts with 0, which Jackson reads by a way of its own; else behind what
 * follows the whole part. */
static size_t place_of_fraction(const struct json_reader *r)
{
    size_t at = r->offset;
    while (at && is_one_of(r->text[at - 1], "+-.0123456789Ee"))
        at--;
    at += r->text[at] == '-';
    if (r->text[at] == '0')
        return r->offset;
    while (r->text[at] >= '0' && r->text[at] <= '9')
        at++;
    return at;
}

static size_t say_bad_number(struct json_source *s)
{
    struct json_reader *r = &s->reader;
    bool ended = r->offset == r->size;
    char what[64];
    if (r->fault == JSON_FAULT_ZERO) {
        say(s, "Invalid numeric value: Leading zeroes not allowed");
        return r->offset;
    }
    if (r->fault == JSON_FAULT_MINUS)
        return say_bad_sign(s, r->offset - 1);
    if (r->fault == JSON_FAULT_EXPONENT && ended) {
        say(s, "Unexpected end-of-inputexpected a digit for number exponent"); /* Jackson's own slip */
        return r->size;
    }
    r->offset -= ended; /* the point itself is what is wrong */
    say(s, "Unexpected character (%s) in numeric value: %s", describe(s, what),
        r->fault == JSON_FAULT_POINT ? "Decimal point not followed by a digit"
                                     : "Exponent indicator not followed by a digit");
    s->behind = 1;
    return place_of_fraction(r);
}

static size_t say_bad_string(struct json_source *s)
{
    char what[64];
    describe(s, what);
    if (s->reader.fault == JSON_FAULT_ESCAPE)
        say(s, "Unrecognized character escape %s", what);
    else if (s->reader.fault == JSON_FAULT_HEX)
        say(s, "Unexpected character (%s): expected a hex-digit for character escape sequence", what);
    else if (s->reader.fault == JSON_FAULT_CONTROL)
        say(s, "Illegal unquoted character (%s): has to be escaped using backslash to be included in %s", what,
            json_source_in_key(s) ? "name" : "string value");
    else
        say(s, "Invalid UTF-8");
    return behind(s, 1);
}

/* The text ends too early. */
static size_t say_end(struct json_source *s)
{
    const struct json_reader *r = &s->reader;
    const char *container = in_object(s) ? "Object" : "Array";
    size_t last = r->size; /* behind the last byte that is not white space */
    while (last && is_one_of(r->text[last - 1], " \t\r\n"))
        last--;
    if (r->fault == JSON_FAULT_NOTHING)
        say(s, "Filter is not an object");
    else if (r->fault == JSON_FAULT_ESCAPE_END)
        say(s, "Unexpected end-of-input in character escape sequence");
    else if (r->fault == JSON_FAULT_STRING_END && json_source_in_key(s))
        say(s, "Unexpected end-of-input in field name");
    else if (r->fault == JSON_FAULT_STRING_END)
        say(s, "Unexpected end-of-input: was expecting closing quote for a string value");
    else if (s->before == JSON_KEY || (last && r->text[last - 1] == ','))
        say(s, "Unexpected end-of-input within/between %s entries", container);
    else {
        say(s, "Unexpected end-of-input: expected close marker for %s", container);
        find_opening(s);
    }
    return r->size;
}

size_t json_source_say(struct json_source *s)
{
    const struct json_reader *r = &s->reader;
    s->behind = s->open_line = s->open_column = 0;
    switch (r->fault) {
    case JSON_FAULT_DEPTH:
    case JSON_FAULT_MORE:
        say(s, "%s", r->fault == JSON_FAULT_DEPTH ? r->error : "more text after the pattern");
        return r->offset;
    case JSON_FAULT_ZERO:
    case JSON_FAULT_MINUS:
    case JSON_FAULT_POINT:
    case JSON_FAULT_EXPONENT: return say_bad_number(s);
    case JSON_FAULT_ESCAPE:
    case JSON_FAULT_HEX:
    case JSON_FAULT_CONTROL:
    case JSON_FAULT_UTF8: return say_bad_string(s);
    default: return r->offset == r->size ? say_end(s) : say_bad_structure(s);
    }
}
