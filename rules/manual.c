/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mdoc from tables. Lines are wrapped, so that a page reads well in an editor and in a diff; arguments of macros are
 * quoted, so that no word in them is taken for a macro.
 */
#include "rules/manual.h"

#include <ctype.h>

#include "matcher/pattern.h"
#include "rules/lint.h"

#define LINE_SIZE 110

/* ---- text ---- */

static void write_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.ptr[i] == '\\')
            buf_text(out, "\\e");
        else
            buf_char(out, text.ptr[i]);
}

/* The next word, or {NULL,0}. */
static struct str next_word(const char **at)
{
    const char *start = *at + strspn(*at, " \n");
    *at = start + strcspn(start, " \n");
    return (struct str){*start ? start : NULL, (size_t)(*at - start)};
}

static bool ends_sentence(struct str word)
{
    return word.size > 1 && strchr(".!?", word.ptr[word.size - 1]);
}

/* Not "debug," of a list of words, "receive:" or "address/bits": they stand for themselves. */
static bool is_plain_word(struct str word)
{
    for (size_t i = 0; i < word.size; i++)
        if (!islower((unsigned char)word.ptr[i]) && word.ptr[i] != '\'' && word.ptr[i] != '-')
            return false;
    return word.size;
}

void manual_write_text(struct buf *out, const char *text)
{
    size_t column = 0;
    bool first = true, ended = false;
    for (struct str word; (word = next_word(&text)).ptr; first = false) {
        if (column && (ended || column + 1 + word.size > LINE_SIZE)) {
            buf_char(out, '\n');
            column = 0;
        } else if (column) {
            buf_char(out, ' ');
            column++;
        }
        if (column == 0 && (word.ptr[0] == '.' || word.ptr[0] == '\''))
            buf_text(out, "\\&");
        if (first && is_plain_word(word)) {
            buf_char(out, (char)toupper((unsigned char)word.ptr[0]));
            write_escaped(out, (struct str){word.ptr + 1, word.size - 1});
        } else
            write_escaped(out, word);
        column += word.size;
        ended = ends_sentence(word);
    }
    buf_text(out, ended || (out->size && out->data[out->size - 1] == ':') ? "\n" : ".\n");
}

void manual_write_argument(struct buf *out, const char *text)
{
    buf_text(out, " \"");
    for (; *text; text++)
        if (*text == '"')
            buf_text(out, "\"\"");
        else
            write_escaped(out, (struct str){text, 1});
    buf_char(out, '"');
}

static void begin_list(struct buf *out)
{
    buf_text(out, ".Bl -tag -width Ds\n");
}

static void end_list(struct buf *out)
{
    buf_text(out, ".El\n");
}

/* ---- options ---- */

/* Has the table a place of its own in the manual? Then it is not repeated inside another. */
static bool has_name(const struct option *members)
{
    struct table t;
    for (size_t i = 0; tables_at(i, &t); i++)
        if (t.options == members)
            return true;
    return false;
}

/* "1KiB..16MiB; default 16MiB" */
static void write_facts(struct buf *out, const struct option *o)
{
    struct buf facts = BUF_INIT;
    tables_write_bounds(&facts, o);
    if (o->required)
        buf_printf(&facts, "%srequired", facts.size ? "; " : "");
    if (o->required && o->instead)
        buf_printf(&facts, " unless %s stands instead", o->instead);
    if (o->value)
        buf_printf(&facts, "%sdefault %s", facts.size ? "; " : "", o->value);
    if (facts.size)
        manual_write_text(out, buf_cstr(&facts));
    out->failed |= facts.failed;
    buf_fini(&facts);
}

static void write_meaning(struct buf *out, const struct option *o)
{
    struct buf meaning = BUF_INIT;
    tables_write_meaning(&meaning, o);
    manual_write_text(out, buf_cstr(&meaning));
    out->failed |= meaning.failed;
    buf_fini(&meaning);
}

/* A list's entry may be the bare value of this member. */
static void write_scalar(struct buf *out, const struct option *members)
{
    for (; members->key; members++)
        if (members->scalar)
            buf_printf(out, "An entry is a mapping, or just its\n.Ic %s .\n", members->key);
}

static void write_option(struct buf *out, const struct option *o)
{
    struct buf type = BUF_INIT;
    tables_write_type(&type, o);
    buf_printf(out, ".It Ic %s Ar", o->key);
    manual_write_argument(out, buf_cstr(&type));
    buf_char(out, '\n');
    out->failed |= type.failed;
    buf_fini(&type);
    write_meaning(out, o);
    write_facts(out, o);
    if (!o->members || o->type == OPTION_SECTION || has_name(o->members))
        return;
    write_scalar(out, o->members);
    begin_list(out);
    for (const struct option *m = o->members; m->key; m++)
        write_option(out, m);
    end_list(out);
}

void manual_write_options(struct buf *out, const struct table *table)
{
    struct option row;
    if (table->options && !table->options->key) {
        buf_text(out, "None.\n");
        return;
    }
    begin_list(out);
    for (const struct option *o = table->options; o && o->key; o++)
        write_option(out, o);
    for (size_t i = 0; !table->options && tables_root_row(i, &row); i++)
        write_option(out, &row);
    end_list(out);
}

/* ---- other tables ---- */

static void write_operand(struct buf *out, const char *operand)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "Operand: %s", operand);
    manual_write_text(out, buf_cstr(&text));
    out->failed |= text.failed;
    buf_fini(&text);
}

void manual_write_operators(struct buf *out)
{
    begin_list(out);
    for (size_t i = 0; i < pattern_operator_count; i++) {
        const struct pattern_operator *op = &pattern_operators[i];
        buf_text(out, ".It Li");
        manual_write_argument(out, op->name);
        buf_char(out, '\n');
        manual_write_text(out, op->meaning);
        write_operand(out, op->operand);
    }
    end_list(out);
}

void manual_write_checks(struct buf *out)
{
    begin_list(out);
    for (const struct lint_check *c = lint_checks; c->id; c++) {
        buf_printf(out, ".It Li %s\n", c->id);
        manual_write_text(out, c->meaning);
    }
    end_list(out);
}
