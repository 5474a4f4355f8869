/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets between EventBridge's words and weir.yaml's:
 *
 *     Id, Arn                             id, target
 *     Input, InputPath, InputTransformer  input, input_path, input_transformer
 *     RetryPolicy, DeadLetterConfig       retry_policy, dead_letter
 *     SqsParameters                       sqs_parameters, of FIFO queues: the others have no message groups
 *     HttpParameters                      http_parameters, of API destinations
 *
 * The members that are not here belong to services that Weir does not have; they are only kept.
 */
#include "router/api/events_target.h"
#include "targets/queue.h"

/* ---- a kept Target structure as an entry of `targets:` ---- */

/* A member that is a text, under its name in weir.yaml. */
static void copy_text(struct arena *a, struct buf *json, const char *key, struct str raw)
{
    if (raw.ptr)
        json_write_member(json, key, json_decode_in(a, raw));
}

/* {NULL,0}: not there, or null. */
static struct str member_of(struct str structure, const char *member)
{
    struct str value = structure.ptr ? json_member(structure, member) : structure;
    return value.ptr && json_type_of(value) == JSON_NULL ? (struct str){NULL, 0} : value;
}

/* An object or a list stands there as one, where YAML can say it; what else it may be is JSON in a text. */
static void write_input(struct arena *a, struct buf *json, struct str raw)
{
    struct json_info info = {0};

    if (!raw.ptr)
        return;
    struct str input = json_decode_in(a, raw);
    if (json_check(input, &info, NULL) && !info.repeated_keys &&
        (info.type == JSON_OBJECT || info.type == JSON_ARRAY)) {
        json_write_key(json, "input");
        json_minify(json, input);
    } else {
        json_write_member(json, "input", input);
    }
}

static void write_transformer(struct buf *json, struct str transformer)
{
    struct str paths = member_of(transformer, "InputPathsMap");

    if (!transformer.ptr)
        return;
    json_write_key(json, "input_transformer");
    buf_char(json, '{');
    if (paths.ptr) {
        json_write_key(json, "input_paths_map");
        buf_str(json, paths);
    }
    json_write_key(json, "input_template");
    buf_str(json, json_member(transformer, "InputTemplate"));
    buf_char(json, '}');
}

static void write_retries(struct buf *json, struct str policy)
{
    struct str attempts = member_of(policy, "MaximumRetryAttempts"),
               age = member_of(policy, "MaximumEventAgeInSeconds");

    if (!attempts.ptr && !age.ptr)
        return;
    json_write_key(json, "retry_policy");
    buf_char(json, '{');
    if (attempts.ptr) {
        json_write_key(json, "maximum_retry_attempts");
        buf_str(json, attempts);
    }
    if (age.ptr) {
        json_write_key(json, "maximum_event_age");
        buf_printf(json, "\"%.*ss\"", STR_ARG(age));
    }
    buf_char(json, '}');
}

static bool is_fifo_queue(struct str reference)
{
    return queue_is_fifo(reference) && !memmem(reference.ptr, reference.size, ":sns:", strlen(":sns:"));
}

static void write_group(struct buf *json, struct str parameters, struct str reference)
{
    struct str group = member_of(parameters, "MessageGroupId");

    if (!group.ptr || group.size <= 2 || !is_fifo_queue(reference))
        return;
    json_write_key(json, "sqs_parameters");
    buf_printf(json, "{\"message_group_id\":%.*s}", STR_ARG(group));
}

/* Lists and maps of texts, the same in both. */
static void write_http(struct buf *json, struct str parameters, struct str reference)
{
    static const char *const members[] = {"PathParameterValues", "HeaderParameters", "QueryStringParameters"};
    static const char *const keys[] = {"path_parameter_values", "header_parameters", "query_string_parameters"};
    bool is_arn = str_starts(reference, STR("arn:"));

    if (!parameters.ptr ||
        (is_arn && !memmem(reference.ptr, reference.size, ":api-destination/", strlen(":api-destination/"))))
        return;
    json_write_key(json, "http_parameters");
    buf_char(json, '{');
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct str value = member_of(parameters, members[i]);
        if (!value.ptr)
            continue;
        json_write_key(json, keys[i]);
        buf_str(json, value);
    }
    buf_char(json, '}');
}

void events_target_document(struct arena *a, struct buf *json, struct str target)
{
    struct str reference = json_decode_in(a, json_member(target, "Arn"));

    buf_char(json, '{');
    json_write_member(json, "target", reference);
    copy_text(a, json, "id", json_member(target, "Id"));
    write_input(a, json, json_member(target, "Input"));
    copy_text(a, json, "input_path", json_member(target, "InputPath"));
    write_transformer(json, json_member(target, "InputTransformer"));
    write_retries(json, json_member(target, "RetryPolicy"));
    copy_text(a, json, "dead_letter", member_of(json_member(target, "DeadLetterConfig"), "Arn"));
    write_group(json, json_member(target, "SqsParameters"), reference);
    write_http(json, json_member(target, "HttpParameters"), reference);
    buf_char(json, '}');
}

