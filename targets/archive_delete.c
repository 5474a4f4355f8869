/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting an archive with its files. Whether there is such an archive is said elsewhere, by the rule set, and the two
 * cannot change at once; so what is about to be deleted is marked first, and a crash finds out by both:
 *
 *     doom ──► it leaves the rule set ──► discard ──► bury
 *     (mark)                              (files to   (unlink them; the
 *                                          the trash)  row goes)
 *
 * A marked archive that is configured was not deleted, or another one has its name now: recovery takes the mark away.
 * One that is not configured was deleted: the start goes on with discard. An archive that only left the configuration
 * has no mark, and its files stay. While it is marked none of its files is sealed, so nothing else is in its folders.
 */
#include "targets/archive_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "targets/fail.h"

bool archive_doom(struct store *s, struct str name, bool doomed, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE archive SET doomed = ?2 WHERE name = ?1", diag);

    if (!q)
        return false;
    store_bind(q, 1, name);
    sqlite3_bind_int(q, 2, doomed);
    return store_run(s, q, diag);
}

/* *id_out 0: it is not marked. */
static bool find(struct store *s, struct str name, int64_t *id_out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT id FROM archive WHERE name = ? AND doomed", diag);
    bool row;

    *id_out = 0;
    if (!q)
        return false;
    store_bind(q, 1, name);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *id_out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return true;
}

bool archive_discard(struct store *s, struct str name, struct weir_diag *diag)
{
    int64_t id;

    return find(s, name, &id, diag) && (!id || archive_trash_all(s, id, diag));
}

static void unlink_one(void *context, const char *path)
{
    archive_disk_remove(*(int *)context, path);
}

static bool bury(struct store *s, int data_fd, struct str name, int64_t id, struct weir_diag *diag)
{
    if (!archive_trash_empty(s, id, unlink_one, &data_fd, diag) || !archive_disk_sweep(data_fd, name, NULL, diag))
        return false;
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM archive WHERE id = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    return store_run(s, q, diag);
}

bool archive_bury(struct store *s, const char *data_dir, struct str name, struct weir_diag *diag)
{
    int64_t id;

    if (!find(s, name, &id, diag))
        return false;
    if (!id)
        return true;
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_with(diag, WEIR_E_IO, "cannot open the data folder '%s': %s", data_dir, strerror(errno));
    bool ok = bury(s, fd, name, id, diag);
    close(fd);
    return ok;
}

bool archive_each_doomed(struct store *s, void (*each)(void *context, struct str name), void *context,
                         struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT name FROM archive WHERE doomed", diag);
    bool row = true;

    if (!q)
        return false;
    while (row) {
        if (!store_step(s, q, &row, diag))
            return false;
        if (row)
            each(context, store_column(q, 0));
    }
    return true;
}
