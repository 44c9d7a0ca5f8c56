/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plots of report.html: inline SVG, text as text, colours that the colour-blind tell apart
 * (blue is good, orange is defective), everything labelled at the thing itself.
 */
#include "io/plot.h"
#include "io/report_html.h"

#include "drae/line.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *drae__report_color(const drae__report *report, size_t score) {
    static const char *const colors[] = {"#1f4e8c", "#7a3e9d", "#1b8a5a", "#a0740b", "#b03a6f"};
    return report->scores[score].baseline ? "#8a8a8a"
                                          : colors[score % (sizeof colors / sizeof colors[0])];
}

/* "score, logarithmic: 120 good, 3 defective", the name of an axis. */
static void axis_name(char name[96], const char *what, double n_good, double n_bad, bool labelled) {
    if (labelled) {
        (void)snprintf(name, 96, "%s: %.0f good, %.0f defective", what, n_good, n_bad);
    } else {
        (void)snprintf(name, 96, "%s: %.0f patches", what, n_good);
    }
}

/* ---- ROC ---- */

/* The false-reject rate on a scale that shows what matters, below 1 %: cube root. */
static double spread(double rate) {
    return cbrt(rate);
}

void drae__report_plot_roc(drae__text_file *f, const drae__report *report, int r) {
    static const double ticks[] = {0.0, 0.001, 0.01, 0.05, 0.2, 0.5, 1.0};
    static const char *const labels[] = {"0", "0.1", "1", "5", "20", "50", "100"};
    char name[32];
    double key_y = drae__plot_y(0.0) - 10;
    const drae__score_figures *any = &report->scores[0].figures[r];
    char x_name[96];
    drae__report_region(report, report->regions[r], name);
    axis_name(x_name, "false rejects, %", (double)any->n_good, (double)any->n_defective, true);
    drae__plot_open(f, name, x_name, "detected, % of defective");
    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++) {
        drae__plot_tick_x(f, spread(ticks[i]), labels[i]);
    }
    drae__plot_tick_y(f, 0.0, "0");
    drae__plot_tick_y(f, 0.5, "50");
    drae__plot_tick_y(f, 1.0, "100");
    for (size_t s = report->n_scores; s-- > 0;) {
        const drae__report_score *score = &report->scores[s];
        const drae__score_figures *g = &score->figures[r];
        if (g->n_good == 0 || g->n_defective == 0) {
            continue;
        }
        drae__text_put(f, "<path d=\"");
        for (size_t i = 0; i < g->n_points; i++) {
            drae__text_print(
                f, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                drae__plot_x(spread((double)g->points[i].n_false_reject / (double)g->n_good)),
                drae__plot_y(1.0 - (double)g->points[i].n_missed / (double)g->n_defective));
        }
        drae__text_print(f, "\" class=\"li\" stroke=\"%s\"/>", drae__report_color(report, s));
        drae__text_print(
            f, "<text x=\"%d\" y=\"%.1f\" class=\"e\" style=\"fill:%s\">%s  AUROC %.4f</text>",
            DRAE__PLOT_WIDTH - DRAE__PLOT_RIGHT - 4, key_y, drae__report_color(report, s),
            score->name, g->auroc.value);
        key_y -= 16;
    }
    if (any->n_good == 0 || any->n_defective == 0) {
        drae__text_print(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"m\">no %s patch: no curve</text>",
                         drae__plot_x(0.5), drae__plot_y(0.5) - 8,
                         any->n_defective == 0 ? "defective" : "good");
    }
    const drae__level_figures *level = &report->verdicts->levels[r];
    if (level->n_good > 0 && level->n_bad > 0) {
        double x = drae__plot_x(spread(1.0 - level->tpr.exact.value));
        double y = drae__plot_y(level->tnr.exact.value);
        drae__text_print(f,
                         "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1f\" class=\"ci\"/>"
                         "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" class=\"op\"/>",
                         drae__plot_x(spread(1.0 - level->tpr.exact.high)), y,
                         drae__plot_x(spread(1.0 - level->tpr.exact.low)), x,
                         drae__plot_y(level->tnr.exact.low), drae__plot_y(level->tnr.exact.high), x,
                         y);
    }
    drae__plot_close(f);
}

/* ---- histograms ---- */

