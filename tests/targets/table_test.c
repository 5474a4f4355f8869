/* SPDX-License-Identifier: Apache-2.0 */
/* The table of adapters: what every row must keep to. Nothing here names an adapter, so a new one is held to it too. */
#include "targets/bus.h"
#include "targets/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct adapter *row; /* the adapter being looked at */

#define FAIL(option, text) fail_msg("%s.%s: %s", row->type, (option)->key, text)

static bool is_snake_case(const char *key)
{
    return key[0] >= 'a' && key[0] <= 'z' && strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(key) &&
           !strstr(key, "__") && key[strlen(key) - 1] != '_';
}

/* A sentence for people: it has no full stop and no line break. */
static bool is_meaning(const char *text)
{
    size_t size = text ? strlen(text) : 0;

    return size >= 10 && size <= 200 && text[size - 1] != '.' && !strchr(text, '\n');
}

static const struct {
    const char *name;
    int64_t factor;
} units[] = {
    {"ms", 1},        {"s", 1000},      {"m", 60000},     {"h", 3600000}, {"d", 86400000},
    {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1},
};

static bool read_amount(const char *text, int64_t *out)
{
    char *end;
    int64_t n = strtoll(text, &end, 10);

    for (size_t i = 0; end != text && i < sizeof(units) / sizeof(*units); i++)
        if (strcmp(end, units[i].name) == 0) {
            *out = n * units[i].factor;
            return true;
        }
    return false;
}

static bool is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(text, *names) == 0)
            return true;
    return false;
}

static void check_default(const struct option *o)
{
    int64_t amount = 0;

    switch (o->type) {
    case OPTION_INT:
    case OPTION_DURATION:
    case OPTION_SIZE:
        if (!read_amount(o->value, &amount))
            FAIL(o, "its default cannot be read");
        if ((o->min || o->max) && (amount < o->min || amount > o->max))
            FAIL(o, "its default is outside of its bounds");
        break;
    case OPTION_BOOL:
        if (strcmp(o->value, "true") != 0 && strcmp(o->value, "false") != 0)
            FAIL(o, "its default is neither true nor false");
        break;
    case OPTION_ENUM:
        if (!is_one_of(o->value, o->names))
            FAIL(o, "its default is none of its names");
        break;
    case OPTION_TEXT:
    case OPTION_BUS: break;
    default: FAIL(o, "a default makes no sense here");
    }
}

/* Bytes of the field that the loader writes; 0: its members do. */
static size_t field_size(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL: return sizeof(bool);
    case OPTION_ENUM: return sizeof(int);
    case OPTION_INT:
    case OPTION_DURATION:
    case OPTION_SIZE: return sizeof(int64_t);
    case OPTION_RATE: return sizeof(struct option_rate);
    case OPTION_QUEUE:
    case OPTION_TARGET:
    case OPTION_CONNECTION:
    case OPTION_PATTERN: return sizeof(void *);
    case OPTION_COMMAND:
    case OPTION_HEADERS:
    case OPTION_PARAMETERS:
    case OPTION_LIST: return sizeof(struct option_list);
    case OPTION_SECRET: return sizeof(struct option_secret);
    case OPTION_OBJECT: return 0;
    default: return sizeof(struct str);
    }
}

static void check_table(const struct option *table, size_t size);

static void check_shape(const struct option *o, size_t size)
{
    bool nested = o->type == OPTION_OBJECT || o->type == OPTION_LIST;

    if (o->offset + field_size(o->type) > size)
        FAIL(o, "its field is outside of the options");
    if (o->present_offset && (o->type != OPTION_OBJECT || o->present_offset >= size))
        FAIL(o, "its presence is noted outside of the options");
    if ((o->type == OPTION_ENUM) != (o->names != NULL))
        FAIL(o, "names belong to an enum, and only there");
    if (nested != (o->members != NULL) || (o->type == OPTION_LIST) != (o->item_size != 0))
        FAIL(o, "members belong to objects and lists, an item size to lists");
    if (o->type == OPTION_OBJECT) /* in place: offsets count from the start of the options */
        check_table(o->members, size);
    if (o->type == OPTION_LIST)
        check_table(o->members, o->item_size);
}

