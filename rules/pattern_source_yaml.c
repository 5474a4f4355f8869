/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pattern compiler eats tokens; this hands it a tree of nodes as tokens, depth first, from a stack of its own as
 * deep as the tree may be. Every token's place is its node's, also the one that AWS would give behind the token: in
 * a file, people look for the start.
 *
 * AWS's most frequent reason, a leaf that is no list, gets a suffix that shows the list.
 */
#include "rules/pattern_source_yaml.h"

#include <assert.h>
#include <stdio.h>

#include "rules/documents.h"

struct level {
    const struct node *node;
    uint32_t next; /* item, or two steps a pair: key, value */
};

struct node_source {
    struct pattern_source source; /* first: the parser hands back its address */
    struct arena *keep;           /* the pattern's: texts of values must live as long as it */
    const struct node *root;      /* until it was given */
    const struct node *last;      /* whose token was given last */
    struct level levels[YAML_DEPTH_MAX + 1];
    unsigned depth;
};

static enum json_type open_type(enum node_type type)
{
    switch (type) {
    case NODE_NULL: return JSON_NULL;
    case NODE_FALSE: return JSON_FALSE;
    case NODE_TRUE: return JSON_TRUE;
    case NODE_NUMBER: return JSON_NUMBER;
    case NODE_LIST: return JSON_ARRAY;
    case NODE_MAP: return JSON_OBJECT;
    case NODE_FAULT:
    case NODE_TEXT: break;
    }
    return JSON_STRING;
}

static void give(struct node_source *s, struct pattern_token *token, enum json_type type, const struct node *n)
{
    *token = (struct pattern_token){.type = type, .text = n->text};
    token->line = token->stop_line = n->pos.line;
    token->column = token->stop_column = token->read_column = n->pos.column;
    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        assert(s->depth <= YAML_DEPTH_MAX);
        s->levels[s->depth++] = (struct level){n, 0};
    }
    s->last = n;
}

static void give_value(struct node_source *s, struct pattern_token *token, const struct node *n)
{
    give(s, token, open_type(n->type), n);
    if (node_is_empty(n)) {
        token->type = JSON_ERROR;
        token->fault = "a value is missing; write null, or \"\"";
    } else if ((token->type == JSON_STRING || token->type == JSON_NUMBER) &&
               !(token->text = arena_str(s->keep, n->text)).ptr) {
        token->type = JSON_ERROR;
        token->fault = "out of memory";
        token->code = WEIR_E_MEMORY;
    }
}

static void next_token(struct pattern_source *source, struct pattern_token *token)
{
    struct node_source *s = (struct node_source *)source;
    if (s->root) {
        const struct node *root = s->root;
        s->root = NULL;
        give_value(s, token, root);
        return;
    }
    if (s->depth == 0) {
        *token = (struct pattern_token){.type = JSON_END};
        return;
    }
    struct level *level = &s->levels[s->depth - 1];
    const struct node *n = level->node;
    bool map = n->type == NODE_MAP;
    if (level->next == (map ? 2 * n->count : n->count)) {
        s->depth--;
        give(s, token, map ? JSON_OBJECT_END : JSON_ARRAY_END, n);
        return;
    }
    uint32_t at = level->next++;
    if (!map)
        give_value(s, token, n->items[at]);
    else if (at % 2 == 0)
        give(s, token, JSON_KEY, n->pairs[at / 2].key);
    else
        give_value(s, token, n->pairs[at / 2].value);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

static void append(struct weir_diag *diag, const struct buf *hint)
{
    size_t size = strlen(diag->message);
    if (!hint->failed && size + hint->size < sizeof(diag->message) && hint->size < 100)
        snprintf(diag->message + size, sizeof(diag->message) - size, "%.*s", (int)hint->size, hint->data);
}

/* The operator that an unknown one was probably meant to be. */
static void hint_operator(struct weir_diag *diag)
{
    static const char unknown[] = "Unrecognized match type ";
    const char *names[64];
    size_t count = 0;
    struct buf hint = BUF_INIT;
    if (strncmp(diag->message, unknown, sizeof(unknown) - 1) != 0)
        return;
    for (; count < pattern_operator_count && count < 64; count++)
        names[count] = pattern_operators[count].name;
    const char *near = diag_near(str_from(diag->message + sizeof(unknown) - 1), names, count);
    if (near)
        buf_printf(&hint, "; did you mean '%s'?", near);
    append(diag, &hint);
    buf_fini(&hint);
}

/* What to write instead of a leaf that is no list. */
static void hint_list(struct weir_diag *diag, const struct node *leaf)
{
    struct buf hint = BUF_INIT;
    if (leaf->type == NODE_LIST || leaf->type == NODE_MAP || !ends_with(diag->message, "must be an object or an array"))
        return;
    buf_text(&hint, "; write it as a list: [");
    if (leaf->type == NODE_TEXT && leaf->style != NODE_PLAIN)
        json_write_string(&hint, leaf->text);
    else
        buf_str(&hint, leaf->text);
    buf_char(&hint, ']');
    append(diag, &hint);
    buf_fini(&hint);
}

/* Text that was meant for a pattern in JSON starts with a brace. */
static bool is_json_text(struct str text)
{
    size_t at = 0;
    while (at < text.size && (text.ptr[at] == ' ' || text.ptr[at] == '\n' || text.ptr[at] == '\t'))
        at++;
    return at < text.size && text.ptr[at] == '{';
}

/* A pattern that an API took, as the text that came. */
static const struct pattern *parse_as_sent(struct arena *keep, const struct node *n, struct diags *diags)
{
    struct weir_diag diag = {.code = WEIR_OK};
    const struct pattern *pattern = pattern_parse_json(keep, n->text, &diag);
    if (pattern)
        return pattern;
    if (diag.code == WEIR_E_MEMORY)
        diags->out_of_memory = true;
    else
        diag_error(diags, n->pos, "%s", diag.message);
    return NULL;
}

const struct pattern *pattern_parse_node(struct arena *keep, struct arena *temp, const struct node *n,
                                         struct diags *diags)
{
    const char *file = n->pos.file;
    if (n->type == NODE_FAULT)
        return NULL;
    if (n->type == NODE_TEXT && document_holds(n->pos))
        return parse_as_sent(keep, n, diags);
    if (n->type == NODE_TEXT && !is_json_text(n->text)) {
        diag_error(diags, n->pos, "a pattern is a mapping, or a text with JSON that starts with {");
        return NULL;
    }
    if (n->type == NODE_TEXT && !(n = node_read_json(temp, n, diags)))
        return NULL;
    struct weir_diag diag = {.code = WEIR_OK};
    enum pattern_language language = document_holds(n->pos) ? PATTERN_AWS : PATTERN_EXTENDED;
    struct node_source source = {.source = {next_token, language}, .keep = keep, .root = n};
    const struct pattern *pattern = pattern_parse(keep, &source.source, &diag);
    if (pattern || source.last->type == NODE_FAULT)
        return pattern;
    if (diag.code == WEIR_E_MEMORY || keep->failed) {
        diags->out_of_memory = true;
        return NULL;
    }
    if (diag.line <= 0) {
        diag.line = n->pos.line;
        diag.column = n->pos.column;
    }
    if (language == PATTERN_EXTENDED) { /* hints are for who writes files */
        hint_list(&diag, source.last);
        hint_operator(&diag);
    }
    diag_add(diags, file, &diag);
    return NULL;
}
