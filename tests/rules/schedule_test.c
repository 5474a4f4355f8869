/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: a table of expressions and the times they fire next, errors, and random cron expressions against an oracle
 * that asks minute by minute and reads the expression's text itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules/schedule.h"

static struct arena arena;

static int64_t at(const char *text)
{
    struct tm tm = {0};
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min), 5);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * 1000;
}

static const struct schedule *parse(const char *text)
{
    struct weir_diag diag = {0};
    const struct schedule *s = schedule_parse(&arena, str_from(text), &diag);
    if (!s)
        fail_msg("%s: %s", text, diag.message);
    return s;
}

static void test_times(void **state)
{
    static const struct {
        const char *text, *after, *next[3];
    } cases[] = {
        {"cron(0 10 * * ? *)", "2026-11-21 09:59", {"2026-11-21 10:00", "2026-11-22 10:00", "2026-11-23 10:00"}},
        {"cron(15 12 * * ? *)", "2026-11-21 12:15", {"2026-11-22 12:15", "2026-11-23 12:15", "2026-11-24 12:15"}},
        {"cron(0 18 ? * MON-FRI *)", "2026-11-20 18:00", {"2026-11-23 18:00", "2026-11-24 18:00", "2026-11-25 18:00"}},
        {"cron(0 8 1 * ? *)", "2026-11-21 00:00", {"2026-12-01 08:00", "2027-01-01 08:00", "2027-02-01 08:00"}},
        {"cron(0/15 * * * ? *)", "2026-11-21 23:31", {"2026-11-21 23:45", "2026-11-22 00:00", "2026-11-22 00:15"}},
        {"cron(0/10 * ? * MON-FRI *)",
         "2026-11-20 23:50",
         {"2026-11-23 00:00", "2026-11-23 00:10", "2026-11-23 00:20"}},
        {"cron(0/5 8-17 ? * MON-FRI *)",
         "2026-11-20 17:54",
         {"2026-11-20 17:55", "2026-11-23 08:00", "2026-11-23 08:05"}},
        {"cron(0/30 20-23,0-2 ? * MON-FRI *)",
         "2026-11-20 23:30",
         {"2026-11-23 00:00", "2026-11-23 00:30", "2026-11-23 01:00"}},
        {"cron(0 0 L * ? *)", "2028-02-01 00:00", {"2028-02-29 00:00", "2028-03-31 00:00", "2028-04-30 00:00"}},
        {"cron(0 0 L-3 * ? *)", "2027-02-01 00:00", {"2027-02-25 00:00", "2027-03-28 00:00", "2027-04-27 00:00"}},
        {"cron(0 0 LW * ? *)", "2026-10-01 00:00", {"2026-10-30 00:00", "2026-11-30 00:00", "2026-12-31 00:00"}},
        {"cron(0 0 1W * ? *)", "2026-10-02 00:00", {"2026-11-02 00:00", "2026-12-01 00:00", "2027-01-01 00:00"}},
        {"cron(0 0 31W * ? *)", "2026-10-01 00:00", {"2026-10-30 00:00", "2026-12-31 00:00", "2027-01-29 00:00"}},
        {"cron(0 0 15W 8 ? *)", "2026-01-01 00:00", {"2026-08-14 00:00", "2027-08-16 00:00", "2028-08-15 00:00"}},
        {"cron(0 0 ? * 6L *)", "2026-11-01 00:00", {"2026-11-27 00:00", "2026-12-25 00:00", "2027-01-29 00:00"}},
        {"cron(0 0 ? * L *)", "2026-11-21 00:00", {"2026-11-28 00:00", "2026-12-05 00:00", "2026-12-12 00:00"}},
        {"cron(0 0 ? * TUE#2 *)", "2026-11-01 00:00", {"2026-11-10 00:00", "2026-12-08 00:00", "2027-01-12 00:00"}},
        {"cron(0 0 ? * 2#5 *)", "2026-11-21 00:00", {"2026-11-30 00:00", "2027-03-29 00:00", "2027-05-31 00:00"}},
        {"cron(30 4 29 2 ? *)", "2026-01-01 00:00", {"2028-02-29 04:30", "2032-02-29 04:30", "2036-02-29 04:30"}},
        {"cron(0 12 1,15 jan,JUL ? 2027-2029/2)",
         "2026-01-01 00:00",
         {"2027-01-01 12:00", "2027-01-15 12:00", "2027-07-01 12:00"}},
        {"cron(59 23 31 12 ? 2199)", "2026-01-01 00:00", {"2199-12-31 23:59", NULL, NULL}},
        {"rate(5 minutes)", "2026-11-21 00:12", {"2026-11-21 00:17", "2026-11-21 00:22", "2026-11-21 00:27"}},
        {"rate(1 minute)", "2026-11-21 00:02", {"2026-11-21 00:03", "2026-11-21 00:04", "2026-11-21 00:05"}},
        {"rate(1 hour)", "2026-11-21 00:02", {"2026-11-21 01:02", "2026-11-21 02:02", "2026-11-21 03:02"}},
        {"rate(7 days)", "2026-11-21 00:02", {"2026-11-28 00:02", "2026-12-05 00:02", "2026-12-12 00:02"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct schedule *s = parse(cases[i].text);
        int64_t time = at(cases[i].after), anchor = at("2026-11-21 00:02");
        for (int k = 0; k < 3; k++) {
            int64_t next = 0;
            bool fires = schedule_next(s, anchor, time, &next);
            if (fires != (cases[i].next[k] != NULL) || (fires && next != at(cases[i].next[k]))) {
                char text[32];
                time_t seconds = (time_t)(next / 1000);
                strftime(text, sizeof text, "%F %H:%M", gmtime(&seconds));
                fail_msg("%s, time %d: %s, not %s", cases[i].text, k, fires ? text : "never",
                         cases[i].next[k] ? cases[i].next[k] : "never");
            }
            if (!fires)
                break;
            time = next;
        }
    }
}

static void test_rate_keeps_its_phase(void **state)
{
    const struct schedule *s = parse("rate(5 minutes)");
    int64_t next;
    assert_true(schedule_next(s, 61234, 0, &next)); /* before its anchor */
    assert_int_equal(next, 361234);
    assert_true(schedule_next(s, 61234, 361233, &next));
    assert_int_equal(next, 361234);
    assert_true(schedule_next(s, 61234, 361234, &next));
    assert_int_equal(next, 661234);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text;
        int column;
        const char *message;
    } cases[] = {
        {"", 1, "a schedule is rate("},
        {"5 minutes", 1, "a schedule is rate("},
        {"rate(5 minutes", 15, "a closing ) is missing"},
        {"rate(minutes)", 6, "rate takes a whole number"},
        {"rate(0 minutes)", 6, "rate takes a whole number"},
        {"rate(99999999999999999999 minutes)", 6, "rate takes a whole number"},
        {"rate(1 minutes)", 8, "write rate(1 minute)"},
        {"rate(5 minute)", 8, "write rate(5 minutes)"},
        {"rate(5minutes)", 7, "rate has the units"},
        {"rate(5 seconds)", 8, "rate has the units"},
        {"cron(* * * *)", 1, "cron has six fields"},
        {"cron(0 10 * * ? * *)", 19, "cron has six fields, and this is a seventh"},
        {"cron(0 10 * * * *)", 1, "exactly one of"},
        {"cron(0 10 ? * ? *)", 1, "exactly one of"},
        {"cron(60 10 * * ? *)", 6, "'60' is nothing for minutes"},
        {"cron(5-1 10 * * ? *)", 6, "'5-1' is nothing for minutes"},
        {"cron(*/0 10 * * ? *)", 6, "'*/0' is nothing for minutes"},
        {"cron(1,,2 10 * * ? *)", 8, "'' is nothing for minutes"},
        {"cron(0 24 * * ? *)", 8, "'24' is nothing for hours"},
        {"cron(0 10 32 * ? *)", 11, "'32' is nothing for day-of-month"},
        {"cron(0 10 1 JANU ? *)", 13, "'JANU' is nothing for month"},
        {"cron(0 10 ? * 0 *)", 15, "'0' is nothing for day-of-week"},
        {"cron(0 10 ? * 3#6 *)", 15, "'3#6' is nothing for day-of-week"},
        {"cron(0 10 ? * MON 2200)", 19, "'2200' is nothing for year"},
        {"cron(? 10 * * ? *)", 6, "only day-of-month and day-of-week can be ?"},
        {"cron(0 0 31 2,4,6,9,11 ? *)", 1, "there is no such day"},
        {"cron(0 0 29 2 ? 2025-2027)", 1, "there is no such day"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_diag diag = {0};
        if (schedule_parse(&arena, str_from(cases[i].text), &diag))
            fail_msg("%s was taken", cases[i].text);
        if (diag.column != cases[i].column || strncmp(diag.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: column %d: %s", cases[i].text, diag.column, diag.message);
    }
}

/* ---- the oracle ---- */

static bool allows(const char *field, int value, int low, int high)
{
    char copy[64], *rest = copy, *part;
    snprintf(copy, sizeof copy, "%s", field);
    while ((part = strsep(&rest, ","))) {
        int from = low, to = high, step = 1;
        if (sscanf(part, "%d-%d/%d", &from, &to, &step) < 2) {
            step = 1;
            if (part[0] == '*')
                from = low, to = high;
            else if (sscanf(part, "%d/%d", &from, &step) == 1)
                to = from;
            sscanf(part, "*/%d", &step);
        }
        if (value >= from && value <= to && (value - from) % step == 0)
            return true;
    }
    return false;
}

static void write_field(char *out, size_t size, int low, int high)
{
    int a = low + rand() % (high - low + 1), b = a + rand() % (high - a + 1);
    switch (rand() % 6) {
    case 0: snprintf(out, size, "*"); break;
    case 1: snprintf(out, size, "%d", a); break;
    case 2: snprintf(out, size, "%d-%d", a, b); break;
    case 3: snprintf(out, size, "%d,%d", a, b); break;
    case 4: snprintf(out, size, "%d/%d", a, 1 + rand() % 20); break;
    default: snprintf(out, size, "%d-%d/%d", a, b, 1 + rand() % 5); break;
    }
}

static void test_against_every_minute(void **state)
{
    srand(20261121);
    for (int round = 0; round < 300; round++) {
        char f[5][32], text[200], day[32];
        bool by_weekday = rand() % 2;
        write_field(f[0], sizeof f[0], 0, 59);
        write_field(f[1], sizeof f[1], 0, 23);
        write_field(day, sizeof day, 1, by_weekday ? 7 : 28);
        write_field(f[3], sizeof f[3], 1, 12);
        snprintf(text, sizeof text, by_weekday ? "cron(%s %s ? %s %s *)" : "cron(%s %s %s %s ? *)", f[0], f[1],
                 by_weekday ? f[3] : day, by_weekday ? day : f[3]);
        const struct schedule *s = parse(text);
        int64_t from = (int64_t)(1700000000 + rand() % 100000000) * 1000, next = 0;
        assert_true(schedule_next(s, 0, from, &next));
        for (int64_t minute = from / 60000 + 1, steps = 0; steps < 60 * 24 * 400; minute++, steps++) {
            time_t seconds = (time_t)(minute * 60);
            struct tm tm;
            gmtime_r(&seconds, &tm);
            int value = by_weekday ? tm.tm_wday + 1 : tm.tm_mday;
            if (!allows(f[3], tm.tm_mon + 1, 1, 12) || !allows(day, value, 1, by_weekday ? 7 : 31)) {
                minute += 24 * 60 - 1 - minute % (24 * 60); /* on to the last minute of the day */
                continue;
            }
            if (allows(f[0], tm.tm_min, 0, 59) && allows(f[1], tm.tm_hour, 0, 23)) {
                if (next != minute * 60000)
                    fail_msg("%s after %lld: %lld, not %lld", text, (long long)from, (long long)next,
                             (long long)minute * 60000);
                break;
            }
        }
    }
}

static int teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_rate_keeps_its_phase),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_against_every_minute),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
