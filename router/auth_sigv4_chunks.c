/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that come in signed chunks (Content-Encoding: aws-chunked): each chunk's signature covers its bytes and the
 * signature before it, the first one that of the request itself.
 *
 *     400;chunk-signature=HEX \r\n 1024 bytes \r\n … 0;chunk-signature=HEX \r\n \r\n
 *
 * With a trailer, headers and their signature stand behind the empty chunk instead of the last line. All of it is here
 * when it is verified, so nothing of a body is used before the whole of it is known to be the sender's.
 */
#include "router/auth_sigv4_int.h"

#define CHUNK_LINE_MAX 128
#define TRAILER_MAX    4096

struct chunks {
    const struct sigv4_credential *credential;
    const struct sigv4_hash *key;
    struct str rest;
    char previous[SIGV4_HEX_SIZE + 1]; /* signature */
    struct buf text;
    struct sigv4_result *out;
};

static bool mismatch(struct chunks *c)
{
    return sigv4_fail(c->out, SIGV4_MISMATCH, SIGV4_MISMATCH_TEXT);
}

static bool malformed(struct chunks *c)
{
    return sigv4_fail(c->out, SIGV4_INCOMPLETE, "The body is not made of signed chunks, as X-Amz-Content-Sha256 says.");
}

/* The rest up to \r\n; false: there is none near. */
static bool take_line(struct chunks *c, struct str *line)
{
    size_t reach = c->rest.size < CHUNK_LINE_MAX ? c->rest.size : CHUNK_LINE_MAX;
    const char *end = memmem(c->rest.ptr, reach, "\r\n", 2);

    if (!end)
        return false;
    *line = (struct str){c->rest.ptr, (size_t)(end - c->rest.ptr)};
    c->rest = (struct str){end + 2, c->rest.size - line->size - 2};
    return true;
}

/* SIZE;chunk-signature=HEX */
static bool take_head(struct chunks *c, size_t *size, struct str *signature)
{
    static const char name[] = ";chunk-signature=";
    struct str line;
    size_t i = 0;

    *size = 0;
    if (!take_line(c, &line))
        return false;
    for (; i < line.size && i < 8; i++) {
        const char *digits = "0123456789abcdef", *found = memchr(digits, line.ptr[i] | 0x20, 16);
        if (!found)
            break;
        *size = *size << 4 | (size_t)(found - digits);
    }
    *signature = (struct str){line.ptr + i, line.size - i};
    if (!i || !str_starts(*signature, STR(name)))
        return false;
    *signature = (struct str){signature->ptr + sizeof name - 1, signature->size - (sizeof name - 1)};
    return true;
}

/* Does the signature fit what is signed behind the previous one? Then it is the previous one. */
static bool is_signed(struct chunks *c, const char *algorithm, struct str middle, struct str payload,
                      struct str signature)
{
    char hash[SIGV4_HEX_SIZE + 1], wanted[SIGV4_HEX_SIZE + 1];

    sigv4_digest(payload, hash);
    buf_clear(&c->text);
    buf_printf(&c->text, "%s\n%.*s\n%.*s\n%s\n%.*s%s", algorithm, STR_ARG(c->credential->time),
               STR_ARG(c->credential->scope), c->previous, STR_ARG(middle), hash);
    if (c->text.failed)
        return false;
    sigv4_sign(c->key, buf_view(&c->text), wanted);
    memcpy(c->previous, wanted, sizeof wanted);
    return sigv4_equal(str_from(wanted), signature);
}

/* false in *more_out: it was the empty one. */
static bool take_chunk(struct chunks *c, bool *more_out)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    struct str signature;
    size_t size;

    if (!take_head(c, &size, &signature) || size > c->rest.size)
        return malformed(c);
    struct str data = {c->rest.ptr, size};
    if (!is_signed(c, "AWS4-HMAC-SHA256-PAYLOAD", STR(empty), data, signature))
        return mismatch(c);
    c->rest = (struct str){c->rest.ptr + size, c->rest.size - size};
    *more_out = size > 0;
    buf_str(&c->out->body, data);
    if (size && !str_starts(c->rest, STR("\r\n")))
        return malformed(c);
    if (size)
        c->rest = (struct str){c->rest.ptr + 2, c->rest.size - 2};
    return true;
}

/* name:value lines, then x-amz-trailer-signature:HEX, then an empty line. What a checksum would tell is told by the
   signatures. */
static bool take_trailer(struct chunks *c)
{
    static const char name[] = "x-amz-trailer-signature:";
    struct buf lines = BUF_INIT;
    struct str line, signature = {NULL, 0};
    bool ok = true;

    while ((ok = take_line(c, &line) && lines.size < TRAILER_MAX) && line.size && !signature.ptr) {
        if (str_starts(line, STR(name)))
            signature = (struct str){line.ptr + sizeof name - 1, line.size - (sizeof name - 1)};
        else
            buf_printf(&lines, "%.*s\n", STR_ARG(line));
    }
    if (!ok || line.size || !signature.ptr || lines.failed)
        ok = malformed(c);
    else if (!is_signed(c, "AWS4-HMAC-SHA256-TRAILER", STR(""), buf_view(&lines), signature))
        ok = mismatch(c);
    buf_fini(&lines);
    return ok;
}

/* X-Amz-Decoded-Content-Length, where it is there. */
static bool has_told_size(const struct sigv4_request *r, size_t size)
{
    bool twice;
    struct str told = sigv4_header(r, "X-Amz-Decoded-Content-Length", &twice);
    size_t value = 0;

    for (size_t i = 0; i < told.size; i++) {
        if (told.ptr[i] < '0' || told.ptr[i] > '9' || i >= 12)
            return false;
        value = value * 10 + (size_t)(told.ptr[i] - '0');
    }
    return !twice && (!told.ptr || value == size);
}

bool sigv4_unchunk(const struct sigv4_request *r, const struct sigv4_credential *c, const struct sigv4_hash *key,
                   bool trailer, struct sigv4_result *out)
{
    struct chunks chunks = {.credential = c, .key = key, .rest = r->body, .out = out};
    bool more = true, ok = true;

    memcpy(chunks.previous, c->signature.ptr, SIGV4_HEX_SIZE);
    while (ok && more)
        ok = take_chunk(&chunks, &more);
    if (ok && trailer)
        ok = take_trailer(&chunks);
    else if (ok && !str_is(chunks.rest, "\r\n"))
        ok = malformed(&chunks);
    if (ok && (chunks.rest.size != (trailer ? 0 : 2) || !has_told_size(r, out->body.size)))
        ok = malformed(&chunks);
    out->decoded = ok;
    buf_fini(&chunks.text);
    return ok;
}
