/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL behind libevent's bufferevents. TLS 1.2 and later, OpenSSL's own choice of ciphers, no renegotiation, no
 * compression, HTTP/1.1 by ALPN for those who ask: a client that was talked into another protocol is not answered.
 *
 * A key that everybody can read is refused, as are keys of auth: whoever has it can be this router.
 */
#include "router/tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "router/log.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/xalloc.h"

static bool fail(struct buf *error, struct str file, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    buf_printf(error, "tls: '%.*s' %s%s%s", STR_ARG(file), what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return false;
}

/* Nobody is at a terminal to be asked for one. */
static int no_password_cb(char *out, int size, int writing, void *context)
{
    return 0;
}

static int alpn_cb(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                   unsigned in_size, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";

    return SSL_select_next_proto((unsigned char **)out, out_size, ours, sizeof ours - 1, in, in_size) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool check_mode(struct str key, struct buf *error)
{
    struct stat st;

    return stat(key.ptr, &st) != 0 || !(st.st_mode & S_IROTH) ||
           fail(error, key, "is a private key and can be read by everybody; say 'chmod o-rwx' of it");
}

static int64_t days_left(const X509 *certificate)
{
    int days = 0, seconds = 0;

    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate));
    return days < 0 || seconds < 0 ? -1 : days;
}

static void look_at(const struct ruleset *set, SSL_CTX *tls)
{
    int64_t days = days_left(SSL_CTX_get0_certificate(tls));

    series_set(metric(METRIC_TLS_DAYS), days);
    if (days < 0)
        log_warn("the certificate has expired", LOG_STR("file", set->certificate));
}

static bool fill(SSL_CTX *tls, const struct ruleset *set, struct buf *error)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(tls, no_password_cb);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(tls, alpn_cb, NULL);
    if (!check_mode(set->certificate_key, error))
        return false;
    if (SSL_CTX_use_certificate_chain_file(tls, set->certificate.ptr) != 1)
        return fail(error, set->certificate, "has no certificate that can be read");
    if (SSL_CTX_use_PrivateKey_file(tls, set->certificate_key.ptr, SSL_FILETYPE_PEM) == 1)
        return true;
    int why = ERR_GET_REASON(ERR_peek_last_error());
    return fail(error, set->certificate_key,
                why == X509_R_KEY_VALUES_MISMATCH || why == X509_R_KEY_TYPE_MISMATCH
                    ? "is not the key of the certificate"
                    : "has no private key that can be read");
}

bool tls_load(const struct ruleset *set, struct ssl_ctx_st **out, struct buf *error)
{
    *out = NULL;
    if (!set->certificate.ptr)
        return true;
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls)
        xfail("out of memory");
    if (!fill(tls, set, error)) {
        SSL_CTX_free(tls);
        return false;
    }
    look_at(set, tls);
    *out = tls;
    return true;
}

void tls_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}

struct bufferevent *tls_accept(struct router *router, struct event_base *base)
{
    pthread_mutex_lock(&router->set_lock);
    SSL *ssl = router->tls ? SSL_new(router->tls) : NULL; /* has a reference of its own */
    bool wanted = router->tls != NULL;
    pthread_mutex_unlock(&router->set_lock);
    if (!wanted)
        return NULL;
    struct bufferevent *stream =
        ssl ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!stream)
        xfail("out of memory");
    bufferevent_openssl_set_allow_dirty_shutdown(stream, 1); /* lengths say where a request ends */
    return stream;
}

bool tls_is_ready(struct bufferevent *stream)
{
    return SSL_is_init_finished(bufferevent_openssl_get_ssl(stream));
}
