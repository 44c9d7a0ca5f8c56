/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of long work on standard output: a bar with rate and time left on a terminal, a plain
 * line every few seconds in a log, nothing when quiet. Never on standard error.
 */
#ifndef DRAE_IO_PROGRESS_H
#define DRAE_IO_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct drae__progress {
    const char *what; /* "patches" */
    size_t total;     /* 0 when unknown */
    double start_s;   /* monotonic */
    double last_s;    /* last time something was printed */
    double limit_s;   /* the work ends after so long at the latest; 0 (after begin): no limit */
    bool terminal;
    bool quiet;
    int width; /* columns used by the last bar */
} drae__progress;

void drae__progress_begin(drae__progress *progress, const char *what, size_t total, bool quiet);

/* done so far; note (may be NULL) is shown behind, e.g. "L_con 0.0123". Cheap: prints at most 10
 * times a second on a terminal, every 10 s in a log. */
void drae__progress_update(drae__progress *progress, size_t done, const char *note);

/* Takes the bar off the terminal, so that an error or a remark begins on a clean line; the next
 * update draws it again. Does nothing where no bar stands. Every error that ends long work passes
 * here before it is printed. */
void drae__progress_clear(drae__progress *progress);

/* Clears the bar and prints the closing line: total, seconds, rate. */
void drae__progress_end(drae__progress *progress, size_t done);

/* Seconds of a monotonic clock. */
double drae__clock_s(void);

#endif
