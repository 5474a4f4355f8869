/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many patterns at once: ids come ascending and once, whatever order they were added in; equal patterns share; limits
 * and bad events are told; large sets stay small and quick to make; joins are linear.
 */
#include "matcher/buf.h"
#include "matcher/limits.h"
#include "matcher/weir.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

struct set {
    struct weir_builder *b;
    struct weir_matcher *m;
    struct weir_scratch *s;
    const uint32_t *ids;
    struct weir_diag diag;
};

static void set_open(struct set *set)
{
    *set = (struct set){.b = weir_builder_create()};
    assert_non_null(set->b);
}

static void add(struct set *set, uint32_t id, const char *pattern)
{
    if (!weir_builder_add(set->b, id, pattern, strlen(pattern), &set->diag))
        fail_msg("%s: %s", pattern, set->diag.message);
}

static void build(struct set *set)
{
    weir_scratch_destroy(set->s);
    weir_matcher_unref(set->m);
    set->m = weir_builder_build(set->b, &set->diag);
    assert_non_null(set->m);
    set->s = weir_scratch_create(set->m);
    assert_non_null(set->s);
}

static void set_close(struct set *set)
{
    weir_scratch_destroy(set->s);
    weir_matcher_unref(set->m);
    weir_builder_destroy(set->b);
}

static long match_text(struct set *set, struct str event)
{
    return weir_match(set->m, set->s, event.ptr, event.size, WEIR_CHECKED, &set->ids, &set->diag);
}

static long match(struct set *set, const char *event)
{
    return match_text(set, str_from(event));
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void an_empty_set_matches_nothing(void **state)
{
    struct set set;
    set_open(&set);
    build(&set);
    assert_int_equal(match(&set, "{\"a\": 1}"), 0);
    assert_int_equal(match(&set, "{\"a\": }"), -1);
    assert_int_equal(set.diag.code, WEIR_E_JSON);
    assert_int_equal(set.diag.offset, 6);
    assert_int_equal(set.diag.column, 7);
    set_close(&set);
}

static void ids_come_ascending_and_once(void **state)
{
    struct set set;
    set_open(&set);
    add(&set, UINT32_MAX, "{\"a\": [1]}");
    add(&set, 7, "{\"a\": [1]}");
    add(&set, 0, "{\"a\": [{\"exists\": true}]}");
    add(&set, 7, "{\"a\": [2]}");
    add(&set, 5, "{\"$or\": [{\"a\": [1]}, {\"b\": [1]}]}");
    add(&set, 7, "{\"a\": [1]}");
    add(&set, 6, "{\"b\": [{\"exists\": false}]}");
    build(&set);
    assert_int_equal(match(&set, "{\"a\": 1, \"b\": 1}"), 4);
    const uint32_t wanted[] = {0, 5, 7, UINT32_MAX};
    assert_memory_equal(set.ids, wanted, sizeof(wanted));
    assert_int_equal(match(&set, "{\"a\": [2, 1, 2]}"), 5);
    assert_int_equal(match(&set, "{}"), 1);
    assert_int_equal(set.ids[0], 6);
    set_close(&set);
}

static void a_builder_goes_on_after_build_and_error(void **state)
{
    struct set set;
    set_open(&set);
    add(&set, 1, "{\"a\": [1]}");
    build(&set);
    assert_int_equal(match(&set, "{\"a\": 1, \"b\": 2}"), 1);
    const char bad[] = "{\"a\": [1], \"b\": [{\"foo\": 1}]}";
    assert_false(weir_builder_add(set.b, 2, bad, strlen(bad), &set.diag));
    assert_int_equal(set.diag.code, WEIR_E_PATTERN);
    add(&set, 3, "{\"b\": [2]}");
    build(&set);
    assert_int_equal(match(&set, "{\"a\": 1, \"b\": 2}"), 2);
    assert_int_equal(set.ids[1], 3);
    set_close(&set);
}

/* The same patterns in another order: the same answers. */
static void order_does_not_matter(void **state)
{
    static const char *const patterns[] = {
        "{\"a\": [\"x\", {\"prefix\": \"y\"}], \"b\": [1]}",
        "{\"a\": [{\"anything-but\": \"x\"}]}",
        "{\"a\": [{\"wildcard\": \"*x*y\"}]}",
        "{\"b\": [{\"numeric\": [\">\", 0]}]}",
        "{\"c\": {\"d\": [1], \"e\": [2]}}",
        "{\"c\": {\"d\": [{\"exists\": false}], \"e\": [2]}}",
        "{\"a\": [{\"suffix\": \"y\"}], \"b\": [1, 2]}",
        "{\"c.e\": [2, {\"exists\": false}]}",
    };
    static const char *const events[] = {
        "{\"a\": \"xy\", \"b\": 1}",
        "{\"a\": [\"x\", \"y\"], \"b\": [0, 1], \"c\": [{\"d\": 1}, {\"e\": 2}]}",
        "{\"c\": {\"d\": 1, \"e\": 2}}",
        "{\"b\": 2, \"c\": [{\"d\": 1, \"e\": 2}]}",
    };
    const uint32_t count = sizeof(patterns) / sizeof(patterns[0]);
    struct set forward, backward;
    set_open(&forward);
    set_open(&backward);
    for (uint32_t i = 0; i < count; i++) {
        add(&forward, i, patterns[i]);
        add(&backward, count - 1 - i, patterns[count - 1 - i]);
    }
    build(&forward);
    build(&backward);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        long n = match(&forward, events[i]);
        assert_true(n > 0);
        assert_int_equal(match(&backward, events[i]), n);
        assert_memory_equal(forward.ids, backward.ids, (size_t)n * sizeof(uint32_t));
    }
    set_close(&forward);
    set_close(&backward);
}

