/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules. A cron expression becomes one bit set a field; the days that depend on the month (L, W, #) are kept apart
 * and asked day by day; as with AWS there is no list of them. A range that goes backwards (FRI-MON, 22-4) goes over the
 * end of its field, which AWS does not document but takes; years have no end to go over. A step longer than its field
 * (0/90 for minutes) is refused: it never means what was meant. The next time is found by walking days, months that do
 * not match in one step, so even what fires every fourth year is found in a few hundred steps and what never fires in a
 * few thousand.
 */
#include "rules/schedule.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "targets/archive.h"

#define SECOND_MS  1000
#define MINUTE_MS  60000
#define DAY_S      86400
#define YEAR_FIRST 1970
#define YEAR_LAST  2199
#define RATE_MAX   1000000 /* units: far beyond any use, and no overflow */
#define TEXT_MAX   256     /* AWS's */

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
    [DAYS] = {"day-of-month", "1-31, L, LW, 15W", 1, 31, NULL, 0},
    [MONTHS] = {"month", "1-12, JAN-DEC", 1, 12, month_names, 12},
    [WEEKDAYS] = {"day-of-week", "1-7, SUN-SAT, L, 6L, 3#2", 1, 7, weekday_names, 7},
    [YEARS] = {"year", "1970-2199", YEAR_FIRST, YEAR_LAST, NULL, 0},
};

#define SET_WORDS    4 /* years: 230 values */
#define NEAREST_LAST 32

struct cron {
    uint64_t sets[FIELDS][SET_WORDS]; /* bit: value - low */
    bool any_day, any_weekday;        /* ? */
    bool last_day;                    /* L */
    int nearest;                      /* NW: the weekday nearest to N; NEAREST_LAST: LW; 0: no */
    int last_weekday;                 /* NL; 0: no */
    int nth_weekday, nth;             /* N#M; 0: no */
};

struct schedule {
    struct str text;
    int64_t every_ms; /* rate; 0: cron */
    bool in_seconds;  /* as AWS has not */
    struct cron cron;
};

