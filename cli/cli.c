/* SPDX-License-Identifier: Apache-2.0 */
/* Option parsing, help pages and exit statuses for all subcommands. */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUNS_MAX 4096 /* of a vote */

volatile int drae__interrupted = 0;

static void on_signal(int number) {
    (void)number;
    drae__interrupted = 1;
}

void drae__cli_catch_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    /* One chance to save; a second Ctrl-C ends the process the hard way. */
    action.sa_flags = (int)SA_RESETHAND;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* A full disk or a closed pipe is reported by write(), not by a signal. */
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    (void)sigaction(SIGXFSZ, &action, NULL);
    (void)sigaction(SIGPIPE, &action, NULL);
}

static int exit_status(drae_status status) {
    switch (status) {
    case DRAE_OK:
        return DRAE__EXIT_DONE;
    case DRAE_ERROR_ARGUMENT:
        return DRAE__EXIT_USAGE;
    case DRAE_ERROR_FILE:
    case DRAE_ERROR_NO_PART:
        return DRAE__EXIT_FILE;
    case DRAE_ERROR_DEVICE:
    case DRAE_ERROR_PARITY:
        return DRAE__EXIT_DEVICE;
    case DRAE_ERROR_INTERRUPTED:
        return DRAE__EXIT_INTERRUPTED;
    case DRAE_ERROR_INTERNAL:
    case DRAE_ERROR_MEMORY:
    case DRAE_ERROR_IO:
    case DRAE_ERROR_NOT_FINITE:
    case DRAE_ERROR_UNSUPPORTED:
    case DRAE_ERROR_BUSY:
        break;
    }
    return DRAE__EXIT_OTHER;
}

int drae__cli_error(const drae__command *command, drae_status status, const drae__err *err) {
    const char *text = err != NULL && err->text[0] != '\0' ? err->text : drae_status_text(status);
    (void)fflush(stdout);
    fprintf(stderr, "drae %s: %s\n", command->name, text);
    return exit_status(status);
}

int drae__cli_done(const drae__command *command, drae_status status, const drae__err *err) {
    return status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(command, status, err);
}

drae_status drae__cli_spare_file(const char *path, bool force, drae__err *err) {
    struct stat info;
    if (!force && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: is there already; --force replaces it",
                          path);
    }
    return DRAE_OK;
}

drae_status drae__cli_spare_folder(const char *path, bool force, drae__err *err) {
    DIR *entries = force ? NULL : opendir(path);
    bool empty = true;
    for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        empty = empty && entry->d_name[0] == '.';
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
    return empty ? DRAE_OK
                 : drae__fail(err, DRAE_ERROR_ARGUMENT,
                              "%s: holds files; choose another folder, or --force to write among "
                              "them",
                              path);
}

int drae__cli_run(const drae__command *command, drae__option *options, size_t n, int argc,
                  char **argv, int (*check)(const drae__command *, void *),
                  drae_status (*work)(void *, drae__err *), void *context) {
    drae__err err = {{0}};
    int code = drae__cli_parse(command, options, n, argc, argv, NULL);
    code = code < 0 ? check(command, context) : code;
    if (code < 0) {
        drae__cli_catch_signals();
        code = drae__cli_done(command, work(context, &err), &err);
    }
    for (size_t i = 0; i < n; i++) {
        if (options[i].kind == DRAE__OPTION_LIST) {
            drae__cli_free_list(options[i].value);
        }
    }
    return code;
}

int drae__cli_usage_error(const drae__command *command, const char *format, ...) {
    drae__err err;
    char text[DRAE__ERR_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    drae_status status =
        drae__fail(&err, DRAE_ERROR_ARGUMENT, "%s (drae %s --help)", text, command->name);
    return drae__cli_error(command, status, &err);
}

/* ---- help ---- */

static void print_default(const drae__option *o) {
    switch (o->kind) {
    case DRAE__OPTION_INT:
        printf(" [%ld]", *(const long *)o->value);
        break;
    case DRAE__OPTION_U64:
        printf(" [%llu]", (unsigned long long)*(const uint64_t *)o->value);
        break;
    case DRAE__OPTION_NUMBER:
        printf(" [%g]", *(const double *)o->value);
        break;
    case DRAE__OPTION_TEXT:
        if (*(const char *const *)o->value != NULL) {
            printf(" [%s]", *(const char *const *)o->value);
        }
        break;
    case DRAE__OPTION_FLAG:
    case DRAE__OPTION_LIST:
        break;
    }
}

static void print_help(const drae__command *command, const drae__option *options, size_t n) {
    printf("drae %s: %s\n\nusage: %s\n\n%s\n\noptions:\n", command->name, command->summary,
           command->usage, command->description);
    for (size_t i = 0; i < n; i++) {
        const drae__option *o = &options[i];
        char left[64];
        const char *argument = o->choices != NULL ? o->choices : o->argument;
        (void)snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter != 0 ? '-' : ' ',
                       o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "  ", o->name,
                       argument != NULL ? " " : "", argument != NULL ? argument : "");
        /* What is too long for its column has a line of its own. */
        if (strlen(left) > 30) {
            printf("  %s\n", left);
            left[0] = '\0';
        }
        printf("  %-30s %s", left, o->help);
        print_default(o);
        printf("\n");
    }
    printf("  %-30s %s\n\nexamples:\n%s\n", "-h, --help", "this page", command->examples);
}

/* ---- parsing ---- */

static bool push(drae__text_list *list, const char *text) {
    const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    list->items[list->n++] = text;
    return true;
}

void drae__cli_free_list(drae__text_list *list) {
    free(list->items);
    list->items = NULL;
    list->n = 0;
}

