/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations: a table of what they say, agreement with the matcher on made-up pairs, the JSON form, and events that
 * are large.
 */
#include "matcher/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/matcher/generate.h"

static struct explainer *open_explainer(struct arena *a, struct str pattern)
{
    struct weir_diag diag;
    const struct pattern *p = pattern_parse_json_in(a, PATTERN_EXTENDED, pattern, &diag);
    if (!p)
        return NULL;
    struct explainer *x = explainer_create(p, &diag);
    assert_non_null(x);
    return x;
}

static void explain(const char *pattern, const char *event, struct buf *text, struct buf *json)
{
    struct arena keep = ARENA_INIT, a = ARENA_INIT;
    struct explanation e;
    struct weir_diag diag;
    struct explainer *x = open_explainer(&keep, str_from(pattern));

    assert_non_null(x);
    assert_true(explainer_run(x, &a, str_from(event), &e, &diag));
    explanation_write_text(text, &e, EXPLAIN_BRANCHES);
    buf_char(json, '{');
    explanation_write_json(json, &e);
    buf_char(json, '}');
    assert_true(json_check(buf_view(json), NULL, &diag));
    arena_fini(&a);
    explainer_destroy(x);
    arena_fini(&keep);
}

static void test_hints(void **state)
{
    static const struct {
        const char *pattern, *event, *said; /* NULL: no hint */
    } cases[] = {
        {"{\"a\":[\"Root\"]}", "{\"a\":\"root\"}", "near: the same but for case: {\"equals-ignore-case\": \"Root\"}"},
        {"{\"a\":[\"V7\"]}", "{\"a\":[\"v1\",\"v2\",\"v3\",\"v4\",\"v5\",\"v6\",\"v7\"]}",
         "\"v7\" at a[6], and 4 more"},
        {"{\"a\":[\"300\"]}", "{\"a\":300}",
         "near: the event has 300 without quotes, the pattern wants text: write 300"},
        {"{\"a\":[\"true\"]}", "{\"a\":true}", "near: the event has true without quotes"},
        {"{\"a\":[300]}", "{\"a\":\"300\"}",
         "near: the event has the text \"300\", the pattern wants it without quotes"},
        {"{\"a\":[null]}", "{\"a\":\"null\"}", "near: the event has the text \"null\""},
        {"{\"a\":[\"x y\"]}", "{\"a\":\" x  y\\n\"}", "near: the same but for white space"},
        {"{\"a\":[\"CreateUser\"]}", "{\"a\":\"CreateUsr\"}", "near: \"CreateUsr\" is nearly \"CreateUser\""},
        {"{\"a\":[{\"prefix\":\"Create\"}]}", "{\"a\":\"createUser\"}",
         "{\"prefix\": {\"equals-ignore-case\": \"Create\"}}"},
        {"{\"a\":[{\"suffix\":\".PNG\"}]}", "{\"a\":\"x.png\"}", "{\"suffix\": {\"equals-ignore-case\": \".PNG\"}}"},
        {"{\"a\":[{\"prefix\":\"12\"}]}", "{\"a\":123}", "prefix looks at text only"},
        {"{\"a\":[{\"wildcard\":\"*Operation\"}]}", "{\"a\":\"anoperation\"}", "wildcard has no way to say that"},
        {"{\"a\":[{\"numeric\":[\">\",5]}]}", "{\"a\":\"7\"}", "numeric looks at numbers only"},
        {"{\"a\":[{\"numeric\":[\">\",5]}]}", "{\"a\":3}", "3 is outside of the range"},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":\"x\"}", "one of those that anything-but excludes"},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"b\":1}", "anything-but needs the field to be there"},
        {"{\"a\":[{\"exists\":false}]}", "{\"a\":1}", "exists: false wants it to be absent"},
        {"{\"detail\":{\"userIdentiy\":{\"type\":[\"x\"]}}}", "{\"detail\":{\"userIdentity\":{\"type\":\"x\"}}}",
         "there is \"userIdentity\" in detail; the pattern says \"userIdentiy\""},
        {"{\"detail_type\":[\"x\"]}", "{\"detail-type\":\"x\"}",
         "there is \"detail-type\"; the pattern says \"detail_type\""},
        {"{\"detail\":{\"eventname\":[\"x\"]}}", "{\"detail\":{\"eventTime\":1,\"eventName\":\"x\"}}",
         "near: there is \"eventName\" in detail; the pattern says \"eventname\"\n"},
        {"{\"eventName\":[\"x\"]}", "{\"detail\":{\"list\":[{\"eventName\":\"x\"}]}}",
         "\"eventName\" is at detail.list[0].eventName"},
        {"{\"detail\":[\"x\"]}", "{\"detail\":{\"a\":1}}", "there is an object"},
        {"{\"detail\":{\"a\":[1]}}", "{\"detail\":\"{\\\"a\\\":1}\"}", "text is not looked into"},
        {"{\"detail\":{\"a\":[1]}}", "{\"detail\":5}", "\"detail\" is a value, and has nothing below it"},
        {"{\"detail\":{\"a\":[1]}}", "{\"a\":1}", "note: the event has no \"detail\""},
        {"{\"detail\":{\"a\":[1]}}", "{\"Records\":[{\"a\":1}]}", "note: this is a file of records"},
        {"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1},{\"c\":2}]}", "in different elements of an array"},
        {"{\"a\":{\"b\":[1]}}", "{\"a\":[{\"b\":2},{\"b\":1}]}", "found 1 at a[1].b"},
        {"{\"$or\":[{\"a\":[1]},{\"b\":[2],\"c\":[3]}]}", "{\"b\":2,\"c\":4}",
         "combination 1 of 2 of $or: does not match"},
        {"{\"a\":[{\"regex\":\"^x\"}]}", "{\"a\":\"xy\"}", "yes  a  [{\"regex\":\"^x\"}]"},
        {"{\"a\":[{\"numeric\":[\">=\",1,\"<\",3]},{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":5}",
         "[{\"numeric\":[\">=\",1,\"<\",3]},{\"cidr\":\"10.0.0.0/8\"}]"},
        {"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1},{\"c\":2}]}",
         "no   each of these holds, but in different elements of an array: a[0].b and a[1].c; no one element of a has"},
        {"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1},{\"b\":1,\"c\":2}]}", "found 1 at a[1].b"},
        {"{\"a\":{\"b\":[\"y\"]}}", "{\"a\":{\"b\":[[\"x\"],[\"z\",\"y\"]]}}", "found \"y\" at a.b[1][1]"},
        {"{\"a\":[\"Access*\"]}", "{\"a\":\"AccessDenied\"}", "{\"wildcard\": \"Access*\"} makes it stand for any"},
        {"{\"a\":[\"s3:Object\"]}", "{\"a\":\"s3:ObjectCreated\"}", "{\"prefix\": \"s3:Object\"} takes what begins so"},
        {"{\"a\":[{\"numeric\":[\">\",5]}]}", "{\"a\":12345678901234567890}", "numeric never compares it"},
        {"{\"a\":[{\"numeric\":[\">=\",1e3,\"<\",100000000]}]}", "{}", "[{\"numeric\":[\">=\",1000,\"<\",100000000]}]"},
        {"{\"a\":[{\"numeric\":[\">\",0.1]}]}", "{\"a\":\"0x7\"}",
         "[{\"numeric\":[\">\",0.1]}]\n       found \"0x7\"\n"},
        {"{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"AWS Internal\"}", "\"AWS Internal\" is no IP address"},
        {"{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"::1\"}", "an IPv6 address, and the range is of IPv4"},
        {"{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"11.0.0.1\"}", "the address is outside of the range"},
        {"{\"a\":[{\"exists\":true}]}", "{\"a\":[]}", "an array with nothing in it, which counts as absent"},
        {"{\"a\":[{\"anything-but\":{\"prefix\":[\"x\",\"y\"]}},{\"anything-but\":7}]}", "{}",
         "[{\"anything-but\":{\"prefix\":[\"x\",\"y\"]}},{\"anything-but\":7}]"},
        {"{\"a\":[\"\\u001b[31mX\"]}", "{\"a\":\"\\u001b[31mx\"}", "{\"equals-ignore-case\": \"?[31mX\"}"},
        {"{\"a\":[\"x\"]}", "{\"a\":\"\xC2\x9B\"}", "found \"?\""},
        {"{\"a\":[\"\\u001b[31m\"]}", "{\"a\":\"\\u001b[0m\"}", "found \"\\u001b[0m\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = BUF_INIT, json = BUF_INIT;
        explain(cases[i].pattern, cases[i].event, &text, &json);
        if (!strstr(buf_cstr(&text), cases[i].said))
            fail_msg("%s\n%s\nwanted: %s\n%s", cases[i].pattern, cases[i].event, cases[i].said, buf_cstr(&text));
        buf_fini(&text);
        buf_fini(&json);
    }
}

