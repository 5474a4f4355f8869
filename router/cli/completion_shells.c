/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts. Each shell has its own way to say the same: after `weir`, the verbs; after a verb, its options; after an
 * option, what it takes. Texts of the tables go into the scripts inside single quotes, with what a quote or the
 * shell's own separators would end taken care of by the write_…_text of each.
 */
#include "router/cli/completion.h"

/* Inside single quotes. */
static void write_quoted(struct buf *out, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_text(out, "'\\'");
        else if (strchr(escaped, *text))
            buf_char(out, '\\');
        buf_char(out, *text);
    }
}

/* ---- bash ---- */

static void write_bash_reply(struct buf *out, const struct completion *c)
{
    if (c->kind == COMPLETION_WORDS)
        buf_printf(out, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", c->text);
    else if (c->kind == COMPLETION_NAMES)
        buf_printf(
            out, "COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" completion --names %s 2>/dev/null)\" -- \"$cur\"))",
            c->text);
    else if (c->kind == COMPLETION_FILES)
        buf_text(out, "COMPREPLY=($(compgen -f -- \"$cur\"))");
    else
        buf_char(out, ':');
}

static void write_bash_values(struct buf *out, const struct cli_verb *v)
{
    const struct cli_option *o;
    for (size_t i = 0; (o = cli_option_at(v, i)); i++) {
        struct completion c = completion_of_option(o);
        if (!o->value)
            continue;
        buf_printf(out, "    '%s %s'", v->name, o->name);
        if (o->letter)
            buf_printf(out, " | '%s -%c'", v->name, o->letter);
        buf_text(out, ")\n        ");
        write_bash_reply(out, &c);
        buf_text(out, "\n        return ;;\n");
    }
}

static void write_bash_verb(struct buf *out, const struct cli_verb *v)
{
    const struct cli_option *o;
    struct completion c = completion_of_arguments(v);
    buf_printf(out, "    %s)\n        if [[ $cur == -* ]]; then\n            COMPREPLY=($(compgen -W '", v->name);
    for (size_t i = 0; (o = cli_option_at(v, i)); i++)
        buf_printf(out, "%s%s", i ? " " : "", o->name);
    buf_text(out, "' -- \"$cur\"))\n        else\n            ");
    write_bash_reply(out, &c);
    buf_text(out, "\n        fi ;;\n");
}

void completion_write_bash(struct buf *out)
{
    buf_text(out, "# bash completion of weir: made by 'weir completion bash'.\n"
                  "_weir() {\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    COMPREPLY=()\n"
                  "    if [[ $cur == = ]]; then\n" /* bash parts --option=value into three words */
                  "        cur=''\n"
                  "    elif [[ $prev == = ]]; then\n"
                  "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                  "    fi\n"
                  "    if [[ $COMP_CWORD -eq 1 ]]; then\n"
                  "        COMPREPLY=($(compgen -W '");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        buf_printf(out, "%s ", (*v)->name);
    buf_text(out, "help --help --version' -- \"$cur\"))\n        return\n    fi\n"
                  "    case \"${COMP_WORDS[1]} $prev\" in\n");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        write_bash_values(out, *v);
    buf_text(out, "    esac\n    case ${COMP_WORDS[1]} in\n");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        write_bash_verb(out, *v);
    buf_text(out, "    help)\n        COMPREPLY=($(compgen -W '");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        buf_printf(out, "%s%s", v == cli_verbs ? "" : " ", (*v)->name);
    buf_text(out, "' -- \"$cur\")) ;;\n    esac\n}\ncomplete -o filenames -F _weir weir\n");
}

/* ---- zsh ---- */

static void write_zsh_values(struct buf *out, const struct completion *c)
{
    if (c->kind == COMPLETION_WORDS)
        buf_printf(out, "(%s)", c->text);
    else if (c->kind == COMPLETION_NAMES)
        buf_printf(out, "($(weir completion --names %s 2>/dev/null))", c->text);
    else if (c->kind == COMPLETION_FILES)
        buf_text(out, "_files");
    else
        buf_char(out, ' ');
}

