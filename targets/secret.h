/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_SECRET_H
#define TARGETS_SECRET_H

/*
 * Secrets that the APIs were given, sealed: what stands in the ledger is of no use without the key, which is a file of
 * its own in the data folder (secret.key, readable by its owner alone). AES-256-GCM with a random nonce each time; a
 * sealed text belongs to an owner, the connection's name, and does not open as another one's.
 *
 *     struct secret_key key;
 *     if (!secret_key_read(data_dir, true, &key, &diag) || !secret_seal(&key, STR("crm"), password, &sealed)) …
 *
 *     "v1.9f86d081.BASE64"      version, which key, nonce with cipher text and tag
 *
 * Functions of the environment: nothing is kept, any thread.
 */

#include "matcher/buf.h"
#include "matcher/weir.h"

#define SECRET_KEY_FILE  "secret.key"
#define SECRET_KEY_BYTES 32

struct secret_key {
    unsigned char bytes[SECRET_KEY_BYTES];
};

/* create: where there is none, one is made, durably; of two that make it at once, both get the one that was first.
   False: diag says what is wrong with the file. */
bool secret_key_read(const char *data_dir, bool create, struct secret_key *out, struct weir_diag *diag);

/* Appends. False: out of memory, or the kernel gives no random bytes. */
bool secret_seal(const struct secret_key *key, struct str owner, struct str clear, struct buf *sealed);
/* Appends. False: diag says whether it is another key's, damaged, or somebody else's. */
bool secret_unseal(const struct secret_key *key, struct str owner, struct str sealed, struct buf *clear,
                   struct weir_diag *diag);

/* BASE64 of bytes, appended. */
void secret_base64(struct buf *out, struct str bytes);

#endif
