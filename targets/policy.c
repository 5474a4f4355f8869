/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what every sending target may say. Two values depend on the adapter, the default and the bound of
 * `concurrency`; policy_row() fills them in, so loader, schema, `weir targets` and manual see the same row.
 */
#include "targets/policy.h"

#include <stddef.h>
#include <string.h>

/* Both tables have these rows; what is not said in a rule is not defaulted there. */
#define RETRY_ROWS(attempts, age, first, most)                                                                         \
    {.key = "maximum_retry_attempts",                                                                                  \
     .type = OPTION_INT,                                                                                               \
     .offset = offsetof(struct retry_policy, maximum_retry_attempts),                                                  \
     .value = (attempts),                                                                                              \
     .min = 0,                                                                                                         \
     .max = 185,                                                                                                       \
     .meaning = "how often a failed delivery is tried again"},                                                         \
        {.key = "maximum_event_age",                                                                                   \
         .type = OPTION_DURATION,                                                                                      \
         .offset = offsetof(struct retry_policy, maximum_event_age),                                                   \
         .value = (age),                                                                                               \
         .min = 60000,                                                                                                 \
         .max = 86400000,                                                                                              \
         .meaning = "a delivery older than this is not tried again"},                                                  \
        {.key = "base",                                                                                                \
         .type = OPTION_DURATION,                                                                                      \
         .offset = offsetof(struct retry_policy, base),                                                                \
         .value = (first),                                                                                             \
         .min = 10,                                                                                                    \
         .max = 3600000,                                                                                               \
         .meaning = "the first retry comes after a random time up to this; the bound doubles with each one"},          \
        {.key = "cap",                                                                                                 \
         .type = OPTION_DURATION,                                                                                      \
         .offset = offsetof(struct retry_policy, cap),                                                                 \
         .value = (most),                                                                                              \
         .min = 10,                                                                                                    \
         .max = 86400000,                                                                                              \
         .meaning = "no bound between two tries is longer than this"},                                                 \
        {0},

const struct option retry_options[] = {RETRY_ROWS(NULL, NULL, NULL, NULL)};
const struct option retry_defaults[] = {RETRY_ROWS("185", "24h", "1s", "480s")};

static const struct option circuit_options[] = {
    {.key = "failures",
     .type = OPTION_INT,
     .offset = offsetof(struct target_policy, circuit.failures),
     .value = "10",
     .min = 0,
     .max = 1000,
     .meaning = "it opens after so many failures in a row, or when 4 of 5 of twice as many fail; 0: it never opens"},
    {.key = "pause",
     .type = OPTION_DURATION,
     .offset = offsetof(struct target_policy, circuit.pause),
     .value = "5s",
     .min = 10,
     .max = 3600000,
     .meaning = "how long nothing is sent until a first delivery probes the target; doubles with each that fails"},
    {.key = "max_pause",
     .type = OPTION_DURATION,
     .offset = offsetof(struct target_policy, circuit.max_pause),
     .value = "5m",
     .min = 10,
     .max = 3600000,
     .meaning = "the longest pause between two probes"},
    {0},
};

static const char *const overs[] = {"dead_letter", "drop", NULL};

static const struct option backlog_options[] = {
    {.key = "max_bytes",
     .type = OPTION_SIZE,
     .offset = offsetof(struct target_policy, backlog.max_bytes),
     .value = "0",
     .min = 0,
     .max = INT64_MAX,
     .meaning = "how many bytes of events may wait for the target; 0: no bound but that of the data folder"},
    {.key = "over",
     .type = OPTION_ENUM,
     .offset = offsetof(struct target_policy, backlog.over),
     .value = "dead_letter",
     .names = overs,
     .meaning = "what becomes of a delivery beyond that"},
    {0},
};

#define CONCURRENCY_ROW 0 /* the one that policy_row() completes */

