/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message attributes: checked as SQS checks them, in its words, and their MD5, which clients compute again. Binary
 * values stay in base64 wherever they are text; their bytes only count for size and digest.
 */
#include "router/api/message_attributes.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "matcher/json.h"
#include "matcher/utf8.h"
#include "router/xalloc.h"

#define NAME_MAX_SIZE 256
#define BINARY        ((char)2) /* "transport types" of the digest */
#define STRING        ((char)1)

bool message_refuse(struct message_fault *fault, const char *code, const char *format, ...)
{
    va_list args;

    fault->code = code;
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return false;
}

/* ---- checks ---- */

static bool refuse(struct message_fault *fault, struct str name, const char *reason)
{
    return message_refuse(fault, "InvalidParameterValue", "The message attribute '%.*s' %s", STR_ARG(name), reason);
}

static bool check_name(struct str name, struct message_fault *fault)
{
    char before = '.';

    if (!name.size || name.size > NAME_MAX_SIZE)
        return message_refuse(fault, "InvalidParameterValue",
                              "Message (user) attribute names must be between 1 and 256 characters long.");
    for (size_t i = 0; i < name.size; before = name.ptr[i++]) {
        char c = name.ptr[i], lower = (char)(c | 0x20);
        bool plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!plain && (c != '.' || before == '.' || i + 1 == name.size))
            return message_refuse(fault, "InvalidParameterValue",
                                  "Message (user) attribute name '%.*s' can only contain alphanumeric characters, "
                                  "hyphens, underscores and dots, and no dot at its start, its end or beside another.",
                                  STR_ARG(name));
    }
    if ((name.size >= 4 && strncasecmp(name.ptr, "AWS.", 4) == 0) ||
        (name.size >= 7 && strncasecmp(name.ptr, "Amazon.", 7) == 0))
        return message_refuse(fault, "InvalidParameterValue",
                              "Message (user) attribute names must not start with reserved prefixes (AWS., Amazon.).");
    return true;
}

bool message_is_content(struct str text)
{
    uint32_t code;

    for (size_t at = 0, n; at < text.size; at += n) {
        unsigned char c = (unsigned char)text.ptr[at];
        n = 1;
        if (c >= ' ' && c < 0x80)
            continue;
        n = utf8_decode(text.ptr + at, text.size - at, &code);
        if (!n || (code < ' ' && code != '\t' && code != '\n' && code != '\r') || utf8_is_surrogate(code) ||
            code == 0xFFFE || code == 0xFFFF)
            return false;
    }
    return true;
}

static bool is_kind(struct str type, const char *kind)
{
    size_t size = strlen(kind);
    return str_starts(type, (struct str){kind, size}) && (type.size == size || type.ptr[size] == '.');
}

static bool is_number(struct str text)
{
    char copy[64], *end;

    if (!text.size || text.size >= sizeof copy || strchr(" \t\n\r\v\fxXnN", text.ptr[0]))
        return false;
    memcpy(copy, text.ptr, text.size);
    copy[text.size] = '\0';
    strtod(copy, &end);
    return !*end && !strpbrk(copy, "xXnN");
}

/* Bytes of base64; only its one canonical spelling counts. {NULL,0}: it is none. */
static struct str decode_base64(struct arena *a, struct str text)
{
    size_t filling = 0;
    unsigned char *bytes = arena_alloc(a, text.size / 4 * 3 + 1);
    char *again = arena_alloc(a, text.size + 5);

    if (!bytes || !again || !text.size || text.size % 4)
        return (struct str){0};
    while (filling < 2 && text.ptr[text.size - 1 - filling] == '=')
        filling++;
    int size = EVP_DecodeBlock(bytes, (const unsigned char *)text.ptr, (int)text.size);
    if (size < (int)filling)
        return (struct str){0};
    size -= (int)filling;
    EVP_EncodeBlock((unsigned char *)again, bytes, size);
    if (memcmp(again, text.ptr, text.size) != 0)
        return (struct str){0};
    return (struct str){(char *)bytes, (size_t)size};
}