/* A class of fewer patches is drawn patch by patch: shares of it say nothing. */
enum { BINS = 48, EACH = 30 };

typedef struct histogram {
    double low, high; /* of the axis; logarithms */
    double good[BINS], bad[BINS];
    double n_good, n_bad;
} histogram;

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

static double axis(float value) {
    return log10(value > 1e-6f ? (double)value : 1e-6);
}

/* The axis runs from the lowest score to the highest, with the threshold in it. */
static bool fill(const drae__report *report, const drae__report_score *score, int region,
                 histogram *h) {
    float threshold = score->threshold[region];
    *h = (histogram){.low = INFINITY, .high = -INFINITY};
    float *values = calloc(report->n + 1, sizeof *values);
    size_t n = 0;
    for (size_t i = 0; values != NULL && i < report->n; i++) {
        if (report->records[i].region == region && isfinite(score->values[i])) {
            values[n++] = score->values[i];
        }
    }
    if (n == 0) {
        free(values);
        return false;
    }
    qsort(values, n, sizeof *values, compare_floats);
    h->low = axis(values[0]);
    h->high = axis(values[n - 1]);
    free(values);
    if (isfinite(threshold)) {
        h->low = fmin(h->low, axis(threshold));
        h->high = fmax(h->high, axis(threshold));
    }
    double margin = 0.03 * (h->high - h->low) + 0.01;
    h->low -= margin;
    h->high += margin;
    for (size_t i = 0; i < report->n; i++) {
        if (report->records[i].region != region || !isfinite(score->values[i])) {
            continue;
        }
        double t = (axis(score->values[i]) - h->low) / (h->high - h->low);
        int bin = t < 0.0 ? 0 : t >= 1.0 ? BINS - 1 : (int)(t * BINS);
        if (report->labelled && report->records[i].label == 1) {
            h->bad[bin] += 1.0;
            h->n_bad += 1.0;
        } else {
            h->good[bin] += 1.0;
            h->n_good += 1.0;
        }
    }
    return true;
}

static void bars(drae__text_file *f, const double *counts, double n, double top,
                 const char *color) {
    if (n == 0.0) {
        return;
    }
    drae__text_print(f, "<path d=\"M%.1f %.1f", drae__plot_x(0.0), drae__plot_y(0.0));
    for (int i = 0; i < BINS; i++) {
        drae__text_print(f, "V%.1fH%.1f", drae__plot_y(counts[i] / n / top),
                         drae__plot_x((double)(i + 1) / BINS));
    }
    drae__text_print(f, "V%.1fZ\" fill=\"%s\" class=\"ba\" stroke=\"%s\"/>", drae__plot_y(0.0),
                     color, color);
}

/* Every patch of a class as a stroke at the foot of the plot, the second class above the first. */
static void strokes(drae__text_file *f, const drae__report *report, const drae__report_score *score,
                    int region, const histogram *h, bool bad, double height) {
    double foot = bad ? 1.1 * height : 0.0;
    drae__text_print(f, "<path class=\"li\" stroke=\"%s\" d=\"",
                     bad ? DRAE__PLOT_BAD : DRAE__PLOT_GOOD);
    for (size_t i = 0; i < report->n; i++) {
        const drae__record *r = &report->records[i];
        if (r->region == region && isfinite(score->values[i]) &&
            (report->labelled && r->label == 1) == bad) {
            double t = (axis(score->values[i]) - h->low) / (h->high - h->low);
            drae__text_print(f, "M%.1f %.1fV%.1f", drae__plot_x(t), drae__plot_y(foot),
                             drae__plot_y(foot + height));
        }
    }
    drae__text_put(f, "\"/>");
}

/* Ticks on the logarithmic axis: of a narrow one at even steps, so that there are always three or
 * more; of a wide one at 1, 2 and 5. */
