/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge's verdict. The event is flattened into a list of values, each with its path and the array
 * elements it stands in; a rule is tried by giving its fields values one after another, in order, and
 * taking back what did not work out.
 *
 *     {"e": [{"f": "x"}, {"f": "y"}]}       e.f "x" in (array 1: 0)       e.f "y" in (array 1: 1)
 *
 * The cost is exponential in the number of fields at worst, so there is a budget, which only hostile
 * input uses up.
 */
#include "tests/matcher/judge.h"
#include "tests/matcher/judge_int.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 2000000 /* a tenth of a second or so */

struct place { /* the element of an array that a value stands in, and the arrays around that */
    const struct judge_node *array;
    size_t index;
    const struct place *outer;
};

struct value {
    struct judge_text path;
    const struct judge_node *scalar;
    const struct place *place;
    struct value *next;
};

struct trial {
    struct judge_memory memory;
    struct value *values;
    long steps;
};

/* ---- the event as a list of values ---- */

static void flatten(struct trial *t, const struct judge_node *node, const struct judge_text *path,
                    const struct place *place)
{
    size_t index = 0;

    if (node->type == JUDGE_OBJECT) {
        for (const struct judge_node *member = node->first; member != NULL; member = member->next) {
            struct judge_text deeper = judge_join(&t->memory, path, member->key);
            flatten(t, member, &deeper, place);
        }
    } else if (node->type == JUDGE_ARRAY) {
        for (const struct judge_node *item = node->first; item != NULL; item = item->next) {
            struct place *inner = judge_alloc(&t->memory, sizeof *inner);
            *inner = (struct place){node, index++, place};
            flatten(t, item, path, inner);
        }
    } else {
        struct value *value = judge_alloc(&t->memory, sizeof *value);
        *value = (struct value){*path, node, place, t->values};
        t->values = value;
    }
}

/* Two values go together unless they stand in different elements of one array. */
static bool agree(const struct place *a, const struct place *b)
{
    for (; a != NULL; a = a->outer) {
        for (const struct place *other = b; other != NULL; other = other->outer) {
            if (a->array == other->array && a->index != other->index)
                return false;
        }
    }
    return true;
}

/* ---- one value against one test ---- */

static bool starts_with(struct judge_text text, struct judge_text head)
{
    return text.size >= head.size && memcmp(text.at, head.at, head.size) == 0;
}

static bool ends_with(struct judge_text text, struct judge_text tail)
{
    return text.size >= tail.size && memcmp(text.at + text.size - tail.size, tail.at, tail.size) == 0;
}

static bool string_is(struct judge_text text, const struct judge_test *test)
{
    uint8_t address[16];

    if (judge_text_is(text, test->text))
        return true;
    return test->address_size != 0 && judge_address(text, address) == test->address_size &&
           memcmp(address, test->address, test->address_size) == 0;
}

static bool string_passes(struct judge_text text, const struct judge_test *test)
{
    uint8_t address[16];

    switch (test->op) {
    case JUDGE_IS_STRING: return string_is(text, test);
    case JUDGE_PREFIX: return starts_with(text, test->text);
    case JUDGE_SUFFIX: return ends_with(text, test->text);
    case JUDGE_PREFIX_FOLDED: return judge_folded(test->text, text, JUDGE_HEAD);
    case JUDGE_SUFFIX_FOLDED: return judge_folded(test->text, text, JUDGE_TAIL);
    case JUDGE_EQUALS_FOLDED: return judge_folded(test->text, text, JUDGE_WHOLE);
    case JUDGE_WILDCARD: return judge_wildcard(test->text, text);
    case JUDGE_CIDR:
        return judge_address(text, address) == test->address_size &&
               judge_address_in(address, test->address, test->address_bits);
    default: return false;
    }
}

static bool within(double number, struct judge_bound low, struct judge_bound high)
{
    if (low.set && (low.open ? number <= low.at : number < low.at))
        return false;
    return !high.set || (high.open ? number < high.at : number <= high.at);
}

static bool number_passes(struct trial *t, struct judge_text literal, const struct judge_test *test)
{
    double number;
    bool comparable = judge_number(&t->memory, literal, &number);

    if (test->op == JUDGE_IS_NUMBER && !test->comparable)
        return judge_text_is(literal, test->text);
    if (!comparable)
        return false;
    if (test->op == JUDGE_IS_NUMBER)
        return number == test->number;
    return test->op == JUDGE_RANGE && within(number, test->low, test->high);
}

