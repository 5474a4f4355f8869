/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying, in the order of what it costs: read what the request says, look at the time, find the key, sign the
 * canonical request ourselves, compare; the body's hash last where the request carries one, since the signature then
 * covers the hash and a wrong one is noticed before a megabyte is hashed.
 *
 *     auth_sigv4_parse.c       header or query: credential, date, signed headers, signature
 *     auth_sigv4_canonical.c   what is signed
 *     auth_sigv4_chunks.c      bodies in signed chunks
 *
 * A signing key is four HMACs away from a secret; the last few are remembered by access key, day, region and service.
 */
#include "router/auth_sigv4.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "matcher/hash.h"
#include "router/auth_sigv4_int.h"

/* ---- digests ---- */

static void write_hex(const unsigned char bytes[SIGV4_HASH_SIZE], char hex[SIGV4_HEX_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < SIGV4_HASH_SIZE; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[SIGV4_HEX_SIZE] = '\0';
}

void sigv4_digest(struct str text, char hex[SIGV4_HEX_SIZE + 1])
{
    struct sigv4_hash hash;
    int ok = EVP_Digest(text.ptr ? text.ptr : "", text.size, hash.bytes, NULL, EVP_sha256(), NULL);

    assert(ok == 1);
    write_hex(hash.bytes, hex);
}

static void sign(const void *key, size_t key_size, struct str text, struct sigv4_hash *out)
{
    unsigned size = SIGV4_HASH_SIZE;
    const void *done =
        HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text.ptr, text.size, out->bytes, &size);

    assert(done && size == SIGV4_HASH_SIZE);
}

void sigv4_sign(const struct sigv4_hash *key, struct str text, char hex[SIGV4_HEX_SIZE + 1])
{
    struct sigv4_hash hash;

    sign(key->bytes, SIGV4_HASH_SIZE, text, &hash);
    write_hex(hash.bytes, hex);
}

bool sigv4_equal(struct str hex, struct str other)
{
    return hex.size == other.size && CRYPTO_memcmp(hex.ptr, other.ptr, hex.size) == 0;
}

bool sigv4_fail(struct sigv4_result *out, enum sigv4_fault fault, const char *format, ...)
{
    va_list args;

    out->fault = fault;
    out->key = NULL;
    va_start(args, format);
    vsnprintf(out->message, sizeof out->message, format, args);
    va_end(args);
    return false;
}

/* ---- signing keys ---- */

#define REMEMBERED 64

struct remembered {
    uint64_t serial; /* of the access it was derived from; 0: free */
    const struct access_holder *holder;
    char date[9], region[65], service[16];
    struct sigv4_hash key;
};

static void derive(const struct access_holder *holder, const struct sigv4_credential *c, struct sigv4_hash *out)
{
    char first[4 + ACCESS_SECRET_MAX];

    assert(holder->secret.size <= ACCESS_SECRET_MAX);
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, holder->secret.ptr, holder->secret.size);
    sign(first, 4 + holder->secret.size, c->date, out);
    sign(out->bytes, SIGV4_HASH_SIZE, c->region, out);
    sign(out->bytes, SIGV4_HASH_SIZE, c->service, out);
    sign(out->bytes, SIGV4_HASH_SIZE, STR("aws4_request"), out);
    OPENSSL_cleanse(first, sizeof first);
}

static const struct sigv4_hash *signing_key(const struct access *access, const struct access_holder *holder,
                                            const struct sigv4_credential *c)
{
    static _Thread_local struct remembered all[REMEMBERED];
    uint64_t hash = hash_bytes((uintptr_t)holder, c->scope.ptr, c->scope.size);
    struct remembered *one = &all[hash % REMEMBERED];

    if (one->serial == access->serial && one->holder == holder && str_is(c->date, one->date) &&
        str_is(c->region, one->region) && str_is(c->service, one->service))
        return &one->key;
    derive(holder, c, &one->key);
    one->serial = access->serial;
    one->holder = holder;
    snprintf(one->date, sizeof one->date, "%.*s", STR_ARG(c->date));
    snprintf(one->region, sizeof one->region, "%.*s", STR_ARG(c->region));
    snprintf(one->service, sizeof one->service, "%.*s", STR_ARG(c->service));
    return &one->key;
}

/* ---- time ---- */

static int64_t seconds_of(struct str time)
{
    struct tm t = {0};
    char text[17];

    memcpy(text, time.ptr, 16);
    text[16] = '\0';
    if (sscanf(text, "%4d%2d%2dT%2d%2d%2dZ", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec) != 6)
        return 0;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return (int64_t)timegm(&t);
}

