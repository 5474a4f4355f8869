/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 times: what is one, what is none, and every day there and back. */
#include "targets/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"1970-01-01T00:00:00.1Z", 100},
    {"1970-01-01T00:00:00.9999999999999Z", 999},
    {"1970-01-01t00:00:00z", 0},
    {"1969-12-31T23:59:59Z", -1000},
    {"1969-12-31T23:59:59.250Z", -750},
    {"2026-11-21T04:00:00Z", 1795233600000},
    {"2026-11-21T04:00:00+00:00", 1795233600000},
    {"2026-11-21T04:00:00-00:00", 1795233600000},
    {"2026-11-21T09:30:00+05:30", 1795233600000},
    {"2026-11-20T20:00:00-08:00", 1795233600000},
    {"2000-02-29T12:00:00Z", 951825600000},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"0000-01-01T00:00:00Z", -62167219200000},
    {"9999-12-31T23:59:59.999Z", 253402300799999},
    {"2016-12-31T23:59:60Z", 1483228800000},
    {"2016-12-31T15:59:60.5-08:00", 1483228800500},
};

static const char *const bad[] = {
    "",
    "now",
    "2026",
    "2026-11-21",
    "2026-11-21T04:00:00",
    "2026-11-21T04:00Z",
    "2026-11-21 04:00:00Z",
    "2026-11-21T04:00:00Z ",
    " 2026-11-21T04:00:00Z",
    "2026-11-21T04:00:00.Z",
    "2026-11-21T04:00:00,5Z",
    "2026-11-21T04:00:00+0530",
    "2026-11-21T04:00:00+05",
    "2026-11-21T04:00:00+24:00",
    "2026-11-21T04:00:00+05:60",
    "2026-11-21T24:00:00Z",
    "2026-11-21T04:60:00Z",
    "2026-11-21T04:00:61Z",
    "2026-11-21T04:00:60Z",
    "2026-11-21T23:59:60Z",
    "2016-12-31T23:59:60+01:00",
    "0000-01-01T23:59:60+23:59", /* falls on a day before the year 0 */
    "2026-00-21T04:00:00Z",
    "2026-13-21T04:00:00Z",
    "2026-11-00T04:00:00Z",
    "2026-11-31T04:00:00Z",
    "2026-02-29T04:00:00Z",
    "1900-02-29T04:00:00Z",
    "2100-02-29T00:00:00Z",
    "26-11-21T04:00:00Z",
    "12026-11-21T04:00:00Z",
    "-026-11-21T04:00:00Z",
    "+026-11-21T04:00:00Z",
    "2026-1-21T04:00:00Z",
    "2026-11-21T4:00:00Z",
};

static void good_times_are_read(void **state)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        int64_t ms = -1;
        if (!time_parse_rfc3339(str_from(good[i].text), &ms) || ms != good[i].ms)
            fail_msg("'%s' gave %lld, not %lld", good[i].text, (long long)ms, (long long)good[i].ms);
    }
}

static void bad_times_are_refused(void **state)
{
    int64_t ms;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (time_parse_rfc3339(str_from(bad[i]), &ms))
            fail_msg("'%s' was taken", bad[i]);
    assert_false(time_parse_rfc3339((struct str){NULL, 0}, &ms));
    assert_false(time_parse_rfc3339((struct str){"2026-11-21T04:00:00\0Z", 21}, &ms));
}

static void every_day_goes_there_and_back(void **state)
{
    char text[21], previous[21] = "";
    int64_t ms, days = 0;

    for (int64_t day = -719528; day <= 2932896; day++, days++) { /* 0000-01-01 to 9999-12-31 */
        int64_t at = day * 86400000 + 86399000;
        time_format_rfc3339(at, text);
        assert_true(time_parse_rfc3339(str_from(text), &ms));
        assert_int_equal(ms, at);
        assert_true(strcmp(previous, text) < 0);
        memcpy(previous, text, sizeof(text));
    }
    assert_int_equal(days, 3652425);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void formatting_drops_fractions_and_clamps(void **state)
{
    char text[21];

    time_format_rfc3339(1999, text);
    assert_string_equal(text, "1970-01-01T00:00:01Z");
    time_format_rfc3339(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    time_format_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    time_format_rfc3339(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_times_are_read),
        cmocka_unit_test(bad_times_are_refused),
        cmocka_unit_test(every_day_goes_there_and_back),
        cmocka_unit_test(formatting_drops_fractions_and_clamps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
