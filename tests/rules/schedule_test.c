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
        {"cron(0 0 L 2 ? *)", "2098-01-01 00:00", {"2098-02-28 00:00", "2099-02-28 00:00", "2100-02-28 00:00"}},
        {"cron(0 0 LW * ? *)", "2026-10-01 00:00", {"2026-10-30 00:00", "2026-11-30 00:00", "2026-12-31 00:00"}},
        {"cron(0 0 1W * ? *)", "2026-10-02 00:00", {"2026-11-02 00:00", "2026-12-01 00:00", "2027-01-01 00:00"}},
        {"cron(0 0 31W * ? *)", "2026-10-01 00:00", {"2026-10-30 00:00", "2026-12-31 00:00", "2027-01-29 00:00"}},
        {"cron(0 0 15W 8 ? *)", "2026-01-01 00:00", {"2026-08-14 00:00", "2027-08-16 00:00", "2028-08-15 00:00"}},
        {"cron(0 0 ? * 6L *)", "2026-11-01 00:00", {"2026-11-27 00:00", "2026-12-25 00:00", "2027-01-29 00:00"}},
        {"cron(0 0 ? * L *)", "2026-11-21 00:00", {"2026-11-28 00:00", "2026-12-05 00:00", "2026-12-12 00:00"}},
        {"cron(0 0 ? * TUE#2 *)", "2026-11-01 00:00", {"2026-11-10 00:00", "2026-12-08 00:00", "2027-01-12 00:00"}},
        {"cron(0 9 ? * fri#1 *)", "2026-11-21 00:00", {"2026-12-04 09:00", "2027-01-01 09:00", "2027-02-05 09:00"}},
        {"cron(0 9 ? * FRIL *)", "2026-11-21 00:00", {"2026-11-27 09:00", "2026-12-25 09:00", "2027-01-29 09:00"}},
        {"cron(0 9 ? * SUN,wed-THU *)",
         "2026-11-21 00:00",
         {"2026-11-22 09:00", "2026-11-25 09:00", "2026-11-26 09:00"}},
        {"cron(* * * * ? *)", "2026-12-31 23:59", {"2027-01-01 00:00", "2027-01-01 00:01", "2027-01-01 00:02"}},
        {"cron(0 0 1 1 ? *)", "1960-05-05 05:05", {"1970-01-01 00:00", "1971-01-01 00:00", "1972-01-01 00:00"}},
        {"cron(0 0 ? * 2#5 *)", "2026-11-21 00:00", {"2026-11-30 00:00", "2027-03-29 00:00", "2027-05-31 00:00"}},
        {"cron(30 4 29 2 ? *)", "2026-01-01 00:00", {"2028-02-29 04:30", "2032-02-29 04:30", "2036-02-29 04:30"}},
        {"cron(0 12 1,15 jan,JUL ? 2027-2029/2)",
         "2026-01-01 00:00",
         {"2027-01-01 12:00", "2027-01-15 12:00", "2027-07-01 12:00"}},
        {"cron(59 23 31 12 ? 2199)", "2026-01-01 00:00", {"2199-12-31 23:59", NULL, NULL}},
        {"cron(0 8 ? * SAT-SUN *)", "2026-11-21 08:00", {"2026-11-22 08:00", "2026-11-28 08:00", "2026-11-29 08:00"}},
        {"cron(0 22-4/3 * * ? *)", "2026-11-21 21:00", {"2026-11-21 22:00", "2026-11-22 01:00", "2026-11-22 04:00"}},
        {"cron(0 0 30-2 DEC-JAN ? *)",
         "2026-12-29 00:00",
         {"2026-12-30 00:00", "2026-12-31 00:00", "2027-01-01 00:00"}},
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
    s = parse("rate(10 seconds)");
    assert_true(schedule_next(s, 61000, 61001, &next));
    assert_int_equal(next, 71000);
}

