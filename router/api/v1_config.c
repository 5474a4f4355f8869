/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in force, as numbers: what `weir check --diff` compares a file with. */
#include <inttypes.h>

#include "router/api/v1_int.h"
#include "router/xalloc.h"

static void write_part(struct buf *out, const struct ruleset_part *part)
{
    buf_char(out, '{');
    json_write_member(out, "kind", str_from(part->kind));
    json_write_member(out, "name", part->name);
    json_write_key(out, "keys");
    buf_char(out, '{');
    for (uint32_t i = 0; i < part->key_count; i++) {
        json_write_key(out, part->keys[i].key);
        buf_printf(out, "\"%" PRIx64 "\"", part->keys[i].hash);
    }
    buf_text(out, "}}");
}

void v1_config(struct http_request *r)
{
    const struct ruleset *set = http_set(r);
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_write_member(&out, "config", set->file);
    json_write_key(&out, "generation");
    json_write_int(&out, (int64_t)set->generation);
    json_write_key(&out, "parts");
    buf_char(&out, '[');
    for (uint32_t i = 0; i < set->part_count; i++) {
        if (i)
            buf_char(&out, ',');
        write_part(&out, &set->parts[i]);
    }
    buf_text(&out, "]}");
    http_reply_json(r, 200, &out);
    buf_fini(&out);
}
