/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How members of AWS requests are read, constrained and refused: a made-up operation takes EventBridge's place and
 * answers with what it read; its requests and answers are data (aws_read.cases).
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "router/api/aws.h"
#include "tests/router/aws_fixture.h"

static struct aws_regex name_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");
static const char *const states[] = {"ENABLED", "DISABLED", NULL};

struct input {
    struct str name, state, tags, policy, lists;
    int64_t limit, since_ms;
    bool force;
};

struct tag {
    struct str key, value;
};

static const struct aws_member input_members[] = {
    AWS_MEMBER(struct input, "Name", AWS_STRING, name, .required = true, .min = 2, .max = 6, .regex = &name_regex),
    AWS_MEMBER(struct input, "State", AWS_STRING, state, .values = states),
    AWS_MEMBER(struct input, "Tags", AWS_LIST, tags, .min = 1, .max = 2, .element = AWS_STRUCTURE),
    AWS_MEMBER(struct input, "Lists", AWS_LIST, lists, .element = AWS_LIST),
    AWS_MEMBER(struct input, "Policy", AWS_STRUCTURE, policy),
    AWS_MEMBER(struct input, "Limit", AWS_INTEGER, limit, .min = 1, .max = 100),
    AWS_MEMBER(struct input, "Since", AWS_TIMESTAMP, since_ms),
    AWS_MEMBER(struct input, "Force", AWS_BOOLEAN, force),
    {0},
};

static const struct aws_member tag_members[] = {
    AWS_MEMBER(struct tag, "Key", AWS_STRING, key, .required = true, .min = 1, .max = 3),
    AWS_MEMBER(struct tag, "Value", AWS_STRING, value),
    {0},
};

static bool write_tags(struct aws_request *r, struct str tags, struct buf *json)
{
    struct aws_list list;
    struct str one;
    char path[32];

    for (aws_list_start(&list, tags); aws_list_next(&list, &one);) {
        struct tag tag = {.value = STR("none")};
        snprintf(path, sizeof path, "tags.%u.member.", list.index);
        if (!aws_read(r, one, path, tag_members, &tag))
            return false;
        buf_printf(json, "[%.*s=%.*s]", STR_ARG(tag.key), STR_ARG(tag.value));
    }
    return true;
}

static void echo(struct aws_request *r)
{
    struct input in = {.limit = -1, .since_ms = -1, .tags = STR("[]")};
    struct buf tags = BUF_INIT, json = BUF_INIT;

    if (aws_read(r, r->input, "", input_members, &in) && write_tags(r, in.tags, &tags) && aws_valid(r)) {
        buf_char(&json, '{');
        json_write_member(&json, "name", in.name);
        json_write_member(&json, "tags", buf_view(&tags));
        json_write_member(&json, "state", in.state);
        json_write_member(&json, "policy", in.policy);
        buf_printf(&json, ",\"limit\":%" PRId64 ",\"since\":%" PRId64 ",\"force\":%d}", in.limit, in.since_ms,
                   in.force);
        aws_reply(r, &json);
    }
    buf_fini(&tags);
    buf_fini(&json);
}

static const struct aws_operation operations[] = {{"Echo", echo, NULL}, {0}};
const struct aws_service aws_events = {
    .title = "EventBridge",
    .prefix = "events",
    .target = "AWSEvents",
    .content_type = "application/x-amz-json-1.1",
    .error_prefix = "",
    .unknown = "UnknownOperationException",
    .operations = operations,
};

static int setup(void **state)
{
    aws_fixture_start(NULL);
    return 0;
}

static int teardown(void **state)
{
    aws_fixture_stop();
    return 0;
}

static void test_members(void **state)
{
    aws_run_cases("tests/router/aws_read.cases");
}

static void test_long_values_are_cut_in_messages(void **state)
{
    struct buf request = BUF_INIT, text = BUF_INIT;

    buf_text(&request, "{\"Name\":\"x");
    for (int i = 0; i < 100000; i++)
        buf_text(&request, "\xC3\xA9");
    buf_text(&request, "\"}");
    aws_ask("AWSEvents.Echo", buf_view(&request));
    aws_message("ValidationException", &text);
    assert_non_null(
        strstr(text.data, "\xC3\xA9...' at 'name' failed to satisfy constraint: Member must have length less"));
    assert_true(text.size < 50000);
    buf_fini(&request);
    buf_fini(&text);
}

static void test_lengths_are_java_s(void **state)
{
    assert_int_equal(aws_length(STR("")), 0);
    assert_int_equal(aws_length(STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_long_values_are_cut_in_messages),
        cmocka_unit_test(test_lengths_are_java_s),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
