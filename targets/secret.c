/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing, see secret.h. The key is never replaced: a file that is there and is no key is an error for people, since
 * writing another one would make all that was sealed before unreadable for good. It comes into being whole: written
 * under a name of its own, synced, then linked to its place, where the first one stays.
 *
 * A sealed text names its key by the beginning of the key's digest, so that a lost key is told from a damaged text.
 */
#include "targets/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "targets/fail.h"
#include "targets/uuid.h"

#define VERSION     "v1."
#define KEY_ID_SIZE 8 /* hexadecimal digits */
#define NONCE_BYTES 12
#define TAG_BYTES   16

/* ---- the key's file ---- */

static bool fail_file(struct weir_diag *diag, const char *doing, const char *path)
{
    return fail_with(diag, WEIR_E_IO, "cannot %s '%s': %s", doing, path, strerror(errno));
}

static bool write_key(int fd, const struct secret_key *key)
{
    return write(fd, key->bytes, sizeof key->bytes) == (ssize_t)sizeof key->bytes && fsync(fd) == 0;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool make_key(const char *folder, const char *path, struct weir_diag *diag)
{
    struct secret_key key;
    char uuid[UUID_SIZE + 1], temporary[PATH_MAX];

    if (RAND_bytes(key.bytes, sizeof key.bytes) != 1 || !uuid_random(uuid))
        return fail_with(diag, WEIR_E_IO, "the kernel gives no random bytes for '%s'", path);
    snprintf(temporary, sizeof temporary, "%s.%s", path, uuid);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_file(diag, "make", temporary);
    bool ok = write_key(fd, &key) || fail_file(diag, "write", temporary);
    close(fd);
    OPENSSL_cleanse(&key, sizeof key);
    if (ok && link(temporary, path) != 0 && errno != EEXIST)
        ok = fail_file(diag, "make", path);
    unlink(temporary);
    return ok && (sync_folder(folder) || fail_file(diag, "sync", folder));
}

static bool read_key(int fd, const char *path, struct secret_key *out, struct weir_diag *diag)
{
    unsigned char bytes[SECRET_KEY_BYTES + 1];
    ssize_t size = read(fd, bytes, sizeof bytes);

    if (size < 0)
        return fail_file(diag, "read", path);
    memcpy(out->bytes, bytes, sizeof out->bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return size == SECRET_KEY_BYTES || fail_with(diag, WEIR_E_IO, "'%s' is no key: it has %s than %d bytes", path,
                                                 size < SECRET_KEY_BYTES ? "less" : "more", SECRET_KEY_BYTES);
}

bool secret_key_read(const char *data_dir, bool create, struct secret_key *out, struct weir_diag *diag)
{
    char path[PATH_MAX - UUID_SIZE - 2];

    if (snprintf(path, sizeof path, "%s/" SECRET_KEY_FILE, data_dir) >= (int)sizeof path)
        return fail_with(diag, WEIR_E_IO, "the data folder's name is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && create) {
        if (!make_key(data_dir, path, diag))
            return false;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return fail_file(diag, "open", path);
    bool ok = read_key(fd, path, out, diag);
    close(fd);
    return ok;
}

/* ---- base64 ---- */

void secret_base64(struct buf *out, struct str bytes)
{
    size_t size = (bytes.size + 2) / 3 * 4;

    if (!buf_reserve(out, size + 1))
        return;
    EVP_EncodeBlock((unsigned char *)out->data + out->size, (const unsigned char *)bytes.ptr, (int)bytes.size);
    out->size += size;
}

/* Appends; false: it is not base64. */
static bool from_base64(struct buf *out, struct str text)
{
    size_t padding = 0;

    while (padding < 2 && padding < text.size && text.ptr[text.size - 1 - padding] == '=')
        padding++;
    if (text.size % 4 || !buf_reserve(out, text.size / 4 * 3))
        return false;
    int size = EVP_DecodeBlock((unsigned char *)out->data + out->size, (const unsigned char *)text.ptr, (int)text.size);
    if (size < (int)padding)
        return false;
    out->size += (size_t)size - padding;
    return true;
}

/* ---- sealing ---- */

static bool key_id(const struct secret_key *key, char out[KEY_ID_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(key->bytes, sizeof key->bytes, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (int i = 0; i < KEY_ID_SIZE / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* nonce, cipher text, tag */
static bool encrypt(EVP_CIPHER_CTX *c, const struct secret_key *key, struct str owner, struct str clear,
                    unsigned char *out)
{
    unsigned char *text = out + NONCE_BYTES, *tag = text + clear.size;
    int size;

    return RAND_bytes(out, NONCE_BYTES) == 1 && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes, out) == 1 &&
           EVP_EncryptUpdate(c, NULL, &size, (const unsigned char *)owner.ptr, (int)owner.size) == 1 &&
           EVP_EncryptUpdate(c, text, &size, (const unsigned char *)clear.ptr, (int)clear.size) == 1 &&
           EVP_EncryptFinal_ex(c, tag, &size) == 1 && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
}

bool secret_seal(const struct secret_key *key, struct str owner, struct str clear, struct buf *sealed)
{
    size_t size = NONCE_BYTES + clear.size + TAG_BYTES;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char *bytes = malloc(size);
    char id[KEY_ID_SIZE + 1];
    bool ok = c && bytes && key_id(key, id) && encrypt(c, key, owner, clear, bytes);

    if (ok) {
        buf_printf(sealed, VERSION "%s.", id);
        secret_base64(sealed, (struct str){(const char *)bytes, size});
    }
    EVP_CIPHER_CTX_free(c);
    free(bytes);
    return ok && !sealed->failed;
}

static bool decrypt(EVP_CIPHER_CTX *c, const struct secret_key *key, struct str owner, struct str bytes,
                    unsigned char *out)
{
    const unsigned char *nonce = (const unsigned char *)bytes.ptr, *text = nonce + NONCE_BYTES;
    int size, clear_size = (int)(bytes.size - NONCE_BYTES - TAG_BYTES);

    return EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes, nonce) == 1 &&
           EVP_DecryptUpdate(c, NULL, &size, (const unsigned char *)owner.ptr, (int)owner.size) == 1 &&
           EVP_DecryptUpdate(c, out, &size, text, clear_size) == 1 &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, (void *)(text + clear_size)) == 1 &&
           EVP_DecryptFinal_ex(c, out + size, &size) == 1;
}

static bool open_bytes(const struct secret_key *key, struct str owner, struct str bytes, struct buf *clear,
                       struct weir_diag *diag)
{
    size_t size = bytes.size - NONCE_BYTES - TAG_BYTES;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c && buf_reserve(clear, size + 1);

    if (!ok)
        fail_memory(diag);
    else if (!(ok = decrypt(c, key, owner, bytes, (unsigned char *)clear->data + clear->size)))
        fail_with(diag, WEIR_E_IO, "a secret of '%.*s' is damaged", STR_ARG(owner));
    if (ok)
        clear->size += size;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

bool secret_unseal(const struct secret_key *key, struct str owner, struct str sealed, struct buf *clear,
                   struct weir_diag *diag)
{
    size_t head = strlen(VERSION) + KEY_ID_SIZE + 1;
    struct buf bytes = BUF_INIT;
    char id[KEY_ID_SIZE + 1];
    bool ok = false;

    if (!str_starts(sealed, STR(VERSION)) || sealed.size <= head)
        return fail_with(diag, WEIR_E_IO, "a secret of '%.*s' is no sealed text", STR_ARG(owner));
    if (!key_id(key, id))
        return fail_memory(diag);
    if (memcmp(sealed.ptr + strlen(VERSION), id, KEY_ID_SIZE) != 0)
        return fail_with(diag, WEIR_E_IO,
                         "a secret of '%.*s' was sealed with another " SECRET_KEY_FILE " than the data folder has now",
                         STR_ARG(owner));
    if (!from_base64(&bytes, (struct str){sealed.ptr + head, sealed.size - head}) ||
        bytes.size < NONCE_BYTES + TAG_BYTES)
        fail_with(diag, WEIR_E_IO, "a secret of '%.*s' is damaged", STR_ARG(owner));
    else
        ok = open_bytes(key, owner, buf_view(&bytes), clear, diag);
    buf_fini(&bytes);
    return ok;
}
