/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as weir.yaml: a rule set, or at least one error with a place; never both, never neither. Where the YAML
 * itself is fine, its JSON is checked with the JSON reader and read back from a YAML scalar.
 */
#include "fuzz/fuzz.h"
#include "matcher/json.h"
#include "rules/lint.h"
#include "rules/yaml.h"

#define DIAGS_MAX 50

static void fail(const char *what, const char *more)
{
    fprintf(stderr, "%s: %s\n", what, more);
    abort();
}

static void check_diags(const struct diags *diags, size_t size)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct weir_diag *diag = &diags->list[i];
        if (diag->message[0] == '\0' || memchr(diag->message, '\0', sizeof diag->message) == NULL)
            fail("an error without a message", "");
        if (diag->line < 0 || diag->column < 0 || (size_t)diag->line > size + 2 || (size_t)diag->column > size + 2)
            fail("an error at an impossible place", diag->message);
    }
}

/* What the tree says as JSON is JSON, and reads back as the same. */
static void check_tree(struct str text)
{
    struct arena arena = ARENA_INIT;
    struct diags diags;
    struct buf json = BUF_INIT, again = BUF_INIT;
    diags_init(&diags, DIAGS_MAX);
    const struct node *root = yaml_parse(&arena, "fuzz.yaml", text, &diags);
    if (root && diags_ok(&diags) && node_text_bytes(root) < 1 << 20 && root->weight < 1 << 16) {
        struct weir_diag why;
        node_write_json(&json, root);
        if (!json_check(buf_view(&json), NULL, &why))
            fail("a tree gives no JSON", why.message);
        struct node scalar = {
            .type = NODE_TEXT, .style = NODE_LITERAL, .pos = {"fuzz.yaml", 1, 1}, .text = buf_view(&json)};
        const struct node *copy = node_read_json(&arena, &scalar, &diags);
        if (copy)
            node_write_json(&again, copy);
        if (copy && !str_eq(buf_view(&json), buf_view(&again)))
            fail("JSON does not read back", buf_cstr(&json));
    }
    check_diags(&diags, text.size);
    buf_fini(&json);
    buf_fini(&again);
    diags_fini(&diags);
    arena_fini(&arena);
}

/* Whatever loads can be looked over, and every finding has a place and words. */
static void check_lint(const struct ruleset *set, const struct diags *loaded, size_t size)
{
    struct findings found = {0};
    struct buf report = BUF_INIT;
    if (!lint_run(set, loaded, NULL, &found))
        fail("lint is out of memory", "");
    for (const struct finding *f = found.list; f; f = f->next)
        if (f->pos.line < 1 || (size_t)f->pos.line > size + 2 || f->message[0] == '\0')
            fail("a finding without a place or words", f->check->id);
    lint_report(&found, &report);
    buf_fini(&report);
    findings_fini(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = fuzz_exact(data, size);
    struct str text = {size ? exact : "", size};
    struct diags diags;
    struct buf report = BUF_INIT;
    diags_init(&diags, DIAGS_MAX);
    struct ruleset *set = ruleset_load_text("fuzz.yaml", text, 1, &diags);
    if ((set != NULL) != diags_ok(&diags))
        fail(set ? "loaded with errors" : "failed without an error", "");
    check_diags(&diags, size);
    ruleset_report(&diags, &report);
    if (!set && report.size == 0)
        fail("nothing is reported", "");
    for (uint32_t i = 0; set && i < set->bus_count; i++)
        if (!set->buses[i].matcher)
            fail("a bus without a matcher", "");
    if (set)
        check_lint(set, &diags, size);
    ruleset_unref(set);
    buf_fini(&report);
    diags_fini(&diags);
    check_tree(text);
    free(exact);
    return 0;
}
