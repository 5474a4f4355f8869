/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands under a rule's `targets:`: a reference, or a mapping with a reference and how to deliver to it. Of
 * input, input_path and input_transformer a target has at most one.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "matcher/json.h"
#include "rules/input.h"
#include "rules/tables.h"
#include "targets/archive.h"
#include "targets/bus.h"
#include "targets/function.h"
#include "targets/queue.h"

#define WHAT_SIZE        400
#define ID_MAX           64
#define TOPIC_DEPTH      8    /* topics behind topics, as dispatch follows them */
#define ID_REFERENCE_MAX 2048 /* an id that is a reference as written, an ARN at the longest */

static const struct option transformer_options[] = {
    {.key = "input_paths_map",
     .type = OPTION_TEXTS,
     .own = true,
     .form = "^\\$",
     .meaning = "names for what paths such as $.detail.user find; at most 100"},
    {.key = "input_template",
     .type = OPTION_TEXT,
     .required = true,
     .meaning = "the text or JSON to make, with <name> where a value goes"},
    {0},
};

static const struct option sqs_options[] = {
    {.key = "message_group_id",
     .type = OPTION_TEXT,
     .offset = offsetof(struct rule_target, message_group),
     .required = true,
     .min = 1,
     .max = QUEUE_GROUP_MAX,
     .meaning = "the message group of the messages: a text for all of them, or a path such as $.detail.order-id"},
    {0},
};

const struct option rule_target_options[] = {
    {.key = "target",
     .type = OPTION_TARGET,
     .offset = offsetof(struct rule_target, target),
     .required = true,
     .scalar = true,
     .meaning = "the target: its name, kind/name, or ARN"},
    {.key = "id",
     .type = OPTION_TEXT,
     .offset = offsetof(struct rule_target, id),
     .form = "^[A-Za-z0-9._-]{1,64}$",
     .meaning = "unique in the rule; without it, the reference as written"},
    {.key = "input",
     .type = OPTION_VALUE,
     .own = true,
     .group = "input",
     .meaning = "a constant that the target gets instead of the event: a value, or its JSON as text"},
    {.key = "input_path",
     .type = OPTION_TEXT,
     .own = true,
     .group = "input",
     .form = "^\\$",
     .meaning = "the target gets only what this path finds, such as $.detail"},
    {.key = "input_transformer",
     .type = OPTION_OBJECT,
     .own = true,
     .group = "input",
     .members = transformer_options,
     .meaning = "the target gets what a template makes of the event"},
    {.key = "retry_policy",
     .type = OPTION_OBJECT,
     .offset = offsetof(struct rule_target, retry_policy),
     .members = retry_options,
     .meaning = "how long a failing delivery is tried; what is not said here, the target's own says"},
    {.key = "dead_letter",
     .type = OPTION_QUEUE,
     .own = true,
     .value = QUEUE_DEAD_LETTERS,
     .meaning = "the queue for events that could not be delivered, or drop to lose them"},
    {.key = "order_by",
     .type = OPTION_TEXT,
     .own = true,
     .form = "^\\$",
     .meaning = "events with the same value at this path, such as $.detail.account, are delivered one at a time and in "
                "order"},
    {.key = "sqs_parameters",
     .type = OPTION_OBJECT,
     .members = sqs_options,
     .meaning = "what a FIFO queue needs of each message"},
    {.key = "http_parameters",
     .type = OPTION_OBJECT,
     .own = true,
     .members = http_parameter_options,
     .meaning = "what requests to an API destination say besides"},
    {0},
};

/* ---- input ---- */

/* AWS's Input is JSON text, and stays as it is; a YAML value means its JSON. Faults have better places as nodes. */
static const struct input *read_constant(struct load *l, const struct node *n)
{
    if (n->type == NODE_TEXT && json_check(n->text, NULL, NULL))
        return input_constant(&l->set->keep, n->text, n->pos, l->diags);
    if (n->type == NODE_TEXT)
        n = node_read_json(&l->temp, n, l->diags);
    if (!n || n->type == NODE_FAULT)
        return NULL;
    struct buf json = BUF_INIT;
    if (node_text_bytes(n) > LIMIT_EVENT_BYTES) {
        diag_error(l->diags, n->pos, "'input' is larger than %u bytes", LIMIT_EVENT_BYTES);
        return NULL;
    }
    node_write_json(&json, n);
    l->diags->out_of_memory |= json.failed;
    const struct input *input = json.failed ? NULL : input_constant(&l->set->keep, buf_view(&json), n->pos, l->diags);
    buf_fini(&json);
    return input;
}