static const char *write_time(int64_t seconds, char text[17])
{
    time_t at = (time_t)seconds;
    struct tm t;

    gmtime_r(&at, &t);
    strftime(text, 17, "%Y%m%dT%H%M%SZ", &t);
    return text;
}

static bool check_time(const struct sigv4_credential *c, int64_t now, struct sigv4_result *out)
{
    char first[17], second[17];
    int64_t at = seconds_of(c->time);

    if (c->presigned && now > at + c->expires)
        return sigv4_fail(out, SIGV4_EXPIRED, "Request has expired.");
    if (!c->presigned && now - at > SIGV4_SKEW_SECONDS)
        return sigv4_fail(out, SIGV4_MISMATCH, "Signature expired: %.*s is now earlier than %s (%s - 5 min.)",
                          STR_ARG(c->time), write_time(now - SIGV4_SKEW_SECONDS, first), write_time(now, second));
    if (at - now > SIGV4_SKEW_SECONDS)
        return sigv4_fail(out, SIGV4_MISMATCH, "Signature not yet current: %.*s is still later than %s (%s + 5 min.)",
                          STR_ARG(c->time), write_time(now + SIGV4_SKEW_SECONDS, first), write_time(now, second));
    return true;
}

/* ---- what must be signed ---- */

/* Its number in the list; -1: it is not there. */
static int find_signed(struct str signed_headers, struct str name)
{
    int index = 0;

    for (size_t at = 0; at < signed_headers.size; index++) {
        const char *end = memchr(signed_headers.ptr + at, ';', signed_headers.size - at);
        size_t size = (end ? (size_t)(end - signed_headers.ptr) : signed_headers.size) - at;
        if (size == name.size && strncasecmp(signed_headers.ptr + at, name.ptr, size) == 0)
            return index;
        at += size + 1;
    }
    return -1;
}

static bool check_list(const struct sigv4_credential *c, struct sigv4_result *out)
{
    size_t count = 1;

    for (size_t i = 0; i < c->signed_headers.size; i++) {
        char one = c->signed_headers.ptr[i];
        count += one == ';';
        if (one <= ' ' || one >= 0x7f || (one >= 'A' && one <= 'Z'))
            return sigv4_fail(out, SIGV4_MISMATCH, "SignedHeaders must be lower case, with semicolons between.");
    }
    if (count > SIGV4_SIGNED_MAX)
        return sigv4_fail(out, SIGV4_MISMATCH, "More than %d headers are signed.", SIGV4_SIGNED_MAX);
    return true;
}

/* Whoever saw the request could add an X-Amz-Target, and it would be another one. */
static bool check_signed(const struct sigv4_request *r, const struct sigv4_credential *c, struct sigv4_result *out)
{
    uint64_t seen = 0; /* bits by their numbers: fewer than SIGV4_SIGNED_MAX */

    if (!check_list(c, out))
        return false;
    if (find_signed(c->signed_headers, STR("host")) < 0)
        return sigv4_fail(out, SIGV4_MISMATCH, "'Host' must be a 'SignedHeader' in the AWS Authorization.");
    for (size_t i = 0; i < r->header_count; i++) {
        struct str name = r->headers[i].name;
        if (name.size < 6 || strncasecmp(name.ptr, "x-amz-", 6) != 0)
            continue;
        int index = find_signed(c->signed_headers, name);
        if (index < 0 || (seen & UINT64_C(1) << index))
            return sigv4_fail(out, SIGV4_MISMATCH, "%s: %.*s",
                              index < 0 ? "There were headers present in the request which were not signed"
                                        : "There were headers present in the request more than once",
                              name.size > 60 ? 60 : (int)name.size, name.ptr);
        seen |= UINT64_C(1) << index;
    }
    return true;
}

/* ---- the payload ---- */

enum payload { PAYLOAD_HASHED, PAYLOAD_UNSIGNED, PAYLOAD_CHUNKS, PAYLOAD_CHUNKS_TRAILER, PAYLOAD_REFUSED };

