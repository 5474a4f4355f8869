/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three ways to say what a target gets. Each is parsed once, at load, into an immutable struct in the rule set's
 * arena; rendering appends to the caller's buffer and on failure leaves it as it was.
 */
#include "rules/input_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "matcher/json.h"

enum input_kind { INPUT_CONSTANT, INPUT_PATH, INPUT_TRANSFORMER };

struct input {
    enum input_kind kind;
    struct str json;                 /* CONSTANT, compact */
    struct path path;                /* PATH */
    const struct template *template; /* TRANSFORMER */
};

bool input_fail(struct weir_diag *diag, enum weir_code code, const char *format, ...)
{
    va_list args;
    *diag = (struct weir_diag){.code = code};
    va_start(args, format);
    vsnprintf(diag->message, sizeof(diag->message), format, args);
    va_end(args);
    return false;
}

static struct input *input_new(struct arena *a, enum input_kind kind, struct diags *diags)
{
    struct input *input = arena_new(a, struct input);
    if (input)
        input->kind = kind;
    else
        diags->out_of_memory = true;
    return input;
}

const struct input *input_constant(struct arena *a, struct str json, struct diag_pos pos, struct diags *diags)
{
    struct weir_diag why = {.code = WEIR_OK};
    struct buf compact = BUF_INIT;
    struct input *input = input_new(a, INPUT_CONSTANT, diags);
    if (!input)
        return NULL;
    if (!json_check(json, NULL, &why)) {
        diag_error(diags, pos, "input is not JSON: %s", why.message);
        return NULL;
    }
    json_minify(&compact, json);
    if (!compact.failed)
        input->json = arena_str(a, buf_view(&compact));
    size_t size = compact.size;
    buf_fini(&compact);
    if (!input->json.ptr) {
        diags->out_of_memory = true;
        return NULL;
    }
    if (size > INPUT_CONSTANT_MAX) {
        diag_error(diags, pos, "input has %zu bytes as JSON; at most %d are allowed", size, INPUT_CONSTANT_MAX);
        return NULL;
    }
    return input;
}

const struct input *input_path_of(struct arena *a, const char *key, struct str path, struct diag_pos pos,
                                  struct diags *diags)
{
    struct input *input = input_new(a, INPUT_PATH, diags);
    return input && path_parse(a, path, key, pos, diags, &input->path) ? input : NULL;
}

const struct input *input_path(struct arena *a, struct str path, struct diag_pos pos, struct diags *diags)
{
    return input_path_of(a, "input_path", path, pos, diags);
}

const struct input *input_transformer(struct arena *a, const struct input_pair *paths, size_t path_count,
                                      struct str template, const struct node *scalar, struct diags *diags)
{
    struct input *input = input_new(a, INPUT_TRANSFORMER, diags);
    if (input)
        input->template = template_parse(a, paths, path_count, template, scalar, diags);
    return input && input->template ? input : NULL;
}

struct input_source input_source(const struct input *input)
{
    struct input_source source = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    switch (input->kind) {
    case INPUT_CONSTANT: source.constant = input->json; break;
    case INPUT_PATH: source.path = input->path.text; break;
    case INPUT_TRANSFORMER: source.template = input->template->text; break;
    }
    return source;
}

static bool is_earlier_pair(const struct template *t, uint32_t before)
{
    for (uint32_t i = 0; i < before; i++)
        if (t->pieces[i].kind == PIECE_PATH && t->pieces[i].path == t->pieces[before].path)
            return true;
    return false;
}

bool input_source_pair(const struct input *input, size_t index, struct str *name, struct str *path)
{
    const struct template *t = input->kind == INPUT_TRANSFORMER ? input->template : NULL;
    for (uint32_t i = 0; t && i < t->piece_count; i++) {
        const struct piece *piece = &t->pieces[i];
        if (piece->kind != PIECE_PATH || is_earlier_pair(t, i) || index--)
            continue;
        *name = (struct str){piece->text.ptr + 1, piece->text.size - 2};
        *path = piece->path->text;
        return true;
    }
    return false;
}

static bool render_path(const struct input *input, struct str event, struct buf *out, struct weir_diag *diag)
{
    struct str value = path_find(&input->path, event);
    if (!value.ptr)
        return input_fail(diag, WEIR_E_JSON, "input_path '%.*s' is not in the event", STR_ARG(input->path.text));
    json_minify(out, value);
    return true;
}

bool input_render(const struct input *input, struct str event, const struct input_variables *variables, struct buf *out,
                  struct weir_diag *diag)
{
    size_t start = out->size;
    bool ok = true;
    if (!input)
        buf_str(out, event);
    else if (input->kind == INPUT_CONSTANT)
        buf_str(out, input->json);
    else if (input->kind == INPUT_PATH)
        ok = render_path(input, event, out, diag);
    else
        ok = template_render(input->template, event, variables, out, diag);
    if (ok && out->failed)
        ok = input_fail(diag, WEIR_E_MEMORY, "no memory for the rendered input");
    if (!ok && !out->failed)
        out->size = start;
    return ok;
}
