/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern's tokens from JSON text, with the places that AWS names. AWS reads patterns with Jackson, so columns count
 * UTF-16 code units, a string value is unread until its text is wanted, and a key is handed out when the first token of
 * its value was read. What is said of faults is in pattern_json_faults.c.
 */
#include <stdio.h>

#include "matcher/pattern_json_int.h"

void json_source_move(struct json_source *s, size_t offset)
{
    struct place *at = &s->place;
    for (; at->offset < offset; at->offset++) {
        unsigned char c = (unsigned char)s->reader.text[at->offset];
        bool return_alone = c == '\r' && (at->offset + 1 == s->reader.size || s->reader.text[at->offset + 1] != '\n');
        if (c == '\n' || return_alone) {
            at->line++;
            at->column = at->unit_column = 1;
        } else if ((c & 0xC0) != 0x80) {
            at->column++;
            at->unit_column += c >= 0xF0 ? 2 : 1;
        }
    }
}

static enum weir_code fault_code(int fault)
{
    switch (fault) {
    case JSON_FAULT_DEPTH: return WEIR_E_LIMIT;
    case JSON_FAULT_MORE:
    case JSON_FAULT_NOTHING: return WEIR_E_PATTERN;
    default: return WEIR_E_JSON;
    }
}

static void give_fault(struct json_source *s, struct pattern_token *token)
{
    json_source_move(s, json_source_say(s));
    *token = (struct pattern_token){
        .type = JSON_ERROR,
        .line = s->place.line,
        .column = s->place.column,
        .stop_line = s->place.line,
        .stop_column = s->place.unit_column,
        .behind = s->behind,
        .open_line = s->open_line,
        .open_column = s->open_column,
        .fault = s->fault,
        .code = fault_code(s->reader.fault),
    };
}

static void give_no_memory(struct pattern_token *token)
{
    *token = (struct pattern_token){.type = JSON_ERROR, .fault = "out of memory", .code = WEIR_E_MEMORY};
}

static bool is_string_fault(int fault)
{
    return fault == JSON_FAULT_ESCAPE || fault == JSON_FAULT_HEX || fault == JSON_FAULT_CONTROL ||
           fault == JSON_FAULT_UTF8 || fault == JSON_FAULT_STRING_END || fault == JSON_FAULT_ESCAPE_END;
}

/* A string value is given before it is read, so what is wrong with its text shows when that is wanted. */
static void give_faulty_string(struct json_source *s, struct pattern_token *token)
{
    struct pattern_token string = {.type = JSON_STRING};
    size_t start = s->before_end;
    while (s->reader.text[start] != '"')
        start++;
    json_source_move(s, start);
    string.line = string.stop_line = s->place.line;
    string.column = s->place.column;
    json_source_move(s, start + 1);
    string.stop_column = s->place.unit_column;
    give_fault(s, token);
    string.read_column = token->stop_column;
    string.behind = token->behind;
    string.fault = token->fault;
    string.code = token->code;
    *token = string;
    s->faulty = true;
}

/* One token of the text, its stop column behind itself (a string: behind its opening quote). */
static void read_token(struct json_source *s, struct pattern_token *token)
{
    struct json_token t;
    if (json_next(&s->reader, &t) == JSON_ERROR) {
        if (is_string_fault(s->reader.fault) && !json_source_in_key(s) && !s->faulty)
            give_faulty_string(s, token);
        else
            give_fault(s, token);
        return;
    }
    size_t start = (size_t)(t.raw.ptr - s->reader.text);
    bool is_string = t.type == JSON_STRING || t.type == JSON_KEY;
    json_source_move(s, start);
    *token = (struct pattern_token){.type = t.type, .line = s->place.line, .column = s->place.column};
    if (is_string) {
        token->text = json_decode_in(s->arena, t.raw);
        json_source_move(s, start + 1);
        token->stop_column = s->place.unit_column;
    } else if (t.type == JSON_NUMBER) {
        token->text = arena_str(s->arena, t.raw);
    }
    if (s->arena->failed) {
        give_no_memory(token);
        return;
    }
    json_source_move(s, start + t.raw.size);
    token->stop_line = s->place.line;
    token->read_column = s->place.unit_column;
    if (!is_string)
        token->stop_column = token->read_column;
    s->before = t.type;
    s->before_start = start;
    s->before_end = start + t.raw.size;
}

static void next_token(struct pattern_source *base, struct pattern_token *token)
{
    struct json_source *s = (struct json_source *)base;
    if (s->has_pending) {
        *token = s->pending;
        s->has_pending = false;
        return;
    }
    read_token(s, token);
    if (token->type != JSON_KEY)
        return;
    read_token(s, &s->pending);
    if (s->pending.type == JSON_ERROR) {
        *token = s->pending;
        return;
    }
    s->has_pending = true;
    token->stop_line = s->pending.stop_line;
    token->stop_column = token->read_column = s->pending.stop_column;
}

const struct pattern *pattern_parse_json(struct arena *a, struct str text, struct weir_diag *diag)
{
    return pattern_parse_json_in(a, PATTERN_AWS, text, diag);
}

const struct pattern *pattern_parse_json_in(struct arena *a, enum pattern_language language, struct str text,
                                            struct weir_diag *diag)
{
    struct json_source source = {
        .base = {next_token, language}, .arena = a, .place = {.line = 1, .column = 1, .unit_column = 1}};
    if (text.size > LIMIT_PATTERN_BYTES) {
        *diag = (struct weir_diag){.code = WEIR_E_LIMIT};
        snprintf(diag->message, sizeof(diag->message), "pattern is longer than %u bytes (LIMIT_PATTERN_BYTES)",
                 LIMIT_PATTERN_BYTES);
        return NULL;
    }
    json_reader_init(&source.reader, text);
    return pattern_parse(a, &source.base, diag);
}