static const struct input *read_path(struct load *l, const struct node *n)
{
    struct str path;
    return options_read_text(&l->options, n, "'input_path'", &path) ? input_path(&l->set->keep, path, n->pos, l->diags)
                                                                    : NULL;
}

static bool is_before(struct diag_pos a, struct diag_pos b)
{
    return a.line < b.line || (a.line == b.line && a.column < b.column);
}

/* Names to paths; what was merged into the map stands before it. False: reported. */
static bool read_paths(struct load *l, const struct node *map, struct input_pair **pairs_out)
{
    bool ok = true;
    if (map->type != NODE_MAP) {
        if (map->type != NODE_FAULT)
            diag_error(l->diags, map->pos, "'input_paths_map' must be a mapping of names to paths, not %s",
                       node_type_name(map));
        return false;
    }
    struct input_pair *pairs = arena_array(&l->temp, map->count, sizeof(*pairs));
    if (!pairs)
        return load_out_of_memory(l);
    for (uint32_t i = 0; i < map->count; i++) {
        pairs[i].name = map->pairs[i].key->text;
        pairs[i].pos = map->pairs[i].value->pos;
        pairs[i].shared = map->anchored || is_before(map->pairs[i].key->pos, map->pos);
        ok &= options_read_text(&l->options, map->pairs[i].value, "a path", &pairs[i].path);
    }
    *pairs_out = pairs;
    return ok;
}

static const struct input *read_transformer(struct load *l, const struct node *n, const char *what)
{
    char whole[WHAT_SIZE + 32];
    struct str template = {NULL, 0};
    struct input_pair *pairs = NULL;
    snprintf(whole, sizeof(whole), "'input_transformer' of %s", what);
    bool ok = options_fill(&l->options, transformer_options, n, n->pos, whole, NULL, &template);
    const struct node *map = node_get(n, "input_paths_map"), *text = node_get(n, "input_template");
    if (map && !node_is_empty(map))
        ok &= read_paths(l, map, &pairs);
    return ok && text ? input_transformer(&l->set->keep, pairs, pairs ? map->count : 0, template, text, l->diags)
                      : NULL;
}

/* All that is there is read, so that every fault is reported; what excludes the other is one more. */
static void read_input(struct load *l, const struct node *n, const char *what, struct rule_target *t)
{
    const char *const keys[] = {"input", "input_path", "input_transformer"};
    const struct node *first = NULL, *value;
    const char *first_key = NULL;
    for (int i = 0; i < 3; i++) {
        if (!(value = node_get(n, keys[i])))
            continue;
        t->input = i == 0 ? read_constant(l, value) : i == 1 ? read_path(l, value) : read_transformer(l, value, what);
        if (first)
            diag_error(l->diags, value->pos, "'%s' and '%s' exclude each other in %s", first_key, keys[i], what);
        first = first ? first : value;
        first_key = first_key ? first_key : keys[i];
    }
}

/* ---- order ---- */

static void read_order(struct load *l, const struct node *n, struct rule_target *t)
{
    struct str path;

    if (n && options_read_text(&l->options, n, "'order_by'", &path))
        t->order_by = input_path_of(&l->set->keep, "order_by", path, n->pos, l->diags);
}

static void check_order(struct load *l, const char *what, const struct rule_target *t)
{
    const struct adapter *adapter = t->target->adapter;

    bool async = adapter == &function_adapter && function_is_async(t->target->options);
    if (!t->order_by || (adapter->send && !async))
        return;
    if (adapter == &queue_adapter)
        diag_error(l->diags, t->pos,
                   "a target of %s has an 'order_by' and is a queue: a FIFO queue keeps the order of a message group",
                   what);
    else
        diag_error(l->diags, t->pos, "a target of %s has an 'order_by', which %s '%.*s' cannot keep", what,
                   adapter->type, STR_ARG(t->target->name));
}

