/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file's name to trees: the file, and what its `include` names, and what those include. Globs are relative to
 * the file they stand in and taken in byte order; a file that is reached twice, over a circle or not, is an error,
 * since every name in it would be there twice. A file that cannot be read or is no YAML counts as empty after its
 * error, so that the others are still checked.
 */
#include "rules/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/paths.h"

static const struct node empty_map = {.type = NODE_MAP, .weight = 1};

struct reading {
    struct files *files;
    struct diags *diags;
    struct file_tree **end;
    struct buf globs; /* of const char * */
};

static bool out_of_memory(struct reading *l)
{
    l->diags->out_of_memory = true;
    return false;
}

/* ---- one file ---- */

/* The whole of fd, in the arena. False: an error was reported, or memory ran out. */
static bool read_all(struct reading *l, const char *name, struct diag_pos pos, int fd, size_t size, struct str *out)
{
    char *text = arena_alloc(&l->files->arena, size + 1);
    size_t got = 0;
    ssize_t n = 0;
    if (!text)
        return out_of_memory(l);
    while (got < size && (n = read(fd, text + got, size - got)) > 0)
        got += (size_t)n;
    if (n < 0)
        return diag_error(l->diags, pos, "cannot read '%s': %s", name, strerror(errno));
    *out = (struct str){text, got};
    return true;
}

