/* SPDX-License-Identifier: Apache-2.0 */
/* See show.h. The answers come from Weir itself; what does not read as expected shows as empty or 0. */
#include "router/cli/show.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/cli/cli.h"

const char *show_text(struct str object, const char *key, char *out, size_t size)
{
    struct str value = json_member(object, key);
    struct buf text = BUF_INIT;

    if (value.size && *value.ptr == '"')
        json_decode(&text, value);
    snprintf(out, size, "%s", buf_cstr(&text));
    buf_fini(&text);
    return out;
}

long long show_int(struct str object, const char *key)
{
    struct str value = json_member(object, key);
    char digits[32];

    snprintf(digits, sizeof digits, "%.*s", STR_ARG(value));
    return value.size ? strtoll(digits, NULL, 10) : 0;
}

bool show_bool(struct str object, const char *key)
{
    return str_is(json_member(object, key), "true");
}

const char *show_duration(long long s)
{
    static char text[32];
    if (s < 60)
        snprintf(text, sizeof text, "%llds", s);
    else if (s < 3600)
        snprintf(text, sizeof text, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, sizeof text, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(text, sizeof text, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    return text;
}

const char *show_bytes(long long bytes, char out[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    int unit = 0;
    while (n >= 1024 && unit < 4) {
        n /= 1024;
        unit++;
    }
    snprintf(out, 16, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
    return out;
}

struct show_list show_open(struct str array)
{
    struct show_list l = {.open = false};
    struct json_token t;

    if (array.size) {
        json_reader_init(&l.reader, array);
        l.open = json_next(&l.reader, &t) == JSON_ARRAY;
    }
    return l;
}

bool show_next(struct show_list *l, struct str *out)
{
    struct json_token t;

    if (!l->open || json_next(&l->reader, &t) <= JSON_ERROR || t.type == JSON_ARRAY_END || !json_skip(&l->reader, &t))
        return l->open = false;
    *out = t.raw;
    return true;
}

void show_queues(struct str queues)
{
    static const char *const titles[] = {"QUEUE", ">VISIBLE", ">IN FLIGHT", ">DELAYED", ">SIZE", ">OLDEST"};
    struct table *t = table_create(titles, 6);
    struct show_list list = show_open(queues);
    struct str one;
    char name[128], size[16];

    for (; show_next(&list, &one);) {
        table_cell(t, "%s%s", show_text(one, "name", name, sizeof name),
                   show_bool(one, "configured") ? "" : " (not configured any more)");
        table_cell(t, "%lld", show_int(one, "visible"));
        table_cell(t, "%lld", show_int(one, "in_flight"));
        table_cell(t, "%lld", show_int(one, "delayed"));
        table_cell(t, "%s", show_bytes(show_int(one, "bytes"), size));
        table_cell(t, "%s", show_int(one, "bytes") ? show_duration(show_int(one, "oldest_age_s")) : "-");
    }
    putchar('\n');
    table_print(t);
}

void show_archives(struct str archives)
{
    static const char *const titles[] = {"ARCHIVE", "BUS",     ">EVENTS", ">SIZE", ">ON DISK",
                                         ">FILES",  ">SEALED", "FROM",    "TO"};
    struct table *t = table_create(titles, 9);
    struct show_list list = show_open(archives);
    struct str one;
    char name[128], bus[300], size[16], from[40], to[40];
    bool any = false;

    for (; show_next(&list, &one); any = true) {
        table_cell(t, "%s", show_text(one, "name", name, sizeof name));
        table_cell(t, "%s", show_text(one, "bus", bus, sizeof bus));
        table_cell(t, "%lld", show_int(one, "events"));
        table_cell(t, "%s", show_bytes(show_int(one, "bytes"), size));
        table_cell(t, "%s", show_bytes(show_int(one, "disk_bytes"), size));
        table_cell(t, "%lld", show_int(one, "files"));
        table_cell(t, "%lld", show_int(one, "sealed_files"));
        table_cell(t, "%s", show_text(one, "from", from, sizeof from)[0] ? from : "-");
        table_cell(t, "%s", show_text(one, "to", to, sizeof to)[0] ? to : "-");
    }
    if (any) {
        putchar('\n');
        table_print(t);
    } else {
        table_destroy(t);
    }
}

void show_lines(struct str array)
{
    struct show_list list = show_open(array);
    struct str one;
    while (show_next(&list, &one))
        printf("%.*s\n", STR_ARG(one));
}
