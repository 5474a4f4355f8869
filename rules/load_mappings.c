/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `event_source_mappings:`: queues whose messages a function is run with. A mapping that an API made may name what is
 * not there any more: it rests until it comes back. Its filters are compiled as one matcher.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "matcher/compile.h"
#include "rules/documents.h"
#include "targets/function.h"
#include "targets/queue.h"

#define WHAT_SIZE 200

struct filter_text {
    const struct pattern *pattern;
};

struct mapping_text {
    const struct target_def *queue, *function;
    int64_t batch_size, window;
    struct option_list response_types; /* of int */
    struct {
        int64_t maximum_concurrency;
    } scaling;
    struct {
        struct option_list filters; /* of struct filter_text */
    } criteria;
    bool enabled;
};

static const char *const response_types[] = {"ReportBatchItemFailures", NULL};

static const struct option response_type_options[] = {
    {.key = "type",
     .type = OPTION_ENUM,
     .names = response_types,
     .required = true,
     .scalar = true,
     .meaning = "ReportBatchItemFailures: the answer names the messages that failed, and only they come again"},
    {0},
};

static const struct option scaling_options[] = {
    {.key = "maximum_concurrency",
     .type = OPTION_INT,
     .offset = offsetof(struct mapping_text, scaling.maximum_concurrency),
     .value = "0",
     .max = 1000,
     .meaning = "runs at once for this mapping; 0: as many as the function may"},
    {0},
};

static const struct option filter_options[] = {
    {.key = "pattern",
     .type = OPTION_PATTERN,
     .offset = offsetof(struct filter_text, pattern),
     .required = true,
     .meaning = "looks at the message as the function gets it, with a body of JSON as JSON"},
    {0},
};

static const struct option criteria_options[] = {
    {.key = "filters",
     .type = OPTION_LIST,
     .offset = offsetof(struct mapping_text, criteria.filters),
     .members = filter_options,
     .item_size = sizeof(struct filter_text),
     .meaning = "a message that matches none of them is deleted without a run"},
    {0},
};

const struct option mapping_options[] = {
    {.key = "event_source",
     .type = OPTION_QUEUE,
     .offset = offsetof(struct mapping_text, queue),
     .required = true,
     .meaning = "the queue whose messages are taken"},
    {.key = "function",
     .type = OPTION_TARGET,
     .offset = offsetof(struct mapping_text, function),
     .required = true,
     .meaning = "the function that is run with them"},
    {.key = "batch_size",
     .type = OPTION_INT,
     .offset = offsetof(struct mapping_text, batch_size),
     .value = "10",
     .min = 1,
     .max = 10000,
     .meaning = "messages of a run at most; of a FIFO queue 10"},
    {.key = "maximum_batching_window",
     .type = OPTION_DURATION,
     .offset = offsetof(struct mapping_text, window),
     .value = "0s",
     .min = 0,
     .max = 300000,
     .meaning = "how long the first message of a batch waits for others; of a FIFO queue 0"},
    {.key = "function_response_types",
     .type = OPTION_LIST,
     .offset = offsetof(struct mapping_text, response_types),
     .members = response_type_options,
     .item_size = sizeof(int),
     .meaning = "what the function's answer may say"},
    {.key = "scaling_config",
     .type = OPTION_OBJECT,
     .members = scaling_options,
     .meaning = "how many runs there may be at once"},
    {.key = "filter_criteria",
     .type = OPTION_OBJECT,
     .members = criteria_options,
     .meaning = "which messages are worth a run"},
    {.key = "enabled",
     .type = OPTION_BOOL,
     .offset = offsetof(struct mapping_text, enabled),
     .value = "true",
     .meaning = "false: nothing is taken from the queue"},
    {0},
};

