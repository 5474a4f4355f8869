/* SPDX-License-Identifier: Apache-2.0 */
/* When there is room for events: the bound of the data folder, its disk, the reserve for settling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/space.h"

#define MIB (1ll << 20)
#define GIB (1ll << 30)

static void the_reserve_is_an_eighth_up_to_its_bound(void **state)
{
    assert_int_equal(space_reserve(128 * MIB), 16 * MIB);
    assert_int_equal(space_reserve(512 * MIB), 64 * MIB);
    assert_int_equal(space_reserve(100 * GIB), 64 * MIB);
    assert_int_equal(space_reserve(0), 0);
}

static int64_t room(struct space_facts f, bool by_folder)
{
    bool limited = !by_folder;
    int64_t bytes = space_room(&f, &limited);

    assert_int_equal(limited, by_folder);
    return bytes;
}

static void room_is_what_the_narrower_bound_leaves(void **state)
{
    struct space_facts f = {.used = 100 * MIB, .limit = 1 * GIB, .disk_free = 10 * GIB, .disk_size = 20 * GIB};

    assert_int_equal(room(f, true), 1 * GIB - 64 * MIB - 100 * MIB);
    f.limit = 0;
    assert_int_equal(room(f, false), 10 * GIB - 64 * MIB);
    f.limit = 100 * GIB;
    assert_int_equal(room(f, false), 10 * GIB - 64 * MIB);
    f.disk_free = 50 * MIB;
    assert_int_equal(room(f, false), -14 * MIB);
    f.limit = 128 * MIB;
    f.used = 128 * MIB;
    assert_int_equal(room(f, true), -16 * MIB);
}

static void what_is_not_dispatched_yet_needs_room(void **state)
{
    struct space_facts f = {.limit = 1 * GIB, .disk_free = 10 * GIB, .disk_size = 20 * GIB, .undispatched = 100 * MIB};

    assert_int_equal(room(f, true), 1 * GIB - 64 * MIB - 100 * MIB);
    f.limit = 0;
    assert_int_equal(room(f, false), 10 * GIB - 64 * MIB - 200 * MIB);
    f.wal = 16 * MIB; /* it will be copied */
    assert_int_equal(room(f, false), 10 * GIB - 64 * MIB - 200 * MIB - 16 * MIB);
}

static void segments_are_small_where_room_is(void **state)
{
    assert_int_equal(space_segment_bytes("/nowhere", 0), 64 * MIB);
    assert_int_equal(space_segment_bytes("/nowhere", 128 * MIB), 8 * MIB);
    assert_int_equal(space_segment_bytes("/nowhere", 4 * MIB), 1 * MIB);
}

static void without_a_bound_there_is_room(void **state)
{
    struct space_refusal no;
    assert_true(space_take(NULL, 1000, 1 << 30, &no));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reserve_is_an_eighth_up_to_its_bound),
        cmocka_unit_test(room_is_what_the_narrower_bound_leaves),
        cmocka_unit_test(what_is_not_dispatched_yet_needs_room),
        cmocka_unit_test(segments_are_small_where_room_is),
        cmocka_unit_test(without_a_bound_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
