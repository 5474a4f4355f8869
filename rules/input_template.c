/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input templates. A template that starts with { or [ is a JSON template, every other one a string template: one
 * JSON value a line, most often a text in quotes. Where <variable> stands decides how its value is written:
 *
 *     outside quotes    as JSON: text with quotes, the rest as in the event; not there: ""
 *     inside quotes     spliced as it is: text decoded and not escaped again; not there: nothing
 *                       objects and lists: as JSON in JSON templates (which breaks them, unless no quote is inside),
 *                       without their quotes in string templates: {id:7,tags:[a,b]}
 *
 * Splicing without escapes is AWS's documented behaviour, so a value with a quote in it can break the template. What
 * comes out is therefore checked, and a broken one is a failure with a reason (where AWS drops it silently).
 *
 * Parsing makes a list of pieces; rendering goes through it once. JSON templates come out compact.
 */
#include "rules/input_int.h"

#include "matcher/json.h"
#include "rules/yaml.h"

static const struct {
    const char *name;
    enum piece_kind kind;
} predefined[] = {
    {"aws.events.rule-arn", PIECE_RULE_ARN},     {"aws.events.rule-name", PIECE_RULE_NAME},
    {"aws.events.event", PIECE_EVENT},           {"aws.events.event.ingestion-time", PIECE_INGESTION_TIME},
    {"aws.events.event.json", PIECE_EVENT_JSON},
};
#define PREDEFINED_COUNT (sizeof(predefined) / sizeof(predefined[0]))

/* ---- parsing ---- */

struct template_parser {
    struct arena *arena;
    struct diags *diags;
    struct template_place place;
    const struct input_pair *pairs;
    struct path *paths; /* beside pairs */
    size_t pair_count;
    struct str text;
    struct piece *pieces;
    struct template *out;
};

static bool is_name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool check_name(struct template_parser *p, const struct input_pair *pair)
{
    bool ok = pair->name.size >= 1 && pair->name.size <= INPUT_NAME_MAX;
    for (size_t i = 0; ok && i < pair->name.size; i++)
        ok = is_name_char(pair->name.ptr[i]);
    if (!ok && str_starts(pair->name, STR("aws.events.")))
        return diag_error(p->diags, pair->pos, "variable '%.*s' is reserved", STR_ARG(pair->name));
    return ok || diag_error(p->diags, pair->pos, "variable '%.*s' must have 1..%d of the characters A-Z a-z 0-9 _ -",
                            STR_ARG(pair->name), INPUT_NAME_MAX);
}

static bool parse_paths(struct template_parser *p)
{
    bool ok = true;
    if (p->pair_count > INPUT_PAIRS_MAX)
        return diag_error(p->diags, template_pos(&p->place, 0),
                          "input_paths_map has %zu entries; at most %d are allowed", p->pair_count, INPUT_PAIRS_MAX);
    p->paths = arena_array(p->arena, p->pair_count, sizeof(*p->paths));
    for (size_t i = 0; p->paths && i < p->pair_count; i++) {
        ok &= check_name(p, &p->pairs[i]);
        ok &= path_parse(p->arena, p->pairs[i].path, "path", p->pairs[i].pos, p->diags, &p->paths[i]);
    }
    return ok && p->paths;
}

/* The name in a <name> at `at`, or {NULL,0}: a < that starts none is text. */
static struct str placeholder_at(struct str text, size_t at)
{
    size_t end = at + 1;
    while (end < text.size && (is_name_char(text.ptr[end]) || text.ptr[end] == '.'))
        end++;
    if (end == at + 1 || end == text.size || text.ptr[end] != '>')
        return (struct str){NULL, 0};
    return (struct str){text.ptr + at + 1, end - at - 1};
}

static bool unknown_placeholder(struct template_parser *p, struct str name, struct diag_pos pos)
{
    const char *names[INPUT_PAIRS_MAX + PREDEFINED_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < p->pair_count; i++)
        names[count++] = arena_text(p->arena, p->pairs[i].name);
    for (size_t i = 0; i < PREDEFINED_COUNT; i++)
        names[count++] = predefined[i].name;
    if (p->arena->failed)
        return false;
    const char *near = diag_near(name, names, count);
    return diag_error(p->diags, pos, "input_template contains invalid placeholder '<%.*s>'%s%s%s", STR_ARG(name),
                      near ? "; did you mean '<" : "", near ? near : "", near ? ">'?" : "");
}

static bool name_piece(struct template_parser *p, struct str name, struct piece *piece)
{
    for (size_t i = 0; i < p->pair_count; i++)
        if (str_eq(name, p->pairs[i].name)) {
            piece->kind = PIECE_PATH;
            piece->path = &p->paths[i];
            return true;
        }
    for (size_t i = 0; i < PREDEFINED_COUNT; i++)
        if (str_is(name, predefined[i].name)) {
            piece->kind = predefined[i].kind;
            return true;
        }
    return unknown_placeholder(p, name, template_pos(&p->place, (size_t)(piece->text.ptr - p->text.ptr)));
}

static void add_text(struct template_parser *p, size_t from, size_t to)
{
    if (to > from)
        p->pieces[p->out->piece_count++] = (struct piece){.kind = PIECE_TEXT, .text = {p->text.ptr + from, to - from}};
}

static bool parse_pieces(struct template_parser *p)
{
    bool quoted = false, ok = true;
    size_t from = 0;
    for (size_t at = 0; at < p->text.size; at++) {
        char c = p->text.ptr[at];
        if (c == '"' || c == '\n') {
            quoted = c == '"' && !quoted; /* no text of JSON goes over a line's end */
        } else if (c == '\\' && quoted) {
            at++;
        } else if (c == '<') {
            struct str name = placeholder_at(p->text, at);
            if (!name.ptr)
                continue;
            add_text(p, from, at);
            struct piece *piece = &p->pieces[p->out->piece_count++];
            piece->quoted = quoted;
            piece->text = (struct str){p->text.ptr + at, name.size + 2};
            ok &= name_piece(p, name, piece);
            at += name.size + 1;
            from = at + 1;
        }
    }
    add_text(p, from, p->text.size);
    return ok;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without white space at both ends: a block scalar's last newline is nobody's wish. */
static struct str trim(struct str s)
{
    while (s.size && is_blank(s.ptr[s.size - 1]))
        s.size--;
    while (s.size && is_blank(s.ptr[0]))
        s = (struct str){s.ptr + 1, s.size - 1};
    return s;
}

struct diag_pos template_pos(const struct template_place *place, size_t offset)
{
    return place->scalar ? node_place(place->scalar, place->skipped + offset) : (struct diag_pos){0};
}

static bool check_size(struct template_parser *p)
{
    if (p->text.size == 0)
        return diag_error(p->diags, template_pos(&p->place, 0), "input_template is empty");
    return p->text.size <= INPUT_TEMPLATE_MAX ||
           diag_error(p->diags, template_pos(&p->place, 0), "input_template has %zu bytes; at most %d are allowed",
                      p->text.size, INPUT_TEMPLATE_MAX);
}

const struct template *template_parse(struct arena *a, const struct input_pair *paths, size_t path_count,
                                      struct str text, const struct node *scalar, struct diags *diags)
{
    struct template_parser p = {.arena = a, .diags = diags, .pairs = paths, .pair_count = path_count};
    struct str trimmed = trim(text);
    p.place = (struct template_place){scalar, (size_t)(trimmed.ptr - text.ptr)};
    p.text = arena_str(a, trimmed);
    p.out = arena_new(a, struct template);
    bool ok = !a->failed && check_size(&p) && parse_paths(&p);
    if (ok && (p.pieces = arena_array(a, p.text.size, sizeof(*p.pieces)))) {
        *p.out = (struct template){.is_json = p.text.ptr[0] == '{' || p.text.ptr[0] == '[', .text = p.text};
        p.out->pieces = p.pieces;
        ok = parse_pieces(&p);
        if (ok)
            template_check(p.out, &p.place, p.pairs, p.paths, p.pair_count, diags);
    }
    diags->out_of_memory |= a->failed;
    return ok && !a->failed ? p.out : NULL;
}

/* ---- rendering ---- */

struct rendering {
    const struct template *template;
    struct str event;
    const struct input_variables *variables;
    const struct str *trial; /* NULL: look into the event */
    struct buf *out;
};

/* JSON with the quotes of its texts and keys left away; escapes stay, for the quotes around the whole. */
static void write_bare(struct buf *out, struct str value)
{
    struct json_reader r;
    struct json_token t;
    bool comma = false;
    json_reader_init(&r, value);
    for (;;) {
        enum json_type type = json_next(&r, &t);
        if (type == JSON_END || type == JSON_ERROR)
            return;
        if (comma && type != JSON_OBJECT_END && type != JSON_ARRAY_END)
            buf_char(out, ',');
        comma = type != JSON_OBJECT && type != JSON_ARRAY && type != JSON_KEY;
        if (type == JSON_KEY || type == JSON_STRING)
            buf_add(out, t.raw.ptr + 1, t.raw.size - 2);
        else
            buf_str(out, t.raw);
        if (type == JSON_KEY)
            buf_char(out, ':');
    }
}

static void write_value(struct rendering *r, const struct piece *piece, struct str value)
{
    enum json_type type = value.ptr ? json_type_of(value) : JSON_END;
    if (!value.ptr)
        buf_text(r->out, piece->quoted ? "" : "\"\"");
    else if (!piece->quoted)
        json_minify(r->out, value);
    else if (type == JSON_STRING)
        json_decode(r->out, value);
    else if ((type == JSON_OBJECT || type == JSON_ARRAY) && !r->template->is_json)
        write_bare(r->out, value);
    else
        json_minify(r->out, value);
}

static void write_text(struct rendering *r, const struct piece *piece, struct str text)
{
    if (piece->quoted)
        buf_str(r->out, text);
    else
        json_write_string(r->out, text);
}

/* The envelope without detail, into `out`. */
static void write_envelope(struct buf *out, struct str event)
{
    struct json_reader r;
    struct json_token t;
    bool comma = false;
    json_reader_init(&r, event);
    buf_char(out, '{');
    if (json_next(&r, &t) == JSON_OBJECT)
        while (json_next(&r, &t) == JSON_KEY) {
            struct str key = json_raw_is(t.raw, "detail-type") ? STR("\"detailType\"") : t.raw;
            bool skip = json_raw_is(t.raw, "detail");
            json_next(&r, &t);
            json_skip(&r, &t);
            if (skip)
                continue;
            if (comma)
                buf_char(out, ',');
            buf_str(out, key);
            buf_char(out, ':');
            buf_str(out, t.raw);
            comma = true;
        }
    buf_char(out, '}');
}

static void write_piece(struct rendering *r, const struct piece *piece)
{
    struct buf envelope = BUF_INIT;
    switch (piece->kind) {
    case PIECE_TEXT: buf_str(r->out, piece->text); return;
    case PIECE_PATH: write_value(r, piece, r->trial ? *r->trial : path_find(piece->path, r->event)); return;
    case PIECE_RULE_ARN: write_text(r, piece, r->variables->rule_arn); return;
    case PIECE_RULE_NAME: write_text(r, piece, r->variables->rule_name); return;
    case PIECE_INGESTION_TIME: write_text(r, piece, r->variables->ingestion_time); return;
    case PIECE_EVENT_JSON: write_value(r, piece, r->event); return;
    case PIECE_EVENT:
        write_envelope(&envelope, r->event);
        if (envelope.failed)
            r->out->failed = true;
        else
            write_value(r, piece, buf_view(&envelope));
        buf_fini(&envelope);
        return;
    }
}

/* A string template is right when each of its lines is a JSON value; blank lines are left alone. */
static bool check_lines(struct str text, struct weir_diag *diag)
{
    for (unsigned number = 1; text.size; number++) {
        const char *end = memchr(text.ptr, '\n', text.size);
        struct str line = {text.ptr, end ? (size_t)(end - text.ptr) : text.size};
        struct weir_diag why = {.code = WEIR_OK};
        if (trim(line).size && !json_check(line, NULL, &why))
            return input_fail(diag, WEIR_E_JSON, "line %u of the rendered input is not JSON: %s", number, why.message);
        text = (struct str){line.ptr + line.size + (end != NULL), text.size - line.size - (end != NULL)};
    }
    return true;
}

static bool render(struct rendering r, struct buf *out, struct weir_diag *diag)
{
    struct buf raw;
    struct weir_diag why = {.code = WEIR_OK};
    bool ok = true;
    buf_init(&raw, out->max);
    r.out = &raw;
    for (uint32_t i = 0; i < r.template->piece_count; i++)
        write_piece(&r, &r.template->pieces[i]);
    if (raw.failed)
        out->failed = true;
    else if (!r.template->is_json) {
        ok = check_lines(buf_view(&raw), diag);
        buf_str(out, buf_view(&raw));
    } else if (json_check(buf_view(&raw), NULL, &why))
        json_minify(out, buf_view(&raw));
    else
        ok = input_fail(diag, WEIR_E_JSON, "the rendered input is not JSON: %s in line %d, column %d", why.message,
                        why.line, why.column);
    buf_fini(&raw);
    return ok;
}

bool template_render(const struct template *t, struct str event, const struct input_variables *variables,
                     struct buf *out, struct weir_diag *diag)
{
    struct rendering r = {.template = t, .event = event, .variables = variables};
    return render(r, out, diag);
}

bool template_try(const struct template *t, const struct str *trial, struct weir_diag *diag, bool *out_of_memory)
{
    const struct input_variables variables = {STR("x"), STR("x"), STR("x")};
    struct rendering r = {.template = t, .event = STR("{}"), .variables = &variables, .trial = trial};
    struct buf out = BUF_INIT;
    bool ok = render(r, &out, diag);
    *out_of_memory |= out.failed;
    buf_fini(&out);
    return ok;
}
