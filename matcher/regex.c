/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One regular expression: checked, compiled, and run within bounds. PCRE2 does the work; this file sees to it that no
 * expression and no value makes it do too much.
 *
 * PCRE2's own match limit counts backtracks, and anew for every place where a match could start, so it lets
 * [ab]*(?>[ab]*)c take cubic time. Therefore expressions are compiled with a callout before each item (auto callout),
 * and the callout is a meter: a step an item, and a step each byte that the item before went forward. An item that may
 * look far before it fails (a counted repeat, a back reference) pays for that in advance. That makes time linear in
 * steps, about 5 ns each, whatever the expression; expressions run at a half to all of the speed they have without.
 * The steps are given by limits.h, per call and per event.
 *
 * Machine code (JIT) where the system lets us make it, with a stack of bounded size; else, and where that stack is too
 * small, PCRE2's interpreter with the same meter, in memory that the scratch set aside. Matching allocates nothing.
 */
#include "matcher/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_STEPS 16 /* of a call that finds at once that there is nothing: as long as so many items take */

struct regex_runner {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL: no machine code on this system */
    char *heap;
    size_t heap_used;

    int64_t event_left, call_left; /* steps */
    const struct regex *running;
    size_t position; /* of the value, where the last item started */
    uint64_t calls;
};

/* ---- memory: PCRE2 takes it from where everything here comes from ---- */

static void *take_memory(size_t size, void *context)
{
    return malloc(size);
}

static void give_memory(void *memory, void *context)
{
    free(memory);
}

/* The interpreter's memory grows by doubling, once, to the largest it needed; nothing is given back. */
static void *take_heap(size_t size, void *context)
{
    struct regex_runner *runner = context;
    size = (size + 63) & ~(size_t)63;
    if (size > REGEX_HEAP_BYTES - runner->heap_used)
        return NULL;
    runner->heap_used += size;
    return runner->heap + runner->heap_used - size;
}

static void give_heap(void *memory, void *context) {}

/* ---- compiling ---- */

static pcre2_code *compile(struct str text, int *error, size_t *at)
{
    pcre2_code *code = NULL;
    pcre2_general_context *general = pcre2_general_context_create(take_memory, give_memory, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    *error = PCRE2_ERROR_NOMEMORY;
    *at = 0;
    if (context) {
        /* not as the library happens to be built */
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
        code = pcre2_compile((PCRE2_SPTR)(text.size ? text.ptr : ""), text.size,
                             PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT, error, at, context);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    return code;
}

static bool is_no_memory(int error)
{
    return error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED;
}

static int find_callout(pcre2_callout_enumerate_block *block, void *at)
{
    bool automatic = block->callout_number == 255 && !block->callout_string;
    if (!automatic)
        *(size_t *)at = block->pattern_position;
    return !automatic;
}

/* Callouts are the meter's. The place that PCRE2 names is behind the callout. */
static bool has_own_callout(const pcre2_code *code, struct str text, size_t *at)
{
    if (pcre2_callout_enumerate(code, find_callout, at) == 0)
        return false;
    while (*at && (text.size - *at < 3 || memcmp(text.ptr + *at, "(?C", 3) != 0))
        --*at;
    return true;
}

static size_t code_bytes(const pcre2_code *code, uint32_t what)
{
    size_t bytes = 0;
    return pcre2_pattern_info(code, what, &bytes) == 0 ? bytes : 0;
}

enum weir_code regex_check(struct str text, char *message, size_t message_size, size_t *at_out)
{
    int error;
    *at_out = 0;
    if (text.size > LIMIT_REGEX_BYTES) {
        snprintf(message, message_size, "longer than %u bytes (LIMIT_REGEX_BYTES)", LIMIT_REGEX_BYTES);
        return WEIR_E_LIMIT;
    }
    pcre2_code *code = compile(text, &error, at_out);
    if (!code) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, message_size);
        *at_out = *at_out < text.size ? *at_out : text.size;
        return is_no_memory(error) ? WEIR_E_MEMORY : WEIR_E_PATTERN;
    }
    enum weir_code verdict = WEIR_OK;
    if (has_own_callout(code, text, at_out)) {
        snprintf(message, message_size, "callouts are not supported");
        verdict = WEIR_E_PATTERN;
    } else if (code_bytes(code, PCRE2_INFO_SIZE) > LIMIT_REGEX_CODE_BYTES) {
        snprintf(message, message_size, "compiles to more than %u bytes (LIMIT_REGEX_CODE_BYTES)",
                 LIMIT_REGEX_CODE_BYTES);
        verdict = WEIR_E_LIMIT;
    }
    pcre2_code_free(code);
    return verdict;
}

bool regex_compile(struct regex *regex, struct str text)
{
    int error;
    size_t at;
    regex->text = text;
    regex->code = compile(text, &error, &at);
    if (!regex->code)
        return false;
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* where it cannot, the interpreter does */
    return true;
}

void regex_release(struct regex *regex)
{
    pcre2_code_free(regex->code);
    regex->code = NULL;
}

size_t regex_bytes(const struct regex *regex)
{
    return code_bytes(regex->code, PCRE2_INFO_SIZE) + code_bytes(regex->code, PCRE2_INFO_JITSIZE);
}

/* ---- the meter ---- */

/* The count of a repeat that ends the item, as in x{40,}: so many characters it may pass before it fails. */
static size_t repeat_count(const char *item, size_t size)
{
    size_t at = size, count = 0;
    while (at && item[at - 1] != '{')
        at--;
    for (; at < size && item[at] >= '0' && item[at] <= '9' && count < LIMIT_EVENT_BYTES; at++)
        count = count * 10 + (size_t)(item[at] - '0');
    return count;
}

