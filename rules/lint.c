/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of checks, running them, and the report. Rules are walked once, with the leaves of each pattern laid out
 * for all checks; then come the checks of the whole set. Cost: linear in the patterns' size but for sorting.
 */
#include "rules/lint_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "targets/archive.h"

const struct lint_check lint_checks[] = {
    {"unpinned-source", "a rule that looks into detail and takes it from any source", lint_unpinned_source, NULL},
    {"unknown-member", "a pattern on a member that the envelope of an event does not have", lint_unknown_member, NULL},
    {"impossible-value", "an alternative that the member of the envelope can never have", lint_impossible_value, NULL},
    {"never-matches", "a pattern, or a branch of $or, that no event can match", lint_never_matches, NULL},
    {"absent-object", "exists: false on what must be an object, where it says nothing", lint_absent_object, NULL},
    {"replaced-field", "a field written twice, such as beside $or and in a branch: the later one counts alone",
     lint_replaced_field, NULL},
    {"anything-but-or", "several anything-but side by side: one of them holds for every value", lint_anything_but_or,
     NULL},
    {"anything-but-absent", "anything-but on a field that may be missing: it then does not match",
     lint_anything_but_absent, NULL},
    {"redundant-alternative", "an alternative that another one of the same field covers", lint_redundant, NULL},
    {"idle-wildcard", "a wildcard that is another operator in disguise", lint_wildcard, NULL},
    {"star-in-text", "a * in a plain text, which stands for itself there", lint_star_in_text, NULL},
    {"cidr-in-text", "an address block as plain text where addresses are", lint_cidr_in_text, NULL},
    {"account-number", "a 12-digit number where an account, which is text, is meant", lint_account_number, NULL},
    {"no-tests", "a rule without tests", lint_no_tests, NULL},
    {"no-targets", "an enabled rule without targets", lint_no_targets, NULL},
    {"duplicate-rule", "two rules of a bus with the same pattern and the same targets", NULL, lint_duplicates},
    {"same-pattern", "two rules of a bus with the same pattern and other targets", NULL, lint_same_pattern},
    {"unused-target", "a target that nothing in the configuration names", NULL, lint_unused_target},
    {"unused-bus", "an event bus without a rule or an archive", NULL, lint_unused_bus},
    {"plain-secret", "a secret that stands in the file as text", NULL, lint_plain_secret},
    {"load", "what the loader warns of by itself, such as input templates that will deliver nothing", NULL,
     lint_loaded},
    {NULL, NULL, NULL, NULL},
};

const struct lint_check *lint_check_find(const char *id)
{
    for (const struct lint_check *c = lint_checks; c->id; c++)
        if (strcmp(c->id, id) == 0)
            return c;
    return NULL;
}

/* ---- for the checks ---- */

static const char *format_text(struct lint *l, const char *format, va_list args)
{
    struct buf text = BUF_INIT;
    buf_vprintf(&text, format, args);
    const char *kept = text.failed ? NULL : arena_text(&l->out->arena, buf_view(&text));
    l->out->arena.failed |= !kept;
    buf_fini(&text);
    return kept ? kept : "";
}

const char *lint_text(struct lint *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = format_text(l, format, args);
    va_end(args);
    return text;
}

void lint_add(struct lint *l, struct diag_pos pos, const char *suggestion, const char *format, ...)
{
    struct finding *f = arena_new(&l->out->arena, struct finding);
    va_list args;
    if (!f)
        return;
    va_start(args, format);
    *f = (struct finding){l->out->list, l->check, pos, format_text(l, format, args), suggestion};
    va_end(args);
    l->out->list = f;
    l->out->count++;
}

struct diag_pos lint_pos(const struct lint *l, int line, int column)
{
    return (struct diag_pos){l->rule->pos.file, line, column};
}

bool leaf_has(const struct pattern_leaf *leaf, enum pattern_op op)
{
    for (uint32_t i = 0; i < leaf->atom_count; i++)
        if (leaf->atoms[i].op == op)
            return true;
    return false;
}

bool path_is_below(struct str path, struct str above)
{
    return path.size > above.size && str_starts(path, above) && path.ptr[above.size] == '.';
}

/* ---- running ---- */

static int leaf_cmp(const void *left, const void *right)
{
    const struct pattern_leaf *a = *(const struct pattern_leaf *const *)left;
    const struct pattern_leaf *b = *(const struct pattern_leaf *const *)right;
    int order = str_cmp(a->path, b->path);
    return order ? order : (a > b) - (a < b);
}

