/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs, and what all verbs share: parsing options by the verb's own rows, help made from the same rows,
 * and messages for usage errors with a near name.
 */
#include "router/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/cli/verbs.h"
#include "router/xalloc.h"

#define DEFAULT_URL "http://127.0.0.1:4566"

/* One a line, in the order of the help. */
/* clang-format off */
const struct cli_verb *const cli_verbs[] = {
    &verb_run,
    &verb_check,
    &verb_test,
    &verb_lint,
    &verb_match,
    &verb_explain,
    &verb_bench,
    &verb_send,
    &verb_replay,
    &verb_status,
    &verb_top,
    &verb_deliveries,
    &verb_tap,
    &verb_targets,
    &verb_archives,
    &verb_queues,
    &verb_dlq,
    &verb_pause,
    &verb_resume,
    &verb_journal,
    &verb_export,
    &verb_schema,
    &verb_completion,
    NULL,
};
/* clang-format on */

static const struct cli_option common_options[] = {
    {.name = "--json", .meaning = "one JSON object a line instead of text"},
    {.name = "--url", .value = "URL", .meaning = "the running router; default $WEIR_URL, else " DEFAULT_URL},
    {.name = "--token",
     .value = "TOKEN|@FILE",
     .meaning = "what it asks for, or a file that holds it; default $WEIR_TOKEN"},
    {.name = "--cacert",
     .value = "FILE",
     .meaning = "what an https router's certificate is trusted by; default $WEIR_CA"},
    {.name = "--help", .letter = 'h', .meaning = "this help"},
    {0},
};

/* Those of the common options that mean something to this verb. */
static bool takes(const struct cli_verb *v, const struct cli_option *common)
{
    bool of_router = common > &common_options[0] && common->letter != 'h';
    return !(v->no_json && common == &common_options[0]) && !(v->no_url && of_router);
}

const struct cli_option *cli_option_at(const struct cli_verb *v, size_t index)
{
    const struct cli_option *o = v->options;
    for (; o && o->name; o++)
        if (index-- == 0)
            return o;
    for (o = common_options; o->name; o++)
        if (takes(v, o) && index-- == 0)
            return o;
    return NULL;
}

/* ---- messages ---- */

static void say(const char *prefix, const char *format, va_list args)
{
    struct buf line = BUF_INIT;
    buf_text(&line, prefix);
    buf_vprintf(&line, format, args);
    buf_char(&line, '\n');
    fputs(buf_cstr(&line), stderr);
    buf_fini(&line);
}

int cli_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("weir: ", format, args);
    va_end(args);
    return code;
}

static void print_usage(FILE *out, const struct cli_verb *v)
{
    fprintf(out, "usage: weir %s%s%s\n", v->name, *v->arguments ? " " : "", v->arguments);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    char prefix[64];
    va_list args;

    snprintf(prefix, sizeof prefix, "weir %s: ", cli->verb->name);
    va_start(args, format);
    say(prefix, format, args);
    va_end(args);
    print_usage(stderr, cli->verb);
    fprintf(stderr, "'weir %s --help' says more\n", cli->verb->name);
    return EXIT_USAGE;
}

/* ---- help ---- */

static void print_options(const struct cli_verb *v)
{
    const struct cli_option *o;
    for (size_t i = 0; (o = cli_option_at(v, i)); i++) {
        char left[64];
        snprintf(left, sizeof left, "%c%c%s %s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-32s %s%s\n", left, o->meaning, o->many ? " (may be repeated)" : "");
    }
}

static int print_verb_help(const struct cli_verb *v)
{
    print_usage(stdout, v);
    printf("\n%s\n", v->summary);
    if (v->description)
        printf("\n%s\n", v->description);
    printf("\noptions:\n");
    print_options(v);
    return EXIT_DONE;
}

static int print_help(FILE *out)
{
    fprintf(out,
            "weir %s: an event router. Events in, rules in YAML, matching events out to queues, topics,\n"
            "functions and archives; archived events can be replayed.\n\nusage: weir VERB [options] [arguments]\n\n",
            WEIR_VERSION);
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        fprintf(out, "  %-10s %s\n", (*v)->name, (*v)->summary);
    fprintf(out, "\n'weir VERB --help' says more; so do weir(1), weir.yaml(5) and weir-pattern(7).\n");
    return EXIT_DONE;
}

/* ---- parsing ---- */

static const struct cli_option *find_option(const struct cli_verb *v, const char *text, size_t size)
{
    char letter = text[1] != '-' ? text[1] : 0;
    const struct cli_option *o;
    for (size_t i = 0; (o = cli_option_at(v, i)); i++)
        if (letter ? o->letter == letter : strlen(o->name) == size && strncmp(o->name, text, size) == 0)
            return o;
    return NULL;
}