static bool regex_passes(struct trial *t, struct judge_text text, struct judge_text expression)
{
    enum judge_opinion opinion = judge_regex(expression, text);

    t->steps += opinion == JUDGE_UNSURE ? STEPS_MAX : 50;
    return opinion == JUDGE_PASSES;
}

static bool passes(struct trial *t, const struct judge_node *scalar, const struct judge_test *test)
{
    t->steps++;
    if (test->op == JUDGE_EXISTS)
        return true;
    if (test->op == JUDGE_ANYTHING_BUT) {
        for (const struct judge_test *one = test->excluded; one != NULL; one = one->next) {
            if (passes(t, scalar, one))
                return false;
        }
        return true;
    }
    if (scalar->type == JUDGE_STRING && test->op == JUDGE_REGEX)
        return regex_passes(t, scalar->text, test->text);
    if (scalar->type == JUDGE_STRING)
        return string_passes(scalar->text, test);
    if (scalar->type == JUDGE_NUMBER)
        return number_passes(t, scalar->text, test);
    return test->op == JUDGE_IS_LITERAL && test->literal == scalar->type;
}

/* ---- rules ---- */

struct bound { /* the values bound so far */
    const struct value *value;
    const struct bound *before;
};

static bool agrees_with_all(struct trial *t, const struct value *value, const struct bound *bound)
{
    for (; bound != NULL; bound = bound->before) {
        t->steps++;
        if (!agree(value->place, bound->value->place))
            return false;
    }
    return true;
}

static bool any_passes(struct trial *t, const struct value *value, const struct judge_test *tests)
{
    for (; tests != NULL; tests = tests->next) {
        if (tests->op != JUDGE_ABSENT && passes(t, value->scalar, tests))
            return true;
    }
    return false;
}

static bool wants_absence(const struct judge_test *tests)
{
    while (tests != NULL && tests->op != JUDGE_ABSENT)
        tests = tests->next;
    return tests != NULL;
}

static bool satisfied(struct trial *t, const struct judge_field *field, const struct bound *bound)
{
    bool present = false;

    if (field == NULL)
        return true;
    for (const struct value *value = t->values; value != NULL && t->steps < STEPS_MAX; value = value->next) {
        struct bound with = {value, bound};
        t->steps++;
        if (!judge_text_is(value->path, field->path) || !agrees_with_all(t, value, bound))
            continue;
        present = true;
        if (any_passes(t, value, field->tests) && satisfied(t, field->next, &with))
            return true;
    }
    return !present && wants_absence(field->tests) && satisfied(t, field->next, bound);
}

static int verdict(struct trial *t, const struct judge_rule *rules)
{
    for (; rules != NULL && t->steps < STEPS_MAX; rules = rules->next) {
        bool yes = satisfied(t, rules->fields, NULL);
        if (t->steps < STEPS_MAX && yes)
            return JUDGE_YES;
    }
    return t->steps < STEPS_MAX ? JUDGE_NO : JUDGE_TOO_MUCH;
}

int judge_match(const char *pattern, size_t pattern_size, const char *event, size_t event_size)
{
    struct trial t = {.steps = 0};
    const struct judge_rule *rules = judge_pattern(&t.memory, pattern, pattern_size);
    const struct judge_node *tree = rules != NULL ? judge_json(&t.memory, event, event_size) : NULL;
    int out = JUDGE_BAD_PATTERN;

    if (rules != NULL)
        out = JUDGE_BAD_EVENT;
    if (tree != NULL && tree->type == JUDGE_OBJECT) {
        flatten(&t, tree, NULL, NULL);
        out = verdict(&t, rules);
    }
    judge_release(&t.memory);
    return out;
}

bool judge_pattern_valid(const char *pattern, size_t size)
{
    struct judge_memory memory = {NULL};
    bool valid = judge_pattern(&memory, pattern, size) != NULL;

    judge_release(&memory);
    return valid;
}

bool judge_event_valid(const char *event, size_t size)
{
    struct judge_memory memory = {NULL};
    const struct judge_node *tree = judge_json(&memory, event, size);
    bool valid = tree != NULL && tree->type == JUDGE_OBJECT;

    judge_release(&memory);
    return valid;
}
