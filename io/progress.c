/* SPDX-License-Identifier: Apache-2.0 */
#include "io/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_PERIOD_S 0.1
#define LOG_PERIOD_S      10.0
#define BAR_CELLS         24
#define LINE_BYTES        400

double drae__clock_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void drae__progress_begin(drae__progress *progress, const char *what, size_t total, bool quiet) {
    memset(progress, 0, sizeof *progress);
    progress->what = what;
    progress->total = total;
    progress->start_s = drae__clock_s();
    progress->last_s = progress->start_s;
    progress->terminal = isatty(STDOUT_FILENO) != 0;
    progress->quiet = quiet;
}

/* "1:02:03" or "2:03". */
static void format_time(double seconds, char *text, size_t n) {
    long s = seconds < 0.0 ? 0 : seconds > 3.6e8 ? 360000000L : (long)(seconds + 0.5);
    if (s >= 3600) {
        (void)snprintf(text, n, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        (void)snprintf(text, n, "%ld:%02ld", s / 60, s % 60);
    }
}

/* Three digits that mean something: "0.85", "12.3", "1240". */
static void format_rate(double rate, char *text, size_t n) {
    (void)snprintf(text, n, rate < 10.0 ? "%.2f" : rate < 100.0 ? "%.1f" : "%.0f", rate);
}

static int terminal_columns(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) {
        return 80;
    }
    return size.ws_col < LINE_BYTES ? size.ws_col : LINE_BYTES - 1;
}

/* Overwrites the line that stands on the terminal. */
static void show_line(drae__progress *progress, char *line) {
    int columns = terminal_columns() - 1;
    if ((int)strlen(line) > columns) {
        line[columns] = '\0';
    }
    int width = (int)strlen(line);
    int clear = progress->width > width ? progress->width - width : 0;
    (void)printf("\r%s%*s", line, clear, "");
    (void)fflush(stdout);
    progress->width = width;
}

void drae__progress_update(drae__progress *progress, size_t done, const char *note) {
    double now = drae__clock_s();
    double period = progress->terminal ? TERMINAL_PERIOD_S : LOG_PERIOD_S;
    if (progress->quiet || now - progress->last_s < period) {
        return;
    }
    progress->last_s = now;
    char line[LINE_BYTES];
    char rate[32];
    char left[32] = "";
    double elapsed = now - progress->start_s;
    double per_second = elapsed > 0.0 ? (double)done / elapsed : 0.0;
    format_rate(per_second, rate, sizeof rate);
    const char *gap = note == NULL || note[0] == '\0' ? "" : "  ";
    note = note == NULL ? "" : note;
    double limit = progress->limit_s > 0.0 ? progress->limit_s : HUGE_VAL;
    if (progress->total == 0) {
        format_time(elapsed, left, sizeof left);
        (void)snprintf(line, sizeof line, "%zu %s  %s/s  %s%s%s", done, progress->what, rate, left,
                       gap, note);
    } else {
        size_t shown = done < progress->total ? done : progress->total;
        double part = fmax((double)shown / (double)progress->total, fmin(elapsed / limit, 1.0));
        if (per_second > 0.0) {
            double to_do = (double)(progress->total - shown) / per_second;
            format_time(fmin(to_do, fmax(limit - elapsed, 0.0)), left, sizeof left);
        }
        char bar[BAR_CELLS + 3] = "";
        if (progress->terminal) {
            int full = (int)(part * BAR_CELLS);
            bar[0] = '[';
            memset(bar + 1, '#', (size_t)full);
            memset(bar + 1 + full, '.', (size_t)(BAR_CELLS - full));
            bar[BAR_CELLS + 1] = ']';
        }
        (void)snprintf(line, sizeof line, "%s%s%3d %%  %zu/%zu %s  %s/s  %s left%s%s", bar,
                       bar[0] == '\0' ? "" : " ", (int)(part * 100.0), done, progress->total,
                       progress->what, rate, left[0] == '\0' ? "?" : left, gap, note);
    }
    if (progress->terminal) {
        show_line(progress, line);
    } else {
        (void)printf("%s\n", line);
        (void)fflush(stdout);
    }
}

void drae__progress_clear(drae__progress *progress) {
    if (progress->terminal && progress->width > 0) {
        (void)printf("\r%*s\r", progress->width, "");
        (void)fflush(stdout);
        progress->width = 0;
    }
}

void drae__progress_end(drae__progress *progress, size_t done) {
    if (progress->quiet) {
        return;
    }
    double elapsed = drae__clock_s() - progress->start_s;
    char rate[32];
    format_rate(elapsed > 0.0 ? (double)done / elapsed : 0.0, rate, sizeof rate);
    char line[LINE_BYTES];
    (void)snprintf(line, sizeof line, "%zu %s in %.1f s, %s/s", done, progress->what, elapsed,
                   rate);
    if (progress->terminal) {
        show_line(progress, line);
        (void)printf("\n");
    } else {
        (void)printf("%s\n", line);
    }
    (void)fflush(stdout);
    progress->width = 0;
}
