/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed archive files that were damaged: the first line says how, the rest is the text that is sealed before.
 *
 *     z100:5 i20:1 c300 d7 x     byte 100 of the sealed file (z) or of its index (i) is xored with 5; the file is cut
 * to 300 bytes (c), the index to 7 (d), or removed (x)
 *
 * Reading never crashes. Undamaged, all of the text comes back. Whatever the damage, text that is given out is the text
 * that was there (checksums), and only what a whole frame holds.
 */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "targets/archive_sealed.h"

#define TEXT_MAX 300000

static char folder[64], plain[80], sealed[90], idx[96];

static void clean_up(void)
{
    unlink(plain);
    unlink(sealed);
    unlink(idx);
    rmdir(folder);
}

static void set_up(void)
{
    if (folder[0])
        return;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/weir-fuzz-XXXXXX" : "/tmp/weir-fuzz-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(plain, sizeof plain, "%s/f.ndjson", folder);
    snprintf(sealed, sizeof sealed, "%s.zst", plain);
    snprintf(idx, sizeof idx, "%s.zst.idx", plain);
    atexit(clean_up);
}

static void seal(struct fuzz_text text)
{
    int data = open(folder, O_RDONLY | O_DIRECTORY), fd = open(plain, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    struct weir_diag diag;
    int64_t packed;

    if (data < 0 || fd < 0 || write(fd, text.at, text.size) != (ssize_t)text.size ||
        !archive_seal(data, "./f.ndjson", (int64_t)text.size, NULL, &packed, &diag))
        abort();
    close(fd);
    close(data);
}

static void flip(const char *path, unsigned long at, unsigned long with)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    unsigned char byte;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        at %= (unsigned long)st.st_size;
        if (pread(fd, &byte, 1, (off_t)at) == 1) {
            byte ^= (unsigned char)with;
            (void)!pwrite(fd, &byte, 1, (off_t)at);
        }
    }
    if (fd >= 0)
        close(fd);
}

static void cut(const char *path, unsigned long size)
{
    struct stat st;
    if (stat(path, &st) == 0 && size < (unsigned long)st.st_size)
        (void)!truncate(path, (off_t)size);
}

static bool damage(struct fuzz_text line)
{
    char *ops = malloc(line.size + 1), *save = NULL;
    bool any = false;

    if (!ops)
        abort();
    memcpy(ops, line.at, line.size);
    ops[line.size] = '\0';
    for (char *op = strtok_r(ops, " ", &save); op; op = strtok_r(NULL, " ", &save)) {
        char *end;
        unsigned long at = strtoul(op + 1, &end, 10), with = *end == ':' ? strtoul(end + 1, NULL, 10) : 1;
        any = true;
        switch (*op) {
        case 'z': flip(sealed, at, with); break;
        case 'i': flip(idx, at, with); break;
        case 'c': cut(sealed, at); break;
        case 'd': cut(idx, at); break;
        case 'x': unlink(idx); break;
        default: break;
        }
    }
    free(ops);
    return any;
}

static void check(struct fuzz_text text, bool damaged)
{
    struct weir_diag diag;
    struct archive_reader *r = archive_reader_open(plain, &diag);
    struct buf out = BUF_INIT;
    size_t count = 0, given = 0;
    const struct archive_frame *frames = r ? archive_reader_frames(r, &count) : NULL;

    if (!r && !damaged)
        abort();
    for (size_t i = 0; i < count; i++) {
        buf_clear(&out);
        if (!archive_reader_text(r, frames[i].text_at, (size_t)frames[i].text, &out, &diag))
            continue;
        if (out.size != frames[i].text || frames[i].text_at > text.size || out.size > text.size - frames[i].text_at ||
            memcmp(out.data, text.at + frames[i].text_at, out.size) != 0)
            abort();
        given += out.size;
    }
    if (!damaged && (given != text.size || !archive_reader_verify(r, &(size_t){0}, &diag)))
        abort();
    if (r && text.size) { /* across frames, and past the end */
        buf_clear(&out);
        if (archive_reader_text(r, text.size / 3, text.size / 2 + 1, &out, &diag) &&
            memcmp(out.data, text.at + text.size / 3, text.size / 2 + 1) != 0)
            abort();
        if (archive_reader_text(r, text.size, 1, &out, &diag))
            abort();
    }
    buf_fini(&out);
    archive_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_text rest = {(const char *)data, size}, line;

    if (!fuzz_line(&rest, &line) || line.size > 400 || rest.size > TEXT_MAX)
        return 0;
    set_up();
    seal(rest);
    bool damaged = damage(line);
    check(rest, damaged);
    return 0;
}
