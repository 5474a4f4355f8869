/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a benchmark runs: the program it measures, a folder of its own on a real disk, and what that disk can do. The
 * last is the yardstick: one write and one fdatasync a batch is the least that any durable answer costs.
 */
#include "tests/bench/way.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_BYTES (64u << 20)

void way_place_make(const char *argv0, const char *name, char *weir, char *folder)
{
    char path[PATH_MAX + 32], own[PATH_MAX];
    const char *where = getenv("WAY_FOLDER"), *program = getenv("WEIR");

    snprintf(own, sizeof own, "%s", argv0);
    snprintf(path, sizeof path, "%s/../../weir", dirname(own));
    if (!realpath(program ? program : path, weir))
        way_fail("there is no '%s'", program ? program : path);
    snprintf(path, sizeof path, "%s/bench-%s-XXXXXX", where ? where : ".", name);
    if (!mkdtemp(path) || !realpath(path, folder))
        way_fail("cannot make a folder");
}

bool way_place_remove(const char *path)
{
    char command[PATH_MAX + 32];

    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command) == 0;
}

double way_plain_rate(const char *folder, size_t batch_bytes, unsigned events, double seconds)
{
    char path[PATH_MAX + 16], *bytes = malloc(batch_bytes);
    uint64_t written = 0, count = 0;

    if (!bytes)
        way_fail("out of memory");
    memset(bytes, 'x', batch_bytes);
    snprintf(path, sizeof path, "%s/plain", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    double began = way_now(), passed = 0;
    while (passed < seconds) {
        if (written > SEGMENT_BYTES) { /* a new file as often as the journal begins one */
            close(fd);
            unlink(path);
            fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            written = 0;
        }
        if (write(fd, bytes, batch_bytes) != (ssize_t)batch_bytes || fdatasync(fd) != 0)
            way_fail("cannot write '%s'", path);
        written += batch_bytes;
        count += events;
        passed = way_now() - began;
    }
    close(fd);
    unlink(path);
    free(bytes);
    return (double)count / passed;
}