static bool check(struct load *l, const struct node_pair *pair, const struct mapping_text *t)
{
    struct str name = pair->key->text;
    bool fifo = t->queue && queue_is_fifo(t->queue->name);

    if (t->function && t->function->adapter != &function_adapter)
        return diag_error(l->diags, pair->key->pos, "event source mapping '%.*s' runs %s '%.*s'; it must be a function",
                          STR_ARG(name), t->function->adapter->type, STR_ARG(t->function->name));
    if (fifo && t->batch_size > 10)
        return diag_error(l->diags, pair->key->pos,
                          "event source mapping '%.*s' has batch_size %lld; of a FIFO queue it is not in 1..10",
                          STR_ARG(name), (long long)t->batch_size);
    if (fifo && t->window)
        return diag_error(l->diags, pair->key->pos,
                          "event source mapping '%.*s' has a maximum_batching_window; a FIFO queue can have none",
                          STR_ARG(name));
    return true;
}

static bool build_filter(struct load *l, const struct node_pair *pair, const struct option_list *filters,
                         struct weir_matcher **out)
{
    const struct filter_text *list = filters->items;
    struct weir_diag diag = {.code = WEIR_OK};
    struct weir_builder *builder = filters->count ? weir_builder_create() : NULL;
    bool ok = builder != NULL;

    if (!filters->count)
        return true;
    for (uint32_t i = 0; ok && i < filters->count; i++)
        ok = !list[i].pattern || builder_add_pattern(builder, i, list[i].pattern, &diag);
    *out = ok ? weir_builder_build(builder, &diag) : NULL;
    weir_builder_destroy(builder);
    if (*out)
        return true;
    if (!builder || diag.code == WEIR_E_MEMORY)
        return load_out_of_memory(l);
    return diag_error(l->diags, pair->key->pos, "the filters of event source mapping '%.*s': %s",
                      STR_ARG(pair->key->text), diag.message);
}

static bool read_mapping(struct load *l, const struct node_pair *pair, struct event_source_mapping *list)
{
    struct mapping_text t = {0};
    struct event_source_mapping *m = &list[l->set->mapping_count];
    char what[WHAT_SIZE];

    snprintf(what, sizeof(what), "event source mapping '%.*s'", STR_ARG(pair->key->text));
    load_check_name(l, "event source mapping", pair->key->text, ADAPTER_NAME_MAX, pair->key->pos);
    if (!options_fill(&l->options, mapping_options, pair->value, pair->key->pos, what, NULL, &t) || !check(l, pair, &t))
        return true;
    *m = (struct event_source_mapping){.name = arena_str(&l->set->keep, pair->key->text),
                                       .queue = t.queue,
                                       .function = t.function,
                                       .batch_size = t.batch_size,
                                       .window_ms = t.window,
                                       .concurrency = t.scaling.maximum_concurrency,
                                       .partial = t.response_types.count > 0,
                                       .enabled = t.enabled,
                                       .made = load_made(pair->value),
                                       .pos = pair->key->pos};
    if (!m->name.ptr)
        return load_out_of_memory(l);
    if (!load_declare(l, "event source mapping", STR("mapping"), m->name, m->pos, m))
        return !l->diags->out_of_memory;
    l->set->mapping_count++;
    build_filter(l, pair, &t.criteria.filters, &m->filter);
    m->pattern_count = (uint32_t)t.criteria.filters.count;
    m->patterns = t.criteria.filters.items; /* an item is a pointer and nothing else */
    _Static_assert(sizeof(struct filter_text) == sizeof(void *), "as patterns is read");
    return !l->diags->out_of_memory;
}

bool load_mappings(struct load *l)
{
    size_t count = load_section_count(l, "event_source_mappings");
    struct event_source_mapping *list = arena_array(&l->set->keep, count + 1, sizeof(*list));

    if (!list)
        return load_out_of_memory(l);
    l->set->mappings = list;
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, "event_source_mappings");
        for (uint32_t i = 0; section && i < section->count; i++)
            if (!read_mapping(l, &section->pairs[i], list))
                return false;
    }
    return true;
}
