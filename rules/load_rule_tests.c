/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands under a rule's `tests:`. An event stays in the dialect of its source: `weir test` turns it into an
 * envelope, as ingest would. `input` says what the rule's targets must be given: a mapping of target ids to values,
 * or, where the rule has one target, that value itself. A mapping counts as the former when its keys are ids of the
 * rule's targets, so that a constant input may be a mapping too.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "matcher/json.h"
#include "rules/paths.h"
#include "rules/tables.h"

#define WHAT_SIZE 400

struct test_text {
    struct str name;
    int format;
    bool match;
};

const struct option rule_test_options[] = {
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct test_text, name),
     .required = true,
     .min = 1,
     .max = 256,
     .meaning = "what the test shows; it stands in the report"},
    {.key = "format",
     .type = OPTION_ENUM,
     .offset = offsetof(struct test_text, format),
     .value = "auto",
     .names = event_formats,
     .meaning = "what kind of record the event is"},
    {.key = "event",
     .type = OPTION_EVENT,
     .own = true,
     .required = true,
     .meaning = "the event, as its source would give it; or '@FILE', a file that holds it, .gz and .zst too"},
    {.key = "match",
     .type = OPTION_BOOL,
     .offset = offsetof(struct test_text, match),
     .value = "true",
     .meaning = "whether the rule matches it"},
    {.key = "input",
     .type = OPTION_VALUE,
     .own = true,
     .meaning = "what the targets are given: values by target id, or the value where the rule has one target; "
                "text is compared byte for byte, all else as JSON"},
    {0},
};

/* A node's JSON in the set's arena; {NULL,0}: reported. what: "the event". */
static struct str keep_json(struct load *l, const struct node *n, const char *what)
{
    struct buf json = BUF_INIT;
    struct str kept = {NULL, 0};
    size_t bytes = node_text_bytes(n);
    if (bytes <= LIMIT_EVENT_BYTES) {
        node_write_json(&json, n);
        bytes = json.size;
    }
    if (bytes > LIMIT_EVENT_BYTES)
        diag_error(l->diags, n->pos, "%s is larger than %u bytes", what, LIMIT_EVENT_BYTES);
    else if (!json.failed)
        kept = arena_str(&l->set->keep, buf_view(&json));
    l->diags->out_of_memory |= json.failed;
    buf_fini(&json);
    return kept;
}

/* A mapping, a text that holds a JSON object, or @FILE. */
static void read_event(struct load *l, const struct node *n, struct rule_test *test)
{
    bool is_file = n->type == NODE_TEXT && n->text.size > 1 && n->text.ptr[0] == '@';
    if (is_file) {
        test->event_file = path_beside(&l->set->keep, n->pos.file, (struct str){n->text.ptr + 1, n->text.size - 1});
        l->diags->out_of_memory |= !test->event_file.ptr;
        return;
    }
    if (n->type == NODE_FAULT || (n->type == NODE_TEXT && !(n = node_read_json(&l->temp, n, l->diags))))
        return;
    if (n->type == NODE_MAP)
        test->event = keep_json(l, n, "the event");
    else
        diag_error(l->diags, n->pos, "'event' must be a mapping, or text that holds a JSON object, not %s",
                   node_type_name(n));
}

/* ---- input ---- */

static const struct rule_target *find_target(const struct rule *rule, struct str id)
{
    for (uint32_t i = 0; i < rule->target_count; i++)
        if (rule->targets[i].id.ptr && str_eq(rule->targets[i].id, id))
            return &rule->targets[i];
    return NULL;
}

static bool unknown_target(struct load *l, const struct rule *rule, const struct node *key, const char *what)
{
    const char *ids[LOAD_RULE_TARGETS_MAX + 1] = {NULL};
    struct buf near = BUF_INIT;
    for (uint32_t i = 0, count = 0; i < rule->target_count; i++)
        if (rule->targets[i].id.ptr)
            ids[count++] = rule->targets[i].id.ptr;
    options_near(&near, key->text, ids);
    diag_error(l->diags, key->pos, "unknown target id '%.*s' in 'input' of %s%s", STR_ARG(key->text), what,
               buf_cstr(&near));
    l->diags->out_of_memory |= near.failed;
    buf_fini(&near);
    return false;
}

