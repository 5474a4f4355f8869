/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files, and over all files of folders, with any compiler: what make check does
 * with the seed corpora, and what one does with an input that was found. A target aborts where something is
 * wrong; the file's name is then the last thing on standard error.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *running; /* the file that is being run */

/* abort() comes here first. Only write() is safe in a signal handler. */
static void tell_which(int signal_number)
{
    if (running != NULL && write(STDERR_FILENO, running, strlen(running)) > 0)
        (void)!write(STDERR_FILENO, "\n", 1);
    signal(signal_number, SIG_DFL);
}

static void __attribute__((noreturn)) give_up(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(74);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, got;

    if (file == NULL)
        give_up(path);
    do {
        data = realloc(data, size + 65536);
        if (data == NULL)
            give_up(path);
        got = fread(data + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    if (ferror(file))
        give_up(path);
    fclose(file);
    running = path;
    LLVMFuzzerTestOneInput(data, size);
    running = NULL;
    free(data);
}

static unsigned run(const char *path);

static unsigned run_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    unsigned count = 0;

    if (folder == NULL)
        give_up(path);
    while ((entry = readdir(folder)) != NULL) {
        char inner[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int)sizeof inner) {
            errno = ENAMETOOLONG;
            give_up(path);
        }
        count += run(inner);
    }
    closedir(folder);
    return count;
}

static unsigned run(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        give_up(path);
    if (S_ISDIR(info.st_mode))
        return run_folder(path);
    run_file(path);
    return 1;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    signal(SIGABRT, tell_which);
    for (int i = 1; i < argc; i++)
        count += run(argv[i]);
    printf("%s: %u inputs\n", argv[0], count);
    return 0;
}
