/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an input template does that its author hardly meant. AWS takes such templates and then delivers nothing, or
 * something else; they are no errors here either, since a file that works on AWS must load, but each gives a warning
 * with its place:
 *
 *     nothing is delivered whatever the event holds     found by trial, with several kinds of values in all places
 *     an object or a list inside quotes of JSON         known for $, $.detail and $.resources only
 *     the whole event inside a text                     it loses its quotes
 *     <$.detail.id>                                     a path where a name is meant: it stays text
 *     a name of input_paths_map that is not used        unless the map is there for many templates, by a YAML anchor
 */
#include "matcher/json.h"
#include "rules/input_int.h"

/* A template that gives JSON with none of these, in all places at once, hardly does with anything. */
static bool can_render(const struct template *t, struct weir_diag *why, struct diags *diags)
{
    const struct str values[] = {{NULL, 0}, STR("1"), STR("\"x\""), STR("{}")};
    struct weir_diag unused;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (template_try(t, &values[i], i ? &unused : why, &diags->out_of_memory))
            return true;
    return false;
}

/* NULL: any kind of value may stand there. */
static const char *known_kind(const struct piece *piece)
{
    if (piece->kind == PIECE_EVENT || piece->kind == PIECE_EVENT_JSON)
        return "an object";
    if (piece->kind != PIECE_PATH || piece->path->step_count > 1)
        return NULL;
    const char *key = piece->path->step_count ? piece->path->steps[0].key : "detail"; /* $ is as much an object */
    if (key && strcmp(key, "detail") == 0)
        return "an object";
    return key && strcmp(key, "resources") == 0 ? "a list" : NULL;
}

static void check_quoted(const struct template *t, const struct piece *piece, struct diag_pos pos, struct diags *diags)
{
    const char *kind = known_kind(piece);
    if (!kind || !piece->quoted)
        return;
    if (t->is_json)
        diag_warn(diags, pos,
                  "'%.*s' is %s; inside quotes it makes invalid JSON, and nothing will be delivered: "
                  "write it without the quotes",
                  STR_ARG(piece->text), kind);
    else if (piece->kind != PIECE_PATH)
        diag_warn(diags, pos, "'%.*s' loses its quotes inside a text; it is meant for a value in a JSON template",
                  STR_ARG(piece->text));
}

/* <$.detail.id> */
static void check_text(const struct template *t, const struct piece *piece, const struct template_place *place,
                       struct diags *diags)
{
    for (size_t i = 0; i + 1 < piece->text.size; i++) {
        const char *at = piece->text.ptr + i;
        const char *end = at[0] == '<' && at[1] == '$' ? memchr(at, '>', piece->text.size - i) : NULL;
        if (end)
            diag_warn(diags, template_pos(place, (size_t)(at - t->text.ptr)),
                      "'%.*s' stays as it is: give the path a name in input_paths_map and write <name>",
                      (int)(end + 1 - at), at);
    }
}

static bool is_used(const struct template *t, const struct path *path)
{
    for (uint32_t i = 0; i < t->piece_count; i++)
        if (t->pieces[i].kind == PIECE_PATH && t->pieces[i].path == path)
            return true;
    return false;
}

void template_check(const struct template *t, const struct template_place *place, const struct input_pair *pairs,
                    const struct path *paths, size_t pair_count, struct diags *diags)
{
    struct weir_diag why = {.code = WEIR_OK};
    for (uint32_t i = 0; i < t->piece_count; i++) {
        const struct piece *piece = &t->pieces[i];
        if (piece->kind == PIECE_TEXT)
            check_text(t, piece, place, diags);
        else
            check_quoted(t, piece, template_pos(place, (size_t)(piece->text.ptr - t->text.ptr)), diags);
    }
    if (!can_render(t, &why, diags))
        diag_warn(diags, template_pos(place, 0), "with this input_template nothing will be delivered: %s%s",
                  why.message,
                  t->is_json || t->text.ptr[0] == '"' ? "" : "; a text is written in double quotes, line by line");
    for (size_t i = 0; i < pair_count; i++)
        if (!pairs[i].shared && !is_used(t, &paths[i]))
            diag_warn(diags, pairs[i].pos, "'%.*s' of input_paths_map is not used in input_template",
                      STR_ARG(pairs[i].name));
}
