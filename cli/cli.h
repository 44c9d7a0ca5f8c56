/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the subcommands of drae share: the table of commands, option parsing and exit statuses.
 * cli/ holds no arithmetic: it reads the command line, calls the rooms below, and prints.
 */
#ifndef DRAE_CLI_CLI_H
#define DRAE_CLI_CLI_H

#include "base/error.h"
#include "base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Documented exit statuses (design.md). */
enum {
    DRAE__EXIT_DONE = 0,
    DRAE__EXIT_OTHER = 1,
    DRAE__EXIT_USAGE = 2,
    DRAE__EXIT_FILE = 3,
    DRAE__EXIT_DEVICE = 4,
    DRAE__EXIT_INTERRUPTED = 5
};

/* One option of a subcommand. Options are long ("--strips N", "--strips=N"), some with a short twin
 * ("-o FILE"). */
typedef enum drae__option_kind {
    DRAE__OPTION_FLAG,   /* bool *      */
    DRAE__OPTION_INT,    /* long *      within lo..hi */
    DRAE__OPTION_U64,    /* uint64_t *  (seeds) */
    DRAE__OPTION_NUMBER, /* double *    within lo..hi */
    DRAE__OPTION_TEXT,   /* const char ** */
    DRAE__OPTION_LIST    /* drae__text_list *: may be given several times; each may name several
                            values until the next option ("--data a.h5 b.h5") */
} drae__option_kind;

typedef struct drae__text_list {
    const char **items; /* filled by the parser; points into argv */
    size_t n;
} drae__text_list;

typedef struct drae__option {
    const char *name; /* "strips" */
    char letter;      /* 'o', or 0 */
    drae__option_kind kind;
    void *value;          /* holds the default before parsing */
    double lo, hi;        /* bounds for INT and NUMBER, inclusive */
    const char *choices;  /* for TEXT: "cpu|cuda", or NULL for anything */
    const char *argument; /* "N", "FILE" */
    const char *help;     /* one line */
    bool given;           /* set by the parser */
} drae__option;

/* Rows of a table of options. letter: 'o', or 0. */
#define DRAE__FLAG(name_, letter_, value_, help_)                                                  \
    { .name = name_, .letter = letter_, .kind = DRAE__OPTION_FLAG, .value = value_, .help = help_ }
#define DRAE__INT(name_, value_, lo_, hi_, argument_, help_)                                       \
    {                                                                                              \
        .name = name_, .kind = DRAE__OPTION_INT, .value = value_, .lo = lo_, .hi = hi_,            \
        .argument = argument_, .help = help_                                                       \
    }
#define DRAE__U64(name_, value_, argument_, help_)                                                 \
    {                                                                                              \
        .name = name_, .kind = DRAE__OPTION_U64, .value = value_, .argument = argument_,           \
        .help = help_                                                                              \
    }
#define DRAE__NUMBER(name_, value_, lo_, hi_, argument_, help_)                                    \
    {                                                                                              \
        .name = name_, .kind = DRAE__OPTION_NUMBER, .value = value_, .lo = lo_, .hi = hi_,         \
        .argument = argument_, .help = help_                                                       \
    }
#define DRAE__TEXT(name_, letter_, value_, argument_, help_)                                       \
    {                                                                                              \
        .name = name_, .letter = letter_, .kind = DRAE__OPTION_TEXT, .value = value_,              \
        .argument = argument_, .help = help_                                                       \
    }
#define DRAE__CHOICE(name_, value_, choices_, help_)                                               \
    {                                                                                              \
        .name = name_, .kind = DRAE__OPTION_TEXT, .value = value_, .choices = choices_,            \
        .help = help_                                                                              \
    }
#define DRAE__LIST(name_, value_, argument_, help_)                                                \
    {                                                                                              \
        .name = name_, .kind = DRAE__OPTION_LIST, .value = value_, .argument = argument_,          \
        .help = help_                                                                              \
    }

typedef struct drae__command {
    const char *name;
    const char *summary;               /* one line for `drae` alone */
    const char *usage;                 /* "drae synth -o kit.h5 [options]" */
    const char *description;           /* a paragraph */
    const char *examples;              /* lines, each a command with what it does */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand; returns the exit status */
} drae__command;

/* Parses argv against options[n]. Positional arguments are collected in rest (may be NULL: then
 * they are refused). Returns -1 to go on, else the exit status to return (0 after --help, 2 after
 * bad usage, with its one line on standard error). */
int drae__cli_parse(const drae__command *command, drae__option *options, size_t n, int argc,
                    char **argv, drae__text_list *rest);
void drae__cli_free_list(drae__text_list *list);

/* Whether an option was given on the command line, by name. */
bool drae__cli_given(const drae__option *options, size_t n, const char *name);

/* --vote K/N: K of N runs of a product must agree, K a majority of N, N no less than the runs that
 * the data has. ERROR_ARGUMENT, and the results untouched, for anything else. */
drae_status drae__cli_vote(const char *text, size_t n_runs, int *needed, int *runs, drae__err *err);

/* folder/name. ERROR_ARGUMENT where path cannot hold it. */
drae_status drae__cli_join(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                           drae__err *err);

/* A file that is there, or a folder that holds anything, is refused with ERROR_ARGUMENT and a line
 * that names --force, unless force. Hidden files do not count. */
drae_status drae__cli_spare_file(const char *path, bool force, drae__err *err);
drae_status drae__cli_spare_folder(const char *path, bool force, drae__err *err);

/* Prints "drae <command>: <message>" on standard error and returns the exit status of status. */
int drae__cli_error(const drae__command *command, drae_status status, const drae__err *err);
/* The exit status of finished work: that of an error, or 0. */
int drae__cli_done(const drae__command *command, drae_status status, const drae__err *err);
/*
 * The main of a command: parses, asks check(command, context) for a usage error (-1: none), catches
 * signals, then work(context, err); frees every list of the options. Returns the exit status.
 */
int drae__cli_run(const drae__command *command, drae__option *options, size_t n, int argc,
                  char **argv, int (*check)(const drae__command *, void *),
                  drae_status (*work)(void *, drae__err *), void *context);
/* The error of an engine that could not be opened, text from the library; says what the file is
 * where it is no engine. */
drae_status drae__cli_engine_error(drae_status status, const char *path, const char *text,
                                   drae__err *err);
int drae__cli_usage_error(const drae__command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The flag that SIGINT and SIGTERM set: long work polls it and returns ERROR_INTERRUPTED. */
extern volatile int drae__interrupted;
void drae__cli_catch_signals(void);

/* The table, one line a subcommand; cli/<name>.c defines each. */
extern const drae__command drae__command_synth, drae__command_import, drae__command_info,
    drae__command_train, drae__command_calibrate, drae__command_compile, drae__command_inspect,
    drae__command_bench, drae__command_eval, drae__command_knapp, drae__command_drift;

#endif
