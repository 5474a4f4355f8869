/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives as folders and files:
 *
 *     DATA/archives/NAME/bus=BUS/date=2026-11-21/hour=04/events.ndjson
 *
 * Names may hold any byte, path components may not: whatever is not a letter, digit, '_', '-' or '.' is written %XX,
 * and so is a leading '.'. A new file's folders are synced up to the data folder, or a power cut could take the file's
 * name with everything in it.
 *
 * After a failed fdatasync the kernel may call pages clean that never reached the disk. That is no trap here: what was
 * not recorded is written again, from memory, at the same place, before it is synced again.
 */
#include "targets/archive_int.h"

#include "targets/archive_sealed.h"
#include "targets/fail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET_ASIDE ".uncommitted"
#define MAIMED    ".damaged"

/* ---- paths ---- */

static bool is_plain(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           (c == '.' && !first);
}

static void add_component(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (is_plain(name.ptr[i], i == 0))
            buf_char(out, name.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)name.ptr[i]);
}

void archive_path_root(struct buf *out, struct str archive)
{
    buf_text(out, "archives/");
    add_component(out, archive);
}

void archive_path_hour(struct buf *out, struct str archive, struct str bus, int64_t hour_ms, unsigned part)
{
    char time[21];

    time_format_rfc3339(hour_ms, time);
    archive_path_root(out, archive);
    buf_text(out, "/bus=");
    add_component(out, bus);
    buf_printf(out, "/date=%.10s/hour=%.2s/events", time, time + 11);
    if (part > 1)
        buf_printf(out, ".%u", part);
    buf_text(out, ".ndjson");
}

/* Cuts the last component off; false: it was the only one. */
static bool parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash)
        *slash = '\0';
    return slash != NULL;
}

/* ---- files ---- */

static bool fail_path(struct weir_diag *diag, const char *doing, const char *path)
{
    return fail_with(diag, WEIR_E_IO, "cannot %s '%s': %s", doing, path, strerror(errno));
}

