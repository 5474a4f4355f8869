/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks on the alternatives of one field. They are a list of "or", which is where patterns go wrong most: an
 * alternative that covers its neighbours, or two that together cover everything.
 */
#include "rules/lint_int.h"

#include "matcher/address.h"

/* ---- anything-but ---- */

void lint_anything_but_or(struct lint *l, const struct rule *rule)
{
    for (uint32_t i = 0; i < l->leaf_count; i++) {
        const struct pattern_leaf *leaf = l->leaves[i];
        uint32_t count = 0, a = 0;
        for (; a < leaf->atom_count; a++)
            if (leaf->atoms[a].op == PATTERN_ANYTHING_BUT && ++count == 2)
                break;
        if (count == 2)
            lint_add(l, lint_pos(l, leaf->atoms[a].line, leaf->atoms[a].column),
                     "one anything-but with a list excludes them all: {anything-but: [a, b]}",
                     "alternatives are joined by 'or', and what this anything-but of '%.*s' excludes, the one before "
                     "it lets in",
                     STR_ARG(leaf->path));
    }
}

/* Fields that every event of their kind has: CloudTrail's records, S3's notifications, changes of state. */
static bool is_always_there(struct str path)
{
    static const char *const fields[] = {
        "detail.awsRegion",       "detail.bucket.name",       "detail.eventCategory", "detail.eventID",
        "detail.eventName",       "detail.eventSource",       "detail.eventTime",     "detail.eventType",
        "detail.eventVersion",    "detail.object.key",        "detail.reason",        "detail.recipientAccountId",
        "detail.sourceIPAddress", "detail.source-ip-address", "detail.state",         "detail.status",
        "detail.userAgent",       "detail.userIdentity.type",
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (str_is(path, fields[i]))
            return true;
    return false;
}

/* The leaves are sorted by path: those of the same path are neighbours. */
static bool absence_is_thought_of(const struct lint *l, uint32_t at)
{
    struct str path = l->leaves[at]->path;
    while (at > 0 && str_eq(l->leaves[at - 1]->path, path))
        at--;
    for (; at < l->leaf_count && str_eq(l->leaves[at]->path, path); at++)
        if (leaf_has(l->leaves[at], PATTERN_ABSENT) || leaf_has(l->leaves[at], PATTERN_EXISTS))
            return true;
    return false;
}

void lint_anything_but_absent(struct lint *l, const struct rule *rule)
{
    for (uint32_t i = 0; i < l->leaf_count; i++) {
        const struct pattern_leaf *leaf = l->leaves[i];
        if (!leaf_has(leaf, PATTERN_ANYTHING_BUT) || !path_is_below(leaf->path, STR("detail")) ||
            is_always_there(leaf->path) || absence_is_thought_of(l, i))
            continue;
        lint_add(l, lint_pos(l, leaf->line, leaf->column),
                 "where a missing field should match too, add {exists: false} to the list",
                 "anything-but needs a value: an event without '%.*s' does not match", STR_ARG(leaf->path));
    }
}

/* ---- alternatives that cover others ---- */

static bool is_text(const struct pattern_atom *a)
{
    return a->op == PATTERN_STRING || a->op == PATTERN_PREFIX || a->op == PATTERN_SUFFIX;
}

static bool ends_with(struct str s, struct str tail)
{
    return s.size >= tail.size && (!tail.size || memcmp(s.ptr + s.size - tail.size, tail.ptr, tail.size) == 0);
}

static bool is_same(const struct pattern_atom *a, const struct pattern_atom *b)
{
    if (a->op != b->op || a->op == PATTERN_RANGE || a->op == PATTERN_CIDR || a->op == PATTERN_ANYTHING_BUT)
        return false;
    if (a->op == PATTERN_NUMBER)
        return a->comparable && b->comparable ? a->number == b->number : str_eq(a->text, b->text);
    return str_eq(a->text, b->text);
}

/* Has b's values too, all of them? Only what is plain to see. */
static bool covers(const struct pattern_atom *a, const struct pattern_atom *b)
{
    if (a->op == PATTERN_EXISTS)
        return b->op != PATTERN_ABSENT && b->op != PATTERN_EXISTS;
    if (a->op == PATTERN_PREFIX)
        return is_text(b) && b->op != PATTERN_SUFFIX && str_starts(b->text, a->text) && !is_same(a, b);
    if (a->op == PATTERN_SUFFIX)
        return is_text(b) && b->op != PATTERN_PREFIX && ends_with(b->text, a->text) && !is_same(a, b);
    return false;
}

#define ALTERNATIVES_MAX 1000 /* beyond this, no pairs are compared: a list so long was made by a program */

/* Does `other` make the alternative at `at` needless? Of two that are equal the later one is. */
static bool check_pair(struct lint *l, const struct pattern_leaf *leaf, uint32_t at, uint32_t other)
{
    const struct pattern_atom *a = &leaf->atoms[at], *b = &leaf->atoms[other];
    struct diag_pos pos = lint_pos(l, a->line, a->column);
    bool opposite =
        (a->op == PATTERN_EXISTS && b->op == PATTERN_ABSENT) || (a->op == PATTERN_ABSENT && b->op == PATTERN_EXISTS);
    if (other < at && is_same(a, b))
        lint_add(l, pos, "remove it", "this alternative of '%.*s' is there already", STR_ARG(leaf->path));
    else if (other < at && opposite)
        lint_add(l, pos, "remove the field from the pattern",
                 "exists: true or exists: false of '%.*s': one of them almost always holds", STR_ARG(leaf->path));
    else if (covers(b, a))
        lint_add(l, pos, "remove it, or the other one", "another alternative of '%.*s' covers this one",
                 STR_ARG(leaf->path));
    else
        return false;
    return true;
}

void lint_redundant(struct lint *l, const struct rule *rule)
{
    for (uint32_t i = 0; i < l->leaf_count; i++) {
        const struct pattern_leaf *leaf = l->leaves[i];
        for (uint32_t at = 0; at < leaf->atom_count && leaf->atom_count <= ALTERNATIVES_MAX; at++)
            for (uint32_t other = 0; other < leaf->atom_count; other++)
                if (at != other && check_pair(l, leaf, at, other))
                    break;
    }
}

/* ---- texts that mean another operator ---- */

typedef void atom_fn(struct lint *l, const struct pattern_leaf *leaf, const struct pattern_atom *atom);

static void each_atom(struct lint *l, enum pattern_op op, atom_fn *each)
{
    for (uint32_t i = 0; i < l->leaf_count; i++)
        for (uint32_t a = 0; a < l->leaves[i]->atom_count; a++)
            if (l->leaves[i]->atoms[a].op == op)
                each(l, l->leaves[i], &l->leaves[i]->atoms[a]);
}

/* One that is not escaped. */
static bool has_star(struct str wildcard)
{
    for (size_t i = 0; i < wildcard.size; i++) {
        if (wildcard.ptr[i] == '*')
            return true;
        i += wildcard.ptr[i] == '\\';
    }
    return false;
}

static void check_wildcard(struct lint *l, const struct pattern_leaf *leaf, const struct pattern_atom *atom)
{
    struct str text = atom->text;
    struct diag_pos pos = lint_pos(l, atom->line, atom->column);
    if (str_is(text, "*"))
        lint_add(l, pos, "write {exists: true}, or {prefix: \"\"} for any text",
                 "the wildcard * matches every text of '%.*s'", STR_ARG(leaf->path));
    else if (!has_star(text))
        lint_add(l, pos, memchr(text.ptr, '\\', text.size) ? NULL : lint_text(l, "write \"%.*s\"", STR_ARG(text)),
                 "a wildcard without * is the text itself");
}

void lint_wildcard(struct lint *l, const struct rule *rule)
{
    each_atom(l, PATTERN_WILDCARD, check_wildcard);
}

/* What a request asked for may well hold a * of its own: policies do. A lone one does too. */
static void check_star(struct lint *l, const struct pattern_leaf *leaf, const struct pattern_atom *atom)
{
    if (atom->text.size < 2 || !memchr(atom->text.ptr, '*', atom->text.size) ||
        path_is_below(leaf->path, STR("detail.requestParameters")) ||
        path_is_below(leaf->path, STR("detail.responseElements")))
        return;
    lint_add(l, lint_pos(l, atom->line, atom->column), lint_text(l, "write {wildcard: \"%.*s\"}", STR_ARG(atom->text)),
             "in a plain text * stands for itself");
}

void lint_star_in_text(struct lint *l, const struct rule *rule)
{
    each_atom(l, PATTERN_STRING, check_star);
}

/* sourceIPAddress, remoteIpDetails.ipAddressV4, ip: but not cidrIp, whose values are blocks. */
static bool holds_addresses(struct str path)
{
    size_t dot = path.size;
    while (dot > 0 && path.ptr[dot - 1] != '.')
        dot--;
    struct str key = {path.ptr + dot, path.size - dot};
    if (str_is(key, "ip") || str_is(key, "source-ip-address"))
        return true;
    for (size_t i = 0; i + 9 <= key.size; i++)
        if (strncasecmp(key.ptr + i, "ipAddress", 9) == 0)
            return true;
    return false;
}

static void check_block(struct lint *l, const struct pattern_leaf *leaf, const struct pattern_atom *atom)
{
    uint8_t address[16];
    const char *slash = atom->text.size ? memchr(atom->text.ptr, '/', atom->text.size) : NULL;
    struct str host = {atom->text.ptr, slash ? (size_t)(slash - atom->text.ptr) : 0};
    unsigned size = slash && holds_addresses(leaf->path) ? address_parse(host, address) : 0;
    if (!size)
        return;
    bool single = strncmp(slash, size == 4 ? "/32" : "/128", atom->text.size - host.size) == 0; /* no block for cidr */
    lint_add(l, lint_pos(l, atom->line, atom->column),
             single ? lint_text(l, "write \"%.*s\"", STR_ARG(host))
                    : lint_text(l, "write {cidr: \"%.*s\"}", STR_ARG(atom->text)),
             "an address block in a plain text is compared letter by letter");
}

void lint_cidr_in_text(struct lint *l, const struct rule *rule)
{
    each_atom(l, PATTERN_STRING, check_block);
}

static void check_account(struct lint *l, const struct pattern_leaf *leaf, const struct pattern_atom *atom)
{
    bool digits = atom->text.size == 12 && path_is_below(leaf->path, STR("detail"));
    for (size_t i = 0; digits && i < atom->text.size; i++)
        digits = atom->text.ptr[i] >= '0' && atom->text.ptr[i] <= '9';
    if (digits)
        lint_add(l, lint_pos(l, atom->line, atom->column),
                 lint_text(l, "if it is an account, quote it: \"%.*s\"", STR_ARG(atom->text)),
                 "a number of 12 digits matches no account: accounts are text");
}

void lint_account_number(struct lint *l, const struct rule *rule)
{
    each_atom(l, PATTERN_NUMBER, check_account);
}