static bool check_value(struct arena *a, struct message_attribute *m, struct str string, struct str binary,
                        struct message_fault *fault)
{
    bool is_string = is_kind(m->type, "String"), numeric = is_kind(m->type, "Number");

    m->is_binary = is_kind(m->type, "Binary");
    if (!m->type.size)
        return refuse(fault, m->name, "must contain non-empty message attribute type.");
    if (m->type.size > NAME_MAX_SIZE || !message_is_content(m->type) || (!is_string && !numeric && !m->is_binary))
        return refuse(
            fault, m->name,
            "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and "
            "String.");
    m->text = m->is_binary ? binary : string;
    if (!m->text.size)
        return refuse(fault, m->name,
                      m->is_binary
                          ? "must contain non-empty message attribute value for message attribute type 'Binary'."
                          : "must contain non-empty message attribute value for message attribute type "
                            "'String'.");
    if (!m->is_binary && !message_is_content(m->text))
        return refuse(fault, m->name, "has a value with invalid characters. " MESSAGE_CONTENT);
    m->value = m->is_binary ? decode_base64(a, m->text) : m->text;
    if (!m->value.ptr)
        return refuse(fault, m->name, "has a binary value that is not base64.");
    if (numeric && !is_number(m->text))
        return message_refuse(fault, "InvalidParameterValue",
                              "Can't cast the value of message (user) attribute '%.*s' to a number.", STR_ARG(m->name));
    return true;
}

/* ---- reading ---- */

static struct str text_of(struct arena *a, struct str raw)
{
    if (!raw.size || json_type_of(raw) != JSON_STRING)
        return (struct str){0};
    if (memchr(raw.ptr, '\\', raw.size))
        return json_decode_in(a, raw);
    return (struct str){raw.ptr + 1, raw.size - 2};
}

static bool read_one(struct arena *a, struct message_attribute *m, struct str object, struct message_fault *fault)
{
    static const char *const keys[] = {"DataType", "StringValue", "BinaryValue", NULL};
    struct str values[3];

    if (json_type_of(object) != JSON_OBJECT)
        return refuse(fault, m->name, "is not a structure.");
    json_members(object, keys, values);
    m->type = text_of(a, values[0]);
    return check_name(m->name, fault) && check_value(a, m, text_of(a, values[1]), text_of(a, values[2]), fault);
}

static size_t count_members(struct str map)
{
    struct json_reader reader;
    struct json_token t;
    size_t count = 0;

    json_reader_init_trusted(&reader, map);
    json_next(&reader, &t);
    while (json_next(&reader, &t) == JSON_KEY) {
        json_next(&reader, &t);
        json_skip(&reader, &t);
        count++;
    }
    return count;
}

/* Room for all members of the map, and a reader in front of the first. False: there are none. */
static bool start(struct arena *a, struct str map, struct message_attributes *out, struct json_reader *reader)
{
    struct json_token t;

    *out = (struct message_attributes){0};
    size_t count = map.size && json_type_of(map) == JSON_OBJECT ? count_members(map) : 0;
    if (!count || !(out->all = arena_array(a, count, sizeof *out->all)))
        return false;
    json_reader_init_trusted(reader, map);
    json_next(reader, &t);
    return true;
}

static bool next(struct arena *a, struct json_reader *reader, struct message_attribute *m, struct str *value)
{
    struct json_token t;

    if (json_next(reader, &t) != JSON_KEY)
        return false;
    *m = (struct message_attribute){.name = text_of(a, t.raw)};
    json_next(reader, &t);
    json_skip(reader, &t);
    *value = t.raw;
    return true;
}

static void keep(struct message_attributes *out)
{
    const struct message_attribute *m = &out->all[out->count++];
    out->bytes += m->name.size + m->type.size + m->value.size;
}

bool message_attributes_read(struct arena *a, struct str map, struct message_attributes *out,
                             struct message_fault *fault)
{
    struct json_reader reader;
    struct str value;

