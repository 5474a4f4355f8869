/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SIGNER_H
#define ROUTER_SIGNER_H

/*
 * Who signs SNS's envelopes: an RSA key and a certificate of it, signed by itself, made at the first use and kept in
 * the data folder (sns-signing.pem, for its owner alone). The certificate is served by Weir, so a verifier that takes
 * it from there accepts what is signed here. Any thread, all of it.
 */

#include "matcher/arena.h"
#include "targets/topic.h"

#define SIGNER_SIGNATURE_SIZE 344 /* characters of base64: RSA with 2,048 bits */
#define SIGNER_PATH           "/SimpleNotificationService-"

struct signer;

struct signer *signer_create(const char *data_dir); /* makes nothing yet */
void signer_destroy(struct signer *s);

/* Where clients find this router, for links in what nobody's request made: "http://127.0.0.1:4566". */
void signer_set_url(struct signer *s, struct str url);
struct str signer_url(struct signer *s, struct arena *arena);

/* False: there is no key and none could be made; it was logged. */
bool signer_sign(struct signer *s, enum topic_signature version, struct str text, char out[SIGNER_SIGNATURE_SIZE + 1]);
/* Of the certificate, after a signature was made; "": there is none. */
struct str signer_certificate_path(struct signer *s);
/* In PEM; {NULL,0}: there is none by this path. */
struct str signer_certificate(struct signer *s, struct str path);

#endif
