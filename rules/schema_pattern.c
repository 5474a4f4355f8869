/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event patterns as definitions of a JSON Schema. A pattern is an object whose members are fields; a field is an
 * object again, which goes deeper, or a list of alternatives; an alternative is a value or an object with one
 * operator. The operators come from the matcher's table.
 *
 *     pattern      {"detail": FIELD, "$or": [PATTERN-OBJECT, …]}, or the same as JSON text
 *     field        {"state": FIELD, …} or [ALTERNATIVE, …]
 *     alternative  "text", 1, true, false, null, {"prefix": OPERAND}
 *
 * What the keywords of an object say is not asked of a list and the other way round, so one schema says both.
 */
#include "rules/schema.h"

#include "matcher/json.h"
#include "matcher/pattern.h"

#define TEXTS    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}"
#define NUMBERS  "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"number\"}}"
#define NUMBER   "{\"type\":\"number\"}"
#define TUPLE(n) "{\"type\":\"array\",\"minItems\":" #n ",\"maxItems\":" #n ",\"items\":["

static const char *const operands[OPERAND_KINDS] = {
    [OPERAND_TEXT] = "\"type\":\"string\"",
    [OPERAND_AFFIX] = "\"type\":[\"string\",\"object\"],\"properties\":{\"equals-ignore-case\":{\"type\":\"string\"}},"
                      "\"required\":[\"equals-ignore-case\"],\"additionalProperties\":false",
    [OPERAND_ANYTHING_BUT] =
        "\"anyOf\":[{\"type\":[\"string\",\"number\"]}," TEXTS "," NUMBERS ",{\"type\":\"object\",\"minProperties\":1,"
        "\"maxProperties\":1,\"additionalProperties\":false,\"patternProperties\":{"
        "\"^(prefix|suffix)$\":{\"anyOf\":[{\"type\":\"string\",\"minLength\":1}," TEXTS "]},"
        "\"^(equals-ignore-case|wildcard)$\":{\"anyOf\":[{\"type\":\"string\"}," TEXTS "]}}}]",
    [OPERAND_NUMERIC] = "\"anyOf\":[" TUPLE(2) "{\"enum\":[\"<\",\"<=\",\"=\",\">=\",\">\"]}," NUMBER "]}," TUPLE(
        4) "{\"enum\":[\">\",\">=\"]}," NUMBER ",{\"enum\":[\"<\",\"<=\"]}," NUMBER "]}]",
    [OPERAND_FLAG] = "\"type\":\"boolean\"",
    [OPERAND_CIDR] = "\"type\":\"string\",\"pattern\":\"^[^/]+/[+-]?[0-9]+$\"",
};

static void write_operators(struct buf *out)
{
    for (size_t i = 0; i < pattern_operator_count; i++) {
        const struct pattern_operator *op = &pattern_operators[i];
        json_write_key(out, op->name);
        buf_char(out, '{');
        json_write_member(out, "description", str_from(op->meaning));
        buf_printf(out, ",%s}", operands[op->kind]);
    }
}

/* The members of a schema that say what an object of fields is. */
static void write_fields(struct buf *out)
{
    buf_text(out, ",\"minProperties\":1,\"properties\":{\"$or\":{\"description\":\"one of these must match, with what "
                  "stands beside it\",\"type\":\"array\",\"minItems\":2,\"items\":{\"type\":\"object\",\"allOf\":["
                  "{\"$ref\":\"#/definitions/pattern\"}]}}},\"additionalProperties\":{\"$ref\":"
                  "\"#/definitions/pattern-field\"}");
}

void schema_write_patterns(struct buf *out)
{
    buf_text(out, "\"pattern\":{\"type\":[\"object\",\"string\"]");
    write_fields(out);
    buf_text(out, "},\"pattern-field\":{\"type\":[\"object\",\"array\"],\"minItems\":1,\"items\":{\"$ref\":"
                  "\"#/definitions/pattern-alternative\"}");
    write_fields(out);
    buf_text(out, "},\"pattern-alternative\":{\"type\":[\"string\",\"number\",\"boolean\",\"null\",\"object\"],"
                  "\"minProperties\":1,\"maxProperties\":1,\"additionalProperties\":false,\"properties\":{");
    write_operators(out);
    buf_text(out, "}}");
}
