/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up pairs for one question: which values of an event may be taken together? Few keys, few values,
 * arrays of objects in arrays of objects, now and then a repeated key or one with a full stop in it; patterns ask for
 * several paths at once, with and without exists: false, and in an order of paths that is not that of the event.
 */
#include "tests/matcher/generate.h"

#include <string.h>

static const struct judge_text keys[] = {{"a", 1},   {"b", 1},  {"c", 1}, {"\xEF\xBD\x9E", 3}, {"\xF0\x9F\x98\x80", 4},
                                         {"a.b", 3}, {"b.c", 3}};

/* odd: one whose place among the others differs between code points and UTF-16 units, or c. */
static struct judge_text any_key(struct generator *g, bool odd)
{
    return keys[generate_below(g, 3) + (odd ? 2 : 0)];
}

static struct judge_node *small_number(struct generator *g)
{
    static const char *const digits[] = {"1", "2"};
    struct judge_node *node = generate_node(g, JUDGE_NUMBER);

    node->text = (struct judge_text){digits[generate_below(g, 2)], 1};
    return node;
}

static struct judge_node *object_of(struct generator *g, int depth);

static struct judge_node *value_of(struct generator *g, int depth)
{
    uint32_t dice = generate_below(g, 100), count = 1 + generate_below(g, 3);
    struct judge_node *array;

    if (depth > 3 || dice < 40)
        return small_number(g);
    if (dice < 55)
        return object_of(g, depth + 1);
    array = generate_node(g, JUDGE_ARRAY);
    for (; count > 0; count--) {
        bool same = generate_chance(g, 80);
        generate_append(array, same ? object_of(g, depth + 1) : value_of(g, depth + 1));
    }
    return array;
}

static struct judge_node *object_of(struct generator *g, int depth)
{
    struct judge_node *object = generate_node(g, JUDGE_OBJECT);

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        /* The common keys are mostly there; a key that repeats is rare, but it is what makes joins hard. */
        uint32_t percent = i < 3 ? 75 : i < 5 ? 40 : 4;
        for (int times = 0; times < 2 && generate_chance(g, percent); times++, percent = 5) {
            struct judge_node *member = value_of(g, depth);
            member->key = keys[i];
            generate_append(object, member);
        }
    }
    return object;
}

struct judge_node *generate_array_event(struct generator *g)
{
    return object_of(g, 0);
}

static struct judge_node *keyed(const char *name, struct judge_node *node)
{
    node->key = (struct judge_text){name, strlen(name)};
    return node;
}

static struct judge_node *test_of(struct generator *g)
{
    struct judge_node *object = generate_node(g, JUDGE_OBJECT);
    uint32_t dice = generate_below(g, 100);

    if (dice < 55)
        return small_number(g);
    if (dice < 80)
        generate_append(object, keyed("exists", generate_node(g, JUDGE_FALSE)));
    else if (dice < 90)
        generate_append(object, keyed("exists", generate_node(g, JUDGE_TRUE)));
    else
        generate_append(object, keyed("anything-but", small_number(g)));
    return object;
}

/* Members "a.b.c": [tests]; a path that comes again replaces the one before, which is welcome. */
struct judge_node *generate_array_pattern(struct generator *g)
{
    struct judge_node *pattern = generate_node(g, JUDGE_OBJECT);
    bool odd = generate_chance(g, 25);

    for (uint32_t count = 1 + generate_below(g, 4); count > 0; count--) {
        struct judge_text path = any_key(g, odd);
        struct judge_node *tests = generate_node(g, JUDGE_ARRAY);
        for (uint32_t deeper = generate_below(g, generate_chance(g, 50) ? 2 : 3); deeper > 0; deeper--)
            path = judge_join(g->memory, &path, any_key(g, odd));
        for (uint32_t alternatives = 1 + generate_below(g, 3); alternatives > 0; alternatives--)
            generate_append(tests, test_of(g));
        tests->key = path;
        generate_append(pattern, tests);
    }
    return pattern;
}
