/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the bodies of /_weir/v1. */
#include <stdlib.h>

#include "router/api/v1_int.h"

bool v1_body(struct http_request *r, struct str *object)
{
    struct weir_diag diag;

    *object = http_body(r);
    if (!object->size)
        *object = STR("{}");
    if (!json_check(*object, NULL, &diag))
        http_reply_error(r, 400, "line %d, column %d: %s", diag.line, diag.column, diag.message);
    else if (json_type_of(*object) != JSON_OBJECT)
        http_reply_error(r, 400, "the body must be a JSON object");
    else
        return true;
    return false;
}

bool v1_text(struct http_request *r, struct str object, const char *key, struct buf *out, bool required)
{
    struct str value = json_member(object, key);

    buf_clear(out);
    if (!value.size && !required)
        return true;
    if (value.size && json_type_of(value) == JSON_STRING) {
        json_decode(out, value);
        return true;
    }
    http_reply_error(r, 400, value.size ? "'%s' must be a string" : "'%s' is missing", key);
    return false;
}

bool v1_int(struct http_request *r, struct str object, const char *key, int64_t otherwise, int64_t min, int64_t max,
            int64_t *out)
{
    struct str value = json_member(object, key);
    char digits[24] = "", *end = digits;

    *out = otherwise;
    if (!value.size)
        return true;
    if (value.size < sizeof digits) {
        memcpy(digits, value.ptr, value.size);
        *out = strtoll(digits, &end, 10);
    }
    if (end > digits && !*end && *out >= min && *out <= max)
        return true;
    http_reply_error(r, 400, "'%s' must be a whole number, %lld..%lld", key, (long long)min, (long long)max);
    return false;
}
