/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's bytes: segment names and headers, record headers, and the search for the next whole record behind
 * damage. Little-endian by memcpy: Weir runs on little-endian machines (asserted at compile time), other orders would
 * convert here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/limits.h"
#include "router/crc32c.h"
#include "router/journal_int.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the journal's format is little-endian");

static const char magic[8] = "WEIRSEG1";

#define PUT(bytes, offset, value) memcpy((bytes) + (offset), &(value), sizeof(value))
#define GET(bytes, offset, value) memcpy(&(value), (bytes) + (offset), sizeof(value))

void segment_name(uint64_t first, char out[SEGMENT_NAME_BYTES])
{
    snprintf(out, SEGMENT_NAME_BYTES, "%020" PRIu64 ".seg", first);
}

bool segment_name_parse(const char *name, uint64_t *first_out)
{
    char again[SEGMENT_NAME_BYTES];
    *first_out = strtoull(name, NULL, 10);
    segment_name(*first_out, again);
    return strcmp(name, again) == 0;
}

void segment_header_encode(const struct segment *s, uint8_t out[SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    PUT(out, 8, s->salt);
    PUT(out, 16, s->first);
    uint32_t crc = crc32c(0, out, 28);
    PUT(out, 28, crc);
}

bool segment_header_decode(const uint8_t *bytes, struct segment *out)
{
    uint32_t crc;
    GET(bytes, 28, crc);
    GET(bytes, 8, out->salt);
    GET(bytes, 16, out->first);
    return memcmp(bytes, magic, sizeof magic) == 0 && crc == crc32c(0, bytes, 28);
}

size_t record_bytes(uint32_t body_size)
{
    return RECORD_HEADER_BYTES + (((size_t)body_size + 7) & ~(size_t)7);
}

void record_encode(struct buf *out, const struct record *r, struct str bus, struct str event)
{
    uint8_t head[RECORD_HEADER_BYTES] = {0};
    uint16_t flags = (uint16_t)r->flags;
    uint32_t crc = crc32c(crc32c(0, bus.ptr, bus.size), event.ptr, event.size);
    static const char padding[8];

    PUT(head, 4, r->salt);
    PUT(head, 8, r->body_size);
    PUT(head, 12, r->bus_size);
    PUT(head, 14, flags);
    PUT(head, 16, r->sequence);
    PUT(head, 24, r->time_ms);
    PUT(head, 32, r->synced);
    PUT(head, 40, crc);
    crc = crc32c(0, head + 4, sizeof head - 4);
    PUT(head, 0, crc);

    buf_add(out, head, sizeof head);
    buf_str(out, bus);
    buf_str(out, event);
    buf_add(out, padding, record_bytes(r->body_size) - RECORD_HEADER_BYTES - r->body_size);
}

bool record_decode(const uint8_t *bytes, struct record *out)
{
    uint32_t crc;
    uint16_t flags;

    GET(bytes, 0, crc);
    GET(bytes, 4, out->salt);
    GET(bytes, 8, out->body_size);
    GET(bytes, 12, out->bus_size);
    GET(bytes, 14, flags);
    GET(bytes, 16, out->sequence);
    GET(bytes, 24, out->time_ms);
    GET(bytes, 32, out->synced);
    GET(bytes, 40, out->body_crc);
    out->flags = flags;
    return crc == crc32c(0, bytes + 4, RECORD_HEADER_BYTES - 4) && out->bus_size <= out->body_size &&
           out->body_size <= LIMIT_EVENT_BYTES + UINT16_MAX;
}

bool record_body_ok(const struct record *r, const uint8_t *body)
{
    return crc32c(0, body, r->body_size) == r->body_crc;
}

size_t record_search(const uint8_t *bytes, size_t size, size_t from, uint32_t salt, uint64_t sequence,
                     struct record *out)
{
    for (size_t at = (from + 7) & ~(size_t)7; at + RECORD_HEADER_BYTES <= size; at += 8) {
        uint32_t salt_here;
        GET(bytes + at, 4, salt_here);
        if (salt && salt_here != salt) /* cheap: most offsets end here, so damage costs one compare per 8 bytes */
            continue;
        if (record_decode(bytes + at, out) && out->sequence >= sequence && record_bytes(out->body_size) <= size - at &&
            record_body_ok(out, bytes + at + RECORD_HEADER_BYTES))
            return at;
    }
    return size;
}
