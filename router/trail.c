/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of outcomes. A record is 32 bytes for what went well, so that a hundred thousand a second cost a few
 * megabytes a second of page cache and one write a turn. Names (bus, rule, target) are written once a file, at their
 * first use, as records of their own that give them a number; the event's id is a hash.
 *
 *      0 u16 mark  2 u16 kind  4 u32 size, with padding
 *     outcome:  8 u64 hash of the event's id  16 i64 ms  24 u32 name  28 u16 attempts  30 u8 state
 *               31 u8 size of code  [32 u16 size of message, u16 size of origin; code, message, origin]
 *     name:     8 u32 number  12 u16 × 5 sizes: bus, rule, target, target id, subscription; texts
 *
 * A reader walks both files from the front: 64 MiB, some hundredths of a second. A number may be given anew (another
 * run): what was last said of it holds.
 */
#include "router/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matcher/hash.h"
#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"

#define MARK          0x7ea1u
#define KIND_OUTCOME  1u
#define KIND_NAME     2u
#define HEADER_BYTES  16
#define OUTCOME_BYTES 32
#define NAME_BYTES    24
#define NAMES         5
#define SLOTS         4096 /* names remembered; more than that are written again and again */

static const char magic[8] = "WEIRTRL1";

const char *const trail_state_names[] = {
    [TRAIL_DELIVERED] = "delivered", [TRAIL_RETRIED] = "retried", [TRAIL_DEAD_LETTERED] = "dead_lettered",
    [TRAIL_DROPPED] = "dropped",     [TRAIL_QUEUED] = "queued",
};

struct trail {
    char *folder;
    int fd; /* -1: cannot be written */
    int number;
    uint64_t size;
    struct buf notes;
    uint64_t slots[SLOTS]; /* hashes of names; their number is the slot + 1 */
};

static uint64_t id_hash(struct str id)
{
    return hash_bytes(0x7ea1, id.ptr, id.size);
}

/* ---- files ---- */

static char *file_path(const char *folder, int number)
{
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/%d.log", folder, number);
    char *text = xtext(buf_view(&path));
    buf_fini(&path);
    return text;
}

static char *folder_path(const char *data_dir)
{
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/deliveries", data_dir);
    char *text = xtext(buf_view(&path));
    buf_fini(&path);
    return text;
}