static void test_json(void **state)
{
    struct buf text = BUF_INIT, json = BUF_INIT;

    explain("{\"a\":[\"x\"],\"b\":[1]}", "{\"a\":\"X\",\"b\":1.0}", &text, &json);
    assert_string_equal(
        buf_cstr(&json),
        "{\"matches\":false,\"leaves\":[{\"path\":\"a\",\"wanted\":[\"x\"],\"ok\":false,\"values\":1,\"found\":[{"
        "\"value\":"
        "\"X\",\"at\":\"a\"}],\"near\":[{\"kind\":\"case\",\"text\":\"the same but for case: "
        "{\\\"equals-ignore-case\\\": "
        "\\\"x\\\"} matches "
        "both\"}]},{\"path\":\"b\",\"wanted\":[1],\"ok\":true,\"values\":1,\"found\":[{\"value\":1.0,"
        "\"at\":\"b\"}],\"near\":[]}],\"branches\":[{\"branch\":1,\"matches\":false,\"failing\":1,\"leaves\":[0,1]}],"
        "\"notes\":[]}");
    buf_fini(&text);
    buf_fini(&json);
}

static bool matches(struct str pattern, struct str event, bool *unknown)
{
    struct weir_builder *b = weir_builder_create();
    struct weir_diag diag;
    const uint32_t *ids;

    weir_builder_allow_extensions(b);
    assert_true(weir_builder_add(b, 0, pattern.ptr, pattern.size, &diag));
    struct weir_matcher *m = weir_builder_build(b, &diag);
    struct weir_scratch *s = weir_scratch_create(m);
    long count = weir_match(m, s, event.ptr, event.size, WEIR_CHECKED, &ids, &diag);
    *unknown = count < 0 || weir_match_given_up(s, &ids) > 0;
    weir_scratch_destroy(s);
    weir_matcher_unref(m);
    weir_builder_destroy(b);
    return count > 0;
}

