/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the files of a configuration have changed since they were read: one number over names, sizes, times and
 * inodes of everything that its globs find now. Comparing it costs a stat() a file, so it can be asked every second; it
 * works on any file system, and a file that is replaced, added or removed counts as a file that is written does.
 */
#include <glob.h>
#include <sys/stat.h>

#include "rules/files.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (const unsigned char *p = bytes; size; size--)
        hash = (hash ^ *p++) * FNV_PRIME;
    return hash;
}

static uint64_t mix_file(uint64_t hash, const char *path)
{
    struct stat st;
    int64_t facts[5] = {0};

    hash = mix(hash, path, strlen(path) + 1);
    if (stat(path, &st) == 0) {
        facts[0] = (int64_t)st.st_dev;
        facts[1] = (int64_t)st.st_ino;
        facts[2] = st.st_size;
        facts[3] = st.st_mtim.tv_sec;
        facts[4] = st.st_mtim.tv_nsec;
    }
    return mix(hash, facts, sizeof(facts));
}

uint64_t files_now(const struct files *f)
{
    uint64_t hash = FNV_BASIS;
    for (size_t i = 0; i < f->glob_count; i++) {
        glob_t found = {0};
        if (glob(f->globs[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                hash = mix_file(hash, found.gl_pathv[k]);
        globfree(&found);
    }
    return hash ? hash : 1;
}

static bool is_as_read(const struct file_tree *f)
{
    struct stat st;
    if (stat(f->name, &st) != 0)
        return !f->inode; /* it was not there then */
    return st.st_dev == f->device && st.st_ino == f->inode && st.st_size == f->size &&
           (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == f->changed_ns;
}

void files_stamp(struct files *f)
{
    f->fingerprint = files_now(f);
    for (const struct file_tree *one = f->first; f->glob_count && one; one = one->next)
        if (!is_as_read(one))
            f->fingerprint = 0;
    for (const struct file_tree *one = f->beside; one; one = one->next)
        if (!is_as_read(one))
            f->fingerprint = 0;
}
