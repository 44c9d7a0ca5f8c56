/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.html: the page around the plots. One file without network or script, readable on a phone
 * (wide tables scroll within themselves) and printed on A4.
 */
#include "io/report_html.h"

#include "drae/line.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Above this share an interval says little: 72 units without an error reach 5 %. */
#define FEW 0.05

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

static void put_verdicts(drae__text_file *f, const drae__report *report) {
    const drae__evaluation *e = report->verdicts;
    const drae__evaluation *b = report->baseline;
    drae__text_put(
        f, "<h2>The two errors</h2>\n<p>A missed defect is labelled defective and passes; a false "
           "reject is labelled good and does not. Small print: rates in percent with exact "
           "(Clopper-Pearson) 95 % limits of units taken as independent. Columns "
           "&ldquo;by product&rdquo; allow for the units of one product not being so, and are the "
           "limits to rely on.</p>\n<div class=\"wide\"><table><tr><th>level</th><th>missed "
           "defects</th><th>by product</th><th>false rejects</th><th>by "
           "product</th><th>products</th></tr>\n");
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
           "<table><tr><th>level</th><th>accuracy</th><th>TPR</th><th>TNR</th><th>balanced"
           "</th><th>published</th></tr>\n");
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
                   "class=\"wide\"><table><tr><th>region</th><th class=\"l\">score</th>"
                   "<th>pixel AUROC</th><th>pixel AUPR</th><th>pixel F1max</th><th>AUPRO "
                   "0.3</th><th>AUPRO 0.05</th></tr>\n");
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