/* The whole file, as much as there is; false: diag. A missing one is empty. */
static bool read_file(const char *folder, int number, struct buf *out, struct weir_diag *diag)
{
    char *path = file_path(folder, number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n = 0;
    bool ok = fd >= 0 || errno == ENOENT;

    buf_clear(out);
    if (fd >= 0 && (ok = fstat(fd, &st) == 0)) {
        if (!buf_reserve(out, (size_t)st.st_size + 1))
            xfail("out of memory");
        while ((n = pread(fd, out->data + out->size, (size_t)st.st_size - out->size, (off_t)out->size)) > 0)
            out->size += (size_t)n;
        ok = n == 0;
    }
    if (!ok) {
        *diag = (struct weir_diag){.code = WEIR_E_IO};
        snprintf(diag->message, sizeof diag->message, "cannot read '%s': %s", path, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return ok;
}

static bool header_of(const struct buf *file, int64_t *begun_ms)
{
    if (file->size < HEADER_BYTES || memcmp(file->data, magic, sizeof magic) != 0)
        return false;
    memcpy(begun_ms, file->data + sizeof magic, sizeof *begun_ms);
    return true;
}

struct head {
    uint16_t mark, kind;
    uint32_t size;
};

/* The record at the offset; false: the end, or what a crash left. */
static bool record_at(const struct buf *file, size_t offset, struct head *out)
{
    if (file->size - offset < sizeof *out)
        return false;
    memcpy(out, file->data + offset, sizeof *out);
    return out->mark == MARK && out->size >= NAME_BYTES && out->size % 8 == 0 && out->size <= file->size - offset;
}

static size_t good_part(const struct buf *file)
{
    size_t at = HEADER_BYTES;
    struct head head;

    while (record_at(file, at, &head))
        at += head.size;
    return at;
}

/* ---- writing ---- */

static void give_up(struct trail *t, const char *doing)
{
    log_warn("what becomes of deliveries is not noted any more", LOG_TEXT("doing", doing),
             LOG_TEXT("folder", t->folder), LOG_TEXT("reason", strerror(errno)));
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

static void begin_file(struct trail *t, int number)
{
    char head[HEADER_BYTES], *path = file_path(t->folder, number);
    int64_t now = clock_wall_ms();

    if (t->fd >= 0)
        close(t->fd);
    unlink(path); /* who reads it keeps it */
    t->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    memcpy(head, magic, sizeof magic);
    memcpy(head + sizeof magic, &now, sizeof now);
    if (t->fd < 0 || write(t->fd, head, sizeof head) != sizeof head)
        give_up(t, "begin a file");
    t->number = number;
    t->size = sizeof head;
    memset(t->slots, 0, sizeof t->slots);
    free(path);
}

/* Goes on behind the newer file. False: there is none. */
static bool resume_file(struct trail *t)
{
    struct buf files[2] = {BUF_INIT, BUF_INIT};
    int64_t begun[2] = {INT64_MIN, INT64_MIN};
    struct weir_diag diag;

    for (int i = 0; i < 2; i++)
        if (!read_file(t->folder, i, &files[i], &diag) || !header_of(&files[i], &begun[i]))
            begun[i] = INT64_MIN;
    t->number = begun[1] > begun[0];
    bool ok = begun[t->number] != INT64_MIN;
    if (ok) {
        char *path = file_path(t->folder, t->number);
        t->size = good_part(&files[t->number]);
        t->fd = open(path, O_WRONLY | O_CLOEXEC);
        ok = t->fd >= 0 && ftruncate(t->fd, (off_t)t->size) == 0 && lseek(t->fd, (off_t)t->size, SEEK_SET) >= 0;
        free(path);
    }
    buf_fini(&files[0]);
    buf_fini(&files[1]);
    return ok;
}

struct trail *trail_open(const char *data_dir)
{
    struct trail *t = xalloc(sizeof *t);

    t->fd = -1;
    t->folder = folder_path(data_dir);
    if (mkdir(t->folder, 0700) != 0 && errno != EEXIST)
        give_up(t, "make the folder");
    else if (!resume_file(t))
        begin_file(t, 0);
    return t;
}

void trail_close(struct trail *t)
{
    if (!t)
        return;
    trail_flush(t);
    if (t->fd >= 0)
        close(t->fd);
    buf_fini(&t->notes);
    free(t->folder);
    free(t);
}

void trail_flush(struct trail *t)
{
    if (t->fd >= 0 && t->notes.size) {
        if (write(t->fd, t->notes.data, t->notes.size) != (ssize_t)t->notes.size) {
            /* A full disk: what is half written would hide what comes later. */
            if (ftruncate(t->fd, (off_t)t->size) != 0 || lseek(t->fd, (off_t)t->size, SEEK_SET) < 0)
                give_up(t, "write");
            memset(t->slots, 0, sizeof t->slots);
        } else {
            t->size += t->notes.size;
        }
        if (t->fd >= 0 && t->size > TRAIL_FILE_BYTES)
            begin_file(t, !t->number);
    }
    buf_clear(&t->notes);
}

static void end_record(struct buf *out, size_t start)
{
    static const char padding[8];
    uint32_t size;

    buf_add(out, padding, -(out->size - start) & 7);
    xbuf(out);
    size = (uint32_t)(out->size - start);
    memcpy(out->data + start + 4, &size, sizeof size);
}

static void begin_record(struct buf *out, uint16_t kind)
{
    struct head head = {MARK, kind, 0};
    buf_add(out, &head, sizeof head);
}

static uint32_t note_name(struct trail *t, const struct flight *f)
{
    const struct str names[NAMES] = {f->d.bus, f->d.rule, f->outlet->key, f->d.target_id, f->d.subscription};
    uint64_t hash = 0;

    for (int i = 0; i < NAMES; i++)
        hash = hash_bytes(hash + names[i].size, names[i].ptr, names[i].size);
    hash += !hash;
    uint32_t slot = (uint32_t)(hash % SLOTS), number = slot + 1;
    if (t->slots[slot] == hash)
        return number;
    t->slots[slot] = hash;
    size_t start = t->notes.size;
    begin_record(&t->notes, KIND_NAME);
    buf_add(&t->notes, &number, sizeof number);
    for (int i = 0; i < NAMES; i++) {
        uint16_t size = (uint16_t)(names[i].size < UINT16_MAX ? names[i].size : UINT16_MAX);
        buf_add(&t->notes, &size, sizeof size);
    }
    buf_add(&t->notes, "\0", 2);
    for (int i = 0; i < NAMES; i++)
        buf_add(&t->notes, names[i].ptr, names[i].size < UINT16_MAX ? names[i].size : UINT16_MAX);
    end_record(&t->notes, start);
    return number;
}

void trail_note(struct trail *t, const struct flight *f, enum trail_state state, int64_t wall_ms)
{
    struct buf *out = &t->notes;
    bool failed = state != TRAIL_DELIVERED && state != TRAIL_QUEUED;
    struct str code = str_from(failed ? f->verdict.code : ""), message = str_from(failed ? f->verdict.message : "");
    uint16_t attempts = (uint16_t)(f->attempts < UINT16_MAX ? f->attempts : UINT16_MAX);

    if (t->fd < 0)
        return;
    uint32_t name = note_name(t, f);
    uint64_t hash = id_hash(f->d.event_id);
    uint8_t small[2] = {(uint8_t)state, (uint8_t)code.size};
    size_t start = out->size;
    begin_record(out, KIND_OUTCOME);
    buf_add(out, &hash, sizeof hash);
    buf_add(out, &wall_ms, sizeof wall_ms);
    buf_add(out, &name, sizeof name);
    buf_add(out, &attempts, sizeof attempts);
    buf_add(out, small, sizeof small);
    if (failed || f->d.origin.size) {
        uint16_t sizes[2] = {(uint16_t)message.size, (uint16_t)f->d.origin.size};
        buf_add(out, sizes, sizeof sizes);
        buf_str(out, code);
        buf_str(out, message);
        buf_add(out, f->d.origin.ptr, sizes[1]);
    }
    end_record(out, start);
}

/* ---- reading ---- */

struct search {
    uint64_t hash;
    void (*each)(void *context, const struct trail_entry *entry);
    void *context;
    struct str (*names)[NAMES]; /* by number */
};

static bool cut(const char **at, const char *end, size_t size, struct str *out)
{
    if ((size_t)(end - *at) < size)
        return false;
    *out = (struct str){*at, size};
    *at += size;
    return true;
}

static void read_name(struct search *s, const char *at, const char *end)
{
    uint32_t number;
    uint16_t sizes[NAMES];

    memcpy(&number, at + 8, sizeof number);
    memcpy(sizes, at + 12, sizeof sizes);
    if (!number || number > SLOTS)
        return;
    at += NAME_BYTES;
    for (int i = 0; i < NAMES; i++)
        if (!cut(&at, end, sizes[i], &s->names[number - 1][i]))
            s->names[number - 1][i] = STR("");
}

static void read_outcome(const struct search *s, const char *at, const char *end)
{
    struct trail_entry e = {.code = STR(""), .message = STR(""), .origin = STR("")};
    uint64_t hash;
    uint32_t name;
    uint16_t attempts, sizes[2];

    memcpy(&hash, at + 8, sizeof hash);
    memcpy(&name, at + 24, sizeof name);
    if (hash != s->hash || !name || name > SLOTS || !s->names[name - 1][0].ptr)
        return;
    memcpy(&e.at_ms, at + 16, sizeof e.at_ms);
    memcpy(&attempts, at + 28, sizeof attempts);
    e.attempts = attempts;
    e.state = (enum trail_state)at[30];
    if (e.state < TRAIL_DELIVERED || e.state > TRAIL_QUEUED)
        return;
    size_t code = (uint8_t)at[31];
    at += OUTCOME_BYTES;
    if (end - at >= 8) {
        memcpy(sizes, at, sizeof sizes);
        at += sizeof sizes;
        if (!cut(&at, end, code, &e.code) || !cut(&at, end, sizes[0], &e.message) ||
            !cut(&at, end, sizes[1], &e.origin))
            return;
    }
    const struct str *names = s->names[name - 1];
    e.bus = names[0];
    e.rule = names[1];
    e.target = names[2];
    e.target_id = names[3];
    e.subscription = names[4];
    s->each(s->context, &e);
}

static void search_file(struct search *s, const struct buf *file)
{
    struct head head;

    memset(s->names, 0, SLOTS * sizeof *s->names);
    for (size_t at = HEADER_BYTES; record_at(file, at, &head); at += head.size) {
        const char *bytes = file->data + at;
        if (head.kind == KIND_NAME)
            read_name(s, bytes, bytes + head.size);
        else if (head.kind == KIND_OUTCOME && head.size >= OUTCOME_BYTES)
            read_outcome(s, bytes, bytes + head.size);
    }
}

bool trail_find(const char *data_dir, struct str event_id, void (*each)(void *context, const struct trail_entry *entry),
                void *context, int64_t *since_ms, struct weir_diag *diag)
{
    struct buf files[2] = {BUF_INIT, BUF_INIT};
    int64_t begun[2] = {INT64_MAX, INT64_MAX};
    struct search s = {.hash = id_hash(event_id), .each = each, .context = context};
    char *folder = folder_path(data_dir);
    bool ok = true;

    s.names = xarray(SLOTS, sizeof *s.names);
    for (int i = 0; i < 2 && ok; i++) {
        ok = read_file(folder, i, &files[i], diag);
        if (ok && !header_of(&files[i], &begun[i]))
            begun[i] = INT64_MAX;
    }
    int first = begun[1] < begun[0];
    for (int i = 0; i < 2 && ok; i++)
        if (begun[first ^ i] != INT64_MAX)
            search_file(&s, &files[first ^ i]);
    *since_ms = ok && begun[first] != INT64_MAX ? begun[first] : 0;
    buf_fini(&files[0]);
    buf_fini(&files[1]);
    free(s.names);
    free(folder);
    return ok;
}
