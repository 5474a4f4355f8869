/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations in words and as JSON. What comes from an event may be anything: values are shown as JSON, cut where a
 * line would be too long, so a terminal is told nothing.
 */
#include "matcher/explain_int.h"

#include "matcher/pattern_write.h"
#include "matcher/utf8.h"

#define VALUE_SHOWN  80   /* bytes of a value in a line */
#define WANTED_SHOWN 160  /* bytes of a leaf's alternatives in a line */
#define PATH_SHOWN   400  /* bytes of a path in a line */
#define VALUE_JSON   1024 /* bytes of a value in JSON */

/* ---- text ---- */

void explain_write_plain(struct buf *out, struct str text, size_t most)
{
    unsigned size;
    for (size_t at = 0; at < text.size; at += size) {
        uint32_t code;
        size = utf8_decode(text.ptr + at, text.size - at, &code);
        if (at + size > most) {
            buf_text(out, "…");
            return;
        }
        if (!size || utf8_is_surrogate(code) || code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            buf_char(out, '?');
            size = size ? size : 1;
        } else {
            buf_add(out, text.ptr + at, size);
        }
    }
}

static void write_wanted(struct buf *out, const struct pattern_leaf *leaf)
{
    struct buf atoms = BUF_INIT;
    pattern_write_atoms(&atoms, leaf);
    explain_write_plain(out, buf_view(&atoms), WANTED_SHOWN);
    out->failed |= atoms.failed;
    buf_fini(&atoms);
}

static void write_path(struct buf *out, struct str path)
{
    struct buf quoted = BUF_INIT;
    json_write_string(&quoted, path);
    struct str text = buf_view(&quoted);
    if (text.size == path.size + 2) /* nothing had to be escaped */
        text = path;
    explain_write_plain(out, text, PATH_SHOWN);
    out->failed |= quoted.failed;
    buf_fini(&quoted);
}

static void write_leaf(struct buf *out, const struct explain_leaf *l)
{
    buf_text(out, l->holds ? "  yes  " : "  no   ");
    write_path(out, l->leaf->path);
    buf_text(out, "  ");
    write_wanted(out, l->leaf);
    buf_text(out, "\n       ");
    if (!l->looked)
        buf_text(out, "not looked up: too much to read for one explanation");
    else if (!l->value_count)
        buf_text(out, "absent");
    else if (!l->found_count)
        buf_text(out, "absent from the array element that the others stand in");
    for (uint32_t i = 0; i < l->found_count; i++) {
        buf_text(out, i ? ", " : "found ");
        explain_write_plain(out, l->found[i].value, VALUE_SHOWN);
        if (!str_eq(l->found[i].at, l->leaf->path)) {
            buf_text(out, " at ");
            write_path(out, l->found[i].at);
        }
    }
    if (l->value_count > l->found_count && !l->holds)
        buf_printf(out, ", and %u more", l->value_count - l->found_count);
    buf_char(out, '\n');
    for (uint32_t i = 0; i < l->near_count; i++)
        buf_printf(out, "       near: %.*s\n", STR_ARG(l->near[i].text));
}

static void write_branch(struct buf *out, const struct explanation *e, const struct explain_branch *b)
{
    if (e->branch_count > 1)
        buf_printf(out, "  combination %u of %u of $or: %s\n", b->number, e->branch_count,
                   b->matches ? "matches" : "does not match");
    for (uint32_t i = 0; i < b->leaf_count; i++)
        write_leaf(out, &e->leaves[b->leaves[i]]);
    if (b->reason.ptr)
        buf_printf(out, "  no   %.*s\n", STR_ARG(b->reason));
}

void explanation_write_text(struct buf *out, const struct explanation *e, uint32_t branches)
{
    for (uint32_t i = 0; i < e->note_count; i++)
        buf_printf(out, "  note: %.*s\n", STR_ARG(e->notes[i].text));
    for (uint32_t i = 0; i < e->branch_count && i < branches; i++) {
        if (i && e->matches && !e->branches[i].matches)
            break; /* what matches is the explanation */
        write_branch(out, e, &e->branches[i]);
    }
    if (e->branch_count > branches && !e->matches)
        buf_printf(out, "  and %u more combinations of $or, further off\n", e->branch_count - branches);
}

/* ---- JSON ---- */

static void write_value(struct buf *out, struct str value)
{
    json_write_key(out, "value");
    if (value.size <= VALUE_JSON) {
        json_minify(out, value);
        return;
    }
    struct buf cut = BUF_INIT;
    explain_write_plain(&cut, value, VALUE_JSON);
    json_write_string(out, buf_view(&cut));
    out->failed |= cut.failed;
    buf_fini(&cut);
    json_write_key(out, "bytes");
    json_write_int(out, (int64_t)value.size);
}

static void next(struct buf *out)
{
    if (out->size && out->data[out->size - 1] != '[')
        buf_char(out, ',');
}

static void write_near(struct buf *out, const char *key, const struct explain_near *list, uint32_t count)
{
    json_write_key(out, key);
    buf_char(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        next(out);
        buf_char(out, '{');
        json_write_member(out, "kind", str_from(list[i].kind));
        json_write_member(out, "text", list[i].text);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

static void write_leaf_json(struct buf *out, const struct explain_leaf *l)
{
    next(out);
    buf_char(out, '{');
    json_write_member(out, "path", l->leaf->path);
    json_write_key(out, "wanted");
    pattern_write_atoms(out, l->leaf);
    json_write_key(out, "ok");
    buf_text(out, l->holds ? "true" : "false");
    json_write_key(out, "values");
    json_write_int(out, l->value_count);
    json_write_key(out, "found");
    buf_char(out, '[');
    for (uint32_t i = 0; i < l->found_count; i++) {
        next(out);
        buf_char(out, '{');
        write_value(out, l->found[i].value);
        json_write_member(out, "at", l->found[i].at);
        buf_char(out, '}');
    }
    buf_char(out, ']');
    write_near(out, "near", l->near, l->near_count);
    buf_char(out, '}');
}

static void write_branch_json(struct buf *out, const struct explain_branch *b)
{
    next(out);
    buf_char(out, '{');
    json_write_key(out, "branch");
    json_write_int(out, b->number);
    json_write_key(out, "matches");
    buf_text(out, b->matches ? "true" : "false");
    json_write_key(out, "failing");
    json_write_int(out, b->failing);
    json_write_key(out, "leaves");
    buf_char(out, '[');
    for (uint32_t i = 0; i < b->leaf_count; i++)
        buf_printf(out, "%s%u", i ? "," : "", b->leaves[i]);
    buf_char(out, ']');
    if (b->reason.ptr)
        json_write_member(out, "reason", b->reason);
    buf_char(out, '}');
}

void explanation_write_json(struct buf *out, const struct explanation *e)
{
    json_write_key(out, "matches");
    buf_text(out, e->matches ? "true" : "false");
    json_write_key(out, "leaves");
    buf_char(out, '[');
    for (uint32_t i = 0; i < e->leaf_count; i++)
        write_leaf_json(out, &e->leaves[i]);
    buf_char(out, ']');
    json_write_key(out, "branches");
    buf_char(out, '[');
    for (uint32_t i = 0; i < e->branch_count; i++)
        write_branch_json(out, &e->branches[i]);
    buf_char(out, ']');
    write_near(out, "notes", e->notes, e->note_count);
}
