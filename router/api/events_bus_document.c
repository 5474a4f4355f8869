/* SPDX-License-Identifier: Apache-2.0 */
/* Event buses between documents and what the API says of them, see events_buses.h. */
#include "router/api/events_buses.h"
#include "router/clock.h"
#include "targets/bus.h"

static int64_t kept_number(struct str document, const char *member)
{
    struct str raw = events_kept(document, member);
    int64_t number = 0;

    for (size_t i = 0; i < raw.size && raw.ptr[i] >= '0' && raw.ptr[i] <= '9'; i++)
        number = number * 10 + (raw.ptr[i] - '0');
    return number;
}

static void read_document(struct arena *a, struct str document, struct bus_says *out)
{
    *out = (struct bus_says){
        .description = events_kept_text(a, document, "Description"),
        .kms = events_kept_text(a, document, "KmsKeyIdentifier"),
        .policy = events_kept_text(a, document, "Policy"),
        .dead_letter = events_kept(document, "DeadLetterConfig"),
        .log = events_kept(document, "LogConfig"),
        .tags = events_kept(document, "Tags"),
        .created_ms = kept_number(document, "CreationTime"),
        .changed_ms = kept_number(document, "LastModifiedTime"),
    };
}

void events_bus_show(struct arena *a, const struct bus *bus, struct bus_says *out)
{
    read_document(a, bus->made, out);
    if (!out->description.ptr && bus->description.size)
        out->description = bus->description;
}

static void write_text(struct buf *json, const char *member, struct str text)
{
    if (text.size)
        json_write_member(json, member, text);
}

static void write_raw(struct buf *json, const char *member, struct str raw)
{
    if (!raw.ptr)
        return;
    json_write_key(json, member);
    json_minify(json, raw);
}

static void write_number(struct buf *json, const char *member, int64_t number)
{
    if (!number)
        return;
    json_write_key(json, member);
    json_write_int(json, number);
}

void events_bus_write(struct buf *json, const struct bus_says *says)
{
    write_text(json, "Description", says->description);
    write_text(json, "KmsKeyIdentifier", says->kms);
    write_raw(json, "DeadLetterConfig", says->dead_letter);
    write_raw(json, "LogConfig", says->log);
}

bool events_bus_edit(struct aws_change *c, struct resources *resources, struct str bus, struct bus_says *out)
{
    struct arena *a = &c->request->arena;
    struct str document = resources_get(resources, "buses", bus);

    if (!document.ptr && !events_bus_exists(resources, bus))
        return events_refuse_bus(c, bus);
    if (!document.ptr && !str_is(bus, BUS_DEFAULT))
        return events_refuse_managed_bus(c, bus);
    read_document(a, document.ptr ? arena_str(a, document) : document, out);
    return true;
}

void events_bus_put(struct aws_change *c, struct resources *resources, struct str bus, struct bus_says *says)
{
    bool declared = resources_owner(resources, "buses", bus) == RESOURCES_FILE; /* the default one may be */
    struct buf json = BUF_INIT;

    says->changed_ms = clock_wall_ms();
    buf_char(&json, '{');
    if (!declared && says->description.size && says->description.size <= EVENTS_DESCRIPTION_BYTES)
        json_write_member(&json, "description", says->description);
    json_write_key(&json, "x-aws");
    buf_char(&json, '{');
    events_bus_write(&json, says);
    write_text(&json, "Policy", says->policy);
    write_raw(&json, "Tags", says->tags);
    write_number(&json, "CreationTime", says->created_ms);
    write_number(&json, "LastModifiedTime", says->changed_ms);
    buf_text(&json, "}}");
    resources_put(resources, "buses", bus, aws_keep(&c->request->arena, &json));
}