static enum payload payload_of(const struct sigv4_request *r, struct str hash)
{
    if (!hash.ptr)
        return PAYLOAD_HASHED;
    if (str_is(hash, "UNSIGNED-PAYLOAD"))
        return r->tls ? PAYLOAD_UNSIGNED : PAYLOAD_REFUSED;
    if (str_is(hash, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))
        return PAYLOAD_CHUNKS;
    if (str_is(hash, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"))
        return PAYLOAD_CHUNKS_TRAILER;
    return hash.size == SIGV4_HEX_SIZE ? PAYLOAD_HASHED : PAYLOAD_REFUSED;
}

static bool check_payload(const struct sigv4_request *r, const struct sigv4_credential *c, enum payload payload,
                          const struct sigv4_hash *key, struct sigv4_result *out)
{
    char hash[SIGV4_HEX_SIZE + 1];

    switch (payload) {
    case PAYLOAD_HASHED:
        if (!c->payload_hash.ptr)
            return true; /* its hash has been signed with the rest */
        sigv4_digest(r->body, hash);
        return sigv4_equal(str_from(hash), c->payload_hash) ||
               sigv4_fail(out, SIGV4_MISMATCH,
                          "The provided 'x-amz-content-sha256' header does not match what was computed.");
    case PAYLOAD_CHUNKS:
    case PAYLOAD_CHUNKS_TRAILER: return sigv4_unchunk(r, c, key, payload == PAYLOAD_CHUNKS_TRAILER, out);
    default: return true;
    }
}

/* ---- the whole ---- */

static bool check_signature(const struct sigv4_request *r, const struct sigv4_credential *c,
                            const struct sigv4_hash *key, struct sigv4_result *out)
{
    char hash[SIGV4_HEX_SIZE + 1], wanted[SIGV4_HEX_SIZE + 1];
    struct buf text = BUF_INIT;

    if (!c->payload_hash.ptr)
        sigv4_digest(r->body, hash);
    sigv4_write_canonical(r, c, c->payload_hash.ptr ? c->payload_hash : (struct str){hash, SIGV4_HEX_SIZE}, &text);
    bool ok = !text.failed;
    if (ok) {
        sigv4_digest(buf_view(&text), hash);
        buf_clear(&text);
        buf_printf(&text, "AWS4-HMAC-SHA256\n%.*s\n%.*s\n%s", STR_ARG(c->time), STR_ARG(c->scope), hash);
        sigv4_sign(key, buf_view(&text), wanted);
        ok = !text.failed && sigv4_equal((struct str){wanted, SIGV4_HEX_SIZE}, c->signature);
    }
    buf_fini(&text);
    return ok || sigv4_fail(out, SIGV4_MISMATCH, SIGV4_MISMATCH_TEXT);
}

static bool is_service(struct str service)
{
    static const char *const services[] = {"events", "sqs", "sns", "lambda"};

    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (str_is(service, services[i]))
            return true;
    return false;
}

static bool verify(const struct sigv4_request *r, const struct access *access, int64_t now_ms,
                   const struct sigv4_credential *c, struct sigv4_result *out)
{
    enum payload payload = payload_of(r, c->payload_hash);

    if (!is_service(c->service))
        return sigv4_fail(out, SIGV4_MISMATCH, "Credential should be scoped to correct service.");
    if (!check_signed(r, c, out) || !check_time(c, now_ms / 1000, out))
        return false;
    if (payload == PAYLOAD_REFUSED)
        return sigv4_fail(out, SIGV4_MISMATCH,
                          "The payload must be signed: X-Amz-Content-Sha256 is its SHA-256, "
                          "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or, over TLS, UNSIGNED-PAYLOAD.");
    const struct access_holder *key = access_find_key(access, c->id);
    if (!key)
        return sigv4_fail(out, SIGV4_UNKNOWN_KEY, "The security token included in the request is invalid.");
    const struct sigv4_hash *signing = signing_key(access, key, c);
    if (!check_signature(r, c, signing, out) || !check_payload(r, c, payload, signing, out))
        return false;
    out->fault = SIGV4_GOOD;
    out->key = key;
    snprintf(out->service, sizeof out->service, "%.*s", STR_ARG(c->service));
    return true;
}

bool sigv4_verify(const struct sigv4_request *r, const struct access *access, int64_t now_ms, struct sigv4_result *out)
{
    struct sigv4_credential c;
    struct buf strings = BUF_INIT;

    *out = (struct sigv4_result){.fault = SIGV4_MISMATCH};
    bool ok = sigv4_parse(r, &c, &strings, out) && verify(r, access, now_ms, &c, out);
    if (ok && (strings.failed || out->body.failed))
        ok = sigv4_fail(out, SIGV4_MISMATCH, "There was no memory to verify the signature.");
    buf_fini(&strings);
    return ok;
}
