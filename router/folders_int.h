/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_FOLDERS_INT_H
#define ROUTER_FOLDERS_INT_H

/*
 * What the folder files share: looking (folders.c), taking a file in (folders_take.c), what is remembered of files
 * (folders_store.c). All of it is the folder thread's.
 */

#include <pthread.h>

#include "router/folders.h"

enum file_state { FILE_TAKING, FILE_TAKEN, FILE_BAD };

struct file {                /* one that is known; its key is folder and path */
    struct file *next;       /* of its slot */
    struct str folder, path; /* path: below the folder */
    int64_t size, changed_ns;
    enum file_state state;
    int64_t records;   /* TAKEN: of the file; TAKING: so many are in the journal for certain … */
    uint64_t synced;   /* … and this is how far the journal was when the rest was handed over */
    struct buf landed; /* TAKING, after a crash: ids of events behind that, one a line */
    bool said;         /* that it changed after it was taken */
};

struct folders {
    struct router *router;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool done; /* of what is waited for */
    uint64_t looks;

    struct file **slots;
    size_t slot_count, file_count; /* slot_count: a power of two */
};

struct file *file_find(const struct folders *f, struct str folder, struct str path);
struct file *file_add(struct folders *f, struct str folder, struct str path);
bool files_load(struct folders *f, struct weir_diag *diag);
void files_free(struct folders *f);
/* Commits what is known of a file, and waits for it. False: it could not; try later. */
bool file_save(struct folders *f, const struct file *file);

/* ---- waiting for other threads ---- */
void folders_wait(struct folders *f);              /* until folders_done() */
void folders_done(struct folders *f);              /* any thread */
bool folders_pause(struct folders *f, int64_t ms); /* true: it is time to stop */

/* Takes a settled file in, or what is left of it. */
void file_take(struct folders *f, const struct source_def *def, struct file *file, const char *full_path);

#endif
