/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_FOLDERS_INT_H
#define ROUTER_FOLDERS_INT_H

/*
 * What the folder files share: looking (folders.c), taking a file in (folders_take.c), what is remembered of files
 * (folders_store.c). All of it is the folder thread's.
 */

#include <pthread.h>
#include <sys/stat.h>

#include "router/folders.h"

enum file_state { FILE_TAKING, FILE_TAKEN, FILE_BAD };
#define NO_DOUBT INT64_MIN

struct file {                /* one that is known; its key is folder and path */
    struct file *next;       /* of its slot */
    struct str folder, path; /* path: below the folder */
    int64_t size, changed_ns;
    enum file_state state;
    int64_t records; /* TAKEN: of the file; TAKING: so many are in the journal for certain … */
    int64_t synced;  /* … and more may be behind this, where the journal was when the next batch was handed over;
                        NO_DOUBT: none are. At most one file is in doubt, since one is taken at a time. */
    bool said;       /* what is the matter with it: once is enough */
};

struct folders {
    struct router *router;
    char *data; /* the data folder, which is not looked into */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool done; /* of what is waited for */
    uint64_t looks;
    int64_t look_ms; /* of the present look */

    struct file **slots;
    size_t slot_count, file_count; /* slot_count: a power of two */
};

static inline int64_t file_changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

struct file *file_find(const struct folders *f, struct str folder, struct str path);
struct file *file_add(struct folders *f, struct str folder, struct str path);
bool files_load(struct folders *f, struct weir_diag *diag);
void files_free(struct folders *f);
/* Commits what is known of a file, and waits for it. False: it could not; try later. */
bool file_save(struct folders *f, const struct file *file);
/* The same before the ledger runs. */
bool file_save_now(struct folders *f, const struct file *file, struct weir_diag *diag);

/* ---- waiting for other threads ---- */
void folders_wait(struct folders *f);              /* until folders_done() */
void folders_done(struct folders *f);              /* any thread */
bool folders_pause(struct folders *f, int64_t ms); /* true: it is time to stop */

bool folders_is_current(struct folders *f, const struct ruleset *set); /* false: a reload has replaced it */

/* Takes a settled file in, or what is left of it; def is of the set. Where that is replaced meanwhile, the rest is left
   for the next look. */
void file_take(struct folders *f, struct ruleset *set, const struct source_def *def, struct file *file,
               const char *full_path);

#endif