static void ticks(drae__text_file *f, const histogram *h) {
    static const int marks[] = {1, 2, 5};
    double span = h->high - h->low;
    double low = pow(10.0, h->low);
    double high = pow(10.0, h->high);
    char label[32];
    if (span < 0.75) {
        double unit = pow(10.0, floor(log10(high - low)));
        double parts = (high - low) / unit;
        unit *= parts < 2.0 ? 0.4 : parts < 3.0 ? 0.5 : parts < 6.0 ? 1.0 : 2.0;
        for (double k = ceil(low / unit); k * unit <= high; k += 1.0) {
            (void)snprintf(label, sizeof label, "%.4g", k * unit);
            drae__plot_tick_x(f, (log10(k * unit) - h->low) / span, label);
        }
        return;
    }
    for (int e = -6; e <= 6; e++) {
        for (int k = 0; k < (span > 2.5 ? 1 : 3); k++) {
            double t = (e + log10(marks[k]) - h->low) / span;
            if (t >= 0.0 && t <= 1.0) {
                (void)snprintf(label, sizeof label, "%g", marks[k] * pow(10.0, e));
                drae__plot_tick_x(f, t, label);
            }
        }
    }
}

void drae__report_plot_scores(drae__text_file *f, const drae__report *report, size_t score, int r) {
    int region = report->regions[r];
    const drae__report_score *s = &report->scores[score];
    histogram h;
    char name[32];
    char title[96];
    char label[96];
    if (!fill(report, s, region, &h)) {
        return;
    }
    bool good_bars = h.n_good >= EACH;
    bool bad_bars = h.n_bad >= EACH;
    drae__report_region(report, region, name);
    (void)snprintf(title, sizeof title, "%s: %s", name, s->name);
    axis_name(label, "score, logarithmic", h.n_good, h.n_bad, report->labelled);
    drae__plot_open(f, title, label,
                    !good_bars && !bad_bars   ? "a stroke a patch"
                    : !good_bars || !bad_bars ? "share of its class, %"
                                              : "share of each class, %");
    double top = 0.0;
    for (int i = 0; i < BINS; i++) {
        top = fmax(top, good_bars ? h.good[i] / h.n_good : 0.0);
        top = fmax(top, bad_bars ? h.bad[i] / h.n_bad : 0.0);
    }
    top = fmin(1.0, 1.05 * top);
    for (int k = 0; k <= 2 && top > 0.0; k++) {
        (void)snprintf(label, sizeof label, "%.3g", 50.0 * k * top);
        drae__plot_tick_y(f, 0.5 * k, label);
    }
    ticks(f, &h);
    double height = good_bars || bad_bars ? 0.08 : 0.4; /* of a stroke: bars leave less room */
    if (good_bars) {
        bars(f, h.good, h.n_good, top, DRAE__PLOT_GOOD);
    } else {
        strokes(f, report, s, region, &h, false, height);
    }
    if (bad_bars) {
        bars(f, h.bad, h.n_bad, top, DRAE__PLOT_BAD);
    } else {
        strokes(f, report, s, region, &h, true, height);
    }
    float threshold = s->threshold[region];
    if (isfinite(threshold)) {
        double t = (axis(threshold) - h.low) / (h.high - h.low);
        drae__text_print(f,
                         "<path d=\"M%.1f %dV%d\" class=\"th\"/><text x=\"%.1f\" y=\"%d\" "
                         "class=\"%s\">threshold %.4g</text>",
                         drae__plot_x(t), DRAE__PLOT_TOP, DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM,
                         drae__plot_x(t) + (t < 0.5 ? 4 : -4), DRAE__PLOT_TOP + 10,
                         t < 0.5 ? "s" : "e", (double)threshold);
    }
    drae__plot_close(f);
}

/* ---- vote ---- */

/* Each k in the middle of its share of the axis. */
static double place_vote(const drae__evaluation *e, size_t k) {
    return drae__plot_x(((double)k + 0.5) / (double)e->n_votes);
}

static void vote_line(drae__text_file *f, const drae__evaluation *e, bool missed, double top,
                      const char *color) {
    for (int pass = 0; pass < 2; pass++) {
        drae__text_print(f, "<path d=\"");
        for (size_t k = 0; k < e->n_votes; k++) {
            const drae__level_figures *g = &e->votes[k].figures;
            drae__interval i = missed ? g->tnr.exact : g->tpr.exact;
            double x = place_vote(e, k) + (missed ? -3.0 : 3.0); /* bars beside each other */
            if (pass == 0) {
                drae__text_print(f, "M%.1f %.1fV%.1f", x,
                                 drae__plot_y(fmin(1.0, (1.0 - i.low) / top)),
                                 drae__plot_y((1.0 - i.high) / top));
            } else {
                drae__text_print(f, "%c%.1f %.1f", k == 0 ? 'M' : 'L', x,
                                 drae__plot_y(isnan(i.value) ? 0.0 : (1.0 - i.value) / top));
            }
        }
        drae__text_print(f, "\" class=\"%s\" stroke=\"%s\"/>", pass == 0 ? "vi" : "li", color);
    }
}

