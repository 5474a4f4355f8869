/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up events, and the vocabularies that events and patterns are drawn from. Every word is there for
 * something: letters whose case is odd, spellings of one number or one address, keys that sort differently
 * in UTF-16 and by code point, texts longer than a scanner's block.
 */
#include "tests/matcher/generate.h"

#include <string.h>

#define WORD(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }
#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const struct judge_text keys[] = {
    WORD("a"),
    WORD("b"),
    WORD("c"),
    WORD("d"),
    WORD("detail"),
    WORD("source"),
    WORD("longer-key"),
    WORD("longer-kez"),
    WORD(""),
    WORD("a.b"),
    WORD("\xC3\xA9"),
    WORD("e\xCC\x81"),
    WORD("\xEF\xBD\x9E"),
    WORD("\xF0\x9F\x98\x80"),
    WORD("\"q\\"),
    WORD("prefix"),
};

static const struct judge_text strings[] = {
    WORD(""),
    WORD("a"),
    WORD("A"),
    WORD("b"),
    WORD("ab"),
    WORD("aws.s3"),
    WORD("AWS.S3"),
    WORD("aws.ec2"),
    WORD("Object Created"),
    WORD("object created"),
    WORD("Object Removed"),
    WORD("k"),
    WORD("K"),
    WORD("\xE2\x84\xAA"), /* Kelvin */
    WORD("\xC3\xA9"),
    WORD("\xC3\x89"),
    WORD("e\xCC\x81"),
    WORD("stra\xC3\x9F"
         "e"),
    WORD("STRASSE"),
    WORD("straSSe"),
    WORD("\xC4\xB0"), /* dotted capital I */
    WORD("i\xCC\x87"),
    WORD("\xC4\xB1"), /* dotless i */
    WORD("I"),
    WORD("\xCF\x83"),
    WORD("\xCF\x82"),
    WORD("\xCE\xA3"),
    WORD("\xC7\x85"),      /* a letter in title case */
    WORD("\xEF\xAC\x83n"), /* ligature ffi */
    WORD("FFIn"),
    WORD("\xE1\xBE\x88"),
    WORD("\xE1\xBC\x88\xCE\x99"),
    WORD("\xF0\x90\x90\x80"), /* has case, but not in one UTF-16 unit */
    WORD("\xF0\x90\x90\xA8"),
    WORD("\xF0\x9F\x98\x80"),
    WORD("\xED\xA0\xBD"), /* a lone surrogate, half of the one before */
    WORD("10.0.0.1"),
    WORD("010.0.0.01"),
    WORD("10.0.0.77"),
    WORD("10.0.1.1"),
    WORD("192.168.3.4"),
    WORD("::1"),
    WORD("0:0:0:0:0:0:0:1"),
    WORD("2001:db8::5"),
    WORD("2001:DB8:0::0:5"),
    WORD("::ffff:a00:1"),
    WORD("::ffff:10.0.0.1"),
    WORD("999.1.1.1"),
    WORD("1.2.3"),
    WORD("1.2.3.4.5"),
    WORD("fe80::1%eth0"),
    WORD("a:b"),
    WORD("a*b"),
    WORD("a\\b"),
    WORD("*"),
    WORD("1"),
    WORD("300"),
    WORD("true"),
    WORD("null"),
    WORD("say \"hi\""),
    WORD("tab\tnew\nline"),
    WORD("nul\0nul"),
    WORD("arn:aws:s3:::bucket/some/longer/key/with/a/suffix.png"),
    WORD("arn:aws:s3:::bucket/some/longer/key/with/a/suffix.jpg"),
};