static bool read_file(struct reading *l, struct file_tree *f, struct diag_pos pos, struct str *out)
{
    struct stat st = {0};
    int fd = open(f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold it up */
    int error = errno;
    if ((fd < 0 ? stat(f->name, &st) : fstat(fd, &st)) == 0) {
        f->device = st.st_dev;
        f->inode = st.st_ino;
        f->size = st.st_size;
        f->mode = st.st_mode;
        f->changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    if (fd < 0)
        return diag_error(l->diags, pos, "cannot open '%s': %s", f->name, strerror(error));
    bool ok = S_ISREG(st.st_mode) || diag_error(l->diags, pos, "'%s' is not a regular file", f->name);
    if (ok && st.st_size > (off_t)YAML_FILE_BYTES_MAX)
        ok = diag_error(l->diags, pos, "'%s' is larger than %u bytes", f->name, YAML_FILE_BYTES_MAX);
    ok = ok && read_all(l, f->name, pos, fd, (size_t)st.st_size, out);
    close(fd);
    return ok;
}

static struct file_tree *file_add(struct reading *l, struct str name, struct diag_pos included)
{
    struct file_tree *f = arena_new(&l->files->arena, struct file_tree);
    if (!f || !(f->name = path_intern(name))) {
        out_of_memory(l);
        return NULL;
    }
    f->root = &empty_map;
    f->included = included;
    return f;
}

static void file_append(struct reading *l, struct file_tree *f)
{
    *l->end = f;
    l->end = &f->next;
    l->files->count++;
}

static void parse_text(struct files *files, struct file_tree *f, struct diags *diags)
{
    const struct node *root = yaml_parse(&files->trees, f->name, f->text, diags);
    f->root = &empty_map;
    if (!root)
        return;
    struct node *nothing = node_is_empty(root) ? arena_new(&files->trees, struct node) : NULL;
    if (nothing) {
        *nothing = empty_map;
        nothing->pos = (struct diag_pos){f->name, 1, 1};
        f->root = nothing;
    } else if (root->type == NODE_MAP)
        f->root = root;
    else
        diag_error(diags, root->pos, "a configuration file must be a mapping, not %s", node_type_name(root));
}

static void file_parse(struct reading *l, struct file_tree *f, struct str text)
{
    f->text = text;
    parse_text(l->files, f, l->diags);
}

static const struct file_tree *find_same(const struct reading *l, const struct file_tree *f)
{
    for (const struct file_tree *other = l->files->first; other; other = other->next)
        if (other->device == f->device && other->inode == f->inode)
            return other;
    return NULL;
}

/* ---- includes ---- */

static bool is_glob_special(char c)
{
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

static void add_escaped(struct buf *out, struct str path)
{
    for (size_t i = 0; i < path.size; i++) {
        if (is_glob_special(path.ptr[i]))
            buf_char(out, '\\');
        buf_char(out, path.ptr[i]);
    }
}

/* The folder of `file` with glob's own characters escaped, then the pattern. */
static void join_glob(struct buf *out, const char *file, struct str pattern)
{
    const char *slash = strrchr(file, '/');
    if (slash && pattern.ptr[0] != '/')
        add_escaped(out, (struct str){file, (size_t)(slash - file) + 1});
    while (str_starts(pattern, STR("./")))
        pattern = (struct str){pattern.ptr + 2, pattern.size - 2};
    buf_str(out, pattern);
}

static bool has_glob(struct str pattern)
{
    for (size_t i = 0; i < pattern.size; i++)
        if (is_glob_special(pattern.ptr[i]))
            return true;
    return false;
}

static bool include_one(struct reading *l, const char *name, struct diag_pos pos)
{
    struct file_tree *f = file_add(l, str_from(name), pos);
    struct str text;
    if (!f)
        return false;
    if (l->files->count >= FILES_MAX) {
        diag_error(l->diags, pos, "more than %d files are included", FILES_MAX);
        return true;
    }
    if (!read_file(l, f, pos, &text))
        return !l->diags->out_of_memory;
    const struct file_tree *same = find_same(l, f);
    if (same && same->included.file)
        diag_error(l->diags, pos, "'%s' is included already, in %s:%d", name, same->included.file, same->included.line);
    else if (same)
        diag_error(l->diags, pos, "'%s' includes itself", name);
    else {
        file_append(l, f);
        file_parse(l, f, text);
    }
    return true;
}

static int name_cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool watch_add(struct reading *l, struct str path)
{
    const char *copy = arena_text(&l->files->arena, path);
    if (copy)
        buf_add(&l->globs, &copy, sizeof(copy));
    return (copy && !l->globs.failed) || out_of_memory(l);
}

static bool include_glob(struct reading *l, const struct file_tree *f, const struct node *pattern)
{
    struct buf path = BUF_INIT;
    glob_t found = {0};
    bool ok = true;
    join_glob(&path, f->name, pattern->text);
    int status =
        path.failed || !watch_add(l, buf_view(&path)) ? GLOB_NOSPACE : glob(buf_cstr(&path), GLOB_NOSORT, NULL, &found);
    if (status == GLOB_NOSPACE)
        ok = out_of_memory(l);
    else if (status == GLOB_NOMATCH && !has_glob(pattern->text))
        diag_error(l->diags, pattern->pos, "cannot open '%s': %s", buf_cstr(&path), strerror(ENOENT));
    else if (status != 0 && status != GLOB_NOMATCH)
        diag_error(l->diags, pattern->pos, "cannot read the folder of '%s'", buf_cstr(&path));
    else if (status == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), name_cmp);
        for (size_t i = 0; ok && i < found.gl_pathc; i++)
            ok = include_one(l, found.gl_pathv[i], pattern->pos);
    }
    if (status == 0)
        globfree(&found);
    buf_fini(&path);
    return ok;
}

static bool include_all(struct reading *l, const struct file_tree *f)
{
    const struct node *list = node_get(f->root, "include");
    if (!list || node_is_empty(list) || list->type == NODE_FAULT)
        return true;
    if (list->type != NODE_LIST) {
        diag_error(l->diags, list->pos, "'include' must be a list, not %s; write [rules.d/*.yaml]",
                   node_type_name(list));
        return true;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node *pattern = list->items[i];
        if (pattern->type == NODE_FAULT)
            continue;
        if (pattern->type != NODE_TEXT || !pattern->text.size || memchr(pattern->text.ptr, '\0', pattern->text.size))
            diag_error(l->diags, pattern->pos, "'include' must list file names, not %s", node_type_name(pattern));
        else if (!include_glob(l, f, pattern))
            return false;
    }
    return true;
}

/* ---- what is read, or only watched, beside the configuration ---- */

static bool watch_file(struct reading *l, struct str path)
{
    struct buf name = BUF_INIT;
    add_escaped(&name, path);
    bool ok = !name.failed && watch_add(l, buf_view(&name));
    buf_fini(&name);
    return ok || out_of_memory(l);
}

/* The path that an option of a section of the first file names; {NULL,0}: none, which its table says. False: out of
   memory. */
static bool find_path(struct reading *l, const struct file_tree *first, const char *section, const char *key,
                      struct str *path, struct diag_pos *pos)
{
    const struct node *map = node_get(first->root, section), *value = map ? node_get(map, key) : NULL;
    *path = (struct str){NULL, 0};
    if (!value || value->type != NODE_TEXT || !value->text.size || memchr(value->text.ptr, '\0', value->text.size))
        return true;
    *pos = value->pos;
    *path = path_beside(&l->files->arena, first->name, value->text);
    return path->ptr || out_of_memory(l);
}

static bool read_beside(struct reading *l, const struct file_tree *first)
{
    static const struct {
        const char *section, *key;
        bool is_yaml;
    } options[] = {
        {"auth", "access_keys", true}, {"auth", "tokens", true}, {"tls", "certificate", false}, {"tls", "key", false}};
    struct diag_pos pos;
    struct str path, text;

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!find_path(l, first, options[i].section, options[i].key, &path, &pos) || (path.ptr && !watch_file(l, path)))
            return false;
        struct file_tree *f = path.ptr && options[i].is_yaml ? file_add(l, path, pos) : NULL;
        if (!f)
            continue;
        f->next = l->files->beside;
        l->files->beside = f;
        if (read_file(l, f, pos, &text))
            file_parse(l, f, text);
    }
    return !l->diags->out_of_memory;
}