/* ---- FIFO queues ---- */

static void read_message_group(struct load *l, const struct node *n, struct rule_target *t)
{
    const struct node *text = n && n->type == NODE_MAP ? node_get(n, "message_group_id") : NULL;

    if (!text || !t->message_group.size)
        return;
    if (str_starts(t->message_group, STR("$."))) {
        t->message_group_path = input_path(&l->set->keep, t->message_group, text->pos, l->diags);
        t->message_group = (struct str){NULL, 0};
    } else if (!queue_is_id(t->message_group)) {
        diag_error(l->diags, text->pos,
                   "'message_group_id' is 1 to %d letters, digits and punctuation marks, or a path that begins with $.",
                   QUEUE_GROUP_MAX);
    }
}

/* Itself, or behind a topic. */
static const struct target_def *fifo_queue(const struct target_def *def, int depth)
{
    const struct target_def *found = NULL;
    struct expansion x;

    if (def->adapter == &queue_adapter)
        return queue_is_fifo(def->name) ? def : NULL;
    for (size_t i = 0; !found && depth && def->adapter->expand && def->adapter->expand(def, i, &x) == 1; i++)
        found = x.target ? fifo_queue(x.target, depth - 1) : NULL;
    return found;
}

static void check_message_group(struct load *l, const char *what, const struct rule_target *t)
{
    const struct target_def *fifo = fifo_queue(t->target, TOPIC_DEPTH);
    bool named = t->message_group.size || t->message_group_path;

    if (fifo && !named)
        diag_error(l->diags, t->pos,
                   "%s leads to the FIFO queue '%.*s': say 'sqs_parameters: {message_group_id: …}' there", what,
                   STR_ARG(fifo->name));
    if (named && !fifo)
        diag_error(l->diags, t->pos, "a target of %s has a 'message_group_id' and leads to no FIFO queue", what);
    if (t->dead_letter && queue_is_fifo(t->dead_letter->name))
        diag_error(l->diags, t->pos, "the dead-letter queue of %s must be a standard queue, and '%.*s' is FIFO", what,
                   STR_ARG(t->dead_letter->name));
}

/* ---- one target ---- */

static void read_dead_letter(struct load *l, const struct node *n, struct rule_target *t)
{
    if (n && n->type == NODE_TEXT && str_is(n->text, "drop")) {
        t->drop = true;
        t->dead_letter = NULL;
    } else if (n && n->type == NODE_TEXT) {
        t->dead_letter = references_find_target(&l->names, "queue", n->text, n->pos, l->diags);
        if (document_holds(n->pos) && (!t->dead_letter || queue_is_fifo(t->dead_letter->name)))
            t->dead_letter = l->set->dead_letters; /* where it is gone, nothing is lost all the same */
    } else if (n && n->type != NODE_FAULT) {
        diag_error(l->diags, n->pos, "'dead_letter' must be the name of a queue, or drop, not %s", node_type_name(n));
    }
}

static bool read_target(struct load *l, const struct node *n, const char *rule, struct rule_target *t)
{
    char what[WHAT_SIZE];
    const struct node *reference = n->type == NODE_MAP ? node_get(n, "target") : n;
    snprintf(what, sizeof(what), "a target of %s", rule);
    *t = (struct rule_target){.pos = n->pos, .dead_letter = l->set->dead_letters, .retry_policy = RETRY_POLICY_UNSAID};
    if (n->type == NODE_TEXT) {
        t->target = references_find_target(&l->names, NULL, n->text, n->pos, l->diags);
    } else if (n->type != NODE_MAP) {
        if (n->type != NODE_FAULT)
            diag_error(l->diags, n->pos, "%s must be a name or a mapping, not %s", what, node_type_name(n));
        return true;
    } else {
        options_fill(&l->options, rule_target_options, n, n->pos, what, NULL, t);
        if (t->retry_policy.cap != RETRY_UNSAID && t->retry_policy.base > t->retry_policy.cap)
            diag_error(l->diags, n->pos, "retry_policy of %s: base is longer than cap", what);
        read_dead_letter(l, node_get(n, "dead_letter"), t);
        read_input(l, n, what, t);
        read_order(l, node_get(n, "order_by"), t);
        read_message_group(l, node_get(n, "sqs_parameters"), t);
        if (!load_http_parameters(l, node_get(n, "http_parameters"), what, t))
            return false;
        if (t->id.ptr)
            load_check_name(l, "target id", t->id, ID_MAX, node_get(n, "id")->pos);
    }
    if (!t->id.ptr && reference && reference->type == NODE_TEXT && reference->text.size <= ID_REFERENCE_MAX)
        t->id = arena_str(&l->set->keep, reference->text);
    return !l->diags->out_of_memory;
}