/* False: out of memory. */
static bool lay_out(struct lint *l, struct arena *a)
{
    size_t count = 0;
    l->leaf_count = 0;
    for (uint32_t c = 0; l->pattern && c < l->pattern->conjunction_count; c++)
        count += l->pattern->conjunctions[c].leaf_count;
    l->leaves = arena_array(a, count, sizeof(*l->leaves));
    if (!l->leaves)
        return false;
    count = 0;
    for (uint32_t c = 0; l->pattern && c < l->pattern->conjunction_count; c++)
        for (uint32_t i = 0; i < l->pattern->conjunctions[c].leaf_count; i++)
            l->leaves[count++] = l->pattern->conjunctions[c].leaves[i];
    qsort(l->leaves, count, sizeof(*l->leaves), leaf_cmp);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || l->leaves[i] != l->leaves[i - 1])
            l->leaves[l->leaf_count++] = l->leaves[i];
    return true;
}

/* An archive that says nothing gets a pattern from the loader: nobody wrote it. */
static const struct pattern *written_pattern(const struct rule *rule)
{
    if (!rule->is_archive)
        return rule->pattern;
    return ((const struct archive_options *)rule->targets[0].target->options)->pattern;
}

static bool is_off(const struct lint_check *check, const struct lint_check *const *off)
{
    for (; off && *off; off++)
        if (*off == check)
            return true;
    return false;
}

static bool check_rule(struct lint *l, const struct rule *rule, const struct lint_check *const *off)
{
    struct arena temp = ARENA_INIT;
    l->rule = rule;
    l->pattern = written_pattern(rule);
    bool ok = lay_out(l, &temp);
    for (l->check = lint_checks; ok && l->check->id; l->check++)
        if (l->check->rule && !is_off(l->check, off))
            l->check->rule(l, rule);
    arena_fini(&temp);
    return ok;
}

/* ---- order ---- */

struct sorting {
    struct finding *finding;
    const char *first; /* the first file */
    size_t order;
};

static int finding_cmp(const void *left, const void *right)
{
    const struct sorting *a = left, *b = right;
    const struct diag_pos *p = &a->finding->pos, *q = &b->finding->pos;
    if (p->file != q->file && p->file && q->file) {
        bool p_first = strcmp(p->file, a->first) == 0, q_first = strcmp(q->file, a->first) == 0;
        return p_first != q_first ? q_first - p_first : strcmp(p->file, q->file);
    }
    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    if (p->column != q->column)
        return p->column < q->column ? -1 : 1;
    return (a->order < b->order) - (a->order > b->order); /* the list is the wrong way round */
}

static bool sort(struct findings *f, const struct ruleset *set)
{
    struct sorting *all = calloc(f->count + 1, sizeof(*all));
    size_t count = 0;
    if (!all)
        return false;
    for (struct finding *one = f->list; one; one = one->next, count++)
        all[count] = (struct sorting){one, set->file.ptr ? set->file.ptr : "", count};
    qsort(all, count, sizeof(*all), finding_cmp);
    for (size_t i = 0; i < count; i++)
        all[i].finding->next = i + 1 < count ? all[i + 1].finding : NULL;
    f->list = count ? all[0].finding : NULL;
    free(all);
    return true;
}

bool lint_run(const struct ruleset *set, const struct diags *loaded, const struct lint_check *const *off,
              struct findings *out)
{
    struct lint l = {.set = set, .loaded = loaded, .out = out};
    bool ok = true;
    for (uint32_t i = 0; ok && i < set->rule_count; i++)
        ok = check_rule(&l, &set->rules[i], off);
    for (l.check = lint_checks; ok && l.check->id; l.check++)
        if (l.check->set && !is_off(l.check, off))
            l.check->set(&l);
    return ok && !out->arena.failed && sort(out, set);
}

void findings_fini(struct findings *f)
{
    arena_fini(&f->arena);
    *f = (struct findings){0};
}

/* ---- the report ---- */

void lint_report(const struct findings *f, struct buf *out)
{
    struct buf source = BUF_INIT;
    const char *file = NULL;
    size_t shown = 0;
    for (const struct finding *one = f->list; one && shown < LINT_REPORT_MAX; one = one->next, shown++) {
        struct weir_diag diag = {.warning = true, .line = one->pos.line, .column = one->pos.column};
        if (one->pos.file != file)
            report_source(one->pos.file, &source);
        file = one->pos.file;
        snprintf(diag.message, sizeof(diag.message), "%.440s [%s]", one->message, one->check->id);
        diag_format(out, file, &diag, buf_view(&source));
        if (one->suggestion)
            buf_printf(out, "  suggestion: %s\n", one->suggestion);
    }
    if (f->count > shown)
        buf_printf(out, "%zu warnings, the last %zu not shown\n", f->count, f->count - shown);
    else if (f->count > 1)
        buf_printf(out, "%zu warnings\n", f->count);
    buf_fini(&source);
}
