/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: their own keys and their pattern; what stands under `targets:` is load_rule_targets.c's, under `tests:`
 * load_rule_tests.c's. An archive of the file is a rule too, Events-Archive-NAME as AWS names it, with the archive as
 * its one target.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "matcher/json.h"
#include "rules/pattern_source_yaml.h"
#include "rules/schedule.h"
#include "rules/tables.h"
#include "targets/archive.h"

#define WHAT_SIZE           300
#define NAME_MAX_SIZE       64
#define DESCRIPTION_MAX     512
#define ARCHIVE_RULE_PREFIX "Events-Archive-"

/* ---- one rule ---- */

struct rule_text {
    struct str name, bus, description;
    int state;
};

enum { STATE_ENABLED, STATE_DISABLED, STATE_ALL_MANAGEMENT_EVENTS };
static const char *const states[] = {"enabled", "disabled", "enabled_with_all_cloudtrail_management_events", NULL};

const struct option rule_options[] = {
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct rule_text, name),
     .form = "^[A-Za-z0-9._-]{1,64}$",
     .meaning = "the rule's name, unique on its bus; without it, the key it stands under"},
    {.key = "bus",
     .type = OPTION_BUS,
     .offset = offsetof(struct rule_text, bus),
     .value = "default",
     .meaning = "the event bus whose events the rule sees"},
    {.key = "state",
     .type = OPTION_ENUM,
     .offset = offsetof(struct rule_text, state),
     .value = "enabled",
     .names = states,
     .meaning =
         "a disabled rule is checked and matches nothing; the third makes a difference on buses with strict: aws "
         "only, whose other rules do not get read-only management events"},
    {.key = "description",
     .type = OPTION_TEXT,
     .offset = offsetof(struct rule_text, description),
     .min = 0,
     .max = DESCRIPTION_MAX,
     .meaning = "what the rule is for"},
    {.key = "pattern",
     .type = OPTION_PATTERN,
     .own = true,
     .required = true,
     .instead = "schedule",
     .meaning = "which events match, see weir-pattern(7)"},
    {.key = "schedule",
     .type = OPTION_TEXT,
     .own = true,
     .form = "^(rate|cron)\\(.*\\)$",
     .meaning = "when the rule fires by itself: rate(5 minutes), rate(10 seconds), or cron(0 10 ? * MON-FRI *) in UTC"},
    {.key = "targets",
     .type = OPTION_LIST,
     .own = true,
     .members = rule_target_options,
     .max = LOAD_RULE_TARGETS_MAX,
     .meaning = "where a matching event goes: references, or mappings that say how"},
    {.key = "tests",
     .type = OPTION_LIST,
     .own = true,
     .members = rule_test_options,
     .meaning = "events that must match, or must not; weir test runs them"},
    {0},
};

/* Gives the rule at the end of the list its name in its bus. */
static bool rule_declare(struct load *l, struct rule *rule)
{
    const struct bus *bus = references_find(&l->names, LOAD_BUSES, rule->bus);
    bool is_default = bus == l->buses;
    struct buf format = BUF_INIT;
    buf_printf(&format, "arn:aws:events:{region}:{account}:rule/%.*s%s{name}",
               STR_ARG(is_default ? STR("") : bus->name), is_default ? "" : "/");
    rule->arn = load_arn(l, buf_cstr(&format), rule->name);
    l->diags->out_of_memory |= format.failed;
    buf_fini(&format);
    rule->index = l->set->rule_count;
    if (load_declare(l, "rule", bus->arn, rule->name, rule->pos, rule))
        l->set->rule_count++;
    return !l->diags->out_of_memory;
}

