/* SPDX-License-Identifier: Apache-2.0 */
/* weir status: what a running router did and owes, in tables. */
#include <stdio.h>

#include "matcher/json.h"
#include "router/cli/show.h"
#include "router/cli/verbs.h"

static void print_reload(struct str status)
{
    struct str failed = json_member(status, "reload_failed");
    char loaded[32], at[32], error[1024];

    show_text(status, "loaded", loaded, sizeof loaded);
    printf("configuration: generation %lld, in force since %s\n", show_int(status, "generation"), loaded);
    if (failed.size)
        printf("the last reload, at %s, failed: %s\n", show_text(failed, "at", at, sizeof at),
               show_text(failed, "error", error, sizeof error));
}

static void print_head(struct str status)
{
    struct str journal = json_member(status, "journal");
    char version[32], listen[128], config[256];

    show_text(status, "version", version, sizeof version);
    show_text(status, "listen", listen, sizeof listen);
    show_text(status, "config", config, sizeof config);
    printf("weir %s on %s, %s, up %s\n", version, listen, config[0] ? config : "no configuration file",
           show_duration(show_int(status, "uptime_s")));
    print_reload(status);
    printf("journal: %lld events synced, %lld waiting for dispatch\n", show_int(journal, "synced"),
           show_int(journal, "lag"));
}

static void print_data(struct str status)
{
    struct str data = json_member(status, "data"), most = json_member(data, "most");
    char size[16], limit[16], bytes[16], what[160];
    long long bound = show_int(data, "limit_bytes");

    show_bytes(show_int(data, "bytes"), size);
    show_bytes(bound ? bound : show_int(data, "disk_free_bytes"), limit);
    show_bytes(show_int(most, "bytes"), bytes);
    printf("data: %s of %s%s; most is %s, %s\n", size, limit, bound ? "" : " that the disk has free",
           show_text(most, "what", what, sizeof what), bytes);
    if (show_bool(data, "refusing"))
        printf("NO ROOM: no events are taken until there is\n");
}

/* Those that deduplicate: of the others the rules say enough. */
static void print_buses(struct str status)
{
    static const char *const titles[] = {"BUS", ">ACCEPTED", ">DUPLICATES", ">IDS REMEMBERED"};
    struct table *t = NULL;
    struct show_list buses = show_open(json_member(status, "buses"));
    struct str one;
    char name[300];

    for (; show_next(&buses, &one);) {
        if (!json_member(one, "deduplicated").size)
            continue;
        t = t ? t : table_create(titles, 4);
        table_cell(t, "%s", show_text(one, "name", name, sizeof name));
        table_cell(t, "%lld", show_int(one, "accepted"));
        table_cell(t, "%lld", show_int(one, "deduplicated"));
        table_cell(t, "%lld", show_int(one, "remembered"));
    }
    if (!t)
        return;
    putchar('\n');
    table_print(t);
}

static void print_rules(struct str status)
{
    static const char *const titles[] = {"RULE", "BUS", "STATE", ">MATCHED"};
    struct table *t = table_create(titles, 4);
    struct show_list rules = show_open(json_member(status, "rules"));
    struct str one;
    char name[128], bus[300], state[32];

    for (; show_next(&rules, &one);) {
        table_cell(t, "%s", show_text(one, "name", name, sizeof name));
        table_cell(t, "%s", show_text(one, "bus", bus, sizeof bus));
        table_cell(t, "%s", show_text(one, "state", state, sizeof state));
        table_cell(t, "%lld", show_int(one, "matched"));
    }
    putchar('\n');
    table_print(t);
}

static void print_schedules(struct str status)
{
    static const char *const titles[] = {"SCHEDULED RULE", "SCHEDULE", "NEXT", "LAST"};
    struct show_list schedules = show_open(json_member(status, "schedules"));
    struct str one;
    char rule[128], schedule[300], next[32], last[32];

    if (!show_next(&schedules, &one))
        return;
    struct table *t = table_create(titles, 4);
    do {
        table_cell(t, "%s", show_text(one, "rule", rule, sizeof rule));
        table_cell(t, "%s", show_text(one, "schedule", schedule, sizeof schedule));
        table_cell(t, "%s", show_text(one, "next", next, sizeof next)[0] ? next : "-");
        table_cell(t, "%s", show_text(one, "last", last, sizeof last)[0] ? last : "-");
    } while (show_next(&schedules, &one));
    putchar('\n');
    table_print(t);
}

