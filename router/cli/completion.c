/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir completion: a script for the shell, and the names that the scripts ask for. What an option takes is known by its
 * placeholder: FILE and DIR are paths; a word that `name_lists` has is a name of the configuration or of a table; an
 * option with choices takes one of them.
 */
#include "router/cli/completion.h"

#include <ctype.h>
#include <stdio.h>

#include "router/cli/verbs.h"
#include "rules/lint.h"

/* ---- names ---- */

static void print_rules(const struct ruleset *set)
{
    for (uint32_t i = 0; i < set->rule_count; i++)
        if (!set->rules[i].is_archive)
            printf("%.*s\n", STR_ARG(set->rules[i].name));
}

static void print_buses(const struct ruleset *set)
{
    for (uint32_t i = 0; i < set->bus_count; i++)
        printf("%.*s\n", STR_ARG(set->buses[i].name));
}

static void print_targets(const struct ruleset *set, const char *type)
{
    for (uint32_t i = 0; i < set->target_count; i++)
        if (strcmp(set->targets[i]->adapter->type, type) == 0)
            printf("%.*s\n", STR_ARG(set->targets[i]->name));
}

static void print_queues(const struct ruleset *set)
{
    print_targets(set, "queue");
}

static void print_archives(const struct ruleset *set)
{
    print_targets(set, "archive");
}

/* Where deliveries end; topics and buses hand on. */
static void print_all_targets(const struct ruleset *set)
{
    for (uint32_t i = 0; i < set->target_count; i++)
        if (set->targets[i]->adapter->open)
            printf("%.*s\n", STR_ARG(set->targets[i]->name));
}

static void print_types(const struct ruleset *set)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        puts((*a)->type);
}

static void print_checks(const struct ruleset *set)
{
    for (const struct lint_check *c = lint_checks; c->id; c++)
        puts(c->id);
}

static const struct name_list {
    const char *kind;
    void (*print)(const struct ruleset *set);
    bool configured; /* print wants the configuration */
} name_lists[] = {
    {"RULE", print_rules, true},         {"BUS", print_buses, true},   {"QUEUE", print_queues, true},
    {"ARCHIVE", print_archives, true},   {"TYPE", print_types, false}, {"CHECK", print_checks, false},
    {"TARGET", print_all_targets, true},
};

static const struct name_list *find_names(const char *kind)
{
    for (size_t i = 0; i < sizeof name_lists / sizeof name_lists[0]; i++)
        if (strcmp(name_lists[i].kind, kind) == 0)
            return &name_lists[i];
    return NULL;
}

/* Quietly: whoever presses Tab has no use for a report. */
static int print_names(const struct cli *cli, const struct name_list *names)
{
    struct diags diags;
    if (!names->configured) {
        names->print(NULL);
        return EXIT_DONE;
    }
    if (!diags_init(&diags, 1))
        return EXIT_INTERNAL;
    struct ruleset *set = ruleset_load(cli_config(cli), 1, &diags);
    if (set)
        names->print(set);
    int code = set ? EXIT_DONE : EXIT_CONFIG;
    ruleset_unref(set);
    diags_fini(&diags);
    return code;
}

/* ---- what may stand where ---- */

static struct completion of_kind(const char *kind)
{
    struct completion c = {.kind = COMPLETION_NONE};
    if (strcmp(kind, "FILE") == 0 || strcmp(kind, "DIR") == 0)
        c.kind = COMPLETION_FILES;
    else if (find_names(kind)) {
        c.kind = COMPLETION_NAMES;
        snprintf(c.text, sizeof c.text, "%s", kind);
    }
    return c;
}

struct completion completion_of_option(const struct cli_option *o)
{
    struct completion c = {.kind = COMPLETION_NONE};
    if (o->choices) {
        c.kind = COMPLETION_WORDS;
        snprintf(c.text, sizeof c.text, "%s", o->choices);
    } else if (o->value)
        c = of_kind(o->value);
    return c;
}

/* The next run of letters of `arguments` that is no option and no option's value; false: no more. */
static bool next_word(const char **at, char word[32], bool *after_option)
{
    const char *p = *at;
    while (*p && !isalpha((unsigned char)*p) && *p != '-')
        p++;
    size_t size = strcspn(p, " []|@…");
    bool option = *p == '-', value = *after_option;
    *after_option = option;
    *at = p + size;
    snprintf(word, 32, "%.*s", option || value ? 0 : (int)size, p);
    return *p;
}

/*
 * By the usage line: "[FILE…]" and "PATTERN|@FILE [FILE…]" take files, "[QUEUE]" and "ARCHIVE|FILE…" names of queues,
 * "[list | receive NAME | …]" the words in lower case.
 */
struct completion completion_of_arguments(const struct cli_verb *v)
{
    struct completion c = {.kind = COMPLETION_NONE};
    const char *at = v->arguments;
    char word[32];
    bool after_option = false;
    while (next_word(&at, word, &after_option)) {
        size_t used = strlen(c.text);
        if (islower((unsigned char)word[0])) {
            c.kind = COMPLETION_WORDS;
            snprintf(c.text + used, sizeof c.text - used, "%s%s", used ? " " : "", word);
        } else if (*word && c.kind == COMPLETION_NONE) {
            c = of_kind(word);
        }
    }
    return c;
}

/* ---- the verb ---- */

static const struct shell {
    const char *name;
    void (*write)(struct buf *out);
} shells[] = {{"bash", completion_write_bash}, {"zsh", completion_write_zsh}, {"fish", completion_write_fish}};

static int completion(struct cli *cli)
{
    const char *kind = cli_value(cli, "--names", NULL);
    if (kind)
        return find_names(kind) ? print_names(cli, find_names(kind)) : cli_usage(cli, "no names of kind '%s'", kind);
    for (size_t i = 0; cli->argument_count == 1 && i < sizeof shells / sizeof shells[0]; i++) {
        struct buf out = BUF_INIT;
        if (strcmp(cli->arguments[0], shells[i].name) != 0)
            continue;
        shells[i].write(&out);
        bool failed = out.failed;
        fputs(buf_cstr(&out), stdout);
        buf_fini(&out);
        return failed ? cli_fail(EXIT_INTERNAL, "out of memory") : EXIT_DONE;
    }
    return cli_usage(cli, "takes one shell: bash, zsh or fish");
}

static const struct cli_option options[] = {
    {.name = "--names",
     .value = "KIND",
     .choices = "RULE BUS QUEUE ARCHIVE TARGET TYPE CHECK",
     .meaning = "print these names of the configuration instead, one a line: the scripts ask for them"},
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "whose names; default ./weir.yaml"},
    {0},
};

const struct cli_verb verb_completion = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .summary = "a script that completes weir's command lines in a shell",
    .description = "'make install' puts the scripts where the shells look. By hand:\n"
                   "    source <(weir completion bash)\n"
                   "    weir completion zsh >~/.zfunc/_weir          (a folder of $fpath)\n"
                   "    weir completion fish >~/.config/fish/completions/weir.fish",
    .no_json = true,
    .no_url = true,
    .options = options,
    .run = completion,
};
