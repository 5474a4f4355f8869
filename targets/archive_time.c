/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3339 times to and from milliseconds since 1970. By hand, since strptime() and timegm() know neither
 * fractions nor offsets nor strictness, and read the locale. Days are counted in years that begin in March, so that
 * the leap day is the last of its year and month lengths follow one formula.
 *
 * Accepted is RFC 3339's date-time, all of it and nothing else: 't' and 'z' in lower case, any number of fraction
 * digits (what is finer than a millisecond is dropped), offsets up to 23:59, and the leap second 23:59:60 UTC at the
 * end of a month, which counts as the second after, as it does in Unix time.
 */
#include "targets/archive.h"

#include <stdio.h>

#define DAY_MS 86400000

struct cursor {
    const char *at, *end;
};

struct clock_time {
    int hour, minute, second;
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int time_month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to a date; years 0 to 9999. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1; /* the year that began in March */
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    y += 400; /* January of year 0 belongs to year -1: keep the divisions below positive */
    return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468 - 146097;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468 + 146097; /* from March of the year -400: as above */
    int64_t era = z / 146097, of_era = z % 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(era * 400 + y + (*month <= 2)) - 400;
}

/* ---- reading ---- */

static bool read_digits(struct cursor *c, int count, int *out)
{
    *out = 0;
    for (; count; count--, c->at++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return false;
        *out = *out * 10 + (*c->at - '0');
    }
    return true;
}

static bool read_char(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool read_date(struct cursor *c, int *year, int *month, int *day)
{
    return read_digits(c, 4, year) && read_char(c, '-') && read_digits(c, 2, month) && read_char(c, '-') &&
           read_digits(c, 2, day) && *month >= 1 && *month <= 12 && *day >= 1 && *day <= time_month_days(*year, *month);
}

static bool read_clock(struct cursor *c, struct clock_time *t)
{
    return read_digits(c, 2, &t->hour) && read_char(c, ':') && read_digits(c, 2, &t->minute) && read_char(c, ':') &&
           read_digits(c, 2, &t->second) && t->hour <= 23 && t->minute <= 59 && t->second <= 60;
}

static bool read_fraction(struct cursor *c, int *ms_out)
{
    int scale = 100;

    *ms_out = 0;
    if (!read_char(c, '.'))
        return true;
    const char *first = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, scale /= 10)
        *ms_out += (*c->at - '0') * scale;
    return c->at > first;
}

/* Minutes east of Greenwich. */
static bool read_offset(struct cursor *c, int *minutes_out)
{
    int hour, minute;

    *minutes_out = 0;
    if (read_char(c, 'Z') || read_char(c, 'z'))
        return true;
    bool west = read_char(c, '-');
    if (!west && !read_char(c, '+'))
        return false;
    if (!read_digits(c, 2, &hour) || !read_char(c, ':') || !read_digits(c, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *minutes_out = (west ? -1 : 1) * (hour * 60 + minute);
    return true;
}

bool time_parse_rfc3339(struct str text, int64_t *out_ms)
{
    struct cursor c = {text.ptr, text.ptr ? text.ptr + text.size : NULL};
    struct clock_time t;
    int year, month, day, ms, east;

    if (!read_date(&c, &year, &month, &day) || !(read_char(&c, 'T') || read_char(&c, 't')) || !read_clock(&c, &t) ||
        !read_fraction(&c, &ms) || !read_offset(&c, &east) || c.at != c.end)
        return false;
    int64_t seconds = days_of(year, month, day) * 86400 + (t.hour * 60 + t.minute - east) * 60 + t.second;
    if (t.second == 60) { /* the second after is the first one of a month */
        date_of(seconds / 86400 - (seconds % 86400 < 0), &year, &month, &day);
        if (seconds % 86400 != 0 || day != 1)
            return false;
    }
    *out_ms = seconds * 1000 + ms;
    return true;
}

/* ---- writing ---- */

void time_format_rfc3339(int64_t ms, char out[21])
{
    /* Four digits hold no other years; a stamp outside of them can only come from a broken clock. */
    const int64_t first = days_of(0, 1, 1) * DAY_MS, last = days_of(9999, 12, 31) * DAY_MS + DAY_MS - 1;
    int year, month, day;

    ms = ms < first ? first : ms > last ? last : ms;
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
    unsigned second = (unsigned)((ms - days * DAY_MS) / 1000);
    date_of(days, &year, &month, &day);
    snprintf(out, 21, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)day % 100, second / 3600 % 24, second / 60 % 60, second % 60);
}
