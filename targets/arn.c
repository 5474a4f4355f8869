/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARNs from their formats. {uuid} stands for what AWS picks by chance when a thing is made: here it is made of the rest
 * of the ARN, so that a thing has the same one after every load, and again when it is deleted and made anew.
 */
#include <openssl/evp.h>

#include "matcher/buf.h"
#include "targets/adapter.h"
#include "targets/uuid.h"

static void write_uuid(struct buf *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char uuid[UUID_SIZE + 1];

    if (EVP_Digest(out->data, out->size, digest, NULL, EVP_sha256(), NULL) != 1) {
        out->failed = true;
        return;
    }
    uuid_from_digest(digest, uuid);
    buf_text(out, uuid);
}

void target_write_arn(struct buf *out, const char *format, struct str region, struct str account, struct str name)
{
    const struct {
        struct str word, value;
    } words[] = {{STR("{region}"), region}, {STR("{account}"), account}, {STR("{name}"), name}};

    for (struct str rest = str_from(format); rest.size;) {
        struct str piece = {rest.ptr, 1};
        size_t step = 1;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (str_starts(rest, words[i].word)) {
                piece = words[i].value;
                step = words[i].word.size;
            }
        if (str_starts(rest, STR("{uuid}")) && !out->failed) {
            write_uuid(out);
            piece.size = 0;
            step = strlen("{uuid}");
        }
        buf_str(out, piece);
        rest = (struct str){rest.ptr + step, rest.size - step};
    }
}