/* A row: spellings of one value, or of values that only seem so. */
static const char *const numbers[][4] = {
    {"0", "-0", "0.0", "-0.0e5"},
    {"1", "1.0", "10e-1", "0.1E1"},
    {"300", "300.0", "3e2", "3.0E+2"},
    {"-5", "-5.0", "-50e-1", "-0.5e1"},
    {"0.1", "0.10", "1e-1", "0.10000000000000001"},
    {"2", "2.5", "2.50", "1.5"},
    {"9007199254740992", "9007199254740993", "9007199254740992.0", "9.007199254740992e15"},
    {"12345678901234567", "12345678901234567.0", "12345678901234568", "1.2345678901234568e16"},
    {"1e400", "1e+400", "1e-400", "0e400"},
    {"1.7976931348623157e308", "17976931348623157e292", "5e-324", "4.9e-324"},
    {"100", "99.99", "1e2", "99.990"},
    {"1000000000000000000000", "1e21", "1E21", "1.0e21"},
    {"5.960464477539063e-08", "5.9604644775390625e-08", "0.00000005960464477539063", "6e-8"},
};

/* xorshift64*: good enough, and the same everywhere. */
uint32_t generate_below(struct generator *g, uint32_t bound)
{
    if (g->state == 0)
        g->state = 0x9E3779B97F4A7C15u;
    g->state ^= g->state >> 12;
    g->state ^= g->state << 25;
    g->state ^= g->state >> 27;
    return (uint32_t)((g->state * 0x2545F4914F6CDD1Du) >> 33) % bound;
}

bool generate_chance(struct generator *g, uint32_t percent)
{
    return generate_below(g, 100) < percent;
}

/* ---- trees ---- */

struct judge_node *generate_node(struct generator *g, enum judge_type type)
{
    struct judge_node *node = judge_alloc(g->memory, sizeof *node);

    node->type = type;
    return node;
}

struct judge_node *generate_string_node(struct generator *g, struct judge_text text)
{
    struct judge_node *node = generate_node(g, JUDGE_STRING);

    node->text = text;
    return node;
}

void generate_append(struct judge_node *list, struct judge_node *child)
{
    struct judge_node **tail = &list->first;

    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = child;
    child->next = NULL;
}

struct judge_node *generate_copy(struct generator *g, const struct judge_node *node)
{
    struct judge_node *copy = generate_node(g, node->type), **tail = &copy->first;

    copy->text = node->text;
    copy->key = node->key;
    for (const struct judge_node *child = node->first; child != NULL; child = child->next) {
        *tail = generate_copy(g, child);
        tail = &(*tail)->next;
    }
    return copy;
}

size_t generate_child_count(const struct judge_node *node)
{
    size_t count = 0;

    for (const struct judge_node *child = node->first; child != NULL; child = child->next)
        count++;
    return count;
}

struct judge_node *generate_any_child(struct generator *g, const struct judge_node *node)
{
    size_t count = generate_child_count(node);
    struct judge_node *child = node->first;

    if (count == 0)
        return NULL;
    for (uint32_t skip = generate_below(g, (uint32_t)count); skip > 0; skip--)
        child = child->next;
    return child;
}

/* ---- scalars ---- */

struct judge_text generate_key(struct generator *g)
{
    /* The first few are what events mostly use, so that patterns meet them. */
    return keys[generate_below(g, generate_chance(g, 60) ? 5 : COUNT(keys))];
}

static struct judge_text repeated(struct generator *g, struct judge_text word, size_t times)
{
    char *text = judge_alloc(g->memory, word.size * times + 1);

    for (size_t i = 0; i < times; i++)
        memcpy(text + i * word.size, word.at, word.size);
    return (struct judge_text){text, word.size * times};
}

struct judge_text generate_string(struct generator *g)
{
    struct judge_text word = strings[generate_below(g, COUNT(strings))], other;
    char *text;

    if (generate_chance(g, 80))
        return word;
    if (generate_chance(g, 30))
        return repeated(g, word, generate_below(g, 30));
    other = strings[generate_below(g, COUNT(strings))];
    text = judge_alloc(g->memory, word.size + other.size);
    memcpy(text, word.at, word.size);
    memcpy(text + word.size, other.at, other.size);
    return (struct judge_text){text, word.size + other.size};
}

struct judge_text generate_number(struct generator *g)
{
    const char *number = numbers[generate_below(g, COUNT(numbers))][generate_below(g, 4)];