static void print_folders(struct str status)
{
    static const char *const titles[] = {"FOLDER", "BUS", ">FILES", ">BAD", ">EVENTS", "PATH"};
    struct show_list folders = show_open(json_member(status, "folders"));
    struct str one;
    char name[128], bus[300], path[512];

    if (!show_next(&folders, &one))
        return;
    struct table *t = table_create(titles, 6);
    do {
        table_cell(t, "%s", show_text(one, "name", name, sizeof name));
        table_cell(t, "%s", show_text(one, "bus", bus, sizeof bus));
        table_cell(t, "%lld", show_int(one, "taken"));
        table_cell(t, "%lld", show_int(one, "bad"));
        table_cell(t, "%lld", show_int(one, "events"));
        table_cell(t, "%s", show_text(one, "path", path, sizeof path));
    } while (show_next(&folders, &one));
    putchar('\n');
    table_print(t);
}

static void print_targets(struct str status)
{
    static const char *const titles[] = {"TARGET",   ">DELIVERED", ">RETRIED", ">DEAD LETTERS",
                                         ">DROPPED", ">OWED",      ">OLDEST"};
    struct table *t = table_create(titles, 7);
    struct show_list targets = show_open(json_member(status, "targets"));
    struct str one;
    char type[64], name[128];

    for (; show_next(&targets, &one);) {
        show_text(one, "type", type, sizeof type);
        table_cell(t, "%s/%s%s", type, show_text(one, "name", name, sizeof name),
                   show_bool(one, "configured") ? "" : " (not configured any more)");
        table_cell(t, "%lld", show_int(one, "delivered"));
        table_cell(t, "%lld", show_int(one, "retried"));
        table_cell(t, "%lld", show_int(one, "dead_lettered"));
        table_cell(t, "%lld", show_int(one, "dropped"));
        table_cell(t, "%lld", show_int(one, "owed"));
        table_cell(t, "%s", show_int(one, "owed") ? show_duration(show_int(one, "oldest_age_s")) : "-");
    }
    putchar('\n');
    table_print(t);
}

/* Lines about the targets that do not get their deliveries now. */
static void print_gates(struct str status)
{
    struct show_list targets = show_open(json_member(status, "targets"));
    struct str one;
    char type[64], name[128], since[32], next[32], error[400], circuit[16];
    bool any = false;

    for (; show_next(&targets, &one);) {
        show_text(one, "type", type, sizeof type);
        show_text(one, "name", name, sizeof name);
        bool paused = show_text(one, "paused", since, sizeof since)[0];
        bool open = show_text(one, "circuit", circuit, sizeof circuit)[0];
        if ((paused || open) && !any)
            putchar('\n');
        if (paused)
            printf("%s/%s is paused since %s\n", type, name, since);
        if (open)
            printf("%s/%s: circuit open since %s, %s %s; %s\n", type, name,
                   show_text(one, "open_since", since, sizeof since),
                   strcmp(circuit, "probing") == 0 ? "probed since" : "next probe",
                   show_text(one, "next_probe", next, sizeof next), show_text(one, "last_error", error, sizeof error));
        else if (show_text(one, "held_until", next, sizeof next)[0])
            printf("%s/%s asked to be left alone until %s\n", type, name, next);
        any |= paused || open;
    }
}

static int status(struct cli *cli)
{
    struct reply reply;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    client_call(cli, "/_weir/v1/status", (struct str){0}, NULL, &reply);
    int code = reply.status == 200 ? EXIT_DONE : client_failed(cli, &reply);
    struct str body = buf_view(&reply.body);
    if (code == EXIT_DONE && cli->json) {
        printf("%.*s\n", STR_ARG(body));
    } else if (code == EXIT_DONE) {
        print_head(body);
        print_data(body);
        print_buses(body);
        print_rules(body);
        print_schedules(body);
        print_folders(body);
        print_targets(body);
        print_gates(body);
        show_queues(json_member(body, "queues"));
        show_archives(json_member(body, "archives"));
    }
    reply_fini(&reply);
    return code;
}

const struct cli_verb verb_status = {
    .name = "status",
    .arguments = "",
    .summary = "what a running router matched, delivered and owes",
    .run = status,
};
