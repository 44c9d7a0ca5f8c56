/* SPDX-License-Identifier: Apache-2.0 */
#include "io/curves.h"

#include "base/file.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PANELS     3
#define BINS       400 /* points of a curve at most */
#define LEFT       78.0
#define TOP        56.0
#define PLOT_W     720.0
#define PLOT_H     200.0
#define PANEL_STEP 262.0
#define PAGE_W     930.0
#define PAGE_H     (TOP + PANELS * PANEL_STEP + 20.0)

/* Colours of Okabe and Ito, told apart by colour-blind readers too. */
static const struct {
    const char *field, *name, *color;
    int panel;
    bool dots; /* few and far between: validation */
} series_table[] = {
    {"con", "L_con", "#0072b2", 0, false},
    {"val_con", "L_con validation", "#d55e00", 0, true},
    {"gen", "L_gen", "#000000", 1, false},
    {"adv", "L_adv", "#cc79a7", 1, false},
    {"enc", "L_enc", "#009e73", 1, false},
    {"nse", "L_nse", "#e69f00", 1, false},
    {"disc", "L_disc", "#56b4e9", 1, false},
    {"lr", "learning rate", "#0072b2", 2, false},
    {"grad_norm", "gradient norm", "#999999", 2, false},
};
#define SERIES (sizeof series_table / sizeof series_table[0])

static const char *const panel_titles[PANELS] = {"reconstruction", "losses, unweighted but L_gen",
                                                 "learning rate, gradient norm"};

typedef struct series {
    double *step, *value;
    size_t n, capacity;
} series;

static bool push(series *s, double step, double value) {
    if (s->n == s->capacity) {
        size_t capacity = s->capacity == 0 ? 1024 : 2 * s->capacity;
        double *steps = realloc(s->step, capacity * sizeof *steps);
        if (steps != NULL) {
            s->step = steps;
        }
        double *values = realloc(s->value, capacity * sizeof *values);
        if (values != NULL) {
            s->value = values;
        }
        if (steps == NULL || values == NULL) {
            return false;
        }
        s->capacity = capacity;
    }
    s->step[s->n] = step;
    s->value[s->n++] = value;
    return true;
}

static drae_status read_log(const char *path, series all[SERIES], drae__err *err) {
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s", path, strerror(errno));
    }
    drae_status status = DRAE_OK;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while (status == DRAE_OK && (length = getline(&line, &room, in)) >= 0) {
        json_t *object = json_loadb(line, (size_t)length, 0, NULL);
        const json_t *step = json_object_get(object, "step");
        for (size_t i = 0; json_is_integer(step) && i < SERIES; i++) {
            const json_t *value = json_object_get(object, series_table[i].field);
            double number = json_is_number(value) ? json_number_value(value) : 0.0;
            if (number > 0.0 && !push(&all[i], (double)json_integer_value(step), number)) {
                status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for the curves", path);
            }
        }
        json_decref(object);
    }
    free(line);
    (void)fclose(in);
    return status;
}

/* Means of at most BINS runs of neighbours, in place. */
static void thin_out(series *s) {
    if (s->n <= BINS) {
        return;
    }
    for (size_t k = 0; k < BINS; k++) {
        size_t begin = k * s->n / BINS, end = (k + 1) * s->n / BINS;
        double step = 0.0, value = 0.0;
        for (size_t i = begin; i < end; i++) {
            step += s->step[i];
            value += s->value[i];
        }
        s->step[k] = step / (double)(end - begin);
        s->value[k] = value / (double)(end - begin);
    }
    s->n = BINS;
}

typedef struct axis {
    double lo, hi; /* decades for y, steps for x */
    double from, to;
} axis;

static double place(const axis *a, double value) {
    return a->from + (value - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

/* The decades around all values of a panel. */
static axis value_axis(const series all[SERIES], int panel) {
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < SERIES; i++) {
        for (size_t k = 0; series_table[i].panel == panel && k < all[i].n; k++) {
            lo = fmin(lo, log10(all[i].value[k]));
            hi = fmax(hi, log10(all[i].value[k]));
        }
    }
    if (!(lo <= hi)) {
        lo = -1.0;
        hi = 0.0;
    }
    double top = TOP + panel * PANEL_STEP;
    double room = fmax(0.04 * (hi - lo), 0.05);
    return (axis){.lo = lo - room, .hi = hi + room, .from = top + PLOT_H, .to = top};
}

static axis step_axis(const series all[SERIES]) {
    double hi = 1.0;
    for (size_t i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < all[i].n; k++) {
            hi = fmax(hi, all[i].step[k]);
        }
    }
    return (axis){.lo = 0.0, .hi = hi, .from = LEFT, .to = LEFT + PLOT_W};
}

