/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of a shop, 1 KiB each, a thousand different ones; and rules of eight kinds, as many as are asked for. Of each
 * kind, the first rule matches exactly one order of the thousand, and the others match none: what a thousand rules cost
 * is that each of them might.
 */
#include "tests/bench/way.h"

#include "matcher/json.h"

static const unsigned hits[] = {7, 11, 13, 17, 19, 23, 29, 31}; /* by kind: the order that its first rule matches */
#define KINDS (sizeof hits / sizeof hits[0])

static void add_detail(struct buf *out, unsigned number, size_t size)
{
    size_t start = out->size;

    buf_printf(out,
               "{\"order\":\"order-%06u\",\"state\":\"open\",\"amount\":%u.5,\"path\":\"/shop/eu/%06u/cart\","
               "\"customer\":{\"name\":\"Customer %u\",\"email\":\"c%06u@example.com\",\"tier\":\"gold\",\"since\":%u},"
               "\"items\":[",
               number, number, number, number, number, 1990 + number % 30);
    for (unsigned i = 0; i < 7; i++)
        buf_printf(out, "%s{\"sku\":\"A-%06u\",\"count\":%u,\"price\":%u.99,\"gift\":%s}", i ? "," : "",
                   number * 31 + i, i + 1, 10 + i, i % 2 ? "true" : "false");
    buf_text(out, "],\"address\":{\"street\":\"Harbour Road "
                  "12\",\"city\":\"Z\xc3\xbcrich\",\"geo\":[8.5417,47.3769]},\"note\":\"");
    while (out->size - start < size - 2)
        buf_char(out, "please leave it at the door "[(out->size - start) % 28]);
    buf_text(out, "\"}");
}

void way_event(struct buf *out, unsigned number, bool complete)
{
    size_t start = out->size;

    if (complete)
        buf_printf(
            out,
            "{\"version\":\"0\",\"id\":\"6f0e1c1e-9a4f-4a53-8f0c-%012u\",\"detail-type\":\"Order Placed\",\"source\":"
            "\"shop.orders\",\"account\":\"000000000000\",\"time\":\"2026-11-21T10:00:00Z\",\"region\":"
            "\"us-east-1\",\"resources\":[],\"detail\":",
            number);
    else
        buf_text(out, "{\"detail-type\":\"Order Placed\",\"source\":\"shop.orders\",\"detail\":");
    add_detail(out, number, WAY_EVENT_BYTES - 1 - (out->size - start));
    buf_char(out, '}');
    if (out->failed || out->size - start != WAY_EVENT_BYTES)
        way_fail("an event has %zu bytes", out->size - start);
}

void way_ndjson(struct buf *out, bool complete)
{
    for (unsigned i = 0; i < WAY_BATCH; i++) {
        way_event(out, i, complete);
        buf_char(out, '\n');
    }
}

void way_put_events(struct buf *out, unsigned number)
{
    struct buf detail = BUF_INIT;

    buf_text(out, "{\"Entries\":[");
    for (unsigned i = 0; i < WAY_ENTRIES; i++) {
        buf_clear(&detail);
        add_detail(&detail, number + i, WAY_EVENT_BYTES - 64);
        buf_text(out, i ? ",{" : "{");
        json_write_member(out, "Source", STR("shop.orders"));
        json_write_member(out, "DetailType", STR("Order Placed"));
        json_write_member(out, "Detail", buf_view(&detail));
        buf_char(out, '}');
    }
    buf_text(out, "]}");
    buf_fini(&detail);
}

static void add_pattern(struct buf *out, unsigned kind, unsigned n)
{
    unsigned hit = hits[kind];

    switch (kind) {
    case 0: buf_printf(out, "{detail: {order: [order-%06u]}}", n ? 900000 + n : hit); break;
    case 1: buf_printf(out, "{detail: {path: [{prefix: \"/shop/%s/%06u\"}]}}", n ? "us" : "eu", n ? n : hit); break;
    case 2:
        buf_printf(out, "{detail: {customer: {email: [{suffix: \"%06u@example.com\"}]}}}", n ? 900000 + n : hit);
        break;
    case 3: buf_printf(out, "{detail: {path: [{wildcard: \"/shop/*/%06u/c*t\"}]}}", n ? 900000 + n : hit); break;
    case 4:
        buf_printf(out, "{detail: {amount: [{numeric: [\">=\", %u, \"<\", %u]}]}}", n ? 900000 + n : hit,
                   n ? 900001 + n : hit + 1);
        break;
    case 5: buf_printf(out, "{detail: {order: [{equals-ignore-case: \"ORDER-%06u\"}]}}", n ? 900000 + n : hit); break;
    case 6:
        buf_printf(out, "{source: [shop.orders], detail: {order: [order-%06u], state: [{anything-but: [closed]}]}}",
                   n ? 800000 + n : hit);
        break;
    default:
        buf_printf(out, "{detail-type: [Order Placed], detail: {order: [order-%06u], note: [{exists: true}]}}",
                   n ? 700000 + n : hit);
    }
}

void way_rules(struct buf *out, unsigned count, const char *target)
{
    buf_text(out, "rules:\n");
    for (unsigned i = 0; i < count; i++) {
        buf_printf(out, "  rule-%05u: {pattern: ", i);
        add_pattern(out, i % KINDS, i / KINDS);
        buf_printf(out, ", targets: [%s]}\n", target);
    }
}

unsigned way_matches(unsigned first, unsigned count)
{
    unsigned matches = 0;
    for (size_t i = 0; i < KINDS; i++)
        matches += hits[i] >= first && hits[i] < first + count;
    return matches;
}
