/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only reader of the clocks. The boot clock counts suspended time too, so that a laptop that slept retries on
 * time; the wall clock may jump and therefore decides nothing while the process runs.
 */
#include "router/clock.h"

#include <time.h>

#define WEEK_MS (7 * 24 * 3600 * INT64_C(1000))

static int64_t read_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

static int64_t wall_ms(const struct clock *c)
{
    return c->by_hand ? *c->by_hand : clock_wall_ms();
}

bool clock_start(struct clock *c, struct weir_time stored)
{
    int64_t passed = stored.wall_ms ? wall_ms(c) - stored.wall_ms : 0;
    bool believed = passed >= 0 && passed <= WEEK_MS;

    c->boot_base_ms = read_ms(CLOCK_BOOTTIME);
    c->age_base_ms = stored.age_ms + (believed ? passed : 0);
    return believed;
}

struct weir_time clock_now(const struct clock *c)
{
    return (struct weir_time){
        .wall_ms = wall_ms(c),
        .age_ms = c->age_base_ms + (read_ms(CLOCK_BOOTTIME) - c->boot_base_ms),
    };
}
