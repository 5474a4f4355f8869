/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a form of the AWS query protocol, by the tables of SQS and by one that has the other kind of lists and
 * maps: what is taken is one JSON object and nothing else, and its XML closes what it opens.
 */
#include "fuzz/fuzz.h"
#include "matcher/json.h"
#include "router/api/sqs.h"

static const struct aws_wire nested[] = {
    {.member = "A", .kind = AWS_WIRE_LIST, .entry = "m"},
    {.member = "B", .kind = AWS_WIRE_MAP, .entry = "e", .key = "k", .value = "v"},
    {0},
};

static void fail(const char *what, struct str form, struct str text)
{
    fprintf(stderr, "%s: %.*s\n  form '%.*s'\n", what, STR_ARG(text), STR_ARG(form));
    abort();
}

static size_t count(struct str text, const char *part)
{
    size_t found = 0, size = strlen(part);

    for (size_t i = 0; i + size <= text.size; i++)
        found += memcmp(text.ptr + i, part, size) == 0;
    return found;
}

static void check_xml(struct str form, struct str json, const struct aws_wire *wire)
{
    struct buf xml = BUF_INIT;

    aws_xml_write(&xml, json, wire, "SendMessageBatch");
    /* Names of members are a service's own; here they are whatever the form had. */
    if (!count(form, "<") && !count(form, "/") && !count(form, "%") &&
        2 * count(buf_view(&xml), "</") != count(buf_view(&xml), "<"))
        fail("an element is not closed", form, buf_view(&xml));
    buf_fini(&xml);
}

static void check_form(struct str form, const struct aws_wire *wire)
{
    struct json_info info = {0};
    struct buf json = BUF_INIT;

    if (!aws_form_read(&json, form, wire, "SendMessageBatch")) {
        if (!json_check(buf_view(&json), &info, NULL) || info.type != JSON_OBJECT)
            fail("no JSON object", form, buf_view(&json));
        check_xml(form, buf_view(&json), wire);
    }
    buf_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str form = {(const char *)data, size};
    struct buf value = BUF_INIT;

    check_form(form, sqs_wire);
    check_form(form, nested);
    aws_form_value(form, "Action", &value);
    buf_fini(&value);
    return 0;
}
