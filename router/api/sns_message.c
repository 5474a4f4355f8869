/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message to a topic may be, in SNS's words, and its attributes in the two forms they are needed in. A policy on
 * attributes looks at texts, numbers and lists (String.Array); what is binary has a name there and no value, so that
 * `exists` sees it and nothing else does.
 */
#include "router/api/sns.h"

#include "matcher/json.h"

#define SUBJECT_MAX        100
#define ATTRIBUTE_NAME_MAX 256

/* ---- attributes ---- */

static bool is_type(struct str type, const char *prefix)
{
    size_t size = strlen(prefix);
    return str_starts(type, str_from(prefix)) && (type.size == size || type.ptr[size] == '.');
}

static bool check_name(struct str name, struct sns_fault *fault)
{
    bool ok = name.size && name.size <= ATTRIBUTE_NAME_MAX && name.ptr[0] != '.' && name.ptr[name.size - 1] != '.';

    for (size_t i = 0; ok && i < name.size; i++) {
        char c = name.ptr[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             (c == '.' && name.ptr[i - 1] != '.');
    }
    return ok || sns_fault(fault, SNS_INVALID_VALUE,
                           "The message attribute name '%.*s' is not valid: it may have A-Z, a-z, 0-9, _, - and ., up "
                           "to 256 of them",
                           STR_ARG(name));
}

struct attribute {
    struct str name;
    struct buf type, text; /* text: of either value, decoded */
    bool binary;           /* the value came as BinaryValue */
    bool has_value;
};

static void take_member(struct str object, const char *key, struct buf *out, bool *found)
{
    struct str value = json_member(object, key);

    *found = value.size && json_type_of(value) == JSON_STRING;
    if (*found)
        json_decode(out, value);
}

static bool check_attribute(const struct attribute *a, struct sns_fault *fault)
{
    struct str type = buf_view(&a->type);
    bool binary = is_type(type, "Binary");

    if (!type.size)
        return sns_fault(fault, SNS_INVALID_VALUE,
                         "The message attribute '%.*s' must contain non-empty message attribute type.",
                         STR_ARG(a->name));
    if (!binary && !is_type(type, "String") && !is_type(type, "Number"))
        return sns_fault(fault, SNS_INVALID_VALUE,
                         "The message attribute '%.*s' has an invalid message attribute type, the set of supported "
                         "type prefixes is Binary, Number, and String.",
                         STR_ARG(a->name));
    if (a->has_value && a->binary != binary)
        return sns_fault(fault, SNS_INVALID_VALUE, "The message attribute '%.*s' with type '%.*s' must use field '%s'.",
                         STR_ARG(a->name), STR_ARG(type), binary ? "Binary" : "String");
    if (!a->text.size)
        return sns_fault(fault, SNS_INVALID_VALUE,
                         "The message attribute '%.*s' must contain non-empty message attribute value for message "
                         "attribute type '%.*s'.",
                         STR_ARG(a->name), STR_ARG(type));
    struct json_info info;
    bool number = !is_type(type, "Number") || (json_check(buf_view(&a->text), &info, NULL) && info.type == JSON_NUMBER);
    return number || sns_fault(fault, SNS_INVALID_VALUE, "Could not cast message attribute '%.*s' value to number.",
                               STR_ARG(a->name));
}

static void write_value(struct buf *out, const struct attribute *a)
{
    struct str type = buf_view(&a->type), text = buf_view(&a->text);
    struct json_info info;

    if (is_type(type, "Number"))
        buf_str(out, text);
    else if (str_is(type, "String.Array") && json_check(text, &info, NULL) && info.type == JSON_ARRAY)
        json_minify(out, text);
    else if (is_type(type, "Binary"))
        buf_text(out, "null");
    else
        json_write_string(out, text);
}

static void write_name(struct buf *out, struct str name)
{
    if (out->size && out->data[out->size - 1] != '{')
        buf_char(out, ',');
    json_write_string(out, name);
    buf_char(out, ':');
}

static bool add_attribute(struct attribute *a, struct str object, struct buf *shown, struct buf *filterable,
                          struct sns_fault *fault)
{
    bool type, text;

    if (json_type_of(object) != JSON_OBJECT)
        return sns_fault(fault, SNS_INVALID_VALUE, "The message attribute '%.*s' has no type.", STR_ARG(a->name));
    take_member(object, "DataType", &a->type, &type);
    take_member(object, "StringValue", &a->text, &text);
    if (!text)
        take_member(object, "BinaryValue", &a->text, &a->binary);
    a->has_value = text || a->binary;
    if (!check_name(a->name, fault) || !check_attribute(a, fault))
        return false;
    write_name(shown, a->name);
    buf_char(shown, '{');
    json_write_member(shown, "Type", buf_view(&a->type));
    json_write_member(shown, "Value", buf_view(&a->text));
    buf_char(shown, '}');
    write_name(filterable, a->name);
    write_value(filterable, a);
    return true;
}

static bool add_one(struct str key, struct str object, struct buf *shown, struct buf *filterable,
                    struct sns_fault *fault)
{
    struct buf name = BUF_INIT;
    struct attribute a = {.type = BUF_INIT, .text = BUF_INIT};

    json_decode(&name, key);
    a.name = buf_view(&name);
    bool ok = add_attribute(&a, object, shown, filterable, fault);
    shown->failed |= name.failed || a.type.failed || a.text.failed;
    buf_fini(&name);
    buf_fini(&a.type);
    buf_fini(&a.text);
    return ok;
}

bool sns_message_attributes(struct str attributes, struct buf *shown, struct buf *filterable, struct sns_fault *fault)
{
    struct json_reader reader;
    struct json_token token;
    bool ok = true;

    buf_char(shown, '{');
    buf_char(filterable, '{');
    json_reader_init(&reader, attributes.size ? attributes : STR("{}"));
    json_next(&reader, &token);
    while (ok && json_next(&reader, &token) == JSON_KEY) {
        struct str key = token.raw;
        json_next(&reader, &token);
        json_skip(&reader, &token);
        ok = add_one(key, token.raw, shown, filterable, fault);
    }
    buf_char(shown, '}');
    buf_char(filterable, '}');
    return ok;
}

/* ---- the message ---- */

size_t sns_message_bytes(const struct sns_message *m)
{
    return m->text.size + m->attributes.size;
}

static bool check_subject(struct str subject, struct sns_fault *fault)
{
    bool ok = aws_length(subject) <= SUBJECT_MAX && (!subject.size || subject.ptr[0] != ' ');

    for (size_t i = 0; ok && i < subject.size; i++)
        ok = subject.ptr[i] >= ' ' && subject.ptr[i] <= '~';
    return ok || sns_fault(fault, SNS_INVALID, "Invalid parameter: Subject");
}

static bool check_structure(const struct sns_message *m, struct sns_fault *fault)
{
    struct json_info info;

    if (!m->structure.size)
        return true;
    if (!str_is(m->structure, "json"))
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: Message Structure - unknown structure: %.*s",
                         STR_ARG(m->structure));
    if (!json_check(m->text, &info, NULL) || info.type != JSON_OBJECT)
        return sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: Message Structure - JSON message body failed to parse");
    struct str whole = json_member(m->text, "default");
    return (whole.size && json_type_of(whole) == JSON_STRING) ||
           sns_fault(fault, SNS_INVALID,
                     "Invalid parameter: Message Structure - No default entry in JSON message body");
}