struct parser {
    struct str text;
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

/* ---- rate ---- */

/* All the digits; a number beyond RATE_MAX is any such. */
static bool parse_number(struct str text, size_t *at, int64_t *out)
{
    size_t start = *at;
    for (*out = 0; *at < text.size && isdigit((unsigned char)text.ptr[*at]); ++*at)
        if (*out <= RATE_MAX)
            *out = *out * 10 + (text.ptr[*at] - '0');
    return *at > start;
}

static bool parse_rate(struct parser *p, struct str inside, struct schedule *s)
{
    static const struct {
        const char *one, *many;
        int64_t ms;
    } units[] = {{"second", "seconds", SECOND_MS},
                 {"minute", "minutes", MINUTE_MS},
                 {"hour", "hours", 60 * MINUTE_MS},
                 {"day", "days", DAY_S * SECOND_MS}};
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
        s->in_seconds = units[i].ms == SECOND_MS;
        return true;
    }
    static const char *const names[] = {"second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"};
    const char *near = gap < at ? diag_near(unit, names, sizeof(names) / sizeof(names[0])) : NULL;
    return fault(p, base + at, "rate has the units second(s), minute(s), hour(s) and day(s): rate(5 minutes)%s%s%s",
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- one field of cron ---- */

/* What stands between two commas of a field. */
struct part {
    struct parser *parser;
    enum field field;
    struct str text;
    size_t at;
};

#define PART_SHOWN         40
#define PART_ARG(t)        (int)((t)->text.size < PART_SHOWN ? (t)->text.size : PART_SHOWN), (t)->text.ptr
#define part_fault(t, ...) fault((t)->parser, (size_t)((t)->text.ptr - (t)->parser->text.ptr), __VA_ARGS__)

static void set_add(uint64_t *set, int bit)
{
    set[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool set_has(const uint64_t *set, int bit)
{
    return set[bit / 64] >> (bit % 64) & 1;
}

static bool part_is_at(const struct part *t, char c)
{
    return t->at < t->text.size && t->text.ptr[t->at] == c;
}

static bool not_understood(const struct part *t)
{
    return part_fault(t, "'%.*s' is not understood in %s, which takes %s, *, lists, ranges and steps", PART_ARG(t),
                      fields[t->field].name, fields[t->field].takes);
}

/* FRIL is the month's last Friday: its L is not the name's. */
static bool read_name(struct part *t, int *out)
{
    struct str word = {t->text.ptr + t->at, 0};
    while (t->at + word.size < t->text.size && isalpha((unsigned char)word.ptr[word.size]))
        word.size++;
    if (t->field == WEEKDAYS && word.size == 4 && word.ptr[3] == 'L')
        word.size = 3;
    for (int i = 0; i < fields[t->field].name_count; i++)
        if (word.size == 3 && strncasecmp(word.ptr, fields[t->field].names[i], 3) == 0) {
            *out = fields[t->field].low + i;
            t->at += 3;
            return true;
        }
    const char *near = diag_near(word, fields[t->field].names, (size_t)fields[t->field].name_count);
    return near ? part_fault(t, "unknown %s '%.*s'; did you mean '%s'?", fields[t->field].name, STR_ARG(word), near)
                : not_understood(t);
}

/* A number or a name of the field. */
static bool read_value(struct part *t, int *out)
{
    int64_t number;
    if (t->at < t->text.size && isalpha((unsigned char)t->text.ptr[t->at]) && fields[t->field].names)
        return read_name(t, out);
    size_t start = t->at;
    if (!parse_number(t->text, &t->at, &number))
        return not_understood(t);
    *out = (int)number;
    if (number >= fields[t->field].low && number <= fields[t->field].high)
        return true;
    return part_fault(t, "%s '%.*s' is not in %d-%d", fields[t->field].name, (int)(t->at - start), t->text.ptr + start,
                      fields[t->field].low, fields[t->field].high);
}

static bool read_step(struct part *t, int *out)
{
    int64_t step;
    int most = fields[t->field].high - fields[t->field].low + (fields[t->field].low > 0);
    if (!parse_number(t->text, &t->at, &step) || step < 1 || step > most)
        return part_fault(t, "the step in %s '%.*s' is not in 1-%d", fields[t->field].name, PART_ARG(t), most);
    *out = (int)step;
    return true;
}

/* VALUE, VALUE-VALUE or *, and each with /STEP; from one value, steps go to the end of the field, and a range that goes
   backwards goes over it. */
static bool read_range(struct part *t, uint64_t *set)
{
    int first = fields[t->field].low, last = fields[t->field].high, low = first, high = last, step = 1;
    int span = last - first + 1;

    if (part_is_at(t, '*')) {
        t->at++;
    } else {
        if (!read_value(t, &low))
            return false;
        if (part_is_at(t, '-')) {
            t->at++;
            if (!read_value(t, &high))
                return false;
        } else if (!part_is_at(t, '/')) {
            high = low;
        }
        if (high < low && t->field == YEARS)
            return part_fault(t, "%s '%.*s' goes backwards", fields[t->field].name, PART_ARG(t));
        if (high < low)
            high += span;
    }
    if (part_is_at(t, '/')) {
        t->at++;
        if (!read_step(t, &step))
            return false;
    }
    for (int v = low; v <= high; v += step)
        set_add(set, (v - first) % span);
    return t->at == t->text.size || not_understood(t);
}

static bool read_special_day(struct part *t, struct cron *c)
{
    int day;
    if (str_is(t->text, "L")) {
        c->last_day = true;
        return true;
    }
    if (str_is(t->text, "LW")) {
        c->nearest = NEAREST_LAST;
        return true;
    }
    if (t->text.ptr[0] == 'L' || t->text.ptr[0] == 'W')
        return not_understood(t);
    if (!read_value(t, &day))
        return false;
    c->nearest = day;
    return (part_is_at(t, 'W') && t->at + 1 == t->text.size) || not_understood(t);
}

static bool read_special_weekday(struct part *t, struct cron *c)
{
    int day;
    if (str_is(t->text, "L")) {
        set_add(c->sets[WEEKDAYS], 6);
        return true;
    }
    if (!read_value(t, &day))
        return false;
    if (part_is_at(t, 'L') && t->at + 1 == t->text.size) {
        c->last_weekday = day;
        return true;
    }
    if (!part_is_at(t, '#'))
        return not_understood(t);
    char nth = t->at + 2 == t->text.size ? t->text.ptr[t->at + 1] : '0';
    if (nth < '1' || nth > '5')
        return part_fault(t, "in day-of-week '%.*s', what follows # is not in 1-5", PART_ARG(t));
    c->nth_weekday = day;
    c->nth = nth - '0';
    return true;
}

/* Is it one that means another day in every month (or L in day-of-week, which AWS counts among them)? */
static bool is_special(const struct part *t)
{
    char last = t->text.size ? t->text.ptr[t->text.size - 1] : '\0';
    if (t->field == DAYS)
        return memchr(t->text.ptr, 'L', t->text.size) || last == 'W';
    return t->field == WEEKDAYS && (last == 'L' || memchr(t->text.ptr, '#', t->text.size));
}

static bool read_part(struct part *t, bool alone, struct cron *c)
{
    if (!is_special(t))
        return read_range(t, c->sets[t->field]);
    if (!alone)
        return part_fault(t, "'%.*s' must stand alone in %s", PART_ARG(t), fields[t->field].name);
    return t->field == DAYS ? read_special_day(t, c) : read_special_weekday(t, c);
}

static bool parse_field(struct parser *p, enum field f, struct str text, struct cron *c)
{
    bool *any = f == DAYS ? &c->any_day : f == WEEKDAYS ? &c->any_weekday : NULL;
    bool alone = !memchr(text.ptr, ',', text.size);

    if (str_is(text, "?")) {
        if (!any)
            return fault(p, (size_t)(text.ptr - p->text.ptr), "only day-of-month and day-of-week can be ?");
        *any = true;
        return true;
    }
    for (struct str rest = text; rest.ptr;) {
        const char *comma = memchr(rest.ptr, ',', rest.size);
        struct part part = {p, f, {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.size}, 0};
        if (!read_part(&part, alone, c))
            return false;
        rest = comma ? (struct str){comma + 1, (size_t)(text.ptr + text.size - comma - 1)} : (struct str){NULL, 0};
    }
    return true;
}

/* ---- days ---- */

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
    int last = time_month_days(tm->tm_year + 1900, tm->tm_mon + 1), day = tm->tm_mday, weekday = tm->tm_wday + 1;

    if (!c->any_weekday)
        return set_has(c->sets[WEEKDAYS], weekday - 1) || (c->last_weekday == weekday && day > last - 7) ||
               (c->nth_weekday == weekday && c->nth == (day + 6) / 7);
    if (!c->nearest)
        return set_has(c->sets[DAYS], day - 1) || (c->last_day && day == last);
    int wanted = c->nearest == NEAREST_LAST ? last : c->nearest;
    return wanted <= last && day == nearest_weekday(wanted, weekday_of(tm, wanted), last);
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
        return fault(p, 0, "never fires: no day from 1970 to 2199 is one of these");
    return true;
}

static bool parse(struct parser *p, struct schedule *s)
{
    static const char *const forms[] = {"rate", "cron"};
    if (p->text.size > TEXT_MAX)
        return fault(p, 0, "a schedule has at most %d characters", TEXT_MAX);
    for (size_t i = 0; i < 2; i++) {
        if (!str_starts(p->text, str_from(forms[i])) || p->text.size < 6 || p->text.ptr[4] != '(')
            continue;
        if (p->text.ptr[p->text.size - 1] != ')')
            return fault(p, p->text.size, "a closing ) is missing");
        struct str inside = {p->text.ptr + 5, p->text.size - 6};
        return i == 0 ? parse_rate(p, inside, s) : parse_cron(p, inside, s);
    }
    const char *open = memchr(p->text.ptr, '(', p->text.size);
    const char *near = open ? diag_near((struct str){p->text.ptr, (size_t)(open - p->text.ptr)}, forms, 2) : NULL;
    return fault(p, 0, "a schedule is rate(5 minutes) or cron(0 10 ? * MON-FRI *)%s%s%s",
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
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

int64_t schedule_grain_ms(const struct schedule *s)
{
    return s->every_ms ? s->every_ms : MINUTE_MS;
}

bool schedule_is_portable(const struct schedule *s)
{
    return !s->in_seconds;
}

struct str schedule_text(const struct schedule *s)
{
    return s->text;
}