static void put_scores(drae__text_file *f, const drae__report *report) {
    bool pixels = false;
    drae__text_print(
        f,
        "<h2>What the scores can tell apart</h2>\n<p>Without any threshold, patch by patch, in "
        "percent with 95 %% limits: AUROC by DeLong in its form for products, the rest by "
        "bootstrap by product (%zu rounds). &ldquo;All regions&rdquo; pools raw scores, which "
        "differ in scale between regions.</p>\n<div class=\"wide\"><table><tr><th>region"
        "</th><th class=\"l\">score</th><th>AUROC</th><th>AUPR</th><th>F1max</th>"
        "<th>detected at %.3g %% false rejects</th><th>false rejects at full "
        "detection</th></tr>\n",
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

static void put_histograms(drae__text_file *f, const drae__report *report) {
    drae__text_put(f, "<h2>Scores by region</h2>\n<p><span class=\"key\" style=\"background:"
                      "#2f6f9f;margin-left:0\"></span>good<span class=\"key\" style=\"background:"
                      "#d9542b\"></span>defective; the dashed line is the threshold, what lies to "
                      "its right is rejected.</p>\n<div class=\"grid\">\n");
    for (size_t s = 0; s < report->n_scores; s++) {
        for (int r = 0; r < report->n_regions; r++) {
            drae__report_plot_scores(f, report, s, r);
        }
    }
    drae__text_put(f, "</div>\n");
}

/* ---- defects ---- */

static size_t count_class(const drae__report *report, int key, int region, size_t *missed) {
    for (size_t i = 0; i < report->n_classes; i++) {
        if (report->classes[i].key == key && report->classes[i].region == region) {
            *missed = report->classes[i].missed;
            return report->classes[i].n;
        }
    }
    return 0;
}

static void put_classes(drae__text_file *f, const drae__report *report) {
    char name[32];
    size_t n_all = 0;
    while (n_all < report->n_classes && report->classes[n_all].region < 0) {
        n_all++;
    }
    drae__text_put(f, "<h3>By class</h3>\n");
    drae__report_plot_tallies(f, report, n_all, report->classes, NULL);
    drae__text_put(f, "<div class=\"wide\"><table><tr><th>missed of defective</th>");
    for (int r = 0; r < report->n_regions; r++) {
        drae__report_region(report, report->regions[r], name);
        drae__text_print(f, "<th>%s</th>", name);
    }
    drae__text_put(f, "<th>all</th></tr>\n");
    for (size_t c = 0; c < n_all; c++) {
        drae__text_put(f, "<tr><td>");
        drae__text_html(f, report->defect_name(report->context, report->classes[c].key));
        drae__text_put(f, "</td>");
        for (int r = 0; r <= report->n_regions; r++) {
            size_t missed = 0;
            size_t n = count_class(report, report->classes[c].key,
                                   r < report->n_regions ? report->regions[r] : -1, &missed);
            if (n == 0) {
                drae__text_put(f, "<td></td>");
                continue;
            }
            drae__interval i = drae__clopper_pearson((double)missed, (double)n, report->confidence);
            drae__text_print(f, "<td>%zu of %zu<i>", missed, n);
            drae__report_limits(f, &i);
            drae__text_put(f, "</i></td>");
        }
        drae__text_put(f, "</tr>\n");
    }
    drae__text_put(f, "</table></div>\n");
}

static void put_defects(drae__text_file *f, const drae__report *report) {
    if (report->n_classes == 0 && report->n_extents == 0) {
        return;
    }
    drae__text_put(f, "<h2>Missed defects by class and size</h2>\n<p>Patches labelled defective "
                      "that pass, with exact 95 % limits.</p>\n");
    if (report->n_classes > 0) {
        put_classes(f, report);
    }
    if (report->n_extents > 0) {
        drae__text_put(f, "<h3>By extent</h3>\n<p class=\"note\">Longer side of the box around the "
                          "mask, in pixels of the patch.</p>\n");
        drae__report_plot_tallies(f, report, report->n_extents, report->extents, "px");
    }
    if (report->n_contrasts > 0) {
        drae__text_put(f,
                       "<h3>By contrast</h3>\n<p class=\"note\">Difference between the mean inside "
                       "the mask and the mean of a ring of 4 px around it, in grey levels. A "
                       "defect that is brighter here and darker there counts less than it "
                       "looks.</p>\n");
        drae__report_plot_tallies(f, report, report->n_contrasts, report->contrasts, "levels");
    }
}

static void put_votes(drae__text_file *f, const drae__report *report) {
    if (report->verdicts->n_votes == 0) {
        return;
    }
    drae__text_print(f,
                     "<h2>How many runs must agree</h2>\n<p><span class=\"key\" style=\"background:"
                     "#d9542b;margin-left:0\"></span>missed defective products<span class=\"key\" "
                     "style=\"background:#2f6f9f\"></span>falsely rejected good products; bars are "
                     "95 %% limits. A product passes when at least k of its %d runs are good; the "
                     "dashed line is the rule in use.</p>\n<div class=\"grid\">\n",
                     report->vote_runs);
    drae__report_plot_votes(f, report);
    drae__text_put(f, "</div>\n");
}

/* ---- pictures ---- */

static void put_column(drae__text_file *f, const char *name, int32_t value) {
    if (value != DRAE__UNRECORDED) {
        drae__text_print(f, ", %s %d", name, (int)value);
    }
}

static void put_picture(drae__text_file *f, const drae__report *report,
                        const drae__report_picture *p) {
    const drae__record *r = &report->records[p->index];
    const drae__report_score *score = &report->scores[report->decides[r->region]];
    char name[32];
    drae__report_region(report, r->region, name);
    drae__text_print(f, "<figure class=\"pic\"><img alt=\"patch %zu\" src=\"data:image/png;base64,",
                     p->index);
    drae__text_base64(f, p->png, p->n_bytes);
    drae__text_print(f, "\"><figcaption>patch %zu, %s", p->index, name);
    put_column(f, "product", r->product);
    put_column(f, "run", r->run);
    put_column(f, "frame", r->frame);
    put_column(f, "vial", r->vial);
    if (!p->false_reject) {
        drae__text_put(f, ": ");
        drae__text_html(f, report->defect_name(report->context, r->defect));
    }
    drae__text_print(f, "; %s %.4g, threshold %.4g</figcaption></figure>\n", score->name,
                     (double)score->values[p->index], (double)score->threshold[r->region]);
}

static void put_pictures(drae__text_file *f, const drae__report *report) {
    for (int kind = 0; kind < 2; kind++) {
        size_t n = 0;
        for (size_t i = 0; i < report->n_pictures; i++) {
            n += report->pictures[i].false_reject == (kind == 1) ? 1 : 0;
        }
        drae__text_put(f, kind == 0 ? "<h2>Worst missed defects</h2>\n"
                                    : "<h2>Worst false rejects</h2>\n");
        if (n == 0) {
            drae__text_put(f, kind == 0 ? "<p>No defect was missed.</p>\n"
                                        : "<p>Nothing good was rejected.</p>\n");
            continue;
        }
        drae__text_put(
            f, kind == 0
                   ? "<p>Furthest below their threshold, one a product. Left the image; then what "
                     "the engine "
                     "sees, on the fixed scale of the region (nothing is painted below half of "
                     "its full scale), the ring round its largest value; right the outline of the "
                     "labelled defect.</p>\n"
                   : "<p>Furthest above their threshold, one a product. Left the image, right what "
                     "the "
                     "engine sees, on the fixed scale of the region, the ring round its largest "
                     "value.</p>\n");
        for (size_t i = 0; i < report->n_pictures; i++) {
            if (report->pictures[i].false_reject == (kind == 1)) {
                put_picture(f, report, &report->pictures[i]);
            }
        }
    }
}

/* ---- head and foot ---- */

/* The highest level that knows both classes, else the highest. */
static const drae__level_figures *summit(const drae__report *report) {
    const drae__evaluation *e = report->verdicts;
    size_t at = e->n_levels - 1;
    while (at > 0 && (e->levels[at].n_good == 0 || e->levels[at].n_bad == 0)) {
        at--;
    }
    return &e->levels[at > 0 ? at : e->n_levels - 1];
}

static void put_card(drae__text_file *f, const char *what, size_t k, size_t n,
                     const drae__rate *rate) {
    drae__interval i = complement(rate->by_product);
    drae__text_print(f, "<div class=\"card\"><b>%zu of %zu</b>%s<br><span>", k, n, what);
    drae__report_percent(f, i.value);
    drae__text_put(f, " %, 95 % limits ");
    drae__report_limits(f, &i);
    drae__text_put(f, "</span></div>\n");
}

/* What a sample of n cannot show even at its best: no error among n leaves this upper limit. */
static void put_caution(drae__text_file *f, const drae__report *report, size_t n, const char *what,
                        const char *error) {
    drae__interval best = drae__clopper_pearson(0.0, (double)n, report->confidence);
    if (n > 0 && best.high > FEW) {
        drae__text_print(
            f,
            "<p>Only %zu %s: even with none %s the upper limit would be %.1f %%. Too few to "
            "tell a good engine from a fair one.</p>\n",
            n, what, error, 100.0 * best.high);
    }
}

static void put_cards(drae__text_file *f, const drae__report *report) {
    const drae__level_figures *level = summit(report);
    const char *unit = level->kind == DRAE__LEVEL_PRODUCT ? "products"
                       : level->kind == DRAE__LEVEL_STRIP ? "strips"
                       : level->kind == DRAE__LEVEL_VIAL  ? "vials"
                                                          : "patches";
    char what[64];
    drae__text_put(f, "<div class=\"cards\">\n");
    (void)snprintf(what, sizeof what, "defective %s missed", unit);
    put_card(f, what, level->missed, level->n_bad, &level->tnr);
    (void)snprintf(what, sizeof what, "good %s falsely rejected", unit);
    put_card(f, what, level->false_rejects, level->n_good, &level->tpr);
    drae__text_print(f, "<div class=\"card\"><b>");
    drae__report_percent(f, level->balanced.value);
    drae__text_put(f, " %</b>balanced accuracy<br><span>95 % limits ");
    drae__report_limits(f, &level->balanced);
    drae__text_put(f, "</span></div>\n</div>\n");
    (void)snprintf(what, sizeof what, "defective %s", unit);
    put_caution(f, report, level->n_bad, what, "missed");
    (void)snprintf(what, sizeof what, "good %s", unit);
    put_caution(f, report, level->n_good, what, "falsely rejected");
    if (level->n_open > 0) {
        drae__text_print(f,
                         "<p>%zu %s have no verdict: a region has no threshold. Calibrate "
                         "(drae calibrate) before you rely on anything here.</p>\n",
                         level->n_open, unit);
    }
}

drae_status drae__report_write_html(const drae__report *report, const char *path, drae__err *err) {
    drae__text_file *f = NULL;
    drae_status status = drae__text_create(path, &f, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__page_begin(f, "drae evaluation");
    drae__text_print(f, "<h1>Evaluation</h1>\n<p>%zu patches", report->n);
    if (report->hierarchy->n_strips > 0) {
        drae__text_print(f, " of %zu products in %zu strips", report->hierarchy->n_products,
                         report->hierarchy->n_strips);
    }
    drae__text_put(f, ".</p>\n");
    if (report->verdicts != NULL) {
        put_cards(f, report);
        put_verdicts(f, report);
        put_scores(f, report);
    } else {
        drae__text_put(f, "<p>The data has no labels: there are scores, but no errors to "
                          "count.</p>\n");
    }
    put_histograms(f, report);
    if (report->verdicts != NULL) {
        put_defects(f, report);
        put_votes(f, report);
        put_pictures(f, report);
    }
    drae__page_facts(f, report->n_facts, report->facts);
    drae__page_end(f);
    return drae__text_finish(f, err);
}