/* Two places part at an index: values there stand in different elements of one array, if no key is repeated. */
static bool part_at_index(struct str a, struct str b)
{
    size_t same = 0;
    while (same < a.size && same < b.size && a.ptr[same] == b.ptr[same])
        same++;
    const char *bracket = same ? memrchr(a.ptr, '[', same) : NULL;
    return bracket && !memchr(bracket, ']', same - (size_t)(bracket - a.ptr));
}

/* The values shown of a branch that matches go together. */
static void check_elements(const struct explanation *e, const struct explain_branch *b)
{
    for (uint32_t i = 0; i < b->leaf_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            const struct explain_leaf *x = &e->leaves[b->leaves[i]], *y = &e->leaves[b->leaves[k]];
            if (x->found_count && y->found_count)
                assert_false(part_at_index(x->found[0].at, y->found[0].at));
        }
    }
}

/* What an explanation must be, whatever the pair. */
static void check_sound(const struct explanation *e, struct str event)
{
    struct json_info info;
    assert_true(json_check(event, &info, NULL));
    if (e->matches && !info.repeated_keys)
        check_elements(e, &e->branches[0]);
    bool any = false;
    for (uint32_t i = 0; i < e->branch_count; i++) {
        const struct explain_branch *b = &e->branches[i];
        any |= b->matches;
        assert_true(!b->matches || b->failing == 0);
        assert_true(b->matches || b->failing > 0 || b->reason.size);
        assert_true(!b->reason.size ||
                    memchr(event.ptr, '[', event.size)); /* without arrays, leaves are all there is */
        assert_true(i == 0 || !b->matches || e->branches[i - 1].matches);
    }
    assert_true(any == e->matches);
    for (uint32_t i = 0; i < e->leaf_count; i++) {
        const struct explain_leaf *l = &e->leaves[i];
        assert_true(l->found_count <= EXPLAIN_FOUND && l->near_count <= EXPLAIN_NEAR);
        assert_true(!l->holds || l->near_count == 0);
        assert_true(l->looked && l->found_count <= l->value_count);
    }
}

