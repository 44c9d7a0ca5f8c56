/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of report.html: the two errors, the published table, scores and pixels. */
#include "io/report_html.h"

#include <math.h>
#include <stdio.h>

static drae__interval complement(drae__interval i) {
    return (drae__interval){1.0 - i.value, 1.0 - i.high, 1.0 - i.low};
}

static void level_title(drae__text_file *f, const drae__report *report,
                        const drae__level_figures *level) {
    char name[32];
    drae__report_region(report, level->region, name);
    switch (level->kind) {
    case DRAE__LEVEL_PATCH:
        drae__text_print(f, "patch, %s", name);
        break;
    case DRAE__LEVEL_VIAL:
        drae__text_put(f, "vial");
        break;
    case DRAE__LEVEL_STRIP:
        drae__text_put(f, "strip (product in one run)");
        break;
    case DRAE__LEVEL_PRODUCT:
        drae__text_print(f, "product (%d of %d runs)", report->vote_needed, report->vote_runs);
        break;
    }
}

/* ---- the tables of verdicts ---- */

static void put_error(drae__text_file *f, size_t k, size_t n, const drae__rate *rate) {
    drae__interval exact = complement(rate->exact);
    drae__text_print(f, "<td>%zu of %zu", k, n);
    if (n > 0) {
        drae__text_put(f, "<i>");
        drae__report_percent(f, exact.value);
        drae__text_put(f, " % ");
        drae__report_limits(f, &exact);
        drae__text_put(f, "</i>");
    }
    drae__text_put(f, "</td>");
}

static void error_row(drae__text_file *f, const drae__report *report,
                      const drae__level_figures *level, bool baseline) {
    drae__interval missed = complement(level->tnr.by_product);
    drae__interval rejected = complement(level->tpr.by_product);
    drae__text_print(f, "<tr%s><td>", baseline ? " class=\"base\"" : "");
    level_title(f, report, level);
    drae__text_print(f, "%s</td>", baseline ? "<i>golden template</i>" : "");
    put_error(f, level->missed, level->n_bad, &level->tnr);
    drae__text_put(f, "<td>");
    drae__report_limits(f, &missed);
    drae__text_put(f, "</td>");
    put_error(f, level->false_rejects, level->n_good, &level->tpr);
    drae__text_put(f, "<td>");
    drae__report_limits(f, &rejected);
    drae__text_print(f, "</td><td>%zu</td></tr>\n", level->n_products);
}

static void rate_row(drae__text_file *f, const drae__report *report,
                     const drae__level_figures *level, bool baseline) {
    const char *row = "";
    double published = drae__report_published(level, &row);
    drae__text_print(f, "<tr%s><td>", baseline ? " class=\"base\"" : "");
    level_title(f, report, level);
    drae__text_print(f, "%s</td>", baseline ? "<i>golden template</i>" : "");
    const drae__interval *cells[] = {&level->accuracy.exact, &level->tpr.exact, &level->tnr.exact,
                                     &level->balanced};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        drae__text_put(f, "<td>");
        drae__report_interval(f, cells[i]);
        drae__text_put(f, "</td>");
    }
    if (report->vials && !isnan(published) && !baseline) {
        drae__text_print(f, "<td>%.2f<i>%s</i></td></tr>\n", published, row);
    } else {
        drae__text_put(f, "<td></td></tr>\n");
    }
}

/* Whether the upper limit stays above a useful one even without an error. */
static bool too_few(const drae__report *report, size_t n) {
    return drae__clopper_pearson(0.0, (double)n, report->confidence).high > DRAE__REPORT_FEW;
}

/* Which regions have too few patches of a class to tell anything. */
static void put_few(drae__text_file *f, const drae__report *report, bool bad) {
    const drae__evaluation *e = report->verdicts;
    size_t n_few = 0;
    for (size_t i = 0; i < e->n_levels; i++) {
        const drae__level_figures *g = &e->levels[i];
        size_t n = bad ? g->n_bad : g->n_good;
        if (g->kind == DRAE__LEVEL_PATCH && g->region >= 0 && too_few(report, n)) {
            char name[32];
            drae__report_region(report, g->region, name);
            drae__text_print(f, "%s%s %zu", n_few++ == 0 ? "<p class=\"warn\">" : ", ", name, n);
        }
    }
    if (n_few > 0) {
        drae__text_print(f,
                         " %s patches: too few for a region's own figure. Without a single error "
                         "it takes 72 to bring the upper limit of a rate below 5 %%.</p>\n",
                         bad ? "defective" : "good");
    }
}

/* Whether any unit has a verdict. */
static bool decided(const drae__evaluation *e) {
    for (size_t i = 0; i < e->n_levels; i++) {
        if (e->levels[i].n_good + e->levels[i].n_bad > 0) {
            return true;
        }
    }
    return false;
}

