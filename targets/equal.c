/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two definitions say the same, by the adapter's table of options: then a reload lets the running target be.
 */
#include <string.h>

#include "targets/policy.h"

static bool options_equal(const struct option *options, const char *a, const char *b);

static bool headers_equal(const struct option_list *a, const struct option_list *b)
{
    const struct option_header *x = a->items, *y = b->items;

    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (!str_eq(x[i].name, y[i].name) || !str_eq(x[i].value, y[i].value))
            return false;
    return a->count == b->count;
}

static bool words_equal(const struct option_list *a, const struct option_list *b)
{
    const struct str *x = a->items, *y = b->items;

    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (!str_eq(x[i], y[i]))
            return false;
    return a->count == b->count;
}

static bool items_equal(const struct option *o, const struct option_list *a, const struct option_list *b)
{
    const char *x = a->items, *y = b->items;

    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (!options_equal(o->members, x + i * o->item_size, y + i * o->item_size))
            return false;
    return a->count == b->count;
}

static bool names_equal(const struct target_def *a, const struct target_def *b)
{
    return a == b || (a && b && a->adapter == b->adapter && str_eq(a->name, b->name));
}

/* What a connection says is part of what is sent by it. */
static bool connections_equal(const struct target_def *a, const struct target_def *b)
{
    return names_equal(a, b) && (a == b || target_def_equal(a, b));
}

static bool option_equal(const struct option *o, const char *a, const char *b)
{
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_URL:
    case OPTION_PATH:
    case OPTION_BUS: return str_eq(*(const struct str *)a, *(const struct str *)b);
    case OPTION_INT:
    case OPTION_DURATION:
    case OPTION_SIZE: return *(const int64_t *)a == *(const int64_t *)b;
    case OPTION_RATE: return memcmp(a, b, sizeof(struct option_rate)) == 0;
    case OPTION_BOOL: return *(const bool *)a == *(const bool *)b;
    case OPTION_ENUM: return *(const int *)a == *(const int *)b;
    case OPTION_COMMAND: return words_equal((const void *)a, (const void *)b);
    case OPTION_HEADERS:
    case OPTION_PARAMETERS: return headers_equal((const void *)a, (const void *)b);
    case OPTION_SECRET:
        return str_eq(((const struct option_secret *)a)->value, ((const struct option_secret *)b)->value);
    case OPTION_CONNECTION:
        return connections_equal(*(const struct target_def *const *)a, *(const struct target_def *const *)b);
    case OPTION_QUEUE:
    case OPTION_TARGET: return names_equal(*(const struct target_def *const *)a, *(const struct target_def *const *)b);
    case OPTION_PATTERN:
    case OPTION_VALUE:
    case OPTION_EVENT:
    case OPTION_TEXTS:
    case OPTION_FILES:
    case OPTION_SECTION: return true; /* no adapter's: what is `own` is read by the loader */
    case OPTION_OBJECT: return options_equal(o->members, a, b);
    case OPTION_LIST: return items_equal(o, (const void *)a, (const void *)b);
    }
    return false;
}

static bool options_equal(const struct option *options, const char *a, const char *b)
{
    for (const struct option *o = options; o && o->key; o++) {
        if (o->present_offset && *(const bool *)(a + o->present_offset) != *(const bool *)(b + o->present_offset))
            return false;
        if (!option_equal(o, a + o->offset, b + o->offset))
            return false;
    }
    return true;
}

/* Of the policy, targets only see the concurrency (for connections kept). */
static bool policy_equal(const struct target_policy *a, const struct target_policy *b)
{
    return !a || !b ? a == b : a->concurrency == b->concurrency;
}

bool target_def_equal(const struct target_def *a, const struct target_def *b)
{
    return a->adapter == b->adapter && str_eq(a->name, b->name) &&
           options_equal(a->adapter->options, a->options, b->options) && policy_equal(a->policy, b->policy);
}