static void read_schedule(struct load *l, const struct node *n, const char *what, struct rule *rule)
{
    struct weir_diag diag;
    struct str text;
    if (!options_read_text(&l->options, n, "'schedule'", &text))
        return;
    if (!str_eq(rule->bus, l->buses->name))
        diag_error(l->diags, n->pos, "%s is on bus '%.*s', and schedules are on the default event bus only", what,
                   STR_ARG(rule->bus));
    rule->schedule = schedule_parse(&l->set->keep, text, &diag);
    if (rule->schedule)
        return;
    if (diag.code == WEIR_E_MEMORY)
        load_out_of_memory(l);
    else
        diag_error(l->diags, node_place(n, (size_t)diag.column - 1), "schedule '%.*s' in %s: %s", STR_ARG(text), what,
                   diag.message);
}

static void read_pattern(struct load *l, const struct node *n, const char *what, struct rule *rule)
{
    const struct node *pattern = node_get(n, "pattern"), *schedule = node_get(n, "schedule");
    if (schedule)
        read_schedule(l, schedule, what, rule);
    if (pattern)
        rule->pattern = pattern_parse_node(&l->set->keep, &l->temp, pattern, l->diags);
    else if (!schedule)
        diag_error(l->diags, rule->pos, "missing key 'pattern' (or 'schedule') in %s", what);
}

/* What a schedule fires comes from no bus: archives, which keep a bus's events, and tests, which play one, have nothing
   to do with it. */
static void check_schedule(struct load *l, const struct rule *rule, const char *what)
{
    for (uint32_t i = 0; rule->schedule && !rule->made.ptr && i < rule->target_count; i++)
        if (rule->targets[i].target && load_is_archive(rule->targets[i].target))
            diag_error(l->diags, rule->targets[i].pos, "%s has a schedule and cannot have an archive as a target",
                       what);
    if (rule->schedule && !rule->pattern && rule->test_count)
        diag_error(l->diags, rule->tests[0].pos, "%s has tests, but no pattern that they could test", what);
}

/* ---- strict: aws ---- */

#define STRICT_TARGETS_MAX 5

/* atom: what AWS refuses with that reason; NULL: nothing. */
static void refuse_strict(struct load *l, const struct rule *rule, const struct pattern_atom *atom, const char *reason)
{
    if (atom)
        diag_error(l->diags, (struct diag_pos){rule->pos.file, atom->line, atom->column},
                   "%s (strict: aws on bus '%.*s')", reason, STR_ARG(rule->bus));
}

static void check_strict(struct load *l, const struct rule *rule, const char *what)
{
    const struct bus *bus = references_find(&l->names, LOAD_BUSES, rule->bus);
    if (!bus || !bus->strict_aws)
        return;
    if (rule->target_count > STRICT_TARGETS_MAX)
        diag_error(l->diags, rule->targets[STRICT_TARGETS_MAX].pos,
                   "%s has %u targets; AWS allows %d (strict: aws on bus '%.*s')", what, rule->target_count,
                   STRICT_TARGETS_MAX, STR_ARG(rule->bus));
    if (rule->schedule && !schedule_is_portable(rule->schedule))
        diag_error(l->diags, rule->pos, "Parameter ScheduleExpression is not valid. (strict: aws on bus '%.*s')",
                   STR_ARG(rule->bus));
    if (!rule->pattern)
        return;
    refuse_strict(l, rule, pattern_too_complex(rule->pattern),
                  "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences "
                  "after a wildcard character");
    refuse_strict(l, rule, pattern_extension(rule->pattern), "Unrecognized match type regex");
}

/* Without words of its own, what a rule's key says: NAME, or in documents BUS/NAME. */
static bool name_rule(struct load *l, struct rule *rule, const struct node_pair *pair, const struct rule_text *text)
{
    struct str key = pair->key->text;
    const char *slash = rule->made.ptr && key.size ? memrchr(key.ptr, '/', key.size) : NULL;
    struct str bus_name = slash ? (struct str){key.ptr, (size_t)(slash - key.ptr)} : l->buses->name;
    bool said = node_get(pair->value, "bus");
    const struct bus *bus = references_find(&l->names, LOAD_BUSES, said ? text->bus : bus_name);
    if (slash)
        key = (struct str){slash + 1, key.size - bus_name.size - 1};
    rule->name = text->name.ptr ? text->name : arena_str(&l->set->keep, key);
    rule->bus = bus ? bus->name : l->buses->name;
    if (!rule->name.ptr)
        return load_out_of_memory(l);
    return bus || said || /* or it was reported */
           diag_error(l->diags, rule->pos, "unknown bus '%.*s'; declare it under 'buses'", STR_ARG(bus_name));
}

