/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signing key. One file has the private key and the certificate, so that they cannot part; it is written beside its
 * name, synced and renamed, with mode 0600 from the start. Its certificate's path has the beginning of its fingerprint:
 * another key has another path, and what a verifier has kept of the old one is not asked for the new.
 *
 * The key is made with the first message that wants it: some hundred milliseconds once in a data folder's life. A
 * signature takes about 0.3 ms of processor time, so the last one is kept: the subscriptions of a message share it.
 */
#include "router/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/log.h"
#include "router/xalloc.h"

#define KEY_BITS   2048
#define YEARS      20
#define FILE_NAME  "sns-signing.pem"
#define NAME_BYTES 16 /* of the fingerprint, in the path */

struct signer {
    pthread_mutex_t lock;
    char *file;
    char *url;     /* owned; under the lock */
    bool tried;    /* under the lock; what follows stands still afterwards */
    EVP_PKEY *key; /* NULL: there is none */
    char path[sizeof SIGNER_PATH + 2 * NAME_BYTES + sizeof ".pem"];
    struct buf certificate;
    struct { /* under the lock */
        struct buf text;
        enum topic_signature version;
        char signature[SIGNER_SIGNATURE_SIZE + 1];
    } last;
};

struct signer *signer_create(const char *data_dir)
{
    struct signer *s = xalloc(sizeof *s);
    struct buf path = BUF_INIT;

    pthread_mutex_init(&s->lock, NULL);
    buf_printf(&path, "%s/" FILE_NAME, data_dir);
    xbuf(&path);
    s->file = xtext(buf_view(&path));
    buf_fini(&path);
    s->url = xtext(STR(""));
    return s;
}

void signer_destroy(struct signer *s)
{
    if (!s)
        return;
    EVP_PKEY_free(s->key);
    buf_fini(&s->certificate);
    buf_fini(&s->last.text);
    pthread_mutex_destroy(&s->lock);
    free(s->file);
    free(s->url);
    free(s);
}

void signer_set_url(struct signer *s, struct str url)
{
    pthread_mutex_lock(&s->lock);
    free(s->url);
    s->url = xtext(url);
    pthread_mutex_unlock(&s->lock);
}

struct str signer_url(struct signer *s, struct arena *arena)
{
    pthread_mutex_lock(&s->lock);
    struct str url = arena_str(arena, str_from(s->url));
    pthread_mutex_unlock(&s->lock);
    if (!url.ptr)
        xfail("out of memory");
    return url;
}

/* ---- the key's file ---- */

static bool set_names(X509 *c)
{
    X509_NAME *name = X509_get_subject_name(c);

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"sns.weir.local", -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(c, name) == 1;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *c = X509_new();
    bool ok = c && X509_set_version(c, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(c), 1) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(c), -24L * 3600) &&
              X509_time_adj_ex(X509_getm_notAfter(c), YEARS * 365, 0, NULL) && X509_set_pubkey(c, key) == 1 &&
              set_names(c) && X509_sign(c, key, EVP_sha256()) > 0;
    if (ok)
        return c;
    X509_free(c);
    return NULL;
}

static bool write_pem(BIO *out, EVP_PKEY *key, X509 *certificate)
{
    return PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           PEM_write_bio_X509(out, certificate) == 1;
}