static void draw_step_ticks(FILE *out, const axis *x, double top) {
    double unit = pow(10.0, floor(log10(x->hi)));
    unit = x->hi / unit < 2.0 ? unit / 5.0 : x->hi / unit < 5.0 ? unit / 2.0 : unit;
    unit = fmax(unit, 1.0);
    int last = (int)(x->hi * (1.0 + 1e-9) / unit); /* a handful */
    for (int k = 0; k <= last; k++) {
        double v = k * unit, at = place(x, v);
        fprintf(out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%.0f</text>\n",
                at, top, at, top + PLOT_H, at, top + PLOT_H + 15.0, v);
    }
}

/* Labels at 1, and at 2 and 5 where there are few decades; lines at all nine of a decade. */
static void draw_value_ticks(FILE *out, const axis *y) {
    double decades = y->hi - y->lo;
    for (int decade = (int)floor(y->lo); decade <= (int)ceil(y->hi); decade++) {
        for (int digit = 1; digit <= 9; digit++) {
            double at_decade = decade + log10((double)digit);
            bool label =
                digit == 1 || (decades < 3.0 && (digit == 2 || digit == 5)) || decades < 1.2;
            if (at_decade < y->lo || at_decade > y->hi || (!label && decades > 4.0)) {
                continue;
            }
            double at = place(y, at_decade);
            fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                    label ? "grid" : "faint", LEFT, at, LEFT + PLOT_W, at);
            if (label) {
                fprintf(
                    out,
                    "<text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%g</text>\n",
                    LEFT - 6.0, at + 4.0, digit * pow(10.0, decade));
            }
        }
    }
}

static void draw_series(FILE *out, const series *s, size_t i, const axis *x, const axis *y) {
    const char *color = series_table[i].color;
    if (s->n > 1) {
        fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", color);
        for (size_t k = 0; k < s->n; k++) {
            fprintf(out, "%.1f,%.1f ", place(x, s->step[k]), place(y, log10(s->value[k])));
        }
        fprintf(out, "\"/>\n");
    }
    for (size_t k = 0; (series_table[i].dots || s->n == 1) && k < s->n; k++) {
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                place(x, s->step[k]), place(y, log10(s->value[k])), color);
    }
}

static void draw_panel(FILE *out, const series all[SERIES], int panel, const axis *x) {
    double top = TOP + panel * PANEL_STEP;
    axis y = value_axis(all, panel);
    fprintf(out, "<text class=\"head\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", LEFT, top - 8.0,
            panel_titles[panel]);
    draw_step_ticks(out, x, top);
    draw_value_ticks(out, &y);
    double row = top + 10.0;
    for (size_t i = 0; i < SERIES; i++) {
        if (series_table[i].panel != panel || all[i].n == 0) {
            continue;
        }
        draw_series(out, &all[i], i, x, &y);
        fprintf(out,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                "stroke-width=\"3\"/><text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                LEFT + PLOT_W + 12.0, row, LEFT + PLOT_W + 30.0, row, series_table[i].color,
                LEFT + PLOT_W + 35.0, row + 4.0, series_table[i].name);
        row += 18.0;
    }
    fprintf(out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
            "stroke=\"#444\"/>\n",
            LEFT, top, PLOT_W, PLOT_H);
    fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">step</text>\n",
            LEFT + PLOT_W / 2.0, top + PLOT_H + 30.0);
}

static void print_escaped(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '&' || *text == '>') {
            fprintf(out, "&#%d;", *text);
        } else {
            (void)fputc(*text, out);
        }
    }
}

drae_status drae__curves_write(const char *log_path, const char *svg_path, const char *title,
                               drae__err *err) {
    series all[SERIES];
    memset(all, 0, sizeof all);
    char *text = NULL;
    size_t n_bytes = 0;
    drae_status status = read_log(log_path, all, err);
    FILE *out = status == DRAE_OK ? open_memstream(&text, &n_bytes) : NULL;
    if (status == DRAE_OK && out == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for the picture", svg_path);
    }
    if (status == DRAE_OK) {
        fprintf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                "viewBox=\"0 0 %.0f %.0f\">\n<style>text{font-family:sans-serif;fill:#222}"
                ".tick{font-size:11px}.head{font-size:13px;font-weight:bold}"
                ".grid{stroke:#ccc;stroke-width:0.6}.faint{stroke:#eee;stroke-width:0.6}</style>\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                "<text class=\"head\" x=\"%.1f\" y=\"22\">",
                PAGE_W, PAGE_H, PAGE_W, PAGE_H, LEFT);
        print_escaped(out, title);
        fprintf(out, "</text>\n");
        for (size_t i = 0; i < SERIES; i++) {
            thin_out(&all[i]);
        }
        axis x = step_axis(all);
        for (int panel = 0; panel < PANELS; panel++) {
            draw_panel(out, all, panel, &x);
        }
        fprintf(out, "</svg>\n");
        if (fclose(out) != 0) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for the picture", svg_path);
        } else {
            status = drae__file_write(svg_path, text, n_bytes, err);
        }
    }
    free(text);
    for (size_t i = 0; i < SERIES; i++) {
        free(all[i].step);
        free(all[i].value);
    }
    return status;
}