static void read_expected(struct load *l, const struct node *n, struct rule_test_input *input)
{
    input->is_text = n->type == NODE_TEXT;
    if (input->is_text)
        input->expected = arena_str(&l->set->keep, n->text);
    else if (n->type != NODE_FAULT)
        input->expected = keep_json(l, n, "the input");
}

static bool is_by_target(const struct rule *rule, const struct node *n)
{
    bool all = n->type == NODE_MAP && n->count;
    for (uint32_t i = 0; all && i < n->count; i++)
        all = find_target(rule, n->pairs[i].key->text);
    return all;
}

static void read_input(struct load *l, const struct rule *rule, const struct node *n, const char *what,
                       struct rule_test *test)
{
    bool is_whole = rule->target_count == 1 && !is_by_target(rule, n);
    uint32_t count = is_whole ? 1 : n->count;
    if (!rule->target_count) {
        diag_error(l->diags, n->pos, "'input' of %s: the rule has no targets", what);
        return;
    }
    if (!is_whole && n->type != NODE_MAP) {
        if (n->type != NODE_FAULT)
            diag_error(l->diags, n->pos, "'input' of %s must be a mapping of target ids to values, not %s", what,
                       node_type_name(n));
        return;
    }
    struct rule_test_input *inputs = arena_array(&l->set->keep, count, sizeof(*inputs));
    if (!inputs) {
        load_out_of_memory(l);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        inputs[i].target = is_whole ? &rule->targets[0] : find_target(rule, n->pairs[i].key->text);
        if (!inputs[i].target && !unknown_target(l, rule, n->pairs[i].key, what))
            continue;
        read_expected(l, is_whole ? n : n->pairs[i].value, &inputs[i]);
    }
    test->inputs = inputs;
    test->input_count = count;
}

/* ---- one test ---- */

static void read_test(struct load *l, const struct rule *rule, const struct node *n, const char *of,
                      struct rule_test *test)
{
    char what[WHAT_SIZE];
    struct test_text text = {0};
    snprintf(what, sizeof(what), "a test of %s", of);
    bool ok = options_fill(&l->options, rule_test_options, n, n->pos, what, NULL, &text);
    const struct node *event = node_get(n, "event"), *input = node_get(n, "input");
    if (n->type != NODE_MAP)
        return;
    if (ok)
        *test = (struct rule_test){
            .name = text.name, .format = str_from(event_formats[text.format]), .match = text.match, .pos = n->pos};
    if (event)
        read_event(l, event, test);
    else
        diag_error(l->diags, n->pos, "missing key 'event' in %s", what);
    if (input && ok && !text.match)
        diag_error(l->diags, input->pos, "'input' makes no sense in %s with match: false", what);
    else if (input)
        read_input(l, rule, input, what, test);
}

bool load_tests_of_rule(struct load *l, struct rule *rule, const struct node *list)
{
    char what[WHAT_SIZE / 2];
    if (!list || node_is_empty(list) || list->type == NODE_FAULT)
        return true;
    if (list->type != NODE_LIST) {
        diag_error(l->diags, list->pos, "'tests' must be a list, not %s", node_type_name(list));
        return true;
    }
    struct rule_test *tests = arena_array(&l->set->keep, list->count, sizeof(*tests));
    if (!tests)
        return load_out_of_memory(l);
    snprintf(what, sizeof(what), "rule '%.*s'", STR_ARG(rule->name));
    for (uint32_t i = 0; i < list->count; i++)
        read_test(l, rule, list->items[i], what, &tests[i]);
    rule->tests = tests;
    rule->test_count = list->count;
    return !l->diags->out_of_memory;
}