static bool write_whole(const char *file, const char *bytes, size_t size)
{
    struct buf name = BUF_INIT;

    buf_printf(&name, "%s.new", file);
    xbuf(&name);
    int fd = open(buf_cstr(&name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    ok = ok && rename(buf_cstr(&name), file) == 0;
    buf_fini(&name);
    return ok;
}

static bool save(const char *file, EVP_PKEY *key, X509 *certificate)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes;
    bool ok = memory && write_pem(memory, key, certificate);
    long size = ok ? BIO_get_mem_data(memory, &bytes) : 0;

    ok = ok && write_whole(file, bytes, (size_t)size);
    BIO_free(memory);
    return ok;
}

static bool load(const char *file, EVP_PKEY **key, X509 **certificate)
{
    BIO *in = BIO_new_file(file, "r");

    *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    *certificate = *key ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return *certificate != NULL;
}

/* ---- the signer ---- */

static bool show(struct signer *s, X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    bool ok = memory && PEM_write_bio_X509(memory, certificate) == 1 &&
              X509_digest(certificate, EVP_sha256(), digest, &size) == 1 && size >= NAME_BYTES;

    long certificate_size = ok ? BIO_get_mem_data(memory, &bytes) : 0;
    buf_add(&s->certificate, bytes, (size_t)certificate_size);
    BIO_free(memory);
    size_t at = (size_t)snprintf(s->path, sizeof s->path, SIGNER_PATH);
    for (size_t i = 0; ok && i < NAME_BYTES; i++)
        at += (size_t)snprintf(s->path + at, sizeof s->path - at, "%02x", digest[i]);
    snprintf(s->path + at, sizeof s->path - at, ".pem");
    xbuf(&s->certificate);
    return ok;
}

static void make(struct signer *s)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    bool there = access(s->file, F_OK) == 0;

    if (there ? !load(s->file, &key, &certificate) : !(key = EVP_RSA_gen(KEY_BITS))) {
        log_error("the key that signs SNS's envelopes cannot be read or made: they go unsigned",
                  LOG_TEXT("file", s->file));
    } else if (!there && (!(certificate = make_certificate(key)) || !save(s->file, key, certificate))) {
        log_error("the key that signs SNS's envelopes cannot be kept: they go unsigned", LOG_TEXT("file", s->file),
                  LOG_TEXT("reason", strerror(errno)));
    } else if (EVP_PKEY_get_size(key) * 4 / 3 / 4 * 4 + 4 <= SIGNER_SIGNATURE_SIZE && show(s, certificate)) {
        s->key = key;
        key = NULL;
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static bool is_ready(struct signer *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->tried)
        make(s);
    s->tried = true;
    pthread_mutex_unlock(&s->lock);
    return s->key != NULL;
}

static bool is_last(struct signer *s, enum topic_signature version, struct str text, char *out)
{
    pthread_mutex_lock(&s->lock);
    bool same = s->last.text.size && s->last.version == version && str_eq(buf_view(&s->last.text), text);
    if (same)
        memcpy(out, s->last.signature, sizeof s->last.signature);
    pthread_mutex_unlock(&s->lock);
    return same;
}

static void note_last(struct signer *s, enum topic_signature version, struct str text, const char *signature)
{
    pthread_mutex_lock(&s->lock);
    buf_clear(&s->last.text);
    buf_str(&s->last.text, text);
    xbuf(&s->last.text);
    s->last.version = version;
    memcpy(s->last.signature, signature, sizeof s->last.signature);
    pthread_mutex_unlock(&s->lock);
}

bool signer_sign(struct signer *s, enum topic_signature version, struct str text, char out[SIGNER_SIGNATURE_SIZE + 1])
{
    unsigned char bytes[KEY_BITS / 8];
    size_t size = sizeof bytes;

    if (!is_ready(s))
        return false;
    if (is_last(s, version, text, out))
        return true;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *digest = version == TOPIC_SIGNATURE_2 ? EVP_sha256() : EVP_sha1();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, digest, NULL, s->key) == 1 &&
              EVP_DigestSign(ctx, bytes, &size, (const unsigned char *)text.ptr, text.size) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        log_error("an SNS envelope cannot be signed and goes unsigned");
        return false;
    }
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)size);
    note_last(s, version, text, out);
    return true;
}

struct str signer_certificate_path(struct signer *s)
{
    return is_ready(s) ? str_from(s->path) : STR("");
}

struct str signer_certificate(struct signer *s, struct str path)
{
    return is_ready(s) && str_is(path, s->path) ? buf_view(&s->certificate) : (struct str){0};
}