const struct file_tree *files_beside(const struct files *f, struct str path)
{
    const struct file_tree *one = f->beside;
    while (one && !str_is(path, one->name))
        one = one->next;
    return one;
}

/* ---- all of them ---- */

static bool read_first(struct reading *l, const char *name)
{
    struct file_tree *first = file_add(l, str_from(name), (struct diag_pos){0});
    struct str text;
    if (!first)
        return false;
    if (!watch_file(l, str_from(first->name)))
        return false;
    bool readable = read_file(l, first, (struct diag_pos){.file = first->name}, &text);
    file_append(l, first);
    if (!readable)
        return !l->diags->out_of_memory;
    file_parse(l, first, text);
    for (const struct file_tree *f = first; f; f = f->next) /* the list grows as it is walked */
        if (!include_all(l, f))
            return false;
    return read_beside(l, first);
}

static bool read_text(struct reading *l, const char *name, struct str text)
{
    struct file_tree *first = file_add(l, str_from(name), (struct diag_pos){0});
    struct str copy = arena_str(&l->files->arena, text); /* nodes point into it */
    if (!first || !copy.ptr)
        return out_of_memory(l);
    file_append(l, first);
    file_parse(l, first, copy);
    const struct node *include = node_get(first->root, "include");
    if (include)
        diag_error(l->diags, include->pos, "'include' needs a file to be relative to; this text has none");
    return true;
}

static bool read_nothing(struct reading *l)
{
    struct file_tree *none = arena_new(&l->files->arena, struct file_tree);
    if (!none)
        return out_of_memory(l);
    none->root = &empty_map;
    file_append(l, none);
    return true;
}

static struct files *reading_start(struct reading *l, const char *name, struct diags *diags)
{
    struct files *files = calloc(1, sizeof(*files));
    if (!files) {
        diags->out_of_memory = true;
        return NULL;
    }
    atomic_init(&files->references, 1);
    files->name = arena_text(&files->arena, str_from(name));
    *l = (struct reading){.files = files, .diags = diags, .end = &files->first};
    return files;
}

static struct files *reading_end(struct reading *l, bool ok)
{
    struct files *files = l->files;
    size_t bytes = l->globs.size;
    const char **globs = arena_alloc(&files->arena, bytes);
    if (globs && bytes)
        memcpy(globs, l->globs.data, bytes);
    files->globs = globs;
    files->glob_count = globs ? bytes / sizeof(*globs) : 0;
    buf_fini(&l->globs);
    l->diags->out_of_memory |= files->arena.failed || files->trees.failed;
    if (ok && !l->diags->out_of_memory) {
        files_stamp(files);
        return files;
    }
    files_unref(files);
    return NULL;
}

struct files *files_read(const char *name, struct diags *diags)
{
    struct reading l;
    return reading_start(&l, name, diags) ? reading_end(&l, name ? read_first(&l, name) : read_nothing(&l)) : NULL;
}

struct files *files_read_text(const char *name, struct str text, struct diags *diags)
{
    struct reading l;
    return reading_start(&l, name, diags) ? reading_end(&l, read_text(&l, name, text)) : NULL;
}

static void forget_trees(struct file_tree *list)
{
    for (struct file_tree *one = list; one; one = one->next)
        if (one->text.ptr)
            one->root = NULL;
}

void files_forget_trees(struct files *f)
{
    forget_trees(f->first);
    forget_trees(f->beside);
    arena_fini(&f->trees);
}

static void parse_trees(struct files *f, struct file_tree *list, struct diags *diags)
{
    for (struct file_tree *one = list; one; one = one->next)
        if (!one->root)
            parse_text(f, one, diags);
}

bool files_parse(struct files *f, struct diags *diags)
{
    parse_trees(f, f->first, diags);
    parse_trees(f, f->beside, diags);
    diags->out_of_memory |= f->trees.failed;
    return !diags->out_of_memory;
}

struct files *files_ref(struct files *f)
{
    unsigned before = atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    assert(before > 0);
    return f;
}

void files_unref(struct files *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&f->trees);
    arena_fini(&f->arena);
    free(f);
}
