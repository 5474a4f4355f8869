/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge's regexes: compiled anew for every value, matched by PCRE2's interpreter, without machine code, meter or
 * literals looked for beforehand. What would take it long it has no opinion on.
 */
#include "tests/matcher/judge_int.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define TEXT_MAX  2048  /* of an expression, as in matcher/limits.h */
#define CODE_MAX  32768 /* … compiled with automatic callouts */
#define VALUE_MAX 1000
#define STEPS_MAX 3000

static pcre2_code *compile(struct judge_text text, uint32_t options)
{
    int error;
    size_t at;

    return pcre2_compile((PCRE2_SPTR)text.at, text.size, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options, &error, &at,
                         NULL);
}

static int is_written_out(pcre2_callout_enumerate_block *block, void *unused)
{
    return block->callout_number != 255 || block->callout_string != NULL;
}

bool judge_regex_valid(struct judge_text text)
{
    pcre2_code *code = text.size <= TEXT_MAX ? compile(text, PCRE2_AUTO_CALLOUT) : NULL;
    size_t size = 0;
    bool valid;

    if (code == NULL)
        return false;
    pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size);
    valid = size <= CODE_MAX && pcre2_callout_enumerate(code, is_written_out, NULL) == 0;
    pcre2_code_free(code);
    return valid;
}

enum judge_opinion judge_regex(struct judge_text expression, struct judge_text text)
{
    if (text.size > VALUE_MAX)
        return JUDGE_UNSURE;
    pcre2_code *code = compile(expression, 0);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int result;

    if (code == NULL || data == NULL || context == NULL)
        abort();
    pcre2_set_match_limit(context, STEPS_MAX);
    result = pcre2_match(code, (PCRE2_SPTR)text.at, text.size, 0, 0, data, context);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    if (result >= 0)
        return JUDGE_PASSES;
    /* Half a surrogate pair is no text, which no expression matches. */
    bool no = result == PCRE2_ERROR_NOMATCH || (result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21);
    return no ? JUDGE_FAILS : JUDGE_UNSURE;
}
