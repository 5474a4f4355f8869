/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redrive policies: where messages go that were received too often, and which queues may name a queue as that. They are
 * JSON texts inside attributes, and looked at when they are set: later the dead-letter queue may go, as at AWS.
 */
#include "router/api/sqs_queue_int.h"

#define SOURCES_MAX 10

static bool refuse(struct message_fault *fault, const char *parameter, struct str text, const char *reason)
{
    return message_refuse(fault, "InvalidParameterValue", "Value %.*s for parameter %s is invalid. Reason: %s",
                          text.size > 300 ? 300 : (int)text.size, text.ptr, parameter, reason);
}

static bool is_object(struct str text)
{
    struct json_info info = {0};
    return json_check(text, &info, NULL) && info.type == JSON_OBJECT;
}

static bool is_text(struct str raw)
{
    return raw.ptr && json_type_of(raw) == JSON_STRING;
}

/* ---- RedrivePolicy ---- */

bool sqs_redrive_read(struct arena *a, struct str text, struct sqs_redrive *out, struct message_fault *fault)
{
    static const char *const keys[] = {"deadLetterTargetArn", "maxReceiveCount", NULL};
    static const char parameter[] = "RedrivePolicy";
    struct str values[2];

    if (!is_object(text))
        return refuse(fault, parameter, text, "Redrive policy is not a valid JSON map.");
    json_members(text, keys, values);
    if (!is_text(values[0]))
        return refuse(fault, parameter, text,
                      "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
    if (!values[1].ptr)
        return refuse(fault, parameter, text, "Redrive policy does not contain mandatory attribute: maxReceiveCount.");
    out->arn = json_decode_in(a, values[0]);
    if (!sqs_read_number(is_text(values[1]) ? json_decode_in(a, values[1]) : values[1], 1, 1000, &out->count))
        return refuse(fault, parameter, text,
                      "Invalid value for maxReceiveCount, valid values are from 1 to 1000 both inclusive.");
    return true;
}

bool sqs_redrive_same(struct arena *a, struct str left, struct str right)
{
    struct sqs_redrive one, other;
    struct message_fault fault;

    return left.size && right.size && sqs_redrive_read(a, left, &one, &fault) &&
           sqs_redrive_read(a, right, &other, &fault) && one.count == other.count && str_eq(one.arn, other.arn);
}

/* ---- RedriveAllowPolicy ---- */

static const char *const allow_keys[] = {"redrivePermission", "sourceQueueArns", NULL};

static unsigned count_sources(struct str list)
{
    struct aws_list sources;
    struct str raw;

    if (!list.ptr || json_type_of(list) != JSON_ARRAY)
        return 0;
    for (aws_list_start(&sources, list); aws_list_next(&sources, &raw);)
        ;
    return sources.index;
}

bool sqs_redrive_allow_check(struct str text, struct message_fault *fault)
{
    static const char parameter[] = "RedriveAllowPolicy";
    struct str values[2];

    if (!is_object(text))
        return refuse(fault, parameter, text, "Redrive allow policy is not a valid JSON map.");
    json_members(text, allow_keys, values);
    unsigned sources = count_sources(values[1]);
    if (!is_text(values[0]) || (!json_raw_is(values[0], "allowAll") && !json_raw_is(values[0], "denyAll") &&
                                !json_raw_is(values[0], "byQueue")))
        return refuse(fault, parameter, text, "redrivePermission is one of allowAll, denyAll and byQueue.");
    if (json_raw_is(values[0], "byQueue") != (sources > 0) || sources > SOURCES_MAX)
        return refuse(fault, parameter, text, "byQueue, and nothing else, goes with 1 to 10 sourceQueueArns.");
    return true;
}

/* Does this policy let that queue name the one that has it? */
static bool allows(struct str policy, struct str arn)
{
    struct aws_list sources;
    struct str values[2], raw;
    struct arena temp = ARENA_INIT;
    bool found = false;

    if (!policy.size || !is_object(policy))
        return true;
    json_members(policy, allow_keys, values);
    if (!is_text(values[0]) || !json_raw_is(values[0], "byQueue"))
        return !is_text(values[0]) || !json_raw_is(values[0], "denyAll");
    if (values[1].ptr && json_type_of(values[1]) == JSON_ARRAY)
        for (aws_list_start(&sources, values[1]); !found && aws_list_next(&sources, &raw);)
            found = is_text(raw) && str_eq(json_decode_in(&temp, raw), arn);
    arena_fini(&temp);
    return found;
}

/* ---- together with the queues there are ---- */

static bool is_queue(const struct resources *resources, struct str name)
{
    return name.size && (resources_owner(resources, "queues", name) != RESOURCES_NOBODY ||
                         ruleset_target(resources_set(resources), queue_adapter.type, name));
}

static bool is_allowed(struct arena *a, const struct resources *resources, struct str name, struct str source_arn)
{
    struct str text = resources_get(resources, "queues", name);
    struct sqs_document d;

    if (!text.ptr)
        return true;
    sqs_document_read(a, text, &d);
    return allows(*sqs_attribute_redrive_allow_policy(&d), source_arn);
}

static bool check_target(struct arena *a, const struct resources *resources, struct str queue, struct str text,
                         struct message_fault *fault)
{
    const struct ruleset *set = resources_set(resources);
    static const char parameter[] = "RedrivePolicy";
    struct buf start = BUF_INIT;
    struct sqs_redrive redrive;

    if (!sqs_redrive_read(a, text, &redrive, fault))
        return false;
    buf_printf(&start, "arn:aws:sqs:%.*s:%.*s:", STR_ARG(set->region), STR_ARG(set->account));
    struct str prefix = aws_keep(a, &start), name = {0};
    if (str_starts(redrive.arn, prefix))
        name = (struct str){redrive.arn.ptr + prefix.size, redrive.arn.size - prefix.size};
    buf_printf(&start, "%.*s%.*s", STR_ARG(prefix), STR_ARG(queue));
    struct str source = aws_keep(a, &start);
    if (!is_queue(resources, name))
        return refuse(fault, parameter, text, "Dead letter target does not exist.");
    if (str_eq(name, queue))
        return refuse(fault, parameter, text, "Dead letter target cannot be the queue itself.");
    if (queue_is_fifo(name) != queue_is_fifo(queue))
        return refuse(fault, parameter, text, "Dead-letter queue must be same type of queue as the source.");
    return is_allowed(a, resources, name, source) ||
           refuse(fault, parameter, text, "The dead-letter queue's RedriveAllowPolicy does not let this queue use it.");
}

bool sqs_redrive_check(const struct resources *resources, struct str queue, struct str text,
                       struct message_fault *fault)
{
    struct arena temp = ARENA_INIT;
    bool ok = !text.size || check_target(&temp, resources, queue, text, fault);

    arena_fini(&temp);
    return ok;
}