void drae__report_plot_votes(drae__text_file *f, const drae__report *report) {
    const drae__evaluation *e = report->verdicts;
    char label[64];
    double top = 0.02;
    for (size_t k = 0; k < e->n_votes; k++) {
        const drae__level_figures *g = &e->votes[k].figures;
        top = fmax(top, isnan(g->tnr.exact.value) ? 0.0 : 1.0 - g->tnr.exact.value);
        top = fmax(top, isnan(g->tpr.exact.value) ? 0.0 : 1.0 - g->tpr.exact.value);
    }
    top = fmin(1.0, 1.25 * top);
    (void)snprintf(label, sizeof label, "Products, k good runs of %d needed to pass",
                   report->vote_runs);
    drae__plot_open(f, label, "k", "rate, %");
    for (int k = 0; k <= 2; k++) {
        (void)snprintf(label, sizeof label, "%.1f", 50.0 * k * top);
        drae__plot_tick_y(f, 0.5 * k, label);
    }
    for (size_t k = 0; k < e->n_votes; k++) {
        (void)snprintf(label, sizeof label, "%zu", k + 1);
        drae__plot_tick_x(f, ((double)k + 0.5) / (double)e->n_votes, label);
    }
    double chosen = place_vote(e, (size_t)report->vote_needed - 1);
    drae__text_print(f, "<path d=\"M%.1f %dV%d\" class=\"th\"/>", chosen, DRAE__PLOT_TOP,
                     DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM);
    vote_line(f, e, true, top, DRAE__PLOT_BAD);
    vote_line(f, e, false, top, DRAE__PLOT_GOOD);
    drae__plot_close(f);
}

/* ---- tallies ---- */

void drae__report_plot_tallies(drae__text_file *f, const drae__report *report, size_t n,
                               const drae__report_tally *tallies, const char *unit) {
    enum { ROW = 22, NAME = 150, PLOT = 170, TAIL = 120 };
    int height = (int)n * ROW + 26;
    drae__text_print(f,
                     "<figure class=\"wideplot\"><svg viewBox=\"0 0 %d %d\" role=\"img\" "
                     "aria-label=\"miss rates\">",
                     NAME + PLOT + TAIL, height);
    for (int k = 0; k <= 4; k++) {
        int x = NAME + k * PLOT / 4;
        drae__text_print(f,
                         "<path d=\"M%d 0V%d\" class=\"gr\"/><text x=\"%d\" y=\"%d\" "
                         "class=\"m\">%d</text>",
                         x, height - 20, x, height - 6, 25 * k);
    }
    drae__text_print(f, "<text x=\"%d\" y=\"%d\" class=\"s\">%% missed</text>", NAME + PLOT + 18,
                     height - 6);
    for (size_t i = 0; i < n; i++) {
        const drae__report_tally *t = &tallies[i];
        double y = (double)i * ROW + 11;
        drae__interval m =
            drae__clopper_pearson((double)t->missed, (double)t->n, report->confidence);
        drae__text_print(f, "<text x=\"%d\" y=\"%.0f\" class=\"e\">", NAME - 8, y + 4);
        if (unit == NULL) {
            drae__text_html(f, report->defect_name(report->context, t->key));
        } else if (i + 1 < n) {
            drae__text_print(f, "%d to %d %s", t->key, tallies[i + 1].key, unit);
        } else {
            drae__text_print(f, "%d %s and more", t->key, unit);
        }
        drae__text_put(f, "</text>");
        if (t->n > 0) {
            drae__text_print(
                f,
                "<path d=\"M%.1f %.1fH%.1f\" class=\"vi\" stroke=\"" DRAE__PLOT_BAD "\"/>"
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"" DRAE__PLOT_BAD "\"/>",
                NAME + m.low * PLOT, y, NAME + m.high * PLOT, NAME + m.value * PLOT, y);
        }
        drae__text_print(f, "<text x=\"%d\" y=\"%.0f\" class=\"s\">%zu of %zu</text>",
                         NAME + PLOT + 10, y + 4, t->missed, t->n);
    }
    drae__plot_close(f);
}
