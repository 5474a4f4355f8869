/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir export: what the APIs made in a running router, as a configuration. The router hands out documents and this
 * program, which has the same tables, writes them down; so what is printed is checked by whoever is to use it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "router/cli/show.h"
#include "router/cli/verbs.h"
#include "router/xalloc.h"
#include "rules/export.h"
#include "rules/ruleset.h"

#define DIAGS_MAX 100

static struct str text_member(struct str object, const char *key, struct buf *decoded)
{
    struct str raw = json_member(object, key);
    buf_clear(decoded);
    if (raw.ptr && json_type_of(raw) == JSON_STRING)
        json_decode(decoded, raw);
    xbuf(decoded);
    return buf_view(decoded);
}

/* False: the router sent what this program does not understand; message printed. */
static bool add_document(struct documents *list, struct str resource)
{
    struct buf section = BUF_INIT, key = BUF_INIT;
    struct weir_diag diag;
    text_member(resource, "section", &section);
    text_member(resource, "key", &key);
    struct document *one = document_create(buf_view(&section), buf_view(&key), json_member(resource, "entry"), &diag);
    if (one && !documents_put(list, one))
        xfail("out of memory");
    if (!one)
        cli_fail(EXIT_DATA, "%s '%s': %s", buf_cstr(&section), buf_cstr(&key), diag.message);
    buf_fini(&section);
    buf_fini(&key);
    return one;
}

static struct documents *documents_of(struct str answer)
{
    struct show_list resources = show_open(json_member(answer, "resources"));
    struct documents *list = documents_create();
    struct str one;
    bool ok = true;
    if (!list)
        xfail("out of memory");
    while (ok && show_next(&resources, &one))
        ok = add_document(list, one);
    if (ok)
        return list;
    documents_unref(list);
    return NULL;
}

struct missing {
    struct str *list;
    size_t count;
};

static struct missing missing_of(struct str answer)
{
    struct show_list texts = show_open(json_member(answer, "missing"));
    struct missing m = {NULL, 0};
    struct buf decoded = BUF_INIT;
    struct str one;
    while (show_next(&texts, &one)) {
        buf_clear(&decoded);
        json_decode(&decoded, one);
        m.list = xrealloc(m.list, (m.count + 1) * sizeof *m.list);
        m.list[m.count++] = xstr(buf_view(&decoded));
    }
    buf_fini(&decoded);
    return m;
}

static void free_missing(struct missing *m)
{
    for (size_t i = 0; i < m->count; i++)
        free((char *)m->list[i].ptr);
    free(m->list);
}

/* The files of --all: they must be right, or what is written of them would not be. NULL: message printed. */
static struct files *read_files(const struct cli *cli)
{
    const char *config = cli_config(cli);
    struct diags diags;
    struct buf report = BUF_INIT;
    if (!config) {
        cli_fail(EXIT_CONFIG, "no configuration: neither ./weir.yaml nor /etc/weir/weir.yaml is there");
        return NULL;
    }
    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    struct files *files = files_read(config, &diags);
    struct ruleset *set = files ? ruleset_build(files, NULL, 1, &diags) : NULL;
    ruleset_report(&diags, &report);
    fputs(buf_cstr(&report), stderr);
    buf_fini(&report);
    diags_fini(&diags);
    if (!set) {
        files_unref(files);
        files = NULL;
    }
    ruleset_unref(set);
    return files;
}

static int print_yaml(const struct cli *cli, struct str answer)
{
    bool all = cli_has(cli, "--all");
    struct files *files = all ? read_files(cli) : NULL;
    struct documents *documents = all && !files ? NULL : documents_of(answer);
    struct missing missing = missing_of(answer);
    struct buf account = BUF_INIT, region = BUF_INIT, yaml = BUF_INIT;
    if (documents) {
        struct export_from from = {.documents = documents,
                                   .files = files,
                                   .account = text_member(answer, "account", &account),
                                   .region = text_member(answer, "region", &region),
                                   .missing = missing.list,
                                   .missing_count = missing.count};
        if (!export_write(&yaml, &from))
            xfail("out of memory");
        fputs(buf_cstr(&yaml), stdout);
    }
    int code = documents ? EXIT_DONE : all && !files ? EXIT_CONFIG : EXIT_DATA;
    buf_fini(&yaml);
    buf_fini(&account);
    buf_fini(&region);
    free_missing(&missing);
    documents_unref(documents);
    files_unref(files);
    return code;
}

static int export_resources(struct cli *cli)
{
    struct reply reply;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    client_call(cli, "/_weir/v1/resources", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    if (code == EXIT_DONE && cli->json)
        show_lines(json_member(buf_view(&reply.body), "resources"));
    else if (code == EXIT_DONE)
        code = print_yaml(cli, buf_view(&reply.body));
    reply_fini(&reply);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--all", .meaning = "what the configuration declares as well, so that the output stands by itself"},
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "the configuration of --all; default ./weir.yaml"},
    {0},
};

const struct cli_verb verb_export = {
    .name = "export",
    .arguments = "",
    .summary = "what was made by the APIs of a running router, as a configuration",
    .description =
        "Prints the buses, rules, queues, topics and whatever else was made by API as a weir.yaml that 'weir check'\n"
        "accepts: to keep it, to review it, or to declare it from now on (delete it by the API first: a name belongs\n"
        "to the file or to the API). What refers to things of the present configuration needs those beside it: "
        "include\n"
        "the output there, or say --all.\n"
        "Secrets are not printed: {env: NAME} stands for each, and a comment names the variable. What only answers\n"
        "of AWS's APIs need (tags, role ARNs, times) is left out, and so is a reference to what was deleted.",
    .options = options,
    .run = export_resources,
};