/* 20,000 values of one field, two fields a rule, every id found; and none of it large or slow. */
static void many_rules_are_small(void **state)
{
    enum { RULES = 20000 };
    struct set set;
    struct buf line = BUF_INIT;
    double start = seconds();
    set_open(&set);
    for (unsigned i = 0; i < RULES; i++) {
        buf_clear(&line);
        buf_printf(&line, "{\"detail\": {\"id\": [\"value-%u\"], \"odd\": [%u]}}", i, i & 1);
        add(&set, i, buf_cstr(&line));
    }
    build(&set);
    assert_true(seconds() - start < 10); /* sanitizers included */
    assert_true(weir_matcher_bytes(set.m) / RULES < 300);
    for (unsigned i = 0; i < RULES; i++) {
        buf_clear(&line);
        buf_printf(&line, "{\"detail\": {\"odd\": %u, \"id\": \"value-%u\"}}", i & 1, i);
        assert_int_equal(match_text(&set, buf_view(&line)), 1);
        assert_int_equal(set.ids[0], i);
    }
    buf_fini(&line);
    set_close(&set);
}

static void many_rules_can_all_match(void **state)
{
    struct set set;
    struct buf line = BUF_INIT;
    set_open(&set);
    for (unsigned i = 0; i < 5000; i++) {
        buf_clear(&line);
        buf_printf(&line, "{\"a\": [{\"anything-but\": [\"%u\"]}]}", i);
        add(&set, 5000 - i, buf_cstr(&line));
    }
    build(&set);
    assert_int_equal(match(&set, "{\"a\": [\"7\", \"7\"]}"), 4999);
    for (unsigned i = 0; i < 4999; i++)
        assert_int_equal(set.ids[i], i + 1 + (i + 1 >= 4993));
    assert_int_equal(match(&set, "{\"a\": [\"7\", \"8\"]}"), 5000);
    buf_fini(&line);
    set_close(&set);
}

/* Two arrays of 10,000 side by side, whose elements agree only at the last: a product would take 10^8 steps. */
static void joins_are_linear(void **state)
{
    enum { ELEMENTS = 10000 };
    struct set set;
    struct buf event = BUF_INIT;
    set_open(&set);
    add(&set, 1, "{\"p\": {\"a\": {\"x\": [1], \"y\": [1]}, \"b\": {\"x\": [1], \"y\": [1]}, \"z\": [1]}}");
    build(&set);
    for (int last = 0; last < 2; last++) {
        buf_clear(&event);
        buf_text(&event, "{\"p\": [{\"z\": 1");
        for (const char *name = "ab"; *name; name++) {
            buf_printf(&event, ", \"%c\": [", *name);
            for (unsigned i = 0; i < ELEMENTS; i++)
                buf_text(&event, i & 1 ? "{\"x\": 1, \"y\": 2}," : "{\"x\": 2, \"y\": 1},");
            buf_text(&event, last ? "{\"x\": 1, \"y\": 1}]" : "{\"x\": 1, \"y\": 0}]");
        }
        buf_text(&event, "}]}");
        double start = seconds();
        assert_int_equal(match_text(&set, buf_view(&event)), last);
        assert_true(seconds() - start < 2);
    }
    buf_fini(&event);
    set_close(&set);
}

