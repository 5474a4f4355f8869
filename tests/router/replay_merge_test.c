/* SPDX-License-Identifier: Apache-2.0 */
/* The merge of frames: the exact order within the bound of memory, going on from a key, what is left, lines that are no
 * events; and the head of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/replay_merge.h"
#include "targets/archive.h"

#define FRAMES    40
#define EVENTS    50 /* a frame */
#define PER_FILE  10 /* frames */
#define START     INT64_C(1767225600000)
#define EVENT_MAX 200

static struct replay_frame frames[FRAMES];
static struct buf texts[FRAMES];
static struct expected {
    struct replay_key key;
    int number;
} expected[FRAMES * EVENTS];
static uint64_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static int compare(const void *a, const void *b)
{
    return replay_key_cmp(&((const struct expected *)a)->key, &((const struct expected *)b)->key);
}

static void add_event(struct replay_frame *f, struct buf *text, int number, int64_t ms, bool by_arrival)
{
    char time[21];

    time_format_rfc3339(ms, time);
    expected[number] = (struct expected){{by_arrival ? 0 : ms, f->offset + text->size, f->file}, number};
    buf_printf(text,
               "{\"version\":\"0\",\"id\":\"e%d\",\"time\":\"%s\",\"resources\":[],\"detail\":{\"pad\":\"%.*s\"}}\n",
               number, time, (int)chance(100),
               "....................................................................................................");
    f->time_min_ms = ms < f->time_min_ms ? ms : f->time_min_ms;
    f->time_max_ms = ms > f->time_max_ms ? ms : f->time_max_ms;
}

/* Frame f begins at second f * step, its events lie within `spread` seconds. */
static void make(uint64_t number, uint32_t step, uint32_t spread, bool by_arrival)
{
    seed = number + 1;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct replay_frame *f = &frames[i];
        buf_clear(&texts[i]);
        *f = (struct replay_frame){
            .file = i / PER_FILE, .number = i, .events = EVENTS, .time_min_ms = INT64_MAX, .time_max_ms = INT64_MIN};
        if (i % PER_FILE)
            f->offset = frames[i - 1].offset + texts[i - 1].size;
        for (int k = 0; k < EVENTS; k++)
            add_event(f, &texts[i], (int)i * EVENTS + k, START + (i * step + chance(spread)) * INT64_C(1000),
                      by_arrival);
    }
    qsort(expected, FRAMES * EVENTS, sizeof *expected, compare);
}

static bool load(void *context, const struct replay_frame *f, struct buf *text)
{
    buf_str(text, buf_view(&texts[f->number]));
    return context == NULL;
}

static int number_of(struct str line)
{
    return atoi(json_member(line, "id").ptr + 2);
}

/* From expected[first] on; gives the frames loaded. */
static uint64_t check(size_t first, size_t bytes_max, bool by_arrival)
{
    struct merge_options o = {.by_arrival = by_arrival,
                              .from_ms = INT64_MIN,
                              .to_ms = INT64_MAX,
                              .after = first ? &expected[first - 1].key : NULL,
                              .bytes_max = bytes_max,
                              .load = load};
    struct merge *m = merge_create(&o, frames, FRAMES);
    struct merge_event e;
    bool exact;

    for (size_t i = first; i < FRAMES * EVENTS; i++) {
        assert_int_equal(merge_next(m, &e), 1);
        assert_int_equal(number_of(e.line), expected[i].number);
        assert_int_equal(replay_key_cmp(&e.key, &expected[i].key), 0);
        assert_true(merge_left(m, &exact) >= FRAMES * EVENTS - i);
        assert_true(!exact || merge_left(m, NULL) == FRAMES * EVENTS - i);
        assert_true(merge_held(m) <= bytes_max || merge_held(m) < 4 * EVENT_MAX * EVENTS);
    }
    assert_int_equal(merge_next(m, &e), 0);
    assert_int_equal(merge_left(m, &exact), 0);
    assert_true(exact);
    uint64_t loads = merge_loads(m);
    merge_destroy(m);
    return loads;
}

static void in_order_and_each_frame_once(void **state)
{
    for (uint64_t i = 0; i < 20; i++) {
        make(i, 10, 10, false);
        assert_int_equal(check(0, 1 << 20, false), FRAMES);
        make(i, 10, 25, false); /* neighbours overlap */
        assert_int_equal(check(0, 1 << 20, false), FRAMES);
        make(i, 0, 1, false); /* all in one second: by arrival, one frame at a time */
        assert_int_equal(check(0, 40000, false), FRAMES);
    }
}

static void in_order_where_memory_is_short(void **state)
{
    for (uint64_t i = 0; i < 20; i++) {
        make(i, 0, 1 + chance(1000), false); /* all overlap */
        assert_true(check(0, 30000 + chance(100000), false) >= FRAMES);
        make(i, 0, 1000000, false);
        assert_true(check(0, 30000, false) > FRAMES);
        make(i, chance(5), 1 + chance(100), false);
        check(0, 1, false);
    }
}

static void goes_on_behind_any_key(void **state)
{
    for (uint64_t i = 0; i < 40; i++) {
        make(i, chance(3) * 5, 1 + chance(200), false);
        check(chance(FRAMES * EVENTS), 20000 + chance(200000), false);
        check(FRAMES * EVENTS, 20000, false);
    }
}

static void by_arrival_in_the_order_of_the_files(void **state)
{
    make(3, 1, 100, true);
    assert_int_equal(check(0, 20000, true), FRAMES);
    assert_int_equal(check(777, 20000, true), FRAMES);
    for (int i = 0; i < FRAMES * EVENTS; i++)
        assert_int_equal(expected[i].number, i);
}