    if (!start(a, map, out, &reader))
        return true;
    while (next(a, &reader, &out->all[out->count], &value)) {
        if (!read_one(a, &out->all[out->count], value, fault))
            return false;
        keep(out);
    }
    if (out->count > MESSAGE_ATTRIBUTES_MAX)
        return message_refuse(fault, "InvalidParameterValue",
                              "Number of message attributes [%zu] exceeds the allowed maximum [%d].", out->count,
                              MESSAGE_ATTRIBUTES_MAX);
    return true;
}

void message_attributes_load(struct arena *a, struct str stored, struct message_attributes *out)
{
    static const char *const keys[] = {"Type", "Value", NULL};
    struct json_reader reader;
    struct str value, parts[2];

    *out = (struct message_attributes){0};
    if (!stored.size || !json_check(stored, NULL, NULL) || !start(a, stored, out, &reader))
        return;
    while (next(a, &reader, &out->all[out->count], &value)) {
        struct message_attribute *m = &out->all[out->count];
        if (json_type_of(value) != JSON_OBJECT)
            continue;
        json_members(value, keys, parts);
        m->type = text_of(a, parts[0]);
        m->text = text_of(a, parts[1]);
        m->is_binary = is_kind(m->type, "Binary");
        m->value = m->is_binary ? decode_base64(a, m->text) : m->text;
        if (m->type.size && m->value.ptr)
            keep(out);
    }
}

/* ---- writing ---- */

static void write_all(struct buf *out, const struct message_attributes *m, const char *type, const char *string,
                      const char *binary)
{
    buf_char(out, '{');
    for (size_t i = 0; i < m->count; i++) {
        const struct message_attribute *one = &m->all[i];
        buf_text(out, i ? "," : "");
        json_write_string(out, one->name);
        buf_text(out, ":{");
        json_write_member(out, type, one->type);
        json_write_member(out, one->is_binary ? binary : string, one->text);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

void message_attributes_store(struct buf *out, const struct message_attributes *m)
{
    write_all(out, m, "Type", "Value", "Value");
}

void message_attributes_write(struct buf *out, const struct message_attributes *m)
{
    write_all(out, m, "DataType", "StringValue", "BinaryValue");
}

/* ---- digests ---- */

static void write_digest(EVP_MD_CTX *ctx, char out[MD5_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        xfail("OpenSSL cannot compute MD5");
    for (int i = 0; i < MD5_DIGITS / 2; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[MD5_DIGITS] = '\0';
    EVP_MD_CTX_free(ctx);
}

static EVP_MD_CTX *start_digest(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_md5(), NULL) != 1)
        xfail("OpenSSL cannot compute MD5");
    return ctx;
}

void md5_write(struct str text, char out[MD5_DIGITS + 1])
{
    EVP_MD_CTX *ctx = start_digest();

    EVP_DigestUpdate(ctx, text.ptr, text.size);
    write_digest(ctx, out);
}

static void digest_part(EVP_MD_CTX *ctx, struct str part)
{
    size_t n = part.size;
    unsigned char size[] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
                            (unsigned char)n};

    EVP_DigestUpdate(ctx, size, sizeof size);
    EVP_DigestUpdate(ctx, part.ptr, part.size);
}

static int by_name(const void *left, const void *right)
{
    const struct message_attribute *const *a = left, *const *b = right;
    return str_cmp((*a)->name, (*b)->name);
}

void message_attributes_digest(const struct message_attributes *m, char out[MD5_DIGITS + 1])
{
    const struct message_attribute **sorted = xarray(m->count + 1, sizeof *sorted);
    EVP_MD_CTX *ctx = start_digest();

    for (size_t i = 0; i < m->count; i++)
        sorted[i] = &m->all[i];
    qsort(sorted, m->count, sizeof *sorted, by_name);
    for (size_t i = 0; i < m->count; i++) {
        char transport = sorted[i]->is_binary ? BINARY : STRING;
        digest_part(ctx, sorted[i]->name);
        digest_part(ctx, sorted[i]->type);
        EVP_DigestUpdate(ctx, &transport, 1);
        digest_part(ctx, sorted[i]->value);
    }
    write_digest(ctx, out);
    free(sorted);
}
