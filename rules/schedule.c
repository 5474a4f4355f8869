/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules. A cron expression becomes one bit set a field; the days that depend on the month (L, W, #) are kept apart
 * and asked day by day. The next time is found by walking days, months that do not match in one step, so even what
 * fires every fourth year is found in a few hundred steps and what never fires in a few thousand.
 */
#include "rules/schedule.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#define MINUTE_MS  60000
#define DAY_S      86400
#define YEAR_FIRST 1970
#define YEAR_LAST  2199
#define RATE_MAX   1000000 /* units: far beyond any use, and no overflow */

enum field { MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS, YEARS, FIELDS };

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

static const struct {
    const char *name, *takes;
    int low, high;
    const char *const *names; /* of low, low + 1, … */
    int name_count;
} fields[FIELDS] = {
    [MINUTES] = {"minutes", "0-59", 0, 59, NULL, 0},
    [HOURS] = {"hours", "0-23", 0, 23, NULL, 0},
    [DAYS] = {"day-of-month", "1-31, L, L-N, LW or NW", 1, 31, NULL, 0},
    [MONTHS] = {"month", "1-12 or JAN-DEC", 1, 12, month_names, 12},
    [WEEKDAYS] = {"day-of-week", "1-7 or SUN-SAT, L, NL or N#M", 1, 7, weekday_names, 7},
    [YEARS] = {"year", "1970-2199", YEAR_FIRST, YEAR_LAST, NULL, 0},
};

#define SET_WORDS 4 /* years: 230 values */

struct cron {
    uint64_t sets[FIELDS][SET_WORDS]; /* bit: value - low */
    bool any_day, any_weekday;        /* ? or * */
    int last_before;                  /* L, L-N: so many days before the last one; -1: no */
    int nearest;                      /* NW: the weekday nearest to N; 32: LW; 0: no */
    unsigned last_weekdays;           /* NL: bit N */
    unsigned nth_weekdays[6];         /* N#M: bit N of [M] */
};

struct schedule {
    struct str text;
    int64_t every_ms; /* rate; 0: cron */
    struct cron cron;
};

struct parser {
    struct str text;
    size_t at;
    struct weir_diag *diag;
};

static bool fault(struct parser *p, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fault(struct parser *p, size_t at, const char *format, ...)
{
    va_list args;

    *p->diag = (struct weir_diag){.code = WEIR_E_PATTERN, .line = 1, .column = (int)at + 1};
    va_start(args, format);
    vsnprintf(p->diag->message, sizeof(p->diag->message), format, args);
    va_end(args);
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- rate ---- */

static bool parse_number(struct str text, size_t *at, int64_t *out)
{
    size_t start = *at;
    for (*out = 0; *at < text.size && is_digit(text.ptr[*at]) && *out <= RATE_MAX; ++*at)
        *out = *out * 10 + (text.ptr[*at] - '0');
    return *at > start;
}

static bool parse_rate(struct parser *p, struct str inside, struct schedule *s)
{
    static const struct {
        const char *one, *many;
        int64_t ms;
    } units[] = {{"minute", "minutes", MINUTE_MS}, {"hour", "hours", 60 * MINUTE_MS}, {"day", "days", DAY_S * 1000}};
    size_t at = 0, base = (size_t)(inside.ptr - p->text.ptr);
    int64_t value;

    if (!parse_number(inside, &at, &value) || value < 1 || value > RATE_MAX)
        return fault(p, base, "rate takes a whole number, 1-%d, and a unit: rate(5 minutes)", RATE_MAX);
    size_t gap = at;
    while (at < inside.size && inside.ptr[at] == ' ')
        at++;
    struct str unit = {inside.ptr + at, inside.size - at};
    for (size_t i = 0; gap < at && i < sizeof(units) / sizeof(units[0]); i++) {
        if (!str_is(unit, units[i].one) && !str_is(unit, units[i].many))
            continue;
        const char *right = value == 1 ? units[i].one : units[i].many;
        if (!str_is(unit, right))
            return fault(p, base + at, "write rate(%lld %s)", (long long)value, right);
        s->every_ms = value * units[i].ms;
        return true;
    }
    return fault(p, base + at, "rate has the units minute(s), hour(s) and day(s): rate(5 minutes)");
}

/* ---- one field of cron ---- */

static void set_add(uint64_t *set, int bit)
{
    set[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool set_has(const uint64_t *set, int bit)
{
    return set[bit / 64] >> (bit % 64) & 1;
}

/* A number or a name of the field at *at. */
static bool read_value(enum field f, struct str text, size_t *at, int *out)
{
    int64_t number;
    for (int i = 0; i < fields[f].name_count; i++)
        if (text.size - *at >= 3 && strncasecmp(text.ptr + *at, fields[f].names[i], 3) == 0) {
            *out = fields[f].low + i;
            *at += 3;
            return true;
        }
    if (!parse_number(text, at, &number))
        return false;
    *out = (int)number;
    return number >= fields[f].low && number <= fields[f].high;
}

/* L, L-N, LW and NW in day-of-month. False: it is none of them. */
static bool read_special_day(struct str part, struct cron *c)
{
    size_t at = 1;
    int64_t number;
    if (str_is(part, "L")) {
        c->last_before = 0;
        return true;
    }
    if (str_is(part, "LW")) {
        c->nearest = 32;
        return true;
    }
    if (part.size > 2 && str_starts(part, STR("L-")) && (at = 2) && parse_number(part, &at, &number) &&
        at == part.size && number <= 30) {
        c->last_before = (int)number;
        return true;
    }
    at = 0;
    if (part.size > 1 && part.ptr[part.size - 1] == 'W' && parse_number(part, &at, &number) && at == part.size - 1 &&
        number >= 1 && number <= 31) {
        c->nearest = (int)number;
        return true;
    }
    return false;
}

/* L, NL and N#M in day-of-week. */
static bool read_special_weekday(struct str part, struct cron *c)
{
    size_t at = 0;
    int day;
    if (str_is(part, "L")) {
        set_add(c->sets[WEEKDAYS], 6);
        return true;
    }
    if (!read_value(WEEKDAYS, part, &at, &day))
        return false;
    if (part.size == at + 1 && part.ptr[at] == 'L') {
        c->last_weekdays |= 1u << day;
        return true;
    }
    if (part.size == at + 2 && part.ptr[at] == '#' && part.ptr[at + 1] >= '1' && part.ptr[at + 1] <= '5') {
        c->nth_weekdays[part.ptr[at + 1] - '0'] |= 1u << day;
        return true;
    }
    return false;
}

/* VALUE, VALUE-VALUE, and either with /STEP. */
static bool read_range(enum field f, struct str part, uint64_t *set)
{
    size_t at = 0;
    int low = fields[f].low, high = fields[f].high;
    int64_t step = 1;
    bool single = false;

    if (part.size && part.ptr[0] == '*') {
        at = 1;
    } else {
        if (!read_value(f, part, &at, &low))
            return false;
        single = true;
        if (at < part.size && part.ptr[at] == '-') {
            at++;
            single = false;
            if (!read_value(f, part, &at, &high) || high < low)
                return false;
        }
    }
    if (at < part.size && part.ptr[at] == '/') {
        at++;
        single = false;
        if (!parse_number(part, &at, &step) || step < 1)
            return false;
    }
    for (int v = low; v <= (single ? low : high); v += (int)step)
        set_add(set, v - fields[f].low);
    return at == part.size;
}

static bool read_part(enum field f, struct str part, struct cron *c)
{
    if (f == DAYS && read_special_day(part, c))
        return true;
    if (f == WEEKDAYS && read_special_weekday(part, c))
        return true;
    return read_range(f, part, c->sets[f]);
}

static bool parse_field(struct parser *p, enum field f, struct str text, struct cron *c)
{
    size_t base = (size_t)(text.ptr - p->text.ptr);
    bool *any = f == DAYS ? &c->any_day : f == WEEKDAYS ? &c->any_weekday : NULL;

    if (str_is(text, "?")) {
        if (!any)
            return fault(p, base, "only day-of-month and day-of-week can be ?");
        *any = true;
        return true;
    }
    for (struct str rest = text; rest.ptr;) {
        const char *comma = memchr(rest.ptr, ',', rest.size);
        struct str part = {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.size};
        if (!read_part(f, part, c))
            return fault(p, (size_t)(part.ptr - p->text.ptr),
                         "'%.*s' is nothing for %s, which takes %s, *, lists, "
                         "ranges and steps",
                         (int)(part.size > 40 ? 40 : part.size), part.ptr, fields[f].name, fields[f].takes);
        rest = comma ? (struct str){comma + 1, (size_t)(text.ptr + text.size - comma - 1)} : (struct str){NULL, 0};
    }
    return true;
}

/* ---- days ---- */

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* The weekday (Monday to Friday) nearest to a day of the month, without leaving the month. weekday: of that day, 0
   is Sunday. */
static int nearest_weekday(int day, int weekday, int last)
{
    if (weekday == 6)
        return day > 1 ? day - 1 : day + 2;
    if (weekday == 0)
        return day < last ? day + 1 : day - 2;
    return day;
}

static int weekday_of(const struct tm *tm, int day)
{
    return ((tm->tm_wday + day - tm->tm_mday) % 7 + 7) % 7;
}

static bool is_day(const struct cron *c, const struct tm *tm)
{
    int last = days_of_month(tm->tm_year + 1900, tm->tm_mon + 1), day = tm->tm_mday, weekday = tm->tm_wday + 1;

    if (c->any_weekday) {
        int wanted = c->nearest > last ? last : c->nearest;
        return set_has(c->sets[DAYS], day - 1) || (c->last_before >= 0 && day == last - c->last_before) ||
               (c->nearest == 32 && day == nearest_weekday(last, weekday_of(tm, last), last)) ||
               (c->nearest && c->nearest < 32 && c->nearest <= last &&
                day == nearest_weekday(wanted, weekday_of(tm, wanted), last));
    }
    return set_has(c->sets[WEEKDAYS], weekday - 1) || (c->last_weekdays >> weekday & 1 && day > last - 7) ||
           c->nth_weekdays[(day - 1) / 7 + 1] >> weekday & 1;
}

/* ---- the next time ---- */

static int64_t next_in_day(const struct cron *c, int64_t day_s, int64_t from_s)
{
    int first = from_s > day_s ? (int)((from_s - day_s) / 60) : 0;
    for (int minute = first; minute < 24 * 60; minute++) {
        if (!set_has(c->sets[HOURS], minute / 60))
            minute += 59 - minute % 60;
        else if (set_has(c->sets[MINUTES], minute % 60))
            return day_s + minute * 60;
    }
    return -1;
}

static int64_t first_of_next_month(const struct tm *tm)
{
    struct tm next = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon + 1, .tm_mday = 1};
    return timegm(&next);
}

static bool cron_next(const struct cron *c, int64_t after_ms, int64_t *next_ms)
{
    int64_t from = after_ms < 0 ? 0 : (after_ms / MINUTE_MS + 1) * 60; /* the first whole minute behind it */
    for (int64_t day = from - from % DAY_S;;) {
        struct tm tm;
        time_t at = day;
        gmtime_r(&at, &tm);
        if (tm.tm_year + 1900 > YEAR_LAST)
            return false;
        if (!set_has(c->sets[YEARS], tm.tm_year + 1900 - YEAR_FIRST) || !set_has(c->sets[MONTHS], tm.tm_mon)) {
            day = first_of_next_month(&tm);
            continue;
        }
        int64_t found = is_day(c, &tm) ? next_in_day(c, day, from) : -1;
        if (found >= 0) {
            *next_ms = found * 1000;
            return true;
        }
        day += DAY_S;
    }
}

bool schedule_next(const struct schedule *s, int64_t anchor_ms, int64_t after_ms, int64_t *next_ms)
{
    if (!s->every_ms)
        return cron_next(&s->cron, after_ms, next_ms);
    int64_t steps = after_ms < anchor_ms ? 0 : (after_ms - anchor_ms) / s->every_ms;
    *next_ms = anchor_ms + (steps + 1) * s->every_ms;
    return true;
}

/* ---- the whole ---- */

static bool parse_cron(struct parser *p, struct str inside, struct schedule *s)
{
    struct cron *c = &s->cron;
    int count = 0;
    int64_t first;

    c->last_before = -1;
    for (size_t at = 0; at < inside.size;) {
        if (inside.ptr[at] == ' ') {
            at++;
            continue;
        }
        size_t start = at;
        while (at < inside.size && inside.ptr[at] != ' ')
            at++;
        if (count == FIELDS)
            return fault(p, (size_t)(inside.ptr + start - p->text.ptr), "cron has six fields, and this is a seventh");
        if (!parse_field(p, (enum field)count++, (struct str){inside.ptr + start, at - start}, c))
            return false;
    }
    if (count < FIELDS)
        return fault(p, 0, "cron has six fields (minutes hours day-of-month month day-of-week year), not %d", count);
    if (c->any_day == c->any_weekday)
        return fault(p, 0, "exactly one of day-of-month and day-of-week must be ?");
    if (!cron_next(c, -1, &first))
        return fault(p, 0, "there is no such day: this never fires");
    return true;
}

static bool parse(struct parser *p, struct schedule *s)
{
    static const char *const forms[] = {"rate", "cron"};
    for (size_t i = 0; i < 2; i++) {
        if (!str_starts(p->text, str_from(forms[i])) || p->text.size < 6 || p->text.ptr[4] != '(')
            continue;
        if (p->text.ptr[p->text.size - 1] != ')')
            return fault(p, p->text.size, "a closing ) is missing");
        struct str inside = {p->text.ptr + 5, p->text.size - 6};
        return i == 0 ? parse_rate(p, inside, s) : parse_cron(p, inside, s);
    }
    return fault(p, 0, "a schedule is rate(5 minutes) or cron(0 10 ? * MON-FRI *)");
}

const struct schedule *schedule_parse(struct arena *a, struct str text, struct weir_diag *diag)
{
    struct schedule *s = arena_new(a, struct schedule);
    struct parser p = {.diag = diag};

    if (s)
        s->text = p.text = arena_str(a, text);
    if (!s || !p.text.ptr) {
        *diag = (struct weir_diag){.code = WEIR_E_MEMORY};
        return NULL;
    }
    return parse(&p, s) ? s : NULL;
}

struct str schedule_text(const struct schedule *s)
{
    return s->text;
}
