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

#define BINS 400 /* points of a curve at most */

/* Narrow, with large type: a phone shows it whole at two thirds of its size. */
#define PAGE_W   600.0
#define LEFT     80.0
#define PLOT_W   (PAGE_W - LEFT - 28.0)
#define PAGE_TOP 58.0 /* title and what a point is */
#define HEAD     48.0 /* of a panel: its title, its legend */
#define FOOT     30.0 /* of a panel: the ticks */
#define PAGE_END 26.0 /* the name of the axis that all share */
#define SIZE     15.0 /* of the type */

/* Colours of Okabe and Ito, told apart by colour-blind readers too. */
static const struct {
    const char *field, *name, *color;
    int panel;
    bool dots; /* few and far between: validation */
} series_table[] = {
    {"con", "training", "#0072b2", 0, false},
    {"val_con", "validation", "#d55e00", 0, true},
    {"gen", "L_gen", "#000000", 1, false},
    {"adv", "L_adv", "#cc79a7", 1, false},
    {"enc", "L_enc", "#009e73", 1, false},
    {"nse", "L_nse", "#e69f00", 1, false},
    {"disc", "L_disc", "#56b4e9", 1, false},
    {"lr", "Adam's learning rate", "#0072b2", 2, false},
    {"grad_norm", "before clipping", "#666666", 3, false},
};
#define SERIES (sizeof series_table / sizeof series_table[0])

static const struct {
    const char *title;
    const char *axis; /* what is measured; losses and norms have no unit */
    double height;
} panels[] = {
    {"Reconstruction loss L_con (Huber and 1 - SSIM)", "L_con", 190.0},
    {"Other losses, unweighted; L_gen is the weighted sum", "loss", 190.0},
    {"Learning rate", "rate a step", 110.0},
    {"Gradient norm, generator and second encoder", "norm", 110.0},
};
#define PANELS ((int)(sizeof panels / sizeof panels[0]))

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

/* The upper edge of a panel's plot; of one behind the last: where the panels end, and a head. */
static double panel_top(int panel) {
    double y = PAGE_TOP + HEAD;
    for (int i = 0; i < panel; i++) {
        y += panels[i].height + FOOT + HEAD;
    }
    return y;
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
    double top = panel_top(panel);
    double room = fmax(0.04 * (hi - lo), 0.05);
    return (axis){.lo = lo - room, .hi = hi + room, .from = top + panels[panel].height, .to = top};
}

