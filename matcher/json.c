/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader: RFC 8259 over memory, one token a call, nothing allocated, nothing decoded. A state says what
 * may come next; a bit per level says whether that level is an object.
 *
 *     VALUE ──scalar──> AFTER ──','──> KEY or VALUE          AFTER ──'}' ']'──> AFTER of the level above
 *       │ '{' FIRST_KEY ──key──> COLON ──':' value──> AFTER
 *       │ '[' FIRST_ELEMENT ──value──> AFTER                 AFTER at depth 0: END
 *
 * Cost: one pass; strings are run over eight bytes at a time while they are plain ASCII. Decoding and comparing are
 * in json_text.c, whole-text checks in json_check.c, writing in json_write.c.
 */
#include "matcher/json_int.h"
#include "matcher/plain.h"
#include "matcher/scan.h"

#include <assert.h>

#include "matcher/utf8.h"

enum { STATE_VALUE, STATE_FIRST_ELEMENT, STATE_FIRST_KEY, STATE_KEY, STATE_COLON, STATE_AFTER, STATE_FAILED };

static const char *const fault_texts[] = {
    [JSON_FAULT_DEPTH] = "nested deeper than 1000 levels (LIMIT_JSON_DEPTH)",
    [JSON_FAULT_UTF8] = "invalid UTF-8",
    [JSON_FAULT_NOTHING] = "no value in the text",
    [JSON_FAULT_VALUE] = "expected a value",
    [JSON_FAULT_VALUE_END] = "text ends where a value was expected",
    [JSON_FAULT_KEY] = "expected a key in double quotes",
    [JSON_FAULT_COLON] = "expected ':' after a key",
    [JSON_FAULT_OBJECT_COMMA] = "expected ',' or '}'",
    [JSON_FAULT_ARRAY_COMMA] = "expected ',' or ']'",
    [JSON_FAULT_OBJECT_END] = "text ends within an object",
    [JSON_FAULT_ARRAY_END] = "text ends within an array",
    [JSON_FAULT_MORE] = "more text after the value",
    [JSON_FAULT_STRING_END] = "text ends within a string",
    [JSON_FAULT_ESCAPE_END] = "text ends within a string",
    [JSON_FAULT_ESCAPE] = "unknown escape in a string",
    [JSON_FAULT_HEX] = "\\u needs four hexadecimal digits",
    [JSON_FAULT_CONTROL] = "unescaped control character in a string",
    [JSON_FAULT_MINUS] = "expected a digit after '-'",
    [JSON_FAULT_ZERO] = "leading zero in a number",
    [JSON_FAULT_POINT] = "expected a digit after '.'",
    [JSON_FAULT_EXPONENT] = "expected a digit in the exponent",
};
static_assert(LIMIT_JSON_DEPTH == 1000, "a text names the limit");

void json_reader_init(struct json_reader *r, struct str text)
{
    r->text = text.ptr;
    r->size = text.size;
    r->offset = 0;
    r->error = NULL;
    r->fault = JSON_FAULT_NONE;
    r->depth = 0;
    r->state = STATE_VALUE;
    r->trusted = false;
}

void json_reader_init_trusted(struct json_reader *r, struct str text)
{
    json_reader_init(r, text);
    r->trusted = true;
}

static enum json_type fail(struct json_reader *r, struct json_token *token, size_t offset, enum json_fault fault)
{
    r->offset = offset;
    r->fault = (uint8_t)fault;
    r->error = fault_texts[fault];
    r->state = STATE_FAILED;
    *token = (struct json_token){.type = JSON_ERROR};
    return JSON_ERROR;
}

static enum json_type give(struct json_reader *r, struct json_token *token, enum json_type type, size_t start)
{
    token->type = type;
    token->raw = (struct str){r->text + start, r->offset - start};
    token->escaped = false;
    return type;
}

bool json_reader_in_object(const struct json_reader *r)
{
    int level = r->depth - 1;
    return r->stack[level >> 3] >> (level & 7) & 1;
}

static enum json_type open_level(struct json_reader *r, struct json_token *token, bool object)
{
    if (r->depth == LIMIT_JSON_DEPTH)
        return fail(r, token, r->offset, JSON_FAULT_DEPTH);
    uint8_t bit = (uint8_t)(1u << (r->depth & 7));
    uint8_t *byte = &r->stack[r->depth >> 3];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
    r->depth++;
    r->state = object ? STATE_FIRST_KEY : STATE_FIRST_ELEMENT;
    r->offset++;
    return give(r, token, object ? JSON_OBJECT : JSON_ARRAY, r->offset - 1);
}

static enum json_type close_level(struct json_reader *r, struct json_token *token)
{
    bool object = json_reader_in_object(r);
    r->depth--;
    r->state = STATE_AFTER;
    r->offset++;
    return give(r, token, object ? JSON_OBJECT_END : JSON_ARRAY_END, r->offset - 1);
}