/* '*'{-r,--rule}'[only to this rule]:RULE:(…)' */
static void write_zsh_option(struct buf *out, const struct cli_option *o)
{
    struct completion c = completion_of_option(o);
    buf_text(out, " \\\n            ");
    if (o->many)
        buf_text(out, "'*'");
    else if (o->letter)
        buf_printf(out, "'(-%c %s)'", o->letter, o->name);
    if (o->letter)
        buf_printf(out, "{-%c,%s}'[", o->letter, o->name);
    else
        buf_printf(out, "'%s[", o->name);
    write_quoted(out, o->meaning, "[]:\\");
    buf_char(out, ']');
    if (o->value) {
        buf_char(out, ':');
        write_quoted(out, o->value, ":\\");
        buf_char(out, ':');
        write_zsh_values(out, &c);
    }
    buf_char(out, '\'');
}

void completion_write_zsh(struct buf *out)
{
    buf_text(out, "#compdef weir\n# zsh completion of weir: made by 'weir completion zsh'.\n"
                  "_weir() {\n    local -a verbs=(\n");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++) {
        buf_printf(out, "        '%s:", (*v)->name);
        write_quoted(out, (*v)->summary, ":\\");
        buf_text(out, "'\n");
    }
    buf_text(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n"
                  "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n    help)\n"
                  "        _describe verb verbs ;;\n");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++) {
        const struct cli_option *o;
        struct completion c = completion_of_arguments(*v);
        buf_printf(out, "    %s)\n        _arguments", (*v)->name);
        for (size_t i = 0; (o = cli_option_at(*v, i)); i++)
            write_zsh_option(out, o);
        if (c.kind != COMPLETION_NONE) {
            buf_text(out, " \\\n            '*:argument:");
            write_zsh_values(out, &c);
            buf_char(out, '\'');
        }
        buf_text(out, " ;;\n");
    }
    buf_text(out, "    esac\n}\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n    _weir \"$@\"\nelse\n"
                  "    compdef _weir weir\nfi\n");
}

/* ---- fish ---- */

static void write_fish_values(struct buf *out, const struct completion *c)
{
    if (c->kind == COMPLETION_WORDS)
        buf_printf(out, " -a '%s'", c->text);
    else if (c->kind == COMPLETION_NAMES)
        buf_printf(out, " -a '(weir completion --names %s 2>/dev/null)'", c->text);
    else if (c->kind == COMPLETION_FILES)
        buf_text(out, " -F");
}

static void write_fish_option(struct buf *out, const struct cli_verb *v, const struct cli_option *o)
{
    struct completion c = completion_of_option(o);
    buf_printf(out, "complete -c weir -n '__fish_seen_subcommand_from %s'", v->name);
    if (o->name[1] == '-')
        buf_printf(out, " -l %s", o->name + 2);
    else
        buf_printf(out, " -s %c", o->name[1]);
    if (o->letter)
        buf_printf(out, " -s %c", o->letter);
    if (o->value)
        buf_text(out, c.kind == COMPLETION_FILES ? " -r" : " -x"); /* -x: and no files */
    write_fish_values(out, &c);
    buf_text(out, " -d '");
    write_quoted(out, o->meaning, "\\");
    buf_text(out, "'\n");
}

static void write_fish_verb(struct buf *out, const struct cli_verb *v)
{
    const struct cli_option *o;
    struct completion c = completion_of_arguments(v);
    buf_printf(out, "complete -c weir -n __fish_use_subcommand -a %s -d '", v->name);
    write_quoted(out, v->summary, "\\");
    buf_text(out, "'\n");
    for (size_t i = 0; (o = cli_option_at(v, i)); i++)
        write_fish_option(out, v, o);
    if (c.kind == COMPLETION_NONE)
        return;
    buf_printf(out, "complete -c weir -n '__fish_seen_subcommand_from %s'", v->name);
    write_fish_values(out, &c);
    buf_char(out, '\n');
}

void completion_write_fish(struct buf *out)
{
    buf_text(out, "# fish completion of weir: made by 'weir completion fish'.\ncomplete -c weir -f\n");
    for (const struct cli_verb *const *v = cli_verbs; *v; v++)
        write_fish_verb(out, *v);
}