static bool read_rule(struct load *l, const struct node_pair *pair)
{
    struct rule *rule = &l->rules[l->set->rule_count];
    const struct node *n = pair->value, *name = node_get(n, "name");
    struct rule_text text = {0};
    char what[WHAT_SIZE];

    *rule = (struct rule){.pos = pair->key->pos, .made = load_made(n)};
    snprintf(what, sizeof(what), "rule '%.*s'", STR_ARG(pair->key->text));
    bool ok = options_fill(&l->options, rule_options, n, rule->pos, what, NULL, &text);
    if (n->type != NODE_MAP && !node_is_empty(n))
        return true;
    ok &= name_rule(l, rule, pair, &text);
    rule->description = text.description;
    rule->enabled = text.state != STATE_DISABLED;
    rule->all_management_events = text.state == STATE_ALL_MANAGEMENT_EVENTS;
    if (l->diags->out_of_memory)
        return false;
    ok &= load_check_name(l, "rule", rule->name, NAME_MAX_SIZE, name ? name->pos : rule->pos);
    read_pattern(l, n, what, rule);
    if (!load_targets_of_rule(l, rule, node_get(n, "targets")) || !load_tests_of_rule(l, rule, node_get(n, "tests")))
        return false;
    check_strict(l, rule, what);
    check_schedule(l, rule, what);
    return (ok ? rule_declare(l, rule) : true) && !l->diags->out_of_memory;
}

/* ---- archives ---- */

static const struct pattern *every_event(struct load *l)
{
    struct weir_diag diag = {.code = WEIR_OK};
    return pattern_parse_json(&l->set->keep, STR("{\"source\":[{\"prefix\":\"\"}]}"), &diag);
}

static bool archive_rule(struct load *l, const struct target_def *def)
{
    const struct archive_options *options = def->options;
    struct rule *rule = &l->rules[l->set->rule_count];
    struct rule_target *target = arena_new(&l->set->keep, struct rule_target);
    char name[sizeof(ARCHIVE_RULE_PREFIX) + NAME_MAX_SIZE];
    if (!target)
        return load_out_of_memory(l);
    snprintf(name, sizeof(name), ARCHIVE_RULE_PREFIX "%.*s", STR_ARG(def->name));
    *target = (struct rule_target){.id = def->name,
                                   .target = def,
                                   .dead_letter = l->set->dead_letters,
                                   .retry_policy = RETRY_POLICY_UNSAID,
                                   .pos = def->pos};
    *rule = (struct rule){.name = arena_str(&l->set->keep, str_from(name)), .bus = options->bus, .enabled = true};
    rule->made = def->made;
    rule->description = options->description;
    rule->pattern = options->pattern ? options->pattern : every_event(l);
    rule->targets = target;
    rule->target_count = 1;
    rule->pos = def->pos;
    rule->is_archive = true;
    if (!rule->name.ptr || !rule->pattern)
        return load_out_of_memory(l);
    check_strict(l, rule, "the archive");
    return rule_declare(l, rule);
}

/* ---- the step ---- */

bool load_rules(struct load *l)
{
    l->rules = arena_array(&l->set->keep, load_section_count(l, "rules") + l->set->target_count + 1, sizeof(*l->rules));
    l->set->rules = l->rules;
    if (!l->rules)
        return load_out_of_memory(l);
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, "rules");
        for (uint32_t i = 0; section && i < section->count; i++)
            if (!read_rule(l, &section->pairs[i]))
                return false;
    }
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        const struct target_def *def = l->targets[i];
        if (load_is_archive(def) && ((const struct archive_options *)def->options)->bus.ptr && !archive_rule(l, def))
            return false;
    }
    return true;
}
