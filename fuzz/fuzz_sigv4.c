/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any request as something signed. As it is, it must be refused, with a reason in words. Then its Authorization is
 * taken away and it is signed with the key, by the rules once more: all its headers, its path and query as they are.
 * What is refused even then must have a reason of its own; what is taken must be refused again when the body, or the
 * time, is another one.
 */
#include "fuzz/fuzz.h"

#include <openssl/hmac.h>
#include <strings.h>

#include "router/auth_sigv4_int.h"
#include "tests/router/raw_request.h"

#define NOW_MS INT64_C(1440938160000)
#define TIME   "20150830T123600Z"
#define SCOPE  "20150830/us-east-1/sqs/aws4_request"

static const struct access_holder holder = {.id = STR("AKIDEXAMPLE"),
                                            .secret = STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEX")};
static const struct access access_of_one = {.serial = 1, .keys = &holder, .key_count = 1};

static void fail(const char *what, const char *more)
{
    fprintf(stderr, "%s: %s\n", what, more);
    abort();
}

static bool verify(const struct sigv4_request *r, int64_t now_ms, struct sigv4_result *out)
{
    bool ok = sigv4_verify(r, &access_of_one, now_ms, out);

    if (ok != (out->fault == SIGV4_GOOD) || ok != (out->key == &holder))
        fail("neither refused nor taken", out->message);
    if (!ok && (!out->message[0] || !memchr(out->message, '\0', sizeof out->message)))
        fail("refused without a reason", "");
    if (out->body.size > r->body.size)
        fail("a body that grew", "");
    buf_fini(&out->body);
    return ok;
}

static void derive(struct sigv4_hash *key)
{
    static const char *const parts[] = {"20150830", "us-east-1", "sqs", "aws4_request"};
    unsigned char bytes[64];
    unsigned size = 4 + (unsigned)holder.secret.size;

    memcpy(bytes, "AWS4", 4);
    memcpy(bytes + 4, holder.secret.ptr, holder.secret.size);
    for (size_t i = 0; i < 4; i++) {
        unsigned char next[64];
        HMAC(EVP_sha256(), bytes, (int)size, (const unsigned char *)parts[i], strlen(parts[i]), next, &size);
        memcpy(bytes, next, size);
    }
    memcpy(key->bytes, bytes, sizeof key->bytes);
}

static bool is_lower_token(struct str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || strchr(";:ABCDEFGHIJKLMNOPQRSTUVWXYZ,", name.ptr[i]))
            return false;
    return name.size > 0;
}

/* Only what can be signed plainly: names in lower case, each once, none that says something of the signature. */
static bool keep_header(const struct raw_request *raw, size_t count, struct str name)
{
    if (!is_lower_token(name) || str_starts(name, STR("x-amz-")) || str_is(name, "authorization"))
        return false;
    for (size_t i = 0; i < count; i++)
        if (str_eq(raw->headers[i].name, name))
            return false;
    return true;
}

static int header_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

static void prepare(struct raw_request *raw)
{
    size_t count = 0;

    for (size_t i = 0; i < raw->request.header_count; i++)
        if (count < SIGV4_SIGNED_MAX - 2 && keep_header(raw, count, raw->headers[i].name) &&
            !str_is(raw->headers[i].name, "host"))
            raw->headers[count++] = raw->headers[i];
    raw->headers[count++] = (struct sigv4_header){STR("host"), STR("localhost")};
    raw->headers[count++] = (struct sigv4_header){STR("x-amz-date"), STR(TIME)};
    qsort(raw->headers, count, sizeof raw->headers[0], header_cmp);
    raw->request.header_count = count;
}

static void sign(struct raw_request *raw, struct buf *authorization)
{
    struct buf names = BUF_INIT, text = BUF_INIT;
    struct sigv4_hash key;
    char hash[SIGV4_HEX_SIZE + 1];

    for (size_t i = 0; i < raw->request.header_count; i++)
        buf_printf(&names, "%s%.*s", i ? ";" : "", STR_ARG(raw->headers[i].name));
    struct sigv4_credential c = {.signed_headers = buf_view(&names)};
    sigv4_digest(raw->request.body, hash);
    sigv4_write_canonical(&raw->request, &c, str_from(hash), &text);
    sigv4_digest(buf_view(&text), hash);
    buf_clear(&text);
    buf_printf(&text, "AWS4-HMAC-SHA256\n" TIME "\n" SCOPE "\n%s", hash);
    derive(&key);
    sigv4_sign(&key, buf_view(&text), hash);
    buf_printf(authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" SCOPE ", SignedHeaders=%.*s, Signature=%s",
               STR_ARG(buf_view(&names)), hash);
    buf_fini(&names);
    buf_fini(&text);
}

static bool has_query_signature(struct str query)
{
    struct str name, value;

    while (sigv4_next_parameter(&query, &name, &value))
        if (str_is(name, "X-Amz-Algorithm") || str_is(name, "X-Amz-Signature"))
            return true;
    return false;
}

static size_t count_parameters(struct str query)
{
    struct str name, value;
    size_t count = 0;

    while (sigv4_next_parameter(&query, &name, &value))
        count++;
    return count;
}

static void check_signed(struct raw_request *raw)
{
    struct buf authorization = BUF_INIT, other = BUF_INIT;
    struct sigv4_result result;

    prepare(raw);
    sign(raw, &authorization);
    raw->headers[raw->request.header_count++] = (struct sigv4_header){STR("authorization"), buf_view(&authorization)};
    bool ok = verify(&raw->request, NOW_MS, &result);
    bool other_reason =
        has_query_signature(raw->request.query) || count_parameters(raw->request.query) > SIGV4_PARAMETERS_MAX;
    if (!ok && !other_reason)
        fail("signed well, and refused", result.message);
    if (ok && verify(&raw->request, NOW_MS + 301000, &result))
        fail("taken too late", "");
    buf_str(&other, raw->request.body);
    buf_char(&other, 'x');
    raw->request.body = buf_view(&other);
    if (verify(&raw->request, NOW_MS, &result))
        fail("taken with another body", "");
    buf_fini(&authorization);
    buf_fini(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = fuzz_exact(data, size);
    static struct raw_request raw;
    struct sigv4_result result;

    raw_read(&raw, (struct str){size ? exact : "", size});
    verify(&raw.request, NOW_MS, &result); /* the corpus has some that are good */
    check_signed(&raw);
    free(exact);
    return 0;
}