static void skip_space(struct json_reader *r)
{
    while (r->offset < r->size) {
        char c = r->text[r->offset];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
        r->offset++;
    }
}

/* ---- strings ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* `at` is behind a backslash. Returns the size of what follows, 0 with *why where it is no escape. */
static size_t escape_size(const struct json_reader *r, size_t *at, enum json_fault *why)
{
    *why = JSON_FAULT_ESCAPE_END;
    if (*at == r->size)
        return 0;
    switch (r->text[*at]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return 1;
    case 'u': break;
    default: *why = JSON_FAULT_ESCAPE; return 0;
    }
    for (int i = 1; i <= 4; i++) {
        if (*at + i == r->size) {
            *at = r->size;
            return 0;
        }
        if (!is_hex(r->text[*at + i])) {
            *at += i;
            *why = JSON_FAULT_HEX;
            return 0;
        }
    }
    return 5;
}

/* Of a text that was checked: goes by quotes and backslashes alone. */
static enum json_type read_trusted_string(struct json_reader *r, struct json_token *token, enum json_type type)
{
    const char *end = r->text + r->size, *p = r->text + r->offset + 1;
    size_t start = r->offset;
    bool escaped = false;

    p = plain_quote(p, end);
    if (p < end && *p == '\\') {
        escaped = true;
        p = scan_string(p, end);
    }
    if (!p || p == end)
        return fail(r, token, r->size, JSON_FAULT_STRING_END);
    r->offset = (size_t)(p - r->text) + 1;
    give(r, token, type, start);
    token->escaped = escaped;
    return type;
}

/* Reads the string whose opening quote stands at r->offset. */
static enum json_type read_string(struct json_reader *r, struct json_token *token, enum json_type type)
{
    size_t start = r->offset, at = start + 1;
    bool escaped = false;
    if (r->trusted)
        return read_trusted_string(r, token, type);
    for (;;) {
        at = (size_t)(plain_end(r->text + at, r->text + r->size) - r->text);
        if (at == r->size)
            return fail(r, token, at, JSON_FAULT_STRING_END);
        unsigned char c = (unsigned char)r->text[at];
        if (c == '"')
            break;
        if (c == '\\') {
            enum json_fault why;
            escaped = true;
            at++;
            size_t size = escape_size(r, &at, &why);
            if (!size)
                return fail(r, token, at, why);
            at += size;
        } else if (c < 0x20) {
            return fail(r, token, at, JSON_FAULT_CONTROL);
        } else {
            uint32_t code = 0;
            unsigned size = utf8_decode(r->text + at, r->size - at, &code);
            if (!size || utf8_is_surrogate(code))
                return fail(r, token, at, JSON_FAULT_UTF8);
            at += size;
        }
    }
    r->offset = at + 1;
    give(r, token, type, start);
    token->escaped = escaped;
    return type;
}

/* ---- numbers and words ---- */

static bool is_digit_at(const struct json_reader *r, size_t at)
{
    return at < r->size && r->text[at] >= '0' && r->text[at] <= '9';
}

static size_t skip_digits(const struct json_reader *r, size_t at)
{
    while (is_digit_at(r, at))
        at++;
    return at;
}

static enum json_type read_number(struct json_reader *r, struct json_token *token)
{
    size_t start = r->offset, at = start + (r->text[start] == '-');
    if (!is_digit_at(r, at))
        return fail(r, token, at, JSON_FAULT_MINUS);
    if (r->text[at] == '0' && is_digit_at(r, at + 1))
        return fail(r, token, at + 1, JSON_FAULT_ZERO);
    at = skip_digits(r, at);
    if (at < r->size && r->text[at] == '.') {
        if (!is_digit_at(r, at + 1))
            return fail(r, token, at + 1, JSON_FAULT_POINT);
        at = skip_digits(r, at + 1);
    }
    if (at < r->size && (r->text[at] | 0x20) == 'e') {
        at++;
        if (at < r->size && (r->text[at] == '+' || r->text[at] == '-'))
            at++;
        if (!is_digit_at(r, at))
            return fail(r, token, at, JSON_FAULT_EXPONENT);
        at = skip_digits(r, at);
    }
    r->offset = at;
    r->state = STATE_AFTER;
    return give(r, token, JSON_NUMBER, start);
}

static enum json_type read_word(struct json_reader *r, struct json_token *token, struct str word, enum json_type type)
{
    struct str rest = {r->text + r->offset, r->size - r->offset};
    if (!str_starts(rest, word))
        return fail(r, token, r->offset, JSON_FAULT_VALUE);
    r->offset += word.size;
    r->state = STATE_AFTER;
    return give(r, token, type, r->offset - word.size);
}

