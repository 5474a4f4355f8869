/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pattern parser's files share: tokens, diagnoses, growing arrays. How AWS words the place of a fault is
 * settled here: the line and column behind the token it stopped on, which for a string it had not read yet is behind
 * the opening quote.
 */
#include "matcher/pattern_int.h"

#include <stdio.h>

#include "matcher/address.h"
#include "matcher/number.h"
#include "matcher/utf8.h"

/* The source cannot read on, or cannot read the present string. */
static void fail_token(struct parser *p)
{
    parser_fail(p, "%s", p->token.fault ? p->token.fault : "no pattern");
    p->diag->code = p->token.code ? p->token.code : WEIR_E_PATTERN;
    p->diag->behind = p->token.behind;
    p->diag->open_line = p->token.open_line;
    p->diag->open_column = p->token.open_column;
    if (p->diag->code == WEIR_E_LIMIT)
        p->diag->tail = WEIR_TAIL_NONE;
    if (p->arena->failed || p->diag->code == WEIR_E_MEMORY)
        parser_fail_memory(p);
}

enum json_type parser_next(struct parser *p)
{
    p->text_read = false;
    p->token = (struct pattern_token){.type = JSON_ERROR};
    if (p->failed)
        return JSON_ERROR;
    p->source->next(p->source, &p->token);
    if (p->token.type == JSON_ERROR)
        fail_token(p);
    return p->token.type;
}

struct str parser_text(struct parser *p)
{
    p->text_read = true;
    if (p->token.fault && !p->failed)
        fail_token(p);
    return p->token.text;
}

struct str parser_token_text(struct parser *p)
{
    switch (p->token.type) {
    case JSON_OBJECT: return STR("{");
    case JSON_OBJECT_END: return STR("}");
    case JSON_ARRAY: return STR("[");
    case JSON_ARRAY_END: return STR("]");
    case JSON_TRUE: return STR("true");
    case JSON_FALSE: return STR("false");
    case JSON_NULL: return STR("null");
    default: return parser_text(p);
    }
}

/* Where the message was cut, it may end within a character. */
static void cut_to_characters(char *message)
{
    size_t size = strlen(message);
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        uint32_t code;
        if (((unsigned char)message[size - back] & 0xC0) == 0x80)
            continue;
        if (!utf8_decode(message + size - back, back, &code))
            message[size - back] = '\0';
        return;
    }
}

static bool fail(struct parser *p, enum weir_code code, enum weir_tail tail, const char *format, va_list args)
{
    if (p->failed)
        return false;
    p->failed = true;
    *p->diag = (struct weir_diag){.code = code, .tail = tail};
    p->diag->line = p->token.stop_line;
    p->diag->column = p->text_read ? p->token.read_column : p->token.stop_column;
    int size = vsnprintf(p->diag->message, sizeof(p->diag->message), format, args);
    if (size < 0 || (size_t)size >= sizeof(p->diag->message))
        cut_to_characters(p->diag->message);
    return false;
}

bool parser_fail(struct parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(p, WEIR_E_PATTERN, p->in_list ? WEIR_TAIL_TWICE : WEIR_TAIL_ONCE, format, args);
    va_end(args);
    return false;
}

bool parser_fail_bare(struct parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(p, WEIR_E_PATTERN, WEIR_TAIL_NONE, format, args);
    va_end(args);
    return false;
}

bool parser_fail_limit(struct parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(p, WEIR_E_LIMIT, WEIR_TAIL_NONE, format, args);
    va_end(args);
    return false;
}

bool parser_fail_memory(struct parser *p)
{
    p->failed = true;
    *p->diag = (struct weir_diag){.code = WEIR_E_MEMORY, .message = "out of memory"};
    return false;
}

struct pattern_atom *atoms_add(struct parser *p, struct atoms *atoms)
{
    if (atoms->count == atoms->capacity) {
        uint32_t capacity = atoms->capacity ? atoms->capacity * 2 : 1;
        struct pattern_atom *list = arena_array(p->arena, capacity, sizeof(*list));
        if (!list) {
            parser_fail_memory(p);
            return NULL;
        }
        if (atoms->count)
            memcpy(list, atoms->list, atoms->count * sizeof(*list));
        atoms->list = list;
        atoms->capacity = capacity;
    }
    struct pattern_atom *atom = &atoms->list[atoms->count++];
    atom->line = p->token.line;
    atom->column = p->token.column;
    return atom;
}

void atom_set_string(struct pattern_atom *atom, struct str text)
{
    atom->op = PATTERN_STRING;
    atom->text = text;
    atom->address_size = (uint8_t)address_parse(text, atom->address);
}

void atom_set_number(struct pattern_atom *atom, struct str literal)
{
    atom->op = PATTERN_NUMBER;
    atom->text = literal;
    atom->comparable = number_parse(literal, &atom->number);
}