static const char *near_option(const struct cli_verb *v, const char *text, size_t size)
{
    const char *names[CLI_OPTIONS_MAX];
    const struct cli_option *o;
    size_t count = 0;
    for (; count < CLI_OPTIONS_MAX && (o = cli_option_at(v, count)); count++)
        names[count] = o->name;
    return diag_near((struct str){text, size}, names, count);
}

/* One option; *next is the following word, taken when the option has a value of its own word. Returns false: reported.
 */
static bool take_option(struct cli *cli, char **argv, int argc, int *at)
{
    const char *text = argv[*at], *equals = text[1] == '-' ? strchr(text, '=') : NULL;
    size_t size = equals ? (size_t)(equals - text) : strlen(text);
    const struct cli_option *o = find_option(cli->verb, text, size);
    const char *value = equals ? equals + 1 : NULL;

    if (!o) {
        const char *near = near_option(cli->verb, text, size);
        cli_usage(cli, "unknown option '%.*s'%s%s%s", (int)size, text, near ? "; did you mean '" : "", near ? near : "",
                  near ? "'?" : "");
        return false;
    }
    if (text[1] != '-' && text[2])
        value = text + 2; /* -rNAME */
    if (!o->value && value) {
        cli_usage(cli, "option '%s' takes no value", o->name);
        return false;
    }
    if (o->value && !value && *at + 1 < argc)
        value = argv[++*at];
    if (o->value && !value) {
        cli_usage(cli, "option '%s' needs a value: %s", o->name, o->value);
        return false;
    }
    if (cli->given_count == CLI_OPTIONS_MAX) {
        cli_usage(cli, "more than %d options", CLI_OPTIONS_MAX);
        return false;
    }
    cli->given[cli->given_count++] = (struct cli_given){o, value};
    return true;
}

/* A word like -1h or -30m is a time, and a lone - is stdin. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9');
}

/* An empty variable is none. */
static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static int run_verb(const struct cli_verb *verb, int argc, char **argv)
{
    struct cli cli = {.verb = verb};
    const char **arguments = xarray((size_t)argc + 1, sizeof *arguments);
    bool options = true;

    for (int i = 0; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && is_option(argv[i])) {
            if (!take_option(&cli, argv, argc, &i)) {
                free(arguments);
                return EXIT_USAGE;
            }
        } else {
            arguments[cli.argument_count++] = argv[i];
        }
    }
    cli.arguments = arguments;
    cli.json = cli_has(&cli, "--json");
    cli.url = cli_value(&cli, "--url", environment("WEIR_URL", DEFAULT_URL));
    cli.token = cli_value(&cli, "--token", environment("WEIR_TOKEN", NULL));
    cli.cacert = cli_value(&cli, "--cacert", environment("WEIR_CA", NULL));
    int code = cli_has(&cli, "--help") ? print_verb_help(verb) : verb->run(&cli);
    free(arguments);
    if (fflush(stdout) != 0 || ferror(stdout))
        return code ? code : cli_fail(EXIT_IO, "cannot write the output");
    return code;
}

bool cli_has(const struct cli *cli, const char *option)
{
    return cli_value(cli, option, NULL) != NULL;
}

const char *cli_value(const struct cli *cli, const char *option, const char *otherwise)
{
    for (size_t i = cli->given_count; i-- > 0;)
        if (strcmp(cli->given[i].option->name, option) == 0)
            return cli->given[i].value ? cli->given[i].value : "";
    return otherwise;
}

size_t cli_values(const struct cli *cli, const char *option, const char **out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < cli->given_count && count < max; i++)
        if (strcmp(cli->given[i].option->name, option) == 0)
            out[count++] = cli->given[i].value;
    return count;
}

/* NULL: reported. */
static const struct cli_verb *find_verb(const char *name)
{
    const char *names[sizeof cli_verbs / sizeof cli_verbs[0]];
    size_t count = 0;

    for (const struct cli_verb *const *v = cli_verbs; *v; v++) {
        if (strcmp((*v)->name, name) == 0)
            return *v;
        names[count++] = (*v)->name;
    }
    const char *near = diag_near(str_from(name), names, count);
    if (near)
        cli_fail(EXIT_USAGE, "unknown verb '%s'; did you mean '%s'?", name, near);
    else
        cli_fail(EXIT_USAGE, "unknown verb '%s'; 'weir --help' lists them", name);
    return NULL;
}

int cli_main(int argc, char **argv)
{
    const struct cli_verb *verb;

    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    bool help = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help");
    if (help && argc == 2)
        return print_help(stdout);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
        return printf("weir %s\n", WEIR_VERSION) > 0 ? EXIT_DONE : EXIT_IO;
    if (!(verb = find_verb(argv[help ? 2 : 1])))
        return EXIT_USAGE;
    return help ? print_verb_help(verb) : run_verb(verb, argc - 2, argv + 2);
}