static bool check_id(struct str id, const char *member, struct sns_fault *fault)
{
    bool ok = id.size <= 128;

    for (size_t i = 0; ok && i < id.size; i++)
        ok = id.ptr[i] > ' ' && id.ptr[i] <= '~';
    return ok || sns_fault(fault, SNS_INVALID,
                           "Invalid parameter: %s Reason: The parameter can contain alphanumeric and punctuation "
                           "characters, 1 to 128 of them",
                           member);
}

static bool check_fifo(const struct sns_message *m, const struct target_def *topic, struct sns_fault *fault)
{
    const struct topic_options *o = topic->options;

    if (!check_id(m->group, "MessageGroupId", fault) || !check_id(m->deduplication, "MessageDeduplicationId", fault))
        return false;
    if (!topic_is_fifo(topic))
        return !m->deduplication.size ||
               sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: MessageDeduplicationId Reason: The request includes "
                         "MessageDeduplicationId parameter that is not valid for this topic type");
    if (!m->group.size)
        return sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: The MessageGroupId parameter is required for FIFO topics");
    return m->deduplication.size || o->content_based_deduplication ||
           sns_fault(fault, SNS_INVALID,
                     "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or "
                     "MessageDeduplicationId provided explicitly");
}

bool sns_message_check(const struct sns_message *m, const struct target_def *topic, struct sns_fault *fault)
{
    if (!m->text.size)
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: Empty message");
    if (sns_message_bytes(m) > SNS_MESSAGE_BYTES_MAX)
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: Message too long");
    return check_subject(m->subject, fault) && check_structure(m, fault) && (!topic || check_fifo(m, topic, fault));
}
