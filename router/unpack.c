/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking whole texts: files of several gzip members or zstd frames are one text. */
#include "router/unpack.h"

#include <zlib.h>
#include <zstd.h>

#define GZIP_STEP 65536
#define ZSTD_STEP 131072

static bool unpack_gzip(struct str packed, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)packed.ptr, .avail_in = (uInt)packed.size};
    int code = Z_OK;

    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return false;
    while (z.avail_in > 0 && (code == Z_OK || code == Z_STREAM_END)) {
        if (code == Z_STREAM_END && inflateReset(&z) != Z_OK) /* members one behind the other are one file */
            break;
        do {
            if (!buf_reserve(out, GZIP_STEP)) {
                code = Z_MEM_ERROR;
                break;
            }
            z.next_out = (Bytef *)out->data + out->size;
            z.avail_out = GZIP_STEP;
            code = inflate(&z, Z_NO_FLUSH);
            out->size += GZIP_STEP - z.avail_out;
        } while (code == Z_OK && z.avail_out == 0);
    }
    inflateEnd(&z);
    return code == Z_STREAM_END && !out->failed;
}

static bool unpack_zstd(struct str packed, struct buf *out)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {packed.ptr, packed.size, 0};
    size_t left = 1, given = ZSTD_STEP;

    /* What it has taken in it may still hold back when the room was used up. */
    while (z && (in.pos < in.size || given == ZSTD_STEP) && buf_reserve(out, ZSTD_STEP)) {
        ZSTD_outBuffer o = {out->data + out->size, ZSTD_STEP, 0};
        left = ZSTD_decompressStream(z, &o, &in);
        if (ZSTD_isError(left))
            break;
        out->size += given = o.pos;
        if (left == 0 && in.pos == in.size)
            break;
    }
    ZSTD_freeDStream(z);
    return left == 0 && !out->failed;
}

const char *unpack_kind(struct str text)
{
    return str_starts(text, STR("\x1f\x8b")) ? "gzip" : str_starts(text, STR("\x28\xb5\x2f\xfd")) ? "zstd" : NULL;
}

bool unpack(struct str packed, struct buf *out)
{
    const char *kind = unpack_kind(packed);
    return kind && kind[0] == 'g' ? unpack_gzip(packed, out) : kind && unpack_zstd(packed, out);
}