static void test_what_aws_takes(void **state)
{
    assert_true(schedule_is_portable(parse("rate(1 minute)")));
    assert_true(schedule_is_portable(parse("cron(0 10 * * ? *)")));
    assert_false(schedule_is_portable(parse("rate(10 seconds)")));
    assert_false(schedule_is_portable(parse("rate(60 seconds)")));
    assert_int_equal(schedule_grain_ms(parse("rate(90 seconds)")), 90000);
    assert_int_equal(schedule_grain_ms(parse("cron(0 10 * * ? *)")), 60000);
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
        {"rate(1 seconds)", 8, "write rate(1 second)"},
        {"rate(5 weeks)", 8, "rate has the units"},
        {"cron(* * * *)", 1, "cron has six fields"},
        {"cron(0 10 * * ? * *)", 19, "cron has six fields, and this is a seventh"},
        {"cron(0 10 * * * *)", 1, "exactly one of"},
        {"cron(0 10 ? * ? *)", 1, "exactly one of"},
        {"cron(60 10 * * ? *)", 6, "minutes '60' is not in 0-59"},
        {"cron(0 10 * * ? 2030-2029)", 17, "year '2030-2029' goes backwards"},
        {"cron(*/0 10 * * ? *)", 6, "the step in minutes '*/0' is not in 1-59"},
        {"cron(0/90 * * * ? *)", 6, "the step in minutes '0/90' is not in 1-59"},
        {"cron(5/ * * * ? *)", 6, "the step in minutes '5/' is not in 1-59"},
        {"cron(1,,2 10 * * ? *)", 8, "'' is not understood in minutes"},
        {"cron(1x 10 * * ? *)", 6, "'1x' is not understood in minutes, which takes 0-59, *, lists, ranges and steps"},
        {"cron(0 24 * * ? *)", 8, "hours '24' is not in 0-23"},
        {"cron(0 L * * ? *)", 8, "'L' is not understood in hours"},
        {"cron(0 10 32 * ? *)", 11, "day-of-month '32' is not in 1-31"},
        {"cron(0 10 32W * ? *)", 11, "day-of-month '32' is not in 1-31"},
        {"cron(0 10 L-3 * ? *)", 11, "'L-3' is not understood in day-of-month, which takes 1-31, L, LW, 15W,"},
        {"cron(0 10 1,15W * ? *)", 13, "'15W' must stand alone in day-of-month"},
        {"cron(0 10 1-5W * ? *)", 11, "'1-5W' is not understood in day-of-month"},
        {"cron(0 10 W * ? *)", 11, "'W' is not understood in day-of-month"},
        {"cron(0 10 MON * ? *)", 11, "'MON' is not understood in day-of-month"},
        {"cron(0 10 1 JUNE ? *)", 13, "unknown month 'JUNE'; did you mean 'JUN'?"},
        {"cron(0 10 1 JAN-SPE ? *)", 13, "unknown month 'SPE'; did you mean 'SEP'?"},
        {"cron(0 10 ? * 0 *)", 15, "day-of-week '0' is not in 1-7"},
        {"cron(0 10 ? * 3#6 *)", 15, "in day-of-week '3#6', what follows # is not in 1-5"},
        {"cron(0 10 ? * 3# *)", 15, "in day-of-week '3#', what follows # is not in 1-5"},
        {"cron(0 10 ? * 3#1,6#3 *)", 15, "'3#1' must stand alone in day-of-week"}, /* AWS's own example */
        {"cron(0 10 ? * 8L *)", 15, "day-of-week '8' is not in 1-7"},
        {"cron(0 10 ? * # *)", 15, "'#' is not understood in day-of-week"},
        {"cron(0 10 ? * MON 2200)", 19, "year '2200' is not in 1970-2199"},
        {"cron(0 10 ? * MON 99999999999999999999)", 19, "year '99999999999999999999' is not in 1970-2199"},
        {"cron(? 10 * * ? *)", 6, "only day-of-month and day-of-week can be ?"},
        {"cron(0 10 1,? * ? *)", 13, "'?' is not understood in day-of-month"},
        {"cron(0 0 31 2,4,6,9,11 ? *)", 1, "never fires"},
        {"cron(0 0 29 2 ? 2025-2027)", 1, "never fires"},
        {"cron(0 0 30W 2 ? *)", 1, "never fires"},
        {"corn(0 10 * * ? *)", 1, "a schedule is rate(5 minutes) or cron(0 10 ? * MON-FRI *); did you mean 'cron'?"},
        {"rate(5 minuets)", 8,
         "rate has the units second(s), minute(s), hour(s) and day(s): rate(5 minutes); did you mean 'minutes'?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_diag diag = {0};
        if (schedule_parse(&arena, str_from(cases[i].text), &diag))
            fail_msg("%s was taken", cases[i].text);
        if (diag.column != cases[i].column || strncmp(diag.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: column %d: %s", cases[i].text, diag.column, diag.message);
    }
}

static void test_too_long(void **state)
{
    struct weir_diag diag = {0};
    char text[300];
    memset(text, ' ', sizeof text);
    memcpy(text, "cron(0 10 * * ? *", 17);
    text[255] = ')';
    assert_non_null(schedule_parse(&arena, (struct str){text, 256}, &diag));
    text[256] = ')';
    assert_null(schedule_parse(&arena, (struct str){text, 257}, &diag));
    assert_string_equal(diag.message, "a schedule has at most 256 characters");
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
        int span = high - low + 1, distance = (value - from + span) % span;
        if (from <= to ? value >= from && value <= to : value >= from || value <= to)
            if (distance % step == 0)
                return true;
    }
    return false;
}

static void write_field(char *out, size_t size, int low, int high)
{
    int a = low + rand() % (high - low + 1), b = a + rand() % (high - a + 1);
    switch (rand() % 7) {
    case 6: snprintf(out, size, "%d-%d/%d", b, a, 1 + rand() % 5); break; /* over the end */
    case 0: snprintf(out, size, "*"); break;
    case 1: snprintf(out, size, "%d", a); break;
    case 2: snprintf(out, size, "%d-%d", a, b); break;
    case 3: snprintf(out, size, "%d,%d", a, b); break;
    case 4: snprintf(out, size, "%d/%d", a, 1 + rand() % (high - low)); break;
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

/* ---- days that depend on the month, by their definitions ---- */

static struct tm date(int64_t day)
{
    time_t seconds = (time_t)(day * 86400);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return tm;
}

static bool same_month(int64_t a, int64_t b)
{
    return date(a).tm_mon == date(b).tm_mon;
}

static bool is_workday(int64_t day)
{
    return date(day).tm_wday >= 1 && date(day).tm_wday <= 5;
}

/* Of the month's days from Monday to Friday, the one nearest to day `number`. */
static bool is_nearest(int64_t day, int number)
{
    int64_t middle = day - date(day).tm_mday + number;
    if (!same_month(day, middle) || !is_workday(day))
        return false;
    for (int64_t other = day - 31; other <= day + 31; other++)
        if (same_month(day, other) && is_workday(other) && llabs(other - middle) < llabs(day - middle))
            return false;
    return true;
}

static bool is_last_workday(int64_t day)
{
    for (int64_t later = day + 1; same_month(day, later); later++)
        if (is_workday(later))
            return false;
    return is_workday(day);
}

static int nth_of_its_kind(int64_t day)
{
    int nth = 1;
    while (same_month(day, day - 7 * nth))
        nth++;
    return nth;
}

enum kind { LAST_DAY, LAST_WORKDAY, NEAREST, LAST_WEEKDAY, NTH_WEEKDAY };

static bool is_wanted(int64_t day, enum kind kind, int a, int b)
{
    switch (kind) {
    case LAST_DAY: return !same_month(day, day + 1);
    case LAST_WORKDAY: return is_last_workday(day);
    case NEAREST: return is_nearest(day, a);
    case LAST_WEEKDAY: return date(day).tm_wday + 1 == a && !same_month(day, day + 7);
    case NTH_WEEKDAY: return date(day).tm_wday + 1 == a && nth_of_its_kind(day) == b;
    }
    return false;
}

/* Six years, and with them a month of every length beginning with every weekday. */
static void check_days(const char *day, const char *weekday, enum kind kind, int a, int b)
{
    char text[64];
    snprintf(text, sizeof text, "cron(0 0 %s * %s *)", day, weekday);
    const struct schedule *s = parse(text);
    int64_t time = at("2023-12-31 12:00"), next = 0;
    for (int64_t d = at("2024-01-01 00:00") / 86400000; d < at("2030-01-01 00:00") / 86400000; d++) {
        if (!is_wanted(d, kind, a, b))
            continue;
        assert_true(schedule_next(s, 0, time, &next));
        if (next != d * 86400000)
            fail_msg("%s after %lld: day %lld, not %lld", text, (long long)(time / 86400000),
                     (long long)(next / 86400000), (long long)d);
        time = next;
    }
}

static void test_special_days(void **state)
{
    char text[32];
    check_days("L", "?", LAST_DAY, 0, 0);
    check_days("LW", "?", LAST_WORKDAY, 0, 0);
    for (int a = 1; a <= 31; a++) {
        snprintf(text, sizeof text, "%dW", a);
        check_days(text, "?", NEAREST, a, 0);
    }
    for (int a = 1; a <= 7; a++) {
        snprintf(text, sizeof text, "%dL", a);
        check_days("?", text, LAST_WEEKDAY, a, 0);
        for (int b = 1; b <= 5; b++) {
            snprintf(text, sizeof text, "%d#%d", a, b);
            check_days("?", text, NTH_WEEKDAY, a, b);
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
        cmocka_unit_test(test_times),          cmocka_unit_test(test_rate_keeps_its_phase),
        cmocka_unit_test(test_what_aws_takes), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_too_long),       cmocka_unit_test(test_against_every_minute),
        cmocka_unit_test(test_special_days),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
