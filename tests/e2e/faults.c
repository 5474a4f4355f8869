/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that fail and clocks that leap, for the end-to-end tests: preloaded into a router, it makes calls fail as the
 * file named by WEIR_FAULTS says. The file is mapped, so a test changes it in place, at any moment:
 *
 *     write journal/ ENOSPC      the next write, pwrite, writev or ftruncate to a path that contains "journal/" fails
 *     sync weir.db EIO 3         three fsync or fdatasync calls fail, then no more (the count is written back)
 *     clock 3600000              the wall clock is so many milliseconds ahead
 *
 * A line a fault, at most FAULTS_BYTES in all; an empty file does nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_BYTES 4096

static volatile char *faults; /* NULL: none wanted */

__attribute__((constructor)) static void map_faults(void)
{
    const char *path = getenv("WEIR_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, FAULTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (mapped != MAP_FAILED)
        faults = mapped;
    if (fd >= 0)
        close(fd);
}

#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (!real)                                                                                                         \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int error_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].number;
    return EINVAL;
}

/* Does the call on this descriptor fail? errno is set then. */
static bool fails(const char *call, int fd)
{
    char text[FAULTS_BYTES], link[64], path[1024], *save = NULL;
    ssize_t size = 0;

    if (!faults || !faults[0] || fd < 0)
        return false;
    for (int i = 0; i < FAULTS_BYTES - 1 && faults[i]; i++)
        text[i] = faults[i], text[i + 1] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char what[16], where[256], error[16];
        int count = -1, at = 0, count_at = 0;
        if (sscanf(line, "%15s %255s %15s%n %n%d", what, where, error, &at, &count_at, &count) < 3 ||
            strcmp(what, call) != 0)
            continue;
        if (!size) {
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            size = readlink(link, path, sizeof path - 1);
            if (size <= 0)
                return false;
            path[size] = '\0';
        }
        if (count == 0 || !strstr(path, where))
            continue;
        if (count > 0 && count < 10) /* one digit: written back in place */
            faults[line - text + count_at] = (char)('0' + count - 1);
        errno = error_number(error);
        return true;
    }
    return false;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(write);
    return fails("write", fd) ? -1 : real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    REAL(pwrite);
    return fails("write", fd) ? -1 : real(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    REAL(pwrite64);
    return fails("write", fd) ? -1 : real(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    return fails("write", fd) ? -1 : real(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    REAL(pwritev);
    return fails("write", fd) ? -1 : real(fd, parts, count, at);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return fails("write", fd) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    return fails("write", fd) ? -1 : real(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    REAL(fallocate);
    return fails("write", fd) ? -1 : real(fd, mode, at, size);
}

int fsync(int fd)
{
    REAL(fsync);
    return fails("sync", fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return fails("sync", fd) ? -1 : real(fd);
}

/* ---- the wall clock ---- */

static int64_t ahead_ms(void)
{
    char text[FAULTS_BYTES];
    const char *line;

    if (!faults || !faults[0])
        return 0;
    for (int i = 0; i < FAULTS_BYTES - 1; i++) {
        text[i] = faults[i], text[i + 1] = '\0';
        if (!text[i])
            break;
    }
    line = strstr(text, "clock ");
    return line ? strtoll(line + 6, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    REAL(clock_gettime);
    int result = real(clock, out);
    int64_t ms = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? ahead_ms() : 0;

    if (result == 0 && ms) {
        int64_t ns = out->tv_nsec + ms % 1000 * 1000000;
        out->tv_sec += ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        out->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);

    (void)zone;
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
