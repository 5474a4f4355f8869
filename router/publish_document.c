/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A published message as it is kept: one JSON object with what SNS's envelope says and what the choice of a text and of
 * a message group needs. It stands in the ledger for as long as the message is owed to somebody, so its members are
 * read leniently: one that is not there is empty.
 */
#include <stdlib.h>

#include "matcher/json.h"
#include "router/publish.h"
#include "router/xalloc.h"

static void add(struct buf *out, const char *key, struct str value)
{
    if (value.size)
        json_write_member(out, key, value);
}

void publish_document(struct buf *out, const struct topic_message *m, bool per_protocol, struct str group,
                      struct str deduplication)
{
    buf_char(out, '{');
    json_write_member(out, "type", str_from(topic_message_types[m->type]));
    json_write_member(out, "id", m->id);
    json_write_key(out, "time");
    json_write_int(out, m->time_ms);
    add(out, "subject", m->subject);
    json_write_member(out, per_protocol ? "texts" : "text", m->text);
    add(out, "token", m->token);
    add(out, "group", group);
    add(out, "deduplication", deduplication);
    add(out, "url", m->base_url);
    add(out, "certificate", m->certificate);
    add(out, "signature", m->signature);
    add(out, "version", m->version == TOPIC_SIGNATURE_2 ? STR("2") : STR("1"));
    if (m->attributes.size) {
        json_write_key(out, "attributes");
        buf_str(out, m->attributes);
    }
    buf_char(out, '}');
    xbuf(out);
}

static struct str text_of(struct str value, struct arena *arena)
{
    if (!value.size || json_type_of(value) != JSON_STRING)
        return STR("");
    struct str text = json_decode_in(arena, value);
    if (!text.ptr)
        xfail("out of memory");
    return text;
}

static enum topic_message_type type_of(struct str value)
{
    for (int i = 0; topic_message_types[i]; i++)
        if (value.size && json_raw_is(value, topic_message_types[i]))
            return (enum topic_message_type)i;
    return TOPIC_NOTIFICATION;
}

enum key {
    TYPE,
    ID,
    TIME,
    SUBJECT,
    TEXT,
    TEXTS,
    TOKEN,
    GROUP,
    DEDUPLICATION,
    URL,
    CERTIFICATE,
    SIGNATURE,
    VERSION,
    ATTRIBUTES
};

void publish_read(struct str document, struct arena *arena, struct published *out)
{
    static const char *const keys[] = {"type",        "id",        "time",    "subject",       "text",
                                       "texts",       "token",     "group",   "deduplication", "url",
                                       "certificate", "signature", "version", "attributes",    NULL};
    struct str values[sizeof keys / sizeof *keys] = {{0}};

    json_members(document, keys, values);
    *out = (struct published){.per_protocol = values[TEXTS].size > 0,
                              .group = text_of(values[GROUP], arena),
                              .deduplication = text_of(values[DEDUPLICATION], arena)};
    out->message = (struct topic_message){
        .type = type_of(values[TYPE]),
        .id = text_of(values[ID], arena),
        .time_ms = values[TIME].size ? strtoll(values[TIME].ptr, NULL, 10) : 0,
        .subject = text_of(values[SUBJECT], arena),
        .text = text_of(values[values[TEXTS].size ? TEXTS : TEXT], arena),
        .token = text_of(values[TOKEN], arena),
        .base_url = text_of(values[URL], arena),
        .certificate = text_of(values[CERTIFICATE], arena),
        .signature = text_of(values[SIGNATURE], arena),
        .version = str_is(text_of(values[VERSION], arena), "2") ? TOPIC_SIGNATURE_2 : TOPIC_SIGNATURE_1,
        .attributes = values[ATTRIBUTES].size ? values[ATTRIBUTES] : STR(""),
    };
}

struct str publish_text_for(struct str texts, const char *protocol, struct arena *arena)
{
    struct str value = json_member(texts, protocol);

    if (!value.size || json_type_of(value) != JSON_STRING)
        value = json_member(texts, "default");
    return value.size ? text_of(value, arena) : (struct str){0};
}