/* ---- the machine ---- */

static enum json_type read_value(struct json_reader *r, struct json_token *token)
{
    if (r->offset == r->size)
        return fail(r, token, r->offset, r->depth ? JSON_FAULT_VALUE_END : JSON_FAULT_NOTHING);
    switch (r->text[r->offset]) {
    case '{': return open_level(r, token, true);
    case '[': return open_level(r, token, false);
    case '"': r->state = STATE_AFTER; return read_string(r, token, JSON_STRING);
    case 't': return read_word(r, token, STR("true"), JSON_TRUE);
    case 'f': return read_word(r, token, STR("false"), JSON_FALSE);
    case 'n': return read_word(r, token, STR("null"), JSON_NULL);
    case '-':
    case '0' ... '9': return read_number(r, token);
    default: return fail(r, token, r->offset, JSON_FAULT_VALUE);
    }
}

static enum json_type read_key(struct json_reader *r, struct json_token *token)
{
    if (r->offset == r->size)
        return fail(r, token, r->offset, JSON_FAULT_OBJECT_END);
    if (r->text[r->offset] != '"')
        return fail(r, token, r->offset, JSON_FAULT_KEY);
    r->state = STATE_COLON;
    return read_string(r, token, JSON_KEY);
}

static enum json_type read_after(struct json_reader *r, struct json_token *token)
{
    if (!r->depth) {
        if (r->offset < r->size)
            return fail(r, token, r->offset, JSON_FAULT_MORE);
        return give(r, token, JSON_END, r->offset);
    }
    bool object = json_reader_in_object(r);
    if (r->offset == r->size)
        return fail(r, token, r->offset, object ? JSON_FAULT_OBJECT_END : JSON_FAULT_ARRAY_END);
    char c = r->text[r->offset];
    if (c == (object ? '}' : ']'))
        return close_level(r, token);
    if (c != ',')
        return fail(r, token, r->offset, object ? JSON_FAULT_OBJECT_COMMA : JSON_FAULT_ARRAY_COMMA);
    r->offset++;
    skip_space(r);
    return object ? read_key(r, token) : read_value(r, token);
}

enum json_type json_next(struct json_reader *r, struct json_token *token)
{
    if (r->state != STATE_FAILED)
        skip_space(r);
    char c = r->offset < r->size ? r->text[r->offset] : '\0';
    switch (r->state) {
    case STATE_VALUE: return read_value(r, token);
    case STATE_FIRST_ELEMENT: return c == ']' ? close_level(r, token) : read_value(r, token);
    case STATE_FIRST_KEY: return c == '}' ? close_level(r, token) : read_key(r, token);
    case STATE_COLON:
        if (c != ':')
            return fail(r, token, r->offset, JSON_FAULT_COLON);
        r->offset++;
        skip_space(r);
        return read_value(r, token);
    case STATE_AFTER: return read_after(r, token);
    default: assert(r->state == STATE_FAILED); return fail(r, token, r->offset, r->fault);
    }
}

static bool skip_trusted(struct json_reader *r, struct json_token *token)
{
    const char *end = scan_skip(r->text + r->offset, r->text + r->size);

    if (!end) {
        fail(r, token, r->size, token->type == JSON_OBJECT ? JSON_FAULT_OBJECT_END : JSON_FAULT_ARRAY_END);
        return false;
    }
    token->raw.size = (size_t)(end - token->raw.ptr);
    r->offset = (size_t)(end - r->text);
    r->depth--;
    r->state = STATE_AFTER;
    return true;
}

bool json_skip(struct json_reader *r, struct json_token *token)
{
    if (token->type != JSON_OBJECT && token->type != JSON_ARRAY)
        return token->type != JSON_ERROR;
    if (r->trusted)
        return skip_trusted(r, token);
    const char *start = token->raw.ptr;
    int outside = r->depth - 1;
    while (r->depth > outside)
        if (json_next(r, token) == JSON_ERROR)
            return false;
    token->type = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
    token->raw = (struct str){start, (size_t)(r->text + r->offset - start)};
    return true;
}

void json_place(struct str text, size_t offset, int *line, int *column)
{
    assert(offset <= text.size);
    *line = *column = 1;
    for (size_t i = 0; i < offset; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\n') {
            ++*line;
            *column = 1;
        } else if ((c & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

void json_diag(const struct json_reader *r, struct weir_diag *diag)
{
    assert(r->error);
    *diag = (struct weir_diag){.code = r->fault == JSON_FAULT_DEPTH ? WEIR_E_LIMIT : WEIR_E_JSON, .offset = r->offset};
    json_place((struct str){r->text, r->size}, r->offset, &diag->line, &diag->column);
    size_t size = strlen(r->error);
    assert(size < sizeof(diag->message));
    memcpy(diag->message, r->error, size + 1);
}