/* ---- a rule set's target as a Target structure ---- */

static void show_pairs(struct buf *json, const struct input *input)
{
    struct str name, path;

    json_write_key(json, "InputPathsMap");
    buf_char(json, '{');
    for (size_t i = 0; input_source_pair(input, i, &name, &path); i++) {
        buf_text(json, i ? "," : "");
        json_write_string(json, name);
        buf_char(json, ':');
        json_write_string(json, path);
    }
    buf_char(json, '}');
}

static void show_input(struct buf *json, const struct input *input)
{
    struct input_source source = input_source(input);

    if (source.constant.ptr)
        json_write_member(json, "Input", source.constant);
    if (source.path.ptr)
        json_write_member(json, "InputPath", source.path);
    if (!source.template.ptr)
        return;
    json_write_key(json, "InputTransformer");
    buf_char(json, '{');
    show_pairs(json, input);
    json_write_member(json, "InputTemplate", source.template);
    buf_char(json, '}');
}

static void show_group(struct buf *json, const struct rule_target *target)
{
    struct str group =
        target->message_group_path ? input_source(target->message_group_path).path : target->message_group;

    if (!group.size)
        return;
    json_write_key(json, "SqsParameters");
    buf_char(json, '{');
    json_write_member(json, "MessageGroupId", group);
    buf_char(json, '}');
}

static bool has_parameters(const struct rule_target *target, enum parameter_place place)
{
    for (uint32_t i = 0; i < target->parameter_count; i++)
        if (target->parameters[i].place == place)
            return true;
    return false;
}

/* A list of values, or, of parameters with names, a map. */
static void show_parameters_of(struct buf *json, const struct rule_target *target, enum parameter_place place,
                               const char *member)
{
    bool comma = false;

    if (!has_parameters(target, place))
        return;
    json_write_key(json, member);
    buf_char(json, place == PARAMETER_PATH ? '[' : '{');
    for (uint32_t i = 0; i < target->parameter_count; i++) {
        const struct rule_parameter *p = &target->parameters[i];
        if (p->place != place)
            continue;
        buf_text(json, comma ? "," : "");
        comma = true;
        if (place != PARAMETER_PATH) {
            json_write_string(json, p->name);
            buf_char(json, ':');
        }
        json_write_string(json, p->path ? input_source(p->path).path : p->value);
    }
    buf_char(json, place == PARAMETER_PATH ? ']' : '}');
}

static void show_parameters(struct buf *json, const struct rule_target *target)
{
    if (!target->parameter_count)
        return;
    json_write_key(json, "HttpParameters");
    buf_char(json, '{');
    show_parameters_of(json, target, PARAMETER_PATH, "PathParameterValues");
    show_parameters_of(json, target, PARAMETER_HEADER, "HeaderParameters");
    show_parameters_of(json, target, PARAMETER_QUERY, "QueryStringParameters");
    buf_char(json, '}');
}

static void show_dead_letter(struct buf *json, const struct target_def *queue)
{
    if (!queue || queue->builtin)
        return;
    json_write_key(json, "DeadLetterConfig");
    buf_char(json, '{');
    json_write_member(json, "Arn", queue->arn);
    buf_char(json, '}');
}

static void show_retries(struct buf *json, const struct retry_policy *policy)
{
    if (policy->maximum_retry_attempts == RETRY_UNSAID && policy->maximum_event_age == RETRY_UNSAID)
        return;
    json_write_key(json, "RetryPolicy");
    buf_char(json, '{');
    if (policy->maximum_retry_attempts != RETRY_UNSAID) {
        json_write_key(json, "MaximumRetryAttempts");
        json_write_int(json, policy->maximum_retry_attempts);
    }
    if (policy->maximum_event_age != RETRY_UNSAID) {
        json_write_key(json, "MaximumEventAgeInSeconds");
        json_write_int(json, policy->maximum_event_age / 1000);
    }
    buf_char(json, '}');
}

void events_target_show(struct buf *json, const struct rule_target *target)
{
    buf_char(json, '{');
    json_write_member(json, "Id", target->id);
    json_write_member(json, "Arn", target->target->arn);
    if (target->input)
        show_input(json, target->input);
    show_group(json, target);
    show_parameters(json, target);
    show_dead_letter(json, target->dead_letter);
    show_retries(json, &target->retry_policy);
    buf_char(json, '}');
}
