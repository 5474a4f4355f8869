/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLI_CLI_H
#define ROUTER_CLI_CLI_H

/*
 * The command line. A verb is one file and one row of cli_verbs (cli.c): name, summary, options, a function. Help,
 * usage errors with a near name, and completion come from the rows.
 *
 * Output: results on stdout, everything else on stderr. With --json one object a line with stable names.
 */

#include "matcher/buf.h"
#include "matcher/diag.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NO_MATCH = 1,
    EXIT_USAGE = 64,
    EXIT_DATA = 65,
    EXIT_UNAVAILABLE = 69,
    EXIT_INTERNAL = 70,
    EXIT_IO = 74,
    EXIT_CONFIG = 78
};

struct cli;

struct cli_option {
    const char *name;    /* "--from"; "-v" for one that has only a short form */
    char letter;         /* short form; 0: none */
    const char *value;   /* what it takes: "TIME"; NULL: nothing */
    const char *choices; /* where only some words will do: these, with spaces between */
    bool many;           /* may be given several times */
    const char *meaning;
};

struct cli_verb {
    const char *name;
    const char *arguments; /* "PATTERN|@FILE [FILE…]" */
    const char *summary;
    const char *description;          /* for --help; lines as they stand; may be NULL */
    bool no_json, no_url;             /* prints no results; asks no router: without these options */
    const struct cli_option *options; /* ended by name NULL; may be NULL */
    int (*run)(struct cli *cli);
};

#define CLI_OPTIONS_MAX 64

struct cli { /* a parsed command line */
    const struct cli_verb *verb;
    const char *const *arguments; /* what is not an option */
    size_t argument_count;
    struct cli_given {
        const struct cli_option *option;
        const char *value;
    } given[CLI_OPTIONS_MAX];
    size_t given_count;
    bool json;
    const char *url;    /* --url, $WEIR_URL or the default */
    const char *token;  /* --token or $WEIR_TOKEN: a token, or @FILE that holds one; NULL: none */
    const char *cacert; /* --cacert or $WEIR_CA: a file; NULL: the system's */
};

extern const struct cli_verb *const cli_verbs[]; /* ended by NULL */
/* The verb's options and those of the common ones that mean something to it; NULL: no more. */
const struct cli_option *cli_option_at(const struct cli_verb *v, size_t index);

int cli_main(int argc, char **argv);

/* For verbs: */
bool cli_has(const struct cli *cli, const char *option);
const char *cli_value(const struct cli *cli, const char *option, const char *otherwise); /* the last one given */
size_t cli_values(const struct cli *cli, const char *option, const char **out, size_t max);
/* "weir VERB: …" on stderr; returns EXIT_USAGE, with a hint to --help. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "weir: …" on stderr; returns code. */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The configuration a verb means (config.c): --config, else ./weir.yaml, else /etc/weir/weir.yaml, else NULL. */
const char *cli_config(const struct cli *cli);
/* The data folder: that argument, where it was given, else the configuration's. False: *code, message printed. */
bool cli_data_folder(const struct cli *cli, size_t argument, struct buf *out, int *code);

/* ---- cli/client.c: a running router ---- */
struct reply {
    long status;      /* HTTP; 0: no router answered, and message says so */
    long retry_after; /* seconds; 0: it did not say */
    struct buf body;
    char message[512];
};
void reply_fini(struct reply *r);
/* body: {NULL,0} for GET; otherwise POST. content_type NULL: application/json. */
void client_call(const struct cli *cli, const char *path, struct str body, const char *content_type, struct reply *out);
void client_delete(const struct cli *cli, const char *path, struct reply *out); /* DELETE */
/* Prints why it failed and gives the exit code: 69 no router, 65 refused data, 64 unknown name, 74/70 the rest. */
int client_failed(const struct cli *cli, const struct reply *r);
void client_escape(struct buf *out, struct str segment); /* percent-encodes a path segment */

/* ---- cli/pattern.c ---- */
struct weir_matcher;
/* PATTERN or @FILE: its text (freed by the caller in any case) and the compiled pattern. Else: message printed. */
enum exit_code cli_pattern(const char *argument, struct buf *text, struct weir_matcher **out);

/* ---- cli/input.c: files of events ---- */
/* Reads a file ("-": stdin) whole, decompressing .gz and .zst by their magic. EXIT_IO, or
   EXIT_DATA where what is packed is damaged: message printed. */
enum exit_code input_read(const char *path, struct buf *out);

/* The same, piece by piece, for files larger than memory. */
struct input_file {
    const char *name; /* for messages */
    int fd;
    const char *kind; /* what it is packed with; NULL: nothing */
    struct unpacker *unpacker;
    struct buf packed; /* read and not yet unpacked: from packed_at on */
    size_t packed_at;
    bool begun, ended;
};
#define INPUT_BYTES_MAX ((size_t)2 << 30) /* what must be held whole, unpacked: against bombs */

enum exit_code input_open(struct input_file *in, const char *path);
/* Appends what comes next: of a pipe what it holds, as soon as it holds something. in->ended: there was no more. */
enum exit_code input_more(struct input_file *in, struct buf *out);
void input_close(struct input_file *in);

/* Times: RFC 3339, a date, or relative to now: -1h, -30m, -7d, now. False: not a time. */
bool input_time(const char *text, int64_t now_ms, int64_t *out_ms);

/* ---- cli/table.c: columns on a terminal ---- */
struct table;
struct table *table_create(const char *const *titles,
                           size_t columns); /* a title that starts with '>' is right-aligned */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *t);   /* prints and frees */
void table_destroy(struct table *t); /* only frees */

#endif
