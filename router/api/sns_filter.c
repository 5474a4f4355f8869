/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SNS asks of a filter policy beyond its being an event pattern: at most five keys, no more than 150 combinations
 * of values (the product of the numbers of values at each key, which at a body's nested keys count once a level), and
 * no nesting where the policy is on attributes. Then the pattern compiler has its say, with SNS's words around it.
 */
#include "matcher/json.h"
#include "matcher/pattern.h"
#include "router/api/sns_attributes.h"

#define KEYS_MAX         5
#define COMBINATIONS_MAX 150
#define POLICY_BYTES_MAX (256 << 10)

struct policy {
    bool attributes;
    unsigned keys;
    uint64_t combinations;
    struct sns_fault *fault;
};

static bool refuse(struct policy *p, const char *reason)
{
    return sns_fault(p->fault, SNS_INVALID, "Invalid parameter: FilterPolicy: %s", reason);
}

static uint64_t count_values(struct str list)
{
    struct json_reader reader;
    struct json_token token;
    uint64_t count = 0;

    json_reader_init(&reader, list);
    json_next(&reader, &token);
    while (json_next(&reader, &token) != JSON_ARRAY_END && token.type != JSON_ERROR) {
        json_skip(&reader, &token);
        count++;
    }
    return count;
}

static bool walk(struct policy *p, struct str object, unsigned level);

static bool take(struct policy *p, struct str key, struct str value, unsigned level)
{
    enum json_type type = json_type_of(value);

    if (type == JSON_ARRAY && json_raw_is(key, "$or"))
        return true; /* the compiler counts its branches */
    if (type == JSON_OBJECT) {
        if (p->attributes)
            return refuse(p, "Filter policy scope MessageAttributes does not support nested filter policy");
        return walk(p, value, level + 1);
    }
    if (type != JSON_ARRAY)
        return refuse(p, "Match value must be String, number, true, false, or null");
    p->keys++;
    p->combinations *= count_values(value) * level;
    if (p->combinations > COMBINATIONS_MAX)
        return refuse(p, "Filter policy is too complex");
    return true;
}

static bool walk(struct policy *p, struct str object, unsigned level)
{
    struct json_reader reader;
    struct json_token token;

    json_reader_init(&reader, object);
    json_next(&reader, &token);
    while (json_next(&reader, &token) == JSON_KEY) {
        struct str key = token.raw;
        json_next(&reader, &token);
        json_skip(&reader, &token);
        if (!take(p, key, token.raw, level))
            return false;
    }
    return true;
}

static bool compiles(struct policy *p, struct str text)
{
    struct weir_diag diag = {.code = WEIR_OK};
    struct weir_builder *builder = weir_builder_create();
    bool ok = builder && weir_builder_add(builder, 0, text.ptr, text.size, &diag);

    weir_builder_destroy(builder);
    return ok || refuse(p, diag.message[0] ? diag.message : "out of memory");
}

bool sns_filter_policy_check(struct str policy, bool attributes, struct sns_fault *fault)
{
    struct policy p = {attributes, 0, 1, fault};
    struct json_info info;

    if (policy.size > POLICY_BYTES_MAX)
        return refuse(&p, "Filter policy is too long");
    if (!json_check(policy, &info, NULL) || info.type != JSON_OBJECT)
        return refuse(&p, "failed to parse JSON.");
    if (str_is(policy, "{}"))
        return true;
    if (!walk(&p, policy, 1))
        return false;
    if (p.keys > KEYS_MAX)
        return refuse(&p, "Filter policy can not have more than 5 keys");
    return compiles(&p, policy);
}
