/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of the query protocol as JSON. The parameters are decoded and sorted by the parts of their names, numbers as
 * numbers; then all that belongs together stands together, and one walk over ranges writes it:
 *
 *     Entry.1.Body=a&QueueUrl=q&Entry.10.Body=c&Entry.2.Body=b
 *
 *     Entry . 1  . Body      |  a list: one range an index
 *     Entry . 2  . Body      |
 *     Entry . 10 . Body      |
 *     QueueUrl               a text
 *
 * The time is that of the sort; names, parameters and depth have bounds (aws_wire.h).
 */
#include <stdlib.h>

#include "matcher/arena.h"
#include "matcher/json.h"
#include "matcher/utf8.h"
#include "router/api/aws_wire.h"
#include "router/sources/percent.h"

struct parameter {
    struct str name;  /* decoded */
    struct str value; /* as it stands in the form */
};

struct form {
    struct parameter *all;
    const struct aws_wire *wire;
    const char *operation;
    struct buf *out;
    struct buf scratch;
    const char *fault;
};

/* Parameters that share their names up to a part, which starts at `at`. */
struct range {
    size_t from, to, at;
};

static const char out_of_memory[] = "out of memory";

/* ---- taking it apart ---- */

static struct str next_pair(struct str form, size_t *at)
{
    const char *end = memchr(form.ptr + *at, '&', form.size - *at);
    struct str pair = {form.ptr + *at, (end ? (size_t)(end - form.ptr) : form.size) - *at};
    *at += pair.size + 1;
    return pair;
}

/* The part of a pair before or behind its '='. */
static void split(struct str pair, struct str *name, struct str *value)
{
    const char *equal = pair.size ? memchr(pair.ptr, '=', pair.size) : NULL;
    name->ptr = pair.ptr;
    name->size = equal ? (size_t)(equal - pair.ptr) : pair.size;
    value->ptr = pair.ptr + name->size + !!equal;
    value->size = pair.size - name->size - !!equal;
}

bool aws_form_value(struct str form, const char *name, struct buf *out)
{
    struct str key, value;

    for (size_t at = 0; at < form.size;) {
        split(next_pair(form, &at), &key, &value);
        if (str_is(key, name)) {
            percent_decode(out, value, true);
            return true;
        }
    }
    return false;
}

static const char *name_fault(struct str name)
{
    size_t dots = 0;

    if (name.size > AWS_FORM_NAME_MAX)
        return "the name of a parameter is longer than 512 bytes";
    for (size_t i = 0; i < name.size; i++)
        dots += name.ptr[i] == '.';
    return dots > AWS_FORM_DEPTH_MAX ? "the name of a parameter has more than 16 dots" : NULL;
}

static size_t count_pairs(struct str form)
{
    size_t count = 1;
    for (size_t i = 0; i < form.size; i++)
        count += form.ptr[i] == '&';
    return count;
}

/* All parameters with their names decoded; *count_out of them. */
static const char *take(struct form *f, struct arena *arena, struct str form, size_t *count_out)
{
    size_t pairs = count_pairs(form);

    *count_out = 0;
    if (pairs > AWS_FORM_PARAMETERS_MAX)
        return "there are more than 10000 parameters";
    f->all = arena_array(arena, pairs, sizeof *f->all);
    for (size_t at = 0; f->all && at < form.size;) {
        struct str name, value;
        const char *fault;
        split(next_pair(form, &at), &name, &value);
        if (!name.size)
            continue;
        buf_clear(&f->scratch);
        percent_decode(&f->scratch, name, true);
        if ((fault = name_fault(buf_view(&f->scratch))))
            return fault;
        f->all[(*count_out)++] = (struct parameter){arena_str(arena, buf_view(&f->scratch)), value};
    }
    return arena->failed || f->scratch.failed ? out_of_memory : NULL;
}

/* ---- order ---- */

static struct str part_at(struct str name, size_t at)
{
    const char *dot = memchr(name.ptr + at, '.', name.size - at);
    return (struct str){name.ptr + at, (dot ? (size_t)(dot - name.ptr) : name.size) - at};
}

static bool is_index(struct str part)
{
    for (size_t i = 0; i < part.size; i++)
        if (part.ptr[i] < '0' || part.ptr[i] > '9')
            return false;
    return part.size > 0;
}

static int compare_parts(struct str a, struct str b)
{
    bool a_counts = is_index(a), b_counts = is_index(b);

    if (a_counts != b_counts)
        return a_counts ? -1 : 1;
    if (a_counts && a.size != b.size)
        return a.size < b.size ? -1 : 1; /* the shorter number is the smaller one: AWS's have no leading zeros */
    return str_cmp(a, b);
}

static int compare_parameters(const void *left, const void *right)
{
    const struct parameter *a = left, *b = right;
    size_t at = 0;

    while (at <= a->name.size && at <= b->name.size) {
        struct str part = part_at(a->name, at);
        int order = compare_parts(part, part_at(b->name, at));
        if (order)
            return order;
        at += part.size + 1;
    }
    return a->name.size < b->name.size ? -1 : a->name.size > b->name.size;
}

/* ---- writing ---- */

static void write_members(struct form *f, struct range r);

static void fail(struct form *f, const char *fault)
{
    if (!f->fault)
        f->fault = fault;
}

