/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `http_parameters` of a rule's target: what its requests to an API destination say besides. A value that begins with
 * $. is a path into the event, as at AWS; it is rendered with each delivery.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "rules/input.h"
#include "rules/tables.h"
#include "targets/api_destination.h"
#include "targets/http_text.h"
#include "targets/missing.h"

#define WHAT_SIZE 500

static const struct option path_value_rows[] = {
    {.key = "value",
     .type = OPTION_TEXT,
     .offset = 0,
     .required = true,
     .scalar = true,
     .meaning = "a text, or a path such as $.detail.id"},
    {0},
};

const struct option http_parameter_options[] = {
    {.key = "path_parameter_values",
     .type = OPTION_LIST,
     .offset = 0,
     .members = path_value_rows,
     .item_size = sizeof(struct str),
     .meaning = "what replaces each * of the endpoint, in order"},
    {.key = "header_parameters",
     .type = OPTION_TEXTS,
     .own = true,
     .meaning = "headers by name: texts, or paths such as $.detail.id"},
    {.key = "query_string_parameters",
     .type = OPTION_TEXTS,
     .own = true,
     .meaning = "parameters of the query by name: texts, or paths such as $.detail.id"},
    {0},
};

static void read_value(struct load *l, struct str text, struct diag_pos pos, struct rule_parameter *p)
{
    if (str_starts(text, STR("$.")))
        p->path = input_path_of(&l->set->keep, "http_parameters", text, pos, l->diags);
    else
        p->value = text;
}

static void check_header(struct load *l, const struct node *key, const struct node *value)
{
    if (!http_is_header_name(key->text))
        diag_error(l->diags, key->pos, "'%.*s' is not the name of a header", STR_ARG(key->text));
    else if (value->type == NODE_TEXT && !http_is_header_value(value->text))
        diag_error(l->diags, value->pos, "the value of header '%.*s' has a control character", STR_ARG(key->text));
}

static void read_map(struct load *l, const struct node *map, const char *key, enum parameter_place place,
                     struct rule_target *t, struct rule_parameter *parameters)
{
    if (!map || node_is_empty(map) || map->type == NODE_FAULT)
        return;
    if (map->type != NODE_MAP) {
        diag_error(l->diags, map->pos, "'%s' must be a mapping of names to values, not %s", key, node_type_name(map));
        return;
    }
    for (uint32_t i = 0; i < map->count; i++) {
        const struct node_pair *pair = &map->pairs[i];
        struct rule_parameter *p = &parameters[t->parameter_count++];
        struct str text;
        *p = (struct rule_parameter){.place = place, .name = arena_str(&l->set->keep, pair->key->text)};
        if (options_read_text(&l->options, pair->value, "a parameter's value", &text))
            read_value(l, text, pair->value->pos, p);
        if (place == PARAMETER_HEADER)
            check_header(l, pair->key, pair->value);
    }
}

static uint32_t map_count(const struct node *map)
{
    return map && map->type == NODE_MAP ? map->count : 0;
}

bool load_http_parameters(struct load *l, const struct node *n, const char *what, struct rule_target *t)
{
    char whole[WHAT_SIZE];
    struct option_list paths = {NULL, 0};

    if (!n)
        return true;
    const struct node *headers = node_get(n, "header_parameters"), *queries = node_get(n, "query_string_parameters");
    snprintf(whole, sizeof(whole), "'http_parameters' of %s", what);
    options_fill(&l->options, http_parameter_options, n, n->pos, whole, NULL, &paths);
    struct rule_parameter *parameters =
        arena_array(&l->set->keep, paths.count + map_count(headers) + map_count(queries), sizeof(*parameters));
    if (!parameters)
        return load_out_of_memory(l);
    t->parameters = parameters;
    for (size_t i = 0; i < paths.count; i++) {
        struct rule_parameter *p = &parameters[t->parameter_count++];
        *p = (struct rule_parameter){.place = PARAMETER_PATH, .name = STR("")};
        read_value(l, ((const struct str *)paths.items)[i], n->pos, p);
    }
    read_map(l, headers, "header_parameters", PARAMETER_HEADER, t, parameters);
    read_map(l, queries, "query_string_parameters", PARAMETER_QUERY, t, parameters);
    return !l->diags->out_of_memory;
}

/* ---- beside the target ---- */

static void check_path_values(struct load *l, const char *what, const struct rule_target *t)
{
    const struct api_destination_options *o = t->target->options;
    uint32_t stars = 0, values = 0;

    for (size_t i = 0; i < o->endpoint.size; i++)
        stars += o->endpoint.ptr[i] == '*';
    for (uint32_t i = 0; i < t->parameter_count; i++)
        values += t->parameters[i].place == PARAMETER_PATH;
    if (stars != values)
        diag_warn(l->diags, t->pos,
                  "a target of %s has %u of path_parameter_values, and the endpoint of API destination '%.*s' has %u "
                  "*%s",
                  what, values, STR_ARG(t->target->name), stars, values < stars ? ": nothing can be delivered" : "");
}

void load_check_http_parameters(struct load *l, const struct rule *rule, const char *what, const struct rule_target *t)
{
    if (t->target->adapter != &api_destination_adapter) {
        if (t->parameter_count && t->target->adapter != &missing_adapter)
            diag_error(l->diags, t->pos, "a target of %s has 'http_parameters', which %s '%.*s' does not take", what,
                       t->target->adapter->type, STR_ARG(t->target->name));
        return;
    }
    const struct api_destination_options *o = t->target->options;
    const struct bus *bus = references_find(&l->names, LOAD_BUSES, rule->bus);
    if (bus && bus->strict_aws && str_starts(o->endpoint, STR("http://")))
        diag_error(l->diags, t->pos,
                   "the endpoint of API destination '%.*s' must begin with https:// (strict: aws on bus "
                   "'%.*s')",
                   STR_ARG(t->target->name), STR_ARG(rule->bus));
    check_path_values(l, what, t);
}