    return (struct judge_text){number, strlen(number)};
}

struct judge_text generate_respelled(struct generator *g, struct judge_text number)
{
    for (size_t row = 0; row < COUNT(numbers); row++) {
        for (size_t i = 0; i < 4; i++) {
            if (judge_text_says(number, numbers[row][i])) {
                const char *other = numbers[row][generate_below(g, 4)];
                return (struct judge_text){other, strlen(other)};
            }
        }
    }
    return number;
}

struct judge_node *generate_scalar(struct generator *g)
{
    struct judge_node *node;

    if (generate_chance(g, 65))
        return generate_string_node(g, generate_string(g));
    if (generate_chance(g, 35))
        return generate_node(g, (enum judge_type)(JUDGE_NULL + generate_below(g, 3)));
    node = generate_node(g, JUDGE_NUMBER);
    node->text = generate_number(g);
    return node;
}

/* ---- events ---- */

static struct judge_node *generate_value(struct generator *g, int depth);

static bool has_key(const struct judge_node *object, struct judge_text key)
{
    for (const struct judge_node *member = object->first; member != NULL; member = member->next) {
        if (judge_text_is(member->key, key))
            return true;
    }
    return false;
}

static struct judge_node *generate_object(struct generator *g, int depth, uint32_t count)
{
    struct judge_node *object = generate_node(g, JUDGE_OBJECT);

    for (uint32_t i = 0; i < count; i++) {
        struct judge_text key = generate_key(g);
        struct judge_node *member;
        if (has_key(object, key) && !generate_chance(g, 10))
            continue;
        member = generate_value(g, depth + 1);
        member->key = key;
        generate_append(object, member);
    }
    return object;
}

static struct judge_node *generate_value(struct generator *g, int depth)
{
    struct judge_node *array;
    bool of_objects = generate_chance(g, 60);

    if (depth > 4 || generate_chance(g, 50))
        return generate_scalar(g);
    if (generate_chance(g, 45))
        return generate_object(g, depth, generate_below(g, 4));
    array = generate_node(g, JUDGE_ARRAY);
    for (uint32_t i = generate_below(g, 4); i > 0; i--) {
        generate_append(array, of_objects ? generate_object(g, depth, 1 + generate_below(g, 3))
                                          : generate_value(g, depth + 1));
    }
    return array;
}

struct judge_node *generate_event(struct generator *g)
{
    return generate_object(g, 0, 2 + generate_below(g, 5));
}

/* One node becomes something else, in place; its key and its neighbours stay. */
static void become(struct judge_node *node, const struct judge_node *other)
{
    node->type = other->type;
    node->text = other->text;
    node->first = other->first;
}

static void wrap_in_array(struct generator *g, struct judge_node *node)
{
    struct judge_node *inner = generate_node(g, node->type);

    become(inner, node);
    node->type = JUDGE_ARRAY;
    node->first = inner;
    if (generate_chance(g, 50))
        generate_append(node, generate_scalar(g));
}

static void alter(struct generator *g, struct judge_node *node)
{
    for (struct judge_node **link = &node->first; *link != NULL;) {
        struct judge_node *child = *link;
        uint32_t dice = generate_below(g, 100);
        if (dice < 3) {
            *link = child->next;
            continue;
        }
        if (dice < 6) {
            struct judge_node *twin = generate_value(g, 3);
            twin->key = child->key;
            twin->next = child->next;
            child->next = twin;
        } else if (dice < 12) {
            become(child, generate_scalar(g));
        } else if (dice < 15) {
            wrap_in_array(g, child);
        } else if (dice < 17) {
            become(child, generate_value(g, 2));
        } else if (child->type == JUDGE_NUMBER) {
            child->text = generate_respelled(g, child->text);
        }
        alter(g, child);
        link = &(*link)->next;
    }
}

struct judge_node *generate_event_like(struct generator *g, const struct judge_node *event)
{
    struct judge_node *copy = generate_copy(g, event);

    alter(g, copy);
    return copy;
}