static void check_option(const struct option *o, size_t size)
{
    if (!is_snake_case(o->key))
        FAIL(o, "its key is not in snake_case");
    if (!is_meaning(o->meaning))
        FAIL(o, "it has no meaning of one sentence");
    if (o->min > o->max)
        FAIL(o, "its bounds are upside down");
    if (o->required && o->value)
        FAIL(o, "what is required has no default");
    if (o->value)
        check_default(o);
    else if (!o->required && (o->type == OPTION_INT || o->type == OPTION_DURATION || o->type == OPTION_SIZE ||
                              o->type == OPTION_BOOL || o->type == OPTION_ENUM))
        FAIL(o, "a value of this type needs a default");
    check_shape(o, size);
}

static void check_table(const struct option *table, size_t size)
{
    int scalars = 0;

    for (const struct option *o = table; o->key; o++) {
        check_option(o, size);
        scalars += o->scalar;
        for (const struct option *other = table; other < o; other++)
            if (strcmp(other->key, o->key) == 0)
                FAIL(o, "its key is there twice");
    }
    if (scalars > 1)
        fail_msg("%s: two members would be a bare scalar", row->type);
}

static void options_are_sound(void **state)
{
    for (const struct adapter *const *a = target_adapters; (row = *a); a++) {
        struct option rows[64];
        size_t count = 0;
        while (policy_row(row, count, &rows[count]))
            assert_in_range(++count, 1, 63);
        check_table(rows, policy_block_size(row));
        check_table(row->options, row->options_size);
        assert_true(!row->send == !row->concurrency);
    }
}

static void an_adapter_takes_deliveries_in_one_way(void **state)
{
    for (const struct adapter *const *a = target_adapters; (row = *a); a++) {
        bool opens = row->open && row->close;
        if (row == &bus_adapter) {
            assert_false(row->open || row->close || row->send || row->put || row->expand); /* dispatch's own */
            continue;
        }
        if (row->no_target) {
            assert_false(row->open || row->close || row->send || row->put || row->expand);
            continue;
        }
        if (!!row->send + !!row->put + !!row->expand != 1)
            fail_msg("%s: exactly one of send, put and expand", row->type);
        if (opens == !!row->expand || !row->open != !row->close)
            fail_msg("%s: what only expands is not opened, all else is opened and closed", row->type);
        if ((row->recover || row->flush) && !row->put)
            fail_msg("%s: recover and flush belong to put", row->type);
    }
}

static void rows_are_told_apart(void **state)
{
    for (const struct adapter *const *a = target_adapters; (row = *a); a++) {
        assert_true(is_snake_case(row->type));
        assert_true(!row->section || is_snake_case(row->section));
        assert_true(is_meaning(row->summary));
        assert_non_null(strstr(row->arn_format, "{name}"));
        assert_int_equal(strncmp(row->arn_format, "arn:", 4), 0);
        for (const struct adapter *const *b = target_adapters; b < a; b++) {
            assert_string_not_equal(row->type, (*b)->type);
            assert_string_not_equal(row->arn_format, (*b)->arn_format);
            assert_true(!row->section || !(*b)->section || strcmp(row->section, (*b)->section) != 0);
        }
    }
}

static void types_are_found(void **state)
{
    for (const struct adapter *const *a = target_adapters; (row = *a); a++)
        assert_ptr_equal(target_adapter_find(str_from(row->type)), row);
    assert_null(target_adapter_find(STR("")));
    assert_null(target_adapter_find(STR("queu")));
    assert_null(target_adapter_find(STR("queues")));
    assert_null(target_adapter_find(STR("Queue")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_sound),
        cmocka_unit_test(an_adapter_takes_deliveries_in_one_way),
        cmocka_unit_test(rows_are_told_apart),
        cmocka_unit_test(types_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
