/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See read_only.h. AWS names the three beginnings of an operation's name; the record's own word, where it has one, says
 * what such a name does not: that the call was one on data (GetObject), or that it did not only look.
 */
#include "rules/read_only.h"

#include "matcher/json.h"

static bool begins(struct str raw, const char *start)
{
    size_t size = strlen(start);
    return raw.size > size + 1 && memcmp(raw.ptr + 1, start, size) == 0;
}

static bool is_text(struct str raw, const char *text)
{
    return raw.size && raw.ptr[0] == '"' && json_raw_is(raw, text);
}

static bool only_looks(struct str detail)
{
    static const char *const keys[] = {"eventName", "readOnly", "managementEvent", NULL};
    struct str values[3];

    json_members(detail, keys, values);
    return (begins(values[0], "Describe") || begins(values[0], "Get") || begins(values[0], "List")) &&
           !str_is(values[1], "false") && !str_is(values[2], "false");
}

bool read_only_is_held_back(const struct bus *bus, struct str event)
{
    static const char *const keys[] = {"source", "detail-type", "detail", NULL};
    struct str values[3];

    if (!bus->strict_aws)
        return false;
    json_members(event, keys, values);
    return begins(values[0], "aws.") && is_text(values[1], "AWS API Call via CloudTrail") && values[2].size &&
           json_type_of(values[2]) == JSON_OBJECT && only_looks(values[2]);
}
