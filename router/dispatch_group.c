/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a delivery to a FIFO queue carries besides its input: the message group, a constant of the rule's target or what
 * a path finds in the event, and the deduplication id. That is the idempotency key, so what is put again after a crash
 * is known; an event that is replayed is meant to come again, and says so in its key.
 *
 * What cannot be an id as it is (spaces, too long) is used as its SHA-256: the same text, the same group.
 */
#include <stdio.h>
#include <string.h>

#include "matcher/json.h"
#include "router/dispatch_int.h"
#include "router/xalloc.h"
#include "rules/input.h"
#include "targets/queue.h"

bool flight_find_text(const struct flight *f, const struct input *path, const char *key, struct buf *out,
                      struct weir_diag *diag)
{
    struct input_variables none = {STR(""), STR(""), STR("")};
    struct buf json = BUF_INIT;
    bool ok = input_render(path, f->d.event, &none, &json, diag);

    xbuf(&json);
    if (ok && json_type_of(buf_view(&json)) == JSON_STRING)
        json_decode(out, buf_view(&json));
    else if (ok)
        buf_str(out, buf_view(&json));
    buf_fini(&json);
    xbuf(out);
    if (!ok && strncmp(diag->message, "input_path", 10) == 0) { /* the path is another option's */
        char reason[sizeof diag->message];
        snprintf(reason, sizeof reason, "%s", diag->message + 10);
        snprintf(diag->message, sizeof diag->message, "%s%.400s", key, reason);
    }
    return ok;
}

static void add_id(struct buf *out, struct str text)
{
    char id[QUEUE_GROUP_MAX + 1];

    if (!queue_id_write(text, id))
        xfail("out of memory");
    buf_text(out, id);
    buf_char(out, '\0');
}

bool flight_group(struct dispatch *d, struct flight *f, struct weir_diag *diag)
{
    const struct rule_target *entry = f->route->entry;
    const struct target_def *def = f->outlet->def;

    if (def->adapter != &queue_adapter || !queue_is_fifo(def->name) || f->route->published)
        return true; /* what is published brings its own */
    buf_clear(&d->work);
    buf_clear(&f->ids);
    if (entry->message_group_path &&
        !flight_find_text(f, entry->message_group_path, "message_group_id", &d->work, diag))
        return false;
    add_id(&f->ids, entry->message_group_path ? buf_view(&d->work) : entry->message_group);
    size_t second = f->ids.size;
    buf_clear(&d->work);
    buf_str(&d->work, f->d.idempotency_key);
    if (f->d.origin.size)
        buf_printf(&d->work, "/%.*s", STR_ARG(f->d.origin));
    xbuf(&d->work);
    add_id(&f->ids, buf_view(&d->work));
    xbuf(&f->ids);
    f->d.message_group = str_from(f->ids.data);
    f->d.deduplication_id = str_from(f->ids.data + second);
    return true;
}