const struct option policy_options[] = {
    {.key = "concurrency",
     .type = OPTION_INT,
     .offset = offsetof(struct target_policy, concurrency),
     .min = 1,
     .max = 1000,
     .meaning = "how many deliveries may be with the target at once; the default depends on its type"},
    {.key = "rate_limit",
     .type = OPTION_RATE,
     .offset = offsetof(struct target_policy, rate_limit),
     .meaning =
         "how many deliveries are started in a second, minute or hour; evenly, at most a second's worth at once"},
    {.key = "retry_policy",
     .type = OPTION_OBJECT,
     .offset = offsetof(struct target_policy, retry_policy),
     .members = retry_defaults,
     .meaning = "how long a failing delivery is tried; what a rule says for its target stands before this"},
    {.key = "circuit",
     .type = OPTION_OBJECT,
     .members = circuit_options,
     .meaning = "when a target that fails is left alone for a while; its deliveries wait and lose no attempts"},
    {.key = "backlog",
     .type = OPTION_OBJECT,
     .members = backlog_options,
     .meaning = "how much may wait for the target"},
    {0},
};

size_t policy_offset(const struct adapter *adapter)
{
    size_t align = _Alignof(max_align_t);
    return (adapter->options_size + align - 1) / align * align;
}

size_t policy_block_size(const struct adapter *adapter)
{
    return adapter->send ? policy_offset(adapter) + sizeof(struct target_policy) : adapter->options_size;
}

bool policy_row(const struct adapter *adapter, size_t index, struct option *out)
{
    const struct option *own = adapter->options;

    for (; own && own->key; own++)
        if (index-- == 0) {
            *out = *own;
            return true;
        }
    for (size_t i = 0; adapter->send && policy_options[i].key; i++)
        if (index-- == 0) {
            *out = policy_options[i];
            out->offset += policy_offset(adapter);
            if (i == CONCURRENCY_ROW) {
                out->value = adapter->concurrency;
                out->max = adapter->concurrency_max;
                out->meaning = "how many deliveries may be with the target at once";
            }
            return true;
        }
    *out = (struct option){0};
    return false;
}

void policy_bind(struct target_def *def)
{
    def->policy = def->adapter->send ? (const void *)((const char *)def->options + policy_offset(def->adapter)) : NULL;
}

void policy_finish(struct target_def *def)
{
    size_t offset = def->adapter->rate_offset;

    if (!def->adapter->send || !offset)
        return;
    struct target_policy *p = (struct target_policy *)((char *)def->options + policy_offset(def->adapter));
    if (!p->rate_limit.count)
        p->rate_limit = (struct option_rate){*(const int64_t *)((const char *)def->options + offset), 1000};
}

bool policy_check(const struct target_def *def, struct diags *diags)
{
    const struct target_policy *p = def->policy;
    bool ok = true;

    if (!p)
        return true;
    if (p->retry_policy.base > p->retry_policy.cap)
        ok = diag_error(diags, def->pos, "retry_policy of %s '%.*s': base is longer than cap", def->adapter->type,
                        STR_ARG(def->name));
    if (p->circuit.pause > p->circuit.max_pause)
        ok = diag_error(diags, def->pos, "circuit of %s '%.*s': pause is longer than max_pause", def->adapter->type,
                        STR_ARG(def->name));
    return ok;
}

static int64_t first_said(int64_t rule, int64_t target)
{
    return rule == RETRY_UNSAID ? target : rule;
}

struct retry_policy policy_retries(const struct retry_policy *rule, const struct target_policy *target)
{
    static const struct retry_policy none = {185, 86400000, 1000, 480000}; /* local state: nothing is sent */
    const struct retry_policy *t = target ? &target->retry_policy : &none;
    struct retry_policy p = {
        .maximum_retry_attempts = first_said(rule->maximum_retry_attempts, t->maximum_retry_attempts),
        .maximum_event_age = first_said(rule->maximum_event_age, t->maximum_event_age),
        .base = first_said(rule->base, t->base),
        .cap = first_said(rule->cap, t->cap),
    };
    if (p.base > p.cap && rule->cap == RETRY_UNSAID)
        p.cap = p.base; /* the rule's word is the later one */
    if (p.base > p.cap)
        p.base = p.cap;
    return p;
}