/* How far an item may look and fail, so that its callout is the only one to see the work. */
static size_t far_look(struct str text, size_t at, size_t size, size_t rest)
{
    if (size < 2 || at > text.size || size > text.size - at)
        return 0;
    const char *item = text.ptr + at;
    char kind = item[0] == '\\' ? item[1] : '\0';
    bool refers = (kind >= '1' && kind <= '9') || kind == 'g' || kind == 'k' || kind == 'X';
    if (refers || (size > 3 && memcmp(item, "(?P", 3) == 0))
        return rest;
    size_t bare = size - (item[size - 1] == '+' || item[size - 1] == '?');
    size_t count = item[bare - 1] == '}' ? repeat_count(item, bare) : 0;
    return count < rest ? count : rest;
}

static int meter(pcre2_callout_block *block, void *context)
{
    struct regex_runner *runner = context;
    size_t position = block->current_position, steps = 1;
    if (position > runner->position)
        steps += position - runner->position;
    runner->position = position;
    if (block->next_item_length > 1)
        steps += far_look(runner->running->text, block->pattern_position, block->next_item_length,
                          block->subject_length - position);
    runner->call_left -= (int64_t)steps;
    return runner->call_left < 0 ? PCRE2_ERROR_MATCHLIMIT : 0;
}

/* ---- running ---- */

static bool make_contexts(struct regex_runner *runner)
{
    pcre2_general_context *general = pcre2_general_context_create(take_memory, give_memory, NULL);
    pcre2_general_context *heap = pcre2_general_context_create(take_heap, give_heap, runner);
    uint32_t has_jit = 0;
    pcre2_config(PCRE2_CONFIG_JIT, &has_jit);
    if (general && heap) {
        runner->context = pcre2_match_context_create(general);
        runner->data = pcre2_match_data_create(1, heap);
        runner->stack = has_jit ? pcre2_jit_stack_create(32 << 10, LIMIT_REGEX_STACK_BYTES, general) : NULL;
    }
    pcre2_general_context_free(heap);
    pcre2_general_context_free(general);
    return runner->context && runner->data && (runner->stack || !has_jit);
}

struct regex_runner *regex_runner_create(char *heap)
{
    struct regex_runner *runner = calloc(1, sizeof(*runner));
    if (!runner)
        return NULL;
    runner->heap = heap;
    if (!make_contexts(runner)) {
        regex_runner_destroy(runner);
        return NULL;
    }
    pcre2_set_callout(runner->context, meter, runner);
    /* The meter comes first; these stop what would get round it. */
    pcre2_set_match_limit(runner->context, LIMIT_REGEX_EVENT_STEPS);
    pcre2_set_depth_limit(runner->context, LIMIT_REGEX_EVENT_STEPS);
    pcre2_set_heap_limit(runner->context, LIMIT_REGEX_HEAP_BYTES >> 10);
    if (runner->stack)
        pcre2_jit_stack_assign(runner->context, NULL, runner->stack);
    return runner;
}

void regex_runner_destroy(struct regex_runner *runner)
{
    if (!runner)
        return;
    pcre2_match_data_free(runner->data);
    pcre2_match_context_free(runner->context);
    pcre2_jit_stack_free(runner->stack);
    free(runner);
}

void regex_runner_begin(struct regex_runner *runner)
{
    runner->event_left = LIMIT_REGEX_EVENT_STEPS;
}

bool regex_runner_spend(struct regex_runner *runner, size_t steps)
{
    runner->event_left -= (int64_t)steps;
    return runner->event_left >= 0;
}

uint64_t regex_runner_calls(const struct regex_runner *runner)
{
    return runner->calls;
}

/* Half a surrogate pair, which an escape of the event can make, is no text, and PCRE2 must not see it. */
static bool is_text(struct str value)
{
    const char *at = value.ptr, *end = value.ptr + value.size;
    while (at < end && (at = memchr(at, 0xED, (size_t)(end - at))))
        if ((unsigned char)*++at >= 0xA0)
            return false;
    return true;
}

static int call(struct regex_runner *runner, const struct regex *regex, struct str value, uint32_t options)
{
    runner->running = regex;
    runner->position = 0;
    runner->calls++;
    return pcre2_match(regex->code, (PCRE2_SPTR)(value.size ? value.ptr : ""), value.size, 0,
                       PCRE2_NO_UTF_CHECK | options, runner->data, runner->context);
}

enum regex_answer regex_run(struct regex_runner *runner, const struct regex *regex, struct str value)
{
    int64_t allowed = LIMIT_REGEX_STEPS + LIMIT_REGEX_STEPS_PER_BYTE * (int64_t)value.size;
    if (allowed > runner->event_left)
        allowed = runner->event_left;
    runner->call_left = allowed - CALL_STEPS - (int64_t)(value.size / 8);
    if (runner->call_left < 0) {
        runner->event_left = -1;
        return REGEX_GIVEN_UP;
    }
    if (!is_text(value))
        return REGEX_NO;
    int result = call(runner, regex, value, 0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = call(runner, regex, value, PCRE2_NO_JIT);
    runner->event_left -= allowed - runner->call_left;
    if (result == PCRE2_ERROR_NOMATCH)
        return REGEX_NO;
    return result < 0 ? REGEX_GIVEN_UP : REGEX_YES;
}