static void only_the_window(void **state)
{
    bool exact;
    struct merge_event e;

    make(5, 10, 20, false);
    struct merge_options o = {.from_ms = START + 55000, .to_ms = START + 155000, .bytes_max = 1 << 20, .load = load};
    struct merge *m = merge_create(&o, frames, FRAMES);
    size_t wanted = 0, got = 0;
    for (int i = 0; i < FRAMES * EVENTS; i++)
        wanted += expected[i].key.time_ms >= o.from_ms && expected[i].key.time_ms < o.to_ms;
    assert_true(merge_left(m, &exact) > wanted && !exact);
    for (; merge_next(m, &e) > 0; got++)
        assert_true(e.time_ms >= o.from_ms && e.time_ms < o.to_ms);
    assert_int_equal(got, wanted);
    assert_true(merge_loads(m) < 15);
    merge_destroy(m);
}

static void lines_that_are_no_events(void **state)
{
    struct replay_frame one = {.events = 4, .time_max_ms = INT64_MAX};
    struct merge_options o = {.to_ms = INT64_MAX, .bytes_max = 1 << 20, .load = load};
    struct merge_event e;

    buf_clear(&texts[0]);
    buf_text(&texts[0], "{\"time\":\"2026-01-01T00:00:00Z\"}\nnot JSON\n\n{\"time\":\"soon\"}");
    struct merge *m = merge_create(&o, &one, 1);
    assert_int_equal(merge_next(m, &e), 1);
    assert_int_equal(merge_next(m, &e), 0);
    assert_int_equal(merge_unreadable(m), 3);
    merge_destroy(m);
}

static void a_frame_that_cannot_be_loaded_ends_it(void **state)
{
    struct merge_options o = {.to_ms = INT64_MAX, .bytes_max = 1 << 20, .load = load, .context = &o};
    struct merge_event e;

    make(1, 1, 1, false);
    struct merge *m = merge_create(&o, frames, FRAMES);
    assert_int_equal(merge_next(m, &e), -1);
    merge_destroy(m);
}

static void head(const char *text, int64_t seconds, const char *wanted)
{
    struct line_clock clock = {0};
    struct archive_line line;
    struct buf out = BUF_INIT;

    for (int i = 0; i < 2; i++) { /* the second time the clock knows it */
        assert_true(line_read(str_from(text), &clock, &line));
        assert_int_equal(line.time_ms, START + seconds * 1000);
    }
    line_name(&out, str_from(text), line.name_at, STR("x\"y"));
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

#define TIME "\"time\":\"2026-01-01T00:00:01Z\""

static void the_name_stands_before_the_resources(void **state)
{
    head("{\"id\":\"resources\"," TIME ",\"resources\":[],\"detail\":{\"resources\":1}}", 1,
         "{\"id\":\"resources\"," TIME ",\"replay-name\":\"x\\\"y\",\"resources\":[],\"detail\":{\"resources\":1}}");
    head("{\"resources\":[]," TIME "}", 1, "{\"replay-name\":\"x\\\"y\",\"resources\":[]," TIME "}");
    head("{\"id\":\"a\\\"b\",\"n\":1," TIME ",\"resources\":[]}", 1,
         "{\"id\":\"a\\\"b\",\"n\":1," TIME ",\"replay-name\":\"x\\\"y\",\"resources\":[]}");
    head("{\"id\":1," TIME ",\"detail\":{\"resources\":1}}", 1,
         "{\"id\":1," TIME ",\"replay-name\":\"x\\\"y\",\"detail\":{\"resources\":1}}");
    head("{" TIME "}", 1, "{\"replay-name\":\"x\\\"y\"," TIME "}");
    head("{ \"time\" : \"2026-01-01T00:00:02Z\" }", 2,
         "{\"replay-name\":\"x\\\"y\", \"time\" : \"2026-01-01T00:00:02Z\" }");
    head("{\"ti\\u006de\":\"2026-01-01T01:00:00+01:00\"}", 0,
         "{\"replay-name\":\"x\\\"y\",\"ti\\u006de\":\"2026-01-01T01:00:00+01:00\"}");
}

static void what_has_no_time_is_no_event(void **state)
{
    static const char *const texts_[] = {"",
                                         "{}",
                                         "[]",
                                         "{\"time\":1}",
                                         "{\"time\":\"\"}",
                                         "{\"time\":\"now\",\"resources\":[]}",
                                         "{\"resources\":[],\"detail\":{" TIME "}}",
                                         "{" TIME,
                                         "{\"a\":\"b\""};
    struct line_clock clock = {0};
    struct archive_line line;

    for (size_t i = 0; i < sizeof texts_ / sizeof texts_[0]; i++)
        assert_false(line_read(str_from(texts_[i]), &clock, &line));
}

static int forget(void **state)
{
    for (int i = 0; i < FRAMES; i++)
        buf_fini(&texts[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_each_frame_once),
        cmocka_unit_test(in_order_where_memory_is_short),
        cmocka_unit_test(goes_on_behind_any_key),
        cmocka_unit_test(by_arrival_in_the_order_of_the_files),
        cmocka_unit_test(only_the_window),
        cmocka_unit_test(lines_that_are_no_events),
        cmocka_unit_test(a_frame_that_cannot_be_loaded_ends_it),
        cmocka_unit_test(the_name_stands_before_the_resources),
        cmocka_unit_test(what_has_no_time_is_no_event),
    };
    return cmocka_run_group_tests_name("replay_merge", tests, NULL, forget);
}
