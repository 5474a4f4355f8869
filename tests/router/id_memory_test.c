/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of ids, held against a list that is searched from its start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "router/id_memory.h"

static struct id_digest digest_of(uint32_t n)
{
    struct id_digest d = {{0}};
    memcpy(d.bytes, &n, sizeof n);
    return d;
}

static bool note(struct id_memory *m, uint32_t n, int64_t age, int64_t until)
{
    struct id_digest d = digest_of(n);
    return id_memory_note(m, &d, age, until);
}

/* ---- the slow obvious one ---- */

#define MODEL_MAX 20000

struct model {
    uint32_t ids[MODEL_MAX];
    int64_t ages[MODEL_MAX];
    size_t first, end, max;
};

static bool model_note(struct model *m, uint32_t n, int64_t age, int64_t until)
{
    while (m->first < m->end && m->ages[m->first] <= until)
        m->first++;
    for (size_t i = m->first; i < m->end; i++)
        if (m->ids[i] == n)
            return true;
    if (m->end - m->first == m->max)
        m->first++;
    assert_true(m->end < MODEL_MAX);
    m->ids[m->end] = n;
    m->ages[m->end++] = age;
    return false;
}

/* Ids from a small range, so that they come again; a bound that is hit only in some rounds. */
static void it_agrees_with_a_list(void **state)
{
    static const size_t bounds[] = {1, 2, 63, 64, 65, 200, 1000};
    static struct model model;
    uint64_t random = 88172645463325252u;

    for (size_t round = 0; round < sizeof bounds / sizeof bounds[0]; round++) {
        struct id_memory m = {.seed = round * 77};
        int64_t age = 0;
        model = (struct model){.max = bounds[round]};
        id_memory_limit(&m, bounds[round]);
        for (int i = 0; i < 20000; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            age += random % 3;
            uint32_t n = (uint32_t)(random >> 20) % 600;
            if (note(&m, n, age, age - 300) != model_note(&model, n, age, age - 300))
                fail_msg("bound %zu, step %d: they do not agree on %u", bounds[round], i, n);
            if (m.count > m.max || m.capacity > m.max)
                fail_msg("it holds %zu of %zu", m.count, m.max);
        }
        id_memory_fini(&m);
    }
}

static void the_window_is_not_prolonged(void **state)
{
    struct id_memory m = {0};

    id_memory_limit(&m, 10);
    assert_false(note(&m, 1, 100, 0));
    assert_true(note(&m, 1, 150, 50));
    assert_true(note(&m, 1, 199, 99));
    assert_false(note(&m, 1, 200, 100));
    assert_true(note(&m, 1, 201, 101));
    id_memory_fini(&m);
}

static void a_full_one_forgets_the_oldest_and_counts_it(void **state)
{
    struct id_memory m = {0};

    id_memory_limit(&m, 100);
    for (uint32_t i = 0; i < 150; i++)
        assert_false(note(&m, i, i, -1));
    assert_int_equal(m.forgotten, 50);
    assert_int_equal(id_memory_oldest(&m), 50);
    assert_true(note(&m, 50, 150, -1));
    assert_false(note(&m, 49, 150, -1));
    id_memory_limit(&m, 10);
    assert_int_equal(m.count, 10);
    assert_true(note(&m, 149, 151, -1));
    assert_true(note(&m, 49, 151, -1));
    assert_false(note(&m, 50, 151, -1));
    id_memory_fini(&m);
}

static void an_empty_one_holds_no_memory(void **state)
{
    struct id_memory m = {0};

    id_memory_limit(&m, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        note(&m, i, i, -1);
    size_t bytes = m.capacity * sizeof *m.ring + m.slot_count * sizeof *m.slots;
    assert_true(bytes <= 1000 * ID_MEMORY_BYTES);
    id_memory_expire(&m, 500);
    assert_int_equal(m.count, 499);
    id_memory_expire(&m, 999);
    assert_null(m.ring);
    assert_int_equal(id_memory_oldest(&m), INT64_MAX);
    assert_false(note(&m, 7, 1000, 999));
    assert_true(note(&m, 7, 1000, 999));
    id_memory_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_list),
        cmocka_unit_test(the_window_is_not_prolonged),
        cmocka_unit_test(a_full_one_forgets_the_oldest_and_counts_it),
        cmocka_unit_test(an_empty_one_holds_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