static void test_agrees_with_the_matcher(void **state)
{
    struct judge_memory memory = {0};
    struct generator g = {.memory = &memory, .state = 20261121, .extended = true};
    int pairs = 0, hits = 0;

    for (int round = 0; round < 6000; round++) {
        bool arrays = round % 3 == 0, unknown;
        struct judge_node *event = arrays ? generate_array_event(&g) : generate_event(&g);
        struct judge_node *pattern = arrays ? generate_array_pattern(&g) : generate_pattern(&g, event);
        struct judge_text p = generate_text(&g, pattern, GENERATE_SPACED | GENERATE_ESCAPED);
        struct judge_text v = generate_text(&g, event, GENERATE_SPACED | GENERATE_ESCAPED);
        struct str text = {p.at, p.size}, made = {v.at, v.size};
        struct arena keep = ARENA_INIT, a = ARENA_INIT;
        struct explainer *x = open_explainer(&keep, text);
        struct explanation e;
        struct weir_diag diag;
        if (x) {
            bool wanted = matches(text, made, &unknown);
            assert_true(explainer_run(x, &a, made, &e, &diag) || unknown);
            if (!unknown) {
                assert_true(e.matches == wanted);
                check_sound(&e, made);
                pairs++;
                hits += wanted;
            }
        }
        explainer_destroy(x);
        arena_fini(&a);
        arena_fini(&keep);
        judge_release(&memory);
    }
    assert_true(pairs > 4000 && hits > 1000);
}

/* Values by the million, and arrays as deep as they go: what is there is still found, or said not to be looked up. */
static void test_large(void **state)
{
    struct arena keep = ARENA_INIT, a = ARENA_INIT;
    struct explanation e;
    struct weir_diag diag;
    struct buf event = BUF_INIT;
    struct explainer *x = open_explainer(&keep, STR("{\"a\":[5],\"b\":[{\"exists\":true}]}"));

    buf_text(&event, "{\"a\":");
    for (int i = 0; i < 990; i++)
        buf_char(&event, '[');
    for (int i = 0; i < 300000; i++)
        buf_text(&event, "{},1,");
    buf_text(&event, "5");
    for (int i = 0; i < 990; i++)
        buf_char(&event, ']');
    buf_text(&event, ",\"b\":{}}");
    assert_true(explainer_run(x, &a, buf_view(&event), &e, &diag));
    assert_true(e.leaves[0].holds && e.leaves[0].value_count == 300001 && e.leaves[0].found_count == 1);
    assert_true(str_eq(e.leaves[0].found[0].value, STR("5")) && !e.leaves[1].holds);
    assert_string_equal(e.leaves[1].near[0].kind, "object");
    assert_true(a.total < 1 << 20);
    buf_fini(&event);
    arena_fini(&a);
    explainer_destroy(x);
    arena_fini(&keep);
}

static void test_no_event(void **state)
{
    struct arena keep = ARENA_INIT, a = ARENA_INIT;
    struct explanation e;
    struct weir_diag diag;
    struct explainer *x = open_explainer(&keep, STR("{\"a\":[1]}"));

    assert_false(explainer_run(x, &a, STR("[1]"), &e, &diag));
    assert_false(explainer_run(x, &a, STR("{\"a\":"), &e, &diag));
    explainer_destroy(x);
    arena_fini(&a);
    arena_fini(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hints), cmocka_unit_test(test_json),     cmocka_unit_test(test_agrees_with_the_matcher),
        cmocka_unit_test(test_large), cmocka_unit_test(test_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
