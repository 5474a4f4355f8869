/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON paths of input_path and input_paths_map: $, then .key and [index], as EventBridge takes them. A key is
 * whatever stands up to the next dot or bracket, so `$.detail-type` needs no quotes; names in brackets, wildcards,
 * slices and filters are refused, as AWS refuses them. Finding walks the event's text once per step.
 */
#include "rules/input_int.h"

#include "matcher/json.h"

#define INDEX_DIGITS_MAX 9

struct path_reader {
    struct str text;
    size_t at;
    struct arena *arena;
};

/* .key; NULL reason: fine. */
static const char *read_key(struct path_reader *r, struct path_step *step)
{
    size_t start = ++r->at;
    while (r->at < r->text.size && r->text.ptr[r->at] != '.' && r->text.ptr[r->at] != '[')
        if (strchr("]*?()@'\" ", r->text.ptr[r->at++]))
            return "a key may have no blanks, quotes, brackets or wildcards";
    if (r->at == start)
        return "a key is missing behind '.'";
    step->key = arena_text(r->arena, (struct str){r->text.ptr + start, r->at - start});
    return NULL;
}

static const char *read_index(struct path_reader *r, struct path_step *step)
{
    size_t start = ++r->at;
    while (r->at < r->text.size && r->text.ptr[r->at] >= '0' && r->text.ptr[r->at] <= '9')
        step->index = step->index * 10 + (uint32_t)(r->text.ptr[r->at++] - '0');
    if (r->at == start || r->at - start > INDEX_DIGITS_MAX || r->at == r->text.size || r->text.ptr[r->at] != ']')
        return "brackets hold one index such as [0]; a key is written .key";
    r->at++;
    return NULL;
}

static const char *read_steps(struct path_reader *r, struct path_step *steps, uint32_t *count)
{
    const char *reason = NULL;
    if (r->text.size == 0 || r->text.ptr[0] != '$')
        return "a path starts with $";
    for (r->at = 1; !reason && r->at < r->text.size; (*count)++)
        switch (r->text.ptr[r->at]) {
        case '.': reason = read_key(r, &steps[*count]); break;
        case '[': reason = read_index(r, &steps[*count]); break;
        default: return "'.' or '[' is missing behind a step";
        }
    return reason;
}

bool path_parse(struct arena *a, struct str text, const char *what, struct diag_pos pos, struct diags *diags,
                struct path *out)
{
    if (text.size > INPUT_PATH_MAX)
        return diag_error(diags, pos, "%s has %zu bytes; at most %d are allowed", what, text.size, INPUT_PATH_MAX);
    struct path_step *steps = arena_array(a, text.size + 1, sizeof(*steps));
    struct path_reader r = {.text = text, .arena = a};
    *out = (struct path){.text = arena_str(a, text), .steps = steps};
    const char *reason = a->failed ? NULL : read_steps(&r, steps, &out->step_count);
    if (a->failed) {
        diags->out_of_memory = true;
        return false;
    }
    return !reason ||
           diag_error(diags, pos, "%s '%.*s' is not a path such as $.detail.id: %s", what, STR_ARG(text), reason);
}

static struct str find_element(struct str array, uint32_t index)
{
    struct json_reader r;
    struct json_token t;
    json_reader_init_trusted(&r, array);
    if (json_next(&r, &t) != JSON_ARRAY)
        return (struct str){NULL, 0};
    for (uint32_t i = 0; json_next(&r, &t) != JSON_ARRAY_END && json_skip(&r, &t); i++)
        if (i == index)
            return t.raw;
    return (struct str){NULL, 0};
}

struct str path_find(const struct path *path, struct str event)
{
    struct str value = event;
    for (uint32_t i = 0; value.ptr && i < path->step_count; i++) {
        const struct path_step *step = &path->steps[i];
        if (!step->key)
            value = find_element(value, step->index);
        else if (json_type_of(value) == JSON_OBJECT)
            value = json_member(value, step->key);
        else
            value = (struct str){NULL, 0};
    }
    return value;
}
