/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the tables of the configuration as one. The only rows made here are those of the adapters' sections, since
 * an adapter brings its section with it; everything else stands where it is read.
 */
#include "rules/tables.h"

#include <assert.h>

#include "rules/options.h"
#include "targets/policy.h"
#include "targets/topic.h"

/* ---- the top level ---- */

#define SECTIONS_BEFORE "platform_applications" /* of the adapters' */

static struct option section_of(const struct adapter *adapter)
{
    return (struct option){.key = adapter->section,
                           .type = OPTION_SECTION,
                           .own = true,
                           .members = adapter->options,
                           .max = adapter->name_max ? adapter->name_max : ADAPTER_NAME_MAX,
                           .meaning = adapter->summary};
}

const struct adapter *tables_section(const char *key)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if ((*a)->section && strcmp((*a)->section, key) == 0)
            return *a;
    return NULL;
}

struct str tables_singular(struct str section)
{
    size_t drop = str_is(section, "buses") ? 2 : section.size > 1 && section.ptr[section.size - 1] == 's' ? 1 : 0;
    return (struct str){section.ptr, section.size - drop};
}

/* The adapter whose section is the index-th, or NULL. */
static const struct adapter *section_at(size_t index)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if ((*a)->section && index-- == 0)
            return *a;
    return NULL;
}

bool tables_root_row(size_t index, struct option *out)
{
    const struct option *row = root_options;
    const struct adapter *adapter;
    for (; row->key && strcmp(row->key, SECTIONS_BEFORE) != 0; row++, index--)
        if (index == 0) {
            *out = *row;
            return true;
        }
    size_t sections = 0;
    for (; (adapter = section_at(sections)); sections++)
        if (sections == index) {
            *out = section_of(adapter);
            return true;
        }
    for (index -= sections; row->key && index; row++)
        index--;
    *out = *row;
    return row->key;
}

bool tables_find_root(struct str key, struct option *out)
{
    for (size_t i = 0; tables_root_row(i, out); i++)
        if (str_is(key, out->key))
            return true;
    return false;
}

bool tables_may_be_included(const struct option *row)
{
    return row->type == OPTION_SECTION || row->type == OPTION_FILES || strcmp(row->key, "version") == 0;
}

/* ---- tables by name ---- */

static const struct table tables[] = {
    {"root", "the top level of weir.yaml", NULL, NULL},
    {"source", "an entry of sources", source_options, NULL},
    {"access-key", "an entry of the file that auth.access_keys names", access_key_options, NULL},
    {"token", "an entry of the file that auth.tokens names", access_token_options, NULL},
    {"event_source_mapping", "an entry of event_source_mappings", mapping_options, NULL},
    {"rule", "a rule, under rules", rule_options, NULL},
    {"platform-application", "an entry of platform_applications", topic_application_options, NULL},
    {"subscription", "an entry of subscriptions", topic_subscription_options, NULL},
    {"rule-target", "an entry of a rule's targets", rule_target_options, NULL},
    {"rule-test", "an entry of a rule's tests", rule_test_options, NULL},
    {"policy", "what every target says that deliveries are sent to, beside its own options", policy_options, NULL},
};

bool tables_at(size_t index, struct table *out)
{
    size_t count = sizeof(tables) / sizeof(tables[0]);
    if (index < count) {
        *out = tables[index];
        return true;
    }
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (index-- == count) {
            *out = (struct table){(*a)->type, (*a)->summary, (*a)->options, *a};
            return true;
        }
    return false;
}

bool tables_find(const char *name, struct table *out)
{
    for (size_t i = 0; tables_at(i, out); i++)
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

/* ---- in words ---- */

void tables_write_meaning(struct buf *out, const struct option *o)
{
    bool section = o->type == OPTION_SECTION && tables_section(o->key);
    buf_printf(out, "%s%s", section ? "by name; each " : "", o->meaning ? o->meaning : "");
}

void tables_write_type(struct buf *out, const struct option *o)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",
        [OPTION_INT] = "integer",
        [OPTION_BOOL] = "true|false",
        [OPTION_DURATION] = "duration",
        [OPTION_SIZE] = "size",
        [OPTION_ENUM] = "one of",
        [OPTION_URL] = "URL",
        [OPTION_PATH] = "path",
        [OPTION_COMMAND] = "command",
        [OPTION_HEADERS] = "map",
        [OPTION_QUEUE] = "queue",
        [OPTION_TARGET] = "target",
        [OPTION_BUS] = "bus",
        [OPTION_PATTERN] = "pattern",
        [OPTION_OBJECT] = "map",
        [OPTION_LIST] = "list",
        [OPTION_VALUE] = "any value",
        [OPTION_EVENT] = "event",
        [OPTION_TEXTS] = "map",
        [OPTION_FILES] = "list",
        [OPTION_SECTION] = "map of names",
        [OPTION_RATE] = "rate",
        [OPTION_SECRET] = "secret",
        [OPTION_PARAMETERS] = "map",
        [OPTION_CONNECTION] = "connection",
    };
    assert((size_t)o->type < sizeof(names) / sizeof(names[0]) && names[o->type]);
    if (o->type != OPTION_ENUM)
        buf_text(out, names[o->type]);
    else
        for (size_t i = 0; o->names[i]; i++)
            buf_printf(out, "%s%s", i ? "|" : "", o->names[i]);
}

static void write_value(struct buf *out, enum option_type type, int64_t value)
{
    if (type == OPTION_DURATION)
        options_write_duration(out, value);
    else if (type == OPTION_SIZE)
        options_write_size(out, value);
    else
        buf_printf(out, "%lld", (long long)value);
}

void tables_write_bounds(struct buf *out, const struct option *o)
{
    const char *unit = o->type == OPTION_TEXT ? " characters" : o->type == OPTION_LIST ? " entries" : "";
    bool counted = *unit;
    if ((!o->min && !o->max) || o->type == OPTION_SECTION)
        return;
    if (o->max == INT64_MAX)
        buf_text(out, "at least ");
    else if (counted && !o->min)
        buf_text(out, "at most ");
    if (!counted || o->min)
        write_value(out, o->type, o->min);
    if (o->max != INT64_MAX && o->min != o->max) {
        if (!counted || o->min)
            buf_text(out, "..");
        write_value(out, o->type, o->max);
    }
    buf_text(out, unit);
}