/* What a point of the curves stands for: the longest curve tells. */
static size_t steps_a_point(const series all[SERIES]) {
    size_t n = 0;
    for (size_t i = 0; i < SERIES; i++) {
        n = all[i].n > n ? all[i].n : n;
    }
    return (n + BINS - 1) / BINS;
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

/* At most seven ticks: 1, 2 or 5 times a power of ten. */
static void draw_step_ticks(FILE *out, const axis *x, double top, double height) {
    double unit = pow(10.0, floor(log10(x->hi)));
    unit = x->hi / unit < 2.0 ? unit / 5.0 : x->hi / unit < 5.0 ? unit / 2.0 : unit;
    unit = x->hi / unit > 7.0 ? 2.0 * unit : unit;
    unit = fmax(unit, 1.0);
    int last = (int)(x->hi * (1.0 + 1e-9) / unit); /* a handful */
    for (int k = 0; k <= last; k++) {
        double v = k * unit, at = place(x, v);
        fprintf(out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                "<text text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%.0f</text>\n",
                at, top, at, top + height, at, top + height + SIZE + 3.0, v);
    }
}

/* Whether a digit of a decade of `room` pixels has a label: as many as do not touch each other. */
static bool has_label(int digit, int decade, double room) {
    if (room < 1.3 * SIZE) {
        int every = (int)ceil(1.3 * SIZE / room);
        return digit == 1 && decade % every == 0;
    }
    return digit == 1 || room > 30.0 * SIZE || (room > 5.0 * SIZE && (digit == 2 || digit == 5)) ||
           (room > 10.0 * SIZE && (digit == 3 || digit == 7));
}

/* Lines at all nine digits of a decade where there are few decades. */
static void draw_value_ticks(FILE *out, const axis *y) {
    double decades = y->hi - y->lo;
    double room = (y->from - y->to) / decades;
    for (int decade = (int)floor(y->lo); decade <= (int)ceil(y->hi); decade++) {
        for (int digit = 1; digit <= 9; digit++) {
            double at_decade = decade + log10((double)digit);
            bool label = has_label(digit, decade, room);
            if (at_decade < y->lo || at_decade > y->hi || (!label && decades > 4.0)) {
                continue;
            }
            double at = place(y, at_decade);
            fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                    label ? "grid" : "faint", LEFT, at, LEFT + PLOT_W, at);
            if (label) {
                fprintf(out, "<text text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%g</text>\n",
                        LEFT - 6.0, at + 0.35 * SIZE, digit * pow(10.0, decade));
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

/* A line of the series' colour and its name, each after the other. */
static void draw_legend(FILE *out, const series all[SERIES], int panel, double y) {
    double x = LEFT;
    for (size_t i = 0; i < SERIES; i++) {
        if (series_table[i].panel != panel || all[i].n == 0) {
            continue;
        }
        fprintf(out,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                "stroke-width=\"4\"/><text x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                x, y, x + 20.0, y, series_table[i].color, x + 26.0, y + 0.35 * SIZE,
                series_table[i].name);
        x += 44.0 + 0.56 * SIZE * (double)strlen(series_table[i].name);
    }
    if (x == LEFT) {
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">not part of this run</text>\n", LEFT,
                y + 0.35 * SIZE);
    }
}

static void draw_panel(FILE *out, const series all[SERIES], int panel, const axis *x) {
    double top = panel_top(panel);
    double height = panels[panel].height;
    axis y = value_axis(all, panel);
    fprintf(out, "<text class=\"head\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", LEFT, top - 28.0,
            panels[panel].title);
    draw_legend(out, all, panel, top - 11.0);
    draw_step_ticks(out, x, top, height);
    draw_value_ticks(out, &y);
    for (size_t i = 0; i < SERIES; i++) {
        if (series_table[i].panel == panel && all[i].n > 0) {
            draw_series(out, &all[i], i, x, &y);
        }
    }
    fprintf(out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
            "stroke=\"#444\"/>\n",
            LEFT, top, PLOT_W, height);
    fprintf(out,
            "<text text-anchor=\"middle\" transform=\"translate(%.1f %.1f) "
            "rotate(-90)\">%s</text>\n",
            SIZE, top + height / 2.0, panels[panel].axis);
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
        double height = panel_top(PANELS) - HEAD + PAGE_END;
        size_t points = steps_a_point(all);
        fprintf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                "viewBox=\"0 0 %.0f %.0f\" style=\"max-width:100%%;height:auto\" role=\"img\" "
                "aria-label=\"training curves\">\n<style>text{font-family:sans-serif;"
                "font-size:%.0fpx;fill:#222}.head{font-weight:bold}.title{font-weight:bold;"
                "font-size:19px}.grid{stroke:#ccc;stroke-width:0.8}"
                ".faint{stroke:#eee;stroke-width:0.8}</style>\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                "<text class=\"title\" x=\"%.1f\" y=\"26\">Training of ",
                PAGE_W, height, PAGE_W, height, SIZE, LEFT);
        print_escaped(out, title);
        fprintf(out, "</text>\n<text x=\"%.1f\" y=\"48\">logarithmic scales", LEFT);
        if (points > 1) {
            fprintf(out, "; a point is the mean of about %zu steps", points);
        }
        fprintf(out, "</text>\n");
        for (size_t i = 0; i < SERIES; i++) {
            thin_out(&all[i]);
        }
        axis x = step_axis(all);
        for (int panel = 0; panel < PANELS; panel++) {
            draw_panel(out, all, panel, &x);
        }
        fprintf(out,
                "<text text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">step (one update of the "
                "weights)</text>\n</svg>\n",
                LEFT + PLOT_W / 2.0, height - 10.0);
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