/*
 * Repeated keys: `arrays` arrays on one path, in each of which every key has an element of its own, so that each array
 * can serve one key. With an array less than keys no assignment exists, and finding that out is a matter of factorials.
 */
static long match_pigeons(struct set *set, unsigned keys, unsigned arrays)
{
    struct buf event = BUF_INIT;
    buf_char(&event, '{');
    for (unsigned a = 0; a < arrays; a++) {
        buf_text(&event, a ? ", \"a\": [" : "\"a\": [");
        for (unsigned k = 0; k < keys; k++)
            buf_printf(&event, "{\"k%02u\": 1}%s", k, k + 1 < keys ? "," : "]");
    }
    buf_char(&event, '}');
    long count = match_text(set, buf_view(&event));
    buf_fini(&event);
    return count;
}

static void hostile_joins_hit_a_named_limit(void **state)
{
    struct set set;
    set_open(&set);
    add(&set, 1,
        "{\"a\": {\"k00\": [1], \"k01\": [1], \"k02\": [1], \"k03\": [1], \"k04\": [1], \"k05\": [1],"
        " \"k06\": [1], \"k07\": [1], \"k08\": [1], \"k09\": [1], \"k10\": [1], \"k11\": [1]}}");
    add(&set, 2, "{\"a\": {\"k00\": [1], \"k01\": [1], \"k02\": [1]}}");
    build(&set);
    assert_int_equal(match_pigeons(&set, 12, 2), 0);
    assert_int_equal(match_pigeons(&set, 12, 3), 1);
    assert_int_equal(match_pigeons(&set, 12, 12), 2);
    assert_int_equal(match_pigeons(&set, 12, 11), -1);
    assert_int_equal(set.diag.code, WEIR_E_LIMIT);
    assert_non_null(strstr(set.diag.message, "LIMIT_JOIN_STEPS"));
    assert_int_equal(match_pigeons(&set, 12, 12), 2); /* and nothing of it is left behind */
    set_close(&set);
}

static void limits_are_named(void **state)
{
    struct set set;
    struct buf event = BUF_INIT;
    set_open(&set);
    add(&set, 1, "{\"a\": [1]}");
    build(&set);
    for (int depth = LIMIT_JSON_DEPTH; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
        for (const char *key = "ab"; *key; key++) {
            buf_clear(&event);
            buf_printf(&event, "{\"%c\": ", *key);
            for (int i = 1; i < depth; i++)
                buf_char(&event, '[');
            buf_char(&event, '1');
            for (int i = 1; i < depth; i++)
                buf_char(&event, ']');
            buf_char(&event, '}');
            bool deep = depth > LIMIT_JSON_DEPTH;
            assert_int_equal(match_text(&set, buf_view(&event)), deep ? -1 : *key == 'a');
            assert_int_equal(weir_event_check(event.data, event.size, NULL), !deep);
            if (deep) {
                assert_int_equal(set.diag.code, WEIR_E_LIMIT);
                assert_non_null(strstr(set.diag.message, "LIMIT_JSON_DEPTH"));
            }
        }
    }
    buf_fini(&event);
    char *large = malloc(LIMIT_EVENT_BYTES + 1);
    memset(large, ' ', LIMIT_EVENT_BYTES + 1);
    large[0] = '{';
    large[LIMIT_EVENT_BYTES - 1] = '}';
    assert_int_equal(match_text(&set, (struct str){large, LIMIT_EVENT_BYTES}), 0);
    assert_int_equal(match_text(&set, (struct str){large, LIMIT_EVENT_BYTES + 1}), -1);
    assert_int_equal(set.diag.code, WEIR_E_LIMIT);
    assert_non_null(strstr(set.diag.message, "LIMIT_EVENT_BYTES"));
    free(large);
    set_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_set_matches_nothing),
        cmocka_unit_test(ids_come_ascending_and_once),
        cmocka_unit_test(a_builder_goes_on_after_build_and_error),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(many_rules_are_small),
        cmocka_unit_test(many_rules_can_all_match),
        cmocka_unit_test(joins_are_linear),
        cmocka_unit_test(hostile_joins_hit_a_named_limit),
        cmocka_unit_test(limits_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