static drae__option *find(drae__option *options, size_t n, const char *name, size_t length,
                          char letter) {
    for (size_t i = 0; i < n; i++) {
        bool by_name = name != NULL && strlen(options[i].name) == length &&
                       memcmp(options[i].name, name, length) == 0;
        if (by_name || (letter != 0 && options[i].letter == letter)) {
            return &options[i];
        }
    }
    return NULL;
}

static bool is_choice(const char *choices, const char *text) {
    size_t length = strlen(text);
    for (const char *c = choices; length > 0 && c != NULL; c = strchr(c, '|')) {
        c += *c == '|';
        if (strncmp(c, text, length) == 0 && (c[length] == '|' || c[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* Returns NULL when text was taken, else what is wrong with it. */
static const char *set_value(drae__option *o, const char *text, char *why, size_t why_bytes) {
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case DRAE__OPTION_INT: {
        long value = strtol(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || (double)value < o->lo ||
            (double)value > o->hi) {
            (void)snprintf(why, why_bytes, "must be a whole number from %.0f to %.0f", o->lo,
                           o->hi);
            return why;
        }
        *(long *)o->value = value;
        return NULL;
    }
    case DRAE__OPTION_U64: {
        unsigned long long value = strtoull(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || strchr(text, '-') != NULL) {
            return "must be a whole number from 0 to 2^64 - 1";
        }
        *(uint64_t *)o->value = value;
        return NULL;
    }
    case DRAE__OPTION_NUMBER: {
        double value = strtod(text, &end);
        if (errno != 0 || end == text || *end != '\0' || !(value >= o->lo && value <= o->hi)) {
            (void)snprintf(why, why_bytes, "must be a number from %g to %g", o->lo, o->hi);
            return why;
        }
        *(double *)o->value = value;
        return NULL;
    }
    case DRAE__OPTION_TEXT:
        if (o->choices != NULL && !is_choice(o->choices, text)) {
            (void)snprintf(why, why_bytes, "must be one of %s", o->choices);
            return why;
        }
        if (text[0] == '\0') {
            return "must not be empty";
        }
        *(const char **)o->value = text;
        return NULL;
    case DRAE__OPTION_LIST:
        return push(o->value, text) ? NULL : "no memory";
    case DRAE__OPTION_FLAG:
        break;
    }
    return "takes no value";
}

int drae__cli_parse(const drae__command *command, drae__option *options, size_t n, int argc,
                    char **argv, drae__text_list *rest) {
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            print_help(command, options, n);
            return DRAE__EXIT_DONE;
        }
        if (arg[0] != '-' || arg[1] == '\0') {
            if (rest == NULL) {
                return drae__cli_usage_error(command, "unexpected argument '%.80s'", arg);
            }
            if (!push(rest, arg)) {
                return drae__cli_usage_error(command, "no memory");
            }
            continue;
        }
        bool is_long = arg[1] == '-';
        const char *equals = is_long ? strchr(arg, '=') : NULL;
        size_t length = !is_long         ? 0
                        : equals != NULL ? (size_t)(equals - arg - 2)
                                         : strlen(arg) - 2;
        drae__option *o = is_long          ? find(options, n, arg + 2, length, 0)
                          : arg[2] == '\0' ? find(options, n, NULL, 0, arg[1])
                                           : NULL;
        if (o == NULL) {
            return drae__cli_usage_error(command, "unknown option '%.80s'", arg);
        }
        o->given = true;
        if (o->kind == DRAE__OPTION_FLAG) {
            if (equals != NULL) {
                return drae__cli_usage_error(command, "--%s takes no value", o->name);
            }
            *(bool *)o->value = true;
            continue;
        }
        const char *value = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (value == NULL) {
            return drae__cli_usage_error(command, "--%s needs a value", o->name);
        }
        for (;;) {
            char why[128];
            const char *wrong = set_value(o, value, why, sizeof why);
            if (wrong != NULL) {
                return drae__cli_usage_error(command, "--%s %.80s: %s", o->name, value, wrong);
            }
            if (o->kind != DRAE__OPTION_LIST || i + 1 >= argc || argv[i + 1][0] == '-') {
                break;
            }
            value = argv[++i];
        }
    }
    return -1;
}

bool drae__cli_given(const drae__option *options, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return options[i].given;
        }
    }
    return false;
}

drae_status drae__cli_engine_error(drae_status status, const char *path, const char *text,
                                   drae__err *err) {
    bool other = strstr(text, "not an engine file") != NULL;
    const char *hint = other ? drae__file_hint(path) : NULL;
    return drae__fail(err, status, "%s%s%s", text[0] != '\0' ? text : drae_status_text(status),
                      hint != NULL ? ": " : "", hint != NULL ? hint : "");
}

drae_status drae__cli_join(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                           drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s", folder, name);
    return n >= 0 && n < DRAE__PATH_BYTES
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", folder);
}

drae_status drae__cli_vote(const char *text, size_t n_runs, int *needed, int *runs,
                           drae__err *err) {
    char *slash = NULL;
    char *end = NULL;
    long k = strtol(text, &slash, 10);
    long n = *slash == '/' ? strtol(slash + 1, &end, 10) : 0;
    if (n < 1 || n > RUNS_MAX || *end != '\0' || k > n || k <= n / 2) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "--vote %s: write K/N, K a majority of N, such as 7/10", text);
    }
    if (n_runs > (size_t)n) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "--vote %s: a product of the data has %zu runs",
                          text, n_runs);
    }
    *needed = (int)k;
    *runs = (int)n;
    return DRAE_OK;
}