static void check_bus(struct load *l, const struct rule *rule, const char *what, const struct rule_target *t)
{
    if (str_eq(t->target->name, rule->bus))
        diag_error(l->diags, t->pos, "%s is on bus '%.*s' and cannot forward to it", what, STR_ARG(rule->bus));
    if (t->input)
        diag_error(l->diags, t->pos, "%s forwards to a bus, which takes the event as it is: remove the input", what);
}

/* An archive keeps the events of one bus. */
static bool fits_archive(const struct rule *rule, const struct rule_target *t)
{
    const struct archive_options *archive = load_is_archive(t->target) ? t->target->options : NULL;
    return !archive || !archive->bus.ptr || str_eq(archive->bus, rule->bus);
}

/* What only the rule as a whole can tell. */
static void check_target(struct load *l, const struct rule *rule, const char *what, uint32_t at)
{
    const struct rule_target *t = &rule->targets[at];
    for (uint32_t i = 0; i < at && t->id.ptr; i++)
        if (str_eq(rule->targets[i].id, t->id)) {
            diag_error(l->diags, t->pos, "target id '%.*s' is used twice in %s; give one of the two another 'id'",
                       STR_ARG(t->id), what);
            break;
        }
    if (!t->target || rule->made.ptr)
        return;
    if (t->target->adapter == &bus_adapter)
        check_bus(l, rule, what, t);
    check_order(l, what, t);
    check_message_group(l, what, t);
    load_check_http_parameters(l, rule, what, t);
    if (!fits_archive(rule, t))
        diag_error(l->diags, t->pos, "archive '%.*s' belongs to bus '%.*s', %s is on bus '%.*s'",
                   STR_ARG(t->target->name), STR_ARG(((const struct archive_options *)t->target->options)->bus), what,
                   STR_ARG(rule->bus));
}

/* What an API made may come to name something that does not suit it when that is made later, by somebody who has
   nothing to do with it: it is as if nothing were there. What is left is told by each delivery. */
static bool settle_made(struct load *l, const struct rule *rule, struct rule_target *t)
{
    if (!rule->made.ptr || !t->target || (fits_archive(rule, t) && !(rule->schedule && load_is_archive(t->target))))
        return true;
    t->target = load_missing(l, t->target->arn);
    return t->target || load_out_of_memory(l);
}

bool load_targets_of_rule(struct load *l, struct rule *rule, const struct node *list)
{
    char what[WHAT_SIZE / 2];
    if (!list || node_is_empty(list) || list->type == NODE_FAULT)
        return true;
    if (list->type != NODE_LIST) {
        if (list->type == NODE_TEXT)
            diag_error(l->diags, list->pos, "'targets' must be a list, not text; write [%.*s]", STR_ARG(list->text));
        else
            diag_error(l->diags, list->pos, "'targets' must be a list, not %s", node_type_name(list));
        return true;
    }
    if (list->count > LOAD_RULE_TARGETS_MAX) {
        diag_error(l->diags, list->pos, "a rule may have at most %d targets; this one has %u", LOAD_RULE_TARGETS_MAX,
                   list->count);
        return true;
    }
    struct rule_target *targets = arena_array(&l->set->keep, list->count, sizeof(*targets));
    if (!targets)
        return load_out_of_memory(l);
    snprintf(what, sizeof(what), "rule '%.*s'", STR_ARG(rule->name));
    rule->targets = targets;
    rule->target_count = list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!read_target(l, list->items[i], what, &targets[i]) || !settle_made(l, rule, &targets[i]))
            return false;
        check_target(l, rule, what, i);
    }
    return true;
}
