/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Lambda's operations share: names of functions, and errors as AWS's clients read them.
 */
#include "router/api/lambda.h"

#include "router/api/api.h"
#include "router/router.h"
#include "router/xalloc.h"

void lambda_fail(struct http_request *r, int status, const char *code, const char *format, ...)
{
    struct buf message = BUF_INIT, json = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    buf_char(&json, '{');
    json_write_member(&json, "Type", status < 500 ? STR("User") : STR("Service"));
    json_write_member(&json, "Message", buf_view(&message));
    buf_char(&json, '}');
    xbuf(&message);
    xbuf(&json);
    http_add_header(r, "x-amzn-ErrorType", code);
    if (status == 429 || status == 503)
        http_add_header(r, "Retry-After", "1");
    http_reply(r, status, "application/json", buf_view(&json));
    buf_fini(&message);
    buf_fini(&json);
}

/* The part behind the last "function:", and its qualifier. */
static struct str split(struct str text, struct str *qualifier)
{
    static const char mark[] = "function:";
    struct str name = text;

    for (size_t i = 0; i + sizeof mark - 1 <= text.size; i++)
        if (memcmp(text.ptr + i, mark, sizeof mark - 1) == 0)
            name = (struct str){text.ptr + i + sizeof mark - 1, text.size - i - (sizeof mark - 1)};
    const char *colon = name.size ? memchr(name.ptr, ':', name.size) : NULL;
    *qualifier = STR("");
    if (!colon)
        return name;
    *qualifier = (struct str){colon + 1, name.size - (size_t)(colon + 1 - name.ptr)};
    return (struct str){name.ptr, (size_t)(colon - name.ptr)};
}

static void fail_unknown(struct http_request *r, struct str name, struct str qualifier)
{
    const struct ruleset *set = http_set(r);

    lambda_fail(r, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:%.*s:%.*s:function:%.*s%s%.*s",
                STR_ARG(set->region), STR_ARG(set->account), STR_ARG(name), qualifier.size ? ":" : "",
                STR_ARG(qualifier));
}

const struct target_def *lambda_find(struct http_request *r, struct str text)
{
    struct str qualifier, asked, name = split(text, &qualifier);
    const struct target_def *def = ruleset_target(http_set(r), function_adapter.type, name);

    if (!qualifier.size && http_query(r, "Qualifier", &asked))
        qualifier = asked;
    bool ours = !str_starts(text, STR("arn:")) || (def && str_starts(text, def->arn));
    if (def && ours && (!qualifier.size || str_is(qualifier, "$LATEST")))
        return def;
    fail_unknown(r, name, qualifier);
    return NULL;
}

void lambda_fail_unknown(struct http_request *r, struct str name)
{
    fail_unknown(r, name, STR(""));
}