static bool make_folders(int data_fd, char *path, struct weir_diag *diag)
{
    bool ok = true;

    for (char *slash = strchr(path, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdirat(data_fd, path, 0700) == 0 || errno == EEXIST || fail_path(diag, "create the folder", path);
        *slash = '/';
    }
    return ok;
}

static bool sync_folder(int data_fd, const char *path, struct weir_diag *diag)
{
    int fd = openat(data_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        fail_path(diag, "sync the folder", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool sync_folders(int data_fd, char *path, struct weir_diag *diag)
{
    while (parent(path))
        if (!sync_folder(data_fd, path, diag))
            return false;
    return sync_folder(data_fd, ".", diag);
}

int archive_disk_open(int data_fd, const char *path, bool created, struct weir_diag *diag)
{
    struct buf copy = BUF_INIT;
    int fd = -1;

    buf_text(&copy, path);
    buf_cstr(&copy);
    if (copy.failed)
        fail_memory(diag);
    else if (!created || make_folders(data_fd, copy.data, diag)) {
        /* Where the row is there the file must be: making an empty one would hide the loss. */
        fd = openat(data_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (created ? O_CREAT : 0), 0600);
        if (fd < 0 && errno == ENOENT)
            fail_with(diag, WEIR_E_IO, "the archive file '%s' is recorded but is not there", path);
        else if (fd < 0)
            fail_path(diag, "open", path);
        else if (created && !sync_folders(data_fd, copy.data, diag)) {
            close(fd);
            fd = -1;
        }
    }
    buf_fini(&copy);
    return fd;
}

bool archive_disk_cut(int fd, const char *path, int64_t bytes, struct weir_diag *diag)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail_path(diag, "look at", path);
    if (st.st_nlink == 0)
        return fail_with(diag, WEIR_E_IO, "the archive file '%s' was removed, %" PRId64 " bytes of it are recorded",
                         path, bytes);
    if (st.st_size < bytes)
        return fail_with(diag, WEIR_E_IO, "the archive file '%s' has %" PRId64 " bytes, %" PRId64 " are recorded", path,
                         (int64_t)st.st_size, bytes);
    if (st.st_size == bytes)
        return true;
    return ftruncate(fd, bytes) == 0 || fail_path(diag, "cut", path);
}

bool archive_disk_is_maimed(int data_fd, const char *path, int64_t bytes)
{
    struct stat st;

    if (fstatat(data_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || errno == ENOTDIR;
    return S_ISREG(st.st_mode) && st.st_size < bytes;
}

static bool rename_to(int data_fd, const char *path, const char *end, struct weir_diag *diag)
{
    struct buf to = BUF_INIT;
    bool ok;

    buf_printf(&to, "%s%s", path, end);
    buf_cstr(&to);
    ok = to.failed ? fail_memory(diag)
                   : renameat(data_fd, path, data_fd, to.data) == 0 || errno == ENOENT || errno == ENOTDIR ||
                         fail_path(diag, "rename", path);
    buf_fini(&to);
    return ok;
}

bool archive_disk_set_aside(int data_fd, const char *path, struct weir_diag *diag)
{
    return rename_to(data_fd, path, MAIMED, diag);
}

bool archive_disk_append(int fd, const char *path, struct str bytes, int64_t at, struct weir_diag *diag)
{
    while (bytes.size) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_path(diag, "write", path);
        bytes.ptr += n;
        bytes.size -= (size_t)n;
        at += n;
    }
    return fdatasync(fd) == 0 || fail_path(diag, "sync", path);
}

void archive_disk_remove(int data_fd, const char *path)
{
    struct buf copy = BUF_INIT;

    unlinkat(data_fd, path, 0);
    buf_text(&copy, path);
    buf_cstr(&copy);
    /* Upwards until a folder still holds something. "archives/NAME" itself stays. */
    if (!copy.failed)
        for (int up = 0; up < 3 && parent(copy.data) && unlinkat(data_fd, copy.data, AT_REMOVEDIR) == 0; up++)
            ;
    buf_fini(&copy);
}

/* ---- the sweep ---- */

struct sweep {
    int data_fd;
    struct store *store; /* NULL: everything goes */
    struct weir_diag *diag;
    struct buf path; /* of the folder being read */
};

static void cut_back(struct buf *b, size_t size)
{
    b->size = size;
    buf_cstr(b);
}

static bool ends_with(struct str text, const char *end)
{
    size_t size = strlen(end);
    return text.size >= size && memcmp(text.ptr + text.size - size, end, size) == 0;
}

static bool remove_file(struct sweep *w)
{
    return unlinkat(w->data_fd, buf_cstr(&w->path), 0) == 0 || fail_path(w->diag, "remove", w->path.data);
}

/* w->path is a file in an hour's folder: which row it should have, and what to do where it has another or none. */
static bool sweep_file(struct sweep *w)
{
    struct str logical = buf_view(&w->path);
    bool packed = true, ok;
    enum archive_state state;
    int64_t bytes;

    if (!w->store || ends_with(logical, ".tmp"))
        return remove_file(w);
    if (ends_with(logical, ARCHIVE_INDEX_SUFFIX))
        logical.size -= strlen(ARCHIVE_INDEX_SUFFIX);
    else if (ends_with(logical, ARCHIVE_SEALED_SUFFIX))
        logical.size -= strlen(ARCHIVE_SEALED_SUFFIX);
    else
        packed = false;
    if (!ends_with(logical, ".ndjson"))
        return true;
    ok = archive_file_state(w->store, logical, &bytes, &state, w->diag);
    if (!ok || (bytes >= 0 && (state == ARCHIVE_SEALED) == packed))
        return ok;
    if (bytes < 0)
        return rename_to(w->data_fd, buf_cstr(&w->path), SET_ASIDE, w->diag);
    return remove_file(w);
}

static bool sweep_folder(struct sweep *w, int depth)
{
    static const char *const prefixes[] = {"bus=", "date=", "hour=", "events"};
    struct dirent *entry;
    size_t size = w->path.size;
    bool ok = true;

    if (depth == 4)
        return sweep_file(w);
    int fd = openat(w->data_fd, buf_cstr(&w->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) /* nothing archived yet, or not ours */
            return true;
        fail_path(w->diag, "read the folder", buf_cstr(&w->path));
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (ok && (entry = readdir(folder))) {
        if (strncmp(entry->d_name, prefixes[depth], strlen(prefixes[depth])) != 0)
            continue;
        buf_printf(&w->path, "/%s", entry->d_name);
        ok = w->path.failed ? fail_memory(w->diag) : sweep_folder(w, depth + 1);
        cut_back(&w->path, size);
    }
    closedir(folder);
    if (ok && !w->store)
        unlinkat(w->data_fd, buf_cstr(&w->path), AT_REMOVEDIR); /* what is not ours keeps it */
    return ok;
}

bool archive_disk_sweep(int data_fd, struct str archive, struct store *store, struct weir_diag *diag)
{
    struct sweep w = {.data_fd = data_fd, .store = store, .diag = diag};
    bool ok;

    archive_path_root(&w.path, archive);
    buf_cstr(&w.path);
    ok = w.path.failed ? fail_memory(diag) : sweep_folder(&w, 0);
    buf_fini(&w.path);
    return ok;
}
