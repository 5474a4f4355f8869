/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numeric ranges of one field. The sorted end points p0 < p1 < … cut the numbers into slots:
 *
 *     slot   0      1     2      3     4   …
 *          (…,p0)  [p0] (p0,p1) [p1] (p1,…)
 *
 * A range covers a run of slots, and a segment tree over the slots keeps it at O(log n) nodes; a value finds its slot
 * by binary search and meets every range that covers it on the way to the root, and no other.
 */
#include "matcher/matcher_int.h"

#include <stdlib.h>

static int compare_points(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* How many points are below value. */
static uint32_t points_below(const struct range_set *set, double value)
{
    uint32_t low = 0, high = set->point_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->points[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t slot_of(const struct range_set *set, double value)
{
    uint32_t below = points_below(set, value);
    return 2 * below + (below < set->point_count && set->points[below] == value);
}

/* Calls for every tree node that the range's slots are made of: counts it, or writes the list there. */
static void place(struct range_set *set, const struct range_input *range, uint32_t *filled, bool write)
{
    uint32_t low = slot_of(set, range->low) + range->low_open + set->leaves;
    uint32_t high = slot_of(set, range->high) - range->high_open + set->leaves + 1;
    for (; low < high; low >>= 1, high >>= 1) {
        for (int side = 0; side < 2; side++) {
            if (!((side ? high : low) & 1))
                continue;
            uint32_t node = side ? --high : low++;
            if (write)
                set->lists[set->starts[node] + filled[node]] = range->list;
            filled[node]++;
        }
    }
}

static bool collect_points(struct range_set *set, struct arena *keep, const struct range_input *ranges, uint32_t count)
{
    set->points = arena_array(keep, (size_t)count * 2, sizeof(*set->points));
    if (!set->points)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        set->points[2 * i] = ranges[i].low;
        set->points[2 * i + 1] = ranges[i].high;
    }
    qsort(set->points, (size_t)count * 2, sizeof(*set->points), compare_points);
    for (uint32_t i = 0; i < count * 2; i++)
        if (!i || set->points[i] != set->points[set->point_count - 1])
            set->points[set->point_count++] = set->points[i];
    return true;
}

bool range_set_init(struct range_set *set, struct arena *keep, struct arena *temp, const struct range_input *ranges,
                    uint32_t count)
{
    *set = (struct range_set){.leaves = 1};
    if (!collect_points(set, keep, ranges, count))
        return false;
    while (set->leaves < 2 * set->point_count + 1)
        set->leaves *= 2;
    uint32_t nodes = 2 * set->leaves, total = 0;
    uint32_t *filled = arena_array(temp, nodes, sizeof(*filled));
    set->starts = arena_array(keep, (size_t)nodes + 1, sizeof(*set->starts));
    if (!filled || !set->starts)
        return false;
    for (uint32_t i = 0; i < count; i++)
        place(set, &ranges[i], filled, false);
    for (uint32_t i = 0; i < nodes; i++) {
        set->starts[i] = total;
        total += filled[i];
        filled[i] = 0;
    }
    set->starts[nodes] = total;
    set->lists = arena_array(keep, total, sizeof(*set->lists));
    if (!set->lists)
        return false;
    for (uint32_t i = 0; i < count; i++)
        place(set, &ranges[i], filled, true);
    return true;
}

void range_set_match(struct weir_scratch *s, const struct range_set *set, double value)
{
    for (uint32_t node = slot_of(set, value) + set->leaves; node; node >>= 1)
        for (uint32_t i = set->starts[node]; i < set->starts[node + 1]; i++)
            evaluate_list(s, set->lists[i]);
}
