/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking gzip and zstd, a piece a step. Both libraries hold text back when the room is used up, and both are asked
 * for it only then: a step without input at the end of a frame would begin another one.
 */
#include "router/unpack.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define PIECE_BYTES ((size_t)131072) /* a zstd block */

struct unpacker {
    bool gzip;
    bool full, whole; /* see unpacker_is_full(), unpacker_is_whole() */
    z_stream z;
    ZSTD_DStream *zstd;
};

const char *unpack_kind(struct str text)
{
    return str_starts(text, STR("\x1f\x8b")) ? "gzip" : str_starts(text, STR("\x28\xb5\x2f\xfd")) ? "zstd" : NULL;
}

struct unpacker *unpacker_create(const char *kind)
{
    struct unpacker *u = calloc(1, sizeof *u);

    if (!u)
        return NULL;
    u->gzip = kind[0] == 'g';
    if (u->gzip ? inflateInit2(&u->z, 15 + 32) == Z_OK : (u->zstd = ZSTD_createDStream()) != NULL)
        return u;
    free(u);
    return NULL;
}

void unpacker_destroy(struct unpacker *u)
{
    if (!u)
        return;
    if (u->gzip)
        inflateEnd(&u->z);
    ZSTD_freeDStream(u->zstd);
    free(u);
}

static const char *step_gzip(struct unpacker *u, struct str *packed, struct buf *out)
{
    uInt size = packed->size < UINT32_MAX / 2 ? (uInt)packed->size : UINT32_MAX / 2;

    if (u->whole && inflateReset(&u->z) != Z_OK)
        return "it cannot be read on";
    u->z.next_in = (Bytef *)packed->ptr;
    u->z.avail_in = size;
    u->z.next_out = (Bytef *)out->data + out->size;
    u->z.avail_out = PIECE_BYTES;
    int code = inflate(&u->z, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return u->z.msg ? u->z.msg : "no gzip data";
    *packed = (struct str){packed->ptr + (size - u->z.avail_in), packed->size - (size - u->z.avail_in)};
    out->size += PIECE_BYTES - u->z.avail_out;
    u->whole = code == Z_STREAM_END;
    u->full = !u->whole && u->z.avail_out == 0;
    return NULL;
}

static const char *step_zstd(struct unpacker *u, struct str *packed, struct buf *out)
{
    ZSTD_inBuffer in = {packed->ptr, packed->size, 0};
    ZSTD_outBuffer o = {out->data + out->size, PIECE_BYTES, 0};
    size_t left = ZSTD_decompressStream(u->zstd, &o, &in);

    if (ZSTD_isError(left))
        return ZSTD_getErrorName(left);
    *packed = (struct str){packed->ptr + in.pos, packed->size - in.pos};
    out->size += o.pos;
    u->whole = left == 0;
    u->full = !u->whole && o.pos == PIECE_BYTES;
    return NULL;
}

const char *unpacker_step(struct unpacker *u, struct str *packed, struct buf *out)
{
    if (!packed->size && !u->full)
        return NULL;
    if (!buf_reserve(out, PIECE_BYTES))
        return "it unpacks to more than there is room for";
    return u->gzip ? step_gzip(u, packed, out) : step_zstd(u, packed, out);
}

bool unpacker_is_full(const struct unpacker *u)
{
    return u->full;
}

bool unpacker_is_whole(const struct unpacker *u)
{
    return u->whole;
}

bool unpack(struct str packed, struct buf *out)
{
    const char *kind = unpack_kind(packed);
    struct unpacker *u = kind ? unpacker_create(kind) : NULL;
    bool ok = u != NULL;

    while (ok && (packed.size || u->full))
        ok = !unpacker_step(u, &packed, out);
    ok = ok && u->whole;
    unpacker_destroy(u);
    return ok;
}