void drae__report_put_verdicts(drae__text_file *f, const drae__report *report) {
    const drae__evaluation *e = report->verdicts;
    const drae__evaluation *b = report->baseline;
    bool no_baseline = b != NULL && !decided(b);
    b = no_baseline ? NULL : b;
    drae__text_put(
        f, "<h2>The two errors</h2>\n<p>A missed defect is labelled defective and passes; a false "
           "reject is labelled good and does not. Small print: rates in percent with exact "
           "(Clopper-Pearson) 95 % limits of units taken as independent. Columns "
           "&ldquo;by product&rdquo; allow for the units of one product not being so, and are the "
           "limits to rely on.</p>\n");
    put_few(f, report, true);
    put_few(f, report, false);
    if (no_baseline) {
        drae__text_put(f,
                       "<p class=\"note\">The golden template has no thresholds: --good holds too "
                       "few images of a region.</p>\n");
    }
    drae__text_put(f, "<div class=\"wide\"><table><thead><tr><th>level</th><th>missed "
                      "defects</th><th>by product</th><th>false rejects</th><th>by "
                      "product</th><th>products</th></tr></thead>\n");
    for (size_t i = 0; i < e->n_levels; i++) {
        error_row(f, report, &e->levels[i], false);
        if (b != NULL) {
            error_row(f, report, &b->levels[i], true);
        }
    }
    drae__text_put(
        f, "</table></div>\n<h2>The published table</h2>\n<p>The same verdicts in the convention "
           "of the paper (arXiv 2603.07577), where good is the positive: TPR is the share of good "
           "units that pass, TNR the share of defective units that are rejected. Percent, with 95 "
           "% limits: Clopper-Pearson for the rates; bootstrap by product for balanced accuracy, "
           "or from Clopper-Pearson limits by product where one of the errors never occurred. The "
           "last column is balanced accuracy as published, on other data.</p>\n<div class=\"wide\">"
           "<table><thead><tr><th>level</th><th>accuracy</th><th>TPR</th><th>TNR</th><th>balanced"
           "</th><th>published</th></tr></thead>\n");
    for (size_t i = 0; i < e->n_levels; i++) {
        rate_row(f, report, &e->levels[i], false);
        if (b != NULL) {
            rate_row(f, report, &b->levels[i], true);
        }
    }
    drae__text_put(f, "</table></div>\n");
}

/* ---- scores ---- */

static void open_score_row(drae__text_file *f, const drae__report *report,
                           const drae__report_score *score, int r) {
    char name[32];
    drae__report_region(report, r < report->n_regions ? report->regions[r] : -1, name);
    drae__text_print(f, "<tr%s><td>%s</td><td class=\"l\">%s</td>",
                     score->baseline ? " class=\"base\"" : "", name, score->name);
}

static void put_cells(drae__text_file *f, const drae__interval *const *cells, size_t n) {
    for (size_t c = 0; c < n; c++) {
        drae__text_put(f, "<td>");
        drae__report_interval(f, cells[c]);
        drae__text_put(f, "</td>");
    }
    drae__text_put(f, "</tr>\n");
}

static void put_pixels(drae__text_file *f, const drae__report *report) {
    drae__text_put(f,
                   "<h2>Where the defects are</h2>\n<p>Pixel by pixel against the masks. AUPRO is "
                   "the mean overlap of all connected defects, integrated up to 30 % and 5 % "
                   "false pixels. Percent, 95 % limits by bootstrap by product.</p>\n<div "
                   "class=\"wide\"><table><thead><tr><th>region</th><th class=\"l\">score</th>"
                   "<th>pixel AUROC</th><th>pixel AUPR</th><th>pixel F1max</th><th>AUPRO "
                   "0.3</th><th>AUPRO 0.05</th></tr></thead>\n");
    for (int r = 0; r <= report->n_regions; r++) {
        for (size_t s = 0; s < report->n_scores; s++) {
            const drae__report_score *score = &report->scores[s];
            if (score->pixels != NULL) {
                const drae__pixel_figures *p = &score->pixels[r];
                const drae__interval *cells[] = {&p->auroc, &p->aupr, &p->f1max, &p->aupro_30,
                                                 &p->aupro_05};
                open_score_row(f, report, score, r);
                put_cells(f, cells, sizeof cells / sizeof cells[0]);
            }
        }
    }
    drae__text_put(f, "</table></div>\n");
}

void drae__report_put_scores(drae__text_file *f, const drae__report *report) {
    bool pixels = false;
    drae__text_print(
        f,
        "<h2>What the scores can tell apart</h2>\n<p>Without any threshold, patch by patch, in "
        "percent with 95 %% limits: AUROC by DeLong in its form for products, the rest by "
        "bootstrap by product (%zu rounds). &ldquo;All regions&rdquo; pools raw scores, which "
        "differ in scale between regions.</p>\n<div class=\"wide\"><table><thead><tr><th>region"
        "</th><th class=\"l\">score</th><th>AUROC</th><th>AUPR</th><th>F1max</th>"
        "<th>detected at %.3g %% false rejects</th><th>false rejects at full "
        "detection</th></tr></thead>\n",
        report->rounds, 100.0 * report->rate);
    for (int r = 0; r <= report->n_regions; r++) {
        for (size_t s = 0; s < report->n_scores; s++) {
            const drae__report_score *score = &report->scores[s];
            const drae__score_figures *g = &score->figures[r];
            const drae__interval *cells[] = {&g->auroc, &g->aupr, &g->f1max, &g->detected_at_rate,
                                             &g->false_rejects_at_full};
            open_score_row(f, report, score, r);
            put_cells(f, cells, sizeof cells / sizeof cells[0]);
            pixels = pixels || score->pixels != NULL;
        }
    }
    drae__text_put(f, "</table></div>\n");
    for (size_t s = 0; s < report->n_scores; s++) {
        drae__text_print(f, "<p class=\"note\"><b>%s</b>: ", report->scores[s].name);
        drae__text_html(f, report->scores[s].title);
        drae__text_put(f, ".</p>\n");
    }
    if (pixels) {
        put_pixels(f, report);
    }
    drae__text_put(f, "<h2>ROC by region</h2>\n<p>The circle is the engine's threshold with its 95 "
                      "% limits. False rejects on a cube-root scale, so that the part below 1 % "
                      "can be read.</p>\n<div class=\"grid\">\n");
    for (int r = 0; r < report->n_regions; r++) {
        drae__report_plot_roc(f, report, r);
    }
    drae__text_put(f, "</div>\n");
}