/* The next part's name, and the range of those that have it, from r->from on; r goes behind them. */
static struct str next_part(struct form *f, struct range *r, struct range *sub)
{
    struct str part = part_at(f->all[r->from].name, r->at);

    *sub = (struct range){r->from, r->from + 1, r->at + part.size + 1};
    while (sub->to < r->to && str_eq(part_at(f->all[sub->to].name, r->at), part))
        sub->to++;
    r->from = sub->to;
    return part;
}

/* Does the name end before the part at which the range stands? Then it is a text. */
static bool is_text(const struct form *f, const struct range *r)
{
    return f->all[r->from].name.size < r->at;
}

static void write_text(struct form *f, const struct range *r)
{
    if (r->to - r->from > 1)
        fail(f, "a parameter is given twice, or has a value and parts");
    buf_clear(&f->scratch);
    percent_decode(&f->scratch, f->all[r->from].value, true);
    if (!utf8_is_text(buf_view(&f->scratch)))
        fail(f, "the value of a parameter is not UTF-8");
    json_write_string(f->out, buf_view(&f->scratch));
}

static void write_value(struct form *f, struct range r)
{
    if (is_text(f, &r))
        write_text(f, &r);
    else
        write_members(f, r);
}

/* Steps over the entry's name, where the row has one: TagKeys.member.1 */
static bool enter(struct form *f, const struct aws_wire *row, struct range *r)
{
    struct range sub, all = *r;

    if (!row->entry)
        return true;
    if (!str_is(next_part(f, &all, &sub), row->entry) || all.from < all.to || is_text(f, &sub)) {
        fail(f, "the elements of a list or map are not named as the service does");
        return false;
    }
    *r = sub;
    return true;
}

static void write_list(struct form *f, const struct aws_wire *row, struct range r)
{
    struct range sub;
    const char *comma = "";

    buf_char(f->out, '[');
    if (is_text(f, &r)) {
        if (f->all[r.from].value.size || r.to - r.from > 1)
            write_text(f, &r);
    } else if (enter(f, row, &r)) {
        while (r.from < r.to) {
            if (!is_index(next_part(f, &r, &sub)))
                fail(f, "the elements of a list have no number");
            buf_text(f->out, comma);
            write_value(f, sub);
            comma = ",";
        }
    }
    buf_char(f->out, ']');
}

static void write_entry(struct form *f, const struct aws_wire *row, struct range r)
{
    struct range sub, key = {0}, value = {0};

    while (r.from < r.to) {
        struct str part = next_part(f, &r, &sub);
        if (str_is(part, row->key))
            key = sub;
        else if (str_is(part, row->value))
            value = sub;
    }
    if (key.from == key.to || value.from == value.to || !is_text(f, &key)) {
        fail(f, "an entry of a map lacks its name or its value");
        return;
    }
    write_text(f, &key);
    buf_char(f->out, ':');
    write_value(f, value);
}

static void write_map(struct form *f, const struct aws_wire *row, struct range r)
{
    struct range sub;
    const char *comma = "";

    buf_char(f->out, '{');
    if (is_text(f, &r)) {
        if (f->all[r.from].value.size || r.to - r.from > 1)
            fail(f, "a map is given as a text");
    } else if (enter(f, row, &r)) {
        while (!f->fault && r.from < r.to) {
            if (!is_index(next_part(f, &r, &sub)) || is_text(f, &sub)) {
                fail(f, "the entries of a map have no number");
                break;
            }
            buf_text(f->out, comma);
            write_entry(f, row, sub);
            comma = ",";
        }
    }
    buf_char(f->out, '}');
}

/* By the name on the wire, or else by the member's own. */
static const struct aws_wire *find_row(const struct form *f, struct str part)
{
    for (const struct aws_wire *row = f->wire; row->member; row++)
        if (!row->is_output && (!row->operation || strcmp(row->operation, f->operation) == 0) &&
            (str_is(part, row->wire ? row->wire : row->member) || str_is(part, row->member)))
            return row;
    return NULL;
}

static void write_member(struct form *f, struct str part, struct range r)
{
    const struct aws_wire *row = find_row(f, part);

    json_write_string(f->out, row ? str_from(row->member) : part);
    buf_char(f->out, ':');
    if (!row)
        write_value(f, r);
    else if (row->kind == AWS_WIRE_LIST)
        write_list(f, row, r);
    else
        write_map(f, row, r);
}

static void write_members(struct form *f, struct range r)
{
    struct range sub;
    const char *comma = "";

    buf_char(f->out, '{');
    while (!f->fault && r.from < r.to) {
        struct str part = next_part(f, &r, &sub);
        buf_text(f->out, comma);
        write_member(f, part, sub);
        comma = ",";
    }
    buf_char(f->out, '}');
}

const char *aws_form_read(struct buf *out, struct str form, const struct aws_wire *wire, const char *operation)
{
    struct form f = {.wire = wire, .operation = operation, .out = out};
    struct arena arena = ARENA_INIT;
    size_t count;

    f.fault = take(&f, &arena, form, &count);
    if (!f.fault) {
        qsort(f.all, count, sizeof *f.all, compare_parameters);
        write_members(&f, (struct range){0, count, 0});
    }
    out->failed |= f.scratch.failed;
    buf_fini(&f.scratch);
    arena_fini(&arena);
    return f.fault;
}
